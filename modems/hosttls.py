"""What every module's stack claims about TLS on the host: it needs nothing but a stream."""

from __future__ import annotations

from netsocket.capability.model import Capability, Level, Manual

_WHY = {
    "tls.handshake": "on the host, over a TCP socket of the module",
    "tls.verify": "on the host, against its authorities and its clock",
    "tls.client_certificate": "on the host; the key never goes to the module",
    "tls.echo": "records are made on the host",
    "tls.send": "a record is queued on the host until the module has taken it",
    "tls.nonblocking": "a call may take one exchange with the module",
    "tls.timeout": "one deadline on the host",
    "tls.close_notify": "on the host",
    "tls.truncation": "close_notify tells, whatever the module calls an end",
    "tls.errors": "known to the driver",
    "tls.sockets": "as many as TCP sockets",
    "tls.listen": "on the host, over what the module accepts, within the limits of tcp.listen",
}


def claims(carrier: Manual, listener: Manual) -> tuple[Capability, ...]:
    """The claims; `carrier` and `listener` are the commands that the streams below rest on."""
    return tuple(
        Capability(id_, Level.EMULATED, why, listener if id_ == "tls.listen" else carrier)
        for id_, why in _WHY.items()
    )

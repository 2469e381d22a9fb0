"""The probes, one module per group of promises; importing this package registers them all."""

from netsocket.capability.probes import (
    failures,
    interface,
    limits,
    names,
    options,
    tcp,
    tcp_ending,
    udp,
    waiting,
)

__all__ = [
    "failures",
    "interface",
    "limits",
    "names",
    "options",
    "tcp",
    "tcp_ending",
    "udp",
    "waiting",
]

"""What the operating system's own sockets claim: all of it, with the page of the Linux manual.

The host is the yardstick of the other stacks, so its claims are listed as exceptions from FULL.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from netsocket.capability.catalogue import CATALOGUE, GROUP
from netsocket.capability.model import Capability, CapabilityTable, Level, Manual

_OF_GROUP: Final = {
    "tcp": "tcp(7)",
    "udp": "udp(7)",
    "dns": "getaddrinfo(3)",
    "options": "socket(7)",
    "errors": "errno(3)",
    "concurrency": "socket(7)",
    "limits": "socket(7)",
    "tls": "socket(2)",
    "interface": "netdevice(7)",
}
_PAGE: Final = {
    "tcp.connect": "connect(2)",
    "tcp.connect_nonblocking": "connect(2), EINPROGRESS, EALREADY",
    "tcp.connect_again": "connect(2)",
    "tcp.send": "send(2)",
    "tcp.recv": "recv(2)",
    "tcp.half_close": "shutdown(2)",
    "tcp.shutdown_read": "shutdown(2)",
    "tcp.shutdown_both": "shutdown(2)",
    "tcp.listen": "listen(2), accept(2)",
    "tcp.bind_port": "bind(2)",
    "tcp.bind_conflict": "bind(2), EADDRINUSE",
    "tcp.peer_name": "getpeername(2)",
    "tcp.local_name": "getsockname(2)",
    "tcp.close": "close(2)",
    "tcp.abort": "socket(7), SO_LINGER",
    "send.outcome": "send(2), return value",
    "send.backpressure": "send(2), EAGAIN",
    "udp.connect": "connect(2)",
    "udp.sendto_many": "send(2)",
    "udp.sendto_connected": "send(2)",
    "udp.truncation": "recv(2), MSG_TRUNC",
    "udp.bind_port": "bind(2)",
    "udp.bind_conflict": "bind(2), EADDRINUSE",
    "udp.local_name": "getsockname(2)",
    "option.keepidle": "tcp(7), TCP_KEEPIDLE",
    "option.keepintvl": "tcp(7), TCP_KEEPINTVL",
    "option.nodelay": "tcp(7), TCP_NODELAY",
    "option.multicast": "ip(7), IP_ADD_MEMBERSHIP",
    "option.tos": "ip(7), IP_TOS",
    "option.honest": "setsockopt(2), ENOPROTOOPT",
    "error.refused": "connect(2), ECONNREFUSED",
    "error.connected_twice": "connect(2), EISCONN",
    "error.not_connected": "send(2), recv(2), getpeername(2), ENOTCONN",
    "error.closed": "send(2), EBADF",
    "error.broken_pipe": "send(2), EPIPE",
    "error.no_destination": "send(2), EDESTADDRREQ",
    "error.too_long": "send(2), EMSGSIZE",
    "error.foreign_address": "bind(2), EADDRNOTAVAIL",
    "error.end_repeats": "recv(2), return value",
    "wait.connect_timeout": "connect(2)",
    "wait.nonblocking": "fcntl(2), O_NONBLOCK",
    "wait.event": "epoll(7)",
    "wait.event_removed": "epoll(7)",
    "sockets.max": "getrlimit(2), RLIMIT_NOFILE",
    "sockets.reuse": "close(2)",
    "frame.max_send": "tcp(7)",
    "frame.max_recv": "tcp(7)",
    "datagram.max_send": "udp(7)",
    "datagram.max_recv": "udp(7)",
    "ipv6": "ipv6(7)",
    "interface.address": "getsockname(2)",
    "interface.ping": "raw(7)",
}
_OTHERWISE: Final = (
    Capability("tcp.shutdown_read", Level.EMULATED, "kept by the socket object, as on every stack"),
    Capability("sockets.max", Level.FULL, "as many as the process may have descriptors"),
    Capability("frame.max_send", Level.FULL, "no frames: any prefix may be accepted"),
    Capability("frame.max_recv", Level.FULL, "no frames"),
    Capability(
        "datagram.max_send",
        Level.FULL,
        "largest UDP payload over IPv4: 65535 - 20 - 8",
        limit=65_507,
        unit="bytes",
    ),
    Capability("datagram.max_recv", Level.FULL, limit=65_535, unit="bytes"),
    Capability("udp.descriptor", Level.NONE, "the same for all stacks: a datagram socket has none"),
    Capability("tls.module", Level.NONE, "TLS is done above the sockets"),
    Capability("send.outcome", Level.FULL, "accepted means queued in the operating system"),
    Capability("interface.scan", Level.NONE, "left to the operating system's own tools"),
    Capability("interface.ping", Level.NONE, "a raw socket would need privileges"),
    *(
        Capability(id_, Level.NONE, "the operating system's own tools join networks")
        for id_ in CATALOGUE
        if id_.startswith(("wifi.", "cellular."))
    ),
)


def _claims() -> list[Capability]:
    otherwise = {record.id: record for record in _OTHERWISE}
    return [
        replace(
            otherwise.get(id_) or Capability(id_, Level.FULL),
            source=Manual("Linux man-pages", "", _PAGE.get(id_, _OF_GROUP[GROUP[id_]])),
        )
        for id_ in CATALOGUE
    ]


HOST_CAPABILITIES: Final = CapabilityTable(
    "host", "operating system", _claims(), stack="the operating system's own"
)

"""One of the five links of the module, and what waits to be read from it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..secure import SecureStream
from ..sockets import Datagrams, Stream

__all__ = ["Link"]


_RECORD = 29  # bytes that a TLS record adds
_GOODBYE = 31


@dataclass(slots=True, eq=False)
class Link:
    """An open link.

    Attributes:
        number: link id 0..4.
        kind: as given to AT+CIPSTART: "TCP", "UDP", "SSL", or one of them with "v6".
        goodbye_read: the host asked for data when only close_notify was there (passive).
        tcp, udp: the real socket; exactly one is set.
        remote: (address, port) that AT+CIPSTART named, or the peer of an accepted link.
        last_peer: sender of the last datagram delivered in active mode.
        udp_mode: 0 fixed destination, 1 changes once, 2 follows (AT+CIPSTART "UDP").
        server: accepted by the module's server.
        announced: bytes in the last unanswered +IPD (passive), 0 when none is out.
        datagrams: passive UDP, not yet read.
        active_at: loop time of the last traffic, for AT+CIPSTO.
        pushing: a task waits for output room on behalf of this link.
        mute: nothing can be sent on it (N0: a UDP link opened with a host name).
    """

    number: int
    kind: str
    remote: tuple[str, int]
    tcp: Stream | None = None
    udp: Datagrams | None = None
    last_peer: tuple[str, int] | None = None
    udp_mode: int = 0
    changed_once: bool = False
    server: bool = False
    announced: int = 0
    datagrams: deque[bytes] = field(default_factory=deque)
    active_at: float = 0.0
    pushing: bool = False
    goodbye_read: bool = False
    mute: bool = False

    @property
    def finished(self) -> bool:
        """The peer ended, and the host has asked for everything; of TLS also for the end itself."""
        if isinstance(self.tcp, SecureStream) and self.tcp.orderly:
            return self.goodbye_read and self.tcp.finished
        return self.tcp is not None and self.tcp.finished

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

    @property
    def is_udp(self) -> bool:
        """Whether this is a UDP link."""
        return self.udp is not None

    @property
    def local_port(self) -> int:
        """The real local port."""
        member = self.tcp or self.udp
        assert member is not None
        return member.local[1]

    def waiting(self) -> int:
        """Bytes that AT+CIPRECVDATA could deliver now."""
        if isinstance(self.tcp, SecureStream):
            return self.estimate(self.tcp)
        if self.tcp is not None:
            return self.tcp.unread()
        return sum(len(datagram) for datagram in self.datagrams)

    def estimate(self, stream: SecureStream) -> int:
        """What the module says that a TLS link holds: the size of its records.

        581 for 552 bytes, 654 for 625 (esp-at #589, #731), 31 for a close_notify (#729).
        """
        plain = stream.unread()
        if plain:
            return plain + _RECORD
        return _GOODBYE if stream.orderly and not self.goodbye_read else 0

    def read(self, limit: int) -> bytes:
        """Up to `limit` bytes; the rest of a datagram that is cut is gone (esp-at #994, #323)."""
        if isinstance(self.tcp, SecureStream) and not self.tcp.unread():
            self.goodbye_read = self.tcp.orderly
        if self.tcp is not None:
            return self.tcp.read(min(limit, self.tcp.unread()))
        pieces: list[bytes] = []
        room = limit
        while self.datagrams and room:
            datagram = self.datagrams.popleft()
            pieces.append(datagram[:room])
            room -= len(pieces[-1])
        return b"".join(pieces)

    def close(self, *, abort: bool) -> None:
        """Close the real socket, with RST when `abort`."""
        if self.tcp is not None:
            if abort:
                self.tcp.abort()
            else:
                self.tcp.close()
        if self.udp is not None:
            self.udp.close()
        self.datagrams.clear()

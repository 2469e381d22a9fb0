"""The twelve connect ids: what each holds, and how AT+QISTATE shows it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from fakes.bg96.profile import CONNECT_IDS, RECEIVE_BUFFER
from fakes.sockets import Datagrams, Listening, Stream

# Values of <socket_state> (TCP(IP) manual V1.1, AT+QISTATE).
STATE_INITIAL: Final = 0
STATE_OPENING: Final = 1
STATE_CONNECTED: Final = 2
STATE_LISTENING: Final = 3
STATE_CLOSING: Final = 4

TCP: Final = "TCP"
UDP: Final = "UDP"
TCP_LISTENER: Final = "TCP LISTENER"
UDP_SERVICE: Final = "UDP SERVICE"
TCP_INCOMING: Final = "TCP INCOMING"
SSL_CLIENT: Final = "SSLClient"


@dataclass(slots=True, eq=False)
class Link:
    """One connect id in use.

    `remote` is the (address, port) of the peer, empty for listeners and UDP services.
    `announced` is set from the ``recv`` notice until the host has read the buffer empty.
    """

    id: int
    kind: str
    context: int
    mode: int
    server: int
    remote: tuple[str, int] = ("", 0)
    local_port: int = 0
    own: str = "127.0.0.1"
    """Loopback address of the same IP version as the link's."""
    state: int = STATE_INITIAL
    tcp: Stream | None = None
    udp: Datagrams | None = None
    listener: Listening | None = None
    opening: asyncio.Task[None] | None = None
    datagrams: deque[tuple[bytes, tuple[str, int]]] = field(default_factory=deque)
    datagram_bytes: int = 0
    read_total: int = 0
    sent_total: int = 0
    announced: bool = False
    tls_context: int = 0
    """SSL context of a TLS connection."""
    dropped: bool = False
    """The received data was thrown away at the peer's close (setting keep_after_closed=no)."""

    def unread(self) -> int:
        """Bytes that AT+QIRD can still get."""
        if self.tcp is None:
            return self.datagram_bytes
        return 0 if self.dropped else self.tcp.unread()

    def has_data(self) -> bool:
        """Whether something waits; a datagram of no bytes counts."""
        return bool(self.datagrams) or self.unread() > 0

    def next_length(self) -> int:
        """Bytes the next notice is about: the first datagram, or all of a stream."""
        return len(self.datagrams[0][0]) if self.datagrams else self.unread()

    def unacknowledged(self) -> int:
        """Sent bytes of a stream that the peer has not acknowledged."""
        if self.tcp is None or self.tcp.closed:
            return 0
        # The kernel counts a FIN of ours as one byte; there is none before AT+QICLOSE.
        return min(self.tcp.unacknowledged(), self.sent_total)

    def queue_datagrams(self) -> int:
        """Move arrived datagrams into the module's buffer; returns how many found no room.

        A connected UDP socket takes only its peer's datagrams; overflow is dropped silently, as
        UDP allows (the manual does not say what the module does).
        """
        lost = 0
        while self.udp is not None and (arrived := self.udp.receive()) is not None:
            data, sender = arrived
            if self.kind == UDP and sender != self.remote:
                continue
            if self.datagram_bytes + len(data) > RECEIVE_BUFFER:
                lost += 1
                continue
            self.datagrams.append(arrived)
            self.datagram_bytes += len(data)
        return lost

    def next_datagram(self) -> tuple[bytes, tuple[str, int]]:
        """Take the first datagram out of the buffer."""
        data, sender = self.datagrams.popleft()
        self.datagram_bytes -= len(data)
        self.read_total += len(data)
        return data, sender

    @property
    def notices(self) -> str:
        """What its unsolicited lines begin with."""
        return "+QSSLURC" if self.kind == SSL_CLIENT else "+QIURC"

    def release(self, *, abort: bool) -> None:
        """Close the real socket, with RST when `abort`."""
        if self.opening is not None:
            self.opening.cancel()
            self.opening = None
        if self.tcp is not None:
            if abort:
                self.tcp.abort()
            else:
                self.tcp.close()
        for other in (self.udp, self.listener):
            if other is not None:
                other.close()

    def status(self, own_address: str, port: str, *, connected_as: int) -> str:
        """The ``+QISTATE`` line; `connected_as` replaces state 2 of a client."""
        # Own address and port 0 for the kinds without a peer (real logs; manual).
        address, remote_port = self.remote if self.remote[0] else (own_address, 0)
        state = self.state
        if self.kind in (TCP, SSL_CLIENT) and state == STATE_CONNECTED:
            state = connected_as
        return (
            f'+QISTATE: {self.id},"{self.kind}","{written(address)}",{remote_port},'
            f'{self.local_port},{state},{self.context},{self.server},{self.mode},"{port}"'
        )


class LinkTable:
    """Connect ids 0-11 and what they hold."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}

    def __len__(self) -> int:
        return len(self._links)

    def __iter__(self) -> Iterator[Link]:
        return iter([self._links[number] for number in sorted(self._links)])

    def get(self, number: int) -> Link | None:
        """The link with that id, if it is in use."""
        return self._links.get(number)

    def add(self, link: Link) -> None:
        """Put a link under its id, which must be free."""
        assert link.id not in self._links
        self._links[link.id] = link

    def remove(self, link: Link, *, abort: bool = False) -> None:
        """Free the id and close what is behind it."""
        if self._links.get(link.id) is link:
            del self._links[link.id]
        link.release(abort=abort)

    def highest_free(self) -> int | None:
        """The id for an accepted connection: real modules count from 11 down."""
        for number in range(CONNECT_IDS - 1, -1, -1):
            if number not in self._links:
                return number
        return None

    def of_context(self, context: int) -> list[Link]:
        """The links opened on a context."""
        return [link for link in self if link.context == context]

    def clear(self) -> None:
        """Abort everything (power off, reboot)."""
        for link in self:
            self.remove(link, abort=True)


def written(address: str) -> str:
    """An address as the module writes it: IPv6 without ``::`` and without leading zeros.

    (TCP(IP) manual V1.1: IPv6 loopback is given as 0:0:0:0:0:0:0:1.)
    """
    with contextlib.suppress(ValueError):
        parsed = ipaddress.ip_address(address)
        if parsed.version == 6:
            return ":".join(f"{int(group, 16):X}" for group in parsed.exploded.split(":"))
    return address

"""The host's side of one socket inside a module."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from atdriver.errors import MalformedReply
from atdriver.exchange import Command
from atdriver.syntax import number
from netsocket.address import SocketAddress
from netsocket.stack import Handle, Kind

BUFFER_CAP = 256 * 1024
"""Bytes kept for a slow reader in push mode before the socket is broken: there the module cannot be
slowed down, and a hole in a stream must never be handed out as data."""


@dataclass(slots=True, eq=False)
class ModuleSocket:
    """State of one socket; `link` is the module's own id for it, None while it has none."""

    number: int
    generation: int
    kind: Kind
    handle: Handle = field(init=False)
    link: int | None = None
    pull: bool = True
    """Whether data waits in the module until it is fetched."""
    connected: bool = False
    connecting: bool = False
    closing: bool = False
    """close() was called; whatever is under way cleans up."""
    reading: bool = False
    """A read transaction is under way."""
    fetched: asyncio.Future[None] | None = None
    """Its end, for whoever waits for it."""
    unread: OSError | None = None
    """Why a read that nobody waited for failed; raised once."""
    bulky: bool = False
    """Its last read brought much, so the next one will take its time as well."""
    eager: bool = False
    """A program reads the stream, so data is fetched as soon as there is some."""
    told: float = -1.0
    """When the program was told of data, in the loop's time."""
    gathering: bool = False
    """It will be told of more in a moment."""
    asked: Command | None = None
    """The last command that read from it."""
    announced: bool = False
    """The module holds data, as far as we know."""
    unsure: asyncio.TimerHandle | None = None
    """Rings when it is to be asked whether it does: its last read came back short."""
    held: int = 0
    """How many bytes at the least, where its notices tell."""
    peer_closed: bool = False
    """The module said that the connection has ended."""
    ended: float = float("-inf")
    """When it said so, in the loop's time."""
    in_company: bool = False
    """Another connection ended at the same moment, so it was perhaps no peer's doing: that is to be
    found out before anybody is told."""
    drained: bool = False
    """After `peer_closed`: nothing is left in the module."""
    broken: OSError | None = None
    """Why the socket is dead; raised after the data that came before."""
    remote: SocketAddress | None = None
    first_peer: SocketAddress | None = None
    """UDP: the peer that the link was opened for."""
    local_port: int = 0
    buffer: bytearray = field(default_factory=bytearray)
    datagrams: deque[tuple[bytes, SocketAddress]] = field(default_factory=deque)
    queued: int = 0
    """Bytes in `datagrams`."""
    sent: int = 0
    """Bytes that the module accepted on this connection."""
    came: int = 0
    """Bytes that reads brought on this connection."""
    refused: int = 0
    """Sends refused in a row."""
    family: int = 0
    """Address family the socket was bound or opened for; 0 while undecided."""
    left: bool = False
    """Its close was written: the link may be another connection's from then on."""
    listening: bool = False
    backlog: int = 0
    """Listener: accepted connections that may wait before further ones are closed at once."""
    waiting: deque[ModuleSocket] = field(default_factory=deque)
    """Listener: connections the module has accepted and the program has not."""
    accepted: bool = False
    """Whether a peer opened this connection."""
    tls: bool = False
    """The module encrypts this stream."""
    tls_name: str = ""
    """The server name to indicate, when one was set."""
    host_name: str = ""
    """The name given to connect, "" for an address."""
    keep: bool = False
    """SO_KEEPALIVE."""
    keep_idle: int = 7200
    """TCP_KEEPIDLE in seconds; the default is the usual one of TCP (RFC 9293, 3.8.4)."""
    nodelay: bool = False
    """TCP_NODELAY."""
    linger: int | None = None
    """SO_LINGER in seconds, None = off."""

    def __post_init__(self) -> None:
        self.handle = Handle(self.number, self.generation)

    @property
    def keepalive(self) -> int:
        """Seconds of silence after which the peer is probed, 0 = never."""
        return self.keep_idle if self.keep else 0

    def on(self, link: int | None) -> Callable[[], bool]:
        """What tells, when its turn has come, whether a command for this link is still its own: the
        link may have been given up since, and be another connection's."""
        return lambda: self.link == link and not self.left

    def sure(self) -> None:
        """A notice, or a read that begins, tells whether the module holds data."""
        if self.unsure is not None:
            self.unsure.cancel()
            self.unsure = None

    def begin(self) -> None:
        """Its open is about to be written: what came for its id until now was a former owner's."""
        self.peer_closed = self.drained = self.announced = self.left = False
        self.held = 0
        self.buffer.clear()
        self.datagrams.clear()
        self.queued = 0

    def leave(self) -> None:
        """Its close is about to be written."""
        self.left = True

    def deliver(self, payload: bytes, sender: SocketAddress | None) -> bool:
        """Take received bytes; False when they had to be dropped: behind a broken stream, for lack
        of room, or because a datagram may not be whole."""
        if self.broken is not None:
            return False
        if self.kind is Kind.TCP:
            self.buffer += payload
            return True
        if self.queued + len(payload) > BUFFER_CAP:
            return False
        self.datagrams.append((payload, sender or SocketAddress("", 0)))
        self.queued += len(payload)
        return True

    def take(self, size: int) -> bytes:
        """Up to `size` bytes of the stream."""
        part = bytes(self.buffer[:size])
        del self.buffer[:size]
        return part

    def take_datagram(self, size: int) -> tuple[bytes, SocketAddress]:
        """The oldest datagram, cut to `size` bytes."""
        payload, sender = self.datagrams.popleft()
        self.queued -= len(payload)
        return payload[:size], sender


def sender_of(found: Mapping[str, bytes]) -> SocketAddress | None:
    """The sender of a datagram from the fields of its head, None when it has none or nonsense.

    Heads name the fields `host` and `port`; `quoted` is the host in quotes, where both forms exist.
    """
    host = found.get("quoted") or found.get("host")
    port = found.get("port")
    if not host or not port:
        return None
    try:
        return SocketAddress(str(ipaddress.ip_address(host.decode())), number(port, 0, 65535))
    except (ValueError, MalformedReply):
        return None

"""The Stack protocol: what any TCP/IP stack offers to the Socket API above it.

A stack may be the host's own, one inside a cellular or WiFi module, or any other; nothing here
knows which. The stack gives *primitives*; blocking, deadlines, partial-send loops and event
coalescing live once, in the socket classes of this package.

Rules every implementation keeps:

1. Each method is ONE bounded transaction. It never waits for data of the peer; `connect` waits for
   the outcome of the connection attempt and nothing else.
2. "Nothing now" is `None` (recv, recvfrom, accept) or 0 (send, sendto); it is never an exception.
3. Whenever an answer "nothing now" may have become stale (data arrived, room to send, peer closed,
   connection broken, module restarted) the stack calls `changed(handle, generation)` once, from the
   event loop's thread, and never from inside one of its own methods' callers' frames. Spurious
   calls are allowed, missing ones are not.
4. A cancelled caller never cancels a transaction under way: the stack finishes it and keeps the
   outcome, so that a byte is never sent twice or lost in between.
5. A handle belongs to one generation; a stale handle raises EBADF and touches nothing.
6. `recv` answers b"" (end of stream) only after every byte received before it was handed out, and
   only for an orderly end. A broken connection raises `ConnectionResetError` instead, after the
   bytes received before it.
7. `send` answers how many bytes were ACCEPTED by the stack. When that number cannot be known, it
   raises `SendUnknown` and the connection is broken; nothing is ever sent again on its own.

Source of the shape: the common Socket API's stack class (Mbed OS `NetworkStack`), Python names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple, Protocol, runtime_checkable

from netsocket.address import SocketAddress
from netsocket.capability.model import CapabilityTable


class Kind(Enum):
    """The kind of socket to open."""

    TCP = auto()
    """A stream: ordered, reliable bytes."""
    UDP = auto()
    """Datagrams: boundaries kept, no delivery promise."""


class InterfaceStatus(Enum):
    """State of the network interface, named as the common Socket API names it."""

    DISCONNECTED = auto()
    """Not attached to any network."""
    CONNECTING = auto()
    """Bring-up or re-attachment under way."""
    LOCAL_UP = auto()
    """Joined, but without an address that reaches beyond the link."""
    GLOBAL_UP = auto()
    """Attached, with an address."""


class Handle(NamedTuple):
    """Opaque name of one open socket inside a stack; only the stack reads the number."""

    number: int
    generation: int


Changed = Callable[[Handle, int], None]
"""`changed(handle, generation)`: something about this socket may be different now."""

StatusChanged = Callable[[InterfaceStatus], None]
"""The interface's state changed."""


@dataclass(frozen=True, slots=True)
class StackStatus:
    """A snapshot of the interface below the sockets.

    `details` holds what this kind of stack can tell beyond it (signal in dBm, operator, SSID,
    firmware …) as short text, in display order.
    """

    state: InterfaceStatus
    ip_address: str | None = None
    epoch: int = 0
    details: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class Stack(Protocol):
    """What a driver implements; see the rules in the module's docstring.

    Every method may raise `OSError` subclasses of `netsocket.errors`; those named below are the
    ones a caller is expected to tell apart.
    """

    name: str
    """Short name for messages, for example "bg96"."""
    capabilities: CapabilityTable
    """The claims this stack itself obeys."""

    def attach(self, changed: Changed, status_changed: StatusChanged) -> None:
        """Register the notices; called once, before the first `up` or `open`."""

    async def up(self) -> None:
        """Bring the interface up: join, attach, get an address. Idempotent.

        Raises PermissionError (password, PIN), NetworkNotFound, ConnectTimeout, OSError.
        """

    async def down(self) -> None:
        """Close every socket and leave the module as it was found. Idempotent, never raises for a
        module that is gone."""

    async def open(self, kind: Kind) -> Handle:
        """Reserve a socket. Raises OSError EMFILE when the stack's table is full."""

    async def bind(self, handle: Handle, address: SocketAddress) -> None:
        """Fix the local port (host part empty = any). EADDRINUSE, EADDRNOTAVAIL, NotSupported."""

    async def listen(self, handle: Handle, backlog: int) -> None:
        """Start accepting connections on the bound port."""

    async def accept(self, handle: Handle) -> tuple[Handle, SocketAddress] | None:
        """One waiting connection and its peer's address, or None."""

    async def connect(self, handle: Handle, address: SocketAddress) -> None:
        """Connect a stream (host may be a name: the stack resolves it), or fix a datagram peer.

        Raises ConnectionRefusedError, ConnectTimeout, NameNotFound, NetworkDown, OSError
        EHOSTUNREACH when the module does not tell the cause. After a failure the handle is fresh
        again.
        """

    async def send(self, handle: Handle, data: bytes | bytearray | memoryview) -> int:
        """Offer bytes (TCP: any prefix may be accepted; UDP: whole datagram to the fixed peer).

        Returns the number accepted; 0 = nothing now. Raises BrokenPipeError after the peer closed,
        ConnectionResetError, SendUnknown, OSError EMSGSIZE (datagram too long).
        """

    async def sendto(
        self, handle: Handle, data: bytes | bytearray | memoryview, address: SocketAddress
    ) -> int:
        """Offer one whole datagram for `address`; returns len(data), or 0 = nothing now."""

    async def recv(self, handle: Handle, size: int) -> bytes | None:
        """1..size bytes (TCP), b"" at the orderly end, None when nothing is there now.

        For UDP one datagram of the fixed peer, cut to `size`."""

    async def recvfrom(self, handle: Handle, size: int) -> tuple[bytes, SocketAddress] | None:
        """One datagram, cut to `size` bytes, with its sender; None when nothing is there now."""

    async def shutdown(self, handle: Handle, how: int) -> None:
        """socket.SHUT_RD, SHUT_WR or SHUT_RDWR; the handle stays until `close`.

        SHUT_RDWR closes the connection and works on every stack; the others raise NotSupported
        where the stack cannot. Raises the reason when the connection is broken.
        """

    async def close(self, handle: Handle, *, abort: bool = False) -> None:
        """Give the socket back. Always frees the host side, even when the module is deaf; a
        connect under way is abandoned and cleaned up by the stack. Never raises for a stale handle.
        """

    async def local_address(self, handle: Handle) -> SocketAddress:
        """Own address and port, 0 for a port the stack does not tell."""

    async def remote_address(self, handle: Handle) -> SocketAddress:
        """The peer. Raises OSError ENOTCONN."""

    async def set_option(self, handle: Handle, level: int, name: int, value: int | bytes) -> None:
        """As socket.setsockopt. Raises NotSupported (errno ENOPROTOOPT)."""

    async def get_option(self, handle: Handle, level: int, name: int) -> int:
        """As socket.getsockopt. Raises NotSupported (errno ENOPROTOOPT)."""

    async def resolve(self, name: str, family: int = 0) -> Sequence[str]:
        """Addresses of a name, resolved by the stack. Raises NameNotFound, NameTryAgain."""

    async def status(self) -> StackStatus:
        """Ask the module how it is (one bounded round of queries)."""


@runtime_checkable
class RecoveringStack(Protocol):
    """A stack that comes up again by itself when what it runs in has failed."""

    @property
    def failure(self) -> OSError | None:
        """Why it is not up; None while it is, or was never brought up."""

    @property
    def recovery(self) -> Mapping[str, int]:
        """How often what failed, and how often what was done about it, by name."""

    @property
    def address(self) -> str | None:
        """Own address, known before it tells that it is up; nothing is asked. None: has none."""


@runtime_checkable
class ReadyStack(Protocol):
    """A stack that moves a stream's bytes by itself, so that a call needs no task of its own."""

    def ready(self, handle: Handle, size: int) -> bytes | None:
        """1..size bytes of a stream that are here already; b"" when a notice will tell that there
        are some; None when only `recv` can say more (the end, an error)."""

    def begin_send(
        self, handle: Handle, data: bytes, ended: Callable[[], None]
    ) -> asyncio.Future[int]:
        """As Stack.send, of at least one byte: what it would return, which nobody cancels.
        `ended()` is called as soon as that is known, a turn of the loop before the callbacks."""


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """One WiFi network seen in a scan; rssi in dBm, ssid as raw bytes may be any text."""

    ssid: str
    bssid: str
    rssi: int
    channel: int
    security: str


@runtime_checkable
class ScanningStack(Protocol):
    """A stack that can list WiFi networks."""

    async def scan(self) -> Sequence[AccessPoint]:
        """The networks in reach."""


@runtime_checkable
class PingingStack(Protocol):
    """A stack that can measure a round trip by itself."""

    async def ping(self, host: str) -> float:
        """Round trip in seconds. Raises ConnectTimeout, NameNotFound."""

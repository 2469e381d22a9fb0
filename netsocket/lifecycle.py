"""The life of one socket, as one literal table.

Driven by a single synchronous `transitions.Machine` shared by all sockets. The machine is asked
only when something of the socket's life happens (a handful of times per connection), never per
send or receive. An event that the table does not allow raises `transitions.MachineError`: that is
a defect of this package, not of the network.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from transitions import Machine


class SocketState(Enum):
    """Where a socket is in its life."""

    CLOSED = auto()
    """No handle in the stack: not opened yet, given up, or closed."""
    READY = auto()
    """The stack reserved a handle; neither connected nor listening."""
    OPENING = auto()
    """A connection attempt is under way."""
    OPEN = auto()
    """Data can flow (a stream is connected, a datagram socket has a fixed peer)."""
    LISTENING = auto()
    """Waiting for peers to connect."""
    DRAINING = auto()
    """The peer closed, but bytes received before may be unread."""
    PEER_CLOSED = auto()
    """The peer closed and everything was read: end of stream for ever."""
    CLOSING = auto()
    """The handle is being given back."""
    BROKEN = auto()
    """The connection, or the stack below it, is gone without an orderly end."""


class SocketEvent(Enum):
    """What can happen to a socket."""

    RESERVED = auto()
    """The stack gave a handle."""
    CONNECT_BEGUN = auto()
    """A connection attempt was started."""
    CONNECTED = auto()
    """The connection is established, or the datagram peer fixed."""
    CONNECT_FAILED = auto()
    """The attempt failed; the handle is fresh again."""
    GAVE_UP = auto()
    """The caller's patience ended; the handle is given back, the next attempt takes a new one."""
    LISTEN_BEGUN = auto()
    """The stack accepts connections for this socket."""
    PEER_LEFT = auto()
    """A send found that the peer closed."""
    DRAINED = auto()
    """The end of the stream was read."""
    BROKE = auto()
    """Reset, module restart, unknown outcome of a send, interface closed."""
    CLOSE_BEGUN = auto()
    """close was called."""
    CLOSE_DONE = auto()
    """The stack took the handle back, or there was none."""


_LIVE: Final = [
    SocketState.READY,
    SocketState.OPENING,
    SocketState.OPEN,
    SocketState.LISTENING,
    SocketState.DRAINING,
    SocketState.PEER_CLOSED,
]

TRANSITIONS: Final[list[tuple[SocketEvent, list[SocketState], SocketState]]] = [
    (SocketEvent.RESERVED, [SocketState.CLOSED], SocketState.READY),
    (SocketEvent.CONNECT_BEGUN, [SocketState.READY], SocketState.OPENING),
    (SocketEvent.CONNECTED, [SocketState.READY, SocketState.OPENING], SocketState.OPEN),
    (SocketEvent.CONNECT_FAILED, [SocketState.OPENING], SocketState.READY),
    (SocketEvent.GAVE_UP, [SocketState.READY, SocketState.OPENING], SocketState.CLOSED),
    (SocketEvent.LISTEN_BEGUN, [SocketState.READY], SocketState.LISTENING),
    (SocketEvent.PEER_LEFT, [SocketState.OPEN], SocketState.DRAINING),
    (SocketEvent.DRAINED, [SocketState.OPEN, SocketState.DRAINING], SocketState.PEER_CLOSED),
    (SocketEvent.BROKE, _LIVE, SocketState.BROKEN),
    (
        SocketEvent.CLOSE_BEGUN,
        [SocketState.CLOSED, *_LIVE, SocketState.BROKEN],
        SocketState.CLOSING,
    ),
    (SocketEvent.CLOSE_DONE, [SocketState.CLOSING], SocketState.CLOSED),
]
"""Event, the states in which it may happen, the state that follows."""

MACHINE: Final = Machine(
    model=None,
    states=SocketState,
    initial=SocketState.CLOSED,
    transitions=[
        {"trigger": event.name, "source": sources, "dest": dest}
        for event, sources, dest in TRANSITIONS
    ],
    auto_transitions=False,
)
"""The one machine; sockets are its models without being registered, so none is kept alive by it."""


class SocketLife:
    """The model: the state of one socket."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = SocketState.CLOSED

    def happened(self, event: SocketEvent) -> None:
        """Move on. Raises transitions.MachineError when the table does not allow the event."""
        MACHINE.events[event.name].trigger(self)

    def may(self, event: SocketEvent) -> bool:
        """Whether the table allows the event now."""
        return self.state.name in MACHINE.events[event.name].transitions

    @property
    def connected(self) -> bool:
        """The stream has, or had and has not been told to forget, a peer."""
        return self.state in _CONNECTED


_CONNECTED: Final = frozenset(
    {SocketState.OPEN, SocketState.DRAINING, SocketState.PEER_CLOSED, SocketState.BROKEN}
)

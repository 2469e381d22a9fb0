"""TCP of a mesh: connections between two nodes in memory, and who waits at a listener."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from .errors import FakeError
from .mesh_routed import RoutedStream

if TYPE_CHECKING:
    from .mesh import Node
    from .sockets import Listening, Stream

__all__ = ["Caller", "MeshListener", "MeshStream"]

_SEND_BUFFER: Final = 4096  # bytes the own end accepts before the peer has them
_SEGMENT: Final = 1220  # bytes: 1280 (RFC 4944 section 4) less 40 and 20
_FIRST_RETRY: Final = 1.0  # seconds, RFC 6298 section 2
_RETRIES: Final = 8  # about four minutes
_KNOCKS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)  # seconds between a SYN and the next

_TURN: Final = 0.05  # real seconds at least, where model time takes none


@dataclass(eq=False, slots=True)
class Caller:
    """Somebody who has sent a SYN: a node waits for `accepted`, this machine is `there` already."""

    remote: tuple[str, int]
    accepted: asyncio.Future[Stream] | None = None
    there: Stream | None = None
    knocks: int = 0


class MeshStream:
    """One end of a connection between two nodes; for a module it is its socket.

    Attributes as in `fakes.endpoints.Stream`, and:
        timed_out: nobody acknowledged for so long that the connection was given up.
    """

    def __init__(
        self, node: Node, local: tuple[str, int], remote: tuple[str, int], window: int
    ) -> None:
        self.node = node
        self.local = local
        self.remote = remote
        self.window = window
        self.changed: Callable[[], None] | None = None
        self.closed = self.ended = self.reset = self.timed_out = False
        self.received = self.sent = 0
        self._peer: MeshStream | None = None
        self._inbox = bytearray()
        self._outbox = bytearray()  # accepted, not acknowledged
        self._fin = False  # nothing follows what is in the outbox
        self._fin_sent = False
        self._flying = False
        self._retries = 0
        self._space: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()

    def join(self, other: MeshStream) -> None:
        """Both ends are the two of one connection."""
        self._peer, other._peer = other, self
        self._flow()
        other._flow()  # it may have written before

    # ---- the module's side -----------------------------------------------------------------

    def unread(self) -> int:
        """Bytes that wait."""
        return 0 if self.closed else len(self._inbox)

    @property
    def finished(self) -> bool:
        """The peer ended and nothing is left to read."""
        return self.closed or (self.ended and not self._inbox)

    def read(self, limit: int) -> bytes:
        """Up to `limit` bytes now; the peer may send as many again."""
        data = bytes(self._inbox[:limit])
        del self._inbox[:limit]
        self.received += len(data)
        if data and self._peer is not None:
            self._peer._flow()
        return data

    async def write(self, data: bytes) -> None:
        """Hand over `data`, waiting for room. Raises OSError when the connection is gone."""
        view = memoryview(data)
        while view:
            if self.closed or self.reset or self._fin:
                raise OSError(errno.EPIPE, "closed")
            room = _SEND_BUFFER - len(self._outbox)
            if room <= 0:
                self._space = self._loop.create_future()
                await self._space
                continue
            self._outbox += view[:room]
            self.sent += min(room, len(view))
            view = view[room:]
            self._flow()

    def unacknowledged(self) -> int:
        """Bytes that the peer has not taken."""
        return len(self._outbox)

    def unsent(self) -> int:
        """Bytes for which the peer has no room."""
        return len(self._outbox)

    def shutdown_write(self) -> None:
        """FIN behind what is under way."""
        self._fin = True
        self._flow()

    def abort(self) -> None:
        """RST to the peer."""
        if not self.closed:
            self.vanish()
            self._tell(MeshStream._reset_by_peer)

    def close(self) -> None:
        """FIN; RST where something is unread (RFC 1122 section 4.2.2.13)."""
        if self._inbox:
            self.abort()
        elif not self.closed:
            self.closed = True
            self.changed = None
            self._wake()
            self.shutdown_write()

    def vanish(self) -> None:
        """End without a word, as when the power goes."""
        self.closed = True
        self.changed = None
        self._outbox.clear()
        self._inbox.clear()
        self._wake()

    # ---- between the two -------------------------------------------------------------------

    def _tell(self, what: Callable[[MeshStream], object]) -> bool:
        peer = self._peer
        if peer is None:
            return False
        return self.node.mesh.carry_surely(self.node, peer.node, partial(what, peer))

    def _flow(self) -> None:
        """Send the next segment, one at a time."""
        peer = self._peer
        if peer is None or self._flying or self.reset:
            return
        room = min(_SEGMENT, peer.window - len(peer._inbox))
        segment = bytes(self._outbox[: max(0, room)])
        end = self._fin and not self._fin_sent and len(segment) == len(self._outbox)
        if not segment and not end:
            return
        self._flying = True
        mesh = self.node.mesh
        if mesh.lost():
            sent = False
        else:
            sent = mesh.carry_surely(self.node, peer.node, partial(self._landed, segment, end))
        if not sent:
            self._retries += 1
            if self._retries > _RETRIES:
                self._give_up()
                return
            wait = _FIRST_RETRY * 2 ** (self._retries - 1) * mesh.scale
            self._loop.call_later(wait, self._again)

    def _again(self) -> None:
        self._flying = False
        self._flow()

    def _landed(self, segment: bytes, end: bool) -> None:
        peer = self._peer
        assert peer is not None
        self._flying = False
        self._retries = 0
        if self.reset or (self.closed and not self._fin):
            return
        if peer.closed and (segment or not peer._fin):
            peer._tell(MeshStream._reset_by_peer)  # nobody reads there any more
            return
        del self._outbox[: len(segment)]
        peer._inbox += segment
        if end:
            self._fin_sent = True
            peer.ended = True
        peer._notify()
        self._wake()
        self._notify()
        self._flow()

    def _reset_by_peer(self) -> None:
        if not self.reset:
            self.ended = self.reset = True
            self._outbox.clear()
            self._wake()
            self._notify()

    def _give_up(self) -> None:
        self.timed_out = True
        self._reset_by_peer()

    def _notify(self) -> None:
        if self.changed is not None:
            self.changed()

    def _wake(self) -> None:
        if self._space is not None and not self._space.done():
            self._space.set_result(None)


class MeshListener:
    """A listening port of a node; whoever calls waits here until he is accepted.

    Attributes:
        changed: called when somebody has knocked, and at each further SYN while he waits.
    """

    def __init__(self, node: Node, port: int, window: int) -> None:
        if port in node.tcp:
            raise OSError(errno.EADDRINUSE, "port in use")
        self.node = node
        self.port = port
        self.window = window
        self.changed: Callable[[], None] | None = None
        self.closed = False
        self._callers: list[Caller] = []
        self._real: list[Listening] = []
        node.tcp[port] = self
        for own in ("127.0.0.1", "::1"):
            self._listen_outside(own)

    def _listen_outside(self, own: str) -> None:
        try:
            real = self.node.sockets().listen_tcp(self.port, window=self.window, address=own)
        except (FakeError, OSError):
            return  # taken on this machine: only nodes reach it
        self._real.append(real)
        real.changed = partial(self._enter, real)

    def _enter(self, real: Listening) -> None:
        while (stream := real.accept()) is not None:
            if self.node.mesh.router(self.node) is None:
                stream.abort()
            else:
                there = RoutedStream(self.node, stream)
                self.knock(Caller(self.node.visible(stream.remote), there=there))

    def knock(self, caller: Caller) -> None:
        """A SYN has come."""
        self._callers.append(caller)
        self._ring(caller)

    def _ring(self, caller: Caller) -> None:
        if self.closed or caller not in self._callers:
            return
        if caller.knocks == len(_KNOCKS):
            self.forget(caller)
            return
        wait = max(_TURN, _KNOCKS[caller.knocks] * self.node.mesh.scale)
        caller.knocks += 1
        asyncio.get_running_loop().call_later(wait, self._ring, caller)
        if self.changed is not None:
            self.changed()

    def forget(self, caller: Caller) -> None:
        """He does not wait any more."""
        if caller in self._callers:
            self._callers.remove(caller)
            if caller.there is not None:
                caller.there.abort()

    @property
    def caller(self) -> tuple[str, int] | None:
        """The address of who knocked last and waits."""
        return self._callers[-1].remote if self._callers else None

    def waiting(self) -> bool:
        """Whether somebody waits."""
        return bool(self._callers)

    def accept(self) -> Stream | None:
        """Take the first who waits; None when nobody does."""
        while self._callers:
            caller = self._callers.pop(0)
            if caller.there is not None:
                return caller.there
            if caller.accepted is not None and not caller.accepted.done():
                stream = self.node.accept_stream(
                    (self.node.source(caller.remote[0]), self.port), caller.remote, self.window
                )
                caller.accepted.set_result(stream)
                return stream
        return None

    def close(self) -> None:
        """Stop listening; who waits is turned away. Harmless when repeated."""
        if self.closed:
            return
        self.closed = True
        self.changed = None
        self.node.tcp.pop(self.port, None)
        for each in self._real:
            each.close()
        for caller in self._callers:
            if caller.there is not None:
                caller.there.abort()
            elif caller.accepted is not None and not caller.accepted.done():
                caller.accepted.set_exception(ConnectionRefusedError(111, "refused"))
        self._callers.clear()

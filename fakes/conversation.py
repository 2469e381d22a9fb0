"""One connection, or one datagram socket, between a simulated module and scripted peers."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .peers import Peer
    from .world import World

__all__ = ["Conversation", "MemoryDatagrams", "MemoryListener", "chargen", "datagram"]

_SEND_BUFFER: Final = 16384  # bytes the module's side accepts before the peer has read
_SLICE: Final = 0.05  # seconds between two reads or writes of a peer with a rate
_BACKLOG: Final = 65536  # bytes a chargen peer has ready


def chargen(count: int) -> bytes:
    """The first `count` bytes of RFC 864's pattern."""
    printable = bytes(range(32, 127))
    rows = b"".join((printable * 2)[n : n + 72] + b"\r\n" for n in range(95))
    return (rows * (count // len(rows) + 1))[:count]


class Conversation:
    """Both ends of a TCP connection in memory; for the module it is its socket.

    The module's end has the attributes and methods of `fakes.endpoints.TcpSocket`; `fin`, `rst`,
    `stall`, `resume` and `say` are what the peer does.

    Attributes:
        window: most bytes `unread` reports: what lies beyond waits at the peer.
        ended, reset: the peer sent FIN or RST; it broke rather than ended.
        received, sent: totals in bytes read and accepted.
        told: all that the peer has received from the module.
    """

    def __init__(
        self, world: World, peer: Peer, remote: tuple[str, int], local: tuple[str, int], window: int
    ) -> None:
        self.remote = remote
        self.local = local
        self.window = window
        self.changed: Callable[[], None] | None = None
        self.closed = self.ended = self.reset = False
        self.received = self.sent = 0
        self.told = bytearray()
        self._peer = peer
        self._scale = world.time_scale
        self._loop = asyncio.get_running_loop()
        self._inbox = bytearray()  # waits for the module
        self._outbox = bytearray()  # waits for the peer
        self._stalled = peer.does == "stall"
        self._finished_by_module = False
        self._answered = False
        self._tick: asyncio.Handle | None = None
        self._budget_from = self._loop.time()
        self._space: asyncio.Future[None] | None = None
        self._gone = False  # the peer has closed both directions
        self._pattern = chargen(_BACKLOG) if peer.does == "chargen" else b""
        self._loop.call_soon(self._begin)

    @property
    def over(self) -> bool:
        """Nothing can pass any more."""
        return self.closed or self.reset

    # ---- the module's end -----------------------------------------------------------------

    def unread(self) -> int:
        """Bytes waiting for the module, at most `window`."""
        return 0 if self.closed else min(len(self._inbox), self.window)

    @property
    def finished(self) -> bool:
        """The peer ended and nothing is left to read."""
        return self.closed or (self.ended and not self._inbox)

    def read(self, limit: int) -> bytes:
        """Up to `limit` bytes now."""
        data = bytes(self._inbox[:limit])
        del self._inbox[:limit]
        self.received += len(data)
        if data and (self._pattern or self._outbox):
            self._wake()
        return data

    async def write(self, data: bytes) -> None:
        """Hand `data` to the peer, waiting for space. Raises OSError when it is gone."""
        view = memoryview(data)
        while view:
            if self.over or self._finished_by_module:
                raise OSError(errno.EPIPE, "closed")
            room = _SEND_BUFFER - len(self._outbox)
            if room <= 0:
                self._space = self._loop.create_future()
                await self._space
                continue
            self._outbox += view[:room]
            self.sent += min(room, len(view))
            view = view[room:]
            self._wake()

    def unacknowledged(self) -> int:
        """Bytes the peer has not read yet."""
        return len(self._outbox)

    def unsent(self) -> int:
        """Bytes that cannot be delivered now."""
        return len(self._outbox) if self._stalled else 0

    def shutdown_write(self) -> None:
        """FIN to the peer."""
        self._finished_by_module = True
        self._wake()

    def abort(self) -> None:
        """RST to the peer."""
        self.close()

    def close(self) -> None:
        """End it; harmless when repeated."""
        if not self.closed:
            self.closed = True
            self.changed = None
            self._release()
            if self._tick is not None:
                self._tick.cancel()

    # ---- the peer's end -------------------------------------------------------------------

    def say(self, data: bytes) -> None:
        """The peer sends `data`."""
        if not self.over and not self.ended:
            self._inbox += data
            self._notify()

    def fin(self, *, half: bool = False) -> None:
        """The peer closes in order, behind all it has sent; `half`: only its own direction."""
        if not self.over:
            self.ended = True
            self._gone = not half
            self._notify()

    def rst(self) -> None:
        """The peer resets the connection."""
        if not self.over:
            self.ended = self.reset = True
            self._outbox.clear()
            self._release()
            self._notify()

    def stall(self) -> None:
        """The peer reads and sends nothing any more."""
        self._stalled = True

    def resume(self) -> None:
        """The peer goes on after `stall`."""
        self._stalled = False
        self._wake()

    def _begin(self) -> None:
        peer = self._peer
        if peer.greeting:
            self.say(peer.greeting)
        if peer.then and not peer.after and not peer.answer:
            self._end()
        self._wake()

    def _wake(self) -> None:
        if self._tick is None and not self.over:
            if self._peer.rate is None:
                self._tick = self._loop.call_soon(self._work)
            else:
                self._tick = self._loop.call_later(_SLICE * self._scale, self._work)

    def _work(self) -> None:
        """The peer reads, then does what it does with that."""
        self._tick = None
        if self.over or self._stalled or len(self._inbox) > self.window + _BACKLOG:
            return  # an echo that nobody reads blocks the peer
        if self._gone and self._outbox:
            self.rst()  # what comes for a closed socket is answered with a reset
            return
        rate = self._peer.rate
        most = len(self._outbox) if rate is None else max(1, int(rate * _SLICE))
        data = bytes(self._outbox[:most])
        del self._outbox[:most]
        if data:
            self.told += data
            self._release()
            self._react(data)
            self._notify()  # acknowledged: the module may wait for that
        if self._pattern and not self.ended and len(self._inbox) < self.window:
            room = self.window - len(self._inbox) if rate is None else max(1, int(rate * _SLICE))
            at = (self.received + len(self._inbox)) % (95 * 74)
            self.say((self._pattern * 2)[at : at + min(room, _BACKLOG)])
        if self._finished_by_module and not self._outbox and not self.ended:
            self.fin()
        thirsty = self._pattern and rate is not None and len(self._inbox) < self.window
        if self._outbox or thirsty:
            self._wake()

    def _react(self, data: bytes) -> None:
        peer = self._peer
        if peer.does == "echo":
            self.say(data)
        if peer.answer and not self._answered:
            self._answered = True
            self.say(peer.answer)
        armed = peer.then and not self.ended and (peer.after or peer.answer)
        if armed and len(self.told) >= peer.after:
            self._end()

    def _end(self) -> None:
        if self._peer.then == "reset":
            self.rst()
        elif self._peer.then == "stall":
            self.stall()
        else:
            self.fin(half=self._peer.then == "half-close")

    def _notify(self) -> None:
        if self.changed is not None:
            self.changed()

    def _release(self) -> None:
        if self._space is not None and not self._space.done():
            self._space.set_result(None)


class MemoryDatagrams:
    """A UDP socket without a descriptor; the twin of `fakes.endpoints.UdpSocket`."""

    def __init__(self, world: World, local: tuple[str, int]) -> None:
        self.local = local
        self.changed: Callable[[], None] | None = None
        self.closed = False
        self._world = world
        self._queue: deque[tuple[bytes, tuple[str, int]]] = deque()

    def receive(self) -> tuple[bytes, tuple[str, int]] | None:
        """The next datagram and its sender, or None."""
        return self._queue.popleft() if self._queue else None

    def send(self, data: bytes, address: str, port: int) -> bool:
        """One datagram to a peer; to anybody else it is lost."""
        datagram(self._world, data, (address, port), self.arrive)
        return True

    def arrive(self, data: bytes, sender: tuple[str, int]) -> None:
        """A peer sent a datagram."""
        if not self.closed:
            self._queue.append((data, sender))
            if self.changed is not None:
                self.changed()

    def close(self) -> None:
        """End it; harmless when repeated."""
        self.closed = True
        self.changed = None


class MemoryListener:
    """A listening socket without a descriptor; the twin of `fakes.endpoints.Listener`."""

    def __init__(self, local: tuple[str, int], backlog: int, window: int) -> None:
        self.local = local
        self.window = window
        self.changed: Callable[[], None] | None = None
        self.closed = False
        self._backlog = backlog
        self._queue: deque[Conversation] = deque()

    def dial(self, conversation: Conversation) -> bool:
        """A peer connects; False when the queue is full."""
        if self.closed or len(self._queue) >= self._backlog:
            return False
        self._queue.append(conversation)
        if self.changed is not None:
            asyncio.get_running_loop().call_soon(self.changed)
        return True

    def waiting(self) -> bool:
        """Whether a connection waits to be accepted."""
        return bool(self._queue)

    def accept(self) -> Conversation | None:
        """The next waiting connection, None when none waits."""
        return self._queue.popleft() if self._queue else None

    def close(self) -> None:
        """End it; harmless when repeated."""
        self.closed = True
        self.changed = None
        while self._queue:
            self._queue.popleft().close()


def datagram(
    world: World,
    data: bytes,
    target: tuple[str, int],
    arrive: Callable[[bytes, tuple[str, int]], None],
) -> bool:
    """Give a datagram to the peer at `target`; False when there is none."""
    found = world.peers.at(*target)
    if found is None:
        return False
    peer = found[1]
    answers = [data] if peer.does == "echo" else []
    if peer.answer:
        answers.append(peer.answer)
    loop = asyncio.get_running_loop()
    for answer in answers:
        loop.call_later(peer.delay * world.time_scale, arrive, answer, target)
    return True

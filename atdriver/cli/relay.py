"""What `nc` does between stdin, a socket and stdout; no byte is lost, memory stays constant.

One task reads and sends, one receives and writes; each hands a chunk on before it takes the next.
The rest of this file is how a conversation ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket as _socket
from abc import ABC, abstractmethod

from atdriver.cli.failure import Failure, note
from atdriver.cli.streams import Sink, Source
from netsocket.datagram import AsyncUDPSocket
from netsocket.errors import NetsocketError
from netsocket.stream import AsyncTCPSocket

CHUNK = 64 * 1024
"""Most bytes of one read, of stdin and of the socket."""
SHORTEST_QUIET = 2.0
"""Seconds without data that end a conversation at the least, where -q says nothing ..."""
ROUND_TRIPS = 4
"""... and as many measured round trips."""
LAST_SEND = 5.0
"""Seconds that a send under way gets to fail when the peer has closed."""
LARGEST_DATAGRAM = 65_507
"""UDP payload over IPv4 at most: 65535 - 20 - 8."""

_Task = asyncio.Task[None]


class Relay(ABC):
    """One conversation. `quiet` is -q, or None; `round_trip` seconds, 0 while not measured."""

    def __init__(
        self, source: Source, sink: Sink, quiet: float | None, round_trip: float = 0.0
    ) -> None:
        self.source = source
        self.sink = sink
        self.quiet = quiet
        self.round_trip = round_trip
        self.sent = 0
        self._reading = False  # waiting for stdin
        self._writing = False  # waiting for stdout
        self._heard = 0.0  # when something last came

    @property
    def patience(self) -> float:
        """Seconds of silence after the end of the input that end the conversation."""
        if self.quiet is not None:
            return self.quiet
        return max(SHORTEST_QUIET, ROUND_TRIPS * self.round_trip)

    async def run(self) -> None:
        """Until the end. Raises what broke the connection, Failure, BrokenPipeError (stdout)."""
        outward = asyncio.create_task(self._outward())
        inward = asyncio.create_task(self._inward())
        try:
            await asyncio.wait({outward, inward}, return_when=asyncio.FIRST_COMPLETED)
            if outward.done():
                await self._input_ended(outward, inward)
            else:
                await self._peer_ended(outward, inward)
        finally:
            for task in (outward, inward):
                task.cancel()
            await asyncio.gather(outward, inward, return_exceptions=True)

    @abstractmethod
    async def _outward(self) -> None:
        """stdin to the socket, until the end of the input."""

    @abstractmethod
    async def _inward(self) -> None:
        """The socket to stdout, until the peer's end."""

    @abstractmethod
    async def _input_ended(self, outward: _Task, inward: _Task) -> None: ...

    @abstractmethod
    async def _peer_ended(self, outward: _Task, inward: _Task) -> None: ...

    async def _next_input(self, size: int) -> bytes:
        self._reading = True
        try:
            return await self.source.read(size)
        finally:
            self._reading = False

    async def _deliver(self, data: bytes) -> None:
        self._writing = True
        try:
            await self.sink.write(data)
        finally:
            self._writing = False
            self._heard = asyncio.get_running_loop().time()

    async def _ends(self, inward: _Task, patience: float | None) -> bool:
        """Wait for the peer's end; False when nothing has come for `patience` seconds. A slow
        reader of stdout is not the peer's silence."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not inward.done():
            if patience is None:
                await asyncio.wait({inward})
                break
            now = loop.time()
            heard = now if self._writing else max(self._heard, begun)
            if heard + patience <= now and not self._writing:
                return False
            await asyncio.wait({inward}, timeout=max(heard + patience - now, 0.05))
        return True


class StreamRelay(Relay):
    """A TCP conversation."""

    def __init__(
        self,
        sock: AsyncTCPSocket,
        source: Source,
        sink: Sink,
        quiet: float | None,
        round_trip: float,
    ) -> None:
        super().__init__(source, sink, quiet, round_trip)
        self.sock = sock

    async def _outward(self) -> None:
        frame = min(self.sock.frame, CHUNK)
        while data := await self._next_input(frame):
            try:
                await self.sock.sendall(data)
            except NetsocketError as error:
                self.sent += error.accepted
                raise
            self.sent += len(data)

    async def _inward(self) -> None:
        while data := await self.sock.recv(CHUNK):
            await self._deliver(data)

    async def _input_ended(self, outward: _Task, inward: _Task) -> None:
        failure = outward.exception()
        if failure is not None:
            # What the peer said before it closed is worth having.
            if await self._ends(inward, self.patience) and (told := inward.exception()):
                raise told
            raise self._cut_short(failure)
        half = await self._half_close()
        if await self._ends(inward, self.quiet if half else self.patience):
            inward.result()
            return
        why = "" if half else " (this module cannot close one direction only)"
        note(
            f"the input has ended and nothing has come for {self.patience:.3g} s: "
            f"connection closed{why}"
        )

    async def _peer_ended(self, outward: _Task, inward: _Task) -> None:
        inward.result()
        if self.sock.can_half_close:
            await asyncio.wait({outward})  # the peer may still be listening
        elif not self._reading or self.source.ready():
            await asyncio.wait({outward}, timeout=LAST_SEND)
        if outward.done() and (failure := outward.exception()):
            raise self._cut_short(failure)

    def _cut_short(self, failure: BaseException) -> BaseException:
        if isinstance(failure, BrokenPipeError):
            return Failure(
                "the peer closed the connection before everything was sent "
                f"({self.sent} bytes were)"
            )
        return failure

    async def _half_close(self) -> bool:
        if not self.sock.can_half_close:
            return False
        with contextlib.suppress(OSError):
            await self.sock.shutdown(_socket.SHUT_WR)
            return True
        return False


class DatagramRelay(Relay):
    """A UDP conversation: each read of stdin is one datagram, replies are printed as they are."""

    def __init__(
        self, sock: AsyncUDPSocket, source: Source, sink: Sink, quiet: float | None, longest: int
    ) -> None:
        super().__init__(source, sink, quiet)
        self.sock = sock
        self._longest = longest
        self._asked = 0.0

    async def _outward(self) -> None:
        loop = asyncio.get_running_loop()
        while data := await self._next_input(self._longest):
            self._asked = self._asked or loop.time()
            await self.sock.send(data)
            self.sent += len(data)

    async def _inward(self) -> None:
        while True:
            data = await self.sock.recv(LARGEST_DATAGRAM)
            if self._asked and not self.round_trip:
                self.round_trip = asyncio.get_running_loop().time() - self._asked
            await self._deliver(data)

    async def _input_ended(self, outward: _Task, inward: _Task) -> None:
        outward.result()
        if await self._ends(inward, self.patience):
            inward.result()
        note(f"the input has ended and nothing has come for {self.patience:.3g} s: closed")

    async def _peer_ended(self, outward: _Task, inward: _Task) -> None:
        del outward
        inward.result()

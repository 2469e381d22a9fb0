"""Links and a module for the tests of the channel, all in memory."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable

from atdriver.link import Receiver

OK = b"\r\nOK\r\n"
Answer = list[tuple[float, bytes]]


class ScriptedLink:
    """Says what `answer` makes of each write, after the delay given there."""

    name = "scripted"

    def __init__(
        self, answer: Callable[[bytes], Answer] | None = None, *, has_rate: bool = False
    ) -> None:
        self.has_rate = has_rate
        self.answer = answer
        self.written: list[tuple[float, bytes]] = []
        self.rates: list[int] = []
        self.closed = 0
        self.opened = 0
        self.refuse: OSError | None = None
        self._receiver: Receiver | None = None

    async def open(self, receiver: Receiver) -> None:
        await asyncio.sleep(0)
        if self.refuse is not None:
            raise self.refuse
        self.opened += 1
        self._receiver = receiver

    @property
    def lines(self) -> list[bytes]:
        return [data for _, data in self.written]

    def write(self, data: bytes) -> None:
        self.written.append((asyncio.get_running_loop().time(), data))
        if self.answer is not None:
            for delay, said in self.answer(data):
                self.say(said, delay)

    def say(self, data: bytes, after: float = 0.0) -> None:
        asyncio.get_running_loop().call_later(after, self._deliver, data)

    def _deliver(self, data: bytes) -> None:
        if self._receiver is not None:
            self._receiver.data_received(data)

    def drop(self, error: OSError) -> None:
        receiver, self._receiver = self._receiver, None
        assert receiver is not None
        receiver.link_lost(error)

    def set_rate(self, baud: int) -> None:
        self.rates.append(baud)

    async def close(self) -> None:
        self.closed += 1
        self._receiver = None
        await asyncio.sleep(0)


class PortLink(ScriptedLink):
    """A link with a descriptor behind it, read in small pieces: bytes can wait in it."""

    name = "port"
    PIECE = 16

    def __init__(self, answer: Callable[[bytes], Answer] | None = None) -> None:
        super().__init__(answer)
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)

    async def open(self, receiver: Receiver) -> None:
        await super().open(receiver)
        asyncio.get_running_loop().add_reader(self._near, self._read)

    def _read(self) -> None:
        self._deliver(self._near.recv(self.PIECE))

    def _say_now(self, data: bytes) -> None:
        self._far.sendall(data)

    def say(self, data: bytes, after: float = 0.0) -> None:
        """The bytes wait in the port until the loop reads them."""
        if after:
            asyncio.get_running_loop().call_later(after, self._say_now, data)
        else:
            self._say_now(data)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._near)
        self._near.close()
        self._far.close()
        await super().close()


class Module:
    """Executes lines one at a time and checks its input: anything that is neither a line nor
    announced payload is an error. Every answer carries the number of its execution."""

    def __init__(self, terminator: bytes = b"\r\n", think: float = 0.010) -> None:
        self.terminator = terminator
        self.think = think
        self.payloads: list[bytes] = []
        self.executed: list[bytes] = []
        self.slow: dict[bytes, float] = {}
        """Line → how long it takes instead."""
        self._missing = 0
        self._payload = b""
        self._free_at = 0.0
        self._count = 0

    def __call__(self, data: bytes) -> Answer:
        now = asyncio.get_running_loop().time()
        if self._missing:
            assert len(data) <= self._missing, f"bytes behind the payload: {data!r}"
            self._payload += data
            self._missing -= len(data)
            if self._missing:
                return []
            self.payloads.append(self._payload)
            size = len(self._payload)
            return self._later(now, b"\r\nRecv %d bytes\r\n\r\nSEND OK\r\n" % size, b"payload")
        assert data.endswith(self.terminator), f"no command line: {data!r}"
        line = data[: -len(self.terminator)]
        assert line.startswith(b"AT"), f"no command: {line!r}"
        assert self.terminator not in line
        self.executed.append(line)
        self._count += 1
        if match := re.fullmatch(rb"AT\+CIPSEND=\d,(\d+)", line):
            self._missing, self._payload = int(match[1]), b""
            return self._later(now, OK + b"> ", line)
        if match := re.fullmatch(rb"AT\+CIPRECVDATA=\d,(\d+)", line):
            text = b"\r\nOK\r\n%d" % self._count
            return self._later(now, b"\r\n+CIPRECVDATA,%d:%b" % (len(text), text) + OK, line)
        said = b"+N:%d\r\n" % self._count if line.endswith(b"?") else b""
        return self._later(now, said + OK, line)

    def _later(self, now: float, said: bytes, line: bytes) -> Answer:
        self._free_at = max(now, self._free_at) + self.slow.get(line, self.think)
        half = len(said) // 2
        delay = self._free_at - now
        return [(delay, said[:half]), (delay + 0.002, said[half:])]

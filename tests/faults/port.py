"""A pseudo terminal, the driver's real serial link on it, and operations of the port that fail.

In real time, and short: what is tried out here is the operating system's side.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import subprocess
import sys
import termios
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from atdriver.links.serial import SerialLink

TIOCGEXCL = 0x80045440
PATIENCE = 5.0


@dataclass
class Ear:
    """Who gets the bytes of a link."""

    heard: bytearray = field(default_factory=bytearray)
    lost: list[OSError | None] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.news.set()

    def link_lost(self, error: OSError | None) -> None:
        self.lost.append(error)
        self.news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.news.clear()
                await self.news.wait()


@dataclass
class Line:
    """Both ends of a pty; the module's end is ours to read and write."""

    master: int
    slave: int
    path: str

    def hang_up(self) -> None:
        """The cable is pulled: nobody serves this terminal any more."""
        for number in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(number)

    @property
    def exclusive(self) -> bool:
        """Whether somebody has set TIOCEXCL."""
        import fcntl

        return fcntl.ioctl(self.slave, TIOCGEXCL, bytes(4)) != bytes(4)

    def attributes(self) -> list[Any]:
        return termios.tcgetattr(self.slave)

    def take(self) -> bytes:
        """What the host has written so far."""
        found = b""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.master, 65536):
                found += piece
        return found


@contextmanager
def line(*, cooked: bool = False) -> Iterator[Line]:
    master, slave = os.openpty()
    if not cooked:
        tty.setraw(slave)
    os.set_blocking(master, False)
    made = Line(master, slave, os.ttyname(slave))
    try:
        yield made
    finally:
        made.hang_up()


@asynccontextmanager
async def linked(where: Line, **options: Any) -> AsyncIterator[tuple[SerialLink, Ear]]:
    link, ear = SerialLink(where.path, **options), Ear()
    await link.open(ear)
    try:
        yield link, ear
    finally:
        await link.close()


class Failing:
    """Calls of one function that fail as told, for the port alone."""

    def __init__(
        self, patch: pytest.MonkeyPatch, module: Any, name: str, mine: Callable[..., bool]
    ) -> None:
        self._real = getattr(module, name)
        self._mine = mine
        self.outcome: Callable[..., Any] | None = None
        self.calls = 0
        """Calls of ours since it was told to fail."""
        patch.setattr(module, name, self._call)

    def _call(self, *arguments: Any, **named: Any) -> Any:
        if self.outcome is None or not self._mine(*arguments):
            return self._real(*arguments, **named)
        self.calls += 1
        return self.outcome(self._real, *arguments)

    def raises(self, number: int, kind: type[Exception] = OSError, times: int = 1 << 30) -> None:
        """From now on, so many times."""
        left = times

        def outcome(real: Callable[..., Any], *arguments: Any) -> Any:
            nonlocal left
            if left <= 0:
                return real(*arguments)
            left -= 1
            raise kind(number, os.strerror(number))

        self.outcome = outcome


def on(path: str) -> Callable[..., bool]:
    """For `Failing`: calls whose first argument is the port, by its name or by descriptor."""

    def mine(first: Any, *_: Any) -> bool:
        if isinstance(first, int):
            try:
                return os.isatty(first) and os.ttyname(first) == path
            except OSError as error:
                return error.errno == errno.EIO
        return first == path

    return mine


@contextmanager
def program(name: str, path: str, *, exclusive: bool) -> Iterator[int]:
    """Another program, called `name`, that has the port open; its process id."""
    code = (
        "import fcntl, os, sys, termios\n"
        "open('/proc/self/comm', 'w').write(sys.argv[1])\n"
        "number = os.open(sys.argv[2], os.O_RDWR | os.O_NOCTTY)\n"
        "if sys.argv[3] == 'True': fcntl.ioctl(number, termios.TIOCEXCL)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", code, name, path, str(exclusive)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield process.pid
        finally:
            process.stdin.close()
            process.wait(PATIENCE)

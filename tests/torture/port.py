"""A serial port whose every operation can be made to fail, in virtual time.

pyserial, pyserial-asyncio and `atdriver.links.serial` are the real ones; what they call of `os`,
`fcntl`, `termios` and `select` for this port comes here. The descriptor is a socket pair's, because
its bytes arrive at once (a pseudo terminal's come when the kernel likes).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import termios
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import serial.serialposix

import atdriver.links.serial
import atdriver.links.transport
from fakes import FakeModem
from fakes.virtualtime import VirtualTimeLoop

PATH = "/dev/ttyTorture0"
REPLUGGED = 5.0
"""Seconds after a hang-up until the module is plugged in again."""
DELAYS = {"late": 3.0, "timeout": 30.0}
"""Seconds by which an operation's bytes, or its end, are late."""
ERRORS = ("EIO", "ENODEV", "EAGAIN", "EINTR")
OUTCOMES = (*ERRORS, "short", "empty", "timeout", "hangup", "late")
_TIOCGEXCL = 0x80045440


def possible(operation: str, outcome: str) -> bool:
    """Whether an operation of this kind can end so."""
    if outcome in ERRORS or outcome == "hangup":
        return True
    if outcome == "short":
        return operation in ("read", "write")
    if outcome == "empty":
        return operation in ("read", "write", "poll")
    return operation in ("read", "write", "open")


class TortureLoop(VirtualTimeLoop):
    """Opens the port in its own thread: another would have another clock."""

    port: Port | None = None

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        future = self.create_future()
        try:
            result, error = func(*args), None
        except Exception as raised:
            result, error = None, raised

        def settle() -> None:
            if not future.cancelled():
                future.set_result(result) if error is None else future.set_exception(error)

        delay = 0.0 if self.port is None else self.port.take_delay()
        self.call_later(delay, settle) if delay else self.call_soon(settle)
        return future


class Port:
    """The port and the module behind it.

    Attributes:
        operations: what was done to the port so far, by name.
        fail: which operation is to fail (counted from 0), and how; None: none.
        failed: the name of the operation that did.
        descriptors: those that are open.
    """

    def __init__(self, module: FakeModem) -> None:
        self.module = module
        self.operations: list[str] = []
        self.fail: tuple[int, str] | None = None
        self.failed: str | None = None
        self.descriptors: set[int] = set()
        self._loop = asyncio.get_running_loop()
        self._far: socket.socket | None = None
        self._there = True
        self._locked: int | None = None
        self._delay = 0.0
        self._inward: bytearray | None = None
        """What the module says while an answer is held back."""
        self._outward: bytearray | None = None
        """What the host says while a write is held back."""
        self._attributes: list[Any] = [
            0, 0, termios.CS8 | termios.CREAD, 0, termios.B115200, termios.B115200,
            [b"\0"] * 32,
        ]  # fmt: skip

    async def plug(self) -> None:
        await self.module.start(self._deliver)

    async def unplug(self) -> None:
        self._end()
        await self.module.stop()

    def take_delay(self) -> float:
        """By how much the operation that just ended is late."""
        delay, self._delay = self._delay, 0.0
        return delay

    # -- the module's end ---------------------------------------------------------------------

    def _deliver(self, data: bytes) -> None:
        if self._inward is not None:
            self._inward += data
        elif self._far is not None:
            self._far.send(data)

    def _from_host(self) -> None:
        assert self._far is not None
        try:
            data = self._far.recv(1 << 20)
        except ConnectionResetError:  # closed with something unread
            data = b""
        if not data:
            self._end()
        elif self._outward is not None:
            self._outward += data
        else:
            self.module.receive(data)

    def _end(self) -> None:
        if self._far is not None:
            self._loop.remove_reader(self._far)
            self._far.close()
            self._far = None

    def _release_inward(self) -> None:
        held, self._inward = self._inward, None
        self._deliver(bytes(held or b""))

    def _release_outward(self) -> None:
        held, self._outward = self._outward, None
        self.module.receive(bytes(held or b""))

    def _hang_up(self) -> None:
        self._there = False
        self._end()
        self._loop.call_later(REPLUGGED, self._plug_in)

    def _plug_in(self) -> None:
        self._there = True
        self.module.restart()

    # -- the operations -----------------------------------------------------------------------

    def _outcome(self, operation: str) -> str | None:
        """Count it; how it is to fail, None: not at all."""
        number = len(self.operations)
        self.operations.append(operation)
        if self.fail is None or number != self.fail[0]:
            return None
        self.failed = operation
        return self.fail[1]

    def _begin(self, operation: str) -> str | None:
        outcome = self._outcome(operation)
        error = termios.error if operation.startswith("tc") else OSError
        if outcome in ERRORS:
            number = getattr(errno, outcome)
            raise error(number, os.strerror(number))
        if outcome == "hangup":
            self._hang_up()
        if not self._there and operation not in ("read", "poll", "close", "stat", "open"):
            raise error(errno.EIO, os.strerror(errno.EIO))
        return outcome

    def stat(self, _path: str) -> os.stat_result:
        self._begin("stat")
        self._present()
        return os.stat("/dev/null")

    def _present(self) -> None:
        if not self._there:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), PATH)

    def open(self, _path: str, _flags: int) -> int:
        self._delay = DELAYS.get(self._begin("open") or "", 0.0)
        self._present()
        self._end()
        near, self._far = socket.socketpair()
        near.setblocking(False)
        self._far.setblocking(False)
        self._loop.add_reader(self._far, self._from_host)
        self.descriptors.add(near.fileno())
        return near.detach()

    def close(self, number: int) -> None:
        self.descriptors.discard(number)
        if self._locked == number:
            self._locked = None
        os.close(number)
        self._begin("close")

    def flock(self, number: int, how: int) -> None:
        self._begin("flock")
        if how & atdriver.links.serial.fcntl.LOCK_UN:
            self._locked = None
        elif self._locked not in (None, number):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        else:
            self._locked = number

    def ioctl(self, _number: int, request: int, argument: Any = 0) -> Any:
        self._begin("ioctl")
        return bytes(4) if request == _TIOCGEXCL else argument

    def tcgetattr(self, _number: int) -> list[Any]:
        self._begin("tcgetattr")
        return [*self._attributes[:6], list(self._attributes[6])]

    def tcsetattr(self, _number: int, _when: int, attributes: list[Any]) -> None:
        self._begin("tcsetattr")
        self._attributes = list(attributes)

    def tcflush(self, number: int, queue: int) -> None:
        self._begin("tcflush")
        if queue == termios.TCIFLUSH:
            try:
                os.read(number, 1 << 20)
            except BlockingIOError:
                pass

    def poll(self, reading: list[int], writing: list[int], bad: list[int], limit: Any) -> Any:
        if self._begin("poll") == "empty":
            return [], [], []
        return serial.serialposix.select.real.select(reading, writing, bad, limit)

    def read(self, number: int, size: int) -> bytes:
        outcome = self._begin("read")
        if outcome == "empty":
            return b""
        data = os.read(number, 1 if outcome == "short" else size)
        if outcome in DELAYS:
            self._inward = bytearray(data)
            self._loop.call_later(DELAYS[outcome], self._release_inward)
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return data

    def write(self, number: int, data: bytes) -> int:
        outcome = self._begin("write")
        if outcome == "empty":
            return 0
        if outcome in DELAYS:
            self._outward = bytearray()
            self._loop.call_later(DELAYS[outcome], self._release_outward)
        return os.write(number, data[:1] if outcome == "short" else data)

    # -- in the place of the operating system -------------------------------------------------

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While this lasts, the serial link's calls for this port come here."""
        ours = self.descriptors
        by_path = {"stat": self.stat, "open": self.open}
        by_number = {
            "os": {"read": self.read, "write": self.write, "close": self.close},
            "fcntl": {"ioctl": self.ioctl, "flock": self.flock},
            "termios": {
                "tcgetattr": self.tcgetattr,
                "tcsetattr": self.tcsetattr,
                "tcflush": self.tcflush,
            },
        }

        def switched(real: Callable[..., Any], own: Callable[..., Any], mine: Any) -> Any:
            return lambda first, *rest: (own if mine(first) else real)(first, *rest)

        def stand_in(module: Any) -> Any:
            own = _StandIn(module)
            for name, call in by_number.get(module.__name__, {}).items():
                setattr(own, name, switched(getattr(module, name), call, ours.__contains__))
            if module is os:
                for name, call in by_path.items():
                    setattr(own, name, switched(getattr(os, name), call, PATH.__eq__))
            if module.__name__ == "select":
                mine = lambda reading: any(number in ours for number in reading)  # noqa: E731
                own.select = switched(module.select, self.poll, mine)
            return own

        places = (
            (atdriver.links.serial, ("os", "fcntl", "termios")),
            (atdriver.links.transport, ("os",)),
            (serial.serialposix, ("os", "fcntl", "termios", "select")),
        )
        with ExitStack() as stack:
            for where, names in places:
                for name in names:
                    stack.enter_context(
                        mock.patch.object(where, name, stand_in(getattr(where, name)))
                    )
            yield


class _StandIn:
    """A module of which some functions are replaced."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

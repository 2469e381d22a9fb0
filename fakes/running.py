"""RunningFake: a fake on a pseudo terminal, served by a thread of its own.

For programs that know no event loop: a test opens `port` like any serial port, and steers the
fake meanwhile from its own thread::

    with RunningFake(build("bg96")) as fake:
        with serial.Serial(fake.port, timeout=1) as line:
            line.write(b"AT\\r")
            assert b"OK" in line.read(10)
        fake.urc('+QIURC: "pdpdeact",1')
        assert fake.commands() == ["AT"]
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from .errors import FakeError
from .rules import Record
from .tap import WireTap

if TYPE_CHECKING:
    from .engine import FakeModem

__all__ = ["MISUNDERSTOOD", "RunningFake"]

T = TypeVar("T")

MISUNDERSTOOD: Final = ("unknown", "stray", "busy", "overlong", "overrun", "deviation")
"""Journal kinds that say: a real module would not have understood this.

unknown: no such command in this firmware; stray: a line that is no command; busy: a line while
a command ran, which the module throws away; overlong: a line longer than the module takes;
overrun: bytes faster than the module takes them; deviation: not what was recorded (replay).
"""
_PATIENCE = 10.0  # seconds for something to be done in the fake's thread


class RunningFake:
    """A fake served on a pty by a thread; a context manager.

    Args:
        modem: the fake, not yet started.
        follow_rate: the opener's baud rate counts; a wrong one gives noise.

    Attributes:
        modem: the fake; touch it from its own thread only, through `call`.
        port: device to open, e.g. ``/dev/pts/7``; "" while it is not running.
        tap: what went over the line, both ways.
        strict: for the pytest plugin: what is `misunderstood` fails the test.
    """

    def __init__(self, modem: FakeModem, *, follow_rate: bool = False) -> None:
        self.modem = modem
        self.port = ""
        self.tap = WireTap()
        self.strict = False
        self._follow_rate = follow_rate
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def start(self) -> Self:
        """Serve; returns when the port can be opened.

        Raises:
            FakeError: already running, or the fake cannot be started.
            OSError: no pseudo terminal is to be had.
        """
        if self._thread is not None:
            raise FakeError(114, "the fake is already running")
        ready = threading.Event()
        self._failure = None
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="fake modem", daemon=True
        )
        self._thread.start()
        ready.wait()
        failure = self._why()
        if failure is not None:
            self.stop()
            raise failure
        return self

    def _why(self) -> BaseException | None:
        return self._failure

    def stop(self) -> None:
        """End the fake, its sockets and its port; harmless when repeated."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        loop, ending = self._loop, self._ending
        if loop is not None and ending is not None and not loop.is_closed():
            loop.call_soon_threadsafe(ending.set)
        thread.join()
        self._loop = None
        self.port = ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _serve(self, ready: threading.Event) -> None:
        from .ptyport import PtyPort

        try:
            self._loop = asyncio.get_running_loop()
            self._ending = asyncio.Event()
            carrier = PtyPort(self.modem, follow_rate=self._follow_rate, tap=self.tap)
            carrier.moved = lambda path: setattr(self, "port", path)
            try:
                await carrier.start()
                self.port = carrier.path
                ready.set()
                await self._ending.wait()
            finally:
                await carrier.close()
        except BaseException as error:
            self._failure = error
        finally:
            ready.set()

    # ---- steering, from any thread -----------------------------------------------------

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run `function(*arguments)` in the fake's thread and return what it returns.

        Raises:
            FakeError: not running.
            TimeoutError: the fake's thread did not get to it within 10 s.
        """
        loop = self._loop
        if loop is None or loop.is_closed():
            raise FakeError(107, "the fake is not running")

        async def run() -> T:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), loop).result(_PATIENCE)

    def urc(self, text: str) -> None:
        """Say an unsolicited line, in the module's format."""
        self.call(self.modem.urc, text)

    def raw(self, data: bytes) -> None:
        """Put bytes on the line as they are."""
        self.call(self.modem.raw, data)

    def reset(self, *, silent: bool = False) -> None:
        """The module restarts, with its banner or without a word."""
        self.call(lambda: self.modem.restart(silent=silent))

    def deaf(self, seconds: float) -> None:
        """The module does not hear the host for so many model seconds."""
        self.call(self.modem.be_deaf, seconds)

    def lose(self, count: int) -> None:
        """The next `count` bytes to the host are lost."""
        self.call(self.modem.wire.outward.lose, count)

    # ---- what happened -----------------------------------------------------------------

    def journal(self, *kinds: str) -> list[Record]:
        """What happened so far, all of it or only records of these kinds."""
        records = list(self.modem.journal)
        return [each for each in records if not kinds or each.kind in kinds]

    def commands(self) -> list[str]:
        """The command lines that the host sent, in order."""
        return [record.detail for record in self.journal("command")]

    def misunderstood(self) -> list[Record]:
        """What a real module would not have understood (see MISUNDERSTOOD)."""
        return self.journal(*MISUNDERSTOOD)

"""A fake on a pseudo terminal, so that any program can open it like a serial port.

No byte is lost: what the pty does not take stays in a buffer here, and the fake is told to
pause until the reader has caught up.  One descriptor of the slave side stays open, so that
the master never sees an error between two programs that open the port.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import termios
import tty
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from .control import serve_control
from .errors import FakeError, LinkPathError

if TYPE_CHECKING:
    from .engine import FakeModem
    from .tap import WireTap

__all__ = ["PtyPort", "serve"]

_READ = 65536  # bytes per read from the master
_RETRY = 0.005  # seconds between attempts on a full pty, should the kernel not wake us
_RATES = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if re.fullmatch(r"B\d+", name)
}
_TERMINAL = re.compile(r"/dev/pts/\d+")


class PtyPort:
    """Carries bytes between one fake and a fresh pty.

    Args:
        modem: the fake, not yet started.
        follow_rate: tell the fake the rate the opener set (a pty itself has none).
        tap: records what passes.

    Attributes:
        path: device of the slave side, e.g. ``/dev/pts/7``.
        moved: called with the new path after `unplug`.
    """

    def __init__(
        self, modem: FakeModem, *, follow_rate: bool = False, tap: WireTap | None = None
    ) -> None:
        self.modem = modem
        self._tap = tap
        self._follow_rate = follow_rate
        self._rate = 0
        self._pending = bytearray()
        self._retry: asyncio.TimerHandle | None = None
        self._open = True
        self._back: asyncio.TimerHandle | None = None
        self.moved: Callable[[str], object] | None = None
        self._make(os.openpty())

    def _make(self, pair: tuple[int, int]) -> None:
        self._master, self._slave = pair
        try:
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self.path = os.ttyname(self._slave)
            self._rate = self._slave_rate()
        except BaseException:
            os.close(self._master)
            os.close(self._slave)
            raise

    async def start(self) -> None:
        """Start the fake and carry bytes."""
        await self.modem.start(self._deliver)
        self.modem.on_unplug = self.unplug
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    async def close(self) -> None:
        """Stop the fake and close both sides; harmless when repeated."""
        if not self._open:
            return
        self._open = False
        if self._back is not None:
            self._back.cancel()
        self._hang_up()
        await self.modem.stop()

    def unplug(self, seconds: float) -> None:
        """The USB device goes, and comes back under another name after `seconds`; the module has
        lost its power and starts anew."""
        if self._open and self._back is None:
            following = os.openpty()  # while the old one stands, so that its number differs
            self._hang_up()
            self._make(following)
            self._back = asyncio.get_running_loop().call_later(seconds, self._plug_in)

    def _hang_up(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        self._stop_writing()
        self._pending.clear()
        os.close(self._master)
        os.close(self._slave)

    def _plug_in(self) -> None:
        self._back = None
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        self.modem.resume_output()
        if self.moved is not None:
            self.moved(self.path)
        self.modem.restart()

    def _slave_rate(self) -> int:
        return int(termios.tcgetattr(self._slave)[5])

    def _readable(self) -> None:
        try:
            data = os.read(self._master, _READ)
        except (BlockingIOError, InterruptedError):
            return
        if self._follow_rate:
            code = self._slave_rate()
            if code != self._rate:
                self._rate = code
                if code in _RATES:
                    self.modem.set_line_rate(_RATES[code])
        if self._tap is not None:
            self._tap.record(data, from_host=True)
        self.modem.receive(data)

    def _deliver(self, data: bytes) -> None:
        if not self._open or self._back is not None:
            return
        if self._tap is not None:
            self._tap.record(data, from_host=False)
        self._pending += data
        if self._retry is None:
            self._flush()

    def _flush(self) -> None:
        """Write what the pty takes; pause the fake while something is left."""
        try:
            while self._pending:
                count = os.write(self._master, self._pending)
                del self._pending[:count]
        except (BlockingIOError, InterruptedError):
            pass
        blocked = self._retry is not None
        if self._pending:
            loop = asyncio.get_running_loop()
            if not blocked:
                self.modem.pause_output()
                loop.add_writer(self._master, self._writable)
            else:
                assert self._retry is not None
                self._retry.cancel()
            self._retry = loop.call_later(_RETRY, self._flush)
        elif blocked:
            self._stop_writing()
            self.modem.resume_output()

    def _writable(self) -> None:
        # A full pty may look writable again at once: then only the timer tries.
        before = len(self._pending)
        self._flush()
        if self._pending and len(self._pending) == before:
            asyncio.get_running_loop().remove_writer(self._master)

    def _stop_writing(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
            asyncio.get_running_loop().remove_writer(self._master)


def _is_stale(path: str) -> bool:
    """Whether `path` is a link to a terminal that is gone, or was made after the link."""
    try:
        target = os.readlink(path)
    except OSError:
        return False
    if _TERMINAL.fullmatch(target) is None:
        return False
    try:
        return os.stat(target).st_ctime_ns > os.lstat(path).st_mtime_ns
    except OSError:
        return True


def _make_link(target: str, path: str) -> None:
    """Create the symbolic link in one step.

    Raises:
        LinkPathError: the path is taken by anything but a stale link of ours.
    """
    try:
        os.symlink(target, path)
    except FileExistsError:
        if not _is_stale(path):
            raise LinkPathError(
                path, "exists and is not a stale link to a pseudo terminal; remove it first"
            ) from None
        temporary = f"{path}.{os.getpid()}"
        os.symlink(target, temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise LinkPathError(path, f"cannot be created: {error.strerror}") from error


def _remove_link(target: str, path: str) -> None:
    """Remove the link if it is still ours."""
    with contextlib.suppress(OSError):
        if os.readlink(path) == target:
            os.unlink(path)


async def serve(
    modem: FakeModem,
    *,
    link: str | None = None,
    announce: Callable[[str], None] = print,
    follow_rate: bool = False,
    control: str | None = None,
) -> None:
    """Run `modem` on a fresh pty until cancelled, or told to stop by the control socket.

    Args:
        modem: the fake, not yet started.
        link: path of a symbolic link to the pty, removed at the end.
        announce: receives ``port: /dev/pts/N`` and, with `link`, ``link: PATH``.
        follow_rate: a rate set by the opener that differs from the module's gives noise.
        control: where to make a control socket (see `fakes.control`); announced as
            ``control: PLACE``.

    Raises:
        LinkPathError: `link` or the control socket's path is taken.
        FakeError: the fake gave up (a replay whose host deviates).
    """
    if announce is print:  # into a pipe the first line must not wait in a buffer
        announce = partial(print, flush=True)
    port = PtyPort(modem, follow_rate=follow_rate)
    linked = ""  # what the link points to
    try:
        if link is not None:
            _make_link(port.path, link)
            linked = port.path

        def moved(path: str) -> None:
            nonlocal linked
            if link is not None:
                linked = path
                temporary = f"{link}.{os.getpid()}"
                os.symlink(path, temporary)
                os.replace(temporary, link)
            announce(f"port: {path}")

        port.moved = moved
        await port.start()
        ending = asyncio.Event()
        failures: list[FakeError] = []

        def failed(error: FakeError) -> None:
            failures.append(error)
            ending.set()

        modem.on_failure = failed
        async with contextlib.AsyncExitStack() as stack:
            place = None
            if control is not None:
                place = await stack.enter_async_context(serve_control(modem, control, ending.set))
            announce(f"port: {port.path}")
            if link is not None:
                announce(f"link: {link}")
            if place is not None:
                announce(f"control: {place}")
            await ending.wait()
        if failures:
            raise failures[0]
    finally:
        if link is not None and linked:
            _remove_link(linked, link)
        await port.close()

"""A serial port (or pty) through pyserial and pyserial-asyncio.

pyserial-asyncio is dormant, so it is kept behind this file: the port is opened here, in a thread
(an open can block), locked twice (advisory lock and TIOCEXCL: each stops programs that the other
does not), and read back to be sure that it is raw. Both locks are asked for as well: TIOCEXCL does
not stop root, so what another program has set is looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
import sys

import serial

from atdriver.discovery import group_hint
from atdriver.errors import PortBusy, PortDenied, PortLost, PortMissing
from atdriver.holders import advice, port_holders
from atdriver.link import Receiver
from atdriver.links.transport import Transport
from atdriver.plug import Plug

if os.name == "posix":
    import fcntl
    import termios

DEFAULT_RATE = 115200

# termios.error is no OSError.
_LINE_ERRORS = (OSError, termios.error) if os.name == "posix" else (OSError,)
_TIOCGEXCL = 0x80045440
"""Linux: whether TIOCEXCL is set (ioctl_tty(2)); Python's termios has no name for it."""


class _Port(serial.Serial):
    """pyserial's port, without what can wait for a device in the event loop's thread."""

    exclusive_by_us = False
    """Whether TIOCEXCL is ours to give back: it belongs to the terminal, not to a descriptor."""

    if os.name == "posix":

        def write(self, data: bytes, /) -> int | None:  # type: ignore[override]
            """One attempt: pyserial's own tries on and on while the port takes nothing. Raises
            BlockingIOError then, SerialException for a port that is gone."""
            try:
                return os.write(self.fileno(), data)
            except (BlockingIOError, InterruptedError):
                raise
            except OSError as error:
                raise serial.SerialException(error.errno, f"write failed: {error}") from error

        def flush(self) -> None:
            """Drop what was not sent. pyserial-asyncio calls this at the end of a port, and
            pyserial would wait there until the device has taken everything."""
            with contextlib.suppress(*_LINE_ERRORS):
                termios.tcflush(self.fileno(), termios.TCOFLUSH)

        def close(self) -> None:
            """Give both locks back, also where a forked child still has the descriptor."""
            if self.is_open:
                if self.exclusive_by_us:
                    with contextlib.suppress(*_LINE_ERRORS):
                        fcntl.ioctl(self.fileno(), termios.TIOCNXCL)
                with contextlib.suppress(*_LINE_ERRORS):
                    fcntl.flock(self.fileno(), fcntl.LOCK_UN)
            try:
                super().close()
            except OSError:
                # The descriptor is gone all the same (close(2)), and its number may be somebody
                # else's soon: pyserial shall close its pipes, and that number never again.
                self.fd = os.open(os.devnull, os.O_RDONLY)
                super().close()


class SerialLink(asyncio.Protocol):
    """One serial port. `rate` in baud; `rtscts` as wired; DTR and RTS are left as they are unless
    given, because on many boards they reset the module. With `plug` the port is opened wherever it
    is plugged in now."""

    has_rate = True

    def __init__(
        self,
        path: str,
        *,
        rate: int = DEFAULT_RATE,
        rtscts: bool = False,
        dtr: bool | None = None,
        rts: bool | None = None,
        plug: Plug | None = None,
    ) -> None:
        self.name = path
        self._plug = plug
        self._rate = rate
        self._rtscts = rtscts
        self._lines = (dtr, rts)
        self._port: serial.Serial | None = None
        self._transport: Transport | None = None
        self._receiver: Receiver | None = None
        self._closed = asyncio.Event()
        self._closing = False

    async def open(self, receiver: Receiver) -> None:
        """Open and lock the port. Raises PortMissing, PortDenied, PortBusy, OSError."""
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(None, self._open_blocking)
        try:
            port = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise
        try:  # it sets time-outs, and each sets up the whole port again
            self._transport = Transport(loop, self, port)
        except _LINE_ERRORS as error:
            port.close()
            raise _open_error(self.name, error) from error
        self._port = port
        self._receiver = receiver

    def _open_blocking(self) -> serial.Serial:
        if self._plug is not None:
            self.name = self._plug.whereabouts()
        port = self._open_path(self.name)
        if self._plug is not None:
            self._plug.opened(self.name)
        return port

    def _open_path(self, path: str) -> serial.Serial:
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            raise PortMissing(f"{path}: no such port (plugged in? see `atdriver ports`)") from None
        except OSError as error:
            raise _open_error(path, error) from error
        if not stat.S_ISCHR(mode):
            raise PortMissing(f"{path}: this is not a serial port")
        port = _Port()
        port.port = path
        port.baudrate = self._rate
        port.rtscts = self._rtscts
        port.timeout = 0
        port.exclusive = True
        dtr, rts = self._lines
        if dtr is not None:
            port.dtr = dtr
        if rts is not None:
            port.rts = rts
        try:
            port.open()
        except _LINE_ERRORS as error:
            raise _open_error(path, error) from error
        try:
            self._lock_and_check(port)
        except BaseException:
            port.close()
            raise
        return port

    def _lock_and_check(self, port: _Port) -> None:
        if os.name != "posix":
            return
        number = port.fileno()
        try:
            if sys.platform == "linux" and _is_exclusive(number) and port_holders(self.name):
                raise OSError(errno.EBUSY, "another program has it for itself")
            fcntl.ioctl(number, termios.TIOCEXCL)
            port.exclusive_by_us = True
            attributes = termios.tcgetattr(number)
            attributes[2] &= ~termios.HUPCL  # closing leaves DTR and RTS as they are, too
            termios.tcsetattr(number, termios.TCSANOW, attributes)
            iflag, oflag, cflag, lflag, *_ = termios.tcgetattr(number)
        except _LINE_ERRORS as error:
            raise _open_error(self.name, error) from error
        # A setting that was taken in part is no error to tcsetattr (POSIX), so it is read back.
        cooked = (
            iflag & (termios.IXON | termios.IXOFF | termios.ISTRIP | termios.INPCK)
            or iflag & (termios.ICRNL | termios.INLCR | termios.IGNCR)
            or oflag & termios.OPOST
            or lflag & (termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
            or cflag & termios.CSIZE != termios.CS8
        )
        if cooked:
            raise PortDenied(
                f"{self.name}: the port could not be set to raw mode; bytes would be changed"
            )

    # -- asyncio.Protocol ---------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """From the transport."""
        if self._receiver is not None and not self._closing:
            self._receiver.data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """From the transport: unplugged, or closed by us."""
        self._closed.set()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            error = PortLost(f"{self.name}: the port is gone ({exc})")
            error.__cause__ = exc
            receiver.link_lost(None if self._closing else error)

    # -- Link ---------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        if self._transport is not None and not self._closing:
            self._transport.write(data)

    @property
    def backlog(self) -> int:
        """Bytes that wait until the port takes them."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def set_rate(self, baud: int) -> None:
        """Change the baud rate on the open descriptor."""
        self._rate = baud
        if self._port is not None and self._port.is_open:
            try:
                self._port.baudrate = baud
            except _LINE_ERRORS as error:
                raise PortLost(f"{self.name}: cannot set {baud} baud ({error})") from error

    async def close(self) -> None:
        """Discard what was not sent (a deaf device must not block us) and close."""
        if self._closing or self._transport is None or self._closed.is_set():
            self._closing = True
            return
        self._closing = True
        self._transport.abort()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), 2.0)


def _close_late(opening: asyncio.Future[serial.Serial]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _is_exclusive(number: int) -> bool:
    """Whether somebody has set TIOCEXCL on the terminal, which stops everybody but root."""
    answer = fcntl.ioctl(number, _TIOCGEXCL, bytes(4))
    return answer != bytes(4)


def _open_error(path: str, error: BaseException) -> OSError:
    number = getattr(error, "errno", None) or (error.args[0] if error.args else None)
    if number in (errno.EACCES, errno.EPERM):
        return PortDenied(f"{path}: permission denied{group_hint(path)}")
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK):
        holder = ", ".join(port_holders(path))
        by = f" by {holder}" if holder else ""
        return PortBusy(f"{path}: the port is in use{by}{advice(holder)}", holder)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return PortMissing(f"{path}: no such port (plugged in? see `atdriver ports`)")
    return PortLost(f"{path}: cannot open ({error})")

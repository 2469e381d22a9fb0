"""I: the host's serial port and operating system, on a pseudo terminal in real time."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import termios
import time
from typing import Any

import pytest
import serial.serialposix

from atdriver.errors import ATError, PortBusy, PortDenied, PortLost, PortMissing
from atdriver.links.serial import SerialLink

from .bench import Injected
from .port import Ear, Failing, line, linked, on, program

EVERY = bytes(range(256))


@pytest.mark.catches(
    "atdriver/links/serial.py",
    "receiver.link_lost(None if self._closing else error)",
    "del error",
)
async def test_I01_unplugged(monkeypatch: pytest.MonkeyPatch, injected: Injected) -> None:
    """It is told once, and the descriptor that is readable for ever is not read for ever."""
    with line() as port:
        reads = Failing(monkeypatch, os, "read", on(port.path))
        async with linked(port) as (link, ear):
            reads.outcome = lambda real, *arguments: real(*arguments)
            port.hang_up()
            injected()
            await ear.until(lambda: bool(ear.lost))
            busy = time.process_time()
            await asyncio.sleep(0.3)
            assert time.process_time() - busy < 0.1
            assert reads.calls <= 5
            assert [type(each) for each in ear.lost] == [PortLost]
            link.write(b"AT\r")  # nothing, and no error
            await asyncio.sleep(0.02)
            assert len(ear.lost) == 1


OPENING = {
    "open": (os, "open"),
    "attributes": (termios, "tcgetattr"),
    "settings": (termios, "tcsetattr"),
    "input": (termios, "tcflush"),
    "lock": (fcntl, "flock"),
    "exclusive": (fcntl, "ioctl"),
}
KINDS = {
    errno.ENODEV: PortMissing, errno.ENXIO: PortMissing, errno.EIO: PortLost,
    errno.EACCES: PortDenied, errno.EBUSY: PortBusy,
}  # fmt: skip


@pytest.mark.catches(
    "atdriver/links/serial.py",
    '_LINE_ERRORS = (OSError, termios.error) if os.name == "posix" else (OSError,)',
    "_LINE_ERRORS = (OSError,)",
)
@pytest.mark.parametrize("operation", OPENING)
async def test_I02_an_operation_of_opening_fails(
    operation: str, monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    """Whatever kind of error: one of ours, with the original kept, and no descriptor is left."""
    module, name = OPENING[operation]
    kind: type[Exception] = termios.error if module is termios else OSError
    with line() as port:
        failing = Failing(monkeypatch, module, name, on(port.path))
        before = len(os.listdir("/proc/self/fd"))
        for number, expected in KINDS.items():
            failing.raises(number, kind)
            with pytest.raises(OSError) as caught:
                await SerialLink(port.path).open(Ear())
            assert isinstance(caught.value, ATError), (operation, number)
            assert caught.value.errno, (operation, number)
            assert caught.value.__cause__ is not None
            if kind is OSError and operation != "exclusive":
                assert isinstance(caught.value, expected), (operation, number)
            injected(failing.calls)
            assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.catches(
    "atdriver/links/serial.py",
    "            except OSError as error:\n                raise serial.SerialException(",
    "            except OSError as error:\n                raise MemoryError(",
)
@pytest.mark.parametrize("operation", ["read", "write", "rate"])
async def test_I02_an_operation_of_an_open_port_fails(
    operation: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    injected: Injected,
) -> None:
    """The loss is told once, as PortLost; a change of the rate tells it to its caller."""
    with line() as port:
        module, name = (termios, "tcsetattr") if operation == "rate" else (os, operation)
        failing = Failing(monkeypatch, module, name, on(port.path))
        async with linked(port) as (link, ear):
            failing.raises(errno.EIO, termios.error if operation == "rate" else OSError)
            if operation == "rate":
                with pytest.raises(PortLost, match="9600 baud") as caught:
                    link.set_rate(9600)
                assert isinstance(caught.value.__cause__, termios.error)
            else:
                if operation == "read":
                    os.write(port.master, b"OK\r\n")
                else:
                    link.write(b"AT\r")
                await ear.until(lambda: bool(ear.lost))
                assert [type(each) for each in ear.lost] == [PortLost]
                assert ear.lost[0] is not None
                assert isinstance(ear.lost[0].__cause__, OSError)
            injected(failing.calls)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.catches(
    "atdriver/links/serial.py",
    'if sys.platform == "linux" and _is_exclusive(number) and port_holders(self.name):',
    "if _is_exclusive(number) and port_holders(''):",
)
@pytest.mark.catches("atdriver/links/serial.py", "{by}{advice(holder)}", "{by}")
async def test_I05_modemmanager_holds_the_port(injected: Injected) -> None:
    """It takes TIOCEXCL and no advisory lock; the error names it and what keeps it away."""
    with line() as port:
        with program("ModemManager", port.path, exclusive=True) as number:
            with pytest.raises(PortBusy) as caught:
                await SerialLink(port.path).open(Ear())
            injected()
            assert caught.value.holder == f"ModemManager (pid {number})"
            for wanted in ("ModemManager", "atdriver udev", "ID_MM_DEVICE_IGNORE"):
                assert wanted in str(caught.value)
            assert port.exclusive  # its lock is still its own
        async with linked(port):  # it has left
            pass


@pytest.mark.catches("atdriver/links/serial.py", "port.exclusive = True", "port.exclusive = None")
@pytest.mark.catches("atdriver/links/serial.py", "fcntl.ioctl(number, termios.TIOCEXCL)", "pass")
async def test_I07_two_locks_are_taken(injected: Injected) -> None:
    """TIOCEXCL stops programs of other users, the advisory lock those who ask, root too."""
    with line() as port:
        async with linked(port):
            assert port.exclusive
            with pytest.raises(BlockingIOError):
                fcntl.flock(port.slave, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with pytest.raises(PortBusy):
                await SerialLink(port.path).open(Ear())
            injected(3)
            assert port.exclusive  # the second one has not given back what the first one holds


@pytest.mark.catches(
    "atdriver/links/serial.py", "fcntl.flock(self.fileno(), fcntl.LOCK_UN)", "pass"
)
@pytest.mark.catches(
    "atdriver/links/serial.py", "fcntl.ioctl(self.fileno(), termios.TIOCNXCL)", "pass"
)
async def test_I07_both_locks_are_given_back(injected: Injected) -> None:
    """Also while a descriptor of the port lives on in a forked child."""
    with line() as port:
        link = SerialLink(port.path)
        await link.open(Ear())
        assert link._port is not None
        kept = os.dup(link._port.fileno())  # as fork makes one: of the same open file
        injected()
        try:
            await link.close()
            assert not port.exclusive
            async with linked(port):
                pass
        finally:
            os.close(kept)


LINES = {
    serial.serialposix.TIOCM_DTR_str: "DTR", serial.serialposix.TIOCM_RTS_str: "RTS",
}  # fmt: skip


@pytest.mark.catches("atdriver/links/serial.py", "attributes[2] &= ~termios.HUPCL", "pass")
@pytest.mark.catches("atdriver/links/serial.py", "port.dtr = dtr", "pass")
@pytest.mark.parametrize("wanted", [None, False])
async def test_I08_control_lines(
    wanted: bool | None, monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    """Opening, a new rate and closing move no line that nobody asked to be moved; one that is
    asked for is set before the port is anybody's."""
    moves: list[tuple[str, bool]] = []
    with line() as port:
        lines = Failing(monkeypatch, fcntl, "ioctl", on(port.path))

        def modem_line(real: Any, number: int, request: int, argument: Any = 0, *_: Any) -> Any:
            sets, clears = serial.serialposix.TIOCMBIS, serial.serialposix.TIOCMBIC
            if request in (sets, clears):  # a pty has no such lines: ENOTTY
                moves.append((LINES[argument], request == sets))
                return 0
            return real(number, request, argument)

        lines.outcome = modem_line
        hangs_up = port.attributes()[2] | termios.HUPCL
        termios.tcsetattr(port.slave, termios.TCSANOW, [*port.attributes()[:2], hangs_up,
                                                        *port.attributes()[3:]])  # fmt: skip
        assert port.attributes()[2] & termios.HUPCL
        injected()
        async with linked(port, dtr=wanted, rts=wanted) as (link, _):
            # The kernel has raised both when the port was opened; so they stay, unless told.
            assert moves == [("DTR", wanted is None), ("RTS", wanted is None)]
            del moves[:]
            link.set_rate(9600)
        assert not moves
        assert not port.attributes()[2] & termios.HUPCL  # the kernel drops none at the close


SPOILED = {
    "IXON": (0, termios.IXON), "IXOFF": (0, termios.IXOFF), "ICRNL": (0, termios.ICRNL),
    "INLCR": (0, termios.INLCR), "ISTRIP": (0, termios.ISTRIP), "OPOST": (1, termios.OPOST),
    "ICANON": (3, termios.ICANON), "ECHO": (3, termios.ECHO), "ISIG": (3, termios.ISIG),
}  # fmt: skip
"""Which flag stays although it was switched off: its place in the attributes, and its bit."""


async def _left_on(flag: str, monkeypatch: pytest.MonkeyPatch, injected: Injected) -> None:
    """A driver of the port that keeps one flag: tcsetattr does not complain, opening does."""
    place, bit = SPOILED[flag]

    def partly(real: Any, number: int, when: int, attributes: list[Any]) -> None:
        injected()
        attributes = list(attributes)
        attributes[place] |= bit
        real(number, when, attributes)

    with line() as port:
        Failing(monkeypatch, termios, "tcsetattr", on(port.path)).outcome = partly
        with pytest.raises(PortDenied, match="raw mode"):
            await SerialLink(port.path).open(Ear())
        assert not port.exclusive


async def _every_byte_passes(injected: Injected) -> None:
    """All values both ways through a terminal that was found cooked."""
    with line(cooked=True) as port:
        assert port.attributes()[3] & termios.ICANON
        injected()
        async with linked(port) as (link, ear):
            os.write(port.master, EVERY)
            await ear.until(lambda: len(ear.heard) >= len(EVERY))
            assert bytes(ear.heard) == EVERY
            link.write(EVERY)
            await asyncio.sleep(0.05)
            assert port.take() == EVERY


@pytest.mark.catches(
    "atdriver/links/serial.py", "iflag & (termios.IXON | termios.IXOFF |", "iflag & ("
)
@pytest.mark.parametrize("flag", ["IXON", "IXOFF"])
async def test_I09_software_flow_control(
    flag: str, monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    """0x11 and 0x13 pass, or the port is not used."""
    await _left_on(flag, monkeypatch, injected)


@pytest.mark.catches("atdriver/links/serial.py", "or oflag & termios.OPOST", "")
@pytest.mark.catches(
    "atdriver/links/serial.py", "or lflag & (termios.ICANON | termios.ECHO |", "or lflag & ("
)
@pytest.mark.parametrize("flag", sorted(SPOILED.keys() - {"IXON", "IXOFF"}))
async def test_I10_not_raw(flag: str, monkeypatch: pytest.MonkeyPatch, injected: Injected) -> None:
    """A setting that was taken in part is found by reading it back."""
    await _left_on(flag, monkeypatch, injected)


@pytest.mark.catches(
    "atdriver/links/serial.py",
    "        port = _Port()\n",
    "        port = _Port()\n        port.bytesize = 7\n",
)
async def test_I10_found_cooked(injected: Injected) -> None:
    await _every_byte_passes(injected)


@pytest.mark.catches(
    "atdriver/links/serial.py",
    "termios.tcflush(self.fileno(), termios.TCOFLUSH)",
    "termios.tcdrain(self.fileno())",
)
async def test_I11_close_does_not_wait(monkeypatch: pytest.MonkeyPatch, injected: Injected) -> None:
    """A device that takes nothing: what was not sent is dropped, and the loop is never stopped."""
    with line() as port:
        drains = Failing(monkeypatch, termios, "tcdrain", on(port.path))
        drains.outcome = lambda real, number: time.sleep(8)  # the driver of a UART waits 30 s
        link, ear = SerialLink(port.path), Ear()
        await link.open(ear)
        link.write(bytes(100_000))  # nobody reads it
        await asyncio.sleep(0.05)
        injected()
        begun = time.monotonic()
        await link.close()
        await link.close()
        assert time.monotonic() - begun < 5
        assert ear.lost == [None]
        async with linked(port):  # and the port is free
            pass


@pytest.mark.catches(
    "atdriver/links/serial.py",
    "            except (BlockingIOError, InterruptedError):\n                raise",
    "            except (BlockingIOError, InterruptedError):\n                return self.write(data)",
)
async def test_I12_short_and_blocked_writes(
    monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    """Three bytes at a time, nothing at all, a full buffer: every byte leaves once, in order, and
    the loop goes on meanwhile."""
    sent = b"".join(b"%07d\n" % number for number in range(10_000))
    with line() as port:
        writes = Failing(monkeypatch, os, "write", on(port.path))
        times, blocked = 0, 0.0

        def meagre(real: Any, number: int, data: bytes) -> int:
            nonlocal times
            times += 1
            if times % 2 or time.monotonic() < blocked:
                raise BlockingIOError(errno.EAGAIN, "later")
            if len(data) > len(sent) - 300:
                return int(real(number, data[:3]))
            return int(real(number, data))

        async with linked(port) as (link, _):
            writes.outcome = meagre
            blocked = time.monotonic() + 0.1
            link.write(sent[:100])
            link.write(sent[100:])
            got, turns = b"", 0
            async with asyncio.timeout(10):
                while len(got) < len(sent):
                    await asyncio.sleep(0.001)
                    got += port.take()
                    turns += 1
            assert got == sent
            assert turns > 3
        injected(times)


@pytest.mark.catches(
    "atdriver/links/serial.py", "self._transport.write(data)", "self._port.write(data)"
)
async def test_I12_a_port_that_takes_nothing(injected: Injected) -> None:
    """More than the system's buffer holds is queued, and nobody waits for it."""
    with line() as port:
        async with linked(port) as (link, _):
            begun = time.monotonic()
            for _ in range(30):
                link.write(EVERY * 40)
            assert time.monotonic() - begun < 10
            await asyncio.sleep(0.05)
            first = port.take()
            injected(len(first) < 30 * 40 * 256)
            got = first
            async with asyncio.timeout(10):
                while len(got) < 30 * 40 * 256:
                    await asyncio.sleep(0.002)
                    got += port.take()
            assert got == EVERY * 40 * 30

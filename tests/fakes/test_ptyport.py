"""The pty carrier: link, full buffers, openers that come and go, cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import fakes
from fakes import FakeModem, LinkPathError
from fakes.actions import perform
from fakes.esp8266 import build
from fakes.ptyport import serve
from fakes.running import RunningFake
from tests.fakes.patience import PATIENCE


class Served:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.task: asyncio.Task[None] | None = None

    async def start(self, modem: FakeModem, **more: Any) -> str:
        announced = asyncio.Event()

        def announce(line: str) -> None:
            self.lines.append(line)
            announced.set()

        self.task = asyncio.ensure_future(serve(modem, announce=announce, **more))
        waiter = asyncio.ensure_future(announced.wait())
        await asyncio.wait(
            [self.task, waiter], return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE
        )
        waiter.cancel()
        if self.task.done():
            self.task.result()
        return self.lines[0].removeprefix("port: ")

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError, LinkPathError):
                await self.task


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    one = Served()
    yield one
    await one.stop()


def open_port(path: str) -> int:
    number = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(number)
    return number


def exchange(number: int, data: bytes, wanted: bytes) -> bytes:
    os.write(number, data)
    got = b""
    while not got.endswith(wanted):
        if not select.select([number], [], [], PATIENCE)[0]:
            break
        got += os.read(number, 4096)
    return got


async def test_announces_answers_and_removes_the_link(served: Served, tmp_path: Path) -> None:
    link = tmp_path / "modem"
    path = await served.start(build(time_scale=0), link=str(link))
    assert served.lines == [f"port: {path}", f"link: {link}"]
    assert os.readlink(link) == path
    port = open_port(str(link))
    got = await asyncio.to_thread(exchange, port, b"AT\r\n", b"OK\r\n")
    assert got == b"AT\r\n\r\nOK\r\n"
    os.close(port)
    await asyncio.sleep(0.01)
    port = open_port(str(link))  # a second opener
    got = await asyncio.to_thread(exchange, port, b"ATE0\r\n", b"OK\r\n")
    assert got == b"ATE0\r\n\r\nOK\r\n"
    await served.stop()
    os.close(port)
    assert not link.is_symlink()


async def test_all_byte_values_pass(served: Served) -> None:
    class Mirror(FakeModem):
        terminator = b"\r\n"

        def _arrived(self, data: bytes) -> None:
            self.raw(data)

    path = await served.start(Mirror())
    port = open_port(path)
    data = bytes(range(256)) * 8
    assert await asyncio.to_thread(exchange, port, data, data[-256:]) == data
    os.close(port)


async def test_taken_path_is_refused(served: Served, tmp_path: Path) -> None:
    link = tmp_path / "modem"
    link.write_text("precious")
    with pytest.raises(LinkPathError, match="remove it first"):
        await served.start(build(), link=str(link))
    assert link.read_text() == "precious"
    with pytest.raises(LinkPathError):
        await served.start(build(), link=str(tmp_path / "none" / "modem"))


async def test_live_link_is_refused_and_stale_one_replaced(served: Served, tmp_path: Path) -> None:
    link = tmp_path / "modem"
    await served.start(build(), link=str(link))
    other = Served()
    with pytest.raises(LinkPathError):
        await other.start(build(), link=str(link))
    assert link.is_symlink()
    await served.stop()
    link.symlink_to("/dev/pts/99999")
    path = await other.start(build(), link=str(link))
    assert os.readlink(link) == path
    await other.stop()
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LinkPathError):
        await other.start(build(), link=str(link))


async def test_full_pty_loses_nothing(served: Served) -> None:
    """1 MiB towards a reader that is far too slow at first."""
    data = os.urandom(1 << 20)
    modem = build(time_scale=0)
    path = await served.start(modem)
    port = open_port(path)
    digest = hashlib.sha256()
    total = [0]
    paused = threading.Event()

    def read() -> None:
        paused.wait(5)
        while total[0] < len(data) and select.select([port], [], [], PATIENCE)[0]:
            piece = os.read(port, 777)
            digest.update(piece)
            total[0] += len(piece)

    reader = asyncio.create_task(asyncio.to_thread(read))

    async def produce() -> None:
        for at in range(0, len(data), 1460):
            await modem.output_room()
            modem.raw(data[at : at + 1460])

    producer = asyncio.create_task(produce())
    await asyncio.sleep(0.1)
    assert modem.output_full
    assert not producer.done()
    paused.set()
    await asyncio.wait_for(asyncio.gather(producer, reader), 20)
    assert total[0] == len(data)
    assert digest.digest() == hashlib.sha256(data).digest()
    assert not modem.output_full
    os.close(port)


async def test_cancelled_while_full(served: Served) -> None:
    modem = build(time_scale=0)
    path = await served.start(modem)
    port = open_port(path)
    modem.raw(bytes(200_000))
    await asyncio.sleep(0.01)
    await served.stop()
    os.close(port)


async def test_rate_of_the_opener_can_be_followed(served: Served) -> None:
    path = await served.start(build(time_scale=0), follow_rate=True)
    port = open_port(path)
    attributes = termios.tcgetattr(port)
    attributes[4] = attributes[5] = termios.B9600
    termios.tcsetattr(port, termios.TCSANOW, attributes)
    got = await asyncio.to_thread(exchange, port, b"A", b"")
    attributes[4] = attributes[5] = termios.B115200
    termios.tcsetattr(port, termios.TCSANOW, attributes)
    os.write(port, b"\r\n")
    await asyncio.sleep(0.05)
    termios.tcflush(port, termios.TCIFLUSH)
    got = await asyncio.to_thread(exchange, port, b"AT\r\n", b"OK\r\n")
    assert got == b"AT\r\n\r\nOK\r\n"
    os.close(port)


async def test_serve_pty_method() -> None:
    modem = build()
    lines: list[str] = []
    task = asyncio.ensure_future(modem.serve_pty(announce=lines.append))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert lines[0].startswith("port: /dev/pts/")


async def test_as_a_program_the_first_line_is_the_port(tmp_path: Path) -> None:
    """Standard output is a pipe here: the line must not stay in a buffer."""
    program = (
        "import asyncio, fakes\n"
        "asyncio.run(fakes.build('esp8266', time_scale=0).serve_pty(link='modem'))\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(str(fakes.__file__)).parents[1])},
    )
    assert child.stdout is not None
    line = await asyncio.wait_for(child.stdout.readline(), PATIENCE)
    path = line.decode().strip().removeprefix("port: ")
    assert (await asyncio.wait_for(child.stdout.readline(), PATIENCE)) == b"link: modem\n"
    port = open_port(path)
    assert (await asyncio.to_thread(exchange, port, b"AT\r\n", b"OK\r\n")).endswith(b"OK\r\n")
    os.close(port)
    child.send_signal(signal.SIGINT)
    await child.communicate()
    assert not (tmp_path / "modem").is_symlink()


def test_unplugged_and_back_under_another_name(tmp_path: Path) -> None:
    with RunningFake(fakes.build("bg96", time_scale=1.0)) as fake:
        first = fake.port
        line = os.open(first, os.O_RDWR | os.O_NOCTTY)
        fake.call(perform, fake.modem, "unplug", 0.1)
        try:
            assert select.select([line], [], [], PATIENCE)[0]
            with contextlib.suppress(OSError):  # EIO or an empty read: gone
                assert os.read(line, 100) == b""
        finally:
            os.close(line)
        limit = time.monotonic() + PATIENCE  # a BG96 takes 4.9 s to start
        while fake.journal("restart") == [] and time.monotonic() < limit:
            time.sleep(0.01)
        assert fake.journal("restart")
        assert fake.port != first
        again = os.open(fake.port, os.O_RDWR | os.O_NOCTTY)
        try:
            got = b""
            while b"RDY" not in got and time.monotonic() < limit:
                if select.select([again], [], [], 0.1)[0]:
                    got += os.read(again, 100)
            assert b"RDY" in got
        finally:
            os.close(again)

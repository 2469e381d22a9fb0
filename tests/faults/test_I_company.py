"""I: other programs on the same port, and what else the operating system does to a session."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import random
import signal
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from atdriver import aopen_modem, open_modem
from fakes import Peer, build
from fakes.actions import perform
from fakes.running import RunningFake
from netsocket.errors import NameNotFound

from .bench import Bench, Injected, opened, virtual
from .port import Failing, on, program

NAMES = {f"n{number}.test": f"198.51.100.{number}" for number in range(1, 26)}
PROBES = (b"AT\r\n", b"AT+CGMI\r\n", b"AT+GMI\r\n", b"ATI\r\n", b"AT+GCAP\r\n")
"""What ModemManager writes to a port that it does not know."""


@contextmanager
def plugged(module: str, **arguments: Any) -> Iterator[RunningFake]:
    """A module on a pseudo terminal, with its peers, served by a thread."""
    world: dict[str, Any] = {"access_points": {"lab": "secret99"}} if module == "esp8266" else {}
    modem = build(module, time_scale=0.0, offline=True, **world, **arguments)
    with RunningFake(modem) as fake:
        yield fake


async def _talk(bench: Bench, number: int, sock: Any) -> None:
    """One question and one exchange; all that comes must be the right thing."""
    name = f"n{number}.test"
    assert await bench.net.resolve(name) == [NAMES[name]]
    piece = b"%05d|" % number
    async with asyncio.timeout(120):
        await sock.sendall(piece)
        back = b""
        while len(back) < len(piece):
            part = await sock.recv(100)
            assert part, "an end that the peer has not made"
            back += part
            assert piece.startswith(back)


@pytest.mark.catches(
    "atdriver/engine.py",
    "if command.info is not None and command.info.fullmatch(text):",
    "if command.info is not None:",
)
@pytest.mark.parametrize("module", ["esp8266", "bg96"])
@virtual
async def test_I05_foreign_commands(module: str, injected: Injected) -> None:
    """ModemManager's probes between our commands: an answer may be lost, none is taken for ours."""
    chance = random.Random(5)
    async with opened(module, names=NAMES) as bench:
        loop = asyncio.get_running_loop()
        moment = 0.0
        for _ in range(40):
            moment += chance.uniform(0.02, 1.5)
            loop.call_later(moment, bench.fake.receive, chance.choice(PROBES))
        sock, served = None, 0
        for number in range(1, 26):
            try:
                sock = sock or await bench.net.connect(("echo.test", 7), timeout=60)
                assert len(bench.talks("echo.test:7")) == 1
                await _talk(bench, number, sock)
                served += 1
            except OSError as error:
                assert not isinstance(error, NameNotFound | TimeoutError), error
                if sock is not None:
                    await sock.close()
                sock = None
            await asyncio.sleep(chance.uniform(0, 0.5))
        injected(sum(each.detail in ("ATI", "AT+CGMI", "AT+GMI", "AT+GCAP")
                     for each in bench.fake.journal if each.kind in ("command", "busy")))  # fmt: skip
        assert served > 5


@pytest.mark.catches(
    "atdriver/channel.py", "self._company.look(self._loop, self.link.name, event.reason)", "pass"
)
async def test_I05_who_else_is_there(caplog: pytest.LogCaptureFixture, injected: Injected) -> None:
    """A program that had the port open before: the first answer that does not fit names it."""
    with plugged("bg96") as fake, program("ModemManager", fake.port, exclusive=False) as number:
        async with aopen_modem(f"bg96:{fake.port}"):
            assert not caplog.records
            fake.call(fake.modem.receive, b"AT+GMI\r")
            injected()
            async with asyncio.timeout(5):
                while not caplog.records:
                    await asyncio.sleep(0.01)
        (warning,) = (each.getMessage() for each in caplog.records)
        assert f"ModemManager (pid {number})" in warning
        assert "ID_MM_DEVICE_IGNORE" in warning


@pytest.mark.catches(
    "modems/receiving.py",
    "isinstance(outcome, ReplyCorrupt | CommandTimeout)",
    "isinstance(outcome, CommandTimeout)",
)
async def test_I06_a_second_reader(monkeypatch: pytest.MonkeyPatch, injected: Injected) -> None:
    """It takes 40 bytes out of an answer: what was read is right, then comes an error that asks
    for other programs."""
    said = b"".join(b"%05d\n" % number for number in range(1000))
    with plugged("bg96", peers={"srv.test:7": Peer(greeting=said[:600])}) as fake:
        thief = os.open(fake.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        reads = Failing(monkeypatch, os, "read", on(fake.port))

        def stolen(real: Any, number: int, size: int) -> bytes:
            waiting = int.from_bytes(fcntl.ioctl(thief, termios.FIONREAD, bytes(4)), "little")
            if number == thief or waiting < 600:
                return bytes(real(number, size))
            reads.outcome = None
            first = bytes(real(number, 500))
            injected(len(real(thief, 40)))
            return first

        try:
            async with aopen_modem(f"bg96:{fake.port}") as net:
                sock = await net.connect(("srv.test", 7), timeout=10)
                got = await sock.recv(600)
                reads.outcome = stolen
                fake.call(perform, fake.modem, "peer", {"does": "say", "data": said[600:].decode()})
                with pytest.raises(ConnectionResetError, match="another program"):
                    async with asyncio.timeout(20):
                        while part := await sock.recv(1000):
                            got += part
                assert said.startswith(got)
        finally:
            os.close(thief)


@pytest.mark.catches(
    "modems/receiving.py",
    "        self._raise_what_broke(sock)\n        if sock.peer_closed and sock.drained:",
    '        if sock.broken is not None:\n            return b""\n        if sock.peer_closed and sock.drained:',
)
@pytest.mark.parametrize("module", ["esp8266", "bg96"])
async def test_I03_data_in_the_kernel_is_lost(module: str, injected: Injected) -> None:
    """The answer lies in the port's buffer when the cable is pulled: no clean end of data."""
    said = bytes(range(256)) * 20
    with plugged(module, peers={"srv.test:7": Peer(greeting=said[:1000])}) as fake:
        wifi = {"ssid": "lab", "password": "secret99"} if module == "esp8266" else {}
        async with aopen_modem(f"{module}:{fake.port}", **wifi) as net:
            sock = await net.connect(("srv.test", 7), timeout=10)
            got = b""
            async with asyncio.timeout(10):
                while len(got) < 1000:
                    got += await sock.recv(2000)
            reading = asyncio.create_task(sock.recv(5000))
            await asyncio.sleep(0.05)
            # From here on the loop does not run, so what the module says stays in the kernel.
            fake.call(
                perform, fake.modem, "peer", {"does": "say", "data": said[1000:].decode("latin-1")}
            )
            time.sleep(0.05)  # noqa: ASYNC251
            injected(net.stack.channel.link._port.in_waiting)  # type: ignore[attr-defined]
            fake.call(perform, fake.modem, "unplug", 600.0)
            with pytest.raises(OSError) as caught:
                async with asyncio.timeout(10):
                    got += await reading
                    while part := await sock.recv(5000):
                        got += part
                    pytest.fail("a clean end")
            assert not isinstance(caught.value, TimeoutError)
            assert got == said[:1000]


@pytest.mark.catches(
    "netsocket/portal.py",
    "        if os.getpid() != self._pid:\n            raise BadHandle(",
    "        if self._stopped:\n            raise BadHandle(",
)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_I13_a_forked_child(injected: Injected) -> None:
    """It cannot use the session, and what it tries does not reach the module."""
    with plugged("bg96", resolve={"one.test": "198.51.100.1"}) as fake:
        with open_modem(f"bg96:{fake.port}") as net:
            commands = len(fake.commands())
            child = os.fork()
            if child == 0:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(3)
                try:
                    net.resolve("one.test")
                except OSError as error:
                    os._exit(0 if error.errno == errno.EBADF else 1)
                os._exit(2)
            injected()
            assert os.waitpid(child, 0)[1] == 0
            assert len(fake.commands()) == commands
            assert net.resolve("one.test") == ["198.51.100.1"]


@pytest.mark.catches(
    "atdriver/links/serial.py",
    "except (BlockingIOError, InterruptedError):",
    "except BlockingIOError:",
)
async def test_I13_signals(monkeypatch: pytest.MonkeyPatch, injected: Injected) -> None:
    """Calls that a signal interrupts go on, and every byte arrives once."""
    data = random.Random(13).randbytes(30_000)
    with plugged("bg96", peers={"echo.test:7": Peer("echo")}) as fake:
        calls = [Failing(monkeypatch, os, name, on(fake.port)) for name in ("read", "write")]

        def interrupted(call: Failing) -> Callable[..., Any]:
            """Two of its calls in a row, then none of two: a write that is interrupted is tried
            again in another way."""

            def outcome(real: Any, *arguments: Any) -> Any:
                injected()
                if call.calls % 4 < 2:
                    raise InterruptedError(errno.EINTR, "a signal came")
                return real(*arguments)

            return outcome

        former = signal.signal(signal.SIGUSR1, lambda *_: injected())
        try:
            async with aopen_modem(f"bg96:{fake.port}") as net:
                sock = await net.connect(("echo.test", 7), timeout=10)
                for each in calls:
                    each.outcome = interrupted(each)
                sending = asyncio.create_task(sock.sendall(data))
                back = bytearray()
                async with asyncio.timeout(30):
                    while len(back) < len(data):
                        os.kill(os.getpid(), signal.SIGUSR1)
                        back += await sock.recv(65536)
                    await sending
                assert back == data
                for each in calls:
                    each.outcome = None
        finally:
            signal.signal(signal.SIGUSR1, former)

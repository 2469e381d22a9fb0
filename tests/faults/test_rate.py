"""`fast`: the baud rate is raised once the module is configured, and put back at the end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from typing import Any

import pytest

from atdriver.errors import PortLost, SpecificationError
from atdriver.link import Receiver
from atdriver.links.memory import MemoryLink
from fakes import FakeModem

from .bench import BOTH, Bench, Injected, assemble, virtual
from .talk import receive, round_trip, within

EACH = pytest.mark.parametrize(("module", "firmware"), BOTH, ids=["esp8266", "bg96"])
ALL = pytest.mark.parametrize(
    ("module", "firmware"), [*BOTH, ("esp8266", "N17")], ids=["E24", "bg96", "N17"]
)
ORDINARY, FAST = 115200, 921600
COMMANDS = {
    "esp8266": (b"AT+UART_CUR=%d,8,1,0,0\r\n", b"AT+UART"),
    "bg96": (b"AT+IPR=%d\r", b"AT+IPR="),
}


class Uart(MemoryLink):
    """It is opened at the ordinary rate, each time."""

    def __init__(self, fake: FakeModem, deaf_at: int = 0, never: int = 0) -> None:
        super().__init__(fake, "uart", has_rate=True)
        self._deaf_at = deaf_at
        self._never = never
        self.rate = ORDINARY

    async def open(self, receiver: Receiver) -> None:
        await super().open(receiver)
        self.set_rate(ORDINARY)

    def set_rate(self, baud: int) -> None:
        if baud == self._never:
            raise PortLost(f"{self.name}: cannot set {baud} baud")
        self.rate = baud
        super().set_rate(baud)

    def _hand_over(self, data: bytes) -> None:
        super()._hand_over(b"\xf8" * len(data) if self.rate == self._deaf_at else data)


def on_uart(module: str, firmware: str, *, fast: int = FAST, baud: int = ORDINARY, **uart: Any) -> Bench:  # fmt: skip
    fake: dict[str, Any] = {"baud": baud, **({"port": "uart1"} if module == "bg96" else {})}
    link = lambda modem: Uart(modem, **uart)  # noqa: E731
    return assemble(module, firmware, fake=fake, link=link, fast=fast)


def rates(bench: Bench) -> tuple[int | None, int | None]:
    """Where the module is, and the host."""
    wire = bench.fake.wire
    return wire.module_rate, wire.host_rate


@ALL
@virtual
async def test_raised_and_put_back(module: str, firmware: str) -> None:
    """What is stored is never touched; the next program finds the module where it was."""
    bench = on_uart(module, firmware)
    command, any_such = COMMANDS[module]
    async with bench.net:
        assert rates(bench) == (FAST, FAST)
        await round_trip(bench)
        await bench.net.down()
        assert rates(bench) == (ORDINARY, ORDINARY)
        written = bench.wire.written
        assert written.index(command % FAST) < written.index(command % ORDINARY)
        assert written.count(any_such) == 2
        assert written.endswith((b"ATE1\r\n", b"ATE1\r"))  # the settings went back, at that rate
        assert not bench.stack.recovery
        await bench.net.up()  # and the same again
        assert rates(bench) == (FAST, FAST)
    assert rates(bench) == (ORDINARY, ORDINARY)


@EACH
@virtual
async def test_found_elsewhere(module: str, firmware: str) -> None:
    """It goes back to where it was; where a killed program left it raised, to the ordinary rate."""
    bench = on_uart(module, firmware, baud=9600)
    async with bench.net:
        assert rates(bench) == (FAST, FAST)
    assert rates(bench) == (9600, 9600)
    bench = on_uart(module, firmware)
    bench.fake.wire.set_module_rate(FAST)
    async with bench.net:
        assert rates(bench) == (FAST, FAST)
        await round_trip(bench)
    assert rates(bench) == (ORDINARY, ORDINARY)


@EACH
@virtual
async def test_off(module: str, firmware: str) -> None:
    """The rate stays unless it is asked for."""
    bench = on_uart(module, firmware, fast=0)
    async with bench.net:
        assert rates(bench) == (ORDINARY, ORDINARY)
    assert COMMANDS[module][1] not in bench.wire.written
    with pytest.raises(SpecificationError, match="fast=-1"):
        on_uart(module, firmware, fast=-1)


@EACH
@virtual
async def test_nothing_is_heard_there(
    module: str, firmware: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A line that is too bad for the rate on the way back: the module is told to return, blindly."""
    bench = on_uart(module, firmware, deaf_at=FAST)
    with caplog.at_level(logging.WARNING, "atdriver"):
        async with bench.net:
            assert rates(bench) == (ORDINARY, ORDINARY)
            await round_trip(bench)
            assert COMMANDS[module][0] % FAST in bench.wire.written
    assert f"nothing is heard at {FAST} baud" in caplog.text


@pytest.mark.parametrize("who", ["module", "port"])
@EACH
@virtual
async def test_refused(
    module: str, firmware: str, who: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By the module with ERROR, or by the host's port, before the module is asked: a warning."""
    odd = 7_777_777
    bench = on_uart(module, firmware, fast=odd, never=odd if who == "port" else 0)
    with caplog.at_level(logging.WARNING, "atdriver"):
        async with bench.net:
            assert rates(bench) == (ORDINARY, ORDINARY)
            await round_trip(bench)
    assert f"it stays at {ORDINARY} baud" in caplog.text
    assert (COMMANDS[module][0] % odd in bench.wire.written) == (who == "module")


@EACH
@virtual
async def test_restart(module: str, firmware: str) -> None:
    """Its banner at the stored rate is noise here; it is found, and raised again."""
    bench = on_uart(module, firmware)
    async with bench.net:
        epoch = bench.stack.epoch
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        bench.fake.restart()
        with pytest.raises(ConnectionError):
            await within(70, sock.recv(1))
        await asyncio.sleep(30)  # a BG96 is given 40 s to answer a read, before anything is doubted
        assert bench.stack.epoch > epoch
        assert rates(bench) == (FAST, FAST)
        await within(5, round_trip(bench))
        await sock.close()
    assert rates(bench) == (ORDINARY, ORDINARY)


@EACH
@virtual
async def test_deaf_for_a_while(module: str, firmware: str, injected: Injected) -> None:
    """What did not restart is found at the fast rate again, and its connection goes on."""
    bench = on_uart(module, firmware)
    async with bench.net, await bench.net.connect(("echo.test", 7), timeout=30) as sock:
        epoch = bench.stack.epoch
        await asyncio.sleep(5)  # no command is under way
        bench.fake.be_deaf(30)
        seen = set()
        for _ in range(30):
            await asyncio.sleep(1)
            seen.add(rates(bench))
        injected((FAST, ORDINARY) in seen)  # it listens at the other one
        await asyncio.sleep(25)
        assert rates(bench) == (FAST, FAST)
        assert bench.stack.epoch == epoch
        await sock.sendall(b"still here")
        assert await receive(sock, 10) == b"still here"
    assert rates(bench) == (ORDINARY, ORDINARY)


@ALL
@virtual
async def test_reset(module: str, firmware: str) -> None:
    """The recovery's own reset takes the module to its stored rate as well."""
    bench = on_uart(module, firmware)
    async with bench.net:
        bench.fake.wire.outward.lose(26)  # at this rate it does not say that it restarts
        await within(60, bench.stack.reset())
        assert rates(bench) == (FAST, FAST)
        await within(60, bench.stack.reopen())
        assert rates(bench) == (FAST, FAST)
        await round_trip(bench)
    assert rates(bench) == (ORDINARY, ORDINARY)


@EACH
@virtual
async def test_the_words_of_it(
    module: str, firmware: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A rate that is refused, or at which nothing is heard, is not tried again by the next start of the
    same interface; what happens to the line is noted."""
    for uart, fast, words in (
        ({"never": 77}, 77, "it stays at 115200 baud: uart: cannot set 77 baud"),
        ({"deaf_at": FAST}, FAST, "nothing is heard at 921600 baud, back to 115200"),
    ):
        caplog.clear()
        bench = on_uart(module, firmware, fast=fast, **uart)
        with caplog.at_level(logging.WARNING, "atdriver"):
            async with bench.net:
                await bench.net.down()
                await bench.net.up()
        (message,) = [each for each in caplog.messages if "baud" in each]
        assert message == f"{module}: {words}"
        assert bench.wire.notes == []
    bench = on_uart(module, firmware)
    async with bench.net:
        assert bench.wire.notes == ["the line is at 921600 baud"]
        await bench.net.down()
        assert bench.wire.notes[1:] == ["the line changes to 115200 baud"]


@EACH
@virtual
async def test_an_end_at_which_nothing_answers(module: str, firmware: str) -> None:
    """It takes a moment, and is no error; the module stays at its rate, and is found there."""
    bench = on_uart(module, firmware)
    async with bench.net:
        bench.fake.be_deaf(10)
        begun = asyncio.get_running_loop().time()
        await bench.net.down()
        assert asyncio.get_running_loop().time() - begun < 10.0
        assert bench.net.status.name == "DISCONNECTED"
        assert bench.fake.wire.module_rate == FAST
        await asyncio.sleep(10)
        await bench.net.up()
        assert rates(bench) == (FAST, FAST)
        await round_trip(bench)


@EACH
@virtual
async def test_a_way_back_that_is_not_heard(module: str, firmware: str) -> None:
    """An empty line ends what noise left there, then the command; each is given its time."""
    bench = on_uart(module, firmware, deaf_at=FAST)
    async with bench.net:
        command, _ = COMMANDS[module]
        end = b"\r\n" if module == "esp8266" else b"\r"
        lines = [(at, data) for at, way, data in bench.wire.lines if way == ">"]
        there = next(n for n, (_, data) in enumerate(lines) if data == command % FAST)
        back = next(n for n, (_, data) in enumerate(lines) if data == command % ORDINARY)
        assert lines[back - 1][1] == end
        assert 0.25 < lines[back][0] - lines[back - 1][0] < 0.35
        assert 4.0 <= lines[back][0] - lines[there][0] < 5.5
        asked = {"esp8266": b"AT+CIPMUX?", "bg96": b"AT+CEREG?"}[module]
        assert lines[back + 1][1] == asked + end
        assert lines[back + 1][0] - lines[back][0] < 1.0


def changes(bench: Bench) -> list[tuple[float, int]]:
    """When the host's rate changes from now on, and to what."""
    found: list[tuple[float, int]] = []
    link: Any = bench.channel.link
    set_rate = link.set_rate

    def watched(baud: int) -> None:
        found.append((asyncio.get_running_loop().time(), baud))
        set_rate(baud)

    link.set_rate = watched
    return found


@EACH
@virtual
async def test_both_rates_in_turn_while_nothing_answers(module: str, firmware: str) -> None:
    """10 s each; it ends with the first answer, and where the module is given up."""
    bench = on_uart(module, firmware)
    async with bench.net:
        found = changes(bench)
        bench.fake.be_deaf(45)
        await asyncio.sleep(70)
        assert [baud for _, baud in found[:3]] == [ORDINARY, FAST, ORDINARY]
        times = [at for at, _ in found]
        assert all(9.9 < b - a < 10.1 for a, b in itertools.pairwise(times[:3]))
        assert rates(bench) == (FAST, FAST)
        count = len(found)
        await asyncio.sleep(60)
        assert len(found) == count


@EACH
@virtual
async def test_after_a_reset_the_rate_at_home_comes_soon(module: str, firmware: str) -> None:
    """It is told to restart, so after 3 s it is probably there."""
    bench = on_uart(module, firmware)
    async with bench.net:
        found = changes(bench)
        begun = asyncio.get_running_loop().time()
        bench.fake.be_deaf(8)
        with contextlib.suppress(OSError):
            await bench.stack.reset()
        assert found[0][1] == ORDINARY
        assert 2.9 < found[0][0] - begun < 3.2


@EACH
@virtual
async def test_a_banner_at_home_is_believed(module: str, firmware: str) -> None:
    """A module whose rate was never raised is not looked for elsewhere."""
    bench = on_uart(module, firmware, fast=0)
    async with bench.net:
        found = changes(bench)
        bench.fake.restart()
        await asyncio.sleep(30)
        assert bench.net.status.name == "GLOBAL_UP"
        assert found == []
    assert COMMANDS[module][1] not in bench.wire.written

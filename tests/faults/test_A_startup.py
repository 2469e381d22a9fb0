"""A: start-up, baud rate, what stands on the line before anything was said."""

from __future__ import annotations

import asyncio

import pytest

from atdriver.errors import ModuleSilent
from atdriver.link import Receiver
from atdriver.links.memory import MemoryLink
from netsocket.errors import ModuleRestarted

from .bench import BOTH, Bench, Injected, assemble, opened, virtual
from .talk import ready_made, receive, round_trip, within

EACH = pytest.mark.parametrize(("module", "firmware"), BOTH, ids=["esp8266", "bg96"])
NAMES = {"one.test": "198.51.100.1", "two.test": "198.51.100.2"}
CHATTER = bytes(range(0x80, 0xF0)) + b"\0|rn~?\xe2\x0c"
"""What a boot ROM at 74880 baud looks like at 115200 (esp-at FAQ): no line end in it."""


@pytest.mark.catches("atdriver/flight.py", "        self._drop_stale_line()\n", "")
@pytest.mark.catches("modems/esp8266/dialect.py", 'rb"ready|Will force', 'rb"nothing|Will force')
@virtual
async def test_A01_boot_rom_chatter(injected: Injected) -> None:
    """It is neither an answer nor a restart; the banner behind it is one."""
    async with opened("esp8266", "E22", scenario=ready_made("A01"), names=NAMES) as bench:
        injected.by(bench.fake)
        assert bench.stack.epoch <= 1
        before = bench.stack.epoch
        bench.fake.raw(CHATTER)
        await asyncio.sleep(5)
        # The garbage has no line end: it must not become the head of the next answer.
        assert await bench.net.resolve("one.test") == [NAMES["one.test"]]
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        await sock.sendall(b"x")
        assert await receive(sock, 1) == b"x"
        assert bench.stack.epoch == before
        bench.fake.restart()  # prints chatter, then "ready"
        with pytest.raises(ModuleRestarted):
            await within(1, sock.recv(1))
        assert bench.stack.epoch == before + 1
        await round_trip(bench)
        await sock.close()


class RatedLink(MemoryLink):
    """A UART: it has a rate from the first moment, and opening it resets the board (DTR)."""

    def __init__(self, bench: Bench, *, dtr: bool = False) -> None:
        super().__init__(bench.fake, "uart", has_rate=True)
        self.fake = bench.fake
        self.rates = [115200]
        self.opened = 0
        self._dtr = dtr

    async def open(self, receiver: Receiver) -> None:
        await super().open(receiver)
        self.opened += 1
        self.fake.set_line_rate(self.rates[-1])
        if self._dtr:
            self.fake.restart()

    def set_rate(self, baud: int) -> None:
        self.rates.append(baud)
        super().set_rate(baud)


def on_uart(module: str, firmware: str, rate: int, *, dtr: bool = False) -> tuple[Bench, RatedLink]:
    """A module whose stored rate is another one than the driver expects."""
    extra = {"port": "uart1"} if module == "bg96" else {}
    bench = assemble(module, firmware, fake={"baud": rate, **extra})
    link = RatedLink(bench, dtr=dtr)
    bench.channel.link = link
    return bench, link


@pytest.mark.catches(
    "atdriver/startup.py", "        for rate in rates[1:]:", "        for rate in rates[:1]:"
)
@EACH
@virtual
async def test_A02_another_baud_rate(module: str, firmware: str, injected: Injected) -> None:
    """A rate of the list is found and nothing is stored; with another one, an error names all."""
    bench, link = on_uart(module, firmware, 9600)
    async with bench.net:
        injected(link.rates[-1] == 9600)
        await round_trip(bench)
        assert len(link.rates) <= 8
    for stored in (b"AT+UART", b"AT+IPR="):
        assert stored not in bench.wire.written
    bench, link = on_uart(module, firmware, 2400)
    with pytest.raises(ModuleSilent) as caught:
        await within(60, bench.net.up())
    injected()
    await bench.net.close()
    assert {115200, 9600, 57600, 921600} <= set(caught.value.rates)
    assert set(link.rates) == set(caught.value.rates)
    for rate in caught.value.rates:
        assert str(rate) in str(caught.value)


@pytest.mark.catches(
    "atdriver/startup.py",
    "            link.set_rate(rate)\n",
    "            await link.close(); link.set_rate(rate); await link.open(channel)\n",
)
@pytest.mark.catches(
    "atdriver/startup.py",
    '    raise _nothing_found(channel, rates, samples[0] if samples else b"")',
    "    return first",
)
@EACH
@virtual
async def test_A03_the_hunt_does_no_harm(module: str, firmware: str, injected: Injected) -> None:
    """The port is opened once, because opening it resets the board; nothing is found in silence."""
    bench, link = on_uart(module, firmware, 57600, dtr=True)
    async with bench.net:
        injected(link.opened)
        assert link.opened == 1
        assert link.rates[-1] == 57600
        await round_trip(bench)
        assert link.opened == 1
    bench, link = on_uart(module, firmware, 57600)
    bench.step(on=".*")  # nothing is answered, at any rate
    with pytest.raises(ModuleSilent, match="no AT module answers"):
        await within(60, bench.net.up())
    injected.by(bench.fake)
    assert link.opened == 1
    assert link.rates[-1] == 115200  # as it was
    await bench.net.close()


@pytest.mark.catches("atdriver/startup.py", "FIRST_PATIENCE = 4.0", "FIRST_PATIENCE = 1.0")
@EACH
@virtual
async def test_A04_command_before_ready(module: str, firmware: str, injected: Injected) -> None:
    """While nothing proves that the module listens, only harmless probes are written."""
    deaf = 6.0  # RDY of a BG96 came that late
    bench = assemble(module, firmware)
    bench.step(at=0, deaf=deaf)
    async with bench.net:
        early = b"".join(data for at, way, data in bench.wire.lines if way == ">" and at < deaf)
        assert early
        assert not early.strip(b"AT\r\n\0+"), early
        injected(bench.fake.counts["lost"])
        await round_trip(bench)
    # A module that restarts in the middle hears nothing while it boots: nothing is said to it.
    async with opened(module, firmware) as bench:
        bench.fake.restart()
        with pytest.raises(OSError):
            await within(60, bench.net.resolve("echo.test"))
        injected(bench.fake.counts["restart"])
        async with asyncio.timeout(120):
            while bench.net.status.name != "GLOBAL_UP":
                await asyncio.sleep(0.5)
        await round_trip(bench)


@pytest.mark.catches(
    "atdriver/framer.py",
    '_BLANK = re.compile(rb"[\\r\\n\\0]*")',
    '_BLANK = re.compile(rb"[\\r\\n]*")',
)
@pytest.mark.catches(
    "atdriver/framer.py",
    "self._held_low = before < HELD_LOW <= self._nuls",
    "self._held_low = HELD_LOW <= self._nuls",
)
@EACH
@virtual
async def test_A05_nul_bytes(module: str, firmware: str, injected: Injected) -> None:
    """They mean nothing between lines and everything in a payload; a held line is told once."""
    payload = b"\0a\0\0b" + bytes(300) + b"\0"
    scenario = ready_made("A05")
    async with opened(module, firmware, scenario=scenario, names=NAMES) as bench:
        injected.by(bench.fake)
        async with await bench.net.connect(("echo.test", 7), timeout=30) as sock:
            await asyncio.sleep(20)
            bench.step(
                before=r"(?:\r\n)?(\+(?:CIPDOMAIN|QIURC: \"dnsgip\").*)", instead=r"\r\n\0\0\1"
            )
            assert await bench.net.resolve("one.test") == [NAMES["one.test"]]
            await sock.sendall(payload)
            assert await receive(sock, len(payload)) == payload
            await asyncio.sleep(1)  # nothing is being asked
            for _ in range(1000):
                bench.fake.raw(bytes(1000))
            await asyncio.sleep(3)
            assert bench.engine.anomalies["line held low"] == 1
            await sock.sendall(payload)
            assert await receive(sock, len(payload)) == payload
            assert bytes(bench.talks("echo.test:7")[0].told) == payload * 2

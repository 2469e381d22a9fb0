"""G: what firmware does and keeps: no memory, sleep, other protocols, nonsense, flash."""

from __future__ import annotations

import asyncio
import copy

import pytest

from fakes import Peer
from netsocket.errors import ConnectionReset, DeviceError, DhcpFailed

from .bench import BOTH, PEERS, Bench, Injected, assemble, opened, virtual
from .service import ending, exchange, works

MODULES = [module for module, _ in BOTH]
SAID = b"".join(b"%07d\n" % number for number in range(160))
GREETED = {**PEERS, "srv.test:7": Peer(greeting=SAID)}
READ = r"AT\+(CIPRECVDATA|QIRD)=0.*"
SEND = r"AT\+(CIPSEND|QISEND)=0,\d+"


@pytest.mark.catches(
    "modems/esp8266/stack.py",
    "        await asyncio.sleep(0.05)\n        self._announce(sock)",
    "        await asyncio.sleep(0.05)",
)
@pytest.mark.catches(
    "modems/bg96/notices.py",
    "self._announce(sock)  # the next read asks the module",
    "pass",
)
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_G04_reads_fail_for_lack_of_memory(module: str, injected: Injected) -> None:
    """ERROR although data waits: it is read when there is memory again, whole, and the module is
    not pestered meanwhile. Then it restarts after all."""
    async with opened(module, peers=GREETED) as bench:
        failing = bench.step(on=READ, times=3, say=("ERROR",))
        sock = await bench.net.connect(("srv.test", 7), timeout=30)
        got = b""
        async with asyncio.timeout(2 if module == "esp8266" else 20):
            while len(got) < len(SAID):
                got += await sock.recv(2000)
        assert got == SAID
        assert bench.fake.scenario.used[failing] == 3
        bench.fake.restart()
        assert "restarted" in str(await ending(sock.recv(1)))
        await works(bench)
        injected.by(bench.fake)


@pytest.mark.catches(
    "atdriver/engine.py",
    "if self._strange is None or command.block is None:",
    "if self._strange is None or True:",
)
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_G04_what_a_module_without_memory_prints(module: str, injected: Injected) -> None:
    """Text nobody knows before the ERROR of a read: it may have been the head of a block, so that
    the stream ends with an error and not with a hole."""
    async with opened(module, peers=GREETED) as bench:
        bench.step(on=READ, times=1, raw=b"\r\nE:M 1592\r\nalloc fail\r\n\r\nERROR\r\n")
        sock = await bench.net.connect(("srv.test", 7), timeout=30)
        assert isinstance(await ending(sock.recv(2000)), ConnectionReset)
        await works(bench)
        injected.by(bench.fake)


@pytest.mark.catches(
    "modems/esp8266/stack.py",
    "return self._refused(sock, error)",
    "self._unknown(sock, str(error), size)",
)
@pytest.mark.catches("modems/bg96/stack.py", "taken = total - sock.sent", "taken = size")
@pytest.mark.parametrize("eaten", [1, 3, 8])
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_G06_sleep_eats_the_first_characters(
    module: str, eaten: int, injected: Injected
) -> None:
    """A send that the module did not understand is offered again, and the peer has it once. A
    connect fails in time, and the next one succeeds."""
    async with opened(module) as bench:
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        for number in range(2):
            await asyncio.sleep(2)
            bench.fake.wire.inward.lose(eaten)
            async with asyncio.timeout(120):
                await sock.sendall(b"%d after a pause;" % number)
            injected()
        await asyncio.sleep(1)
        (talk,) = bench.talks("sink.test:9")
        assert talk.told == b"0 after a pause;1 after a pause;"
        await sock.close()
        await asyncio.sleep(40)
        bench.fake.wire.inward.lose(eaten)
        assert (await ending(bench.net.connect(("192.0.2.1", 7), timeout=30), 60)).errno
        await works(bench)


FIRMWARE = {
    "N17": (b"+CIPRECVDATA,1280:", b"AT+CIPRECVMODE=1"),
    "E2": (b"+CIPRECVDATA:1280,", b"AT+CIPRECVMODE=1"),
    "E22": (b"+CIPRECVDATA:1280,", b"AT+CIPRECVMODE=1"),
    "E22-ESP32": (b"+CIPRECVDATA:1280,", b"AT+CIPRECVMODE=1"),
    "E24": (b"+CIPRECVDATA:1280,", b"AT+CIPRECVMODE=1"),
    "E33": (b"+CIPRECVDATA:1280,", b"AT+CIPRECVTYPE=0,1"),
}
"""Generation -> what it says before a block, and what puts a link into that mode."""


@pytest.mark.catches(
    "modems/esp8266/stack.py",
    '        if self.firmware.family == "N":\n            return RECEIVED_N',
    '        if self.firmware.family == "X":\n            return RECEIVED_N',
)
@pytest.mark.catches(
    "modems/esp8266/setup.py",
    'self._per_link_type = self.firmware.family == "E" and await self._try(',
    'self._per_link_type = self.firmware.family == "X" and await self._try(',
)
@pytest.mark.parametrize("firmware", FIRMWARE)
@virtual
async def test_G07_other_firmware(firmware: str, injected: Injected) -> None:
    """The version is read, features are asked for, and the report says what came out."""
    head, mode = FIRMWARE[firmware]
    async with opened("esp8266", firmware, peers=GREETED) as bench:
        sock = await bench.net.connect(("srv.test", 7), timeout=30)
        got = b""
        async with asyncio.timeout(30):
            while len(got) < len(SAID):
                got += await sock.recv(2000)
        assert got == SAID
        await works(bench)
        assert mode in bench.wire.written
        details = (await bench.net.refresh()).details
        assert details["generation"] == firmware.partition("-")[0]
        assert details["receive"] == (
            "pull" if b"TYPE" in mode or firmware == "N17" else "pull_all"
        )
        injected(bench.wire.heard.count(head))


@pytest.mark.catches(
    "modems/esp8266/firmware.py",
    "    raise UnsupportedFirmware(",
    '    return Firmware("N", (1, 7, 0, 0), "ESP8266", "?") or UnsupportedFirmware(',
)
@virtual
async def test_G07_firmware_that_is_too_old(injected: Injected) -> None:
    """Not guessed at: a clear error, and nothing was set."""
    bench = assemble("esp8266", "N0")
    error = await ending(bench.net.up())
    assert "too old" in str(error)
    injected(b"AT+GMR" in bench.wire.written)
    assert b"AT+CWJAP" not in bench.wire.written
    await bench.net.close()


CONNECTED = {
    "esp8266": '+CIPSTATUS:0,"TCP","192.0.2.1",7,3333,0',
    "bg96": '+QISTATE: 0,"TCP","192.0.2.1",7,3333,2,1,0,0,"usbmodem"',
}


@pytest.mark.catches(
    "modems/transfer.py", "if sock.refused > REFUSED_SENDS:", "if sock.refused > 1 << 30:"
)
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_G08_connected_says_a_dead_link(module: str, injected: Injected) -> None:
    """The status says "connected", every send is refused: two sources that contradict each other
    end the connection; nobody tries for ever."""
    async with opened(module) as bench:
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        await exchange(sock, b"x")
        bench.step(on=SEND, say=("ERROR",), times=100)
        bench.step(
            on=r"AT\+(QISTATE|CIPSTATE|CIPSTATUS).*", say=(CONNECTED[module], "OK"), times=100
        )
        assert isinstance(await ending(sock.sendall(b"hello")), DeviceError)
        injected.by(bench.fake)


@pytest.mark.catches(
    "modems/esp8266/wifi.py", 'return "" if text == "0.0.0.0" else text', "return text"
)
@virtual
async def test_G08_all_zero(injected: Injected) -> None:
    """It has joined, it says, and its address is 0.0.0.0: that is none."""
    bench = assemble("esp8266")
    bench.step(on=r"AT\+CIPSTA\?", say=('+CIPSTA:ip:"0.0.0.0"', "OK"))
    assert isinstance(await ending(bench.net.up(), 60), DhcpFailed)
    injected.by(bench.fake)
    await bench.net.close()


@pytest.mark.catches(
    "modems/bg96/stack.py",
    "gone = not row or row[5] not in CONNECTED",
    "gone = not row or row[2] != b'\"192.0.2.1\"'",
)
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_G08_a_remote_of_zeros(module: str, injected: Injected) -> None:
    """The status names no remote for a connection that works: it goes on working."""
    rows = {"esp8266": ["STATUS:3", '+CIPSTATUS:0,"TCP","0.0.0.0",0,0,0'],
            "bg96": ['+QISTATE: 0,"TCP","0.0.0.0",0,0,2,1,0,0,"usbmodem"']}  # fmt: skip
    async with opened(module) as bench:
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        bench.step(on=r"AT\+(QISTATE|CIPSTATE|CIPSTATUS).*", say=(*rows[module], "OK"))
        for _ in range(3):
            bench.step(on=SEND, say=("ERROR",), times=1)
            async with asyncio.timeout(20):
                await exchange(sock, b"still there")
        injected.by(bench.fake)


def _stored(bench: Bench) -> object:
    """What the module keeps without power."""
    fake = bench.fake
    if fake.kind == "esp8266":
        return copy.deepcopy(fake.flash)  # type: ignore[attr-defined]
    return copy.deepcopy((fake.urc_port, fake.configuration))  # type: ignore[attr-defined]


@pytest.mark.catches(
    "modems/esp8266/setup.py",
    'await self._try("AT+SYSSTORE=0")',
    'await self._try("AT+SYSSTORE=1")',
)
@pytest.mark.catches(
    "modems/esp8266/setup.py",
    'AT+CIPMODE=0")\n',
    'AT+CIPMODE=0")\n        await self._try("AT+CWMODE_DEF=1")\n',
)
@pytest.mark.catches(
    "modems/bg96/setup.py", "if self._former_port and not self._persist:", "if False:"
)
@pytest.mark.parametrize(
    ("module", "firmware"),
    [("esp8266", "N17"), ("esp8266", "E22"), ("esp8266", "E24"), ("bg96", "bg96")],
)
@virtual
async def test_G09_settings_in_flash(module: str, firmware: str, injected: Injected) -> None:
    """Joining, working and leaving change nothing that the module keeps, no credentials either;
    after a restart it is as it was before we came."""
    settings = {"radio": "ltem+gsm", "apn": "internet"} if module == "bg96" else {}
    bench = assemble(
        module, firmware, fake={"rat": "m1+gsm"} if module == "bg96" else {}, **settings
    )
    before = _stored(bench)
    async with bench.net:
        await works(bench)
        if module == "esp8266":
            assert _stored(bench) == before
        else:
            injected(_stored(bench) != before)  # AT+QURCCFG is always stored: it is put back
    assert _stored(bench) == before
    injected(bench.wire.written.count(b"CWJAP"))

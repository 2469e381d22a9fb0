"""G: the module's health and its firmware."""

from __future__ import annotations

import asyncio

import pytest

from fakes import Peer
from netsocket.errors import ModuleRestarted
from netsocket.stack import InterfaceStatus

from .bench import BOTH, PEERS, Injected, opened, virtual
from .service import ending, exchange, works

NAMES = {"one.test": "198.51.100.1", "two.test": "198.51.100.2"}
MODULES = [module for module, _ in BOTH]
RESOLVE = r"AT\+(QIDNSGIP|CIPDOMAIN)=.*"


@pytest.mark.catches(
    "modems/module.py",
    "        self._lost(error)\n        if self._wanted_up:",
    "        if self._wanted_up:",
)
@pytest.mark.parametrize("said", [None, b"", b"\r\n+CIPDOM", b"\r\nO"])
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_G01_reset(module: str, said: bytes | None, injected: Injected) -> None:
    """Idle, in a command, in the middle of an answer: sockets and the command fail with
    "restarted", and the interface comes back."""
    async with opened(module, names=NAMES) as bench:
        seen: list[InterfaceStatus] = []
        bench.net.on_status(seen.append)
        old = await bench.net.connect(("echo.test", 7), timeout=30)
        await exchange(old, b"x")
        waiting = asyncio.create_task(old.recv(10))
        if said is None:
            bench.fake.restart()
            injected()
        else:
            bench.step(on=RESOLVE, after=1.0, times=1, raw=said, reset=True)
            assert isinstance(await ending(bench.net.resolve("one.test")), ModuleRestarted)
            injected.by(bench.fake)
        assert isinstance(await ending(waiting), ModuleRestarted)
        await works(bench)
        assert seen == [InterfaceStatus.CONNECTING, InterfaceStatus.GLOBAL_UP]
        for call in (old.recv(10), old.send(b"y")):  # also now that the number is used again
            assert "restarted" in str(await ending(call))
        assert await bench.net.resolve("two.test") == [NAMES["two.test"]]


SAID = b"".join(b"%07d\n" % number for number in range(160))
HEAD = r"(?s)((?:\r\n)?\+(?:CIPRECVDATA|QIRD): ?\d+(?:,|\r\n)).*"
TRAILERS = {"esp8266": "\r\nOK\r\n", "bg96": "\r\n\r\nOK\r\n"}


@pytest.mark.catches("atdriver/flight.py", "STALL = 2.0", "STALL = 2000.0")
@pytest.mark.parametrize("kept", [1, 400, 1250])
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_G02_reset_inside_a_payload(module: str, kept: int, injected: Injected) -> None:
    """Some bytes of a block, then boot text, which may even complete the count."""
    async with opened(module, peers={**PEERS, "srv.test:7": Peer(greeting=SAID)}) as bench:
        begun = r"\g<1>" + SAID[:kept].decode().replace("\n", r"\n")
        bench.step(before=HEAD, times=1, instead=begun)
        bench.step(behind=HEAD, times=1, reset=True)
        sock = await bench.net.connect(("srv.test", 7), timeout=30)
        got = b""
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(15):
                while part := await sock.recv(2000):
                    got += part
        assert SAID.startswith(got)
        await works(bench)
        injected.by(bench.fake)


@pytest.mark.catches(
    "modems/esp8266/notices.py", 'self.channel.suspect("unknown text where data is pushed")', "pass"
)
@pytest.mark.parametrize("kept", [400, 1275])
@virtual
async def test_G02_reset_inside_a_pushed_payload(kept: int, injected: Injected) -> None:
    """Where data is pushed nobody can tell the boot text that completes the count from data; so an
    error follows at once, and the module is asked whether it has restarted."""
    peers = {**PEERS, "srv.test:7": Peer(greeting=SAID)}
    async with opened("esp8266", peers=peers, receive="push") as bench:
        head = r"(?s)(\r\n\+IPD,0,\d+:.{%d}).*"
        bench.step(before=head % kept, times=1, instead=r"\g<1>")
        bench.step(behind=head % 0, times=1, reset=True)
        sock = await bench.net.connect(("srv.test", 7), timeout=30)
        before = bench.stack.epoch
        got = b""
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(5):
                while part := await sock.recv(2000):
                    got += part
        assert SAID.startswith(got[:kept])
        await asyncio.sleep(1)
        assert bench.stack.epoch == before + 1
        await works(bench)
        injected.by(bench.fake)

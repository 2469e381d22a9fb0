"""A WiFi connection that is lost without a word of it: in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from fakes import Scenario, Step
from fakes.actions import perform
from netsocket import errors
from tests.drivers.calls import commands, stream, tell
from tests.faults.bench import opened, virtual
from tests.faults.talk import receive

UNHEARD = Scenario((Step(before=r"WIFI DISCONNECT\r\n", instead=""),))


@pytest.mark.parametrize("firmware", ["N17", "E22", "E24", "E33"])
@virtual
async def test_closes_before_an_unheard_loss_are_no_ends_of_data(firmware: str) -> None:
    """The module says CLOSED for each connection; that it joins again tells why."""
    async with opened("esp8266", firmware, scenario=UNHEARD) as bench:
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        await sock.sendall(b"mine")
        assert await receive(sock, 4) == b"mine"
        perform(bench.fake, "event", "wifi_lost")
        await asyncio.sleep(10)
        assert not any(way == "<" and b"WIFI DISC" in data for _, way, data in bench.wire.lines)
        with pytest.raises(ConnectionResetError, match="WiFi"):
            await sock.recv(10)
        await sock.close()
        again = await bench.net.connect(("echo.test", 7), timeout=30)
        await again.sendall(b"again")
        assert await receive(again, 5) == b"again"


@pytest.mark.parametrize("receive", ["auto", "push"])
@pytest.mark.parametrize("firmware", ["N17", "E24", "E33"])
@virtual
async def test_connections_that_end_at_once_are_no_ends_of_data_while_the_network_is_gone(
    firmware: str, receive: str
) -> None:
    """Several closes and no word of the WiFi: the module is asked whether it is in one, before
    anybody is told. Nothing else would say so until the network is back (simulation, seed 7399430949)."""
    async with opened("esp8266", firmware, scenario=UNHEARD, receive=receive) as bench:
        socks = [await bench.net.connect(("echo.test", 7), timeout=30) for _ in range(2)]
        perform(bench.fake, "event", "ap_lost")
        for sock in socks:
            with pytest.raises(ConnectionResetError, match="the WiFi connection was lost"):
                await sock.recv(10)
        assert bench.net.status.name == "CONNECTING"
        assert bench.stack.recovery["wifi lost"] == 1


@pytest.mark.parametrize("receive", ["auto", "push"])
@virtual
async def test_peers_that_end_at_once_end_their_data(receive: str) -> None:
    """One question tells for both; a connection that ends alone needs none, nor do our own closes."""
    async with opened("esp8266", "E33", receive=receive) as bench:
        stack = bench.stack
        for apart, questions in ((0.0, 1), (1.5, 0)):
            since = len(bench.wire.lines)
            first, second, third = [await stream(bench) for _ in range(3)]
            talks = bench.talks("sink.test:9")
            talks[-3].fin()
            await asyncio.sleep(apart)
            talks[-2].fin()
            await asyncio.sleep(0.1)
            await stack.close(third)
            for handle in (first, second):
                assert await tell(lambda handle=handle: stack.recv(handle, 10)) == b""
            assert len(commands(bench, "AT+CWJAP?", since)) == questions
            assert bench.net.status.name == "GLOBAL_UP"
            for handle in (first, second):
                await stack.close(handle)
            await asyncio.sleep(2.0)


@virtual
async def test_an_end_that_cannot_be_judged_is_none() -> None:
    """Pushed: nobody reads, so it is asked for by itself, and the module does not answer."""
    async with opened("esp8266", "E33", receive="push") as bench:
        handles = [await stream(bench) for _ in range(2)]
        bench.step(on=r"AT\+CWJAP\?", say=(), times=1)
        for talk in bench.talks("sink.test:9"):
            talk.fin()
        for handle in handles:
            with pytest.raises(errors.ConnectionReset) as caught:
                await tell(lambda handle=handle: bench.stack.recv(handle, 10))
            assert caught.value.reason.startswith("whether its peer ended it cannot be found out: ")


@virtual
async def test_an_old_end_stays_what_it_was() -> None:
    """It was told; the loss of the network a minute later changes nothing about it."""
    async with opened("esp8266", "E33", scenario=UNHEARD) as bench:
        stack = bench.stack
        old, *others = [await stream(bench) for _ in range(3)]
        bench.talks("sink.test:9")[0].fin()
        assert await tell(lambda: stack.recv(old, 10)) == b""
        await asyncio.sleep(30.0)
        perform(bench.fake, "event", "ap_lost")
        for handle in others:
            with pytest.raises(errors.ConnectionReset):
                await tell(lambda handle=handle: stack.recv(handle, 10))
        assert await stack.recv(old, 10) == b""

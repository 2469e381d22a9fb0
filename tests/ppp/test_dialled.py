"""A BG96 that is dialled: what its own driver does before each call, and leaves behind it. In virtual
time; forms as in the AT Commands Manual V2.2."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from atdriver.errors import CommandFailed
from fakes.actions import perform
from netsocket.stack import InterfaceStatus
from tests.faults.bench import Bench, assemble, virtual
from tests.ppp.modem import PacketStack

UP, DOWN = InterfaceStatus.GLOBAL_UP, InterfaceStatus.DISCONNECTED
BOTH, IPV4 = 'AT+CGDCONT=1,"IPV4V6","internet"', 'AT+CGDCONT=1,"IP","internet"'


def dialled(**settings: Any) -> Bench:
    bench = assemble("bg96", data="ppp", **{"apn": "internet", **settings})
    stack: Any = bench.stack
    stack._backend = lambda: PacketStack.over
    return bench


def commands(bench: Bench, *names: str) -> list[str]:
    """What the module was asked that begins so; what dials passes the channel by."""
    lines = [entry.detail for entry in bench.fake.journal if entry.kind == "command"]
    return [line for line in lines if line.startswith(names)]


@pytest.mark.parametrize(
    ("refused", "defined"), [(r"(?!)", [BOTH]), (r".*IPV4V6.*", [BOTH, IPV4])], ids=["both", "ipv4"]
)
@virtual
async def test_the_context_is_for_what_the_module_can(refused: str, defined: list[str]) -> None:
    bench = dialled()
    bench.step(on=refused, say=("ERROR",))
    async with bench.net:
        assert bench.net.status is UP
        assert commands(bench, "AT+CGDCONT=") == defined
        assert commands(bench, "ATD") == ["ATD*99***1#"]


@virtual
async def test_a_context_that_is_refused_for_every_family() -> None:
    """Nothing is dialled."""
    bench = dialled()
    bench.step(on=r"AT\+CGDCONT=.*", say=("ERROR",))
    with pytest.raises(CommandFailed, match='"IP","internet"'):
        await bench.net.up()
    assert commands(bench, "AT+CGDCONT=") == [BOTH, IPV4]
    assert commands(bench, "ATD") == []
    assert bench.net.status is DOWN
    await bench.net.close()


@virtual
async def test_without_an_access_point_name_the_context_is_left_as_it_is_stored() -> None:
    bench = dialled(apn="")
    async with bench.net:
        assert bench.net.status is UP
        assert commands(bench, "AT+CGDCONT=") == []


@virtual
async def test_the_radio_is_chosen_before_the_call_and_put_back_behind_it() -> None:
    bench = dialled(radio="gsm", fake={"rat": "m1+gsm"})
    async with bench.net:
        chosen = commands(bench, 'AT+QCFG="nwscanmode",', "ATD")
        assert chosen == ['AT+QCFG="nwscanmode",1,1', "ATD*99***1#"]
    assert commands(bench, 'AT+QCFG="nwscanmode",')[-1] == 'AT+QCFG="nwscanmode",0,1'


@pytest.mark.parametrize("says", ["OK", "ERROR"])
@virtual
async def test_a_call_that_is_refused_gives_its_context_up_before_the_next(says: str) -> None:
    """A context that the network took away must be (TCP(IP) manual V1.1, "pdpdeact")."""
    bench = dialled()
    async with bench.net:
        names = ("ATD", "AT+QIDEACT", "AT+CPIN?", "AT+CGDCONT=")
        before = len(commands(bench, *names))
        bench.step(on=r"ATD.*", say=("NO CARRIER",), times=1)
        bench.step(on=r"AT\+QIDEACT=1", say=(says,), times=1)
        perform(bench.fake, "event", "ppp_terminated")
        async with asyncio.timeout(60):
            while bench.net.status is UP:
                await asyncio.sleep(0.1)
            while bench.net.status is not UP:
                await asyncio.sleep(0.1)
        assert commands(bench, *names)[before:] == [
            "ATD*99***1#", "AT+QIDEACT=1", "AT+CPIN?", BOTH, "ATD*99***1#"]  # fmt: skip

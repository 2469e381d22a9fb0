"""A call that does not come about, and one that is dialled again: what the interface tells meanwhile, and
that nothing is left of what failed. On a simulated BG96, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from atdriver.errors import PortLost, PortMissing
from fakes import Step
from fakes.actions import perform
from modems.ppp.errors import DialFailed
from netsocket import errors
from netsocket.ip.link import IpPacketLink
from tests.engine.virtual_time import virtual
from tests.ppp.modem import PacketStack
from tests.ppp.test_stack import AGAIN, DOWN, UP, Ppp


class Slow(PacketStack):
    """Waits for a router, for example."""

    async def up(self) -> None:
        await asyncio.sleep(5.0)
        await super().up()


@virtual
async def test_a_link_that_ends_while_its_stack_comes_up() -> None:
    """The interface must not be up on a link that is gone already."""
    ppp = Ppp()
    ppp.make = Slow
    starting = asyncio.ensure_future(ppp.rig.net.up())
    while not ppp.stacks:
        await asyncio.sleep(0.1)
    perform(ppp.rig.fake, "event", "carrier_lost")
    with pytest.raises(errors.NetworkDown, match="NO CARRIER: the module ended the call"):
        await starting
    assert ppp.told == [AGAIN, DOWN]
    assert ppp.stacks[0].is_down
    await ppp.rig.net.up()
    assert ppp.told[-1] is UP
    await ppp.rig.net.close()


@virtual
async def test_a_stack_that_does_not_come_up() -> None:
    """Whatever it does when it is taken down again: the call is ended, and the port given back."""

    class Broken(PacketStack):
        async def up(self) -> None:
            raise errors.DhcpFailed("no router")

        async def down(self) -> None:
            await super().down()
            raise OSError("its process is gone")

    ppp = Ppp()
    ppp.make = Broken
    with pytest.raises(errors.DhcpFailed, match="no router"):
        await ppp.rig.net.up()
    assert ppp.stacks[0].is_down
    assert ppp.told == [AGAIN, DOWN]
    assert isinstance(ppp.stack.failure, errors.DhcpFailed)
    assert (await ppp.rig.net.cellular()).registration.registered  # type: ignore[attr-defined]
    ppp.make = PacketStack
    await ppp.rig.net.up()
    assert ppp.told == [AGAIN, DOWN, AGAIN, UP]
    await ppp.rig.net.close()


@virtual
async def test_a_caller_that_leaves_while_it_dials() -> None:
    """Nothing goes on behind his back: the module takes commands again."""
    ppp = Ppp()
    ppp.make = Slow
    starting = asyncio.ensure_future(ppp.stack.up())
    while not ppp.stacks:
        await asyncio.sleep(0.1)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert ppp.stacks[0].is_down
    assert ppp.stack.failure is None
    assert (await ppp.stack.status()).details["registration"] == "registered"
    assert (await ppp.stack.cellular()).registration.registered
    await ppp.stack.down()


@virtual
async def test_an_interface_that_is_up_is_not_dialled_again() -> None:
    async with Ppp() as ppp:
        await ppp.stack.up()
        assert len(ppp.stacks) == 1
        assert ppp.stack.recovery.get("redial") is None


@virtual
async def test_a_network_that_takes_no_call_for_a_while() -> None:
    """After five tries the interface is told to be down, once; the tries go on, and it is up again."""
    async with Ppp() as ppp:
        refusal = Step(on=r"ATD.*", say=("NO CARRIER",), times=8)
        ppp.rig.fake.scenario.add(refusal)
        perform(ppp.rig.fake, "event", "ppp_terminated")
        await ppp.wait_for(DOWN, 600)
        assert ppp.stack.recovery["redial"] == 6, "the next one has begun"
        assert isinstance(ppp.stack.failure, DialFailed)
        await ppp.wait_for(UP, 600)
        assert ppp.told == [AGAIN, UP, AGAIN, DOWN, UP]
        assert ppp.stack.recovery["redial"] == 9
        assert ppp.stack.failure is None


@virtual
async def test_a_mistake_in_a_back_end_ends_the_tries(caplog: pytest.LogCaptureFixture) -> None:
    """It is told and logged, the interface does not stay attaching for ever; `up` tries it again."""
    async with Ppp() as ppp:

        def mistaken(link: IpPacketLink) -> PacketStack:
            link.packets.close()
            raise ZeroDivisionError("a mistake")

        ppp.make = mistaken
        perform(ppp.rig.fake, "event", "ppp_terminated")
        await ppp.wait_for(DOWN, 60)
        await asyncio.sleep(300)
        assert ppp.told == [AGAIN, UP, AGAIN, DOWN]
        assert ppp.stack.recovery["redial"] == 1
        assert isinstance(ppp.stack.failure, errors.DeviceError)
        assert "dialling again failed: ZeroDivisionError('a mistake')" in str(ppp.stack.failure)
        assert [each.getMessage() for each in caplog.records if each.exc_info] == [
            "bg96: dialling again failed"
        ]
        ppp.make = PacketStack
        await ppp.rig.net.up()
        assert ppp.told[-1] is UP


@virtual
async def test_a_port_that_is_away_for_a_while() -> None:
    """The interface tells what the module's own recovery tells, and dials when the module is back."""
    async with Ppp() as ppp:
        plugged = False

        def port(link: Any) -> Any:
            async def missing(_receiver: object) -> None:
                raise PortMissing("no such port")

            if not plugged:
                link.open = missing
            return link

        ppp.rig.channel.link_with(port)
        ppp.rig.channel.link.drop(PortLost("unplugged"))  # type: ignore[attr-defined]
        await ppp.wait_for(AGAIN, 5)
        await ppp.wait_for(DOWN, 600)
        assert "no such port" in str(ppp.stack.failure)
        plugged = True
        await ppp.wait_for(UP, 600)
        assert ppp.told == [AGAIN, UP, AGAIN, DOWN, UP]
        assert ppp.stack.failure is None

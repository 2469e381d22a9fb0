"""A call that does not come about, and one that is dialled again: what the interface tells meanwhile, and
that nothing is left of what failed. On a simulated BG96, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from fakes.actions import perform
from netsocket import errors
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

"""Where a call gets its bytes: the module's only port, or a channel beside it; and giving that back."""

from __future__ import annotations

from typing import Any

import pytest

from atdriver.cmux.errors import CmuxRefused
from atdriver.errors import PortLost
from modems.ppp import Dial
from modems.ppp.carrier import BorrowedPort, DataChannel, carrier_of
from tests.engine.virtual_time import virtual
from tests.ppp.test_lend import Guest, opened


class Beside:
    """A channel of a multiplexed port, and the port that has it: `open` may raise `refusal`."""

    name = "port (data channel)"
    backlog = 7

    def __init__(self, refusal: OSError | None = None) -> None:
        self.refusal = refusal
        self.did: list[object] = []
        self.link = self
        """For what takes this for the AT channel, whose link is the port."""

    def data(self) -> Beside:
        return self

    async def open(self, receiver: object) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.did.append("open")

    def write(self, data: bytes) -> None:
        self.did.append(data)

    async def close(self) -> None:
        self.did.append("close")


@virtual
async def test_a_port_that_is_gone_is_given_back_without_a_word() -> None:
    """There is nobody to get in step with; who opens it anew does that."""
    channel, module = await opened()
    carrier = carrier_of(channel, Dial())
    assert isinstance(carrier, BorrowedPort)
    guest = Guest()
    await carrier.take(guest)
    module.heard.clear()
    channel.link.drop(PortLost("unplugged"))  # type: ignore[attr-defined]
    await carrier.give_back(answers=False)
    assert len(guest.lost) == 1
    assert module.heard == []
    await channel.close()


@pytest.mark.parametrize("answers", [True, False])
@virtual
async def test_a_port_is_given_back_in_step(answers: bool) -> None:
    """A module that was not heard to take commands is called out of its data mode once more."""
    channel, module = await opened()
    carrier = BorrowedPort(channel, Dial())
    await carrier.take(Guest())
    module.heard.clear()
    await carrier.give_back(answers=answers)
    assert (b"+++" in module.heard) is not answers
    assert any(line.startswith(b"AT") for line in module.heard)
    await channel.close()


@virtual
async def test_a_channel_takes_bytes_from_its_opening_to_its_end() -> None:
    """Nothing is written to one that is closed, and it is closed once."""
    beside: Any = Beside()
    carrier = carrier_of(beside, Dial())
    assert isinstance(carrier, DataChannel)
    carrier.write(b"too early")
    assert carrier.backlog == 0
    await carrier.take(Guest())
    assert (carrier.name, carrier.backlog) == ("port (data channel)", 7)
    carrier.write(b"frame")
    for _ in range(2):
        await carrier.give_back(answers=True)
    carrier.write(b"too late")
    assert carrier.backlog == 0
    assert beside.did == ["open", b"frame", "close"]


@virtual
async def test_a_channel_that_is_refused_is_not_closed() -> None:
    beside: Any = Beside(CmuxRefused("no such channel"))
    carrier = DataChannel(beside)
    with pytest.raises(CmuxRefused):
        await carrier.take(Guest())
    await carrier.give_back(answers=False)
    assert beside.did == []

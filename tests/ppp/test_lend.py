"""A channel lends its port: commands wait, bytes go elsewhere, and what happens when the port goes."""

from __future__ import annotations

import asyncio

import pytest

from atdriver.channel import Channel
from atdriver.command_queue import Outcome
from atdriver.dialect import Probe
from atdriver.engine import Engine
from atdriver.errors import ModuleBusy, PortLost
from atdriver.exchange import Command, Reply
from atdriver.links.memory import MemoryLink
from modems.bg96.dialect import DIALECT
from tests.engine.virtual_time import virtual


class Echo:
    """A module that answers OK to every line after `delay`, and says back what is no line."""

    delay = 0.0

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def start(self, deliver: object) -> None:
        self.deliver = deliver

    async def stop(self) -> None:
        pass

    def receive(self, data: bytes) -> None:
        self.heard.append(data)
        loop = asyncio.get_running_loop()
        answer = b"\r\nOK\r\n" if data.endswith(b"\r") else data
        loop.call_later(self.delay, self.deliver, answer)  # type: ignore[attr-defined]


class Guest:
    def __init__(self) -> None:
        self.heard = b""
        self.lost: list[OSError | None] = []

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def link_lost(self, error: OSError | None) -> None:
        self.lost.append(error)


async def opened() -> tuple[Channel, Echo]:
    module = Echo()
    channel = Channel(Engine(DIALECT), lambda: MemoryLink(module, "port"))
    await channel.open()
    channel.set_probe(Probe(b"AT"))
    await channel.synchronise()
    return channel, module


AT = Command(b"AT+CSQ", 5.0)


@virtual
async def test_bytes_are_the_guests_and_commands_wait() -> None:
    channel, _ = await opened()
    guest = Guest()
    await channel.lend(guest)
    assert channel.quiet_since is None
    waiting = asyncio.create_task(channel.run(AT))
    channel.link.write(b"~frame~")
    await asyncio.sleep(60)
    assert guest.heard == b"~frame~"
    assert not waiting.done()
    with pytest.raises(ModuleBusy):
        await channel.lend(Guest())
    channel.take_back()
    await waiting
    assert guest.lost == []
    await channel.close()


@virtual
async def test_the_command_under_way_ends_first() -> None:
    channel, module = await opened()
    module.delay = 2.0
    running = asyncio.create_task(channel.run(AT))
    await asyncio.sleep(0)
    later = asyncio.create_task(channel.run(AT))
    guest = Guest()
    await channel.lend(guest)
    assert running.done()
    assert not later.done()
    channel.take_back()
    await later
    await channel.close()


@virtual
async def test_what_is_asked_for_on_the_last_answer_waits_for_the_end_of_the_loan() -> None:
    """Between that answer and the guest's first byte nothing else may be written."""
    channel, module = await opened()
    module.delay = 2.0
    ended: list[Outcome] = []
    channel.submit(AT, lambda _outcome: channel.submit(Command(b"AT+CREG", 5.0), ended.append))
    await asyncio.sleep(0)
    module.heard.clear()
    guest = Guest()
    await channel.lend(guest)
    await asyncio.sleep(60)
    assert (module.heard, guest.heard, ended) == ([], b"", [])
    channel.take_back()
    await asyncio.sleep(5)
    assert module.heard == [b"AT+CREG\r"]
    (outcome,) = ended
    assert isinstance(outcome, Reply)
    await channel.close()


@virtual
async def test_a_borrower_that_leaves_while_it_waits() -> None:
    channel, module = await opened()
    module.delay = 2.0
    running = asyncio.create_task(channel.run(AT))
    await asyncio.sleep(0)
    lending = asyncio.create_task(channel.lend(Guest()))
    await asyncio.sleep(0.5)
    lending.cancel()
    await running
    await channel.run(AT)
    await channel.close()


@pytest.mark.parametrize("how", ["lost", "closed", "reopened"])
def test_the_port_goes_meanwhile(how: str) -> None:
    @virtual
    async def run() -> None:
        channel, _ = await opened()
        guest = Guest()
        await channel.lend(guest)
        if how == "lost":
            channel.link.drop(PortLost("unplugged"))  # type: ignore[attr-defined]
        elif how == "closed":
            await channel.close()
        else:
            await channel.reopen()
            await channel.synchronise()
            await channel.run(AT)  # it is nobody's any more
        assert len(guest.lost) == 1
        assert (guest.lost[0] is None) is (how == "closed")
        channel.take_back()
        if how != "reopened":
            with pytest.raises(PortLost):
                await channel.lend(Guest())
        await channel.close()

    run()


@virtual
async def test_the_port_goes_while_a_borrower_waits() -> None:
    channel, module = await opened()
    module.delay = 4.0
    running = asyncio.create_task(channel.run(AT))
    await asyncio.sleep(0)
    lending = asyncio.create_task(channel.lend(Guest()))
    await asyncio.sleep(0.5)
    channel.link.drop(PortLost("unplugged"))  # type: ignore[attr-defined]
    with pytest.raises(PortLost):
        await lending
    with pytest.raises(PortLost):
        await running
    await channel.close()

"""PPP on one channel of a multiplexed port, AT on the other: the modem is asked while packets pass."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from atdriver.channel import Channel
from atdriver.cmux import multiplexed
from atdriver.engine import Engine
from atdriver.links.memory import MemoryLink
from atdriver.registry import load_driver, load_fake
from modems.ppp.stack import PppStack
from netsocket import errors
from netsocket.interface_kinds import interface_for
from netsocket.stack import InterfaceStatus, Kind
from tests.cmux.peer import Module, frame
from tests.engine.virtual_time import virtual
from tests.ppp.modem import PacketStack, Port
from tests.ppp.rig import V4

UP, AGAIN = InterfaceStatus.GLOBAL_UP, InterfaceStatus.CONNECTING


class Muxed(Module):
    """A multiplexed port: on DLCI 1 a simulated BG96, on DLCI 2 the Port of these tests."""

    async def start(self, deliver: Any) -> None:
        await super().start(deliver)
        self.at = load_fake("bg96")(time_scale=0.0, seed=1)
        await self.at.start(lambda data: self.put(1, data))
        self.modem = Port()
        self.modem.receiver = self
        self.on_data = self._on_data

    def data_received(self, data: bytes) -> None:
        """From the Port."""
        self.put(2, data)

    def _on_data(self, dlci: int, data: bytes) -> None:
        if dlci == 1:
            self.at.receive(data)
        else:
            self.modem.write(data)

    def put(self, dlci: int, data: bytes) -> None:
        for at in range(0, len(data), 100):
            super().put(dlci, data[at : at + 100])

    async def stop(self) -> None:
        await self.at.stop()
        await super().stop()


class Beside:
    def __init__(self) -> None:
        driver: Any = load_driver("bg96")
        values = {setting.name: setting.default for setting in driver.settings}
        values.update(data="ppp", apn="internet")
        self.modules: list[Muxed] = []
        self.channel = Channel(Engine(driver.dialect), multiplexed(self._link, 115200))
        stack: Any = driver.create(self.channel, "bg96", values)
        self.stack: PppStack = stack
        self.stack._backend = lambda: self._over
        self.stacks: list[PacketStack] = []
        self.net: Any = interface_for(self.stack)

    def _link(self) -> MemoryLink:
        self.modules.append(Muxed())
        return MemoryLink(self.modules[-1], "port")

    @property
    def module(self) -> Muxed:
        return self.modules[-1]

    async def _over(self, link: Any) -> PacketStack:
        self.stacks.append(PacketStack(link))
        return self.stacks[-1]

    async def __aenter__(self) -> Beside:
        await self.net.up()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.net.close()

    async def wait_for(self, status: InterfaceStatus, limit: float = 300.0) -> None:
        async with asyncio.timeout(limit):
            while self.net.status is not status:
                await asyncio.sleep(0.05)


@virtual
async def test_at_stays_usable_while_ppp_runs() -> None:
    async with Beside() as beside:
        handle = await beside.stack.open(Kind.TCP)
        for _ in range(20):
            await beside.stack.send(handle, V4 + bytes(1000))
            state = await beside.net.cellular()
            assert state.registration.registered
        await asyncio.sleep(0.5)
        far = beside.module.modem.far
        assert far is not None
        assert len(far.packets) == 20
        status = await beside.stack.status()
        assert status.details["ppp"].startswith("10.1.2.3")
        assert status.details["sim"] == "ready"
    assert not beside.module.muxed
    assert beside.module.modem.mode == "command"


@virtual
async def test_the_call_ends_and_is_dialled_again() -> None:
    async with Beside() as beside:
        beside.module.modem.no_carrier()
        await beside.wait_for(AGAIN, 10)
        await beside.wait_for(UP, 60)
        assert len(beside.stacks) == 2
        assert len(beside.modules) == 1  # the multiplexer stayed
        assert beside.module.got[2].count(b"ATD*99***1#") == 2


@virtual
async def test_the_module_closes_the_data_channel() -> None:
    async with Beside() as beside:
        beside.module.modem.mode = "command"
        beside.module.deliver(frame(2, 0x43))
        await beside.wait_for(AGAIN, 10)
        await beside.wait_for(UP, 60)
        assert len(beside.modules) == 1


@virtual
async def test_the_module_leaves_multiplexer_mode() -> None:
    """Both channels end; the port is opened anew, multiplexed, dialled."""
    async with Beside() as beside:
        handle = await beside.stack.open(Kind.TCP)
        beside.module.say(b"\xc3\x01")
        await beside.wait_for(AGAIN, 10)
        with pytest.raises(errors.ConnectionReset):
            await beside.stack.recv(handle, 10)
        await beside.wait_for(UP, 300)
        assert len(beside.modules) >= 2


@virtual
async def test_the_module_restarts_on_its_at_channel() -> None:
    async with Beside() as beside:
        beside.module.put(1, b"\r\nRDY\r\n")
        beside.module.at.receive(b"AT+CFUN=1,1\r")
        await beside.wait_for(AGAIN, 30)
        await beside.wait_for(UP, 300)

"""What a program that was killed leaves in the module: the next one frees it by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from atdriver.channel import Channel
from atdriver.engine import Engine
from atdriver.link import Receiver
from atdriver.registry import load_driver
from fakes import Peer, build
from netsocket.interface_kinds import interface_for
from tests.engine.virtual_time import virtual

PEERS = {"srv:7": Peer("discard"), "echo:7": Peer("echo")}
BEGUN = {
    "esp8266": (
        "ATE0", "AT+CWMODE=1", 'AT+CWJAP="lab","secret99"', "AT+CIPMUX=1",
        'AT+CIPSTART=0,"TCP","srv",7', "AT+CIPSEND=0,500",
    ),
    "bg96": (
        "ATE0", 'AT+QICSGP=1,1,"internet"', "AT+QIACT=1", 'AT+QIOPEN=1,0,"TCP","srv",7,0,0',
        "AT+QISEND=0,500",
    ),
}  # fmt: skip
"""What the dead program had said to the module."""


class Port:
    """A port that outlives the programs that open it."""

    def __init__(self, fake: Any) -> None:
        self.fake = fake
        self.hear: Callable[[bytes], None] = lambda data: None

    async def plug(self) -> None:
        await self.fake.start(self._deliver)

    def _deliver(self, data: bytes) -> None:
        self.hear(data)  # whoever has the port open now


class PortLink:
    """A program's hold on the port."""

    name = "port"
    has_rate = False

    def __init__(self, port: Port) -> None:
        self._port = port

    async def open(self, receiver: Receiver) -> None:
        loop = asyncio.get_running_loop()
        self._port.hear = lambda data: loop.call_soon(receiver.data_received, data) and None

    def write(self, data: bytes) -> None:
        self._port.fake.receive(data)

    def set_rate(self, baud: int) -> None:
        pass

    async def close(self) -> None:
        self._port.hear = lambda data: None


@pytest.mark.parametrize("sent", [0, 1, 497, 499])
@pytest.mark.parametrize("module", ["esp8266", "bg96"])
@virtual
async def test_a_send_that_was_announced_and_not_finished(module: str, sent: int) -> None:
    firmware = {"esp8266": "E24", "bg96": "bg96"}[module]
    stations = {"lab": "secret99"} if module == "esp8266" else {}
    fake = build(module, firmware=firmware, peers=PEERS, offline=True, access_points=stations)
    port = Port(fake)
    await port.plug()
    await asyncio.sleep(30)
    for line in BEGUN[module]:
        fake.receive(line.encode() + fake.terminator)
        await asyncio.sleep(10)
    talk = next(fake.world.peers.talking("srv:7"))
    fake.receive(b"x" * sent)  # and here it was killed
    await asyncio.sleep(1)
    driver = load_driver(module)
    values = {each.name: each.default for each in driver.settings}
    if driver.kind == "wifi":
        values.update(ssid="lab", password="secret99")
    stack = driver.create(Channel(Engine(driver.dialect), lambda: PortLink(port)), module, values)
    net = interface_for(stack)
    async with net, await net.connect(("echo", 7), timeout=30) as sock:
        await sock.sendall(b"alive")
        assert await sock.recv(100) == b"alive"
        assert not list(fake.world.peers.talking("srv:7"))  # nothing of the dead one is open
    # What the dead program had sent is there; behind it may stand what leads out of its sending.
    assert talk.told.startswith(b"x" * sent) or not talk.told
    await fake.stop()

"""Choosing an interface chooses the driver, from what is plugged in and configured."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from atdriver import open_interface
from atdriver.choosing import KINDS, choose
from atdriver.discovery import Port
from atdriver.errors import PortMissing, SpecificationError, UnknownModule
from netsocket import EthernetInterface, MeshInterface

BG96 = Port(
    "/dev/ttyUSB2", "BG96", "bg96", "at", 0x2C7C, 0x0296, 2, "1", "", "", "bg96:/dev/ttyUSB2"
)
OTHER = Port(
    "/dev/ttyUSB6", "BG96", "bg96", "at", 0x2C7C, 0x0296, 2, "2", "", "", "bg96:/dev/ttyUSB6"
)
BRIDGE = Port("/dev/ttyUSB0", "CP210x bridge", "esp8266?", "at", 0x10C4, 0xEA60, 0, "", "", "",
              "auto:/dev/ttyUSB0")  # fmt: skip


async def chosen(kind: str, *ports: Port, **environment: str) -> str:
    return await choose(kind, environment=environment, ports=lambda: ports)


async def test_what_is_configured_comes_first() -> None:
    given = {"ATDRIVER_INTERFACE_LOWPAN": "riot:/dev/ttyACM0"}
    assert await chosen("lowpan", BG96, **given) == "riot:/dev/ttyACM0"
    assert await chosen("cellular", BG96, **given) == "bg96:/dev/ttyUSB2"
    assert await chosen("ethernet") == "host"
    assert await chosen("ethernet", ATDRIVER_INTERFACE_ETHERNET="host:eth1") == "host:eth1"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "ethernet"])
async def test_nothing_there_says_what_was_looked_for(kind: str) -> None:
    with pytest.raises(PortMissing, match=f"ATDRIVER_INTERFACE_{kind.upper()} is not set"):
        await chosen(kind)
    with pytest.raises(PortMissing, match=r"may be behind /dev/ttyUSB0 \(CP210x bridge\)"):
        await chosen(kind, BRIDGE)


async def test_several_and_wrong_ones_are_told() -> None:
    with pytest.raises(
        SpecificationError, match=r"several .* bg96:/dev/ttyUSB2, bg96:/dev/ttyUSB6"
    ):
        await chosen("cellular", BG96, OTHER)
    with pytest.raises(SpecificationError, match="this is no thread interface"):
        await chosen("thread", ATDRIVER_INTERFACE_THREAD="bg96:/dev/ttyUSB2")
    with pytest.raises(SpecificationError, match="there are ethernet, wifi"):
        await chosen("bluetooth")


async def test_a_bridge_is_asked_when_that_is_wanted() -> None:
    asked = []

    async def ask(specification: str) -> str:
        asked.append(specification)
        if specification.endswith("USB0"):
            raise UnknownModule("nothing known")
        return "esp8266:/dev/ttyUSB1"

    second = Port("/dev/ttyUSB1", "CH340", "esp8266?", "at", 0x1A86, 0x7523, 0, "", "")

    def ports() -> Sequence[Port]:
        return [BRIDGE, second]

    found = await choose("wifi", ask, environment={}, ports=ports)
    assert found == "esp8266:/dev/ttyUSB1"
    assert asked == ["auto:/dev/ttyUSB0", "auto:/dev/ttyUSB1"]
    with pytest.raises(PortMissing, match="none answered as one"):
        await choose("cellular", ask, environment={}, ports=ports)


def test_the_interface_is_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_interface("ethernet") as net:
        assert isinstance(net, EthernetInterface)
    monkeypatch.setenv("ATDRIVER_INTERFACE_THREAD", "openthread:fake")
    with open_interface("thread") as net:
        assert isinstance(net, MeshInterface)
        assert net.mesh().role in ("child", "router", "leader")
        assert net.dataset()

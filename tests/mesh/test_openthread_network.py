"""An OpenThread node and its network: what it is in, loses and finds again, and what it shows."""

from __future__ import annotations

import pytest

from atdriver.errors import EncodeError
from modems.openthread import commands, dataset
from modems.openthread.member import LOOK
from modems.recovery import NETWORK_LOOK
from netsocket import errors
from netsocket.interface_kinds import AsyncMeshInterface
from netsocket.stack import InterfaceStatus
from tests.engine.virtual_time import virtual

from .rig import node, settle
from .test_openthread import DONE, HEX, link

DETACHED = b"detached\r\nDone\r\n"
LEADER = b"leader\r\nDone\r\n"


@virtual
async def test_a_node_that_lost_its_network_is_waited_for() -> None:
    wire = link()
    async with node("openthread", wire) as net:
        started = wire.count(b"thread start")
        wire.answers[b"state"] = DETACHED
        await settle(NETWORK_LOOK + 10.0)
        assert net.status is InterfaceStatus.CONNECTING
        wire.answers[b"state"] = LEADER
        await settle(2 * LOOK)
        assert net.status is InterfaceStatus.GLOBAL_UP
        assert wire.count(b"thread start") == started, "it found the network by itself"
        wire.answers[b"state"] = b"disabled\r\nDone\r\n"


@virtual
async def test_a_node_whose_thread_was_stopped_while_it_looked_for_its_network_is_started() -> None:
    wire = link()
    async with node("openthread", wire, attach_timeout=5) as net:
        running = wire.answers[b"state"]
        wire.answers[b"state"] = DETACHED
        await settle(NETWORK_LOOK + 10.0)
        assert net.status is InterfaceStatus.CONNECTING
        started = wire.count(b"thread start")
        wire.answers[b"thread stop"](b"")  # type: ignore[operator]
        wire.answers[b"state"] = running
        await settle(30.0)
        assert net.status is InterfaceStatus.GLOBAL_UP
        assert wire.count(b"thread start") == started + 1


@virtual
async def test_a_node_that_keeps_its_network_is_only_asked() -> None:
    wire = link()
    async with node("openthread", wire) as net:
        await settle(NETWORK_LOOK + 10.0)
        assert net.status is InterfaceStatus.GLOBAL_UP
        assert set(net.stack.recovery) <= {"resync"}  # type: ignore[attr-defined]


@virtual
async def test_a_node_that_is_in_a_network_but_has_no_address_is_not_up() -> None:
    wire = link(ipaddr=b"fe80:0:0:0:1:2:3:4\r\nDone\r\n")
    with pytest.raises(errors.NetworkDown, match="is leader, but has no address"):
        async with node("openthread", wire):
            pass


@virtual
async def test_a_dataset_that_cannot_be_read_is_not_written_anew() -> None:
    """Only the node's NotFound says that there is none."""
    wire = link()
    wire.answers[b"dataset active -x"] = b"Error 12: NotImplemented\r\n"
    with pytest.raises(OSError, match="NotImplemented"):
        async with node("openthread", wire):
            pass
    assert not wire.count(b"dataset init")
    assert not wire.count(b"dataset set")


@virtual
async def test_a_node_without_a_dataset_shows_what_it_has() -> None:
    wire = link()
    async with node("openthread", wire) as net:
        assert isinstance(net, AsyncMeshInterface)
        wire.answers[b"dataset active -x"] = b"Error 23: NotFound\r\n"
        with pytest.raises(errors.NetworkNotFound, match="has no dataset"):
            await net.dataset()
        state = await net.mesh()
        assert (state.role, state.network, state.channel, state.pan_id) == (
            "leader",
            "",
            None,
            None,
        )
        assert "fd23:2822::1111:2222:3333:4444" in state.addresses
        await net.refresh()
        assert net.snapshot.details["role"] == "leader"
        assert not {"channel", "pan id"} & set(net.snapshot.details)


@pytest.mark.parametrize(
    "said", [b"Error 12: NotImplemented\r\n", b"000300\r\nDone\r\n"], ids=["refused", "broken off"]
)
def test_a_dataset_that_nobody_understands_keeps_the_rest_of_the_status(said: bytes) -> None:
    @virtual
    async def scenario() -> None:
        wire = link()
        async with node("openthread", wire) as net:
            wire.answers[b"dataset active -x"] = said
            await net.refresh()
            assert net.status is InterfaceStatus.GLOBAL_UP
            assert "role" not in net.snapshot.details
            assert "OPENTHREAD" in net.snapshot.details["firmware"]

    scenario()


@pytest.mark.parametrize("text", ["000300", "0e", "00030000140", "0003000014ff"], ids=str)
def test_a_dataset_that_breaks_off_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        dataset.parse(text)
    with pytest.raises(ValueError, match="breaks off in TLV 0"):
        dataset.parse("000300")


@pytest.mark.parametrize("key", ["00" * 15, "00" * 17], ids=["short", "long"])
def test_a_network_key_has_sixteen_bytes(key: str) -> None:
    with pytest.raises(ValueError, match="32 hexadecimal digits") as caught:
        dataset.build("lab", key, 15, "")
    assert key not in str(caught.value)
    assert dataset.parse(HEX)


@pytest.mark.parametrize("name", ["two words", "a\\b", "ü.example", ""], ids=ascii)
def test_a_name_that_is_not_one_word_of_a_line_is_not_asked_for(name: str) -> None:
    @virtual
    async def scenario() -> None:
        wire = link()
        async with node("openthread", wire) as net:
            before = len(wire.asked)
            with pytest.raises(EncodeError, match="no name that the node can be asked for"):
                await net.stack.resolve(name)
            assert len(wire.asked) == before

    scenario()


def test_a_line_that_is_not_ascii_is_no_command() -> None:
    with pytest.raises(EncodeError, match=r"no command of this driver: 'ping f\\xfc'"):
        commands.line("ping f\xfc")
    assert commands.line("ping x").ok == (DONE.strip(),)

"""The way of an SKSTACK-IP stick into its network, when something is refused, missing or odd."""

from __future__ import annotations

import pytest

from modems.skstack import commands
from modems.skstack.dialect import link_local
from netsocket import errors
from netsocket.interface_kinds import AsyncMeshInterface
from netsocket.stack import InterfaceStatus
from tests.engine.virtual_time import virtual

from .rig import node, settle
from .test_skstack import OK, OWN, PASSWORD, PEER, RBID, Stick, erxudp


@virtual
async def test_a_stick_without_an_address_is_not_up() -> None:
    wire = Stick()
    wire.answers[b"SKTABLE 1"] = b"EADDR\r\nOK\r\n"
    with pytest.raises(errors.NetworkDown, match="no address"):
        async with node("skstack", wire):
            pass


@pytest.mark.parametrize("refused", [b"SKSETPWD *", b"SKSETRBID *"], ids=str)
def test_a_login_that_the_stick_itself_refuses(refused: bytes) -> None:
    @virtual
    async def scenario() -> None:
        wire = Stick()
        wire.answers[refused] = b"FAIL ER06\r\n"
        with pytest.raises(errors.AuthenticationFailed, match="refuses the login") as caught:
            async with node("skstack", wire, rbid=RBID, password=PASSWORD):
                pass
        assert PASSWORD not in str(caught.value)
        assert RBID not in str(caught.value)
        assert not wire.count(b"SKSCAN")

    scenario()


@virtual
async def test_a_scan_that_does_not_end() -> None:
    wire = Stick()
    del wire.later[b"SKSCAN *"]
    with pytest.raises(errors.ConnectTimeout, match=f"{commands.scan(6)}: no end within 60 s"):
        async with node("skstack", wire, rbid=RBID, password=PASSWORD):
            pass
    assert wire.count(b"SKSCAN") == 1


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (b"EINFO " + OWN + b" 001D129012345678 21 8888 FFFE\r\nOK\r\n", ("33", "0x8888")),
        (b"EINFO " + OWN + b" 001D129012345678 21\r\nOK\r\n", ("33", None)),
        (b"EINFO " + OWN + b"\r\nOK\r\n", (None, None)),
    ],
    ids=["whole", "no pan", "nothing"],
)
def test_the_status_says_what_the_stick_says(
    said: bytes, wanted: tuple[str | None, str | None]
) -> None:
    @virtual
    async def scenario() -> None:
        wire = Stick()
        async with node("skstack", wire) as net:
            wire.answers[b"SKINFO"] = said
            await net.refresh()
            details = net.snapshot.details
            assert (details.get("channel"), details.get("pan id")) == wanted
            assert details["role"] == "not joined"
            assert "transmit time" not in details
            wire.tell(b"EVENT 32 " + OWN + b"\r\n")
            await settle()
            await net.refresh()
            assert net.snapshot.details["transmit time"] == "used up"

    scenario()


@virtual
async def test_of_a_scan_only_whole_descriptions_are_taken() -> None:
    """The strongest one that can be joined: a damaged line, or one before the first, is none."""
    wire = Stick()
    whole = b"EPANDESC\r\n  Channel:%b\r\n  Pan ID:8888\r\n  Addr:%b\r\n  LQI:%b\r\n"
    wire.later[b"SKSCAN *"] = (
        b"  LQI:FF\r\n"
        + whole % (b"21", b"12345678ABCDEF01", b"10")
        + whole % (b"22", b"12345678ABCDEF", b"F0")  # no address of a node
        + b"EPANDESC\r\n  Channel:23\r\n  Addr:12345678ABCDEF02\r\n  LQI:FF\r\n"
        + b"EVENT 22 " + OWN + b"\r\n"
    )  # fmt: skip
    async with node("skstack", wire, rbid=RBID, password=PASSWORD) as net:
        assert isinstance(net, AsyncMeshInterface)
        assert b"SKSREG S2 21" in wire.asked
        assert wire.count(b"SKSREG S2") == 1


def test_the_address_of_a_node_follows_from_its_eight_bytes() -> None:
    assert link_local("12345678ABCDEF01") == "fe80::1034:5678:abcd:ef01"
    for short in ("12345678ABCDEF", "12345678ABCDEF0102"):
        with pytest.raises(ValueError, match=f"{short}: an IEEE address has 16"):
            link_local(short)


@virtual
async def test_a_session_that_ends_while_the_stick_is_not_joined_is_nobodys() -> None:
    """A stick that talks without PANA belongs to no session, and nothing is lost with one."""
    wire = Stick()
    async with node("skstack", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 5))
        wire.tell(b"EVENT 29 " + PEER.encode() + b"\r\nEVENT 02 " + PEER.encode() + b"\r\n")
        wire.tell(erxudp(b"hi", 5), 0.01)
        assert (await sock.recvfrom(10))[0] == b"hi"


@virtual
async def test_a_session_that_ends_during_the_way_up_is_no_success() -> None:
    """Nothing would reach anybody, and the stick says no more about it."""
    wire = Stick()
    address = b"EADDR\r\n" + OWN + b"\r\nOK\r\n"
    wire.answers[b"SKTABLE 1"] = [b"EVENT 29 " + PEER.encode() + b"\r\n" + address, address]
    async with node("skstack", wire, up=False, rbid=RBID, password=PASSWORD) as net:
        with pytest.raises(errors.NetworkDown, match="the session with the coordinator ended"):
            await net.up()
        assert net.status is InterfaceStatus.DISCONNECTED
        await net.up()
        assert net.status is InterfaceStatus.GLOBAL_UP
    assert wire.count(b"SKJOIN") == 2


@virtual
async def test_a_session_that_ends_during_the_way_down_is_not_joined_again() -> None:
    wire = Stick()
    wire.answers[b"SKTERM"] = OK + b"EVENT 27 " + PEER.encode() + b"\r\n"
    async with node("skstack", wire, rbid=RBID, password=PASSWORD) as net:
        await net.down()
        assert wire.asked[-2:] == [b"SKTERM", b"SKSREG SFE 1"]
        await settle(60.0)
    assert wire.count(b"SKJOIN") == 1

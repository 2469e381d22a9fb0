"""`data=ppp` on a simulated BG96 whose PPP server is its own; the sockets' stack only passes packets on.
In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address
from typing import Any

import pytest

from atdriver.errors import SpecificationError
from atdriver.modem import assemble as assemble_specification
from atdriver.ppp import NetworkUp, PppSettings
from fakes.actions import perform
from modems.ppp import Dial
from modems.ppp.errors import DialFailed
from modems.ppp.stack import PppStack, settings_of
from netsocket import errors
from netsocket.cellular import AccessPointName, Authentication, SimState
from netsocket.hostclaims import HOST_CAPABILITIES
from netsocket.interface_kinds import AsyncCellularInterface
from netsocket.ip.link import IpPacketLink, IpSettings
from netsocket.stack import InterfaceStatus, Kind
from tests.drivers.rig import Rig, assemble
from tests.engine.virtual_time import virtual
from tests.ppp.modem import PacketStack

UP, AGAIN, DOWN = (
    InterfaceStatus.GLOBAL_UP,
    InterfaceStatus.CONNECTING,
    InterfaceStatus.DISCONNECTED,
)


class Ppp:
    """A rig whose back end is a PacketStack; `told` is what the interface told."""

    def __init__(self, fake: dict[str, str] | None = None, **settings: Any) -> None:
        settings = {"data": "ppp", "apn": "internet", **settings}
        self.rig: Rig = assemble("bg96", "bg96", fake, **settings)
        stack: Any = self.rig.stack
        self.stack: PppStack = stack
        self.stack._backend = lambda: self._over
        self.make: Callable[[IpPacketLink], PacketStack] = PacketStack
        self.stacks: list[PacketStack] = []
        self.told: list[InterfaceStatus] = []
        self.rig.net.on_status(self.told.append)

    async def _over(self, link: Any) -> PacketStack:
        self.stacks.append(self.make(link))
        return self.stacks[-1]

    @property
    def link(self) -> Any:
        return self.stacks[-1].link

    async def __aenter__(self) -> Ppp:
        await self.rig.net.up()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.rig.net.close()

    async def wait_for(self, status: InterfaceStatus, limit: float = 300.0) -> None:
        async with asyncio.timeout(limit):
            while self.rig.net.status is not status:
                await asyncio.sleep(0.1)


@virtual
async def test_up_with_what_the_network_gave() -> None:
    async with Ppp() as ppp:
        settings = ppp.link.settings
        assert settings.addresses[0] == "10.0.2.15/32"
        assert settings.gateways[0] == "10.0.2.2"
        assert len(settings.dns) == 2
        assert settings.mtu == 1500
        assert ppp.told == [AGAIN, UP]
        assert ppp.stack.address == "10.0.2.15"
        assert isinstance(ppp.rig.net, AsyncCellularInterface)
        details = ppp.rig.net.snapshot.details
        assert details["ppp"].startswith("10.0.2.15")
        assert details["registration"] == "registered"
    assert ppp.told[-1] is DOWN
    assert ppp.stacks[0].is_down


@pytest.mark.parametrize("login", ["pap", "chap"])
def test_the_login_of_the_access_point(login: str) -> None:
    @virtual
    async def run() -> None:
        fake = {"ppp_auth": login, "ppp_user": "me", "ppp_password": "hush"}
        async with Ppp(fake, user="me", password="hush", auth=login) as ppp:
            assert ppp.told[-1] is UP
        with pytest.raises(errors.AuthenticationFailed) as caught:
            async with Ppp(fake, user="me", password="wrong-one", auth=login):
                pass
        assert "wrong-one" not in str(caught.value)

    run()


@pytest.mark.parametrize("said", ["no-carrier", "busy", "no-dialtone", "error"])
def test_a_call_that_is_refused(said: str) -> None:
    @virtual
    async def run() -> None:
        ppp = Ppp({"dial": said})
        with pytest.raises(DialFailed):
            async with ppp:
                pass
        await ppp.rig.net.close()
        assert ppp.told[-1] is DOWN
        assert ppp.stacks == []

    run()


@pytest.mark.parametrize(
    "fault",
    ["lose-first", "no-dns", "offer-vj", "offer-ccp", "damage", "all-controls", "offer-vj+no-dns"],
)
def test_servers_of_all_sorts(fault: str) -> None:
    @virtual
    async def run() -> None:
        async with Ppp({"ppp": fault}) as ppp:
            assert ppp.told[-1] is UP
            assert bool(ppp.link.settings.dns) is ("no-dns" not in fault)
            await asyncio.sleep(120)
            if fault != "damage":
                assert ppp.told == [AGAIN, UP]

    run()


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [("silent", errors.NetworkTimeout, "no answer"), ("loop", errors.NetworkDown, "comes back")],
)
def test_servers_that_do_not_work(fault: str, error: type[OSError], text: str) -> None:
    @virtual
    async def run() -> None:
        with pytest.raises(error, match=text):
            async with Ppp({"ppp": fault}):
                pass

    run()


@pytest.mark.parametrize(
    ("event", "value"),
    [("event", "carrier_lost"), ("event", "ppp_terminated"), ("event", "pdp_lost"),
     ("reset", True), ("reset", "silent"), ("ppp", "silent")],
    ids=["carrier", "terminated", "pdp", "restart", "silent-restart", "silent"],
)  # fmt: skip
def test_the_link_ends_and_comes_back(event: str, value: Any) -> None:
    """Sockets end at once with the reason, the interface comes back by itself."""

    @virtual
    async def run() -> None:
        async with Ppp() as ppp:
            handle = await ppp.stack.open(Kind.TCP)
            woken: list[object] = []
            ppp.stack._changed = lambda h, g: woken.append(h)
            perform(ppp.rig.fake, event, value)
            await ppp.wait_for(AGAIN, 60)
            assert woken == [handle]
            for call in (ppp.stack.recv(handle, 10), ppp.stack.send(handle, b"x")):
                with pytest.raises(errors.ConnectionReset, match="the PPP link is gone"):
                    await call
            with pytest.raises(errors.NetworkDown):
                await ppp.stack.open(Kind.TCP)
            if event == "ppp":
                perform(ppp.rig.fake, event, "end silent")
            await ppp.wait_for(UP)
            assert ppp.told == [AGAIN, UP, AGAIN, UP]
            assert len(ppp.stacks) == 2
            assert ppp.stacks[0].is_down
            assert ppp.stack.recovery["redial"] >= 1
            assert ppp.stack.failure is None
            new = await ppp.stack.open(Kind.TCP)
            assert await ppp.stack.recv(new, 10) is None
            with pytest.raises(errors.ConnectionReset):
                await ppp.stack.recv(handle, 10)
            await ppp.stack.close(handle)
            with pytest.raises(errors.BadHandle):
                await ppp.stack.recv(handle, 10)

    run()


@virtual
async def test_reconnect_never() -> None:
    async with Ppp(reconnect="never") as ppp:
        perform(ppp.rig.fake, "event", "ppp_terminated")
        await ppp.wait_for(DOWN, 60)
        await asyncio.sleep(100)
        assert ppp.told == [AGAIN, UP, DOWN]
        assert isinstance(ppp.stack.failure, errors.NetworkDown)
        await ppp.rig.net.up()
        assert ppp.told[-1] is UP


@virtual
async def test_up_and_down_again() -> None:
    ppp = Ppp()
    for _ in range(3):
        await ppp.rig.net.up()
        assert ppp.stack.address == "10.0.2.15"
        await ppp.rig.net.down()
        assert ppp.stack.address is None
    await ppp.rig.net.close()
    assert len(ppp.stacks) == 3


@virtual
async def test_down_while_it_redials() -> None:
    async with Ppp() as ppp:
        perform(ppp.rig.fake, "event", "ppp_terminated")
        await ppp.wait_for(AGAIN, 60)
        await ppp.rig.net.down()
        await asyncio.sleep(100)
        assert len(ppp.stacks) == 1
        assert ppp.told[-1] is DOWN


@virtual
async def test_the_module_cannot_be_asked_while_ppp_has_its_only_port() -> None:
    async with Ppp() as ppp:
        status = await ppp.stack.status()
        assert status.details["sim"] == "ready"
        with pytest.raises(errors.NotSupported, match="mux=yes"):
            await ppp.stack.cellular()


def test_settings_of_both() -> None:
    modem = assemble_specification("bg96,data=ppp,ip=lwip:fake")
    assert isinstance(modem.stack, PppStack)
    assert modem.kind == "cellular"
    with pytest.raises(SpecificationError):
        assemble_specification("bg96,data=ppp,ip=other:fake")


@virtual
async def test_what_is_missing_is_said_before_dialling() -> None:
    ppp = Ppp()

    def nothing() -> Any:
        raise errors.NetworkDown("install something")

    ppp.stack._backend = nothing
    with pytest.raises(errors.NetworkDown, match="install something"):
        await ppp.rig.net.up()
    await ppp.rig.net.close()


@virtual
async def test_a_module_is_asked_before_it_dials() -> None:
    """What `atdriver info` needs is a module that is found and set, and no call."""
    ppp = Ppp()
    await ppp.stack.configure()
    status = await ppp.stack.status()
    assert status.details["sim"] == "ready"
    assert not {"ppp", "name servers", "recovery"} & set(status.details)
    assert (status.ip_address, ppp.stacks, ppp.told) == (None, [], [])
    assert (await ppp.stack.cellular()).sim is SimState.READY
    await ppp.stack.down()


@virtual
async def test_pings_are_the_ip_stacks() -> None:
    """Not every one has them."""

    class Pinging(PacketStack):
        async def ping(self, host: str) -> float:
            return {"n.test": 0.02}[host]

    ppp = Ppp()
    with pytest.raises(errors.NetworkDown, match="the bg96 is not attached"):
        await ppp.stack.ping("n.test")
    async with ppp:
        with pytest.raises(errors.NotSupported, match="not by this IP stack"):
            await ppp.stack.ping("n.test")
        await ppp.rig.net.down()
        ppp.make = Pinging
        await ppp.rig.net.up()
        assert await ppp.rig.net.ping("n.test") == 0.02


@virtual
async def test_the_access_point_and_the_pin_are_the_modules_and_the_calls() -> None:
    """Chosen before `up`: the SIM is unlocked by one, the other is what PPP logs in with."""
    ppp = Ppp({"pin": "1234", "ppp_auth": "chap", "ppp_user": "me", "ppp_password": "hush"})
    net: Any = ppp.rig.net
    net.set_credentials("other", "me", "hush")
    assert net.access_point_name == AccessPointName("other", "me", "hush", Authentication.CHAP)
    assert net.access_point_name is ppp.stack.access_point_name
    with pytest.raises(errors.AuthenticationFailed):
        await net.up()
    net.set_sim_pin("1234")
    async with ppp:
        assert ppp.told[-1] is UP
        assert ppp.stack.address == "10.0.2.15"


@virtual
async def test_a_name_that_ppp_has_no_room_for() -> None:
    """It is refused before anything is dialled (RFC 1334, 2.2.1: 255 octets)."""
    ppp = Ppp({"dial": "busy"}, user="m" * 256, auth="chap")
    with pytest.raises(errors.InvalidArgument, match="a user name for PPP has at most 255 bytes"):
        await ppp.rig.net.up()
    assert ppp.stacks == []
    assert ppp.told == [AGAIN, DOWN]
    await ppp.rig.net.close()


@virtual
async def test_a_modem_without_a_sim() -> None:
    """Of what only a SIM has it says so."""
    control = assemble("esp8266", "E24").stack
    stack = PppStack(
        control, Dial(), PppSettings, lambda: PacketStack.over, claims=HOST_CAPABILITIES
    )
    with pytest.raises(errors.NotSupported, match="this module has no SIM"):
        stack.set_sim_pin("1234")
    with pytest.raises(errors.NotSupported, match="this module has no SIM"):
        await stack.cellular()


@pytest.mark.parametrize(
    ("addresses", "peers", "given", "gateways"),
    [
        (["10.1.2.3"], ["10.64.0.1"], ("10.1.2.3/32",), ("10.64.0.1",)),
        (["10.1.2.3"], [], ("10.1.2.3/32",), ("10.64.64.64",)),
        (["fe80::9"], ["fe80::1"], ("fe80::9/64",), ("fe80::1",)),
        (["10.1.2.3", "fe80::9"], ["fe80::1"], ("10.1.2.3/32", "fe80::9/64"), ("10.64.64.64", "fe80::1")),
        (["fe80::9"], [], ("fe80::9/64",), ()),
    ],
)  # fmt: skip
def test_what_an_ip_stack_is_told_of_the_link(
    addresses: list[str], peers: list[str], given: tuple[str, ...], gateways: tuple[str, ...]
) -> None:
    """IPv4 needs somebody to route to, also where the other end says no address; IPv6 does not."""
    up = NetworkUp(
        tuple(map(ip_address, addresses)), tuple(map(ip_address, peers)), (IPv4Address("9.9.9.9"),), 1400
    )  # fmt: skip
    assert settings_of(up) == IpSettings(given, ("9.9.9.9",), gateways, 1400)

"""Interfaces by kind: what they check, what they hand to the stack, and both faces alike."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from netsocket import (
    AccessPointName,
    AsyncCellularInterface,
    AsyncEthernetInterface,
    AsyncWiFiInterface,
    Authentication,
    CellularInterface,
    CellularState,
    HostStack,
    InterfaceStatus,
    Nsapi,
    Portal,
    Registration,
    Security,
    Signal,
    SimState,
    WiFiCredentials,
    WiFiInterface,
    interface_for,
)
from netsocket.errors import (
    AlreadyConnected,
    InvalidArgument,
    ModuleBusy,
    NetworkNotFound,
    NotSupported,
)

from .scripted import Gate, ScriptedStack


class Radio(ScriptedStack):
    """A stack that joins WiFi networks, on 2.4 GHz."""

    credentials: WiFiCredentials | None = None
    channel = 0

    def set_credentials(self, credentials: WiFiCredentials | None) -> None:
        self.credentials = credentials

    def set_channel(self, channel: int) -> None:
        if channel > 14:
            raise NotSupported(self.capabilities["wifi.channel"])
        self.channel = channel


class Phone(ScriptedStack):
    """A stack with a SIM."""

    access_point_name = AccessPointName()
    pin = ""

    def set_access_point_name(self, name: AccessPointName) -> None:
        self.access_point_name = name

    def set_sim_pin(self, pin: str) -> None:
        self.pin = pin

    async def cellular(self) -> CellularState:
        return CellularState(SimState.READY, Registration.ROAMING, Signal(-71, -99), "LTE-M")


def test_the_kind_is_what_the_stack_can_do() -> None:
    assert type(interface_for(Radio())) is AsyncWiFiInterface
    assert type(interface_for(Phone())) is AsyncCellularInterface
    assert type(interface_for(HostStack())) is AsyncEthernetInterface


GOOD = [
    ("OK", "", None),
    ("OK", "", Security.NONE),
    ("OK", "12345", Security.WEP),
    ("OK", "12345678", Security.WPA2),
    ("OK", "x" * 63, Security.WPA3_WPA2),
    ("x" * 32, "12345678", None),
    ("ü" * 16, "", None),
]
BAD = [
    ("", "", None),
    ("x" * 33, "", None),
    ("ü" * 17, "", None),
    ("OK", "12345678", Security.NONE),
    ("OK", "", Security.WEP),
    ("OK", "", Security.WPA_WPA2),
    ("OK", "1234567", Security.WPA_WPA2),
    ("OK", "x" * 64, Security.WPA2),
    ("OK", "1", None),
    ("OK", "x" * 64, None),
]


@pytest.mark.parametrize(("ssid", "password", "security"), GOOD)
def test_credentials_that_can_be(ssid: str, password: str, security: Security | None) -> None:
    net = AsyncWiFiInterface(Radio())
    net.set_credentials(ssid, password, security)
    assert net.credentials == WiFiCredentials(ssid, password, security)
    assert password == "" or password not in repr(net.credentials)


@pytest.mark.parametrize(("ssid", "password", "security"), BAD)
def test_credentials_that_cannot_be(ssid: str, password: str, security: Security | None) -> None:
    net = AsyncWiFiInterface(Radio())
    with pytest.raises(InvalidArgument) as caught:
        net.set_credentials(ssid, password, security)
    assert (caught.value.errno, caught.value.nsapi) == (errno.EINVAL, Nsapi.PARAMETER)
    assert net.credentials is None


def test_channels() -> None:
    net = AsyncWiFiInterface(Radio())
    for channel in (0, 1, 13, 0):
        net.set_channel(channel)
    for impossible in (-1, 15, 30, 35, 169, 1000):
        with pytest.raises(InvalidArgument):
            net.set_channel(impossible)
    with pytest.raises(NotSupported):
        net.set_channel(36)


async def test_joining() -> None:
    stack = Radio()
    seen: list[InterfaceStatus] = []
    async with AsyncWiFiInterface(stack) as net:
        with pytest.raises(AlreadyConnected):
            await net.join("lab", "secret99")
        await net.down()
        assert net.rssi is None
        net.on_status(seen.append)
        stack.say("up", NetworkNotFound("gone"))
        with pytest.raises(NetworkNotFound):
            await net.join("lab", "secret99", Security.WPA2, 6)
        assert seen == [InterfaceStatus.CONNECTING, InterfaceStatus.DISCONNECTED]
        assert (stack.credentials, stack.channel) == (
            WiFiCredentials("lab", "secret99", Security.WPA2), 6,
        )  # fmt: skip
        await net.join("lab", "secret99")
        assert stack.channel == 0
        assert net.rssi == -61
    with pytest.raises(OSError, match="closed"):
        await net.join("lab", "secret99")


async def test_nothing_changes_while_it_attaches() -> None:
    import asyncio

    stack = Radio()
    gate = Gate()
    stack.say("up", gate)
    net = AsyncWiFiInterface(stack)
    coming = asyncio.create_task(net.up())
    await gate.entered.wait()
    assert net.status is InterfaceStatus.CONNECTING
    for change in (lambda: net.set_credentials("lab"), lambda: net.set_channel(1)):
        with pytest.raises(ModuleBusy) as caught:
            change()
        assert caught.value.nsapi is Nsapi.BUSY
    gate.end(None)
    await coming
    await net.close()


async def test_a_stack_without_the_ability_says_so() -> None:
    wifi, phone = AsyncWiFiInterface(HostStack()), AsyncCellularInterface(HostStack())
    for call in (lambda: wifi.credentials, lambda: wifi.set_credentials("lab"),
                 lambda: wifi.set_channel(1), lambda: phone.set_credentials("internet"),
                 lambda: phone.set_sim_pin("1234"), lambda: phone.access_point_name):  # fmt: skip
        with pytest.raises(NotSupported):
            call()
    with pytest.raises(NotSupported):
        await phone.cellular()


BAD_NAMES: list[tuple[Any, ...]] = [
    ("x" * 101,), ("a b",), ('a"b',), ("a\r",), ("", "user"), ("", "", "word"), ("a", 'u"'),
]  # fmt: skip


def test_access_point_names_and_pins() -> None:
    stack = Phone()
    net = AsyncCellularInterface(stack)
    net.set_credentials("internet")
    assert stack.access_point_name == AccessPointName("internet")
    net.set_credentials("internet", "me", "word")
    assert stack.access_point_name.authentication is Authentication.CHAP
    assert "word" not in repr(stack.access_point_name)
    for bad in BAD_NAMES:
        with pytest.raises(InvalidArgument):
            net.set_credentials(*bad)
    net.set_sim_pin("1234")
    for pin in ("", "123", "123456789", "12a4", "١٢٣٤"):
        with pytest.raises(InvalidArgument):
            net.set_sim_pin(pin)
    assert stack.pin == "1234"
    assert stack.access_point_name.user == "me"


@pytest.fixture
def portal() -> Any:
    made = Portal("kinds")
    yield made
    made.stop()


def test_the_blocking_faces(portal: Portal) -> None:
    radio, phone = Radio(), Phone()
    with WiFiInterface(radio, portal) as net:
        net.disconnect()
        net.set_credentials("lab", "secret99")
        net.set_channel(6)
        assert radio.channel == 6
        net.connect()
        assert net.rssi == -61
        net.down()
        net.join("other")
        assert net.credentials == WiFiCredentials("other")
    with CellularInterface(phone, portal) as net:
        net.set_credentials("internet")
        net.set_sim_pin("1234")
        assert (net.access_point_name.apn, phone.pin) == ("internet", "1234")
        state = net.cellular()
        assert state.registration.registered
        assert str(state.signal) == "-71 dBm, RSRP -99 dBm"
        assert str(Signal()) == "none"

"""WiFi: the plan's WIFI_* cases. They join the network that the interface was opened with.

Ids and numbers are those of the plan (TESTS/network/wifi of Mbed OS), with its defects mended: the
tolerance of GET_RSSI is a range that something can be outside of, and impossible channels are those
that do not exist. The cases for an open network need its name (`FarEnd.open_network`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from netsocket.capability.farend import FarEnd
from netsocket.capability.model import Capability, Level
from netsocket.capability.probes.tools import raises
from netsocket.capability.verdict import Verdict, check, passed, probe, unjudged
from netsocket.errors import (
    AddressNotAvailable,
    ModuleBusy,
    NetsocketError,
    NetworkNotFound,
    NotSupported,
    Nsapi,
)
from netsocket.interface import AsyncNetworkInterface
from netsocket.interface_kinds import AsyncWiFiInterface
from netsocket.stack import AccessPoint, InterfaceStatus
from netsocket.wifi import Security, WiFiCredentials

REPEAT = 10
"""Rounds of WIFI_CONNECT_DISCONNECT_REPEAT."""
LONG = 300.0
"""Seconds for ten joins: one may take 15 s on a real radio."""
NO_NETWORK = "no WiFi network was given (ssid=…): what the module has stored is left alone"
_OPTIONAL = (Security.WEP, Security.WPA, Security.WPA2, Security.WPA3)
"""Kinds that a module may refuse as unsupported."""
_EITHER = (Security.WPA_WPA2, Security.WPA3_WPA2)


def wifi(net: AsyncNetworkInterface, promise: str) -> AsyncWiFiInterface:
    """The interface as a WiFi one. Raises NotSupported for every other kind."""
    if not isinstance(net, AsyncWiFiInterface):
        raise NotSupported(Capability(promise, Level.NONE, "this is no WiFi interface"))
    _ = net.credentials  # NotSupported where the stack joins nothing
    return net


@asynccontextmanager
async def left(net: AsyncWiFiInterface) -> AsyncIterator[WiFiCredentials | None]:
    """Down at the beginning; the network it had, and joined again at the end."""
    own = net.credentials
    await net.down()
    try:
        yield own
    finally:
        if net.credentials != own or net.status is not InterfaceStatus.GLOBAL_UP:
            await net.down()
            choose(net, own)
            await net.up()


def choose(net: AsyncWiFiInterface, wanted: WiFiCredentials | None) -> None:
    """Set credentials from a record."""
    if wanted is None:
        net.set_credentials(None)
    else:
        net.set_credentials(wanted.ssid, wanted.password, wanted.security)


async def joined_code(net: AsyncWiFiInterface) -> Nsapi:
    """`up` as the common API sees it: OK or the number of the error. Others pass through."""
    try:
        await net.up()
    except NetsocketError as error:
        return error.nsapi
    return Nsapi.OK


def refused(net: AsyncWiFiInterface, *arguments: object, call: str) -> None:
    """These credentials must raise EINVAL with the API's PARAMETER."""
    with raises(NetsocketError, call=call):
        try:
            net.set_credentials(*arguments)  # type: ignore[arg-type]
        except NetsocketError as error:
            check(error.nsapi is Nsapi.PARAMETER, f"{call}: {error.nsapi.name}")
            raise


# -- credentials ------------------------------------------------------------------------------


@probe("WIFI_CONSTRUCTOR", "wifi.credentials")
async def constructor(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The module comes as a WiFi interface over a stack that lets the network be chosen."""
    del far
    radio = wifi(net, "wifi.credentials")
    return passed(type(radio).__name__)


@probe("WIFI_SET_CREDENTIAL", "wifi.credentials")
async def set_credential(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The plan's table of what is taken, what is not, and what may be unsupported."""
    del far
    radio = wifi(net, "wifi.credentials")
    own = radio.credentials
    none: list[str] = []
    try:
        refused(radio, "", "", Security.NONE, call="an empty SSID")
        refused(radio, "x" * 33, "", Security.NONE, call="33 bytes of SSID")
        for security in (Security.WEP, *_EITHER):
            refused(radio, "OK", "", security, call=f"{security.value} without a password")
        radio.set_credentials("OK")
        radio.set_credentials("OK", "", Security.NONE)
        for security in _EITHER:
            radio.set_credentials("OK", "12345678", security)
        for security in _OPTIONAL:
            try:
                radio.set_credentials("OK", "12345678", security)
            except NotSupported:
                none.append(security.value)
        radio.set_credentials("OK", "x" * 63, Security.WPA_WPA2)
        refused(radio, "OK", "x" * 64, Security.WPA_WPA2, call="64 characters of password")
        refused(radio, "OK", "x" * 7, Security.WPA_WPA2, call="7 characters of password")
        check(radio.credentials is not None and radio.credentials.ssid == "OK", "forgotten")
    finally:
        choose(radio, own)
    return passed(f"as the table has it; unsupported: {', '.join(none) or 'none'}")


@probe("WIFI_CONNECT_PARAMS_NULL", "wifi.credentials")
async def params_null(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """join("", "") fails at once, with PARAMETER."""
    del far
    radio = wifi(net, "wifi.credentials")
    async with left(radio):
        with raises(OSError, call='join("", "")'):
            try:
                await radio.join("", "")
            except NetsocketError as error:
                check(error.nsapi is Nsapi.PARAMETER, f"raised {error.nsapi.name}")
                raise
    return passed("PARAMETER")


# -- joining ----------------------------------------------------------------------------------


@probe("WIFI_CONNECT_NOCREDENTIALS", "wifi.join")
async def no_credentials(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Without any network `up` tells NO_SSID or PARAMETER; `down` may follow."""
    del far
    radio = wifi(net, "wifi.join")
    async with left(radio) as own:
        if own is None:
            return unjudged(NO_NETWORK)
        radio.set_credentials(None)
        code = await joined_code(radio)
        if code is Nsapi.OK:
            return unjudged("the module joined a network that it has stored")
        check(code in (Nsapi.NO_SSID, Nsapi.PARAMETER), f"raised {code.name}")
        await radio.down()
    return passed(code.name)


@probe("WIFI_CONNECT", "wifi.join")
async def connect_open(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """An open network, joined twice."""
    radio = wifi(net, "wifi.join")
    if not far.open_network:
        return unjudged("no open network was named")
    async with left(radio):
        for _ in range(2):
            radio.set_credentials(far.open_network)
            await radio.up()
            await radio.down()
    return passed("joined and left twice")


@probe("WIFI_CONNECT_SECURE", "wifi.join")
async def connect_secure(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The network with its password; what the caller's text becomes later does not matter."""
    del far
    radio = wifi(net, "wifi.join")
    async with left(radio) as own:
        if own is None or not own.password:
            return unjudged(NO_NETWORK)
        radio.set_credentials(own.ssid, own.password, Security.WPA_WPA2)
        await radio.up()
        check(radio.ip_address is not None, "up without an address")
        await radio.down()
    return passed("joined with WPA/WPA2")


@probe("WIFI_CONNECT_PARAMS_VALID_SECURE", "wifi.join")
async def params_secure(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """join(ssid, password, security) in one call; twice is EISCONN."""
    del far
    radio = wifi(net, "wifi.join")
    async with left(radio) as own:
        if own is None or not own.password:
            return unjudged(NO_NETWORK)
        await radio.join(own.ssid, own.password, Security.WPA_WPA2)
        with raises(OSError, call="a second join"):
            await radio.join(own.ssid, own.password, Security.WPA_WPA2)
        await radio.down()
    return passed("joined; a second join was refused")


@probe("WIFI_CONNECT_DISCONNECT_REPEAT", "wifi.join", LONG)
async def connect_repeat(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Ten rounds."""
    del far
    radio = wifi(net, "wifi.join")
    async with left(radio) as own:
        if own is None:
            return unjudged(NO_NETWORK)
        for _ in range(REPEAT):
            await radio.up()
            await radio.down()
    return passed(f"{REPEAT} rounds")


@probe("WIFI_CONNECT_DISCONNECT_NONBLOCK", "wifi.join")
async def connect_nonblock(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """While it joins: new credentials are BUSY, a second `up` ends well; `down` twice."""
    del far
    radio = wifi(net, "wifi.join")
    seen: list[InterfaceStatus] = []
    async with left(radio) as own:
        if own is None:
            return unjudged(NO_NETWORK)
        remove = radio.on_status(seen.append)
        coming = asyncio.create_task(radio.up())
        try:
            await asyncio.sleep(0.001)
            with raises(ModuleBusy, call="set_credentials while joining"):
                choose(radio, own)
            await radio.up()
        finally:
            await coming
            remove()
        check(radio.status is InterfaceStatus.GLOBAL_UP, f"then {radio.status.name}")
        await radio.down()
        await radio.down()
        check(radio.status is InterfaceStatus.DISCONNECTED, f"at last {radio.status.name}")
    return passed(" → ".join(each.name for each in seen))


# -- failing ----------------------------------------------------------------------------------


@probe("WIFI_CONNECT_SECURE_FAIL", "wifi.refused")
async def secure_fail(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The right network with a wrong password."""
    del far
    radio = wifi(net, "wifi.refused")
    async with left(radio) as own:
        if own is None or not own.password:
            return unjudged(NO_NETWORK)
        radio.set_credentials(own.ssid, "aaaaaaaa", Security.WPA_WPA2)
        code = await joined_code(radio)
        allowed = (Nsapi.AUTH_FAILURE, Nsapi.CONNECTION_TIMEOUT, Nsapi.NO_CONNECTION)
        check(code in allowed, f"a wrong password: {code.name}")
        choose(radio, own)
        await radio.up()
    return passed(f"{code.name}; the right password works again")


@probe("WIFI_CONNECT_NO_SSID", "wifi.refused")
async def no_ssid(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A network that is not there."""
    del far
    radio = wifi(net, "wifi.refused")
    async with left(radio) as own:
        if own is None:
            return unjudged(NO_NETWORK)
        radio.set_credentials("no such network 7c1f", "12345678")
        with raises(NetworkNotFound, call="joining a network out of reach"):
            await radio.up()
    return passed("NO_SSID")


# -- signal and channels ----------------------------------------------------------------------


@probe("WIFI_GET_RSSI", "wifi.rssi")
async def rssi(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """None while not joined (the API's 0), then -100 to -10 dBm."""
    del far
    radio = wifi(net, "wifi.rssi")
    async with left(radio):
        check(radio.rssi is None, f"{radio.rssi} while not joined")
        await radio.up()
        value = radio.rssi
        check(value is not None and -100 <= value <= -10, f"{value} dBm")
        await radio.down()
        check(radio.rssi is None, f"{radio.rssi} after leaving")
    return passed(f"{value} dBm")


@probe("WIFI_SET_CHANNEL", "wifi.channel")
async def set_channel(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Possible and impossible channels of each band that there is."""
    del far
    radio = wifi(net, "wifi.channel")
    radio.set_channel(0)
    for impossible in (15, 30, 169):
        with raises(NetsocketError, call=f"channel {impossible}"):
            radio.set_channel(impossible)
    bands = []
    for band, channel in (("2.4 GHz", 1), ("5 GHz", 36)):
        try:
            radio.set_channel(channel)
        except NotSupported as error:
            refusal = error
            continue
        bands.append(band)
    radio.set_channel(0)
    if not bands:
        raise refusal
    return passed(", ".join(bands))


@probe("WIFI_CONNECT_PARAMS_CHANNEL", "wifi.channel")
async def params_channel(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Joining on the network's own channel."""
    del far
    radio = wifi(net, "wifi.channel")
    radio.set_channel(1)
    async with left(radio) as own:
        if own is None:
            return unjudged(NO_NETWORK)
        await radio.up()
        right = (await own_network(radio, own)).channel
        await radio.down()
        await radio.join(own.ssid, own.password, own.security, right)
        await radio.down()
        radio.set_channel(0)
    return passed(f"joined on channel {right}")


@probe("WIFI_CONNECT_PARAMS_CHANNEL_FAIL", "wifi.channel")
async def params_channel_fail(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Joining on another channel fails."""
    del far
    radio = wifi(net, "wifi.channel")
    radio.set_channel(1)
    async with left(radio) as own:
        if own is None:
            return unjudged(NO_NETWORK)
        await radio.up()
        right = (await own_network(radio, own)).channel
        await radio.down()
        radio.set_channel(1 + right % 10)
        code = await joined_code(radio)
        radio.set_channel(0)
        check(code in (Nsapi.CONNECTION_TIMEOUT, Nsapi.NO_CONNECTION), f"raised {code.name}")
    return passed(code.name)


async def own_network(net: AsyncWiFiInterface, own: WiFiCredentials) -> AccessPoint:
    """The joined network in a scan. Raises AddressNotAvailable."""
    for found in await net.scan():
        if found.ssid == own.ssid:
            return found
    raise AddressNotAvailable(f"{own.ssid!r} is not in the scan")


# -- scanning ---------------------------------------------------------------------------------


@probe("WIFI_SCAN_NULL", "interface.scan")
async def scan_null(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """How many networks there are: at least the one that is joined."""
    del far
    count = len(await net.scan())
    check(count >= 1, "no network in reach")
    return passed(f"{count} network(s)")


@probe("WIFI_SCAN", "interface.scan")
async def scan(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Each entry is plausible, and the joined network is among them with its security."""
    del far
    found = await net.scan()
    for each in found:
        check(-100 <= each.rssi <= -10, f"{each.ssid!r}: {each.rssi} dBm")
        check(1 <= each.channel <= 196, f"{each.ssid!r}: channel {each.channel}")
        check(len(each.bssid.split(":")) == 6, f"{each.ssid!r}: BSSID {each.bssid!r}")
    own = wifi(net, "interface.scan").credentials
    if own is None:
        check(len(found) >= 1, "no network in reach")
        return passed(f"{len(found)} network(s)")
    mine = [each for each in found if each.ssid == own.ssid]
    check(bool(mine), f"{own.ssid!r} is not among {len(found)} network(s)")
    secured = mine[0].security != Security.NONE.value
    check(secured == bool(own.password), f"{own.ssid!r}: security {mine[0].security}")
    return passed(f"{len(found)} network(s), the joined one with {mine[0].security}")

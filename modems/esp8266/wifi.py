"""Joining a WiFi network with an Espressif module, and asking it how the network is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from atdriver.channel import Channel
from atdriver.errors import CommandFailed, CommandTimeout, MalformedReply
from atdriver.exchange import Command
from atdriver.syntax import number, string
from modems.clock import now
from modems.commands import BASIC, query, simple
from modems.esp8266 import commands
from modems.esp8266.dialect import ENCODER
from modems.esp8266.firmware import Firmware
from netsocket import errors
from netsocket.stack import AccessPoint
from netsocket.wifi import WiFiCredentials

ADDRESS_PATIENCE = 15.0
"""Seconds to wait for an address after the join (DHCP)."""
STORED_PATIENCE = 5.0
"""Seconds for a module to join by itself the network that it has stored."""
_STA = re.compile(rb'\+CIPSTA(?:_CUR)?:ip:"(?P<ip>[0-9.]{7,15})"')
_STA6 = re.compile(rb'\+CIPSTA:ip6(?P<kind>[lg]l):"(?P<ip>[0-9A-Fa-f:.]{2,45})"')
_JOINED = re.compile(rb'\+CWJAP(?:_CUR)?:"(?P<ssid>.*)","(?P<bssid>[0-9a-fA-F:]{17})",(?P<rest>.*)')
# From both ends, because an SSID in an answer is not escaped and may hold quotes and commas.
_FOUND = re.compile(
    rb'\+CWLAP:\((?P<ecn>\d{1,2}),"(?P<ssid>.*)",(?P<rssi>-?\d{1,3}),'
    rb'"(?P<bssid>[0-9a-fA-F:]{17})",(?P<channel>\d{1,3})[-,\d]*\)'
)
_SECURITY = {
    0: "open", 1: "WEP", 2: "WPA", 3: "WPA2", 4: "WPA/WPA2", 5: "WPA2-Enterprise", 6: "WPA3",
    7: "WPA2/WPA3", 8: "WAPI", 9: "OWE",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class WiFi:
    """What the user asked for; no credentials mean: whatever the module has stored.

    `address`, `gateway`, `netmask` set a static address instead of DHCP.
    """

    credentials: WiFiCredentials | None = None
    address: str = ""
    gateway: str = ""
    netmask: str = "255.255.255.0"

    async def join(self, channel: Channel, firmware: Firmware) -> str:
        """Join and wait for an address; returns it.

        Raises AuthenticationFailed, NetworkNotFound, NetworkTimeout, DhcpFailed. The kind of
        security is the network's: AT+CWJAP has no parameter for it.
        """
        suffix = "_CUR" if firmware.family == "N" else ""
        await channel.run(simple(f"AT+CWMODE{suffix}=1"))
        await self._set_addressing(channel, firmware, suffix)
        wanted = self.credentials
        if wanted is None:
            return await self._stored(channel, suffix)
        if await _current_ssid(channel, suffix) == wanted.ssid:
            address = await _address(channel, suffix)
            if address:
                return address
        ssid = ENCODER.text(wanted.ssid, "the SSID", 32, 1)
        password = ENCODER.text(wanted.password, "the WiFi password", 64)
        try:
            await channel.run(commands.join(suffix, ssid, password))
        except CommandFailed as error:
            if await _current_ssid(channel, suffix) == wanted.ssid:
                raise _no_address(wanted.ssid) from error  # it joined; what failed came after
            raise _join_error(wanted.ssid, error) from error
        except CommandTimeout as error:
            raise errors.NetworkTimeout(f"WiFi {wanted.ssid!r}: the join did not end") from error
        address = await _wait_for_address(channel, suffix, ADDRESS_PATIENCE)
        if not address:
            raise _no_address(wanted.ssid)
        return address

    async def _stored(self, channel: Channel, suffix: str) -> str:
        """The network that the module joins by itself; returns the address."""
        patience = 0.0 if await _never_joined(channel) else STORED_PATIENCE
        address = await _wait_for_address(channel, suffix, patience)
        if address:
            return address
        ssid = await _current_ssid(channel, suffix)
        if ssid is not None:
            raise _no_address(ssid)
        raise errors.NetworkNotFound(
            "no WiFi network was given, and the module joined none that it has stored: give "
            "ssid=NAME, and the password as ATDRIVER_PASSWORD in the environment "
            "(`atdriver scan` lists the networks)"
        )

    async def current(self, channel: Channel, firmware: Firmware) -> str | None:
        """The network that the module is in now; None: in none."""
        return await _current_ssid(channel, "_CUR" if firmware.family == "N" else "")

    async def leave(self, channel: Channel) -> None:
        """Leave the network. Raises CommandFailed."""
        await channel.run(simple("AT+CWQAP"))

    async def _set_addressing(self, channel: Channel, firmware: Firmware, suffix: str) -> None:
        if not self.address:
            # The two arguments mean station and on in either order.
            await _tolerate(channel, f"AT+CWDHCP{suffix}=1,1")
            return
        # NonOS: interface, then on/off. ESP-AT: on/off, then a bit per interface.
        off = "1,0" if firmware.family == "N" else "0,1"
        await _tolerate(channel, f"AT+CWDHCP{suffix}={off}")
        parts = [ENCODER.text(self.address, "the address", 15, 7)]
        if self.gateway:
            parts.append(ENCODER.text(self.gateway, "the gateway", 15, 7))
            parts.append(ENCODER.text(self.netmask, "the netmask", 15, 7))
        await channel.run(Command(f"AT+CIPSTA{suffix}=".encode() + b",".join(parts), BASIC))

    async def own_address(self, channel: Channel, firmware: Firmware) -> str:
        """The address that the module has now, "" without one."""
        return await _address(channel, "_CUR" if firmware.family == "N" else "")

    async def details(self, channel: Channel, firmware: Firmware) -> dict[str, str]:
        """SSID, signal and address as text; `ip_address` is "" without one."""
        suffix = "_CUR" if firmware.family == "N" else ""
        found = {"ip_address": await _address(channel, suffix)}
        row = await _joined(channel, suffix)
        if row is not None:
            found["ssid"] = string(row["ssid"])
            rest = row["rest"].split(b",")
            if len(rest) >= 2:
                found["rssi"] = f"{number(rest[1], -127, 20, 'rssi')} dBm"
        else:
            found["wifi"] = "not joined"
        return found

    async def ipv6_address(self, channel: Channel) -> str:
        """The station's global IPv6 address, else the link-local one, "::" without either."""
        reply = await channel.run(query("AT+CIPSTA?", rb"\+CIPSTA:.*"))
        found = {m["kind"]: m["ip"].decode("ascii") for m in map(_STA6.fullmatch, reply.lines) if m}
        return found.get(b"gl") or found.get(b"ll") or "::"

    async def scan(self, channel: Channel, firmware: Firmware) -> Sequence[AccessPoint]:
        """Networks in reach; rows that cannot be read are left out."""
        suffix = "_CUR" if firmware.family == "N" else ""
        await channel.run(simple(f"AT+CWMODE{suffix}=1"))
        reply = await channel.run(commands.scan())
        networks = []
        for line in reply.lines:
            match = _FOUND.fullmatch(line)
            if match is None:
                continue
            ecn = number(match["ecn"], 0, 99)
            networks.append(
                AccessPoint(
                    ssid=match["ssid"].decode("utf-8", "surrogateescape"),
                    bssid=match["bssid"].decode("ascii").lower(),
                    rssi=number(match["rssi"], -999, 999),
                    channel=number(match["channel"], 0, 999),
                    security=_SECURITY.get(ecn, f"type {ecn}"),
                )
            )
        return networks


async def _wait_for_address(channel: Channel, suffix: str, patience: float) -> str:
    """The address as soon as there is one, "" when none came in `patience` seconds."""
    deadline = now() + patience
    while True:
        address = await _address(channel, suffix)
        if address or now() > deadline:
            return address
        await asyncio.sleep(0.25)


def _no_address(ssid: str) -> errors.DhcpFailed:
    return errors.DhcpFailed(
        f"WiFi {ssid!r}: joined, but no address from its DHCP server (too many clients? ip=… and "
        "gateway=… set one)"
    )


async def _never_joined(channel: Channel) -> bool:
    """AT+CWSTATE? (since v2.2): 0 means that no join was ever begun, so none is stored either."""
    try:
        reply = await channel.run(query("AT+CWSTATE?", rb"\+CWSTATE:.*"))
    except CommandFailed:
        return False
    return any(line.startswith(b"+CWSTATE:0") for line in reply.lines)


async def _tolerate(channel: Channel, text: str) -> None:
    try:
        await channel.run(simple(text))
    except CommandFailed:
        return


async def _joined(channel: Channel, suffix: str) -> dict[str, bytes] | None:
    try:
        reply = await channel.run(query(f"AT+CWJAP{suffix}?", rb"\+CWJAP(?:_CUR)?:\".*|No AP"))
    except CommandFailed:
        return None
    for line in reply.lines:
        if match := _JOINED.fullmatch(line):
            return match.groupdict()
    return None


async def _current_ssid(channel: Channel, suffix: str) -> str | None:
    row = await _joined(channel, suffix)
    return None if row is None else row["ssid"].decode("utf-8", "surrogateescape")


async def _address(channel: Channel, suffix: str) -> str:
    """The station's address, "" while it has none."""
    reply = await channel.run(query(f"AT+CIPSTA{suffix}?", rb"\+CIPSTA(?:_CUR)?:.*"))
    for line in reply.lines:
        if match := _STA.fullmatch(line):
            text = match["ip"].decode("ascii")
            return "" if text == "0.0.0.0" else text
    return ""


def _join_error(ssid: str, error: CommandFailed) -> OSError:
    """The code is a hint only: a wrong password is often reported as a time-out."""
    code = 0
    for reason in error.reasons:
        if reason.startswith(b"+CWJAP"):
            try:
                code = number(reason.rpartition(b":")[2], 0, 99)
            except MalformedReply:
                code = 0
    shown = f"+CWJAP:{code}"
    if code == 2:
        return errors.AuthenticationFailed(f"WiFi {ssid!r}: wrong password", module_code=shown)
    if code == 3:
        return errors.NetworkNotFound(
            f"WiFi {ssid!r}: no such network in reach (`atdriver scan` lists those there are; "
            "most modules hear 2.4 GHz only)",
            module_code=shown,
        )
    if code == 1:
        return errors.NetworkTimeout(
            f"WiFi {ssid!r}: timed out (weak signal, or a wrong password: modules often report "
            "both alike)",
            module_code=shown,
        )
    return errors.NetworkDown(f"WiFi {ssid!r}: the join failed", module_code=shown)

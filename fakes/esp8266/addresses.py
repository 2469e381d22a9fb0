"""Addresses of the interfaces: CWDHCP, CIPSTA, CIFSR, CIPSTAMAC (DOC "Wi-Fi AT Commands")."""

from __future__ import annotations

import re

from ..engine import CommandError, rule
from .arguments import Arguments
from .wifi import WifiCommands

__all__ = ["AP_ADDRESS", "AddressCommands"]

_NO_ADDRESS = "0.0.0.0"
_STATION_MAC = "5c:cf:7f:12:34:56"
_AP_MAC = "5e:cf:7f:12:34:56"
AP_ADDRESS = "192.168.4.1"


class AddressCommands(WifiCommands):
    """Commands that set or show addresses."""

    @rule(r"AT\+CWDHCP(_CUR|_DEF)?=(.*)", tag="CWDHCP")
    def set_dhcp(self, match: re.Match[str]) -> None:
        """``AT+CWDHCP``: N17 ``mode,enable`` (0 AP, 1 station, 2 both); ESP-AT ``enable,bits``."""
        self.suffix(match[1])
        arguments = Arguments(match[2])
        arguments.expect(2, 2)
        if self.profile.nonos:
            which = arguments.number(0, 0, 2)
            on = bool(arguments.number(1, 0, 1))
            station, access_point = which in (1, 2), which in (0, 2)
        else:
            on = bool(arguments.number(0, 0, 1))
            bits = arguments.number(1, 0, 7)
            station, access_point = bool(bits & 1), bool(bits & 2)
        for record in self.keep(match[1]):
            if station:
                record.station_dhcp = on
                if on:
                    record.static = None
            if access_point:
                record.ap_dhcp = on
        self.ok()

    @rule(r"AT\+CWDHCP(_CUR|_DEF)?\?", tag="CWDHCP")
    def query_dhcp(self, match: re.Match[str]) -> None:
        """``AT+CWDHCP?``: N17 bit 0 AP, bit 1 station; ESP-AT the other way round (DRV)."""
        self.suffix(match[1])
        first, second = self.now.station_dhcp, self.now.ap_dhcp
        if self.profile.nonos:
            first, second = second, first
        self.say(f"+CWDHCP{match[1] or ''}:{int(first) | int(second) << 1}")
        self.ok()

    @rule(r"AT\+CIPSTA(_CUR|_DEF)?=(.*)", tag="CIPSTA")
    def set_address(self, match: re.Match[str]) -> None:
        """``AT+CIPSTA="ip"[,"gateway","netmask"]``: reported; sockets stay on loopback."""
        self.suffix(match[1])
        arguments = Arguments(match[2])
        arguments.expect(1, 3)
        address = arguments.text(0, 15)
        gateway = arguments.text(1, 15, address)
        mask = arguments.text(2, 15, "255.255.255.0")
        if not all(self.world.is_literal(item) for item in (address, gateway, mask)):
            raise CommandError("IP ERROR")
        for record in self.keep(match[1]):
            record.static = (address, gateway, mask)
            record.station_dhcp = False
        self.ok()

    @rule(r"AT\+CIPSTA(_CUR|_DEF)?\?", tag="CIPSTA")
    def query_address(self, match: re.Match[str]) -> None:
        """``AT+CIPSTA?``."""
        self.suffix(match[1])
        name = f"+CIPSTA{match[1] or ''}"
        address, gateway, mask = _NO_ADDRESS, _NO_ADDRESS, _NO_ADDRESS
        if self.has_address:
            address, gateway, mask = self.now.static or (
                self.world.address,
                self.world.address,
                "255.0.0.0",
            )
        self.say(
            f'{name}:ip:"{address}"', f'{name}:gateway:"{gateway}"', f'{name}:netmask:"{mask}"'
        )
        if self.session.ipv6 and self.has_address:
            self.say(f'{name}:ip6ll:"::1"')
        self.ok()

    @rule(r"AT\+CIFSR", tag="CIFSR")
    def local_addresses(self, _: re.Match[str]) -> None:
        """``AT+CIFSR``: one pair of lines per active interface."""
        if self.now.wifi_mode & 2:
            self.say(f'+CIFSR:APIP,"{AP_ADDRESS}"', f'+CIFSR:APMAC,"{_AP_MAC}"')
        if self.now.wifi_mode & 1:
            own = self.now.static[0] if self.now.static else self.world.address
            self.say(f'+CIFSR:STAIP,"{own if self.has_address else _NO_ADDRESS}"')
            if self.session.ipv6 and self.has_address:
                self.say('+CIFSR:STAIP6LL,"::1"')
            self.say(f'+CIFSR:STAMAC,"{_STATION_MAC}"')
        self.ok()

    @rule(r"AT\+CIP(STA)MAC(_CUR|_DEF)?\?", tag="CIPSTAMAC")
    @rule(r"AT\+CIP(AP)MAC(_CUR|_DEF)?\?", tag="CIPAPMAC")
    def hardware_address(self, match: re.Match[str]) -> None:
        """``AT+CIPSTAMAC?``, ``AT+CIPAPMAC?``: lower-case hex."""
        self.suffix(match[2])
        mac = _STATION_MAC if match[1] == "STA" else _AP_MAC
        self.say(f'+CIP{match[1]}MAC{match[2] or ""}:"{mac}"')
        self.ok()

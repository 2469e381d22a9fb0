"""The module's own access point (CWSAP, CIPAP) and deep sleep (GSLP)."""

from __future__ import annotations

import re

from ..engine import CommandError, rule
from .addresses import AP_ADDRESS, AddressCommands
from .arguments import Arguments

__all__ = ["AccessPointCommands"]

_CHANNELS = 13
_LEAST_PASSWORD = 8  # characters, DOC AT+CWSAP
_MOST_STATIONS = 10
_MOST_STATIONS_NONOS = 8


class AccessPointCommands(AddressCommands):
    """What is set here is reported; no station ever joins."""

    @rule(r"AT\+CWSAP(_CUR|_DEF)?=(.*)", tag="CWSAP")
    def set_access_point(self, match: re.Match[str]) -> None:
        """``AT+CWSAP="ssid","password",channel,security[,most stations[,hidden]]``."""
        self.suffix(match[1])
        arguments = Arguments(match[2])
        arguments.expect(4, 4 if self.profile.level == 0 else 6)
        ssid, password = arguments.text(0, 32), arguments.text(1, 63, "")
        channel = arguments.number(2, 1, _CHANNELS)
        security = arguments.number(3, 0, 4)
        most = _MOST_STATIONS_NONOS if self.profile.nonos else _MOST_STATIONS
        stations = arguments.number(4, 1, most, 4)
        hidden = arguments.number(5, 0, 1, 0)
        if not self.now.wifi_mode & 2 or not ssid or security == 1:
            raise CommandError()
        if security and len(password) < _LEAST_PASSWORD:
            raise CommandError()
        for record in self.keep(match[1]):
            record.own_network = (ssid, password, channel, security, stations, hidden)
        self.ok()

    @rule(r"AT\+CWSAP(_CUR|_DEF)?\?", tag="CWSAP")
    def query_access_point(self, match: re.Match[str]) -> None:
        """``AT+CWSAP?``: N0 without the last two."""
        self.suffix(match[1])
        if not self.now.wifi_mode & 2:
            raise CommandError()
        record = self.flash if match[1] == "_DEF" else self.now
        ssid, password, *numbers = record.own_network
        shown = numbers[:2] if self.profile.level == 0 else numbers
        listed = ",".join(map(str, shown))
        self.say(f'+CWSAP{match[1] or ""}:"{ssid}","{password}",{listed}')
        self.ok()

    @rule(r"AT\+CIPAP(_CUR|_DEF)?\?", tag="CIPAP")
    def query_own_address(self, match: re.Match[str]) -> None:
        """``AT+CIPAP?``: N0 the address alone."""
        self.suffix(match[1])
        name = f"+CIPAP{match[1] or ''}"
        if self.profile.level == 0:
            self.say(f'{name}:"{AP_ADDRESS}"')
        else:
            self.say(
                f'{name}:ip:"{AP_ADDRESS}"',
                f'{name}:gateway:"{AP_ADDRESS}"',
                f'{name}:netmask:"255.255.255.0"',
            )
        self.ok()

    @rule(r"AT\+GSLP=(.*)", tag="GSLP")
    def deep_sleep(self, match: re.Match[str]) -> None:
        """``AT+GSLP=milliseconds``: deaf for that long, then a reset; N0 does not repeat it."""
        length = self.one(match[1], 0, 2_147_483_647)
        if self.profile.level:
            self.say(str(length))
        self.ok()
        self.be_deaf(length / 1000)
        self.later(length / 1000, self.restart)

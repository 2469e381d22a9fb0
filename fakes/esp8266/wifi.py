"""Wi-Fi: mode, join, scan, addresses (DOC "Wi-Fi AT Commands")."""

from __future__ import annotations

import re
import zlib

from ..engine import CommandError, rule
from .arguments import Arguments
from .basic import BasicCommands

__all__ = ["WifiCommands"]

_CHANNEL_TIME = 0.12  # seconds per channel of an active scan (DOC AT+CWLAPOPT / AT+CWLAP)
_CHANNELS = 13
_TIMED_OUT, _WRONG_PASSWORD, _NOT_FOUND = 1, 2, 3  # DOC AT+CWJAP


class WifiCommands(BasicCommands):
    """Commands of the station interface, and what the radio does by itself."""

    # ---- mode and join -----------------------------------------------------------------

    @rule(r"AT\+CWMODE(_CUR|_DEF)?=(.*)", tag="CWMODE")
    def set_mode(self, match: re.Match[str]) -> None:
        """``AT+CWMODE=m[,auto]``: 0 off, 1 station, 2 access point, 3 both."""
        self.suffix(match[1])
        arguments = Arguments(match[2])
        arguments.expect(1, 2)
        mode = arguments.number(0, 0, 3)
        if not mode & 1 and self.station:
            self.leave()
        for record in self.keep(match[1]):
            record.wifi_mode = mode
        self.ok()

    @rule(r"AT\+CWMODE(_CUR|_DEF)?\?", tag="CWMODE")
    def query_mode(self, match: re.Match[str]) -> None:
        """``AT+CWMODE?``."""
        self.suffix(match[1])
        record = self.flash if match[1] == "_DEF" else self.now
        self.say(f"+CWMODE{match[1] or ''}:{record.wifi_mode}")
        self.ok()

    @rule(r"AT\+CWJAP(_CUR|_DEF)?=(.*)", tag="CWJAP")
    async def join(self, match: re.Match[str]) -> None:
        """``AT+CWJAP="ssid","password"[,...]``."""
        self.suffix(match[1])
        arguments = Arguments(match[2])
        arguments.expect(1, 9)
        ssid = arguments.text(0, 32)
        password = arguments.text(1, 64, "")
        if not self.now.wifi_mode & 1:
            raise CommandError()
        if self.station:
            self.leave()
        failure = await self.try_join(ssid, password)
        if failure:
            name = "+CWJAP"  # also after _CUR in practice (mbed-os comment)
            self.say(f"{name}:{failure}")
            self.final("FAIL" if self.profile.nonos else "ERROR")
            return
        for record in self.keep(match[1]):
            record.ssid, record.password = ssid, password
        await self.enter(ssid)
        if not self.has_address and self.options.dhcp == "fail":
            self.say(f"+CWJAP:{_TIMED_OUT}")
            self.final("FAIL" if self.profile.nonos else "ERROR")
            return
        self.ok()

    @rule(r"AT\+CWJAP", tag="CWJAP")
    async def join_stored(self, _: re.Match[str]) -> None:
        """``AT+CWJAP`` (ESP-AT): join the access point set before."""
        if self.profile.nonos or not self.now.ssid or not self.now.wifi_mode & 1:
            raise CommandError()
        failure = await self.try_join(self.now.ssid, self.now.password)
        if failure:
            self.say(f"+CWJAP:{failure}")
            raise CommandError()
        await self.enter(self.now.ssid)
        self.ok()

    async def try_join(self, ssid: str, password: str) -> int:
        """Associate: 0, or the code of +CWJAP."""
        scan = _CHANNELS * _CHANNEL_TIME
        await self.sleep(min(scan, self.options.join_time))
        known = self.world.access_points.get(ssid)
        if known is None:
            return _NOT_FOUND
        await self.sleep(max(0.0, self.options.join_time * 3 / 4 - scan))
        return 0 if known in ("", password) else _WRONG_PASSWORD

    @rule(r"AT\+CWJAP(_CUR|_DEF)?\?", tag="CWJAP")
    def query_join(self, match: re.Match[str]) -> None:
        """``AT+CWJAP?``: the SSID is not escaped (esp-at #290); field count by generation."""
        self.suffix(match[1])
        ssid = self.flash.ssid if match[1] == "_DEF" else self.station
        if ssid:
            mac, channel, rssi = self.access_point(ssid)
            extra = ",0" * self.profile.join_fields
            self.say(f'+CWJAP{match[1] or ""}:"{ssid}","{mac}",{channel},{rssi}{extra}')
        elif self.profile.nonos or self.options.reasons == "port":
            self.say("No AP")  # on ESP-AT this text goes to the log port
        self.ok()

    @rule(r"AT\+CWQAP", tag="CWQAP")
    def quit(self, _: re.Match[str]) -> None:
        """``AT+CWQAP``: WIFI DISCONNECT before OK on ESP-AT, after it on N17."""
        joined = bool(self.station)
        if self.profile.nonos:
            self.ok()
            if joined:
                self.leave()
            return
        if joined:
            self.leave()
        self.ok()

    @rule(r"AT\+CWSTATE\?", tag="CWSTATE")
    def query_state(self, _: re.Match[str]) -> None:
        """``AT+CWSTATE?``: 0 never, 1 no address yet, 2 address, 4 disconnected."""
        if self.station:
            state = 2 if self.has_address else 1
            self.say(f'+CWSTATE:{state},"{self.station}"')
        elif self.now.ssid:
            self.say(f'+CWSTATE:4,"{self.now.ssid}"')
        else:
            self.say('+CWSTATE:0,""')
        self.ok()

    @rule(r"AT\+CWRECONNCFG=(.*)", tag="CWRECONNCFG")
    def set_reconnect(self, match: re.Match[str]) -> None:
        """``AT+CWRECONNCFG=interval,count``: 0 interval never, 0 count for ever."""
        arguments = Arguments(match[1])
        arguments.expect(2, 2)
        self.session.reconnect = (arguments.number(0, 0, 7200), arguments.number(1, 0, 1000))
        self.ok()

    @rule(r"AT\+CWRECONNCFG\?", tag="CWRECONNCFG")
    def query_reconnect(self, _: re.Match[str]) -> None:
        """``AT+CWRECONNCFG?``."""
        interval, count = self.session.reconnect
        self.say(f"+CWRECONNCFG:{interval},{count}")
        self.ok()

    @rule(r"AT\+CWAUTOCONN=(.*)", tag="CWAUTOCONN")
    def set_auto_join(self, match: re.Match[str]) -> None:
        """``AT+CWAUTOCONN=0/1`` (N17): stored."""
        self.now.auto_join = self.flash.auto_join = bool(self.one(match[1], 0, 1))
        self.ok()

    # ---- scan --------------------------------------------------------------------------

    @rule(r"AT\+CWLAP(?:=(.*))?", tag="CWLAP")
    async def scan(self, match: re.Match[str]) -> None:
        """``AT+CWLAP[="ssid"]``: 13 channels of 120 ms."""
        wanted = Arguments(match[1]).text(0, 32, "") if match[1] else ""
        if not self.now.wifi_mode & 1:
            raise CommandError()
        await self.scanned(wanted)

    async def scanned(self, wanted: str) -> None:
        """The access points, or the one that is wanted."""
        await self.sleep(_CHANNELS * _CHANNEL_TIME)
        found = [ssid for ssid in self.world.access_points if wanted in ("", ssid)]
        if self.session.scan_sort:
            found.sort(key=lambda ssid: -self.access_point(ssid)[2])
        for ssid in found:
            mac, channel, rssi = self.access_point(ssid)
            # An open one has no cipher, the others have CCMP (DOC AT+CWLAP).
            security, cipher = ("3", "4") if self.world.access_points[ssid] else ("0", "0")
            row = [security, f'"{ssid}"', str(rssi), f'"{mac}"', str(channel)]
            row += ["-1", "0", cipher, cipher, "7", "1"]
            del row[self.profile.scan_fields :]
            shown = (item for bit, item in enumerate(row) if self.session.scan_mask >> bit & 1)
            self.say(f"+CWLAP:({','.join(shown)})")
        self.ok()

    @rule(r"AT\+CWLAPOPT=(.*)", tag="CWLAPOPT")
    def set_scan(self, match: re.Match[str]) -> None:
        """``AT+CWLAPOPT=sort,mask[,rssi[,authmask]]``."""
        arguments = Arguments(match[1])
        arguments.expect(2, 4)
        self.session.scan_sort = arguments.number(0, 0, 1)
        self.session.scan_mask = arguments.number(1, 0, 0x7FF)
        self.ok()

    def access_point(self, ssid: str) -> tuple[str, int, int]:
        """BSSID, channel and RSSI: fixed by name and seed."""
        mark = zlib.crc32(f"{self.seed}:{ssid}".encode())
        mac = ":".join(f"{byte:02x}" for byte in (0x7C, 0x8B, *mark.to_bytes(4, "big")))
        return mac, 1 + mark % _CHANNELS, -40 - mark // 13 % 45

    # ---- what the radio does -----------------------------------------------------------

    def suffix(self, suffix: str | None) -> None:
        """`_CUR` and `_DEF` exist on N17 only.

        Raises:
            CommandError: ESP-AT got such a command (WiFiEspAT #105).
        """
        if suffix and not self.profile.nonos:
            raise CommandError(code=0x01090000)

    def wifi_notice(self, text: str) -> None:
        """Tell of the station by itself."""
        self.say(text)

    async def enter(self, ssid: str) -> None:
        """What follows `try_join`: the association stands, and then there is an address."""
        self.joined(ssid)
        await self.sleep(self.options.join_time / 4)
        self.got_address()

    def joined(self, ssid: str) -> None:
        """The association stands."""
        self.station = ssid
        self.note("wifi", f"joined {ssid}")
        self.wifi_notice("WIFI CONNECTED")

    def got_address(self) -> None:
        """DHCP (or the static setting) gave the address, or did not."""
        if self.station and (self.options.dhcp == "ok" or self.now.static):
            self.has_address = True
            self.wifi_notice("WIFI GOT IP")
        elif self.station and self.profile.nonos:
            self.wifi_notice("DHCP TIMEOUT")  # LIT: in the NonOS library only

    def leave(self) -> None:
        """The association ends: WIFI DISCONNECT, and every link dies."""
        self.station = ""
        self.has_address = False
        self.note("wifi", "left")
        self.wifi_notice("WIFI DISCONNECT")
        for link in self.open_links():
            self.drop_link(link, abort=True)

    def lose_wifi(self) -> None:
        """Radio fault: the access point is gone; the module tries to come back by itself.

        Links die with one CLOSED each (WIFI DISCONNECT first); the attempts follow
        AT+CWRECONNCFG and succeed once the SSID is in `world.access_points`.
        """
        if self.station:
            ssid = self.station
            self.leave()
            self.spawn(self.rejoin(ssid))

    async def rejoin(self, ssid: str) -> None:
        """Attempts to join `ssid` again, at the configured interval."""
        interval, count = self.session.reconnect
        attempts = 0
        while interval and (count == 0 or attempts < count) and not self.station:
            # Model time, but never a busy loop when model delays are switched off.
            await self.sleep(interval)
            if self.time_scale == 0:
                await self.pause()
            attempts += 1
            if ssid in self.world.access_points and not self.station:
                await self.enter(ssid)

    def started(self) -> None:
        """After a boot a stored access point is joined without being asked."""
        if self.first_start:
            self.first_start = False
            return
        if self.flash.auto_join and self.flash.ssid and self.now.wifi_mode & 1:
            self.spawn(self.auto_join())

    async def auto_join(self) -> None:
        """Join the stored access point some seconds after ready."""
        ssid = self.flash.ssid
        if await self.try_join(ssid, self.flash.password) == 0 and not self.station:
            await self.enter(ssid)

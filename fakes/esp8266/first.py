"""N0, the first AT firmware of the ESP8266 (v0.20, 2014), as its published source has it.

Source: espressif/ESP8266_AT, at/user: at_port.c (lines, echo, payload), at_baseCmd.c, at_wifiCmd.c,
at_ipCmd.c; the names below are functions of it. A reason (``link is not``) is the whole answer:
neither OK nor ERROR follows. A client link that ends by itself prints OK or ERROR too, and so does
every received packet (OK). ``SEND FAIL`` does not exist.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from ..engine import CommandError, rule
from .base import LINKS
from .link import Link
from .links import _ALL, _CLOSE_TIME
from .modem import EspressifModem
from .sending import _PROMPT_TIME

__all__ = ["FirstModem"]

# mdState, shown by AT+CIPSTATUS
_GOT_ADDRESS: Final = 2
_LINKED: Final = 3
_UNLINKED: Final = 4
_LEFT: Final = 5

_TESTS: Final = {
    "CWMODE": ("+CWMODE:(1-3)",), "CWQAP": (), "CIFSR": (), "CIPSTATUS": (), "CIPCLOSE": (),
    "CIPSEND": (),
}  # fmt: skip
_MOST_IDLE: Final = 28800  # seconds, at_setupCmdCipsto
_HOST_SIZE: Final = 64  # a quoted text must be shorter (at_dataStrCpy)
_SSID_SIZE: Final = 32
_PASSWORD_SIZE: Final = 64
_BSSID: Final = re.compile("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
_EVERYBODY: Final = "255.255.255.255"


def _number(text: str) -> int:
    """The number that a text begins with, else 0: C's atoi."""
    found = re.match(r"\s*[+-]?\d+", text)
    return int(found[0]) if found else 0


def _quoted(text: str, size: int) -> str | None:
    """The quoted text at the beginning; None when there is none or it is too long."""
    found = re.match(rf'"([^"]{{0,{size - 1}}})"', text)
    return found[1] if found else None


def _texts(text: str, *sizes: int) -> list[str]:
    """Quoted texts, one behind the other with a character between.

    Raises:
        CommandError: one of them is missing or too long.
    """
    found = []
    for size in sizes:
        value = _quoted(text, size)
        if value is None:
            raise CommandError
        found.append(value)
        text = text[len(value) + 3 :]
    return found


class FirstModem(EspressifModem):
    """An ESP8266 with AT v0.20."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self.stage = _UNLINKED
        self.typed = bytearray()
        self.ended = asyncio.Event()  # set when a link ends
        super().__init__(*arguments, **more)

    def power_on(self) -> None:
        """Not linked."""
        super().power_on()
        self.stage = _UNLINKED
        self.typed.clear()

    # ---- lines -------------------------------------------------------------------------

    # Before everything else: the set patterns below would match "=?" too.
    @rule(r"AT\+(\w+)=\?")
    def test_command(self, match: re.Match[str]) -> None:
        """``AT+X=?``: seven commands have it."""
        name = match[1]
        if name == "CIPSTART":  # with the id where there is none, and the reverse (source)
            first, second = '(id)("type")', '((id)"type")'
            if self.session.mux:
                first = second = '("type")'
            self.say(f'+CIPSTART:{first},("ip address"),(port)')
            self.say(f'+CIPSTART:{second},("domain name"),(port)')
        elif name not in _TESTS:
            raise CommandError
        self.say(*_TESTS.get(name, ()))
        self.ok()

    def echo_text(self, data: bytes) -> bytes:
        """All but LF as received; CR LF for the LF that begins a command (at_recvTask)."""
        self.typed += data
        if not data.endswith(b"\n"):
            return data
        begins = re.search(b"AT|at", self.typed) is not None and not self.running
        self.typed.clear()
        return data[:-1] + (b"\r\n" if begins else b"")

    def overlong_line(self) -> None:
        """What overran is forgotten; its LF is taken for an empty line, which is ERROR."""
        self.final("ERROR")

    def line_while_busy(self, line: str) -> None:  # noqa: ARG002
        """No line is obeyed, not even AT+RST; ``busy s...`` has no CR LF before it."""
        self.raw(b"busy s...\r\n" if self.phase == "send" else b"\r\nbusy p...\r\n")

    def command_failed(self, error: CommandError) -> None:
        """A reason stands alone."""
        if error.reason:
            self.say(error.reason)
        else:
            self.final("ERROR")

    def suffix(self, suffix: str | None) -> None:
        """There is neither `_CUR` nor `_DEF`."""
        if suffix:
            raise CommandError

    async def hang(self) -> None:
        """Nothing ends this command but a reset."""
        await asyncio.get_running_loop().create_future()

    # ---- the module --------------------------------------------------------------------

    @rule(r"AT\+RST", tag="RST")
    def reset(self, _: re.Match[str]) -> None:
        """``AT+RST``."""
        self.ok()
        self.restart()

    @rule(r"AT\+IPR=(.*)", tag="IPR")
    async def set_uart(self, match: re.Match[str]) -> None:
        """``AT+IPR=rate``: stored; the switch comes before the OK (at_setupCmdIpr)."""
        rate = _number(match[1])
        if not 0 < rate <= self.profile.max_rate:
            raise CommandError
        await self.output_sent()
        await self.sleep(0.01)
        self.wire.set_module_rate(rate)
        for record in self.keep():
            record.rate = rate
        self.ok()

    @rule(r"AT\+CIPING", tag="CIPING")
    def ping_nobody(self, _: re.Match[str]) -> None:
        """``AT+CIPING``: an empty function."""
        self.ok()

    # ---- Wi-Fi -------------------------------------------------------------------------

    def wifi_notice(self, text: str) -> None:
        """The station says nothing by itself."""

    @rule(r"AT\+CWMODE=(.*)", tag="CWMODE")
    def set_mode(self, match: re.Match[str]) -> None:
        """``AT+CWMODE=1..3``."""
        mode = _number(match[1])
        if mode not in (1, 2, 3):
            raise CommandError
        if not mode & 1 and self.station:
            self.leave()
        for record in self.keep():
            record.wifi_mode = mode
        self.ok()

    @rule(r"AT\+CWJAP=(.*)", tag="CWJAP")
    async def join(self, match: re.Match[str]) -> None:
        """``AT+CWJAP="ssid","password"``: looked at after 3 s, then every 2 s, seven times."""
        if self.now.wifi_mode == 2:
            raise CommandError
        ssid, password = _texts(match[1], _SSID_SIZE, _PASSWORD_SIZE)
        if self.station:
            self.leave()
        self.stage = _LEFT
        for record in self.keep():
            record.ssid, record.password = ssid, password
        known = self.world.access_points.get(ssid)
        await self.sleep(self.options.join_time)
        # wifi_station_get_connect_status: 1 connecting, 2 wrong password, 3 no such access point
        failure = 3 if known is None else 2
        if known in ("", password):
            failure = 1
            self.joined(ssid)
            self.got_address()
        if self.has_address:
            self.ok()
            return
        await self.sleep(self.options.join_time * 4)  # 3 + 6 * 2 s in all
        self.leave()
        self.say(f"+CWJAP:{failure}")
        self.final("FAIL")

    @rule(r"AT\+CWJAP\?", tag="CWJAP")
    def query_join(self, _: re.Match[str]) -> None:
        """``AT+CWJAP?``: the SSID alone."""
        if not self.has_address:
            self.say("No AP")
            raise CommandError
        self.stage = _GOT_ADDRESS
        self.say(f'+CWJAP:"{self.station}"')
        self.ok()

    @rule(r"AT\+CWQAP", tag="CWQAP")
    def quit(self, _: re.Match[str]) -> None:
        """``AT+CWQAP``."""
        self.ok()
        if self.station:
            self.leave()
        self.stage = _LEFT

    @rule(r"AT\+CWLAP(?:=(.*))?", tag="CWLAP")
    async def scan(self, match: re.Match[str]) -> None:
        """``AT+CWLAP[="ssid","mac",channel]``: five fields."""
        wanted = ""
        if match[1] is not None:
            wanted, bssid = _texts(match[1], _SSID_SIZE, _SSID_SIZE)
            if bssid and not _BSSID.fullmatch(bssid):
                raise CommandError
        if self.now.wifi_mode == 2:
            raise CommandError
        await self.scanned(wanted)

    @rule(r"AT\+CWLIF", tag="CWLIF")
    def stations(self, _: re.Match[str]) -> None:
        """``AT+CWLIF``: nobody has joined the module's own network."""
        if self.now.wifi_mode == 1:
            raise CommandError
        self.ok()

    @rule(r"AT\+CWDHCP=(.*)", tag="CWDHCP")
    def set_dhcp(self, match: re.Match[str]) -> None:
        """``AT+CWDHCP=mode,enable``: 0 access point (unseen here), 1 station, 2 both."""
        mode, _, rest = match[1].partition(",")
        which, on = _number(mode), bool(_number(rest))
        if which not in (0, 1, 2):
            raise CommandError
        if which and on:
            for record in self.keep():
                record.static = None
        self.ok()

    @rule(r"AT\+CWDHCP\?", tag="CWDHCP")
    def query_dhcp(self, _: re.Match[str]) -> None:
        """``AT+CWDHCP?``: an empty function, without any final."""

    @rule(r"AT\+CIPSTA\?", tag="CIPSTA")
    def query_address(self, _: re.Match[str]) -> None:
        """``AT+CIPSTA?``: the address alone."""
        own = self.now.static[0] if self.now.static else self.world.address
        self.say(f'+CIPSTA:"{own if self.has_address else "0.0.0.0"}"')
        self.ok()

    @rule(r"AT\+CIFSR", tag="CIFSR")
    def local_addresses(self, match: re.Match[str]) -> None:
        """``AT+CIFSR``."""
        self.stage = _GOT_ADDRESS
        super().local_addresses(match)

    # ---- links -------------------------------------------------------------------------

    def drop_link(self, link: Link, *, abort: bool = False, tell: bool = True) -> None:
        """A link ended by itself (at_tcpclient_discon_cb and its three siblings)."""
        if self.links[link.number] is not link:
            return
        broken = abort or (link.tcp is not None and link.tcp.reset)
        super().drop_link(link, abort=abort, tell=False)
        self.ended.set()
        if not self.open_links():
            self.stage = _UNLINKED
        if not tell or self.phase == "transparent":
            return
        if link.server:  # at_tcpserver_recon_cb says CONNECT of a link that was reset
            self.say(self.link_line(link.number, "CONNECT" if broken else "CLOSED"))
            return
        self.say(f"{link.number},CLOSED" if broken else self.link_line(link.number, "CLOSED"))
        if not link.is_udp:
            self.raw(b"\r\nERROR\r\n" if broken else b"\r\nOK\r\n")

    def add_link(self, link: Link) -> None:
        """A TCP link makes the state "linked", UDP does not."""
        if not link.is_udp:
            self.stage = _LINKED
        super().add_link(link)

    def connected_line(self, link: Link) -> str:
        """UDP has its id in single mode too."""
        return f"{link.number},CONNECT" if link.is_udp else super().connected_line(link)

    @rule(r"AT\+CIPMUX=(.*)", tag="CIPMUX")
    def set_mux(self, match: re.Match[str]) -> None:
        """``AT+CIPMUX=0/1``: refused while AT+CIPSTATUS says 3."""
        if self.stage == _LINKED:
            raise CommandError("link is builded")
        mux = _number(match[1])
        if mux not in (0, 1):
            raise CommandError
        self.session.mux = mux
        self.ok()

    @rule(r"AT\+CIPSTART=(.*)", tag="CIPSTART")
    async def open_link(self, match: re.Match[str]) -> None:
        """``AT+CIPSTART=[id,]"type","host",port[,local port[,mode]]``."""
        if self.now.wifi_mode == 1 and not self.has_address:
            raise CommandError("no ip")
        text, number = match[1], 0
        if self.session.mux:
            number = _number(text)
            text = '"' + text[1:].partition('"')[2]
        if not 0 <= number < LINKS:
            raise CommandError("ID ERROR")
        kind = _quoted(text, _HOST_SIZE)
        if kind not in ("TCP", "UDP"):
            raise CommandError("Link typ ERROR")
        host = _quoted(text[len(kind) + 3 :], _HOST_SIZE)
        if host is None:
            raise CommandError("IP ERROR")
        rest = text[len(kind) + 3 + len(host) + 2 :]
        if not rest.startswith(","):
            raise CommandError("ENTRY ERROR")
        port, *more = map(_number, rest[1:].split(","))
        if kind == "UDP" and not more and not (port and host):
            raise CommandError("Miss param")
        if kind == "UDP" and more and not more[0]:
            raise CommandError("Miss param2")
        local, mode = (*more, 0, 0)[:2]
        if self.links[number] is not None:
            raise CommandError("ALREAY CONNECT")  # as it is spelt
        # An IPv6 address is a name like any other (ipaddr_addr), and nobody's.
        named = bool(host) and (":" in host or not self.world.is_literal(host))
        if named and (not self.has_address or ":" in host):
            raise CommandError("DNS Fail")
        address = await self.resolve(host, 4) if named else host or _EVERYBODY
        if kind == "UDP":
            port = port or self.random.randrange(1024, 65536)
            link = self.bind_link(number, kind, (address, port), local=local, mode=mode)
            # By name it calls the connect function of TCP (at_dns_found); espressif/ESP8266_AT #7.
            link.mute = named
        elif self.has_address and port:
            timeout = self.options.connect_timeout
            await self.connect_link(number, kind, (address, port), timeout=timeout)
        else:
            self.connect_failed(number)

    def connect_failed(self, number: int) -> None:
        """CLOSED with the id, also in single mode, then ERROR (at_tcpclient_recon_cb)."""
        self.say(f"{number},CLOSED")
        self.final("ERROR")

    @rule(r"AT\+CIPCLOSE(?:=(.*))?", tag="CIPCLOSE")
    async def close_link(self, match: re.Match[str]) -> None:
        """``AT+CIPCLOSE[=id]``: 5 means all, and is not answered when there is none."""
        if match[1] is None:
            if self.session.mux:
                raise CommandError("MUX=1")
            if self.links[0] is None:
                raise CommandError
            number = 0
        else:
            if not self.session.mux:
                raise CommandError("MUX=0")
            number = _number(match[1])
            if not 0 <= number <= _ALL:
                raise CommandError
        if self.listener is not None and (match[1] is None or number == _ALL):
            raise CommandError("we must restart")
        chosen = [link for link in self.open_links() if number in (link.number, _ALL)]
        if not chosen:
            if number == _ALL:
                return
            raise CommandError("link is not")
        await self.sleep(_CLOSE_TIME)
        for link in chosen:
            if self.links[link.number] is link:
                self.drop_link(link, tell=False)
                self.say(self.link_line(link.number, "CLOSED"))
        self.ok()

    @rule(r"AT\+CIPSTATUS", tag="CIPSTATUS")
    def status(self, _: re.Match[str]) -> None:
        """``AT+CIPSTATUS``: a TCP row has no local port."""
        self.say(f"STATUS:{self.stage}")
        for link in self.open_links():
            address, port = link.last_peer or link.remote
            local = f",{link.local_port}" if link.is_udp else ""
            row = f'{link.number},"{link.kind}","{address}",{port}{local},{int(link.server)}'
            self.say(f"+CIPSTATUS:{row}")
        self.ok()

    # ---- the server --------------------------------------------------------------------

    @rule(r"AT\+CIPSERVER=(.*)", tag="CIPSERVER")
    def set_server(self, match: re.Match[str]) -> None:
        """``AT+CIPSERVER=1[,port]``; ``=0`` cannot be done."""
        mode, rest = _number(match[1]), match[1][1:]
        if not self.session.mux or mode not in (0, 1) or (not mode and len(match[1]) != 1):
            raise CommandError
        on = bool(mode)
        if on == (self.listener is not None):
            raise CommandError("no change")
        if not on:
            raise CommandError("we must restart")
        port = _number(rest[1:]) if rest.startswith(",") else 333
        if not 0 < port < 65536:
            raise CommandError
        self.listen(port, "TCP")

    @rule(r"AT\+CIPSTO=(.*)", tag="CIPSTO")
    def set_idle(self, match: re.Match[str]) -> None:
        """``AT+CIPSTO=0..28800``: only while the server runs."""
        limit = _number(match[1])
        if self.listener is None or not 0 <= limit <= _MOST_IDLE:
            raise CommandError
        self.session.idle_limit = limit
        for link in self.open_links():
            self.watch_idle(link)
        self.ok()

    # ---- data --------------------------------------------------------------------------

    @rule(r"AT\+CIPMODE=(.*)", tag="CIPMODE")
    def set_transparent(self, match: re.Match[str]) -> None:
        """``AT+CIPMODE=0/1``."""
        mode = _number(match[1])
        if self.session.mux or self.listener is not None or mode not in (0, 1):
            raise CommandError
        self.session.transparent = mode
        self.ok()

    @rule(r"AT\+CIPSEND=(.*)", tag="CIPSEND")
    async def send(self, match: re.Match[str]) -> None:
        """``AT+CIPSEND=[id,]length``: ``> `` alone, the payload's echo, SEND OK."""
        if self.session.transparent:
            self.say("IPMODE=1")
            raise CommandError
        text, number = match[1], 0
        if self.session.mux:
            number = _number(text)
            if number >= LINKS or text[1:2] != ",":
                raise CommandError
            text = text[2:]
        link = self.links[number]
        if link is None:
            raise CommandError("link is not")
        length = _number(text) & 0xFFFF  # uint16_t
        if length > self.profile.send_limit:
            raise CommandError("too long")
        if not re.fullmatch(r"\d{0,4}", text):
            raise CommandError("type error")
        if link.mute:
            await self.hang()
        await self.sleep(_PROMPT_TIME)
        payload = await self.payload(length)
        self.phase = "send"
        if not length:
            await self.hang()  # espconn_sent refuses to send nothing, and nobody looks
        if await self.deliver(link, payload, None):
            self.final("SEND OK")
            return
        while self.links[number] is link:  # its end is the answer
            self.ended.clear()
            await self.ended.wait()

    async def payload(self, length: int) -> bytes:
        """The payload, echoed as it comes but for its LFs; length 0 still takes a byte."""
        payload = bytearray()
        (prompt,) = self.profile.prompt
        while len(payload) < max(1, length):
            byte = await self.take(1, prompt=prompt) or b""
            prompt = b""
            payload += byte
            if self.echo and byte != b"\n":
                self.raw(byte)
        return bytes(payload[:length])

    @rule(r"AT\+CIPSEND", tag="CIPSEND")
    async def send_transparent(self, _: re.Match[str]) -> None:
        """``AT+CIPSEND`` with AT+CIPMODE=1: the prompt has no OK either."""
        link = self.links[0]
        if self.listener is not None or not self.session.transparent or link is None:
            raise CommandError
        await self.sleep(_PROMPT_TIME)
        self.raw(b"\r\n>")
        await self.transparent_phase(link)

    def frame(self, link: Link, data: bytes, peer: tuple[str, int], bare: bool) -> None:
        """OK behind the data (at_tcpclient_recv)."""
        before = self.written
        super().frame(link, data, peer, bare)
        if not bare and self.written > before:
            self.raw(b"\r\nOK\r\n")

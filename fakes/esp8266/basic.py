"""Basic commands: AT, ATE, GMR, RST, RESTORE, UART, SYS... (DOC "Basic AT Commands")."""

from __future__ import annotations

import re

from ..engine import rule
from .arguments import Arguments
from .base import Esp8266Base

__all__ = ["BasicCommands"]

_CLOCK = 80_000_000  # Hz; UART clock of the ESP8266, gives the real rate read back


class BasicCommands(Esp8266Base):
    """Commands that concern the module itself."""

    @rule(r"AT", tag="AT")
    def attention(self, _: re.Match[str]) -> None:
        """``AT``."""
        self.ok()

    @rule(r"ATE([01])", tag="E")
    def set_echo(self, match: re.Match[str]) -> None:
        """``ATE0``/``ATE1``; the command itself was echoed already."""
        self.echo = match[1] == "1"
        self.ok()

    @rule(r"AT\+GMR", tag="GMR")
    def version(self, _: re.Match[str]) -> None:
        """``AT+GMR``."""
        self.say(*self.profile.gmr)
        self.ok()

    @rule(r"AT\+RST", tag="RST")
    def reset(self, _: re.Match[str]) -> None:
        """``AT+RST``: OK, Wi-Fi down, boot text, ready."""
        self.ok()
        if self.station:
            self.say("WIFI DISCONNECT")
        self.restart()

    @rule(r"AT\+RESTORE", tag="RESTORE")
    def restore(self, _: re.Match[str]) -> None:
        """``AT+RESTORE``: ESP-AT prints CLOSED for open links first (esp-at #120)."""
        if not self.profile.nonos:
            for link in reversed(self.open_links()):
                self.drop_link(link)
        self.flash = self.factory()
        self.ok()
        self.restart()

    @rule(r"AT\+UART(_CUR|_DEF)?=(.*)", tag="UART")
    async def set_uart(self, match: re.Match[str]) -> None:
        """``AT+UART...=rate,bits,stop,parity,flow``: OK at the old rate, then the switch."""
        arguments = Arguments(match[2])
        arguments.expect(5, 5)
        rate = arguments.number(0, 80, self.profile.max_rate)
        arguments.number(1, 5, 8)
        arguments.number(2, 1, 3)
        arguments.number(3, 0, 2)
        flow = arguments.number(4, 0, 3)
        # Plain AT+UART is AT+UART_DEF; _CUR never reaches flash, also with SYSSTORE=1.
        for record in self.keep(match[1] or "_DEF"):
            record.rate, record.flow = rate, flow
        self.ok()
        await self.output_sent()
        self.wire.set_module_rate(rate)

    @rule(r"AT\+UART(_CUR|_DEF)?\?", tag="UART")
    def query_uart(self, match: re.Match[str]) -> None:
        """``AT+UART...?``: the rate of the real divider on ESP-AT (DOC)."""
        record = self.flash if match[1] == "_DEF" else self.now
        rate = record.rate
        if self.profile.esp8266 and not self.profile.nonos:
            rate = _CLOCK // (_CLOCK // rate)
        self.say(f"+UART{match[1] or ''}:{rate},8,1,0,{record.flow}")
        self.ok()

    @rule(r"AT\+SYSSTORE=(.*)", tag="SYSSTORE")
    def set_store(self, match: re.Match[str]) -> None:
        """``AT+SYSSTORE=0/1``: whether later settings go to flash."""
        self.session.store = self.one(match[1], 0, 1)
        self.ok()

    @rule(r"AT\+SYSSTORE\?", tag="SYSSTORE")
    def query_store(self, _: re.Match[str]) -> None:
        """``AT+SYSSTORE?``."""
        self.say(f"+SYSSTORE:{self.session.store}")
        self.ok()

    @rule(r"AT\+SYSLOG=(.*)", tag="SYSLOG")
    def set_log(self, match: re.Match[str]) -> None:
        """``AT+SYSLOG=0/1``: error codes before ERROR."""
        self.session.log = self.one(match[1], 0, 1)
        self.ok()

    @rule(r"AT\+SYSLOG\?", tag="SYSLOG")
    def query_log(self, _: re.Match[str]) -> None:
        """``AT+SYSLOG?``."""
        self.say(f"+SYSLOG:{self.session.log}")
        self.ok()

    @rule(r"AT\+SYSMSG=(.*)", tag="SYSMSG")
    def set_message(self, match: re.Match[str]) -> None:
        """``AT+SYSMSG=bits``: bit 0 +QUITT, bit 1 +LINK_CONN, bit 2 notices in data mode."""
        value = self.one(match[1], 0, 7)
        for record in self.keep():
            record.message = value
        self.ok()

    @rule(r"AT\+SYSMSG_CUR=(.*)", tag="SYSMSG_CUR")
    def set_message_now(self, match: re.Match[str]) -> None:
        """``AT+SYSMSG_CUR=bits`` (N17)."""
        self.now.message = self.one(match[1], 0, 7)
        self.ok()

    @rule(r"AT\+SYSMSG_DEF=(.*)", tag="SYSMSG_DEF")
    def set_message_stored(self, match: re.Match[str]) -> None:
        """``AT+SYSMSG_DEF=bits`` (N17)."""
        self.now.message = self.flash.message = self.one(match[1], 0, 7)
        self.ok()

    @rule(r"AT\+SYSMSG\?", tag="SYSMSG")
    def query_message(self, _: re.Match[str]) -> None:
        """``AT+SYSMSG?`` (LIT: ``+SYSMSG:%d`` CR LF ``OK``, no empty line)."""
        self.raw(f"+SYSMSG:{self.now.message}".encode())
        self.ok()

    @rule(r"AT\+SYSRAM\?", tag="SYSRAM")
    def free_memory(self, _: re.Match[str]) -> None:
        """``AT+SYSRAM?``: one number, two from v2.2 on and then without its own CR LF."""
        if self.profile.level >= 22:
            self.raw(b"+SYSRAM:148408,84044")
        else:
            self.say("+SYSRAM:32768")
        self.ok()

    @rule(r"AT\+SLEEP=(.*)", tag="SLEEP")
    def set_sleep(self, match: re.Match[str]) -> None:
        """``AT+SLEEP=0..3``: accepted, sleeping is not modelled."""
        self.one(match[1], 0, 2 if self.profile.nonos else 3)
        self.ok()

    @staticmethod
    def one(text: str, least: int, most: int) -> int:
        """The single number of a set command."""
        arguments = Arguments(text)
        arguments.expect(1, 1)
        return arguments.number(0, least, most)

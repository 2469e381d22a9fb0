"""AT+CIPSENDEX and AT+CIPSENDL: payloads with an end of their own, and without a limit."""

from __future__ import annotations

import re

from ..engine import CommandError, rule
from .arguments import Arguments
from .sending import SendCommands

__all__ = ["LongSendCommands"]

_ESCAPE = b"+++"
_MOST = 0x7FFFFFFF  # DOC AT+CIPSENDL
_REPORT = (100, 1 << 20)  # bytes, DOC AT+CIPSENDLCFG
_BLOCK = (100, 2920)


class LongSendCommands(SendCommands):
    """The siblings of AT+CIPSEND."""

    @rule(r"AT\+CIPSENDEX=(.*)", tag="CIPSENDEX")
    async def send_escaped(self, match: re.Match[str]) -> None:
        r"""``AT+CIPSENDEX=[id,]length[,"host",port]``: until length bytes or ``\0``."""
        link, length, target = await self.send_parameters(match[1], self.profile.send_limit)
        await self.send_prompt()
        payload, backslash, prompt = bytearray(), False, self.profile.prompt[-1]
        while len(payload) < length:
            byte = await self.take(1, prompt=prompt) or b""
            prompt = b""
            if backslash and byte == b"0":
                break
            backslash = byte == b"\\" and not backslash
            if not backslash:
                payload += byte
        await self.send_payload(link, bytes(payload), target)

    @rule(r"AT\+CIPSENDL=(.*)", tag="CIPSENDL")
    async def send_long(self, match: re.Match[str]) -> None:
        """``AT+CIPSENDL=[id,]length[,"host",port]``: blocks, with a report now and then."""
        link, length, target = await self.send_parameters(match[1], _MOST)
        await self.send_prompt()
        report, block = self.session.long_send
        self.raw(self.profile.prompt[-1])
        received = reported = 0
        alive = True
        with self.intake.held():  # between two blocks nothing is read as a command
            while received < length:
                piece = await self.take_some(min(block, length - received), escape=_ESCAPE)
                if piece is None:
                    self.final("SEND CANCELLED")
                    return
                received += len(piece)
                alive = alive and await self.deliver(link, piece, target)
                if alive and (received - reported >= report or received == length):
                    reported = received
                    self.say(f"+CIPSENDL:{received},{received}")  # sent, received
        self.final("SEND OK" if alive else "SEND FAIL")

    @rule(r"AT\+CIPSENDLCFG=(.*)", tag="CIPSENDLCFG")
    def set_long_send(self, match: re.Match[str]) -> None:
        """``AT+CIPSENDLCFG=report size[,block size]``."""
        arguments = Arguments(match[1])
        arguments.expect(1, 2)
        report = arguments.number(0, *_REPORT)
        self.session.long_send = (report, arguments.number(1, *_BLOCK, _BLOCK[1]))
        self.ok()

    @rule(r"AT\+CIPSENDLCFG\?", tag="CIPSENDLCFG")
    def query_long_send(self, _: re.Match[str]) -> None:
        """``AT+CIPSENDLCFG?``."""
        report, block = self.session.long_send
        self.say(f"+CIPSENDLCFG:{report},{block}")
        self.ok()

    @rule(r"AT\+TRANSINTVL=(.*)", tag="TRANSINTVL")
    def set_interval(self, match: re.Match[str]) -> None:
        """``AT+TRANSINTVL=0..1000``: milliseconds that end a block in transparent mode."""
        self.session.block_end = self.one(match[1], 0, 1000)
        self.ok()

    @rule(r"AT\+TRANSINTVL\?", tag="TRANSINTVL")
    def query_interval(self, _: re.Match[str]) -> None:
        """``AT+TRANSINTVL?``: 20 ms unless set."""
        self.say(f"+TRANSINTVL:{self.session.block_end}")
        self.ok()

    @rule(r"AT\+CIPSTARTEX=(.*)", tag="CIPSTARTEX")
    async def open_any(self, match: re.Match[str]) -> None:
        """``AT+CIPSTARTEX="type",...``: AT+CIPSTART on the lowest free id."""
        free = next((number for number, link in enumerate(self.links) if link is None), None)
        if free is None or not self.session.mux:
            raise CommandError()
        await self.start_link(f"{free},{match[1]}")

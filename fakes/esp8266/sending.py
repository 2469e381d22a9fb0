"""AT+CIPSEND with a length, and transparent transmission (DOC AT+CIPSEND, AT+CIPMODE)."""

from __future__ import annotations

import asyncio
import re

from ..engine import CommandError, rule
from ..errors import UnreachableError
from .arguments import Arguments
from .link import Link
from .server import ServerCommands

__all__ = ["SendCommands"]

_PROMPT_TIME = 0.004  # seconds from the command to the prompt (3..5 ms, esp-at #465)
_RECV_TIME = 0.004  # from the last payload byte to "Recv"
_LOCAL_TIME = 0.007  # from "Recv" to SEND OK on a LAN, ESP-AT
_ROUND_TRIP = 0.02  # N17: peer's acknowledgement on a LAN
_POLL = 0.002  # real seconds between looks at the kernel's send queue
_ESCAPE = b"+++"


class SendCommands(ServerCommands):
    """Payload from the host to a link."""

    @rule(r"AT\+CIPSEND=(.*)", tag="CIPSEND")
    async def send(self, match: re.Match[str]) -> None:
        """``AT+CIPSEND=[id,]length[,"host",port]``."""
        link, length, target = await self.send_parameters(match[1], self.profile.send_limit)
        await self.send_prompt()
        payload = await self.take(length, prompt=self.profile.prompt[-1], escape=_ESCAPE)
        if payload is None:
            self.note("cancelled", f"{link.number}")
            self.final("SEND Canceled")
            return
        await self.send_payload(link, payload, target)

    async def send_parameters(
        self, text: str, limit: int
    ) -> tuple[Link, int, tuple[str, int] | None]:
        """``[id,]length[,"host",port]``: link, length, and target if there is one."""
        arguments = Arguments(text)
        number, at = self.take_id(arguments)
        arguments.expect(at + 1, at + 3)
        if self.session.transparent:
            raise CommandError("IPMODE=1")
        # Length 0 has no evidence in any log or manual: refused.
        length = arguments.number(at, 1, limit, reason="too long")
        link = self.links[number]
        if link is None:
            raise CommandError("link is not valid")
        target: tuple[str, int] | None = None
        if len(arguments) > at + 1:
            if not link.is_udp:
                raise CommandError("Link typ ERROR")
            host = arguments.text(at + 1, 64)
            port = arguments.number(at + 2, 1, 65535)
            target = (await self.address_for(link.kind, host), port)
        return link, length, target

    async def send_prompt(self) -> None:
        """Everything of the prompt but its last literal."""
        await self.sleep(_PROMPT_TIME)
        for literal in self.profile.prompt[:-1]:
            self.raw(literal)

    async def send_payload(
        self, link: Link, payload: bytes, target: tuple[str, int] | None
    ) -> None:
        """From the last payload byte to the result."""
        await self.sleep(_RECV_TIME)
        self.raw(f"\r\nRecv {len(payload)} bytes\r\n".encode())
        self.phase = "send"
        delivered = await self.deliver(link, payload, target)
        self.final("SEND OK" if delivered else "SEND FAIL")

    async def deliver(self, link: Link, payload: bytes, target: tuple[str, int] | None) -> bool:
        """Send on the real socket; True is SEND OK."""
        if self.links[link.number] is not link:
            return False
        link.active_at = asyncio.get_running_loop().time()
        if link.is_udp:
            await self.sleep(_LOCAL_TIME)
            return self.deliver_datagram(link, payload, target)
        return await self.deliver_stream(link, payload)

    def deliver_datagram(self, link: Link, payload: bytes, target: tuple[str, int] | None) -> bool:
        """A datagram that cannot leave the simulated world is lost, not an error."""
        assert link.udp is not None
        address, port = target or link.remote
        if address in ("0.0.0.0", "::") or not port:
            return False  # no destination known (INF)
        try:
            return link.udp.send(payload, address, port)
        except UnreachableError:
            self.note("guard", f"udp {address}:{port}")
            return True

    async def deliver_stream(self, link: Link, payload: bytes) -> bool:
        """ESP-AT: done when handed to the stack; N17: when the peer acknowledged."""
        assert link.tcp is not None
        limit = self.options_of(link.number)[2] / 1000 * self.time_scale
        try:
            if limit:
                async with asyncio.timeout(limit):
                    await link.tcp.write(payload)
            else:
                await link.tcp.write(payload)
        except OSError:  # TimeoutError is one
            return False
        if not self.profile.nonos:
            await self.sleep(_LOCAL_TIME)
            return True
        await self.sleep(_ROUND_TRIP)
        # Delivered to the peer's receive queue: its kernel acknowledges, at once or delayed.
        while link.tcp.unsent():
            await asyncio.sleep(_POLL)
            if self.links[link.number] is not link:
                return False
        return not link.tcp.reset

    # ---- transparent transmission ------------------------------------------------------

    @rule(r"AT\+CIPMODE=(.*)", tag="CIPMODE")
    def set_transparent(self, match: re.Match[str]) -> None:
        """``AT+CIPMODE=0/1``: 1 only with AT+CIPMUX=0 and no server."""
        mode = self.one(match[1], 0, 1)
        if mode and (self.session.mux or self.listener is not None):
            raise CommandError("CIPMUX and CIPSERVER must be 0")
        self.session.transparent = mode
        self.ok()

    @rule(r"AT\+CIPMODE\?", tag="CIPMODE")
    def query_transparent(self, _: re.Match[str]) -> None:
        """``AT+CIPMODE?``."""
        self.say(f"+CIPMODE:{self.session.transparent}")
        self.ok()

    @rule(r"AT\+CIPSEND", tag="CIPSEND")
    async def send_transparent(self, _: re.Match[str]) -> None:
        """``AT+CIPSEND`` with AT+CIPMODE=1: raw both ways until ``+++``, which has no answer."""
        link = self.links[0]
        if not self.session.transparent:
            raise CommandError("IPMODE=0")
        if link is None:
            raise CommandError("link is not valid")
        await self.sleep(_PROMPT_TIME)
        self.raw(b"\r\nOK\r\n")
        self.raw(b"\r\n>")
        await self.transparent_phase(link)
        if self.now.message & 1:
            self.raw(b"\r\n+QUITT\r\n")

    async def transparent_phase(self, link: Link) -> None:
        """Raw both ways until the escape sequence."""
        self.phase = "transparent"
        self.service(link)
        with self.intake.held():  # between two blocks nothing is read as a command
            while True:
                payload = await self.take_some(
                    self.profile.block, escape=_ESCAPE, guard=self.session.block_end / 1000
                )
                if payload is None:
                    break
                if self.links[0] is link:
                    await self.deliver(link, payload, None)
                else:
                    self.note("lost", f"{len(payload)} bytes in transparent mode")

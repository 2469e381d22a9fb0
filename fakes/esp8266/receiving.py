"""From a link to the host: +IPD (active and passive), CIPRECVDATA, CLOSED of the peer."""

from __future__ import annotations

import asyncio
import re

from ..engine import CommandError, rule
from .arguments import Arguments
from .base import LINKS
from .link import Link
from .links import _ALL
from .longsend import LongSendCommands

__all__ = ["ReceiveCommands"]

_BURST = 16  # frames pushed before other tasks get their turn
_DATAGRAM = 1472  # bytes; a larger one needs IP reassembly (DOC), which the image lacks


class ReceiveCommands(LongSendCommands):
    """Reading from links, and noticing their end."""

    # ---- settings ----------------------------------------------------------------------

    @rule(r"AT\+CIPDINFO=(.*)", tag="CIPDINFO")
    def set_info(self, match: re.Match[str]) -> None:
        """``AT+CIPDINFO=0/1``: peer address in +IPD (and in +CIPRECVDATA on ESP-AT)."""
        self.session.info = self.one(match[1], 0, 1)
        self.ok()

    @rule(r"AT\+CIPDINFO\?", tag="CIPDINFO")
    def query_info(self, _: re.Match[str]) -> None:
        """``AT+CIPDINFO?``: upper case on N17."""
        word = "true" if self.session.info else "false"
        self.say(f"+CIPDINFO:{word.upper() if self.profile.nonos else word}")
        self.ok()

    @rule(r"AT\+CIPRECVMODE=(.*)", tag="CIPRECVMODE")
    def set_receive_mode(self, match: re.Match[str]) -> None:
        """``AT+CIPRECVMODE=0/1``: all links; on N17 TCP only. Affects data that comes later."""
        mode = self.one(match[1], 0, 1)
        self.session.receive_mode = mode
        self.session.receive_types = [mode] * LINKS
        self.ok()

    @rule(r"AT\+CIPRECVMODE\?", tag="CIPRECVMODE")
    def query_receive_mode(self, _: re.Match[str]) -> None:
        """``AT+CIPRECVMODE?``."""
        self.say(f"+CIPRECVMODE:{self.session.receive_mode}")
        self.ok()

    @rule(r"AT\+CIPRECVTYPE=(.*)", tag="CIPRECVTYPE")
    def set_receive_type(self, match: re.Match[str]) -> None:
        """``AT+CIPRECVTYPE=[id,]mode`` (v3.3): per link, id 5 all."""
        arguments = Arguments(match[1])
        number, at = self.take_id(arguments, all_allowed=True)
        arguments.expect(at + 1, at + 1)
        mode = arguments.number(at, 0, 1)
        for chosen in range(LINKS) if number == _ALL else (number,):
            self.session.receive_types[chosen] = mode
        self.ok()

    @rule(r"AT\+CIPRECVTYPE\?", tag="CIPRECVTYPE")
    def query_receive_type(self, _: re.Match[str]) -> None:
        """``AT+CIPRECVTYPE?``."""
        if self.session.mux:
            rows = enumerate(self.session.receive_types)
            self.say(*(f"+CIPRECVTYPE:{number},{mode}" for number, mode in rows))
        else:
            self.say(f"+CIPRECVTYPE:{self.session.receive_types[0]}")
        self.ok()

    def passive(self, link: Link) -> bool:
        """Whether the host has to ask for this link's data."""
        if self.profile.nonos and link.is_udp:
            return False
        return bool(self.session.receive_types[link.number])

    # ---- arriving data -----------------------------------------------------------------

    def service(self, link: Link) -> None:
        """The link's socket changed: announce, push, or notice the end."""
        if self.links[link.number] is not link:
            return
        if self.phase == "transparent" and link.number == 0:
            self.push(link, bare=True)
        elif self.passive(link):
            self.announce(link)
        else:
            self.push(link)

    def announce(self, link: Link) -> None:
        """Passive: one +IPD until it is answered (ESP-AT), growing totals (N17)."""
        if link.udp is not None:
            self.collect(link)
        waiting = link.waiting()
        if self.profile.nonos:
            if waiting > link.announced:
                link.announced = waiting
                self.announce_line(link, waiting)
        elif waiting and not link.announced:
            link.announced = waiting
            self.announce_line(link, waiting)
        tcp = link.tcp
        if tcp is not None and tcp.ended:
            if self.profile.nonos:
                # CLOSED at once; unread data stays until the id is used again (DRV).
                rest = bytearray()
                while piece := tcp.read(65536):
                    rest += piece
                if rest:
                    self.leftover[link.number] = rest
                self.drop_link(link)
            elif link.finished:
                self.drop_link(link)

    def announce_line(self, link: Link, waiting: int) -> None:
        """``CR LF +IPD,[id,]n CR LF``: no colon, no data, AT+CIPDINFO ignored."""
        link.active_at = asyncio.get_running_loop().time()
        number = f"{link.number}," if self.session.mux else ""
        self.raw(f"\r\n+IPD,{number}{waiting}\r\n".encode())

    def collect(self, link: Link) -> None:
        """Passive UDP: datagrams go to a buffer of the window's size; the rest is lost."""
        assert link.udp is not None
        while (received := link.udp.receive()) is not None:
            data = received[0]
            if not data:
                continue
            if link.waiting() + len(data) > self.profile.window:
                self.note("datagram lost", f"{link.number} {len(data)} bytes")
                continue
            link.datagrams.append(data)

    def push(self, link: Link, *, bare: bool = False) -> None:
        """Active: frames as fast as the host takes them, CLOSED behind the last one."""
        for _ in range(_BURST):
            if self.links[link.number] is not link:
                return
            if self.output_full and self.options.flow != "none":
                self.push_later(link)
                return
            if self.output_full and not self.wire.outward.paused:
                self.push_later(link)  # the module waits for its own transmitter
                return
            if link.tcp is not None:
                data = link.tcp.read(self.profile.push_limit)
                peer = link.remote
                if not data:
                    if link.tcp.ended:
                        self.drop_link(link)
                    return
            else:
                assert link.udp is not None
                received = link.udp.receive()
                if received is None:
                    return
                data, peer = received
                if not data:
                    continue  # a zero-length datagram is never reported
                if len(data) > _DATAGRAM:
                    self.note("datagram lost", f"{link.number} {len(data)} bytes")
                    continue
                self.follow(link, peer)
            self.frame(link, data, peer, bare)
        self.push_later(link)

    def follow(self, link: Link, peer: tuple[str, int]) -> None:
        """UDP modes: 0 keeps its destination, 1 changes once, 2 follows the sender."""
        link.last_peer = peer
        if link.udp_mode == 2 or (
            link.udp_mode == 1 and not link.changed_once and peer != link.remote
        ):
            link.changed_once = True
            link.remote = peer

    def frame(self, link: Link, data: bytes, peer: tuple[str, int], bare: bool) -> None:
        """One +IPD with data (one literal), or bare data in transparent mode."""
        link.active_at = asyncio.get_running_loop().time()
        if self.wire.outward.paused:
            # Only with flow "none": the host does not read and nothing stops the module.
            self.note("overrun", f"{link.number} {len(data)} bytes to the host")
            return
        if bare:
            self.raw(data)
            return
        number = f"{link.number}," if self.session.mux else ""
        origin = ""
        if self.session.info:
            quote = '"' if self.profile.quoted_peer else ""
            origin = f",{quote}{peer[0]}{quote},{peer[1]}"
        self.raw(f"\r\n+IPD,{number}{len(data)}{origin}:".encode() + data)

    def push_later(self, link: Link) -> None:
        """Go on when the host has taken output; one task per link."""
        if not link.pushing:
            link.pushing = True
            self.spawn(self.push_when_room(link))

    async def push_when_room(self, link: Link) -> None:
        """Wait for room, then serve the link again."""
        try:
            await asyncio.sleep(0)
            if self.options.flow == "none" and self.wire.outward.paused:
                await asyncio.sleep(0.001)
            else:
                await self.output_room()
        finally:
            link.pushing = False
        self.service(link)

    # ---- reading on demand -------------------------------------------------------------

    @rule(r"AT\+CIPRECVDATA=(.*)", tag="CIPRECVDATA")
    def read_data(self, match: re.Match[str]) -> None:
        """``AT+CIPRECVDATA=[id,]length``: what there is, at most length; ERROR when nothing."""
        arguments = Arguments(match[1])
        number, at = self.take_id(arguments)
        arguments.expect(at + 1, at + 1)
        length = arguments.number(at, 1, self.profile.read_limit)
        link = self.links[number]
        rest = self.leftover.get(number)
        if link is None and rest is None:
            raise CommandError("link is not valid")
        if link is not None and not self.passive(link):
            raise CommandError()
        if link is None:
            assert rest is not None
            data = bytes(rest[:length])
            del rest[:length]
            if not rest:
                del self.leftover[number]
        else:
            data = link.read(length)
        if not data:
            if link is not None:  # ERROR, then CLOSED: the end of a TLS stream (esp-at #729)
                self.later(0, lambda: self.service(link))
            raise CommandError()
        self.answer_data(link, data)
        if link is not None:
            link.announced = max(0, link.announced - len(data)) if self.profile.nonos else 0
            link.active_at = asyncio.get_running_loop().time()
            self.service(link)

    def answer_data(self, link: Link | None, data: bytes) -> None:
        """N17 ``CR LF +CIPRECVDATA,n:data``; ESP-AT ``+CIPRECVDATA:n,[peer]data``; then OK."""
        if self.profile.nonos:
            form = ",%d:" if self.options.read_form == "literal" else ":%d,"
            self.raw(b"\r\n+CIPRECVDATA" + (form % len(data)).encode() + data)
        else:
            origin = ""
            if self.session.info and link is not None:
                # Passive UDP names the AT+CIPSTART peer, not the sender (esp-at #994).
                origin = f'"{link.remote[0]}",{link.remote[1]},'
            self.raw(f"+CIPRECVDATA:{len(data)},{origin}".encode() + data)
        self.ok()

    @rule(r"AT\+CIPRECVLEN\?", tag="CIPRECVLEN")
    def read_lengths(self, _: re.Match[str]) -> None:
        """``AT+CIPRECVLEN?``: five lengths; 0 or -1 for an unused link by generation."""
        lengths = []
        for number, link in enumerate(self.links):
            if link is not None:
                if link.udp is not None and self.passive(link):
                    self.collect(link)
                lengths.append(link.waiting() if self.passive(link) else 0)
            elif number in self.leftover:
                lengths.append(len(self.leftover[number]))
            else:
                lengths.append(self.profile.idle_length)
        self.say(f"+CIPRECVLEN:{','.join(map(str, lengths))}")
        self.ok()

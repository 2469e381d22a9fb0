"""What happens by itself in an Espressif module: notices, the WiFi, data that nobody announced."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

from atdriver.engine import SHIFTED
from atdriver.errors import MalformedReply
from atdriver.events import Anomaly, Received
from atdriver.syntax import fields, number
from modems.clock import now
from modems.esp8266 import commands
from modems.esp8266.dialect import LINKS
from modems.esp8266.tls import Esp8266Tls
from modems.lifecycle import ModuleState
from modems.recovery import Trouble
from modems.sockets import ModuleSocket, sender_of
from modems.table import log
from netsocket import errors
from netsocket.stack import InterfaceStatus, Kind

POLL_INTERVAL = 3.0
"""Seconds between looks at the waiting lengths: notices were lost by several versions (esp-at
issues 280 and 294), so they alone are not trusted."""
LOOK_AT = 5
"""Every so many of these looks the open links are asked for as well: `n,CLOSED` may be lost, too,
and whoever reads without a time-out would wait for ever."""
JOIN_AT = 2
"""The first look for a lost WiFi that joins anew: most firmware does so by itself."""
AT_ONCE = 1.0
"""Seconds within which connections that end have perhaps one reason: the WiFi is lost, and the line
that says so got lost as well."""
CHECK_DELAY = 0.5
"""Seconds from a notice that the WiFi is back to the look at the links."""
MISSING = frozenset(
    {"payload stalled", "line too long", "line broke off", "line held low", SHIFTED}
)
"""Anomalies that may be pieces of pushed data."""


class Esp8266Notices(Esp8266Tls):
    """The part of the stack that nobody calls."""

    network_trouble = Trouble.AIR

    def _notice(self, name: str, text: bytes) -> None:
        if name == "data":
            sock = self._by_link(text[5] - 0x30)
            if sock is not None:
                self._announce(sock, number(text[7:], 0, 2**31, "length"))
        elif name in ("closed", "connect_failed"):
            self._on_closed(text[0] - 0x30)
        elif name == "connect":
            self._on_connect(text[0] - 0x30)
        elif name == "link":
            try:
                self._on_link(text)
            except (MalformedReply, IndexError):
                self.anomalies += 1
        elif name == "wifi_disconnect":
            self._on_air_lost()
        elif name == "wifi_connected":
            self._on_air_back()
        elif name == "wifi_got_ip":
            self._air_lost = False
            if self._wanted_up and self.life.state is ModuleState.IP_READY:
                self._check_links_soon()
                if self._status is not InterfaceStatus.GLOBAL_UP and not self._returning:
                    self._returning = True
                    self._spawn(self._came_back())

    def _on_air_lost(self) -> None:
        self._air_lost = True
        if self._wanted_up and self.life.state is ModuleState.IP_READY:
            self._recovery.meet(Trouble.AIR, errors.NetworkDown("the WiFi connection was lost"))

    def _on_air_back(self) -> None:
        """Joined again, and nobody heard that it was lost: an end that was not told yet came from
        that, as far as we know, and not from the peer."""
        if self._air_lost or not self._wanted_up or self.life.state is not ModuleState.IP_READY:
            return
        for sock in self._sockets.values():
            if sock.peer_closed:
                self._lost_its_air(sock)

    def _lost_its_air(self, sock: ModuleSocket) -> None:
        sock.link = None
        self._break(sock, errors.ConnectionReset("the WiFi connection was lost"))

    async def _look_at_network(self) -> None:
        for _ in range(2):  # "in none" may as well be a question that was refused
            if await self._wifi.current(self.channel, self.firmware) is not None or self._air_lost:
                return
            await asyncio.sleep(CHECK_DELAY)
        self._on_air_lost()

    async def _came_back(self) -> None:
        """The WiFi is back by itself, perhaps with another address."""
        try:
            address = await self._wifi.own_address(self.channel, self.firmware)
            if address and not self._air_lost and self.life.state is ModuleState.IP_READY:
                self._address = address
                self._set_status(InterfaceStatus.GLOBAL_UP)
                self._recovery.up()
        finally:
            self._returning = False

    def _verify(self, name: str, text: bytes) -> bool:
        del text  # all links are asked for at once
        if name not in ("closed", "connect_failed"):
            return False
        if not self._checking:
            self._checking = True
            self._spawn(self._check_closed())
        return True

    async def _check_closed(self) -> None:
        try:
            await self._check_links("the connection ended while the serial line was disturbed")
        except OSError as error:
            log.debug("%s: looking at the links: %s", self.name, error)
        finally:
            self._checking = False

    def _on_closed(self, link: int) -> None:
        self._resting.pop(link, None)
        sock = self._by_link(link)
        if sock is None:
            return
        if self._air_lost:  # no peer's doing
            self._lost_its_air(sock)
            return
        sock.peer_closed = True
        if not sock.closing:
            self._look_for_company(sock)
        if not sock.pull and not sock.in_company:
            sock.drained = True
        self._wake(sock)

    def _look_for_company(self, sock: ModuleSocket) -> None:
        sock.ended = now()
        company = [each for each in self._sockets.values() if sock.ended - each.ended < AT_ONCE]
        if len(company) == 1:
            return
        for each in company:
            if each.pull and not each.drained:
                each.in_company = True  # asked for when all is read
            elif not each.pull:
                each.in_company, each.drained = True, False
        if not self._judging and any(each.in_company and not each.pull for each in company):
            self._judging = True
            self._spawn(self._judge_ends())

    async def _judge_ends(self) -> None:
        """Of pushed data, behind which no read comes to nothing."""
        try:
            while company := [
                each for each in self._sockets.values() if each.in_company and not each.pull
            ]:
                try:
                    await self._still_joined(company[0])
                except OSError as error:
                    why = f"whether its peer ended it cannot be found out: {error}"
                    for each in company:
                        each.in_company = False
                        self._break(each, errors.ConnectionReset(why))
                for each in company:
                    each.drained = True
                    self._wake(each)
        finally:
            self._judging = False

    async def _still_joined(self, sock: ModuleSocket) -> bool:
        """Whether the end of a connection may be its peer's doing. Asked only where several ended
        at once; what is found then holds for all of them."""
        if not sock.in_company:
            return True
        company = [each for each in self._sockets.values() if each.in_company]
        await self._look_at_network()
        for each in company:
            each.in_company = False
            if self._air_lost:
                self._lost_its_air(each)
        return not self._air_lost

    def _pushed(self, event: Received) -> None:
        data = event.data
        if data.head.name != "ipd":  # an answer to nothing: what was given up is waited out
            self._doubt_the_last()
            return
        sock = self._by_link(int(data.fields["link"]))
        if sock is None:
            return
        if sock.pull:  # its data is never pushed: somebody's payload behind a damaged answer
            self.anomalies += 1
            self._doubt_the_last()
        elif event.doubtful:
            if sock.kind is Kind.TCP:
                why = "received bytes may be another connection's: the serial line was disturbed"
                self._break(sock, errors.ConnectionReset(why))
        else:
            self._receive(sock, data.payload, sender_of(data.fields))

    def _on_anomaly(self, event: Anomaly) -> None:
        """In push mode text that fits nothing may be what is left of a stream's bytes, or the rest
        of a start banner whose beginning was counted as data."""
        pushes = any(not sock.pull and sock.connected for sock in self._sockets.values())
        if event.reason == "unknown line" and pushes:
            self.channel.suspect("unknown text where data is pushed")
        head = b"IPD," in event.sample
        if not event.behind and not head and event.reason not in MISSING:
            return
        why = errors.ConnectionReset(f"bytes may be missing on the serial line ({event.reason})")
        for sock in self._sockets.values():
            if not sock.pull and sock.kind is Kind.TCP:
                sock.buffer.clear()  # which of it is right, nobody knows
                self._break(sock, why)

    async def _attach_again(self, attempt: int) -> None:
        """WIFI GOT IP may be lost, and not every firmware joins again by itself."""
        await self._check_links()
        if attempt >= JOIN_AT:
            self._address = await self._wifi.join(self.channel, self.firmware)
        elif address := await self._wifi.own_address(self.channel, self.firmware):
            self._address = address
        else:
            raise errors.NetworkDown("the WiFi is not back yet")
        self._air_lost = False

    def _check_links_soon(self) -> None:
        """Once for many notices: a module may print one with every command, ours included."""
        if not self._check_due:
            self._check_due = True
            self._spawn(self._check_links_once())

    async def _check_links_once(self) -> None:
        await asyncio.sleep(CHECK_DELAY)
        self._check_due = False
        await self._check_links()
        self._address = await self._wifi.own_address(self.channel, self.firmware) or self._address

    async def _check_links(
        self, why: str = "the WiFi connection was lost", *, unread: bool = True
    ) -> None:
        """Ask which links are open, and end the sockets whose link is not, with `unread` also those
        for which the module may still hold something."""
        open_links = await self._rows()
        for sock in list(self._sockets.values()):
            if sock.link is None or sock.connecting or sock.peer_closed:
                continue
            if sock.link not in open_links and (unread or not sock.announced):
                sock.link = None
                self._break(sock, errors.ConnectionReset(why))
        self._accept_missed(open_links)

    async def _open_links(self) -> set[int]:
        return set(await self._rows())

    async def _poll(self) -> None:
        for count in itertools.count(1):
            await asyncio.sleep(POLL_INTERVAL)
            held = [sock for sock in self._sockets.values() if sock.link is not None]
            with contextlib.suppress(OSError):
                if any(sock.pull for sock in held):
                    await self._look_for_data()
                if (held or self._listener is not None) and count % LOOK_AT == 0:
                    await self._check_links("it ended, and the notice of it was lost", unread=False)

    async def _look_for_data(self) -> None:
        for link, length in (await self._waiting()).items():
            sock = self._by_link(link)
            if sock is not None and length > 0 and not sock.announced:
                self._announce(sock, length)

    async def _waiting(self) -> dict[int, int]:
        """Bytes that each link holds; -1 or 0 for an unused one."""
        reply = await self.channel.run(commands.waiting())
        if not reply.lines:
            return {}
        lengths = fields(reply.lines[0].partition(b":")[2])[:LINKS]
        return {link: number(n, -1, 2**31, "length") for link, n in enumerate(lengths)}

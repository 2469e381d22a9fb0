"""The one listening port of an Espressif module, and telling accepted links from opened ones.

The module accepts by itself and hands out the lowest free link id (ESP-AT User Guide, TCP/IP AT
Commands: AT+CIPSERVER). Links that the driver opens are therefore numbered from the top while it
listens, and where the firmware can it is asked to print `+LINK_CONN`, which names the peer and the
side that opened the link, instead of the bare `<id>,CONNECT` (AT+SYSMSG, bit 1).
"""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from atdriver.errors import CommandFailed, MalformedReply
from atdriver.syntax import fields, number, string
from modems.clock import now
from modems.commands import query, simple
from modems.esp8266 import commands
from modems.esp8266.dialect import LINKS
from modems.esp8266.setup import Esp8266Setup
from modems.sockets import ModuleSocket
from netsocket import errors
from netsocket.address import SocketAddress

QUARANTINE = 1.0
"""Seconds a link id rests after a failed open: its CLOSED may still come."""
DETAILS = 2
"""AT+SYSMSG, bit 1: +LINK_CONN in place of CONNECT."""
NOWHERE = SocketAddress("0.0.0.0", 0)
"""The peer of a connection that ended before anybody could ask who it was."""


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One open link, as AT+CIPSTATUS lists it."""

    remote: SocketAddress
    server: bool
    """Whether the module accepted it."""


class Esp8266Server(Esp8266Setup):
    """Listening and the bookkeeping of link ids."""

    # -- links --------------------------------------------------------------------------------

    @abc.abstractmethod
    async def _waiting(self) -> dict[int, int]:
        """Bytes that each link holds."""

    def _takes_link(self, sock: ModuleSocket) -> bool:
        return not sock.listening  # the listening port is beside the five links

    async def _rows(self) -> dict[int, LinkRow]:
        """The open links by id."""
        try:
            reply = await self.channel.run(commands.links())
        except CommandFailed:
            reply = await self.run(query("AT+CIPSTATE?", rb"\+CIPSTATE:[0-4],.*"))
        found = {}
        for row in reply.lines:
            name, _, rest = row.partition(b":")
            if name != b"STATUS":
                parts = fields(rest)
                link = number(parts[0], 0, LINKS - 1, "link id")
                by_server = parts[5:6] == [b"1"]  # by position: some builds add fields
                try:
                    found[link] = LinkRow(_peer(parts[2:4]), by_server)
                except MalformedReply:
                    found[link] = LinkRow(NOWHERE, by_server)
        return found

    async def _free_link(self) -> int:
        """An id that is neither used nor resting; waits for a resting one.

        The lowest, but from the top while the module accepts, which takes the lowest itself.
        """
        order = range(LINKS) if self._listener is None else range(LINKS - 1, -1, -1)
        for _ in range(40):
            moment = now()
            used = {sock.link for sock in self._sockets.values()} | self._surplus
            for link in order:
                if link not in used and self._resting.get(link, 0.0) <= moment:
                    self._resting.pop(link, None)
                    return link
            await asyncio.sleep(0.05)
        raise errors.NoSocket("no link id is free: a closed one has not been confirmed yet")

    async def _set_type(self, link: int, *, pull: bool) -> None:
        """How this link's data comes, where that is set per link (AT+CIPRECVTYPE)."""
        if self._per_link_type:
            await self.run(simple(f"AT+CIPRECVTYPE={link},{int(pull)}"))
            self._pull_links[link] = pull

    # -- listening ----------------------------------------------------------------------------

    async def _start_listening(self, sock: ModuleSocket) -> None:
        other = self._listener
        if other is not None:
            raise errors.NotSupported(
                self.capabilities["tcp.listen"],
                f"the module has one listening port, and it is in use ({other.local_port})",
            )
        self._listener = sock
        self._served = True
        try:
            await self._prepare_links()
            await self._begin_server(sock)
        except BaseException:
            self._listener = None
            raise
        # After 180 silent seconds the module would cut an accepted link (AT+CIPSTO).
        await self._try("AT+CIPSTO=0")

    async def _prepare_links(self) -> None:
        """What has to be so before the first connection comes in."""
        await self._want_details()
        # Ids that the server cannot take are left for connections that the driver opens.
        await self._try(f"AT+CIPSERVERMAXCONN={self._server_links}")
        pull = self._receive_mode != "push"
        used = {sock.link for sock in self._sockets.values()}
        for link in range(LINKS):
            if link not in used and self._pull_links.get(link, False) is not pull:
                await self._set_type(link, pull=pull)

    async def _want_details(self) -> None:
        if self._details_from is not None:
            return
        suffix = "_CUR" if self.firmware.family == "N" else ""
        former = 0
        try:
            reply = await self.channel.run(query(f"AT+SYSMSG{suffix}?", rb"\+SYSMSG(?:_CUR)?:\d"))
            former = number(reply.lines[0].partition(b":")[2], 0, 7) if reply.lines else 0
        except (CommandFailed, MalformedReply):
            pass  # the question came later than the setting
        if await self._try(f"AT+SYSMSG{suffix}={former | DETAILS}"):
            self._details_from = former

    async def _begin_server(self, sock: ModuleSocket) -> None:
        kind = ',"TCPv6"' if sock.family == 10 else ""
        command = simple(f"AT+CIPSERVER=1,{sock.local_port}{kind}")
        try:
            reply = await self.channel.run(command)
            if b"no change" in reply.reasons:  # NonOS: a server of somebody else's runs
                await self._try("AT+CIPSERVER=0")
                await self.channel.run(command)
        except CommandFailed as error:
            raise errors.AddressInUse(
                f"the module does not listen on port {sock.local_port} (it gives no reason)",
                module_code=error.final.decode("ascii", "replace"),
            ) from error

    async def _stop_listening(self, sock: ModuleSocket) -> None:
        del sock  # there is one
        try:
            await self.run(simple("AT+CIPSERVER=0"))
        finally:
            self._listener = None

    def _lost(self, error: OSError) -> None:
        self._listener = None
        super()._lost(error)

    async def _restore(self) -> None:
        if self._details_from is not None:
            suffix = "_CUR" if self.firmware.family == "N" else ""
            await self._try(f"AT+SYSMSG{suffix}={self._details_from}")
            self._details_from = None
        if self._served:
            await self._try(f"AT+CIPSERVERMAXCONN={LINKS}")
            await self._try("AT+CIPSTO=180")
            self._served = False
        await super()._restore()

    # -- connections that come ----------------------------------------------------------------

    def _on_link(self, text: bytes) -> None:
        """`+LINK_CONN:<status>,<id>,<type>,<by server>,<remote>,<port>,<local port>`."""
        parts = fields(text.partition(b":")[2])
        link = number(parts[1], 0, LINKS - 1, "link id")
        if parts[0] != b"0":
            self._on_closed(link)
        elif parts[3] == b"1":
            self._on_accepted(link, _peer(parts[4:6]))
        else:
            self._on_stranger(link)

    def _on_connect(self, link: int) -> None:
        """The bare notice. Answers of AT+CIPSTART do not come here, so nobody asked for it."""
        if self._listener is None:
            self._on_stranger(link)
        else:
            self._on_accepted(link, None)

    @abc.abstractmethod
    def _on_closed(self, link: int) -> None:
        """The module has closed a link."""

    def _on_stranger(self, link: int) -> None:
        """A link that nobody opened: close it, or its data would land anywhere."""
        if self._by_link(link) is None:
            self._close_surplus(link)

    def _close_surplus(self, link: int) -> None:
        if link in self._surplus:  # it is being closed, however often it is told
            return
        self._surplus.add(link)
        self._spawn(self._closing_surplus(link))

    async def _closing_surplus(self, link: int) -> None:
        try:
            await self._try(f"AT+CIPCLOSE={link}")
        finally:
            self._surplus.discard(link)

    def _on_accepted(self, link: int, remote: SocketAddress | None) -> None:
        self._displace(link)
        self._resting.pop(link, None)
        sock = self._incoming(self._listener, link, remote)
        if sock is None:
            self._close_surplus(link)
            return
        sock.pull = self._receive_mode != "push"
        sock.announced = sock.pull
        self._spawn(self._admit(sock, link))

    def _accept_missed(self, rows: Mapping[int, LinkRow]) -> None:
        """Connections that the module accepted and whose notice was lost: nobody would ever hear of
        them, and each would keep its id."""
        if self._listener is None:
            return
        for link, row in rows.items():
            known = self._by_link(link) is not None or link in self._surplus
            if row.server and not known and self._resting.get(link, 0.0) <= now():
                self._on_accepted(link, row.remote)

    def _displace(self, link: int) -> None:
        """The id has a new owner: whoever had it before has lost it."""
        old = self._by_link(link)
        if old is None:
            return
        old.link = None
        if old.connecting:
            return  # the attempt finds its id gone and takes another one
        if old.peer_closed and not old.announced and not old.reading:
            old.drained = True
            self._wake(old)
            return
        # NonOS reports the end at once and drops what was not read when the id is used again.
        self._break(old, errors.ConnectionReset("the connection ended before all was read"))

    async def _admit(self, sock: ModuleSocket, link: int) -> None:
        """What a fresh accepted link needs: its peer's name, its settings."""
        if sock.remote is None:
            peer = NOWHERE
            try:
                row = (await self._rows()).get(link)
                if row is not None and sock.link == link:
                    peer = row.remote
            finally:
                if self._listener is not None:
                    self._introduce(self._listener, sock, peer)
        if self._per_link_type and self._pull_links.get(link, False) is not sock.pull:
            await self._set_type(link, pull=sock.pull)

    async def _is_stolen(self, sock: ModuleSocket, link: int) -> bool:
        """After a failed AT+CIPSTART: whether a connection that came in has taken the id."""
        if sock.link != link:
            return True
        if self._listener is None or self._details_from is not None:
            return False
        row = (await self._rows()).get(link)  # CONNECT alone does not tell who opened it
        if row is None or not row.server:
            return False
        sock.link = None
        self._on_accepted(link, row.remote)
        return True


def _peer(parts: list[bytes]) -> SocketAddress:
    """A quoted address and a port. Raises MalformedReply."""
    try:
        return SocketAddress(string(parts[0]), number(parts[1], 0, 65535, "port"))
    except (ValueError, IndexError) as error:
        raise MalformedReply(f"not an address: {parts!r}") from error

"""Listening on a BG96, and the bookkeeping of connect ids.

A listener holds an id of its own, as every accepted connection does: the module takes the highest
free one, in the access mode of the listener, and tells with the notice `incoming` (TCP(IP) AT
Commands Manual V1.1, AT+QIOPEN and URC "incoming"). The id is in use from that moment, and its
`recv` can stand right behind. The driver's own ids are numbered from 0 up, away from those.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib

from atdriver.errors import MalformedReply
from atdriver.syntax import fields, number, string
from modems.bg96 import commands
from modems.bg96.dialect import NO_CONTEXT, SOCKETS
from modems.bg96.network import describe
from modems.bg96.setup import Bg96Setup
from modems.sockets import ModuleSocket
from netsocket import errors
from netsocket.address import SocketAddress

INCOMING = b'"TCP INCOMING"'
"""<service_type> of AT+QISTATE (TCP(IP) manual)."""


class Bg96Server(Bg96Setup):
    """TCP LISTENER and TCP INCOMING."""

    @abc.abstractmethod
    async def _open_id(self, sock: ModuleSocket, make: commands.MakeOpen) -> int:
        """Open what `make` says on a free id; the result code. Sets `sock.link`."""

    @abc.abstractmethod
    async def _discard(self, sock: ModuleSocket) -> None:
        """After a failed open the id stays taken until it is closed."""

    async def _free_link(self) -> int:
        """The lowest id nobody has; waits for one that is being closed again.

        An id whose open was given up comes last: its result may still be told, and would be taken
        for that of the next.
        """
        now = asyncio.get_running_loop().time()
        self._unsettled = {link: end for link, end in self._unsettled.items() if end > now}
        order = sorted(range(SOCKETS), key=lambda link: self._unsettled.get(link, 0.0))
        for _ in range(40):
            used = {sock.link for sock in self._sockets.values()} | self._surplus
            for link in order:
                if link not in used and link not in self._opening:
                    return link
            if not self._surplus:
                break
            await asyncio.sleep(0.05)
        raise errors.NoSocket(f"all {SOCKETS} connect ids are in use")

    # -- listening ----------------------------------------------------------------------------

    async def _start_listening(self, sock: ModuleSocket) -> None:
        port = sock.local_port
        try:
            code = await self._open_id(sock, lambda link: commands.open_listener(link, port))
        except BaseException:
            await self._discard(sock)
            raise
        if code == 0:
            return
        await self._discard(sock)
        if code == 556:
            raise errors.AddressInUse(f"port {port} is in use", module_code=str(code))
        if code == 571:
            raise errors.BadHandle("the socket was closed")
        if code in NO_CONTEXT:
            raise errors.NetworkDown(f"port {port}: {describe(code)}", module_code=str(code))
        raise errors.DeviceError(f"port {port}: {describe(code)}", module_code=str(code))

    async def _stop_listening(self, sock: ModuleSocket) -> None:
        link = sock.link
        if link is not None:
            try:
                await self.run(commands.close(link, 0))
            finally:
                sock.link = None

    # -- connections that come ----------------------------------------------------------------

    def _on_incoming(self, parts: list[bytes]) -> None:
        """`"incoming",<new id>,<listener's id>,<peer>,<port>`."""
        link = number(parts[1], 0, SOCKETS - 1, "connect id")
        listener = self._by_link(number(parts[2], 0, SOCKETS - 1, "connect id"))
        try:
            remote = SocketAddress(string(parts[3]), number(parts[4], 0, 65535, "port"))
        except ValueError as error:
            raise MalformedReply(f"not an address: {parts[3]!r}") from error
        self._displace(link)
        if self._incoming(listener, link, remote) is None:
            self._surplus.add(link)
            self._spawn(self._closing_surplus(link))

    async def _look_for_incoming(self) -> None:
        """Connections that the module accepted and whose notice was lost: nobody would ever hear of
        them, and each would keep its id. And listeners that it has lost."""
        rows = await self._socket_rows()
        for row in rows:
            link = number(row[0], 0, SOCKETS - 1, "connect id")
            if row[1] == INCOMING and self._by_link(link) is None and link not in self._surplus:
                self._on_incoming([b"incoming", row[0], row[7], row[2], row[3]])
        if self._unlisted(rows):  # a row may be lost on the serial line: only what is said twice
            for sock in self._unlisted(await self._socket_rows()):
                sock.link = None
                self._break(sock, errors.ConnectionReset("the module has lost the socket"))

    async def _socket_rows(self) -> list[list[bytes]]:
        reply = await self.run(commands.SOCKETS)
        return [fields(row.partition(b":")[2]) for row in reply.lines]

    def _unlisted(self, rows: list[list[bytes]]) -> list[ModuleSocket]:
        """Listeners of which the module says nothing."""
        listed = {row[0] for row in rows}
        return [
            sock
            for sock in self._sockets.values()
            if sock.link is not None
            and sock.listening
            and not sock.connecting
            and b"%d" % sock.link not in listed
        ]

    def _displace(self, link: int) -> None:
        """The module gives away free ids only: whoever thinks to have this one has not."""
        old = self._by_link(link)
        if old is None:
            return
        old.link = None
        if not old.connecting:  # an open under way finds its id gone and takes another one
            self._break(old, errors.ConnectionReset("the module has lost the socket"))

    async def _closing_surplus(self, link: int) -> None:
        try:
            with contextlib.suppress(OSError):
                await self._try(f"AT+QICLOSE={link},0")
        finally:
            self._surplus.discard(link)

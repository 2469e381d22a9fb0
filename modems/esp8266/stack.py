"""The Stack inside an Espressif AT module."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
from collections.abc import Sequence
from typing import NoReturn

from atdriver.errors import CommandFailed, CommandTimeout, MalformedReply, RestartSeen
from atdriver.exchange import Command, Reply
from atdriver.syntax import number, string
from atdriver.tokens import Head
from modems.clock import now
from modems.commands import simple
from modems.esp8266 import commands
from modems.esp8266.dialect import (
    ENCODER,
    LINKS,
    RECEIVED_E,
    RECEIVED_E_SENDER,
    RECEIVED_N,
)
from modems.esp8266.notices import Esp8266Notices
from modems.esp8266.server import QUARANTINE
from modems.sockets import ModuleSocket, sender_of
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import AccessPoint, Handle, InterfaceStatus, Kind, StackStatus

LONG_QUARANTINE = 30.0
"""Seconds it rests when a close got no answer."""
REFUSED_WITHIN = 2.5
"""A connect that fails faster than this was refused: a SYN that nobody answers is retried for at
least 3 s in every generation."""


class Esp8266Stack(Esp8266Notices):
    """See netsocket.stack.Stack; settings in modems.esp8266."""

    # -- links --------------------------------------------------------------------------------

    async def _connect_link(self, sock: ModuleSocket, address: SocketAddress) -> None:
        if address.family == 10:
            self._require_ipv6()
        if sock.local_port:
            raise errors.NotSupported(
                self.capabilities["tcp.bind_port"],
                "the module chooses the local port of a connection that it opens: AT+CIPSTART "
                "takes none for TCP",
            )
        sock.family = address.family
        sock.pull = self._receive_mode != "push"
        for _ in range(LINKS):
            if await self._connect_once(sock, address):
                return
        raise errors.NoSocket("connections that come in take every link id")

    async def _connect_once(self, sock: ModuleSocket, address: SocketAddress) -> bool:
        """Try one link id; False when an accepted connection has taken it meanwhile."""
        sock.link = link = await self._free_link()
        started = now()
        command = commands.start_tcp(link, address.host, address.port, sock.keepalive, tls=sock.tls)
        try:
            if sock.tls:
                await self._prepare_tls(sock, link)
            await self._set_type(link, pull=sock.pull)
            await self._write_options(sock)
            reply = await self._start_link(sock, link, command)
        except CommandFailed as error:
            if await self._is_stolen(sock, link):
                return False
            self._give_up_link(sock)
            self._raise_connect_error(error, address, now() - started, tls=sock.tls)
        except CommandTimeout as error:
            if await self._is_stolen(sock, link):
                return False
            await self._try(f"AT+CIPCLOSE={link}")
            self._give_up_link(sock)
            raise errors.ConnectTimeout(f"{address}: {error}") from error
        except BaseException:
            self._give_up_link(sock)
            raise
        if sock.link != link:
            return False
        if not reply.lines:
            # OK without CONNECT: nobody can be sure what is open.
            await self._try(f"AT+CIPCLOSE={link}")
            self._give_up_link(sock)
            raise errors.DeviceError(f"{address}: the module answered OK without CONNECT")
        return True

    async def _start_link(self, sock: ModuleSocket, link: int, command: Command) -> Reply:
        try:
            return await self.channel.run(command, began=sock.begin)
        except CommandFailed as error:
            if await self._is_stolen(sock, link):
                raise
            if b"ALREADY CONNECTED" not in error.reasons:
                if not error.reasons:  # some firmware gives none, whatever the cause
                    await self._try(f"AT+CIPCLOSE={link}")
                raise
        await self._try(f"AT+CIPCLOSE={link}")  # left open by somebody else
        return await self.channel.run(command, began=sock.begin)

    def _give_up_link(self, sock: ModuleSocket) -> None:
        if sock.link is not None and not sock.peer_closed:
            self._resting[sock.link] = now() + QUARANTINE
        sock.link = None
        sock.peer_closed = sock.drained = False

    def _raise_connect_error(
        self, error: CommandFailed, address: SocketAddress, elapsed: float, *, tls: bool
    ) -> NoReturn:
        code = error.final.decode("ascii", "replace")
        if b"DNS Fail" in error.reasons:
            raise errors.NameNotFound(
                f"{address.host}: name not found", module_code=code
            ) from error
        if b"no ip" in error.reasons or self._status is not InterfaceStatus.GLOBAL_UP:
            raise errors.NetworkDown("the WiFi connection is down", module_code=code) from error
        if elapsed < REFUSED_WITHIN:
            refused = "connection refused or TLS handshake failed" if tls else "connection refused"
            raise errors.ConnectionRefused(
                f"{address}: {refused} ({elapsed:.1f} s; the module gives no reason)",
                module_code=code,
            ) from error
        raise errors.ConnectTimeout(
            f"{address}: no connection after {elapsed:.0f} s (the module gives no reason)",
            module_code=code,
        ) from error

    async def _open_datagram_on(
        self, sock: ModuleSocket, peer: SocketAddress | None, port: int
    ) -> None:
        family = peer.family if peer is not None else sock.family
        if family == 10:
            self._require_ipv6()
        await self._want_sender_info()
        sock.link = link = await self._free_link()
        sock.family = family
        sock.pull = self._receive_mode == "pull_all"
        try:
            await self._set_type(link, pull=False)
            anybody = ("::", port) if family == 10 else None
            await self.channel.run(
                commands.start_udp(link, port, peer or anybody), began=sock.begin
            )
        except CommandFailed as error:
            self._give_up_link(sock)
            raise errors.AddressInUse(
                f"UDP port {port} cannot be opened: {error}", module_code=error.final.decode()
            ) from error
        except BaseException:
            self._give_up_link(sock)
            raise
        sock.first_peer = peer

    async def _want_sender_info(self) -> None:
        """CIPDINFO changes the form of every received block, so nothing may be read meanwhile."""
        async with self._form:
            if not self._sender_info:
                await self._show_senders()

    async def _show_senders(self) -> None:
        self._sender_info = None  # an answer that does not come leaves both possible
        await self.run(simple("AT+CIPDINFO=1"))
        self._sender_info = True

    async def _close_link(self, sock: ModuleSocket, *, abort: bool) -> None:
        link = sock.link
        assert link is not None
        if sock.peer_closed and (sock.drained or self._listener is not None):
            return  # the module has freed it already, and may have given it to the next peer
        if sock.kind is Kind.TCP and not sock.peer_closed:
            if abort or sock.linger == 0:
                await self._prepare_reset(sock)
            else:
                with contextlib.suppress(errors.DeviceError):
                    await self._write_options(sock)  # an earlier owner of the id may have reset
        if sock.link != link:
            return  # closed and given to somebody else meanwhile
        try:
            reply = await self.channel.run(commands.close(link), urgent=abort, began=sock.leave)
            if not reply.lines and sock.link == link:  # its CLOSED may come behind the next CONNECT
                self._resting[link] = now() + QUARANTINE
        except CommandFailed:
            pass  # UNLINK: closed by itself meanwhile
        except CommandTimeout:
            self._resting[link] = now() + LONG_QUARANTINE
            raise
        if sock.link != link:
            # The peer's close crossed ours: whether the id's new owner was hit, the module knows.
            self._spawn(self._check_links("the link was closed"))
        elif sock.kind is Kind.UDP and self._listener is not None:
            await self._set_type(link, pull=self._receive_mode != "push")

    async def _prepare_reset(self, sock: ModuleSocket) -> None:
        """Make the close of this link a reset, where the firmware can."""
        if self.firmware.family == "N":
            with contextlib.suppress(CommandFailed):
                mode = simple(f"AT+CIPCLOSEMODE={sock.link},1")
                await self.channel.run(mode, urgent=True)
        elif self.capabilities["tcp.abort"].supported:
            with contextlib.suppress(errors.DeviceError):
                await self._write_options(sock, abort=True)

    # -- data ---------------------------------------------------------------------------------

    @property
    def _readable(self) -> bool:
        """What is asked after this, in the same turn, is answered in the form that holds now:
        who changes CIPDINFO has to wait behind it."""
        return self._sender_info is not None and not self._form.locked()

    async def _make_readable(self) -> None:
        async with self._form:
            if self._sender_info is None:
                await self._show_senders()

    def _read_command(self, sock: ModuleSocket) -> Command:
        assert sock.link is not None
        return commands.read(
            sock.link, self.capabilities.limit("frame.max_recv"), self._block_head()
        )

    def _take_in(self, sock: ModuleSocket, link: int, reply: Reply) -> None:
        block = reply.block
        assert block is not None, "without it a read does not end well: see Engine._line"
        if sock.link != link:
            self._unclear_owner(link)
            return
        # A pulled datagram names the address that the link was opened with, whoever sent it.
        stream = sock.kind is Kind.TCP
        sender = None if stream else sock.first_peer or sender_of(block.fields)
        if not sock.deliver(block.payload, sender):
            return
        size = len(block.payload)
        sock.held = sock.held - size if sock.held > size else 0
        if sock.held or sock.tls or size >= self.capabilities.limit("frame.max_recv"):
            sock.announced = True  # TLS: one record at a time

    def _unclear_owner(self, link: int) -> None:
        """The id changed hands while it was read, and the bytes may be the new owner's: as neither
        stream is whole for certain, both end with an error."""
        new = self._by_link(link)
        if new is not None:
            self._break(new, errors.ConnectionReset("its first bytes may be lost"))

    def _block_head(self) -> Head:
        if self.firmware.family == "N":
            return RECEIVED_N
        return RECEIVED_E_SENDER if self._sender_info else RECEIVED_E

    async def _nothing_read(self, sock: ModuleSocket) -> None:
        """ERROR on a read means empty, or too little memory: the length tells them apart."""
        if sock.tls:  # lengths are estimates, of records: ERROR means nothing (esp-at issue 729)
            sock.drained = sock.peer_closed
            return
        try:
            held = (await self._waiting()).get(sock.link if sock.link is not None else -1, 0)
        except (CommandFailed, MalformedReply):
            held = 0
        sock.held = 0
        if held <= 0:
            sock.drained = sock.peer_closed and await self._still_joined(sock)
            return
        await asyncio.sleep(0.05)
        self._announce(sock)

    def _send_command(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress | None
    ) -> Command:
        if sock.link is None:
            raise sock.broken or errors.BrokenPipe("the connection is closed")
        if address is not None and sock.family not in (0, address.family):
            raise errors.AddressFamilyNotSupported(
                f"{address}: the socket was opened for the other version of IP"
            )
        remote = (address.host, address.port) if address is not None else None
        return commands.send(sock.link, data, remote, self._send_timeout)

    async def _after_failed_send(self, sock: ModuleSocket, error: CommandFailed, size: int) -> int:
        if error.payload_written:
            self._unknown(sock, str(error), size)
        if sock.peer_closed:
            raise errors.BrokenPipe("the peer has closed the connection") from error
        if sock.link is not None and sock.link not in await self._open_links():
            sock.peer_closed = True
            self._wake(sock)
            raise errors.BrokenPipe("the connection is closed") from error
        return self._refused(sock, error)

    # -- questions ----------------------------------------------------------------------------

    async def _resolve(self, name: str, family: int) -> Sequence[str]:
        """Of both versions the module prefers IPv4."""
        if family == 10:
            self._require_ipv6()
        command = commands.resolve(
            ENCODER.text(name, "a host name", 64, 1), 3 if family == 10 else 0
        )
        try:
            reply = await self.channel.run(command)
        except CommandFailed as error:
            if self._status is not InterfaceStatus.GLOBAL_UP:
                raise errors.NetworkDown("the WiFi connection is down") from error
            raise errors.NameNotFound(f"{name}: name not found") from error
        except CommandTimeout as error:
            raise errors.NameTryAgain(f"{name}: no answer from the name server") from error
        if reply.lines:
            text = string(reply.lines[0].partition(b":")[2])
            with contextlib.suppress(ValueError):
                address = ipaddress.ip_address(text)
                if int(address) not in (0, 2**32 - 1):
                    return [str(address)]
        raise errors.NameNotFound(f"{name}: the module gave no usable address")

    async def local_address(self, handle: Handle) -> SocketAddress:
        """See Stack.local_address."""
        sock = self._socket(handle)
        if sock.family != 10:
            return await super().local_address(handle)
        host = await self._wifi.ipv6_address(self.channel) if sock.link is not None else "::"
        return SocketAddress(host, sock.local_port)

    async def status(self) -> StackStatus:
        """See Stack.status."""
        details = {
            "manufacturer": "Espressif",
            "firmware": self.firmware.text,
            "generation": self.firmware.generation,
        }
        if self.firmware.chip:
            details["chip"] = self.firmware.chip
        details["receive"] = self._receive_mode
        try:
            details.update(await self._wifi.details(self.channel, self.firmware))
        except RestartSeen:
            raise
        except CommandFailed as error:
            details["wifi"] = str(error)
        address = details.pop("ip_address", "") or None
        details.update(self._recovery_details())
        return StackStatus(self._status, address, self.epoch, details)

    async def scan(self) -> Sequence[AccessPoint]:
        """WiFi networks in reach."""
        return await self._wifi.scan(self.channel, self.firmware)

    async def ping(self, host: str) -> float:
        """Round trip in seconds."""
        try:
            reply = await self.channel.run(commands.ping(ENCODER.text(host, "a host name", 64, 1)))
        except CommandFailed as error:
            raise errors.ConnectTimeout(f"{host}: no answer to ping") from error
        if not reply.lines:
            raise errors.DeviceError(f"{host}: ping gave no time")
        digits = re.sub(rb"\D", b"", reply.lines[0])
        return number(digits, 0, 600_000, "ping time") / 1000

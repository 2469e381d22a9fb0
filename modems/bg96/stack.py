"""The Stack inside a Quectel BG96."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable, Sequence

from atdriver.errors import CommandFailed, CommandTimeout, MalformedReply
from atdriver.exchange import Command, Reply
from atdriver.syntax import fields, number, string
from modems.bg96 import commands
from modems.bg96.dialect import ENCODER, FILL_AFTER, NO_CONTEXT, SPARE_AFTER
from modems.bg96.network import (
    context_address,
    describe,
    last_error,
)
from modems.bg96.notices import CONNECTED, Bg96Notices
from modems.bg96.state import cellular_state, described
from modems.clock import now
from modems.filling import filler
from modems.sockets import ModuleSocket, sender_of
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Kind, StackStatus

GIVEN_UP = 571
"""Result code of an open that the driver itself ended: the module's may still come."""
REFUSED_WITHIN = 15.0
"""Code 566 within this time is taken for a refusal: an unanswered SYN takes longer."""
READ_AGAIN = 0.2
"""Seconds until a read is tried again that the module refused although it holds data."""
FLUSH_PATIENCE = 3.0
"""Seconds to wait before a close until the peer has acknowledged what was sent."""


class Bg96Stack(Bg96Notices):
    """See netsocket.stack.Stack; settings in modems.bg96."""

    # -- links --------------------------------------------------------------------------------

    async def _connect_link(self, sock: ModuleSocket, address: SocketAddress) -> None:
        if address.family == 10:
            self._require_ipv6()
        started = now()
        try:
            if sock.tls:
                await self._prepare_tls()
            code = await self._open_id(sock, self._make_open(sock, address))
        except BaseException:
            await self._discard(sock)
            raise
        if code != 0:
            await self._discard(sock)
            elapsed = now() - started
            raise _connect_error(address, sock.local_port, code, elapsed, tls=sock.tls)

    async def _open_id(self, sock: ModuleSocket, make: commands.MakeOpen) -> int:
        """Open what `make` says on a free id; the result code. Sets `sock.link`.

        Code 563 means that the id is in use: by a connection that came in at this moment (then
        another id is taken), or left open by somebody else (then it is closed).
        """
        closed_once = False
        while True:
            link = sock.link = await self._free_link()
            code = await self._open(sock, link, make(link))
            if code == 0 and self._by_link(link) is not sock:
                # A peer had it for a moment, and was closed before the open.
                self._displace(link)
                sock.link = link
            if code != 563:
                return code
            if self._by_link(link) is not sock:
                continue
            if closed_once:
                return code
            closed_once = True
            await self._try(f"AT+QICLOSE={link},1")
            await self._try(f"AT+QSSLCLOSE={link},1")

    async def _open(self, sock: ModuleSocket, link: int, command: Command) -> int:
        """Run an open and wait for its notice, which may even come before the OK."""
        loop = asyncio.get_running_loop()
        waiter = self._opening[link] = loop.create_future()
        self._unsettled[link] = loop.time() + commands.OPEN_NOTICE
        try:
            try:
                await self.channel.run(command, began=sock.begin)
            except CommandFailed as error:
                self._unsettled.pop(link, None)  # it was never begun
                return await self._why(error)
            async with asyncio.timeout(commands.OPEN_NOTICE):
                result: int = await waiter
                if result != GIVEN_UP:
                    self._unsettled.pop(link, None)
                return result
        except TimeoutError:
            return 569
        finally:
            self._opening.pop(link, None)

    async def _why(self, error: CommandFailed) -> int:
        """The module's number for what a TCP/IP command just failed with."""
        why = await last_error(self.channel)
        code = int(why.split()[0]) if why else (error.code or 550)
        if code in NO_CONTEXT and not self._checking:
            self._checking = True
            self._spawn(self._check_context())
        return code

    async def _discard(self, sock: ModuleSocket) -> None:
        """After a failed open the id stays taken until it is closed."""
        link, sock.link = sock.link, None
        if link is not None:
            with contextlib.suppress(OSError):
                await self.channel.run(commands.close(link, 0, tls=sock.tls))

    def _abandon_connect(self, sock: ModuleSocket) -> None:
        waiter = self._opening.get(sock.link if sock.link is not None else -1)
        if waiter is not None and not waiter.done():
            waiter.set_result(GIVEN_UP)

    async def _open_datagram_on(
        self, sock: ModuleSocket, peer: SocketAddress | None, port: int
    ) -> None:
        sock.first_peer = peer
        code = await self._open_id(sock, lambda link: commands.open_udp(link, port))
        if code != 0:
            await self._discard(sock)
            if code == 556:
                raise errors.AddressInUse(f"UDP port {port} is in use", module_code="556")
            raise errors.DeviceError(f"UDP socket: {describe(code)}", module_code=str(code))

    async def _close_link(self, sock: ModuleSocket, *, abort: bool) -> None:
        link = sock.link
        assert link is not None
        patience = 0
        if sock.kind is Kind.TCP and not abort and not sock.peer_closed and sock.broken is None:
            patience = 2
            if sock.linger is None:
                await self._flush(sock, FLUSH_PATIENCE)
            else:
                await self._flush(sock, sock.linger)
                patience = sock.linger
            if sock.link != link:
                return  # the module lost it meanwhile
        command = commands.close(link, patience, tls=sock.tls)
        await self.channel.run(command, urgent=abort, began=sock.leave)

    async def _flush(self, sock: ModuleSocket, seconds: float) -> None:
        """SEND OK means "in the module's buffer": wait until the peer has it, or `seconds`."""
        deadline = now() + seconds
        while sock.sent and not sock.tls and not sock.peer_closed and now() < deadline:
            if sock.link is None:
                return  # the module lost it meanwhile
            try:
                _, under_way = await self._counters(sock)
            except (CommandFailed, MalformedReply):
                return
            if under_way == 0:
                return
            await asyncio.sleep(0.1)

    async def _counters(self, sock: ModuleSocket) -> tuple[int, int]:
        """Bytes accepted and under way on this connection."""
        if sock.link is None:
            raise MalformedReply("the module has lost the socket")
        if sock.tls:
            raise MalformedReply("AT+QSSLSEND has no counters")
        reply = await self.channel.run(commands.sent(sock.link))
        if not reply.lines:
            raise MalformedReply("no counters")
        values = [number(f, 0, 2**32, "counter") for f in fields(reply.lines[0].partition(b":")[2])]
        return values[0], values[2]

    # -- data ---------------------------------------------------------------------------------

    def _read_command(self, sock: ModuleSocket) -> Command:
        assert sock.link is not None
        most = self.capabilities.limit("frame.max_recv")
        datagram = sock.kind is Kind.UDP
        return commands.read(sock.link, most, datagram=datagram, tls=sock.tls)

    def _take_in(self, sock: ModuleSocket, link: int, reply: Reply) -> None:
        del link  # an id stays with its socket until that is closed
        block = reply.block
        if block is None or (not block.payload and b"host" not in _filled(block.fields)):
            self._nothing_held(sock)
            return
        sock.deliver(block.payload, sender_of(block.fields) if sock.kind is Kind.UDP else None)
        # Only one notice comes until the buffer "has been read": whether a short read counts as
        # that is not documented, so the next read goes on until nothing comes.
        most = self.capabilities.limit("frame.max_recv")
        if sock.kind is Kind.TCP and not sock.tls and len(block.payload) < most:
            self._perhaps_more(sock)
        else:  # a datagram, or a record of TLS, says nothing of the next
            sock.announced = True

    async def _nothing_read(self, sock: ModuleSocket) -> None:
        """ERROR on a read: the socket is gone, or empty (after `closed`), or the module could not
        do it at this moment; how much it holds tells them apart."""
        if sock.link is not None and await self._unread(sock):
            await asyncio.sleep(READ_AGAIN)
            self._announce(sock)
            return
        if sock.peer_closed:
            sock.drained = True
            return
        if sock.link is None:
            return
        if not await self._row(sock):
            self._vanished(sock)

    async def _unread(self, sock: ModuleSocket) -> int:
        """Bytes that wait in the module; 0 where it does not tell."""
        if sock.tls or sock.link is None:
            return 0
        try:
            reply = await self.channel.run(commands.unread(sock.link))
            parts = fields(reply.lines[0].partition(b":")[2]) if reply.lines else [b"0"]
            return number(parts[-1], 0, 2**32, "unread bytes")
        except (CommandFailed, MalformedReply):
            return 0

    def _send_command(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress | None
    ) -> Command:
        if sock.link is None:
            raise sock.broken or errors.BrokenPipe("the connection is closed")
        remote = (address.host, address.port) if address is not None else None
        return commands.send(sock.link, data, remote, tls=sock.tls)

    async def _after_failed_send(self, sock: ModuleSocket, error: CommandFailed, size: int) -> int:
        if sock.kind is Kind.UDP:
            if error.final == b"SEND FAIL":
                self._later(sock)
                return 0
            raise errors.DeviceError(f"the datagram was refused: {error}") from error
        if sock.peer_closed or error.final != b"SEND FAIL":
            if await self._is_gone(sock):
                raise errors.BrokenPipe("the connection is closed") from error
            if not error.payload_written:
                return self._refused(sock, error)
        return await self._settle(sock, size, why=str(error))

    async def _is_gone(self, sock: ModuleSocket) -> bool:
        if sock.peer_closed or sock.link is None:
            return True
        row = await self._row(sock)
        gone = not row or row[5] not in CONNECTED
        if gone:
            self._ended(sock)
        return gone

    async def _after_silent_send(
        self, sock: ModuleSocket, error: CommandTimeout, data: bytes
    ) -> int:
        size = len(data)
        if sock.kind is Kind.UDP or sock.link is None:
            self._unknown(sock, str(error), size)
        patience = 0.0  # what completes the count are other bytes than ours
        if not error.payload_written and filler(data) == data:
            patience = FILL_AFTER + SPARE_AFTER  # until then nothing but ours was written
        seen, end = self._strays, now() + patience

        def whole(taken: int) -> bool:
            came = self._strays != seen
            return (came and self._stray_at < end) if patience and taken else not came

        return await self._settle(sock, size, why=str(error), whole=whole)

    async def _settle(
        self,
        sock: ModuleSocket,
        size: int,
        *,
        why: str,
        whole: Callable[[int], bool] = lambda _taken: True,
    ) -> int:
        """AT+QISEND=<id>,0 tells what the module took of a send whose result is in doubt; `whole`
        whether that was ours."""
        try:
            total, _ = await self._counters(sock)
        except (OSError, MalformedReply):
            self._unknown(sock, why, size)
        taken = total - sock.sent
        if not 0 <= taken <= size or not whole(taken):
            self._unknown(sock, why, size)
        sock.sent += taken
        if taken == 0:
            self._later(sock)
        return taken

    # -- questions ----------------------------------------------------------------------------

    async def _resolve(self, name: str, family: int) -> Sequence[str]:
        """The name server's answer, asked again while the module is busy with another one."""
        del family
        encoded = ENCODER.text(name, "a host name", 253, 1)
        async with self._resolving:
            for _ in range(3):
                code, found = await self._resolve_once(encoded)
                if code not in (564, 568):
                    break
                await asyncio.sleep(1.0)
        if found:
            return found
        text = f"{name}: {describe(code) or 'no address'}"
        if code in NO_CONTEXT:
            raise errors.NetworkDown(text, module_code=str(code))
        if code in (564, 568, 569):
            raise errors.NameTryAgain(text, module_code=str(code))
        raise errors.NameNotFound(f"{name}: name not found", module_code=str(code))

    async def _resolve_once(self, encoded: bytes) -> tuple[int, list[str]]:
        try:
            await self.channel.run(commands.resolve(encoded), began=self._forget_answers)
        except CommandFailed as error:
            return await self._why(error), []
        try:
            async with asyncio.timeout(commands.RESOLVE):
                head = fields(await self._answers.get())
                code = number(head[0], 0, 9999, "result")
                count = number(head[1], 0, 64, "count") if code == 0 and len(head) > 1 else 0
                texts = [string(await self._answers.get()) for _ in range(count)]
        except TimeoutError:
            return 569, []
        found = []
        for text in texts:
            with contextlib.suppress(ValueError):
                address = ipaddress.ip_address(text)
                if int(address) not in (0, 2**32 - 1):
                    found.append(str(address))
        return code, found

    def _forget_answers(self) -> None:
        """What came until now answers a query that was given up."""
        self._answers = asyncio.Queue()

    def _forget_pongs(self) -> None:
        self._pongs = asyncio.Queue()

    async def ping(self, host: str) -> float:
        """Round trip in seconds."""
        async with self._pinging:
            command = commands.ping(ENCODER.text(host, "a host name", 150, 1))
            await self.run(command, began=self._forget_pongs)
            try:
                async with asyncio.timeout(30.0):
                    first = fields(await self._pongs.get())
                code = number(first[0], 0, 9999, "result")
            except TimeoutError:
                raise errors.ConnectTimeout(f"{host}: no answer to ping") from None
            # The summary follows, after some failures it does not; behind it the command is over.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._pongs.get()
        if code == 565:
            raise errors.NameNotFound(f"{host}: name not found", module_code="565")
        if code != 0:
            raise errors.ConnectTimeout(f"{host}: {describe(code)}", module_code=str(code))
        return number(first[3], 0, 600_000, "ping time") / 1000

    async def status(self) -> StackStatus:
        """See Stack.status."""
        found = dict(self._identity)
        found.update(described(await cellular_state(self.channel)))
        found.update(self._recovery_details())
        address = await context_address(self.channel)
        return StackStatus(self._status, address or None, self.epoch, found)


def _filled(found: dict[str, bytes]) -> set[bytes]:
    return {key.encode() for key, value in found.items() if value}


def _connect_error(
    address: SocketAddress, local_port: int, code: int, elapsed: float, *, tls: bool
) -> OSError:
    text = f"{address}: {describe(code)}"
    other = "unreachable, or from a failed TLS handshake" if tls else "unreachable"
    number_text = str(code)
    if code == GIVEN_UP:
        return errors.BadHandle("the socket was closed while connecting")
    if code == 556:
        return errors.AddressInUse(f"local port {local_port} is in use", module_code=number_text)
    if code in (552, 566) and elapsed < REFUSED_WITHIN:
        return errors.ConnectionRefused(
            f"{address}: connection refused (code {code} after {elapsed:.1f} s; the module does "
            f"not tell it from {other})",
            module_code=number_text,
        )
    if code in (566, 569):
        return errors.ConnectTimeout(text, module_code=number_text)
    if code == 565:
        return errors.NameNotFound(f"{address.host}: name not found", module_code=number_text)
    if code in NO_CONTEXT:
        return errors.NetworkDown(text, module_code=number_text)
    if code in (554, 563):
        return errors.NoSocket(text, module_code=number_text)
    if code == 553:
        return errors.NoBuffers(text, module_code=number_text)
    return errors.HostUnreachable(text, module_code=number_text)

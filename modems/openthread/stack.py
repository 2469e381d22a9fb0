"""The Stack inside an OpenThread node: one UDP socket, one TCP connection, one listener."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket as _socket
from collections.abc import Sequence
from typing import NoReturn

from atdriver.errors import ATError, CommandFailed
from atdriver.events import Received
from atdriver.exchange import Command, Reply
from modems.clock import now
from modems.openthread import commands
from modems.openthread.dialect import (
    ADDRESS_QUERY,
    ALREADY,
    BUSY,
    DETACHED,
    FAILED,
    INVALID_ARGS,
    INVALID_STATE,
    MAX_DATAGRAM,
    NAMES,
    NO_ADDRESS,
    NO_BUFS,
    NO_ROUTE,
    NOT_FOUND,
    RESPONSE_TIMEOUT,
)
from modems.openthread.network import OpenThreadNetwork
from modems.sockets import ModuleSocket
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Handle, Kind

UDP_LINK, TCP_LINK = 0, 1
"""The node has no ids: it has one of each."""
CONNECT = 30.0
"""Seconds until a connect that says nothing is given up: the node itself may never tell."""
GOODBYE = 5.0
"""Seconds that a close waits for the peer's end; after that the connection is reset."""
BUSY_PAUSE = 0.01
"""Seconds until a busy node is asked again: less than the mesh takes for one such piece."""
_PEER = re.compile(rb"Accepted connection from \[([0-9a-fA-F:]+)\]:(\d{1,5})")
_FOUND = re.compile(rb"DNS response for .* - ([0-9a-fA-F:]{2,39}) TTL:\d+ *")
_TIME = re.compile(rb"\d+ bytes from .*time=(\d{1,7})ms.*")
_SYNTHESIZED = re.compile(commands.SYNTHESIZED)
OUTCOMES = {
    "refused": errors.ConnectionRefused,
    "reset": errors.ConnectionRefused,
    "timed_out": errors.ConnectTimeout,
    "disconnected": errors.HostUnreachable,
}
"""What a notice means to a connect that is under way."""


class OpenThreadStack(OpenThreadNetwork):
    """See netsocket.stack.Stack; settings in modems.openthread."""

    traces = (b"TCP: R", b"Received", b"bytes: ")
    _listener: ModuleSocket | None = None
    _outcome: asyncio.Future[str] | None = None  # of the connect that is under way
    _nibble = b""  # encoding=hex: half a byte of the stream

    # -- sockets ------------------------------------------------------------------------------

    async def open(self, kind: Kind) -> Handle:
        """See Stack.open: one datagram socket; of two streams one may connect, one listen."""
        self._check_up()
        if kind is Kind.TCP and not self._tcp:
            self.capabilities["tcp.connect"].require()
        if self._count(kind) >= (1 if kind is Kind.UDP else 2):
            raise errors.NoSocket(f"the {self.name} has one socket of this kind, and it is in use")
        return await super().open(kind)

    def _check_connection_free(self, sock: ModuleSocket) -> None:
        other = self._by_link(TCP_LINK)
        if other is not None and other is not sock:
            raise errors.NoSocket(f"the {self.name} has one connection, and it is in use")

    async def _open_datagram_on(
        self, sock: ModuleSocket, peer: SocketAddress | None, port: int
    ) -> None:
        del peer
        try:
            await self.channel.run(commands.line("udp open"))
        except CommandFailed as error:
            if error.code != ALREADY:
                self._raise(error)
            await self.run(commands.line("udp close"))  # somebody else's
            await self.run(commands.line("udp open"))
        try:
            await self.channel.run(commands.line(f"udp bind :: {port}"))
        except CommandFailed as error:
            await self._attempt(commands.line("udp close"))
            if error.code in (FAILED, ALREADY):
                raise errors.AddressInUse(f"UDP port {port} is in use") from error
            self._raise(error)
        sock.link = UDP_LINK

    async def _connect_link(self, sock: ModuleSocket, address: SocketAddress) -> None:
        self._check_connection_free(sock)
        sock.link = TCP_LINK
        self._begin()
        try:
            if sock.local_port:
                await self._bind_stream(sock.local_port)
            outcome = await self._connected(address)
        except BaseException:
            sock.link = None
            raise
        if outcome != "established":
            sock.link = None
            raise OUTCOMES[outcome](f"{address}: {outcome.replace('_', ' ')}")

    def _begin(self) -> None:
        """A new connection."""
        self._nibble = b""
        self._ended.clear()

    async def _bind_stream(self, port: int) -> None:
        bind = commands.line(f"tcp bind :: {port}")
        try:
            await self.channel.run(bind)
        except CommandFailed as error:
            if error.code == INVALID_STATE:
                await self._fresh()
                await self.run(bind)
            elif error.code in (FAILED, ALREADY):
                raise errors.AddressInUse(f"TCP port {port} is in use") from error
            else:
                self._raise(error)

    async def _connected(self, address: SocketAddress) -> str:
        """Connect; the outcome by its notice's name."""
        self._outcome = asyncio.get_running_loop().create_future()
        command = commands.tcp_connect(self._inside(address.host), address.port)
        try:
            try:
                self._learn(await self.channel.run(command))
            except CommandFailed as error:
                if error.code != INVALID_STATE:
                    self._raise(error, address)
                await self._fresh()  # a connection of before is in TIME-WAIT
                self._learn(await self._run_or_raise(command, address))
            async with asyncio.timeout(CONNECT):
                return await self._outcome
        except TimeoutError as error:
            await self._attempt(commands.line("tcp abort"))
            if isinstance(error, ATError):  # the command itself
                raise
            raise errors.ConnectTimeout(f"{address}: no answer within {CONNECT:g} s") from None
        finally:
            self._outcome = None

    async def _fresh(self) -> None:
        """Throw the endpoint's old connection away."""
        await self._attempt(commands.line("tcp abort"))

    async def _run_or_raise(self, command: Command, address: SocketAddress | None = None) -> Reply:
        try:
            return await self.channel.run(command)
        except CommandFailed as error:
            self._raise(error, address)

    def _abandon_connect(self, sock: ModuleSocket) -> None:
        if self._outcome is not None and not self._outcome.done() and sock.link == TCP_LINK:
            self._outcome.set_exception(errors.BadHandle("the socket was closed"))
            self._spawn(self._fresh())

    async def _close_link(self, sock: ModuleSocket, *, abort: bool) -> None:
        if sock.kind is Kind.UDP:
            await self.channel.run(commands.line("udp close"))
            return
        if not abort and sock.broken is None and sock.connected:
            deadline = now() + GOODBYE
            if await self._said_goodbye(deadline) and not sock.drained:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(deadline):
                        await self._ended.wait()
        await self._attempt(commands.line("tcp abort"))

    async def _said_goodbye(self, deadline: float) -> bool:
        """Whether the node will send our end behind what it has; it may be busy with that."""
        while True:
            try:
                await self.channel.run(commands.line("tcp sendend"))
            except CommandFailed as error:
                if error.code != BUSY or now() >= deadline:
                    return False
                await asyncio.sleep(0.1)
            else:
                return True

    async def shutdown(self, handle: Handle, how: int) -> None:
        """See Stack.shutdown: this one can close its own direction alone."""
        sock = self._socket(handle)
        if how != _socket.SHUT_WR or sock.kind is not Kind.TCP or not sock.connected:
            await super().shutdown(handle, how)
            return
        if sock.broken is not None:
            raise sock.broken
        await self._transaction(self._said_goodbye(now() + GOODBYE))

    # -- listening ----------------------------------------------------------------------------

    async def _start_listening(self, sock: ModuleSocket) -> None:
        if self._listener is not None:
            raise errors.NotSupported(self.capabilities["tcp.listen"], "one listener at a time")
        try:
            await self.channel.run(commands.line(f"tcp listen :: {sock.local_port}"))
        except CommandFailed as error:
            if error.code in (FAILED, ALREADY):
                raise errors.AddressInUse(f"TCP port {sock.local_port} is in use") from error
            self._raise(error)
        self._listener = sock

    async def _stop_listening(self, sock: ModuleSocket) -> None:
        if self._listener is sock:
            self._listener = None
            await self.channel.run(commands.line("tcp stoplistening"))

    def _on_accepted(self, text: bytes) -> None:
        found = _PEER.fullmatch(text)
        assert found is not None  # as the dialect's notices have it
        busy = self._by_link(TCP_LINK) is not None
        try:
            remote = SocketAddress(self.translation.outside(found[1].decode()), int(found[2]))
        except (ValueError, OverflowError):  # damaged on the serial line
            self.anomalies += 1
            sock = None
        else:
            sock = None if busy else self._incoming(self._listener, TCP_LINK, remote)
        if sock is None and not busy:
            self._spawn(self._fresh())
        elif sock is not None:
            sock.announced = False
            self._begin()

    # -- notices ------------------------------------------------------------------------------

    def _notice(self, name: str, text: bytes) -> None:
        if name == "accepted":
            self._on_accepted(text)
            return
        waits = self._outcome is not None and not self._outcome.done()
        if self._outcome is not None and waits and (name == "established" or name in OUTCOMES):
            self._outcome.set_result(name)
            return
        sock = self._by_link(TCP_LINK)
        if sock is None or waits:
            return
        if name in ("end", "time_wait", "disconnected"):
            sock.peer_closed = sock.drained = True
            self._ended.set()
            self._wake(sock)
        elif name in ("reset", "refused", "timed_out"):
            self._ended.set()
            self._break(sock, errors.ConnectionReset(text.decode("ascii", "replace")))

    def _pushed(self, event: Received) -> None:
        data = event.data
        datagram = data.head.name == "udp"
        sock = self._by_link(UDP_LINK if datagram else TCP_LINK)
        if data.swallowed and datagram:  # perhaps a piece of the stream
            stream = self._by_link(TCP_LINK)
            if stream is not None:
                self._incomplete(stream, b"", 0, "the node's output could not be told from a text")
        if sock is None:
            return
        count = int(data.fields["n"])
        if event.doubtful or not data.whole:
            self._incomplete(
                sock, data.payload, count, "the node prints a text only up to its first NUL"
            )
            return
        try:
            payload = self._decoded(sock, data.payload)
        except ValueError:
            self._incomplete(sock, data.payload, count, "encoding=hex, and this is none")
            return
        sender = None
        if datagram:
            try:
                host = self.translation.outside(data.fields["host"].decode("ascii"))
                sender = SocketAddress(host, int(data.fields["port"]))
            except (ValueError, OverflowError):
                self._incomplete(sock, payload, count, "its sender was damaged on the serial line")
                return
        self._receive(sock, payload, sender)

    def _decoded(self, sock: ModuleSocket, payload: bytes) -> bytes:
        """Raises ValueError."""
        if not self._encoded:
            return payload
        digits = payload.decode("ascii")
        if sock.kind is Kind.TCP:  # a piece may end in the middle of a byte
            digits = self._nibble.decode() + digits
            half = len(digits) % 2
            self._nibble = digits[len(digits) - half :].encode()
            digits = digits[: len(digits) - half]
        if digits and not re.fullmatch(r"[0-9a-f]+", digits):
            raise ValueError(digits)
        return bytes.fromhex(digits)

    # -- sending ------------------------------------------------------------------------------

    def _send_command(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress | None
    ) -> Command:
        if sock.link is None:
            raise sock.broken or errors.BrokenPipe("the connection is closed")
        payload = data.hex().encode("ascii") if self._encoded else data
        if address is None:
            return commands.tcp_send(payload, text=self._encoded)
        if len(payload) > MAX_DATAGRAM:
            raise errors.MessageTooLong(
                f"{len(payload)} bytes on the air; the {self.name} delivers up to {MAX_DATAGRAM}"
            )
        host = self._inside(address.host)
        return commands.udp_send(host, address.port, payload, text=self._encoded)

    def _datagram_sent(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress, reply: Reply
    ) -> int:
        self._learn(reply)
        return super()._datagram_sent(sock, data, address, reply)

    async def _after_failed_send(self, sock: ModuleSocket, error: CommandFailed, size: int) -> int:
        del size
        if error.code in (BUSY, NO_BUFS):  # nothing was taken; there is room in a moment
            asyncio.get_running_loop().call_later(BUSY_PAUSE, self._wake, sock)
            return 0
        if sock.kind is Kind.UDP:
            if error.code == INVALID_STATE:
                sock.link = None
                self._break(sock, errors.ModuleRestarted(f"the {self.name} closed the socket"))
                assert sock.broken is not None
                raise sock.broken from error
            self._raise(error)
        if error.code == INVALID_ARGS:
            self._raise(error)
        sock.peer_closed = True
        self._wake(sock)
        raise sock.broken or errors.BrokenPipe(f"the connection is gone ({error})") from error

    # -- names and addresses ------------------------------------------------------------------

    def _inside(self, host: str) -> str:
        return self.translation.inside(host) or host

    def _learn(self, reply: Reply) -> None:
        """The node tells what it made of an IPv4 address."""
        for each in reply.lines:
            if found := _SYNTHESIZED.fullmatch(each):
                self.translation.learn(found["address"].decode("ascii"))

    async def _resolve(self, name: str, family: int) -> Sequence[str]:
        try:
            reply = await self.channel.run(commands.resolve(name))
        except CommandFailed as error:
            if error.code in (RESPONSE_TIMEOUT, BUSY):
                raise errors.NameTryAgain(f"{name}: no answer from the name server") from error
            raise errors.NameNotFound(f"{name}: {error}") from error
        for each in reply.lines:
            if found := _FOUND.fullmatch(each):
                address = self.translation.outside(found[1].decode("ascii"))
                if family in (0, _socket.AF_INET6 if ":" in address else _socket.AF_INET):
                    return [address]
        raise errors.NameNotFound(f"{name}: the node gave no usable address")

    async def ping(self, host: str) -> float:
        """Round trip in seconds."""
        address = await self._literal(SocketAddress(host, 1))
        reply = await self._run_or_raise(commands.ping(self._inside(address.host)))
        self._learn(reply)
        for each in reply.lines:
            if found := _TIME.fullmatch(each):
                return int(found[1]) / 1000
        raise errors.ConnectTimeout(f"{host}: no answer to ping")

    def _raise(self, error: CommandFailed, address: SocketAddress | None = None) -> NoReturn:
        """The Socket API's error for the node's."""
        code = error.code or 0
        where = f"{address}: " if address is not None else ""
        text, number = f"{where}{NAMES.get(code, '')} ({error})", str(code)
        if code in (NO_ROUTE, NO_ADDRESS, ADDRESS_QUERY, NOT_FOUND):
            raise errors.HostUnreachable(text, module_code=number) from error
        if code == DETACHED:
            raise errors.NetworkDown(text, module_code=number) from error
        if code == INVALID_STATE and address is not None and address.family == _socket.AF_INET:
            why = f"{address}: an IPv4 address, and the network has no NAT64"
            raise errors.HostUnreachable(why, module_code=number) from error
        if code == BUSY:
            raise errors.ModuleBusy(text, module_code=number) from error
        raise errors.DeviceError(text, module_code=number) from error

    def _lost(self, error: OSError) -> None:
        self._listener = None
        self._ended.set()
        with contextlib.suppress(asyncio.InvalidStateError):
            if self._outcome is not None:
                self._outcome.set_exception(error)
        super()._lost(error)

"""The Stack inside an SKSTACK-IP stick: six datagram handles, four of streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import NoReturn

from atdriver.errors import CommandFailed, ModuleBusy
from atdriver.events import Received
from atdriver.exchange import Command, Reply
from modems.commands import simple
from modems.skstack import commands
from modems.skstack.dialect import (
    CLOSED,
    CONNECTED,
    DATA_SENT,
    HEXADECIMAL,
    MAX_DATAGRAM,
    NOT_NOW,
    PORT_IN_USE,
    REASONS,
    TCP_HANDLES,
    UDP_HANDLES,
    written,
)
from modems.skstack.network import SkStackNetwork
from modems.sockets import ModuleSocket
from modems.table import PORT_ATTEMPTS
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Handle, Kind

CONNECT = 75.0
"""Seconds until a connect that says nothing is given up."""
GOODBYE = 5.0
"""Seconds that a close waits for `ETCP 3`, and for what was accepted to leave."""
TCP = 16
"""Stream handles have numbers of their own: `link` is TCP + handle for them."""


class SkStackStack(SkStackNetwork):
    """See netsocket.stack.Stack; settings in modems.skstack."""

    traces = (b"ERXT", b"RXTCP", b"XTCP ", b"TCP FE", b"TCP FD", b"ERX")
    _connecting: asyncio.Future[str] | None = None
    _connecting_from = 0  # its local port
    _connecting_sock: ModuleSocket | None = None

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self._one_connect = asyncio.Lock()
        self._sending: set[int] = set()  # stream handles that wait for ETCP 5
        self._listeners: dict[int, ModuleSocket] = {}  # by place in SKTCPPORT
        self._moved = asyncio.Event()  # something about a stream has changed

    # -- sockets ------------------------------------------------------------------------------

    async def open(self, kind: Kind) -> Handle:
        """See Stack.open."""
        self._check_up()
        if self._count(kind) >= len(UDP_HANDLES if kind is Kind.UDP else TCP_HANDLES):
            raise errors.NoSocket(f"all sockets of this kind of the {self.name} are in use")
        return await super().open(kind)

    async def _open_datagram_on(
        self, sock: ModuleSocket, peer: SocketAddress | None, port: int
    ) -> None:
        del peer
        used = {each.link for each in self._sockets.values() if each.kind is Kind.UDP}
        handle = next((each for each in UDP_HANDLES if each not in used), None)
        if handle is None:
            raise errors.NoSocket(f"all datagram handles of the {self.name} are in use")
        sock.link = handle
        try:
            await self._run(commands.udp_port(handle, port))
        except BaseException:
            sock.link = None
            raise

    async def _connect_link(self, sock: ModuleSocket, address: SocketAddress) -> None:
        for _ in range(PORT_ATTEMPTS):
            port = sock.local_port or self._free_port()
            state = await self._connect_from(sock, address, port)
            if state != PORT_IN_USE or sock.local_port:
                break
        if state == PORT_IN_USE:
            raise errors.AddressInUse(f"TCP port {port} is in use")
        if state != CONNECTED:
            raise errors.ConnectionRefused(f"{address}: connection refused, or nobody there")

    async def _connect_from(self, sock: ModuleSocket, address: SocketAddress, port: int) -> str:
        """The state that ETCP tells of a connect from this port."""
        async with self._one_connect:
            if sock.closing:
                raise errors.BadHandle("the socket was closed while connecting")
            self._connecting_from, self._connecting_sock = port, sock
            self._connecting = asyncio.get_running_loop().create_future()
            try:
                await self._run(
                    commands.tcp_connect(written(self._translated(address)), address.port, port)
                )
                done, _ = await asyncio.wait({self._connecting}, timeout=CONNECT)
                if not done:
                    raise errors.ConnectTimeout(f"{address}: no answer within {CONNECT:g} s")
                return self._connecting.result()
            finally:
                self._connecting = None

    def _abandon_connect(self, sock: ModuleSocket) -> None:
        waiting = self._connecting
        if waiting is not None and not waiting.done() and sock is self._connecting_sock:
            waiting.set_exception(errors.BadHandle("the socket was closed"))

    async def _close_link(self, sock: ModuleSocket, *, abort: bool) -> None:
        assert sock.link is not None
        if sock.kind is Kind.UDP:
            await self._attempt(commands.udp_port(sock.link, 0))
            return
        handle = sock.link - TCP
        if not abort:
            await self._until_moved(lambda: handle not in self._sending or sock.peer_closed)
        if not sock.peer_closed and await self._attempt(simple(f"SKCLOSE {handle}")):
            await self._until_moved(lambda: sock.peer_closed)
        self._sending.discard(handle)

    async def _until_moved(self, reached: object) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                while not reached():  # type: ignore[operator]
                    self._moved.clear()
                    await self._moved.wait()

    # -- listening ----------------------------------------------------------------------------

    async def _start_listening(self, sock: ModuleSocket) -> None:
        place = next((each for each in TCP_HANDLES if each not in self._listeners), None)
        if place is None:
            raise errors.NoSocket(f"all listening ports of the {self.name} are in use")
        self._listeners[place] = sock
        try:
            await self._run(simple(f"SKTCPPORT {place} {sock.local_port:04X}"))
        except BaseException:
            self._listeners.pop(place, None)
            raise

    async def _stop_listening(self, sock: ModuleSocket) -> None:
        for place, listener in list(self._listeners.items()):
            if listener is sock:
                del self._listeners[place]
                await self._attempt(simple(f"SKTCPPORT {place} 0000"))

    # -- notices ------------------------------------------------------------------------------

    def _notice(self, name: str, text: bytes) -> None:
        if name == "event":
            self._on_network_event(text[6:8].decode("ascii"))
        elif name == "etcp":
            self._on_etcp(text.decode("ascii", "replace").split()[1:])
        elif name == "found":
            self._heard.append(text.decode("ascii"))
        elif name in HEXADECIMAL:
            found = HEXADECIMAL[name].fullmatch(text)
            if found is None or self._binary:
                self.anomalies += 1
                self._hole("a damaged head")
                return
            payload = bytes.fromhex(found["data"].decode("ascii"))
            self._came(
                name, found.groupdict(b""), payload, whole=len(payload) == int(found["n"], 16)
            )

    def _on_etcp(self, parts: list[str]) -> None:
        try:
            state, handle = parts[0].lstrip("0") or "0", int(parts[1], 16)
            peer = parts[2:5]
            if state == CONNECTED:
                remote = SocketAddress(self.translation.outside(peer[0]), int(peer[1], 16))
                self._on_connected(handle, remote, int(peer[2], 16))
                return
        except (IndexError, ValueError, OverflowError):
            self.anomalies += 1
            return
        sock = self._by_link(TCP + handle)
        waiting = self._connecting
        if state == DATA_SENT:
            self._sending.discard(handle)
            if sock is not None:
                self._wake(sock)
        elif sock is not None and state == CLOSED:
            sock.peer_closed = sock.drained = True
            self._sending.discard(handle)
            self._wake(sock)
        elif waiting is not None and not waiting.done() and state in (CLOSED, PORT_IN_USE):
            waiting.set_result(state)
        self._moved.set()

    def _on_connected(self, handle: int, remote: SocketAddress, local: int) -> None:
        waiting = self._connecting
        mine = self._connecting_sock
        waits = waiting is not None and not waiting.done() and local == self._connecting_from
        if mine is not None and waiting is not None and waits:
            # Its first bytes may come before anybody wakes.
            mine.link, mine.local_port, mine.remote = TCP + handle, local, remote
            self._sending.discard(handle)
            waiting.set_result(CONNECTED)
            return
        listener = next((s for s in self._listeners.values() if s.local_port == local), None)
        sock = self._incoming(listener, TCP + handle, remote)
        if sock is None:  # nobody wants it, or not any more
            self._spawn(self._attempt(simple(f"SKCLOSE {handle}")))
        else:
            sock.announced = False
            self._sending.discard(handle)

    def _pushed(self, event: Received) -> None:
        data = event.data
        whole = data.whole and not event.doubtful
        self._came(data.head.name, data.fields, data.payload, whole=whole)
        if data.swallowed:  # a piece of another stream may have gone with it
            for sock in list(self._sockets.values()):
                if sock.kind is Kind.TCP and sock.link is not None:
                    self._incomplete(sock, b"", 0, "bytes were lost on the serial line")

    def _came(self, kind: str, found: Mapping[str, bytes], payload: bytes, *, whole: bool) -> None:
        local, count = int(found["local"], 16), int(found["n"], 16)
        try:
            host = self.translation.outside(found["host"].decode("ascii"))
        except ValueError:
            self.anomalies += 1
            self._hole("a damaged head")
            return
        sender = SocketAddress(host, int(found["port"], 16))
        sock = self._owner(kind, local, sender)
        if sock is None:
            return
        if whole:
            self._receive(sock, payload, sender)
        else:
            self._incomplete(sock, payload, count, "bytes were lost on the serial line")

    def _owner(self, kind: str, local: int, sender: SocketAddress) -> ModuleSocket | None:
        for sock in self._sockets.values():
            if sock.link is None or sock.local_port != local or sock.listening:
                continue
            if kind == "udp" and sock.kind is Kind.UDP:
                return sock
            if kind == "tcp" and sock.kind is Kind.TCP and sock.remote in (None, sender):
                return sock
        return None

    # -- sending ------------------------------------------------------------------------------

    def _send_command(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress | None
    ) -> Command:
        if sock.link is None:
            raise sock.broken or errors.BrokenPipe("the connection is closed")
        if self._limited:
            raise ModuleBusy(f"the {self.name} has used up its transmit time")
        if address is None:
            handle = sock.link - TCP
            if len(data) > MAX_DATAGRAM:
                raise errors.MessageTooLong(f"{len(data)} bytes in one SKSEND")
            if handle in self._sending:
                raise ModuleBusy("the last piece has not left yet")
            self._sending.add(handle)
            return commands.tcp_send(handle, data)
        if len(data) > MAX_DATAGRAM:
            raise errors.MessageTooLong(f"{len(data)} bytes: SKSENDTO takes {MAX_DATAGRAM}")
        host = written(self._translated(address))
        return commands.udp_send(sock.link, host, address.port, data, secured=self._joined)

    def _datagram_sent(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress, reply: Reply
    ) -> int:
        """EVENT 21 tells what became of it."""
        outcome = reply.lines[-1][-1:] if reply.lines else b"0"
        if outcome == b"1":
            raise errors.HostUnreachable(f"{address}: the datagram could not be sent")
        if outcome == b"2":  # the neighbour was asked for instead
            self._later(sock)
            return 0
        return self._accepted(sock, data)

    async def _after_failed_send(self, sock: ModuleSocket, error: CommandFailed, size: int) -> int:
        if sock.kind is Kind.TCP and sock.link is not None:
            self._sending.discard(sock.link - TCP)
            if sock.peer_closed:
                raise errors.BrokenPipe("the peer has closed the connection") from error
        if error.code == NOT_NOW:  # refused whole: nothing was taken
            return self._refused(sock, error)
        if sock.kind is Kind.UDP:
            self._raise(error)
        return self._unknown(sock, str(error), size)

    # -- names and addresses ------------------------------------------------------------------

    async def _resolve(self, name: str, family: int) -> Sequence[str]:
        del name, family
        raise errors.NotSupported(self.capabilities["dns.resolve"])

    async def _run(self, command: Command) -> None:
        try:
            await self.channel.run(command)
        except CommandFailed as error:
            self._raise(error)

    def _raise(self, error: CommandFailed) -> NoReturn:
        why = REASONS.get(error.code or 0, "")
        raise errors.DeviceError(f"{error}: {why}", module_code=str(error.code)) from error

    def _lost(self, error: OSError) -> None:
        self._listeners.clear()
        self._sending.clear()
        self._limited = False
        if self._connecting is not None and not self._connecting.done():
            self._connecting.set_exception(error)
        self._moved.set()
        super()._lost(error)

"""LwipStack: lwIP, in a process of its own, as a stack over a carrier of IP packets.

Needs no privilege. What lwIP calls by the names of the socket calls is one order each to the
process (`lwip_child`); none of them waits there. See docs/lwip.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import errno
import itertools
import socket as _socket
from collections.abc import Sequence
from typing import Final

from netsocket.address import SocketAddress
from netsocket.capability.model import Capability
from netsocket.core import LINGER
from netsocket.errors import (
    AddressNotAvailable,
    BadHandle,
    BrokenPipe,
    ConnectionReset,
    MessageTooLong,
    NotConnected,
    from_os_error,
)
from netsocket.ip import lwip_options, lwip_ping
from netsocket.ip.link import IpPacketLink
from netsocket.ip.lwip_child import BACKGROUND, INT, RESET, Op, pack_address, unpack_address
from netsocket.ip.lwip_life import LwipLife, Renew
from netsocket.ip.lwip_process import Answer, error_of
from netsocket.ip.naming import Resolver
from netsocket.ip.own import is_own
from netsocket.stack import Handle, Kind

_TYPES: Final = {Kind.TCP: _socket.SOCK_STREAM, Kind.UDP: _socket.SOCK_DGRAM}
_BROKEN: Final = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE})


class _Entry:
    """One open socket."""

    __slots__ = ("broken", "connected", "ended", "family", "kind", "linger", "listening", "local",
                 "number", "options", "reading", "rest", "used", "write_shut")  # fmt: skip

    def __init__(self, kind: Kind, number: int, family: int) -> None:
        self.kind = kind
        self.number = number
        self.family = family
        self.local: SocketAddress | None = None
        self.options: dict[tuple[int, int], bytes] = {}
        self.linger: int | None = None
        self.used = False
        self.listening = False
        self.connected = False
        self.write_shut = False
        self.ended = False
        self.broken: OSError | None = None
        self.reading: asyncio.Future[Answer] | None = None
        """A RECV, RECVFROM or ACCEPT under way; what it brings is kept if its caller ends."""
        self.rest = b""


class LwipStack(LwipLife):
    """The Stack protocol over lwIP; see `LwipLife` for its parameters."""

    name = "lwip"

    def __init__(
        self, link: IpPacketLink | None, renew: Renew | None = None, *claims: Capability
    ) -> None:
        super().__init__(link, renew, *claims)
        self._entries: dict[Handle, _Entry] = {}
        self._of_number: dict[int, Handle] = {}
        """lwIP's numbers, which it gives again, and whose they are now."""
        self._handles = itertools.count(1)
        self._names = Resolver(self, self._servers)
        self._work: set[asyncio.Task[None]] = set()

    # -- opening ------------------------------------------------------------------------------

    async def open(self, kind: Kind) -> Handle:
        """A new socket, IPv4 until an IPv6 address is used with it."""
        return await self._opened(kind, _socket.AF_INET, _TYPES[kind])

    async def open_raw(self, family: int, protocol: int) -> Handle:
        """A raw socket, used like a datagram one; for `ping`."""
        return await self._opened(Kind.UDP, family, _socket.SOCK_RAW, protocol)

    async def _opened(self, kind: Kind, family: int, type_: int, protocol: int = 0) -> Handle:
        """A socket that nobody takes any more when it is there is closed."""
        opening = asyncio.ensure_future(self._socket(type_, family, protocol))
        try:
            number = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._discard)
            raise
        return self._enter(_Entry(kind, number, family))

    def _discard(self, opening: asyncio.Future[int]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            self._close_later(opening.result())

    def _close_later(self, number: int) -> None:
        """Reset a socket of lwIP's that has no entry (any more)."""
        with contextlib.suppress(OSError):
            self._running().order(Op.CLOSE, number, INT.pack(RESET))

    async def _socket(self, type_: int, family: int, protocol: int = 0) -> int:
        payload = INT.pack(family) + INT.pack(type_) + INT.pack(protocol)
        return (await self._order(Op.SOCKET, 0, payload)).number

    def _enter(self, entry: _Entry) -> Handle:
        handle = Handle(next(self._handles), self._generation)
        self._entries[handle] = entry
        self._of_number[entry.number] = handle
        return handle

    async def bind(self, handle: Handle, address: SocketAddress) -> None:
        """Fix the local port. lwIP takes any address; one that is not its own is refused here."""
        entry = self._entry(handle)
        if address.host and not address.is_literal:
            address = SocketAddress((await self.resolve(address.host))[0], address.port)
        if not is_own(address, self._own):
            await self._learn_addresses()
            if not is_own(address, self._own):
                raise AddressNotAvailable(f"{address.host} is no address of this interface")
        await self._change_family(handle, entry, address.family)
        await self._order(Op.BIND, entry.number, pack_address(*address))
        entry.local = address
        entry.used = True

    async def listen(self, handle: Handle, backlog: int) -> None:
        """Accept connections."""
        entry = self._entry(handle)
        await self._order(Op.LISTEN, entry.number, INT.pack(min(backlog, 255)))
        entry.used = entry.listening = True

    async def accept(self, handle: Handle) -> tuple[Handle, SocketAddress] | None:
        """One waiting connection, or None."""
        entry = self._entry(handle)
        answer = await self._read(entry, Op.ACCEPT, b"")
        if answer is None:
            return None
        host, port, _ = unpack_address(answer.payload)
        taken = _Entry(Kind.TCP, answer.number, entry.family)
        taken.connected = taken.used = True
        return self._enter(taken), SocketAddress(host, port)

    async def connect(self, handle: Handle, address: SocketAddress) -> None:
        """Connect to the first address of the name that answers."""
        entry = self._entry(handle)
        hosts = [address.host] if address.is_literal else await self.resolve(address.host)
        failure: OSError = NotConnected("no address to connect to")
        for host in hosts:
            target = SocketAddress(host, address.port)
            self._entry(handle)  # closed meanwhile: EBADF
            try:
                await self._change_family(handle, entry, target.family)
                await self._order(Op.CONNECT, entry.number, pack_address(*target), str(target))
            except OSError as error:
                failure = error
                if handle in self._entries and self.failure is None:
                    await self._renew_socket(handle, entry, entry.family)
            else:
                entry.connected = entry.used = True
                return
        raise failure

    # -- data ---------------------------------------------------------------------------------

    async def send(self, handle: Handle, data: bytes | bytearray | memoryview) -> int:
        """Offer bytes; 0 = lwIP's send buffer is full."""
        entry = self._entry(handle)
        if entry.kind is Kind.UDP:
            return await self._send_datagram(entry, b"\0", data)
        self._check_sendable(entry)
        try:
            answer = await self._order(Op.SEND, entry.number, bytes(data))
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._break(entry, error) from None
        return answer.number

    def _check_sendable(self, entry: _Entry) -> None:
        if entry.broken is not None:
            raise copy.copy(entry.broken)
        if entry.write_shut:
            raise BrokenPipe("the sending side was shut down")

    async def sendto(
        self, handle: Handle, data: bytes | bytearray | memoryview, address: SocketAddress
    ) -> int:
        """Offer one datagram."""
        entry = self._entry(handle)
        await self._change_family(handle, entry, address.family)
        entry.used = True
        return await self._send_datagram(entry, pack_address(*address), data)

    async def _send_datagram(
        self, entry: _Entry, address: bytes, data: bytes | bytearray | memoryview
    ) -> int:
        limit = self.capabilities["datagram.max_send"].limit
        if limit is not None and len(data) > limit:
            raise MessageTooLong(f"datagram of {len(data)} bytes; lwIP sends at most {limit}")
        try:
            answer = await self._order(Op.SENDTO, entry.number, address + bytes(data))
        except BlockingIOError:
            return 0
        return answer.number

    async def recv(self, handle: Handle, size: int) -> bytes | None:
        """Bytes, b"" at the end, None when nothing is there."""
        entry = self._entry(handle)
        if entry.kind is Kind.UDP:
            found = await self.recvfrom(handle, size)
            return None if found is None else found[0]
        if not entry.rest:
            if entry.ended:
                return b""
            if entry.broken is not None and entry.reading is None:
                raise copy.copy(entry.broken)
            try:
                answer = await self._read(entry, Op.RECV, INT.pack(size))
            except OSError as error:
                raise self._break(entry, error) from None
            if answer is None:
                return None
            if not answer.payload:
                entry.ended = True
                return b""
            entry.rest = answer.payload
        data, entry.rest = entry.rest[:size], entry.rest[size:]
        return data

    async def recvfrom(self, handle: Handle, size: int) -> tuple[bytes, SocketAddress] | None:
        """One datagram and its sender, or None."""
        entry = self._entry(handle)
        answer = await self._read(entry, Op.RECVFROM, INT.pack(0x10000))
        if answer is None:
            return None
        host, port, data = unpack_address(answer.payload)
        return data[:size], SocketAddress(host, port)

    async def _read(self, entry: _Entry, op: Op, payload: bytes) -> Answer | None:
        """What a read brings, None for nothing; one whose caller was cancelled is gone on with."""
        if entry.reading is None:
            entry.reading = self._running().order(op, entry.number, payload)
        reading = entry.reading
        try:
            answer = await asyncio.shield(reading)
        except OSError:
            entry.reading = None
            raise
        if entry.reading is reading:
            entry.reading = None
        if answer.number == -errno.EAGAIN:
            return None
        if answer.number < 0:
            raise from_os_error(error_of(answer))
        return answer

    def _break(self, entry: _Entry, error: OSError) -> OSError:
        """What a stream's end looks like from above: lwIP forgets a connection that broke."""
        if error.errno in _BROKEN or (error.errno == errno.ENOTCONN and entry.connected):
            if entry.broken is None:
                aborted = error.errno == errno.ECONNABORTED
                text = "the peer did not answer any more" if aborted else "the connection was reset"
                entry.broken = ConnectionReset(text)
            return copy.copy(entry.broken)
        return error

    # -- ending -------------------------------------------------------------------------------

    async def shutdown(self, handle: Handle, how: int) -> None:
        """As socket.shutdown."""
        entry = self._entry(handle)
        if entry.broken is not None:
            raise copy.copy(entry.broken)
        try:
            await self._order(Op.SHUTDOWN, entry.number, INT.pack(how))
        except OSError as error:
            raise self._break(entry, error) from None
        entry.write_shut = entry.write_shut or how != _socket.SHUT_RD
        entry.ended = entry.ended or how == _socket.SHUT_RDWR

    async def close(self, handle: Handle, *, abort: bool = False) -> None:
        """Close; `abort`, and SO_LINGER of 0 s, reset the connection."""
        entry = self._entries.pop(handle, None)
        if entry is None:
            return
        self._forget(handle, entry)
        seconds = RESET if abort else BACKGROUND if entry.linger is None else entry.linger
        try:
            closing = self._running().order(Op.CLOSE, entry.number, INT.pack(seconds))
            await asyncio.shield(closing)
        except OSError:
            return  # lwIP has gone, and the socket with it

    # -- the rest -----------------------------------------------------------------------------

    async def local_address(self, handle: Handle) -> SocketAddress:
        """Own address."""
        return await self._name(Op.LOCAL, handle)

    async def remote_address(self, handle: Handle) -> SocketAddress:
        """The peer."""
        return await self._name(Op.PEER, handle)

    async def _name(self, op: Op, handle: Handle) -> SocketAddress:
        answer = await self._order(op, self._entry(handle).number)
        host, port, _ = unpack_address(answer.payload)
        return SocketAddress(host, port)

    async def set_option(self, handle: Handle, level: int, name: int, value: int | bytes) -> None:
        """Options of `lwip_options`; every other one is NotSupported."""
        entry = self._entry(handle)
        if (level, name) == lwip_options.LINGER_OPTION:
            on, seconds = LINGER.unpack(lwip_options.checked_linger(value))
            entry.linger = max(0, seconds) if on else None
            return
        packed = lwip_options.to_lwip(level, name, value)
        await self._order(Op.SET, entry.number, INT.pack(level) + INT.pack(name) + packed)
        entry.options[level, name] = packed

    async def get_option(self, handle: Handle, level: int, name: int) -> int:
        """As socket.getsockopt."""
        entry = self._entry(handle)
        if (level, name) == lwip_options.LINGER_OPTION:
            return int(entry.linger is not None)
        lwip_options.check(level, name)
        answer = await self._order(Op.GET, entry.number, INT.pack(level) + INT.pack(name))
        return lwip_options.from_lwip(level, name, answer.payload)

    async def resolve(self, name: str, family: int = 0) -> Sequence[str]:
        """Asked of the link's name servers, through lwIP. Raises NameNotFound, NameTryAgain."""
        self._running()
        return await self._names.resolve(name, family, six=self._reaches_six)

    async def ping(self, host: str) -> float:
        """Round trip of an ICMP echo, seconds. Raises ConnectTimeout, NameNotFound."""
        return await lwip_ping.ping(self, self._names, host)

    # -- inside -------------------------------------------------------------------------------

    def _entry(self, handle: Handle) -> _Entry:
        try:
            return self._entries[handle]
        except KeyError:
            raise BadHandle("no such socket") from None

    async def _change_family(self, handle: Handle, entry: _Entry, family: int) -> None:
        """An unused IPv4 socket turns into an IPv6 one, or back."""
        wanted = _socket.AF_INET6 if family == _socket.AF_INET6 else _socket.AF_INET
        if entry.family != wanted and not entry.used:
            await self._renew_socket(handle, entry, wanted)

    async def _renew_socket(self, handle: Handle, entry: _Entry, family: int) -> None:
        """Another socket of lwIP's in its place; not half done if the caller is cancelled."""
        work = asyncio.get_running_loop().create_task(self._exchange(handle, entry, family))
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        await asyncio.shield(work)

    async def _exchange(self, handle: Handle, entry: _Entry, family: int) -> None:
        self._of_number.pop(entry.number, None)
        await self._order(Op.CLOSE, entry.number, INT.pack(BACKGROUND))
        number = await self._socket(_TYPES[entry.kind], family)
        if self._entries.get(handle) is not entry:
            self._close_later(number)
            raise BadHandle("closed while connecting")
        entry.number, entry.family = number, family
        self._of_number[number] = handle
        for (level, name), packed in entry.options.items():
            await self._order(Op.SET, number, INT.pack(level) + INT.pack(name) + packed)
        if entry.local is not None:
            await self._order(Op.BIND, number, pack_address(*entry.local))

    def _forget(self, handle: Handle, entry: _Entry) -> None:
        """The entry has ended: what it accepted and nobody took is reset, who waits is told."""
        if self._of_number.get(entry.number) == handle:
            del self._of_number[entry.number]
        if entry.listening and entry.reading is not None:
            entry.reading.add_done_callback(self._turn_away)
        self._changed(handle, handle.generation)

    def _turn_away(self, accepting: asyncio.Future[Answer]) -> None:
        if not accepting.cancelled() and accepting.exception() is None:
            number = accepting.result().number
            if number >= 0:
                self._close_later(number)

    async def _close_all(self) -> None:
        for handle in list(self._entries):
            await self.close(handle)

    def _noticed(self, number: int) -> None:
        handle = self._of_number.get(number)
        if handle is not None:
            self._tell(handle)

    def _tell_all(self) -> None:
        for handle in list(self._entries):
            self._tell(handle)

    def _tell(self, handle: Handle) -> None:
        if not self._names.noticed(handle):
            self._changed(handle, handle.generation)

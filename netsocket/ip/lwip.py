"""LwipStack: lwIP, in a process of its own, as a stack over a carrier of IP packets.

Needs no privilege. What lwIP calls by the names of the socket calls is one order each to the
process (`lwip_child`); none of them waits there. See docs/lwip.md.
"""

from __future__ import annotations

import asyncio
import errno
import socket as _socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from netsocket.address import SocketAddress
from netsocket.capability.model import Capability, CapabilityTable
from netsocket.core import LINGER
from netsocket.errors import (
    AddressNotAvailable,
    BadHandle,
    BrokenPipe,
    ConnectionReset,
    MessageTooLong,
    NetworkDown,
    NotConnected,
    NotSupported,
    from_os_error,
)
from netsocket.ip import lwip_options, lwip_ping
from netsocket.ip.link import IpPacketLink, IpSettings
from netsocket.ip.lwip_child import BACKGROUND, INT, RESET, Op, pack_address, unpack_address
from netsocket.ip.lwip_claims import lwip_capabilities
from netsocket.ip.lwip_process import Answer, LwipProcess, error_of
from netsocket.ip.naming import Resolver
from netsocket.ip.own import global_first, is_own
from netsocket.stack import Changed, Handle, InterfaceStatus, Kind, StackStatus, StatusChanged

Renew = Callable[[], Awaitable[IpPacketLink]]
"""Gives another link when the interface comes up again."""
SEND_BUFFER: Final = 128 * 1024
"""Bytes asked of the descriptor for packets on their way out: room for the fragments of the longest
datagram, and no more of a queue in front of a slow radio than needed."""
ROUTER: Final = 8.0
"""Seconds that `up` waits for an IPv6 router where the link gave a link-local address alone."""
LOOK: Final = 0.1
_TYPES: Final = {Kind.TCP: _socket.SOCK_STREAM, Kind.UDP: _socket.SOCK_DGRAM}
_BROKEN: Final = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE})


class _Entry:
    """One open socket."""

    __slots__ = ("broken", "connected", "ended", "family", "kind", "linger", "local", "number",
                 "options", "reading", "rest", "used", "write_shut")  # fmt: skip

    def __init__(self, kind: Kind, number: int, family: int) -> None:
        self.kind = kind
        self.number = number
        self.family = family
        self.local: SocketAddress | None = None
        self.options: dict[tuple[int, int], bytes] = {}
        self.linger: int | None = None
        self.used = False
        self.connected = False
        self.write_shut = False
        self.ended = False
        self.broken: OSError | None = None
        self.reading: asyncio.Future[Answer] | None = None
        """A RECV, RECVFROM or ACCEPT under way; what it brings is kept if its caller ends."""
        self.rest = b""


class LwipStack:
    """The Stack protocol over lwIP; one process per bring-up.

    `link` is used by the first `up` and belongs to the stack from now on; `down` closes it. Where
    there is none (any more) `renew` gives one; without it the interface stays down (NetworkDown).
    """

    name = "lwip"

    def __init__(
        self, link: IpPacketLink | None, renew: Renew | None = None, *claims: Capability
    ) -> None:
        self._claims = claims
        """What is different because of what the link leads to."""
        self.capabilities = self._claim(IpSettings(()) if link is None else link.settings, True)
        self._link: IpPacketLink | None = link
        self._renew = renew
        self._process: LwipProcess | None = None
        self._generation = 0
        self._entries: dict[Handle, _Entry] = {}
        self._changed: Changed = lambda _handle, _generation: None
        self._status_changed: StatusChanged = lambda _status: None
        self._names = Resolver(self, self._servers)
        self._own: list[str] = []
        self._coming = asyncio.Lock()
        self.failure: OSError | None = None

    def attach(self, changed: Changed, status_changed: StatusChanged) -> None:
        """Register the notices."""
        self._changed = changed
        self._status_changed = status_changed

    # -- the interface ------------------------------------------------------------------------

    async def up(self) -> None:
        """Start lwIP on the link. Raises LwipMissing (what to install), NetworkDown."""
        async with self._coming:
            if self._process is not None and self._process.failure is None:
                return
            await self._end()
            link = self._link
            if link is None:
                if self._renew is None:
                    raise NetworkDown("its carrier of packets was closed with it")
                link = self._link = await self._renew()
            link.packets.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, SEND_BUFFER)
            self.failure = None
            self._generation += 1
            process = LwipProcess(self._noticed, self._died)
            await process.start(link)
            self._process = process
            state = await self._wait_for_router(link)
            self.capabilities = self._claim(link.settings, bool(self._six))
            self._status_changed(state)

    def _claim(self, settings: IpSettings, six: bool) -> CapabilityTable:
        return lwip_capabilities(settings, six).with_changes(*self._claims)

    async def _wait_for_router(self, link: IpPacketLink) -> InterfaceStatus:
        """Where only a link-local address was given, the network's router gives another one."""
        for _ in range(int(ROUTER / LOOK)):
            await self._learn_addresses()
            if self._state is InterfaceStatus.GLOBAL_UP or not link.settings.addresses:
                break
            await asyncio.sleep(LOOK)
        return self._state

    async def down(self) -> None:
        """Close every socket, end lwIP and close the link."""
        for handle in list(self._entries):
            await self.close(handle)
        await self._end()
        link, self._link = self._link, None
        if link is not None:
            link.packets.close()
        self._status_changed(InterfaceStatus.DISCONNECTED)

    async def _end(self) -> None:
        process, self._process = self._process, None
        self._own = []
        if process is not None:
            await process.stop()

    def _died(self, error: OSError) -> None:
        """The process or the carrier has gone: every socket tells why from now on."""
        self.failure = error
        self._own = []
        link, self._link = self._link, None
        if link is not None:
            link.packets.close()
        for handle in list(self._entries):
            self._tell(handle)
        self._status_changed(InterfaceStatus.DISCONNECTED)

    @property
    def recovery(self) -> Mapping[str, int]:
        """Nothing is mended by itself."""
        return {}

    @property
    def address(self) -> str | None:
        """Own address as last learnt."""
        return self._own[0] if self._own else None

    @property
    def _six(self) -> list[str]:
        return [each for each in self._own if ":" in each]

    @property
    def _state(self) -> InterfaceStatus:
        if not self._own:
            return InterfaceStatus.DISCONNECTED
        near = self._own[0].startswith("fe80:")
        return InterfaceStatus.LOCAL_UP if near else InterfaceStatus.GLOBAL_UP

    async def _learn_addresses(self) -> None:
        answer = await self._order(Op.ADDRESSES, 0)
        found = []
        for at in range(0, len(answer.payload), 17):
            four = answer.payload[at] == 4
            packed = answer.payload[at + 1 : at + (5 if four else 17)]
            found.append(_socket.inet_ntop(_socket.AF_INET if four else _socket.AF_INET6, packed))
        self._own = global_first(found)

    async def status(self) -> StackStatus:
        """Ask lwIP for its addresses; a router may have given another one."""
        details = {}
        if self._process is not None and self._process.failure is None:
            await self._learn_addresses()
            details["process"] = str(self._process.pid)
            if self._link is not None:
                details["carrier"] = self._link.name
                details["mtu"] = str(self._link.settings.mtu)
        return StackStatus(self._state, self.address, self._generation, details)

    # -- opening ------------------------------------------------------------------------------

    async def open(self, kind: Kind) -> Handle:
        """A new socket, IPv4 until an IPv6 address is used with it."""
        number = await self._socket(_TYPES[kind], _socket.AF_INET)
        return self._enter(_Entry(kind, number, _socket.AF_INET))

    async def open_raw(self, family: int, protocol: int) -> Handle:
        """A raw socket, used like a datagram one; for `ping`."""
        number = await self._socket(_socket.SOCK_RAW, family, protocol)
        return self._enter(_Entry(Kind.UDP, number, family))

    async def _socket(self, type_: int, family: int, protocol: int = 0) -> int:
        payload = INT.pack(family) + INT.pack(type_) + INT.pack(protocol)
        return (await self._order(Op.SOCKET, 0, payload)).number

    def _enter(self, entry: _Entry) -> Handle:
        handle = Handle(entry.number, self._generation)
        while handle in self._entries:  # its number is another one's now
            handle = Handle(handle.number + 65_536, self._generation)
        self._entries[handle] = entry
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
        await self._change_family(entry, address.family)
        await self._order(Op.BIND, entry.number, pack_address(*address))
        entry.local = address
        entry.used = True

    async def listen(self, handle: Handle, backlog: int) -> None:
        """Accept connections."""
        entry = self._entry(handle)
        await self._order(Op.LISTEN, entry.number, INT.pack(min(backlog, 255)))
        entry.used = True

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
                await self._change_family(entry, target.family)
                await self._order(Op.CONNECT, entry.number, pack_address(*target), str(target))
            except OSError as error:
                failure = error
                if handle in self._entries and self.failure is None:
                    await self._renew_socket(entry, entry.family)
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
            raise entry.broken
        if entry.write_shut:
            raise BrokenPipe("the sending side was shut down")

    async def sendto(
        self, handle: Handle, data: bytes | bytearray | memoryview, address: SocketAddress
    ) -> int:
        """Offer one datagram."""
        entry = self._entry(handle)
        await self._change_family(entry, address.family)
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
                raise entry.broken
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
            return entry.broken
        return error

    # -- ending -------------------------------------------------------------------------------

    async def shutdown(self, handle: Handle, how: int) -> None:
        """As socket.shutdown."""
        entry = self._entry(handle)
        if entry.broken is not None:
            raise entry.broken
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
        self._changed_outside(handle)
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
        return await self._names.resolve(name, family, six=any(map(_beyond, self._six)))

    def _servers(self) -> Sequence[str]:
        return self._link.settings.dns if self._link is not None else ()

    async def ping(self, host: str) -> float:
        """Round trip of an ICMP echo, seconds. Raises ConnectTimeout, NameNotFound."""
        return await lwip_ping.ping(self, self._names, host)

    # -- inside -------------------------------------------------------------------------------

    def _running(self) -> LwipProcess:
        if self.failure is not None:
            raise self.failure
        if self._process is None:
            raise NetworkDown("the interface is down")
        return self._process

    async def _order(self, op: Op, number: int, payload: bytes = b"", what: str = "") -> Answer:
        """Carry an order out, whatever becomes of the caller. Raises what it gave."""
        answer = await asyncio.shield(self._running().order(op, number, payload))
        if answer.number < 0:
            error = error_of(answer, what)
            if op in (Op.SET, Op.GET) and error.errno == errno.ENOPROTOOPT:
                raise NotSupported(lwip_options.REFUSED, errno=errno.ENOPROTOOPT)
            raise from_os_error(error)
        return answer

    def _entry(self, handle: Handle) -> _Entry:
        try:
            return self._entries[handle]
        except KeyError:
            raise BadHandle("no such socket") from None

    async def _change_family(self, entry: _Entry, family: int) -> None:
        """An unused IPv4 socket turns into an IPv6 one, or back."""
        wanted = _socket.AF_INET6 if family == _socket.AF_INET6 else _socket.AF_INET
        if entry.family != wanted and not entry.used:
            await self._renew_socket(entry, wanted)

    async def _renew_socket(self, entry: _Entry, family: int) -> None:
        """Another socket of lwIP's in its place, with its options and its port."""
        old = entry.number
        await self._order(Op.CLOSE, old, INT.pack(BACKGROUND))
        entry.number = await self._socket(_TYPES[entry.kind], family)
        entry.family = family
        for (level, name), packed in entry.options.items():
            await self._order(Op.SET, entry.number, INT.pack(level) + INT.pack(name) + packed)
        if entry.local is not None:
            await self._order(Op.BIND, entry.number, pack_address(*entry.local))

    def _noticed(self, number: int) -> None:
        for handle, entry in self._entries.items():
            if entry.number == number:
                self._tell(handle)
                return

    def _tell(self, handle: Handle) -> None:
        if not self._names.noticed(handle):
            self._changed_outside(handle)

    def _changed_outside(self, handle: Handle) -> None:
        self._changed(handle, handle.generation)


def _beyond(address: str) -> bool:
    return not address.startswith("fe80:")

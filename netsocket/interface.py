"""AsyncNetworkInterface: a stack made usable, for one event loop. Sockets come from here."""

from __future__ import annotations

import asyncio
import re
import socket as _socket
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

from netsocket.adapters.descriptor import DescriptorPump
from netsocket.adapters.streams import DEFAULT_LIMIT, StreamTransport, open_streams
from netsocket.address import SocketAddress, check_host
from netsocket.capability.model import Capability, CapabilityTable, Level
from netsocket.datagram import AsyncUDPSocket
from netsocket.errors import NetworkDown, NetworkTimeout, NotSupported
from netsocket.stack import (
    AccessPoint,
    InterfaceStatus,
    PingingStack,
    ScanningStack,
    Stack,
    StackStatus,
)
from netsocket.stream import AsyncTCPSocket
from netsocket.table import SocketTable, log

P = TypeVar("P", bound=asyncio.BaseProtocol)

FLUSH_LIMIT = 5.0
"""Seconds that already closed descriptors get, at close, to send what they had queued."""

_SCAN = Capability("scan", Level.NONE, "this stack cannot list networks")
_PING = Capability("ping", Level.NONE, "this stack cannot measure a round trip")


class AsyncNetworkInterface:
    """A network interface over a stack.

    `async with` brings it up and closes it. Its sockets may outlive it and every restart of the
    module: they are broken then, and each call says so; none hangs.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._table = SocketTable(stack)
        self._table.on_status = self._status_noticed
        self._state = InterfaceStatus.DISCONNECTED
        self._snapshot = StackStatus(InterfaceStatus.DISCONNECTED)
        self._callbacks: list[Callable[[InterfaceStatus], object]] = []
        self._state_watchers: set[asyncio.Future[None]] = set()
        self._pumps: set[DescriptorPump] = set()
        self._transports: set[StreamTransport] = set()
        self._closed = False

    # -- life ---------------------------------------------------------------------------------

    async def up(self) -> None:
        """Bring the interface up; nothing when it is. Raises AuthenticationFailed,
        NetworkNotFound, NetworkTimeout, DhcpFailed, OSError."""
        self._check_open()
        await self.stack.up()
        await self.refresh()

    async def down(self) -> None:
        """Close every socket and take the interface down; `up` may follow."""
        await self._end_sockets("the interface was taken down")
        self._table.closed = False
        self._status_noticed(InterfaceStatus.DISCONNECTED)

    async def close(self) -> None:
        """Take the interface down for good; nothing of it is left running. Idempotent."""
        if self._closed:
            return
        self._closed = True
        await self._end_sockets("the interface was closed")
        self._status_noticed(InterfaceStatus.DISCONNECTED)

    async def _end_sockets(self, reason: str) -> None:
        await asyncio.gather(
            *(pump.stop(FLUSH_LIMIT) for pump in list(self._pumps)),
            *(each.stop(NetworkDown(reason), FLUSH_LIMIT) for each in list(self._transports)),
        )
        await self._table.close(NetworkDown(reason))
        try:
            await self.stack.down()
        finally:
            await self._table.settle()

    async def __aenter__(self) -> Self:
        """Bring the interface up."""
        try:
            await self.up()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    # -- what it is ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Short name of the stack."""
        return self.stack.name

    @property
    def capabilities(self) -> CapabilityTable:
        """What the stack claims."""
        return self.stack.capabilities

    @property
    def status(self) -> InterfaceStatus:
        """The state as last noticed; nothing is asked."""
        return self._state

    @property
    def snapshot(self) -> StackStatus:
        """The last answer to `refresh`."""
        return self._snapshot

    @property
    def ip_address(self) -> str | None:
        """Own address as of the last `refresh`; None while not attached."""
        return self._snapshot.ip_address

    async def refresh(self) -> StackStatus:
        """Ask the stack how it is."""
        self._check_open()
        self._snapshot = await self.stack.status()
        self._status_noticed(self._snapshot.state)
        return self._snapshot

    def on_status(self, callback: Callable[[InterfaceStatus], object]) -> Callable[[], None]:
        """Call `callback(status)` at each change, in the loop's thread; returns its removal."""
        self._callbacks.append(callback)

        def remove() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return remove

    # -- sockets ------------------------------------------------------------------------------

    def tcp_socket(self) -> AsyncTCPSocket:
        """A new stream socket; the stack's socket is reserved at `open` or the first use."""
        self._check_open()
        return AsyncTCPSocket(self._table)

    def udp_socket(self) -> AsyncUDPSocket:
        """A new datagram socket; the stack's socket is reserved at `open` or the first use."""
        self._check_open()
        return AsyncUDPSocket(self._table)

    async def connect(
        self,
        address: object,
        *,
        timeout: float | None = None,
        source_address: object = None,
    ) -> AsyncTCPSocket:
        """A connected stream socket, within `timeout` seconds in all.

        While the interface is attaching it waits for that, too. Raises what
        `AsyncTCPSocket.connect` raises, NetworkTimeout, NoSocket.
        """
        self._check_open()
        target = SocketAddress.coerce(address)
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        await self._wait_attached(deadline)
        socket = self.tcp_socket()
        try:
            if deadline is not None:
                socket.settimeout(max(deadline - loop.time(), 0.001))
            if source_address is not None:
                await socket.bind(source_address)
            await socket.connect(target)
        except BaseException:
            await socket.close()
            raise
        socket.settimeout(None)
        return socket

    async def create_connection(
        self,
        protocol_factory: Callable[[], P],
        host: str,
        port: int,
        *,
        timeout: float | None = None,
    ) -> tuple[StreamTransport, P]:
        """As asyncio's loop.create_connection, through this interface."""
        socket = await self.connect((host, port), timeout=timeout)
        try:
            protocol = protocol_factory()
            transport = await StreamTransport.start(socket, protocol)
        except BaseException:
            await socket.close()
            raise
        return self._kept(transport), protocol

    async def open_connection(
        self, host: str, port: int, *, timeout: float | None = None, limit: int = DEFAULT_LIMIT
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As asyncio.open_connection, through this interface; `timeout` limits connecting."""
        socket = await self.connect((host, port), timeout=timeout)
        try:
            reader, writer = await open_streams(socket, limit)
        except BaseException:
            await socket.close()
            raise
        transport = writer.transport
        assert isinstance(transport, StreamTransport)
        self._kept(transport)
        return reader, writer

    async def create_socket(
        self,
        address: object,
        *,
        timeout: float | None = None,
        source_address: object = None,
    ) -> _socket.socket:
        """A connected plain `socket.socket` with a descriptor of its own.

        `timeout` limits connecting and is then the socket's time-out. See
        `netsocket.adapters.descriptor` for what differs from a kernel's connection. Do not use it
        in blocking mode from this loop's own thread.
        """
        socket = await self.connect(address, timeout=timeout, source_address=source_address)
        pump = DescriptorPump(socket)
        self._pumps.add(pump)
        pump.task.add_done_callback(lambda _task: self._pumps.discard(pump))
        user = pump.take()
        user.settimeout(timeout)
        return user

    # -- services -----------------------------------------------------------------------------

    async def resolve(self, name: str) -> list[str]:
        """Addresses of a name, by the stack. Raises NameNotFound, NameTryAgain, ValueError."""
        self._check_open()
        address = SocketAddress(name)
        if address.is_literal:
            return [address.host]
        self.capabilities["dns.resolve"].require()
        return list(await self.stack.resolve(address.host))

    async def ping(self, host: str) -> float:
        """Round trip in seconds, by the stack. Raises NotSupported, ConnectTimeout."""
        self._check_open()
        if not isinstance(self.stack, PingingStack):
            raise NotSupported(_PING)
        return await self.stack.ping(check_host(host))

    async def scan(self) -> Sequence[AccessPoint]:
        """WiFi networks in reach. Raises NotSupported."""
        self._check_open()
        if not isinstance(self.stack, ScanningStack):
            raise NotSupported(_SCAN)
        return await self.stack.scan()

    # -- inside -------------------------------------------------------------------------------

    def _kept(self, transport: StreamTransport) -> StreamTransport:
        self._transports.add(transport)
        transport.on_end = lambda: self._transports.discard(transport)
        return transport

    def _check_open(self) -> None:
        if self._closed:
            raise NetworkDown("the interface was closed")

    async def _wait_attached(self, deadline: float | None) -> None:
        while self._state is InterfaceStatus.CONNECTING:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._state_watchers.add(waiter)
            try:
                async with asyncio.timeout_at(deadline):
                    await waiter
            except TimeoutError:
                raise NetworkTimeout("the interface is still attaching") from None
            finally:
                self._state_watchers.discard(waiter)
            self._check_open()

    def _status_noticed(self, status: InterfaceStatus) -> None:
        if status is self._state:
            return
        self._state = status
        if status is not self._snapshot.state:
            keeps = status in (InterfaceStatus.GLOBAL_UP, InterfaceStatus.LOCAL_UP)
            self._snapshot = StackStatus(
                status,
                self._snapshot.ip_address if keeps else None,
                self._snapshot.epoch,
                self._snapshot.details,
            )
        for waiter in self._state_watchers:
            if not waiter.done():
                waiter.set_result(None)
        for callback in list(self._callbacks):
            try:
                callback(status)
            except Exception:
                log.exception("status callback of %r failed", self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self._state.name.lower()}>"


class AsyncWiFiInterface(AsyncNetworkInterface):
    """A WiFi module."""

    @property
    def rssi(self) -> int | None:
        """Signal in dBm as of the last `refresh`, None when the stack did not tell."""
        for key in ("rssi", "signal"):
            found = re.match(r"-?\d+", self.snapshot.details.get(key, ""))
            if found:
                return int(found.group())
        return None


class AsyncCellularInterface(AsyncNetworkInterface):
    """A cellular module."""


class AsyncEthernetInterface(AsyncNetworkInterface):
    """A wired network, the host's own for example."""

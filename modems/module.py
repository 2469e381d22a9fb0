"""What every AT module's stack has in common: the socket table, receiving, sending, restarts.

A vendor's driver derives from `ModuleStack` and supplies the steps that differ: how the module is
configured and attached, how a link is opened, read, written and closed, what its notices mean.
"""

from __future__ import annotations

import abc
import asyncio
import itertools
import logging
import random
import socket as _socket
from collections.abc import Coroutine, Sequence
from typing import Any, NoReturn, TypeVar

from atdriver.channel import Channel
from atdriver.engine import Anomaly, Deaf, Event, Received, Restarted, Unsolicited
from atdriver.errors import (
    ATError,
    CommandFailed,
    CommandTimeout,
    ModuleBusy,
    PortLost,
    ReplyCorrupt,
)
from atdriver.exchange import Command, Reply
from modems.lifecycle import ModuleLife, ModuleState
from modems.sockets import BUFFER_CAP, ModuleSocket
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.capability.model import CapabilityTable
from netsocket.stack import (
    Changed,
    Handle,
    InterfaceStatus,
    Kind,
    StackStatus,
    StatusChanged,
)

log = logging.getLogger("atdriver.modems")
T = TypeVar("T")

RETRY_SEND_AFTER = 0.2
"""Seconds after which a send that the module refused for lack of room is worth trying again."""
READS_BEFORE_SEND = 4
"""Enough to take more than two frames' worth of answers, few enough not to starve the send."""
RECOVERY_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between attempts to bring a module up again that restarted by itself."""


class ModuleStack(abc.ABC):
    """A Stack (see netsocket.stack) inside a module behind an AT channel."""

    name: str
    capabilities: CapabilityTable

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.channel.listener = self._on_event
        self.epoch = 0
        self.life = ModuleLife()
        self.anomalies = 0
        self._sockets: dict[int, ModuleSocket] = {}
        self._generations = itertools.count(1)
        self._changed: Changed = lambda handle, generation: None
        self._status_changed: StatusChanged = lambda status: None
        self._status = InterfaceStatus.DISCONNECTED
        self._tasks: set[asyncio.Task[Any]] = set()
        self._recovery: asyncio.Task[None] | None = None
        self._wanted_up = False
        self._up_lock = asyncio.Lock()

    # -- what a vendor supplies ---------------------------------------------------------------

    @abc.abstractmethod
    async def _find(self) -> None:
        """Get in step with the module; the channel is open."""

    @abc.abstractmethod
    async def _configure(self) -> None:
        """Identify it, make the settings, close sockets that a previous program left."""

    @abc.abstractmethod
    async def _attach(self) -> None:
        """Join or register, and get an address."""

    @abc.abstractmethod
    async def _restore(self) -> None:
        """Leave the settings as they were found."""

    @abc.abstractmethod
    def _notice(self, name: str, text: bytes) -> None:
        """An unsolicited line of the dialect's table."""

    @abc.abstractmethod
    def _pushed(self, event: Received) -> None:
        """A payload that no command asked for."""

    @abc.abstractmethod
    async def _connect_link(self, sock: ModuleSocket, address: SocketAddress) -> None:
        """Open a TCP link to a literal address; sets `sock.link`."""

    @abc.abstractmethod
    async def _open_datagram(self, sock: ModuleSocket, peer: SocketAddress | None) -> None:
        """Open a UDP link that may talk to anybody; sets `sock.link`, `sock.local_port`. `peer` is
        the first one that will be talked to, if known."""

    @abc.abstractmethod
    async def _fetch(self, sock: ModuleSocket, size: int) -> None:
        """One read transaction: moves what the module holds into the socket's buffer, and keeps
        `announced` and `drained` true to what is known."""

    @abc.abstractmethod
    def _send_command(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress | None
    ) -> Command:
        """The command that sends one frame or datagram."""

    @abc.abstractmethod
    async def _close_link(self, sock: ModuleSocket, *, abort: bool) -> None:
        """Close the link in the module; may raise."""

    @abc.abstractmethod
    async def _after_failed_send(self, sock: ModuleSocket, error: CommandFailed, size: int) -> int:
        """A send that the module ended with an error: bytes accepted, or raise."""

    @abc.abstractmethod
    async def resolve(self, name: str, family: int = 0) -> Sequence[str]:
        """See Stack.resolve."""

    @abc.abstractmethod
    async def status(self) -> StackStatus:
        """See Stack.status."""

    # -- interface ----------------------------------------------------------------------------

    def attach(self, changed: Changed, status_changed: StatusChanged) -> None:
        """See Stack.attach."""
        self._changed = changed
        self._status_changed = status_changed

    async def up(self) -> None:
        """See Stack.up."""
        async with self._up_lock:
            if self.life.state is ModuleState.IP_READY:
                return
            self._set_status(InterfaceStatus.CONNECTING)
            try:
                await self._bring_up()
            except BaseException:
                self.life.fire("failed")
                self._set_status(InterfaceStatus.DISCONNECTED)
                raise
            self._wanted_up = True
            self._set_status(InterfaceStatus.GLOBAL_UP)

    async def configure(self) -> None:
        """Only find and configure the module: enough to ask it questions (`info`, `at`)."""
        async with self._up_lock:
            if self.life.state in (ModuleState.OFF, ModuleState.REBOOTED, ModuleState.FAULT):
                await self._configure_only()

    async def _configure_only(self) -> None:
        self.life.begin()
        await self.channel.open()
        await self._find()
        self.life.fire("found")
        await self._configure()
        self.life.fire("configured")

    async def _bring_up(self) -> None:
        if self.life.state is not ModuleState.CONFIGURED:
            await self._configure_only()
        self.life.fire("searching")
        await self._attach()
        self.life.fire("attached")

    async def down(self) -> None:
        """See Stack.down."""
        self._wanted_up = False
        if self._recovery is not None:
            self._recovery.cancel()
        for sock in list(self._sockets.values()):
            await self.close(Handle(sock.number, sock.generation), abort=True)
        if self.life.state not in (ModuleState.OFF, ModuleState.FAULT):
            try:
                async with asyncio.timeout(5.0):
                    await self._restore()
            except (OSError, TimeoutError) as error:
                log.debug("%s: settings could not be restored: %s", self.name, error)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self.life.end()
        await self.channel.close()
        self._set_status(InterfaceStatus.DISCONNECTED)

    def _set_status(self, status: InterfaceStatus) -> None:
        if status is InterfaceStatus.GLOBAL_UP and self.life.state is not ModuleState.IP_READY:
            return  # a notice in the middle of a bring-up, which tells by itself when it is done
        if status is not self._status:
            self._status = status
            self._status_changed(status)

    # -- sockets ------------------------------------------------------------------------------

    async def open(self, kind: Kind) -> Handle:
        """See Stack.open."""
        self._check_up()
        limit = self.capabilities.limit("sockets.max")
        if len(self._sockets) >= limit:
            raise errors.NoSocket(f"all {limit} sockets of the {self.name} are in use")
        number = next(n for n in itertools.count() if n not in self._sockets)
        sock = ModuleSocket(number, next(self._generations), kind)
        self._sockets[number] = sock
        return Handle(number, sock.generation)

    def _check_up(self) -> None:
        if self.life.state is not ModuleState.IP_READY:
            raise errors.NetworkDown(f"the {self.name} is not attached ({self.life.state.value})")

    def _socket(self, handle: Handle) -> ModuleSocket:
        sock = self._sockets.get(handle.number)
        if sock is None or sock.generation != handle.generation:
            raise errors.BadHandle("the socket is closed")
        return sock

    def _by_link(self, link: int) -> ModuleSocket | None:
        for sock in self._sockets.values():
            if sock.link == link:
                return sock
        return None

    def _wake(self, sock: ModuleSocket) -> None:
        if self._sockets.get(sock.number) is sock:
            self._changed(Handle(sock.number, sock.generation), sock.generation)

    async def bind(self, handle: Handle, address: SocketAddress) -> None:
        """See Stack.bind; TCP keeps the port for listen or connect."""
        sock = self._socket(handle)
        if sock.link is not None or sock.local_port:
            raise errors.InvalidArgument("the socket is bound already")
        if not address.is_wildcard and address.host != (await self._own_address()):
            raise errors.AddressNotAvailable(f"{address.host} is not an address of the module")
        if sock.kind is Kind.TCP:
            self._check_tcp_bind()
        taken = {other.local_port for other in self._sockets.values() if other.kind is sock.kind}
        if address.port in taken - {0}:
            raise errors.AddressInUse(f"port {address.port} is bound already")
        sock.local_port = address.port
        if sock.kind is Kind.UDP:
            try:
                await self._transaction(self._open_datagram(sock, None))
            except OSError:
                sock.local_port = 0
                raise

    def _check_tcp_bind(self) -> None:
        """Raise NotSupported where a TCP client cannot choose its port."""
        self.capabilities["tcp.listen"].require()

    @abc.abstractmethod
    async def _own_address(self) -> str: ...

    async def listen(self, handle: Handle, backlog: int) -> None:
        """See Stack.listen."""
        del backlog
        self._socket(handle)
        raise errors.NotSupported(self.capabilities["tcp.listen"])

    async def accept(self, handle: Handle) -> tuple[Handle, SocketAddress] | None:
        """See Stack.accept."""
        self._socket(handle)
        raise errors.NotSupported(self.capabilities["tcp.listen"])

    async def connect(self, handle: Handle, address: SocketAddress) -> None:
        """See Stack.connect."""
        sock = self._socket(handle)
        self._check_up()
        if sock.connected and sock.kind is Kind.TCP:
            raise errors.AlreadyConnected("the socket is connected already")
        await self._transaction(self._connect(sock, address))

    async def _connect(self, sock: ModuleSocket, address: SocketAddress) -> None:
        sock.connecting = True
        try:
            address = await self._literal(address)
            if sock.closing:
                raise errors.BadHandle("the socket was closed while connecting")
            if sock.kind is Kind.UDP:
                if sock.link is None:
                    await self._open_datagram(sock, address)
            else:
                sock.broken = None
                sock.peer_closed = sock.drained = sock.announced = False
                sock.buffer.clear()
                await self._connect_link(sock, address)
            sock.remote = address
            sock.connected = True
        finally:
            sock.connecting = False
            if sock.closing:
                await self._release(sock, abort=True)

    def _abandon_connect(self, sock: ModuleSocket) -> None:
        """close() during a connect: end the wait where the module's port is free meanwhile."""

    async def _literal(self, address: SocketAddress) -> SocketAddress:
        if address.is_literal:
            return address
        found = await self.resolve(address.host)
        return SocketAddress(found[0], address.port)

    async def close(self, handle: Handle, *, abort: bool = False) -> None:
        """See Stack.close."""
        sock = self._sockets.get(handle.number)
        if sock is None or sock.generation != handle.generation:
            return
        sock.closing = True
        if sock.connecting:
            # The attempt runs on in the module; it cleans up when the module has decided, and
            # keeps its place in the table until then.
            self._abandon_connect(sock)
            return
        await self._transaction(self._release(sock, abort=abort))

    async def _release(self, sock: ModuleSocket, *, abort: bool) -> None:
        try:
            if sock.link is not None:
                await self._close_link(sock, abort=abort)
        except OSError as error:
            log.debug("%s: closing link %s: %s", self.name, sock.link, error)
        finally:
            sock.link = None
            if self._sockets.get(sock.number) is sock:
                del self._sockets[sock.number]

    # -- receiving ----------------------------------------------------------------------------

    async def recv(self, handle: Handle, size: int) -> bytes | None:
        """See Stack.recv."""
        sock = self._socket(handle)
        if sock.kind is Kind.UDP:
            found = await self.recvfrom(handle, size)
            return None if found is None else found[0]
        if not sock.buffer and self._worth_reading(sock):
            await self._refill(sock, size)
        if sock.buffer:
            return sock.take(size)
        if sock.broken is not None:
            raise sock.broken
        if sock.peer_closed and sock.drained:
            return b""
        if not sock.connected:
            raise errors.NotConnected("the socket is not connected")
        return None

    async def recvfrom(self, handle: Handle, size: int) -> tuple[bytes, SocketAddress] | None:
        """See Stack.recvfrom."""
        sock = self._socket(handle)
        if sock.kind is Kind.TCP:
            data = await self.recv(handle, size)
            return None if data is None else (data, sock.remote or SocketAddress("", 0))
        if not sock.datagrams and self._worth_reading(sock):
            await self._refill(sock, self.capabilities.limit("datagram.max_recv"))
        while sock.datagrams:
            payload, sender = sock.take_datagram(size)
            if sock.remote is None or not sender.port or sender == sock.remote:
                return payload, sender
        if sock.broken is not None:
            raise sock.broken
        return None

    def _worth_reading(self, sock: ModuleSocket) -> bool:
        """Whether the module may hold something for this socket."""
        if sock.link is None or not sock.pull or sock.broken is not None:
            sock.drained = sock.drained or sock.peer_closed
            return False
        return sock.announced or sock.reading is not None or (sock.peer_closed and not sock.drained)

    async def _refill(self, sock: ModuleSocket, size: int) -> None:
        if sock.reading is None:
            sock.reading = self._spawn(self._read_once(sock, size))
        await asyncio.shield(sock.reading)

    async def _read_once(self, sock: ModuleSocket, size: int) -> None:
        try:
            await self._read(sock, size)
        finally:
            sock.reading = None

    async def _read(self, sock: ModuleSocket, size: int) -> None:
        try:
            await self._fetch(sock, size)
        except (ReplyCorrupt, CommandTimeout) as error:
            # The bytes of this read are gone from the module and did not arrive whole.
            self._break(sock, errors.ConnectionReset(f"received data was lost: {error}"))
        except CommandFailed as error:
            self._break(sock, errors.ConnectionReset(f"the module cannot be read: {error}"))
        except ATError:
            if sock.broken is None:
                raise

    def _receive(self, sock: ModuleSocket, payload: bytes, sender: SocketAddress | None) -> None:
        """Pushed data: keep it and wake the reader."""
        if sock.kind is Kind.TCP and len(sock.buffer) + len(payload) > BUFFER_CAP:
            why = f"more than {BUFFER_CAP} bytes unread, and this mode cannot slow the peer down"
            self._break(sock, errors.ConnectionReset(why))
            return
        if not sock.deliver(payload, sender):
            log.debug("%s: datagram dropped, nobody reads link %s", self.name, sock.link)
        self._wake(sock)

    # -- sending ------------------------------------------------------------------------------

    async def send(self, handle: Handle, data: bytes | bytearray | memoryview) -> int:
        """See Stack.send."""
        sock = self._socket(handle)
        if sock.kind is Kind.UDP:
            if sock.remote is None:
                raise errors.DestinationRequired("the socket has no peer: use sendto, or connect")
            return await self.sendto(handle, data, sock.remote)
        self._check_writable(sock)
        frame = bytes(memoryview(data)[: self.capabilities.limit("frame.max_send")])
        if not frame:
            return 0
        return await self._transaction(self._transmit(sock, frame, None))

    def _check_writable(self, sock: ModuleSocket) -> None:
        if sock.broken is not None:
            raise sock.broken
        if sock.peer_closed:
            raise errors.BrokenPipe("the peer has closed the connection")
        if not sock.connected:
            raise errors.NotConnected("the socket is not connected")

    async def sendto(
        self, handle: Handle, data: bytes | bytearray | memoryview, address: SocketAddress
    ) -> int:
        """See Stack.sendto."""
        sock = self._socket(handle)
        if sock.kind is Kind.TCP:
            return await self.send(handle, data)
        self._check_up()
        limit = self.capabilities.limit("datagram.max_send")
        datagram = bytes(data)
        if len(datagram) > limit:
            raise errors.MessageTooLong(
                f"a datagram of {len(datagram)} bytes is too long, the {self.name} sends {limit}"
            )
        if not datagram:
            self.capabilities["udp.zero_length"].require()
        if sock.broken is not None:
            raise sock.broken
        return await self._transaction(self._transmit(sock, datagram, address))

    async def _transmit(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress | None
    ) -> int:
        if address is not None:
            address = await self._literal(address)
            if sock.link is None:
                await self._open_datagram(sock, address)
        else:
            await self._read_first(sock)
        try:
            await self.channel.run(self._send_command(sock, data, address))
        except CommandFailed as error:
            return await self._after_failed_send(sock, error, len(data))
        except CommandTimeout as error:
            return await self._after_silent_send(sock, error, len(data))
        except ModuleBusy:
            self._later(sock)
            return 0
        except ATError as error:
            if getattr(error, "payload_written", False):
                self._unknown(sock, str(error), len(data))
            raise sock.broken or error from None
        sock.refused = 0
        sock.sent += len(data)
        return len(data)

    async def _read_first(self, sock: ModuleSocket) -> None:
        """Nothing can be read while a send waits in the module. A peer that answers as it reads, and
        stops reading when its answers are not taken, would then never let the send end; so what it
        has said already is taken into the host's buffer first, bounded in size and in number."""
        for _ in range(READS_BEFORE_SEND):
            idle = not sock.announced and sock.reading is None
            if not sock.pull or idle or len(sock.buffer) >= BUFFER_CAP:
                return
            held = len(sock.buffer)
            await self._refill(sock, BUFFER_CAP)
            if len(sock.buffer) > held:
                self._wake(sock)

    async def _after_silent_send(self, sock: ModuleSocket, error: CommandTimeout, size: int) -> int:
        """No result: nobody knows what went out."""
        self._unknown(sock, str(error), size)

    def _unknown(self, sock: ModuleSocket, why: str, size: int) -> NoReturn:
        """End a stream of which nobody knows how much was sent."""
        error = errors.SendUnknown(why, accepted=0, unknown=size)
        if sock.kind is Kind.TCP:
            self._break(sock, error)
        raise error

    def _later(self, sock: ModuleSocket) -> None:
        """Nothing will tell when the module has room again: try after a moment."""
        asyncio.get_running_loop().call_later(RETRY_SEND_AFTER, self._wake, sock)

    # -- the rest of the API ------------------------------------------------------------------

    async def shutdown(self, handle: Handle, how: int) -> None:
        """See Stack.shutdown: no AT module can close one direction."""
        sock = self._socket(handle)
        if not sock.connected:
            raise errors.NotConnected("the socket is not connected")
        if how == _socket.SHUT_WR:
            raise errors.NotSupported(self.capabilities["tcp.half_close"])
        if how == _socket.SHUT_RDWR and sock.link is not None:
            await self._transaction(self._close_quietly(sock))

    async def _close_quietly(self, sock: ModuleSocket) -> None:
        try:
            await self._close_link(sock, abort=False)
        except OSError as error:
            log.debug("%s: shutdown of link %s: %s", self.name, sock.link, error)
        sock.link = None
        sock.peer_closed = sock.drained = True
        self._wake(sock)

    async def local_address(self, handle: Handle) -> SocketAddress:
        """See Stack.local_address."""
        sock = self._socket(handle)
        host = await self._own_address() if sock.link is not None else "0.0.0.0"
        return SocketAddress(host, sock.local_port)

    async def remote_address(self, handle: Handle) -> SocketAddress:
        """See Stack.remote_address."""
        sock = self._socket(handle)
        if sock.remote is None or not sock.connected:
            raise errors.NotConnected("the socket is not connected")
        return sock.remote

    async def set_option(self, handle: Handle, level: int, name: int, value: int | bytes) -> None:
        """See Stack.set_option."""
        self._socket(handle)
        raise errors.NotSupported(
            self.capabilities["tcp.send"],
            f"the {self.name} has no socket option {level}/{name} (value {value!r})",
            errno=92,  # ENOPROTOOPT
        )

    async def get_option(self, handle: Handle, level: int, name: int) -> int:
        """See Stack.get_option."""
        self._socket(handle)
        raise errors.NotSupported(
            self.capabilities["tcp.send"],
            f"the {self.name} has no socket option {level}/{name}",
            errno=92,
        )

    # -- what happens by itself ---------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Received):
            self._pushed(event)
        elif isinstance(event, Unsolicited):
            self._notice(event.name, event.text)
        elif isinstance(event, Restarted):
            self._on_restart()
        elif isinstance(event, Deaf):
            self._lost(PortLost(f"the {self.name} is gone or does not answer any more"))
            self.life.fire("failed")
            self._set_status(InterfaceStatus.DISCONNECTED)
        elif isinstance(event, Anomaly):
            self.anomalies += 1
            self._on_anomaly(event)

    def _on_anomaly(self, event: Anomaly) -> None:
        """Something no rule covers. Where data is pushed, bytes may be missing: see drivers."""

    def _on_restart(self) -> None:
        self.epoch += 1
        self._lost(errors.ModuleRestarted(f"the {self.name} restarted"))
        self.life.fire("rebooted")
        if self._wanted_up:
            self._set_status(InterfaceStatus.CONNECTING)
            if self._recovery is None or self._recovery.done():
                self._recovery = self._spawn(self._recover())

    async def _recover(self) -> None:
        for delay in RECOVERY_DELAYS:
            await asyncio.sleep(delay)
            try:
                async with self._up_lock:
                    await self._bring_up()
            except OSError as error:
                log.warning("%s: coming up again failed: %s", self.name, error)
                self.life.fire("rebooted")
                continue
            self._set_status(InterfaceStatus.GLOBAL_UP)
            return
        self.life.fire("failed")
        self._set_status(InterfaceStatus.DISCONNECTED)

    def _lost(self, error: OSError) -> None:
        for sock in list(self._sockets.values()):
            sock.link = None
            sock.announced = False
            self._break(sock, error)

    def _break(self, sock: ModuleSocket, error: OSError) -> None:
        if sock.broken is None:
            sock.broken = error
        self._wake(sock)

    # -- tools --------------------------------------------------------------------------------

    async def run(self, command: Command) -> Reply:
        """One command, with AT errors turned into the Socket API's where they say nothing more."""
        try:
            return await self.channel.run(command)
        except CommandFailed as error:
            raise errors.DeviceError(str(error), module_code=_code(error)) from error

    def _spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.debug("%s: %s", self.name, task.exception())

    async def _transaction(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run to the end, whatever happens to the caller (rule 4 of the Stack protocol)."""
        return await asyncio.shield(self._spawn(coroutine))

    def _free_port(self) -> int:
        """An ephemeral local port for modules that do not choose one (RFC 6335 range)."""
        taken = {sock.local_port for sock in self._sockets.values()}
        while True:
            port = random.randint(49152, 65535)
            if port not in taken:
                return port


def _code(error: CommandFailed) -> str:
    return error.final.decode("ascii", "replace")

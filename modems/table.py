"""The socket table of a module: opening, connecting, naming and closing sockets.

The first of the layers of `modems.module.ModuleStack`.
"""

from __future__ import annotations

import abc
import asyncio
import errno
import itertools
import logging
import socket as _socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from atdriver.channel import Channel
from atdriver.errors import CommandFailed, RestartSeen
from atdriver.exchange import Command, Reply
from modems.commands import query, simple
from modems.lifecycle import ModuleLife, ModuleState
from modems.sockets import ModuleSocket
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.capability.model import CapabilityTable
from netsocket.ports import EPHEMERAL, PORTS
from netsocket.stack import Changed, Handle, InterfaceStatus, Kind, StatusChanged

log = logging.getLogger("atdriver.modems")
T = TypeVar("T")
PORT_ATTEMPTS = 4
"""How many local ports are tried for a datagram socket that asked for none."""


class ModuleSockets(abc.ABC):
    """Sockets by handle, and the tasks that work on them."""

    name: str
    capabilities: CapabilityTable

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.life = ModuleLife()
        self._sockets: dict[int, ModuleSocket] = {}
        self._generations = itertools.count(1)
        self._changed: Changed = _nobody
        self._status_changed: StatusChanged = _nobody
        self._status = InterfaceStatus.DISCONNECTED
        self.epoch = 0
        self._address = ""  # the module's own, as last known
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    @abc.abstractmethod
    def failure(self) -> OSError | None:
        """Why it is not up; None while it is, or was never brought up."""

    # -- what a vendor supplies ---------------------------------------------------------------

    @abc.abstractmethod
    async def _connect_link(self, sock: ModuleSocket, address: SocketAddress) -> None:
        """Open a TCP link to a literal address; sets `sock.link`."""

    @abc.abstractmethod
    async def _open_datagram_on(
        self, sock: ModuleSocket, peer: SocketAddress | None, port: int
    ) -> None:
        """Open a UDP link on a local port that may talk to anybody; sets `sock.link`. `peer` is
        the first one that will be talked to, if known. Raises AddressInUse."""

    @abc.abstractmethod
    async def _close_link(self, sock: ModuleSocket, *, abort: bool) -> None:
        """Close the link in the module; may raise."""

    @abc.abstractmethod
    async def _resolve(self, name: str, family: int) -> Sequence[str]:
        """The addresses of a name."""

    # -- sockets ------------------------------------------------------------------------------

    async def open(self, kind: Kind) -> Handle:
        """See Stack.open."""
        self._check_up()
        if self._full():
            limit = self.capabilities.limit("sockets.max")
            raise errors.NoSocket(f"all {limit} sockets of the {self.name} are in use")
        sock = self._new_socket(kind)
        return sock.handle

    def _full(self) -> bool:
        """Whether every socket of the module is in use or promised."""
        used = sum(self._takes_link(sock) for sock in self._sockets.values())
        return used >= self.capabilities.limit("sockets.max")

    def _takes_link(self, sock: ModuleSocket) -> bool:
        """Whether the socket holds one of the module's ids, or will."""
        del sock
        return True

    def _new_socket(self, kind: Kind) -> ModuleSocket:
        number = next(n for n in itertools.count() if n not in self._sockets)
        sock = self._sockets[number] = ModuleSocket(number, next(self._generations), kind)
        return sock

    def _check_up(self) -> None:
        if self.life.state is not ModuleState.IP_READY:
            why = getattr(self.failure, "strerror", None) or self.life.state.value
            raise errors.NetworkDown(f"the {self.name} is not attached ({why})")

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
            self._changed(sock.handle, sock.generation)

    async def _open_datagram(self, sock: ModuleSocket, peer: SocketAddress | None) -> None:
        """Open it on its own port, or on one of our choice: that is chosen anew when refused."""
        within, sock.connecting = sock.connecting, True
        try:
            await self._open_datagram_somewhere(sock, peer)
        finally:
            sock.connecting = within
            if sock.closing and not within:
                await self._release(sock, abort=True)

    async def _open_datagram_somewhere(
        self, sock: ModuleSocket, peer: SocketAddress | None
    ) -> None:
        for left in reversed(range(PORT_ATTEMPTS)):
            port = sock.local_port or self._free_port()
            try:
                await self._open_datagram_on(sock, peer, port)
            except errors.AddressInUse:
                if sock.local_port or not left:
                    raise
            else:
                sock.local_port = port
                return

    async def bind(self, handle: Handle, address: SocketAddress) -> None:
        """See Stack.bind; TCP keeps the port for listen or connect."""
        sock = self._socket(handle)
        if sock.link is not None or sock.local_port:
            raise errors.InvalidArgument("the socket is bound already")
        if address.family == _socket.AF_INET6:
            self._require_ipv6()
        if not address.is_wildcard and address.host != self._address:
            raise errors.AddressNotAvailable(f"{address.host} is not an address of the module")
        taken = {
            other.local_port
            for other in self._sockets.values()
            if other.kind is sock.kind and not other.accepted
        }
        if address.port in taken - {0}:
            raise errors.AddressInUse(f"port {address.port} is bound already")
        sock.local_port = address.port
        sock.family = address.family
        if sock.kind is Kind.UDP:
            try:
                await self._transaction(self._open_datagram(sock, None))
            except OSError:
                sock.local_port = 0
                raise

    def _require_ipv6(self) -> None:
        """Raise NotSupported (errno EAFNOSUPPORT) where the module has no IPv6."""
        record = self.capabilities["ipv6"]
        if not record.supported:
            raise errors.NotSupported(record, errno=errno.EAFNOSUPPORT)

    async def connect(self, handle: Handle, address: SocketAddress) -> None:
        """See Stack.connect."""
        sock = self._socket(handle)
        self._check_up()
        if sock.connected and sock.kind is Kind.TCP:
            raise errors.AlreadyConnected("the socket is connected already")
        if sock.listening:
            raise errors.InvalidArgument("the socket is listening")
        await self._transaction(self._connect(sock, address))

    async def _connect(self, sock: ModuleSocket, address: SocketAddress) -> None:
        sock.connecting = True
        try:
            sock.host_name = "" if address.is_literal else address.host
            address = await self._literal(address)
            if sock.closing:
                raise errors.BadHandle("the socket was closed while connecting")
            if sock.kind is Kind.UDP:
                if sock.link is None:
                    await self._open_datagram(sock, address)
            else:
                sock.broken = None
                sock.begin()
                await self._connect_link(sock, address)
            sock.remote = address
            sock.connected = True
        finally:
            sock.connecting = False
            if sock.closing:
                await self._release(sock, abort=True)

    def _abandon_connect(self, sock: ModuleSocket) -> None:
        """close() during a connect: end the wait where the module's port is free meanwhile."""
        del sock

    async def resolve(self, name: str, family: int = 0) -> Sequence[str]:
        """See Stack.resolve."""
        return await self._transaction(self._resolve(name, family))

    async def _literal(self, address: SocketAddress) -> SocketAddress:
        if address.is_literal:
            return address
        found = await self._resolve(address.host, 0)
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

    # -- the rest of the API ------------------------------------------------------------------

    async def shutdown(self, handle: Handle, how: int) -> None:
        """See Stack.shutdown: no AT module can close one direction."""
        sock = self._socket(handle)
        if sock.broken is not None:
            raise sock.broken
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
        host = self._address if sock.link is not None else "0.0.0.0"
        return SocketAddress(host, sock.local_port)

    async def remote_address(self, handle: Handle) -> SocketAddress:
        """See Stack.remote_address."""
        sock = self._socket(handle)
        if sock.remote is None or not sock.connected:
            raise errors.NotConnected("the socket is not connected")
        return sock.remote

    # -- notices ------------------------------------------------------------------------------

    def attach(self, changed: Changed, status_changed: StatusChanged) -> None:
        """See Stack.attach."""
        self._changed = changed
        self._status_changed = status_changed

    def _set_status(self, status: InterfaceStatus) -> None:
        if status is InterfaceStatus.GLOBAL_UP and self.life.state is not ModuleState.IP_READY:
            return  # a notice in the middle of a bring-up, which tells by itself when it is done
        if status is not self._status:
            self._status = status
            self._status_changed(status)

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

    async def run(
        self,
        command: Command,
        *,
        urgent: bool = False,
        began: Callable[[], object] | None = None,
    ) -> Reply:
        """One command, with AT errors turned into the Socket API's where they say nothing more."""
        try:
            return await self.channel.run(command, urgent=urgent, began=began)
        except CommandFailed as error:
            raise errors.DeviceError(str(error), module_code=_code(error)) from error

    async def _try(self, text: str, info: bytes = b"") -> bool:
        """A setting, or (with `info`, see `query`) a question, that the firmware may not know."""
        return await self._attempt(query(text, info) if info else simple(text))

    async def _attempt(self, command: Command) -> bool:
        """Whether the module took it."""
        try:
            await self.channel.run(command)
        except CommandFailed:
            return False
        return True

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
        epoch = self.epoch
        try:
            return await asyncio.shield(self._spawn(coroutine))
        except OSError as error:
            told = self._in_this_life(error, epoch)
            if told is error:
                raise
            raise told from error

    def _in_this_life(self, error: BaseException, epoch: int) -> BaseException:
        """What fails because the module restarted since `epoch` is ModuleRestarted, whatever the
        module said last; a send that went with it stays SendUnknown."""
        if isinstance(error, errors.SendUnknown) or not isinstance(error, OSError):
            return error
        if self.epoch == epoch and not isinstance(error, RestartSeen):
            return error
        restarted = errors.ModuleRestarted(f"the {self.name} restarted during the call")
        restarted.__cause__ = error
        return restarted

    def _free_port(self) -> int:
        """A local port for modules that do not choose one."""
        taken = {sock.local_port for sock in self._sockets.values()}
        while True:
            port = PORTS.choice(EPHEMERAL)
            if port not in taken:
                return port


def _nobody(*_: object) -> None:
    """Until `attach`."""


def _code(error: CommandFailed) -> str:
    return error.final.decode("ascii", "replace")

"""Sockets of a stack that comes and goes: each belongs to one call and ends with it."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Sequence
from typing import Any

from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Changed, Handle, InterfaceStatus, Kind, Stack, StatusChanged


def nobody(*_told: object) -> None:
    """Who listens where nobody does."""


class _Entry:
    """One socket: the stack's own handle, until the call ends."""

    __slots__ = ("broken", "handle", "inner", "outer")

    def __init__(self, inner: Stack, handle: Handle, outer: Handle) -> None:
        self.inner = inner
        self.handle = handle
        self.outer = outer
        self.broken: OSError | None = None


class ForwardedSockets(abc.ABC):
    """The socket calls of netsocket.stack.Stack, handed to the stack of the call that is up."""

    name: str

    def __init__(self) -> None:
        self._inner: Stack | None = None
        self._entries: dict[int, _Entry] = {}
        self._own: dict[Handle, _Entry] = {}
        """By the inner stack's handle."""
        self._generations = itertools.count(1)
        self._changed: Changed = nobody
        self._status_changed: StatusChanged = nobody
        self._status = InterfaceStatus.DISCONNECTED

    @property
    @abc.abstractmethod
    def failure(self) -> OSError | None:
        """Why it is not up."""

    def attach(self, changed: Changed, status_changed: StatusChanged) -> None:
        """See Stack.attach."""
        self._changed = changed
        self._status_changed = status_changed

    def _tell(self, status: InterfaceStatus) -> None:
        if status is not self._status:
            self._status = status
            self._status_changed(status)

    # -- the stack below -----------------------------------------------------------------------

    def _use(self, inner: Stack) -> None:
        """This stack carries new sockets from now on."""
        self._inner = inner

    def _noticed(self, handle: Handle, generation: int) -> None:
        """From the stack below."""
        entry = self._own.get(handle)
        if entry is not None and generation == handle.generation:
            self._changed(entry.outer, entry.outer.generation)

    def _break_all(self, error: OSError) -> None:
        """The stack below is gone: every socket of it ends, at once."""
        self._inner = None
        self._own.clear()
        for entry in list(self._entries.values()):
            if entry.broken is None:
                entry.broken = error
                self._changed(entry.outer, entry.outer.generation)

    def _enter(self, inner: Stack, handle: Handle) -> Handle:
        number = next(n for n in itertools.count() if n not in self._entries)
        outer = Handle(number, next(self._generations))
        entry = self._entries[number] = _Entry(inner, handle, outer)
        self._own[handle] = entry
        return outer

    def _entry(self, handle: Handle) -> _Entry:
        entry = self._entries.get(handle.number)
        if entry is None or entry.outer != handle:
            raise errors.BadHandle("the socket is closed")
        return entry

    async def _do(self, handle: Handle, call: str, *arguments: Any) -> Any:
        entry = self._entry(handle)
        if entry.broken is not None:
            raise entry.broken
        try:
            return await getattr(entry.inner, call)(entry.handle, *arguments)
        except OSError:
            if entry.broken is not None:  # meanwhile: that is why
                raise entry.broken from None
            raise

    # -- socket calls; see netsocket.stack.Stack -----------------------------------------------

    async def open(self, kind: Kind) -> Handle:
        """See Stack.open. Raises NetworkDown while no call is up."""
        inner = self._inner
        if inner is None:
            why = getattr(self.failure, "strerror", None) or "not dialled"
            raise errors.NetworkDown(f"the {self.name} is not attached ({why})")
        handle = await inner.open(kind)
        if self._inner is not inner:
            raise errors.NetworkDown(f"the {self.name} is not attached (the PPP link is gone)")
        return self._enter(inner, handle)

    async def bind(self, handle: Handle, address: SocketAddress) -> None:
        """See Stack.bind."""
        await self._do(handle, "bind", address)

    async def listen(self, handle: Handle, backlog: int) -> None:
        """See Stack.listen."""
        await self._do(handle, "listen", backlog)

    async def accept(self, handle: Handle) -> tuple[Handle, SocketAddress] | None:
        """See Stack.accept."""
        entry = self._entry(handle)
        found = await self._do(handle, "accept")
        if found is None:
            return None
        if entry.broken is not None:
            raise entry.broken
        inner, peer = found
        return self._enter(entry.inner, inner), peer

    async def connect(self, handle: Handle, address: SocketAddress) -> None:
        """See Stack.connect."""
        await self._do(handle, "connect", address)

    async def send(self, handle: Handle, data: bytes | bytearray | memoryview) -> int:
        """See Stack.send."""
        sent: int = await self._do(handle, "send", data)
        return sent

    async def sendto(
        self, handle: Handle, data: bytes | bytearray | memoryview, address: SocketAddress
    ) -> int:
        """See Stack.sendto."""
        sent: int = await self._do(handle, "sendto", data, address)
        return sent

    async def recv(self, handle: Handle, size: int) -> bytes | None:
        """See Stack.recv."""
        data: bytes | None = await self._do(handle, "recv", size)
        return data

    async def recvfrom(self, handle: Handle, size: int) -> tuple[bytes, SocketAddress] | None:
        """See Stack.recvfrom."""
        found: tuple[bytes, SocketAddress] | None = await self._do(handle, "recvfrom", size)
        return found

    async def shutdown(self, handle: Handle, how: int) -> None:
        """See Stack.shutdown."""
        await self._do(handle, "shutdown", how)

    async def close(self, handle: Handle, *, abort: bool = False) -> None:
        """See Stack.close."""
        entry = self._entries.get(handle.number)
        if entry is None or entry.outer != handle:
            return
        del self._entries[handle.number]
        if entry.broken is None:
            try:
                await entry.inner.close(entry.handle, abort=abort)
            finally:
                self._own.pop(entry.handle, None)

    async def local_address(self, handle: Handle) -> SocketAddress:
        """See Stack.local_address."""
        address: SocketAddress = await self._do(handle, "local_address")
        return address

    async def remote_address(self, handle: Handle) -> SocketAddress:
        """See Stack.remote_address."""
        address: SocketAddress = await self._do(handle, "remote_address")
        return address

    async def set_option(self, handle: Handle, level: int, name: int, value: int | bytes) -> None:
        """See Stack.set_option."""
        await self._do(handle, "set_option", level, name, value)

    async def get_option(self, handle: Handle, level: int, name: int) -> int:
        """See Stack.get_option."""
        value: int = await self._do(handle, "get_option", level, name)
        return value

    async def resolve(self, name: str, family: int = 0) -> Sequence[str]:
        """See Stack.resolve."""
        inner = self._inner
        if inner is None:
            raise errors.NetworkDown(f"the {self.name} is not attached")
        return await inner.resolve(name, family)

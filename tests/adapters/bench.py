"""An interface over a simulated module or the host, with everything in it that a case looks at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from netsocket import AsyncNetworkInterface, HostStack, NetworkInterface
from netsocket.errors import NameNotFound
from netsocket.portal import Portal
from netsocket.stack import InterfaceStatus, ReadyStack
from tests.drivers.rig import assemble

NAME = "srv"
"""A name that only the stack under test can resolve, to 127.0.0.1."""
MODULES = {"host": ("", ""), "esp8266": ("esp8266", "E24"), "bg96": ("bg96", "bg96")}


class OwnNames(HostStack):
    """The host's stack with a name server of one name, so that no test asks a real one."""

    async def resolve(self, name: str, family: int = 0) -> list[str]:
        if name == NAME:
            return ["127.0.0.1"]
        raise NameNotFound(f"{name}: not known")


class Meter:
    """Counts bytes at the boundary between sockets and stack, and what waits above it."""

    def __init__(self, stack: Any) -> None:
        self.given = self.taken = self.accepted = self.delivered = 0
        self.most_outward = self.most_inward = 0
        self._recv = stack.recv
        stack.recv = self.recv
        if isinstance(stack, ReadyStack):
            self._begin_send, self._ready = stack.begin_send, stack.ready
            stack.begin_send, stack.ready = self.begin_send, self.ready  # type: ignore[method-assign]
        else:
            self._send = stack.send
            stack.send = self.send

    def start(self) -> None:
        self.given = self.taken = self.accepted = self.delivered = 0
        self.most_outward = self.most_inward = 0

    def look(self) -> None:
        self.most_outward = max(self.most_outward, self.given - self.accepted)
        self.most_inward = max(self.most_inward, self.delivered - self.taken)

    async def send(self, handle: Any, data: bytes) -> int:
        self.look()
        count: int = await self._send(handle, data)
        self.accepted += count
        return count

    def begin_send(self, handle: Any, data: bytes, ended: Any) -> asyncio.Future[int]:
        self.look()
        future = self._begin_send(handle, data, ended)
        future.add_done_callback(self.sent)
        return future

    def sent(self, future: asyncio.Future[int]) -> None:
        if not future.cancelled() and future.exception() is None:
            self.accepted += future.result()

    async def recv(self, handle: Any, size: int) -> bytes | None:
        return self.gave(await self._recv(handle, size))

    def ready(self, handle: Any, size: int) -> bytes | None:
        return self.gave(self._ready(handle, size))

    def gave(self, data: bytes | None) -> bytes | None:
        self.delivered += len(data or b"")
        self.look()
        return data


class Bench:
    """One interface; `net` has the face that the client under test takes."""

    def __init__(self, module: str, portal: Portal | None) -> None:
        self.module = module
        self.portal = portal
        self.fakes: list[Any] = []
        if module == "host":
            self.stack: Any = OwnNames()
            self.inner = AsyncNetworkInterface(self.stack)
        else:
            rig = assemble(*MODULES[module])
            self.stack, self.inner, self.fakes = rig.stack, rig.net, rig.fakes
        self.meter = Meter(self.stack)
        self.net: Any = self.inner if portal is None else NetworkInterface.of(self.inner, portal)

    async def inside(self, question: Callable[[], Any]) -> Any:
        """Ask something in the interface's own loop."""

        async def ask() -> Any:
            return question()

        if self.portal is None:
            return await ask()
        return await asyncio.to_thread(self.portal.run, ask())

    def claims(self, id_: str) -> bool:
        """Whether the stack claims a capability."""
        return bool(self.inner.capabilities[id_].supported)

    async def ready(self) -> None:
        """Wait until the interface is up: the module may have restarted."""
        async with asyncio.timeout(20):
            while self.inner.status is not InterfaceStatus.GLOBAL_UP:
                await asyncio.sleep(0.01)

    async def empty(self, seconds: float = 5) -> None:
        """Wait until the stack has every socket back; fails when one leaked."""
        left: Any = ()
        for _ in range(int(seconds / 0.005)):
            left = await self.inside(self._open)
            if not left:
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"sockets that nobody gave back: {left}")

    def _open(self) -> list[Any]:
        if self.module == "host":
            return list(self.stack._entries)
        in_module = [link for link in self.fakes[-1].links if link is not None]
        return [*self.stack._sockets.values(), *in_module]


@asynccontextmanager
async def bench(module: str, *, asynchronous: bool) -> AsyncIterator[Bench]:
    portal = None if asynchronous else Portal("adapters")
    try:
        made = Bench(module, portal)
        if portal is None:
            async with made.inner:
                yield made
        else:
            await asyncio.to_thread(made.net.up)
            yield made
            await asyncio.to_thread(made.net.close)
    finally:
        if portal is not None:
            await asyncio.to_thread(portal.stop)

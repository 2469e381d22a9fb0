"""A stack that answers what a test tells it to: nothing now, parts, errors, late outcomes."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from netsocket.address import SocketAddress
from netsocket.capability.model import Capability, CapabilityTable, Level
from netsocket.errors import BadHandle, NotSupported
from netsocket.stack import Handle, InterfaceStatus, Kind, StackStatus

SCRIPTED = CapabilityTable(
    "scripted",
    "1",
    [
        Capability("tcp.connect", Level.FULL),
        Capability("tcp.listen", Level.FULL),
        Capability("tcp.half_close", Level.NONE, "one command closes both directions"),
        Capability("udp.zero_length", Level.NONE, "an empty payload is refused"),
        Capability("udp.connect", Level.FULL),
        Capability("dns.resolve", Level.FULL),
        Capability("ipv6", Level.NONE, "IPv4 only"),
        Capability("frame.max_send", Level.PARTIAL, "one frame", limit=10, unit="bytes"),
        Capability("datagram.max_send", Level.PARTIAL, "one frame", limit=20, unit="bytes"),
        Capability("datagram.max_recv", Level.PARTIAL, "one frame", limit=50, unit="bytes"),
    ],
)

_ANY = ("open", "close", "resolve")
"""Transactions of different sockets that may overlap, and are not told apart here."""


async def until(condition: Callable[[], object]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


class Gate:
    """A transaction that takes until the test lets it end, or its handle is closed."""

    def __init__(self, *, stubborn: bool = False) -> None:
        self.stubborn = stubborn
        self.entered = asyncio.Event()
        self._outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def end(self, answer: Any) -> None:
        if not self._outcome.done():
            self._outcome.set_result(answer)

    def abandon(self) -> None:
        if not self.stubborn:
            self.end(BadHandle("closed meanwhile"))

    async def wait(self) -> Any:
        self.entered.set()
        return await self._outcome


class ScriptedStack:
    name = "scripted"

    def __init__(self, capabilities: CapabilityTable = SCRIPTED) -> None:
        self.capabilities = capabilities
        self.calls: list[tuple[Any, ...]] = []
        self.answers: dict[str, deque[Any]] = defaultdict(deque)
        self.numbers = itertools.count(1)
        self.open_handles: set[Handle] = set()
        self.running: dict[tuple[Any, ...], int] = defaultdict(int)
        self.gates: dict[Any, list[Gate]] = defaultdict(list)
        self.last = Handle(0, 0)
        self.turns = 1  # of the event loop, that each transaction takes

    def say(self, method: str, *answers: Any) -> None:
        """The next answers of a method; an exception is raised, a Gate waited for."""
        self.answers[method].extend(answers)

    def change(self, handle: Handle | None = None) -> None:
        handle = handle or self.last
        self.changed(handle, handle.generation)

    def names(self) -> list[str]:
        return [call[0] for call in self.calls]

    def payloads(self, method: str) -> list[Any]:
        return [call[2] for call in self.calls if call[0] == method]

    async def _answer(self, method: str, default: Any, *call: Any) -> Any:
        self.calls.append((method, *call))
        what = (method, *call[:1])
        self.running[what] += 1
        assert self.running[what] == 1 or method in _ANY, f"overlapping {method}"
        try:
            for _ in range(self.turns):
                await asyncio.sleep(0)
            answer = self.answers[method].popleft() if self.answers[method] else default
            if isinstance(answer, Gate):
                self.gates[call[0] if call else None].append(answer)
                answer = await answer.wait()
            if isinstance(answer, BaseException):
                raise answer
            return answer
        finally:
            self.running[what] -= 1

    def attach(self, changed: Any, status_changed: Any) -> None:
        self.changed = changed
        self.status_changed = status_changed

    async def up(self) -> None:
        await self._answer("up", None)

    async def down(self) -> None:
        await self._answer("down", None)
        self.open_handles.clear()

    async def open(self, kind: Kind) -> Handle:
        await self._answer("open", None, kind)
        self.last = Handle(next(self.numbers), 7)
        self.open_handles.add(self.last)
        return self.last

    async def bind(self, handle: Handle, address: SocketAddress) -> None:
        await self._answer("bind", None, handle, address)

    async def listen(self, handle: Handle, backlog: int) -> None:
        await self._answer("listen", None, handle, backlog)

    async def accept(self, handle: Handle) -> Any:
        taken = await self._answer("accept", None, handle)
        if taken is not None:
            self.open_handles.add(taken[0])
        return taken

    async def connect(self, handle: Handle, address: SocketAddress) -> None:
        await self._answer("connect", None, handle, address)

    async def send(self, handle: Handle, data: Any) -> int:
        return await self._answer("send", len(data), handle, bytes(data))

    async def sendto(self, handle: Handle, data: Any, address: SocketAddress) -> int:
        return await self._answer("sendto", len(data), handle, bytes(data), address)

    async def recv(self, handle: Handle, size: int) -> bytes | None:
        return await self._answer("recv", None, handle, size)

    async def recvfrom(self, handle: Handle, size: int) -> Any:
        return await self._answer("recvfrom", None, handle, size)

    async def shutdown(self, handle: Handle, how: int) -> None:
        await self._answer("shutdown", None, handle, how)

    async def close(self, handle: Handle, *, abort: bool = False) -> None:
        await self._answer("close", None, handle, abort)
        for gate in self.gates.pop(handle, []):
            gate.abandon()
        self.open_handles.discard(handle)

    async def local_address(self, handle: Handle) -> SocketAddress:
        return await self._answer("local_address", SocketAddress("10.0.0.2", 0), handle)

    async def remote_address(self, handle: Handle) -> SocketAddress:
        return await self._answer("remote_address", SocketAddress("192.0.2.1", 80), handle)

    async def set_option(self, handle: Handle, level: int, name: int, value: Any) -> None:
        await self._answer("set_option", None, handle, level, name, value)

    async def get_option(self, handle: Handle, level: int, name: int) -> int:
        refusal = NotSupported(Capability("option", Level.NONE), errno=92)
        return await self._answer("get_option", refusal, handle, level, name)

    async def resolve(self, name: str, family: int = 0) -> list[str]:
        return await self._answer("resolve", ["192.0.2.7"], name)

    async def status(self) -> StackStatus:
        return await self._answer(
            "status", StackStatus(InterfaceStatus.GLOBAL_UP, "10.0.0.2", 1, {"rssi": "-61 dBm"})
        )

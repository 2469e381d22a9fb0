"""A driver on an offline simulated module, in virtual time: where a fault is tried out.

    @pytest.mark.catches("atdriver/resync.py", "if self._proofs == 2:", "if self._proofs == 1:")
    @virtual
    async def test_C01_late_answer(injected: Injected) -> None:
        async with opened("bg96", scenario=find("C01")) as bench:
            injected.by(bench.fake)
            ...

Peers are scripted, names are the fake's, nothing of the kernel is involved: a test of ten virtual
minutes takes milliseconds, and is the same each time.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from atdriver.channel import Channel
from atdriver.engine import Engine
from atdriver.exchange import Command
from atdriver.link import Link
from atdriver.links.memory import MemoryLink
from atdriver.registry import load_driver
from fakes import FakeModem, Peer, Scenario, Step, build
from fakes.conversation import Conversation
from fakes.virtualtime import VirtualTimeLoop
from modems.module import ModuleStack
from netsocket.interface import AsyncNetworkInterface
from netsocket.interface_kinds import interface_for
from netsocket.ports import PORTS

__all__ = ["BOTH", "PEERS", "Bench", "Injected", "Wire", "assemble", "opened", "virtual"]

BOTH = (("esp8266", "E24"), ("bg96", "bg96"))
"""The two dialects, each with the firmware that most tests use."""
PEERS: Mapping[str, Peer] = {
    "echo.test:7": Peer("echo"),
    "sink.test:9": Peer("discard"),
    "source.test:19": Peer("chargen", rate=20_000),
    "refuse.test:1": Peer("refuse"),
    "silent.test:2": Peer("silent"),
    "stall.test:3": Peer("stall"),
}
ACCESS_POINTS = {"lab": "secret99"}


def virtual(
    test: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    """Run a test (a coroutine function) in a loop of its own with virtual time, for a day of it: where
    something is waited for in vain time goes on as fast as it can, and pytest's own limit would end
    in an exception in some callback, which asyncio takes for that callback's."""

    async def bounded(*args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(86_400):
            await test(*args, **kwargs)

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        PORTS.seed(1)
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(bounded(*args, **kwargs))

    return run


class Injected:
    """Counts what was really injected; a fault test in which nothing was, fails."""

    def __init__(self) -> None:
        self._count = 0
        self._fakes: list[FakeModem] = []

    def __call__(self, times: int = 1) -> None:
        """It happened, as the far end or the wire shows."""
        self._count += times

    def by(self, fake: FakeModem) -> None:
        """Count the steps of this fake's scenario that will have acted when the test ends."""
        self._fakes.append(fake)

    @property
    def count(self) -> int:
        return self._count + sum(sum(fake.scenario.used.values()) for fake in self._fakes)


@dataclass
class Wire:
    """Everything that passed on the wire, with its virtual time; also a driver's tracer."""

    lines: list[tuple[float, str, bytes]] = field(default_factory=list)
    """(seconds, ">" to the module or "<" from it, bytes as read or written)."""
    notes: list[str] = field(default_factory=list)

    def record(self, direction: str, data: bytes) -> None:
        self.lines.append((asyncio.get_running_loop().time(), direction, bytes(data)))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def begin(self, command: Command) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...

    @property
    def written(self) -> bytes:
        """All that the driver wrote."""
        return b"".join(data for _, direction, data in self.lines if direction == ">")

    @property
    def heard(self) -> bytes:
        """All that the module wrote."""
        return b"".join(data for _, direction, data in self.lines if direction == "<")


@dataclass
class Bench:
    """Driver, module, and what passed between them."""

    net: AsyncNetworkInterface
    stack: ModuleStack
    channel: Channel
    fake: FakeModem
    wire: Wire
    serials: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    """Of the streams of payload that are said here (`ends.Ends`)."""

    @property
    def engine(self) -> Engine:
        return self.channel.engine

    def step(self, **step: Any) -> int:
        """One more step of the scenario, from now on; its number in `fake.scenario.used`."""
        return self.fake.scenario.add(Step(**step))

    def talks(self, place: str) -> list[Conversation]:
        """The connections that stand at a scripted peer ("host:port")."""
        return list(self.fake.world.peers.talking(place))


def assemble(
    module: str,
    firmware: str = "",
    *,
    scenario: Scenario | None = None,
    peers: Mapping[str, Peer] | None = None,
    names: Mapping[str, str] | None = None,
    fake: Mapping[str, Any] | None = None,
    seed: int = 1,
    tracer: Any = None,
    modem: FakeModem | None = None,
    link: Callable[[FakeModem], Link] | None = None,
    **settings: Any,
) -> Bench:
    """A driver that is not up yet. `fake`: further arguments of the fake; `settings`: the driver's,
    beside what a successful bring-up needs; `tracer`: who is told what passes on the wire, instead of
    the bench's own `wire`; `modem`: a module that is there already; `link`: what leads to it."""
    driver = load_driver(module)
    values: dict[str, Any] = {each.name: each.default for each in driver.settings}
    world: dict[str, Any] = {}
    if driver.kind == "wifi":
        world["access_points"] = dict(ACCESS_POINTS)
        values.update(ssid="lab", password="secret99")
    values.update(settings)
    modem = modem or build(module, **{
        "firmware": firmware or dict(BOTH)[module],
        "scenario": scenario,
        "resolve": dict(names or {}),
        "peers": dict(PEERS if peers is None else peers),
        "offline": True,
        "seed": seed,
        **world,
        **(fake or {}),
    })  # fmt: skip
    wire = Wire()
    made = modem
    make_link = link or (lambda fake: MemoryLink(fake, f"{module}:fake"))
    channel = Channel(Engine(driver.dialect), lambda: make_link(made), lambda: tracer or wire)
    stack = driver.create(channel, module, values)
    return Bench(interface_for(stack), stack, channel, made, wire)


@asynccontextmanager
async def opened(module: str, firmware: str = "", **arguments: Any) -> AsyncIterator[Bench]:
    """The same, up; closed at the end."""
    bench = assemble(module, firmware, **arguments)
    async with bench.net:
        yield bench

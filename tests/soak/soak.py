"""R16: hours of ordinary use with a fault now and then, in virtual time; is memory flat?

python -m tests.soak.soak bg96 24
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import statistics
import sys
import tracemalloc
from dataclasses import dataclass, field
from typing import Any

from fakes import Peer
from fakes.actions import perform
from fakes.virtualtime import VirtualTimeLoop
from netsocket.interface import AsyncNetworkInterface
from netsocket.ports import PORTS
from tests.faults.bench import Bench, Wire, assemble
from tests.simulation.payload import Stream
from tests.simulation.schedule import BACK, draw

SOCKETS = {"esp8266": 5, "bg96": 12}
HOUR = 3600.0
WARM = 1
"""Hours after which caches are full."""
SHARE = 0.002
"""Faults for each command."""
PAUSE = (4.0, 20.0)
"""Seconds between two exchanges of a connection."""
TAKEN_AWAY = {"eat", "deaf"}
"""Lost input makes a payload of which the far end may get anything: `tests/simulation` judges it."""
OURS = ("*/fakes/*", "*/tests/*", "*/tracemalloc.py", "*/fnmatch.py", "*/linecache.py")
"""What is no part of the driver. The rest, Python's own included, counts."""


class Deaf(Wire):
    """Traces nothing, but counts commands."""

    commands = 0

    def record(self, direction: str, data: bytes) -> None:
        self.commands += direction == ">" and data.startswith(b"AT")

    def note(self, text: str) -> None: ...


@dataclass
class Soak:
    """One run; `slope` and `violations` are its result."""

    module: str
    hours: int
    seed: int = 1
    violations: list[str] = field(default_factory=list)
    exchanges: int = 0
    errors: int = 0
    faults: int = 0
    sizes: list[int] = field(default_factory=list)
    """Bytes held at each full hour."""
    commands: int = 0

    @property
    def slope(self) -> float:
        """Bytes an hour, from the first warm hour on: the median of the slopes between all pairs (Theil
        and Sen), which a few samples that catch a transfer (70 KiB) do not move."""
        warm = list(enumerate(self.sizes[WARM:]))
        return statistics.median(
            (later - earlier) / (hour - before)
            for (before, earlier), (hour, later) in itertools.combinations(warm, 2)
        )

    def run(self) -> Soak:
        PORTS.seed(self.seed)
        tracemalloc.start()
        try:
            with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
                runner.run(self._run())
        finally:
            tracemalloc.stop()
        return self

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _loop, context: self.violations.append(f"V10 escaped: {context}")
        )
        tracer = Deaf()
        places = [f"h{number}.test:7" for number in range(SOCKETS[self.module])]
        bench = assemble(
            self.module,
            peers={place: Peer("echo") for place in places},
            tracer=tracer,
            seed=self.seed,
        )
        await bench.net.up()
        users = [loop.create_task(self._user(bench.net, place)) for place in places]
        harm = loop.create_task(self._harm(bench, tracer, places))
        for hour in range(self.hours + 1):
            await asyncio.sleep(max(0.0, HOUR * (hour + 1) - loop.time()))
            self._measure(bench)
        harm.cancel()
        for user in users:
            user.cancel()
        await asyncio.gather(harm, *users, return_exceptions=True)
        self.commands = tracer.commands
        await self._served(bench, places)
        await bench.net.close()

    def _measure(self, bench: Bench) -> None:
        bench.fake.journal.clear()
        gc.collect()
        found = tracemalloc.take_snapshot().filter_traces(
            [tracemalloc.Filter(False, pattern) for pattern in OURS]
        )
        self.sizes.append(sum(each.size for each in found.traces))

    async def _served(self, bench: Bench, places: list[str]) -> None:
        """V9: without faults, everybody is served within two minutes."""
        loop = asyncio.get_running_loop()
        for event in BACK[self.module]:
            perform(bench.fake, "event", event)
        until = loop.time() + 120
        for place in places:
            while True:
                try:
                    await bench.net.up()
                    await self._talk(bench.net, place, random.Random(1), 1)
                    break
                except OSError as error:
                    if loop.time() > until:
                        self.violations.append(f"V9 {place}: {error!r}")
                        return
                    await asyncio.sleep(2.0)

    async def _user(self, net: AsyncNetworkInterface, place: str) -> None:
        source = random.Random(f"{self.seed} {place}")
        while True:
            try:
                await self._talk(net, place, source, source.choice((1, 20, 200)))
            except OSError:
                self.errors += 1
                await asyncio.sleep(5.0)
                try:
                    await net.up()
                except OSError:
                    await asyncio.sleep(30.0)

    async def _talk(
        self, net: AsyncNetworkInterface, place: str, source: random.Random, times: int
    ) -> None:
        """So many exchanges on one connection; all that comes back must be right."""
        stream, said, heard = Stream(source.randrange(1, 1 << 31)), 0, 0
        sock = await net.connect((place.split(":", maxsplit=1)[0], 7), timeout=60)
        try:
            sock.settimeout(60)
            for _ in range(times):
                size = source.choice((10, 200, 1460, 3000))
                await sock.sendall(stream.piece(said, size))
                said += size
                while heard < said:
                    data = await sock.recv(4096)
                    if not data or data != stream.piece(heard, len(data)):
                        self.violations.append(f"V1 {place} at {heard}: {data[:60]!r}")
                        raise ConnectionError("see violations")
                    heard += len(data)
                self.exchanges += 1
                await asyncio.sleep(source.uniform(*PAUSE))
        finally:
            await sock.close()

    async def _harm(self, bench: Bench, tracer: Deaf, places: list[str]) -> None:
        """One fault for each 1/SHARE commands, whenever so many have passed."""
        loop = asyncio.get_running_loop()
        drawn = iter(
            fault
            for fault in draw(self.seed, self.module, places, 1e5, 0.1)
            if not fault.action or fault.action[0] not in TAKEN_AWAY
        )
        while True:
            due = (self.faults + 1) / SHARE
            while tracer.commands < due:
                await asyncio.sleep(5.0)
            self.faults += 1
            next(drawn).inject(bench.fake)
            for event in BACK[self.module]:
                loop.call_later(60.0, perform, bench.fake, "event", event)
            for place in places:
                back: Any = {"at": place, "does": "resume"}
                loop.call_later(60.0, perform, bench.fake, "peer", back)


def main() -> int:
    """See the module's docstring."""
    done = Soak(sys.argv[1], int(sys.argv[2])).run()
    print(
        f"{done.module}: {done.hours} hours, {SOCKETS[done.module]} sockets, {done.commands} "
        f"commands, {done.faults} faults, {done.exchanges} exchanges, {done.errors} errors, "
        f"{done.slope:.0f} bytes an hour, {done.sizes}"
    )
    for sentence in done.violations:
        print("VIOLATION", sentence)
    return bool(done.violations)


if __name__ == "__main__":
    sys.exit(main())

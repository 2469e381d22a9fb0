"""R22: each scenario is cancelled at each of its awaits; then the next command is right, and nothing
is left behind.

The bring-up, which is the same in all scenarios, is cancelled in one of them.
"""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import pytest

from fakes.virtualtime import VirtualTimeLoop
from netsocket.ports import PORTS
from tests.faults.bench import Bench, assemble

from .scenarios import LONGEST, NAMES, PEERS, SCENARIOS, Calls, echoed
from .steps import Steps

MODULES = ("esp8266", "bg96")
WHOLE = "nothing"
UNWIND = 20.0
"""Seconds in which a cancelled program must have left: a close may take 10 s."""
PATIENCE = {("esp8266", "nobody_reads"): 240.0}
"""Virtual time until which the next command may fail: the port of an Espressif module is blocked
while a peer does not read, until the send is given up and the module is reset."""
FREED = 60.0
"""Seconds after which the module must have no connection left of it."""


class Cancelled:
    """One run, cancelled at one await (`at` from 1; 0: never)."""

    def __init__(self, module: str, scenario: str, at: int, *, late: bool) -> None:
        self._module, self._scenario, self._at, self._late = module, scenario, at, late
        self.violations: list[str] = []
        self.brought_up = self.awaits = 0

    def run(self) -> Cancelled:
        PORTS.seed(1)
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(self._run())
        return self

    async def _program(self, bench: Bench, calls: Calls) -> None:
        await calls("up", bench.net.up(), LONGEST)
        self.brought_up = self.steps.count
        await SCENARIOS[self._scenario](bench.net, calls)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._escaped)
        bench = assemble(self._module, names=NAMES, peers=PEERS)
        calls = Calls(bench.fake)
        self.steps = Steps(self._program(bench, calls), self._at, late=self._late)
        task = loop.create_task(self._stepped())
        done, _ = await asyncio.wait({task}, timeout=LONGEST + UNWIND)
        if not done:
            self.violations.append("V4 a cancelled program is still there")
            task.cancel()
        elif not task.cancelled() and not isinstance(task.exception(), OSError | None):
            self.violations.append(f"V10 {task.exception()!r}")
        self.awaits = self.steps.count
        while True:
            try:
                await calls("up", bench.net.up(), LONGEST)
                await calls("resolve", self._name(bench), LONGEST)
                await echoed(bench.net, calls, b"service")
                break
            except OSError as error:
                if loop.time() > PATIENCE.get((self._module, self._scenario), 0.0):
                    self.violations.append(f"the next command: {error!r}")
                    break
                await asyncio.sleep(2.0)
        until = loop.time() + FREED
        while talks := [each for each in bench.fake.world.peers.talking() if not each.ended]:
            if loop.time() > until:
                self.violations.append(f"leak: connections of the module to {talks[0].remote}")
                break
            await asyncio.sleep(1.0)
        await calls("close of the interface", bench.net.close(), 60.0)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if left:
            self.violations.append(f"leak: {left}")
        self.violations += calls.violations

    async def _stepped(self) -> None:
        await self.steps

    async def _name(self, bench: Bench) -> None:
        if await bench.net.resolve("two.test") != [NAMES["two.test"]]:
            self.violations.append("V3 a wrong address")

    def _escaped(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.violations.append(
            f"V10 escaped: {context.get('message')} {context.get('exception')!r}"
        )


def cancel(module: str, scenario: str, share: int, chosen: int) -> int:
    """Every `share`-th await, at once and late; how many runs that were."""
    calm = Cancelled(module, scenario, 0, late=False).run()
    assert not calm.violations
    assert calm.awaits > 5
    first = 1 if scenario == WHOLE else calm.brought_up + 1
    found, runs = [], 0
    for at in range(first, calm.awaits + 1):
        for late in (False, True):
            if (2 * at + late) % share == chosen % share:
                runs += 1
                run = Cancelled(module, scenario, at, late=late).run()
                if run.violations:
                    found.append(f"{module} {scenario} await {at} late {late}: {run.violations}")
    assert not found, "\n".join(found)
    return runs


@pytest.mark.parametrize("scenario", ["echo", "down_and_up"])
@pytest.mark.parametrize("module", MODULES)
def test_some_of_all(module: str, scenario: str) -> None:
    assert cancel(module, scenario, 7, 0)


@pytest.mark.gate
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("module", MODULES)
def test_a_quarter_of_all(module: str, scenario: str) -> None:
    """Another quarter each month."""
    cancel(module, scenario, 4, datetime.datetime.now(datetime.UTC).month)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("module", MODULES)
def test_all(module: str, scenario: str) -> None:
    cancel(module, scenario, 1, 0)

"""One scenario with one operation of the port that fails, and the judgement of what followed."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from atdriver.links.serial import SerialLink
from fakes.actions import perform
from netsocket.errors import NetsocketError
from netsocket.ports import PORTS
from tests.faults.bench import Bench, Wire, assemble

from .port import PATH, REPLUGGED, Port, TortureLoop
from .scenarios import LONGEST, NAMES, PEERS, SCENARIOS, Calls, echoed

RECOVERY = 120.0
"""Virtual seconds in which service must be back, or the port must be known to be gone."""
READY = "up"
"""Put among the operations where the bring-up ended."""


class Rack:
    """One run. `violations` are sentences, none when all is well."""

    def __init__(self, module: str, scenario: str, fail: tuple[int, str] | None = None) -> None:
        self._module = module
        self._scenario = scenario
        self._fail = fail
        self.violations: list[str] = []
        self.operations: list[str] = []
        self.brought_up = 0
        """How many of the operations belong to the bring-up."""
        self.failed: str | None = None
        self.wires: list[Wire] = []

    def run(self) -> Rack:
        PORTS.seed(1)
        before = len(os.listdir("/proc/self/fd"))
        with asyncio.Runner(loop_factory=TortureLoop) as runner:
            runner.run(self._run())
        left = len(os.listdir("/proc/self/fd")) - before
        if left:
            self.violations.append(f"leak: {left} descriptors")
        return self

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._escaped)
        bench = self._bench()
        port = Port(bench.fake)
        assert isinstance(loop, TortureLoop)
        loop.port = port
        port.fail = self._fail
        await port.plug()
        await asyncio.sleep(5.0)
        calls = Calls(bench.fake)
        with port.installed():
            try:
                await calls("up", bench.net.up(), LONGEST)
                self.brought_up = len(port.operations)
                await SCENARIOS[self._scenario](bench.net, calls)
            except OSError:
                pass  # judged by `calls`
            except Exception as error:
                calls.violations.append(f"V10 {error!r}")
            self.operations = list(port.operations)
            self.failed = port.failed
            # An Espressif module takes no command, not even a reset, while a peer does not read.
            perform(bench.fake, "peer", {"does": "resume"})
            if not await self._served(bench, calls):
                await self._end(bench, calls)
                await asyncio.sleep(2 * REPLUGGED)
                bench = self._bench(bench)  # the next program
                if not await self._served(bench, calls):
                    calls.violations.append("V9 no service for the next program")
            await self._end(bench, calls)
        if port.descriptors:
            calls.violations.append(f"leak: {len(port.descriptors)} open ports")
        await port.unplug()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if left:
            calls.violations.append(f"leak: {left}")
        self.violations += calls.violations

    def _bench(self, former: Bench | None = None) -> Bench:
        made = assemble(
            self._module,
            names=NAMES,
            peers=PEERS,
            modem=former and former.fake,
            link=lambda _fake: SerialLink(PATH),
        )
        self.wires.append(made.wire)
        return made

    async def _served(self, bench: Bench, calls: Calls) -> bool:
        """Within RECOVERY: whether service is back; False when the driver says it has no port."""
        loop = asyncio.get_running_loop()
        until = loop.time() + RECOVERY
        while True:
            judge = Calls(bench.fake)
            try:
                await judge("up", bench.net.up(), LONGEST)
                await echoed(bench.net, judge, b"service")
                return True
            except NetsocketError as error:
                why: OSError = error
            except OSError as error:
                why = error
            finally:
                calls.violations += judge.violations
            if not bench.channel.reachable:
                return False
            if loop.time() > until:
                calls.violations.append(f"V9 no service {RECOVERY:g} s after: {why!r}")
                return False
            await asyncio.sleep(2.0)

    async def _end(self, bench: Bench, calls: Calls) -> None:
        try:
            await calls("close of the interface", bench.net.close(), 60.0)
            await calls("second close", bench.net.close(), 1.0)
        except OSError:
            pass

    def _escaped(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.violations.append(
            f"V10 escaped: {context.get('message')} {context.get('exception')!r}"
        )

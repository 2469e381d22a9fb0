"""Bench: one session with one module, in an event loop of its own; every probe is one call."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from atdriver.cli.failure import Failure, UsageProblem
from atdriver.cli.farend import reached
from atdriver.cli.options import Request, key_values
from atdriver.cli.report import is_fake
from atdriver.cli.session import put_together
from atdriver.disguise import STAND_IN_FAR, STAND_IN_OWN, disguised
from atdriver.modem import Modem
from atdriver.registry import load_driver
from atdriver.specification import parse
from hil import power, results
from hil.recording import (
    FORMAT,
    SessionTrace,
    excerpt,
    load,
)
from hil.replay import Mismatch, Player, replay
from hil.seam import Meter, Seam
from hil.timers import NotingLoop, OutsideLink
from netsocket.capability.farend import FarEnd
from netsocket.capability.measure import Measurement, Result, judge
from netsocket.capability.record import to_record
from netsocket.capability.surroundings import cost, not_run
from netsocket.capability.verdict import Probe
from netsocket.interface import AsyncNetworkInterface
from netsocket.interface_kinds import interface_for
from netsocket.ports import PORTS
from netsocket.stack import InterfaceStatus

RETURN: Final = 60.0
"""Seconds for a module to come back, by itself or behind a power cycle."""
PAUSE: Final = 0.5
"""Seconds between attempts to open a port that is not there yet."""


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    spec: str
    far_end: str = "127.0.0.1"
    token: str = ""
    name: str | None = None
    settings: tuple[str, ...] = ()
    profile: Path | None = None
    max_bytes: int | None = None
    power_cycle: str = ""
    reachable: bool = False
    results: Path | None = None


@dataclass
class Bench:
    """One session. Call `start`, `judge` for each probe, `finish`; `told` is for people."""

    options: Options
    whole: bool = True
    """Whether all probes are to be run: a part is no result to contribute."""
    told: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What must make the command fail besides the probes."""

    def __post_init__(self) -> None:
        self.simulated = is_fake(self.options.spec.partition(":")[2])
        hardware = not self.simulated and self.options.spec != "host"
        folder = self.options.results or (results.FOLDER if hardware else results.ELSEWHERE)
        if results.is_ours(folder) and not hardware:
            raise UsageProblem(
                f"--results {folder}: only results of real modules go there; name another folder"
            )
        self.folder: Path | None = folder
        if results.is_ours(folder) and not self.whole:
            self.folder = None
        self.meter = Meter(self.options.max_bytes)
        self.trace: SessionTrace | None = None
        self.found: list[Result] = []
        self._excerpts: dict[str, list[str]] = {}
        self._runner = asyncio.Runner(loop_factory=NotingLoop)
        self._stack = contextlib.AsyncExitStack()
        self._kept: dict[str, str] = {}
        self._ended = False
        self._own: set[str] = set()
        self._modem: Modem | None = None
        self._net: AsyncNetworkInterface | None = None
        self._far: FarEnd | None = None

    @property
    def net(self) -> AsyncNetworkInterface:
        """The interface under test."""
        assert self._net is not None
        return self._net

    @property
    def far(self) -> FarEnd:
        """The far end."""
        assert self._far is not None
        return self._far

    # -- begin and end ------------------------------------------------------------------------

    def start(self) -> None:
        """Power cycle, far end, module, network. Raises what says why it cannot be, in a sentence:
        Failure, UsageProblem, OSError."""
        try:
            self._runner.run(self._start())
        except BaseException:
            self.abandon()
            raise

    async def _start(self) -> None:
        options = self.options
        self._far = await self._stack.enter_async_context(
            reached(options.far_end, options.token, options.name)
        )
        if options.power_cycle:
            await power.cycle(options.power_cycle)
        request = Request(
            options.spec, key_values("--set", list(options.settings)), options.profile
        )
        patience = RETURN if options.power_cycle else 0.0
        self._modem = await _patiently(lambda: put_together(request), patience)
        stack: Any = self._modem.stack
        if self._modem.channel is not None:
            self._kept = await _patiently(stack.kept_settings, patience)
            self._begin_trace()
        Seam(stack, self.meter, self.trace)
        self._net = interface_for(stack)
        await self.net.up()
        self._remember_address()
        try:
            await self.far.admit(self.net)
        except OSError as error:
            raise Failure(
                f"the far end {options.far_end} cannot be reached through the module: "
                f"{error.strerror or error}"
            ) from error

    def _begin_trace(self) -> None:
        """The head of the recording: how to put the same stack together again."""
        assert self._modem is not None
        assert self._modem.channel is not None
        trace = self.trace = SessionTrace()
        self._modem.channel.trace_with(lambda: trace)
        name = self._modem.stack.name
        driver = load_driver(name)
        plain, hidden = {}, []
        for setting in driver.settings:
            value = self._modem.settings.get(setting.name, setting.default)
            if setting.name in ("trace", "baud", "rtscts") or value == setting.default:
                continue
            if setting.secret:
                hidden.append(setting.name)
            else:
                plain[setting.name] = value
        seed = secrets.randbelow(1 << 32)
        PORTS.seed(seed)
        head = {"format": FORMAT, "module": name, "settings": plain, "secrets": hidden,
                "seed": seed}  # fmt: skip
        loop = asyncio.get_running_loop()
        assert isinstance(loop, NotingLoop)
        loop.note = trace.note
        self._modem.channel.link_with(OutsideLink)
        trace.note(f"session {json.dumps(head)}")

    def _remember_address(self) -> None:
        if self.net.ip_address:
            self._own.add(self.net.ip_address)

    def abandon(self) -> None:
        """Give everything back after a failure; nothing after `finish`."""
        if self._ended:
            return
        self._ended = True
        with contextlib.suppress(Exception):
            self._runner.run(self._down())
        self._runner.close()

    async def _down(self) -> None:
        try:
            if self._net is not None:
                await self._net.close()
        finally:
            await self._stack.aclose()

    def finish(self) -> None:
        """Leave the module as it was found, store results and recording, replay it."""
        self._ended = True
        try:
            self._runner.run(self._finish())
        finally:
            self._runner.close()
        if self.found:
            self._store()

    async def _finish(self) -> None:
        assert self._modem is not None
        claims = self.net.capabilities
        self.claims = claims
        anomalies = self._modem.channel.engine.anomalies if self._modem.channel else {}
        self.anomalies = dict(anomalies)
        await self._down()
        if self._modem.channel is None or self.options.spec.endswith(":fake"):
            return  # a simulated module in this process forgets everything when its port is closed
        self._modem.channel.trace_with(None)
        stack: Any = self._modem.stack
        try:
            now = await stack.put_back(self._kept)
        except OSError as error:
            self.wrong.append(f"whether the module's settings are as before is unknown: {error}")
            return
        changed = [name for name in self._kept if now.get(name) != self._kept[name]]
        if changed:
            self.wrong.append(f"left changed in the module: {', '.join(changed)}")
        else:
            self.told.append(f"{len(self._kept)} settings that the module keeps are as before")

    # -- probes -------------------------------------------------------------------------------

    def judge(self, probe: Probe) -> Result:
        """Run one probe, or say why not. Raises FarEndLost, Failure (power cycle)."""
        result = self._runner.run(self._judge(probe))
        self.found.append(result)
        return result

    async def _judge(self, probe: Probe) -> Result:
        reason = await self._unfit()
        left, price = self.meter.left, cost(probe, self.net.capabilities)
        if not reason and left is not None and price > left:
            reason = f"it moves about {price} bytes, {left} of the data budget are left"
        if reason:
            return _left_out(probe, reason)
        mark = 0
        if self.trace is not None:
            mark = self.trace.mark()
            self.trace.note(f"probe {probe.name}")
        self.meter.refused = False
        reachable = self.options.reachable or self.far.near
        result = await judge(probe, self.net, self.far, reachable=reachable)
        self._remember_address()
        if self.meter.refused:
            result = _left_out(probe, "it was stopped, the data budget is used up")
        if self.trace is not None:
            self._excerpts[probe.name] = excerpt(self.trace.since(mark))
        return result

    async def _unfit(self) -> str:
        """Why nothing can be asked of the module; "" when it is up. Tries to get it back."""
        if await self._comes_back():
            return ""
        if self.options.power_cycle:
            await power.cycle(self.options.power_cycle)
        try:
            await self.net.down()
            await _patiently(self.net.up, RETURN if self.options.power_cycle else 0.0)
        except OSError as error:
            return f"the module is dead: {error.strerror or error}"
        return ""

    def _connecting(self) -> bool:
        return self.net.status is InterfaceStatus.CONNECTING

    async def _comes_back(self) -> bool:
        """The stack brings a module up again by itself; wait while it tries."""
        deadline = time.monotonic() + RETURN
        while self._connecting() and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return self.net.status is InterfaceStatus.GLOBAL_UP

    def run(self, work: Any) -> Any:
        """Another piece of work in the session's loop (soak); the recording ends before it."""
        if self.trace is not None:
            self.trace.stop()
        return self._runner.run(work)

    # -- results ------------------------------------------------------------------------------

    def measurement(self) -> Measurement:
        """Everything found so far; probes that were not reached are not in it."""
        found = Measurement(
            self.claims,
            self.found,
            "simulated" if self.simulated else "measured",
            time.strftime("%Y-%m-%d", time.gmtime()),
        )
        module = parse(self.options.spec)
        found.spec = f"{module.module}:{module.port}" if module.port else module.module
        found.anomalies = self.anomalies
        return found

    def _disguise(self) -> dict[str, str]:
        """Texts that say where this was measured. Addresses of loopback say nothing."""
        known = {own: STAND_IN_OWN for own in self._own if not own.startswith("127.")}
        if not self.far.loopback:
            known[self.far.host] = STAND_IN_FAR
            if self.far.name:
                known[self.far.name] = "far-end.example"
        ssid = self._modem.settings.get("ssid") if self._modem else None
        if ssid and not self.simulated:
            known[str(ssid)] = "network-0"
        return known

    def _store(self) -> None:
        found = self.measurement()
        self.told.append(
            f"{found.spec}: {len(found.results)} probes, {len(found.contradictions())} "
            f"contradictions (evidence: {found.kind}), {self.meter.used} payload bytes"
        )
        if self.folder is None:
            self.told.append("a part of the probes is no result: nothing is stored without "
                             "--results FOLDER")  # fmt: skip
            return
        path = results.stem(self.folder, found.claims.module, found.claims.firmware)
        record = to_record([found], [self._excerpts])
        plain = json.loads(disguised(json.dumps(record), self._disguise()))
        target = path.with_name(path.name + ".json")
        results.store(target, plain)
        why = " (simulated: not in hil/results)" if self.simulated else ""
        self.told.append(f"results: {target}{why}")
        if self.trace is not None:
            self._store_trace(path.with_name(path.name + ".trace.gz"))

    def _store_trace(self, path: Path) -> None:
        assert self.trace is not None
        self.trace.store(path, self._disguise())
        try:
            player: Player = replay(load(path))
        except Mismatch as error:
            self.told.append(f"wire trace: {path}, which does not replay ({error})")
        else:
            self.told.append(
                f"wire trace: {path}, which replays ({player.calls} calls, {player.bytes} bytes)"
            )


def _left_out(probe: Probe, reason: str) -> Result:
    verdict = not_run(reason)
    return Result(probe.name, probe.promise, verdict.outcome, verdict.evidence, 0.0)


async def _patiently(work: Any, seconds: float) -> Any:
    """The result of `work()`, tried again while it raises OSError and there is time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await work()
        except OSError:
            if time.monotonic() + PAUSE > deadline:
                raise
        await asyncio.sleep(PAUSE)

"""Running the probes on a stack and holding the claims against what they found."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import netsocket.capability.probes  # noqa: F401 - registers them
from netsocket.capability import performance
from netsocket.capability.catalogue import CATALOGUE, VERSION
from netsocket.capability.farend import FarEnd
from netsocket.capability.model import Capability, CapabilityTable, Level
from netsocket.capability.surroundings import missing, not_run, patience, too_slow
from netsocket.capability.verdict import PROBES, Broken, Outcome, Probe, Verdict
from netsocket.errors import NotSupported
from netsocket.interface import AsyncNetworkInterface
from netsocket.interface_kinds import interface_for
from netsocket.stack import Stack

PERFORMANCE: Final = "performance"
"""What `only` calls the figures by."""
_WORST: Final = (
    Outcome.UNJUDGED,
    Outcome.PASS,
    Outcome.UNSUPPORTED,
    Outcome.PARTIAL,
    Outcome.FAIL,
)


class UnstatedClaims(UserWarning):
    """A stack's table says nothing about some promises; they read UNKNOWN."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one probe found."""

    probe: str
    promise: str
    outcome: Outcome
    evidence: str
    seconds: float
    limit: int | None = None


@dataclass
class Measurement:
    """All results of one module with one firmware; `kind` says what the evidence is worth."""

    claims: CapabilityTable
    results: list[Result]
    kind: str
    date: str = ""
    spec: str = ""
    catalogue: int = VERSION
    anomalies: dict[str, int] = field(default_factory=dict)
    performance: performance.Performance | None = None
    """None when the figures were not asked for."""
    near: bool = True
    """Whether the far end was on this computer."""
    medium: str = ""
    """What carries the packets, see `AsyncNetworkInterface.medium`."""

    def outcome(self, promise: str) -> Outcome:
        """The worst that the probes of a promise found; UNJUDGED when there is none."""
        found = [result.outcome for result in self.results if result.promise == promise]
        return max(found, key=_WORST.index, default=Outcome.UNJUDGED)

    def fits(self, promise: str) -> bool:
        """Whether claim and measurement say the same. Of several probes the worst decides: one
        that was left out might have been that, so a better outcome than claimed is no surprise."""
        claim, outcome = self.claims[promise], self.outcome(promise)
        if agrees(claim, outcome):
            return True
        judged = {r.probe for r in self.results if r.outcome is not Outcome.UNJUDGED}
        left_out = any(p.promise == promise and p.name not in judged for p in PROBES.values())
        modest = claim.level in (Level.PARTIAL, Level.NONE)
        return left_out and modest and outcome in (Outcome.PASS, Outcome.PARTIAL)

    def contradictions(self) -> list[str]:
        """One sentence for each promise whose claim is not what was found."""
        return list(filter(None, map(self.contradiction, self.claims)))

    def contradiction(self, promise: str) -> str:
        """How the claim about a promise is not what was found; "" when it is."""
        claim = self.claims[promise]
        if not self.fits(promise):
            evidence = "; ".join(
                f"{result.probe} {result.outcome.value}: {result.evidence}"
                for result in self.results
                if result.promise == promise
            )
            return f"{promise}: claimed {claim.level.value}, but {evidence}"
        if not self._exact(claim):
            return f"{promise}: claimed {claim.limit} {claim.unit}, but {self.limit(promise)} work"
        return ""

    def limit(self, promise: str) -> int | None:
        """The number that the probes of a promise found, None when they looked for none."""
        found = (result.limit for result in self.results if result.promise == promise)
        return next((each for each in found if each is not None), None)

    def _exact(self, claim: Capability) -> bool:
        found = self.limit(claim.id)
        return found is None or claim.limit is None or claim.limit == found

    def unknown(self) -> list[str]:
        """Promises that are claimed UNKNOWN."""
        return [id_ for id_, claim in self.claims.items() if claim.level is Level.UNKNOWN]


def agrees(claim: Capability, outcome: Outcome) -> bool:
    """Whether a claim and a measurement say the same. Both directions count: a promise that is
    broken, and one that is kept though the claim says it cannot be."""
    if outcome is Outcome.UNJUDGED or claim.level is Level.UNKNOWN:
        return True
    if claim.level in (Level.FULL, Level.EMULATED):
        return outcome is Outcome.PASS
    if claim.level is Level.PARTIAL:
        return outcome is Outcome.PARTIAL
    return outcome in (Outcome.FAIL, Outcome.UNSUPPORTED)


async def judge(
    probe: Probe,
    net: AsyncNetworkInterface,
    far: FarEnd,
    *,
    reachable: bool = True,
    patient: bool = False,
) -> Result:
    """Run one probe; whatever it raises becomes a verdict. Raises FarEndLost when there was
    nobody left to judge.

    `reachable` says that the far end reaches the module as it is, without NAT; else the probes
    that need that are left out, and say so. So is one that cannot end in time by the module's own
    claims (`too_slow`), unless `patient`.
    """
    need = missing(probe, far, reachable)
    why = need.value if need else "" if patient else too_slow(probe, net.capabilities)
    if why:
        left_out = not_run(why)
        return Result(probe.name, probe.promise, left_out.outcome, left_out.evidence, 0.0)
    far.check()
    begun = time.monotonic()
    try:
        await far.admit(net)
        async with asyncio.timeout(patience(probe, net.capabilities)):
            verdict = await probe.run(net, far)
    except Broken as error:
        verdict = Verdict(Outcome.FAIL, str(error))
    except NotSupported as error:
        verdict = Verdict(Outcome.UNSUPPORTED, error.reason)
    except (OSError, ValueError, asyncio.InvalidStateError) as error:
        verdict = Verdict(Outcome.FAIL, f"{type(error).__name__}: {error}")
    far.check()
    seconds = time.monotonic() - begun
    return Result(
        probe.name, probe.promise, verdict.outcome, verdict.evidence, seconds, verdict.limit
    )


async def run(
    stack: Stack | AsyncNetworkInterface,
    far_end: FarEnd,
    *,
    kind: str = "measured",
    only: Iterable[str] | None = None,
    progress: Callable[[Result], object] | None = None,
    reachable: bool | None = None,
) -> Measurement:
    """Run the probes on a stack, or on an interface that is up, against a running far end, then
    take its figures.

    `kind` is "measured" for hardware and the host, "simulated" for a fake; `only` names promises,
    probes, or "performance"; what is named is asked however slow the module is. `reachable`: see
    `judge`, by default whether the far end is near.
    Warns with UnstatedClaims when the stack's table is not complete. A stack that is handed over
    is brought up and down here.
    """
    if not isinstance(stack, AsyncNetworkInterface):
        async with interface_for(stack) as net:
            return await run(
                net, far_end, kind=kind, only=only, progress=progress, reachable=reachable
            )
    net = stack
    if net.capabilities.unstated:
        names = ", ".join(id_ for id_ in CATALOGUE if id_ in net.capabilities.unstated)
        warnings.warn(f"{net.name} claims nothing about {names}", UnstatedClaims, stacklevel=2)
    wanted = None if only is None else set(only)
    results = []
    for probe in PROBES.values():
        if wanted is None or wanted & {probe.name, probe.promise}:
            results.append(
                await judge(
                    probe,
                    net,
                    far_end,
                    reachable=far_end.near if reachable is None else reachable,
                    patient=wanted is not None,
                )
            )
            if progress is not None:
                progress(results[-1])
    figures = None
    if wanted is None or PERFORMANCE in wanted:
        figures = await performance.measure(net, far_end)
    now = time.strftime("%Y-%m-%d", time.gmtime())
    return Measurement(
        net.capabilities,
        results,
        kind,
        now,
        performance=figures,
        near=far_end.near,
        medium=net.medium,
    )

"""The recovery's policy with a module that only says how it is: what is tried, when, how often, what is
told of it and counted, and which failure is left in the end. In virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from atdriver.errors import ModuleSilent, RestartSeen, WrongModule
from modems.lifecycle import ModuleState
from modems.recovering import Recovery
from modems.recovery import RESTART_PAUSES, Trouble
from netsocket.errors import ConnectionReset, DeviceError, ModuleRestarted, NetworkDown
from netsocket.stack import InterfaceStatus
from tests.faults.bench import virtual
from tests.faults.ends import now

UP, CONNECTING, DOWN = (
    InterfaceStatus.GLOBAL_UP,
    InterfaceStatus.CONNECTING,
    InterfaceStatus.DISCONNECTED,
)
FAILURE = ConnectionReset("as it was met")


class Module:
    """A `Patient`. `ends`: what each try ends with: an error, or None for a success."""

    name = "box"
    network_trouble = Trouble.AIR

    def __init__(self, *ends: BaseException | None, automatic: bool = True) -> None:
        self.ends = list(ends)
        self.state = ModuleState.IP_READY
        self.told = UP
        self.notes: list[str] = []
        self.channel: Any = SimpleNamespace(note=self.notes.append, reachable=True)
        self.tried: list[tuple[float, str]] = []
        self.statuses: list[InterfaceStatus] = []
        self.gave_up = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.begun = now()
        self.recovery = Recovery(self, self._spawn, automatic=automatic)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.tasks.append(asyncio.get_running_loop().create_task(coroutine))
        return self.tasks[-1]

    def tell(self, status: InterfaceStatus) -> None:
        self.told = status
        self.statuses.append(status)

    def given_up(self) -> None:
        self.gave_up += 1

    async def again(self, attempt: int) -> None:
        await self._try(f"again {attempt}")

    async def reset(self) -> None:
        await self._try("reset")

    async def reopen(self) -> None:
        await self._try("reopen")

    async def _try(self, what: str) -> None:
        self.tried.append((round(now() - self.begun, 3), what))
        end = self.ends.pop(0) if self.ends else FAILURE
        if end is not None:
            raise end

    @property
    def whats(self) -> list[str]:
        return [what for _, what in self.tried]

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.recovery.counts)


# -- one trouble -------------------------------------------------------------------------------------


@virtual
async def test_the_gentlest_way_suffices() -> None:
    box = Module(None)
    box.recovery.meet(Trouble.CONTEXT, FAILURE)
    assert box.statuses == [CONNECTING]
    assert box.recovery.failure is FAILURE
    assert box.recovery.running
    await asyncio.sleep(1.0)
    assert box.tried == [(0.2, "again 0")]
    assert box.statuses == [CONNECTING, UP]
    assert box.recovery.failure is None
    assert not box.recovery.running
    assert box.counts == {"context lost": 1, "retry": 1}
    assert box.recovery.account == "context lost 1, retry 1"
    assert box.notes == ["recovery: context lost (1)", "recovery: retry (1)"]


@pytest.mark.parametrize(
    ("trouble", "tried", "failed"),
    [
        (Trouble.RESTART, [(0.1, "again 0"), (0.3, "again 1"), (0.8, "reset"), (1.8, "reset"),
                           (2.8, "reopen"), (4.8, "reopen")], True),
        (Trouble.SILENT, [(0.1, "reset"), (0.3, "reset"), (1.3, "reopen"), (3.3, "reopen")], True),
        (Trouble.AIR, [*((5.0 * n, f"again {n - 1}") for n in range(1, 13)), (60.0, "reset"),
                       *((60.0 + 5.0 * n, f"again {n + 12}") for n in range(1, 5)),
                       *((80.0 + 5.0 * n, f"again {n + 16}") for n in range(1, 3))], False),
    ],
    ids=["restart", "silent", "wifi"],
)  # fmt: skip
@virtual
async def test_a_whole_ladder(
    trouble: Trouble, tried: list[tuple[float, str]], failed: bool
) -> None:
    """From the gentlest step to the last. The cause of a lost network lies outside: it is looked at for
    ever, though the interface is told that it is down."""
    box = Module()
    box.recovery.meet(trouble, FAILURE)
    await asyncio.sleep(91.0)
    assert box.tried == tried
    assert box.statuses == [CONNECTING, DOWN]
    assert box.counts["failed"] == 1
    assert box.recovery.running is not failed
    assert box.gave_up == failed
    assert box.recovery.failure is FAILURE
    if not failed:
        box.ends = [None]
        await asyncio.sleep(5.0)
        assert box.statuses == [CONNECTING, DOWN, UP]
        assert box.recovery.failure is None


@virtual
async def test_a_port_that_is_gone_is_looked_for() -> None:
    """30 s, at most a second apart, and then for ever, with the interface down."""
    box = Module()
    box.channel.reachable = False
    box.recovery.meet(Trouble.UNPLUGGED, FAILURE)
    await asyncio.sleep(29.0)
    assert box.tried[:3] == [(0.5, "reopen"), (1.5, "reopen"), (2.5, "reopen")]
    assert box.statuses == [CONNECTING]
    await asyncio.sleep(6.0)
    assert box.statuses == [CONNECTING, DOWN]
    assert box.counts["failed"] == 1
    assert box.counts["reopen"] == 31
    assert len(box.tried) > 32
    assert set(box.whats) == {"reopen"}


@virtual
async def test_a_port_that_is_there_again_and_a_module_that_does_not_come_up() -> None:
    """It is met as a restart then, with a ladder of its own; the one of the port begins anew."""
    box = Module(*[FAILURE] * 3)
    box.channel.reachable = False
    box.recovery.meet(Trouble.UNPLUGGED, FAILURE)
    await asyncio.sleep(2.0)
    box.channel.reachable = True
    await asyncio.sleep(60.0)
    assert box.whats == ["reopen"] * 3 + [
        "again 3",
        "again 4",
        "reset",
        "reset",
        "reopen",
        "reopen",
    ]
    assert box.statuses == [CONNECTING, CONNECTING, DOWN]
    assert box.gave_up == 1


@virtual
async def test_without_recovery_it_is_given_up_at_once(caplog: pytest.LogCaptureFixture) -> None:
    box = Module(automatic=False)
    with caplog.at_level(logging.WARNING, "atdriver"):
        box.recovery.meet(Trouble.SILENT, FAILURE)
    await asyncio.sleep(60.0)
    assert box.tried == []
    assert box.statuses == [DOWN]
    assert box.gave_up == 1
    assert box.recovery.failure is FAILURE
    assert box.counts == {"silent": 1, "failed": 1}
    assert caplog.messages == [f"box: given up: {FAILURE}"]


@virtual
async def test_a_mistake_of_ours_does_not_leave_it_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    box = Module(KeyError("x"))
    with caplog.at_level(logging.ERROR, "atdriver"):
        box.recovery.meet(Trouble.SILENT, FAILURE)
        await asyncio.sleep(60.0)
    assert box.whats == ["reset"]
    assert box.statuses == [CONNECTING, DOWN]
    assert isinstance(box.recovery.failure, DeviceError)
    assert box.recovery.failure.reason == "the recovery failed: KeyError('x')"
    assert caplog.messages == ["box: the recovery failed"]
    assert caplog.records[0].exc_info


@virtual
async def test_another_module_in_its_place_is_left_alone() -> None:
    wrong = WrongModule("another box", "1", "2")
    box = Module(wrong)
    box.recovery.meet(Trouble.SILENT, FAILURE)
    await asyncio.sleep(60.0)
    assert box.whats == ["reset"]
    assert box.recovery.failure is wrong
    assert box.statuses == [CONNECTING, DOWN]


# -- several troubles --------------------------------------------------------------------------------


@virtual
async def test_what_a_step_meets_may_be_another_trouble() -> None:
    """Silence on the way back from a lost network; a restart; a network that does not come."""
    for met, state, ladder in (
        (ModuleSilent("deaf"), ModuleState.IP_READY, ["reset", "reset", "reopen", "reopen"]),
        (RestartSeen("again"), ModuleState.IP_READY, ["again 1", "again 2", "reset", "reset"]),
        (FAILURE, ModuleState.SEARCHING, ["again 1", "again 2", "again 3", "again 4"]),
        (FAILURE, ModuleState.IP_READY, ["again 1", "again 2", "again 3", "again 4"]),
    ):
        box = Module(met)
        box.state = state
        box.recovery.meet(Trouble.CONTEXT, FAILURE)
        await asyncio.sleep(30.0)
        assert box.whats[:5] == ["again 0", *ladder]
        box.recovery.end()
        await asyncio.sleep(0)


@virtual
async def test_a_graver_trouble_takes_over_and_cuts_the_pause_short() -> None:
    box = Module()
    box.recovery.meet(Trouble.AIR, FAILURE)
    await asyncio.sleep(1.0)
    worse = ModuleSilent("deaf")
    box.recovery.meet(Trouble.SILENT, worse)
    assert box.recovery.failure is worse
    await asyncio.sleep(2.0)
    assert box.tried[:2] == [(1.1, "reset"), (1.3, "reset")]
    assert box.statuses == [CONNECTING, CONNECTING]


@virtual
async def test_a_lesser_trouble_does_not() -> None:
    box = Module()
    box.recovery.meet(Trouble.SILENT, FAILURE)
    await asyncio.sleep(0.05)
    lesser = NetworkDown("lost")
    box.recovery.meet(Trouble.AIR, lesser)
    assert box.recovery.failure is lesser
    await asyncio.sleep(0.5)
    assert box.whats == ["reset", "reset"]
    assert box.statuses == [CONNECTING]
    assert box.counts == {"silent": 1, "wifi lost": 1, "reset": 2}


@virtual
async def test_what_a_step_brings_about_is_no_trouble() -> None:
    """A reset is a restart; it is not counted."""
    box = Module()

    async def reset() -> None:
        box.tried.append((0.0, "reset"))
        box.recovery.meet(Trouble.RESTART, ModuleRestarted("by us"))
        box.recovery.meet(Trouble.SILENT, ModuleSilent("for a moment"))

    box.reset = reset  # type: ignore[method-assign]
    box.recovery.meet(Trouble.SILENT, FAILURE)
    await asyncio.sleep(1.0)
    assert box.counts == {"silent": 1, "reset": 1}
    assert box.told is UP


@virtual
async def test_a_restart_at_the_last_moment_is_no_success() -> None:
    box = Module(None, None)
    box.state = ModuleState.REBOOTED
    box.recovery.meet(Trouble.RESTART, FAILURE)
    await asyncio.sleep(0.15)
    assert box.statuses == [CONNECTING]
    box.state = ModuleState.IP_READY
    await asyncio.sleep(0.5)
    assert box.whats == ["again 0", "again 1"]
    assert box.statuses == [CONNECTING, UP]


@virtual
async def test_a_module_that_comes_up_by_itself_ends_the_ladder() -> None:
    box = Module()
    box.recovery.meet(Trouble.AIR, FAILURE)
    await asyncio.sleep(1.0)
    box.tell(UP)
    box.recovery.up()
    await asyncio.sleep(10.0)
    assert box.tried == []
    assert not box.recovery.running
    assert box.recovery.failure is None


@virtual
async def test_an_interface_that_is_taken_down_ends_it() -> None:
    box = Module()
    box.recovery.meet(Trouble.SILENT, FAILURE)
    await asyncio.sleep(0.01)
    box.recovery.end()
    await asyncio.sleep(10.0)
    assert box.tried == []
    assert box.recovery.failure is None
    assert not box.recovery.running


# -- out of step -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "told"), [(9.9, []), (10.1, [CONNECTING, UP])])
@virtual
async def test_an_engine_that_is_out_of_step(seconds: float, told: list[InterfaceStatus]) -> None:
    """10 s: then the interface is no longer called up, until it is in step again."""
    box = Module()
    box.recovery.out_of_step()
    await asyncio.sleep(seconds / 2)
    box.recovery.out_of_step()
    await asyncio.sleep(seconds / 2)
    box.recovery.in_step()
    await asyncio.sleep(20.0)
    assert box.statuses == told
    stalls = ["recovery: it stalls"] if told else []
    assert box.notes == ["recovery: resync (1)", "recovery: resync (2)", *stalls]
    box.recovery.in_step()
    assert box.statuses == told


@virtual
async def test_a_stall_while_it_is_not_up_tells_nothing() -> None:
    box = Module()
    box.told = DOWN
    box.recovery.out_of_step()
    await asyncio.sleep(11.0)
    box.recovery.in_step()
    assert box.statuses == []


@pytest.mark.parametrize("how", ["meet", "up", "end"])
@virtual
async def test_what_ends_a_stall(how: str) -> None:
    box = Module(None)
    box.recovery.out_of_step()
    await asyncio.sleep(5.0)
    if how == "meet":
        box.recovery.meet(Trouble.SILENT, FAILURE)
    elif how == "up":
        box.recovery.up()
    else:
        box.recovery.end()
    await asyncio.sleep(10.0)
    assert "recovery: it stalls" not in box.notes
    assert box.statuses == ([CONNECTING, UP] if how == "meet" else [])


# -- restarts in a row -------------------------------------------------------------------------------

POWER = (
    "the box restarted {} times in a row: is its power supply strong enough, also while it transmits "
    "(a capacitor at the module, a shorter or better cable, a powered hub)?"
)


async def restarts(box: Module, count: int, apart: float) -> list[float]:
    """So many, each in service again and this long before the next; how long each took to come back."""
    took = []
    for _ in range(count):
        box.recovery.meet(Trouble.RESTART, FAILURE)
        begun = now()
        while box.told is CONNECTING:
            await asyncio.sleep(0.05)
        took.append(round(now() - begun, 1))
        await asyncio.sleep(apart)
    return took


@virtual
async def test_restarts_in_a_row_are_answered_later_and_later() -> None:
    """From the fourth on the power supply is suspected; the eighth is a failure."""
    box = Module(*[None] * 10)
    took = await restarts(box, 7, 1.0)
    assert took == [pytest.approx(0.1 + pause, abs=0.06) for pause in RESTART_PAUSES]
    assert box.counts == {"restart": 7, "retry": 7}
    box.recovery.meet(Trouble.RESTART, FAILURE)
    assert box.told is DOWN
    assert box.gave_up == 1
    assert isinstance(box.recovery.failure, DeviceError)
    assert box.recovery.failure.reason == POWER.format(8)
    await asyncio.sleep(10.0)
    assert box.counts == {"restart": 8, "retry": 7, "failed": 1}
    box.recovery.meet(Trouble.RESTART, FAILURE)
    assert box.counts["failed"] == 1


@pytest.mark.parametrize(("apart", "fails"), [(59.0, True), (60.5, False)])
@virtual
async def test_a_minute_of_service_makes_them_forgotten(apart: float, fails: bool) -> None:
    box = Module(*[None] * 20)
    await restarts(box, 10, apart)
    assert (box.told is DOWN) is fails


@pytest.mark.parametrize(("apart", "suspected"), [(119.0, True), (121.0, False)])
@virtual
async def test_two_minutes_without_one_make_them_forgotten(apart: float, suspected: bool) -> None:
    """Also of a module that does not come up in between."""
    box = Module()
    for _ in range(5):
        box.told = UP
        box.recovery.meet(Trouble.RESTART, FAILURE)
        await asyncio.sleep(apart)
    assert isinstance(box.recovery.failure, DeviceError) is suspected


@virtual
async def test_who_brings_it_up_by_hand_begins_anew() -> None:
    for by_hand in (True, False):
        box = Module(*[None] * 20)
        await restarts(box, 6, 1.0)
        box.recovery.up(by_hand=by_hand)
        await restarts(box, 2, 1.0)
        assert (box.told is UP) is by_hand


@virtual
async def test_the_power_supply_is_suspected_while_it_is_tried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    box = Module(*[None] * 3, FAILURE, None)
    with caplog.at_level(logging.WARNING, "atdriver"):
        await restarts(box, 3, 1.0)
        assert caplog.messages == []
        box.recovery.meet(Trouble.RESTART, FAILURE)
        await asyncio.sleep(3.0)
        assert caplog.messages[0] == f"box: {box.recovery.failure}"
        assert isinstance(box.recovery.failure, DeviceError)
        assert box.recovery.failure.reason == POWER.format(4)


@virtual
async def test_restarts_while_one_is_being_met() -> None:
    """They are bounded by their number, not by the ladder; too many end it."""
    box = Module()
    for count in range(7):
        box.recovery.meet(Trouble.RESTART, ModuleRestarted(str(count)))
        await asyncio.sleep(0.01)
    assert box.statuses == [CONNECTING]
    box.recovery.meet(Trouble.RESTART, FAILURE)
    await asyncio.sleep(60.0)
    assert box.statuses == [CONNECTING, DOWN]
    assert not box.recovery.running
    assert isinstance(box.recovery.failure, DeviceError)


@virtual
async def test_a_restart_during_a_pause_begins_the_longer_one() -> None:
    """A module that goes down again before it was tried is not tried the sooner for that."""
    box = Module(*[None] * 10)
    await restarts(box, 4, 1.0)
    box.tried.clear()
    begun = now() - box.begun
    box.recovery.meet(Trouble.RESTART, FAILURE)  # the fifth: 4.1 s
    await asyncio.sleep(2.0)
    box.recovery.meet(Trouble.RESTART, FAILURE)  # the sixth: 8.1 s
    await asyncio.sleep(20.0)
    assert box.tried == [(pytest.approx(begun + 2.0 + 8.1, abs=0.01), "again 0")]
    assert box.told is UP


@virtual
async def test_what_comes_up_during_a_pause_is_not_tried() -> None:
    box = Module(*[None] * 10)
    await restarts(box, 4, 1.0)
    box.tried.clear()
    box.recovery.meet(Trouble.RESTART, FAILURE)
    await asyncio.sleep(2.0)
    box.tell(UP)
    box.recovery.up()
    await asyncio.sleep(20.0)
    assert box.tried == []
    assert not box.recovery.running


@virtual
async def test_what_restarts_during_a_pause_and_comes_up_is_not_tried() -> None:
    box = Module(*[None] * 10)
    await restarts(box, 4, 1.0)
    box.tried.clear()
    box.recovery.meet(Trouble.RESTART, FAILURE)
    await asyncio.sleep(2.0)
    box.recovery.meet(Trouble.RESTART, FAILURE)
    box.tell(UP)
    box.recovery.up()
    await asyncio.sleep(20.0)
    assert box.tried == []
    assert not box.recovery.running
    assert box.recovery.failure is None


@virtual
async def test_the_power_supply_is_suspected_also_where_nothing_is_tried() -> None:
    """A module without recovery that comes up by itself each time."""
    box = Module(automatic=False)
    for _ in range(len(RESTART_PAUSES) + 1):
        box.recovery.meet(Trouble.RESTART, FAILURE)
        await asyncio.sleep(1.0)
    assert box.tried == []
    assert box.told is DOWN
    assert isinstance(box.recovery.failure, DeviceError)
    assert box.recovery.failure.reason == POWER.format(8)


def test_nothing_failed() -> None:
    box = asyncio.run(made())
    assert box.recovery.account == ""
    assert box.recovery.failure is None
    assert not box.recovery.running


async def made() -> Module:
    return Module()

"""What goes wrong in one run: faults with their times, drawn from a seed, as plain data.

A fault is an action of the fakes' vocabulary (`fakes.actions`), or a step of a scenario that waits
for its command or answer. Lost and doubled bytes, but no flipped ones: a flipped bit in a payload
cannot be seen by anybody but TLS; nor what a second program on the port types into a payload (the
port is opened exclusively against that). Nothing forged: a module that lies about its own sockets has
tests of its own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fakes import FakeModem
from fakes.actions import perform
from fakes.scenario import Step

FINAL = r"\r\n(OK|SEND OK|\d,CONNECT|\+QIOPEN: .*)\r\n"


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong `at` virtual seconds: an action, or a step that is armed then."""

    at: float
    action: tuple[str, Any] | None = None
    step: dict[str, Any] = field(default_factory=dict)

    def inject(self, modem: FakeModem) -> Callable[[], bool]:
        """Do it; what is returned says whether it has acted."""
        if self.action is not None:
            perform(modem, *self.action)
            return lambda: True
        values = {**self.step, "do": tuple(map(tuple, self.step.get("do", ())))}
        values["say"] = tuple(values.get("say", ()))
        number = modem.scenario.add(Step(**values))
        runner = modem.scenario
        return lambda: runner.used.get(number, 0) > 0

    def plain(self) -> list[Any]:
        """As JSON takes it."""
        return [self.at, list(self.action) if self.action else self.step]


def from_plain(text: str) -> list[Fault]:
    """Faults from `as_text`."""
    return [
        Fault(at, (what[0], what[1])) if isinstance(what, list) else Fault(at, step=what)
        for at, what in json.loads(text)
    ]


def as_text(faults: list[Fault]) -> str:
    """One line for a command line."""
    return json.dumps([fault.plain() for fault in faults], separators=(",", ":"))


Maker = Callable[[random.Random, list[str]], tuple[str, Any] | dict[str, Any]]

PALETTE: dict[str, tuple[int, Maker]] = {
    "lose": (6, lambda r, _: ("lose", r.choice((1, 1, 2, 5, 40)))),
    "dup": (4, lambda r, _: ("dup", r.randrange(1, 400))),
    "eat": (4, lambda r, _: ("eat", r.choice((1, 1, 2, 8)))),
    "deaf": (2, lambda r, _: ("deaf", r.choice((0.05, 0.5, 3.0, 20.0)))),
    "busy": (2, lambda r, _: ("busy", r.choice((0.5, 3.0, 20.0)))),
    "echo": (1, lambda _r, _: ("echo", True)),
    "chunk": (2, lambda r, _: ("chunk", r.choice(("whole", "single", "packets64", "random")))),
    "reset": (1, lambda r, _: ("reset", r.choice((True, "silent")))),
    "flood": (1, lambda r, _: ("flood", {"line": "+UNHEARD: 1", "count": r.choice((3, 200))})),
    "noise": (2, lambda r, _: ("noise", r.choice((1, 5, 60)))),
    "stray line": (1, lambda _r, _: ("flood", {"line": "+UNHEARD: 2", "count": 1})),
    "peer": (6, lambda r, places: ("peer", {
        "at": r.choice(places), "does": r.choice(("fin", "half-close", "reset", "stall"))})),
    "resume": (3, lambda r, places: ("peer", {"at": r.choice(places), "does": "resume"})),
    "no answer": (2, lambda _r, _: {"on": ".*", "times": 1}),
    "refused": (2, lambda _r, _: {"on": ".*", "times": 1, "say": ["ERROR"]}),
    "late": (3, lambda r, _: {
        "on": ".*", "times": 1, "passes": True, "after": r.choice((0.3, 4.0, 12.0, 40.0))}),
    "no final": (2, lambda _r, _: {"before": FINAL, "times": 1, "instead": ""}),
    "final twice": (2, lambda _r, _: {"before": FINAL, "times": 1, "instead": r"\g<0>\g<0>"}),
    "send fails": (2, lambda _r, _: {
        "before": r"\r\nSEND OK\r\n", "times": 1, "instead": "\r\nSEND FAIL\r\n"}),
    "fail then ok": (1, lambda _r, _: {
        "before": r"\r\nSEND OK\r\n", "times": 1, "instead": "\r\nSEND FAIL\r\n\r\nSEND OK\r\n"}),
    "no prompt": (1, lambda _r, _: {"before": r"(\r\n)?> ?", "times": 1, "instead": ""}),
}  # fmt: skip
"""Name -> how often (a weight), and how one is made."""
EVENTS = {
    "esp8266": ("wifi_lost", "ap_lost", "ap_back"),
    "bg96": ("pdp_lost", "pdp_lost_silently", "cell_lost", "cell_back"),
}
BACK = {"esp8266": ("ap_back",), "bg96": ("cell_back",)}
"""What the end of all faults means for the radio."""


NOT_PUSHED = ("lose", "dup", "noise")
"""Where data is pushed, a byte that is lost or too many in a payload cannot be noticed."""


def draw(
    seed: int, module: str, places: list[str], until: float, rate: float, *, pulled: bool = True
) -> list[Fault]:
    """The faults of one run: `rate` a second on average, between 15 s and `until`."""
    source = random.Random(f"{seed} {module}")
    names = [name for name in PALETTE if pulled or name not in NOT_PUSHED] + ["event"]
    weights = [PALETTE[name][0] for name in names[:-1]] + [1]
    found = []
    at = 15.0
    while (at := at + source.expovariate(rate)) < until:
        name = source.choices(names, weights)[0]
        if name == "event":
            found.append(Fault(round(at, 3), ("event", source.choice(EVENTS[module]))))
            continue
        made = PALETTE[name][1](source, places)
        rounded = round(at, 3)
        found.append(Fault(rounded, made) if isinstance(made, tuple) else Fault(rounded, step=made))
    return found

"""A fake that answers what a recorded module answered, and fails loudly where the host deviates.

The script comes from a trace of hardware (`atdriver trace FILE --scenario OUT.yaml`)::

    modem: replay
    recorded: BG96 on /dev/ttyUSB2
    script:
      - host: "AT\\r"
      - module: "\\r\\nOK\\r\\n"
        after: 12ms

What the module said is said again when the host has sent everything that was recorded before it,
`after` so long; `***` in a `host` entry matches any text: a secret that the trace does not show, or
what differs from run to run. With `was: ["58080"]` beside it, the module then says what the host
sent wherever it was recorded to say 58080. The first other byte from the host is a deviation: it is
told, with what was recorded, and the module is dead from then on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .engine import FakeModem
from .errors import FakeError, ScenarioError, UnknownSettingError
from .scenario_file import Reader, read_yaml
from .values import lines, octets, seconds
from .world import World

__all__ = ["DeviationError", "Exchange", "ReplayModem", "build", "load"]

SECRET: Final = b"***"
_PROTOCOL: Final = 71  # EPROTO
_SHOWN: Final = 60  # bytes of a deviation
_KEYS: Final = ("modem", "recorded", "script")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One piece of the script: bytes of the host, or of the module `after` seconds.

    `was`: what was recorded where `data` has `***`, in order; b"" where that is not known.
    """

    data: bytes
    from_host: bool
    after: float = 0.0
    was: tuple[bytes, ...] = ()


class DeviationError(FakeError):
    """The host sent something else than what was recorded.

    Attributes:
        entry: number of the script's entry, from 1; one more than it has: behind its end.
        expected, got: bytes, from the first one that differs.
    """

    def __init__(self, entry: int, expected: bytes, got: bytes) -> None:
        self.entry = entry
        self.expected = expected
        self.got = got
        wanted = f"{expected[:_SHOWN]!r} was recorded" if expected else "the recording has ended"
        super().__init__(_PROTOCOL, f"entry {entry}: the host sent {got[:_SHOWN]!r} where {wanted}")


def load(path: str | Path) -> tuple[Exchange, ...]:
    """Read a script.

    Raises:
        ScenarioError: unreadable, not YAML, or no script, with line and column.
    """
    source = str(path)
    tree, places = read_yaml(path)
    reader = Reader(source, places)
    top = reader.mapping(tree, "the file", (), _KEYS)
    if top.get("modem") != "replay" or not isinstance(top.get("script"), list):
        raise reader.fault("no replay script: `modem: replay` and a list `script`", ())
    found = []
    for number, item in enumerate(top["script"]):
        path_ = ("script", number)
        entry = reader.mapping(item, "an entry", path_, ("host", "was", "module", "after"))
        with reader.at(path_):
            if ("host" in entry) == ("module" in entry):
                raise ValueError("give one of host and module")
            if "host" in entry:
                was = tuple(each.encode("latin-1") for each in lines(entry.get("was", [])))
                found.append(Exchange(octets(entry["host"]), True, was=was))
            else:
                after = seconds(entry.get("after", 0))
                found.append(Exchange(octets(entry["module"]), False, after))
    return tuple(each for each in found if each.data)


class ReplayModem(FakeModem):
    """Plays a script; a command interpreter it has not.

    Attributes:
        deviation: what the host did wrong, or None.
    """

    kind = "replay"

    def __init__(self, script: tuple[Exchange, ...], world: World, *, baud: int | None) -> None:
        super().__init__(world, baud=baud)
        self.deviation: DeviationError | None = None
        self._script = script
        self._at = 0
        self._heard = b""
        self._now: dict[bytes, bytes] = {}  # what was recorded -> what the host sent instead

    @property
    def finished(self) -> bool:
        """Everything that was recorded has been said and heard."""
        return self._at == len(self._script)

    def started(self) -> None:
        """The module's turn comes first where it spoke first."""
        self._arrange()

    def _arrived(self, data: bytes) -> None:
        if self.deviation is None:
            self._heard += data
            self._arrange()

    def _arrange(self) -> None:
        """Take what the host has sent as far as the script allows, then let the module speak."""
        while self._at < len(self._script) and self._script[self._at].from_host:
            entry = self._script[self._at]
            wanted = entry.data
            found = _match(wanted, self._heard)
            if found is None:
                if not self._heard or _may_become(wanted, self._heard):
                    return
                self._deviates(wanted)
                return
            self._now.update(
                (before, now)
                for before, now in zip(entry.was, found.groups(), strict=False)
                if before
            )
            self.note("command", found[0].decode("latin-1").strip())
            self._heard = self._heard[found.end() :]
            self._at += 1
        if self._at == len(self._script):
            if self._heard:
                self._deviates(b"")
            return
        if self._heard and not self._early():
            return
        if not self.occupied:
            self.running = True
            self.spawn(self._speak())

    def _early(self) -> bool:
        """The host may be ahead of the module, but only with what it was recorded to send."""
        wanted = next((each.data for each in self._script[self._at :] if each.from_host), b"")
        if wanted and (_may_become(wanted, self._heard) or _match(wanted, self._heard)):
            return True
        self._deviates(wanted)
        return False

    async def _speak(self) -> None:
        try:
            while self._at < len(self._script) and not self._script[self._at].from_host:
                each = self._script[self._at]
                await self.sleep(each.after)
                if self.deviation is not None:
                    return
                self._at += 1
                self.raw(self._said_now(each.data))
        finally:
            self.running = False
        self._arrange()

    def _said_now(self, data: bytes) -> bytes:
        for before, now in self._now.items():
            whole = rb"(?<!\w)%b(?!\w)" % re.escape(before)
            data = re.sub(whole, now.replace(b"\\", b"\\\\"), data)
        return data

    def _deviates(self, wanted: bytes) -> None:
        same = 0
        while same < min(len(wanted), len(self._heard)) and wanted[same] == self._heard[same]:
            same += 1
        self.deviation = DeviationError(self._at + 1, wanted[same:], self._heard[same:])
        self.note("deviation", self.deviation.strerror or "")
        self.give_up(self.deviation)


def _match(wanted: bytes, heard: bytes) -> re.Match[bytes] | None:
    """Where `heard` begins with `wanted`; None when it does not, or not yet."""
    return re.match(rb"([^\r\n]*?)".join(map(re.escape, wanted.split(SECRET))), heard)


def _may_become(wanted: bytes, heard: bytes) -> bool:
    """Whether `heard` is a beginning of `wanted`."""
    head = wanted.split(SECRET)[0]
    if SECRET not in wanted:
        return wanted.startswith(heard)
    if len(heard) <= len(head):
        return head.startswith(heard)
    return heard.startswith(head) and b"\r" not in heard[len(head) :]


def build(
    *,
    scenario: str | tuple[Exchange, ...] | None = None,
    time_scale: float = 1.0,
    baud: int | None = None,
    seed: int = 0,
    firmware: str | None = None,
    resolve: Mapping[str, str] | None = None,
    access_points: Mapping[str, str] | None = None,
    peers: Mapping[str, Any] | None = None,
    offline: bool = False,
    **settings: str,
) -> ReplayModem:
    """Build a fake from a recorded script.

    Args:
        scenario: path of the script's file, or the script.
        time_scale: factor on the recorded delays; 0 removes them.
        baud: pace the line at that rate.
        seed, firmware, resolve, access_points, peers, offline: mean nothing here.

    Raises:
        ScenarioError: no script, or one that cannot be used.
        UnknownSettingError: there are no settings.
    """
    del firmware, resolve, access_points, peers, offline
    for name in settings:
        raise UnknownSettingError(name, ())
    if scenario is None:
        raise ScenarioError("replay needs a script: --scenario FILE", source="replay")
    script = load(scenario) if isinstance(scenario, str) else scenario
    return ReplayModem(script, World(seed=seed, time_scale=time_scale), baud=baud)

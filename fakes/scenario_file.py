"""Scenario files: YAML, checked, with line and column in every complaint.

::

    modem: bg96
    steps:
      - on: 'AT\\+QIOPEN=.*'          # full match on a command line, before the rules
        after: 9s                    # model seconds (number, "250ms", "9s", "2min")
        say: ['OK', '+QIURC: "pdpdeact",1']
        times: 1                     # default: every time
      - at: 30s                      # spontaneous, counted from the start
        event: cell_lost
      - before: '\\r\\nSEND OK\\r\\n'  # before a literal that matches completely
        raw: "+IPD,0,4\\r\\n"
      - at_byte: 700                 # at that byte of the module's output
        reset: true
    peers: {"srv:7": echo, "srv:80": {answer: "HTTP/1.0 404 no\\r\\n\\r\\n", then: close}}
    wire: {chunk: random, seed: 7, drop: 0, corrupt: 1e-5}

Keys of a step: those of `fakes.scenario.Step` (`pass` for passes) and every action of
`fakes.actions`, done in the order in which they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .actions import ACTIONS, check, peer
from .errors import ScenarioError
from .faults import CHUNK_PLANS, Faults
from .scenarios import find, names
from .values import boolean, count, keys, seconds, text

if TYPE_CHECKING:
    from .scenario import Scenario, Step, WirePlan

__all__ = ["Reader", "load", "parse", "read_yaml"]

_STEP_KEYS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "on": text, "at": seconds, "before": text, "behind": text, "at_byte": count,
    "after": seconds, "times": count, "chance": float, "pass": boolean, "instead": text,
    "until": text,
}  # fmt: skip
_WIRE_KEYS: Final = ("chunk", "seed", "drop", "dup", "corrupt")
_FILE_KEYS: Final = ("modem", "steps", "wire", "peers")
_ALIASES: Final = {"drop": "lose"}

_Path = tuple[str | int, ...]
_Place = tuple[int, int]


def load(path: str | Path) -> Scenario:
    """Read a YAML scenario file, or the ready-made one whose name begins so (`fakes.scenarios`).

    Raises:
        ScenarioError: unreadable, not YAML, unknown key, bad value, with line and column; PyYAML
            is missing (install the extra ``atdriver[yaml]``).
    """
    if not Path(path).exists() and "/" not in str(path) and not str(path).endswith(".yaml"):
        found = find(str(path))
        if found is None:
            listed = ", ".join(sorted({name[:3] for name in names()}))
            raise ScenarioError(
                f"no such file, and not the beginning of one ready-made scenario: {listed}",
                source=str(path),
            )
        path = found
    tree, places = read_yaml(path)
    return parse(tree, source=str(path), places=places)


def read_yaml(path: str | Path) -> tuple[object, Mapping[_Path, _Place]]:
    """The content of a YAML file as plain data, and where each part of it stands.

    Raises:
        ScenarioError: unreadable, not YAML; PyYAML is missing.
    """
    source = str(path)
    try:
        import yaml
    except ImportError:
        raise ScenarioError(
            "reading YAML needs PyYAML; install the extra atdriver[yaml]", source=source
        ) from None
    try:
        written = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"cannot be read: {error}", source=source) from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a recording may be long
    try:
        tree = yaml.load(written, Loader=loader)
        places = dict(_places(yaml.compose(written, Loader=loader), ()))
    except yaml.YAMLError as error:
        raise ScenarioError(f"not YAML: {error}", source=source) from None
    return tree, places


def parse(
    tree: object, *, source: str = "scenario", places: Mapping[_Path, _Place] | None = None
) -> Scenario:
    """Build a scenario from plain data (what the YAML file holds).

    Args:
        tree: mappings, lists, text and numbers.
        source: its name for complaints.
        places: where each part of it stands (line and column, from 1).

    Raises:
        ScenarioError: unknown key or bad value, with source, place and step number.
    """
    from .scenario import Scenario

    reader = Reader(source, places or {})
    top = reader.mapping({} if tree is None else tree, "the file", (), _FILE_KEYS)
    items = top.get("steps") or []
    if not isinstance(items, list):
        raise reader.fault("steps must be a list", ("steps",))
    steps = tuple(reader.step(item, number) for number, item in enumerate(items))
    named = reader.mapping(top.get("peers") or {}, "peers", ("peers",), None)
    peers = {}
    for place, value in named.items():
        with reader.at(("peers", place)):
            peers[place] = peer(value)
    return Scenario(steps, reader.wire(top.get("wire")), str(top.get("modem", "")), peers)


def _places(node: Any, path: _Path) -> Iterator[tuple[_Path, _Place]]:
    """Where every key and item of a YAML document stands."""
    if node is None:
        return
    yield path, (node.start_mark.line + 1, node.start_mark.column + 1)
    if node.id == "mapping":
        for key, value in node.value:
            name = str(key.value)
            yield from _places(value, (*path, name))
            yield (*path, name), (key.start_mark.line + 1, key.start_mark.column + 1)
    elif node.id == "sequence":
        for number, value in enumerate(node.value):
            yield from _places(value, (*path, number))


class Reader:
    """Turns plain data into a scenario, and knows where each part of it stands."""

    def __init__(self, source: str, places: Mapping[_Path, _Place]) -> None:
        self._source = source
        self._places = places

    def fault(self, sentence: str, path: _Path) -> ScenarioError:
        """The error for what stands at `path`."""
        step = path[1] + 1 if path[:1] == ("steps",) and len(path) > 1 else None  # type: ignore[operator]
        place = next(
            (self._places[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self._places),
            None,
        )
        return ScenarioError(sentence, source=self._source, step=step, place=place)

    @contextmanager
    def at(self, path: _Path) -> Iterator[None]:
        """Complaints of the block get this place."""
        try:
            yield
        except ScenarioError as error:
            raise self.fault(error.fault, path) from None
        except (TypeError, ValueError) as error:
            raise self.fault(str(error), path) from None

    def mapping(
        self, value: object, what: str, path: _Path, valid: tuple[str, ...] | None
    ) -> dict[str, Any]:
        """A mapping whose keys are all in `valid` (None: any). Raises ScenarioError."""
        if isinstance(value, dict):  # YAML 1.1 reads a bare `on` as the boolean true
            value = {"on" if key is True else key: item for key, item in value.items()}
        try:
            tree = keys(value, None)
        except ValueError:
            raise self.fault(f"{what} must be a mapping", path) from None
        for key in tree:
            if valid is not None and key not in valid:
                listed = ", ".join(valid)
                raise self.fault(f"unknown key {key!r}; valid: {listed}", (*path, key))
        return tree

    def step(self, item: object, number: int) -> Step:
        """Step number `number` (from 0). Raises ScenarioError."""
        from .scenario import Step

        path: _Path = ("steps", number)
        valid = (*_STEP_KEYS, *ACTIONS, *_ALIASES)
        tree = self.mapping(item, "a step", path, valid)
        fields: dict[str, Any] = {}
        do: list[tuple[str, Any]] = []
        for key, value in tree.items():
            with self.at((*path, key)):
                if key not in _STEP_KEYS:
                    name = _ALIASES.get(key, key)
                    check(name, value)
                    do.append((name, value))
                elif value is not None:
                    fields["passes" if key == "pass" else key] = _STEP_KEYS[key](value)
                    if key == "times" and fields[key] < 1:
                        raise ValueError("times must be at least 1")
        with self.at(path):
            return Step(**fields, do=tuple(do))

    def wire(self, value: object) -> WirePlan:
        """What stands under `wire`. Raises ScenarioError."""
        from .scenario import WirePlan

        tree = self.mapping({} if value is None else value, "wire", ("wire",), _WIRE_KEYS)
        fields: dict[str, Any] = {}
        for key, item in tree.items():
            with self.at(("wire", key)):
                if key == "chunk":
                    if item not in CHUNK_PLANS:
                        listed = ", ".join(CHUNK_PLANS)
                        raise ValueError(f"unknown chunk plan {item!r}; valid: {listed}")
                    fields[key] = item
                elif key == "seed":
                    fields[key] = count(item)
                else:
                    try:
                        fields[key] = float(item)
                    except (TypeError, ValueError) as error:
                        raise ValueError(f"wire: {error}") from None
                    Faults(drop=fields[key])  # a probability
        return WirePlan(**fields)

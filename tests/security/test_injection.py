"""R18: no string of a caller ends, extends or adds a command line, and what is taken arrives whole."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from hypothesis import given, settings
from hypothesis import strategies as st

from atdriver.errors import ATError, SpecificationError
from atdriver.registry import load_any
from netsocket.address import InvalidHostName
from netsocket.errors import NetsocketError

from .hostile import strings
from .mesh import MESH
from .parameters import NOT_ON_THE_WIRE, PARAMETERS, Parameter
from .wire import READERS, line

ROOT = Path(__file__).parents[2]
MODEMS = ROOT / "modems"
MODULES = ("esp8266", "bg96", "openthread", "openthread-host", "riot", "skstack")
EVERY = (*PARAMETERS, *MESH)
FEW, MANY = 1500, 100_000
SOME, MORE = 400, 4000
"""For what there is more of."""
DOCUMENTED = (ATError, NetsocketError, InvalidHostName, ValueError, OverflowError)
"""ValueError: `Radio.read` and names; UnicodeError, which is one, is not."""


def read(parameter: Parameter, written: list[bytes]) -> list[tuple[bytes, list[bytes]]]:
    """Name and parameters of each line. Raises ValueError."""
    if parameter.read is not None:
        return [parameter.read(each) for each in written]
    found = []
    for each in written:
        name, rest = line(each)
        found.append((name, READERS[parameter.module](rest)))
    return found


def judge(parameter: Parameter, benign: list[tuple[bytes, list[bytes]]], text: str) -> bool:
    """Whether it was taken; an AssertionError for anything but whole or refused."""
    written, error = parameter.write(text)
    lines = read(parameter, written)
    names = [name for name, _ in lines]
    wanted = [name for name, _ in benign]
    if names != wanted:
        assert error is not None or not text, f"{text!r} vanished: {written}"
        assert not isinstance(error, UnicodeError), f"{text!r}: {error!r}"
        assert error is None or isinstance(error, DOCUMENTED), f"{text!r}: {error!r}"
        known = {each for _, values in benign for each in values}
        assert names == wanted[: len(names)] or not text, f"{text!r}: {written}"
        assert not text or all(set(values) <= known for _, values in lines), f"{text!r}: {written}"
        return False
    if not text:  # not given at all
        return True
    arrives = parameter.same(text).encode("utf-8", "surrogateescape")
    old = parameter.same(parameter.benign).encode()
    for (name, values), (_, before) in zip(lines, benign, strict=True):
        expected = [arrives if each == old else each for each in before]
        if b":" in arrives and parameter.module == "esp8266":  # the kind tells the version of IP
            expected = [each + b"v6" if each in (b"TCP", b"UDP") else each for each in expected]
        assert values == expected, f"{text!r}: {name!r} {values}"
    return True


def benign_of(parameter: Parameter) -> list[tuple[bytes, list[bytes]]]:
    written, _ = parameter.write(parameter.benign)
    return read(parameter, written)


def cases(parameters: tuple[Parameter, ...], *counts: int) -> list[ParameterSet]:
    """So many strings in `make test`, `make gates` and every night."""
    return [
        pytest.param(each, count, id=f"{count}-{each.module} {each.name}", marks=marks)
        for count, marks in zip(counts, ((), pytest.mark.gate, pytest.mark.nightly), strict=False)
        for each in parameters
    ]


@pytest.mark.parametrize(
    ("parameter", "count"), [*cases(PARAMETERS, FEW, MANY), *cases(MESH, SOME, MORE, MANY)]
)
async def test_hostile_strings(parameter: Parameter, count: int) -> None:
    benign = benign_of(parameter)
    shown = [value for _, values in benign for value in values]
    if parameter.name not in ("technologies", "bands"):  # these become numbers
        assert parameter.same(parameter.benign).encode() in shown, (
            "the case does not carry what it says"
        )
    taken = sum(judge(parameter, benign, text) for text in strings(count, seed=count))
    assert taken < count or parameter.name.startswith(("datagram", "stream"))  # of any bytes


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(EVERY), st.text(max_size=70))
def test_any_string(parameter: Parameter, text: str) -> None:
    async def work() -> None:  # the driver's clock is the event loop's
        judge(parameter, benign_of(parameter), text)

    asyncio.run(work())


@pytest.mark.parametrize("module", MODULES)
def test_settings_with_a_choice_take_nothing_else(module: str) -> None:
    for setting in load_any(module).settings:
        if setting.choices:
            for text in strings(FEW, seed=1):
                if text not in setting.choices:
                    with pytest.raises(SpecificationError):
                        setting.read(text)


# -- nothing is forgotten -------------------------------------------------------------------------


def text_settings(module: str) -> set[str]:
    known = load_any(module).settings
    return {f"set {each.name}" for each in known if isinstance(each.default, str)}


def labels(module: str) -> set[str]:
    """What `ENCODER.text` is told that a string is, everywhere in a driver."""
    found = set()
    for path in (MODEMS / module).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "ENCODER.text":
                found.add(ast.literal_eval(node.args[1]))
    return found


def makers(module: str) -> set[str]:
    """Functions that make a command of text."""
    path = MODEMS / module / "commands.py"
    if not path.exists():  # it has those of another
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            kinds = {
                ast.unparse(each.annotation)
                for each in (*node.args.args, *node.args.kwonlyargs)
                if each.annotation is not None
            }
            if any("str" in kind or kind == "bytes" for kind in kinds):
                found.add(f"commands.{node.name}")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_parameter_has_a_case(module: str) -> None:
    covered = {what for each in EVERY if each.module == module for what in each.covers}
    wanted = text_settings(module) | labels(module) | makers(module)
    assert covered | (NOT_ON_THE_WIRE.keys() & wanted) == wanted
    for each in (NOT_ON_THE_WIRE.keys() & text_settings(module)) - covered:
        (setting,) = (s for s in load_any(module).settings if f"set {s.name}" == each)
        assert setting.choices or each in ("set trace", "set program")


CARRIED = {
    "atdriver/ppp": {"auth._octets"},
    "modems/ppp": set[str](),
    "atdriver/cmux": {"begin.run"},  # two numbers of this package
}
"""Where text becomes bytes of the wire, outside the drivers' commands."""


@pytest.mark.parametrize("folder", CARRIED)
def test_text_becomes_bytes_nowhere_else(folder: str) -> None:
    """`x.encode()` of anything but a packet, an option, a frame or a message."""
    packets = ("self._sent", "self._received", "self._reply", "option", "message")
    found = set()
    for path in (ROOT / folder).glob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if (
                        isinstance(node, ast.Attribute)
                        and node.attr == "encode"
                        and not isinstance(node.value, ast.Call)
                        and ast.unparse(node.value) not in packets
                    ):
                        found.add(f"{path.stem}.{function.name}")
    assert found == CARRIED[folder]
    covered = {what for each in EVERY if each.module == "ppp" for what in each.covers}
    assert folder != "atdriver/ppp" or found <= covered

"""R18: no string of a caller ends, extends or adds a command line, and what is taken arrives whole."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atdriver.errors import ATError, SpecificationError
from atdriver.registry import load_driver
from netsocket.address import InvalidHostName
from netsocket.errors import NetsocketError

from .hostile import strings
from .parameters import NOT_ON_THE_WIRE, PARAMETERS, Parameter
from .wire import READERS, line

MODEMS = Path(__file__).parents[2] / "modems"
MODULES = ("esp8266", "bg96")
FEW, MANY = 1500, 100_000
DOCUMENTED = (ATError, NetsocketError, InvalidHostName, ValueError, OverflowError)
"""ValueError: `Radio.read` and names; UnicodeError, which is one, is not."""


def read(module: str, written: list[bytes]) -> list[tuple[bytes, list[bytes]]]:
    """Name and parameters of each line. Raises ValueError."""
    found = []
    for each in written:
        name, rest = line(each)
        found.append((name, READERS[module](rest)))
    return found


def judge(parameter: Parameter, benign: list[tuple[bytes, list[bytes]]], text: str) -> bool:
    """Whether it was taken; an AssertionError for anything but whole or refused."""
    written, error = parameter.write(text)
    lines = read(parameter.module, written)
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
    old = parameter.benign.encode()
    for (name, values), (_, before) in zip(lines, benign, strict=True):
        expected = [arrives if each == old else each for each in before]
        if b":" in arrives and parameter.module == "esp8266":  # the kind tells the version of IP
            expected = [each + b"v6" if each in (b"TCP", b"UDP") else each for each in expected]
        assert values == expected, f"{text!r}: {name!r} {values}"
    return True


def benign_of(parameter: Parameter) -> list[tuple[bytes, list[bytes]]]:
    written, _ = parameter.write(parameter.benign)
    return read(parameter.module, written)


NAMED = [pytest.param(each, id=f"{each.module} {each.name}") for each in PARAMETERS]


@pytest.mark.parametrize("parameter", NAMED)
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.gate)])
async def test_hostile_strings(parameter: Parameter, count: int) -> None:
    benign = benign_of(parameter)
    shown = [value for _, values in benign for value in values]
    if parameter.name not in ("technologies", "bands"):  # these become numbers
        assert parameter.benign.encode() in shown, "the case does not carry what it says"
    taken = sum(judge(parameter, benign, text) for text in strings(count, seed=count))
    assert taken < count


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PARAMETERS), st.text(max_size=70))
def test_any_string(parameter: Parameter, text: str) -> None:
    async def work() -> None:  # the driver's clock is the event loop's
        judge(parameter, benign_of(parameter), text)

    asyncio.run(work())


@pytest.mark.parametrize("module", MODULES)
def test_settings_with_a_choice_take_nothing_else(module: str) -> None:
    for setting in load_driver(module).settings:
        if setting.choices:
            for text in strings(FEW, seed=1):
                if text not in setting.choices:
                    with pytest.raises(SpecificationError):
                        setting.read(text)


# -- nothing is forgotten -------------------------------------------------------------------------


def text_settings(module: str) -> set[str]:
    known = load_driver(module).settings
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
    tree = ast.parse((MODEMS / module / "commands.py").read_text(encoding="utf-8"))
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
    covered = {what for each in PARAMETERS if each.module == module for what in each.covers}
    wanted = text_settings(module) | labels(module) | makers(module)
    assert covered | (NOT_ON_THE_WIRE.keys() & wanted) == wanted
    for each in (NOT_ON_THE_WIRE.keys() & text_settings(module)) - covered:
        (setting,) = (s for s in load_driver(module).settings if f"set {s.name}" == each)
        assert setting.choices or each == "set trace"

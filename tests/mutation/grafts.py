"""mutmut's mutants of the driver, and how one takes the place of its function in this process.

mutmut changes one function at a time. So nothing has to be imported anew: the function that everybody
holds is given the changed one's code. What a module computes while it is imported stays as it was.
"""

from __future__ import annotations

import ast
import difflib
import functools
import gc
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import libcst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation import file_mutation

from tests.mutation.bench import ROOT, called, telling


class Mutant(NamedTuple):
    """One change of one function."""

    file: str
    owner: str
    """Its class, or ""."""
    function: str
    number: int
    """Counted by mutmut, within the function."""
    line: int
    """On which the changed statement begins; the function's own for what is in its head."""
    changed: str
    """The lines that differ, with - and +."""
    twin: int = 0
    """Counts those that look the same."""

    @property
    def place(self) -> str:
        """Dotted name of the function."""
        return f"{self.owner}.{self.function}".lstrip(".")

    @property
    def name(self) -> str:
        """File, function and changed lines: lives as long as its line."""
        again = f" | again {self.twin}" if self.twin else ""
        return f"{self.file} | {self.place} | {self.changed}{again}"

    @property
    def reached_by(self) -> set[str]:
        """What a test that runs the changed statement notes in `bench.called`."""
        return {f"{self.file}:{self.line or self.place}"}


def mutants(file: str) -> list[Mutant]:
    """All that mutmut makes of one file (relative to the root), in the order of the text."""
    module, mutations, made = _mutated(file)
    positions = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    statements = _statements(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    kept = [
        each
        for function, group in file_mutation.group_by_top_level_node(mutations).items()
        if isinstance(function, libcst.FunctionDef)
        for each in group
    ]
    lines = made.code.splitlines()
    twins: Counter[str] = Counter()
    found = []
    for name, mutation in zip(made.mutant_names, kept, strict=True):
        plain, _, number = name.rpartition("__mutmut_")
        owner, function = _parts(plain)
        before, after = (
            _function(lines[span.start - 1 : span.end], generated, function)
            for generated in (plain + "__mutmut_orig", name)
            for span in (made.line_span_by_function_name[generated],)
        )
        changed = [
            line
            for line in list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
            if line[:1] in "+-"
        ]
        words = " ".join(" ".join(line[0] + line[1:].strip() for line in changed).split())
        mutant = Mutant(
            file, owner, function, int(number),
            statements.get(positions[mutation.original_node].start.line, 0), words,
        )  # fmt: skip
        found.append(mutant._replace(twin=twins[mutant.name]))
        twins[mutant.name] += 1
    return found


@functools.cache
def _mutated(
    file: str,
) -> tuple[libcst.Module, list[file_mutation.Mutation], file_mutation.MutatedFile]:
    text = (ROOT / file).read_text(encoding="utf-8")
    module, mutations, *ignored = file_mutation.create_mutations(file, text)
    made = file_mutation.combine_mutations_to_source(module, mutations, *ignored)
    return module, mutations, made


def _parts(plain: str) -> tuple[str, str]:
    """Class and function of mutmut's `xǁClassǁfunction` or `x_function`."""
    if plain.startswith("xǁ"):
        _, owner, function = plain.split("ǁ")
        return owner, function
    return "", plain.removeprefix("x_")


def _function(lines: list[str], generated: str, function: str) -> list[str]:
    return [line.replace(f"def {generated}(", f"def {function}(") for line in lines]


def _statements(tree: ast.Module) -> dict[int, int]:
    """Line to the line on which its innermost statement begins; a function's head is in none."""
    found: dict[int, int] = {}

    def look(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                head = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
                begin = 0 if head else child.lineno
                found.update(dict.fromkeys(range(child.lineno, (child.end_lineno or 0) + 1), begin))
            look(child)

    look(tree)
    return found


# -- in the place of what everybody holds -----------------------------------------------------


def put(mutant: Mutant) -> None:
    """Make this process one in which the function is the mutant."""
    made = _made(mutant.file)
    module = _module(mutant.file)
    plain = f"xǁ{mutant.owner}ǁ{mutant.function}" if mutant.owner else f"x_{mutant.function}"
    held: Any = vars(module)[mutant.owner] if mutant.owner else module
    scratch: Any = made[mutant.owner] if mutant.owner else made
    names = vars(scratch) if mutant.owner else scratch
    function = _plain(vars(held)[mutant.function])
    changed = _plain(names[f"{plain}__mutmut_{mutant.number}"])
    usual = _plain(names[f"{plain}__mutmut_orig"])
    function.__code__ = changed.__code__.replace(
        co_name=function.__code__.co_name, co_qualname=function.__code__.co_qualname
    )
    if changed.__defaults__ != usual.__defaults__:
        function.__defaults__ = changed.__defaults__
    if changed.__kwdefaults__ != usual.__kwdefaults__:
        function.__kwdefaults__ = changed.__kwdefaults__
    for cache in _caches():
        cache.cache_clear()  # holds what the function said unchanged


@functools.cache
def _functions() -> list[FunctionType]:
    return [each for each in gc.get_objects() if isinstance(each, FunctionType)]


@functools.cache
def _caches() -> list[functools._lru_cache_wrapper[Any]]:
    return [each for each in gc.get_objects() if isinstance(each, functools._lru_cache_wrapper)
            and each.__module__.partition(".")[0] in ("atdriver", "modems", "netsocket")]  # fmt: skip


def _plain(held: Any) -> FunctionType:
    found = getattr(held, "__func__", held)  # of a static or a class method
    assert isinstance(found, FunctionType)
    return found


def _module(file: str) -> ModuleType:
    name = ".".join(Path(file).with_suffix("").parts).removesuffix(".__init__")
    return sys.modules[name]


@functools.cache
def _made(file: str) -> dict[str, Any]:
    """What mutmut's version of the module defines: each function beside all its mutants. Made
    before the copies are forked."""
    module = _module(file)
    code = _mutated(file)[2].code
    made = {"__name__": module.__name__, "__package__": module.__package__, "__file__": file}
    exec(compile(code, str(ROOT / file), "exec"), made)
    return made


def prepare(files: Iterable[str]) -> None:
    """Make all mutants of these files, and find who holds what, once: before the copies, whose garbage
    collector knows nothing of what is shared."""
    for file in files:
        _made(file)
    _functions()
    _caches()


def watch(files: Iterable[str]) -> None:
    """Let every function of these files note in `bench.called` what it runs, for good."""
    for file in files:
        tree = ast.fix_missing_locations(telling(ROOT / file))
        told = {
            (code.co_qualname, code.co_firstlineno): code
            for code in _codes(compile(tree, str(ROOT / file), "exec"))
        }
        vars(_module(file))["_called"] = called
        for each in _functions():
            if each.__code__.co_filename == str(ROOT / file):
                place = each.__code__.co_qualname, each.__code__.co_firstlineno
                each.__code__ = told.get(place, each.__code__)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner
            yield from _codes(inner)

"""Every single change of a fake's source that ought to make a test fail.

A mutant changes one thing: a literal answer, a number, a row of a table, a command rule, a condition.
Docstrings, annotations, `__all__`, journal entries and the texts of errors that `build` raises are no
rules of the module and stay as they are.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

RULE_MARKS = ("rule", "command")
"""Decorators that put a method into the table of commands."""
SILENT_CALLS = ("note", "debug")
"""Calls whose arguments no host ever sees."""
CALLER_ERRORS = ("SettingError", "SettingValueError", "UnknownSettingError", "UnknownFirmwareError",
                 "FakeError", "NotImplementedError")  # fmt: skip
"""Raised at whoever builds the fake, not said by the module."""

Change = Callable[[ast.AST], None]


@dataclass(frozen=True)
class Mutant:
    """One change. `path` is relative to the root, `place` the dotted name of the function or class
    ("" at module level), `count` tells apart changes of the same words in the same place."""

    path: str
    place: str
    words: str
    line: int
    statement: int = 0
    """Line on which the statement around it begins."""
    count: int = field(default=0)
    loading: bool = field(default=False)
    """Outside of every function (tables, constants, decorators): no call covers it."""
    about: str = field(default="")
    """The constant or field it belongs to, where it is outside of every function."""
    route: tuple[tuple[str, int | None], ...] = field(default=(), compare=False, repr=False)
    change: Change = field(default=lambda node: None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """Stable as long as the place is not rewritten; what the exemption list uses."""
        return f"{self.path} | {self.place} | {self.words} | {self.count}"

    def tree(self, source: str) -> ast.Module:
        """The module with the change made."""
        root = ast.parse(source)
        node: ast.AST = root
        for name, index in self.route:
            node = getattr(node, name)
            if index is not None:
                node = node[index]  # type: ignore[index]
        self.change(node)
        return ast.fix_missing_locations(root)


def mutants(path: Path, root: Path, codes: Collection[str] = ()) -> list[Mutant]:
    """All of one file, in the order of the text; `codes`: names of result codes."""
    source = path.read_text(encoding="utf-8")
    finder = _Finder(str(path.relative_to(root)), codes)
    finder.visit(ast.parse(source), ())
    seen: dict[tuple[str, str], int] = {}
    numbered = []
    for found in finder.found:
        key = found.place, found.words
        seen[key] = seen.get(key, -1) + 1
        numbered.append(replace(found, count=seen[key]))
    return numbered


Route = tuple[tuple[str, int | None], ...]


class _Finder:
    def __init__(self, path: str, codes: Collection[str]) -> None:
        self.path = path
        self.codes = codes
        self.found: list[Mutant] = []
        self._places: list[str] = []
        self._functions = 0
        self._about = ""
        self._statement = 0

    def add(self, node: ast.AST, route: Route, words: str, change: Change) -> None:
        line = getattr(node, "lineno", 0)
        self.found.append(Mutant(
            self.path, ".".join(self._places), words, line, self._statement, 0,
            self._functions == 0, self._about, route, change,
        ))  # fmt: skip

    # -- walking ------------------------------------------------------------------------------

    def visit(self, node: ast.AST, route: Route) -> None:
        if _silent(node):
            return
        if isinstance(node, ast.stmt):
            self._statement = node.lineno
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._function(node, route)
            return
        if isinstance(node, ast.ClassDef):
            self._places.append(node.name)
            self._children(node, route, skip=("bases", "keywords"))
            self._places.pop()
            return
        if self._functions == 0 and isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            self._about = target.id if isinstance(target, ast.Name) else ""
        self._mutate(node, route)
        self._children(node, route, skip=("annotation", "returns"))

    def _children(self, node: ast.AST, route: Route, skip: tuple[str, ...] = ()) -> None:
        around = self._about
        if self._functions == 0 and isinstance(node, ast.keyword):
            self._about = node.arg or ""
        for name, value in ast.iter_fields(node):
            if name in skip:
                continue
            if isinstance(value, ast.AST):
                self.visit(value, (*route, (name, None)))
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if isinstance(item, ast.AST):
                        self.visit(item, (*route, (name, index)))
        if isinstance(node, ast.keyword):
            self._about = around

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, route: Route) -> None:
        self._places.append(node.name)
        self._about = node.name if self._functions == 0 else self._about
        for index, mark in enumerate(node.decorator_list):
            if isinstance(mark, ast.Call) and _name(mark.func) in RULE_MARKS:
                text = ast.unparse(mark.args[0])
                self.add(mark, route, f"no rule {text}", _without("decorator_list", index))
        for name in ("defaults", "kw_defaults"):
            for index, value in enumerate(getattr(node.args, name)):
                if value is not None:
                    self.visit(value, (*route, ("args", None), (name, index)))
        self._functions += 1
        for index, statement in enumerate(node.body):
            self.visit(statement, (*route, ("body", index)))
        self._functions -= 1
        self._places.pop()

    def _is_code(self, node: ast.Name) -> bool:
        return isinstance(node.ctx, ast.Load) and node.id in self.codes

    # -- changes ------------------------------------------------------------------------------

    def _mutate(self, node: ast.AST, route: Route) -> None:
        if isinstance(node, ast.Constant):
            for words, value in _other_values(node.value):
                self.add(node, route, words, _set_value(value))
        elif isinstance(node, ast.If | ast.IfExp):
            self.add(node, route, f"if not ({_short(node.test)})", _negate("test"))
        elif isinstance(node, ast.comprehension):
            for index, test in enumerate(node.ifs):
                self.add(test, route, f"for … if not ({_short(test)})", _negate_one("ifs", index))
        elif isinstance(node, ast.BoolOp):
            words = "or" if isinstance(node.op, ast.And) else "and"
            self.add(node, route, f"{words}: {_short(node)}", _swap_bool)
        elif isinstance(node, ast.Compare) and route[-1][0] not in ("test", "ifs"):
            self.add(node, route, f"not ({_short(node)})", _negate_compare)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "Code" and isinstance(node.ctx, ast.Load):
                self.add(node, route[:-1], f"{ast.unparse(node)} + 1", _add_one(*route[-1]))
        elif isinstance(node, ast.Name) and self._functions and self._is_code(node):
            self.add(node, route[:-1], f"{node.id} + 1", _add_one(*route[-1]))
        if self._functions == 0:
            self._rows(node, route)

    def _rows(self, node: ast.AST, route: Route) -> None:
        """Rows of tables at module or class level."""
        if isinstance(node, ast.Dict):
            for index, key in enumerate(node.keys):
                if key is not None and len(node.keys) > 1:
                    self.add(key, route, f"no row {_short(key)}", _without_key(index))
        elif isinstance(node, ast.Set | ast.List) or (
            isinstance(node, ast.Tuple) and len(node.elts) > 2
        ):
            for index, item in enumerate(node.elts):
                self.add(item, route, f"no row {_short(item)}", _without("elts", index))
        elif isinstance(node, ast.Call) and _name(node.func) in ("Profile", "replace"):
            around = self._about
            for index, keyword in enumerate(node.keywords):
                words = f"no {keyword.arg}={_short(keyword.value)}"
                self._about = keyword.arg or ""
                self.add(keyword.value, route, words, _without("keywords", index))
            self._about = around


def _silent(node: ast.AST) -> bool:
    """What no host sees: see the module's text."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # docstrings
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Assert):
        return True
    if isinstance(node, ast.Assign) and _name(node.targets[0]) in ("__all__", "__slots__"):
        return True
    made = node.value if isinstance(node, ast.Assign) else None
    if isinstance(made, ast.Subscript) and _name(made.value) == "Callable":
        return True  # the name of a type
    call = node.value if isinstance(node, ast.Expr) else node
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute | ast.Name):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
        if name in (*SILENT_CALLS, *CALLER_ERRORS, "TypeVar", "dataclass"):
            return True
    return isinstance(node, ast.keyword) and node.arg in ("repr", "slots", "compare")


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def codes_of(path: Path) -> frozenset[str]:
    """The result codes of a file of constants: each use of one is a rule."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    rows = [node for node in body if isinstance(node, ast.AnnAssign)]
    return frozenset(
        _name(row.target)
        for row in rows
        if isinstance(row.value, ast.Constant) and isinstance(row.value.value, int)
    )


def _other_values(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, bool):
        yield f"{value} → {not value}", not value
    elif isinstance(value, int):
        yield f"{value} → {value + 1}", value + 1
        yield f"{value} → {value - 1}", value - 1
    elif isinstance(value, float):
        yield f"{value} → {value * 2 or 1.0}", value * 2 or 1.0
        if value:
            yield f"{value} → {value / 2}", value / 2
    elif isinstance(value, str):
        changed = _other_text(value)
        yield f"{value!r} → {changed!r}", changed
    elif isinstance(value, bytes):
        other = _other_text(value.decode("latin-1")).encode("latin-1")
        yield f"{value!r} → {other!r}", other


def _other_text(text: str) -> str:
    """Another text of the same kind: one character differs, or one more when none is a letter."""
    for index, character in enumerate(text):
        escaped = index and text[index - 1] in "\\%"
        if character.isascii() and character.isalnum() and not escaped:
            other = {"x": "y", "X": "Y", "9": "8"}.get(
                character, "9" if character.isdigit() else "X" if character.isupper() else "x"
            )
            return text[:index] + other + text[index + 1 :]
    return text + "~"


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:59] + "…"


def _set_value(value: object) -> Change:
    def change(node: ast.AST) -> None:
        node.value = value  # type: ignore[attr-defined]

    return change


def _negate(name: str) -> Change:
    def change(node: ast.AST) -> None:
        setattr(node, name, ast.UnaryOp(ast.Not(), getattr(node, name)))

    return change


def _negate_one(name: str, index: int) -> Change:
    def change(node: ast.AST) -> None:
        items = getattr(node, name)
        items[index] = ast.UnaryOp(ast.Not(), items[index])

    return change


def _swap_bool(node: ast.AST) -> None:
    assert isinstance(node, ast.BoolOp)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()


_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE,
    ast.LtE: ast.Gt, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip


def _negate_compare(node: ast.AST) -> None:
    assert isinstance(node, ast.Compare)
    node.ops[0] = _OPPOSITE[type(node.ops[0])]()


def _add_one(name: str, index: int | None) -> Change:
    def change(parent: ast.AST) -> None:
        held = getattr(parent, name)
        old = held if index is None else held[index]
        new = ast.BinOp(copy.deepcopy(old), ast.Add(), ast.Constant(1))
        if index is None:
            setattr(parent, name, new)
        else:
            held[index] = new

    return change


def _without(name: str, index: int) -> Change:
    def change(node: ast.AST) -> None:
        del getattr(node, name)[index]

    return change


def _without_key(index: int) -> Change:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Dict)
        del node.keys[index], node.values[index]

    return change

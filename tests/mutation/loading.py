"""Putting changed modules in the place of a fake, in a process of its own."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds some modules, and makes them from changed trees."""

    def __init__(self, changed: Mapping[str, tuple[Path, ast.Module]]) -> None:
        self.changed = changed

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.changed:
            return None
        return importlib.machinery.ModuleSpec(
            fullname, self, origin=str(self.changed[fullname][0]),
            is_package=self.is_package(fullname),
        )  # fmt: skip

    def is_package(self, fullname: str) -> bool:
        return self.changed[fullname][0].name == "__init__.py"

    def get_source(self, fullname: str) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        path, tree = self.changed[module.__name__]
        if self.is_package(module.__name__):
            module.__path__ = [str(path.parent)]
        exec(compile(tree, str(path), "exec"), vars(module))


def apply(changed: Mapping[Path, ast.Module], root: Path) -> None:
    """Import the packages of the changed files anew, and hand them to the tests that hold parts of
    the old ones. Raises whatever a changed module raises at import."""
    names = {}
    for path, tree in changed.items():
        dotted = ".".join(path.relative_to(root).with_suffix("").parts)
        names[dotted.removesuffix(".__init__")] = path, tree
    packages = {".".join(path.relative_to(root).parts[:2]) for path in changed}
    old = [known for known in sys.modules if ".".join(known.split(".")[:2]) in packages]
    for known in old:
        del sys.modules[known]
    sys.meta_path.insert(0, _Instead(names))
    for known in old:
        importlib.import_module(known)
    for package in packages:
        _hand_over(package, root / "tests")


@functools.cache
def holders(tests: Path) -> list[tuple[ModuleType, str, str, str]]:
    """Who has imported what from a fake: the test's module and its name there, the fake's module and
    its name there. Asked once, before the copies are forked."""
    found = []
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not file or not Path(file).is_relative_to(tests):
            continue
        for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fakes."):
                source = node.module or ""
                found += [(module, n.asname or n.name, source, n.name) for n in node.names]
    return found


def _hand_over(package: str, tests: Path) -> None:
    for module, here, source, there in holders(tests):
        if source == package or source.startswith(package + "."):
            made = sys.modules[source]
            if not hasattr(made, there):
                importlib.import_module(f"{source}.{there}")
            setattr(module, here, getattr(made, there))

"""The errors a user of the fakes can meet; all of them are `OSError`s."""

from __future__ import annotations

import errno
from collections.abc import Iterable

__all__ = [
    "FakeError",
    "LinkPathError",
    "ScenarioError",
    "UnknownFirmwareError",
    "UnknownModuleError",
    "UnknownSettingError",
    "UnreachableError",
]


class FakeError(OSError):
    """Base of every error raised by this package."""


class _UnknownNameError(FakeError, ValueError):
    """A name that is not in a fixed list; the message shows the list."""

    what = "name"

    def __init__(self, name: str, valid: Iterable[str]) -> None:
        self.name = name
        self.valid = tuple(valid)
        listed = ", ".join(self.valid) or "none"
        super().__init__(errno.EINVAL, f"unknown {self.what} {name!r}; valid: {listed}")


class UnknownModuleError(_UnknownNameError):
    """`fakes.build` was asked for a module that it does not have."""

    what = "module"


class UnknownFirmwareError(_UnknownNameError):
    """A module's `build` was asked for a firmware that it does not have."""

    what = "firmware"


class UnknownSettingError(_UnknownNameError):
    """A module's `build` got a setting it does not know, or a value outside the list."""

    what = "setting"


class ScenarioError(FakeError, ValueError):
    """A scenario that cannot be used.

    Attributes:
        fault: what is wrong, a sentence.
        source: the file, or "scenario".
        step: number of the step, from 1, or None.
        line, column: where it stands in the file, from 1, or None.
    """

    def __init__(
        self,
        fault: str,
        *,
        source: str = "scenario",
        step: int | None = None,
        place: tuple[int, int] | None = None,
    ) -> None:
        self.fault = fault
        self.source = source
        self.step = step
        self.line = None if place is None else place[0]
        self.column = None if place is None else place[1]
        where = source if place is None else f"{source}, line {place[0]}, column {place[1]}"
        if step is not None:
            where += f", step {step}"
        super().__init__(errno.EINVAL, f"{where}: {fault}")


class UnreachableError(FakeError):
    """An address that the simulated world does not reach (anything but loopback)."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(errno.ENETUNREACH, f"{address} is outside the simulated world (loopback)")


class LinkPathError(FakeError):
    """The path for the pty's symbolic link is taken by something that is not ours."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(errno.EEXIST, f"{path}: {fault}")

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
    """A scenario that cannot be used: names the source, the step number (from 1) and the fault."""

    def __init__(self, fault: str, *, source: str = "scenario", step: int | None = None) -> None:
        self.source = source
        self.step = step
        place = source if step is None else f"{source}, step {step}"
        super().__init__(errno.EINVAL, f"{place}: {fault}")


class UnreachableError(FakeError):
    """An address that the simulated world does not reach (anything but loopback)."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(errno.ENETUNREACH, f"{address} is outside the simulated world (loopback)")


class LinkPathError(FakeError):
    """The path for the pty's symbolic link is taken by something that is not ours."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(errno.EEXIST, f"{path}: {fault}")

"""The dataset commands: the buffer, and the active dataset in flash (README_DATASET.md)."""

from __future__ import annotations

import random

from fakes.openthread import dataset as data
from fakes.openthread.codes import INVALID_ARGS, INVALID_COMMAND, NOT_FOUND, Rejected
from fakes.openthread.core import Core, command
from fakes.openthread.dataset import Dataset

__all__ = ["DatasetCommands"]


class DatasetCommands(Core):
    """What the node knows of its network."""

    def __init__(self, *arguments: object, **more: object) -> None:
        self.stored: Dataset | None = None  # the active dataset, in flash
        self.buffer: Dataset = {}
        self.chance = random.Random()
        super().__init__(*arguments, **more)  # type: ignore[arg-type]
        if self.settings.dataset:
            self.stored = data.decode(bytes.fromhex(self.settings.dataset))
        elif self.settings.commissioned and self.settings.border:
            self.stored = dict(data.DEFAULT)

    def power_on(self) -> None:
        """An empty buffer; the active dataset stays."""
        super().power_on()
        self.buffer = {}

    @command("dataset")
    def dataset(self, arguments: list[str]) -> None:
        """The buffer, or one of its fields."""
        if not arguments:
            self.say(*data.lines(self.buffer))
            return
        name = arguments[0]
        if name not in data.FIELDS:
            raise Rejected(INVALID_COMMAND)
        if len(arguments) == 1:
            if name not in self.buffer:
                raise Rejected(NOT_FOUND)
            self.say(data.shown(name, self.buffer[name]))
            return
        try:
            self.buffer[name] = data.take(name, arguments[1])
        except (ValueError, OverflowError):
            raise Rejected(INVALID_ARGS) from None

    @command("dataset init")
    def dataset_init(self, arguments: list[str]) -> None:
        """``new``, ``active``, ``pending`` or ``tlvs <hex>`` into the buffer."""
        kind = arguments[0] if arguments else ""
        if kind == "new":
            self.buffer = data.fresh(self.chance)
        elif kind == "active":
            self.buffer = dict(self.active())
        elif kind == "pending":
            raise Rejected(NOT_FOUND)
        elif kind == "tlvs" and len(arguments) == 2:
            self.buffer = self._parsed(arguments[1])
        else:
            raise Rejected(INVALID_ARGS)

    @command("dataset clear")
    def dataset_clear(self, _: list[str]) -> None:
        """An empty buffer."""
        self.buffer = {}

    @command("dataset tlvs")
    def dataset_tlvs(self, _: list[str]) -> None:
        """The buffer in hexadecimal."""
        self.say(data.encode(self.buffer).hex())

    @command("dataset commit")
    def dataset_commit(self, arguments: list[str]) -> None:
        """The buffer becomes the active dataset."""
        if arguments != ["active"]:
            raise Rejected(INVALID_ARGS)
        self.stored = dict(self.buffer)

    @command("dataset set")
    def dataset_set(self, arguments: list[str]) -> None:
        """``set active <hex>``: the active dataset at once."""
        if len(arguments) != 2 or arguments[0] != "active":
            raise Rejected(INVALID_ARGS)
        self.stored = self._parsed(arguments[1])

    @command("dataset active")
    def dataset_active(self, arguments: list[str]) -> None:
        """The active dataset; ``-x`` as TLVs, ``-ns`` without secrets."""
        active = self.active()
        if not arguments or arguments == ["-ns"]:
            self.say(*data.lines(active, redacted=bool(arguments)))
        elif arguments == ["-x"]:
            self.say(data.encode(active).hex())
        else:
            raise Rejected(INVALID_ARGS)

    @command("dataset pending")
    def dataset_pending(self, _: list[str]) -> None:
        """There is none."""
        raise Rejected(NOT_FOUND)

    def active(self) -> Dataset:
        """The active dataset. Raises Rejected."""
        if self.stored is None:
            raise Rejected(NOT_FOUND)
        return self.stored

    @staticmethod
    def _parsed(text: str) -> Dataset:
        try:
            return data.decode(bytes.fromhex(text))
        except ValueError:
            raise Rejected(INVALID_ARGS) from None

"""An in-process module: `SPEC=bg96:fake`, and every test that needs no pty.

The other end is duck-typed (`start`, `receive`, `stop`, `set_line_rate`), because this package
imports no fake: it is found by entry point.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from atdriver.link import Receiver


class WireEnd(Protocol):
    """What an in-process module offers."""

    async def start(self, deliver: Callable[[bytes], None]) -> None:
        """Begin; output goes to `deliver`."""

    def receive(self, data: bytes) -> None:
        """Bytes from the host."""

    async def stop(self) -> None:
        """End all tasks."""

    def set_line_rate(self, baud: int) -> None:
        """The host changed its baud rate."""


class MemoryLink:
    """A Link to an object in this process."""

    def __init__(self, module: WireEnd, name: str = "fake", *, has_rate: bool = False) -> None:
        self.name = name
        self.has_rate = has_rate
        self._module = module
        self._receiver: Receiver | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self, receiver: Receiver) -> None:
        """Start the module."""
        self._loop = asyncio.get_running_loop()
        self._receiver = receiver
        await self._module.start(self._deliver)

    def _deliver(self, data: bytes) -> None:
        # Never from inside the module's own call: a real port has a wire in between.
        if self._loop is not None:
            # Not as an argument: asyncio's debug mode shows those.
            self._loop.call_soon(lambda: self._hand_over(data))

    def _hand_over(self, data: bytes) -> None:
        if self._receiver is not None and data:
            self._receiver.data_received(data)

    def write(self, data: bytes) -> None:
        """Hand bytes to the module."""
        if self._receiver is not None:
            self._module.receive(data)

    def set_rate(self, baud: int) -> None:
        """Tell the module what the host's rate is."""
        self._module.set_line_rate(baud)

    def drop(self, error: OSError) -> None:
        """For tests: the carrier is gone."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.link_lost(error)

    async def close(self) -> None:
        """Stop the module."""
        self._receiver = None
        if self._loop is not None:
            self._loop = None
            await self._module.stop()

"""Which timers are the driver's, and when they rang: without it no recording could be replayed.

A timer rings when the computer gets to it, and what the driver does then depends on what had
happened before. So the recording says when one of the driver's timers rings, by the name of what it
calls: of several with one name the first that is due. What a link does (a serial port's, a
simulated module's) is not the driver's: it runs outside, as the sockets above the stack do.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Final, TypeVarTuple

from atdriver.link import Link, Receiver

Arguments = TypeVarTuple("Arguments")
inside: Final[contextvars.ContextVar[bool]] = contextvars.ContextVar("inside", default=False)
"""Whether what runs now belongs to the driver."""


def context(driver: bool) -> contextvars.Context:
    """A copy of the current context, on that side."""
    found = contextvars.copy_context()
    found.run(inside.set, driver)
    return found


def name_of(callback: object) -> str:
    """What a timer is known by."""
    return str(getattr(callback, "__qualname__", type(callback).__qualname__)).replace(" ", "")


class NotingLoop(asyncio.SelectorEventLoop):
    """Says `timer NAME` to `note` when one of the driver's timers rings."""

    note: Callable[[str], None] | None = None

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """As every loop's."""
        note = self.note
        if note is None or not inside.get():
            return super().call_at(when, callback, *args, context=context)

        def ring() -> None:
            note(f"timer {name_of(callback)}")
            callback(*args)

        return super().call_at(when, ring, context=context)


class OutsideLink:
    """A link whose own work is not the driver's; what it hands over is."""

    def __init__(self, link: Link) -> None:
        self.name = link.name
        self.has_rate = link.has_rate
        self._link = link
        self._receiver: Receiver | None = None

    async def open(self, receiver: Receiver) -> None:
        """See Link."""
        self._receiver = receiver
        loop = asyncio.get_running_loop()
        await loop.create_task(self._link.open(self), context=context(False))

    def write(self, data: bytes) -> None:
        """See Link."""
        context(False).run(self._link.write, data)

    def set_rate(self, baud: int) -> None:
        """See Link."""
        context(False).run(self._link.set_rate, baud)

    async def close(self) -> None:
        """See Link."""
        loop = asyncio.get_running_loop()
        await loop.create_task(self._link.close(), context=context(False))

    def data_received(self, data: bytes) -> None:
        """See Receiver."""
        if self._receiver is not None:
            context(True).run(self._receiver.data_received, data)

    def link_lost(self, error: OSError | None) -> None:
        """See Receiver."""
        if self._receiver is not None:
            context(True).run(self._receiver.link_lost, error)

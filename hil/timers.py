"""Which timers are the driver's, and when they rang: without it no recording could be replayed.

A timer rings when the computer gets to it, and what the driver does then depends on what had
happened before. So the recording says when one of the driver's timers rings, by the name of what it
calls: of several with one name the first that is due. What a link does (a serial port's, a
simulated module's) is not the driver's: it runs outside, as the sockets above the stack do.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVarTuple

from atdriver.link import Link, Receiver

Arguments = TypeVarTuple("Arguments")
inside: Final[contextvars.ContextVar[bool]] = contextvars.ContextVar("inside", default=False)
"""Whether what runs now belongs to the driver."""


def context(driver: bool) -> contextvars.Context:
    """A copy of the current context, on that side."""
    found = contextvars.copy_context()
    found.run(inside.set, driver)
    return found


def _outside() -> contextvars.Context:
    return context(False)


def name_of(callback: object) -> str:
    """What a timer is known by."""
    return str(getattr(callback, "__qualname__", type(callback).__qualname__)).replace(" ", "")


class NotingLoop(asyncio.SelectorEventLoop):
    """Says `timer NAME` to `note` when one of the driver's timers rings.

    When the computer is late, much is due at once. The replay makes a move when everything waits,
    so here too a timer, bytes and a call come one after the other, each when the driver has done
    all it can: what the driver does between two of them does not hang on the order within a turn.
    """

    note: Callable[[str], None] | None = None

    def __init__(self) -> None:
        self._entering: deque[Callable[[], object]] = deque()
        self._admitting = False
        super().__init__()

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
        own = context or contextvars.copy_context()

        def ring() -> None:
            if not handle.cancelled():
                note(f"timer {name_of(callback)}")
                own.run(callback, *args)

        handle = super().call_at(when, self.enter, ring, context=_outside())
        return handle

    def busy(self) -> bool:
        """Whether the driver goes on without anything from outside."""
        ready: Iterable[Any] = self._ready  # type: ignore[attr-defined]
        return any(each._context.get(inside) for each in ready if not each.cancelled())

    def enter(self, what: Callable[[], object]) -> None:
        """Something reaches the driver: once it waits, and what came earlier has."""
        self._entering.append(what)
        if len(self._entering) == 1 and not self._admitting:
            self._admit()

    def _admit(self) -> None:
        self._admitting = True
        try:
            while self._entering and not self.busy():
                self._entering.popleft()()
        finally:
            self._admitting = False
            if self._entering:
                self.call_soon(self._admit, context=_outside())


async def its_turn() -> None:
    """Wait until the driver waits, where a recording is made."""
    loop = asyncio.get_running_loop()
    while isinstance(loop, NotingLoop) and loop.busy():  # noqa: ASYNC110  (nothing tells when)
        await asyncio.sleep(0)


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
        self._enter(lambda receiver: receiver.data_received(data))

    def link_lost(self, error: OSError | None) -> None:
        """See Receiver."""
        self._enter(lambda receiver: receiver.link_lost(error))

    def _enter(self, what: Callable[[Receiver], None]) -> None:
        def now() -> None:
            if self._receiver is not None:
                context(True).run(what, self._receiver)

        loop = asyncio.get_running_loop()
        if isinstance(loop, NotingLoop):
            loop.enter(now)
        else:
            now()

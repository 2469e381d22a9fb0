"""Seam: what passes between the sockets and a stack, counted and recorded.

It takes the place of the stack's own methods on this one object. What a method calls of its own
stack, and what the stack does by itself, is no call of the sockets and is not seen. So that every
call of the sockets is, a `ReadyStack` has nothing ready here: the sockets ask `recv` and `send`.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from hil.recording import HIDDEN, SessionTrace, digest, encode, failure
from hil.timers import context, inside, its_turn
from netsocket.stack import Changed, Handle, ReadyStack, Stack, StatusChanged

METHODS: Final = (
    "up", "down", "open", "bind", "listen", "accept", "connect", "send", "sendto", "recv",
    "recvfrom", "shutdown", "close", "local_address", "remote_address", "set_option", "get_option",
    "resolve", "status", "scan", "ping", "cellular",
)  # fmt: skip
SETTERS: Final = ("set_credentials", "set_channel", "set_access_point_name", "set_sim_pin")
"""What is not awaited, and says what the next `up` shall do."""
_OUT: Final = ("send", "sendto")
_IN: Final = ("recv", "recvfrom")


class BudgetSpent(OSError):
    """The session may not move more payload. Sockets may hand it on as another OSError with this
    number."""

    number: Final = errno.EDQUOT


class Meter:
    """Payload bytes in both directions; headers of TCP, UDP and IP are not counted."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.used = 0
        self.refused = False
        """Whether anything was refused since this was last set to False."""

    @property
    def left(self) -> int | None:
        """Bytes that may still pass; None without a limit."""
        return None if self.limit is None else max(0, self.limit - self.used)

    def ask(self, method: str, arguments: tuple[Any, ...]) -> None:
        """Raise BudgetSpent when the call could pass the limit."""
        if self.left is None or method not in _OUT + _IN:
            return
        wanted = len(arguments[1]) if method in _OUT else 1
        if wanted > self.left:
            self.refused = True
            raise BudgetSpent(
                BudgetSpent.number, f"the data budget of {self.limit} bytes is used up"
            )

    def count(self, method: str, result: Any) -> None:
        """Add what has passed."""
        if method in _OUT:
            self.used += result
        elif method in _IN and result is not None:
            self.used += len(result[0] if method == "recvfrom" else result)


class Seam:
    """Installs itself on a stack; `trace` may be None."""

    def __init__(self, stack: Stack, meter: Meter, trace: SessionTrace | None) -> None:
        self._meter = meter
        self._trace = trace
        self._stack = stack
        self._claims = stack.capabilities
        self._numbers = itertools.count()
        if isinstance(stack, ReadyStack):
            stack.ready = lambda *_: None  # type: ignore[method-assign]
            stack.begin_send = self._sending(stack.begin_send)  # type: ignore[method-assign]
        for name in METHODS:
            original = getattr(stack, name, None)
            if original is not None:
                setattr(stack, name, self._around(name, original))
        for name in SETTERS:
            setter = getattr(stack, name, None)
            if setter is not None:
                setattr(stack, name, self._setting(name, setter))
        attach = stack.attach

        def attached(changed: Changed, status_changed: StatusChanged) -> None:
            attach(_outside(changed), _outside(status_changed))

        stack.attach = attached  # type: ignore[method-assign]

    def _note(self, text: str) -> None:
        if self._trace is not None:
            self._trace.note(text)

    def _note_claims(self) -> None:
        """Probes make a stack try more than it claims: it does what its table says at that time."""
        if self._claims is not self._stack.capabilities:
            self._claims = self._stack.capabilities
            limits = {id_: claim.limit for id_, claim in self._claims.items() if claim.limit}
            self._note(f"claims {json.dumps(limits)}")

    def _setting(self, name: str, original: Callable[[Any], None]) -> Callable[[Any], None]:
        @functools.wraps(original)
        def call(value: Any) -> None:
            original(value)
            if not inside.get():
                shown = HIDDEN if name == "set_sim_pin" else encode(value)
                self._note(f"set {name} {json.dumps(shown)}")

        return call

    def _sending(
        self, original: Callable[..., asyncio.Future[int]]
    ) -> Callable[..., asyncio.Future[int]]:
        @functools.wraps(original)
        def begin_send(
            handle: Handle, data: bytes, ended: Callable[[], None]
        ) -> asyncio.Future[int]:
            if inside.get():
                return original(handle, data, ended)
            sending = asyncio.ensure_future(self._stack.send(handle, data))
            sending.add_done_callback(lambda _: ended())
            return sending

        return begin_send

    def _around(
        self, name: str, original: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(original)
        async def call(*arguments: Any, **named: Any) -> Any:
            if inside.get():
                return await original(*arguments, **named)
            await its_turn()
            self._meter.ask(name, arguments)
            self._note_claims()
            number = next(self._numbers)
            shown = [[encode(each) for each in arguments], {k: encode(v) for k, v in named.items()}]
            self._note(f"call {number} {name} {json.dumps(shown)}")
            token = inside.set(True)
            try:
                result = await original(*arguments, **named)
            except asyncio.CancelledError:
                self._note(f"cancelled {number}")
                raise
            except BaseException as error:
                self._note(f"raised {number} {failure(error)}")
                raise
            finally:
                inside.reset(token)
            self._note(f"returned {number} {digest(result)}")
            self._meter.count(name, result)
            return result

        return call


def _outside(notice: Callable[..., None]) -> Callable[..., None]:
    """A notice leads back to the sockets: what they call then is seen again."""

    def call(*arguments: Any) -> None:
        context(False).run(notice, *arguments)

    return call

"""Sockets of a stack that comes and goes: what a program gets when the stack below goes in the middle of a
call."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from modems.ppp.forwarding import ForwardedSockets
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Handle, Kind
from tests.engine.virtual_time import virtual

PEER = SocketAddress("192.0.2.44", 4444)
GONE = errors.ConnectionReset("the PPP link is gone")


class Below:
    """The stack of one call. `answers` says what a call gives; one that is not there is not done before
    `go_on`."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[Any, ...]] = []
        self.go_on = asyncio.Event()

    async def open(self, kind: Kind) -> Handle:
        return await self._answer("open", kind)

    async def _answer(self, call: str, *arguments: Any) -> Any:
        self.asked.append((call, *arguments))
        if call not in self.answers:
            await self.go_on.wait()
        found = self.answers.get(call)
        if isinstance(found, OSError):
            raise found
        return found

    def __getattr__(self, call: str) -> Any:
        return lambda *arguments, **options: self._answer(call, *arguments, *options.values())


class Above(ForwardedSockets):
    """A stack without a call of its own."""

    name = "modem"
    why: OSError | None = None

    @property
    def failure(self) -> OSError | None:
        return self.why


async def opened(**answers: Any) -> tuple[Above, Any, Handle]:
    below: Any = Below(open=Handle(7, 1), **answers)
    above = Above()
    above._use(below)
    handle = await above.open(Kind.TCP)
    below.asked.clear()
    return above, below, handle


@virtual
async def test_a_call_of_a_socket_is_its_stacks() -> None:
    """Under the stack's own handle, with all that was said, and the answer is handed on."""
    above, below, handle = await opened(set_option=None, get_option=5, resolve=["192.0.2.1"])
    await above.set_option(handle, 1, 2, b"value")
    assert await above.get_option(handle, 1, 2) == 5
    assert await above.resolve("n.test", 10) == ["192.0.2.1"]
    own = Handle(7, 1)
    assert below.asked == [
        ("set_option", own, 1, 2, b"value"), ("get_option", own, 1, 2), ("resolve", "n.test", 10)]  # fmt: skip


@virtual
async def test_what_needs_a_call_while_there_is_none() -> None:
    above = Above()
    with pytest.raises(errors.NetworkDown, match="the modem is not attached"):
        await above.resolve("n.test")
    with pytest.raises(errors.NetworkDown, match=r"not attached \(not dialled\)"):
        await above.open(Kind.TCP)
    above.why = errors.NetworkDown("no carrier")
    with pytest.raises(errors.NetworkDown, match=r"not attached \(.*no carrier\)"):
        await above.open(Kind.TCP)


@virtual
async def test_an_error_of_the_stack_is_the_callers() -> None:
    refused = errors.ConnectionRefused("refused")
    above, _, handle = await opened(connect=refused)
    with pytest.raises(errors.ConnectionRefused) as caught:
        await above.connect(handle, PEER)
    assert caught.value is refused


@virtual
async def test_a_call_that_fails_because_the_link_went_says_so() -> None:
    """Whatever the stack makes of it: it only knows that its descriptor was closed."""
    above, below, handle = await opened()
    sending = asyncio.ensure_future(above.send(handle, b"x"))
    await asyncio.sleep(0.1)
    above._break_all(GONE)
    below.answers["send"] = OSError(9, "bad descriptor")
    below.go_on.set()
    with pytest.raises(errors.ConnectionReset) as caught:
        await sending
    assert caught.value is GONE


@virtual
async def test_a_connection_that_is_accepted_while_the_link_goes() -> None:
    """It went with it: nobody gets a socket of a stack that is gone."""
    above, below, handle = await opened()
    accepting = asyncio.ensure_future(above.accept(handle))
    await asyncio.sleep(0.1)
    above._break_all(GONE)
    below.answers["accept"] = (Handle(8, 1), PEER)
    below.go_on.set()
    with pytest.raises(errors.ConnectionReset) as caught:
        await accepting
    assert caught.value is GONE


@pytest.mark.parametrize("again", [False, True], ids=["none", "another"])
@virtual
async def test_a_socket_that_is_opened_while_the_link_goes(again: bool) -> None:
    """It is none, also where the next call is up by then: it would be the former stack's."""
    above = Above()
    below: Any = Below()
    above._use(below)
    opening = asyncio.ensure_future(above.open(Kind.TCP))
    await asyncio.sleep(0.1)
    above._break_all(GONE)
    if again:
        above._use(Below())  # type: ignore[arg-type]
    below.answers["open"] = Handle(7, 1)
    below.go_on.set()
    with pytest.raises(errors.NetworkDown, match=r"not attached \(the PPP link is gone\)"):
        await opening


@virtual
async def test_a_socket_is_closed_once() -> None:
    """Another one has its number since."""
    above, below, handle = await opened(close=None)
    await above.close(handle, abort=True)
    assert below.asked == [("close", Handle(7, 1), True)]
    below.answers["open"] = Handle(8, 1)
    other = await above.open(Kind.TCP)
    assert other.number == handle.number
    below.asked.clear()
    await above.close(handle)
    assert below.asked == []
    assert await asyncio.wait_for(above.close(other), 1.0) is None
    await above.close(other)
    assert below.asked == [("close", Handle(8, 1), False)]

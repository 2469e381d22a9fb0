"""Reads that follow one another, and bytes of which the program is told: in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from modems.receiving import READ_AHEAD
from netsocket.stack import ReadyStack
from tests.faults.bench import Bench, opened, virtual

each = pytest.mark.parametrize(("module", "firmware"), [("esp8266", "E24"), ("bg96", "bg96")])
READ = {"esp8266": b"AT+CIPRECVDATA=", "bg96": b"AT+QIRD="}
SAID = bytes(range(256)) * 1024


def reads(bench: Bench, module: str) -> list[float]:
    """When the driver asked for data."""
    return [
        at for at, way, data in bench.wire.lines if way == ">" and data.startswith(READ[module])
    ]


@each
@virtual
async def test_the_next_read_leaves_with_the_answer_of_the_last(module: str, firmware: str) -> None:
    """No turn of a task between them, and no waiting for a notice that tells nothing new."""
    async with opened(module, firmware) as bench:
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        bench.talks("sink.test:9")[0].say(SAID[:60_000])
        got = b""
        while len(got) < 60_000:
            got += await sock.recv(65536)
        assert got == SAID[:60_000]
        lines = bench.wire.lines
        asked = [n for n, (_, way, data) in enumerate(lines) if data.startswith(READ[module])]
        at_once = [lines[n - 1][0] == lines[n][0] for n in asked[1:]]
        assert len(at_once) > 5
        assert sum(at_once) > len(at_once) / 2, "else it waited for a notice"


@each
@virtual
async def test_the_host_holds_a_bounded_part_of_what_nobody_takes(
    module: str, firmware: str
) -> None:
    """The rest stays in the module, whose window slows the peer down; nothing is lost by it."""
    async with opened(module, firmware) as bench:
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        bench.talks("sink.test:9")[0].say(SAID)
        first = await sock.recv(1)
        await asyncio.sleep(30)
        (held,) = (len(each.buffer) for each in bench.stack._sockets.values())
        assert READ_AHEAD <= held < READ_AHEAD + 8192
        asked = len(reads(bench, module))
        await asyncio.sleep(3)
        assert len(reads(bench, module)) == asked
        rest = bytearray()
        while len(rest) < len(SAID) - 1:
            rest += await sock.recv(65536)
        assert first + rest == SAID


@each
@virtual
async def test_nothing_is_read_before_a_program_wants_it(module: str, firmware: str) -> None:
    async with opened(module, firmware) as bench:
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        bench.talks("sink.test:9")[0].say(b"unasked")
        await asyncio.sleep(5)
        assert reads(bench, module) == []
        assert await sock.recv(100) == b"unasked"


@each
@virtual
async def test_what_is_here_is_taken_without_a_transaction(module: str, firmware: str) -> None:
    """`ready` says which of its three answers holds; a dead handle is for `recv` to explain."""
    async with opened(module, firmware) as bench:
        stack = bench.stack
        assert isinstance(stack, ReadyStack)
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        handle = sock._handle
        assert handle is not None
        assert stack.ready(handle, 10) == b""
        bench.talks("sink.test:9")[0].say(b"0123456789abc")
        await asyncio.sleep(2)
        assert stack.ready(handle, 10) == b"0123456789"
        assert stack.ready(handle, 10) == b"abc"
        assert stack.ready(handle, 10) == b""
        bench.talks("sink.test:9")[0].fin()
        await asyncio.sleep(2)
        assert stack.ready(handle, 10) == b""  # what it says is whether anything is left
        await asyncio.sleep(2)
        assert stack.ready(handle, 10) is None
        assert await sock.recv(10) == b""
        await sock.close()
        assert stack.ready(handle, 10) is None
        with pytest.raises(OSError, match="closed"):
            stack.begin_send(handle, b"x", lambda: None)


@each
@virtual
async def test_who_waits_for_a_send_is_told_before_the_callbacks(
    module: str, firmware: str
) -> None:
    async with opened(module, firmware) as bench:
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        assert sock._handle is not None
        order: list[str] = []
        outcome = bench.stack.begin_send(sock._handle, b"hello", lambda: order.append("told"))
        outcome.add_done_callback(lambda _: order.append("callback"))
        assert await outcome == 5
        await asyncio.sleep(0)
        assert order == ["told", "callback"]
        assert await sock.recv(5) == b"hello"


@each
@virtual
async def test_the_next_frame_leaves_before_anybody_is_woken(module: str, firmware: str) -> None:
    async with opened(module, firmware) as bench:
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        order: list[str] = []
        begin_send = bench.stack.begin_send

        def watched(*arguments: object) -> asyncio.Future[int]:
            order.append("offered")
            outcome: asyncio.Future[int] = begin_send(*arguments)
            outcome.add_done_callback(lambda _: order.append("callback"))
            return outcome

        bench.stack.begin_send = watched
        await sock.sendall(SAID[: 3 * sock.frame - 5])
        await asyncio.sleep(0)
        assert order[:2] == ["offered", "offered"]
        assert (order.count("offered"), order.count("callback")) == (3, 3)
        assert bytes(bench.talks("sink.test:9")[0].told) == SAID[: 3 * sock.frame - 5]


@pytest.mark.parametrize("how", ["cancelled", "late"])
@each
@virtual
async def test_who_leaves_among_the_frames_has_an_exact_account(
    module: str, firmware: str, how: str
) -> None:
    """The frame that is under way is carried to its end, no other one begins, and the account
    says which is which."""
    async with opened(module, firmware) as bench:
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        talk = bench.talks("sink.test:9")[0]
        offered = 0
        begin_send = bench.stack.begin_send

        def watched(*arguments: object) -> asyncio.Future[int]:
            nonlocal offered
            offered += 1
            if offered == 2:  # in the middle of the second frame
                loop = asyncio.get_running_loop()
                loop.call_soon(sending.cancel if how == "cancelled" else hurry)
            return begin_send(*arguments)  # type: ignore[no-any-return]

        def hurry() -> None:
            for waiter in list(sock._callers):
                waiter.set_result(None)  # as the deadline does

        bench.stack.begin_send = watched
        sending = asyncio.ensure_future(sock.sendall(SAID[: 5 * sock.frame]))
        error: BaseException | None = None
        try:
            await sending
        except (asyncio.CancelledError, TimeoutError) as caught:
            error = caught
        assert isinstance(error, asyncio.CancelledError if how == "cancelled" else TimeoutError)
        assert (error.accepted, error.unknown) == (sock.frame, sock.frame)  # type: ignore[union-attr]
        assert await sock.settle() == sock.frame
        await sock.sendall(b"behind it")
        await asyncio.sleep(1)
        assert bytes(talk.told) == SAID[: 2 * sock.frame] + b"behind it"

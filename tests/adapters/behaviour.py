"""The shared behaviour table: what every adapter has to do, case by case.

A case is a function of a client and a bench. Every case ends with the stack having all its
sockets back, and with a small echo that works: nothing that went wrong may cost the next call.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.adapters.bench import Bench
from tests.adapters.clients import Call, Client
from tests.adapters.farends import PART, FarEnd, closed_port, far_end, silent_port
from tests.netsocket.certificates import serving, trusting

Case = Callable[[Client, Bench], Coroutine[Any, Any, None]]

STRANGER = "nobody.example"
"""A name that nobody knows."""
SHORT = 0.4
"""Seconds of the time-outs that are to run out."""
SOON = 8.0
"""Seconds within which they must have, on a busy machine."""
MIB = 1 << 20
STEPS = 50_000
"""More steps of a loop that does nothing else than any small exchange takes."""
STRIDES = {"ssh": 37, "mqtt": 37}
AWAITS = 400
"""More awaits than any small exchange has."""


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


@contextmanager
def failing(kind: Any) -> Iterator[None]:
    """The library's own error, alone or in the group that its task group makes."""
    try:
        yield
    except Exception as error:
        assert all(isinstance(each, kind) for each in _leaves(error)), repr(error)
        return
    pytest.fail(f"no error, {kind} was expected")


def _tell_when_read(call: Call, end: FarEnd) -> None:
    loop = asyncio.get_running_loop()

    def tell() -> None:
        if len(call.into) == len(PART):
            loop.call_soon_threadsafe(end.gone_on.set)

    call.got = tell


async def works(client: Client, bench: Bench) -> None:
    """A small echo, judged by the far end; nothing is left behind."""
    async with far_end(client.protocol, "echo") as end:
        call = Call(bench, end.port, host_key=end.host_key)
        got = await client.do(call, echo=True)
        assert end.received == call.total
        assert hashlib.sha256(got).digest() == end.digest.digest()
        await bench.empty()


async def refused(client: Client, bench: Bench) -> None:
    with closed_port() as port, failing(client.errors["refused"]):
        await client.do(Call(bench, port), echo=True)


async def unknown_name(client: Client, bench: Bench) -> None:
    with failing(client.errors["unknown"]):
        await client.do(Call(bench, 9, host=STRANGER), echo=True)


async def connect_timeout(client: Client, bench: Bench) -> None:
    begun = time.monotonic()
    with silent_port() as port:
        with failing(client.errors["connecting"]):
            await client.do(Call(bench, port, connecting=SHORT), echo=True)
        assert SHORT * 0.9 <= time.monotonic() - begun < SOON


async def read_timeout(client: Client, bench: Bench) -> None:
    async with far_end(client.protocol, "stall") as end:
        begun = time.monotonic()
        call = Call(bench, end.port, host_key=end.host_key, reading=SHORT)
        with failing(client.errors["reading"]):
            await client.do(call, echo=False)
        assert SHORT * 0.9 <= time.monotonic() - begun < SOON
        assert call.into == PART, "what came before the silence"


async def reset(client: Client, bench: Bench) -> None:
    """The peer resets: what came before, then an error.

    Where a stack claims that it cannot tell a reset from an end (`tcp.reset_seen`), a bare stream
    of bytes ends; every protocol that knows its lengths fails all the same.
    """
    async with far_end(client.protocol, "reset") as end:
        call = Call(bench, end.port, host_key=end.host_key)
        _tell_when_read(call, end)
        if client.protocol == "raw" and not bench.claims("tcp.reset_seen"):
            await client.do(call, echo=False)
        else:
            with failing(client.errors["reset"]):
                await client.do(call, echo=False)
        assert call.into == PART
        assert end.connections == 1


async def cut(client: Client, bench: Bench) -> None:
    """The connection ends in order, the protocol does not."""
    async with far_end(client.protocol, "cut") as end:
        call = Call(bench, end.port, host_key=end.host_key)
        _tell_when_read(call, end)
        if client.errors["cut"] is None:
            await client.do(call, echo=False)
        else:
            with failing(client.errors["cut"]):
                await client.do(call, echo=False)
        assert call.into == PART


async def module_restarts(client: Client, bench: Bench) -> None:
    """The module restarts in the middle: what came before, then an error, never an end."""
    if bench.module == "host":
        return  # the host's stack is no module; `reset` is its abnormal end
    async with far_end(client.protocol, "stall") as end:
        call = Call(bench, end.port, host_key=end.host_key)
        loop = asyncio.get_running_loop()

        def restart() -> None:
            if len(call.into) == len(PART):
                asyncio.run_coroutine_threadsafe(bench.inside(bench.fakes[-1].restart), loop)

        call.got = restart
        with failing(client.errors["reset"]):
            await client.do(call, echo=False)
        assert call.into == PART


async def half_close(client: Client, bench: Bench) -> None:
    """Where it is claimed the far end sees the end and can still answer; elsewhere it is refused."""
    async with far_end("raw", "echo") as end:
        await HALF_CLOSE[client.name](bench, end.port, bench.claims("tcp.half_close"))
        await _until(lambda: end.received == 5)
        if bench.claims("tcp.half_close"):
            await _until(lambda: end.clean_ends == 1)


async def _half_close_streams(bench: Bench, port: int, claimed: bool) -> None:
    reader, writer = await bench.net.open_connection("srv", port)
    writer.write(b"hello")
    assert writer.can_write_eof() is claimed
    if claimed:
        writer.write_eof()
        assert await reader.read() == b"hello"
    else:
        with pytest.raises(NotImplementedError):
            writer.write_eof()
        assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()


async def _half_close_descriptor(bench: Bench, port: int, claimed: bool) -> None:
    def use() -> None:
        with bench.net.create_connection(("srv", port), 10) as sock:
            sock.sendall(b"hello")
            sock.shutdown(socket.SHUT_WR)  # elsewhere kept here; see the descriptor's docstring
            assert sock.recv(5) == b"hello"
            if claimed:
                assert sock.recv(5) == b""

    await asyncio.to_thread(use)


async def _half_close_anyio(bench: Bench, port: int, claimed: bool) -> None:
    import anyio

    from netsocket.adapters.for_anyio import connect_tcp

    async with await connect_tcp(bench.net, "srv", port) as stream:
        await stream.send(b"hello")
        if not claimed:
            with pytest.raises(NotImplementedError, match="one direction"):
                await stream.send_eof()
        else:
            await stream.send_eof()
        assert await stream.receive() == b"hello"
        if claimed:
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()


HALF_CLOSE = {
    "streams": _half_close_streams,
    "descriptor": _half_close_descriptor,
    "anyio": _half_close_anyio,
}


async def large_echo(client: Client, bench: Bench, size: int = 4 * MIB) -> None:
    """4 MiB there and back past a far end and a program that pause: whole, and little waits here.

    What waits is measured at the stack: bytes that the library took from the program and the stack
    has not accepted, and bytes that the stack gave and the program has not got.
    """
    piece = 64 * 1024
    async with far_end(client.protocol, "echo") as end:
        call = Call(bench, end.port, host_key=end.host_key, pieces=size // piece, size=piece)
        bench.meter.start()
        got = await client.do(call, echo=True)
        assert end.received == len(got) == size
        assert hashlib.sha256(got).digest() == end.digest.digest()
        meter = bench.meter
        waiting = (meter.most_outward, meter.most_inward)
        assert meter.most_outward <= client.outward + piece, f"towards the stack {waiting}"
        assert meter.most_inward <= client.inward + piece, f"towards the program {waiting}"


async def tls(client: Client, bench: Bench) -> None:
    """With a private authority, for the name that was asked for; no other authority is believed."""
    async with far_end(client.protocol, "echo", serving()) as end:
        call = Call(bench, end.port, context=trusting())
        assert len(await client.do(call, echo=True)) == end.received == call.total
    async with far_end(client.protocol, "echo", serving()) as end:
        with failing(client.errors["untrusted"]):
            context = ssl.create_default_context()
            await client.do(Call(bench, end.port, context=context), echo=True)
        assert not end.received
    async with far_end(client.protocol, "echo", serving("wrong-host")) as end:
        with failing(client.errors["untrusted"]):
            await client.do(Call(bench, end.port, context=trusting()), echo=True)
        assert not end.received


async def tls_cut(client: Client, bench: Bench) -> None:
    """Somebody cuts a TLS connection: what came before, then an error, never an end."""
    async with far_end(client.protocol, "reset", serving()) as end:
        call = Call(bench, end.port, context=trusting())
        _tell_when_read(call, end)
        with failing(client.errors["cut tls"]):
            await client.do(call, echo=False)
        assert call.into == PART


async def cancelled(client: Client, bench: Bench, step: int = 1) -> None:
    """Cancelled at every `step`-th of its awaits, while it waits and just when it is done.

    No socket stays with the module, no task behind, and the next call works.
    """
    before = asyncio.all_tasks()
    for late in (False, True):
        for at in range(1, AWAITS, step):
            async with far_end(client.protocol, "echo") as end:
                call = Call(bench, end.port, host_key=end.host_key, pieces=2, size=1000)
                ended = await _cancel_at(client.do(call, echo=True), at, late=late)
                await bench.empty()
            if ended:
                break
        else:
            pytest.fail(f"more than {AWAITS} awaits")
    await _until(lambda: not (asyncio.all_tasks() - before))


async def cancelled_at_steps(client: Client, bench: Bench, stride: int = 0) -> None:
    """Cancelled after 0, `stride`, 2 `stride` … steps of the event loop, until it is done by then.

    0 chooses by the protocol: some work in threads while the loop turns thousands of times. That meets the library's own tasks, and the stack's, at other moments than `cancelled` does.
    """
    before = asyncio.all_tasks()
    stride = stride or STRIDES.get(client.protocol, 11)
    for steps in range(0, STEPS, stride):
        async with far_end(client.protocol, "echo") as end:
            call = Call(bench, end.port, host_key=end.host_key, pieces=2, size=1000)
            task = asyncio.create_task(client.do(call, echo=True))
            for _ in range(steps):
                await asyncio.sleep(0)
            done = task.done()
            task.cancel()
            await asyncio.wait({task}, timeout=20)
            assert task.cancelled() or task.exception() is None or _is_cancel(task.exception())
            await bench.empty()
        if done:
            break
    else:
        pytest.fail(f"not done after {STEPS} steps")
    await _until(lambda: not (asyncio.all_tasks() - before))


async def cancelled_at_every_step(client: Client, bench: Bench) -> None:
    """The same with no step left out."""
    await cancelled_at_steps(client, bench, 1)


def _is_cancel(error: BaseException | None) -> bool:
    return error is not None and all(
        isinstance(each, asyncio.CancelledError) for each in _leaves(error)
    )


async def _cancel_at(work: Coroutine[Any, Any, Any], at: int, *, late: bool) -> bool:
    """Run `work`, cancelling it at its await number `at`; True when it had not that many."""
    counted = _Counted(work, at, late)
    task = asyncio.ensure_future(counted)
    try:
        async with asyncio.timeout(20):
            await task
    except asyncio.CancelledError:
        return False
    except BaseExceptionGroup as group:
        assert all(isinstance(each, asyncio.CancelledError) for each in _leaves(group))
        return False
    return counted.count < at


class _Counted:
    """Awaits a coroutine; at the `at`-th time that it waits, the task is cancelled: at once, or
    `late`, in the moment between the end of what it waits for and its waking up."""

    def __init__(self, work: Coroutine[Any, Any, Any], at: int, late: bool) -> None:
        self.work, self.at, self.late = work, at, late
        self.count = 0

    def __await__(self) -> Any:
        task = asyncio.current_task()
        assert task is not None
        waits = self.work.__await__()
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                future = waits.send(value) if error is None else waits.throw(error)
            except StopIteration as stop:
                return stop.value
            self.count += 1
            if self.count == self.at:
                if self.late and future is not None:
                    future.add_done_callback(lambda _done: task.cancel())
                else:
                    task.get_loop().call_soon(task.cancel)
            value, error = None, None
            try:
                value = yield future
            except BaseException as caught:
                error = caught


async def _until(condition: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


CASES: dict[str, Case] = {
    "works": works,
    "refused": refused,
    "unknown-name": unknown_name,
    "connect-timeout": connect_timeout,
    "read-timeout": read_timeout,
    "reset": reset,
    "cut": cut,
    "module-restarts": module_restarts,
    "half-close": half_close,
    "large-echo": large_echo,
    "tls": tls,
    "tls-cut": tls_cut,
    "cancelled": cancelled,
    "cancelled-at-steps": cancelled_at_steps,
    "cancelled-at-every-step": cancelled_at_every_step,
}

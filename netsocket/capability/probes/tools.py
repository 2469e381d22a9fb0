"""What probes share: sockets that close themselves, exact reads, traps for parsers."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

from netsocket.capability.farend import FarEnd
from netsocket.capability.farend_services import Connection, until
from netsocket.capability.verdict import Broken, check
from netsocket.interface import AsyncNetworkInterface
from netsocket.stream import AsyncTCPSocket
from netsocket.tls import AsyncTLSSocket

Stream = AsyncTCPSocket | AsyncTLSSocket

LIMIT = 15.0
"""Seconds for one call of a probe."""
SLACK = 1.0
"""Seconds beyond a time-out that the longest exchange with a module may add."""
TICK = 0.02
"""Seconds between two looks at whether this computer runs."""
SIZES = (*range(1, 11), *range(100, 1201, 100))
"""The plan's 22 echo sizes in bytes."""
TRAPS = (b"\r\nOK\r\n", b"+IPD,0,5:", b"0,CLOSED\r\n", b'\r\n+QIURC: "closed",0\r\n', b"> ",
         b"\r\nERROR\r\n", b"\r\nSEND OK\r\n", b"+++", b"\r\nready\r\n", b"\x1a\x00")  # fmt: skip
"""Text that a driver must not take for its module's."""


@asynccontextmanager
async def connected(
    net: AsyncNetworkInterface, far: FarEnd, service: str
) -> AsyncIterator[tuple[AsyncTCPSocket, Connection]]:
    """A connected socket and the connection as the far end sees it."""
    known = len(far.tcp[service].connections)
    async with net.tcp_socket() as sock:
        sock.settimeout(LIMIT)
        await sock.connect(far.address(service))
        yield sock, await far.tcp[service].connection(known)


async def receive(sock: Stream, count: int) -> bytes:
    """Exactly `count` bytes, fewer only at an orderly end; never asks for more than is missing."""
    got = bytearray()
    while len(got) < count:
        part = await sock.recv(min(1220, count - len(got)))
        if not part:
            break
        got += part
    return bytes(got)


async def echo(sock: Stream, data: bytes) -> None:
    """Send and get back the same."""
    await sock.sendall(data)
    back = await receive(sock, len(data))
    check(back == data, difference(data, back))


async def echo_by_events(sock: Stream, messages: Iterable[bytes]) -> None:
    """Send each and get it back without ever blocking, by the calls of sigio alone."""
    event = asyncio.Event()
    sock.setblocking(False)
    sock.sigio(event.set)
    for data in messages:
        await _echo_by_event(sock, event, data)


async def _echo_by_event(sock: Stream, event: asyncio.Event, data: bytes) -> None:
    sent, got = 0, bytearray()
    while len(got) < len(data):
        event.clear()
        moved = False
        try:
            if sent < len(data):
                sent += await sock.send(data[sent:])
                moved = True
        except BlockingIOError:
            pass
        try:
            part = await sock.recv(len(data) - len(got))
            check(part != b"", "the connection ended")
            got += part
            moved = True
        except BlockingIOError:
            pass
        if not moved:
            async with asyncio.timeout(20.0):
                await event.wait()
    check(bytes(got) == data, difference(data, bytes(got)))


async def send_often(sock: Stream, seen: Connection) -> None:
    """100 sends of 5 bytes, each answering 5; the far end gets them in order."""
    expected = b"".join(b"%05d" % number for number in range(100))
    for number in range(100):
        sent = await sock.send(b"%05d" % number)
        check(sent == 5, f"send of 5 bytes returned {sent}")
    await until(lambda: len(seen.received) >= len(expected), LIMIT)
    check(seen.received == expected, difference(expected, bytes(seen.received)))


class Stopwatch:
    """How long a call took, and how much of that this computer, busy with others, stood still."""

    def __init__(self) -> None:
        self.took = 0.0
        """Seconds."""
        self.stood_still = 0.0
        """Seconds of those in which nothing ran here."""

    @property
    def worked(self) -> float:
        """Seconds that are the call's own."""
        return self.took - self.stood_still

    def check(self, asked: float) -> None:
        """Whether a time-out of `asked` seconds was kept."""
        right = asked <= self.took and self.worked < asked + SLACK
        still = f", {self.stood_still:.2f} of them stood still" if self.stood_still else ""
        check(right, f"took {self.took:.2f} s{still}, with {asked:g} s")


@asynccontextmanager
async def stopwatch() -> AsyncIterator[Stopwatch]:
    """Measure what stands in it."""
    loop = asyncio.get_running_loop()
    watch = Stopwatch()

    async def look() -> None:
        while True:
            before = loop.time()
            await asyncio.sleep(TICK)
            late = loop.time() - before - TICK
            if late > TICK:
                watch.stood_still += late

    looking = asyncio.create_task(look())
    begun = loop.time()
    try:
        yield watch
    finally:
        watch.took = loop.time() - begun
        await asyncio.sleep(0)  # a halt at the end counts as well
        looking.cancel()


async def recv_in_vain(sock: Stream, rounds: int) -> str:
    """0.1 s on a silent connection, looked at with a clock, then an echo; says what it took."""
    took = []
    for number in range(rounds):
        sock.settimeout(0.1)
        async with stopwatch() as watch:
            with raises(TimeoutError, call="recv"):
                await sock.recv(100)
        watch.check(0.1)
        took.append(watch.took)
        sock.settimeout(LIMIT)
        await echo(sock, pattern(100, number))
    return f"TimeoutError after {min(took):.2f} to {max(took):.2f} s with 0.1 s"


def difference(expected: bytes, got: bytes) -> str:
    """Where two byte strings part."""
    at = next((n for n, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b),
              min(len(expected), len(got)))  # fmt: skip
    return (f"{len(got)} of {len(expected)} bytes, first difference at {at}: "
            f"{got[at:at + 16]!r} instead of {expected[at:at + 16]!r}")  # fmt: skip


def pattern(count: int, seed: int = 0) -> bytes:
    """Bytes that tell where they belong."""
    block = b"".join(b"%07d." % (seed * 100_000 + n) for n in range(count // 8 + 1))
    return block[:count]


SIZED = tuple(pattern(size, size) for size in SIZES)
"""A message of each size."""
BURSTS = tuple(pattern(1220, number) for number in range(20))
"""The plan's bursts."""


@contextmanager
def claiming(net: AsyncNetworkInterface, id_: str, limit: int) -> Iterator[None]:
    """Let the stack believe in another limit meanwhile, to see what is behind its own."""
    stack = net.stack
    honest = stack.capabilities
    lie = dataclasses.replace(honest[id_], limit=limit)
    stack.capabilities = honest.with_changes(lie)
    try:
        yield
    finally:
        stack.capabilities = honest


@contextmanager
def raises(*kinds: type[BaseException], call: str) -> Iterator[None]:
    """The block must raise one of `kinds`; anything else is the evidence of a failure."""
    try:
        yield
    except kinds:
        return
    except OSError as error:
        raise Broken(f"{call} raised {error!r}, not {kinds[0].__name__}") from error
    raise Broken(f"{call} raised nothing, {kinds[0].__name__} was due")


async def errno_of(call: object) -> int | None:
    """The errno that an awaitable raises, None when it raises nothing."""
    try:
        await call  # type: ignore[misc]
    except OSError as error:
        return error.errno
    return None


async def within(seconds: float, work: object) -> object:
    """The result of an awaitable, or Broken when it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await work  # type: ignore[misc]
    except TimeoutError:
        raise Broken(f"nothing happened within {seconds:g} s") from None

"""Twenty-five short things that a program does with a module; each is tortured.

Each is a coroutine function of an interface that is up, and of `Calls`, which judges every call.
A documented error ends a scenario, and is no fault of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from atdriver.errors import ATError
from fakes import FakeModem
from fakes.peers import Peer
from netsocket.errors import NetsocketError
from netsocket.interface import AsyncNetworkInterface
from netsocket.stream import AsyncTCPSocket

T = TypeVar("T")

SLACK = 5.0
"""Seconds that a call may end behind its deadline."""
LONGEST = 240.0
"""Seconds for what has no deadline of its own: a name, a scan, a bring-up."""
LIMIT = 20.0
"""The deadline of most calls here."""
WORDS = b'0123456789 OK\r\n+QIURC: "closed",0\r\n1,CLOSED\r\n> ' * 200
NAMES = {"one.test": "198.51.100.1", "two.test": "198.51.100.2"}
PEERS = {
    "echo.test:7": Peer("echo"),
    "sink.test:9": Peer("discard"),
    "source.test:19": Peer("chargen", rate=20_000),
    "hello.test:21": Peer(greeting=WORDS[:3000], then="close"),
    "reset.test:3": Peer(greeting=b"x" * 100, then="reset", after=10),
    "refuse.test:1": Peer("refuse"),
    "silent.test:2": Peer("silent"),
    "stall.test:4": Peer("stall"),
}


class Calls:
    """Judges calls: V4, each ends by its deadline plus some slack; V10, in a documented way."""

    def __init__(self, module: FakeModem) -> None:
        self.module = module
        self.violations: list[str] = []

    async def __call__(self, what: str, call: Awaitable[T], limit: float = LIMIT) -> T:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(limit + 300):
                return await call
        except OSError as error:
            if not isinstance(error, NetsocketError | ATError) or not str(error):
                self.violations.append(f"V10 {what} raised {error!r}")
            raise
        except Exception as error:
            self.violations.append(f"V10 {what} raised {error!r}")
            raise
        finally:
            if loop.time() - begun > limit + SLACK:
                self.violations.append(
                    f"V4 {what} took {loop.time() - begun:.1f} s, limit {limit:g} s"
                )


Scenario = Callable[[AsyncNetworkInterface, Calls], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


async def dial(net: AsyncNetworkInterface, call: Calls, place: str) -> AsyncTCPSocket:
    host, port = place.split(":")
    sock = await call("connect", net.connect((host, int(port)), timeout=LIMIT))
    sock.settimeout(LIMIT)
    return sock


async def everything(sock: AsyncTCPSocket, call: Calls, wanted: bytes) -> None:
    """Read exactly this; anything else is a violation."""
    got = b""
    while len(got) < len(wanted):
        data = await call("recv", sock.recv(len(wanted) - len(got)))
        got += data
        if not wanted.startswith(got) or not data:
            call.violations.append(f"V1 {len(got)} bytes, of which the last are {got[-40:]!r}")
            return


async def echoed(net: AsyncNetworkInterface, call: Calls, data: bytes) -> None:
    async with await dial(net, call, "echo.test:7") as sock:
        await call("sendall", sock.sendall(data))
        await everything(sock, call, data)


@scenario
async def nothing(net: AsyncNetworkInterface, call: Calls) -> None: ...


@scenario
async def name(net: AsyncNetworkInterface, call: Calls) -> None:
    found = await call("resolve", net.resolve("one.test"), LONGEST)
    if found != [NAMES["one.test"]]:
        call.violations.append(f"V3 one.test is not {found}")


@scenario
async def two_names(net: AsyncNetworkInterface, call: Calls) -> None:
    both = asyncio.gather(net.resolve("one.test"), net.resolve("two.test"))
    found = await call("resolve", both, 2 * LONGEST)
    if found != [[NAMES["one.test"]], [NAMES["two.test"]]]:
        call.violations.append(f"V3 two names are not {found}")


@scenario
async def address_infos(net: AsyncNetworkInterface, call: Calls) -> None:
    await call("getaddrinfo", net.getaddrinfo("one.test", 80), LONGEST)


@scenario
async def connect_and_close(net: AsyncNetworkInterface, call: Calls) -> None:
    sock = await dial(net, call, "sink.test:9")
    await call("close", sock.close())


@scenario
async def connect_and_abort(net: AsyncNetworkInterface, call: Calls) -> None:
    sock = await dial(net, call, "sink.test:9")
    await call("abort", sock.close(abort=True))


@scenario
async def echo(net: AsyncNetworkInterface, call: Calls) -> None:
    await echoed(net, call, b"ten bytes\n")


@scenario
async def long_echo(net: AsyncNetworkInterface, call: Calls) -> None:
    await echoed(net, call, WORDS[:4000])


@scenario
async def only_sending(net: AsyncNetworkInterface, call: Calls) -> None:
    async with await dial(net, call, "sink.test:9") as sock:
        await call("sendall", sock.sendall(WORDS[:3000]))


@scenario
async def only_receiving(net: AsyncNetworkInterface, call: Calls) -> None:
    async with await dial(net, call, "source.test:19") as sock:
        got = 0
        while got < 4000:
            got += len(await call("recv", sock.recv(1500)))


@scenario
async def to_the_end(net: AsyncNetworkInterface, call: Calls) -> None:
    async with await dial(net, call, "hello.test:21") as sock:
        got = b""
        while data := await call("recv", sock.recv(2000)):
            got += data
        if got != WORDS[:3000]:
            call.violations.append(f"V8 an end of data after {len(got)} of 3000 bytes")


@scenario
async def reset_by_the_peer(net: AsyncNetworkInterface, call: Calls) -> None:
    async with await dial(net, call, "reset.test:3") as sock:
        await call("sendall", sock.sendall(b"x" * 20))
        got = 0
        while data := await call("recv", sock.recv(2000)):
            got += len(data)
        if got < 100:
            call.violations.append(f"V8 an end of data after {got} bytes, and it was a reset")


@scenario
async def refused(net: AsyncNetworkInterface, call: Calls) -> None:
    await dial(net, call, "refuse.test:1")


@scenario
async def nobody_answers(net: AsyncNetworkInterface, call: Calls) -> None:
    await call("connect", net.connect(("silent.test", 2), timeout=5.0), 5.0)


@scenario
async def nobody_reads(net: AsyncNetworkInterface, call: Calls) -> None:
    async with await dial(net, call, "stall.test:4") as sock:
        sock.settimeout(5.0)
        for _ in range(6):
            await call("send", sock.send(WORDS[:5000]), 5.0)


@scenario
async def nothing_comes(net: AsyncNetworkInterface, call: Calls) -> None:
    async with await dial(net, call, "sink.test:9") as sock:
        sock.settimeout(2.0)
        await call("recv", sock.recv(100), 2.0)


@scenario
async def a_reader_is_cancelled(net: AsyncNetworkInterface, call: Calls) -> None:
    async with await dial(net, call, "echo.test:7") as sock:
        reading = asyncio.create_task(sock.recv(10))
        try:
            await asyncio.sleep(0.5)
        finally:
            reading.cancel()
            await asyncio.wait({reading})
        await call("sendall", sock.sendall(b"twice"))
        await everything(sock, call, b"twice")


@scenario
async def half_close(net: AsyncNetworkInterface, call: Calls) -> None:
    async with await dial(net, call, "echo.test:7") as sock:
        await call("sendall", sock.sendall(b"hello"))
        await everything(sock, call, b"hello")
        await call("shutdown", sock.shutdown(1))


@scenario
async def two_at_once(net: AsyncNetworkInterface, call: Calls) -> None:
    done = await asyncio.gather(
        echoed(net, call, WORDS[:1500]), echoed(net, call, WORDS[7:2000]), return_exceptions=True
    )
    for each in done:
        if isinstance(each, BaseException):
            raise each


@scenario
async def closed_with_data_unread(net: AsyncNetworkInterface, call: Calls) -> None:
    async with await dial(net, call, "hello.test:21") as sock:
        await call("recv", sock.recv(10))


@scenario
async def datagrams(net: AsyncNetworkInterface, call: Calls) -> None:
    async with net.udp_socket() as sock:
        sock.settimeout(LIMIT)
        await call("sendto", sock.sendto(b"ping", ("echo.test", 7)), LONGEST)
        got, _ = await call("recvfrom", sock.recvfrom(100))
        if got != b"ping":
            call.violations.append(f"V1 a datagram is {got!r}")


@scenario
async def streams(net: AsyncNetworkInterface, call: Calls) -> None:
    reader, writer = await call(
        "open_connection", net.open_connection("echo.test", 7, timeout=LIMIT)
    )
    try:
        writer.write(b"line\n")
        async with asyncio.timeout(60):
            got = await reader.readline()
        if got not in (b"line\n", b""):
            call.violations.append(f"V1 a line is {got!r}")
    except TimeoutError:
        call.violations.append("V4 readline took more than 60 s")
    finally:
        writer.close()
        await call("wait_closed", writer.wait_closed(), 60.0)


@scenario
async def how_is_it(net: AsyncNetworkInterface, call: Calls) -> None:
    await call("refresh", net.refresh(), LONGEST)


@scenario
async def round_trip(net: AsyncNetworkInterface, call: Calls) -> None:
    await call("ping", net.ping("echo.test"), LONGEST)


@scenario
async def down_and_up(net: AsyncNetworkInterface, call: Calls) -> None:
    await call("down", net.down(), 60.0)
    await call("up", net.up(), LONGEST)
    await echoed(net, call, b"again")

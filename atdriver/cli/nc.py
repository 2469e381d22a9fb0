"""`atdriver nc`: stdin through the module to a TCP or UDP peer, and its answers to stdout."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from atdriver.cli.failure import FAILED, UsageProblem, note
from atdriver.cli.options import Request, host_name, port_number
from atdriver.cli.relay import LARGEST_DATAGRAM, DatagramRelay, StreamRelay
from atdriver.cli.session import assembled, limit, opened, put_together, run
from atdriver.cli.streams import Sink, Source
from netsocket.errors import NameNotFound, NetsocketError
from netsocket.interface import AsyncNetworkInterface
from netsocket.stream import AsyncTCPSocket


def listen(request: Request, port: str) -> int:
    """`nc SPEC -l PORT`: not there yet."""
    port_number(port)
    assembled(request)
    note("nc -l is not supported yet: listening comes with a later version")
    return FAILED


def connect(
    request: Request, host: str, port: str, *, datagrams: bool, quiet: float | None
) -> None:
    """Connect, relay until the end, close. Raises what made the connection fail or break."""
    if quiet is not None and not 0 <= quiet < float("inf"):
        raise UsageProblem(f"-q {quiet:g}: 0 or more seconds are expected")
    name, number = host_name(host), port_number(port)

    async def talk() -> None:
        source, sink = Source.stdin(), Sink.stdout()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        modem = await put_together(request)
        async with opened(modem, request, attach=True) as net:
            if datagrams:
                await _datagrams(net, (name, number), source, sink, quiet)
                return
            left = None
            if request.timeout is not None:
                left = max(request.timeout - (loop.time() - begun), 0.001)
            async with _connected(net, name, number, left) as (sock, round_trip):
                await StreamRelay(sock, source, sink, quiet, round_trip).run()

    run(talk())


@contextlib.asynccontextmanager
async def _connected(
    net: AsyncNetworkInterface, host: str, port: int, timeout: float | None
) -> AsyncIterator[tuple[AsyncTCPSocket, float]]:
    """A connected socket and the seconds that connecting took: a round trip, because the name is
    resolved before."""
    loop = asyncio.get_running_loop()
    async with limit(timeout, f"{host}: not resolved"):
        addresses = await net.resolve(host)
    failure: OSError = NameNotFound(f"{host}: no address")
    for address in addresses:
        begun = loop.time()
        try:
            sock = await net.connect((address, port), timeout=timeout)
        except NetsocketError as error:
            failure = error
            continue
        try:
            yield sock, loop.time() - begun
        finally:
            await sock.close()
        return
    raise failure


async def _datagrams(
    net: AsyncNetworkInterface,
    target: tuple[str, int],
    source: Source,
    sink: Sink,
    quiet: float | None,
) -> None:
    longest = net.capabilities["datagram.max_send"].limit or LARGEST_DATAGRAM
    async with net.udp_socket() as sock:
        await sock.connect(target)
        await DatagramRelay(sock, source, sink, quiet, longest).run()

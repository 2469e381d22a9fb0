"""`atdriver nc`: stdin through the module to a TCP or UDP peer, and its answers to stdout."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from atdriver.cli.failure import UsageProblem, note
from atdriver.cli.options import Request, host_name, port_number
from atdriver.cli.relay import LARGEST_DATAGRAM, DatagramRelay, StreamRelay
from atdriver.cli.session import limit, opened, put_together, run
from atdriver.cli.streams import Sink, Source
from netsocket.adapters.server import accept
from netsocket.datagram import AsyncUDPSocket
from netsocket.errors import NameNotFound, NetsocketError
from netsocket.interface import AsyncNetworkInterface
from netsocket.stream import AsyncTCPSocket


def listen(request: Request, port: str, *, datagrams: bool, quiet: float | None) -> None:
    """Wait for one peer on a port of the module, relay until the end, close.

    UDP: whoever sends first is the peer. `--timeout` limits the waiting, too. Raises what made
    listening or the connection fail, and NotSupported where the module cannot listen.
    """
    number = _checked(port, quiet)

    async def talk() -> None:
        source, sink = Source.stdin(), Sink.stdout()
        modem = await put_together(request)
        async with opened(modem, request, attach=True) as net:
            if datagrams:
                async with net.udp_socket() as sock:
                    await sink.write(await _first_datagram(net, sock, number, request.timeout))
                    longest = net.capabilities["datagram.max_send"].limit or LARGEST_DATAGRAM
                    await DatagramRelay(sock, source, sink, quiet, longest).run()
            else:
                async with await _first_connection(net, number, request.timeout) as stream:
                    await StreamRelay(stream, source, sink, quiet, 0.0).run()

    run(talk())


async def _first_connection(
    net: AsyncNetworkInterface, port: int, timeout: float | None
) -> AsyncTCPSocket:
    """The first peer that connects; the listener is closed then, as netcat does."""
    net.capabilities["tcp.listen"].require()
    async with net.tcp_socket() as listener:
        await listener.bind(("", port))
        await listener.listen(1)
        _tell_address(net, port, "TCP")
        async with limit(timeout, "nobody connected"):
            sock, peer = await accept(listener)
    note(f"connection from {peer.host} port {peer.port}")
    return sock


async def _first_datagram(
    net: AsyncNetworkInterface, sock: AsyncUDPSocket, port: int, timeout: float | None
) -> bytes:
    """The first datagram; its sender is `sock`'s peer from then on."""
    await sock.bind(("", port))
    _tell_address(net, port, "UDP")
    async with limit(timeout, "nobody sent anything"):
        data, peer = await sock.recvfrom(LARGEST_DATAGRAM)
    await sock.connect(peer)
    note(f"datagrams from {peer.host} port {peer.port}")
    return data


def _tell_address(net: AsyncNetworkInterface, port: int, protocol: str) -> None:
    own = net.snapshot.ip_address or "every address"
    note(f"listening on {own} port {port} ({protocol})")


def _checked(port: str, quiet: float | None) -> int:
    if quiet is not None and not 0 <= quiet < float("inf"):
        raise UsageProblem(f"-q {quiet:g}: 0 or more seconds are expected")
    return port_number(port)


def connect(
    request: Request, host: str, port: str, *, datagrams: bool, quiet: float | None
) -> None:
    """Connect, relay until the end, close. Raises what made the connection fail or break."""
    number = _checked(port, quiet)
    name = host_name(host)

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

"""TLS on the host: time-outs, ends, errors, many connections, listening; and the module's own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
import warnings

from netsocket.capability.certificates import NAME, serving, trusting
from netsocket.capability.farend import FarEnd
from netsocket.capability.farend_services import DAYTIME, until
from netsocket.capability.probes.limits import MANY, MINIMUM
from netsocket.capability.probes.tls import secured, socket
from netsocket.capability.probes.tools import (
    LIMIT,
    echo,
    errno_of,
    pattern,
    raises,
    receive,
    recv_in_vain,
    stopwatch,
)
from netsocket.capability.verdict import Verdict, check, partial, passed, probe
from netsocket.errors import NoSocket
from netsocket.interface import AsyncNetworkInterface
from netsocket.module_tls import AsyncModuleTLSSocket, ModuleTLSWarning
from netsocket.tls import AsyncTLSSocket


@probe("TLSSOCKET_RECV_TIMEOUT", "tls.timeout")
async def recv_timeout(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """0.1 s on a silent connection, looked at with a clock (defect 1), then an echo; 5 rounds."""
    async with secured(net, far, "tls_echo") as (sock, _seen):
        return passed(await recv_in_vain(sock, 5))


@probe("TLSSOCKET_HANDSHAKE_TIMEOUT", "tls.timeout")
async def handshake_timeout(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A peer that takes the connection and never answers."""
    async with socket(net) as sock:
        sock.settimeout(0.5)
        async with stopwatch() as watch:
            with raises(TimeoutError, call="connect"):
                await sock.connect(far.address("discard"))
    watch.check(0.5)
    return passed(f"TimeoutError after {watch.took:.2f} s with 0.5 s")


@probe("TLSSOCKET_ENDPOINT_CLOSE", "tls.close_notify")
async def endpoint_close(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """One line, then the peer's close_notify: b"" and b"" again (defects 4 and 6)."""
    async with secured(net, far, "tls_daytime") as (sock, _seen):
        got = await receive(sock, 30)
        check(got == DAYTIME, f"got {got!r}")
        check(await sock.recv(30) == b"", "the end did not repeat")
    return passed(f"{len(DAYTIME)} bytes, then an orderly end that repeats")


@probe("TLSSOCKET_CLOSE", "tls.close_notify")
async def close(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Our close says close_notify behind the data."""
    async with secured(net, far, "tls_discard") as (sock, seen):
        await sock.sendall(b"the last words")
    await until(lambda: bool(seen.ended), LIMIT)
    check(seen.received == b"the last words", f"{bytes(seen.received)!r} arrived")
    check(seen.ended == "eof", f"the far end saw {seen.ended}")
    return passed("the far end read everything, then close_notify")


@probe("TLSSOCKET_TRUNCATED", "tls.truncation")
async def truncated(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The same line without close_notify: the data, then an error, again at each call."""
    async with secured(net, far, "tls_cut") as (sock, _seen):
        got = bytearray()
        while len(got) < len(DAYTIME):
            got += await sock.recv(30)
        check(bytes(got) == DAYTIME, f"got {bytes(got)!r}")
        for _ in range(2):
            with raises(ssl.SSLEOFError, ConnectionResetError, call="recv of a cut stream"):
                await sock.recv(30)
    return passed("the data, then SSLEOFError that repeats")


@probe("TLSSOCKET_SEND_UNCONNECTED", "tls.errors")
async def send_unconnected(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """ENOTCONN before the handshake; then it connects (the plan does that too)."""
    async with socket(net) as sock:
        for name, call in (("send", sock.send(b"12345")), ("recv", sock.recv(1))):
            found = await errno_of(call)
            check(found == errno.ENOTCONN, f"{name} before connect: errno {found}")
        await sock.connect(far.address("tls_echo"))
        await echo(sock, b"12345")
    return passed("ENOTCONN, then an echo")


@probe("TLSSOCKET_SEND_CLOSED", "tls.errors")
async def send_closed(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """EBADF after close; close may be repeated."""
    async with secured(net, far, "tls_echo") as (sock, _seen):
        await sock.close()
        for name, call in (("send", sock.send(b"12345")), ("recv", sock.recv(1))):
            found = await errno_of(call)
            check(found == errno.EBADF, f"{name} after close: errno {found}")
        await sock.close()
    return passed("EBADF")


@probe("TLSSOCKET_OPEN_DESTRUCT", "tls.sockets")
async def open_close(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """100 sockets in turn, every twentieth used."""
    for number in range(100):
        async with socket(net) as sock:
            if number % 20 == 0:
                await sock.connect(far.address("tls_echo"))
                await echo(sock, b"%d" % number)
    return passed("100 sockets, every twentieth used")


@probe("TLSSOCKET_OPEN_TWICE", "tls.sockets")
async def open_twice(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """open is repeated without harm, and connect works."""
    async with socket(net) as sock:
        await sock.open()
        await sock.open()
        await sock.connect(far.address("tls_echo"))
        await echo(sock, b"x")
    return passed("opened twice, then an echo")


@probe("TLSSOCKET_OPEN_LIMIT", "tls.sockets")
async def open_limit(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Two rounds to the limit, all connected; after one close there is room for one (defect 8)."""
    limit = net.capabilities["sockets.max"].limit
    for _ in range(2):
        async with contextlib.AsyncExitStack() as stack:
            opened: list[AsyncTLSSocket] = []
            with contextlib.suppress(NoSocket):
                while len(opened) < (limit + 1 if limit is not None else MANY // 8):
                    sock = await stack.enter_async_context(socket(net))
                    await sock.connect(far.address("tls_echo"))
                    opened.append(sock)
            check(limit is None or len(opened) == limit, f"{len(opened)} opened, limit {limit}")
            check(len(opened) >= MINIMUM, f"only {len(opened)} sockets")
            for number, each in enumerate(opened):
                await echo(each, b"number %d" % number)
            await opened[0].close()
            again = await stack.enter_async_context(socket(net))
            await again.connect(far.address("tls_echo"))
            await echo(again, b"in the free place")
    return passed(f"{len(opened)} TLS connections twice, all talking")


@probe("TLSSOCKET_SIMULTANEOUS", "tls.sockets")
async def simultaneous(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Two connections, 10 rounds of 6 bytes on each, at the same time."""
    async with secured(net, far, "tls_echo") as (one, _), secured(net, far, "tls_echo") as (two, _):
        for number in range(10):
            await asyncio.gather(echo(one, b"one %02d" % number), echo(two, b"two %02d" % number))
    return passed("10 rounds of 6 bytes on two connections at the same time")


@probe("TLSSOCKET_LISTEN_ACCEPT", "tls.listen")
async def listen(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A client of the far end verifies us; data and close_notify in both directions."""
    net.capabilities["tcp.listen"].require()
    port = far.free_port()
    async with net.tls_socket(serving(), server_side=True) as listener:
        listener.settimeout(LIMIT)
        await listener.bind(("", port))
        await listener.listen(2)
        reader, writer = await far.dial(net.ip_address or far.host, port)
        try:
            async with asyncio.timeout(LIMIT):
                (taken, _peer), _ = await asyncio.gather(
                    listener.accept(), writer.start_tls(trusting(), server_hostname=NAME)
                )
                async with taken:
                    writer.write(b"question")
                    check(await receive(taken, 8) == b"question", "the client's bytes differ")
                    await taken.sendall(b"answer")
                    check(await reader.readexactly(6) == b"answer", "the answer differs")
        finally:
            writer.close()
    return passed("a client verified the certificate; data in both directions")


@probe("TLSSOCKET_MODULE", "tls.module")
async def module(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Bytes through the stack's own TLS, and which certificates and ends it tells apart."""
    async with _by_module(net) as sock:
        await sock.connect(far.address("tls_echo"))
        for number, size in enumerate((1, 100, 1200, 5000)):
            await echo(sock, pattern(size, number))
    lacks = []
    for service, what in _CERTIFICATES.items():
        async with _by_module(net) as sock:
            with contextlib.suppress(OSError):
                await sock.connect(far.address(service))
                await echo(sock, b"is it you?")
                lacks.append(f"{what} accepted")
    async with _by_module(net) as sock:
        await sock.connect(far.address("tls_cut"))
        with contextlib.suppress(OSError):
            await receive(sock, len(DAYTIME) + 1)
            lacks.append("a cut stream taken for an orderly end")
    if lacks:
        return partial(f"6301 bytes echoed; {', '.join(lacks)}")
    return passed("6301 bytes echoed; every bad certificate refused, a cut stream seen")


_CERTIFICATES = {
    "tls_expired": "expired certificate",
    "tls_wrong_host": "certificate of another host",
    "tls_unknown_ca": "unknown authority",
}


def _by_module(net: AsyncNetworkInterface) -> AsyncModuleTLSSocket:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModuleTLSWarning)
        sock = net.module_tls_socket(server_hostname=None)
    sock.settimeout(LIMIT)
    return sock

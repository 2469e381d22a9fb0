"""TLS on the host over the stack's streams: handshake, certificates, data.

Ids and numbers are those of the plan's TLSSOCKET group; its public hosts are the far end's own
services, and each certificate gets a socket of its own (defect 3).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from netsocket.capability.certificates import AUTHORITY, NAME, trusting
from netsocket.capability.farend import FarEnd
from netsocket.capability.farend_services import Connection, until
from netsocket.capability.probes.tools import (
    BURSTS,
    LIMIT,
    SIZED,
    difference,
    echo,
    echo_by_events,
    pattern,
    raises,
    receive,
    send_often,
    stopwatch,
)
from netsocket.capability.verdict import Verdict, check, passed, probe
from netsocket.interface import AsyncNetworkInterface
from netsocket.tls import AsyncTLSSocket

BAD = ("tls_expired", "tls_wrong_host", "tls_unknown_ca")


def socket(net: AsyncNetworkInterface, context: ssl.SSLContext | None = None) -> AsyncTLSSocket:
    """A TLS socket that believes the far end, whatever its address is."""
    made = net.tls_socket(context or trusting(), server_hostname=NAME)
    made.settimeout(LIMIT)
    return made


@asynccontextmanager
async def secured(
    net: AsyncNetworkInterface, far: FarEnd, service: str, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[AsyncTLSSocket, Connection]]:
    """A TLS connection, and it as the far end sees it."""
    known = len(far.tcp[service].connections)
    async with socket(net, context) as sock:
        await sock.connect(far.address(service))
        yield sock, await far.tcp[service].connection(known)


@probe("TLSSOCKET_HANDSHAKE", "tls.handshake")
async def handshake(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A verified connection that carries data, in each version this computer speaks."""
    found = []
    for most in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        context = trusting()
        context.maximum_version = most
        async with secured(net, far, "tls_echo", context) as (sock, _seen):
            check(NAME in str(sock.getpeercert()), "the peer's certificate is not there")
            await echo(sock, b"hello")
            found.append(str(sock.version()))
    check(found == ["TLSv1.3", "TLSv1.2"], f"agreed on {found}")
    return passed(f"{' and '.join(found)}, certificate of {NAME} verified")


@probe("TLSSOCKET_CONNECT_INVALID", "tls.handshake")
async def connect_invalid(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A bad address raises ValueError and leaves the socket usable; then connect works."""
    known = len(far.tcp["tls_discard"].connections)
    async with socket(net) as sock:
        with raises(ValueError, call="connect to a host name with a blank"):
            await sock.connect(("no such", 9))
        check(len(far.tcp["tls_discard"].connections) == known, "something connected by itself")
        await sock.connect(far.address("tls_discard"))
        await far.tcp["tls_discard"].connection(known)
    return passed("ValueError, then a handshake on the same object")


@probe("TLSSOCKET_CERT_IN_FILESYSTEM", "tls.handshake")
async def certificate_in_file(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The authority named by its path."""
    context = ssl.create_default_context(cafile=str(AUTHORITY))
    async with secured(net, far, "tls_echo", context) as (sock, _seen):
        await echo(sock, b"hello")
    return passed("the authority was read from a file")


@probe("TLSSOCKET_HANDSHAKE_INVALID", "tls.verify")
async def handshake_invalid(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Expired, of another host, of an unknown authority: each on a socket of its own."""
    for service in BAD:
        known = len(far.tcp[service].connections)
        async with socket(net) as sock:
            with raises(ssl.SSLCertVerificationError, call=f"connect to {service}"):
                await sock.connect(far.address(service))
        seen = await far.tcp[service].connection(known)
        await until(lambda seen=seen: bool(seen.ended), LIMIT)  # type: ignore[misc]
        check(not seen.received, f"{len(seen.received)} bytes reached {service}")
    return passed("expired, wrong host and unknown authority refused; no byte was sent to them")


@probe("TLSSOCKET_NO_CERT", "tls.verify")
async def no_certificate(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The default context does not know the far end's authority."""
    async with net.tls_socket(server_hostname=NAME) as sock:
        sock.settimeout(LIMIT)
        with raises(ssl.SSLCertVerificationError, call="connect without the authority"):
            await sock.connect(far.address("tls_echo"))
    return passed("SSLCertVerificationError with the default context")


@probe("TLSSOCKET_CERT_IN_REQUIRED_MODE", "tls.client_certificate")
async def client_certificate(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """With the certificate an echo; without it an error, at the handshake or the first recv."""
    async with secured(net, far, "tls_mutual", trusting(shown="client")) as (sock, _seen):
        await echo(sock, b"it is me")
    async with socket(net) as sock:
        with raises(ssl.SSLError, ConnectionError, call="a connection without a certificate"):
            await sock.connect(far.address("tls_mutual"))
            await sock.recv(1)  # TLS 1.3: the client is done before the server has looked
    return passed("shown and taken; without it the server ended the handshake")


@probe("TLSSOCKET_ECHOTEST", "tls.echo")
async def sizes(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The plan's 22 sizes; an early end is a failure, not a loop (defect 5)."""
    async with secured(net, far, "tls_echo") as (sock, _seen):
        for message in SIZED:
            await echo(sock, message)
    return passed(f"{len(SIZED)} sizes from 1 to 1200 bytes echoed")


@probe("TLSSOCKET_ECHOTEST_BURST", "tls.echo")
async def burst(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """20 x 1220 bytes."""
    async with secured(net, far, "tls_echo") as (sock, _seen):
        for message in BURSTS:
            await echo(sock, message)
    return passed("20 bursts of 1220 bytes echoed")


@probe("TLSSOCKET_ECHOTEST_BULK", "tls.echo")
async def bulk(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """40000 bytes, more than two records, out and back at the same time."""
    data = pattern(40_000)
    async with secured(net, far, "tls_echo") as (sock, _seen):
        _, got = await asyncio.gather(sock.sendall(data), receive(sock, len(data)))
    check(got == data, difference(data, got))
    return passed("40000 bytes out and back at the same time")


@probe("TLSSOCKET_SEND_REPEAT", "tls.send")
async def send_repeat(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """100 sends of 5 bytes, each answering 5."""
    async with secured(net, far, "tls_discard") as (sock, seen):
        await send_often(sock, seen)
    return passed("100 sends, 500 plain bytes at the far end in order")


@probe("TLSSOCKET_ECHOTEST_NONBLOCK", "tls.nonblocking")
async def sizes_nonblocking(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The 22 sizes by events alone."""
    async with secured(net, far, "tls_echo") as (sock, _seen):
        await echo_by_events(sock, SIZED)
    return passed(f"{len(SIZED)} sizes echoed with EAGAIN and events only")


@probe("TLSSOCKET_ECHOTEST_BURST_NONBLOCK", "tls.nonblocking")
async def burst_nonblocking(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """20 x 1220 bytes by events; asks for what is missing only (defect 6)."""
    async with secured(net, far, "tls_echo") as (sock, _seen):
        await echo_by_events(sock, BURSTS)
    return passed("20 bursts of 1220 bytes echoed with events only")


@probe("TLSSOCKET_SEND_TIMEOUT", "tls.nonblocking")
async def send_nonblocking(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Ten non-blocking sends, each within the plan's 800 ms; recv with nothing there."""
    slowest, sent = 0.0, 0
    async with secured(net, far, "tls_discard") as (sock, seen):
        sock.setblocking(False)
        while sent < 50:
            async with stopwatch() as watch:
                try:
                    taken = await sock.send(b"hello")
                    check(taken == 5, f"send took {taken} of 5 bytes")
                    sent += taken
                except BlockingIOError:
                    await asyncio.sleep(0.02)
            slowest = max(slowest, watch.worked)
        with raises(BlockingIOError, call="recv"):
            await sock.recv(10)
        sock.settimeout(LIMIT)
        await sock.sendall(b"!")
        await until(lambda: len(seen.received) >= 51, LIMIT)
        check(
            seen.received == b"hello" * 10 + b"!", difference(b"hello" * 10, bytes(seen.received))
        )
    check(slowest <= 0.8, f"a non-blocking send took {slowest:.2f} s")
    return passed(f"10 sends, the slowest {slowest * 1000:.0f} ms; recv raised EAGAIN")

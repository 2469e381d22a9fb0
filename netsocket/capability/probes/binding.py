"""bind: own addresses, foreign ones, the wrong family, taken ports, closed sockets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable

from netsocket.capability.farend import FarEnd
from netsocket.capability.probes.tools import LIMIT, errno_of, raises
from netsocket.capability.probes.udp import exchange
from netsocket.capability.verdict import Broken, Verdict, check, passed, probe
from netsocket.datagram import AsyncUDPSocket
from netsocket.errors import AddressInUse, NoSocket
from netsocket.interface import AsyncNetworkInterface
from netsocket.stream import AsyncTCPSocket

MANY = 64
"""Sockets opened where no limit is claimed."""
FOREIGN = ("190.2.3.4", 1024)
"""Nobody's own address here (the plan's)."""
FOREIGN_6 = ("fe80::ff01", 1024)
"""An address of the other family (the plan's)."""

_Make = Callable[[AsyncNetworkInterface], "AsyncTCPSocket | AsyncUDPSocket"]
_KINDS: tuple[tuple[str, _Make], ...] = (
    ("TCPSOCKET", AsyncNetworkInterface.tcp_socket),
    ("UDPSOCKET", AsyncNetworkInterface.udp_socket),
)


async def _refused(
    net: AsyncNetworkInterface, make: _Make, address: tuple[str, int], *numbers: int
) -> str:
    """bind must raise one of these errno, and leave the socket as it was: a right bind works."""
    async with make(net) as sock:
        number = await errno_of(sock.bind(address))
        check(number in numbers, f"bind to {address[0]} raised errno {number}")
        await sock.bind(("", 0))
    return f"{address[0]}: {errno.errorcode[number or 0]}, then a bind to any address works"


def _foreign(name: str, make: _Make) -> None:
    @probe(f"{name}_BIND_WRONG_TYPE", "error.foreign_address")
    async def wrong_type(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
        """An address of the other family that is not ours either."""
        del far
        return passed(
            await _refused(
                net, make, FOREIGN_6,
                errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL, errno.ENOPROTOOPT,
                errno.EOPNOTSUPP, errno.ENODEV,
            )
        )  # fmt: skip

    @probe(f"{name}_BIND_UNOPENED", "error.closed")
    async def unopened(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
        """A Python socket is always open; after close bind raises EBADF."""
        del far
        sock = make(net)
        await sock.close()
        number = await errno_of(sock.bind(("", 0)))
        check(number == errno.EBADF, f"bind after close raised errno {number}")
        return passed("EBADF after close")


for _name, _make in _KINDS:
    _foreign(_name, _make)


@probe("TCPSOCKET_BIND_ADDRESS_INVALID", "error.foreign_address")
async def foreign_stream(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Somebody else's IPv4 address."""
    del far
    return passed(await _refused(net, AsyncNetworkInterface.tcp_socket, FOREIGN,
                                 errno.EADDRNOTAVAIL))  # fmt: skip


@probe("TCPSOCKET_BIND_ADDRESS", "tcp.bind_port")
async def own_address_stream(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The own address and a port, then connect; the far end sees both."""
    own, port = net.ip_address or far.host, far.free_port()
    if own.startswith("127.") != far.host.startswith("127."):
        own = ""  # on this computer the loopback address is reached from itself only
    known = len(far.tcp["discard"].connections)
    async with net.tcp_socket() as sock:
        sock.settimeout(LIMIT)
        await sock.bind((own, port))
        await sock.connect(far.address("discard"))
        seen = await far.tcp["discard"].connection(known)
    check(seen.peer[1] == port, f"bound to {own}:{port}, the far end sees {seen.peer}")
    return passed(f"bound to {own or 'any address'}, the far end sees port {port}")


@probe("TCPSOCKET_BIND_PORT_FAIL", "tcp.bind_conflict")
async def conflict_stream(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The same port twice; when the first is closed, it is free."""
    port = far.free_port()
    async with net.tcp_socket() as first:
        await first.bind(("", port))
        async with net.tcp_socket() as second:
            with raises(AddressInUse, call="the second bind"):
                await second.bind(("", port))
        await first.close()
        async with net.tcp_socket() as third:
            await third.bind(("", port))
    return passed("EADDRINUSE, and free after close")


@probe("UDPSOCKET_BIND_ADDRESS", "udp.bind_port")
async def own_address_datagram(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The own address and a port."""
    own, port = net.ip_address or far.host, far.free_port()
    if own.startswith("127.") != far.host.startswith("127."):
        own = ""
    return await _talks(net, far, (own, port))


@probe("UDPSOCKET_BIND_ADDRESS_NULL", "udp.bind_port")
async def null_address(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """0.0.0.0 is any address."""
    return await _talks(net, far, ("0.0.0.0", far.free_port()))


@probe("UDPSOCKET_BIND_SENDTO", "udp.bind_port")
async def bind_sendto(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Bound, then sendto two peers: both see the port (the plan names the case without a text)."""
    port = far.free_port()
    async with net.udp_socket() as sock:
        await sock.bind(("", port))
        for service in ("echo", "other"):
            await exchange(sock, b"who am I", far.datagram_address(service))
    await far.settled()
    seen = {far.udp[service].received[-1][1][1] for service in ("echo", "other")}
    check(seen == {port}, f"bound to {port}, the peers see {seen}")
    return passed(f"both peers see port {port}")


async def _talks(net: AsyncNetworkInterface, far: FarEnd, local: tuple[str, int]) -> Verdict:
    async with net.udp_socket() as sock:
        await sock.bind(local)
        await exchange(sock, b"who am I", far.datagram_address("echo"))
    await far.settled()
    seen = far.udp["echo"].received[-1][1][1]
    check(seen == local[1], f"bound to {local[0]}:{local[1]}, the far end sees {seen}")
    return passed(f"bound to {local[0] or 'any address'}, the far end sees port {seen}")


def _opening(name: str, make: _Make) -> None:
    @probe(f"{name}_OPEN_CLOSE_REPEAT", "sockets.reuse")
    async def open_close(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
        """Two that are used for a talk, one after the other (a Python object is not reopened)."""
        for _ in range(2):
            async with make(net) as sock:
                sock.settimeout(LIMIT)
                if isinstance(sock, AsyncUDPSocket):
                    answer, _sender = await exchange(sock, b"hello", far.datagram_address("echo"))
                else:
                    await sock.connect(far.address("echo"))
                    await sock.sendall(b"hello")
                    answer = await asyncio.wait_for(sock.recv(5), LIMIT)
                check(answer == b"hello", f"got {answer!r}")
        return passed("twice opened, used and closed")


for _name, _make in _KINDS:
    _opening(_name, _make)


@probe("UDPSOCKET_OPEN_DESTRUCT", "sockets.reuse")
async def open_destruct(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """100 times: made, opened, closed."""
    del far
    for number in range(100):
        sock = net.udp_socket()
        try:
            await sock.open()
        except OSError as error:
            raise Broken(f"the {number + 1}. open raised {error!r}") from error
        finally:
            await sock.close()
    return passed("100 times")


@probe("UDPSOCKET_OPEN_LIMIT", "sockets.max")
async def open_limit(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Two rounds of datagram sockets that all talk, as many each time (the plan wants 3)."""
    most = net.capabilities["sockets.max"].limit or MANY
    counts = []
    for _ in range(2):
        async with contextlib.AsyncExitStack() as stack:
            opened = 0
            with contextlib.suppress(NoSocket):
                while opened < most:
                    sock = await stack.enter_async_context(net.udp_socket())
                    await exchange(sock, b"%d" % opened, far.datagram_address("echo"))
                    opened += 1
            counts.append(opened)
    check(counts[0] == counts[1] == most, f"{counts} sockets, {most} are claimed")
    return passed(f"{most} sockets twice, all talking")


@probe("UDPSOCKET_OPEN_TWICE", "sockets.reuse")
async def open_twice(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """open is repeated without harm; after close it raises."""
    async with net.udp_socket() as sock:
        await sock.open()
        await sock.open()
        await exchange(sock, b"x", far.datagram_address("echo"))
    with raises(OSError, call="open after close"):
        await sock.open()
    return passed("open twice, then EBADF after close")

"""Socket options: set, read back, or refused with ENOPROTOOPT; never silently ignored."""

from __future__ import annotations

import errno
import socket as _socket
import struct

from netsocket.capability.farend import FarEnd
from netsocket.capability.farend_services import until
from netsocket.capability.probes.tools import LIMIT, connected, echo
from netsocket.capability.verdict import Outcome, Run, Verdict, check, partial, passed, probe
from netsocket.errors import NotSupported
from netsocket.interface import AsyncNetworkInterface

TCP = _socket.IPPROTO_TCP
SOL = _socket.SOL_SOCKET


def _option(
    name: str, promise: str, level: int, number: int, value: int, *, exact: bool = True
) -> Run:
    """A probe of an integer option: set before connect, read back (defect 11), connect, echo."""

    @probe(name, promise)
    async def judge(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
        async with net.tcp_socket() as sock:
            sock.settimeout(LIMIT)
            await sock.setsockopt(level, number, value)
            try:
                back = await sock.getsockopt(level, number)
            except NotSupported:
                back = None
            await sock.connect(far.address("echo"))
            await echo(sock, b"with the option")
        if back is None:
            return partial(f"{value} was taken, but cannot be read back")
        check(back == value if exact else back > 0, f"{value} was set, {back} is read back")
        return passed(f"{value} set, {back} read back, then an echo")

    return judge


reuseaddr = _option("TCPSOCKET_SETSOCKOPT_REUSEADDR", "option.reuseaddr", SOL,
                    _socket.SO_REUSEADDR, 1)  # fmt: skip
keepalive = _option("TCPSOCKET_SETSOCKOPT_KEEPALIVE_VALID", "option.keepalive", SOL,
                    _socket.SO_KEEPALIVE, 1)  # fmt: skip
keepidle = _option("TCPSOCKET_SETSOCKOPT_KEEPIDLE", "option.keepidle", TCP,
                   _socket.TCP_KEEPIDLE, 7200)  # fmt: skip
keepintvl = _option("TCPSOCKET_SETSOCKOPT_KEEPINTVL", "option.keepintvl", TCP,
                    _socket.TCP_KEEPINTVL, 60)  # fmt: skip
nodelay = _option("TCPSOCKET_SETSOCKOPT_NODELAY", "option.nodelay", TCP, _socket.TCP_NODELAY, 1)
sndbuf = _option("TCPSOCKET_SETSOCKOPT_SNDBUF", "option.sndbuf", SOL, _socket.SO_SNDBUF, 16384,
                 exact=False)  # fmt: skip
rcvbuf = _option("TCPSOCKET_SETSOCKOPT_RCVBUF", "option.rcvbuf", SOL, _socket.SO_RCVBUF, 16384,
                 exact=False)  # fmt: skip
tos = _option("TCPSOCKET_SETSOCKOPT_IPTOS", "option.tos", _socket.IPPROTO_IP, _socket.IP_TOS, 16)


@probe("UDPSOCKET_SETSOCKOPT_BROADCAST", "option.broadcast")
async def broadcast(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """SO_BROADCAST on a datagram socket; nothing is broadcast."""
    del far
    async with net.udp_socket() as sock:
        await sock.setsockopt(SOL, _socket.SO_BROADCAST, 1)
        back = await sock.getsockopt(SOL, _socket.SO_BROADCAST)
    check(bool(back), f"1 was set, {back} is read back")
    return passed("set and read back")


@probe("TCPSOCKET_SETSOCKOPT_LINGER", "option.linger")
async def linger(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """SO_LINGER of 0 s resets at close; then 1 s, with an echo."""
    async with connected(net, far, "discard") as (sock, seen):
        await sock.setsockopt(SOL, _socket.SO_LINGER, struct.pack("ii", 1, 0))
        await sock.send(b"x")
        await until(lambda: bytes(seen.received) == b"x")
        await sock.close()
        await until(lambda: seen.ended != "", LIMIT)
        check(seen.ended == "reset", f"with 0 s the far end saw {seen.ended}")
    async with net.tcp_socket() as sock:
        sock.settimeout(LIMIT)
        try:
            await sock.setsockopt(SOL, _socket.SO_LINGER, struct.pack("ii", 1, 1))
        except NotSupported as error:
            return partial(f"0 s resets, but 1 s is refused: {error}")
        await sock.connect(far.address("echo"))
        await echo(sock, b"with linger")
    return passed("0 s resets; 1 s is accepted, then an echo")


@probe("UDPSOCKET_MULTICAST_JOIN", "option.multicast")
async def multicast(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Join 224.0.0.251, on loopback where the far end is there; nothing is sent."""
    interface = far.host if far.loopback else "0.0.0.0"
    request = _socket.inet_aton("224.0.0.251") + _socket.inet_aton(interface)
    async with net.udp_socket() as sock:
        await sock.setsockopt(_socket.IPPROTO_IP, _socket.IP_ADD_MEMBERSHIP, request)
    return passed("joined")


@probe("TCPSOCKET_SETSOCKOPT_BINDTODEVICE", "option.bind_to_device")
async def bind_to_device(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Pinned to the loopback interface the far end is reached; one that does not exist is an
    error. Only a far end on this host says which interface leads to it."""
    device = getattr(_socket, "SO_BINDTODEVICE", 25)
    async with net.tcp_socket() as sock:
        sock.settimeout(LIMIT)
        await sock.setsockopt(SOL, device, b"lo\0")
        if not far.host.startswith("127."):
            return Verdict(Outcome.UNJUDGED, "which interface leads to the far end is not known")
        await sock.connect(far.address("echo"))
        await echo(sock, b"through lo")
    async with net.tcp_socket() as sock:
        try:
            await sock.setsockopt(SOL, device, b"nosuch0\0")
        except NotSupported:
            raise
        except OSError as error:
            return passed(f"an echo through lo; an unknown interface raises errno {error.errno}")
    return Verdict(Outcome.FAIL, "an interface that does not exist was accepted")


@probe("TCPSOCKET_SETSOCKOPT_UNKNOWN", "option.honest")
async def honest(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """An option that no stack has: 54321."""
    del far
    async with net.tcp_socket() as sock:
        for number in range(2):
            try:
                await (sock.getsockopt(SOL, 54321) if number else sock.setsockopt(SOL, 54321, 1))
            except NotSupported as error:
                check(error.errno == errno.ENOPROTOOPT, f"errno {error.errno}")
            else:
                return Verdict(Outcome.FAIL, "an unknown option was accepted")
    return passed("ENOPROTOOPT from setsockopt and getsockopt")


@probe("TCPSOCKET_GETSOCKOPT_TYPE", "option.type")
async def type_(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """SO_TYPE, SO_ERROR and SO_ACCEPTCONN."""
    del far
    async with net.tcp_socket() as stream, net.udp_socket() as datagram:
        kinds = [await each.getsockopt(SOL, _socket.SO_TYPE) for each in (stream, datagram)]
        check(kinds == [_socket.SOCK_STREAM, _socket.SOCK_DGRAM], f"SO_TYPE says {kinds}")
        check(await stream.getsockopt(SOL, _socket.SO_ERROR) == 0, "SO_ERROR is not 0")
        check(await stream.getsockopt(SOL, _socket.SO_ACCEPTCONN) == 0, "SO_ACCEPTCONN is not 0")
    return passed("as it should be")

"""Names: resolved by the stack, once and several at a time."""

from __future__ import annotations

import asyncio
import socket as _socket

from netsocket.capability.farend import FarEnd
from netsocket.capability.farend_services import until
from netsocket.capability.probes.tools import LIMIT, echo, raises
from netsocket.capability.verdict import Verdict, check, passed, probe, unjudged
from netsocket.interface import AsyncNetworkInterface


@probe("SYNCHRONOUS_DNS", "dns.resolve")
async def resolve(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The far end's name; a literal stands for itself."""
    found = await net.resolve(far.name)
    check(far.host in found, f"{far.name} is {found}")
    check(await net.resolve(far.host) == [far.host], "a literal was changed")
    return passed(f"{far.name} is {', '.join(found)}")


@probe("SYNCHRONOUS_DNS_MULTIPLE", "dns.resolve")
async def repeated(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Six queries one after the other."""
    for _ in range(6):
        check(far.host in await net.resolve(far.name), "another answer")
    return passed("6 answers")


@probe("SYNCHRONOUS_DNS_INVALID", "dns.unknown")
async def unknown(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Three unknown names between known ones."""
    for _ in range(3):
        with raises(_socket.gaierror, call=f"resolve({far.unknown_name!r})"):
            await net.resolve(far.unknown_name)
        check(far.host in await net.resolve(far.name), "the next query was disturbed")
    return passed("3 x gaierror, 3 x an address")


@probe("ASYNCHRONOUS_DNS_SIMULTANEOUS", "dns.concurrent")
async def concurrent(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Six queries at once, one of them of an unknown name; none is refused."""
    names = [far.name] * 5 + [far.unknown_name]
    found = await asyncio.gather(*map(net.resolve, names), return_exceptions=True)
    for answer in found[:5]:
        check(isinstance(answer, list) and far.host in answer, f"one answer was {answer!r}")
    check(isinstance(found[5], _socket.gaierror), f"the unknown name gave {found[5]!r}")
    return passed("5 answers and one gaierror at the same time")


@probe("ASYNCHRONOUS_DNS_CANCEL", "dns.cancel")
async def cancel(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Six queries, all cancelled; the next one gets its own answer."""
    tasks = [asyncio.create_task(net.resolve(far.name)) for _ in range(6)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with raises(_socket.gaierror, call="a query of an unknown name after cancelled ones"):
        await net.resolve(far.unknown_name)
    check(far.host in await net.resolve(far.name), "a query after cancelled ones failed")
    return passed("cancelled queries disturbed none after them")


@probe("DNS_ALL_ADDRESSES", "dns.all_addresses")
async def all_addresses(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A name with several addresses; the order is the name server's."""
    if far.several is None:
        return unjudged("no name with several addresses is known here")
    name, addresses = far.several
    found = await net.resolve(name)
    strangers = set(found) - addresses
    check(not strangers, f"{name} is also {strangers}")
    check(set(found) == addresses, f"{len(found)} of {len(addresses)} addresses: {found}")
    return passed(f"{name} is {', '.join(found)}")


@probe("TCPSOCKET_CONNECT_NAME", "dns.connect")
async def connect(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """connect by name."""
    async with net.tcp_socket() as sock:
        sock.settimeout(LIMIT)
        await sock.connect((far.name, far.tcp["echo"].port))
        await echo(sock, b"by name")
    return passed("connected and echoed")


@probe("UDPSOCKET_SENDTO_NAME", "dns.sendto")
async def sendto(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """sendto by name."""
    service = far.udp["discard"]
    known = len(service.received)
    async with net.udp_socket() as sock:
        sock.settimeout(LIMIT)
        await sock.sendto(b"by name", (far.name, service.port))
        await until(lambda: len(service.received) > known)
    check(service.received[known][0] == b"by name", "other bytes arrived")
    return passed("the datagram arrived")

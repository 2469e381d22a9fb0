"""A round trip by ICMP echo (RFC 792, RFC 4443), through a raw socket of the stack."""

from __future__ import annotations

import asyncio
import secrets
import socket as _socket
import struct
from typing import TYPE_CHECKING, Final

from netsocket.address import SocketAddress
from netsocket.errors import ConnectTimeout

if TYPE_CHECKING:
    from netsocket.ip.lwip import LwipStack
    from netsocket.ip.naming import Resolver

PATIENCE: Final = 4.0
"""Seconds for the answer."""
_HEAD: Final = struct.Struct("!BBHHH")
_REQUEST: Final = {4: 8, 6: 128}
_REPLY: Final = {4: 0, 6: 129}


async def ping(stack: LwipStack, names: Resolver, host: str) -> float:
    """Seconds from the request to its answer. Raises ConnectTimeout, NameNotFound."""
    target = SocketAddress(host, 0)
    if not target.is_literal:
        target = SocketAddress((await stack.resolve(host))[0], 0)
    six = target.family == _socket.AF_INET6
    protocol = _socket.IPPROTO_ICMPV6 if six else _socket.IPPROTO_ICMP
    handle = await stack.open_raw(target.family, protocol)
    loop = asyncio.get_running_loop()
    try:
        with names.watching(handle) as event:
            token = secrets.token_bytes(4)
            begun = loop.time()
            await stack.sendto(handle, request(6 if six else 4, token), target)
            async with asyncio.timeout(PATIENCE):
                while True:
                    event.clear()
                    found = await stack.recvfrom(handle, 2048)
                    if found is None:
                        await event.wait()
                    elif found[1].host == target.host and answers(found[0], token):
                        return loop.time() - begun
    except TimeoutError:
        raise ConnectTimeout(f"{host} did not answer within {PATIENCE:g} s") from None
    finally:
        await stack.close(handle)


def request(version: int, token: bytes) -> bytes:
    """An echo request whose identifier and number are `token`, 4 bytes."""
    identifier, number = struct.unpack("!HH", token)
    body = bytes(24)
    head = _HEAD.pack(_REQUEST[version], 0, 0, identifier, number)
    if version == 6:
        return head + body  # lwIP adds the checksum, which covers the addresses
    return _HEAD.pack(_REQUEST[version], 0, _checksum(head + body), identifier, number) + body


def answers(packet: bytes, token: bytes) -> bool:
    """Whether a packet, IP header included, is the answer to the request with `token`."""
    if len(packet) < 20:
        return False
    version = packet[0] >> 4
    icmp = packet[4 * (packet[0] & 15) :] if version == 4 else packet[40:]
    return len(icmp) >= 8 and icmp[0] == _REPLY.get(version) and icmp[4:8] == token


def _checksum(data: bytes) -> int:
    """RFC 1071, of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total

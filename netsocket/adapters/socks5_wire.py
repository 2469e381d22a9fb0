"""SOCKS5 on the wire: addresses, replies, datagrams (RFC 1928 sections 5, 6 and 7)."""

from __future__ import annotations

import errno
import ipaddress
import socket as _socket
import struct
from enum import IntEnum
from typing import Final

from netsocket.address import SocketAddress

VERSION: Final = 5


class Kind(IntEnum):
    """Kinds of addresses, RFC 1928 section 5."""

    IPV4 = 1
    NAME = 3
    IPV6 = 4


class Reply(IntEnum):
    """Answers, RFC 1928 section 6."""

    SUCCEEDED = 0
    FAILURE = 1
    NOT_ALLOWED = 2
    NETWORK_UNREACHABLE = 3
    HOST_UNREACHABLE = 4
    REFUSED = 5
    EXPIRED = 6
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_NOT_SUPPORTED = 8


_REPLIES: Final[dict[int, Reply]] = {
    errno.EACCES: Reply.NOT_ALLOWED,
    errno.EPERM: Reply.NOT_ALLOWED,
    errno.ENETUNREACH: Reply.NETWORK_UNREACHABLE,
    errno.ENETDOWN: Reply.NETWORK_UNREACHABLE,
    errno.EHOSTUNREACH: Reply.HOST_UNREACHABLE,
    errno.EHOSTDOWN: Reply.HOST_UNREACHABLE,
    errno.ECONNREFUSED: Reply.REFUSED,
    errno.ETIMEDOUT: Reply.EXPIRED,
    errno.EOPNOTSUPP: Reply.COMMAND_NOT_SUPPORTED,
    errno.EAFNOSUPPORT: Reply.ADDRESS_NOT_SUPPORTED,
}


def reply_for(error: BaseException) -> Reply:
    """The answer that says most of an error; FAILURE for what SOCKS5 has no word for, a module
    without a free socket among them."""
    if isinstance(error, _socket.gaierror | ValueError):
        return Reply.HOST_UNREACHABLE
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, TimeoutError):
        number = errno.ETIMEDOUT
    return _REPLIES.get(number or 0, Reply.FAILURE)


def reply(code: Reply, address: SocketAddress | None = None) -> bytes:
    """An answer with the address that belongs to it; 0.0.0.0:0 when nobody knows it."""
    return struct.pack("!BBx", VERSION, code) + address_written(
        address or SocketAddress("0.0.0.0", 0)
    )


class Refusal(ValueError):
    """Bytes that cannot be served; `answer` is to be sent."""

    def __init__(self, problem: str, answer: bytes = b"") -> None:
        super().__init__(problem)
        self.answer = answer


# -- datagrams, section 7 -------------------------------------------------------------------------


def datagram_read(data: bytes) -> tuple[SocketAddress, bytes]:
    """Destination and payload of a client's datagram. Raises Refusal: malformed, or a fragment."""
    if len(data) < 4:
        raise Refusal("a datagram without a header")
    if data[2]:
        raise Refusal("a fragment")
    found = address_read(data, 3)
    if found is None:
        raise Refusal("a datagram with half a header")
    host, port, end = found
    return checked(host, port), bytes(data[end:])


def datagram_written(sender: SocketAddress, payload: bytes) -> bytes:
    """A datagram for the client."""
    return bytes(3) + address_written(sender) + payload


# -- addresses ------------------------------------------------------------------------------------


def address_read(data: bytes | bytearray, at: int) -> tuple[str | bytes, int, int] | None:
    """Host, port and end of the address at `at`; None = more bytes are needed."""
    kind, start = data[at], at + 1
    if kind == Kind.IPV4:
        size = 4
    elif kind == Kind.IPV6:
        size = 16
    elif kind == Kind.NAME:
        if len(data) <= start:
            return None
        size = data[start]
        start += 1
    else:
        raise Refusal(f"kind {kind} of address is unknown", reply(Reply.ADDRESS_NOT_SUPPORTED))
    end = start + size + 2
    if len(data) < end:
        return None
    raw = bytes(data[start : start + size])
    host = raw if kind == Kind.NAME else str(ipaddress.ip_address(raw))
    return host, int.from_bytes(data[end - 2 : end], "big"), end


def checked(host: str | bytes, port: int) -> SocketAddress:
    """What `address_read` found as an address. Raises Refusal."""
    try:
        if isinstance(host, bytes):
            host = host.decode()
            if not host:
                raise Refusal("the name is empty", reply(Reply.HOST_UNREACHABLE))
        return SocketAddress(host, port)
    except ValueError as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal("that is no host name", reply(Reply.HOST_UNREACHABLE)) from None


def address_written(address: SocketAddress) -> bytes:
    """Kind, host and port."""
    if address.is_literal:
        packed = ipaddress.ip_address(address.host.partition("%")[0]).packed
        kind = Kind.IPV4 if len(packed) == 4 else Kind.IPV6
        host = bytes((kind,)) + packed
    else:
        name = address.host.encode()
        host = bytes((Kind.NAME, len(name))) + name
    return host + address.port.to_bytes(2, "big")

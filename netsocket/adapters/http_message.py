"""What a proxy makes of the parts of an HTTP message: targets, headers, statuses.

RFC 9110 section 7.6 (what is not passed on), RFC 9112 section 3.2 (forms of a target).
"""

from __future__ import annotations

import errno
import socket as _socket
from typing import Final
from urllib.parse import urlsplit

import h11

from netsocket.adapters.destinations import DestinationRefused
from netsocket.address import SocketAddress

_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_LATER: Final = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EMFILE,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOBUFS,
    }
)
"""Errors of the module, not of the other end: a later attempt may succeed."""

Headers = list[tuple[bytes, bytes]]


class Unfit(Exception):
    """A request that cannot be served, with the status that says so."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


def status_for(error: OSError) -> int:
    """The status that says most of an error."""
    if isinstance(error, DestinationRefused):
        return 403
    if isinstance(error, _socket.gaierror):
        return 502
    if error.errno in _LATER:
        return 503
    return 504 if isinstance(error, TimeoutError) else 502


def end_to_end(event: h11.Request | h11.Response | h11.InformationalResponse) -> Headers:
    """The headers that are not for the next hop only, in their own spelling."""
    headers = event.headers
    named = {
        word.strip().lower()
        for name, value in headers
        if name == b"connection"
        for word in value.split(b",")
    }
    drop = _HOP_BY_HOP | named - {b"content-length"}  # what frames the body is nobody's option
    if any(name == b"transfer-encoding" for name, _value in headers):
        drop |= {b"content-length"}  # it does not count beside chunks (RFC 9112 section 6.3)
    return [(raw, value) for raw, value in headers.raw_items() if raw.lower() not in drop]


def authority(text: bytes, default: int | None) -> SocketAddress:
    """`host:port` as an address. Raises Unfit."""
    try:
        parts = urlsplit("//" + text.decode("ascii"))
        port = parts.port if parts.port is not None else default
        if not parts.hostname or port is None or parts.path or parts.query or "@" in parts.netloc:
            raise ValueError
        return SocketAddress(parts.hostname, port)
    except ValueError:
        wanted = "HOST:PORT" if default is None else "HOST or HOST:PORT"
        raise Unfit(400, f"{wanted} is expected.\n") from None


def absolute(request: h11.Request) -> tuple[SocketAddress, bytes, bytes]:
    """Address, path and Host of an absolute target. Raises Unfit."""
    scheme, separator, rest = request.target.partition(b"://")
    if not separator or request.target.startswith(b"/"):
        raise Unfit(400, "This is a proxy: GET http://HOST/PATH, or CONNECT HOST:PORT.\n")
    if scheme.lower() != b"http":
        raise Unfit(501, "Only http:// is fetched here; CONNECT serves everything else.\n")
    rest = rest.partition(b"#")[0]
    end = min((at for at in map(rest.find, (b"/", b"?")) if at >= 0), default=len(rest))
    named, path = rest[:end], rest[end:]
    if not path:
        path = b"*" if request.method == b"OPTIONS" else b"/"
    elif not path.startswith(b"/"):
        path = b"/" + path
    return authority(named, 80), path, named

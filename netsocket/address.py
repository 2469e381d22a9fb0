"""Socket addresses: (host, port), checked once, safe to put on any wire afterwards.

A `SocketAddress` is a tuple, so it can be unpacked, compared with plain tuples and handed to
Python's own `socket`. What it adds is a promise: the host is empty, an IP literal, or a host name
of strict grammar (letters, digits, hyphen, underscore, dots; at most 253 octets, labels at most
63). No quote, blank, comma, line end or other control character can be in it, whatever the caller
typed. Names are never resolved here.
"""

from __future__ import annotations

import ipaddress
import operator
import re
import socket
from typing import NamedTuple

MAX_NAME = 253
"""Longest host name in octets, RFC 1035 section 2.3.4 without the root dot and length octets."""
MAX_PORT = 65535

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")
_ZONE = re.compile(r"[A-Za-z0-9_.~-]{1,15}\Z")
_BROADCAST_WORD = "<broadcast>"
_WILDCARDS = frozenset({"", "0.0.0.0", "::"})


class InvalidHostName(ValueError):
    """The host part is neither an IP literal nor a host name; nothing was sent anywhere."""


def check_host(host: str) -> str:
    """The host as it may go on a wire: canonical literal, ASCII name, or "".

    Non-ASCII names are encoded by IDNA. Raises InvalidHostName.
    """
    if host == "":
        return host
    if host == _BROADCAST_WORD:
        return "255.255.255.255"
    literal = _canonical_literal(host)
    if literal is not None:
        return literal
    if not host.isascii():
        host = _to_ascii(host)
    name = host.removesuffix(".")
    if len(name) > MAX_NAME:
        raise InvalidHostName(f"host name of {len(name)} octets; at most {MAX_NAME} are possible")
    labels = name.split(".")
    for label in labels:
        if not _LABEL.match(label):
            raise InvalidHostName(f"not a host name or IP address: {host[:80]!r}")
    if labels[-1].isdigit():
        raise InvalidHostName(f"looks like an IPv4 address but is none: {host!r}")
    return host


def _canonical_literal(host: str) -> str | None:
    """Shortest usual form of an IP literal, None when `host` is not one."""
    address, percent, zone = host.partition("%")
    try:
        text = ipaddress.ip_address(address).compressed
    except ValueError:
        return None
    if not percent:
        return text
    if ":" not in text or not _ZONE.match(zone):
        raise InvalidHostName(f"not an IP address with a zone: {host[:80]!r}")
    return f"{text}%{zone}"


def _to_ascii(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise InvalidHostName(f"not an international host name: {host[:80]!r}") from error


def _is_literal(host: str) -> bool:
    return ":" in host or host.rpartition(".")[2].isdigit()


def _check_port(port: object) -> int:
    try:
        number = operator.index(port)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"port must be an integer, not {type(port).__name__}") from None
    if not 0 <= number <= MAX_PORT:
        raise OverflowError("port must be 0-65535.")
    return int(number)


class _Pair(NamedTuple):
    host: str
    port: int


class SocketAddress(_Pair):
    """Host and port. The host may be a name, a literal, or "" (any).

    Raises TypeError (host not text, port not an integer), OverflowError (port out of range) and
    InvalidHostName (a ValueError).
    """

    __slots__ = ()

    def __new__(cls, host: str = "", port: int = 0) -> SocketAddress:
        """Check both parts."""
        if not isinstance(host, str):
            raise TypeError(f"host must be str, not {type(host).__name__}")
        return super().__new__(cls, check_host(host), _check_port(port))

    @classmethod
    def coerce(cls, value: object) -> SocketAddress:
        """From a SocketAddress or a tuple (host, port[, flow, scope]), as Python's socket takes it.

        Raises TypeError, ValueError, OverflowError.
        """
        if isinstance(value, SocketAddress):
            return value
        if not isinstance(value, tuple):
            raise TypeError(f"address must be a tuple (host, port), not {type(value).__name__}")
        if not 2 <= len(value) <= 4:
            raise TypeError("address must be (host, port) or (host, port, flowinfo, scope_id)")
        host, port, *rest = value
        if isinstance(host, bytes | bytearray):
            try:
                host = bytes(host).decode("ascii")
            except UnicodeDecodeError as error:
                raise InvalidHostName(f"not a host name: {bytes(host)[:80]!r}") from error
        scope = operator.index(rest[1]) if len(rest) == 2 else 0
        if scope and isinstance(host, str) and ":" in host and "%" not in host:
            host = f"{host}%{scope}"
        return cls(host, port)

    @property
    def is_literal(self) -> bool:
        """True for an IP address, False for a name and for ""."""
        return _is_literal(self.host)

    @property
    def is_wildcard(self) -> bool:
        """True for "any address": "", 0.0.0.0 and ::."""
        return self.host in _WILDCARDS

    @property
    def family(self) -> socket.AddressFamily:
        """AF_INET or AF_INET6 for a literal, AF_UNSPEC for a name and for ""."""
        if not self.is_literal:
            return socket.AF_UNSPEC
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

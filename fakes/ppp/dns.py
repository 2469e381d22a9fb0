"""A name server for the fake world (RFC 1035): A and AAAA of the names that it knows."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from typing import Final

__all__ = ["answer"]

_A: Final = 1
_AAAA: Final = 28
_ANY: Final = 255
_INTERNET: Final = 1
_TTL: Final = 600  # seconds
_NO_SUCH_NAME: Final = 3
_NOT_IMPLEMENTED: Final = 4
_MOST: Final = 25  # addresses that fit 512 bytes (RFC 1035 section 2.3.4) with a name of 64


def answer(query: bytes, lookup: Callable[[str, int], list[str]]) -> bytes | None:
    """The response to one query.

    Args:
        query: the datagram.
        lookup: the literal addresses of a name in a family (0 any, 4, 6).

    Returns:
        The response; None for what is no query.
    """
    if len(query) < 17:
        return None
    number, flags, questions = struct.unpack_from(">HHH", query)
    if flags & 0x8000:
        return None
    found = _question(query)
    if found is None or questions != 1:
        return None
    name, kind, end = found
    if flags & 0x7800:  # another operation than a standard query
        return _head(number, flags, _NOT_IMPLEMENTED, 0) + query[12:end]
    addresses: list[str] = []
    if kind in (_A, _ANY):
        addresses += lookup(name, 4)
    if kind in (_AAAA, _ANY):
        addresses += lookup(name, 6)
    code = 0 if addresses or lookup(name, 0) else _NO_SUCH_NAME
    records = b""
    for address in addresses[:_MOST]:
        packed = ipaddress.ip_address(address).packed
        type_ = _A if len(packed) == 4 else _AAAA
        records += struct.pack(">HHHIH", 0xC00C, type_, _INTERNET, _TTL, len(packed)) + packed
    count = min(len(addresses), _MOST)
    return _head(number, flags, code, count) + query[12:end] + records


def _head(number: int, flags: int, code: int, answers: int) -> bytes:
    # response, authoritative, recursion as was desired and available
    return struct.pack(">HHHHHH", number, 0x8480 | flags & 0x0100 | code, 1, answers, 0, 0)


def _question(query: bytes) -> tuple[str, int, int] | None:
    """Name, type and where the question ends; None when it is malformed."""
    labels = []
    at = 12
    while at < len(query) and query[at]:
        size = query[at]
        if size > 63 or at + 1 + size > len(query):
            return None
        labels.append(query[at + 1 : at + 1 + size].decode("latin-1"))
        at += 1 + size
    if at + 5 > len(query):
        return None
    kind, group = struct.unpack_from(">HH", query, at + 1)
    return (".".join(labels), kind, at + 5) if group == _INTERNET else None

"""Command lines as the vendors' manuals say they are read, written without the driver's encoder.

ESP-AT User Guide, "AT Command Types": strings stand in double quotes; a backslash before `"`, `,`
and `\\` makes it a part of the string. Quectel's manuals: strings stand in double quotes, and no
escape is documented.
"""

from __future__ import annotations

import re
from collections.abc import Callable

NAME = re.compile(rb"AT[+&]?([A-Z]+[A-Z_0-9]*)")


def line(written: bytes) -> tuple[bytes, bytes]:
    """Name and parameters of one command line. Raises ValueError when it is none, or more."""
    if any(byte < 0x20 or byte == 0x7F for byte in written):
        raise ValueError(f"control characters: {written!r}")
    found = NAME.match(written)
    if found is None:
        raise ValueError(f"no command: {written!r}")
    return found[1], written[found.end() :].removeprefix(b"=")


def espressif(parameters: bytes) -> list[bytes]:
    """The parameters of an ESP-AT command. Raises ValueError for text around a string."""
    found, at = [], 0
    while True:
        value = bytearray()
        if parameters[at : at + 1] == b'"':
            at += 1
            while (byte := parameters[at : at + 1]) != b'"':
                if not byte:
                    raise ValueError(f"a string does not end: {parameters!r}")
                if byte == b"\\":
                    at += 1
                    byte = parameters[at : at + 1]
                    if byte not in (b'"', b",", b"\\"):
                        raise ValueError(f"an escape of nothing: {parameters!r}")
                value += byte
                at += 1
            at += 1
        else:
            end = parameters.find(b",", at)
            end = len(parameters) if end < 0 else end
            value += parameters[at:end]
            at = end
        found.append(bytes(value))
        if at == len(parameters):
            return found
        if parameters[at : at + 1] != b",":
            raise ValueError(f"text behind a string: {parameters!r}")
        at += 1


def quectel(parameters: bytes) -> list[bytes]:
    """The parameters of a Quectel command. Raises ValueError as above."""
    found, at = [], 0
    while True:
        if parameters[at : at + 1] == b'"':
            end = parameters.find(b'"', at + 1)
            if end < 0:
                raise ValueError(f"a string does not end: {parameters!r}")
            found.append(parameters[at + 1 : end])
            at = end + 1
        else:
            end = parameters.find(b",", at)
            end = len(parameters) if end < 0 else end
            found.append(parameters[at:end])
            at = end
        if at == len(parameters):
            return found
        if parameters[at : at + 1] != b",":
            raise ValueError(f"text behind a string: {parameters!r}")
        at += 1


READERS: dict[str, Callable[[bytes], list[bytes]]] = {"esp8266": espressif, "bg96": quectel}

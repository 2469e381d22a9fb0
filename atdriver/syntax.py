"""AT parameter syntax: quoting strings towards the module, splitting fields and reading numbers.

Every string that reaches the wire passes `Encoder.text`, every number from the wire `number`.
"""

from __future__ import annotations

from dataclasses import dataclass

from atdriver.errors import EncodeError, MalformedReply


@dataclass(frozen=True, slots=True)
class Encoder:
    """How one dialect writes a string parameter.

    `escape` is the escape character, or "" when the dialect documents none; `escaped` the
    characters that need it. Without an escape those characters are refused.
    """

    escape: str
    escaped: str

    def text(self, value: str, what: str, max_length: int, min_length: int = 0) -> bytes:
        """`value` in double quotes, ready for a command line.

        `what` names the parameter in messages; lengths are in bytes of UTF-8, before escaping.
        Raises EncodeError, before anything is written, for control characters (which could end or
        extend the command), for characters the dialect cannot carry, and for wrong lengths.
        """
        try:
            raw = value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise EncodeError(f"{what} contains a lone surrogate, which is no character") from None
        if not min_length <= len(raw) <= max_length:
            raise EncodeError(
                f"{what} must be {min_length} to {max_length} bytes long, not {len(raw)}"
            )
        for character in value:
            if ord(character) < 0x20 or ord(character) == 0x7F:
                raise EncodeError(
                    f"{what} contains the control character 0x{ord(character):02X}, "
                    "which would end or extend the command"
                )
            if character in self.escaped and not self.escape:
                raise EncodeError(f"{what} contains {character!r}, which this module cannot take")
        quoted = "".join(
            self.escape + character if character in self.escaped else character
            for character in value
        )
        return b'"' + quoted.encode("utf-8", "surrogateescape") + b'"'


def fields(text: bytes) -> list[bytes]:
    """Split a parameter list at the commas outside double quotes; quotes are kept.

    >>> fields(b'0,"a,b",,7')
    [b'0', b'"a,b"', b'', b'7']
    """
    if b'"' not in text:
        return [part.strip() for part in text.split(b",")]
    found: list[bytes] = []
    quoted = False
    start = 0
    for index, byte in enumerate(text):
        if byte == 0x22:
            quoted = not quoted
        elif byte == 0x2C and not quoted:
            found.append(text[start:index].strip())
            start = index + 1
    found.append(text[start:].strip())
    return found


def unquote(field: bytes) -> bytes:
    """The field without the double quotes around it, if it has both."""
    if len(field) >= 2 and field[:1] == b'"' and field[-1:] == b'"':
        return field[1:-1]
    return field


def string(field: bytes) -> str:
    """The field as text; bytes that are no UTF-8 survive as surrogates."""
    return unquote(field).decode("utf-8", "surrogateescape")


def number(field: bytes, low: int, high: int, what: str = "number") -> int:
    """A decimal number within low..high, both included.

    Raises MalformedReply for anything else: an unchecked number from the wire is an unchecked
    index. At most 10 digits are read, so a long field costs nothing.
    """
    digits = field if field.isdigit() else field.strip()
    negative = digits[:1] == b"-"
    if negative:
        digits = digits[1:]
    if not (digits.isdigit() and len(digits) <= 10):
        raise MalformedReply(f"{what}: {field[:24]!r} is not a number")
    value = -int(digits) if negative else int(digits)
    if not low <= value <= high:
        raise MalformedReply(f"{what}: {value} is outside {low}..{high}")
    return value

"""Parameters of an ESP-AT command: quoted strings with escapes, bare numbers, empty fields.

DOC "AT Command Types": strings in double quotes; backslash, comma and quote inside a string
are escaped with a backslash; an omitted parameter is an empty field.
"""

from __future__ import annotations

import re

from ..engine import CommandError

__all__ = ["Arguments", "Code"]

_NUMBER = re.compile(r"-?\d{1,10}")


class Code:
    """Error codes printed by AT+SYSLOG=1 (ESP-AT include/esp_at_core.h)."""

    LENGTH = 0x01040000
    TYPE = 0x01050000
    COUNT = 0x01060000
    INVALID = 0x01070000
    PARSE = 0x01080000
    UNKNOWN = 0x01090000
    FAILED = 0x010A0000
    BUSY = 0x010B0000
    OPERATION = 0x010C0000


class Arguments:
    """The parsed parameter list of a set command.

    Args:
        text: what follows ``=``.

    Raises:
        CommandError: unbalanced quotes or text around a string.
    """

    def __init__(self, text: str) -> None:
        self.fields: list[tuple[str, bool]] = []  # (value, quoted)
        at = 0
        while True:
            if text[at : at + 1] == '"':
                value, at = self._string(text, at + 1)
                self.fields.append((value, True))
            else:
                end = text.find(",", at)
                end = len(text) if end < 0 else end
                self.fields.append((text[at:end], False))
                at = end
            if at >= len(text):
                break
            if text[at] != ",":
                raise CommandError(code=Code.PARSE)
            at += 1

    @staticmethod
    def _string(text: str, at: int) -> tuple[str, int]:
        value = []
        while at < len(text):
            character = text[at]
            if character == "\\" and at + 1 < len(text):
                value.append(text[at + 1])
                at += 2
            elif character == '"':
                return "".join(value), at + 1
            else:
                value.append(character)
                at += 1
        raise CommandError(code=Code.PARSE)

    def __len__(self) -> int:
        return len(self.fields)

    def expect(self, least: int, most: int) -> None:
        """Check the number of parameters.

        Raises:
            CommandError: too few or too many.
        """
        if not least <= len(self.fields) <= most:
            raise CommandError(code=Code.COUNT | least << 8 | len(self.fields))

    def given(self, index: int) -> bool:
        """Whether parameter `index` is present and not empty."""
        return index < len(self.fields) and self.fields[index] != ("", False)

    def is_text(self, index: int) -> bool:
        """Whether parameter `index` is a quoted string."""
        return index < len(self.fields) and self.fields[index][1]

    def number(
        self, index: int, least: int, most: int, default: int | None = None, *, reason: str = ""
    ) -> int:
        """Parameter `index` as a number in [least, most].

        Raises:
            CommandError: missing without default, not a number, out of range.
        """
        if not self.given(index):
            if default is None:
                raise CommandError(reason, Code.COUNT)
            return default
        value, quoted = self.fields[index]
        if quoted or _NUMBER.fullmatch(value) is None:
            raise CommandError(reason, Code.TYPE)
        if not least <= int(value) <= most:
            raise CommandError(reason, Code.INVALID)
        return int(value)

    def text(
        self, index: int, longest: int, default: str | None = None, *, reason: str = ""
    ) -> str:
        """Parameter `index` as a string of at most `longest` characters.

        Raises:
            CommandError: missing without default, not quoted, too long.
        """
        if not self.given(index):
            if default is None:
                raise CommandError(reason, Code.COUNT)
            return default
        value, quoted = self.fields[index]
        if not quoted:
            raise CommandError(reason, Code.TYPE)
        if len(value) > longest:
            raise CommandError(reason, Code.LENGTH)
        return value

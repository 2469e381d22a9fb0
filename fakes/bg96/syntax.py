"""Command lines and parameters as the module reads them.

A command line may chain several commands after one ``AT``: basic commands simply follow each
other (``AT&FZE0`` was sent to a real module), extended ones are separated by ``;``
(AT Commands Manual V2.2 section 1.4, ITU-T V.250 section 5.2.1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fakes.bg96.codes import INVALID_PARAMETERS, TcpipRejected

_PREFIX: Final = re.compile(r"AT", re.IGNORECASE)
_COMMAND: Final = re.compile(
    r"""
    \s*(?:
      (?P<extended>[+](?:"[^"]*"?|[^;"])*)          # up to the next ; outside quotes
    | (?P<register>S\d+(?:=\d*|\?)?)                # S3=13, S4?
    | (?P<dial>D.*)                                 # to the end of the line (V.250, 6.3.1)
    | (?P<basic>&?[A-Z]\d*(?:\?|=\?)?)              # E0, &F, Z, I
    )\s*;?
    """,
    re.IGNORECASE | re.VERBOSE,
)
_FIELD: Final = re.compile(r'\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^",]*))\s*(?P<end>,|$)')


def split_line(line: str) -> list[str] | None:
    """The commands of one line, each without ``AT``, or None when the line holds no ``AT``.

    Characters before the prefix are skipped, as V.250 section 5.2.1 has it; a superfluous 0x1A
    that some hosts send behind a counted payload therefore does no harm. The names come back in
    upper case; parameters are untouched. What cannot be split comes back as one unknown command.
    """
    found = _PREFIX.search(line)
    if found is None:
        return None
    rest = line[found.end() :].rstrip()
    commands: list[str] = []
    position = 0
    while position < len(rest):
        matched = _COMMAND.match(rest, position)
        if matched is None or matched.end() == position:
            commands.append(rest[position:])
            break
        commands.append(_upper_name(matched.group().strip(" ;")))
        position = matched.end()
    return commands


def _upper_name(command: str) -> str:
    name, mark, parameters = command.partition("=")
    return name.upper() + mark + parameters


class Fields:
    """The comma-separated parameters of one command.

    Quotes matter: real modules answer ERROR to a quoted number and to a bare string
    (``552,invalid parameters``), so each accessor says what it accepts.
    """

    def __init__(self, text: str) -> None:
        self._fields: list[tuple[str, bool]] = []
        position = 0
        more = bool(text)
        while more:
            matched = _FIELD.match(text, position)
            if matched is None:
                raise TcpipRejected(INVALID_PARAMETERS)
            quoted = matched["quoted"]
            if quoted is None:
                self._fields.append((matched["bare"].strip(), False))
            else:
                self._fields.append((quoted, True))
            position = matched.end()
            more = matched["end"] == ","

    def __len__(self) -> int:
        return len(self._fields)

    def at_most(self, count: int) -> None:
        """Refuse (552) more than `count` parameters."""
        if len(self._fields) > count:
            raise TcpipRejected(INVALID_PARAMETERS)

    def given(self, index: int) -> bool:
        """Whether parameter `index` is there and not empty (``""`` counts as there)."""
        return index < len(self._fields) and self._fields[index] != ("", False)

    def integer(self, index: int, low: int, high: int, default: int | None = None) -> int:
        """Parameter `index` as a bare decimal number within low..high, else 552.

        A missing or empty one is `default`, or refused when there is none.
        """
        if not self.given(index):
            if default is None:
                raise TcpipRejected(INVALID_PARAMETERS)
            return default
        text, quoted = self._fields[index]
        if quoted or not text.isascii() or not text.isdigit() or len(text) > 10:
            raise TcpipRejected(INVALID_PARAMETERS)
        value = int(text)
        if not low <= value <= high:
            raise TcpipRejected(INVALID_PARAMETERS)
        return value

    def string(self, index: int, default: str | None = None) -> str:
        """Parameter `index` as a quoted string, else 552; a missing one is `default`."""
        if not self.given(index):
            if default is None:
                raise TcpipRejected(INVALID_PARAMETERS)
            return default
        text, quoted = self._fields[index]
        if not quoted:
            raise TcpipRejected(INVALID_PARAMETERS)
        return text

    def text(self, index: int, default: str = "") -> str:
        """Parameter `index` with or without quotes; a missing one is `default`."""
        return self._fields[index][0] if self.given(index) else default

    def rest(self, start: int) -> Sequence[str]:
        """The parameters from `start` on as written, quotes put back."""
        return [f'"{text}"' if quoted else text for text, quoted in self._fields[start:]]

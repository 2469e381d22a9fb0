"""Line discipline of the OpenThread CLI: echo, prompt, results, what a line may be.

- Each received character is echoed; CR, or LF that does not follow a CR, ends the line and is
  echoed as CR LF; backspace and DEL take a character back. A character beyond the buffer is
  neither kept nor echoed (OpenThread, examples/apps/cli/cli_uart.cpp).
- Every result is ``Done`` or ``Error <n>: <Name>``, then the prompt ``> `` without a line end;
  an empty line gives a prompt alone (fact sheet 4.1).
- A line while a command waits for its outcome (`ping`, `dns`) is thrown away without a word
  (OpenThread, src/cli/cli.cpp, ProcessLine); after the other commands it waits its turn.
- Arguments are separated by blanks; a backslash keeps the next character (fact sheet 4.2).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from fakes.engine import rule
from fakes.mesh import BorderRouter
from fakes.mesh_modem import Handler, MeshModem
from fakes.openthread.codes import (
    INVALID_ARGS,
    INVALID_COMMAND,
    INVALID_STATE,
    NAMES,
    PARSE,
    Rejected,
)
from fakes.openthread.settings import FACTS, Settings
from fakes.rules import CommandError
from fakes.scenario import Scenario
from fakes.world import World

__all__ = ["PROMPT", "Core", "command", "plain"]

PROMPT: Final = b"> "
_MOST_ARGUMENTS: Final = 32  # OpenThread, src/cli/cli_config.h, OPENTHREAD_CONFIG_CLI_MAX_ARGS
_ANY_LINE: Final = 1 << 16  # bytes the engine takes; what counts is `Settings.line`
_RUBOUT: Final = b"\b\x7f"


def command(*names: str) -> Callable[[Handler], Handler]:
    """Mark a method as the answer to commands; the longest name that fits counts.

    It gets the arguments behind the name, and ends with ``Done`` or raises `Rejected`.
    """

    def mark(handler: Handler) -> Handler:
        handler.commands = names  # type: ignore[attr-defined]
        return handler

    return mark


def plain(address: str) -> str:
    """An IPv6 address as OpenThread prints it: eight groups, never ``::`` (fact sheet 4.1)."""
    packed = ipaddress.IPv6Address(address).packed
    return ":".join(f"{packed[n] << 8 | packed[n + 1]:x}" for n in range(0, 16, 2))


def split(line: str) -> list[str]:
    """The arguments of a line."""
    found: list[str] = []
    word: str | None = None
    escaped = False
    for each in line:
        if escaped:
            word = (word or "") + each
            escaped = False
        elif each == "\\":
            escaped = True
            word = word or ""
        elif each in " \t":
            if word is not None:
                found.append(word)
            word = None
        else:
            word = (word or "") + each
    if word is not None:
        found.append(word)
    return found


class Core(MeshModem):
    """What every command relies on."""

    kind = "openthread"
    FACTS: ClassVar[Mapping[str, int]] = FACTS
    terminator = b"\n"
    max_command = _ANY_LINE
    queue_while_busy = True
    EUI64 = "f4ce3600"

    def __init__(
        self,
        settings: Settings,
        world: World,
        *,
        baud: int | None = None,
        scenario: Scenario | None = None,
    ) -> None:
        super().__init__(settings, world, baud=baud, scenario=scenario)
        self.settings = settings
        self._column = 0
        self._after_cr = False
        self.power_on()

    # ---- life ------------------------------------------------------------------------------

    def power_on(self) -> None:
        """What a reset puts back."""
        super().power_on()
        self._column = 0
        self._after_cr = False
        self.queue_while_busy = True

    def started(self) -> None:
        """The interpreter begins with its prompt."""
        super().started()
        self.raw(PROMPT)

    # ---- lines -----------------------------------------------------------------------------

    def format_line(self, line: str) -> bytes:
        """Output lines end with CR LF and have nothing before them."""
        return f"{line}\r\n".encode(self.encoding, "replace")

    def _arrived(self, data: bytes) -> None:
        """CR, LF and CR LF all end a line."""
        ends = bytearray()
        for each in data:
            if each == 0x0D:
                ends.append(0x0A)
            elif each != 0x0A or not self._after_cr:
                ends.append(each)
            self._after_cr = each == 0x0D
        super()._arrived(bytes(ends))

    def echo_text(self, data: bytes) -> bytes:
        """What is kept, is echoed; a character taken back is overwritten."""
        out = bytearray()
        for each in data:
            if each == 0x0A:
                out += b"\r\n"
                self._column = 0
            elif each in _RUBOUT:
                if self._column:
                    out += b"\b \b"
                    self._column -= 1
            elif self._column < self.line_room:
                out.append(each)
                self._column += 1
        return bytes(out)

    @property
    def line_room(self) -> int:
        """Characters that the serial buffer keeps."""
        return self.settings.line - 1 if self.settings.overlong == "cut" else _ANY_LINE

    def clean_line(self, line: str) -> str:
        """What has been kept of a line."""
        kept: list[str] = []
        for each in line:
            if ord(each) in _RUBOUT:
                del kept[-1:]
            elif len(kept) < self.line_room:
                kept.append(each)
            elif len(kept) == self.line_room:
                self.note("overlong", f"cut after {self.line_room} bytes")
                break
        return "".join(kept).partition("\0")[0]

    def is_blank(self, line: str) -> bool:
        """A line without arguments gives a prompt."""
        if split(line):
            return False
        self.raw(PROMPT)
        return True

    def final(self, *lines: str) -> None:
        """The result, then the prompt."""
        super().final(*lines)
        self.raw(PROMPT)

    def command_failed(self, error: CommandError) -> None:
        """``Error 7: InvalidArgs``."""
        self.final(f"Error {error.code}: {NAMES[error.code]}")

    @contextmanager
    def pending(self) -> Any:
        """A command waits for its outcome: lines that come meanwhile are thrown away."""
        self.queue_while_busy = False
        self.intake.activity.notify()
        try:
            yield
        finally:
            self.queue_while_busy = True

    @rule(r".*")
    async def _any_line(self, match: re.Match[str]) -> None:
        line = match[0]
        if len(line) > self.settings.line - 1:
            self.note("overlong", f"{len(line)} bytes")
            raise Rejected(PARSE)
        words = split(line)
        if len(words) > _MOST_ARGUMENTS:
            raise Rejected(INVALID_ARGS)
        for count in (3, 2, 1):
            handler = self._commands.get(" ".join(words[:count]))
            if handler is not None and len(words) >= count:
                result = handler(self, words[count:])
                if isinstance(result, Awaitable):
                    await result
                if self.running:
                    self.final("Done")
                return
        self.note("unknown", line[:80])
        raise Rejected(INVALID_COMMAND)

    # ---- arguments -------------------------------------------------------------------------

    @staticmethod
    def no_more(arguments: list[str], most: int = 0) -> None:
        """Refuse arguments beyond the first `most`."""
        if len(arguments) > most:
            raise Rejected(INVALID_ARGS)

    @staticmethod
    def number(text: str, most: int = 0xFFFF) -> int:
        """A decimal or 0x number. Raises Rejected."""
        if not re.fullmatch(r"0x[0-9a-fA-F]+|\d+", text, re.ASCII):
            raise Rejected(INVALID_ARGS)
        value = int(text, 16) if text.startswith("0x") else int(text)
        if value > most:
            raise Rejected(INVALID_ARGS)
        return value

    @staticmethod
    def own_address(text: str) -> str:
        """An IPv6 literal. Raises Rejected."""
        try:
            return str(ipaddress.IPv6Address(text))
        except ValueError:
            raise Rejected(INVALID_ARGS) from None

    def peer_address(self, text: str, said: str) -> str:
        """A literal address; IPv4 is translated with the NAT64 prefix of the network, and said.

        Args:
            text: the literal.
            said: what stands before the translated one.

        Raises:
            Rejected: no address; IPv4 without a prefix: InvalidState (fact sheet 4.2).
        """
        try:
            found = ipaddress.ip_address(text)
        except ValueError:
            raise Rejected(INVALID_ARGS) from None
        if found.version == 6:
            return str(found)
        router = self.nat64_router()
        if router is None:
            raise Rejected(INVALID_STATE)
        address = router.inside(str(found))
        self.say(f"{said}: {plain(address)}")
        return address

    def nat64_router(self) -> BorderRouter | None:
        """The border router that has published a NAT64 prefix, or None."""
        return self.mesh.border(self.node) if self.settings.nat64 else None

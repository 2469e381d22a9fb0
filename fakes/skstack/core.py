"""Line discipline of SKSTACK-IP: commands, inline payload, echo, results (fact sheet 5.3).

- A command ends with CR LF; the LF is skipped, so that the stick's own commands (ROPT, WOPT),
  which end with CR alone, are understood as well.
- SKSENDTO and SKSEND have their payload behind the length and one blank: counted bytes, whatever
  they are, and no line end. The command runs at the last of them.
- The echo is on until ``SKSREG SFE 0``; of a command with payload it is the part before it.
- ``OK``, or ``FAIL ERnn``; lines that come while a command runs wait.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Final

from fakes.engine import rule
from fakes.mesh_modem import Handler, MeshModem
from fakes.rules import CommandError
from fakes.scenario import Scenario
from fakes.skstack.settings import FACTS, Settings
from fakes.world import World

__all__ = [
    "BAD_COUNT",
    "BAD_VALUE",
    "FAILED",
    "NO_COMMAND",
    "Core",
    "Failed",
    "command",
    "full",
    "unhex",
]

NO_COMMAND, BAD_COUNT, BAD_VALUE, FAILED = 4, 5, 6, 10
"""FAIL ERnn: unknown command, number of arguments, range, not carried out (fact sheet 5.3)."""
_WITH_PAYLOAD: Final = re.compile(
    rb"(?i)(?:SKSENDTO(?: [^ ]+){4}|SKSEND [^ ]+) ([0-9A-Fa-f]{1,4}) $"
)
_MARK: Final = re.compile(rb"\0(\d+)")
_LINE: Final = 512  # bytes of a command; no document says


def command(name: str, *counts: int, tcp: bool = False) -> Callable[[Handler], Handler]:
    """Mark a method as the answer to a command with so many arguments (none given: 0).

    `tcp`: only firmware with TCP has it.
    """

    def mark(handler: Handler) -> Handler:
        handler.commands = (name,)  # type: ignore[attr-defined]
        handler.counts, handler.tcp = counts or (0,), tcp  # type: ignore[attr-defined]
        return handler

    return mark


def full(address: str) -> str:
    """An address as the stack prints it: eight groups of four digits, capitals."""
    return ipaddress.IPv6Address(address).exploded.upper()


class Failed(CommandError):
    """A command ends with ``FAIL ERnn``."""

    def __init__(self, code: int) -> None:
        super().__init__(f"FAIL ER{code:02d}", code)


def unhex(text: str, most: int, least: int = 0) -> int:
    """A hexadecimal number in a range. Raises Failed."""
    if not re.fullmatch(r"[0-9A-Fa-f]{1,8}", text) or not least <= int(text, 16) <= most:
        raise Failed(BAD_VALUE)
    return int(text, 16)


class Core(MeshModem):
    """What every command relies on."""

    kind = "skstack"
    FACTS: ClassVar[Mapping[str, int]] = FACTS
    terminator = b"\r"
    max_command = _LINE
    queue_while_busy = True
    EUI64 = "001d12900000"

    def __init__(
        self,
        firmware: str,
        settings: Settings,
        world: World,
        *,
        baud: int | None = None,
        scenario: Scenario | None = None,
    ) -> None:
        super().__init__(settings, world, baud=baud, scenario=scenario)
        self.firmware = firmware
        self.settings = settings
        self.opt = settings.opt  # in flash
        self.payload = b""
        self._typed = bytearray()
        self._passed = 0  # bytes of it that the interpreter has
        self._missing = -1  # bytes of payload still to come; -1: no payload
        self._payloads: dict[int, bytes] = {}
        self._count = 0
        self.power_on()

    # ---- life ------------------------------------------------------------------------------

    def power_on(self) -> None:
        """What SKRESET puts back."""
        super().power_on()
        self.echo = True
        self._begin_line()
        self._payloads.clear()

    # ---- lines -----------------------------------------------------------------------------

    def _arrived(self, data: bytes) -> None:
        """Take payload out of the stream; a mark behind the command says which it is."""
        for each in data:
            if each == 0x0A and not self._typed:
                continue  # of the line before
            self._typed.append(each)
            if self._missing >= 0:
                self._missing -= 1
            elif each == 0x20:
                found = _WITH_PAYLOAD.fullmatch(self._typed)
                if found:
                    self._pass_on()
                    self._missing = int(found[1], 16)
            elif each == 0x0D:
                self._pass_on()
                self._begin_line()
            if self._missing == 0:
                self._count += 1
                self._payloads[self._count] = bytes(self._typed[self._passed :])
                self._begin_line()
                super()._arrived(b"\0%d\r" % self._count)
        if self._missing < 0:
            self._pass_on()

    def _pass_on(self) -> None:
        """What is new of the line goes to the interpreter."""
        fresh = bytes(self._typed[self._passed :])
        self._passed = len(self._typed)
        if fresh:
            super()._arrived(fresh)

    def _begin_line(self) -> None:
        self._typed.clear()
        self._passed = 0
        self._missing = -1

    def format_line(self, line: str) -> bytes:
        """Lines end with CR LF and have nothing before them."""
        return f"{line}\r\n".encode(self.encoding, "replace")

    def echo_text(self, data: bytes) -> bytes:
        """The command as it was typed; CR as CR LF."""
        return _MARK.sub(b"", data).replace(b"\r", b"\r\n")

    def clean_line(self, line: str) -> str:
        """The payload is put beside the command."""
        self.payload = b""
        text, mark, number = line.partition("\0")
        if mark:
            self.payload = self._payloads.pop(int(number), b"")
        return text

    def is_blank(self, line: str) -> bool:
        """An empty line is nothing."""
        return not line.strip()

    def overlong_line(self) -> None:
        """More than the input buffer holds (ER09: UART)."""
        self.say("FAIL ER09")

    def command_failed(self, error: CommandError) -> None:
        """``FAIL ERnn``."""
        self.final(f"FAIL ER{error.code:02d}")

    @rule(r".*")
    async def _any_line(self, match: re.Match[str]) -> None:
        name, *arguments = match[0].split()
        handler: Any = self._commands.get(name.upper())
        if handler is None or (handler.tcp and self.firmware != "general"):
            self.note("unknown", match[0][:80])
            raise Failed(NO_COMMAND)
        if len(arguments) not in handler.counts:
            raise Failed(BAD_COUNT)
        result = handler(self, arguments)
        if isinstance(result, Awaitable):
            await result
        if self.running:
            self.final("OK")

    def event(self, number: int, address: str, parameter: int | None = None) -> None:
        """``EVENT <number> <address>[ <parameter>]``."""
        more = "" if parameter is None else f" {parameter:02X}"
        self.say(f"EVENT {number:02X} {full(address)}{more}")

    def shown(self, data: bytes) -> bytes:
        """Received data as ROPT says: binary, or two digits a byte."""
        return data if self.opt == "00" else data.hex().upper().encode()

    @staticmethod
    def address(text: str) -> str:
        """A literal in the stack's own form. Raises Failed."""
        if not re.fullmatch(r"([0-9A-Fa-f]{4}:){7}[0-9A-Fa-f]{4}", text):
            raise Failed(BAD_VALUE)
        return str(ipaddress.IPv6Address(text))

"""The RIOT shell: stdin of 64 bytes, a line of 128, echo, prompt (fact sheet 5.1).

- What arrives faster than the shell takes it is kept up to 64 bytes, the rest is lost without a
  word: the shell takes nothing while a command runs.
- CR and LF end a line each, so that CR LF is two of them, and an empty line gives a prompt
  (RIOT, sys/shell/shell.c); each is echoed as CR LF. Output lines end with LF alone.
- Quotes and backslashes make words (`fakes.riot.words`).
- A line of 128 bytes and more: ``shell: maximum line length exceeded``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar, Final

from fakes.engine import rule
from fakes.mesh import Network, Node, joined_address, link_local
from fakes.mesh_modem import Handler, MeshModem
from fakes.riot.settings import FACTS, Settings
from fakes.riot.words import words_of
from fakes.scenario import Scenario
from fakes.world import World

__all__ = ["INTERFACE", "PROMPT", "Core", "Usage", "command", "dashed"]

PROMPT: Final = b"> "
INTERFACE: Final = 6  # the number that the fact sheet's nodes have
_CANCEL, _RUBOUT = 0x03, b"\b\x7f"
_ANY_LINE: Final = 1 << 16


def command(*names: str) -> Callable[[Handler], Handler]:
    """Mark a method as the answer to shell commands; it gets the words of the line."""

    def mark(handler: Handler) -> Handler:
        handler.commands = names  # type: ignore[attr-defined]
        return handler

    return mark


def dashed(eui64: bytes) -> str:
    """A link-layer address as RIOT prints it."""
    return ":".join(f"{each:02X}" for each in eui64)


class Usage(Exception):
    """Ends a command with these lines."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines


class Core(MeshModem):
    """What every command relies on."""

    kind = "riot"
    FACTS: ClassVar[Mapping[str, int]] = FACTS
    terminator = b"\n"
    max_command = _ANY_LINE
    queue_while_busy = True
    EUI64 = "0204190000"

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
        self.channel, self.pan = settings.channel, settings.pan
        self._stdin = bytearray()
        self._taking = False
        self._column = 0
        self.power_on()

    # ---- life ------------------------------------------------------------------------------

    def power_on(self) -> None:
        """What a reboot puts back."""
        super().power_on()
        self._stdin.clear()
        self._taking = False
        self._column = 0
        self.channel, self.pan = self.settings.channel, self.settings.pan
        self.advertising: list[str] = []  # own prefixes that others are told of

    def started(self) -> None:
        """The radio is on; the shell prompts."""
        super().started()
        self.tune()
        self.raw(PROMPT)

    def tune(self) -> None:
        """Be on the channel and in the PAN, with a link-local address; the others follow."""
        node = self.node
        network = Network(self.channel, self.pan, b"")
        if self.settings.border and network == self._home:
            self.mesh.serve(network, self.world)
        node.addresses.clear()
        node.network = network
        node.role = "router" if self.settings.role == "router" or self.advertising else "child"
        node.register(link_local(node.eui64))
        self.later(self.settings.advertised, self.solicit)

    @property
    def _home(self) -> Network:
        """The border router's network."""
        return Network(self.settings.channel, self.settings.pan, b"")

    def solicit(self) -> None:
        """Have an address of each prefix that is advertised in reach (RFC 6775)."""
        for prefix, router in self.prefixes():
            if router is not self.node:
                self.node.register(joined_address(prefix, self.node.eui64))

    def prefixes(self) -> list[tuple[str, Node]]:
        """Prefixes of this network, and who advertises them."""
        raise NotImplementedError

    # ---- lines -----------------------------------------------------------------------------

    def _arrived(self, data: bytes) -> None:
        """Bytes go to stdin; what does not fit is lost."""
        room = self.settings.stdin - len(self._stdin)
        if len(data) > room:
            self.note("overrun", f"{len(data) - room} bytes")
        self._stdin += data[: max(0, room)]
        self._take_soon()

    def _take_soon(self) -> None:
        if self._stdin and not self._taking and not self.occupied:
            self._taking = True
            self.later(self.settings.shell_delay, self._take)

    def _take(self) -> None:
        """The shell reads up to a line's end; the rest waits for the command."""
        self._taking = False
        if self.occupied:
            return
        ends = [at for at in (self._stdin.find(b"\r"), self._stdin.find(b"\n")) if at >= 0]
        count = min(ends) + 1 if ends else len(self._stdin)
        data = bytes(self._stdin[:count]).replace(b"\r", b"\n")
        del self._stdin[:count]
        super()._arrived(data)
        self._take_soon()

    def command_ended(self) -> None:
        """The shell reads on."""
        asked = self._loop
        if asked is not None:
            asked.call_soon(self._take_soon)

    def format_line(self, line: str) -> bytes:
        """Output lines end with LF."""
        return f"{line}\n".encode(self.encoding, "replace")

    def echo_text(self, data: bytes) -> bytes:
        """Everything but what takes a character back; a line's end as CR LF."""
        out = bytearray()
        for each in data:
            if each == 0x0A:
                out += b"\r\n"
                self._column = 0
            elif each == _CANCEL:
                out += b"\r\n" + PROMPT
                self._column = 0
            elif each in _RUBOUT:
                if self._column:
                    out += b"\b \b"
                    self._column -= 1
            else:
                out.append(each)
                self._column += 1
        return bytes(out)

    def clean_line(self, line: str) -> str:
        """Without what was taken back, or cancelled with Ctrl-C."""
        kept: list[str] = []
        for each in line.rpartition(chr(_CANCEL))[2]:
            if ord(each) in _RUBOUT:
                del kept[-1:]
            else:
                kept.append(each)
        return "".join(kept)

    def is_blank(self, line: str) -> bool:
        """An empty line gives a prompt."""
        if line.strip():
            return False
        self.raw(PROMPT)
        self.command_ended()
        return True

    def finish(self, *lines: str) -> None:
        """The last lines of a command, and the prompt."""
        self.final(*lines)
        self.raw(PROMPT)

    @rule(r".*")
    async def _any_line(self, match: re.Match[str]) -> None:
        line = match[0]
        if len(line) > self.settings.line - 1:
            self.note("overlong", f"{len(line)} bytes")
            self.finish("shell: maximum line length exceeded")
            return
        words = words_of(line)
        if not words:
            self.finish(*([] if words is not None else ["shell: incorrect quoting"]))
            return
        handler = self._commands.get(words[0])
        if handler is None or (words[0].startswith(_TCP) and not self.settings.tcp):
            self.note("unknown", line[:80])
            self.finish(f"shell: command not found: {words[0]}")
            return
        try:
            result = handler(self, words)
            if isinstance(result, Awaitable):
                await result
        except Usage as usage:
            self.finish(*usage.lines)
            return
        if self.running:  # no reboot meanwhile
            self.finish()

    # ---- arguments -------------------------------------------------------------------------

    @staticmethod
    def number(text: str) -> int:
        """As C's atoi: the leading digits, or 0."""
        found = re.match(r"\s*([+-]?\d+)", text)
        return int(found[1]) if found else 0

    @staticmethod
    def literal(text: str) -> str | None:
        """An IPv6 address with or without ``%<interface>``; None: neither."""
        address, mark, interface = text.partition("%")
        if mark and interface != str(INTERFACE):
            return None
        try:
            return str(ipaddress.IPv6Address(address))
        except ValueError:
            return None

    def endpoint(self, text: str) -> tuple[str, int] | None:
        """``[<address>[%<interface>]]:<port>``; port 0 where it is missing or wrong."""
        found = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", text, re.DOTALL)
        address = self.literal(found[1]) if found else None
        if found is None or address is None:
            return None
        port = found[2] or ""
        good = port.isascii() and port.isdigit() and int(port) < 65536
        return address, int(port) if good else 0


_TCP: Final = ("gnrc_tcp_", "buffer_")

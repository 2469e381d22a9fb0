"""Line discipline of the BG96: echo, chained commands, results, error styles, the URC port.

Byte formats: AT Commands Manual V2.2 section 1.4, confirmed by logs with byte counts
(``AT\\r`` gives ``AT\\r\\r\\nOK\\r\\n``; a query gives ``\\r\\n<info>\\r\\n\\r\\nOK\\r\\n``).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Final

from fakes.bg96.codes import (
    CME_TEXTS,
    OPERATE_SUCCESSFULLY,
    TCPIP_TEXTS,
    CmeRejected,
    Rejected,
    TcpipRejected,
)
from fakes.bg96.profile import FACTS, Profile
from fakes.bg96.settings import Settings
from fakes.bg96.syntax import split_line
from fakes.engine import FakeModem, rule
from fakes.scenario import Scenario
from fakes.world import World

Handler = Callable[[Any, re.Match[str]], Awaitable[bool | None]]

# Command to answer, seconds: 2-4 ms over USB, 10-30 ms over UART (real logs with time stamps).
_LATENCY_USB: Final = 0.003
_LATENCY_UART: Final = 0.020

_TCPIP_COMMANDS: Final = re.compile(
    r"\+(?:QICSGP|QIACT|QIDEACT|QIOPEN|QICLOSE|QISTATE|QISEND|QISENDEX|QIRD|QISDE|QISWTMD|QPING"
    r"|QNTP|QIDNSCFG|QIDNSGIP|QICFG|QSSL[A-Z]+)(?![A-Z])"
)
"""Commands whose failures AT+QIGETERROR explains (TCP(IP) manual V1.1, AT+QIGETERROR)."""

_NAMES: Final = re.compile(r"[A-Z]{3,}")
_DEFAULT_CMEE: Final = 1
_HELD_LINES: Final = 64  # unsolicited lines kept while the prompt is open


def command(pattern: str) -> Callable[[Handler], Handler]:
    """Mark a method as the answer to one command of a line, written without ``AT``.

    The handler returns True when it has given the final result itself.
    """

    def mark(handler: Handler) -> Handler:
        handler.commands = re.compile(pattern)  # type: ignore[attr-defined]
        return handler

    return mark


class Core(FakeModem):
    """What every command relies on."""

    kind = "bg96"
    FACTS: ClassVar[Mapping[str, int]] = FACTS
    terminator = b"\r"
    max_command = 2048  # not documented; QISENDEX with 512 digits and long host names fit

    _commands: ClassVar[tuple[tuple[re.Pattern[str], Handler], ...]] = ()
    _known: ClassVar[frozenset[str]] = frozenset()
    test_forms: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        found: dict[str, tuple[re.Pattern[str], Handler]] = {}
        for base in cls.__mro__:
            for name, member in vars(base).items():
                pattern = getattr(member, "commands", None)
                if pattern is not None:
                    found.setdefault(name, (pattern, member))
        cls._commands = tuple(found.values())
        written = " ".join(pattern.pattern for pattern, _ in cls._commands)
        # "C?GMI" stands for two names: CGMI and GMI.
        cls._known = frozenset(
            name
            for source in (written.replace("C?", "C"), written)
            for name in _NAMES.findall(source)
        )

    def __init__(
        self,
        profile: Profile,
        settings: Settings,
        world: World,
        *,
        baud: int | None = None,
        scenario: Scenario | None = None,
    ) -> None:
        super().__init__(world, baud=baud, scenario=scenario)
        self.profile = profile
        self.settings = settings
        self.rate = self.stored_rate = self.wire.module_rate
        self.latency = settings.latency
        if self.latency < 0:
            self.latency = _LATENCY_UART if settings.port == "uart1" else _LATENCY_USB
        self._held: list[Callable[[], None]] = []
        self._after: list[Callable[[], object]] = []
        self.reset_storage()
        self.power_on()

    # ---- settings and their lives ----------------------------------------------------

    def reset_storage(self) -> None:
        """What survives a reboot, as the module left the factory."""
        # EC2x AT manual V2.0 gives "usbat" as default for the same setting.
        self.urc_port = "usbat"
        self.power_saving: dict[str, str] = {}

    def reset_session(self) -> None:
        """Settings that AT&F, ATZ and a reboot put back (AT manual V2.2, AT&F)."""
        self.reset_port()

    def reset_port(self) -> None:
        """Echo, error style, flow control: each port has its own (AT manual V2.2 section 1.4)."""
        self.echo = True
        self.cmee = _DEFAULT_CMEE
        self.flow_control = "0,0"

    def reset_factory(self) -> None:
        """Settings that AT&F puts back and ATZ does not (AT manual V2.2, tables 7 and 9)."""

    def power_on(self) -> None:
        """Everything volatile to its power-on value; sockets are closed already."""
        self.prompting = False
        self.not_ready = False
        self.last_error = OPERATE_SUCCESSFULLY
        self._held.clear()
        self._after.clear()
        self.reset_session()
        self.rate = self.stored_rate
        if self.settings.port == "uart1":
            self.wire.set_module_rate(self.rate)

    def set_line_rate(self, baud: int) -> None:
        """The host's rate; a USB port has none."""
        if self.settings.port == "uart1":
            super().set_line_rate(baud)

    def switch_rate(self, rate: int) -> None:
        """Take another rate once the running command's result has left (AT+IPR)."""
        self.rate = rate
        if self.settings.port == "uart1":
            self.after_result(lambda: self.spawn(self._switch_wire(rate)))

    async def _switch_wire(self, rate: int) -> None:
        await self.output_sent()
        self.wire.set_module_rate(rate)

    # ---- output ----------------------------------------------------------------------

    def info(self, *lines: str) -> None:
        """Information lines of one command: one frame, blank line before the result."""
        if lines:
            self.raw(("\r\n" + "\r\n".join(lines) + "\r\n").encode(self.encoding, "replace"))

    def format_line(self, line: str) -> bytes:
        """V1 format; a character outside Latin-1 cannot get in from the wire."""
        return f"\r\n{line}\r\n".encode(self.encoding, "replace")

    def urc(self, text: str) -> None:
        """An unsolicited line: only on the configured port (AT manual V2.2, AT+QURCCFG)."""
        self.unsolicited(self.format_urc(text))

    def unsolicited(self, literal: bytes) -> None:
        """Bytes that go out on the port for unsolicited lines, or are lost for this one."""
        if self.urc_port != self.settings.port:
            self.note("urc-elsewhere", f"{self.urc_port}: {literal[:60]!r}")
        else:
            self.outside_prompt(lambda: self.raw(literal))

    def asynchronous(self, text: str) -> None:
        """A late result of a command: on the port of the command.

        Not documented; a real module with the wrong "urcport" still gave such results.
        """
        self.outside_prompt(lambda: self.say(text))

    def outside_prompt(self, write: Callable[[], None]) -> None:
        """Write now, or after the result when a prompt is open (setting urc_in_prompt)."""
        if not self.prompting or self.settings.urc_in_prompt:
            write()
        else:
            self.hold(write)

    def hold(self, write: Callable[[], None]) -> None:
        """Write behind the next result."""
        if len(self._held) < _HELD_LINES:
            self._held.append(write)
        else:
            self.note("urc-lost", "too many while a prompt is open")

    def after_result(self, action: Callable[[], object]) -> None:
        """Do something right behind the result of the running command."""
        self._after.append(action)

    def finish(self, result: str) -> None:
        """The final result of the running command, then what waited for it."""
        self.prompting = False
        self.final(result)
        held, self._held = self._held, []
        after, self._after = self._after, []
        for write in (*held, *after):
            write()

    # ---- input -----------------------------------------------------------------------

    @property
    def echo_now(self) -> bool:
        """While a command runs the port takes nothing (TCP(IP) manual V1.1, note 1)."""
        return self.echo and not self.running

    def echo_text(self, data: bytes) -> bytes:
        """The command and its CR; a line feed is ignored (AT manual V2.2 section 1.4)."""
        return data.replace(b"\n", b"")

    def clean_line(self, line: str) -> str:
        """Without line feeds, which are ignored (AT manual V2.2 section 1.4)."""
        return line.replace("\n", "")

    def is_blank(self, line: str) -> bool:
        """Characters before the prefix ``AT`` are not a command (V.250 section 5.2.1)."""
        if split_line(line) is not None:
            return False
        if line.strip():
            self.note("stray", line[:80])
        return True

    @rule(r".*")
    async def _any_line(self, match: re.Match[str]) -> None:
        await self._run(match[0])

    async def _run(self, line: str) -> None:
        commands = split_line(line) or []
        await self.sleep(self.latency)
        if self.not_ready:
            self.finish("ERROR")
            return
        finished: bool | None = False
        current = ""
        try:
            for current in commands:
                finished = await self._dispatch(current)
                if _TCPIP_COMMANDS.match(current) and not finished:
                    self.last_error = OPERATE_SUCCESSFULLY
        except Rejected as error:
            self._reject(current, error)
            return
        if not finished:
            self.finish("OK")

    async def _dispatch(self, text: str) -> bool | None:
        name = re.match(r"\+([A-Z]+)", text)
        if name is not None and name[1] in self.profile.absent:
            self.note("unknown", text[:80])
            raise Rejected
        if text.endswith("=?"):
            self._test_form(text[1:-2])
            return None
        for pattern, handler in self._commands:
            match = pattern.fullmatch(text)
            if match is not None:
                return await handler(self, match)
        self.note("unknown", text[:80])
        raise Rejected

    def _test_form(self, name: str) -> None:
        """AT+X=?: the documented ranges for some, OK alone for every other known command."""
        if name not in self._known:
            self.note("unknown", f"{name[:80]}=?")
            raise Rejected
        shown = self.test_forms.get(name)
        if shown is not None:
            self.info(f"+{name}: {shown}")

    def _reject(self, text: str, error: Rejected) -> None:
        tcpip = _TCPIP_COMMANDS.match(text) is not None
        if isinstance(error, TcpipRejected) and tcpip:
            self.last_error = error.code
            if self.settings.cme_for_qi:
                error = CmeRejected(error.code)
        if not isinstance(error, CmeRejected) or self.cmee == 0:
            self.finish("ERROR")
        elif self.cmee == 1:
            self.finish(f"+CME ERROR: {error.code}")
        else:
            self.finish(f"+CME ERROR: {CME_TEXTS.get(error.code, 'unknown')}")

    @command(r"\+QIGETERROR")
    async def _last_error(self, _: re.Match[str]) -> None:
        self.info(f"+QIGETERROR: {self.last_error},{TCPIP_TEXTS[self.last_error]}")

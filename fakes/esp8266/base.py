"""State, line discipline and life of the module, shared by all command groups."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field

from ..engine import CommandError, FakeModem, Rule
from ..scenario import Scenario
from ..sockets import Listening
from ..wire import noise
from ..world import World
from .arguments import Code
from .link import Link
from .profile import Profile

__all__ = ["LINKS", "Esp8266Base", "Flash", "Options", "Volatile"]

LINKS = 5  # AT_SOCKET_MAX_CONN_NUM


@dataclass(slots=True)
class Flash:
    """Settings that can be stored (AT+SYSSTORE=1, or the plain and _DEF commands of N17)."""

    rate: int
    wifi_mode: int
    flow: int = 0
    ssid: str = ""
    password: str = ""
    auto_join: bool = True
    station_dhcp: bool = True
    ap_dhcp: bool = True
    static: tuple[str, str, str] | None = None
    # SSID, password, channel, security, most stations, hidden
    own_network: tuple[str, str, int, int, int, int] = ("ESP_123456", "", 1, 0, 4, 0)
    dns: tuple[str, ...] = ()
    message: int = 0
    # (authentication, certificate, CA) of the TLS client on each link
    tls_clients: tuple[tuple[int, int, int], ...] = ((0, 0, 0),) * LINKS


@dataclass(slots=True)
class Volatile:
    """Settings that every reset puts back (AT+RST: links gone, CIPMUX=0, CIPDINFO=0 ...)."""

    mux: int = 0
    transparent: int = 0
    info: int = 0
    receive_mode: int = 0
    receive_types: list[int] = field(default_factory=lambda: [0] * LINKS)
    store: int = 1
    log: int = 0
    ipv6: int = 0
    server_limit: int = LINKS
    server_port: int = 333
    idle_limit: int = 180
    reset_on_close: set[int] = field(default_factory=set)
    server_names: dict[int, str] = field(default_factory=dict)
    tcp_options: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    reconnect: tuple[int, int] = (1, 0)
    scan_sort: int = 0
    scan_mask: int = 0x7FF
    sntp: tuple[int, int, tuple[str, ...]] = (0, 0, ())
    sntp_set: bool = False
    had_links: bool = False
    long_send: tuple[int, int] = (1024, 2920)
    block_end: int = 20


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of `build`.

    Attributes:
        flow: "rts": the module stops while the host does not read; "none": it overruns.
        late_closed: seconds between ERROR of a failed AT+CIPSTART and CLOSED; None: profile.
        connect_timeout: seconds until an unreachable host fails AT+CIPSTART.
        join_time: seconds AT+CWJAP takes.
        boot_time: seconds from reset to ready.
        joined: SSID the module is joined to from the start (also stored), "" none.
        dhcp: what becomes of a join when no DHCP server answers, which no document tells: "ok" it
            answers, "none" AT+CWJAP ends with OK and no address comes (some builds say OK before
            WIFI GOT IP), "fail" it ends as a join that timed out although the station is in.
        read_form: AT+CIPRECVDATA of N17: "literal" ``,n:`` as the library and other drivers have
            it, "manual" ``:n,`` as the published PDF does.
        reasons: ESP-AT's ``ALREADY CONNECTED``, ``link is not valid``, ``No AP`` ...: "log" they
            go to the log port, "port" to the command port (DOC v1 to v2.1).
        close_order: ESP-AT's AT+CIPCLOSE: "closed" CLOSED comes before OK (logs, DOC from v2.3),
            "ok" behind it.
    """

    flow: str = "rts"
    late_closed: float | None = None
    connect_timeout: float = 3.0
    join_time: float = 3.0
    boot_time: float | None = None
    joined: str = ""
    read_form: str = "literal"
    reasons: str = "log"
    close_order: str = "closed"
    dhcp: str = "ok"


class Esp8266Base(FakeModem):
    """Line discipline and state; the command groups derive from it."""

    kind = "esp8266"
    aliases = ("esp32",)

    def __init__(
        self,
        profile: Profile,
        options: Options,
        world: World,
        *,
        baud: int | None = None,
        scenario: Scenario | None = None,
    ) -> None:
        self.profile = profile
        self.options = options
        # N17 acts on LF, ESP-AT only on CR LF (esp-at #101).
        self.terminator = b"\n" if profile.nonos else b"\r\n"
        # With LF as terminator the CR counts as part of the line.
        self.max_command = profile.command_limit + (1 if profile.nonos else 0)
        self.flash = self.factory()
        self.station = ""  # SSID joined
        self.has_address = False
        self.links: list[Link | None] = [None] * LINKS
        self.leftover: dict[int, bytearray] = {}
        self.gone_access_points: dict[str, str] = {}
        self.listener: Listening | None = None
        self.phase = ""  # "send": waiting for the peer (N17 answers busy s...)
        if options.joined:
            self.flash.wifi_mode = 1
            self.flash.ssid = options.joined
            self.flash.password = world.access_points.get(options.joined, "")
            self.station = options.joined
            self.has_address = True
        self.now = copy.copy(self.flash)
        self.session = Volatile()
        self.first_start = True
        super().__init__(world, baud=baud, scenario=scenario)
        self.flash.rate = self.now.rate = self.wire.module_rate
        self.output_limit = profile.uart_transmit

    @property
    def facts(self) -> dict[str, int]:
        """Limits of the emulated generation, as enforced here."""
        return dict(self.profile.facts)

    def factory(self) -> Flash:
        """Settings after AT+RESTORE: N17 starts as access point, ESP-AT with Wi-Fi off (INF)."""
        return Flash(rate=self.default_rate, wifi_mode=2 if self.profile.nonos else 0)

    # ---- lines -----------------------------------------------------------------------

    def format_line(self, line: str) -> bytes:
        """Information lines end with CR LF and have nothing before them."""
        return f"{line}\r\n".encode(self.encoding)

    def final(self, *lines: str) -> None:
        """Result codes carry CR LF on both sides."""
        self.running = False
        for line in lines:
            self.raw(f"\r\n{line}\r\n".encode(self.encoding))

    def ok(self) -> None:
        """The normal final."""
        self.final("OK")

    def echo_text(self, data: bytes) -> bytes:
        """N17: all but LF as received, LF becomes CR LF, hence CR CR LF; ESP-AT verbatim."""
        return data.replace(b"\n", b"\r\n") if self.profile.nonos else data

    @property
    def echo_now(self) -> bool:
        """N17 echoes in every state but payload (its source); ESP-AT while idle (INF)."""
        return self.echo and (self.profile.nonos or not self.running)

    def clean_line(self, line: str) -> str:
        """N17: drop the CR and whatever precedes the head "AT" (its source)."""
        if not self.profile.nonos:
            return line
        line = line.removesuffix("\r")
        head = re.search("AT|at", line)
        if head is None:
            return line
        if head.start():
            self.note("stray", line[: head.start()])
        return "AT" + line[head.end() :]

    def is_blank(self, line: str) -> bool:  # noqa: ARG002
        """Nothing is ignored: an empty line is an unknown command."""
        return False

    def overlong_line(self) -> None:
        """ESP-AT answers ERROR; NonOS drops the line without a word."""
        if not self.profile.overlong_silent:
            self.command_failed(CommandError(code=Code.LENGTH))

    def line_while_busy(self, line: str) -> None:
        """One busy line per received line; AT+RST is recognised and obeyed at once."""
        if line == "AT+RST":
            self.say("Will force to restart!!!")
            self.restart()
            return
        if self.phase == "send" and self.profile.nonos:
            self.raw(b"\r\nbusy s...\r\n")
            return
        self.error_code(Code.BUSY)
        self.raw(b"\r\nbusy p...\r\n")

    def command_ended(self) -> None:
        """N17 reads and drops what arrives during a command; a rest does not stay."""
        self.phase = ""
        if self.profile.nonos:
            self.intake.forget_line()

    def error_code(self, code: int) -> None:
        """ESP-AT with AT+SYSLOG=1 prints the code before ERROR and busy."""
        if self.session.log and not self.profile.nonos:
            self.say(f"ERR CODE:0x{code:08x}")

    def command_failed(self, error: CommandError) -> None:
        """N17 prints the reason, ESP-AT (to its command port) at most a code."""
        if error.reason and (self.profile.nonos or self.options.reasons == "port"):
            self.say(error.reason)
        if not self.profile.nonos:
            self.error_code(error.code or Code.FAILED)
        self.final("ERROR")

    async def unknown_command(self, line: str) -> None:
        """Wrong operation of a known command, or no such command."""
        self.note("unknown" if line.startswith("AT") else "stray", line[:80])
        name = re.fullmatch(r"AT\+(\w+)(?:[=?].*)?", line, re.DOTALL)
        known = name is not None and any(
            entry.tag == name[1] and self.rule_allowed(entry) for entry in self._class_rules
        )
        raise CommandError(code=Code.OPERATION if known else Code.UNKNOWN)

    def rule_allowed(self, entry: Rule) -> bool:
        """Whether the command exists in this generation."""
        return self.profile.has(entry.tag) if entry.tag else True

    # ---- life ------------------------------------------------------------------------

    def keep(self, suffix: str | None = None) -> list[Flash]:
        """The records a setting goes to: the running one, and flash when it is stored."""
        if suffix == "_CUR":
            return [self.now]
        if suffix == "_DEF" or self.profile.nonos or self.session.store:
            return [self.now, self.flash]
        return [self.now]

    def power_on(self) -> None:
        """All links gone, volatile settings back, stored ones loaded."""
        self.links = [None] * LINKS
        self.leftover.clear()
        self.listener = None
        self.phase = ""
        self.station = ""
        self.has_address = False
        self.now = copy.copy(self.flash)
        self.session = Volatile()
        self.wire.set_module_rate(self.flash.rate)

    async def boot(self) -> None:
        """ROM text at 74880 baud on the ESP8266 (unreadable at 115200), then ready."""
        # NonOS 0.3..0.5 s, ESP32 0.8..1.2 s from reset to ready.
        default = 0.4 if self.profile.esp8266 else 1.0
        duration = self.options.boot_time if self.options.boot_time is not None else default
        await self.sleep(duration / 2)
        if self.profile.esp8266:
            self.raw(b"\r\n" + noise(160, self.random) + b"\r\n")
        await self.sleep(duration / 2)
        self.boot_done()
        self.raw(b"\r\nready\r\n")

    # ---- links, as far as every group needs them --------------------------------------

    def link_line(self, number: int, word: str) -> str:
        """``<id>,WORD`` with AT+CIPMUX=1, ``WORD`` without."""
        return f"{number},{word}" if self.session.mux else word

    def open_links(self) -> list[Link]:
        """The links in use, by id."""
        return [link for link in self.links if link is not None]

    def drop_link(self, link: Link, *, abort: bool = False, tell: bool = True) -> None:
        """Close a link and print its CLOSED."""
        if self.links[link.number] is not link:
            return
        link.close(abort=abort)
        self.links[link.number] = None
        self.note("link closed", str(link.number))
        # In transparent mode notices need AT+SYSMSG bit 2.
        if tell and (self.phase != "transparent" or self.now.message & 4):
            self.say(self.link_line(link.number, "CLOSED"))
        self.link_freed()

    def link_freed(self) -> None:
        """A link id became free (the server may accept again)."""

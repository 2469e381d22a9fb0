"""Settings of the BG96 fake: what build() takes as strings, checked and typed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from fakes.cmux import FAULTS as CMUX_FAULTS
from fakes.ppp.manners import AUTHENTICATION, MANNERS
from fakes.slirp import missing

PORTS: Final = ("uart1", "usbat", "usbmodem")


class SettingError(ValueError):
    """A setting's value is not acceptable; the message names the setting and what it takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about the module and its network that a test may choose.

    Times are in seconds before scaling.
    """

    # the module
    port: str = "usbmodem"
    """The module's port at the other end of the wire: "uart1", "usbat" or "usbmodem"."""
    latency: float = -1.0
    """Command to answer; default 0.003 on USB, 0.020 on UART (measured on real modules)."""
    imei: str = "490154203237518"
    prompt_space: bool = True
    """Prompt ``> `` (BG96) or ``>`` (the siblings let the user choose)."""
    cgpaddr_quotes: bool = False
    """AT+CGPADDR address quoted (AT manual V2.2) or bare (real log)."""
    state3: bool = False
    """AT+QISTATE shows 3 for a connected client, as one real module does; the manual says 2."""
    keep_after_closed: bool = True
    """Whether data received before the peer's close can still be read (undocumented)."""
    cme_for_qi: bool = False
    """TCP/IP commands fail with ``+CME ERROR: 5xx`` instead of ``ERROR`` (other firmware)."""
    open_inactive: str = "error"
    """AT+QIOPEN without an active context: "error" (ERROR at once) or "urc" (OK, then 561)."""
    open_dns_busy: bool = False
    """AT+QIOPEN with a name during an AT+QIDNSGIP gives 568, as was seen once."""
    qiact_already: str = "error"
    """AT+QIACT on an active context: "error" (real logs) or "ok"."""
    open_result_port: str = "issuer"
    """+QIOPEN goes to the port of the command ("issuer") or follows "urcport" (undocumented)."""
    late_open: bool = False
    """A connect cut short by AT+QICLOSE still prints its +QIOPEN afterwards."""
    udp_rest: str = "drop"
    """A "UDP" datagram read in part: "drop" or "keep" the rest (undocumented)."""
    close_unknown: str = "ok"
    """AT+QICLOSE of an id that is not open: "ok" or "error" (sources disagree)."""
    close_delay: float = 0.0
    """How long the peer takes to acknowledge the end; AT+QICLOSE waits at most its timeout."""
    connect_delay: float = 0.056
    """Command to +QIOPEN on top of the real connect (56 ms was measured on an EC21)."""
    urc_in_prompt: bool = False
    """Unsolicited lines also between the prompt and the result of AT+QISEND."""
    urcport_fixed: bool = False
    """AT+QURCCFG is accepted without effect (release notes: so before R02A04)."""

    # SIM and network
    sim: str = "ready"
    """"ready", "absent", "failed" (a broken card) or "busy" (one that never gets ready)."""
    pin: str = ""
    """PIN that the SIM asks for; empty: no PIN."""
    puk: str = "12345678"
    imsi: str = "001010123456789"
    iccid: str = "8900101000000000017F"
    """Real BG96 prints a filler F behind a 19-digit ICCID."""
    rat: str = ""
    """Networks in reach: "m1", "nb1", "gsm" (EC25: "lte", "umts", "gsm"), several joined by "+";
    AT+QCFG says which serves. Empty: the first of these."""
    reg: str = "home"
    """"home", "roaming", "searching", "denied" or "delay:SECONDS" (searching, then home)."""
    operator: str = "Test Network"
    plmn: str = "00101"
    apn: str = ""
    """The only APN with which a context activates; empty: any."""
    address: str = ""
    """The module's own IPv4 address as it reports it; empty: where a peer can reach it."""
    link: str = "ok"
    """"ok", or "dead": contexts activate but carry nothing (seen in real logs)."""
    dial: str = "ok"
    """What a dial string gives: "ok", "no-carrier", "busy", "no-dialtone" or "error"."""
    connect_text: str = "150000000"
    """What stands behind CONNECT, unless ATX0 (PPP application note V1.0)."""
    escape_guard: float = 1.0
    """Silence around +++, seconds of line time (AT manual V2.2)."""
    ppp: str = ""
    """Faults of the PPP server, words of `fakes.ppp.MANNERS` joined by "+"."""
    ppp_auth: str = "none"
    """What the PPP server asks for: "none", "pap", "chap" or "context" (as AT+QICSGP says)."""
    ppp_user: str = ""
    ppp_password: str = ""
    """The only name and password that it takes; both empty: any."""
    ppp_address: str = "10.0.2.15"
    """IPv4 address that it gives to the host."""
    ppp_gateway: str = "10.0.2.2"
    """Its own; the computer's 127.0.0.1 is found there."""
    ppp_mru: str = "1500"
    """Largest packet that it takes, 64 to 1500 bytes."""
    network: str = "own"
    """The TCP and UDP behind PPP: "own", "slirp" (Debian's libslirp0), "auto"."""
    cmux: str = ""
    """Faults of the multiplexer, words of `fakes.cmux.FAULTS` joined by "+"."""
    forward: str = ""
    """Ports of loopback that lead to the dialling host's: tcp:8080+udp:5000."""
    ping: str = ""
    """Round trips of AT+QPING in ms, comma-separated, used in turn; empty: random by seed."""


_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "port": PORTS,
    "open_inactive": ("error", "urc"),
    "qiact_already": ("error", "ok"),
    "open_result_port": ("issuer", "urcport"),
    "udp_rest": ("drop", "keep"),
    "close_unknown": ("ok", "error"),
    "sim": ("ready", "absent", "failed", "busy"),
    "link": ("ok", "dead"),
    "dial": ("ok", "no-carrier", "busy", "no-dialtone", "error"),
    "network": ("own", "slirp", "auto"),
    "ppp_auth": AUTHENTICATION,
}
_DIGITS: Final = {"imei": 15, "imsi": 15, "pin": 0, "puk": 8}
_SWITCH: Final = {"yes": True, "no": False}


def names() -> tuple[str, ...]:
    """The setting names in alphabetical order."""
    return tuple(sorted(field.name for field in fields(Settings)))


def parse(given: Mapping[str, str]) -> Settings:
    """Check and type the settings.

    Raises:
        SettingError: a name is unknown or a value not acceptable; the message lists what is.
    """
    values: dict[str, Any] = {}
    defaults = {field.name: field.default for field in fields(Settings)}
    for name, text in given.items():
        if name not in defaults:
            raise SettingError(f"bg96 has no setting {name!r}; it has {', '.join(names())}")
        convert: Callable[[str, str], object] = _convert_text
        if isinstance(defaults[name], bool):
            convert = _convert_switch
        elif isinstance(defaults[name], float):
            convert = _convert_seconds
        values[name] = convert(name, text)
    return Settings(**values)


def _convert_switch(name: str, text: str) -> bool:
    if text not in _SWITCH:
        raise SettingError(f"bg96 setting {name}={text!r}: choose yes or no")
    return _SWITCH[text]


def _convert_seconds(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86400:
        raise SettingError(f"bg96 setting {name}={text!r}: give seconds, 0 to 86400")
    return value


def _convert_text(name: str, text: str) -> str:
    choices = _CHOICES.get(name)
    if choices is not None and text not in choices:
        raise SettingError(f"bg96 setting {name}={text!r}: choose {', '.join(choices)}")
    if name in _DIGITS and text:
        count = _DIGITS[name]
        wanted = 4 <= len(text) <= 8 if count == 0 else len(text) == count
        if not (text.isascii() and text.isdigit() and wanted):
            raise SettingError(f"bg96 setting {name}={text!r}: give {count or '4 to 8'} digits")
    if name == "network" and text == "slirp" and (why := missing()):
        raise SettingError(f"bg96 setting network='slirp': {why}")
    if name == "ppp" and (unknown := set(filter(None, text.split("+"))) - set(MANNERS)):
        raise SettingError(
            f"bg96 setting ppp={text!r}: no {min(unknown)}; choose of {', '.join(MANNERS)}"
        )
    if name == "cmux" and (unknown := set(filter(None, text.split("+"))) - set(CMUX_FAULTS)):
        raise SettingError(
            f"bg96 setting cmux={text!r}: no {min(unknown)}; choose of {', '.join(CMUX_FAULTS)}"
        )
    if name == "ppp_mru" and not (re.fullmatch(r"\d{2,4}", text) and 64 <= int(text) <= 1500):
        raise SettingError(f"bg96 setting ppp_mru={text!r}: give bytes, 64 to 1500")
    if name in ("ppp_address", "ppp_gateway"):
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            raise SettingError(f"bg96 setting {name}={text!r}: give an IPv4 address") from None
    if name == "reg":
        _check_registration(text)
    if name == "forward":
        ports(text)
    if name == "ping" and text:
        round_trips(text)
    if any(character in text for character in '"\r\n'):
        raise SettingError(f"bg96 setting {name}={text!r}: no quotes or line ends")
    return text


def _check_registration(text: str) -> None:
    kind, colon, seconds = text.partition(":")
    if kind == "delay" and colon:
        _convert_seconds("reg=delay", seconds)
    elif text not in {"home", "roaming", "searching", "denied"}:
        raise SettingError(
            f"bg96 setting reg={text!r}: choose home, roaming, searching, denied, delay:SECONDS"
        )


def round_trips(text: str) -> list[int]:
    """The list in setting `ping` (milliseconds).

    Raises:
        SettingError: an element is not a number.
    """
    try:
        return [int(part) for part in text.split(",") if part]
    except ValueError:
        raise SettingError(f"bg96 setting ping={text!r}: give milliseconds, a,b,c") from None


def ports(text: str) -> tuple[tuple[str, int], ...]:
    """The list in setting `forward`.

    Raises:
        SettingError: an element is no kind and port.
    """
    found = []
    for part in filter(None, text.split("+")):
        kind, _, number = part.partition(":")
        if kind not in ("tcp", "udp") or not re.fullmatch(r"\d{1,5}", number, re.ASCII):
            raise SettingError(
                f"bg96 setting forward={text!r}: give tcp:PORT or udp:PORT, + between"
            )
        if not 0 < int(number) < 65536:
            raise SettingError(f"bg96 setting forward={text!r}: a port is 1 to 65535")
        found.append((kind, int(number)))
    return tuple(found)

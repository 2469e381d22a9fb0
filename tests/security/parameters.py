"""Every parameter that a caller can give and that reaches the wire, with the call that carries it.

A `Parameter` runs the driver's own code against a channel that notes the command lines. Nothing is
left out by forgetting: `test_injection` compares this list with the drivers' settings, with every
use of an encoder, and with every function that makes a command from text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from atdriver.errors import CommandFailed
from atdriver.exchange import Command, Reply
from atdriver.registry import load_driver
from modems.bg96 import commands as bg96
from modems.bg96 import sim
from modems.bg96.network import Network
from modems.bg96.radio import Radio
from modems.esp8266 import commands as esp8266
from modems.esp8266.firmware import Firmware
from modems.esp8266.wifi import WiFi
from modems.sockets import ModuleSocket
from netsocket.address import SocketAddress, check_host
from netsocket.cellular import AccessPointName
from netsocket.module_tls import SET_HOSTNAME
from netsocket.stack import Kind
from netsocket.wifi import WiFiCredentials

FIRMWARE = Firmware("E", (2, 4, 0, 0), "", "E24")


class Noting:
    """A channel without a module: notes each line, answers with OK, and with what `answers` says
    for lines that begin so; False: with an error."""

    def __init__(self, answers: dict[bytes, list[bytes] | bool] | None = None) -> None:
        self.lines: list[bytes] = []
        self.listener: Any = None
        self.link = SimpleNamespace(name="nowhere")
        self.engine: Any = SimpleNamespace()
        self._answers = answers or {}

    async def run(self, command: Command, **_settings: object) -> Reply:
        self.lines.append(command.text + (command.payload or b"" if command.inline else b""))
        for begin, answer in self._answers.items():
            if command.text.startswith(begin):
                if isinstance(answer, bool):
                    raise CommandFailed(str(command), b"ERROR")
                return Reply(lines=list(answer))
        return Reply()


JOINED: dict[bytes, list[bytes] | bool] = {
    b"AT+CIPSTA?": [b'+CIPSTA:ip:"192.0.2.9"'],
    b"AT+CWJAP?": [],
}
ACTIVE: dict[bytes, list[bytes] | bool] = {
    b"AT+QIACT=": False,
    b"AT+QIGETERROR": False,
    b"AT+QICSGP=1\0": [],
}

Carry = Callable[[Noting, str], Awaitable[object]]


@dataclass(frozen=True)
class Parameter:
    """`name` of it, the `module` it is for, a value that is surely taken, and the call."""

    module: str
    name: str
    benign: str
    carry: Carry
    answers: dict[bytes, list[bytes] | bool]
    covers: tuple[str, ...]
    """Settings ("set ssid"), encoder labels, command functions ("commands.join") it stands for."""
    same: Callable[[str], str] = str
    """What is to arrive for a text that was taken."""
    read: Callable[[bytes], tuple[bytes, list[bytes]]] | None = None
    """Name and parameters of what was written; None: as the module reads an AT command."""

    def write(self, text: str) -> tuple[list[bytes], BaseException | None]:
        """The lines that are written for it, and what the driver raises."""
        channel = Noting(self.answers)
        try:
            self.carry(channel, text).send(None)  # type: ignore[attr-defined]
        except StopIteration:
            return channel.lines, None
        except Exception as error:
            return channel.lines, error
        raise AssertionError("the driver waits for something")


def _stack(module: str, channel: Noting) -> Any:
    driver = load_driver(module)
    values = {setting.name: setting.default for setting in driver.settings}
    stack = driver.create(channel, module, values)  # type: ignore[arg-type]
    stack._status = None
    return stack


_KEPT: dict[str, Any] = {}


def _kept(module: str, channel: Noting) -> Any:
    """One stack for all strings; only its channel changes."""
    if module not in _KEPT:
        _KEPT[module] = _stack(module, channel)
    _KEPT[module].channel = channel
    return _KEPT[module]


def _wifi(channel: Noting, **values: str) -> Awaitable[object]:
    credentials = WiFiCredentials(values.pop("ssid", "lab"), values.pop("password", "secret99"))
    return WiFi(credentials=credentials, **values).join(channel, FIRMWARE)  # type: ignore[arg-type]


def _apn(channel: Noting, **values: str) -> Awaitable[object]:
    name = AccessPointName(**{"apn": "internet", **values})
    return Network(name=name)._activate(channel)  # type: ignore[arg-type]


async def _radio(channel: Noting, radio: str, bands: str) -> None:
    found = Radio.read(radio, bands)
    for name, value in found._wanted().items():
        from modems.bg96.radio import _merged, write

        await write(channel, name, value if name != "band" else _merged(found.bands, "0"))  # type: ignore[arg-type]


async def _run(channel: Noting, command: Command) -> None:
    await channel.run(command)


def _literal(text: str) -> str:
    address = SocketAddress(text, 80)
    if not address.is_literal:
        raise ValueError("a name is resolved first")
    return address.host


async def _tls_name(channel: Noting, text: str) -> None:
    stack = _kept("esp8266", channel)
    stack._server_names, stack._former_modes = {}, {}
    sock = ModuleSocket(0, 1, Kind.TCP)
    stack._sockets = {0: sock}
    stack._set_tls(sock, SET_HOSTNAME, text.encode("utf-8", "surrogatepass"))
    await stack._prepare_tls(sock, 0)


PARAMETERS = (
    Parameter("esp8266", "SSID", "lab", lambda c, s: _wifi(c, ssid=s), JOINED,
              ("set ssid", "the SSID", "commands.join")),
    Parameter("esp8266", "password", "secret99", lambda c, s: _wifi(c, password=s), JOINED,
              ("set password", "the WiFi password")),
    Parameter("esp8266", "address", "192.0.2.7", lambda c, s: _wifi(c, address=s, gateway="192.0.2.1"),
              JOINED, ("set ip", "the address")),
    Parameter("esp8266", "gateway", "192.0.2.1", lambda c, s: _wifi(c, address="192.0.2.7", gateway=s),
              JOINED, ("set gateway", "the gateway")),
    Parameter("esp8266", "netmask", "255.255.0.0",
              lambda c, s: _wifi(c, address="192.0.2.7", gateway="192.0.2.1", netmask=s),
              JOINED, ("set netmask", "the netmask")),
    Parameter("esp8266", "name to resolve", "srv.test", lambda c, s: _kept("esp8266", c)._resolve(s, 0),
              {b"AT": False}, ("a host name", "commands.resolve")),
    Parameter("esp8266", "host to ping", "srv.test", lambda c, s: _kept("esp8266", c).ping(s),
              {b"AT": False}, ("commands.ping",)),
    Parameter("esp8266", "TLS server name", "srv.test", _tls_name, {b"AT+CIPSSLCCONF?": False},
              ("a server name",), check_host),
    Parameter("esp8266", "address to connect to", "192.0.2.7",
              lambda c, s: _run(c, esp8266.start_tcp(0, _literal(s), 80, 0)), {}, ("commands.start_tcp",),
              _literal),
    Parameter("esp8266", "address of the first peer", "192.0.2.7",
              lambda c, s: _run(c, esp8266.start_udp(0, 9, (_literal(s), 80))), {}, ("commands.start_udp",),
              _literal),
    Parameter("esp8266", "address to send to", "192.0.2.7",
              lambda c, s: _run(c, esp8266.send(0, b"x", (_literal(s), 80), 1.0)), {}, ("commands.send",),
              _literal),
    Parameter("bg96", "APN", "internet", lambda c, s: _apn(c, apn=s), ACTIVE,
              ("set apn", "the APN", "commands.profile")),
    Parameter("bg96", "user", "me", lambda c, s: _apn(c, user=s), ACTIVE,
              ("set user", "the APN's user name")),
    Parameter("bg96", "password", "word", lambda c, s: _apn(c, password=s), ACTIVE,
              ("set password", "the APN's password")),
    Parameter("bg96", "PIN", "1234", sim._enter, {}, ("set pin", "commands.pin")),  # type: ignore[arg-type]
    Parameter("bg96", "technologies", "gsm", lambda c, s: _radio(c, s, ""), {}, ("set radio",)),
    Parameter("bg96", "bands", "b3", lambda c, s: _radio(c, "", s), {}, ("set bands",)),
    Parameter("bg96", "name to resolve", "srv.test", lambda c, s: _kept("bg96", c)._resolve(s, 0),
              {b"AT": False}, ("a host name", "commands.resolve")),
    Parameter("bg96", "host to ping", "srv.test", lambda c, s: _kept("bg96", c).ping(s), {b"AT": False},
              ("commands.ping",)),
    Parameter("bg96", "address to connect to", "192.0.2.7",
              lambda c, s: _run(c, bg96.open_tcp(0, _literal(s), 80, 0)), {}, ("commands.open_tcp",), _literal),
    Parameter("bg96", "host of a TLS connection", "srv.test",
              lambda c, s: _run(c, bg96.open_tls(0, SocketAddress(s, 80).host, 80)), {},
              ("commands.open_tls",), lambda s: SocketAddress(s, 80).host),
    Parameter("bg96", "address to send to", "192.0.2.7",
              lambda c, s: _run(c, bg96.send(0, b"x", (_literal(s), 80))), {}, ("commands.send",), _literal),
)  # fmt: skip
"""In the order of the modules."""

NOT_ON_THE_WIRE = {
    "set trace": "a file of this computer",
    "set receive": "one of two words, checked by Setting.read",
    "set reconnect": "one of a few words, checked by Setting.read",
    "set auth": "one of three words, checked by Setting.read",
    "set urc_port": "one of four words, checked by Setting.read",
    "set data": "one of two words, checked by Setting.read",
    "set ip": "one of three words, checked by Setting.read",
    "set encoding": "one of two words, checked by Setting.read",
    "set program": "words of a program that is run, by no shell",
}
"""Settings that are text and need no case, and why. `atdriver at` sends what a person types: that is
its purpose, and it refuses control characters (tests/cli)."""

"""The front door: from a specification to a network interface.

with open_modem("esp8266:/dev/ttyUSB0", ssid="lab", password="…") as net:
    sock = net.create_connection(("example.org", 80), timeout=10)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from atdriver.channel import Channel
from atdriver.choosing import choose
from atdriver.cmux import multiplexed
from atdriver.detect import find_driver
from atdriver.discovery import find_port
from atdriver.engine import Engine
from atdriver.errors import SpecificationError
from atdriver.hosted import HOSTED, has_wire, hosted, interface_name
from atdriver.link import Link
from atdriver.links.memory import MemoryLink
from atdriver.links.paced import PacedLink
from atdriver.links.rfc2217 import Rfc2217Link
from atdriver.links.serial import SerialLink
from atdriver.links.tcp import TcpLink
from atdriver.plug import Plug
from atdriver.registry import (
    LINK_SETTINGS,
    Driver,
    InterfaceDriver,
    Value,
    load_any,
    load_driver,
    load_fake,
)
from atdriver.specification import Specification, collect, parse, read_profile, refuse
from atdriver.trace import trace_to
from netsocket.blocking_interface import NetworkInterface
from netsocket.blocking_kinds import (
    CellularInterface,
    EthernetInterface,
    MeshInterface,
    WiFiInterface,
)
from netsocket.interface import AsyncNetworkInterface
from netsocket.interface_kinds import (
    AsyncCellularInterface,
    AsyncEthernetInterface,
    AsyncMeshInterface,
    AsyncWiFiInterface,
)
from netsocket.portal import Portal
from netsocket.stack import Stack

if TYPE_CHECKING:
    from netsocket.capability.farend import FarEnd

_ASYNC: dict[str, type[AsyncNetworkInterface]] = {
    "wifi": AsyncWiFiInterface,
    "cellular": AsyncCellularInterface,
    "ethernet": AsyncEthernetInterface,
    "thread": AsyncMeshInterface,
    "lowpan": AsyncMeshInterface,
}
_BLOCKING: dict[str, type[NetworkInterface]] = {
    "wifi": WiFiInterface,
    "cellular": CellularInterface,
    "ethernet": EthernetInterface,
    "thread": MeshInterface,
    "lowpan": MeshInterface,
}
FAKE_WIFI = {"ssid": "fake", "password": "fakefake"}
"""What an in-process WiFi fake offers, and the driver joins, when the user names no network."""
FAKE_LOOPBACK_6 = "fd00:64:64:1::1"
"""What the mesh of an in-process node calls this computer's ::1."""
FAKE_LOWPAN = {
    "nat64": "fd00:64:64::/96",
    "rbid": "00112233445566778899AABBCCDDEEFF",
    "password": "0123456789AB",
}
"""What an in-process mesh takes, and the driver uses where the user says nothing else."""
FAKE_GATEWAY, FAKE_GATEWAY_6 = "10.0.2.2", "fd00:a02::2"
"""What this computer is called behind the PPP of an in-process fake."""
FAKE_NAME = "far.test"
"""This computer's name there: "localhost" is never asked of a name server (RFC 6761, 6.3)."""
FAKE_OPEN = "fake-open"
"""An open network that every in-process WiFi fake hears as well."""


@dataclass(slots=True)
class Modem:
    """A modem that has been put together but not opened: what the interfaces are made of."""

    kind: str
    stack: Stack
    channel: Channel | None
    settings: Mapping[str, Value] = field(default_factory=dict, repr=False)
    """Every setting of the driver, as collected; may hold secrets."""
    far_end: Callable[[], FarEnd] | None = None
    """Makes the only peers that this stack can reach; None where it reaches what others do."""

    def interface(self) -> AsyncNetworkInterface:
        """A new interface of this modem's kind."""
        return _ASYNC[self.kind](self.stack)


async def named(specification: str) -> str:
    """A specification without `auto`, the port of `MODULE:auto` and the module of `auto:PORT`.

    The first looks at USB identities, the second asks. Raises PortMissing, SpecificationError,
    UnknownModule, and for `auto:PORT` what opening a port raises.
    """
    found = parse(specification)
    if found.port == "auto" and found.module != "auto" and has_wire(found.module):
        load_driver(found.module)
        port = await asyncio.get_running_loop().run_in_executor(None, find_port, found.module)
        return _written(replace(found, port=port))
    if found.module != "auto":
        return specification
    if found.port == "auto":
        raise SpecificationError("auto:auto: name the module or the port; see `atdriver ports`")
    values, _ = collect(
        LINK_SETTINGS, keywords={}, specification=found.settings, options={}, profile={}
    )
    found = await find_driver(found, _real_link(found.port, values))
    return _written(found)


def _written(found: Specification) -> str:
    settings = "".join(f",{key}={value}" for key, value in found.settings.items())
    return f"{found.module}{settings}:{found.port}"


def assemble(
    specification: str,
    *,
    keywords: Mapping[str, Value] | None = None,
    options: Mapping[str, str] | None = None,
    profile: str | Path | None = None,
) -> Modem:
    """Put a modem together from a specification and settings; nothing is opened yet.

    `options` are `--set` values. Raises SpecificationError (and UnknownModule).
    """
    found = parse(specification)
    keywords = dict(keywords or {})
    if found.module in HOSTED:
        refuse(found.module, {**keywords, **found.settings}, ())
        own, far_end = hosted(found.module, found.port)
        return Modem("ethernet", own, None, far_end=far_end)
    driver = load_any(found.module)
    values, strangers = collect(
        driver.settings,
        keywords=keywords,
        specification=found.settings,
        options=options or {},
        profile=read_profile(profile) if profile else {},
    )
    if isinstance(driver, InterfaceDriver):
        refuse(found.module, strangers, driver.settings)
        device = interface_name(found.module, found.port)
        own = driver.on_interface(device, found.module, values)
        return Modem(driver.kind, own, None, values)
    if found.port == "fake":
        make_link = _fake_link(found, driver, values, strangers)
    else:
        refuse(found.module, strangers, driver.settings)
        make_link = _real_link(found.port, values)
    if values.get("mux"):
        make_link = multiplexed(make_link, int(values["baud"]))
    if driver.dialect.pace is not None:
        make_link = _paced(make_link, *driver.dialect.pace)
    path = str(values["trace"])
    channel = Channel(Engine(driver.dialect), make_link, trace_to(path) if path else None)
    stack: Stack = driver.create(channel, found.module, values)
    far_end = None
    if found.port == "fake" and values.get("data") == "ppp":
        far_end = _behind_ppp(str(strangers.get("forward", "")))
    return Modem(driver.kind, stack, channel, values, far_end=far_end)


def _behind_ppp(forward: str) -> Callable[[], FarEnd]:
    """A fake's PPP leads to this computer by another name, and back where `forward` says so
    (docs/fakes.md, Dialling)."""
    ports = [int(part[4:]) for part in forward.split("+") if part.startswith("tcp:")]

    def far_end() -> FarEnd:
        from netsocket.capability.farnat import ForwardedFarEnd

        return ForwardedFarEnd(FAKE_GATEWAY, FAKE_GATEWAY_6, ports, name=FAKE_NAME)

    return far_end


def _real_link(port: str, values: Mapping[str, Value]) -> Callable[[], Link]:
    baud = int(values["baud"])
    if port.startswith("tcp://"):
        host, number = _host_port(port, "tcp://")
        return lambda: TcpLink(host, number)
    if port.startswith("rfc2217://"):
        host, number = _host_port(port, "rfc2217://")
        return lambda: Rfc2217Link(host, number, rate=baud)
    plug = Plug(port)
    return lambda: SerialLink(port, rate=baud, rtscts=bool(values["rtscts"]), plug=plug)


def _paced(make: Callable[[], Link], size: int, pause: float) -> Callable[[], Link]:
    return lambda: PacedLink(make(), size, pause)


def _host_port(port: str, scheme: str) -> tuple[str, int]:
    host, _, number = port.removeprefix(scheme).rpartition(":")
    if not host or not number.isdigit() or not 0 < int(number) < 65536:
        raise SpecificationError(f"{port}: {scheme}host:port is expected")
    return host.strip("[]"), int(number)


def _fake_link(
    found: Specification,
    driver: Driver,
    values: dict[str, Value],
    strangers: Mapping[str, Value],
) -> Callable[[], Link]:
    """An in-process fake: settings that the driver does not know are the fake's own."""
    build = load_fake(found.module)
    own = {key: str(value) for key, value in strangers.items()}
    resolve = {"localhost": "127.0.0.1", FAKE_NAME: "127.0.0.1"}
    for pair in filter(None, own.pop("resolve", "").split(";")):
        name, equals, address = pair.partition("=")
        if not equals:
            raise SpecificationError(f"resolve={pair!r}: NAME=ADDRESS is expected")
        resolve[name] = address
    access_points = {}
    if driver.kind == "wifi":
        if not values["ssid"]:
            values.update(FAKE_WIFI)
        access_points = {FAKE_OPEN: "", str(values["ssid"]): str(values["password"])}
    if driver.kind == "lowpan":
        usual = {setting.name: setting.default for setting in driver.settings}
        for name, value in FAKE_LOWPAN.items():
            if name in values and values[name] == usual[name]:
                values[name] = value
    numbers = {name: _number(name, own.pop(name)) for name in ("seed", "time_scale") if name in own}
    numbers.setdefault("time_scale", 0.0)

    def make() -> Link:
        module = build(resolve=resolve, access_points=access_points, **numbers, **own)
        return MemoryLink(module, f"{found.module}:fake")

    make()  # a wrong setting is told now, not when the link is opened
    return make


def _number(name: str, text: str) -> Any:
    try:
        return int(text) if name == "seed" else float(text)
    except ValueError:
        raise SpecificationError(f"setting {name}={text}: a number is expected") from None


class OpeningModem:
    """What `aopen_modem` returns: await it, or use it with `async with`."""

    def __init__(self, specification: str, settings: Mapping[str, Value]) -> None:
        self._specification = specification
        self._settings = settings
        self._modem: Modem | None = None
        self._interface: AsyncNetworkInterface | None = None

    async def _named(self) -> str:
        return await named(self._specification)

    async def _open(self) -> AsyncNetworkInterface:
        specification = await self._named()
        modem = self._modem = _assemble_call(specification, self._settings)
        interface = modem.interface()
        try:
            await interface.up()
        except BaseException:
            await interface.close()
            raise
        self._interface = interface
        return interface

    def __await__(self) -> Generator[Any, None, AsyncNetworkInterface]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncNetworkInterface:
        return await self._open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._interface is not None:
            await self._interface.close()


class OpeningInterface(OpeningModem):
    """What `aopen_interface` returns; see OpeningModem."""

    def __init__(self, kind: str, ask: bool, settings: Mapping[str, Value]) -> None:
        super().__init__(kind, settings)
        self._ask = ask

    async def _named(self) -> str:
        return await named(await choose(self._specification, named if self._ask else None))


def _assemble_call(specification: str, settings: Mapping[str, Value]) -> Modem:
    keywords = dict(settings)
    profile = keywords.pop("profile", None)
    return assemble(specification, keywords=keywords, profile=str(profile) if profile else None)


def aopen_modem(specification: str, **settings: Value) -> OpeningModem:
    """Open a modem in the running event loop.

        async with aopen_modem("bg96:/dev/ttyUSB2", apn="internet") as net:
            reader, writer = await net.open_connection("example.org", 80)

    Settings are those of the driver, and `profile`, a TOML file with more of them. Raises
    SpecificationError, PortMissing, PortDenied, PortBusy, ModuleSilent, and what Stack.up raises.
    """
    return OpeningModem(specification, settings)


def aopen_interface(kind: str, *, ask: bool = False, **settings: Value) -> OpeningModem:
    """Open the interface of a kind, whichever module it is, in the running event loop.

        async with aopen_interface("thread") as net: ...

    `kind` is ethernet, wifi, cellular, thread or lowpan; which module that is, see
    `atdriver.choosing`. `ask`: also look behind USB-serial bridges, by asking AT modules what they
    are. Settings as for `aopen_modem`. Raises PortMissing and SpecificationError naming what was
    looked for, and what `aopen_modem` raises.
    """
    return OpeningInterface(kind, ask, settings)


def open_interface(kind: str, *, ask: bool = False, **settings: Value) -> NetworkInterface:
    """As `aopen_interface`, for a program without an event loop."""
    return _opened(OpeningInterface(kind, ask, settings))


def open_modem(specification: str, **settings: Value) -> NetworkInterface:
    """Open a modem for a program without an event loop; returns when it is attached.

    All blocking modems share one daemon thread, in which calls of this interface are refused.
    Settings and errors as for `aopen_modem`.
    """
    return _opened(OpeningModem(specification, settings))


def _opened(modem: OpeningModem) -> NetworkInterface:
    async def opening() -> tuple[AsyncNetworkInterface, str]:
        interface = await modem
        assert modem._modem is not None
        return interface, modem._modem.kind

    portal = Portal.shared()
    interface, kind = portal.run(opening())
    return _BLOCKING[kind].of(interface, portal)

"""The same as `parameters`, for the nodes of a mesh and for PPP's login: each parameter that reaches
the wire, and readers of that wire which share nothing with the drivers.

OpenThread CLI Reference: words between blanks, a backslash keeps the next character; `dataset set
active` takes TLVs (Thread 1.3, 8.10.1). RIOT's shell: words between blanks. SKSTACK-IP Command
Reference Manual, chapter 3: words between blanks, SKSENDTO and SKSEND then so many bytes as they say.
PAP: RFC 1334, 2.2.1; CHAP: RFC 1994, 4.1.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Awaitable, Callable
from typing import Any

from atdriver.ppp.auth import LOGINS
from atdriver.ppp.packets import Packet
from atdriver.registry import load_any
from modems.meshnode import Translation
from modems.openthread import commands as openthread
from modems.openthread import wanted_dataset
from modems.ppp import session_settings
from modems.riot import commands as riot
from modems.skstack import commands as skstack
from modems.skstack import login
from modems.skstack.dialect import link_local, written
from modems.skstack.network import coordinators
from modems.sockets import ModuleSocket
from netsocket.address import SocketAddress
from netsocket.cellular import AccessPointName, Authentication
from netsocket.stack import Kind

from .parameters import Carry, Noting, Parameter, _literal

Read = tuple[bytes, list[bytes]]
CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
KEY = "00112233445566778899aabbccddeeff"
RBID = "0123456789ABCDEF0123456789ABCDEF"
HEX = "000300001403056761726465"
"""Channel 20, the name garde."""


# -- readers --------------------------------------------------------------------------------------


def words(text: bytes) -> list[bytes]:
    """Raises ValueError for what ends a line, or would not be read as it stands."""
    if CONTROL.search(text) or not text.isascii():
        raise ValueError(f"control characters, or more than ASCII: {text!r}")
    return [re.sub(rb"\\(.)", rb"\1", each) for each in re.findall(rb"(?:\\.|[^\\ ])+", text)]


def address(text: bytes) -> bytes:
    return str(ipaddress.ip_address(text.decode("ascii"))).encode()


def read_openthread(text: bytes) -> Read:
    """A payload as its bytes, an address in its usual form; what else there is, as it is."""
    match words(text):
        case [b"udp" as name, b"send", host, port, b"-x" | b"-t", *rest]:
            shown = b"".join(rest)
            return name, [address(host), port, bytes.fromhex(shown.decode("ascii"))]
        case [b"tcp" as name, b"send", *rest]:
            shown = rest[-1] if rest and rest[-1] != b"-x" else b""
            return name, [bytes.fromhex(shown.decode("ascii"))]
        case [b"tcp" as name, b"connect", host, port]:
            return name, [address(host), port]
        case [b"ping" as name, host]:
            return name, [address(host)]
        case [name, *values]:
            return name, values
    raise ValueError(text)


def read_dataset(text: bytes) -> Read:
    """Name, key, channel and PAN id in a dataset that is set."""
    name, values = read_openthread(text)
    if values[:2] != [b"set", b"active"]:
        return name, values
    (shown,) = values[2:]
    raw, found = bytes.fromhex(shown.decode("ascii")), {}
    while raw:
        kind, length = raw[:2]
        found[kind], rest = raw[2 : 2 + length], raw[2 + length :]
        assert len(found[kind]) == length
        raw = rest
    channel, pan_id = (str(int.from_bytes(found[kind][-2:])).encode() for kind in (0, 1))
    return name, [found[3], found[5].hex().encode(), channel, pan_id]


def read_riot(text: bytes) -> Read:
    bare = re.sub(rb"[\x80-\xff]", b"", text) if text.startswith(b"buffer_write ") else text
    assert words(bare)  # bytes of a stream's text may be any but control characters
    match re.findall(rb"(?:\\.|[^\\ ])+", text):
        case [b"udp" as name, b"send", b"-b", place, *rest]:
            found = re.fullmatch(rb"\[([0-9a-f:]+)\]:(\d+)", place)
            assert found is not None, text
            shown = b"".join(rest)
            return name, [address(found[1]), found[2], bytes.fromhex(shown.decode("ascii"))]
        case [b"gnrc_tcp_open" as name, place, port]:
            found = re.fullmatch(rb"\[([0-9a-f:]+)\]:(\d+)", place)
            assert found is not None, text
            return name, [address(found[1]), found[2], port]
        case [b"buffer_write" as name, at, shown]:
            return name, [at, re.sub(rb"\\(.)", rb"\1", shown)]
    raise ValueError(text)


def read_skstack(text: bytes) -> Read:
    send = re.fullmatch(rb"(SKSEND) 1 ([0-9A-F]{4}) (.*)", text, re.DOTALL)
    sendto = re.fullmatch(
        rb"(SKSENDTO) 1 ([0-9A-F:]{39}) ([0-9A-F]{4}) [01] ([0-9A-F]{4}) (.*)", text, re.DOTALL
    )
    if sendto is not None:
        name, host, port, count, payload = sendto.groups()
        assert int(count, 16) == len(payload)
        return name, [address(host), port, payload]
    if send is not None:
        name, count, payload = send.groups()
        assert int(count, 16) == len(payload)
        return name, [payload]
    if CONTROL.search(text) or not text.isascii():
        raise ValueError(text)
    match text.split(b" "):  # no escapes are known
        case [b"SKSETPWD" as name, count, secret] if int(count, 16) == len(secret):
            return name, [secret]
        case [b"SKJOIN" | b"SKCONNECT" as name, host, *rest]:
            return name, [address(host), *rest]
        case [b"SKSETRBID" | b"SKSCAN" as name, *values]:
            return name, values
    raise ValueError(text)


def read_login(text: bytes) -> Read:
    code, _, total = text[0], text[1], int.from_bytes(text[2:4])
    assert total == len(text)
    first = text[5 : 5 + text[4]]
    rest = text[5 + text[4] :]
    if code == 1:  # PAP: both with their length
        assert rest[0] == len(rest) - 1
        return b"PAP", [first, rest[1:]]
    assert len(first) == 16
    return b"CHAP", [rest]


# -- carriers -------------------------------------------------------------------------------------


@functools.cache
def defaults(module: str) -> dict[str, Any]:
    return {setting.name: setting.default for setting in load_any(module).settings}


def node(module: str, channel: Noting, **values: str) -> Any:
    """A stack as its driver makes it."""
    driver: Any = load_any(module)
    usual = defaults(module)
    if module == "openthread-host":
        return driver.on_interface("wpan0", module, {**usual, **values})
    return driver.create(channel, module, {**usual, **values})


_NODES: dict[str, Any] = {}


def kept(module: str, channel: Noting, **values: str) -> Any:
    """One for all strings; only its channel changes."""
    name = module + str(values)
    if name not in _NODES:
        _NODES[name] = node(module, channel, **values)
    _NODES[name].channel = _NODES[name]._control = channel
    return _NODES[name]


async def joined(module: str, channel: Noting, **values: str) -> None:
    stack = kept(module, channel)
    stack._wanted = wanted_dataset({**defaults(module), **values})
    await stack._give_dataset(running=False)


async def told(module: str, channel: Noting, text: str) -> None:
    stack = kept(module, channel)
    stack.set_dataset(text)
    await stack._give_dataset(running=False)


async def logged_in(channel: Noting, rbid: str = RBID, password: str = "pass") -> None:
    stack = kept("skstack", channel)
    stack._rbid, stack._password = login(rbid, password)
    await stack._join()


async def sent(module: str, channel: Noting, data: bytes, host: str | None, **values: str) -> None:
    stack = kept(module, channel, **values)
    kind = Kind.TCP if host is None else Kind.UDP
    sock = ModuleSocket(0, 1, kind)
    sock.link = 17 if (module, kind) == ("skstack", Kind.TCP) else 1
    if module == "skstack":
        stack._sending.clear()
    place = None if host is None else SocketAddress(host, 80)
    await channel.run(stack._send_command(sock, data, place))


def payload(module: str, host: str | None, **values: str) -> Carry:
    def carry(channel: Noting, text: str) -> Awaitable[object]:
        return sent(module, channel, text.encode("utf-8", "replace"), host, **values)

    return carry


def translated(module: str) -> Carry:
    return lambda channel, text: sent_through(module, channel, text)


async def sent_through(module: str, channel: Noting, prefix: str) -> None:
    """A datagram to an IPv4 address, through this prefix."""
    stack = kept(module, channel, nat64="fd00:1::/96")
    stack.translation = Translation(prefix)
    sock = ModuleSocket(0, 1, Kind.UDP)
    sock.link = 1
    await channel.run(stack._send_command(sock, b"x", SocketAddress("192.0.2.7", 80)))


def reached(module: str) -> Carry:
    return lambda channel, text: sent(module, channel, b"x", _literal(text))


async def pinged(channel: Noting, text: str) -> None:
    inside = kept("openthread", channel)._inside(_literal(text))
    await channel.run(openthread.ping(inside))


async def connected(channel: Noting, text: str) -> None:
    inside = kept("openthread", channel)._inside(_literal(text))
    await channel.run(openthread.tcp_connect(inside, 80))


async def connected_by_riot(channel: Noting, text: str) -> None:
    inside = kept("riot", channel)._translated(SocketAddress(_literal(text), 80))
    await channel.run(riot.connect(inside, 80, 0, 120.0))


async def streamed_by_riot(channel: Noting, text: str, encoding: str = "none") -> None:
    """A text of one line: longer ones take several."""
    stack, data = kept("riot", channel, encoding=encoding), text.encode("utf-8", "replace")
    stack._check_bytes(data)
    lines = [each for _, _, each in riot.writes(data.hex().encode() if encoding == "hex" else data)]
    if len(lines) != 1 or not data or b"\0" in data:
        raise ValueError("more than one line")
    await channel.run(lines[0])


async def connected_by_skstack(channel: Noting, text: str) -> None:
    place = SocketAddress(_literal(text), 80)
    inside = kept("skstack", channel)._translated(place)
    await channel.run(skstack.tcp_connect(written(inside), 80, 4000))


async def found(channel: Noting, text: str) -> None:
    """A coordinator whose address came by the air."""
    lines = ["EPANDESC", "  Channel:21", "  Pan ID:8888", f"  Addr:{text}"]
    heard = coordinators(lines)
    if not heard:
        raise ValueError("left out")
    (one,) = heard
    await channel.run(skstack.join(written(link_local(one.eui64))))


async def ppp_login(channel: Noting, way: str, **values: str) -> None:
    name = AccessPointName("internet", **values, authentication=Authentication(way))
    made = LOGINS[way](channel.lines.append, lambda _: None, session_settings(name).credentials)
    made.begin(0.0)
    if way == "chap":
        made.receive(Packet(1, 7, bytes((4,)) + b"abcd").encode())


# -- what arrives -----------------------------------------------------------------------------------


def usual(text: str) -> str:
    """An address in its usual form, without its zone: the node has one interface."""
    return str(ipaddress.ip_address(_literal(text).partition("%")[0]))


def in_mesh(text: str) -> str:
    """The same where IPv4 goes through the well-known prefix (RFC 6052, 2.1)."""
    found = usual(text)
    return found if ":" in found else str(ipaddress.ip_address(f"64:ff9b::{found}"))


def by_prefix(text: str) -> str:
    prefix = ipaddress.ip_network(text).network_address
    return str(ipaddress.ip_address(int(prefix) | 0xC0000207))


def number(text: str) -> str:
    return str(int(text, 0))


def digits(text: str) -> str:
    return bytes.fromhex(text).hex()


def eui64(text: str) -> str:
    raw = bytes.fromhex(text)
    return str(ipaddress.ip_address(b"\xfe\x80" + bytes(6) + bytes((raw[0] ^ 2,)) + raw[1:]))


def replaced(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def case(
    module: str, name: str, benign: str, carry: Carry, read: Callable[[bytes], Read],
    covers: tuple[str, ...], same: Callable[[str], str] = str,
) -> Parameter:  # fmt: skip
    answers = dict(EMPTY)
    return Parameter(module, name, benign, carry, answers, covers, same, read)


EMPTY: dict[bytes, list[bytes] | bool] = {
    b"dataset active": [], b"dns": False, b"SKSCAN": False,
}  # fmt: skip
THREAD = {"network": "garden", "key": KEY, "panid": "0x1234"}
FAR = "fd00::7"
MESH: tuple[Parameter, ...] = tuple(
    each
    for thread in ("openthread", "openthread-host")
    for each in (
        case(thread, "dataset", HEX, lambda c, s, m=thread: joined(m, c, dataset=s), read_openthread,
             ("set dataset",), digits),
        case(thread, "dataset of set_dataset", HEX, lambda c, s, m=thread: told(m, c, s),
             read_openthread, (), digits),
        case(thread, "network", "garden", lambda c, s, m=thread: joined(m, c, **{**THREAD, "network": s}),
             read_dataset, ("set network",)),
        case(thread, "key", KEY, lambda c, s, m=thread: joined(m, c, **{**THREAD, "key": s}),
             read_dataset, ("set key",), digits),
        case(thread, "PAN id", "0x1234", lambda c, s, m=thread: joined(m, c, **{**THREAD, "panid": s}),
             read_dataset, ("set panid",), number),
    )
) + (
    case("openthread", "name to resolve", "srv.test", lambda c, s: kept("openthread", c)._resolve(s, 0),
         read_openthread, ("commands.resolve", "commands.line", "commands.set_dataset")),
    case("openthread", "address to ping", FAR, pinged, read_openthread, ("commands.ping",), usual),
    case("openthread", "address to connect to", FAR, connected, read_openthread,
         ("commands.tcp_connect",), usual),
    case("openthread", "address to send to", FAR, reached("openthread"), read_openthread,
         ("commands.udp_send",), usual),
    case("openthread", "NAT64 prefix", "fd00:64::/96", translated("openthread"), read_openthread,
         ("set nat64",), by_prefix),
    case("openthread", "datagram", "hello", payload("openthread", FAR), read_openthread, (), replaced),
    case("openthread", "datagram in hexadecimal", "hello", payload("openthread", FAR, encoding="hex"),
         read_openthread, (), replaced),
    case("openthread", "stream", "hello", payload("openthread", None), read_openthread,
         ("commands.tcp_send",), replaced),
    case("openthread", "stream in hexadecimal", "hello", payload("openthread", None, encoding="hex"),
         read_openthread, (), replaced),
    case("riot", "address to send to", FAR, reached("riot"), read_riot, ("commands.line",), in_mesh),
    case("riot", "address to connect to", FAR, connected_by_riot, read_riot, ("commands.connect",), in_mesh),
    case("riot", "stream", "hello", streamed_by_riot, read_riot,
         ("commands.writes", "commands.arrived"), replaced),
    case("riot", "NAT64 prefix", "fd00:64::/96", translated("riot"), read_riot, ("set nat64",), by_prefix),
    case("riot", "datagram", "hello", payload("riot", FAR), read_riot, (), replaced),
    case("skstack", "route-B ID", RBID, lambda c, s: logged_in(c, rbid=s), read_skstack,
         ("set rbid", "commands.identity")),
    case("skstack", "password", "word", lambda c, s: logged_in(c, password=s), read_skstack,
         ("set password", "commands.password")),
    case("skstack", "address of a coordinator", "001122FFFE334455", found, read_skstack,
         ("commands.join",), eui64),
    case("skstack", "address to connect to", FAR, connected_by_skstack, read_skstack,
         ("commands.tcp_connect",), in_mesh),
    case("skstack", "address to send to", FAR, reached("skstack"), read_skstack,
         ("commands.udp_send",), in_mesh),
    case("skstack", "NAT64 prefix", "fd00:64::/96", translated("skstack"), read_skstack, ("set nat64",),
         by_prefix),
    case("skstack", "datagram", "hello", payload("skstack", FAR), read_skstack, (), replaced),
    case("skstack", "stream", "hello", payload("skstack", None), read_skstack, ("commands.tcp_send",),
         replaced),
    case("ppp", "user by PAP", "me", lambda c, s: ppp_login(c, "pap", user=s, password="word"), read_login,
         ("auth._octets",)),
    case("ppp", "password by PAP", "word", lambda c, s: ppp_login(c, "pap", user="me", password=s), read_login, ()),
    case("ppp", "user by CHAP", "me", lambda c, s: ppp_login(c, "chap", user=s, password="word"), read_login,
         ()),
)  # fmt: skip

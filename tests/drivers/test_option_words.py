"""Every socket option at every kind of socket: what is refused says why, in a whole sentence and a record
with its source, and nothing goes over the wire for it; in virtual time."""

from __future__ import annotations

import errno
import re
import struct
from collections.abc import Awaitable
from typing import Any

import pytest

from modems import options
from netsocket import errors
from netsocket.capability.model import Level
from netsocket.module_tls import ENABLE, SET_CACERT, SET_HOSTNAME, TLS_LEVEL
from netsocket.stack import Handle, Kind
from tests.drivers.calls import ECHO, stream, tell, written
from tests.faults.bench import Bench, assemble, opened, virtual
from tests.faults.ends import dial

OFF = struct.pack("ii", 0, 0)
RESET = struct.pack("ii", 1, 0)
LONG = struct.pack("ii", 1, 3)
PAIRED = "a group is joined only as the destination of AT+CIPSTART, and never left"
GLOBAL = (
    "the BG96 has none; on the BG95 it is one setting for all sockets, in minutes, and not this "
    "socket's to make"
)
FIXED = "the module's buffer is fixed, and its size is not documented"
BG96 = {
    options.KEEPALIVE: GLOBAL,
    options.KEEPIDLE: GLOBAL,
    options.KEEPINTVL: GLOBAL,
    options.NODELAY: "no command sets it; each AT+QISEND is handed to the network at once",
    options.RCVBUF: FIXED,
    options.SNDBUF: FIXED,
    options.REUSEADDR: "no command sets it",
    options.BROADCAST: "the module sends no broadcasts",
    options.JOIN: "the module joins no groups",
    options.LEAVE: "the module joins no groups",
}
ESPRESSIF = {
    options.KEEPINTVL: "probes are 1 s apart, 3 of them, and cannot be set",
    options.KEEPCNT: "3 probes are sent, 1 s apart, and that cannot be set",
    options.RCVBUF: "the module's window is fixed",
    options.SNDBUF: "the module's buffer is fixed",
    options.TOS: "no command sets the type of service",
    options.JOIN: PAIRED,
    options.LEAVE: PAIRED,
}
NAMES = {
    options.KEEPALIVE: "SO_KEEPALIVE", options.LINGER: "SO_LINGER", options.REUSEADDR: "SO_REUSEADDR",
    options.BROADCAST: "SO_BROADCAST", options.RCVBUF: "SO_RCVBUF", options.SNDBUF: "SO_SNDBUF",
    options.NODELAY: "TCP_NODELAY", options.KEEPIDLE: "TCP_KEEPIDLE",
    options.KEEPINTVL: "TCP_KEEPINTVL", options.KEEPCNT: "TCP_KEEPCNT",
    options.JOIN: "IP_ADD_MEMBERSHIP", options.LEAVE: "IP_DROP_MEMBERSHIP", options.TOS: "IP_TOS",
    options.DEVICE: "SO_BINDTODEVICE", (1, 9999): "option 1/9999",
}  # fmt: skip
DATAGRAMS = "datagram sockets have no such option"


async def refused(bench: Bench, call: Awaitable[Any], number: int = errno.ENOPROTOOPT) -> Any:
    """The error of a call that is refused without a question to the module."""
    since = len(bench.wire.lines)
    with pytest.raises(errors.NotSupported) as caught:
        await call
    assert caught.value.errno == number
    assert written(bench, since) == []
    return caught.value


@virtual
async def test_what_a_bg96_refuses() -> None:
    async with opened("bg96") as bench:
        stack = bench.stack
        for kind in Kind:
            handle = await stack.open(kind)
            for key, name in NAMES.items():
                if key == options.LINGER and kind is Kind.TCP:
                    continue
                for call, default in (
                    (lambda *key: stack.set_option(*key, 1), "no command sets it"),
                    (stack.get_option, "no command tells it"),
                ):
                    error = await refused(bench, call(handle, *key))
                    because = BG96.get(key, default)
                    assert error.reason == f"{name} on the bg96: {because}"
                    record = error.capability
                    assert record.level is Level.NONE
                    assert record.source.title == "Quectel BG96 TCP(IP) AT Commands Manual"


@virtual
async def test_linger_of_a_bg96() -> None:
    async with opened("bg96") as bench:
        stack = bench.stack
        tcp = await stack.open(Kind.TCP)
        for value, on in ((OFF, 0), (RESET, 1), (LONG, 1), (OFF, 0)):
            await stack.set_option(tcp, *options.LINGER, value)
            assert await stack.get_option(tcp, *options.LINGER) == on


@virtual
async def test_what_an_espressif_module_refuses() -> None:
    """One that can do what the documents say: E24."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        tcp, udp = await stack.open(Kind.TCP), await stack.open(Kind.UDP)
        for key, name in NAMES.items():
            because = ESPRESSIF.get(key, "no command sets it")
            if key not in (options.KEEPALIVE, options.KEEPIDLE, options.NODELAY, options.LINGER,
                           options.REUSEADDR):  # fmt: skip
                error = await refused(bench, stack.set_option(tcp, *key, 1))
                assert error.reason == f"{name} on the esp8266: {because}"
                assert error.capability.source is not None
            if key != options.BROADCAST:
                error = await refused(bench, stack.set_option(udp, *key, 1))
                own = key in (options.KEEPALIVE, options.KEEPIDLE, options.NODELAY, options.LINGER)
                assert error.reason == f"{name} on the esp8266: {DATAGRAMS if own else because}"
                error = await refused(bench, stack.get_option(udp, *key))
                because = ESPRESSIF.get(key, "no command tells it")
                assert error.reason == f"{name} on the esp8266: {because}"
        for handle, key in ((tcp, options.REUSEADDR), (udp, options.BROADCAST)):
            error = await refused(bench, stack.set_option(handle, *key, 0))
            assert error.reason == f"{NAMES[key]} on the esp8266: always on"
            await stack.set_option(handle, *key, 1)
            assert await stack.get_option(handle, *key) == 1
        error = await refused(bench, stack.set_option(tcp, *options.LINGER, LONG))
        assert error.reason == (
            "SO_LINGER on the esp8266: a close that waits blocks the module's port for every socket, "
            "and firmware 2.4 to 4.1 hangs or restarts in it"
        )
        assert error.capability.source.section == "TCP/IP AT Commands: AT+CIPTCPOPT"


async def told(bench: Bench, handle: Handle) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for key, name in NAMES.items():
        try:
            found[name] = await bench.stack.get_option(handle, *key)
        except errors.NotSupported:
            found[name] = None
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("firmware", "window", "frame"),
    [("N17", 2920, 2048), ("E2", 5760, 2048), ("E22", 5760, 2048), ("E22-ESP32", 5744, 2048),
     ("E24", 5760, 8192), ("E33", 5760, 8192)],
)  # fmt: skip
@virtual
async def test_what_an_espressif_module_tells(firmware: str, window: int, frame: int) -> None:
    async with opened("esp8266", firmware) as bench:
        stack = bench.stack
        tcp, udp = await stack.open(Kind.TCP), await stack.open(Kind.UDP)
        expected = {"SO_KEEPALIVE": 0, "TCP_KEEPIDLE": 7200, "TCP_NODELAY": 0, "SO_LINGER": 0,
                    "SO_RCVBUF": window, "SO_SNDBUF": frame}  # fmt: skip
        if firmware != "N17":
            expected |= {"TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 3, "SO_REUSEADDR": 1}
        assert await told(bench, tcp) == expected
        assert await told(bench, udp) == {"SO_BROADCAST": 1}
        await stack.set_option(tcp, *options.KEEPALIVE, 1)
        await stack.set_option(tcp, *options.KEEPIDLE, 60)
        await stack.set_option(tcp, *options.LINGER, RESET)
        expected |= {"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 60, "SO_LINGER": 1}
        assert await told(bench, tcp) == expected


@virtual
async def test_keepalive_that_comes_too_late() -> None:
    """Before v2.4 it can only be set before connecting."""
    async with opened("esp8266", "E2") as bench:
        stack = bench.stack
        tcp = await stream(bench, ECHO)
        await stack.set_option(tcp, *options.KEEPIDLE, 60)
        with pytest.raises(errors.NotSupported) as caught:
            await stack.set_option(tcp, *options.KEEPALIVE, 1)
        assert caught.value.errno == errno.EINVAL
        assert caught.value.reason == (
            "SO_KEEPALIVE on the esp8266: it can only be set before connecting"
        )
        source = caught.value.capability.source
        assert source is not None
        assert source.section == "TCP/IP AT Commands: AT+CIPSTART"
        assert (await told(bench, tcp))["SO_KEEPALIVE"] == 0
        for value in (0, 7201, -1):
            with pytest.raises(errors.InvalidArgument) as invalid:
                await stack.set_option(tcp, *options.KEEPIDLE, value)
            assert invalid.value.reason == f"TCP_KEEPIDLE of {value} s: 1 to 7200"
        for value in (1, 7200):
            await stack.set_option(tcp, *options.KEEPIDLE, value)


@virtual
async def test_options_of_an_open_link_are_written_once() -> None:
    """`<id>,<linger>,<no-delay>,<send timeout>,<keep-alive>`: only what differs from what it has."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        await stream(bench)
        tcp = await stream(bench)
        for key, value, line in (
            (options.NODELAY, 1, "AT+CIPTCPOPT=1,-1,1,0,0"),
            (options.NODELAY, 2, ""),
            (options.KEEPIDLE, 60, ""),
            (options.KEEPALIVE, 1, "AT+CIPTCPOPT=1,-1,1,0,60"),
            (options.KEEPIDLE, 61, "AT+CIPTCPOPT=1,-1,1,0,61"),
            (options.KEEPALIVE, 0, "AT+CIPTCPOPT=1,-1,1,0,0"),
            (options.NODELAY, 0, "AT+CIPTCPOPT=1,-1,0,0,0"),
            (options.LINGER, RESET, ""),
            (options.LINGER, OFF, ""),
        ):
            since = len(bench.wire.lines)
            await stack.set_option(tcp, *key, value)
            found = [each for each in written(bench, since) if not each.endswith("?")]
            assert found == ([line] if line else [])


@virtual
async def test_accepted_links_before_241_have_no_options() -> None:
    """AT+CIPTCPOPT does not reach them (change list of 2022-06)."""
    async with opened("esp8266", "E22") as bench:
        stack = bench.stack
        listener = await stack.open(Kind.TCP)
        await stack.listen(listener, 1)
        port = (await stack.local_address(listener)).port
        dial(bench, port)
        found = await tell(lambda: stack.accept(listener))
        for key, value in ((options.NODELAY, 1), (options.LINGER, RESET)):
            with pytest.raises(errors.NotSupported) as caught:
                await stack.set_option(found[0], *key, value)
            assert caught.value.reason == (
                f"{NAMES[key]} on the esp8266: without effect on accepted links before v2.4.1"
            )
        assert not re.search(rb"CIPTCPOPT=", bench.wire.written)


@virtual
async def test_accepted_links_since_241_have_them() -> None:
    bench = assemble("esp8266")
    bench.step(on=r"AT\+GMR", say=("AT version:2.4.1.0(s - ESP32 - b)", "OK"))
    async with bench.net:
        stack = bench.stack
        listener = await stack.open(Kind.TCP)
        await stack.listen(listener, 1)
        dial(bench, (await stack.local_address(listener)).port)
        found = await tell(lambda: stack.accept(listener))
        await stack.set_option(found[0], *options.NODELAY, 1)
        assert written(bench)[-1] == "AT+CIPTCPOPT=0,-1,1,0,0"


@pytest.mark.parametrize(
    ("version", "because"),
    [
        ("1.6.2.0(Apr 13 2018)", "AT+CIPCLOSEMODE came with v1.7"),
        ("2.0.0.0(a - b)", "no linger option before v2.1"),
    ],
)
@virtual
async def test_a_firmware_that_cannot_reset_a_connection(version: str, because: str) -> None:
    bench = assemble("esp8266", "N17" if version.startswith("1") else "E2")
    bench.step(on=r"AT\+GMR", say=(f"AT version:{version}", "OK"))
    async with bench.net:
        tcp = await bench.stack.open(Kind.TCP)
        error = await refused(bench, bench.stack.set_option(tcp, *options.LINGER, RESET))
        assert error.reason == f"SO_LINGER on the esp8266: {because}"
        assert error.capability.id == "option.linger"
        await bench.stack.set_option(tcp, *options.LINGER, OFF)


# -- TLS of the module -------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["esp8266", "bg96"])
@virtual
async def test_tls_of_the_module_is_chosen_before_the_connection(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp, udp, listener = (
            await stream(bench),
            await stack.open(Kind.UDP),
            await stack.open(Kind.TCP),
        )
        for handle in (tcp, udp):
            with pytest.raises(errors.InvalidArgument) as caught:
                await stack.set_option(handle, TLS_LEVEL, ENABLE, 1)
            assert caught.value.reason == "TLS is chosen for a stream, before it is connected"
        await stack.set_option(listener, TLS_LEVEL, ENABLE, 1)
        error = await refused(bench, stack.listen(listener, 1), errno.EOPNOTSUPP)
        assert error.reason == "it makes connections only"
        assert error.capability.id == "tls.module"
        await stack.set_option(listener, TLS_LEVEL, ENABLE, 0)
        await stack.listen(listener, 1)
        with pytest.raises(errors.InvalidArgument):
            await stack.set_option(listener, TLS_LEVEL, ENABLE, 1)


@pytest.mark.parametrize("module", ["esp8266", "bg96"])
@virtual
async def test_what_tls_of_the_module_cannot_be_told(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stack.open(Kind.TCP)
        for name in (SET_CACERT, 99):
            error = await refused(bench, stack.set_option(tcp, TLS_LEVEL, name, b"pem"))
            assert error.reason == (
                f"no certificates are loaded into the {module}: use TLS on the host"
            )
            assert error.capability.id == "tls.module"
        if module == "bg96":
            error = await refused(bench, stack.set_option(tcp, TLS_LEVEL, SET_HOSTNAME, b"a.test"))
            assert error.reason == ("the bg96 cannot tell the server a name other than the host's")
        else:
            await stack.set_option(tcp, TLS_LEVEL, SET_HOSTNAME, b"a.test")
            for wrong in (b"\xff", b"a b"):
                with pytest.raises(errors.InvalidArgument) as caught:
                    await stack.set_option(tcp, TLS_LEVEL, SET_HOSTNAME, wrong)
                assert caught.value.reason == f"no name of a server: {wrong!r}"


@virtual
async def test_tls_of_a_module_that_has_none() -> None:
    async with opened("esp8266", "N17") as bench:
        tcp = await bench.stack.open(Kind.TCP)
        error = await refused(bench, bench.stack.set_option(tcp, TLS_LEVEL, ENABLE, 1))
        assert error.capability.id == "tls.module"


def test_linger_is_a_struct() -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        options.linger_seconds(1)
    assert caught.value.reason == 'SO_LINGER takes struct.pack("ii", on, seconds)'
    with pytest.raises(errors.InvalidArgument) as caught:
        options.linger_seconds(struct.pack("ii", 1, -1))
    assert caught.value.reason == "SO_LINGER of -1 s: 0 to 65535 are possible"
    with pytest.raises(errors.InvalidArgument) as caught:
        options.integer(b"abc")
    assert caught.value.reason == "an option of 3 bytes: 4 are expected"

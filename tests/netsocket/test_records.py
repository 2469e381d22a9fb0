"""Addresses, errors, capability records, report, life table: the plain data."""

from __future__ import annotations

import errno
import inspect
import pickle
import socket

import pytest
from transitions import MachineError

from netsocket import errors
from netsocket.address import InvalidHostName, SocketAddress
from netsocket.capability import CATALOGUE, Capability, CapabilityTable, Level, Manual, NoLimit
from netsocket.capability.report import render_html, render_markdown
from netsocket.lifecycle import TRANSITIONS, SocketEvent, SocketLife, SocketState

MANUAL = Manual("AT Manual", "1.2", "3.4")


def test_address_is_a_pair() -> None:
    address = SocketAddress("example.org", 80)
    host, port = address
    assert (host, port) == address == ("example.org", 80)
    assert hash(address) == hash(("example.org", 80))
    assert pickle.loads(pickle.dumps(address)) == address
    assert str(SocketAddress("::1", 5)) == "[::1]:5"


@pytest.mark.parametrize(
    "host",
    [
        *('a"b', "a b", "a\r\nAT+RST", "a,b", "a\0", "a/b", "\u2024"),
        *("-a", "a-", "a..b", ".", "1.2.3", "256.1.1.1"),
        *("[::1]", "1.2.3.4%eth0", "::1%a b"),
    ],
)
def test_address_refuses_what_is_no_host(host: str) -> None:
    with pytest.raises(InvalidHostName):
        SocketAddress(host, 1)


def test_address_refuses_what_is_too_long() -> None:
    for host in ("x" * 64, ".".join(["abcdefg"] * 40)):
        with pytest.raises(InvalidHostName):
            SocketAddress(host, 1)


@pytest.mark.parametrize(
    ("given", "kept", "family"),
    [
        ("127.0.0.1", "127.0.0.1", socket.AF_INET),
        ("0:0::1", "::1", socket.AF_INET6),
        ("fe80::1%eth0", "fe80::1%eth0", socket.AF_INET6),
        ("bücher.example", "xn--bcher-kva.example", socket.AF_UNSPEC),
        ("_a.b-c.example.", "_a.b-c.example.", socket.AF_UNSPEC),
        ("", "", socket.AF_UNSPEC),
        ("<broadcast>", "255.255.255.255", socket.AF_INET),
    ],
)
def test_address_canonical_form(given: str, kept: str, family: int) -> None:
    address = SocketAddress(given, 1)
    assert address.host == kept
    assert address.family == family
    assert address.is_literal == (family != socket.AF_UNSPEC)


def test_address_coerce_as_cpython() -> None:
    assert SocketAddress.coerce(("::1", 80, 0, 0)) == ("::1", 80)
    assert SocketAddress.coerce(("fe80::1", 80, 0, 3)).host == "fe80::1%3"
    assert SocketAddress.coerce((b"a.example", True)) == ("a.example", 1)
    for wrong in (["a", 1], "a:1", ("a",), ("a", "1"), (None, 1), ("a", 1.0), ("a", 1, 2, 3, 4)):
        with pytest.raises(TypeError):
            SocketAddress.coerce(wrong)
    for port in (-1, 65536):
        with pytest.raises(OverflowError):
            SocketAddress.coerce(("a", port))
    assert SocketAddress("0.0.0.0", 1).is_wildcard
    assert not SocketAddress("a", 1).is_wildcard


def _kinds() -> list[type[errors.NetsocketError]]:
    return [
        kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.NetsocketError)
        and not name.startswith("_")
        and kind not in (errors.NetsocketError, errors.NotSupported)
    ]


@pytest.mark.parametrize("kind", _kinds())
def test_every_error_speaks_both_languages_and_pickles(kind: type[errors.NetsocketError]) -> None:
    error = kind("it went wrong", module_code="550")  # type: ignore[call-arg]
    assert error.reason == "it went wrong"
    assert "it went wrong" in str(error)
    assert "550" in str(error)
    if not isinstance(error, socket.gaierror):
        builtin = type(OSError(error.errno, ""))
        assert isinstance(error, builtin), "a naive handler must catch it"
    assert error.nsapi in errors.Nsapi
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.errno, copy.nsapi, copy.module_code, copy.reason, str(copy)) == (
        error.errno,
        error.nsapi,
        "550",
        "it went wrong",
        str(error),
    )


def test_error_facts() -> None:
    unknown = errors.SendUnknown("gone", accepted=3, unknown=7)
    assert isinstance(unknown, ConnectionResetError)
    copy = pickle.loads(pickle.dumps(unknown))
    assert (copy.accepted, copy.unknown) == (3, 7)
    assert isinstance(errors.NameNotFound("x"), socket.gaierror)
    assert errors.NetworkNotFound("x").errno == errno.ENETUNREACH
    assert [code.value for code in errors.Nsapi] == [0, *range(-3001, -3021, -1)]


def test_operating_system_errors_translate() -> None:
    reset = errors.from_os_error(OSError(errno.ECONNRESET, "by peer"))
    assert type(reset) is errors.ConnectionReset
    odd = errors.from_os_error(OSError(errno.EXDEV, "odd"))
    assert (odd.errno, odd.nsapi) == (errno.EXDEV, errors.Nsapi.DEVICE_ERROR)
    name = errors.from_os_error(socket.gaierror(socket.EAI_AGAIN, "later"))
    assert type(name) is errors.NameTryAgain


def test_capability_require_and_limit() -> None:
    table = CapabilityTable(
        "m", "1", [Capability("tcp.half_close", Level.NONE, "both at once", MANUAL)]
    )
    with pytest.raises(errors.NotSupported, match="both at once") as caught:
        table["tcp.half_close"].require()
    assert caught.value.errno == errno.EOPNOTSUPP
    assert pickle.loads(pickle.dumps(caught.value)).capability == table["tcp.half_close"]
    assert table["ipv6"].level is Level.UNKNOWN
    table["ipv6"].require()
    assert "ipv6" in table.unstated
    assert list(table) == list(CATALOGUE)
    with pytest.raises(NoLimit, match="frame"):
        table.limit("frame.max_send")
    changed = table.with_changes(Capability("sockets.max", Level.FULL, limit=5), firmware="2")
    assert changed.limit("sockets.max") == 5
    assert changed.firmware == "2"
    assert changed["tcp.half_close"] is table["tcp.half_close"]
    assert "sockets.max" in table.unstated
    with pytest.raises(ValueError, match="catalogue"):
        CapabilityTable("m", "1", [Capability("tcp.fly", Level.FULL)])
    with pytest.raises(ValueError, match="twice"):
        CapabilityTable("m", "1", [Capability("ipv6", Level.FULL)] * 2)


def test_report_shows_claims_and_escapes() -> None:
    table = CapabilityTable(
        "m<1>",
        "fw",
        [
            Capability("tcp.half_close", Level.NONE, "a|b & <c>", MANUAL),
            Capability("frame.max_send", Level.PARTIAL, limit=1460, unit="bytes"),
        ],
    )
    page = render_html([table], "from <manuals>")
    assert "m&lt;1&gt;" in page
    assert "a|b &amp; &lt;c&gt;" in page
    assert "AT Manual 1.2, section 3.4" in page
    assert "1460 bytes" in page
    assert "nothing here was measured on hardware" in page
    assert "http" not in page, "self-contained"
    assert all(f"<code>{id_}</code>" in page for id_ in CATALOGUE)
    text = render_markdown([table], "from manuals")
    assert "a\\|b" in text
    assert "nothing here was measured on hardware" in text


def test_life_table_reaches_everything_and_refuses_the_rest() -> None:
    reached = {SocketState.CLOSED}
    for _ in SocketState:
        for _event, sources, target in TRANSITIONS:
            if reached & set(sources):
                reached.add(target)
    assert reached == set(SocketState)
    allowed = {(event, source) for event, sources, _t in TRANSITIONS for source in sources}
    for event in SocketEvent:
        for state in SocketState:
            life = SocketLife()
            life.state = state
            assert life.may(event) == ((event, state) in allowed)
            if (event, state) in allowed:
                life.happened(event)
                assert life.state in SocketState
            else:
                with pytest.raises(MachineError):
                    life.happened(event)

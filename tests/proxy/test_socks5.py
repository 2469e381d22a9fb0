"""SOCKS5 without input and output: every cut, every garbage, every reply (RFC 1928, RFC 1929)."""

from __future__ import annotations

import errno
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsocket.adapters.socks5 import TABLE, Command, Negotiation, Request, State
from netsocket.adapters.socks5_wire import (
    Refusal,
    Reply,
    datagram_read,
    datagram_written,
    reply,
    reply_for,
)
from netsocket.address import SocketAddress
from netsocket.capability.model import Capability, Level
from netsocket.errors import (
    AuthenticationFailed,
    ConnectionRefused,
    ConnectTimeout,
    DeviceError,
    HostUnreachable,
    NameNotFound,
    NetworkDown,
    NetworkNotFound,
    NoSocket,
    NotSupported,
)

OPEN = b"\x05\x01\x00"
ASK = b"\x05\x01\x00"


def name(text: bytes, port: int = 80, command: int = 1) -> bytes:
    return bytes((5, command, 0, 3, len(text))) + text + struct.pack("!H", port)


def right(user: bytes, password: bytes) -> bool:
    return (user, password) == (b"me", b"pass:word")


CASES = {
    "a name": (None, OPEN + name(b"example.org"), b"\x05\x00", ("example.org", 80), b""),
    "IPv4": (
        None,
        b"\x05\x02\x00\x01" + ASK + b"\x01\x7f\x00\x00\x01\x1f\x90",
        b"\x05\x00",
        ("127.0.0.1", 8080),
        b"",
    ),
    "IPv6": (
        None,
        OPEN + ASK + b"\x04" + bytes(15) + b"\x01\x01\xbb",
        b"\x05\x00",
        ("::1", 443),
        b"",
    ),
    "early data": (None, OPEN + name(b"a") + b"GET /", b"\x05\x00", ("a", 80), b"GET /"),
    "a password": (
        right,
        b"\x05\x02\x00\x02" + b"\x01\x02me\x09pass:word" + name(b"a"),
        b"\x05\x02\x01\x00",
        ("a", 80),
        b"",
    ),
    "a password that nobody asked for": (
        None,
        b"\x05\x01\x02" + b"\x01\x02xx\x02yy" + name(b"a"),
        b"\x05\x02\x01\x00",
        ("a", 80),
        b"",
    ),
    "an international name": (
        None,
        OPEN + name("bücher.example".encode()),
        b"\x05\x00",
        ("xn--bcher-kva.example", 80),
        b"",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_request_however_it_is_cut(case: str) -> None:
    check, sent, answers, address, rest = CASES[case]
    for first in range(len(sent) + 1):
        for second in (first, (first + len(sent)) // 2, len(sent)):
            negotiation = Negotiation(check)
            got = b"".join(
                negotiation.feed(part) for part in (sent[:first], sent[first:second], sent[second:])
            )
            assert negotiation.request == Request(Command.CONNECT, SocketAddress(*address))
            assert (negotiation.state, got) == (State.REQUESTED, answers)
            assert negotiation.rest == rest


def test_byte_by_byte_each_answer_comes_at_once() -> None:
    negotiation = Negotiation(right)
    sent = b"\x05\x01\x02" + b"\x01\x02me\x09pass:word" + name(b"a", command=3)
    answers = [negotiation.feed(bytes((byte,))) for byte in sent]
    assert answers[2] == b"\x05\x02"
    assert answers[2 + 14] == b"\x01\x00"
    assert b"".join(answers) == b"\x05\x02\x01\x00"
    assert negotiation.request == Request(Command.UDP_ASSOCIATE, SocketAddress("a", 80))


REFUSALS = {
    "SOCKS4": (None, b"\x04\x01", b""),
    "no method": (None, b"\x05\x00", b"\x05\xff"),
    "only GSSAPI": (None, b"\x05\x01\x01", b"\x05\xff"),
    "no password offered": (right, OPEN, b"\x05\xff"),
    "wrong password": (right, b"\x05\x01\x02\x01\x02me\x01x", b"\x05\x02\x01\x01"),
    "wrong user": (right, b"\x05\x01\x02\x01\x01x\x09pass:word", b"\x05\x02\x01\x01"),
    "password of another version": (right, b"\x05\x01\x02\x05", b"\x05\x02\x01\x01"),
    "request of another version": (None, OPEN + b"\x04\x01\x00\x01", b"\x05\x00" + reply(Reply(1))),
    "an unknown command": (
        None,
        OPEN + name(b"a", command=9),
        b"\x05\x00" + reply(Reply.COMMAND_NOT_SUPPORTED),
    ),
    "an unknown kind of address": (
        None,
        OPEN + ASK + b"\x02",
        b"\x05\x00" + reply(Reply.ADDRESS_NOT_SUPPORTED),
    ),
    "an empty name": (None, OPEN + name(b""), b"\x05\x00" + reply(Reply.HOST_UNREACHABLE)),
    "a name that is none": (
        None,
        OPEN + name(b'a",1\r\nAT'),
        b"\x05\x00" + reply(Reply.HOST_UNREACHABLE),
    ),
    "a name in no encoding": (
        None,
        OPEN + name(b"\xff\xfe"),
        b"\x05\x00" + reply(Reply.HOST_UNREACHABLE),
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_served_is_refused(case: str) -> None:
    check, sent, answers = REFUSALS[case]
    for cut in range(len(sent) + 1):
        negotiation = Negotiation(check)
        got = negotiation.feed(sent[:cut]) + negotiation.feed(sent[cut:])
        assert (negotiation.state, got) == (State.REFUSED, answers)
        assert negotiation.problem
        assert negotiation.request is None
        assert negotiation.feed(b"more") == b""
        assert negotiation.denied == case.startswith("wrong")


@given(data=st.binary(max_size=600), secret=st.booleans(), cut=st.integers(0, 600))
def test_garbage_never_raises_and_cuts_change_nothing(data: bytes, secret: bool, cut: int) -> None:
    check = right if secret else None
    whole, parts = Negotiation(check), Negotiation(check)
    assert whole.feed(data) == parts.feed(data[:cut]) + parts.feed(data[cut:])
    assert (whole.state, whole.request) == (parts.state, parts.request)
    assert not secret or whole.state is not State.REQUESTED or whole.request is None


@given(data=st.binary(max_size=300))
def test_garbage_behind_a_greeting(data: bytes) -> None:
    negotiation = Negotiation()
    negotiation.feed(OPEN)
    negotiation.feed(b"\x05" + data)
    if negotiation.state is State.REQUESTED:
        assert negotiation.request is not None
        assert len(negotiation.rest) < len(data)


def test_the_table_knows_every_way_out() -> None:
    ends = {State.REQUESTED, State.REFUSED}
    assert {state for state, _event in TABLE} == set(State) - ends
    assert ends <= set(TABLE.values())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionRefused("x"), 5),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), 5),
        (ConnectTimeout("x"), 6),
        (TimeoutError(), 6),
        (HostUnreachable("x"), 4),
        (NameNotFound("x"), 4),
        (socket.gaierror(socket.EAI_NONAME, "x"), 4),
        (ValueError("x"), 4),
        (NetworkDown("x"), 3),
        (NetworkNotFound("x"), 3),
        (AuthenticationFailed("x"), 2),
        (NotSupported(Capability("x", Level.NONE)), 7),
        (NotSupported(Capability("x", Level.NONE), errno=errno.EAFNOSUPPORT), 8),
        (NoSocket("x"), 1),
        (DeviceError("x"), 1),
        (OSError("without a number"), 1),
    ],
)
def test_every_error_has_a_reply(error: BaseException, code: int) -> None:
    assert reply_for(error) == code
    assert reply(reply_for(error))[:2] == bytes((5, code))


def test_every_errno_has_a_reply() -> None:
    for number in errno.errorcode:
        assert reply_for(OSError(number, "x")) in set(Reply) - {Reply.SUCCEEDED}


@given(
    host=st.sampled_from(["127.0.0.1", "2001:db8::1", "example.org", "a" * 63]),
    port=st.integers(0, 65535),
    payload=st.binary(max_size=100),
)
def test_datagrams_there_and_back(host: str, port: int, payload: bytes) -> None:
    address = SocketAddress(host, port)
    assert datagram_read(datagram_written(address, payload)) == (address, payload)


@given(data=st.binary(max_size=40))
def test_garbage_in_datagrams_is_refused_or_read(data: bytes) -> None:
    try:
        address, payload = datagram_read(data)
    except Refusal:
        return
    assert data.endswith(payload)
    assert isinstance(address, SocketAddress)


def test_fragments_are_refused() -> None:
    whole = datagram_written(SocketAddress("127.0.0.1", 53), b"x")
    with pytest.raises(Refusal, match="fragment"):
        datagram_read(whole[:2] + b"\x01" + whole[3:])

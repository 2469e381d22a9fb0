"""Pieces of the drivers that need no module: options' values, senders, lives, old firmware."""

from __future__ import annotations

import errno
import struct

import pytest

from atdriver.errors import UnsupportedFirmware
from modems.esp8266.firmware import identify
from modems.lifecycle import ModuleLife, ModuleState
from modems.options import integer, linger_seconds
from modems.sockets import BUFFER_CAP, ModuleSocket, sender_of
from netsocket.address import SocketAddress
from netsocket.stack import Kind


def test_the_value_of_an_integer_option() -> None:
    assert integer(7) == 7
    assert integer(struct.pack("i", -3)) == -3
    for wrong in (b"", b"\1", bytes(3), bytes(5), bytes(8)):
        with pytest.raises(OSError, match=f"an option of {len(wrong)} bytes") as caught:
            integer(wrong)
        assert caught.value.errno == errno.EINVAL


def test_the_value_of_linger() -> None:
    assert linger_seconds(struct.pack("ii", 0, 99)) is None
    for seconds in (0, 1, 65535):
        assert linger_seconds(struct.pack("ii", 1, seconds)) == seconds
    for seconds in (-1, 65536):
        with pytest.raises(OSError, match="0 to 65535 are possible") as caught:
            linger_seconds(struct.pack("ii", 1, seconds))
        assert caught.value.errno == errno.EINVAL
    for wrong in (1, b"", bytes(4), bytes(16)):
        with pytest.raises(OSError, match="SO_LINGER takes"):
            linger_seconds(wrong)


@pytest.mark.parametrize(
    ("found", "sender"),
    [
        ({"host": b"192.0.2.1", "port": b"80"}, ("192.0.2.1", 80)),
        ({"quoted": b"192.0.2.2", "host": b"192.0.2.1", "port": b"80"}, ("192.0.2.2", 80)),
        ({"host": b"2001:DB8::1", "port": b"65535"}, ("2001:db8::1", 65535)),
        ({}, None),
        ({"host": b"192.0.2.1"}, None),
        ({"host": b"192.0.2.1", "port": b""}, None),
        ({"host": b"192.0.2.1", "port": b"65536"}, None),
        ({"host": b"192.0.2.1", "port": b"x"}, None),
        ({"host": b"192.0.2.256", "port": b"80"}, None),
        ({"host": b"\xff", "port": b"80"}, None),
    ],
)
def test_a_sender_is_an_address_or_none(
    found: dict[str, bytes], sender: tuple[str, int] | None
) -> None:
    assert sender_of(found) == (None if sender is None else SocketAddress(*sender))


def test_datagrams_are_kept_up_to_a_limit_and_not_behind_an_error() -> None:
    sock = ModuleSocket(0, 0, Kind.UDP)
    assert sock.deliver(bytes(BUFFER_CAP - 1), None)
    assert not sock.deliver(bytes(2), None)
    assert sock.deliver(bytes(1), SocketAddress("192.0.2.1", 1))
    payload, sender = sock.take_datagram(10)
    assert (len(payload), sender) == (10, SocketAddress("", 0))
    assert sock.queued == 1
    sock.broken = OSError("gone")
    assert not sock.deliver(b"x", None)


def test_a_life_that_has_ended_takes_no_notice() -> None:
    life = ModuleLife()
    life.fire("failed")
    assert life.state is ModuleState.OFF
    life.begin()
    life.begin()
    life.fire("found")
    assert life.state is ModuleState.RESPONDING
    life.end()
    life.end()
    life.fire("failed")
    assert life.state is ModuleState.OFF


def test_the_first_firmware_says_its_version_without_a_date_and_is_too_old() -> None:
    with pytest.raises(UnsupportedFirmware, match=r"AT\+GMR: AT version:0\.9\.5\.0\(\)"):
        identify([b"AT version:0.9.5.0()"])

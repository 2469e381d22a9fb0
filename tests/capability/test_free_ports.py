"""Ports that probes bind a moment after they were told them."""

from __future__ import annotations

import socket

import pytest

from netsocket.capability import FarEnd
from netsocket.capability.freeports import FreePorts
from tests.ports import MINE, free_port


def test_far_ends_side_by_side_never_name_the_same_port() -> None:
    """Neither to bind nor to be refused at: what one measures would be the other's."""
    ends = FarEnd(), FarEnd()
    asked = len(MINE.ports) // 4
    given = [end.free_port() for end in ends for _ in range(asked)]
    given += [end.refusing()[1] for end in ends for _ in range(asked // 2)]
    assert len(set(given)) == len(given)
    assert set(given) <= set(MINE.ports)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_that_is_in_use_is_passed_over(kind: socket.SocketKind, address: str) -> None:
    first = free_port(address)
    ports = FreePorts(range(first, first + 2))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as used:
        used.bind((address, first))
        assert [ports.take(address) for _ in range(3)] == [first + 1] * 3


def test_a_range_without_a_free_port_says_so() -> None:
    with socket.socket() as used:
        used.bind(("127.0.0.1", free_port()))
        port = used.getsockname()[1]
        with pytest.raises(OSError, match=f"no port of {port} to {port} is free"):
            FreePorts(range(port, port + 1)).take()

"""Whether a client has closed altogether, or has only ended sending."""

from __future__ import annotations

import socket
import time

import pytest

from netsocket.adapters.client import departed, left, set_up


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_closed_is_told_from_half_closed(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        client = socket.create_connection(server.getsockname()[:2])
        own, _peer = server.accept()
        with own:
            set_up(own)
            assert not left(own)
            client.shutdown(socket.SHUT_WR)
            assert own.recv(1) == b""
            assert not departed(own)
            assert not left(own)
            client.close()
            end = time.monotonic() + 5
            while not departed(own) and time.monotonic() < end:
                time.sleep(0.01)
            assert departed(own)
            assert left(own)
        assert left(own)


def test_a_reset_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname()[:2])
        own, _peer = server.accept()
        with own:
            own.send(b"unread")  # a socket that is closed with unread data resets
            end = time.monotonic() + 5
            while not client.recv(1, socket.MSG_PEEK) and time.monotonic() < end:
                time.sleep(0.01)
            client.close()
            while not left(own) and time.monotonic() < end:
                time.sleep(0.01)
            assert left(own)

"""TLS and names through simulated modules, from the front door to a far end on 127.0.0.1."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from atdriver import aopen_modem, open_modem

from .certificates import serving, trusting

MODULES = pytest.mark.parametrize("module", ["bg96:fake", "esp8266,firmware=E24:fake"])


@pytest.fixture
def echo() -> Iterator[tuple[int, list[Any]]]:
    """A TLS far end of the ssl module; how each connection went is in the list."""
    listener = socket.create_server(("127.0.0.1", 0))
    ends: list[Any] = []

    def serve() -> None:
        while True:
            try:
                connection, _peer = listener.accept()
            except OSError:
                return
            connection.settimeout(20)
            digest = hashlib.sha256()
            try:
                with serving().wrap_socket(
                    connection, server_side=True, suppress_ragged_eofs=False
                ) as tls:
                    while data := tls.recv(65536):
                        digest.update(data)
                        tls.sendall(data)
                    tls.unwrap()
                ends.append(digest.digest())
            except OSError as error:
                ends.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1], ends
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@MODULES
def test_blocking_tls(module: str, echo: tuple[int, list[Any]]) -> None:
    port, ends = echo
    payload = os.urandom(50_000)
    with open_modem(module) as net:
        with net.tls_socket(trusting()) as tls:
            tls.settimeout(20)
            tls.connect(("localhost", port))
            got = bytearray()
            for start in range(0, len(payload), 5000):
                tls.sendall(payload[start : start + 5000])
                while len(got) < start + 5000:
                    got += tls.recv(65536)
            assert got == payload
        with net.create_connection(("localhost", port), 20, ssl=trusting()) as made:
            made.sendall(b"over the real descriptor")
            assert made.recv(100) == b"over the real descriptor"
            assert isinstance(made, ssl.SSLSocket)
            made.unwrap().close()
        stranger = net.tls_socket(trusting(), server_hostname="wrong.example")
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            stranger.connect(("localhost", port))
    assert ends[:2] == [
        hashlib.sha256(payload).digest(),
        hashlib.sha256(b"over the real descriptor").digest(),
    ]


@MODULES
async def test_asyncio_tls_streams(module: str, echo: tuple[int, list[Any]]) -> None:
    port, ends = echo
    payload = os.urandom(20_000)
    async with aopen_modem(module) as net:
        reader, writer = await net.open_connection("localhost", port, ssl=trusting(), timeout=20)
        writer.write(payload)
        assert await reader.readexactly(len(payload)) == payload
        writer.close()
        await writer.wait_closed()
    assert ends == [] or ends == [hashlib.sha256(payload).digest()]


@MODULES
def test_names(module: str) -> None:
    with open_modem(module) as net:
        assert net.resolve("localhost") == ["127.0.0.1"]
        assert net.gethostbyname("localhost") == "127.0.0.1"
        futures = [net.resolve_async("localhost") for _ in range(5)]
        concurrent.futures.wait(futures, 10)
        assert [each.result() for each in futures] == [["127.0.0.1"]] * 5
        for failing in ({"name": "nowhere.example"}, {"name": "localhost", "family": 10}):
            with pytest.raises(socket.gaierror):
                net.resolve(**failing)
        found = net.getaddrinfo("localhost", 443, type=socket.SOCK_STREAM)
        assert found == [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]

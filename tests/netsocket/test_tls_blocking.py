"""TLSSocket, and ssl over the real descriptor, from plain threads."""

from __future__ import annotations

import errno
import http.client
import http.server
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from netsocket import EthernetInterface, HostStack, Nsapi, TCPSocket, TLSSocket
from netsocket.errors import ConnectionReset
from netsocket.portal import Portal

from .certificates import serving, trusting


@pytest.fixture
def net(portal: Portal) -> Iterator[EthernetInterface]:
    with EthernetInterface(HostStack(), portal) as interface:
        yield interface


@pytest.fixture
def far_end() -> Iterator[Callable[..., tuple[str, int]]]:
    """`far_end(script, certificate)` serves one connection; what it raises fails the test."""
    threads: list[threading.Thread] = []
    failures: list[BaseException] = []

    def start(script: Callable[[Any], None], certificate: str = "good") -> tuple[str, int]:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            with listener:
                connection, _peer = listener.accept()
                connection.settimeout(10)
                context = serving(certificate, alpn=["http/1.1"])
                try:
                    with context.wrap_socket(
                        connection, server_side=True, suppress_ragged_eofs=False
                    ) as tls:
                        script(tls)
                except ssl.SSLError as error:
                    if certificate == "good":
                        failures.append(error)
                except BaseException as error:
                    failures.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        threads.append(thread)
        return "localhost", listener.getsockname()[1]

    yield start
    for thread in threads:
        thread.join(10)
    assert not failures


def echo(tls: ssl.SSLSocket) -> None:
    while data := tls.recv(65536):
        tls.sendall(data)
    tls.unwrap()


def test_blocking_tls(net: EthernetInterface, far_end: Callable[..., tuple[str, int]]) -> None:
    payload = os.urandom(600_000)
    with net.tls_socket(trusting(alpn=["http/1.1"])) as tls:
        assert isinstance(tls, TLSSocket)
        assert tls.version() is None
        tls.settimeout(10)
        tls.connect(far_end(echo))
        assert tls.version() == "TLSv1.3"
        assert tls.selected_alpn_protocol() == "http/1.1"
        assert ("DNS", "localhost") in tls.getpeercert()["subjectAltName"]
        assert isinstance(tls.getpeercert(True), bytes)
        sending = threading.Thread(target=tls.sendall, args=(payload,))
        sending.start()
        got = bytearray(len(payload))
        view = memoryview(got)
        while view:
            view = view[tls.recv_into(view) :]
        sending.join()
        assert got == payload
        tls.settimeout(0.05)
        with pytest.raises(TimeoutError):
            tls.recv(1)
        tls.settimeout(10)
        with tls.makefile("rwb") as both:
            both.write(b"a line\n")
            both.flush()
            assert both.readline() == b"a line\n"
        tls.shutdown(socket.SHUT_WR)
        assert tls.recv(1) == b""


@pytest.mark.parametrize("certificate", ["wrong-host", "expired", "unknown-ca"])
def test_bad_certificate(
    net: EthernetInterface, far_end: Callable[..., tuple[str, int]], certificate: str
) -> None:
    tls = net.tls_socket(trusting())
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        tls.connect(far_end(echo, certificate))
    assert caught.value.nsapi is Nsapi.AUTH_FAILURE  # type: ignore[attr-defined]
    with pytest.raises(OSError) as after:
        tls.send(b"x")
    assert after.value.errno == errno.EBADF
    tls.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        net.create_connection(far_end(echo, certificate), 5, ssl=trusting())


def test_wrap_and_unwrap(net: EthernetInterface, far_end: Callable[..., tuple[str, int]]) -> None:
    plain = net.tcp_socket()
    plain.connect(far_end(echo))
    with pytest.raises(ValueError, match="server_hostname"):
        net.wrap_socket(plain, trusting())
    tls = net.wrap_socket(plain, trusting(), server_hostname="localhost")
    tls.sendall(b"x")
    assert tls.recv(1) == b"x"
    tls.shutdown(socket.SHUT_WR)
    assert tls.recv(1) == b""
    back = tls.unwrap()
    assert isinstance(back, TCPSocket)
    assert back.recv(1) == b""
    back.close()
    with pytest.raises(OSError):
        tls.recv(1)


def test_server_side(net: EthernetInterface) -> None:
    with net.tcp_socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        got: list[bytes] = []

        def connect() -> None:
            with (
                socket.create_connection(listener.getsockname(), 5) as plain,
                trusting().wrap_socket(
                    plain, server_hostname="localhost", suppress_ragged_eofs=False
                ) as tls,
            ):
                tls.sendall(b"hello")
                while data := tls.recv(100):
                    got.append(data)

        thread = threading.Thread(target=connect)
        thread.start()
        accepted, _peer = listener.accept()
        with net.wrap_socket(accepted, serving(), server_side=True) as tls:
            assert tls.recv(100) == b"hello"
            tls.sendall(b"welcome")
        thread.join()
        assert b"".join(got) == b"welcome"


def test_ssl_over_the_real_descriptor(
    net: EthernetInterface, far_end: Callable[..., tuple[str, int]]
) -> None:
    address = far_end(echo)
    plain = net.create_connection(address, timeout=5)
    with trusting().wrap_socket(
        plain, server_hostname="localhost", suppress_ragged_eofs=False
    ) as tls:
        # Turn by turn: ssl.SSLSocket (unlike our TLSSocket) must not be read and written at once.
        for _turn in range(25):
            piece = os.urandom(4000)
            tls.sendall(piece)
            got = b""
            while len(got) < len(piece):
                got += tls.recv(65536)
            assert got == piece
        tls.unwrap()

    def cut(tls: ssl.SSLSocket) -> None:
        tls.sendall(b"half")

    with net.create_connection(far_end(cut), 5, ssl=trusting()) as made:
        assert isinstance(made, ssl.SSLSocket)
        assert made.gettimeout() == 5
        assert made.recv(100) == b"half"
        with pytest.raises(ssl.SSLError):
            assert made.recv(100) != b"", "a cut stream looked like an end"
    with pytest.raises(ValueError, match="needs ssl"):
        net.create_connection(address, server_hostname="x")


def test_http_client_over_tls_and_a_server_of_ours(net: EthernetInterface) -> None:
    """Both ends through the interface: http.server behind TLS on a real listening descriptor."""

    class Page(http.server.BaseHTTPRequestHandler):
        def setup(self) -> None:
            self.request = serving().wrap_socket(self.request, server_side=True)
            super().setup()

        def finish(self) -> None:
            super().finish()
            self.request.close()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with net.create_server(("127.0.0.1", 0)).server(http.server.HTTPServer, Page) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        port = server.server_port
        connection = http.client.HTTPSConnection("localhost", port, context=trusting(), timeout=5)
        connection.sock = net.create_connection(("localhost", port), 5, ssl=trusting())
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"hello"
        connection.close()
        thread.join()


def test_last_error_of_tls_over_the_descriptor(
    net: EthernetInterface, far_end: Callable[..., tuple[str, int]]
) -> None:
    def reset(tls: ssl.SSLSocket) -> None:
        tls.sendall(b"some")
        assert tls.recv(1) == b"x"
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        tls.close()

    with net.create_connection(far_end(reset), 10, ssl=trusting()) as sock:
        assert sock.recv(4) == b"some"
        assert net.last_error(sock) is None
        sock.sendall(b"x")
        with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):  # the ssl module's choice
            sock.recv(1)
    assert isinstance(net.last_error(sock), ConnectionReset)

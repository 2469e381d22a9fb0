"""TCPSocket, UDPSocket and NetworkInterface from plain threads."""

from __future__ import annotations

import errno
import http.client
import io
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from netsocket import EthernetInterface, HostStack, InterfaceStatus, NotSupported, TCPSocket
from netsocket.portal import Portal


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


class OnePage(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello page")


def serve(handler: type[socketserver.BaseRequestHandler]) -> Iterator[tuple[str, int]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        host, port = server.server_address[:2]
        yield str(host), int(port)
        server.shutdown()
        thread.join()


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    yield from serve(Echo)


@pytest.fixture
def page() -> Iterator[tuple[str, int]]:
    yield from serve(OnePage)


@pytest.fixture
def net(portal: Portal) -> Iterator[EthernetInterface]:
    with EthernetInterface(HostStack(), portal) as interface:
        yield interface


def test_stream(net: EthernetInterface, echo: tuple[str, int]) -> None:
    with net.tcp_socket() as tcp:
        tcp.settimeout(5)
        tcp.connect(echo)
        tcp.sendall(b"hello")
        assert tcp.recv(100) == b"hello"
        buffer = bytearray(10)
        tcp.send(b"again")
        assert tcp.recv_into(buffer) == 5
        assert tcp.getpeername() == echo
        assert tcp.getsockname().host == "127.0.0.1"
        assert tcp.gettimeout() == 5
        assert (tcp.family, tcp.type, tcp.fileno()) == (socket.AF_INET, socket.SOCK_STREAM, -1)
        tcp.shutdown(socket.SHUT_WR)
        assert tcp.recv(1) == b""
    with pytest.raises(OSError, match="closed") as caught:
        tcp.recv(1)
    assert caught.value.errno == errno.EBADF
    tcp.close()


def test_time_out_and_non_blocking(net: EthernetInterface, echo: tuple[str, int]) -> None:
    with net.tcp_socket() as tcp:
        tcp.connect(echo)
        tcp.settimeout(0.05)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            tcp.recv(1)
        assert 0.04 < time.monotonic() - started < 10
        tcp.setblocking(False)
        with pytest.raises(BlockingIOError) as caught:
            tcp.recv(1)
        assert caught.value.errno == errno.EAGAIN


def test_close_from_another_thread_wakes_the_reader(
    net: EthernetInterface, echo: tuple[str, int]
) -> None:
    tcp = net.tcp_socket()
    tcp.connect(echo)
    outcome: list[int | None] = []

    def read() -> None:
        try:
            tcp.recv(1)
        except OSError as error:
            outcome.append(error.errno)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.05)
    tcp.close()
    reader.join(2)
    assert outcome == [errno.EBADF]


def test_makefile_keeps_the_socket_open(net: EthernetInterface, echo: tuple[str, int]) -> None:
    tcp = net.tcp_socket()
    tcp.connect(echo)
    with tcp.makefile("rwb") as stream:
        tcp.close()
        stream.write(b"one\ntwo\n")
        stream.flush()
        assert stream.readline() == b"one\n"
        assert stream.readline() == b"two\n"
    with pytest.raises(OSError, match="closed"):
        tcp.recv(1)
    tcp = net.tcp_socket()
    tcp.connect(echo)
    with tcp, tcp.makefile("rw", encoding="utf-8", newline="\n") as text:
        assert isinstance(text, io.TextIOWrapper)
        text.write("grüße\n")
        text.flush()
        assert text.readline() == "grüße\n"
    with pytest.raises(ValueError, match="invalid mode"):
        tcp.makefile("x")


def test_listen_and_datagrams(net: EthernetInterface) -> None:
    with net.tcp_socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(tuple(listener.getsockname()), timeout=5) as client:
            accepted, peer = listener.accept()
            assert isinstance(accepted, TCPSocket)
            assert peer == client.getsockname()
            with accepted:
                accepted.sendall(b"hi")
                assert client.recv(10) == b"hi"
    with net.udp_socket() as a, net.udp_socket() as b:
        b.bind(("127.0.0.1", 0))
        assert a.sendto(b"x", b.getsockname()) == 1
        data, sender = b.recvfrom(10)
        assert data == b"x"
        assert sender == ("127.0.0.1", a.getsockname().port)
        with pytest.raises(NotSupported):
            a.listen()


def test_sigio_from_the_loop(net: EthernetInterface, echo: tuple[str, int]) -> None:
    changed = threading.Event()
    threads: set[str] = set()

    def note() -> None:
        threads.add(threading.current_thread().name)
        changed.set()

    with net.tcp_socket() as tcp:
        tcp.connect(echo)
        tcp.setblocking(False)
        tcp.sigio(note)
        with pytest.raises(BlockingIOError):
            tcp.recv(1)
        changed.clear()
        tcp.send(b"x")
        assert changed.wait(2)
        assert threads == {"test portal"}
        tcp.sigio(None)


def test_real_descriptor_serves_http_client(net: EthernetInterface, page: tuple[str, int]) -> None:
    client = http.client.HTTPConnection(*page)
    client.sock = net.create_connection(page, timeout=5)
    client.request("GET", "/")
    with client.getresponse() as response:
        assert (response.status, response.read()) == (200, b"hello page")
    client.close()


def test_default_time_out_is_python_s(net: EthernetInterface) -> None:
    socket.setdefaulttimeout(3)
    try:
        with net.tcp_socket() as tcp:
            assert tcp.gettimeout() == 3
    finally:
        socket.setdefaulttimeout(None)


def test_interface_facts(net: EthernetInterface) -> None:
    assert net.status is InterfaceStatus.GLOBAL_UP
    assert net.name == "host"
    assert net.capabilities["tcp.half_close"].supported
    assert "127.0.0.1" in net.resolve("localhost")
    with pytest.raises(NotSupported):
        net.scan()
    with pytest.raises(NotSupported):
        net.ping("127.0.0.1")
    assert repr(net) == "<EthernetInterface host global_up>"
    net.close()
    net.close()
    with pytest.raises(OSError, match="closed"):
        net.tcp_socket()


def test_dropped_blocking_socket_warns(net: EthernetInterface) -> None:
    holder = [net.tcp_socket()]
    with pytest.warns(ResourceWarning, match="unclosed <TCPSocket ready on host"):
        holder.clear()

"""Programs as Python's own documentation teaches them, with only the constructor changed.

Each program is a plain function that gets the thing which makes its sockets. It runs with Python's
`socket` (so it is what it claims to be) and through both modules. The other side is always a thread
with the operating system's sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http.client
import http.server
import io
import select
import selectors
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from netsocket import NetworkInterface
from netsocket.portal import Portal
from tests.drivers.rig import assemble, opened
from tests.ports import free_port

HERE = "127.0.0.1"
MODULES = {"esp8266": "E24", "bg96": "bg96"}


@dataclass
class Constructors:
    """The lines that change."""

    stream: Callable[[], Any]
    datagram: Callable[[], Any]
    create_connection: Callable[..., socket.socket]
    create_server: Callable[..., Any]
    serve: Callable[..., Any]


@pytest.fixture(scope="module", params=["python", *MODULES])
def new(request: pytest.FixtureRequest) -> Iterator[Constructors]:
    if request.param == "python":
        yield Constructors(
            lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
            lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            socket.create_connection,
            socket.create_server,
            lambda kind, address, handler: kind(address, handler),
        )
        return
    portal = Portal("habits")
    rig = assemble(request.param, MODULES[request.param])
    with NetworkInterface.of(rig.net, portal) as net:
        yield Constructors(
            net.tcp_socket,
            net.udp_socket,
            net.create_connection,
            net.create_server,
            lambda kind, address, handler: net.create_server(address).server(kind, handler),
        )
    portal.stop()


@pytest.fixture
def peer() -> Iterator[Callable[..., Any]]:
    """`peer(work, …)` runs the other side in a thread; the future of its result."""
    with ThreadPoolExecutor(4) as threads:
        yield threads.submit


@pytest.fixture
def echo(peer: Callable[..., Any]) -> Iterator[tuple[str, int]]:
    """The address of an echo server for any number of clients."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while data := self.request.recv(65536):
                self.request.sendall(data)

    with socketserver.ThreadingTCPServer((HERE, 0), Handler) as server:
        server.daemon_threads = True
        running = peer(server.serve_forever, 0.01)
        yield HERE, server.server_address[1]
        server.shutdown()
        running.result(5)


def dial(port: int) -> socket.socket:
    """Connect to a server that may not be listening yet."""
    for _ in range(500):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection((HERE, port), 5)
        threading.Event().wait(0.01)
    raise AssertionError("nobody listens")


# -- socket: the first two examples ---------------------------------------------------------------


def echo_client(new: Constructors, address: tuple[str, int]) -> bytes:
    with new.stream() as s:
        s.connect(address)
        s.sendall(b"Hello, world")
        data: bytes = s.recv(1024)
    return data


def test_echo_client(new: Constructors, echo: tuple[str, int]) -> None:
    assert echo_client(new, echo) == b"Hello, world"


def echo_server(new: Constructors, port: int) -> tuple[str, int]:
    with new.stream() as s:
        s.bind(("", port))
        s.listen(1)
        conn, addr = s.accept()
        with conn:
            while True:
                data = conn.recv(1024)
                if not data:
                    break
                conn.sendall(data)
    return addr[0], addr[1]


def test_echo_server(new: Constructors, peer: Callable[..., Any]) -> None:
    port = free_port()
    served = peer(echo_server, new, port)
    with dial(port) as client:
        client.sendall(b"Hello, world")
        assert client.recv(1024) == b"Hello, world"
        own = client.getsockname()
    assert served.result(5) == own


def unlucky_client(new: Constructors, address: tuple[str, int]) -> list[str]:
    told = []
    with new.stream() as s:
        s.settimeout(0.05)
        try:
            s.connect(address)
        except ConnectionRefusedError as error:
            told.append(errno.errorcode[error.errno])
    with new.stream() as s:
        try:
            s.recv(1)
        except OSError as error:
            told.append(errno.errorcode[error.errno or 0])
    return told


def test_errors(new: Constructors) -> None:
    assert unlucky_client(new, (HERE, free_port())) == ["ECONNREFUSED", "ENOTCONN"]


# -- create_connection, makefile, recv_into, sendfile ----------------------------------------------


def read_lines(new: Constructors, address: tuple[str, int]) -> list[str]:
    with new.create_connection(address, timeout=5) as sock, sock.makefile("rw", newline="\n") as f:
        f.write("first\nsecond, grün\n\n")
        f.flush()
        return [f.readline(), f.readline(), f.readline()]


def test_lines_of_a_descriptor(new: Constructors, echo: tuple[str, int]) -> None:
    assert read_lines(new, echo) == ["first\n", "second, grün\n", "\n"]


def iterate_lines(new: Constructors, address: tuple[str, int]) -> list[bytes]:
    with new.stream() as sock:
        sock.connect(address)
        with sock.makefile("wb", buffering=0) as out:
            out.write(b"one\ntwo\nend\n")
        with sock.makefile("rb") as lines:
            return list(iter(lines.readline, b"end\n"))


def test_lines_of_a_stream(new: Constructors, echo: tuple[str, int]) -> None:
    assert iterate_lines(new, echo) == [b"one\n", b"two\n"]


def fill_buffer(make: Callable[[], Any], size: int) -> bytes:
    with make() as sock:
        sock.sendall(bytes(range(256)) * (size // 256))
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            view = view[sock.recv_into(view) :]
    return bytes(buffer)


@pytest.mark.parametrize("descriptor", [False, True])
def test_recv_into(new: Constructors, echo: tuple[str, int], descriptor: bool) -> None:
    def connected() -> Any:
        if descriptor:
            return new.create_connection(echo, timeout=5)
        sock = new.stream()
        sock.connect(echo)
        return sock

    assert fill_buffer(connected, 2048) == bytes(range(256)) * 8


def send_file(new: Constructors, address: tuple[str, int], file: Any) -> int:
    with new.create_connection(address, timeout=5) as sock:
        return sock.sendfile(file)


@pytest.mark.parametrize("real", [True, False], ids=["os.sendfile", "read and send"])
def test_sendfile(new: Constructors, peer: Callable[..., Any], tmp_path: Any, real: bool) -> None:
    content = bytes(range(256)) * 100
    (tmp_path / "file").write_bytes(content)
    listener = socket.create_server((HERE, 0))

    def collect() -> bytes:
        with listener, listener.accept()[0] as sock, sock.makefile("rb") as f:
            return f.read()

    got = peer(collect)
    with (tmp_path / "file").open("rb") if real else io.BytesIO(content) as file:
        assert send_file(new, listener.getsockname(), file) == len(content)
    assert got.result(10) == content


# -- select and selectors --------------------------------------------------------------------------


def wait_for_many(new: Constructors, address: tuple[str, int]) -> set[bytes]:
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(new.create_connection(address, timeout=5)) for _ in range(3)]
        for number, sock in enumerate(socks):
            sock.setblocking(False)
            _, writable, _ = select.select([], [sock], [], 5)
            assert writable == [sock]
            sock.send(b"%d" % number)
        answers: set[bytes] = set()
        while len(answers) < len(socks):
            readable, _, _ = select.select(socks, [], [], 5)
            assert readable, "nothing became readable"
            answers |= {sock.recv(100) for sock in readable}
        return answers


def test_select(new: Constructors, echo: tuple[str, int]) -> None:
    assert wait_for_many(new, echo) == {b"0", b"1", b"2"}


def selectors_server(new: Constructors, port: int, clients: int) -> int:
    """The example of the selectors module; it ends when every client has left."""
    sel = selectors.DefaultSelector()
    left = 0

    def accept(sock: Any) -> None:
        conn, _addr = sock.accept()
        conn.setblocking(False)
        sel.register(conn, selectors.EVENT_READ, read)

    def read(conn: Any) -> None:
        nonlocal left
        data = conn.recv(1000)
        if data:
            conn.send(data)
        else:
            sel.unregister(conn)
            conn.close()
            left += 1

    with new.create_server(("", port)) as sock, sel:
        sock.setblocking(False)
        sel.register(sock, selectors.EVENT_READ, accept)
        while left < clients:
            for key, _mask in sel.select(5):
                key.data(key.fileobj)
    return left


def test_selectors_server(new: Constructors, peer: Callable[..., Any]) -> None:
    port = free_port()
    served = peer(selectors_server, new, port, 2)
    with dial(port) as one, dial(port) as two:
        for number, client in enumerate((one, two, one)):
            client.sendall(b"hello %d" % number)
            assert client.recv(100) == b"hello %d" % number
    assert served.result(5) == 2


def connect_without_waiting(sock: Any, address: tuple[str, int]) -> int:
    """connect_ex, then select until it is decided, then SO_ERROR."""
    sock.setblocking(False)
    assert sock.connect_ex(address) == errno.EINPROGRESS
    select.select([], [sock], [], 5)
    return int(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


def connect_with_events(sock: Any, address: tuple[str, int]) -> int:
    """The same without a descriptor: sigio says when to ask again."""
    happened = threading.Event()
    sock.setblocking(False)
    sock.sigio(happened.set)
    assert sock.connect_ex(address) == errno.EINPROGRESS
    while (number := sock.connect_ex(address)) == errno.EALREADY:
        assert happened.wait(5), "nothing happened"
        happened.clear()
    return 0 if number == errno.EISCONN else int(number)


@pytest.mark.parametrize("refused", [False, True])
def test_non_blocking_connect(new: Constructors, echo: tuple[str, int], refused: bool) -> None:
    address = (HERE, free_port()) if refused else echo
    with new.stream() as sock:
        program = connect_with_events if sock.fileno() == -1 else connect_without_waiting
        assert program(sock, address) == (errno.ECONNREFUSED if refused else 0)


# -- datagrams -------------------------------------------------------------------------------------


def ask_by_datagram(new: Constructors, address: tuple[str, int]) -> tuple[bytes, Any]:
    with new.datagram() as sock:
        sock.settimeout(5)
        sock.sendto(b"what time is it?", address)
        answer, sender = sock.recvfrom(1024)
    return answer, sender


def test_datagram_client(new: Constructors, peer: Callable[..., Any]) -> None:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            sock.sendto(data.upper(), self.client_address)

    with socketserver.UDPServer((HERE, 0), Handler) as server:
        served = peer(server.handle_request)
        answer = ask_by_datagram(new, server.server_address)
        assert answer == (b"WHAT TIME IS IT?", server.server_address)
        served.result(5)


# -- what is built on sockets ----------------------------------------------------------------------


class Upper(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.data = self.rfile.readline(10000).rstrip()
        self.wfile.write(self.data.upper())


def test_socketserver(new: Constructors, peer: Callable[..., Any]) -> None:
    port = free_port()
    with new.serve(socketserver.TCPServer, (HERE, port), Upper) as server:
        served = peer(server.handle_request)
        with dial(port) as client:
            client.sendall(b"hello world\n")
            assert client.recv(1024) == b"HELLO WORLD"
        served.result(5)


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"you asked for {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def fetch(new: Constructors, address: tuple[str, int]) -> tuple[int, bytes]:
    conn = http.client.HTTPConnection(*address)
    conn.sock = new.create_connection(address, timeout=5)
    conn.request("GET", "/index")
    with conn.getresponse() as response:
        result = response.status, response.read()
    conn.close()
    return result


def test_http_client_and_server(new: Constructors, peer: Callable[..., Any]) -> None:
    with http.server.HTTPServer((HERE, 0), Page) as far:
        served = peer(far.handle_request)
        assert fetch(new, (HERE, far.server_port)) == (200, b"you asked for /index")
        served.result(5)
    port = free_port()
    with new.serve(http.server.HTTPServer, (HERE, port), Page) as own:
        served = peer(own.handle_request)
        conn = http.client.HTTPConnection(HERE, port, timeout=5)
        conn.request("GET", "/mine")
        with conn.getresponse() as response:
            assert response.read() == b"you asked for /mine"
        conn.close()
        served.result(5)


# -- asyncio ---------------------------------------------------------------------------------------


async def tcp_echo_client(open_connection: Any, message: str, port: int) -> str:
    reader, writer = await open_connection(HERE, port)
    writer.write(message.encode())
    await writer.drain()
    data = await reader.read(100)
    writer.close()
    await writer.wait_closed()
    return str(data.decode())


async def handle_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    data = await reader.read(100)
    assert writer.get_extra_info("peername")[0] == HERE
    writer.write(data)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


class EchoClientProtocol(asyncio.DatagramProtocol):
    def __init__(self, message: str, answer: asyncio.Future[bytes]) -> None:
        self.message = message
        self.answer = answer

    def connection_made(self, transport: Any) -> None:
        transport.sendto(self.message.encode())

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.answer.set_result(data)


class EchoServerProtocol(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


async def asyncio_programs(open_connection: Any, start_server: Any, endpoint: Any) -> None:
    far = await asyncio.start_server(handle_echo, HERE, 0)
    port = far.sockets[0].getsockname()[1]
    async with far:
        assert await tcp_echo_client(open_connection, "Hello World!", port) == "Hello World!"
    port = free_port()
    async with await start_server(handle_echo, HERE, port):
        assert await tcp_echo_client(asyncio.open_connection, "Hello!", port) == "Hello!"
    loop = asyncio.get_running_loop()
    theirs, _ = await loop.create_datagram_endpoint(EchoServerProtocol, (HERE, 0))
    answer: asyncio.Future[bytes] = loop.create_future()
    transport, _protocol = await endpoint(
        lambda: EchoClientProtocol("Hello World!", answer),
        remote_addr=theirs.get_extra_info("sockname"),
    )
    assert await asyncio.wait_for(answer, 5) == b"Hello World!"
    transport.close()
    theirs.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize("name", ["python", *MODULES])
async def test_asyncio(name: str) -> None:
    if name == "python":
        loop = asyncio.get_running_loop()
        await asyncio_programs(
            asyncio.open_connection, asyncio.start_server, loop.create_datagram_endpoint
        )
        return
    async with opened(name, MODULES[name]) as rig:
        net = rig.net
        await asyncio_programs(net.open_connection, net.start_server, net.create_datagram_endpoint)

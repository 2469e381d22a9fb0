"""Servers of both faces and datagram endpoints, over the operating system's stack."""

from __future__ import annotations

import asyncio
import errno
import http.client
import http.server
import os
import select
import socket
import socketserver
import ssl
import struct
import threading
import time
import urllib.request
import wsgiref.simple_server
from collections.abc import Iterator
from typing import Any

import pytest

from netsocket import AsyncNetworkInterface, EthernetInterface, HostStack, NotSupported
from netsocket.errors import ModuleRestarted
from netsocket.portal import Portal
from tests.ports import free_port

from .certificates import serving, trusting
from .scripted import ScriptedStack
from .test_hoststack import echo

LOCAL = "127.0.0.1"


async def test_start_server_serves_many(host: AsyncNetworkInterface) -> None:
    port = free_port()
    async with await host.start_server(echo, LOCAL, port) as server:
        assert server.is_serving()

        async def one(number: int) -> None:
            reader, writer = await asyncio.open_connection(LOCAL, port)
            payload = bytes([number]) * 100_000
            writer.write(payload)
            assert await reader.readexactly(len(payload)) == payload
            writer.close()
            await writer.wait_closed()

        await asyncio.gather(*(one(number) for number in range(20)))
    assert not server.is_serving()
    assert server.sockets == ()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOCAL, port)
    async with await host.start_server(echo, LOCAL, port):
        pass


async def test_connections_outlive_the_server_and_serve_forever_can_be_cancelled(
    host: AsyncNetworkInterface,
) -> None:
    server = await host.start_server(echo, LOCAL, 0)
    serving_ = asyncio.create_task(server.serve_forever())
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"a")
    assert await reader.readexactly(1) == b"a"
    serving_.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving_
    writer.write(b"b")
    assert await reader.readexactly(1) == b"b"
    writer.close()
    await writer.wait_closed()


async def test_tls_server(host: AsyncNetworkInterface) -> None:
    server = await host.start_server(echo, LOCAL, 0, ssl=serving(), ssl_handshake_timeout=0.3)
    port = server.sockets[0].getsockname()[1]
    silent_reader, silent = await asyncio.open_connection(LOCAL, port)
    reader, writer = await asyncio.open_connection(
        "localhost", port, ssl=trusting(), family=socket.AF_INET
    )
    payload = os.urandom(300_000)
    writer.write(payload)
    assert await reader.readexactly(len(payload)) == payload
    writer.close()
    await writer.wait_closed()
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection(LOCAL, port, ssl=ssl.create_default_context())
    async with asyncio.timeout(5):
        try:
            assert await silent_reader.read() == b""
        except ConnectionResetError:
            pass
    silent.close()
    server.close()
    await server.wait_closed()


async def test_closed_before_the_first_turn_of_the_loop(host: AsyncNetworkInterface) -> None:
    server = await host.start_server(echo, LOCAL, 0)
    server.close()
    await server.wait_closed()
    listening, pump = await host._listening_socket((LOCAL, 0), 1)
    await pump.stop()
    listening.close()
    async with await host.start_server(echo, LOCAL, 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        while not server._welcoming:
            await asyncio.sleep(0)
        await server.stop()
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.transport.abort()
    assert not host.stack._entries  # type: ignore[attr-defined]


async def test_stopped_while_it_ends_by_itself(host: AsyncNetworkInterface) -> None:
    """The user closed, and then the interface: at every moment of the ending in between."""
    for turns in range(12):
        listening, pump = await host._listening_socket((LOCAL, 0), 1)
        await asyncio.sleep(0.002)
        listening.close()
        for _ in range(turns):
            await asyncio.sleep(0)
        await pump.stop()
        assert pump._own.fileno() == -1, f"{turns} turns of the loop after close"
    assert not host.stack._entries  # type: ignore[attr-defined]


async def test_interface_close_ends_the_server() -> None:
    interface = AsyncNetworkInterface(HostStack())
    await interface.up()
    kept: list[Any] = []  # since Python 3.12 a StreamWriter that is dropped complains
    server = await interface.start_server(lambda *pair: kept.append(pair), LOCAL, 0)
    tls = await interface.start_server(lambda *pair: kept.append(pair), LOCAL, 0, ssl=serving())
    listening = await interface.create_listening_socket((LOCAL, 0))
    writers = [
        (await asyncio.open_connection(*each))[1]
        for each in (
            server.sockets[0].getsockname(),
            tls.sockets[0].getsockname(),
            listening.getsockname(),
        )
    ]
    await asyncio.sleep(0.02)
    await asyncio.wait_for(interface.close(), 5)
    assert not server.is_serving()
    listening.settimeout(5)
    while True:  # what was accepted before may still be given out; it is reset
        try:
            connection, _peer = await asyncio.to_thread(listening.accept)
            connection.close()
        except OSError as error:
            assert error.errno == errno.EBADF
            break
    listening.close()
    for writer in writers:
        writer.transport.abort()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert [task for task in left if "netsocket" in repr(task.get_coro())] == []


async def test_broken_listener_is_told(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    stack.say("accept", None, ModuleRestarted("watchdog"))
    server = await net.start_server(lambda _r, _w: None, None, 8080)
    forever = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0.01)
    stack.change()
    with pytest.raises(ConnectionResetError, match="watchdog"):
        await asyncio.wait_for(forever, 2)
    stack.say("accept", None, ModuleRestarted("again"))
    listening = await net.create_listening_socket(("", 8080))
    await asyncio.sleep(0.01)
    stack.change()
    listening.settimeout(5)
    with pytest.raises(ConnectionResetError, match="again"):
        await asyncio.to_thread(listening.accept)
    with pytest.raises(OSError) as caught:
        await asyncio.to_thread(listening.accept)
    assert caught.value.errno == errno.EBADF
    listening.close()


async def test_listen_not_supported(stack: ScriptedStack) -> None:
    from netsocket import Capability, CapabilityTable, Level

    table = CapabilityTable("deaf", "1", [Capability("tcp.listen", Level.NONE, "client only")])
    async with AsyncNetworkInterface(ScriptedStack(table)) as net:
        with pytest.raises(NotSupported, match="client only"):
            await net.start_server(lambda _r, _w: None, None, 80)
        with pytest.raises(NotSupported, match="client only"):
            await net.create_listening_socket(("", 80))


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, *, echo: bool = False) -> None:
        self.echo = echo
        self.got: list[tuple[bytes, Any]] = []
        self.errors: list[Exception] = []
        self.lost: list[Exception | None] = []
        self.arrived = asyncio.Event()
        self.ended = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.got.append((data, addr))
        self.arrived.set()
        if self.echo:
            self.transport.sendto(data.upper(), addr)

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)
        self.arrived.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)
        self.ended.set()


async def test_datagram_endpoints(host: AsyncNetworkInterface) -> None:
    server, replies = await host.create_datagram_endpoint(
        lambda: Datagrams(echo=True), local_addr=(LOCAL, 0)
    )
    port = server.get_extra_info("sockname")[1]
    loop = asyncio.get_running_loop()
    theirs, their_protocol = await loop.create_datagram_endpoint(Datagrams, (LOCAL, 0))
    ours, our_protocol = await host.create_datagram_endpoint(Datagrams, remote_addr=(LOCAL, port))
    theirs.sendto(b"from asyncio", (LOCAL, port))
    ours.sendto(b"")
    ours.sendto(b"x" * 9000)
    with pytest.raises(ValueError, match="Invalid address"):
        ours.sendto(b"x", (LOCAL, 9))
    async with asyncio.timeout(5):
        while len(our_protocol.got) < 2 or not their_protocol.got:
            await asyncio.sleep(0.005)
    assert their_protocol.got == [(b"FROM ASYNCIO", (LOCAL, port))]
    assert [data for data, _ in our_protocol.got] == [b"", b"X" * 9000]
    assert len(replies.got) == 3
    ours.sendto(b"x" * 70_000)
    async with asyncio.timeout(5):
        while not our_protocol.errors:
            await asyncio.sleep(0.005)
    assert isinstance(our_protocol.errors[0], OSError)
    assert our_protocol.errors[0].errno == errno.EMSGSIZE
    ours.sendto(b"still alive")
    ours.close()
    await our_protocol.ended.wait()
    async with asyncio.timeout(5):
        while len(replies.got) < 4:
            await asyncio.sleep(0.005)
    assert our_protocol.lost == [None]
    server.abort()
    await replies.ended.wait()
    theirs.close()
    assert not host.stack._entries  # type: ignore[attr-defined]


async def test_datagrams_wait_and_pause(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    stack.say("sendto", 0)
    transport, protocol = await net.create_datagram_endpoint(Datagrams)
    calls: list[str] = []
    protocol.pause_writing = lambda: calls.append("pause")  # type: ignore[method-assign]
    protocol.resume_writing = lambda: calls.append("resume")  # type: ignore[method-assign]
    transport.set_write_buffer_limits(30, 10)
    for number in range(4):
        transport.sendto(bytes([number]) * 10, ("192.0.2.1", 5))
    await asyncio.sleep(0.01)
    assert transport.get_write_buffer_size() == 40
    stack.change()
    transport.close()
    await protocol.ended.wait()
    assert stack.payloads("sendto")[1:] == [bytes([number]) * 10 for number in range(4)]
    assert calls == ["pause", "resume"]


# -- real descriptors -----------------------------------------------------------------------------


@pytest.fixture
def plain(portal: Portal) -> Iterator[EthernetInterface]:
    with EthernetInterface(HostStack(), portal) as interface:
        yield interface


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{self.path} for {self.client_address[0]}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body[::-1])

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def test_http_server(plain: EthernetInterface) -> None:
    listener = plain.create_server((LOCAL, 0))
    with listener.server(http.server.ThreadingHTTPServer, Page) as server:
        assert server.server_port == listener.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        address = f"{LOCAL}:{server.server_port}"
        for number in range(10):
            with urllib.request.urlopen(f"http://{address}/{number}", timeout=5) as answer:
                assert answer.read() == f"/{number} for {LOCAL}".encode()
        body = os.urandom(500_000)
        connection = http.client.HTTPConnection(address, timeout=5)
        connection.request("POST", "/", body)
        assert connection.getresponse().read() == body[::-1]
        connection.close()
        server.shutdown()
        thread.join()
    with plain.create_server((LOCAL, server.server_port)):
        pass  # closing waited until the port was free


def test_tcp_server_and_wsgi(plain: EthernetInterface) -> None:
    class Upper(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write(line.upper())

    with plain.create_server((LOCAL, 0)).server(socketserver.TCPServer, Upper) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with socket.create_connection(server.server_address, 5) as client:
            client.sendall(b"one\ntwo\n")
            client.shutdown(socket.SHUT_WR)
            with client.makefile("rb") as lines:
                assert lines.read() == b"ONE\nTWO\n"
        thread.join()

    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "4")])
        return [environ["SERVER_PORT"][:1].encode() * 4]

    class Quiet(wsgiref.simple_server.WSGIRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    listener = plain.create_server((LOCAL, 0))
    with listener.server(wsgiref.simple_server.WSGIServer, Quiet) as wsgi:
        wsgi.set_app(application)
        thread = threading.Thread(target=wsgi.handle_request)
        thread.start()
        with urllib.request.urlopen(f"http://{LOCAL}:{wsgi.server_port}/", timeout=5) as answer:
            assert answer.read() == str(wsgi.server_port)[:1].encode() * 4
        thread.join()


def test_listening_socket_behaves_like_one(plain: EthernetInterface) -> None:
    with plain.create_server((LOCAL, 0), backlog=2) as listener:
        assert listener.family is socket.AF_INET
        assert listener.type is socket.SOCK_STREAM
        host, port = listener.getsockname()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
        listener.settimeout(0.05)
        with pytest.raises(TimeoutError):
            listener.accept()
        assert select.select([listener], [], [], 0)[0] == []
        clients = [socket.create_connection((host, port), 5) for _ in range(5)]
        for client in clients:
            assert select.select([listener], [], [], 5)[0] == [listener]
            connection, peer = listener.accept()
            assert type(connection) is socket.socket
            assert not connection.get_inheritable()
            assert peer == client.getsockname()
            with connection, client:
                connection.sendall(b"welcome")
                assert client.recv(100) == b"welcome"
                client.sendall(b"thanks")
                connection.settimeout(5)
                assert connection.recv(100) == b"thanks"
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                with pytest.raises(ConnectionResetError):
                    while connection.recv(100):
                        pass
        with pytest.raises(OSError) as caught:
            listener.bind(("", 1))
        assert caught.value.errno == errno.EINVAL
        with pytest.raises(OSError) as caught:
            plain.create_server((LOCAL, port))
        assert caught.value.errno == errno.EADDRINUSE
    with pytest.raises(OSError):
        listener.accept()


def test_untaken_connections_are_reset(plain: EthernetInterface) -> None:
    listener = plain.create_server((LOCAL, free_port()))
    client = socket.create_connection(listener.getsockname(), 5)
    assert select.select([listener], [], [], 5)[0]
    listener.close()
    with client, pytest.raises(ConnectionResetError):
        assert client.recv(1) != b"", "an untaken connection looked like an orderly end"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), 5)


def test_dropped_listener_gives_its_port_back(plain: EthernetInterface) -> None:
    listener = plain.create_server((LOCAL, free_port()))
    address = listener.getsockname()
    kept = [listener]
    del listener
    with pytest.warns(ResourceWarning):
        kept.clear()
    deadline = time.monotonic() + 5
    while plain._async.stack._entries and time.monotonic() < deadline:  # type: ignore[attr-defined]
        time.sleep(0.01)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 5)


async def test_asyncio_serves_from_the_descriptor(host: AsyncNetworkInterface) -> None:
    listener = await host.create_listening_socket((LOCAL, 0))
    address = listener.getsockname()
    server = await asyncio.start_server(echo, sock=listener)
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()

"""Listening over TLS: accept on both faces, on the host and through a module, and what goes wrong."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from netsocket.blocking_interface import NetworkInterface
from netsocket.hoststack import HostStack
from netsocket.interface import AsyncNetworkInterface
from netsocket.tls import AsyncTLSSocket
from tests.drivers.rig import opened
from tests.netsocket.certificates import serving, trusting
from tests.ports import free_port

LIMIT = 10.0


@pytest_asyncio.fixture(params=["host", "esp8266", "bg96"])
async def net(request: pytest.FixtureRequest) -> AsyncIterator[AsyncNetworkInterface]:
    if request.param == "host":
        async with AsyncNetworkInterface(HostStack()) as interface:
            yield interface
    else:
        async with opened(request.param, {"esp8266": "E24", "bg96": "bg96"}[request.param]) as rig:
            yield rig.net


async def listening(net: AsyncNetworkInterface, **more: bool) -> tuple[AsyncTLSSocket, int]:
    port = free_port()
    listener = net.tls_socket(serving(), server_side=True, **more)
    listener.settimeout(LIMIT)
    await listener.bind(("", port))
    await listener.listen(2)
    return listener, port


async def dial(port: int, **more: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, **more)  # type: ignore[arg-type]


async def test_accept_gives_a_connection_that_is_ready(net: AsyncNetworkInterface) -> None:
    listener, port = await listening(net)
    async with listener:
        dialling = asyncio.create_task(dial(port, ssl=trusting(), server_hostname="localhost"))
        taken, peer = await listener.accept()
        reader, writer = await dialling
        async with taken:
            assert taken.version() == "TLSv1.3"
            assert taken.timeout is None
            assert peer.port or peer.host == "0.0.0.0"
            writer.write(b"question")
            assert await taken.recv(100) == b"question"
            await taken.sendall(b"answer")
            assert await reader.readexactly(6) == b"answer"
        assert await reader.read() == b"", "close says close_notify"
        writer.close()


async def test_a_failed_handshake_is_told_and_the_listener_goes_on(
    net: AsyncNetworkInterface,
) -> None:
    listener, port = await listening(net)
    async with listener:
        dialling = asyncio.create_task(dial(port, ssl=ssl.create_default_context()))
        with pytest.raises(ssl.SSLError):
            await listener.accept()
        with pytest.raises(ssl.SSLCertVerificationError):
            await dialling
        _reader, writer = await dial(port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ssl.SSLError):
            await listener.accept()
        writer.close()
        again = asyncio.create_task(dial(port, ssl=trusting(), server_hostname="localhost"))
        taken, _peer = await listener.accept()
        _reader, writer = await again
        await taken.close()
        writer.close()


async def test_a_client_that_says_nothing_ends_in_the_time_out(
    net: AsyncNetworkInterface,
) -> None:
    listener, port = await listening(net)
    async with listener:
        listener.settimeout(0.4)
        begun = asyncio.get_running_loop().time()
        _reader, writer = await dial(port)
        with pytest.raises(TimeoutError):
            await listener.accept()
        assert asyncio.get_running_loop().time() - begun < 10
        writer.close()


async def test_the_handshake_can_be_left_to_the_new_socket(net: AsyncNetworkInterface) -> None:
    listener, port = await listening(net, do_handshake_on_connect=False)
    async with listener:
        dialling = asyncio.create_task(dial(port, ssl=trusting(), server_hostname="localhost"))
        taken, _peer = await listener.accept()
        async with taken:
            assert taken.version() is None
            assert not dialling.done()
            taken.settimeout(LIMIT)
            await taken.do_handshake()
            _reader, writer = await dialling
            writer.write(b"now")
            assert await taken.recv(3) == b"now"
        writer.close()


async def test_a_non_blocking_listener_never_waits(net: AsyncNetworkInterface) -> None:
    listener, port = await listening(net)
    async with listener:
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            await listener.accept()
        dialling = asyncio.create_task(dial(port, ssl=trusting(), server_hostname="localhost"))
        while True:
            try:
                taken, _peer = await listener.accept()
                break
            except BlockingIOError:
                await asyncio.sleep(0.01)
        async with taken:
            taken.settimeout(LIMIT)
            await taken.do_handshake()
            _reader, writer = await dialling
        writer.close()


async def test_only_the_serving_side_listens() -> None:
    async with AsyncNetworkInterface(HostStack()) as net:
        async with net.tls_socket() as client:
            with pytest.raises(ValueError, match="server_side"):
                await client.listen()
        with pytest.raises(ValueError, match="context"):
            net.tls_socket(server_side=True)
        plain = net.tcp_socket()
        await plain.bind(("127.0.0.1", 0))
        await plain.listen(1)
        port = (await plain.getsockname()).port
        async with await net.wrap_socket(plain, serving(), server_side=True) as listener:
            dialling = asyncio.create_task(dial(port, ssl=trusting(), server_hostname="localhost"))
            taken, _peer = await listener.accept()
            _reader, writer = await dialling
            await taken.close()
            writer.close()


@pytest.fixture
def blocking() -> Iterator[NetworkInterface]:
    with NetworkInterface(HostStack()) as net:
        yield net


def talk(port: int, heard: list[bytes]) -> threading.Thread:
    def client() -> None:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as plain,
            trusting().wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            tls.sendall(b"question")
            heard.append(tls.recv(100))

    thread = threading.Thread(target=client)
    thread.start()
    return thread


def test_the_blocking_face(blocking: NetworkInterface) -> None:
    heard: list[bytes] = []
    with blocking.tls_socket(serving(), server_side=True) as listener:
        listener.settimeout(LIMIT)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = talk(listener.getsockname().port, heard)
        taken, _peer = listener.accept()
        with taken:
            assert taken.recv(100) == b"question"
            taken.sendall(b"answer")
        client.join(LIMIT)
    assert heard == [b"answer"]


def test_a_listening_descriptor_serves_tls(blocking: NetworkInterface) -> None:
    heard: list[bytes] = []
    with blocking.create_server(("127.0.0.1", 0), ssl=serving()) as listener:
        listener.settimeout(LIMIT)
        mute = socket.create_connection(listener.getsockname(), timeout=LIMIT)
        client = talk(listener.getsockname().port, heard)
        silent, _peer = listener.accept()
        taken, _peer = listener.accept()
        with silent, mute, taken:
            assert isinstance(taken, ssl.SSLSocket)
            taken.settimeout(LIMIT)
            assert taken.recv(100) == b"question"
            taken.sendall(b"answer")
            client.join(LIMIT)
    assert heard == [b"answer"]

"""TLS by the module itself: asked for, warned of, and what both drivers make of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from netsocket import errors
from netsocket.blocking_interface import NetworkInterface
from netsocket.hoststack import HostStack
from netsocket.interface import AsyncNetworkInterface
from netsocket.module_tls import (
    ENABLE,
    SET_CACERT,
    TLS_LEVEL,
    AsyncModuleTLSSocket,
    ModuleTLSWarning,
)
from tests.drivers.rig import Rig, assemble, echo_server, noise, opened, receive
from tests.netsocket.certificates import serving

LIMIT = 10.0
WITH_TLS = [("esp8266", "E2", {}), ("esp8266", "E22", {}), ("esp8266", "E24", {}),
            ("esp8266", "E24", {"receive": "push"}), ("esp8266", "E33", {}),
            ("bg96", "bg96", {})]  # fmt: skip


@dataclass
class TlsServer:
    port: int = 0
    names: list[str | None] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def tls_server(answer: bytes | None = None, name: str = "good") -> AsyncIterator[TlsServer]:
    """Echoes, or sends `answer` and closes."""
    state = TlsServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            if answer is not None:
                writer.write(answer)
            else:
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
                state.ended.append("eof")
        writer.close()

    context = serving(name)
    context.sni_callback = lambda _object, given, _context: state.names.append(given)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    state.port = server.sockets[0].getsockname()[1]
    yield state
    server.close()
    await asyncio.sleep(0.01)


def module_socket(rig: Rig, name: str | None = None) -> AsyncModuleTLSSocket:
    with pytest.warns(ModuleTLSWarning, match="no certificate is verified"):
        made = rig.net.module_tls_socket(server_hostname=name)
    made.settimeout(LIMIT)
    return made


@pytest.mark.parametrize(("module", "firmware", "settings"), WITH_TLS)
async def test_bytes_both_ways(module: str, firmware: str, settings: dict[str, Any]) -> None:
    data = noise(30_000)
    async with tls_server() as server, opened(module, firmware, **settings) as rig:
        async with module_socket(rig) as sock:
            await sock.connect(("srv", server.port))
            for text in (b"x", b"\r\nOK\r\n", data[:1500]):
                await sock.sendall(text)
                assert await receive(sock, len(text)) == text
            _, got = await asyncio.gather(sock.sendall(data), receive(sock, len(data)))
            assert got == data
            assert (await sock.getpeername()).port == server.port
        await asyncio.sleep(0.05)
        assert server.ended == ["eof"], "the module said close_notify"
        assert server.names == (["srv"] if module == "esp8266" else [None])
        assert rig.stack.anomalies == 0
        assert not rig.stack._sockets


@pytest.mark.parametrize(("module", "firmware", "settings"), WITH_TLS)
async def test_what_came_before_the_end_is_read(
    module: str, firmware: str, settings: dict[str, Any]
) -> None:
    data = noise(4000)
    async with tls_server(data) as server, opened(module, firmware, **settings) as rig:
        async with module_socket(rig) as sock:
            await sock.connect(("127.0.0.1", server.port))
            assert await receive(sock, 5000) == data
            assert await sock.recv(10) == b""
            with pytest.raises(BrokenPipeError):
                for _ in range(3):
                    await sock.sendall(b"too late")


@pytest.mark.parametrize(("module", "firmware"), [("esp8266", "E24"), ("bg96", "bg96")])
async def test_a_failed_handshake_gives_everything_back(module: str, firmware: str) -> None:
    async with echo_server() as plain, tls_server() as server, opened(module, firmware) as rig:
        async with module_socket(rig) as sock:
            with pytest.raises(ConnectionRefusedError, match="TLS handshake"):
                await sock.connect(("127.0.0.1", plain.port))
            await sock.connect(("127.0.0.1", server.port))
            await sock.sendall(b"again")
            assert await receive(sock, 5) == b"again"
        async with rig.net.tcp_socket() as sock:  # the same id, plain again
            sock.settimeout(LIMIT)
            await sock.connect(("127.0.0.1", plain.port))
            await sock.sendall(b"plain")
            assert await receive(sock, 5) == b"plain"


async def test_one_connection_on_the_small_chip() -> None:
    async with tls_server() as server, opened("esp8266", "E22") as rig:
        async with module_socket(rig) as one, module_socket(rig) as two:
            await one.connect(("127.0.0.1", server.port))
            with pytest.raises(errors.NoSocket, match="1 TLS connection"):
                await two.connect(("127.0.0.1", server.port))
            await one.close()
            await two.connect(("127.0.0.1", server.port))
    async with tls_server() as server, opened("esp8266", "E24") as rig:
        async with module_socket(rig) as one, module_socket(rig) as two:
            await one.connect(("127.0.0.1", server.port))
            await two.connect(("127.0.0.1", server.port))
            for sock in (one, two):
                await sock.sendall(b"hello")
                assert await receive(sock, 5) == b"hello"


async def test_the_server_name_can_be_chosen_where_the_module_has_it() -> None:
    async with tls_server() as server, opened("esp8266", "E24") as rig:
        for name, host in (("one.example", "127.0.0.1"), ("two.example", "srv"), (None, "srv"),
                           (None, "127.0.0.1")):  # fmt: skip
            async with module_socket(rig, name) as sock:
                await sock.connect((host, server.port))
                await sock.sendall(b"x")
                assert await receive(sock, 1) == b"x"
        assert server.names == ["one.example", "two.example", "srv", None]
    async with opened("bg96", "bg96") as rig, tls_server() as server:
        async with contextlib.aclosing(_Closing(module_socket(rig, "one.example"))) as closing:
            with pytest.raises(errors.NotSupported, match="cannot tell the server a name"):
                await closing.sock.connect(("127.0.0.1", server.port))


class _Closing:
    """A socket that cannot even be opened, closed all the same."""

    def __init__(self, sock: AsyncModuleTLSSocket) -> None:
        self.sock = sock

    async def aclose(self) -> None:
        await self.sock.close()


async def test_settings_of_other_programs_come_back() -> None:
    rig = assemble("esp8266", "E24")
    async with tls_server() as server:
        async with rig.net:
            rig.fake.now.tls_clients = ((2, 0, 1),) * 5
            async with module_socket(rig) as sock:
                await sock.connect(("127.0.0.1", server.port))
        assert rig.fake.now.tls_clients == ((2, 0, 1),) * 5
        said = [entry.detail for entry in rig.fake.journal if entry.kind == "command"]
        assert "AT+CIPSSLCCONF=0,0" in said


async def test_tls_connections_of_a_former_program_are_closed() -> None:
    async with tls_server() as server, opened("bg96", "bg96") as rig:
        async with module_socket(rig) as sock:
            await sock.connect(("127.0.0.1", server.port))
            await rig.stack._close_leftovers()
            said = [entry.detail for entry in rig.fake.journal if entry.kind == "command"]
            assert said[-1] == "AT+QSSLCLOSE=0,0"
        assert 'AT+QSSLCFG="seclevel",5,0' in said
        assert not [text for text in said if '"seclevel"' in text and ",5," not in text]


@pytest.mark.parametrize("firmware", ["N17", "host"])
async def test_where_there_is_none(firmware: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        if firmware == "host":
            net = await stack.enter_async_context(AsyncNetworkInterface(HostStack()))
        else:
            net = (await stack.enter_async_context(opened("esp8266", firmware))).net
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(errors.NotSupported):
                net.module_tls_socket()
        async with net.tcp_socket() as sock:
            with pytest.raises(OSError):
                await sock.setsockopt(TLS_LEVEL, ENABLE, 1)


async def test_what_it_does_not_do() -> None:
    async with tls_server() as server, opened("esp8266", "E24") as rig:
        async with module_socket(rig) as sock:
            with pytest.raises(errors.NotSupported, match="does not listen"):
                await sock.listen()
            with pytest.raises(errors.NotSupported, match="no certificates are loaded"):
                await sock.setsockopt(TLS_LEVEL, SET_CACERT, b"-----BEGIN CERTIFICATE-----")
            await sock.connect(("127.0.0.1", server.port))
            with pytest.raises(errors.InvalidArgument):
                await sock.setsockopt(TLS_LEVEL, ENABLE, 0)
        async with rig.net.udp_socket() as datagrams:
            with pytest.raises(errors.InvalidArgument):
                await datagrams.setsockopt(TLS_LEVEL, ENABLE, 1)


async def test_asyncio_streams_and_the_default_is_the_host() -> None:
    async with tls_server() as server, opened("esp8266", "E24") as rig:
        with pytest.warns(ModuleTLSWarning):
            reader, writer = await rig.net.open_connection("srv", server.port, ssl="module")
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
        with pytest.raises(ssl.SSLCertVerificationError):
            await rig.net.open_connection("srv", server.port, ssl=True)


@pytest.fixture
def server_thread() -> Iterator[int]:
    context = serving()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    with context.wrap_socket(sock, server_side=True) as tls:
                        tls.sendall(tls.recv(100))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_the_blocking_face(server_thread: int) -> None:
    rig = assemble("bg96", "bg96")
    with NetworkInterface.of(rig.net) as net:
        with pytest.warns(ModuleTLSWarning):
            sock = net.module_tls_socket()
        with sock:
            sock.settimeout(LIMIT)
            sock.connect(("127.0.0.1", server_thread))
            sock.sendall(b"hello")
            assert sock.recv(100) == b"hello"
        with pytest.warns(ModuleTLSWarning):
            plain = net.create_connection(("127.0.0.1", server_thread), LIMIT, ssl="module")
        with plain:
            plain.sendall(b"hello")
            assert plain.recv(100) == b"hello"

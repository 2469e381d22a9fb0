"""AsyncTLSSocket and asyncio's TLS names, judged by the ssl module at the far end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import select
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import netsocket.tls
from netsocket import AsyncNetworkInterface, AsyncTLSSocket, HostStack, Nsapi
from netsocket.errors import CallTimeout, ConnectionRefused, NotConnected
from netsocket.tls import TLSWantRead, TLSWantWrite
from tests.ports import free_port

from .certificates import serving, trusting
from .scripted import ScriptedStack
from .test_hoststack import echo

TLSServer = Callable[..., Any]
BOTH = pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@pytest.fixture
async def tls_server() -> AsyncIterator[TLSServer]:
    """`await tls_server(handler, context)` starts a loopback TLS server of asyncio's own."""
    running: list[asyncio.Server] = []

    async def start(handler: Any, context: ssl.SSLContext | None = None) -> tuple[str, int]:
        server = await asyncio.start_server(
            handler, "127.0.0.1", 0, ssl=context or serving(), ssl_shutdown_timeout=1
        )
        running.append(server)
        return "localhost", server.sockets[0].getsockname()[1]

    yield start
    for server in running:
        server.close()


async def far_end(script: Callable[[socket.socket], None]) -> tuple[tuple[str, int], Any]:
    """A blocking far end in a thread, for what asyncio does not do: `script(connection)`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            connection, _peer = listener.accept()
            with connection:
                connection.settimeout(10)
                script(connection)

    task = asyncio.ensure_future(asyncio.to_thread(serve))
    return ("localhost", listener.getsockname()[1]), task


async def read_all(tls: AsyncTLSSocket) -> bytes:
    got = bytearray()
    while data := await tls.recv(65536):
        got += data
    return bytes(got)


@BOTH
async def test_large_transfer_both_ways_at_once(
    host: AsyncNetworkInterface, most: ssl.TLSVersion
) -> None:
    seen = hashlib.sha256()
    payload = os.urandom(1_000_000) * 4

    def script(connection: socket.socket) -> None:
        with serving().wrap_socket(connection, server_side=True, suppress_ragged_eofs=False) as tls:
            count = 0
            while data := tls.recv(65536):
                seen.update(data)
                tls.sendall(data)
                count += len(data)
            assert count == len(payload)
            tls.unwrap()

    address, served = await far_end(script)
    tls = host.tls_socket(trusting(most=most))
    await tls.connect(address)
    assert tls.version() == ("TLSv1.2" if most is ssl.TLSVersion.TLSv1_2 else "TLSv1.3")
    assert dict(x[0] for x in tls.getpeercert()["subject"])["commonName"] == "good"
    assert (tls.cipher() or ("", "", 0))[2] >= 128
    assert (await tls.getpeername()).port == address[1]

    async def send() -> None:
        await tls.sendall(payload)
        await tls.shutdown(socket.SHUT_WR)

    _, back = await asyncio.gather(send(), read_all(tls))
    assert back == payload
    with pytest.raises(BrokenPipeError):
        await tls.send(b"x")
    await tls.close()
    await served
    assert seen.digest() == hashlib.sha256(payload).digest()


@pytest.mark.parametrize(
    ("certificate", "says"),
    [("wrong-host", "Hostname mismatch"), ("expired", "expired"), ("unknown-ca", "local issuer")],
)
async def test_bad_certificate(host: AsyncNetworkInterface, certificate: str, says: str) -> None:
    told: list[str] = []

    def script(connection: socket.socket) -> None:
        try:
            serving(certificate).wrap_socket(connection, server_side=True)
        except ssl.SSLError as error:
            told.append(error.reason)

    for _face in range(2):
        address, served = await far_end(script)
        tls = host.tls_socket(trusting())
        with pytest.raises(ssl.SSLCertVerificationError, match=says) as caught:
            await tls.connect(address)
        await served
        assert caught.value.nsapi is Nsapi.AUTH_FAILURE  # type: ignore[attr-defined]
        assert tls.closed
        with pytest.raises(OSError) as after:
            await tls.recv(1)
        assert after.value.errno == errno.EBADF
        await tls.close()
    assert all("ALERT" in each for each in told), "the far end was not told why"
    assert not host.stack._entries  # type: ignore[attr-defined]


async def test_not_tls_at_all_and_silence(host: AsyncNetworkInterface) -> None:
    address, served = await far_end(lambda connection: connection.sendall(b"220 ready\r\n"))
    tls = host.tls_socket(trusting())
    with pytest.raises(ssl.SSLError) as caught:
        await tls.connect(address)
    assert caught.value.nsapi is Nsapi.AUTH_FAILURE  # type: ignore[attr-defined]
    await asyncio.wait([served])
    served.exception()
    loop = asyncio.get_running_loop()

    def silent(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    address, served = await far_end(silent)
    tls = host.tls_socket(trusting())
    tls.settimeout(0.2)
    begun = loop.time()
    with pytest.raises(CallTimeout):
        await tls.connect(address)
    assert 0.15 < loop.time() - begun < 10
    assert tls.closed
    await asyncio.wait([served])
    served.exception()


async def test_refused_then_again_on_the_same_object(
    host: AsyncNetworkInterface, tls_server: TLSServer
) -> None:
    tls = host.tls_socket(trusting(), server_hostname="localhost")
    with pytest.raises(NotConnected):
        await tls.send(b"x")
    with pytest.raises(ConnectionRefused):
        await tls.connect(("127.0.0.1", free_port()))
    await tls.connect(await tls_server(echo))
    await tls.sendall(b"again")
    assert await tls.recv(100) == b"again"
    await tls.close()


@BOTH
async def test_cut_stream_is_an_error_for_ever(
    host: AsyncNetworkInterface, most: ssl.TLSVersion
) -> None:
    def script(connection: socket.socket) -> None:
        with serving().wrap_socket(connection, server_side=True) as tls:
            tls.sendall(b"the first half")
            # closes without close_notify: the plain socket below says FIN

    address, served = await far_end(script)
    tls = host.tls_socket(trusting(most=most))
    await tls.connect(address)
    got = b""
    with pytest.raises(ssl.SSLEOFError) as caught:
        while True:
            data = await tls.recv(100)
            assert data, "a cut stream looked like an end"
            got += data
    assert got == b"the first half"
    assert caught.value.nsapi is Nsapi.CONNECTION_LOST  # type: ignore[attr-defined]
    with pytest.raises(ssl.SSLEOFError):
        await tls.recv(100)
    await tls.close()
    await served


async def test_reset_stays_a_reset(host: AsyncNetworkInterface) -> None:
    def script(connection: socket.socket) -> None:
        with serving().wrap_socket(connection, server_side=True) as tls:
            tls.sendall(b"before")
            tls.recv(1)
            tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    address, served = await far_end(script)
    tls = host.tls_socket(trusting())
    await tls.connect(address)
    assert await tls.recv(100) == b"before"
    await tls.send(b"x")
    with pytest.raises(ConnectionResetError):
        await tls.recv(100)
    await tls.close()
    await served


async def test_close_says_close_notify_and_wakes_readers(host: AsyncNetworkInterface) -> None:
    ends: list[Any] = []

    def script(connection: socket.socket) -> None:
        with serving().wrap_socket(connection, server_side=True, suppress_ragged_eofs=False) as tls:
            try:
                ends.append(tls.recv(10))
            except ssl.SSLError as error:
                ends.append(error)

    for abort in (False, True):
        address, served = await far_end(script)
        tls = host.tls_socket(trusting())
        await tls.connect(address)
        reading = asyncio.create_task(tls.recv(1))
        await asyncio.sleep(0.01)
        await tls.close(abort=abort)
        with pytest.raises(OSError) as caught:
            await reading
        assert caught.value.errno == errno.EBADF
        await asyncio.wait([served])
        served.exception()
    assert ends[0] == b""
    assert ends[1:] == [] or isinstance(ends[1], Exception)


async def test_close_waits_for_session_tickets_that_nobody_has_read(
    host: AsyncNetworkInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Coming to a connection that has been closed they would make this end's stack reset it.

    The server's side is in memory, so that its tickets, which OpenSSL makes of the client's
    Finished, leave when the client has long said its last words.
    """
    monkeypatch.setattr(netsocket.tls, "TICKETS", netsocket.tls.TICKETS * 60)  # a late CPU
    seen: list[object] = []

    def script(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = serving().wrap_bio(incoming, outgoing, server_side=True)

        def fed(step: Callable[[], Any]) -> Any:
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    if server.version() is None:
                        connection.sendall(outgoing.read())
                    incoming.write(connection.recv(65536))

        fed(server.do_handshake)
        seen.append(fed(lambda: server.read(100)))
        seen.append(fed(lambda: server.read(100)))  # close_notify
        readable, _, _ = select.select([connection], [], [], 0.2)
        seen.append("closed before the tickets" if readable else "waiting")
        tickets = outgoing.read()
        assert tickets, "a TLS 1.3 server of OpenSSL sends tickets"
        connection.sendall(tickets)
        seen.append(connection.recv(100))
        seen.append(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    address, served = await far_end(script)
    tls = host.tls_socket(trusting())
    await tls.connect(address)
    assert tls.version() == "TLSv1.3"
    await tls.sendall(b"last words")
    await tls.close()
    await served
    assert seen == [b"last words", b"", "waiting", b"", 0]


async def test_unwrap_gives_the_plain_stream_right_behind(host: AsyncNetworkInterface) -> None:
    def script(connection: socket.socket) -> None:
        tls = serving().wrap_socket(connection, server_side=True)
        assert tls.recv(100) == b"secret"
        plain = tls.unwrap()
        plain.sendall(b"in the clear")
        assert plain.recv(100) == b"me too"
        plain.close()

    address, served = await far_end(script)
    plain = await host.connect(address)
    tls = await host.wrap_socket(plain, trusting(), server_hostname="localhost")
    await tls.sendall(b"secret")
    back = await tls.unwrap()
    assert back is plain
    assert tls.closed
    assert await back.recv(100) == b"in the clear"
    await back.sendall(b"me too")
    assert await back.recv(100) == b""
    await back.close()
    await served


async def test_wrap_checks_its_arguments(
    host: AsyncNetworkInterface, tls_server: TLSServer
) -> None:
    plain = await host.connect(await tls_server(echo))
    with pytest.raises(ValueError, match="server_hostname"):
        await host.wrap_socket(plain, trusting())
    with pytest.raises(ValueError, match="server_side"):
        await host.wrap_socket(plain, server_side=True)
    with pytest.raises(TypeError, match="suppress_ragged_eofs"):
        await host.wrap_socket(socket.socket, trusting())  # type: ignore[arg-type]
    await plain.close()
    with pytest.raises(ValueError, match="need ssl"):
        await host.open_connection("localhost", 1, server_hostname="x")


async def test_non_blocking_and_alpn(host: AsyncNetworkInterface, tls_server: TLSServer) -> None:
    address = await tls_server(echo, serving(alpn=["h2", "http/1.1"]))
    plain = await host.connect(address)
    tls = await host.wrap_socket(
        plain,
        trusting(alpn=["spdy", "http/1.1"]),
        server_hostname="localhost",
        do_handshake_on_connect=False,
    )
    tls.setblocking(False)
    woken = asyncio.Event()
    tls.sigio(woken.set)
    while True:
        try:
            await tls.do_handshake()
            break
        except (TLSWantRead, TLSWantWrite) as error:
            assert isinstance(error, ssl.SSLWantReadError | ssl.SSLWantWriteError)
            assert isinstance(error, BlockingIOError)
            await asyncio.wait_for(woken.wait(), 5)
            woken.clear()
    assert tls.selected_alpn_protocol() == "http/1.1"
    assert await tls.send(b"now") == 3
    got = b""
    while got != b"now":
        try:
            got += await tls.recv(10)
        except ssl.SSLWantReadError:
            await asyncio.wait_for(woken.wait(), 5)
            woken.clear()
    await tls.close()


async def test_time_out_keeps_every_byte(host: AsyncNetworkInterface) -> None:
    """A send that timed out has queued at most one record, which leaves with the next call."""
    received = bytearray()
    go = asyncio.Event()
    loop = asyncio.get_running_loop()
    release = asyncio.run_coroutine_threadsafe

    def script(connection: socket.socket) -> None:
        with serving().wrap_socket(connection, server_side=True, suppress_ragged_eofs=False) as tls:
            release(go.wait(), loop).result(20)
            while data := tls.recv(65536):
                received.extend(data)

    address, served = await far_end(script)
    tls = host.tls_socket(trusting())
    await tls.connect(address)
    tls.settimeout(0.1)
    payload = os.urandom(40_000_000)
    done = stuck = 0
    while not stuck:  # until a call finds no room for a single byte
        with pytest.raises(TimeoutError) as caught:
            await tls.sendall(payload[done:])
        taken, unknown = caught.value.accepted, caught.value.unknown  # type: ignore[attr-defined]
        assert 0 <= unknown <= 16384
        done += taken + unknown
        stuck = taken + unknown == 0
    assert 0 < done < len(payload)
    with pytest.raises(TimeoutError):
        await tls.recv(1)
    go.set()
    tls.settimeout(20)
    await tls.sendall(payload[done : done + 300_000])
    await tls.close()
    await served
    assert hashlib.sha256(received).digest() == (hashlib.sha256(payload[: done + 300_000]).digest())


async def test_close_of_a_stuck_send_is_no_clean_end(host: AsyncNetworkInterface) -> None:
    go = asyncio.Event()
    loop = asyncio.get_running_loop()
    ends: list[type[BaseException] | bytes] = []

    def script(connection: socket.socket) -> None:
        with serving().wrap_socket(connection, server_side=True, suppress_ragged_eofs=False) as tls:
            asyncio.run_coroutine_threadsafe(go.wait(), loop).result(20)
            try:
                while tls.recv(65536):
                    pass
                ends.append(b"")
            except OSError as error:
                ends.append(type(error))

    address, served = await far_end(script)
    tls = host.tls_socket(trusting())
    await tls.connect(address)
    sending = asyncio.create_task(tls.sendall(bytes(40_000_000)))
    await asyncio.sleep(0.1)
    await tls.close()
    with pytest.raises(OSError) as caught:
        await sending
    assert caught.value.errno == errno.EBADF
    go.set()
    await served
    assert ends
    assert ends != [b""]


async def test_asyncio_streams(host: AsyncNetworkInterface, tls_server: TLSServer) -> None:
    address = await tls_server(echo)
    reader, writer = await host.open_connection(*address, ssl=trusting(), timeout=5)
    payload = os.urandom(700_000)

    async def send() -> None:
        for start in range(0, len(payload), 50_000):
            writer.write(payload[start : start + 50_000])
            await writer.drain()

    _, back = await asyncio.gather(send(), reader.readexactly(len(payload)))
    assert back == payload
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
    assert writer.get_extra_info("peercert")["subject"]
    assert not writer.can_write_eof()
    writer.close()
    await writer.wait_closed()
    with pytest.raises(ssl.SSLCertVerificationError):
        await host.open_connection(*address, ssl=True)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        await host.open_connection(*address, ssl=trusting(), server_hostname="other.example")
    assert not host.stack._entries  # type: ignore[attr-defined]


class Recorder(asyncio.Protocol):
    def __init__(self) -> None:
        self.events: list[Any] = []
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.events.append(transport.get_extra_info("ssl_object") is not None)

    def data_received(self, data: bytes) -> None:
        self.events.append(data)

    def eof_received(self) -> None:
        self.events.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append(exc)
        self.ended.set()


@pytest.mark.parametrize("orderly", [True, False])
async def test_protocol_sees_one_connection_made_and_the_right_end(
    host: AsyncNetworkInterface, orderly: bool
) -> None:
    def script(connection: socket.socket) -> None:
        with serving().wrap_socket(connection, server_side=True) as tls:
            tls.sendall(b"data")
            if orderly:
                tls.unwrap()

    address, served = await far_end(script)
    transport, protocol = await host.create_connection(Recorder, *address, ssl=trusting())
    await asyncio.wait_for(protocol.ended.wait(), 5)
    await served
    assert protocol.events[:2] == [True, b"data"]
    if orderly:
        assert protocol.events[2:] == ["eof", None]
    else:
        assert len(protocol.events) == 3
        assert isinstance(protocol.events[2], ssl.SSLEOFError)
    assert transport.is_closing()


async def test_handshake_limit(host: AsyncNetworkInterface) -> None:
    def silent(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    address, served = await far_end(silent)
    with pytest.raises(TimeoutError):
        await host.open_connection(*address, ssl=trusting(), ssl_handshake_timeout=0.1)
    await asyncio.wait([served])
    served.exception()
    assert not host.stack._entries  # type: ignore[attr-defined]


async def test_server_side(host: AsyncNetworkInterface) -> None:
    """The ssl module connects to us, and is refused when it does not trust us."""
    listener = host.tcp_socket()
    await listener.bind(("127.0.0.1", 0))
    await listener.listen()
    port = (await listener.getsockname()).port

    def connect(name: str) -> bytes:
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            context = trusting()
            context.post_handshake_auth = True
            with context.wrap_socket(
                plain, server_hostname=name, suppress_ragged_eofs=False
            ) as tls:
                tls.sendall(b"hello")
                got = tls.recv(100)
                assert tls.recv(100) == b""
                return got

    far = asyncio.create_task(asyncio.to_thread(connect, "localhost"))
    accepted, _peer = await listener.accept()
    tls = await host.wrap_socket(accepted, serving(), server_side=True)
    assert await tls.recv(100) == b"hello"
    await tls.sendall(b"HELLO")
    await tls.close()
    assert await far == b"HELLO"
    far = asyncio.create_task(asyncio.to_thread(connect, "wrong.example"))
    accepted, _peer = await listener.accept()
    with contextlib.suppress(ssl.SSLError):
        tls = await host.wrap_socket(accepted, serving(), server_side=True)
        with pytest.raises(OSError):
            await tls.recv(1)
        await tls.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        await far
    await listener.close()


async def test_every_frame_boundary_and_a_slow_stack() -> None:
    """Over a stack of ten-byte frames that accepts one byte at a time, both ends in memory."""
    stack = ScriptedStack()
    server_in, server_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving().wrap_bio(server_in, server_out, server_side=True)
    got = bytearray()
    state = {"shaken": False}

    async def send(handle: Any, data: bytes) -> int:
        await asyncio.sleep(0)
        server_in.write(data[:3])
        try:
            if not state["shaken"]:
                server.do_handshake()
                state["shaken"] = True
            got.extend(server.read(65536))
        except ssl.SSLWantReadError:
            pass
        stack.change(handle)
        return len(data[:3])

    async def recv(handle: Any, size: int) -> bytes | None:
        await asyncio.sleep(0)
        return server_out.read(7) or None

    stack.send, stack.recv = send, recv  # type: ignore[method-assign, assignment]
    async with AsyncNetworkInterface(stack) as net:
        tls = net.tls_socket(trusting())
        await tls.connect(("localhost", 1))
        payload = os.urandom(20_000)
        await tls.sendall(payload)
        assert got == payload
        server.write(payload)
        stack.change()
        back = b""
        while len(back) < len(payload):
            back += await tls.recv(1000)
        assert back == payload
        await tls.close()
        assert server.read(10) == b"", "close_notify did not arrive"


async def test_cancelled_send_and_recv_lose_nothing(
    host: AsyncNetworkInterface, tls_server: TLSServer
) -> None:
    address = await tls_server(echo)
    tls = host.tls_socket(trusting())
    await tls.connect(address)
    payload = os.urandom(300_000)
    got = bytearray()

    async def send() -> None:
        for start in range(0, len(payload), 1000):
            await tls.sendall(payload[start : start + 1000])

    sending = asyncio.create_task(send())
    while len(got) < len(payload):
        reading = asyncio.create_task(tls.recv(777))
        for _ in range(len(got) % 4):
            await asyncio.sleep(0)
        reading.cancel()
        try:
            got += await reading
        except asyncio.CancelledError:
            tls.settimeout(5)
            got += await tls.recv(777)
    await sending
    assert bytes(got) == payload
    await tls.close()


async def test_interface_close_ends_tls() -> None:
    interface = AsyncNetworkInterface(HostStack())
    await interface.up()

    def script(connection: socket.socket) -> None:
        with serving().wrap_socket(connection, server_side=True) as tls:
            tls.recv(1)

    address, served = await far_end(script)
    tls = interface.tls_socket(trusting())
    await tls.connect(address)
    reading = asyncio.create_task(tls.recv(1))
    await asyncio.sleep(0.01)
    await interface.close()
    with pytest.raises(OSError) as caught:
        await reading
    assert caught.value.errno == errno.ENETDOWN
    await tls.close()
    await asyncio.wait([served])
    served.exception()

"""The carriers beside a serial port: a TCP socket, and an RFC 2217 server (pyserial's own)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
import serial.rfc2217

from atdriver import aopen_modem
from atdriver.errors import PortBusy, PortLost, PortMissing
from atdriver.links.serial import SerialLink, _open_error
from tests.drivers.rig import echo_server, noise, receive
from tests.ports import free_port
from tests.pty.test_transfers import simulated


class _Wire:
    """What PortManager writes its own answers to."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.connection.sendall(data)


class _Pty(serial.Serial):
    """A pty has no modem lines to ask for."""

    cts = dsr = ri = cd = property(lambda self: False)
    rts = dtr = property(lambda self: False, lambda self, value: None)


@contextlib.contextmanager
def port_server(path: str, *, rfc2217: bool) -> Iterator[int]:
    """Serves one client the serial port at `path`; yields the TCP port."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()
    port = _Pty(path, timeout=0.05)

    def serve() -> None:
        connection, _ = listener.accept()
        manager = serial.rfc2217.PortManager(port, _Wire(connection)) if rfc2217 else None

        def outward() -> None:
            with contextlib.suppress(serial.SerialException):
                while not stop.is_set():
                    data = port.read(max(1, port.in_waiting))
                    if data:
                        shown = b"".join(manager.escape(data)) if manager else data
                        _Wire(connection).write(shown)

        reader = threading.Thread(target=outward, daemon=True)
        reader.start()
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(4096):
                port.write(b"".join(manager.filter(data)) if manager else data)
        stop.set()
        reader.join()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.join(10)
        assert not server.is_alive(), "the client did not hang up"
        listener.close()
        port.close()


@pytest.mark.parametrize("scheme", ["tcp", "rfc2217"])
async def test_a_port_behind_a_network(scheme: str) -> None:
    data = noise(20_000) + bytes(range(256)) * 4  # 0xFF is RFC 2217's own escape
    with (
        simulated("bg96", "bg96") as path,
        port_server(path, rfc2217=scheme == "rfc2217") as number,
    ):
        async with (
            echo_server() as server,
            aopen_modem(f"bg96:{scheme}://127.0.0.1:{number}") as net,
        ):
            sock = await net.connect(("srv", server.port), timeout=20)
            back, _ = await asyncio.gather(receive(sock, len(data)), sock.sendall(data))
            assert back == data
            await sock.close()


@pytest.mark.parametrize("scheme", ["tcp", "rfc2217"])
async def test_nobody_listens_there(scheme: str) -> None:
    number = free_port()
    with pytest.raises(PortMissing, match=str(number)):
        await aopen_modem(f"bg96:{scheme}://127.0.0.1:{number}")


async def test_an_opening_that_is_given_up_gives_the_port_back() -> None:
    """The connection is made in a thread, which goes on; a server has one client at a time."""
    with (
        simulated("bg96", "bg96") as path,
        port_server(path, rfc2217=True) as number,
    ):
        opening = asyncio.create_task(
            aopen_modem(f"bg96:rfc2217://127.0.0.1:{number}").__aenter__()
        )
        await asyncio.sleep(0.02)
        opening.cancel()
        await asyncio.wait({opening})
        assert opening.cancelled()
        await asyncio.sleep(1.0)  # `port_server` sees to the rest


async def test_a_network_port_that_hangs_up_ends_everything() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    number = server.sockets[0].getsockname()[1]
    with pytest.raises(PortLost):
        await aopen_modem(f"bg96:tcp://127.0.0.1:{number}")
    server.close()
    await server.wait_closed()


async def test_a_network_port_where_nobody_listens() -> None:
    number = free_port()
    with pytest.raises(PortMissing) as caught:
        await aopen_modem(f"bg96:tcp://127.0.0.1:{number}")
    assert caught.value.strerror == f"tcp://127.0.0.1:{number}: Connection refused"


async def test_a_port_is_opened_once_only() -> None:
    """Twice by us is told as busy; the advisory lock holds for root too."""
    with simulated("bg96", "bg96") as path:
        async with aopen_modem(f"bg96:{path}"):
            with pytest.raises(PortBusy, match="in use"):
                await aopen_modem(f"bg96:{path}")


def test_permission_denied_names_the_group(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.touch()
    error = _open_error(str(path), PermissionError(13, "Permission denied"))
    assert isinstance(error, PermissionError)
    group = os.stat(path).st_gid
    if group:
        assert "usermod" in str(error)


async def test_a_file_is_no_port(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    assert stat.S_ISREG(path.stat().st_mode)
    with pytest.raises(PortMissing, match="not a serial port"):
        await SerialLink(str(path)).open(None)  # type: ignore[arg-type]

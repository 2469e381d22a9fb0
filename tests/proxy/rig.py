"""A proxy over a network interface, and clients that speak to it byte by byte."""

from __future__ import annotations

import asyncio
import io
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from atdriver.trace import Trace
from netsocket.adapters.destinations import Destinations
from netsocket.adapters.passage import Limits
from netsocket.adapters.pool import Pool
from netsocket.adapters.proxy import Proxy
from netsocket.address import SocketAddress
from netsocket.hoststack import HostStack
from netsocket.interface import AsyncNetworkInterface
from tests.drivers import rig as drivers
from tests.ports import free_port

MODULES = ("host", "esp8266", "bg96")
PATIENT = 20.0
LOOPBACK = Destinations.of(allow=["loopback"])
"""The simulated world."""


@asynccontextmanager
async def interface(module: str) -> AsyncIterator[AsyncNetworkInterface]:
    if module == "host":
        async with AsyncNetworkInterface(HostStack()) as net:
            yield net
        return
    rig = drivers.assemble(module, "E22" if module == "esp8266" else "bg96")
    seen = Recent()
    rig.channel.trace_with(lambda: Trace(seen))
    try:
        async with rig.net:
            yield rig.net
    except BaseException as error:
        error.add_note(f"the last records of the trace:\n{seen.text}")
        raise


class Recent(io.StringIO):
    """The end of a trace, for the message of a test that fails once in a thousand runs."""

    def __init__(self) -> None:
        super().__init__()
        self._records: deque[str] = deque(maxlen=120)

    def write(self, text: str, /) -> int:
        self._records.append(text[:300].rstrip())
        return len(text)

    @property
    def text(self) -> str:
        return "\n".join(self._records)


def name_on(net: AsyncNetworkInterface) -> str:
    """A name of 127.0.0.1 that this stack resolves."""
    return "localhost" if net.name == "host" else "srv"


@dataclass
class Client:
    """A plain TCP client: what a program does that knows nothing of the proxy's inside."""

    sock: socket.socket

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENT):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def some(self, most: int = 65536) -> bytes:
        async with asyncio.timeout(PATIENT):
            return await asyncio.get_running_loop().sock_recv(self.sock, most)

    async def exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            part = await self.some(count - len(got))
            assert part, f"only {got!r} came"
            got += part
        return got

    async def everything(self) -> bytes:
        """Until the end of data. Raises ConnectionResetError for an abnormal one."""
        got = bytearray()
        while part := await self.some():
            got += part
        return bytes(got)

    async def until_reset(self) -> bytes:
        """What comes before a reset; a clean end is a failure."""
        got = bytearray()
        while True:
            try:
                part = await self.some()
            except ConnectionResetError:
                return bytes(got)
            assert part, f"a clean end behind {bytes(got[-80:])!r}"
            got += part

    def end(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    # -- SOCKS5 -------------------------------------------------------------------------------

    async def socks(self, host: str, port: int, command: int = 1) -> tuple[int, tuple[str, int]]:
        """Ask without a password; the reply's code and address."""
        await self.send(b"\x05\x01\x00" + asked(host, port, command))
        assert await self.exactly(2) == b"\x05\x00"
        return await self.reply()

    async def reply(self) -> tuple[int, tuple[str, int]]:
        version, code, _zero, kind = await self.exactly(4)
        assert version == 5
        assert kind in (1, 4)
        family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
        host = socket.inet_ntop(family, await self.exactly(size))
        return code, (host, struct.unpack("!H", await self.exactly(2))[0])

    # -- HTTP ---------------------------------------------------------------------------------

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of an answer; nothing behind it is read."""
        raw = b""
        while not raw.endswith(b"\r\n\r\n"):
            raw += await self.exactly(1)
        first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        headers = dict(line.split(": ", 1) for line in lines)
        return int(first.split()[1]), {key.lower(): value for key, value in headers.items()}

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """A whole answer with a Content-Length."""
        status, headers = await self.head()
        return status, headers, await self.exactly(int(headers["content-length"]))


def asked(host: str, port: int, command: int = 1) -> bytes:
    """A SOCKS5 request, names as names, addresses as addresses."""
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        where = bytes((1 if len(packed) == 4 else 4,)) + packed
    except OSError:
        where = bytes((3, len(host))) + host.encode()
    return bytes((5, command, 0)) + where + struct.pack("!H", port)


@dataclass
class Served:
    proxy: Proxy
    pool: Pool
    net: AsyncNetworkInterface
    address: SocketAddress
    clients: list[Client]

    async def client(self) -> Client:
        sock = socket.socket()
        sock.setblocking(False)
        client = Client(sock)
        self.clients.append(client)
        await asyncio.get_running_loop().sock_connect(sock, tuple(self.address))
        return client

    async def through_socks(self, host: str, port: int) -> Client:
        client = await self.client()
        assert (await client.socks(host, port))[0] == 0
        return client

    async def through_connect(self, host: str, port: int) -> Client:
        client = await self.client()
        await client.send(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        assert (await client.head())[0] == 200
        return client

    @property
    def in_use(self) -> int:
        return self.pool.status().in_use


@asynccontextmanager
async def proxy_over(
    net: AsyncNetworkInterface, limits: Limits | None = None, **settings: Any
) -> AsyncIterator[Served]:
    limits = limits or Limits(denied=0.0)
    pool = Pool.of(net)
    settings.setdefault("destinations", LOOPBACK)
    proxy = Proxy(pool, limits=limits, **settings)
    clients: list[Client] = []
    try:
        address = await proxy.listen(port=free_port())
        yield Served(proxy, pool, net, address, clients)
    finally:
        await proxy.close()
        await pool.close()
        for client in clients:
            client.close()


@asynccontextmanager
async def served(module: str = "host", **settings: Any) -> AsyncIterator[Served]:
    limits = replace(Limits(denied=0.0), **settings.pop("limits", {}))
    async with interface(module) as net, proxy_over(net, limits, **settings) as proxy:
        yield proxy

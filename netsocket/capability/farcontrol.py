"""The control connection of a far end elsewhere: what reached it, told to the machine that tests.

JSON lines over TCP, on the test machine's own network, never through the module. The server begins
with a challenge, so that the token itself never travels; one session at a time. Server to client:

    {"challenge": hex}                                 then one of {"error": text} and
    {"version": 1, "tcp": {name: port}, "udp": {name: port}, "refusing": port, "silent": port,
     "knock": port, "key": text}
    {"tcp": name, "n": index, "peer": [host, port]}    a connection came
    {"tcp": name, "n": index, "data": base64, "sent": bytes, "ended": text}    any of the three
    {"udp": name, "data": base64, "from": [host, port]}
    {"synced": number}                                 everything before it has been told

Client to server: {"answer": hex, "want": "watch"}, then {"release": name, "n": index},
{"send": name, "data": base64, "to": [host, port]} and {"sync": number}. With {"want": "dial",
"host", "port"} the connection becomes one to the module: how a listener of it is reached.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import secrets
from typing import Any, Final

from netsocket.capability.farend import FarEnd
from netsocket.capability.farend_services import Connection

VERSION: Final = 1
DEFAULT_PORT: Final = 7700
"""Where the control connection is expected when only a host is named."""
LINE_LIMIT: Final = 1 << 20
HELLO_LIMIT: Final = 10.0
"""Seconds for a client to say who it is."""
PENALTY: Final = 0.5
"""Seconds before a wrong token is told."""
PIECE: Final = 1 << 17
"""Most received bytes in one line."""
OVER: Final = (-1, -1, "")
"""Told about a connection: everything, and it has ended."""
PERIOD: Final = 0.01
"""Seconds between looks at what came."""
IDLE_LIMIT: Final = 20.0
"""Seconds of silence after which a client counts as gone; it says something every few seconds."""


def answer_to(challenge: str, token: str) -> str:
    """What proves the token: HMAC-SHA256 over the challenge."""
    return hmac.new(token.encode(), challenge.encode(), hashlib.sha256).hexdigest()


class Refused(Exception):
    """Said to the client, which is then dropped."""


class Control:
    """Serves control connections for a far end that runs; an async context manager."""

    def __init__(self, far: FarEnd, token: str, port: int = 0) -> None:
        self.far = far
        self.port = port
        self._token = token
        self._server: asyncio.Server | None = None
        self._busy = False
        self._clients: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Control:
        self._server = await asyncio.start_server(
            self._client, self.far.host, self.port, limit=LINE_LIMIT
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._clients):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            with contextlib.suppress(OSError, EOFError, ValueError):
                await self._serve(reader, writer)
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        challenge = secrets.token_hex(16)
        say(writer, {"challenge": challenge})
        try:
            async with asyncio.timeout(HELLO_LIMIT):
                hello = hear(await reader.readline())
            given = str(hello.get("answer", ""))
            if not hmac.compare_digest(given.encode(), answer_to(challenge, self._token).encode()):
                await asyncio.sleep(PENALTY)
                raise Refused("the token is wrong")
            if hello.get("want") == "dial":
                await self._dial(str(hello["host"]), int(hello["port"]), reader, writer)
                return
            if self._busy:
                raise Refused("another session is under way")
        except (Refused, KeyError) as error:
            say(writer, {"error": str(error)})
            await writer.drain()
            return
        self._busy = True
        try:
            await self._session(reader, writer)
        finally:
            self._busy = False
            self.far.gate.renew()

    # -- one session --------------------------------------------------------------------------

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = self.far
        far.gate.renew()
        watch = Watch(far)
        say(
            writer,
            {
                "version": VERSION,
                "tcp": {name: service.port for name, service in far.tcp.items()},
                "udp": {name: service.port for name, service in far.udp.items()},
                "refusing": far.refusing()[1],
                "silent": far.silent()[1],
                "knock": far.knock_port,
                "key": "" if far.gate.everybody else far.gate.key.decode("ascii"),
            },
        )
        telling = asyncio.create_task(self._tell(watch, writer))
        try:
            while True:
                async with asyncio.timeout(IDLE_LIMIT):
                    line = await reader.readline()
                if not line:
                    return
                self._obey(hear(line), watch, writer)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _tell(self, watch: Watch, writer: asyncio.StreamWriter) -> None:
        while True:
            self._tell_news(watch, writer)
            await writer.drain()
            await asyncio.sleep(PERIOD)

    @staticmethod
    def _tell_news(watch: Watch, writer: asyncio.StreamWriter) -> None:
        for news in watch.look():
            say(writer, news)

    def _obey(self, order: dict[str, Any], watch: Watch, writer: asyncio.StreamWriter) -> None:
        if "release" in order:
            watch.connections(str(order["release"]))[int(order["n"])].release.set()
        elif "sync" in order:
            self._tell_news(watch, writer)
            say(writer, {"synced": int(order["sync"])})
        elif "send" in order:
            host, port = order["to"]
            data = base64.b64decode(order["data"])
            self.far.udp[str(order["send"])].send(data, (str(host), int(port)))

    async def _dial(
        self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Only to addresses that have knocked: this is no way to anywhere else."""
        far = self.far
        if not far.loopback and not far.gate.permits(host):
            raise Refused(f"{host} is not an address that this far end has heard from")
        try:
            async with asyncio.timeout(HELLO_LIMIT):
                back, forth = await far.dial(host, port)
        except (OSError, TimeoutError) as error:
            raise Refused(f"{host} port {port}: {error}") from error
        say(writer, {"dialled": True})
        try:
            await asyncio.gather(pour(reader, forth), pour(back, writer))
        finally:
            forth.close()


class Watch:
    """What happens at the far end from now on, told piece by piece. What was told is forgotten
    where no service needs it, so that a session may last for days."""

    def __init__(self, far: FarEnd) -> None:
        self._far = far
        self._told: dict[str, list[tuple[int, int, str]]] = {name: [] for name in far.tcp}
        self._first = {name: len(service.connections) for name, service in far.tcp.items()}
        for service in far.udp.values():
            service.received.clear()

    def connections(self, service: str) -> list[Connection]:
        """Those of this session."""
        return self._far.tcp[service].connections[self._first[service] :]

    def look(self) -> list[dict[str, Any]]:
        """The news since the last look."""
        news: list[dict[str, Any]] = []
        for name, told in self._told.items():
            for number, each in enumerate(self.connections(name)):
                if number == len(told):
                    news.append({"tcp": name, "n": number, "peer": list(each.peer)})
                    told.append((0, 0, ""))
                if told[number] != OVER:
                    news += self._progress(name, number, each)
        for name, service in self._far.udp.items():
            for data, sender in service.received:
                news.append({"udp": name, "data": text(data), "from": list(sender)})
            service.received.clear()
        return news

    def _progress(self, name: str, number: int, each: Connection) -> list[dict[str, Any]]:
        before = self._told[name][number]
        end = min(len(each.received), before[0] + PIECE)
        whole = end == len(each.received)
        now = (end, each.sent, each.ended if whole else "")
        if now == before:
            return []
        fresh = bytes(each.received[before[0] : end])
        self._told[name][number] = now
        if now[2] and name.removeprefix("tls_") in ("echo", "discard", "slow"):
            each.received.clear()
            self._told[name][number] = OVER
        return [
            {"tcp": name, "n": number, "data": text(fresh), "sent": now[1], "ended": now[2]}
        ]  # fmt: skip


def text(data: bytes) -> str:
    """Bytes for a JSON line."""
    return base64.b64encode(data).decode("ascii")


def say(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    """Queue one line."""
    writer.write(json.dumps(message).encode("ascii") + b"\n")


def hear(line: bytes) -> dict[str, Any]:
    """One line. Raises ValueError for anything but an object, EOFError at the end."""
    if not line:
        raise EOFError
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("an object is expected")
    return found


async def pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Bytes from one to the other until the end, which is handed on."""
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()

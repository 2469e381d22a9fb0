"""RemoteFarEnd: test services that run elsewhere (`atdriver far-end`), with FarEnd's interface.

What reached them is mirrored over the control connection (see `farcontrol`), which uses this
computer's own network; the module's data goes through the module.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket as _socket
from typing import Any, Final, Self

from netsocket.capability import freeports
from netsocket.capability.farcontrol import (
    IDLE_LIMIT,
    LINE_LIMIT,
    VERSION,
    answer_to,
    hear,
    say,
)
from netsocket.capability.farend import FarEnd
from netsocket.capability.farend_services import Connection, Datagrams, Service, until
from netsocket.capability.gate import Gate

PATIENCE: Final = 10.0
"""Seconds to reach the control connection and be let in."""


class FarEndLost(ConnectionError):
    """The far end, or the way to its control connection, is gone; no verdict about a module."""


class FarEndRefused(PermissionError):
    """The far end does not take this session: the text says why."""


class _Release(asyncio.Event):
    """Setting it lets the `slow` service elsewhere begin to read."""

    def __init__(self, far: RemoteFarEnd, service: str, number: int) -> None:
        super().__init__()
        self._order = {"release": service, "n": number}
        self._far = far

    def set(self) -> None:
        """Here and there."""
        super().set()
        self._far.order(self._order)


class _Datagrams(Datagrams):
    """What a UDP service elsewhere received."""

    def __init__(self, far: RemoteFarEnd, name: str, port: int) -> None:
        super().__init__(lambda _data: (), Gate(everybody=True))
        self._far = far
        self._name = name
        self.port = port

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        """One datagram from the service's port there."""
        text = base64.b64encode(data).decode("ascii")
        self._far.order({"send": self._name, "data": text, "to": list(address)})

    def close(self) -> None:
        """Nothing of it is here."""


class RemoteFarEnd(FarEnd):
    """The services of an `atdriver far-end` that runs; an async context manager.

    Raises OSError when it cannot be reached, FarEndRefused for a wrong token or while another
    session is under way.
    """

    def __init__(
        self,
        host: str,
        port: int,
        token: str = "",
        *,
        name: str = "",
        unknown_name: str = "nosuch.invalid",
    ) -> None:
        address = _address(host, port)
        if not name:
            name = host if host != address else "localhost" if address == "127.0.0.1" else ""
        super().__init__(address, name=name, unknown_name=unknown_name)
        self.control = (address, port)
        self._token = token
        self._writer: asyncio.StreamWriter | None = None
        self._lost = ""
        self._asked = self._synced = 0
        self._refusing_port = self._silent_port = 0

    @property
    def near(self) -> bool:
        """Only on loopback: there may be NAT before anything else."""
        return self.loopback

    async def _start(self) -> None:
        reader, self._writer, found = await self._greet({"want": "watch"})
        if found.get("version") != VERSION:
            raise FarEndRefused(f"the far end speaks version {found.get('version')}, not {VERSION}")
        self.tcp = {name: Service(name, int(port)) for name, port in found["tcp"].items()}
        self.udp = {name: _Datagrams(self, name, int(port)) for name, port in found["udp"].items()}
        self._refusing_port, self._silent_port = int(found["refusing"]), int(found["silent"])
        self.knock_port = int(found["knock"])
        self.gate = Gate(everybody=not found["key"])
        self.gate.key = found["key"].encode("ascii")
        self._keep(self._listen_on(reader))
        self._keep(self._stay())

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def __aenter__(self) -> Self:
        return await super().__aenter__()

    async def _greet(
        self, wish: dict[str, Any]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, dict[str, Any]]:
        where = "{}:{}".format(*self.control)
        writer: asyncio.StreamWriter | None = None
        greeted = False
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection(*self.control, limit=LINE_LIMIT)
                challenge = str(hear(await reader.readline())["challenge"])
                say(writer, {**wish, "answer": answer_to(challenge, self._token)})
                found = hear(await reader.readline())
            greeted = "error" not in found
        except TimeoutError:
            raise TimeoutError(f"far end {where}: no answer within {PATIENCE:g} s") from None
        except (ValueError, KeyError, EOFError) as error:
            raise FarEndRefused(f"{where} is no control port of an atdriver far-end") from error
        except OSError as error:
            text = error.strerror or str(error)
            raise type(error)(error.errno, f"far end {where}: {text}") from error
        finally:  # also when it is cancelled
            if writer is not None and not greeted:
                writer.close()
        if not greeted:
            raise FarEndRefused(f"far end {where}: {found['error']}")
        return reader, writer, found

    # -- the mirror ---------------------------------------------------------------------------

    async def _listen_on(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._learn(hear(line))
            self._lost = "it closed the control connection"
        except (OSError, ValueError, KeyError, IndexError) as error:
            self._lost = str(error) or type(error).__name__

    def _learn(self, news: dict[str, Any]) -> None:
        if "synced" in news:
            self._synced = int(news["synced"])
            return
        if "udp" in news:
            host, port = news["from"]
            data = base64.b64decode(news["data"])
            self.udp[news["udp"]].received.append((data, (host, int(port))))
            return
        name, number = news["tcp"], int(news["n"])
        connections = self.tcp[name].connections
        if "peer" in news:
            host, port = news["peer"]
            release = _Release(self, name, number)
            connections.append(Connection((host, int(port)), release=release))
            return
        each = connections[number]
        each.received += base64.b64decode(news["data"])
        each.sent, each.ended = int(news["sent"]), news["ended"]

    async def _stay(self) -> None:
        while True:
            await asyncio.sleep(IDLE_LIMIT / 4)
            self.order({})

    def order(self, message: dict[str, Any]) -> None:
        """Ask the far end to do something; there is no answer."""
        if self._writer is not None and not self._lost:
            self._writer.write(json.dumps(message).encode("ascii") + b"\n")

    async def settled(self) -> None:
        """Ask it for everything so far. Raises FarEndLost."""
        self._asked += 1
        mine = self._asked
        self.order({"sync": mine})
        try:
            await until(lambda: self._synced >= mine or bool(self._lost), PATIENCE)
        except TimeoutError:
            self._lost = self._lost or f"no answer within {PATIENCE:g} s"
        self.check()

    def check(self) -> None:
        """Raise FarEndLost when the control connection is gone."""
        if self._lost:
            where = "{}:{}".format(*self.control)
            raise FarEndLost(f"the far end {where} is lost: {self._lost}")

    # -- addresses ----------------------------------------------------------------------------

    def refusing(self) -> tuple[str, int]:
        """A TCP address at which nobody listens."""
        return self.host, self._refusing_port

    def silent(self) -> tuple[str, int]:
        """A TCP address that never answers."""
        return self.host, self._silent_port

    def free_port(self) -> int:
        """One that is free on this computer; a module has all of its own."""
        return freeports.FAR_PORTS.take()

    async def dial(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The far end connects to a listener of the module; raises OSError when it cannot."""
        reader, writer, _ = await self._greet({"want": "dial", "host": host, "port": port})
        return reader, writer


def _address(host: str, port: int) -> str:
    """The IPv4 address of the far end. Raises OSError naming it."""
    try:
        found = _socket.getaddrinfo(host, port, _socket.AF_INET, _socket.SOCK_STREAM)
    except (_socket.gaierror, UnicodeError) as error:
        raise OSError(f"far end {host}: this name is not known here") from error
    return str(found[0][4][0])

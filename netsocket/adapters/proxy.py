"""A proxy: SOCKS5 and HTTP on one port, every connection through a pool of modules.

    async with Pool.of(net) as pool, Proxy(pool) as proxy:
        address = await proxy.listen("127.0.0.1", 1080)

Names reach the module as the client wrote them: this host resolves nothing and connects nowhere.
What a client asks for is in `proxy_socks` and `proxy_http`; here is who may come, how many, and
for how long. The log tells which client came and how it ended, never where it went or what it said.
"""

from __future__ import annotations

import asyncio
import errno
import hmac
import ipaddress
import itertools
import socket as _socket
from collections.abc import Callable
from typing import Final, Self

from netsocket.adapters import proxy_http, proxy_socks
from netsocket.adapters.client import set_up, shrink
from netsocket.adapters.ending import end_task
from netsocket.adapters.pool import Pool
from netsocket.adapters.proxy_visit import Figures, Limits, Phase, Visit
from netsocket.adapters.pump import Meter
from netsocket.adapters.server import NO_ROOM, RETRY
from netsocket.adapters.socks5 import SOCKS4, SOCKS4_REFUSAL, VERSION
from netsocket.address import SocketAddress
from netsocket.table import log

BACKLOG: Final = 128
"""Connections that the kernel keeps until they are accepted."""


class Proxy:
    """See the module's docstring. It belongs to one event loop.

    With `user` and `password` every client must give them; without, only loopback addresses are
    listened on. `pac(address)` makes the text of /proxy.pac for the address that was connected to;
    without it there is none.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        user: str | None = None,
        password: str | None = None,
        limits: Limits | None = None,
        pac: Callable[[SocketAddress], str] | None = None,
    ) -> None:
        if (user is None) != (password is None) or password == "" or user == "":
            raise ValueError("a user and a password belong together, and neither is empty")
        self.pool = pool
        self.limits = limits or Limits()
        self.pac = pac
        self.meter = Meter()
        self.figures = Figures()
        self.secret = None if user is None else (user.encode(), str(password).encode())
        self._listeners: list[tuple[_socket.socket, asyncio.Task[None]]] = []
        self._visits: dict[asyncio.Task[None], Visit] = {}
        self._numbers = itertools.count(1)

    def check(self, user: bytes, password: bytes) -> bool:
        """Whether these are user and password; the time taken tells nothing about them."""
        assert self.secret is not None
        right = hmac.compare_digest(user, self.secret[0])
        return hmac.compare_digest(password, self.secret[1]) and right

    async def listen(self, host: str = "127.0.0.1", port: int = 1080) -> SocketAddress:
        """Serve clients that connect there, from now on; returns the address, with the port that
        0 chose.

        Raises ValueError for a host that is no literal, PermissionError for one beyond loopback
        without a password, OSError (EADDRINUSE, EADDRNOTAVAIL).
        """
        literal = ipaddress.ip_address(host)
        if not literal.is_loopback and self.secret is None:
            raise PermissionError(
                errno.EACCES, f"a proxy on {host} without a password could be used by anybody"
            )
        family = _socket.AF_INET6 if literal.version == 6 else _socket.AF_INET
        listener = _socket.socket(family, _socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            if family == _socket.AF_INET6:
                listener.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
            shrink(listener)
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
        task = asyncio.get_running_loop().create_task(self._accept(listener))
        self._listeners.append((listener, task))
        return SocketAddress.coerce(listener.getsockname())

    async def close(self) -> None:
        """Accept no more, and end every conversation: clients see a reset. Idempotent."""
        for listener, task in self._listeners:
            task.cancel()
            listener.close()
        accepting = [task for _listener, task in self._listeners]
        self._listeners.clear()
        visits = list(self._visits)
        for task in visits:
            end_task(task)
        if accepting or visits:
            await asyncio.wait([*accepting, *visits])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def phases(self) -> dict[Phase, int]:
        """How many clients are where."""
        counts = dict.fromkeys(Phase, 0)
        for visit in self._visits.values():
            counts[visit.phase] += 1
        return counts

    # -- inside -------------------------------------------------------------------------------

    async def _accept(self, listener: _socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, peer = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    log.debug("a client left before it was accepted: %s", error)
                    continue
                log.warning("no client can be accepted now: %s", error)
                await asyncio.sleep(RETRY)
                continue
            number = next(self._numbers)
            if len(self._visits) >= self.limits.clients:
                self.figures.turned_away += 1
                log.warning("client %d from %s is one too many", number, peer[0])
                client.close()
                continue
            log.info("client %d from %s", number, peer[0])
            visit = Visit(self, client, number)
            task = loop.create_task(self._serve(visit))
            self._visits[task] = visit
            task.add_done_callback(self._visits.pop)

    async def _serve(self, visit: Visit) -> None:
        """One client from its first byte to its end; it is closed behind."""
        orderly = False
        try:
            set_up(visit.client)
            orderly = await self._answer(visit)
        except asyncio.CancelledError:
            await visit.finish(orderly=False, hurried=True)
            raise
        except (OSError, EOFError) as error:
            log.info("client %d: %s", visit.number, type(error).__name__)
        except Exception:
            log.exception("client %d could not be served", visit.number)
        finally:
            await visit.finish(orderly=orderly)
            log.info("client %d has ended", visit.number)

    async def _answer(self, visit: Visit) -> bool:
        """Which language it speaks decides. False when the end should look abnormal."""
        async with visit.asking():
            first = await visit.read()
        if not first:
            return True
        if first[0] == VERSION:
            return await proxy_socks.serve(visit, first)
        if first[0] == SOCKS4:
            visit.proxy.figures.failed += 1
            log.info("client %d speaks SOCKS4, which is not served", visit.number)
            await visit.write(SOCKS4_REFUSAL)
            return True
        return await proxy_http.serve(visit, first)

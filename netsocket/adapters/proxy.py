"""A proxy: SOCKS5 and HTTP on one port, every connection through a pool of modules.

    async with Pool.of(net) as pool, Proxy(pool) as proxy:
        address = await proxy.listen("127.0.0.1", 1080)

Names reach the module as the client wrote them: this host resolves nothing and connects nowhere.
The address that the module found is judged (`destinations`), and connected to.
What a client asks for is in `proxy_socks` and `proxy_http`; here is who may come, how many, and
for how long. The log tells which client came and how it ended, never where it went or what it said.
"""

from __future__ import annotations

import errno
import hmac
import ipaddress
import socket as _socket
from collections.abc import Callable

from netsocket.adapters import proxy_http, proxy_socks
from netsocket.adapters.destinations import Destinations
from netsocket.adapters.front import Front
from netsocket.adapters.passage import Limits
from netsocket.adapters.pool import Pool
from netsocket.adapters.proxy_visit import Visit
from netsocket.adapters.socks5 import SOCKS4, SOCKS4_REFUSAL
from netsocket.adapters.socks5_wire import VERSION
from netsocket.address import SocketAddress
from netsocket.table import log


class Proxy(Front[Visit]):
    """See the module's docstring. It belongs to one event loop.

    With `user` and `password` every client must give them; without, only loopback addresses are
    listened on. `destinations` says where it leads. `pac(address)` makes the text of /proxy.pac for
    the address that was connected to; without it there is none.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        user: str | None = None,
        password: str | None = None,
        limits: Limits | None = None,
        destinations: Destinations | None = None,
        pac: Callable[[SocketAddress], str] | None = None,
    ) -> None:
        if (user is None) != (password is None) or password == "" or user == "":
            raise ValueError("a user and a password belong together, and neither is empty")
        super().__init__(pool, limits)
        self.destinations = destinations or Destinations()
        self.pac = pac
        self.secret = None if user is None else (user.encode(), str(password).encode())

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
        if not ipaddress.ip_address(host).is_loopback and self.secret is None:
            raise PermissionError(
                errno.EACCES, f"a proxy on {host} without a password could be used by anybody"
            )
        return await super().listen(host, port)

    # -- inside -------------------------------------------------------------------------------

    def _welcome(self, client: _socket.socket, number: int) -> Visit:
        return Visit(self, client, number)

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

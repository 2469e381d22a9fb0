"""Names: what an interface knows about addresses of hosts, asked of its stack and kept a while.

- IP literals are answered at once; one of the wrong family is NameNotFound.
- Answers are kept for `lifetime` seconds, `size` of them, least recently used first out, per name
  and family. Stacks tell no time to live, hence the fixed, short one. Errors are not kept. All is
  forgotten when the interface's address changes or its module restarts.
- The same question asked twice at a time is one question to the stack.
- A caller's end never ends a question under way: the stack finishes it and the answer is kept.

Numbers from Mbed OS `nsapi_dns.cpp` and `netsocket/mbed_lib.json`: 3 entries (dns-cache-size), 5
asynchronous questions (DNS_QUERY_QUEUE_SIZE), names of 1 to 255 octets.
"""

from __future__ import annotations

import asyncio
import socket as _socket
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from netsocket.address import MAX_NAME, SocketAddress
from netsocket.errors import (
    NameNotFound,
    NameTryAgain,
    NetsocketError,
    NetworkDown,
    Nsapi,
    from_os_error,
)
from netsocket.table import SocketTable

CACHE_SIZE: Final = 3
LIFETIME: Final = 60.0
"""Seconds an answer is believed; the operating system's resolvers honour less for moving hosts."""
QUEUE: Final = 5
"""Questions that `resolve_async` may have under way."""

AddressInfo = tuple[
    _socket.AddressFamily,
    _socket.SocketKind,
    int,
    str,
    tuple[str, int] | tuple[str, int, int, int],
]
"""As socket.getaddrinfo: family, type, proto, canonical name, address."""

_FAMILIES: Final = (_socket.AF_UNSPEC, _socket.AF_INET, _socket.AF_INET6)
_TYPES: Final = (
    (_socket.SOCK_STREAM, _socket.IPPROTO_TCP),
    (_socket.SOCK_DGRAM, _socket.IPPROTO_UDP),
)


class Names:
    """The names of one interface; `size` and `lifetime` may be changed at any time."""

    def __init__(self, table: SocketTable) -> None:
        self.size = CACHE_SIZE
        self.lifetime = LIFETIME
        self._table = table
        self._kept: OrderedDict[tuple[str, int], tuple[float, list[str]]] = OrderedDict()
        self._asked: dict[tuple[str, int], asyncio.Task[list[str]]] = {}
        self._places: list[asyncio.Task[list[str]]] = []

    def clear(self) -> None:
        """Forget all answers, those to questions under way included."""
        self._kept.clear()
        self._asked.clear()

    def end(self) -> None:
        """The interface goes down: forget all answers; who waits for one gets NetworkDown."""
        asked = list(self._asked.values())
        self.clear()
        for question in asked:
            question.cancel()

    def known(self, name: str, family: int = 0) -> list[str] | None:
        """The answer when no question is needed, else None.

        Raises NameNotFound (length, literal of the wrong family), InvalidHostName.
        """
        host = _checked(name, family)
        address = SocketAddress(host)
        if address.is_literal:
            return _of_family([address.host], family, name)
        return self._remembered((host.lower(), family))

    async def resolve(self, name: str, family: int = 0) -> list[str]:
        """Addresses of a name. Raises NameNotFound, NameTryAgain, NetworkDown, InvalidHostName,
        NotSupported."""
        found = self.known(name, family)
        if found is not None:
            return found
        self._table.stack.capabilities["dns.resolve"].require()
        host = _checked(name, family)
        key = (host.lower(), family)
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = self._table.spawn(self._ask(host, key))
            task.add_done_callback(lambda ended: self._answered(key, ended))
        try:
            return list(await asyncio.shield(task))
        except asyncio.CancelledError:
            if task.cancelled():
                raise NetworkDown("the interface was closed during the question") from None
            raise

    def start(self, name: str, family: int = 0) -> asyncio.Future[list[str]]:
        """Ask without waiting: a future, done already when no question is needed.

        At most `QUEUE` may be under way: NameTryAgain with `nsapi` NO_MEMORY. Cancelling it frees
        its place at once.
        """
        loop = asyncio.get_running_loop()
        try:
            found = self.known(name, family)
        except OSError as error:
            failed: asyncio.Future[list[str]] = loop.create_future()
            failed.set_exception(error)
            return failed
        if found is not None:
            future: asyncio.Future[list[str]] = loop.create_future()
            future.set_result(found)
            return future
        # A cancelled question gives its place back before its task got the news.
        self._places = [each for each in self._places if not (each.done() or each.cancelling())]
        if len(self._places) >= QUEUE:
            refusal = NameTryAgain(f"{QUEUE} names are being resolved already")
            refusal.nsapi = Nsapi.NO_MEMORY
            raise refusal
        task = self._table.spawn(self.resolve(name, family))
        self._places.append(task)
        return task

    # -- inside -------------------------------------------------------------------------------

    async def _ask(self, host: str, key: tuple[str, int]) -> list[str]:
        try:
            found = await self._table.stack.resolve(host, key[1])
        except NetsocketError:
            raise
        except OSError as error:
            raise from_os_error(error) from error
        return _of_family(found, key[1], host)

    def _answered(self, key: tuple[str, int], task: asyncio.Task[list[str]]) -> None:
        if self._asked.get(key) is not task:
            return  # the module restarted meanwhile: an answer of its earlier life
        del self._asked[key]
        if task.cancelled() or task.exception() is not None:
            return
        self._kept[key] = (task.get_loop().time() + self.lifetime, task.result())
        self._kept.move_to_end(key)
        while len(self._kept) > self.size:
            self._kept.popitem(last=False)

    def _remembered(self, key: tuple[str, int]) -> list[str] | None:
        if key not in self._kept:
            return None
        until, found = self._kept[key]
        if asyncio.get_running_loop().time() >= until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return list(found)


def _checked(name: str, family: int) -> str:
    """The name as it may go on a wire."""
    if not isinstance(name, str):
        raise TypeError(f"name must be str, not {type(name).__name__}")
    if not 1 <= len(name.removesuffix(".")) <= MAX_NAME:
        error = NameNotFound(f"a name of {len(name)} octets; 1 to 255 with lengths are possible")
        error.nsapi = Nsapi.PARAMETER
        raise error
    if family not in _FAMILIES:
        raise NameNotFound(f"no names of address family {family!r}")
    return SocketAddress(name).host


def _of_family(addresses: Sequence[str], family: int, name: str) -> list[str]:
    found = [each for each in addresses if not family or SocketAddress(each).family == family]
    if not found:
        raise NameNotFound(f"{name}: no address of this family")
    return found


def address_infos(
    addresses: Sequence[str], port: int, type_: int, proto: int, canonical: str
) -> list[AddressInfo]:
    """The tuples of socket.getaddrinfo, streams before datagrams for each address.

    Raises NameNotFound when type and proto fit no socket of this package.
    """
    found: list[AddressInfo] = []
    for each in addresses:
        family = SocketAddress(each).family
        host, _, zone = each.partition("%")
        place: Any = (host, port)
        if family == _socket.AF_INET6:
            place = (each, port, 0, int(zone) if zone.isdigit() else 0)
        for kind, number in _TYPES:
            if type_ in (0, kind) and proto in (0, number):
                found.append((family, kind, int(number), "" if found else canonical, place))
    if not found:
        raise NameNotFound(f"no socket of type {type_} and protocol {proto}")
    return found


def port_number(port: int | str | None, proto: int) -> int:
    """A port from a number, digits, a service name, or None (0). Raises gaierror, OverflowError."""
    if port is None:
        return 0
    if isinstance(port, str) and not port.isdecimal():
        try:
            return _socket.getservbyname(port, "udp" if proto == _socket.IPPROTO_UDP else "tcp")
        except OSError:
            raise _socket.gaierror(_socket.EAI_SERVICE, f"{port}: unknown service") from None
    return SocketAddress("", int(port)).port

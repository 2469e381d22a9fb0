"""What the drivers of mesh nodes share: IPv6 only, pushed data, few sockets, no socket options.

A node of a mesh reaches IPv4 only through a border router that translates addresses (NAT64, RFC
6146). A program may use IPv4 addresses all the same: `Translation` puts them into the network's
prefix and takes them out of it again (RFC 6052, section 2.2, prefixes of 96 bits).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import NoReturn

from atdriver.errors import ATError, EncodeError
from atdriver.events import Anomaly
from atdriver.exchange import Command, Reply
from modems.module import ModuleStack
from modems.options import Key
from modems.sockets import ModuleSocket
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Handle, Kind

WELL_KNOWN = "64:ff9b::/96"
"""The prefix of RFC 6052, section 2.1."""
MISSING = frozenset({"payload stalled", "line too long", "line broke off", "line held low"})
"""Anomalies that may be pieces of received data."""
LINK_LOCAL = ipaddress.IPv6Network("fe80::/10")


class Translation:
    """IPv4 addresses inside one IPv6 prefix; `prefix` None while none is known."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix: int | None = None
        if prefix:
            network = ipaddress.IPv6Network(prefix)  # ValueError: no prefix
            if network.prefixlen != 96:
                raise ValueError(f"{prefix}: a NAT64 prefix of 96 bits is expected")
            self.prefix = int(network.network_address)

    def learn(self, address: str) -> None:
        """The network's own form of an IPv4 address."""
        self.prefix = int(ipaddress.IPv6Address(address)) >> 32 << 32

    def inside(self, host: str) -> str | None:
        """An address as the mesh knows it, all eight groups written out; None for IPv4 while no
        prefix is known."""
        address = ipaddress.ip_address(host.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address):
            return address.exploded
        if self.prefix is None:
            return None
        return ipaddress.IPv6Address(self.prefix | int(address)).exploded

    def outside(self, host: str) -> str:
        """An address of the mesh as programs know it: compressed, IPv4 where it stands for one."""
        address = ipaddress.IPv6Address(host)
        if self.prefix is not None and int(address) >> 32 << 32 == self.prefix:
            return str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        return str(address)


def best_address(addresses: Iterable[str]) -> str:
    """The address that reaches farthest: global, then unique local; "" when there is none but
    link-local ones."""
    found = [ipaddress.IPv6Address(each) for each in addresses]
    usable = [each for each in found if each not in LINK_LOCAL and not each.is_multicast]
    return str(min(usable, key=lambda each: each.is_private)) if usable else ""


class MeshNode(ModuleStack):
    """A Stack in a mesh node that prints what it receives."""

    translation: Translation
    traces: tuple[bytes, ...] = ()
    """What is left of the head of a stream's bytes when one byte of it is damaged."""

    def _on_anomaly(self, event: Anomaly) -> None:
        """A head that was damaged leaves a hole in the stream: nothing behind it is handed out."""
        if event.reason not in MISSING and not any(each in event.sample for each in self.traces):
            return
        self._hole(event.reason)

    def _hole(self, reason: str) -> None:
        """Nobody knows which stream has it."""
        for sock in list(self._sockets.values()):
            if sock.kind is Kind.TCP and sock.link is not None:
                why = f"bytes may be missing on the serial line ({reason})"
                self._break(sock, errors.ConnectionReset(why))

    def _new_socket(self, kind: Kind) -> ModuleSocket:
        sock = super()._new_socket(kind)
        sock.pull = False
        return sock

    def _count(self, kind: Kind) -> int:
        """Sockets of one kind that are open."""
        return sum(sock.kind is kind for sock in self._sockets.values())

    async def local_address(self, handle: Handle) -> SocketAddress:
        """See Stack.local_address."""
        sock = self._socket(handle)
        return SocketAddress(self._address if sock.link is not None else "::", sock.local_port)

    def _verify(self, name: str, text: bytes) -> bool:
        """Nothing is believed while an answer is in doubt."""
        del name, text
        self.anomalies += 1
        return True

    def _incomplete(self, sock: ModuleSocket, text: bytes, count: int, why: str) -> None:
        """A payload that is not whole is never handed out."""
        if sock.kind is Kind.UDP:
            sock.unread = errors.PayloadIncomplete(
                f"a datagram of {count} bytes did not come whole: {why}",
                text=text,
                count=count,
            )
            self._wake(sock)
        else:
            self._break(sock, errors.ConnectionReset(f"received bytes are missing: {why}"))

    def _undone(self, sock: ModuleSocket, data: bytes, error: ATError) -> int:
        """A datagram is a part of its command's line."""
        if isinstance(error, EncodeError) and sock.kind is Kind.UDP:
            raise errors.MessageTooLong(f"a datagram of {len(data)} bytes: {error}") from None
        return super()._undone(sock, data, error)

    def _translated(self, address: SocketAddress) -> str:
        """The address as the mesh knows it. Raises HostUnreachable for IPv4 without a prefix."""
        inside = self.translation.inside(address.host)
        if inside is None:
            raise errors.HostUnreachable(
                f"{address}: an IPv4 address, and no NAT64 prefix is set (setting nat64)"
            )
        return inside

    # -- what such nodes do not have -------------------------------------------------------------

    def _read_command(self, sock: ModuleSocket) -> Command:
        del sock
        raise AssertionError("nothing is fetched from a node that prints")

    def _take_in(self, sock: ModuleSocket, link: int, reply: Reply) -> None:
        del sock, link, reply
        raise AssertionError("nothing is fetched from a node that prints")

    async def _nothing_read(self, sock: ModuleSocket) -> None:
        del sock
        raise AssertionError("nothing is fetched from a node that prints")

    async def _set_option(self, sock: ModuleSocket, key: Key, value: int | bytes) -> None:
        del sock, value
        self._no_option(key)

    def _get_option(self, sock: ModuleSocket, key: Key) -> int:
        del sock
        self._no_option(key)

    def _no_option(self, key: Key) -> NoReturn:
        raise self._refuse(key, "the node's shell has no socket options")

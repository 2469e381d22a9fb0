"""What lies around a fake module: names, access points, reachable addresses.

Only loopback exists.  Every real socket of every fake is opened on an address that passed
`World.guard`; anything else behaves like a host that does not answer, and no packet leaves.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Mapping

from .errors import FakeError, UnreachableError
from .peers import Peer, PeerBook

__all__ = ["World"]


class World:
    """The simulated surroundings of one or more fake modules.

    Args:
        resolve: host name -> literal address, or several with commas between.  Names not
            listed do not resolve; literal addresses answer themselves.  Names are compared
            without case.
        access_points: SSID -> password ("" means open).
        seed: origin of every random decision.
        time_scale: factor on every model delay; 0 removes them (the loop still runs).
        address: the loopback address the module's own sockets are bound to, and the IPv4
            address it reports as its own (so that a peer can reach a listener there).
        peers: scripted peers, "host:port" -> Peer (see `fakes.peers`).
        offline: no real sockets at all, so that a run under virtual time depends on nothing
            but its seed; only peers are reachable.
    """

    def __init__(
        self,
        resolve: Mapping[str, str] | None = None,
        access_points: Mapping[str, str] | None = None,
        seed: int = 0,
        time_scale: float = 1.0,
        *,
        address: str = "127.0.0.1",
        peers: Mapping[str, Peer] | None = None,
        offline: bool = False,
    ) -> None:
        if time_scale < 0:
            raise FakeError(22, f"time_scale must not be negative: {time_scale}")
        self.names = {name.lower().rstrip("."): value for name, value in (resolve or {}).items()}
        self.access_points = dict(access_points or {})
        self.seed = seed
        self.time_scale = time_scale
        self.random = random.Random(seed)
        self.address = address
        self.guard(address)
        self.peers = PeerBook(peers)
        self.offline = offline

    def lookup(self, name: str, *, family: int = 0) -> str | None:
        """The first of `lookup_all`, or None when the name does not resolve."""
        return next(iter(self.lookup_all(name, family=family)), None)

    def lookup_all(self, name: str, *, family: int = 0) -> list[str]:
        """Resolve `name` from the table.

        Args:
            name: host name or literal address.
            family: 0 any, 4 or 6: accept only that IP version.

        Returns:
            The literal addresses, none when the name does not resolve.
        """
        key = name.lower().rstrip(".")
        known = (
            name if self.is_literal(name) else self.names.get(key, self.peers.names.get(key, ""))
        )
        return [
            each
            for each in known.split(",")
            if self.is_literal(each) and family in (0, ipaddress.ip_address(each).version)
        ]

    def scripted(self, address: str, port: int) -> bool:
        """Whether a connection there goes to the scripted peers, not to a real socket."""
        return self.offline or self.peers.knows(address) or bool(self.peers.at(address, port))

    def reaches(self, address: str) -> bool:
        """Whether a datagram or a ping to this literal address finds somebody."""
        return self.peers.knows(address) or (self.is_reachable(address) and not self.offline)

    @staticmethod
    def is_literal(text: str) -> bool:
        """Whether `text` is a literal IPv4 or IPv6 address."""
        try:
            ipaddress.ip_address(text)
        except ValueError:
            return False
        return True

    @staticmethod
    def is_reachable(address: str) -> bool:
        """Whether `address` (literal) lies in 127.0.0.0/8 or is ::1."""
        try:
            return ipaddress.ip_address(address).is_loopback
        except ValueError:
            return False

    @classmethod
    def guard(cls, address: str) -> str:
        """Return `address` when it is loopback; the one gate before every real socket.

        Raises:
            UnreachableError: any other address.
        """
        if not cls.is_reachable(address):
            raise UnreachableError(address)
        return address

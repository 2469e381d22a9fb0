"""Gate: who may use a far end that the world can reach, and how much it may be sent.

On loopback everybody may. Beyond it a far end sends nothing to an address that has not shown the
session's key (a "knock" through the module, over TCP and over UDP), so that a forged sender
address gets no answer at all; and what it sends is capped, so that the services are of no use to
anybody else even then.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from typing import Final

GRANT: Final = 256 * 1024
"""Datagram bytes that one knock is worth: the probes need about a third of it."""
FACTOR: Final = 2
"""Datagram bytes sent for each datagram byte heard, on top of the grant."""
CAP: Final = 256 * 1024 * 1024
"""Bytes that one client gets in all, streams and datagrams together."""
KEY_LENGTH: Final = 32

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class CapReached(ConnectionError):
    """This client has had all the bytes it may have."""


class Gate:
    """Counts for each address; `everybody` opens it (loopback).

    `allowed` are networks that need no knock: by hand, in one's own laboratory.
    """

    def __init__(
        self, *, everybody: bool, allowed: Iterable[Network] = (), cap: int | None = None
    ) -> None:
        self.everybody = everybody
        self.cap = CAP if cap is None else cap
        self.key = b""
        self._allowed = tuple(allowed)
        self._admitted: set[str] = set()
        self._heard: dict[str, int] = {}
        self._datagrams: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self.renew()

    def renew(self) -> None:
        """A new session: a new key, nobody admitted, nothing counted."""
        self.key = secrets.token_hex(KEY_LENGTH // 2).encode("ascii")
        for counts in (self._heard, self._datagrams, self._sent):
            counts.clear()
        self._admitted.clear()

    def knock(self, host: str, key: bytes) -> bool:
        """Admit the address if the key is the session's."""
        if not hmac.compare_digest(key, self.key):
            return False
        self._admitted.add(host)
        return True

    def permits(self, host: str) -> bool:
        """Whether this address may be talked to."""
        if self.everybody or host in self._admitted:
            return True
        return any(ipaddress.ip_address(host) in network for network in self._allowed)

    def heard(self, host: str, count: int) -> None:
        """Datagram bytes came from there."""
        self._heard[host] = self._heard.get(host, 0) + count

    def grant_datagram(self, host: str, count: int) -> bool:
        """Whether a datagram of so many bytes may go there; it is counted then."""
        if self.everybody:
            return True
        so_far = self._datagrams.get(host, 0) + count
        if not self.permits(host) or so_far > GRANT + FACTOR * self._heard.get(host, 0):
            return False
        if not self._count(host, count):
            return False
        self._datagrams[host] = so_far
        return True

    def grant_stream(self, host: str, count: int) -> None:
        """Count stream bytes for this address. Raises CapReached."""
        if not self.everybody and not self._count(host, count):
            raise CapReached(f"{host} has had its {self.cap} bytes")

    def _count(self, host: str, count: int) -> bool:
        so_far = self._sent.get(host, 0) + count
        if so_far > self.cap:
            return False
        self._sent[host] = so_far
        return True

"""Scripted peers: what a simulated module can talk to without a server anywhere.

A `Peer` says how one address behaves: it echoes, refuses, is slow, resets, sends hostile bytes.
Peers live in the fake's own process and memory, so they also work under virtual time, and at any
address (no packet leaves)::

    World(peers={"srv:7": Peer("echo"), "192.0.2.9:80": Peer(answer=b"HTTP/1.0 404 no\\r\\n\\r\\n",
                                                            then="close")})

In a YAML scenario the same is `peers: {"srv:7": echo, "192.0.2.9:80": {answer: ..., then: close}}`.
A name as address resolves by itself, to an address of 192.0.2.0/24.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .errors import ScenarioError

if TYPE_CHECKING:
    from .conversation import Conversation

__all__ = ["KINDS", "Peer", "PeerBook"]

KINDS: Final[Mapping[str, str]] = {
    "echo": "sends back what it gets",
    "discard": "takes everything and says nothing",
    "chargen": "sends the pattern of RFC 864 for ever",
    "stall": "accepts, then neither reads nor sends",
    "refuse": "turns a connection away at once",
    "silent": "does not answer a connection at all",
}
"""What a peer does by itself, and in words."""
ENDINGS: Final = ("", "close", "reset", "stall", "half-close")


@dataclass(frozen=True, slots=True)
class Peer:
    """How one address behaves towards every connection, and to datagrams.

    Attributes:
        does: a key of `KINDS`.
        greeting: bytes sent when a connection stands.
        answer: bytes sent once, when the first byte (of a datagram: any) has come.
        then: how it ends the connection ("" not at all): "close" (FIN), "half-close" (FIN,
            reading goes on), "reset" (RST), "stall" (reads no more).
        after: bytes received from the module before `then` happens; with an `answer` and 0,
            right behind the answer; otherwise with 0 right behind the greeting.
        rate: bytes per second it reads and sends at most, None: no limit.
        delay: seconds until a connection stands, and until a datagram is answered.
    """

    does: str = "discard"
    greeting: bytes = b""
    answer: bytes = b""
    then: str = ""
    after: int = 0
    rate: float | None = None
    delay: float = 0.0

    def __post_init__(self) -> None:
        if self.does not in KINDS:
            raise ScenarioError(f"unknown peer {self.does!r}; valid: {', '.join(KINDS)}")
        if self.then not in ENDINGS:
            listed = ", ".join(filter(None, ENDINGS))
            raise ScenarioError(f"unknown ending {self.then!r}; valid: {listed}")
        if self.after < 0 or self.delay < 0 or (self.rate is not None and self.rate <= 0):
            raise ScenarioError("after, delay: not negative; rate: more than 0")


class PeerBook:
    """The peers of one world: by address, by name, and the conversations they have.

    Args:
        peers: "host:port" -> Peer; the host is a name or a literal address ([::1]:7 for IPv6).

    Attributes:
        opened: called with each conversation that begins.

    Raises:
        ScenarioError: a key is no host and port.
    """

    def __init__(self, peers: Mapping[str, Peer] | None = None) -> None:
        self.names: dict[str, str] = {}
        self.conversations: dict[str, list[Conversation]] = {}
        self.opened: Callable[[Conversation], None] = lambda _conversation: None
        self._peers: dict[tuple[str, int], tuple[str, Peer]] = {}
        for place, peer in (peers or {}).items():
            self.add(place, peer)

    def __len__(self) -> int:
        return len(self._peers)

    def add(self, place: str, peer: Peer) -> None:
        """Put a peer at "host:port"; it replaces the one that is there.

        Raises:
            ScenarioError: not a host and a port.
        """
        host, port = _split(place)
        try:
            address = str(ipaddress.ip_address(host))
        except ValueError:
            name = host.lower().rstrip(".")
            address = self.names.setdefault(name, f"192.0.2.{len(self.names) + 1}")
        self._peers[address, port] = (place, peer)

    def remove(self, place: str) -> None:
        """Nobody is at "host:port" any more; conversations stand. Raises ScenarioError."""
        host, port = _split(place)
        address = self.names.get(host.lower().rstrip("."), host)
        self._peers.pop((address, port), None)

    def at(self, address: str, port: int) -> tuple[str, Peer] | None:
        """The place and the peer at a literal address, None when nobody is there."""
        return self._peers.get((address, port))

    def knows(self, address: str) -> bool:
        """Whether any peer has this literal address (its other ports refuse)."""
        return any(each == address for each, _port in self._peers)

    def enter(self, place: str, conversation: Conversation) -> None:
        """A conversation begins; those of this place that are over are forgotten."""
        others = self.conversations.get(place, ())
        self.conversations[place] = [*(one for one in others if not one.over), conversation]
        self.opened(conversation)

    def talking(self, place: str | None = None) -> Iterator[Conversation]:
        """The conversations that stand, of one place or of all."""
        for each, conversations in self.conversations.items():
            if place in (None, each):
                conversations[:] = [one for one in conversations if not one.over]
                yield from tuple(conversations)


def _split(place: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ScenarioError(f"peer {place!r}: HOST:PORT is expected")
    return host, int(port)

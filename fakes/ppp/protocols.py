"""LCP, IPCP and IPV6CP of the server: what each asks for and how it judges what is asked."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable
from typing import Final

from .automaton import Automaton, Timer
from .hdlc import ALL_CONTROLS
from .manners import Manners
from .packets import (
    CCP,
    CHAP,
    CONFIGURE_ACK,
    CONFIGURE_NAK,
    CONFIGURE_REJECT,
    DISCARD_REQUEST,
    ECHO_REPLY,
    ECHO_REQUEST,
    IPCP,
    IPV6CP,
    LCP,
    PAP,
    PROTOCOL_REJECT,
    Option,
    Packet,
)

__all__ = ["Ccp", "Ipcp", "Ipv6cp", "Lcp"]

# RFC 1661 section 6, RFC 1662 section 7
MRU: Final = 1
ACCM: Final = 2
AUTHENTICATION: Final = 3
MAGIC: Final = 5
PFC: Final = 7
ACFC: Final = 8
# RFC 1332 section 3, RFC 1877 section 1
COMPRESSION: Final = 2
ADDRESS: Final = 3
PRIMARY_DNS: Final = 129
SECONDARY_DNS: Final = 131
INTERFACE: Final = 1  # RFC 5072 section 4.1

_LEAST_MRU: Final = 64  # below that no useful packet fits
_CHAP_MD5: Final = CHAP.to_bytes(2, "big") + b"\x05"
_VJ: Final = b"\x00\x2d\x0f\x01"  # 16 slots, slot number compressed

Send = Callable[[int, bytes], None]
Judgement = tuple[int, list[Option]]


def _verdict(asked: list[Option], wrong: list[Option], unknown: list[Option]) -> Judgement:
    """Reject goes before Nak, Nak before Ack (RFC 1661 section 5.2 to 5.4)."""
    if unknown:
        return CONFIGURE_REJECT, unknown
    return (CONFIGURE_NAK, wrong) if wrong else (CONFIGURE_ACK, asked)


class Lcp(Automaton):
    """The link itself.

    Attributes:
        peer_mru: longest information field that the peer takes, bytes.
        peer_controls: what must be escaped on the way to it.
        peer_short_protocol, peer_short_header: whether it takes the compressed forms.
        looped: one's own magic number came back.
    """

    name = "LCP"

    def __init__(self, send: Send, timer: Timer, manners: Manners, source: random.Random) -> None:
        super().__init__(LCP, send, timer)
        self._manners = manners
        self._source = source
        self.peer_mru = 1500
        self.peer_controls = ALL_CONTROLS
        self.peer_short_protocol = self.peer_short_header = False
        self.looped = False
        self.echoes_owed = 0
        self.protocol_rejected: Callable[[int], None] = lambda *_: None
        controls = 0xFFFFFFFF if "all-controls" in manners.faults else 0
        self.wanted = {ACCM: controls.to_bytes(4, "big")}
        if manners.mru != 1500:
            self.wanted[MRU] = manners.mru.to_bytes(2, "big")
        if manners.authentication == "pap":
            self.wanted[AUTHENTICATION] = PAP.to_bytes(2, "big")
        elif manners.authentication == "chap":
            self.wanted[AUTHENTICATION] = _CHAP_MD5
        self.wanted |= {MAGIC: self._number(), PFC: b"", ACFC: b""}

    def _number(self) -> bytes:
        return self._source.randrange(1, 1 << 32).to_bytes(4, "big")

    @property
    def magic(self) -> bytes:
        """The own magic number, zero when the peer would have none."""
        return self.wanted.get(MAGIC, bytes(4))

    @property
    def authentication(self) -> int:
        """The protocol by which the peer must authenticate itself, 0: none."""
        return int.from_bytes(self.wanted.get(AUTHENTICATION, b"")[:2], "big")

    def judge(self, asked: list[Option]) -> Judgement:
        """What a modem takes: everything of RFC 1661 but authentication of itself and quality."""
        wrong: list[Option] = []
        unknown: list[Option] = []
        for kind, value in asked:
            sizes = {MRU: 2, ACCM: 4, MAGIC: 4, PFC: 0, ACFC: 0}
            if sizes.get(kind) != len(value):
                unknown.append((kind, value))
            elif kind == MRU and int.from_bytes(value, "big") < _LEAST_MRU:
                wrong.append((MRU, (1500).to_bytes(2, "big")))
            elif kind == MAGIC and value == bytes(4):
                wrong.append((MAGIC, self._number()))
            elif kind == MAGIC and value == self.magic:
                self.looped = True  # RFC 1661 section 6.4
                wrong.append((MAGIC, self._number()))
        return _verdict(asked, wrong, unknown)

    def agreed(self, asked: list[Option]) -> None:
        """From now on the peer is spoken to in its way."""
        given = dict(asked)
        self.peer_mru = int.from_bytes(given.get(MRU, b"\x05\xdc"), "big")
        self.peer_controls = int.from_bytes(given.get(ACCM, b"\xff\xff\xff\xff"), "big")
        self.peer_short_protocol = PFC in given
        self.peer_short_header = ACFC in given

    def advised(self, kind: int, value: bytes) -> None:
        """PAP for CHAP when a peer would have it so, another magic number, its control map."""
        if kind == MAGIC:
            self.wanted[MAGIC] = self._number()
        elif kind == ACCM and len(value) == 4:
            mine = int.from_bytes(self.wanted.get(ACCM, bytes(4)), "big")
            self.wanted[ACCM] = (mine | int.from_bytes(value, "big")).to_bytes(4, "big")
        elif kind == AUTHENTICATION and kind in self.wanted:
            if value in (PAP.to_bytes(2, "big"), _CHAP_MD5):
                self.wanted[AUTHENTICATION] = value
        elif kind == MRU and kind in self.wanted and len(value) == 2:
            self.wanted[MRU] = value

    def rejected(self, kind: int) -> None:
        """A peer that will not authenticate itself is asked again until the counter ends it."""
        if kind != AUTHENTICATION:
            super().rejected(kind)

    def extra(self, packet: Packet) -> bool:
        """Echo, discard and rejected protocols (RFC 1661 sections 5.7 to 5.9)."""
        if packet.code == ECHO_REQUEST:
            if self.opened and "no-echo" not in self._manners.faults:
                answer = Packet(ECHO_REPLY, packet.identifier, self.magic + packet.data[4:])
                self._send(self.number, bytes(answer))
        elif packet.code == ECHO_REPLY:
            self.echoes_owed = 0
        elif packet.code == PROTOCOL_REJECT:
            if len(packet.data) >= 2 and self.opened:
                self.protocol_rejected(int.from_bytes(packet.data[:2], "big"))
        elif packet.code != DISCARD_REQUEST:
            return False
        return True

    def reject(self, protocol: int, payload: bytes) -> None:
        """A protocol that nobody here speaks (RFC 1661 section 5.7)."""
        data = protocol.to_bytes(2, "big") + payload
        room = self.peer_mru - 4
        self._send(self.number, bytes(Packet(PROTOCOL_REJECT, self._next(), data[:room])))

    def ask_echo(self) -> None:
        """One Echo-Request; `echoes_owed` counts those without an answer."""
        self.echoes_owed += 1
        self._send(self.number, bytes(Packet(ECHO_REQUEST, self._next(), self.magic)))


class Ipcp(Automaton):
    """IPv4 addresses and name servers (RFC 1332, RFC 1877)."""

    name = "IPCP"

    def __init__(self, send: Send, timer: Timer, manners: Manners) -> None:
        super().__init__(IPCP, send, timer)
        self._manners = manners
        self.wanted = {ADDRESS: ipaddress.IPv4Address(manners.own).packed}
        if "offer-vj" in manners.faults:
            self.wanted = {COMPRESSION: _VJ, **self.wanted}

    def judge(self, asked: list[Option]) -> Judgement:
        """The peer's address and name servers are what this side says, by Nak."""
        given = {
            ADDRESS: self._manners.peer,
            PRIMARY_DNS: self._manners.dns[0],
            SECONDARY_DNS: self._manners.dns[1],
        }
        wrong: list[Option] = []
        unknown: list[Option] = []
        for kind, value in asked:
            refused = kind != ADDRESS and "no-dns" in self._manners.faults
            if kind not in given or len(value) != 4 or refused:
                unknown.append((kind, value))
                continue
            right = ipaddress.IPv4Address(given[kind]).packed
            if value != right:
                wrong.append((kind, right))
        if not wrong and not unknown and ADDRESS not in dict(asked):
            wrong.append((ADDRESS, ipaddress.IPv4Address(self._manners.peer).packed))
        return _verdict(asked, wrong, unknown)

    def advised(self, kind: int, value: bytes) -> None:
        """Its own address is not for the peer to say."""


class Ipv6cp(Automaton):
    """Interface identifiers (RFC 5072).

    Attributes:
        peer: the peer's identifier once agreed, 8 bytes.
    """

    name = "IPV6CP"

    def __init__(self, send: Send, timer: Timer, source: random.Random) -> None:
        super().__init__(IPV6CP, send, timer)
        self._source = source
        self.peer = bytes(8)
        self.wanted = {INTERFACE: self._make()}

    def _make(self) -> bytes:
        # Not universal: the bit of RFC 5072 section 4.1 is off.
        made = bytearray(self._source.randrange(1, 1 << 64).to_bytes(8, "big"))
        made[0] &= 0xFD
        return bytes(made)

    @property
    def own(self) -> bytes:
        """The own identifier, 8 bytes."""
        return self.wanted.get(INTERFACE, bytes(7) + b"\x02")

    def judge(self, asked: list[Option]) -> Judgement:
        """Any identifier but none and one's own (RFC 5072 section 4.1)."""
        wrong: list[Option] = []
        unknown: list[Option] = []
        for kind, value in asked:
            if kind != INTERFACE or len(value) != 8:
                unknown.append((kind, value))
            elif value in (bytes(8), self.own):
                wrong.append((kind, self._make()))
        return _verdict(asked, wrong, unknown)

    def agreed(self, asked: list[Option]) -> None:
        """The peer's identifier stands."""
        self.peer = dict(asked).get(INTERFACE, bytes(8))

    def advised(self, kind: int, value: bytes) -> None:
        """The peer may say which it is."""
        if kind == INTERFACE and len(value) == 8:
            self.wanted[INTERFACE] = value


class Ccp(Automaton):
    """Only asks (RFC 1962): a peer that does not compress rejects the protocol."""

    name = "CCP"

    def __init__(self, send: Send, timer: Timer) -> None:
        super().__init__(CCP, send, timer)
        self.wanted = {26: b"\x78\x00"}  # Deflate (RFC 1979)

    def judge(self, asked: list[Option]) -> Judgement:
        """Compresses nothing in truth."""
        return (CONFIGURE_REJECT, asked) if asked else (CONFIGURE_ACK, asked)

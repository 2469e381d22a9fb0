"""Logging in: PAP (RFC 1334, 2) and CHAP with MD5 (RFC 1994), the side that is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from atdriver.errors import EncodeError
from atdriver.ppp.errors import AuthenticationRefused, PeerSilent, PppError
from atdriver.ppp.negotiation import text
from atdriver.ppp.packets import CHAP, PAP, Packet, decode_packet

RETRY = 3.0
"""Seconds until a PAP request is repeated."""
TRIES = 10
LONGEST = 255
"""Bytes of a user name or a password."""
PATIENCE = RETRY * TRIES
"""Seconds for the other end to challenge and to decide."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs in. The password is in no representation of this. Raises EncodeError for what the
    packets have no room for (RFC 1334, 2.2.1: 255 octets) or UTF-8 no bytes."""

    user: str = ""
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Whole, or not at all."""
        for what, part in (("user name", self.user), ("password", self.password)):
            if len(_octets(what, part)) > LONGEST:
                raise EncodeError(f"a {what} for PPP has at most {LONGEST} bytes")


class Login:
    """One login, by PAP or CHAP; `done` is told None, or why not."""

    number = 0
    name = ""

    def __init__(
        self,
        send: Callable[[bytes], None],
        done: Callable[[PppError | None], None],
        who: Credentials,
    ) -> None:
        self.timer: float | None = None
        self._send = send
        self._done = done
        self._who = who
        self._open = True

    def begin(self, now: float) -> None:
        """The link is established."""
        self.timer = now + PATIENCE

    def tick(self, now: float) -> None:
        """Nobody asked, or nobody decided, in time."""
        if self.timer is not None and now >= self.timer:
            self._end(PeerSilent(self.name, 1))

    def receive(self, payload: bytes) -> None:
        """One packet of the protocol; impossible ones are dropped."""
        packet = decode_packet(payload)
        if packet is not None:
            self._on(packet)

    def _on(self, packet: Packet) -> None:
        raise NotImplementedError

    def _end(self, error: PppError | None) -> None:
        self.timer = None
        if self._open or error is not None:
            self._open = False
            self._done(error)


class Pap(Login):
    """Says user and password until it is answered."""

    number = PAP
    name = "PAP"
    _tries = 0

    def begin(self, now: float) -> None:
        """Ask at once."""
        self._ask(now)

    def tick(self, now: float) -> None:
        """Ask again, or give up."""
        if self.timer is None or now < self.timer:
            return
        if self._tries >= TRIES:
            self._end(PeerSilent(self.name, self._tries))
        else:
            self._ask(now)

    def _ask(self, now: float) -> None:
        self._tries += 1
        self.timer = now + RETRY
        user = _octets("user name", self._who.user)
        password = _octets("password", self._who.password)
        data = bytes((len(user),)) + user + bytes((len(password),)) + password
        self._send(Packet(1, self._tries, data).encode())

    def _on(self, packet: Packet) -> None:
        if not self._open or not 1 <= packet.identifier <= self._tries:
            return
        if packet.code == 2:
            self._end(None)
        elif packet.code == 3:
            said = text(packet.data[1 : 1 + packet.data[0]]) if packet.data else ""
            self._end(AuthenticationRefused(self.name, said))


class Chap(Login):
    """Answers each challenge, also later ones."""

    number = CHAP
    name = "CHAP"
    _answered: int | None = None

    def _on(self, packet: Packet) -> None:
        match packet.code:
            case 1:
                if not packet.data or not 1 <= packet.data[0] < len(packet.data):
                    return
                challenge = packet.data[1 : 1 + packet.data[0]]
                secret = bytes((packet.identifier,)) + _octets("password", self._who.password)
                secret += challenge
                value = hashlib.md5(secret, usedforsecurity=False).digest()
                self._answered = packet.identifier
                data = bytes((len(value),)) + value + _octets("user name", self._who.user)
                self._send(Packet(2, packet.identifier, data).encode())
            case 3 if packet.identifier == self._answered:
                self._end(None)
            case 4 if packet.identifier == self._answered:
                self._end(AuthenticationRefused(self.name, text(packet.data)))


def _octets(what: str, part: str) -> bytes:
    try:
        return part.encode()
    except UnicodeEncodeError:
        raise EncodeError(f"a {what} that is no text") from None


LOGINS: dict[str, type[Login]] = {"pap": Pap, "chap": Chap}

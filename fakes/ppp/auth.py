"""PAP (RFC 1334) and CHAP with MD5 (RFC 1994) as the authenticator."""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Callable
from typing import Final

from .automaton import Handle, Timer
from .manners import Manners
from .packets import CHAP, PAP, Malformed, Packet

__all__ = ["Authenticator"]

_CHALLENGE: Final = 1
_RESPONSE: Final = 2
_SUCCESS: Final = 3
_FAILURE: Final = 4
_PAP_REQUEST: Final = 1
_PAP_ACK: Final = 2
_PAP_NAK: Final = 3

_AGAIN: Final = 3.0  # seconds until an unanswered challenge is sent again
_TRIES: Final = 10
_NAME: Final = b"modem"


class Authenticator:
    """Asks the peer who it is, once.

    Args:
        manners: who is taken.
        send: hands a packet to the link.
        timer: for the challenge that nobody answers.
        source: of challenges.
        decided: called with the outcome.
    """

    def __init__(
        self,
        manners: Manners,
        send: Callable[[int, bytes], None],
        timer: Timer,
        source: random.Random,
        decided: Callable[[bool], None],
    ) -> None:
        self._manners = manners
        self._send = send
        self._timer = timer
        self._source = source
        self._decided = decided
        self._protocol = 0
        self._challenge = b""
        self._tries = 0
        self._handle: Handle | None = None
        self._outcome: bool | None = None

    def begin(self, protocol: int) -> None:
        """CHAP challenges, PAP waits."""
        self._protocol = protocol
        self._outcome = None
        self._tries = 0
        if protocol == CHAP:
            self._challenge = self._source.randbytes(16)
        self._ask()

    def stop(self) -> None:
        """No further challenge."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ask(self) -> None:
        self._handle = None
        self._tries += 1
        if self._tries > _TRIES:
            self._decide(False)
            return
        if self._protocol == CHAP:
            value = bytes((len(self._challenge),)) + self._challenge + _NAME
            self._send(CHAP, bytes(Packet(_CHALLENGE, 1, value)))
        self._handle = self._timer(_AGAIN, self._ask)

    def receive(self, protocol: int, raw: bytes) -> None:
        """A packet of the peer's; one of the protocol that was not agreed is dropped."""
        if protocol != self._protocol:
            return
        try:
            packet = Packet.parse(raw)
            if protocol == PAP:
                self._pap(packet)
            else:
                self._chap(packet)
        except (Malformed, IndexError):
            return

    def _pap(self, packet: Packet) -> None:
        if packet.code != _PAP_REQUEST:
            return
        length = packet.data[0]
        user = packet.data[1 : 1 + length]
        size = packet.data[1 + length]
        password = packet.data[2 + length : 2 + length + size]
        if len(password) != size:
            raise Malformed("password")
        right = self._manners.takes(user) and self._matches(password)
        code, said = (_PAP_ACK, b"") if right else (_PAP_NAK, b"Login incorrect")
        answer = bytes((len(said),)) + said
        self._send(PAP, bytes(Packet(code, packet.identifier, answer)))
        self._decide(right)

    def _matches(self, password: bytes) -> bool:
        manners = self._manners
        if not (manners.user or manners.password):
            return True
        return hmac.compare_digest(password, manners.password.encode())

    def _chap(self, packet: Packet) -> None:
        if packet.code != _RESPONSE or packet.identifier != 1:
            return
        size = packet.data[0]
        value, user = packet.data[1 : 1 + size], packet.data[1 + size :]
        if self._outcome is None:
            self._outcome = self._manners.takes(user) and self._proves(packet.identifier, value)
        # A response that comes twice has the same answer (RFC 1994 section 4.2).
        code, said = (_SUCCESS, b"Welcome") if self._outcome else (_FAILURE, b"Access denied")
        self._send(CHAP, bytes(Packet(code, packet.identifier, said)))
        self._decide(self._outcome)

    def _proves(self, identifier: int, value: bytes) -> bool:
        manners = self._manners
        if len(value) != 16:
            return False
        if not (manners.user or manners.password):
            return True
        secret = manners.password.encode()
        right = hashlib.md5(bytes((identifier,)) + secret + self._challenge).digest()
        return hmac.compare_digest(value, right)

    def _decide(self, good: bool) -> None:
        self.stop()
        self._outcome = good
        self._decided(good)

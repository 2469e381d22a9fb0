"""LCP: how frames are to look, who must log in, whether the other end is still there.

RFC 1661 section 6 (options), 5.7 to 5.9 (Protocol-Reject, Echo, Discard); RFC 1662 section 7
(ACCM); RFC 1994 (CHAP).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from atdriver.ppp.automaton import State
from atdriver.ppp.errors import EchoLost, LineLooped
from atdriver.ppp.hdlc import ALL_CONTROLS
from atdriver.ppp.negotiation import REJECTED, ControlProtocol, Verdict
from atdriver.ppp.packets import CHAP, PAP, Code, Option, Packet

MRU, ACCM, AUTHENTICATION, MAGIC, PFC, ACFC = 1, 2, 3, 5, 7, 8
DEFAULT_MRU = 1500
SMALLEST_MRU = 128
LOOPS = 5
"""Times our own magic number may come back before the line counts as looped."""

AUTH_PAP = PAP.to_bytes(2)
AUTH_CHAP_MD5 = CHAP.to_bytes(2) + b"\x05"
AUTHENTICATIONS = {"pap": AUTH_PAP, "chap": AUTH_CHAP_MD5}


@dataclass(slots=True)
class Framing:
    """What the other end wants of our frames."""

    mru: int = DEFAULT_MRU
    accm: int = ALL_CONTROLS
    pfc: bool = False
    acfc: bool = False
    authentication: str = ""
    """"pap", "chap", or empty: none."""


class Lcp(ControlProtocol):
    """The link control protocol. `magic()` draws 32-bit numbers; `done` is told of up, down and
    finished by those words; `allowed` are the ways to log in that may be used."""

    name = "LCP"

    def __init__(
        self,
        send: Callable[[bytes], None],
        done: Callable[[str], None],
        magic: Callable[[], int],
        *,
        accm: int = 0,
        allowed: tuple[str, ...] = ("chap", "pap"),
        echo_interval: float = 10.0,
        echo_failures: int = 3,
    ) -> None:
        super().__init__(send)
        self.framing = Framing()
        self.echo_at: float | None = None
        """When the other end is asked next whether it is there."""
        self._done = done
        self._draw = magic
        self._allowed = allowed
        self._interval = echo_interval
        self._failures = echo_failures
        self._missed = 0
        self._loops = 0
        self._echo_known = True
        self.wanted = {ACCM: accm.to_bytes(4), MAGIC: self._number(), PFC: b"", ACFC: b""}

    def _number(self) -> bytes:
        return max(1, self._draw() & 0xFFFFFFFF).to_bytes(4)

    @property
    def magic(self) -> bytes:
        """Ours; zeros if the other end would have none."""
        return self.wanted.get(MAGIC, bytes(4))

    @property
    def receives(self) -> int:
        """The ACCM by which the other end sends, once both have agreed."""
        return int.from_bytes(self.wanted[ACCM]) if ACCM in self.wanted else ALL_CONTROLS

    # -- options -------------------------------------------------------------------------------

    def judge(self, option: Option) -> Verdict:
        """See the RFCs named above."""
        kind, value = option
        match kind, len(value):
            case 1, 2:
                return None if int.from_bytes(value) >= SMALLEST_MRU else DEFAULT_MRU.to_bytes(2)
            case 2, 4:
                return None
            case 3, _:
                return self._judge_authentication(value)
            case 5, 4:
                return self._judge_magic(value)
            case ((7 | 8), 0):
                return None
        return REJECTED

    def _judge_authentication(self, value: bytes) -> Verdict:
        offers = [AUTHENTICATIONS[way] for way in self._allowed]
        if not offers:
            return REJECTED
        return None if value in offers else offers[0]

    def _judge_magic(self, value: bytes) -> Verdict:
        if value == bytes(4):
            return self._number()
        if value != self.magic:
            return None
        self._looped()
        return self._number()

    def _looped(self) -> None:
        self._loops += 1
        if self._loops >= LOOPS:
            self.failure = self.failure or LineLooped(self._loops)

    def receive(self, payload: bytes, now: float) -> None:
        """As every control protocol; and a looped line ends it."""
        super().receive(payload, now)
        if isinstance(self.failure, LineLooped) and self.state > State.STOPPING:
            self.fail(self.failure)

    def agreed(self, options: list[Option]) -> None:
        """How our frames shall look from now on."""
        framing = self.framing = Framing()
        for kind, value in options:
            match kind:
                case 1:
                    framing.mru = int.from_bytes(value)
                case 2:
                    framing.accm = int.from_bytes(value)
                case 3:
                    names = {number: name for name, number in AUTHENTICATIONS.items()}
                    framing.authentication = names[value]
                case 7:
                    framing.pfc = True
                case 8:
                    framing.acfc = True

    def advised(self, option: Option) -> None:
        """More characters to escape; another magic number; an MRU that is not too small."""
        kind, value = option
        if kind == ACCM and len(value) == 4 and ACCM in self.wanted:
            self.wanted[ACCM] = (self.receives | int.from_bytes(value)).to_bytes(4)
        elif kind == MAGIC and MAGIC in self.wanted:
            self.wanted[MAGIC] = self._number()
        elif kind == MRU and len(value) == 2:
            if SMALLEST_MRU <= int.from_bytes(value) <= DEFAULT_MRU:
                self.wanted[MRU] = value
        elif kind in (PFC, ACFC):
            self.wanted.pop(kind, None)

    # -- echo, Protocol-Reject -----------------------------------------------------------------

    def extra(self, packet: Packet) -> bool:
        """The codes that LCP alone has."""
        match packet.code:
            case Code.ECHO:
                if packet.data[:4] == self.magic != bytes(4):
                    self._looped()
                self.fire("RXR")
            case Code.ECHOED | Code.DISCARD:
                pass  # that something came is all it has to say; see `alive`
            case Code.PROTOCOL_REJECT:
                if self.opened and len(packet.data) >= 2:
                    self.rejected_protocol(int.from_bytes(packet.data[:2]))
            case _:
                return False
        return True

    def rejected_protocol(self, number: int) -> None:
        """Set by the session: the other end does not know this protocol."""

    def send_echoed(self) -> None:
        """With our magic number and the data that came."""
        if len(self._received.data) >= 4:
            data = self.magic + self._received.data[4:]
            self._send(Packet(Code.ECHOED, self._received.identifier, data).encode())

    def reject_protocol(self, number: int, payload: bytes) -> None:
        """Tell the other end that its protocol is not known here."""
        if self.opened:
            self._identifier = (self._identifier + 1) & 0xFF
            data = number.to_bytes(2) + payload[: self.framing.mru - 6]
            self._send(Packet(Code.PROTOCOL_REJECT, self._identifier, data).encode())

    def alive(self, now: float) -> None:
        """A whole frame came: the other end is there."""
        self._missed = 0
        if self.echo_at is not None:
            self.echo_at = now + self._interval

    def code_rejected(self, code: int) -> None:
        """Without Echo there is no way to tell."""
        if code == Code.ECHO:
            self._echo_known = False
            self.echo_at = None

    def tick(self, now: float) -> None:
        """The restart timer, and the keep-alive."""
        super().tick(now)
        if self.echo_at is None or now < self.echo_at:
            return
        if self._missed >= self._failures:
            self.fail(EchoLost(self._missed))
            return
        self._missed += 1
        self.echo_at = now + self._interval
        self._identifier = (self._identifier + 1) & 0xFF
        self._send(Packet(Code.ECHO, self._identifier, self.magic).encode())

    # -- layers --------------------------------------------------------------------------------

    def up(self) -> None:
        """Both have agreed."""
        self._missed = self._loops = 0
        if self._interval and self._failures and self._echo_known:
            self.echo_at = self.now + self._interval
        self._done("up")

    def lower(self) -> None:
        """It is negotiated anew, or over."""
        self.echo_at = None
        self.framing = Framing()
        self._done("down")

    def finished(self) -> None:
        """The link is over."""
        self._done("finished")

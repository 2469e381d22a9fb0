"""The option negotiation automaton of RFC 1661 section 4, as its table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from .packets import (
    CODE_REJECT,
    CONFIGURE_ACK,
    CONFIGURE_NAK,
    CONFIGURE_REJECT,
    CONFIGURE_REQUEST,
    TERMINATE_ACK,
    TERMINATE_REQUEST,
    Malformed,
    Option,
    Packet,
    options,
    pack,
)

__all__ = ["STATES", "TABLE", "Automaton", "Timer"]

STATES: Final = (
    "initial", "starting", "closed", "stopped", "closing", "stopping",
    "req-sent", "ack-rcvd", "ack-sent", "opened",
)  # fmt: skip

# RFC 1661 section 4.1. Columns are the states in the order above; an entry is actions/next state,
# "-" what cannot happen. Actions: tlu, tld, tls, tlf (layer up, down, started, finished), irc and
# zrc (restart counter), scr, sca, scn, str, sta, scj, ser (what is sent). Of two that RFC 1661
# gives letters: "x" and "p" need nothing here, "r" (restart) is not taken.
_ROWS: Final = """
up    2       irc,scr/6 -         -             -     -     -         -         -          -
down  -       -         0         tls/1         0     1     1         1         1          tld/1
open  tls/1   1         irc,scr/6 3             5     5     6         7         8          9
close 0       tlf/0     2         2             4     4     irc,str/4 irc,str/4 irc,str/4  tld,irc,str/4
to+   -       -         -         -             str/4 str/5 scr/6     scr/6     scr/8      -
to-   -       -         -         -             tlf/2 tlf/3 tlf/3     tlf/3     tlf/3      -
rcr+  -       -         sta/2     irc,scr,sca/8 4     5     sca/8     sca,tlu/9 sca/8      tld,scr,sca/8
rcr-  -       -         sta/2     irc,scr,scn/6 4     5     scn/6     scn/7     scn/6      tld,scr,scn/6
rca   -       -         sta/2     sta/3         4     5     irc/7     scr/6     irc,tlu/9  tld,scr/6
rcn   -       -         sta/2     sta/3         4     5     irc,scr/6 scr/6     irc,scr/8  tld,scr/6
rtr   -       -         sta/2     sta/3         sta/4 sta/5 sta/6     sta/6     sta/6      tld,zrc,sta/5
rta   -       -         2         3             tlf/2 tlf/3 6         6         8          tld,scr/6
ruc   -       -         scj/2     scj/3         scj/4 scj/5 scj/6     scj/7     scj/8      scj/9
rxj+  -       -         2         3             4     5     6         6         8          9
rxj-  -       -         tlf/2     tlf/3         tlf/2 tlf/3 tlf/3     tlf/3     tlf/3      tld,irc,str/5
rxr   -       -         2         3             4     5     6         7         8          ser/9
"""  # noqa: E501


def _table() -> dict[tuple[str, str], tuple[tuple[str, ...], str]]:
    found = {}
    for row in _ROWS.split("\n"):
        if row:
            event, *entries = row.split()
            for state, entry in zip(STATES, entries, strict=True):
                if entry != "-":
                    actions, _, following = entry.rpartition("/")
                    done = tuple(actions.split(",")) if actions else ()
                    found[event, state] = (done, STATES[int(following)])
    return found


TABLE: Final = _table()
"""(event, state) -> (actions, next state)."""

_RESTARTING: Final = {"closing", "stopping", "req-sent", "ack-rcvd", "ack-sent"}
_RESTART: Final = 3.0  # seconds (RFC 1661 section 4.6: the Restart timer's default)
_MAX_CONFIGURE: Final = 10
_MAX_TERMINATE: Final = 2
_MAX_FAILURE: Final = 5  # Naks before the option is rejected


class Handle(Protocol):
    """What can be cancelled."""

    def cancel(self) -> None:
        """It does not happen."""


Timer = Callable[[float, Callable[[], object]], Handle]
"""Calls something after so many seconds of line time."""


class Automaton:
    """One control protocol's negotiation; what it is about stands in the subclass.

    Args:
        number: of the control protocol.
        send: hands a packet of this protocol to the link.
        timer: for restarts.

    Attributes:
        state: one of STATES.
        wanted: the options of the own Configure-Request; Nak and Reject change it.
        up, down, finished: called when both sides agree, when they do no longer, when it is over
            or was given up (tlu, tld, tlf).
    """

    name = ""

    def __init__(self, number: int, send: Callable[[int, bytes], None], timer: Timer) -> None:
        self.number = number
        self.state = STATES[0]
        self.wanted: dict[int, bytes] = {}
        self.up: Callable[[], None] = lambda: None
        self.down: Callable[[], None] = lambda: None
        self.finished: Callable[[], None] = lambda: None
        self._send = send
        self._timer = timer
        self._handle: Handle | None = None
        self._count = 0
        self._counter = 0
        self._identifier = 0  # of the last request sent
        self._failures = 0  # Naks sent since the last agreement
        self._request: Packet | None = None  # the peer's, while it is judged
        self._verdict = (0, b"")
        self._unknown = b""

    # ---- what a protocol is about ----------------------------------------------------------

    def judge(self, asked: list[Option]) -> tuple[int, list[Option]]:
        """The answer to the peer's options: CONFIGURE_ACK, _NAK or _REJECT, and which."""
        raise NotImplementedError

    def advised(self, kind: int, value: bytes) -> None:
        """The peer's Nak: what it would rather have. Default: taken over, if it was wanted."""
        if kind in self.wanted:
            self.wanted[kind] = value

    def rejected(self, kind: int) -> None:
        """The peer does not know an option."""
        self.wanted.pop(kind, None)

    def agreed(self, asked: list[Option]) -> None:
        """The peer's options were acknowledged."""

    def extra(self, packet: Packet) -> bool:
        """A code that only this protocol has; False when it is unknown."""
        del packet
        return False

    # ---- events ------------------------------------------------------------------------

    @property
    def opened(self) -> bool:
        """Whether it is agreed."""
        return self.state == "opened"

    def event(self, name: str) -> None:
        """One event of the table; what cannot happen is ignored."""
        entry = TABLE.get((name, self.state))
        if entry is None:
            return
        actions, following = entry
        self.state = following
        for action in actions:
            getattr(self, f"_{action}")()
        if following not in _RESTARTING:
            self._disarm()

    def start(self) -> None:
        """The layer below is up and this one wanted."""
        self.event("open")
        self.event("up")

    def receive(self, raw: bytes) -> None:
        """A packet of the protocol."""
        try:
            packet = Packet.parse(raw)
            self._take(packet)
        except Malformed:
            return  # silently discarded (RFC 1661 section 5)

    def _take(self, packet: Packet) -> None:
        code = packet.code
        if code == CONFIGURE_REQUEST:
            asked = options(packet.data)
            verdict, listed = self.judge(asked)
            self._failures = self._failures + 1 if verdict == CONFIGURE_NAK else 0
            if self._failures > _MAX_FAILURE:
                kinds = {kind for kind, _ in listed}
                listed = [each for each in asked if each[0] in kinds]
                verdict = CONFIGURE_REJECT
            self._request = packet
            self._verdict = (verdict, pack(listed))
            if verdict == CONFIGURE_ACK and self.state not in ("closed", "closing", "stopping"):
                self.agreed(asked)
            self.event("rcr+" if verdict == CONFIGURE_ACK else "rcr-")
        elif code in (CONFIGURE_ACK, CONFIGURE_NAK, CONFIGURE_REJECT):
            if packet.identifier != self._identifier:
                return  # an answer to an older request
            if code == CONFIGURE_ACK:
                if packet.data == pack(self.wanted.items()):
                    self.event("rca")
                return
            for kind, value in options(packet.data):
                if code == CONFIGURE_NAK:
                    self.advised(kind, value)
                else:
                    self.rejected(kind)
            self.event("rcn")
        elif code == TERMINATE_REQUEST:
            self._request = packet
            self.event("rtr")
        elif code == TERMINATE_ACK:
            self.event("rta")
        elif code == CODE_REJECT:
            essential = bool(packet.data) and packet.data[0] <= CODE_REJECT
            self.event("rxj-" if essential else "rxj+")
        elif not self.extra(packet):
            self._unknown = bytes(packet)
            self.event("ruc")

    # ---- actions -----------------------------------------------------------------------

    def _tlu(self) -> None:
        self.up()

    def _tld(self) -> None:
        self.down()

    def _tls(self) -> None:
        pass

    def _tlf(self) -> None:
        self.finished()

    def _irc(self) -> None:
        self._count = _MAX_TERMINATE if self.state in ("closing", "stopping") else _MAX_CONFIGURE

    def _zrc(self) -> None:
        self._count = 0
        self._arm()

    def _scr(self) -> None:
        self._count -= 1
        self._say(CONFIGURE_REQUEST, pack(self.wanted.items()))
        self._arm()

    def _sca(self) -> None:
        self._answer()

    def _scn(self) -> None:
        self._answer()

    def _answer(self) -> None:
        assert self._request is not None
        code, data = self._verdict
        self._send(self.number, bytes(Packet(code, self._request.identifier, data)))

    def _str(self) -> None:
        self._count -= 1
        self._say(TERMINATE_REQUEST, b"")
        self._arm()

    def _sta(self) -> None:
        answered = self._request.identifier if self._request is not None else 0
        self._send(self.number, bytes(Packet(TERMINATE_ACK, answered)))

    def _scj(self) -> None:
        self._send(self.number, bytes(Packet(CODE_REJECT, self._next(), self._unknown)))

    def _ser(self) -> None:
        pass

    def _say(self, code: int, data: bytes) -> None:
        self._identifier = self._next()
        self._send(self.number, bytes(Packet(code, self._identifier, data)))

    def _next(self) -> int:
        self._counter = self._counter % 255 + 1
        return self._counter

    def _arm(self) -> None:
        self._disarm()
        self._handle = self._timer(_RESTART, self._expired)

    def _disarm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _expired(self) -> None:
        self._handle = None
        self.event("to+" if self._count > 0 else "to-")

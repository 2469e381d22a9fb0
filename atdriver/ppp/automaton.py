"""The option negotiation automaton of RFC 1661, section 4: its table, and the restart timer.

Every control protocol (LCP, IPCP, IPv6CP) is one of these.
"""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """The ten states, numbered as in the RFC."""

    INITIAL = 0
    STARTING = 1
    CLOSED = 2
    STOPPED = 3
    CLOSING = 4
    STOPPING = 5
    REQ_SENT = 6
    ACK_RCVD = 7
    ACK_SENT = 8
    OPENED = 9


# RFC 1661, 4.1, as printed there: event, then for each state its actions and the next state;
# "-" cannot happen, or is nothing to us.
_TABLE = """
event 0     1         2         3             4     5     6         7         8         9
Up    2     irc,scr/6 -         -             -     -     -         -         -         -
Down  -     -         0         tls/1         0     1     1         1         1         tld/1
Open  tls/1 1         irc,scr/6 3             5     5     6         7         8         9
Close 0     tlf/0     2         2             4     4     irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4
TO+   -     -         -         -             str/4 str/5 scr/6     scr/6     scr/8     -
TO-   -     -         -         -             tlf/2 tlf/3 tlf/3     tlf/3     tlf/3     -
RCR+  -     -         sta/2     irc,scr,sca/8 4     5     sca/8     sca,tlu/9 sca/8     tld,scr,sca/8
RCR-  -     -         sta/2     irc,scr,scn/6 4     5     scn/6     scn/7     scn/6     tld,scr,scn/6
RCA   -     -         sta/2     sta/3         4     5     irc/7     scr/6     irc,tlu/9 tld,scr/6
RCN   -     -         sta/2     sta/3         4     5     irc,scr/6 scr/6     irc,scr/8 tld,scr/6
RTR   -     -         sta/2     sta/3         sta/4 sta/5 sta/6     sta/6     sta/6     tld,zrc,sta/5
RTA   -     -         2         3             tlf/2 tlf/3 6         6         8         tld,scr/6
RUC   -     -         scj/2     scj/3         scj/4 scj/5 scj/6     scj/7     scj/8     scj/9
RXJ+  -     -         2         3             4     5     6         6         8         9
RXJ-  -     -         tlf/2     tlf/3         tlf/2 tlf/3 tlf/3     tlf/3     tlf/3     tld,irc,str/5
RXR   -     -         2         3             4     5     6         7         8         ser/9
"""  # noqa: E501


def _read(table: str) -> dict[str, tuple[tuple[tuple[str, ...], State] | None, ...]]:
    rows = {}
    for line in table.strip().splitlines()[1:]:
        event, *cells = line.split()
        rows[event] = tuple(_cell(cell) for cell in cells)
    return rows


def _cell(cell: str) -> tuple[tuple[str, ...], State] | None:
    if cell == "-":
        return None
    actions, _, state = cell.rpartition("/")
    return tuple(filter(None, actions.split(","))), State(int(state))


TABLE = _read(_TABLE)

RESTART = 3.0
"""Seconds until a request is repeated (RFC 1661, 4.6)."""
MAX_CONFIGURE = 10
MAX_TERMINATE = 2


class Automaton:
    """One automaton. What the actions do is the subclass's; time is told by `now`, in seconds."""

    def __init__(self) -> None:
        self.state = State.INITIAL
        self.timer: float | None = None
        """When the restart timer rings; None while it does not run."""
        self.now = 0.0
        self.repeated = False
        """Whether the request being sent repeats one that had no answer."""
        self._counter = 0
        self._terminating = False
        self._actions = {
            "tlu": self.this_layer_up,
            "tld": self.this_layer_down,
            "tls": self.this_layer_started,
            "tlf": self.this_layer_finished,
            "irc": self._initialise_counter,
            "zrc": self._zero_counter,
            "scr": self._request,
            "sca": self.send_ack,
            "scn": self.send_nak,
            "str": self._terminate,
            "sta": self.send_terminated,
            "scj": self.send_code_reject,
            "ser": self.send_echoed,
        }

    def fire(self, event: str) -> None:
        """Let one event of the table happen; one that cannot happen here does nothing."""
        cell = TABLE[event][self.state]
        if cell is None:
            return
        actions, state = cell
        self.state = state
        self._terminating = state in (State.CLOSING, State.STOPPING)
        for action in actions:
            self._actions[action]()
        if not State.CLOSING <= self.state <= State.ACK_SENT:
            self.timer = None
        elif self.timer is None:
            self._start_timer()

    def tick(self, now: float) -> None:
        """The time is `now`: the timer rings if it is due."""
        self.now = now
        if self.timer is not None and now >= self.timer:
            self._start_timer()
            self.repeated = True
            self.fire("TO+" if self._counter > 0 else "TO-")
            self.repeated = False

    # -- the counter ---------------------------------------------------------------------------

    def _initialise_counter(self) -> None:
        self._counter = MAX_TERMINATE if self._terminating else MAX_CONFIGURE

    def _zero_counter(self) -> None:
        self._counter = 0
        self._start_timer()

    def _request(self) -> None:
        self._counter -= 1
        self._start_timer()
        self.send_request()

    def _terminate(self) -> None:
        self._counter -= 1
        self._start_timer()
        self.send_terminate()

    def _start_timer(self) -> None:
        self.timer = self.now + RESTART

    # -- what the actions do -------------------------------------------------------------------

    def this_layer_up(self) -> None:
        """The protocol is open."""

    def this_layer_down(self) -> None:
        """The protocol is no longer open."""

    def this_layer_started(self) -> None:
        """The layer below is wanted."""

    def this_layer_finished(self) -> None:
        """The layer below is not wanted any more."""

    def send_request(self) -> None:
        """A Configure-Request."""

    def send_ack(self) -> None:
        """A Configure-Ack of the request just received."""

    def send_nak(self) -> None:
        """A Configure-Nak or -Reject of the request just received."""

    def send_terminate(self) -> None:
        """A Terminate-Request."""

    def send_terminated(self) -> None:
        """A Terminate-Ack."""

    def send_code_reject(self) -> None:
        """A Code-Reject of the packet just received."""

    def send_echoed(self) -> None:
        """An Echo-Reply to the request just received."""

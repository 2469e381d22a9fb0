"""The server's side of SOCKS5, without input and output: bytes in, bytes out, one request.

RFC 1928 (negotiation and requests) and RFC 1929 (user and password). Bytes may come cut
anywhere. Whatever comes, a `Negotiation` ends in REQUESTED or REFUSED; it never raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Final

from netsocket.adapters.socks5_wire import VERSION, Refusal, Reply, address_read, checked, reply
from netsocket.address import SocketAddress

SOCKS4: Final = 4
SOCKS4_REFUSAL: Final = b"\x00\x5b" + bytes(6)
"""What a SOCKS4 client understands as "rejected"."""


class State(Enum):
    """Where a negotiation is."""

    GREETING = auto()
    """The client says which methods of authentication it knows."""
    PASSWORD = auto()
    """It must send user and password."""
    REQUEST = auto()
    """It says what it wants."""
    REQUESTED = auto()
    """`request` is there: the reply is the caller's. What came behind is in `rest`."""
    REFUSED = auto()
    """Send what `feed` returned and close; `problem` says why."""


class Event(Enum):
    """What the bytes were."""

    OPEN = auto()
    """A greeting; no password is needed."""
    SECRET = auto()
    """A greeting; a password is needed."""
    ACCEPTED = auto()
    """User and password are right."""
    ASKED = auto()
    """A whole request."""
    WRONG = auto()
    """Anything that cannot be served."""


TABLE: Final[dict[tuple[State, Event], State]] = {
    (State.GREETING, Event.OPEN): State.REQUEST,
    (State.GREETING, Event.SECRET): State.PASSWORD,
    (State.GREETING, Event.WRONG): State.REFUSED,
    (State.PASSWORD, Event.ACCEPTED): State.REQUEST,
    (State.PASSWORD, Event.WRONG): State.REFUSED,
    (State.REQUEST, Event.ASKED): State.REQUESTED,
    (State.REQUEST, Event.WRONG): State.REFUSED,
}


class Method(IntEnum):
    """Methods of authentication, RFC 1928 section 3."""

    NONE = 0
    PASSWORD = 2
    UNACCEPTABLE = 255


class Command(IntEnum):
    """What can be asked for, RFC 1928 section 4."""

    CONNECT = 1
    BIND = 2
    UDP_ASSOCIATE = 3


@dataclass(frozen=True, slots=True)
class Request:
    """What the client wants. The host may be a name, which nobody has resolved."""

    command: Command
    address: SocketAddress


class Negotiation:
    """One client's way to its request. `check(user, password)` judges; None needs no password."""

    def __init__(self, check: Callable[[bytes, bytes], bool] | None = None) -> None:
        self.state = State.GREETING
        self.request: Request | None = None
        self.problem = ""
        self.denied = False
        """Whether user or password were wrong."""
        self._check = check
        self._buffer = bytearray()

    @property
    def over(self) -> bool:
        """Whether it has ended, one way or the other."""
        return self.state in (State.REQUESTED, State.REFUSED)

    @property
    def rest(self) -> bytes:
        """What the client sent behind its request."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> bytes:
        """Take what came, return what is to be sent."""
        self._buffer += data
        answers = b""
        while not self.over:
            try:
                step = _STEPS[self.state](self)
            except Refusal as refusal:
                self.problem = str(refusal)
                step = Event.WRONG, refusal.answer
            if step is None:
                break
            event, answer = step
            answers += answer
            self.state = TABLE[self.state, event]
        return answers

    # -- the steps: None = more bytes are needed ----------------------------------------------

    def _greeting(self) -> tuple[Event, bytes] | None:
        taken = self._buffer
        if taken and taken[0] != VERSION:
            raise Refusal(f"version {taken[0]} is not spoken here")
        if len(taken) < 2 or len(taken) < 2 + taken[1]:
            return None
        methods = bytes(taken[2 : 2 + taken[1]])
        del taken[: 2 + len(methods)]
        if self._check is None and Method.NONE in methods:
            return Event.OPEN, bytes((VERSION, Method.NONE))
        if Method.PASSWORD in methods:  # without a check, any will do
            return Event.SECRET, bytes((VERSION, Method.PASSWORD))
        raise Refusal(
            "user and password are needed" if self._check else "no known method of authentication",
            bytes((VERSION, Method.UNACCEPTABLE)),
        )

    def _password(self) -> tuple[Event, bytes] | None:
        taken = self._buffer
        if taken and taken[0] != 1:
            raise Refusal("user and password are malformed", b"\x01\x01")
        if len(taken) < 2:
            return None
        end = 2 + taken[1]
        if len(taken) < end + 1 or len(taken) < end + 1 + taken[end]:
            return None
        user, password = bytes(taken[2:end]), bytes(taken[end + 1 : end + 1 + taken[end]])
        del taken[: end + 1 + len(password)]
        if self._check is not None and not self._check(user, password):
            self.denied = True
            raise Refusal("user or password are wrong", b"\x01\x01")
        return Event.ACCEPTED, b"\x01\x00"

    def _request(self) -> tuple[Event, bytes] | None:
        taken = self._buffer
        if taken and taken[0] != VERSION:
            raise Refusal("the request is malformed", reply(Reply.FAILURE))
        if len(taken) < 4:
            return None
        found = address_read(taken, 3)
        if found is None:
            return None
        host, port, end = found
        command = taken[1]
        del taken[:end]
        if command not in tuple(Command):
            raise Refusal(f"command {command} is unknown", reply(Reply.COMMAND_NOT_SUPPORTED))
        self.request = Request(Command(command), checked(host, port))
        return Event.ASKED, b""


_STEPS: Final = {
    State.GREETING: Negotiation._greeting,
    State.PASSWORD: Negotiation._password,
    State.REQUEST: Negotiation._request,
}

"""The server's side of SOCKS5, without input and output: bytes in, bytes out, one request.

RFC 1928 (negotiation, requests, UDP header) and RFC 1929 (user and password). Bytes may come cut
anywhere. Whatever comes, a `Negotiation` ends in REQUESTED or REFUSED; it never raises.
"""

from __future__ import annotations

import errno
import ipaddress
import socket as _socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Final

from netsocket.address import SocketAddress

VERSION: Final = 5
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


class Kind(IntEnum):
    """Kinds of addresses, RFC 1928 section 5."""

    IPV4 = 1
    NAME = 3
    IPV6 = 4


class Reply(IntEnum):
    """Answers, RFC 1928 section 6."""

    SUCCEEDED = 0
    FAILURE = 1
    NOT_ALLOWED = 2
    NETWORK_UNREACHABLE = 3
    HOST_UNREACHABLE = 4
    REFUSED = 5
    EXPIRED = 6
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_NOT_SUPPORTED = 8


_REPLIES: Final[dict[int, Reply]] = {
    errno.EACCES: Reply.NOT_ALLOWED,
    errno.EPERM: Reply.NOT_ALLOWED,
    errno.ENETUNREACH: Reply.NETWORK_UNREACHABLE,
    errno.ENETDOWN: Reply.NETWORK_UNREACHABLE,
    errno.EHOSTUNREACH: Reply.HOST_UNREACHABLE,
    errno.EHOSTDOWN: Reply.HOST_UNREACHABLE,
    errno.ECONNREFUSED: Reply.REFUSED,
    errno.ETIMEDOUT: Reply.EXPIRED,
    errno.EOPNOTSUPP: Reply.COMMAND_NOT_SUPPORTED,
    errno.EAFNOSUPPORT: Reply.ADDRESS_NOT_SUPPORTED,
}


def reply_for(error: BaseException) -> Reply:
    """The answer that says most of an error; FAILURE for what SOCKS5 has no word for, a module
    without a free socket among them."""
    if isinstance(error, _socket.gaierror | ValueError):
        return Reply.HOST_UNREACHABLE
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, TimeoutError):
        number = errno.ETIMEDOUT
    return _REPLIES.get(number or 0, Reply.FAILURE)


def reply(code: Reply, address: SocketAddress | None = None) -> bytes:
    """An answer with the address that belongs to it; 0.0.0.0:0 when nobody knows it."""
    return struct.pack("!BBx", VERSION, code) + _written(address or SocketAddress("0.0.0.0", 0))


@dataclass(frozen=True, slots=True)
class Request:
    """What the client wants. The host may be a name, which nobody has resolved."""

    command: Command
    address: SocketAddress


class Refusal(ValueError):
    """Bytes that cannot be served; `answer` is to be sent."""

    def __init__(self, problem: str, answer: bytes = b"") -> None:
        super().__init__(problem)
        self.answer = answer


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
        found = _read(taken, 3)
        if found is None:
            return None
        host, port, end = found
        command = taken[1]
        del taken[:end]
        if command not in tuple(Command):
            raise Refusal(f"command {command} is unknown", reply(Reply.COMMAND_NOT_SUPPORTED))
        self.request = Request(Command(command), _address(host, port))
        return Event.ASKED, b""


_STEPS: Final = {
    State.GREETING: Negotiation._greeting,
    State.PASSWORD: Negotiation._password,
    State.REQUEST: Negotiation._request,
}


# -- datagrams, RFC 1928 section 7 ----------------------------------------------------------------


def datagram_read(data: bytes) -> tuple[SocketAddress, bytes]:
    """Destination and payload of a client's datagram. Raises Refusal: malformed, or a fragment."""
    if len(data) < 4:
        raise Refusal("a datagram without a header")
    if data[2]:
        raise Refusal("a fragment")
    found = _read(data, 3)
    if found is None:
        raise Refusal("a datagram with half a header")
    host, port, end = found
    return _address(host, port), bytes(data[end:])


def datagram_written(sender: SocketAddress, payload: bytes) -> bytes:
    """A datagram for the client."""
    return bytes(3) + _written(sender) + payload


# -- addresses ------------------------------------------------------------------------------------


def _read(data: bytes | bytearray, at: int) -> tuple[str | bytes, int, int] | None:
    """Host, port and end of the address at `at`; None = more bytes are needed."""
    kind, start = data[at], at + 1
    if kind == Kind.IPV4:
        size = 4
    elif kind == Kind.IPV6:
        size = 16
    elif kind == Kind.NAME:
        if len(data) <= start:
            return None
        size = data[start]
        start += 1
    else:
        raise Refusal(f"kind {kind} of address is unknown", reply(Reply.ADDRESS_NOT_SUPPORTED))
    end = start + size + 2
    if len(data) < end:
        return None
    raw = bytes(data[start : start + size])
    host = raw if kind == Kind.NAME else str(ipaddress.ip_address(raw))
    return host, int.from_bytes(data[end - 2 : end], "big"), end


def _address(host: str | bytes, port: int) -> SocketAddress:
    try:
        if isinstance(host, bytes):
            host = host.decode()
            if not host:
                raise Refusal("the name is empty", reply(Reply.HOST_UNREACHABLE))
        return SocketAddress(host, port)
    except ValueError as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal("that is no host name", reply(Reply.HOST_UNREACHABLE)) from None


def _written(address: SocketAddress) -> bytes:
    if address.is_literal:
        packed = ipaddress.ip_address(address.host.partition("%")[0]).packed
        kind = Kind.IPV4 if len(packed) == 4 else Kind.IPV6
        host = bytes((kind,)) + packed
    else:
        name = address.host.encode()
        host = bytes((Kind.NAME, len(name))) + name
    return host + address.port.to_bytes(2, "big")

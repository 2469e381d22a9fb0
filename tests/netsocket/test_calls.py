"""The table of blocking calls: what each call does in each situation, on every stack.

Written from the rules of the Socket API, not from what the code does: what the time-out of a call
limits and raises, what close, the peer's end, a restart of the module and the end of the interface
do to a call that waits. Where a stack differs, it claims so: see `DIFFERENCES`.
"""

from __future__ import annotations

import errno
import socket
from typing import Any, NamedTuple

import pytest

from netsocket.capability.model import CapabilityTable, Level
from netsocket.errors import Nsapi

from .calls import BOUND, MODES, SITUATIONS, STACKS, TIMEOUT, Cell, Outcome, claims, run_all


class Fails(NamedTuple):
    """An error: its built-in class, its errno, its code in the common Socket API."""

    kind: type[BaseException]
    errno: int
    nsapi: Nsapi


class Either(NamedTuple):
    """Whichever the network brings first."""

    one: Fails
    other: Fails


WAITS = "still waiting"
AGAIN = Fails(BlockingIOError, errno.EAGAIN, Nsapi.WOULD_BLOCK)
TIMED_OUT = Fails(TimeoutError, errno.ETIMEDOUT, Nsapi.WOULD_BLOCK)
NO_ANSWER = Fails(TimeoutError, errno.ETIMEDOUT, Nsapi.CONNECTION_TIMEOUT)
ALREADY = Fails(BlockingIOError, errno.EALREADY, Nsapi.ALREADY)
CONNECTED = Fails(OSError, errno.EISCONN, Nsapi.IS_CONNECTED)
CLOSED = Fails(OSError, errno.EBADF, Nsapi.NO_SOCKET)
REFUSED = Fails(ConnectionRefusedError, errno.ECONNREFUSED, Nsapi.NO_CONNECTION)
RESTARTED = Fails(ConnectionResetError, errno.ECONNRESET, Nsapi.DEVICE_ERROR)
DOWN = Fails(OSError, errno.ENETDOWN, Nsapi.NO_CONNECTION)
PIPE = Fails(BrokenPipeError, errno.EPIPE, Nsapi.NO_CONNECTION)
LOST = Fails(ConnectionResetError, errno.ECONNRESET, Nsapi.CONNECTION_LOST)
PEER_GONE = Either(PIPE, LOST)
"""A peer that closes with unread bytes resets the connection; one without ends it in order."""
CUT = Either(RESTARTED, LOST)
"""LOST is SendUnknown: the module had the bytes, and took their fate with it."""
UNKNOWN_NAME = Fails(socket.gaierror, socket.EAI_NONAME, Nsapi.DNS_FAILURE)
NO_HALF_CLOSE = Fails(OSError, errno.EOPNOTSUPP, Nsapi.UNSUPPORTED)

IDLE = (WAITS, TIMED_OUT, AGAIN)
NEVER = None
"""Cannot come about: a datagram does not wait for its peer, a name is asked without a socket."""

#   call             ready            not ready                      closed by us  peer closed   module reset  interface down
#   A triple is (blocking, time-out, non-blocking); anything else is the same for all three.
TABLE: dict[str, tuple[Any, ...]] = {
    "connect":       (("",) * 2 + (CONNECTED,), (WAITS, NO_ANSWER, ALREADY), CLOSED, REFUSED,    RESTARTED,    DOWN),
    "accept":        (b"x",           IDLE,                          CLOSED,       b"",          RESTARTED,    DOWN),
    "send":          (1,              IDLE,                          CLOSED,       PEER_GONE,    CUT,          DOWN),
    "sendall":       ("",             IDLE,                          CLOSED,       PEER_GONE,    CUT,          DOWN),
    "recv":          (b"x",           IDLE,                          CLOSED,       b"",          RESTARTED,    DOWN),
    "recv_into":     (1,              IDLE,                          CLOSED,       0,            RESTARTED,    DOWN),
    "sendto":        (1,              NEVER,                         CLOSED,       1,            RESTARTED,    DOWN),
    "recvfrom":      (b"x",           IDLE,                          CLOSED,       IDLE,         RESTARTED,    DOWN),
    "shutdown":      ("",             b"",                           CLOSED,       "",           RESTARTED,    DOWN),
    "shutdown(SHUT_WR)": ("",         WAITS,                         CLOSED,       "",           RESTARTED,    DOWN),
    "close":         ("",             CLOSED,                        "",           "",           "",           ""),
    "tls.send":      (1,              IDLE,                          CLOSED,       PEER_GONE,    CUT,          DOWN),
    "tls.recv":      (b"x",           IDLE,                          CLOSED,       b"",          RESTARTED,    DOWN),
    "gethostbyname": ("127.0.0.1",    WAITS,                         NEVER,        UNKNOWN_NAME, RESTARTED,    DOWN),
}  # fmt: skip
"""An empty text stands for None, "returned". For close and shutdown "not ready" says what becomes of
another thread that waits in recv; for gethostbyname "peer closed" is a name that does not exist."""

DIFFERENCES: dict[str, dict[tuple[str, str], tuple[Any, str]]] = {
    "host": {},
    "E24": {
        ("shutdown(SHUT_WR)", situation): (NO_HALF_CLOSE, "tcp.half_close")
        for situation in ("ready", "not ready", "peer closed", "module reset")
    },
}
"""By stack, call and situation: what happens there, and the claim that says so."""
DIFFERENCES["N17"] = DIFFERENCES["bg96"] = DIFFERENCES["E24"]


def cells(stack: str) -> list[Cell]:
    """Every cell of the table that this stack can be in."""
    found = []
    for call, row in TABLE.items():
        for mode in MODES if call != "gethostbyname" else MODES[:1]:
            for situation, entry in zip(SITUATIONS, row, strict=True):
                possible = STACKS[stack] is not None or situation != "module reset"
                if entry is not NEVER and possible:
                    found.append(Cell(call, mode, situation))
    return found


def expected(stack: str, cell: Cell) -> Any:
    """What the table says."""
    if cell[::2] in DIFFERENCES[stack]:
        return DIFFERENCES[stack][cell.call, cell.situation][0]
    entry = TABLE[cell.call][SITUATIONS.index(cell.situation)]
    if type(entry) is tuple:
        entry = entry[MODES.index(cell.mode)]
    return None if entry == "" and entry != b"" else entry


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[Cell, Outcome | BaseException]]:
    """Filled stack by stack, all cells of a stack at a time."""
    return {}


@pytest.mark.parametrize(
    ("stack", "cell"),
    [
        pytest.param(
            stack,
            cell,
            id="-".join((stack, *cell)).replace(" ", "_"),
            marks=[
                pytest.mark.xdist_group(f"calls {stack}"),  # which share their outcomes
                *([pytest.mark.gate] if stack == "N17" else ()),  # the other Espressif stays
            ],
        )
        for stack in STACKS
        for cell in cells(stack)
    ],
)
@pytest.mark.timeout(60)
def test_call(
    stack: str,
    cell: Cell,
    outcomes: dict[str, dict[Cell, Outcome | BaseException]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    if stack not in outcomes:
        outcomes[stack] = dict(run_all(stack, cells(stack)))
        unforeseen = [
            record.getMessage() for record in caplog.records if record.levelname == "ERROR"
        ]
        assert not unforeseen
    found = outcomes[stack][cell]
    if isinstance(found, BaseException):
        raise found
    wanted = expected(stack, cell)
    if wanted == WAITS:
        assert found.waits or found.value == WAITS, str(found)
        return
    assert not found.waits, f"still waiting after {BOUND} s"
    if isinstance(wanted, (Fails, Either)):
        possible = (wanted,) if isinstance(wanted, Fails) else wanted
        error = found.error
        assert error is not None, str(found)
        told = (getattr(error, "errno", None), getattr(error, "nsapi", None))
        assert any(isinstance(error, each.kind) and told == each[1:] for each in possible), str(
            found
        )
    else:
        assert found.error is None, str(found)
        assert found.value == wanted, str(found)
    if wanted in (TIMED_OUT, NO_ANSWER):
        assert found.seconds >= TIMEOUT, "earlier than the time-out"


@pytest.mark.parametrize("stack", STACKS)
def test_differences_are_claims(stack: str) -> None:
    table: CapabilityTable = claims(stack)
    for (call, situation), (_, claim) in DIFFERENCES[stack].items():
        assert table[claim].level is not Level.FULL, (call, situation)
        assert table[claim].because, f"{claim} gives no reason"

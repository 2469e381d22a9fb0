"""OpenThread's command line: literals of the CLI that OpenThread dongles run.

Sources: OpenThread CLI Reference (README.md, README_DATASET.md, README_UDP.md, README_TCP.md,
README_DNS.md of openthread/src/cli), and runs of two simulated nodes built from it.
"""

from __future__ import annotations

import re

from atdriver.dialect import Dialect, Probe
from atdriver.tokens import Head

NOTHING = re.compile(rb"(?!)")
LINE = 384
"""Longest line, bytes, terminator included (OPENTHREAD_CONFIG_CLI_MAX_LINE_LENGTH); longer ones are
cut without a word. Builds for POSIX have 640."""
MAX_DATAGRAM = 1232
"""Bytes of a datagram: 1280 of IPv6 (RFC 8200, section 5) less the headers. Longer ones get their
Done and are never delivered."""
TCP_HEX = 128
"""Most bytes of `tcp send -x` (Error 7 beyond)."""

_UDP = re.compile(rb"(?P<n>\d{1,4}) bytes from (?P<host>[0-9a-fA-F:]{2,39}) (?P<port>\d{1,5}) ")
UDP = tuple(
    Head("udp", b"%d" % digit, _UDP, MAX_DATAGRAM + 268, end=b"\r\n", text=True)
    for digit in range(10)
)
"""`<n> bytes from <addr> <port> <payload>`: the line begins with a number, whichever."""
TCP = Head(
    "tcp",
    b"TCP: Received ",
    re.compile(rb"TCP: Received (?P<n>\d{1,5}) bytes: "),
    65535,
    end=b"\r\n",
    text=True,
)

NOTICES = re.compile(
    rb"TCP: (?:"
    rb"(?P<established>Connection established)"
    rb"|(?P<refused>Connection refused)"
    rb"|(?P<reset>Connection reset)"
    rb"|(?P<timed_out>Connection timed out)"
    rb"|(?P<disconnected>Disconnected)"
    rb"|(?P<end>Reached end of stream)"
    rb"|(?P<time_wait>Entered TIME-WAIT state)"
    rb"|(?P<ignored>Ignoring incoming connection request from \[[0-9a-fA-F:]+\]:\d{1,5}.*))"
    rb"|(?P<accepted>Accepted connection from \[[0-9a-fA-F:]+\]:\d{1,5})"
)

DIALECT = Dialect(
    name="openthread",
    kind="OpenThread command line",
    terminator=b"\r\n",
    heads=(*UDP, TCP),
    notices=NOTICES,
    glued=None,
    reasons=NOTHING,
    failures=re.compile(rb"Error (?P<code>\d{1,3}): ?.*"),
    busy=NOTHING,
    banner=NOTHING,
    max_command=LINE,
    hello=b"state",
    good=b"Done",
    shell=True,
    prompt=b"> ",
    echoes=True,
)

ROLES = rb"disabled|detached|child|router|leader"
IN_STEP = Probe(b"state", re.compile(ROLES))
"""Before the node is in its network."""
CANARY = Probe(b"state", re.compile(rb"detached|child|router|leader"), re.compile(rb"disabled"))
"""In its network: a node that is not has restarted, and Thread with it."""

NAMES = {
    1: "Failed", 2: "Drop", 3: "NoBufs", 4: "NoRoute", 5: "Busy", 6: "Parse", 7: "InvalidArgs",
    8: "Security", 9: "AddressQuery", 10: "NoAddress", 11: "Abort", 12: "NotImplemented",
    13: "InvalidState", 14: "NoAck", 15: "ChannelAccessFailure", 16: "Detached", 23: "NotFound",
    24: "Already", 27: "NotCapable", 28: "ResponseTimeout", 35: "InvalidCommand", 37: "Rejected",
}  # fmt: skip
FAILED, NO_BUFS, NO_ROUTE, BUSY, INVALID_ARGS, NO_ADDRESS = 1, 3, 4, 5, 7, 10
INVALID_STATE, DETACHED, NOT_FOUND, ALREADY, RESPONSE_TIMEOUT = 13, 16, 23, 24, 28
ADDRESS_QUERY = 9

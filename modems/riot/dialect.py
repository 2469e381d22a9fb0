"""RIOT's shell on a 6LoWPAN node: prose results, and the prompt that ends them.

Sources: RIOT, sys/shell, sys/shell/cmds (ifconfig, nib), examples/networking/gnrc/networking
(udp), sys/od; and runs of two native nodes.
"""

from __future__ import annotations

import re

from atdriver.dialect import Dialect

NOTHING = re.compile(rb"(?!)")
LINE = 128
"""The shell's line buffer, bytes, the end included (SHELL_DEFAULT_BUFSIZE); more is an error."""
BURST, PAUSE = 32, 0.005
"""The input buffer has 64 bytes (STDIO_RX_BUFSIZE) and loses the rest of longer bursts."""
HEAD = len("udp send -b []:65535 ") + 39
"""Bytes of a line around its payload, with an address whose eight groups are written out."""
MAX_DATAGRAM = (LINE - 1 - HEAD) // 2
MAX_RECEIVED = 1232
"""The least that every IPv6 node takes (RFC 8200, section 5), less the headers."""

_FROM = rb"Received UDP data from \[[0-9a-fA-F:.]+(?:%%\w+)?\]:\d{1,5}".replace(b"%%", b"%")
DIALECT = Dialect(
    name="riot",
    kind="RIOT shell",
    terminator=b"\n",
    heads=(),
    notices=re.compile(
        rb"(?P<datagram>" + _FROM + rb")|(?P<dump>[0-9A-Fa-f]{8}(?:  [0-9A-Fa-f]{2}){1,16} *)"
    ),
    glued=re.compile(rb"(?P<datagram>" + _FROM + rb")$"),
    reasons=NOTHING,
    failures=re.compile(
        rb"[Ee]rror.*|shell: .*|can't resolve .*|[Uu]sage: .*|unable to .*|(?P<code>)(?!)"
    ),
    busy=NOTHING,
    banner=re.compile(rb"main\(\): This is RIOT!.*"),
    max_command=LINE,
    hello=b"nib neigh",
    good=b"> ",
    shell=True,
    prompt=b"> ",
    prompt_ends=True,
    echoes=True,
    pace=(BURST, PAUSE),
)

"""The PPP server that a simulated modem answers a dial string with, and the network behind it.

`hdlc` frames, `packets` codes, `automaton` negotiates (RFC 1661), `protocols` says what about,
`auth` asks for a password, `server` joins them; `internet` holds the codec of IP packets and
`gateway` the network that they go to. Written from the RFCs; shares nothing with the driver side.
"""

from __future__ import annotations

from .manners import MANNERS, Manners
from .server import PppServer

__all__ = ["MANNERS", "Manners", "PppServer"]

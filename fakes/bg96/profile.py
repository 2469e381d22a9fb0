"""What distinguishes the firmware profiles, and the limits that every one of them enforces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CONNECT_IDS: Final = 12
"""Connect ids 0-11 for TCP, UDP, listeners and accepted sockets together (TCP(IP) manual V1.1)."""

CONTEXT_IDS: Final = 16
"""Context ids 1-16 (TCP(IP) manual V1.1)."""

ACTIVE_CONTEXTS: Final = 3
"""Contexts active at a time (TCP(IP) manual V1.1: "three")."""

MAX_SEND: Final = 1460
"""Bytes per AT+QISEND (TCP(IP) manual V1.1, AT+QISEND)."""

MAX_SEND_HEX: Final = 512
"""Length of the string of AT+QISENDEX.

The manual says "max length 512 bytes" and not whether digits or bytes are meant; hex digits are
the smaller reading, so a host that keeps to it is safe with either.
"""

MAX_READ: Final = 1500
"""Bytes per AT+QIRD (TCP(IP) manual V1.1, AT+QIRD), also of one direct-push notification."""

SEND_BUFFER: Final = 10240
"""Bytes that AT+QISEND can queue before SEND FAIL.

No BG96 manual gives the size; the EC200U TCP/IP note V1.1 (QICFG "sendinfo") reports a free size
of 0-10240 for the same command set.
"""

RECEIVE_BUFFER: Final = 10240
"""Bytes that the module holds for the host per socket; TCP then closes its window.

No manual gives the size: as for the send buffer.
"""

FACTS: Final[Mapping[str, int]] = {
    "sockets.max": CONNECT_IDS,
    "contexts.max": CONTEXT_IDS,
    "contexts.active": ACTIVE_CONTEXTS,
    "frame.max_send": MAX_SEND,
    "frame.max_recv": MAX_READ,
    "frame.max_send_hex": MAX_SEND_HEX,
    "buffer.send": SEND_BUFFER,
    "ping.max_count": 10,
    "ping.max_timeout": 255,
    "close.default_timeout": 10,
    "close.max_timeout": 65535,
    "sim.pin_tries": 3,
    "sim.puk_tries": 10,
}
"""Limits of the module, from the same manuals; sizes in bytes, times in seconds."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One firmware generation.

    `act_names` are the words for access technologies 8 and 9 in AT+QCSQ and AT+QNWINFO.
    """

    name: str
    model: str
    revision: str
    application: str
    act_names: Mapping[str, str]
    app_ready: bool = False
    """Prints ``APP RDY`` and answers every command between RDY and APP RDY with ERROR."""
    recvind: bool = True
    """Has AT+QICFG="recvind" (TCP(IP) manual V1.1; V1.0 has none)."""
    ipv6: bool = True
    """Has context types 2 and 3 (TCP(IP) manual V1.1; V1.0: under development)."""
    cmux: bool = True
    """Has AT+QCFG="cmux/urcport" (AT manual V2.2; not in the R02A06 release notes)."""
    keepalive: bool = False
    """Has AT+QICFG="tcp/keepalive" (BG95 TCP/IP note V1.1; not in BG96 V1.1)."""


_BG96_NAMES: Final = {"m1": "CAT-M1", "nb1": "CAT-NB1", "gsm": "GSM"}
_BG95_NAMES: Final = {"m1": "eMTC", "nb1": "NBIoT", "gsm": "GSM"}

PROFILES: Final[Mapping[str, Profile]] = {
    profile.name: profile
    for profile in (
        # Revision strings as real modules print them (AT+CGMR, AT+QGMR).
        Profile("bg96", "BG96", "BG96MAR02A07M1G", "01.019.01.019", _BG96_NAMES),
        Profile(
            "bg96-old",
            "BG96",
            "BG96MAR02A06M1G",
            "01.006.01.006",
            _BG96_NAMES,
            recvind=False,
            ipv6=False,
            cmux=False,
        ),
        Profile(
            "bg95",
            "BG95-M3",
            "BG95M3LAR02A03",
            "01.003.01.003",
            _BG95_NAMES,
            app_ready=True,
            keepalive=True,
        ),
    )
}
"""The firmware names that build() takes."""

DEFAULT_FIRMWARE: Final = "bg96"

"""What distinguishes the firmware profiles, and the limits that every one of them enforces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fakes.bg96.technology import BG95_RADIO, BG96_RADIO, EC25_RADIO, RadioFacts

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
    """One module with one firmware."""

    name: str
    model: str
    revision: str
    application: str
    radio: RadioFacts
    app_ready: bool = False
    """Prints ``APP RDY`` and answers every command between RDY and APP RDY with ERROR."""
    recvind: bool = True
    """Has AT+QICFG="recvind" (TCP(IP) manual V1.1; V1.0 has none)."""
    ipv6: bool = True
    """Has context types 2 and 3 (TCP(IP) manual V1.1; V1.0: under development)."""
    keepalive: bool = False
    """Has AT+QICFG="tcp/keepalive" (BG95 TCP/IP note V1.1; not in BG96 V1.1)."""
    retries: int = 8
    """Default of AT+QICFG="tcp/retranscfg": BG96 8, BG95 12 (their TCP/IP manuals)."""
    assistance: bool = False
    """AT+QISENDEX takes a release assistance indication, 0-2 (BG95 TCP/IP note V1.1)."""
    phone_book: bool = False
    """Ends its start with ``+QIND: PB DONE``, AT+QINISTAT counts it as 4 (EC2x AT manual V2.0)."""
    power_up: float = 4.9
    """Seconds from PWRKEY to a UART that listens (hardware design V1.3)."""
    no_settings: frozenset[str] = frozenset()
    """Names of AT+QCFG that it does not have."""
    absent: frozenset[str] = frozenset()
    """Commands that it does not have, without ``AT+``."""


PROFILES: Final[Mapping[str, Profile]] = {
    profile.name: profile
    for profile in (
        # Revision strings as real modules print them (AT+CGMR, AT+QGMR).
        Profile("bg96", "BG96", "BG96MAR02A07M1G", "01.019.01.019", BG96_RADIO),
        Profile(
            "bg96-old",
            "BG96",
            "BG96MAR02A06M1G",
            "01.006.01.006",
            BG96_RADIO,
            recvind=False,
            ipv6=False,
            # AT manual V2.2 has it; not in the release notes of R02A06
            no_settings=frozenset({"cmux/urcport"}),
            absent=frozenset({"CMUX"}),
        ),
        Profile(
            "bg95",
            "BG95-M3",
            "BG95M3LAR02A03",
            "01.012.01.012",
            BG95_RADIO,
            app_ready=True,
            keepalive=True,
            retries=12,
            assistance=True,
            power_up=2.5,  # device-os quectel_ncp_client.cpp
        ),
        Profile(
            "ec25",
            "EC25",
            "EC25EFAR06A08M4G",
            "01.001.01.001",  # no published log gives it for this revision
            EC25_RADIO,
            keepalive=True,  # AT+QICFG="tcp/keepalive",1,2,30,3 was seen: the BG95's form
            phone_book=True,
            power_up=13.0,  # EC21: RDY "in less than 15 s" (zephyr pull request 34245)
            # EC25&EC21 AT manual V1.3: neither Cat M1 nor power saving mode
            no_settings=frozenset({"iotopmode", "psm/enter", "psm/urc"}),
            absent=frozenset({"CPSMS", "CEDRXS", "QCSCON"}),
        ),
    )
}
"""The firmware names that build() takes."""

DEFAULT_FIRMWARE: Final = "bg96"

"""Cellular beyond sockets: SIM, registration, signal, access point name.

Names follow the common Socket API (Mbed OS `CellularInterface` and the classes above it); states
are those of 3GPP TS 27.007 (AT+CPIN, AT+CEREG), which every cellular stack can tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol, runtime_checkable

from netsocket.errors import InvalidArgument

MAX_APN: Final = 100
"""Characters of an access point name (3GPP TS 23.003, section 9.1)."""


class SimState(Enum):
    """What the SIM says of itself."""

    READY = "ready"
    PIN = "PIN needed"
    PUK = "blocked, PUK needed"
    ABSENT = "absent"
    BUSY = "busy"
    FAILED = "failed"
    LOCKED = "locked to another operator or device"
    UNKNOWN = "unknown"


class Registration(Enum):
    """Where the registration in a network stands."""

    OFF = "not searching"
    HOME = "registered"
    SEARCHING = "searching"
    DENIED = "denied"
    UNKNOWN = "unknown"
    ROAMING = "registered, roaming"

    @property
    def registered(self) -> bool:
        """At home or roaming."""
        return self in (Registration.HOME, Registration.ROAMING)


class Authentication(Enum):
    """How to log in to an access point name."""

    NONE = "none"
    PAP = "pap"
    CHAP = "chap"


@dataclass(frozen=True, slots=True)
class Signal:
    """What the radio hears; None where it does not tell. dBm, SINR and RSRQ in dB."""

    rssi: int | None = None
    rsrp: int | None = None
    sinr: float | None = None
    rsrq: int | None = None

    def __str__(self) -> str:
        names = (("", self.rssi, "dBm"), ("RSRP ", self.rsrp, "dBm"), ("SINR ", self.sinr, "dB"),
                 ("RSRQ ", self.rsrq, "dB"))  # fmt: skip
        found = [f"{name}{value:g} {unit}" for name, value, unit in names if value is not None]
        return ", ".join(found) or "none"

    @property
    def heard(self) -> bool:
        """Whether any network is heard at all."""
        return self.rssi is not None or self.rsrp is not None


@dataclass(frozen=True, slots=True)
class CellularState:
    """One look at SIM and network. Texts are "" where nothing is known.

    `technology` is "GSM", "LTE-M", "NB-IoT" or what else the stack calls it; `plmn` the operator's
    number; `tries` how many wrong PINs (or PUKs) the SIM still forgives, where that was asked.
    """

    sim: SimState
    registration: Registration
    signal: Signal = field(default_factory=Signal)
    technology: str = ""
    operator: str = ""
    plmn: str = ""
    band: str = ""
    tries: int | None = None


@dataclass(frozen=True, slots=True)
class AccessPointName:
    """A data connection to ask for. Raises InvalidArgument (EINVAL, nsapi PARAMETER).

    An empty `apn` takes what the module has stored.
    """

    apn: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    authentication: Authentication = Authentication.NONE

    def __post_init__(self) -> None:
        """Check what is certain without asking a network."""
        if len(self.apn) > MAX_APN:
            raise InvalidArgument(f"an APN has at most {MAX_APN} characters")
        for what, text in (
            ("APN", self.apn),
            ("user name", self.user),
            ("password", self.password),
        ):
            if any(not char.isprintable() or char == '"' for char in text):
                raise InvalidArgument(f"no quotes and no control characters in the {what}")
        if " " in self.apn:
            raise InvalidArgument("no blanks in an APN")
        if (self.user or self.password) and not self.apn:
            raise InvalidArgument("a user name or password needs an APN")


def check_pin(pin: str) -> None:
    """Raise InvalidArgument unless this can be a PIN (3GPP TS 31.101: 4 to 8 digits)."""
    if not (pin.isascii() and pin.isdigit() and 4 <= len(pin) <= 8):
        raise InvalidArgument("a PIN has 4 to 8 digits")


@runtime_checkable
class CellularControl(Protocol):
    """A stack with a SIM. What is set is used by the next `up`."""

    @property
    def access_point_name(self) -> AccessPointName:
        """The data connection to ask for."""

    def set_access_point_name(self, name: AccessPointName) -> None:
        """Choose the data connection."""

    def set_sim_pin(self, pin: str) -> None:
        """The PIN to enter when the SIM asks for it; it is tried once."""

    async def cellular(self) -> CellularState:
        """Ask SIM and radio; works before `up` and after it failed."""

"""WiFi beyond sockets: credentials, kinds of security, channels, and what a WiFi stack offers.

Rules and limits are those of the common Socket API (Mbed OS `WiFiInterface`); a radio's own manual
may allow less, never more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol, runtime_checkable

from netsocket.errors import InvalidArgument

MAX_SSID: Final = 32
"""Bytes of an SSID (IEEE 802.11)."""
PASSPHRASE: Final = (8, 63)
"""Shortest and longest WPA passphrase (IEEE 802.11, and `set_credentials` of the API)."""
WEP_KEYS: Final = (5, 10, 13, 26)
"""Lengths of WEP keys: text or hexadecimal digits, 64 and 128 bit."""
CHANNELS: Final = frozenset((*range(1, 15), *range(36, 65, 4), *range(100, 145, 4),
                             *range(149, 166, 4)))  # fmt: skip
"""Channels that exist: 2.4 GHz 1 to 14, 5 GHz from 36."""


class Security(Enum):
    """How a network protects itself."""

    NONE = "open"
    WEP = "WEP"
    WPA = "WPA"
    WPA2 = "WPA2"
    WPA_WPA2 = "WPA/WPA2"
    WPA3 = "WPA3"
    WPA3_WPA2 = "WPA2/WPA3"


_EITHER = (Security.WPA_WPA2, Security.WPA3_WPA2)


@dataclass(frozen=True, slots=True)
class WiFiCredentials:
    """A network to join. Raises InvalidArgument (EINVAL, nsapi PARAMETER) when it cannot be one.

    `security` None takes whatever the network has; the password may then be that of any kind.
    """

    ssid: str
    password: str = field(default="", repr=False)
    security: Security | None = None

    def __post_init__(self) -> None:
        """Check what is certain without asking a radio; a dialect may refuse characters, too."""
        size = _size(self.ssid)
        if not 1 <= size <= MAX_SSID:
            raise InvalidArgument(f"an SSID has 1 to {MAX_SSID} bytes, not {size}")
        problem = _password_problem(self.password, self.security)
        if problem:
            raise InvalidArgument(problem)


def _size(text: str) -> int:
    """Bytes of it on the air."""
    try:
        return len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise InvalidArgument("a lone surrogate is no character of a name or password") from None


def _password_problem(password: str, security: Security | None) -> str:
    size = _size(password)
    shortest, longest = PASSPHRASE
    passphrase = shortest <= size <= longest
    if security is Security.NONE:
        return "an open network takes no password" if size else ""
    if security is None:
        fits = not size or passphrase or size in WEP_KEYS
        return "" if fits else _wanted(f"{shortest} to {longest} characters", size)
    if security is Security.WEP:
        # 8 characters are no WEP key, but the API's own test takes them: the radio decides.
        fits = passphrase or size in WEP_KEYS
        return "" if fits else _wanted("5 or 13 characters", size)
    return "" if passphrase else _wanted(f"{shortest} to {longest} characters", size)


def _wanted(text: str, size: int) -> str:
    return f"a WiFi password has {text}, not {size}"


def check_channel(channel: int) -> None:
    """Raise InvalidArgument for a channel that does not exist; 0 means any."""
    if channel and channel not in CHANNELS:
        raise InvalidArgument(f"there is no WiFi channel {channel}")


@runtime_checkable
class WiFiControl(Protocol):
    """A stack whose network can be chosen. What is set is used by the next `up`."""

    @property
    def credentials(self) -> WiFiCredentials | None:
        """The network to join; None: whatever the radio has stored."""

    def set_credentials(self, credentials: WiFiCredentials | None) -> None:
        """Choose the network. Raises NotSupported for a kind of security the radio has not."""

    def set_channel(self, channel: int) -> None:
        """Join on this channel only, 0 for any. Raises NotSupported."""

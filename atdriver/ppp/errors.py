"""Why a PPP session did not come up, or ended: OSError subclasses with attributes.

No message ever holds a user name's password or a CHAP secret.
"""

from __future__ import annotations

import errno

from atdriver.errors import ATError


class PppError(ATError):
    """Base of all of them; `protocol` is what was being spoken ("LCP", "PAP", "IPCP" …)."""

    def __init__(self, message: str, protocol: str = "PPP") -> None:
        super().__init__(message)
        self.protocol = protocol


class PeerSilent(PppError, TimeoutError):
    """No usable answer to any request; `requests` is how many were sent."""

    default_errno = errno.ETIMEDOUT

    def __init__(self, protocol: str, requests: int) -> None:
        super().__init__(f"{protocol}: no answer to {requests} requests", protocol)
        self.requests = requests


class NoAgreement(PppError):
    """Both sides speak, and do not agree on how."""

    default_errno = errno.EPROTO


class AuthenticationRefused(PppError, PermissionError):
    """The other end refuses user name and password; `said` is its own message."""

    default_errno = errno.EACCES

    def __init__(self, protocol: str, said: str) -> None:
        told = f" ({said})" if said else ""
        super().__init__(f"{protocol}: user name or password refused{told}", protocol)
        self.said = said


class LineLooped(PppError):
    """What is sent comes back: a looped line, or a module that echoes commands."""

    default_errno = errno.ELOOP

    def __init__(self, seen: int) -> None:
        super().__init__(
            "LCP: what is sent comes back; the line is looped, or the module is still in command "
            "mode and echoes",
            "LCP",
        )
        self.seen = seen


class EchoLost(PppError, ConnectionError):
    """The other end no longer answers; `missed` echo requests in a row had no answer."""

    default_errno = errno.ETIMEDOUT

    def __init__(self, missed: int) -> None:
        super().__init__(f"LCP: {missed} echo requests in a row had no answer", "LCP")
        self.missed = missed


class ClosedByPeer(PppError, ConnectionError):
    """The other end terminated the link; `said` is its own message."""

    default_errno = errno.ECONNRESET

    def __init__(self, protocol: str, said: str = "") -> None:
        told = f" ({said})" if said else ""
        super().__init__(f"{protocol}: the other end closed the link{told}", protocol)
        self.said = said


class CarrierLost(PppError, ConnectionError):
    """What carries the bytes ended below PPP."""

    default_errno = errno.ENETDOWN

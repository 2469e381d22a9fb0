"""What can be wrong with a PPP server, by name: for settings, scenarios and the control socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["AUTHENTICATION", "MANNERS", "Manners"]

MANNERS: Final[Mapping[str, str]] = {
    "lose-first": "the first frame each way is lost, as when the other end has not switched yet",
    "silent": "hears nothing and says nothing",
    "no-echo": "Echo-Requests are not answered",
    "no-dns": "name servers are rejected (Configure-Reject)",
    "refuse-auth": "every password is wrong",
    "offer-vj": "asks for Van Jacobson compression",
    "offer-ccp": "asks for the Compression Control Protocol",
    "loop": "the line is looped back: what the host says comes back",
    "damage": "every fifth frame to the host has a wrong bit",
    "keepalive": "asks for an echo every 10 s, ends the call after three without answer",
    "all-controls": "wants every control character escaped",
}
"""Each fault of the server, and what it does."""

AUTHENTICATION: Final = ("none", "pap", "chap", "context")


@dataclass(slots=True)
class Manners:
    """How one PPP server behaves, and what it hands out.

    Attributes:
        faults: words of MANNERS; may change at any time.
        authentication: "none", "pap" or "chap": what it asks the peer for.
        user, password: the only ones that it takes; both empty: any.
        own, peer: IPv4 addresses of the two ends.
        dns: the two name servers that it names by Nak (RFC 1877).
        ipv4, ipv6: whether it has IPCP and IPV6CP; what it has not is Protocol-Rejected.
        mru: largest packet that it wants to receive, bytes.
    """

    faults: set[str] = field(default_factory=set)
    authentication: str = "none"
    user: str = ""
    password: str = ""
    own: str = "10.0.2.2"
    peer: str = "10.0.2.15"
    dns: tuple[str, str] = ("10.0.2.3", "10.0.2.4")
    ipv4: bool = True
    ipv6: bool = False
    mru: int = 1500

    def takes(self, user: bytes) -> bool:
        """Whether somebody of that name may try at all."""
        if "refuse-auth" in self.faults:
            return False
        return not (self.user or self.password) or user == self.user.encode()

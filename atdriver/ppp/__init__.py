"""PPP, the client's side, without input and output: see docs/ppp.md.

`session.PppClient` is the whole of it; below are the framing (`hdlc`), packets and options
(`packets`), the automaton of RFC 1661 (`automaton`, `negotiation`), the protocols that are one of
those (`lcp`, `ipcp`), the logins (`auth`) and the phases (`phases`).
"""

from atdriver.ppp.auth import Credentials
from atdriver.ppp.errors import (
    AuthenticationRefused,
    CarrierLost,
    ClosedByPeer,
    EchoLost,
    LineLooped,
    NoAgreement,
    PeerSilent,
    PppError,
)
from atdriver.ppp.phases import Phase
from atdriver.ppp.session import (
    Ended,
    NetworkDown,
    NetworkUp,
    PppClient,
    PppEvent,
    PppSettings,
)

__all__ = [
    "AuthenticationRefused",
    "CarrierLost",
    "ClosedByPeer",
    "Credentials",
    "EchoLost",
    "Ended",
    "LineLooped",
    "NetworkDown",
    "NetworkUp",
    "NoAgreement",
    "PeerSilent",
    "Phase",
    "PppClient",
    "PppError",
    "PppEvent",
    "PppSettings",
]

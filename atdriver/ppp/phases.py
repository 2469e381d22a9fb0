"""The phases of a PPP session (RFC 1661, 3.2): a slow machine, a few changes in a session.

The table below is the specification; the diagram in docs/architecture.md is made from it.
"""

from __future__ import annotations

from enum import Enum

from transitions import Machine


class Phase(Enum):
    """How far the session is."""

    DEAD = "dead"
    """Nothing carries the bytes."""
    ESTABLISH = "establish"
    """LCP negotiates."""
    AUTHENTICATE = "authenticate"
    """PAP or CHAP."""
    NETWORK = "network"
    """IPCP and IPv6CP; packets pass once one of them is open."""
    TERMINATE = "terminate"
    """LCP says goodbye, or waits for the other end to."""


_P = Phase
_UNDER_WAY = [_P.ESTABLISH, _P.AUTHENTICATE, _P.NETWORK]
PHASE_TRANSITIONS: list[dict[str, object]] = [
    {"trigger": "carrier", "source": _P.DEAD, "dest": _P.ESTABLISH},
    {"trigger": "login", "source": _P.ESTABLISH, "dest": _P.AUTHENTICATE},
    {"trigger": "open", "source": [_P.ESTABLISH, _P.AUTHENTICATE], "dest": _P.NETWORK},
    {"trigger": "anew", "source": [_P.AUTHENTICATE, _P.NETWORK], "dest": _P.ESTABLISH},
    {"trigger": "anew", "source": [_P.ESTABLISH, _P.TERMINATE], "dest": None},
    {
        "trigger": "closing",
        "source": _UNDER_WAY,
        "dest": _P.TERMINATE,
    },
    {"trigger": "closing", "source": _P.TERMINATE, "dest": None},
    {"trigger": "gone", "source": list(_P), "dest": _P.DEAD},
]


class PhaseLife:
    """One session's phase."""

    state: Phase = Phase.DEAD

    def __init__(self) -> None:
        PHASE_MACHINE.add_model(self, initial=Phase.DEAD)

    def fire(self, trigger: str) -> None:
        """Run a trigger of the table; one that is not legal here raises MachineError."""
        PHASE_MACHINE.events[trigger].trigger(self)

    def end(self) -> None:
        """Forget this model: the machine is shared and lives as long as the process."""
        self.fire("gone")
        PHASE_MACHINE.remove_model(self)


PHASE_MACHINE = Machine(
    model=None,
    states=Phase,
    transitions=PHASE_TRANSITIONS,
    initial=Phase.DEAD,
    auto_transitions=False,
    send_event=False,
)

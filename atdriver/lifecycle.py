"""The life of the AT channel: a slow machine, a few changes a minute at most.

Bytes and lines never pass through it (a trigger costs 6.5 µs); the engine's own stages are a plain
table. The table below is the specification; the diagram in docs/architecture.md is made from it.
"""

from __future__ import annotations

from enum import Enum

from transitions import Machine


class ChannelMode(Enum):
    """What the channel can be used for."""

    CLOSED = "closed"
    """Not opened yet, or closed by its owner."""
    RESYNC = "resync"
    """Open, getting in step with the module; commands wait."""
    COMMAND = "command"
    """In step; commands pass."""
    LOST = "lost"
    """The port is gone or the module is deaf; commands fail at once."""


_M = ChannelMode
CHANNEL_TRANSITIONS: list[dict[str, object]] = [
    {"trigger": "opened", "source": _M.CLOSED, "dest": _M.RESYNC},
    {"trigger": "in_step", "source": _M.RESYNC, "dest": _M.COMMAND},
    {"trigger": "out_of_step", "source": [_M.COMMAND, _M.LOST], "dest": _M.RESYNC},
    {"trigger": "out_of_step", "source": _M.RESYNC, "dest": None},
    {"trigger": "deaf", "source": _M.RESYNC, "dest": _M.LOST},
    {"trigger": "lost", "source": [_M.RESYNC, _M.COMMAND, _M.LOST], "dest": _M.LOST},
    {"trigger": "reopened", "source": _M.LOST, "dest": _M.RESYNC},
    {"trigger": "closed", "source": list(_M), "dest": _M.CLOSED},
]


class ChannelLife:
    """One channel's mode. The triggers are methods, so that they can be checked and called."""

    state: ChannelMode = ChannelMode.CLOSED

    def __init__(self) -> None:
        CHANNEL_MACHINE.add_model(self, initial=ChannelMode.CLOSED)

    def fire(self, trigger: str) -> None:
        """Run a trigger of the table; one that is not legal here raises MachineError."""
        CHANNEL_MACHINE.events[trigger].trigger(self)

    def end(self) -> None:
        """Forget this model: the machine is shared and lives as long as the process."""
        self.fire("closed")
        CHANNEL_MACHINE.remove_model(self)


CHANNEL_MACHINE = Machine(
    model=None,
    states=ChannelMode,
    transitions=CHANNEL_TRANSITIONS,
    initial=ChannelMode.CLOSED,
    auto_transitions=False,
    send_event=False,
)

"""The life of a module, from power to an address; shared by WiFi and cellular drivers.

A slow machine: a few changes a minute. The table is the specification and the source of the diagram
in docs/architecture.md.
"""

from __future__ import annotations

from enum import Enum

from transitions import Machine


class ModuleState(Enum):
    """How far the bring-up has come."""

    OFF = "off"
    """Not looked for yet, or released."""
    RESPONDING = "responding"
    """It answers AT commands."""
    CONFIGURED = "configured"
    """Identified; echo, error style, socket mode are set; old sockets are closed."""
    SEARCHING = "searching"
    """Joining a WiFi network, or registering in a cellular one."""
    IP_READY = "ip_ready"
    """It has an address; sockets can be opened."""
    REBOOTED = "rebooted"
    """It restarted by itself: every socket and setting is gone."""
    FAULT = "fault"
    """It was given up; the error says why."""


_S = ModuleState
_LIVE = [_S.RESPONDING, _S.CONFIGURED, _S.SEARCHING, _S.IP_READY]
MODULE_TRANSITIONS: list[dict[str, object]] = [
    {"trigger": "found", "source": [_S.OFF, _S.REBOOTED, _S.FAULT, *_LIVE], "dest": _S.RESPONDING},
    {"trigger": "configured", "source": _S.RESPONDING, "dest": _S.CONFIGURED},
    {"trigger": "searching", "source": [_S.CONFIGURED, _S.IP_READY], "dest": _S.SEARCHING},
    {"trigger": "attached", "source": _S.SEARCHING, "dest": _S.IP_READY},
    {"trigger": "rebooted", "source": [_S.OFF, _S.REBOOTED, _S.FAULT, *_LIVE], "dest": _S.REBOOTED},
    {"trigger": "failed", "source": list(_S), "dest": _S.FAULT},
    {"trigger": "released", "source": list(_S), "dest": _S.OFF},
]


class ModuleLife:
    """One module's state."""

    state: ModuleState = ModuleState.OFF

    def begin(self) -> None:
        """Join the shared machine; idempotent."""
        if self not in MODULE_MACHINE.models:
            MODULE_MACHINE.add_model(self, initial=ModuleState.OFF)

    def fire(self, trigger: str) -> None:
        """Run a trigger of the table; an illegal one raises MachineError. Nothing after `end`."""
        if self not in MODULE_MACHINE.models:
            return
        MODULE_MACHINE.events[trigger].trigger(self)

    def end(self) -> None:
        """Forget this model: the machine is shared."""
        if self in MODULE_MACHINE.models:
            self.fire("released")
            MODULE_MACHINE.remove_model(self)


MODULE_MACHINE = Machine(
    model=None,
    states=ModuleState,
    transitions=MODULE_TRANSITIONS,
    initial=ModuleState.OFF,
    auto_transitions=False,
    send_event=False,
)

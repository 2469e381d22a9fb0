"""A further command port of a simulated module: its own line, echo and results, the same module.

`open_port` makes an object of the module's own class whose attributes of the line are its own and
all others the module's, so that a command behaves alike on every port.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from .intake import Intake, Signal
from .runner import ScenarioRunner
from .scenario import Scenario
from .wire import Wire

if TYPE_CHECKING:
    from .engine import FakeModem

__all__ = ["Port", "open_port"]

_OWN: Final = frozenset({
    "echo", "dtr", "command", "running", "intake", "wire", "written", "before_write", "rewrite",
    "written_hooks", "scenario", "output_limit",
    "_marks", "_occupied", "_room", "_in_hook", "_command_task", "_deliver",
    # of the Quectel modules
    "cmee", "flow_control", "prompting", "dtr_mode", "result_codes", "_held", "_after",
    # of the port alone
    "module", "on_carrier", "_interpreter",
})  # fmt: skip
"""What each port has for itself (AT manual V2.2 section 1.4: an own interpreter)."""


class Port:
    """Mixed in before the module's class; see `open_port`."""

    module: Any
    on_carrier: Callable[[bool], None]
    intake: Intake
    _interpreter: asyncio.Task[None]
    _command_task: asyncio.Task[None] | None

    def __init__(
        self, module: Any, deliver: Callable[[bytes], None], on_carrier: Callable[[bool], None]
    ) -> None:
        own: Any = self
        own.module = module
        own.on_carrier = on_carrier
        own.wire = Wire(own._to_carrier, own._arrived, seed=module.seed)
        own.intake = Intake()
        own._deliver = deliver
        own.echo = own.dtr = True
        own.command = ""
        own.running = own._in_hook = own.prompting = False
        own.before_write, own.written_hooks, own.rewrite = [], [], None
        own.written = own._occupied = 0
        own._marks, own._held, own._after = [], [], []
        own._room = Signal()
        own.output_limit = module.output_limit
        own._command_task = None
        own.reset_port()
        steps = [each for each in module.scenario.steps if each.on or each.before or each.behind]
        own.scenario = ScenarioRunner(own, Scenario(tuple(steps)))
        own._interpreter = module.spawn(own._interpret())

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "module"), name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in _OWN:
            object.__setattr__(self, name, value)
        else:
            setattr(self.module, name, value)

    @property
    def line_backlog(self) -> int:
        """Bytes that wait for the host, here or on the module's line."""
        own: Any = self
        waiting: int = own.wire.outward.backlog + self.module.line_backlog
        return waiting

    def restart(self, *, silent: bool = False) -> None:
        """The whole module restarts, and this port is gone."""
        self.module.restart(silent=silent)

    def off(self) -> None:
        """The whole module is off."""
        self.module.off()

    def shut(self) -> None:
        """The port closes; what runs on it ends."""
        own: Any = self
        own.port_closing()
        own.wire.close()
        current = asyncio.current_task()
        for task in (self._interpreter, self._command_task):
            if task is not None and task is not current:
                task.cancel()


@cache  # one for each class of modules
def _class(of: Any) -> type[Any]:
    return type(f"{of.__name__}Port", (Port, of), {})


def open_port(
    module: FakeModem, deliver: Callable[[bytes], None], on_carrier: Callable[[bool], None]
) -> Any:
    """A further port of a running module.

    Args:
        module: the module; its class may not give instance attributes a default in the class.
        deliver: takes the port's output.
        on_carrier: called with the state of DCD when a call begins or ends on it.

    Returns:
        What has the methods of the module: `receive`, `set_dtr`, `pause_output`, ...; and `shut`.
    """
    of: Any = type(module)
    return _class(of)(module, deliver, on_carrier)

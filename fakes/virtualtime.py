"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting for it.

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scenario())          # ten minutes of model time in milliseconds

Only what lives in one process can be simulated so: a fake over an in-memory wire, peers of
`fakes.peers`. A pseudo terminal or a real socket has a clock of its own and always loses.
"""

from __future__ import annotations

import asyncio
import selectors

from .errors import FakeError

__all__ = ["VirtualTimeLoop"]

_NOTHING = 125  # ECANCELED


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Where another loop would sleep until its next timer, this one moves its clock there.

    Raises (out of the loop):
        FakeError: everything waits and no timer is left: a deadlock.
    """

    def __init__(self) -> None:
        self._virtual = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self._virtual += seconds


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # Alone in it is the loop's own wake-up, and a loop that never sleeps needs none.
        ready = super().select(0) if len(self.get_map()) > 1 else []
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise FakeError(_NOTHING, "everything waits and nothing is scheduled")
        self._loop.advance(timeout)
        return []

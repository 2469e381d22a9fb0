"""A data call of a simulated module: its line in data or command mode, PPP on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from fakes.datamode import DataMode

from .gateway import Gateway
from .manners import Manners
from .packets import IPV6
from .server import PppServer

__all__ = ["Call"]

_HELD: Final = 1 << 16  # bytes for the host that wait while it is in command mode


class Call:
    """One call, from CONNECT to its end.

    Args:
        modem: whose line it is.
        context: number of the packet data context that carries it.
        manners: of the PPP server.
        guard: seconds of silence around the escape.
        escaped: called when the host left data mode.
        ended: called with the reason when the link is over, not after `hang_up`.
        carries: whether packets pass, asked for each.
        forward: ("tcp" or "udp", port): ports of loopback that lead to the host's.
        network: makes the network behind PPP: `Gateway`, or what has its methods.

    Attributes:
        modem: the module, or the port of it, whose line it is.
        online: the line is in data mode.
        server: the PPP server.
        gateway: the network behind it.
    """

    def __init__(
        self,
        modem: Any,
        context: int,
        manners: Manners,
        *,
        guard: float,
        escaped: Callable[[], None],
        ended: Callable[[str], None],
        carries: Callable[[], bool] = lambda: True,
        forward: tuple[tuple[str, int], ...] = (),
        network: Callable[..., Gateway] = Gateway,
    ) -> None:
        self.context = context
        self.online = False
        self.modem = modem
        self._guard = guard
        self._escaped = escaped
        self._ended = ended
        self._held = bytearray()
        self._data: DataMode | None = None
        self._over = False
        self.server = PppServer(
            manners,
            self._write,
            self._timer,
            seed=modem.seed,
            note=lambda text: modem.note("ppp", text),
        )
        self.server.on_dead = self._dead
        self._forward = forward
        self.gateway = network(modem, self, carries)
        self.server.on_packet = self.gateway.receive
        self.server.on_network = self._network

    def _timer(self, seconds: float, action: Callable[[], object]) -> asyncio.TimerHandle:
        # Line time: RFC 1661's timers do not run faster because a module has no delays.
        return asyncio.get_running_loop().call_later(seconds, action)

    def _network(self, protocol: int) -> None:
        if protocol == IPV6:
            self.gateway.advertise()
        forward, self._forward = self._forward, ()
        for kind, port in forward:
            try:
                self.gateway.forward(kind, port)
            except OSError as error:
                self.modem.note("ip", f"cannot forward {kind}:{port}: {error}")

    def begin(self) -> None:
        """CONNECT was said."""
        self.resume()
        self.server.start()

    def resume(self) -> None:
        """Data mode, after CONNECT; what waited for the host leaves."""
        self.online = True
        modem = self.modem
        modem.intake.clear()
        self._data = DataMode(self.server.receive, self._leave, guard=self._guard)
        modem.intake.sink = self._data.feed
        held, self._held = bytes(self._held), bytearray()
        modem.raw(held)

    def suspend(self) -> None:
        """Command mode; the call stays."""
        self.online = False
        self.modem.intake.sink = None
        if self._data is not None:
            self._data.close()
            self._data = None

    def _leave(self) -> None:
        self.suspend()
        self._escaped()

    def hang_up(self) -> None:
        """Over, without a word to the host."""
        self._over = True
        self.suspend()
        self._held.clear()
        self.gateway.close()
        self.server.drop()

    def _dead(self, reason: str) -> None:
        if not self._over:
            self.hang_up()
            self._ended(reason)

    def _write(self, data: bytes) -> None:
        if self._over:
            return
        if self.online:
            self.modem.raw(data)
        elif len(self._held) + len(data) <= _HELD:
            self._held += data
        else:
            self.modem.note("ppp", f"{len(data)} bytes lost in command mode")

"""What the simulated nodes of a mesh have in common: a place in it, and marked commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from .engine import FakeModem
from .errors import FakeError
from .mesh import Node
from .mesh_settings import MeshSettings, mesh_of
from .scenario import Scenario
from .world import World

__all__ = ["Handler", "MeshModem"]

Handler = Callable[[Any, list[str]], Awaitable[None] | None]
"""A method that answers a command; it gets words of the line."""


class MeshModem(FakeModem):
    """A node. A method is the answer to the commands that its attribute `commands` names.

    Attributes:
        EUI64: how the IEEE addresses of this kind of module begin, hexadecimal digits.
    """

    EUI64: ClassVar[str] = ""
    _commands: ClassVar[dict[str, Handler]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._commands = {
            name: member
            for base in reversed(cls.__mro__)
            for member in vars(base).values()
            for name in getattr(member, "commands", ())
        }

    def __init__(
        self,
        settings: MeshSettings,
        world: World,
        *,
        baud: int | None = None,
        scenario: Scenario | None = None,
    ) -> None:
        super().__init__(world, baud=baud, scenario=scenario)
        self.mesh = mesh_of(self.kind, settings, world)
        self._given = settings.eui64
        address = bytes.fromhex(self._given or "00" * 8)
        self.node = Node(self.mesh, address, world, lambda: self.sockets)

    async def start(self, deliver: Callable[[bytes], None]) -> None:
        """Start, with an address on the air."""
        self.take_address()
        await super().start(deliver)

    def take_address(self) -> None:
        """Enter the mesh, with an IEEE address that no other node has."""
        self.mesh.enter(self.node)
        if not self._given:
            number = self.mesh.nodes.index(self.node) + 1
            self.node.eui64 = bytes.fromhex(self.EUI64 + f"{number:x}".zfill(16 - len(self.EUI64)))

    async def stop(self) -> None:
        """The plug is pulled."""
        self.node.leave()
        await super().stop()

    def power_on(self) -> None:
        """What a reset puts back: it is off the air."""
        self.node.leave()

    def started(self) -> None:
        """It is on the air again."""
        try:
            self.mesh.enter(self.node)
        except FakeError as error:
            self.give_up(error)

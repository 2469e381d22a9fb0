"""What a Thread node is asked and told about its network, whatever carries the commands.

The same words go to a dongle's command line and, by `ot-ctl`, to the `ot-daemon` of this computer
(OpenThread CLI Reference, README.md and README_DATASET.md).
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import Callable

from atdriver.errors import CommandFailed
from atdriver.exchange import Command, Reply
from modems.clock import now
from modems.meshnode import Translation, best_address
from modems.openthread import commands, dataset
from modems.openthread.dialect import NOT_FOUND
from netsocket import errors
from netsocket.mesh import MeshState

ATTACHED = ("child", "router", "leader")
LOOK = 0.5
"""Seconds between looks while the node looks for its network (a leader alone: 7 s)."""


class ThreadMember:
    """A node that is in a Thread network, or is to be. `_thread_settings` comes first."""

    name: str
    translation: Translation

    def _thread_settings(self, wanted: str, attach_timeout: float, stay: bool) -> None:
        self._wanted = wanted
        self._attach_timeout = attach_timeout
        self._stay = stay
        self._found_off = False  # Thread was not running before this driver started it

    @abstractmethod
    async def _carry(self, command: Command) -> Reply:
        """Carry out one command. Raises CommandFailed and what its carrier raises."""

    @abstractmethod
    async def run(self, command: Command) -> Reply:
        """The same; what the node refuses is a DeviceError."""

    # -- entering and leaving ---------------------------------------------------------------------

    async def _enter_network(self) -> None:
        """Give the node its network and start it there, where that is not so already."""
        role = await self._role()
        if role == "disabled":
            self._found_off = True
        if await self._give_dataset(running=role != "disabled") or role == "disabled":
            await self._start_thread()

    async def _start_thread(self) -> None:
        await self.run(commands.line("ifconfig up"))
        await self.run(commands.line("thread start"))

    async def _wait_for_network(self) -> str:
        """Its address once it is attached. Raises NetworkNotFound, NetworkDown (no address)."""
        deadline = now() + self._attach_timeout
        while (role := await self._role()) not in ATTACHED:
            if now() >= deadline:
                raise errors.NetworkNotFound(
                    f"the {self.name} found no Thread network within {self._attach_timeout:g} s "
                    f"(it is {role})"
                )
            await asyncio.sleep(LOOK)
        address = best_address(await self._addresses())
        if not address:
            raise errors.NetworkDown(f"the {self.name} is {role}, but has no address")
        return address

    async def _leave_network(self, before: Callable[[], object] = lambda: None) -> None:
        """Thread ends where it was not running before, unless it is to stay; `before` that."""
        if self._found_off and not self._stay:
            before()
            for text in ("thread stop", "ifconfig down"):
                with contextlib.suppress(CommandFailed):
                    await self._carry(commands.line(text))
            self._found_off = False

    async def _role(self) -> str:
        reply = await self._carry(commands.STATE)
        return reply.lines[-1].decode("ascii") if reply.lines else "unknown"

    async def _addresses(self) -> list[str]:
        reply = await self._carry(commands.ADDRESSES)
        return [line.decode("ascii") for line in reply.lines]

    # -- the network's dataset ------------------------------------------------------------------

    async def _give_dataset(self, *, running: bool) -> bool:
        """Make the wanted dataset the active one, or a new one where there is none; True when it
        was changed. It is kept in flash: what is there already is not written again."""
        found = await self._dataset()
        if found and (not self._wanted or dataset.parse(found) == dataset.parse(self._wanted)):
            return False
        if running:
            await self.run(commands.line("thread stop"))
            await self.run(commands.line("ifconfig down"))
        if self._wanted:
            await self.run(commands.set_dataset(self._wanted))
        else:
            await self.run(commands.line("dataset init new"))
            await self.run(commands.line("dataset commit active"))
        return True

    async def _dataset(self) -> str:
        try:
            reply = await self._carry(commands.DATASET)
        except CommandFailed as error:
            if error.code == NOT_FOUND:
                return ""
            raise
        return reply.lines[0].decode("ascii") if reply.lines else ""

    async def _known_dataset(self) -> str:
        """The node's dataset. Raises NetworkNotFound."""
        found = await self._dataset()
        if not found:
            raise errors.NetworkNotFound(f"the {self.name} has no dataset")
        return found

    def set_dataset(self, dataset_hex: str) -> None:
        """See netsocket.mesh.ThreadControl."""
        try:
            self._wanted = dataset.normal(dataset_hex)
        except ValueError as error:
            raise errors.InvalidArgument(f"no Thread dataset: {error}") from None

    async def _mesh(self) -> MeshState:
        name, channel, pan_id = "", None, None
        if found := await self._dataset():
            name, channel, pan_id = dataset.described(found)
        addresses = tuple(self.translation.outside(each) for each in await self._addresses())
        return MeshState(await self._role(), name, channel, pan_id, addresses)

    async def _mesh_details(self) -> dict[str, str]:
        """What is shown of it, as far as the node says."""
        try:
            state = await self._mesh()
        except (CommandFailed, ValueError):
            return {}
        details = {"role": state.role, "network": state.network}
        if state.channel is not None:
            details["channel"] = str(state.channel)
        if state.pan_id is not None:
            details["pan id"] = f"0x{state.pan_id:04x}"
        return details

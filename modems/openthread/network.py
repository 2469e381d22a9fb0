"""Bringing an OpenThread node up: find it, give it its network, wait until it is in it."""

from __future__ import annotations

import asyncio
import contextlib

from atdriver.channel import Channel
from atdriver.errors import CommandFailed
from modems.clock import now
from modems.lifecycle import ModuleState
from modems.meshnode import MeshNode, Translation, best_address
from modems.openthread import commands, dataset
from modems.openthread.capabilities import table
from modems.openthread.dialect import CANARY, IN_STEP, NOT_FOUND
from modems.rate import LineRate
from modems.recovery import Trouble
from netsocket import errors
from netsocket.capability.model import CapabilityTable
from netsocket.mesh import MeshState
from netsocket.stack import StackStatus

ATTACHED = ("child", "router", "leader")
LOOK = 0.5
"""Seconds between looks while the node looks for its network (a leader alone: 7 s)."""


class OpenThreadNetwork(MeshNode):
    """The part of the stack that works before there are sockets."""

    network_trouble = Trouble.AIR
    identity = (commands.line("eui64", info=rb"[0-9a-fA-F]{16}"),)
    reset_steps = ((0.2, b"\r\nreset\r\n"), (2.0, b""))

    def __init__(
        self,
        channel: Channel,
        *,
        name: str,
        line: LineRate,
        wanted: str,
        encoded: bool,
        translation: Translation,
        attach_timeout: float,
        stay: bool,
        reconnect: bool,
    ) -> None:
        super().__init__(channel, line=line, reconnect=reconnect)
        self.name = name
        self.translation = translation
        self.firmware = ""
        self._wanted = wanted
        self._encoded = encoded
        self._attach_timeout = attach_timeout
        self._stay = stay
        self._found_off = False  # Thread was not running before this driver started it
        self._ended = asyncio.Event()  # the peer's end of the stream has come, or it broke
        self._tcp = True  # the firmware has the tcp commands
        self.capabilities = self._claims()

    def _claims(self) -> CapabilityTable:
        return table(
            self.name,
            self.firmware,
            line=self.channel.max_command,
            encoded=self._encoded,
            tcp=self._tcp,
        )

    # -- bring-up -----------------------------------------------------------------------------

    async def _find(self) -> None:
        self.channel.set_probe(IN_STEP)
        await self._line.find(())

    async def _configure(self) -> None:
        run = self.channel.run
        reply = await run(commands.VERSION)
        self.firmware = b" ".join(reply.lines).decode("ascii", "replace")
        for text in ("udp close", "tcp stoplistening", "tcp abort", "tcp deinit"):
            await self._attempt(commands.line(text))  # what a former program left
        self._tcp = await self._attempt(commands.line("tcp init linked"))
        self.capabilities = self._claims()

    async def _attach(self) -> None:
        self.channel.set_probe(IN_STEP)
        role = await self._role()
        if role == "disabled":
            self._found_off = True
        if await self._give_dataset(running=role != "disabled") or role == "disabled":
            await self.run(commands.line("ifconfig up"))
            await self.run(commands.line("thread start"))
        await self._wait_for_network()

    async def _attach_again(self, attempt: int) -> None:
        del attempt
        if await self._role() == "disabled":
            await self.run(commands.line("ifconfig up"))
            await self.run(commands.line("thread start"))
        await self._wait_for_network()

    async def _wait_for_network(self) -> None:
        deadline = now() + self._attach_timeout
        while (role := await self._role()) not in ATTACHED:
            if now() >= deadline:
                raise errors.NetworkNotFound(
                    f"the {self.name} found no Thread network within {self._attach_timeout:g} s "
                    f"(it is {role})"
                )
            await asyncio.sleep(LOOK)
        self._address = best_address(await self._addresses())
        if not self._address:
            raise errors.NetworkDown(f"the {self.name} is {role}, but has no address")
        self.channel.set_probe(CANARY)

    async def _role(self) -> str:
        reply = await self.channel.run(commands.STATE)
        return reply.lines[-1].decode("ascii") if reply.lines else "unknown"

    async def _addresses(self) -> list[str]:
        reply = await self.channel.run(commands.ADDRESSES)
        return [line.decode("ascii") for line in reply.lines]

    async def _look_at_network(self) -> None:
        role = await self._role()
        if role not in ATTACHED and self._wanted_up and self.life.state is ModuleState.IP_READY:
            self._recovery.meet(
                Trouble.AIR, errors.NetworkDown(f"the Thread network was lost (it is {role})")
            )

    async def _restore(self) -> None:
        for text in ("udp close", "tcp stoplistening", "tcp abort", "tcp deinit"):
            await self._attempt(commands.line(text))
        if self._found_off and not self._stay:
            self.channel.set_probe(IN_STEP)
            await self._attempt(commands.line("thread stop"))
            await self._attempt(commands.line("ifconfig down"))
            self._found_off = False

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
            reply = await self.channel.run(commands.DATASET)
        except CommandFailed as error:
            if error.code == NOT_FOUND:
                return ""
            raise
        return reply.lines[0].decode("ascii") if reply.lines else ""

    async def dataset(self) -> str:
        """See netsocket.mesh.ThreadControl."""
        await self.configure()
        found = await self._dataset()
        if not found:
            raise errors.NetworkNotFound(f"the {self.name} has no dataset")
        return found

    def set_dataset(self, dataset_hex: str) -> None:
        """See netsocket.mesh.ThreadControl."""
        try:
            dataset.parse(dataset_hex)
        except ValueError as error:
            raise errors.InvalidArgument(f"no Thread dataset: {error}") from None
        self._wanted = dataset_hex

    async def mesh(self) -> MeshState:
        """See netsocket.mesh.MeshControl."""
        await self.configure()
        name, channel, pan_id = "", None, None
        if found := await self._dataset():
            name, channel, pan_id = dataset.described(found)
        addresses = tuple(self.translation.outside(each) for each in await self._addresses())
        return MeshState(await self._role(), name, channel, pan_id, addresses)

    async def status(self) -> StackStatus:
        """See Stack.status."""
        details = {"firmware": self.firmware}
        with contextlib.suppress(CommandFailed, ValueError):
            state = await self.mesh()
            details["role"] = state.role
            details["network"] = state.network
            if state.channel is not None:
                details["channel"] = str(state.channel)
            if state.pan_id is not None:
                details["pan id"] = f"0x{state.pan_id:04x}"
        details["encoding"] = "hex" if self._encoded else "none"
        details.update(self._recovery_details())
        return StackStatus(self._status, self._address or None, self.epoch, details)

"""Bringing an OpenThread node up: find it, give it its network, wait until it is in it."""

from __future__ import annotations

import asyncio
import contextlib

from atdriver.channel import Channel
from atdriver.errors import CommandFailed
from atdriver.exchange import Command, Reply
from modems.lifecycle import ModuleState
from modems.meshnode import MeshNode, Translation
from modems.openthread import commands
from modems.openthread.capabilities import table
from modems.openthread.dialect import CANARY, IN_STEP
from modems.openthread.member import ATTACHED, ThreadMember
from modems.rate import LineRate
from modems.recovery import Trouble
from netsocket import errors
from netsocket.capability.model import CapabilityTable
from netsocket.mesh import MeshState
from netsocket.stack import StackStatus


class OpenThreadNetwork(MeshNode, ThreadMember):
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
        self._thread_settings(wanted, attach_timeout, stay)
        self._encoded = encoded
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

    async def _carry(self, command: Command) -> Reply:
        return await self.channel.run(command)

    async def _attach(self) -> None:
        self.channel.set_probe(IN_STEP)
        await self._enter_network()
        await self._attached()

    async def _attach_again(self, attempt: int) -> None:
        del attempt
        if await self._role() == "disabled":
            await self._start_thread()
        await self._attached()

    async def _attached(self) -> None:
        self._address = await self._wait_for_network()
        self.channel.set_probe(CANARY)

    async def _look_at_network(self) -> None:
        role = await self._role()
        if role not in ATTACHED and self._wanted_up and self.life.state is ModuleState.IP_READY:
            self._recovery.meet(
                Trouble.AIR, errors.NetworkDown(f"the Thread network was lost (it is {role})")
            )

    async def _restore(self) -> None:
        for text in ("udp close", "tcp stoplistening", "tcp abort", "tcp deinit"):
            await self._attempt(commands.line(text))
        await self._leave_network(lambda: self.channel.set_probe(IN_STEP))

    # -- what it says of the network --------------------------------------------------------------

    async def dataset(self) -> str:
        """See netsocket.mesh.ThreadControl."""
        await self.configure()
        return await self._known_dataset()

    async def mesh(self) -> MeshState:
        """See netsocket.mesh.MeshControl."""
        await self.configure()
        return await self._mesh()

    async def status(self) -> StackStatus:
        """See Stack.status."""
        details = {"firmware": self.firmware}
        with contextlib.suppress(CommandFailed):
            await self.configure()
            details.update(await self._mesh_details())
        details["encoding"] = "hex" if self._encoded else "none"
        details.update(self._recovery_details())
        return StackStatus(self._status, self._address or None, self.epoch, details)

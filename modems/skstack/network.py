"""Bringing an SKSTACK-IP stick up: find its coordinator, join it by PANA, and what it tells."""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple

from atdriver.channel import Channel
from atdriver.dialect import Probe
from atdriver.errors import CommandFailed
from atdriver.exchange import Command
from modems.commands import simple
from modems.lifecycle import ModuleState
from modems.meshnode import MeshNode, Translation, best_address
from modems.rate import LineRate
from modems.recovery import Trouble
from modems.skstack import commands
from modems.skstack.capabilities import table
from modems.skstack.dialect import (
    BINARY,
    DONE_SCAN,
    FREE,
    IN_STEP,
    JOINED,
    LIMITED,
    NOT_JOINED,
    SESSION_ENDS,
    link_local,
    written,
)
from netsocket import errors
from netsocket.mesh import MeshState
from netsocket.stack import StackStatus

SCAN = 60.0
"""Seconds for one scan of all channels (SKSCAN, DURATION 6: some 20 s)."""
JOIN = 90.0
"""Seconds for PANA with its repetitions (SKJOIN)."""
SCANS = 3


class Coordinator(NamedTuple):
    """What a scan found."""

    channel: int
    pan_id: int
    eui64: str
    quality: int


class SkStackNetwork(MeshNode):
    """The part of the stack that works before there are sockets."""

    network_trouble = Trouble.AIR
    identity = (commands.INFO,)
    reset_steps = ((0.2, b"\r\nSKRESET\r\n"), (2.0, b""))

    def __init__(
        self,
        channel: Channel,
        *,
        name: str,
        line: LineRate,
        rbid: str,
        password: str,
        duration: int,
        translation: Translation,
        stay: bool,
        reconnect: bool,
    ) -> None:
        super().__init__(channel, line=line, reconnect=reconnect)
        self.name = name
        self.translation = translation
        self.firmware = ""
        self.capabilities = table(name, "")
        self._rbid = rbid
        self._password = password
        self._duration = duration
        self._stay = stay
        self._binary = True
        self._joined = False
        self._limited = False  # the law's limit of time on the air is reached
        self._event: asyncio.Future[str] | None = None
        self._awaited: tuple[str, ...] = ()
        self._heard: list[str] = []  # lines of a scan

    # -- bring-up -----------------------------------------------------------------------------

    async def _find(self) -> None:
        self.channel.set_probe(IN_STEP)
        await self._line.find(())

    async def _configure(self) -> None:
        run = self.channel.run
        await run(simple("SKSREG SFE 0"))
        reply = await run(commands.VERSION)
        self.firmware = b" ".join(reply.lines).decode("ascii", "replace").removeprefix("EVER ")
        self._binary = (await run(commands.FORMAT)).final == b"OK 00"
        self.channel.expect(BINARY if self._binary else ())
        self.capabilities = table(self.name, self.firmware)

    async def _attach(self) -> None:
        self.channel.set_probe(IN_STEP)
        if self._rbid:
            await self._join()
        reply = await self.channel.run(commands.ADDRESSES)
        hosts = [line.decode("ascii") for line in reply.lines if line != b"EADDR"]
        own = [str(self.translation.outside(each)) for each in hosts]
        self._address = best_address(hosts) or (own[0] if own else "")
        if not self._address:
            raise errors.NetworkDown(f"the {self.name} has no address")
        if self._rbid:
            if not self._joined:
                raise errors.NetworkDown("the session with the coordinator ended at once")
            # After a restart it belongs to no network.
            info = rb"EINFO \S+ \S+ [0-9A-F]{2} "
            lost = re.compile(info + rb"FFFF .*")
            self.channel.set_probe(Probe(b"SKINFO", re.compile(info + rb"(?!FFFF).*"), lost))

    async def _join(self) -> None:
        try:
            await self.channel.run(commands.password(self._password))
            await self.channel.run(commands.identity(self._rbid))
        except CommandFailed as error:
            raise errors.AuthenticationFailed(
                f"the {self.name} refuses the login: {error}"
            ) from error
        found = await self._scan()
        await self.run(simple(f"SKSREG S2 {found.channel:02X}"))
        await self.run(simple(f"SKSREG S3 {found.pan_id:04X}"))
        address = written(link_local(found.eui64))
        if await self._until(commands.join(address), (JOINED, NOT_JOINED), JOIN) == NOT_JOINED:
            raise errors.AuthenticationFailed(
                f"the coordinator at {address} did not let the {self.name} in: wrong rbid or "
                "password, or out of reach"
            )
        self._joined = True

    async def _scan(self) -> Coordinator:
        for extra in range(SCANS):
            self._heard = []
            await self._until(commands.scan(self._duration + extra), (DONE_SCAN,), SCAN * 2**extra)
            found = coordinators(self._heard)
            if found:
                return max(found, key=lambda each: each.quality)
        raise errors.NetworkNotFound(f"the {self.name} hears no coordinator")

    async def _until(self, command: Command, events: tuple[str, ...], seconds: float) -> str:
        """Run it, and wait for one of these events. Raises ConnectTimeout."""
        self._awaited = events
        self._event = asyncio.get_running_loop().create_future()
        try:
            await self.run(command)
            done, _ = await asyncio.wait({self._event}, timeout=seconds)
            if not done:
                raise errors.ConnectTimeout(f"{command}: no end within {seconds:g} s")
            return self._event.result()
        finally:
            self._event = None

    async def _attach_again(self, attempt: int) -> None:
        del attempt
        await self._attach()

    async def _look_at_network(self) -> None:
        """The stick tells by itself when its session ends."""

    async def _restore(self) -> None:
        if self._joined and not self._stay:
            await self._attempt(simple("SKTERM"))
        self._joined = False
        await self._attempt(simple("SKSREG SFE 1"))

    # -- events -------------------------------------------------------------------------------

    def _on_network_event(self, number: str) -> None:
        if self._event is not None and number in self._awaited and not self._event.done():
            self._event.set_result(number)
        elif number == LIMITED:
            self._limited = True
        elif number == FREE:
            self._limited = False
            for sock in list(self._sockets.values()):
                self._wake(sock)
        elif number in SESSION_ENDS and self._joined:
            self._joined = False
            if self._wanted_up and self.life.state is ModuleState.IP_READY:
                error = errors.NetworkDown(f"the session with the coordinator ended ({number})")
                self._lost(error)
                self._recovery.meet(Trouble.AIR, error)

    # -- questions ----------------------------------------------------------------------------

    async def mesh(self) -> MeshState:
        """See netsocket.mesh.MeshControl."""
        await self.configure()
        reply = await self.channel.run(commands.INFO)
        parts = reply.lines[0].decode("ascii", "replace").split() if reply.lines else []
        channel = int(parts[3], 16) if len(parts) > 3 else None
        pan_id = int(parts[4], 16) if len(parts) > 4 else None
        rows = (await self.channel.run(commands.NEIGHBOURS)).lines
        near = tuple(row.split()[0].decode("ascii") for row in rows if b":" in row)
        reply = await self.channel.run(commands.ADDRESSES)
        own = tuple(line.decode("ascii") for line in reply.lines if line != b"EADDR")
        return MeshState(
            "joined" if self._joined else "not joined", "", channel, pan_id,
            tuple(map(self.translation.outside, own)), tuple(map(self.translation.outside, near)),
        )  # fmt: skip

    async def status(self) -> StackStatus:
        """See Stack.status."""
        state = await self.mesh()
        details = {"firmware": self.firmware, "role": state.role}
        if state.channel is not None:
            details["channel"] = str(state.channel)
        if state.pan_id is not None:
            details["pan id"] = f"0x{state.pan_id:04x}"
        details["received data"] = "binary" if self._binary else "hexadecimal"
        if self._limited:
            details["transmit time"] = "used up"
        details.update(self._recovery_details())
        return StackStatus(self._status, self._address or None, self.epoch, details)


def coordinators(lines: list[str]) -> list[Coordinator]:
    """The EPANDESC blocks of a scan; what is not whole is left out."""
    found = []
    blocks: list[dict[str, str]] = []
    for line in lines:
        if line == "EPANDESC":
            blocks.append({})
        elif blocks:
            key, _, value = line.strip().partition(":")
            blocks[-1][key] = value
    for block in blocks:
        try:
            channel, pan_id = int(block["Channel"], 16), int(block["Pan ID"], 16)
            eui64 = block["Addr"]
            link_local(eui64)
            found.append(Coordinator(channel, pan_id, eui64, int(block.get("LQI", "0"), 16)))
        except (KeyError, ValueError):
            continue
    return found

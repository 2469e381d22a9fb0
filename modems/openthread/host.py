"""`openthread-host:wpan0`: a Thread network as a network interface of this computer.

OpenThread's `ot-daemon` runs the mesh on a radio co-processor and makes the interface; the sockets
are the kernel's, as many as wanted, and every byte passes. The mesh is controlled by `ot-ctl`.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import Mapping

from atdriver.errors import CommandFailed, SpecificationError
from atdriver.exchange import Command, Reply
from atdriver.registry import Setting, Value
from modems.clock import now
from modems.meshnode import Translation
from modems.openthread import NETWORK, wanted_dataset
from modems.openthread.member import ATTACHED, LOOK, ThreadMember
from modems.openthread.ot_ctl import OtCtl
from netsocket import errors
from netsocket.ip.ethernet import EthernetStack
from netsocket.mesh import MeshState
from netsocket.stack import InterfaceStatus, StackStatus

KERNEL = 5.0
"""Seconds that the kernel gets to hear of a network that the daemon is in already."""


class OpenThreadHostDriver:
    """The entry point's object; see atdriver.registry.InterfaceDriver."""

    kind = "thread"
    settings = (
        *NETWORK,
        Setting("program", "ot-ctl", "what reaches ot-daemon, for example sudo -n ot-ctl"),
        Setting("attach_timeout", 60.0, "seconds to wait for the network"),
        Setting("stay", False, "leave Thread running at the end"),
    )

    def on_interface(
        self, interface: str, name: str, values: Mapping[str, Value]
    ) -> OpenThreadHostStack:
        """A stack on this network interface. Raises SpecificationError."""
        try:
            program = shlex.split(str(values["program"]))
        except ValueError as error:
            raise SpecificationError(f"setting program={values['program']}: {error}") from None
        if not program:
            raise SpecificationError("setting program: the command that reaches ot-daemon, ot-ctl")
        stack = OpenThreadHostStack(interface, OtCtl(program, interface), name)
        stack._thread_settings(
            wanted_dataset(values), float(values["attach_timeout"]), bool(values["stay"])
        )
        return stack


class OpenThreadHostStack(EthernetStack, ThreadMember):
    """The kernel's sockets on ot-daemon's interface, and its mesh (MeshControl, ThreadControl).

    Its role is looked at with every `status`: CONNECTING while it is in no network.
    """

    def __init__(self, interface: str, control: OtCtl, name: str) -> None:
        super().__init__(interface)
        self.name = name
        self.translation = Translation()
        self._control = control

    async def up(self) -> None:
        """Enter the network, then take the interface as `host:` does.

        Raises BackendMissing (no such program), PortMissing (no ot-daemon), PortDenied, DeviceError
        (it refuses), NetworkNotFound (no network in `attach_timeout`, no such interface),
        NetworkDown.
        """
        if self._up:
            return
        await self._enter_network()
        await self._wait_for_network()
        deadline = now() + KERNEL
        while not self._up:
            try:
                await super().up()
            except errors.NetworkDown:
                if now() >= deadline:
                    raise
                await asyncio.sleep(LOOK)

    async def down(self) -> None:
        """Close every socket; Thread ends where it was not running before, unless `stay`."""
        await super().down()
        with contextlib.suppress(OSError):  # the daemon has gone, and its network with it
            await self._leave_network()

    async def status(self) -> StackStatus:
        """Look again, at the interface and at the mesh."""
        found = await super().status()
        if not self._up:
            return found
        details = dict(found.details)
        with contextlib.suppress(OSError):  # where there is no daemon, there is no interface
            details.update(await self._mesh_details())
        away = "role" in details and details["role"] not in ATTACHED
        status = InterfaceStatus.CONNECTING if away and found.ip_address else found.state
        return StackStatus(status, found.ip_address, found.epoch, details)

    async def mesh(self) -> MeshState:
        """See netsocket.mesh.MeshControl."""
        return await self._mesh()

    async def dataset(self) -> str:
        """See netsocket.mesh.ThreadControl."""
        return await self._known_dataset()

    async def _carry(self, command: Command) -> Reply:
        return await self._control.run(command)

    async def run(self, command: Command) -> Reply:
        """One command; what the daemon refuses is a DeviceError."""
        try:
            return await self._carry(command)
        except CommandFailed as error:
            said = error.final.decode("ascii", "replace")
            raise errors.DeviceError(str(error), module_code=said) from error


DRIVER = OpenThreadHostDriver()

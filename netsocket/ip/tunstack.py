"""TunStack: the kernel's own stack on a carrier of IP packets, through a TUN device.

Other programs of this computer are not affected: its routes are for sockets bound to the device.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from netsocket.boundstack import BoundStack
from netsocket.capability.model import Capability, Level
from netsocket.errors import NetworkDown
from netsocket.ip.ferry import Ferry
from netsocket.ip.link import IpPacketLink
from netsocket.ip.naming import Resolver
from netsocket.ip.own import global_first
from netsocket.ip.tun import Tun
from netsocket.stack import Changed, Handle, InterfaceStatus, StackStatus, StatusChanged

NAME: Final = "atd%d"
"""Of the device; the kernel puts the first free number in it."""
_RESOLVED: Final = Capability(
    "dns.resolve", Level.EMULATED, "asked of the link's name servers through it"
)  # fmt: skip


class TunStack(BoundStack):
    """The Stack protocol on a link; `down` closes both. Raises BackendMissing at `up`."""

    name = "tun"

    def __init__(self, link: IpPacketLink) -> None:
        super().__init__("", _RESOLVED)
        self._link: IpPacketLink | None = link
        self._tun: Tun | None = None
        self._ferry: Ferry | None = None
        self._names = Resolver(self, lambda: link.settings.dns)
        self._own = global_first(each.partition("/")[0] for each in link.settings.addresses)

    def attach(self, changed: Changed, status_changed: StatusChanged) -> None:
        """Register the notices; those of the resolver's sockets stay here."""

        def told(handle: Handle, generation: int) -> None:
            if not self._names.noticed(handle):
                changed(handle, generation)

        super().attach(told, status_changed)

    async def up(self) -> None:
        """Make the device. Raises BackendMissing, NetworkDown once the link is gone."""
        if self._up:
            return
        link = self._link
        if link is None:
            raise NetworkDown("its carrier of packets was closed with it")
        settings = link.settings
        loop = asyncio.get_running_loop()
        self._tun = await loop.run_in_executor(
            None, lambda: Tun(NAME, settings.addresses, settings.mtu, routed=True)
        )
        self.device = self._tun.name
        self._ferry = Ferry(self._tun.fd, link.packets, self._lost)
        await super().up()

    async def down(self) -> None:
        """Close every socket, take the device away, close the link."""
        await super().down()
        self._end()

    def _lost(self) -> None:
        """The carrier has ended."""
        self._fail(NetworkDown("the carrier of the packets has gone"))
        self._end()
        if self._up:
            self._up = False
            self._status_changed(InterfaceStatus.DISCONNECTED)

    def _end(self) -> None:
        if self._ferry is not None:
            self._ferry.close()
        if self._tun is not None:
            self._tun.close()
        if self._link is not None:
            self._link.packets.close()
        self._link = self._tun = self._ferry = None

    async def resolve(self, name: str, family: int = 0) -> Sequence[str]:
        """Asked of the link's name servers, through the device."""
        six = any(":" in each and not each.startswith("fe80:") for each in self._own)
        return await self._names.resolve(name, family, six=six)

    @property
    def recovery(self) -> Mapping[str, int]:
        """Nothing is mended by itself."""
        return {}

    @property
    def address(self) -> str | None:
        """Own address."""
        return self._own[0] if self._up and self._own else None

    async def status(self) -> StackStatus:
        """Up or not, and which device."""
        state = InterfaceStatus.GLOBAL_UP if self._up else InterfaceStatus.DISCONNECTED
        return StackStatus(state, self.address, 0, {"device": self.device} if self._up else {})

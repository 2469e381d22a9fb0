"""EthernetStack: one network interface of this computer, as `host:eth0` names it.

The kernel's sockets, pinned to the interface, and its state: a cable that is pulled, an address
that comes or goes, an adapter that is unplugged.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import Final

from netsocket.address import SocketAddress
from netsocket.boundstack import BoundStack
from netsocket.capability.model import Capability, Level, Manual
from netsocket.errors import NetworkDown, NetworkNotFound
from netsocket.ip.linkstate import LinkNotices, LinkState, look
from netsocket.stack import InterfaceStatus, StackStatus

_RESOLVED: Final = Capability(
    "dns.resolve", Level.EMULATED, "by the computer's resolver, which asks through any interface",
    Manual("Linux man-pages", "", "getaddrinfo(3)"),
)  # fmt: skip


class EthernetStack(BoundStack):
    """The Stack protocol on the interface `device`.

    Its status: GLOBAL_UP with an address, LOCAL_UP without one that reaches beyond the link,
    CONNECTING while there is no carrier, DISCONNECTED when the interface itself has gone. Sockets
    outlive a pulled cable, as the kernel's do.
    """

    def __init__(self, device: str) -> None:
        super().__init__(device, _RESOLVED)
        self._notices: LinkNotices | None = None
        self._looking: asyncio.Task[None] | None = None
        self._again = False
        self._state: LinkState | None = None

    async def up(self) -> None:
        """Take the interface as it is; nothing of it is configured.

        Raises NetworkNotFound (no such interface), NetworkDown (down, no carrier), BackendMissing.
        """
        if self._up:
            return
        self.failure = None
        found = await self._look()
        if found is None:
            here = ", ".join(name for _, name in socket.if_nameindex())
            raise NetworkNotFound(f"{self.device}: there is no such interface; there are {here}")
        if not found.up:
            raise NetworkDown(f"{self.device} is not up: {found.why}")
        self._notices = LinkNotices(self._changed_somewhere)
        self._up = True
        self._state = found
        self._status_changed(_status(found))

    async def down(self) -> None:
        """Close every socket; the interface stays as it is."""
        if self._notices is not None:
            self._notices.close()
            self._notices = None
        looking, self._looking = self._looking, None
        if looking is not None:
            await asyncio.wait({looking})
        self._state = None
        await super().down()

    async def resolve(self, name: str, family: int = 0) -> Sequence[str]:
        """By the operating system's resolver; addresses of a family that the interface has."""
        found = await super().resolve(name, family)
        own = {
            SocketAddress(each).family for each in (self._state.addresses if self._state else ())
        }
        fitting = [each for each in found if SocketAddress(each).family in own]
        return fitting or found

    @property
    def recovery(self) -> Mapping[str, int]:
        """Nothing is mended by itself."""
        return {}

    @property
    def address(self) -> str | None:
        """Own address as last seen."""
        return self._state.addresses[0] if self._state and self._state.addresses else None

    async def status(self) -> StackStatus:
        """Look again."""
        if not self._up:
            return StackStatus(InterfaceStatus.DISCONNECTED)
        self._state = await self._look()
        details = {"device": self.device}
        if self._state is not None:
            details["mtu"] = str(self._state.mtu)
        return StackStatus(_status(self._state), self.address, 0, details)

    async def _look(self) -> LinkState | None:
        return await asyncio.get_running_loop().run_in_executor(None, look, self.device)

    def _changed_somewhere(self) -> None:
        """Look once more, one look at a time."""
        self._again = True
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._follow())

    def _watching(self) -> bool:
        return self._notices is not None

    async def _follow(self) -> None:
        while self._again and self._watching():
            self._again = False
            found = await self._look()
            if not self._watching():
                return
            before, self._state = self._state, found
            if found is None:
                self._fail(NetworkDown(f"{self.device} has gone"))
            elif before is None:
                self.failure = None  # it was plugged in again: new sockets work
            if _status(found) is not _status(before):
                self._status_changed(_status(found))


def _status(found: LinkState | None) -> InterfaceStatus:
    if found is None:
        return InterfaceStatus.DISCONNECTED
    if not found.up:
        return InterfaceStatus.CONNECTING
    far = found.addresses and not found.addresses[0].startswith(("fe80:", "169.254."))
    return InterfaceStatus.GLOBAL_UP if far else InterfaceStatus.LOCAL_UP

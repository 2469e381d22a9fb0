"""lwIP on a TUN device: the kernel is its neighbour, and needs the right to make such a device."""

from __future__ import annotations

import asyncio
from typing import Final

from netsocket.ip.ferry import Ferry
from netsocket.ip.link import IpPacketLink, IpSettings
from netsocket.ip.lwip import LwipStack
from netsocket.ip.pair import packet_pair
from netsocket.ip.tun import Tun

HERE, HERE_6 = "10.78.0.2", "fd78::2"
"""lwIP's addresses."""
THERE, THERE_6 = "10.78.0.1", "fd78::1"
"""The kernel's."""
MTU: Final = 1500


class LwipOnTun:
    """The device `name` with the kernel at one end, and `stack` at the other.

    The device is there while somebody holds it: the stack while it is up, and who calls `hold`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack = LwipStack(None, self._link)
        self._tun: Tun | None = None
        self._holders = 0
        self._making = asyncio.Lock()

    async def hold(self) -> Tun:
        """The device; it is made for the first holder. Raises BackendMissing, OSError."""
        async with self._making:
            if self._tun is None:
                addresses = (f"{THERE}/24", f"{THERE_6}/64")
                loop = asyncio.get_running_loop()
                self._tun = await loop.run_in_executor(None, lambda: Tun(self.name, addresses, MTU))
            self._holders += 1
            return self._tun

    def release(self) -> None:
        """Take back a `hold`; the device ends with the last."""
        self._holders -= 1
        if not self._holders and self._tun is not None:
            tun, self._tun = self._tun, None
            tun.close()

    async def _link(self) -> IpPacketLink:
        tun = await self.hold()
        mine, its = packet_pair()

        def ended() -> None:
            mine.close()
            self.release()

        Ferry(tun.fd, mine, ended)
        settings = IpSettings((f"{HERE}/24", f"{HERE_6}/64"), (THERE,), (THERE,), MTU)
        return IpPacketLink(self.name, its, settings)

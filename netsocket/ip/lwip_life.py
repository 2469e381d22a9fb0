"""The life of an lwIP stack: its link, its process, its addresses; what the sockets stand on."""

from __future__ import annotations

import abc
import asyncio
import copy
import errno
import socket as _socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from netsocket.capability.model import Capability, CapabilityTable
from netsocket.errors import NetworkDown, NotSupported, from_os_error
from netsocket.ip import lwip_options
from netsocket.ip.link import IpPacketLink, IpSettings
from netsocket.ip.lwip_child import Op
from netsocket.ip.lwip_claims import lwip_capabilities
from netsocket.ip.lwip_process import Answer, LwipProcess, error_of
from netsocket.ip.own import global_first
from netsocket.stack import Changed, InterfaceStatus, StackStatus, StatusChanged

Renew = Callable[[], Awaitable[IpPacketLink]]
"""Gives another link when the interface comes up again."""
SEND_BUFFER: Final = 128 * 1024
"""Bytes asked of the descriptor for packets on their way out: room for the fragments of the longest
datagram, and no more of a queue in front of a slow radio than needed."""
ROUTER: Final = 8.0
"""Seconds that `up` waits for an IPv6 router where the link gave a link-local address alone."""
LOOK: Final = 0.1
_ADDRESS: Final = 17
"""Bytes of an entry of Op.ADDRESSES."""


class LwipLife(abc.ABC):
    """Base of LwipStack; one process per bring-up.

    `link` is used by the first `up` and belongs to the stack from now on; `down` closes it. Where
    there is none (any more) `renew` gives one; without it the interface stays down (NetworkDown).
    `claims` are different from lwIP's because of what the link leads to.
    """

    def __init__(
        self, link: IpPacketLink | None, renew: Renew | None = None, *claims: Capability
    ) -> None:
        self._claims = claims
        self.capabilities = self._claim(IpSettings(()) if link is None else link.settings, True)
        self._link: IpPacketLink | None = link
        self._renew = renew
        self._process: LwipProcess | None = None
        self._generation = 0
        self._changed: Changed = lambda _handle, _generation: None
        self._status_changed: StatusChanged = lambda _status: None
        self._own: list[str] = []
        self._turning = asyncio.Lock()
        self.failure: OSError | None = None

    def attach(self, changed: Changed, status_changed: StatusChanged) -> None:
        """Register the notices."""
        self._changed = changed
        self._status_changed = status_changed

    @abc.abstractmethod
    def _noticed(self, number: int) -> None:
        """Something about lwIP's socket `number` may be different."""

    @abc.abstractmethod
    def _tell_all(self) -> None:
        """Every socket is to look what has become of it."""

    @abc.abstractmethod
    async def _close_all(self) -> None:
        """Close every socket."""

    async def up(self) -> None:
        """Start lwIP on the link. Raises LwipMissing (what to install), NetworkDown."""
        async with self._turning:
            if self._process is not None and self._process.failure is None:
                return
            await self._end()
            link = self._link
            if link is None:
                if self._renew is None:
                    raise NetworkDown("its carrier of packets was closed with it")
                link = self._link = await self._renew()
            link.packets.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, SEND_BUFFER)
            self.failure = None
            self._generation += 1
            process = LwipProcess(self._noticed, self._died)
            await process.start(link)
            self._process = process
            state = await self._wait_for_router(link)
            self.capabilities = self._claim(link.settings, any(":" in each for each in self._own))
            self._status_changed(state)

    def _claim(self, settings: IpSettings, six: bool) -> CapabilityTable:
        return lwip_capabilities(settings, six).with_changes(*self._claims)

    async def _wait_for_router(self, link: IpPacketLink) -> InterfaceStatus:
        """Where only a link-local address was given, the network's router gives another one."""
        for _ in range(int(ROUTER / LOOK)):
            await self._learn_addresses()
            if self._state is InterfaceStatus.GLOBAL_UP or not link.settings.addresses:
                break
            await asyncio.sleep(LOOK)
        return self._state

    async def down(self) -> None:
        """Close every socket, end lwIP and close the link; waits for an `up` under way."""
        await self._close_all()
        async with self._turning:
            await self._end()
            self._close_link()
        self._status_changed(InterfaceStatus.DISCONNECTED)

    async def _end(self) -> None:
        process, self._process = self._process, None
        self._own = []
        if process is not None:
            await process.stop()

    def _close_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.packets.close()

    def _died(self, error: OSError) -> None:
        """The process or the carrier has gone: every socket tells why from now on."""
        self.failure = error
        self._own = []
        self._close_link()
        self._tell_all()
        self._status_changed(InterfaceStatus.DISCONNECTED)

    # -- what it is ---------------------------------------------------------------------------

    @property
    def recovery(self) -> Mapping[str, int]:
        """Nothing is mended by itself."""
        return {}

    @property
    def address(self) -> str | None:
        """Own address as last learnt."""
        return self._own[0] if self._own else None

    @property
    def _reaches_six(self) -> bool:
        """Whether an IPv6 address reaches beyond the link."""
        return any(":" in each and not each.startswith("fe80:") for each in self._own)

    @property
    def _state(self) -> InterfaceStatus:
        if not self._own:
            return InterfaceStatus.DISCONNECTED
        near = self._own[0].startswith("fe80:")
        return InterfaceStatus.LOCAL_UP if near else InterfaceStatus.GLOBAL_UP

    async def _learn_addresses(self) -> None:
        found = []
        payload = (await self._order(Op.ADDRESSES, 0)).payload
        for at in range(0, len(payload), _ADDRESS):
            four = payload[at] == 4
            packed = payload[at + 1 : at + (5 if four else _ADDRESS)]
            found.append(_socket.inet_ntop(_socket.AF_INET if four else _socket.AF_INET6, packed))
        self._own = global_first(found)

    async def status(self) -> StackStatus:
        """Ask lwIP for its addresses; a router may have given another one."""
        details = {}
        if self._process is not None and self._process.failure is None:
            await self._learn_addresses()
            details["process"] = str(self._process.pid)
            if self._link is not None:
                details["carrier"] = self._link.name
                details["mtu"] = str(self._link.settings.mtu)
        return StackStatus(self._state, self.address, self._generation, details)

    def _servers(self) -> Sequence[str]:
        return self._link.settings.dns if self._link is not None else ()

    # -- orders -------------------------------------------------------------------------------

    def _running(self) -> LwipProcess:
        if self.failure is not None:
            raise copy.copy(self.failure)
        if self._process is None:
            raise NetworkDown("the interface is down")
        return self._process

    async def _order(self, op: Op, number: int, payload: bytes = b"", what: str = "") -> Answer:
        """Carry an order out, whatever becomes of the caller. Raises what it gave."""
        answer = await asyncio.shield(self._running().order(op, number, payload))
        if answer.number < 0:
            error = error_of(answer, what)
            if op in (Op.SET, Op.GET) and error.errno == errno.ENOPROTOOPT:
                raise NotSupported(lwip_options.REFUSED, errno=errno.ENOPROTOOPT)
            raise from_os_error(error)
        return answer

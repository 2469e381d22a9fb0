"""A BG96 that is a modem: registered, its context defined, no sockets of its own."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from atdriver.channel import Channel
from atdriver.errors import CommandFailed
from modems.bg96 import commands
from modems.bg96.dialect import ENCODER
from modems.bg96.network import CONTEXT, Network
from modems.bg96.stack import Bg96Stack
from modems.bg96.state import cellular_state, described
from modems.commands import simple
from netsocket.stack import StackStatus

FAMILIES = ("IPV4V6", "IP")
"""<PDP_type> of AT+CGDCONT, the best first (AT manual V2.2, AT+CGDCONT)."""


@dataclass(frozen=True, slots=True)
class DialledNetwork(Network):
    """SIM and registration as ever; the context is defined, and activated by dialling."""

    async def _activate(self, channel: Channel) -> str:
        if self.name.apn:
            await define_context(channel, self.name.apn)
        return ""


async def define_context(channel: Channel, apn: str) -> None:
    """AT+CGDCONT for both families, or for IPv4 where the module refuses that. Raises
    CommandFailed."""
    name = ENCODER.text(apn, "the APN", 100, 1).decode("ascii")
    for family in FAMILIES[:-1]:
        with contextlib.suppress(CommandFailed):
            await channel.run(simple(f'AT+CGDCONT={CONTEXT},"{family}",{name}'))
            return
    await channel.run(simple(f'AT+CGDCONT={CONTEXT},"{FAMILIES[-1]}",{name}'))


class DialledBg96(Bg96Stack):
    """The module's driver as `modems.ppp.stack.PppStack` needs it."""

    async def _attach(self) -> None:
        await self._switch_on()
        for name, value in (await self._radio.apply(self.channel)).items():
            self._former_radio.setdefault(name, value)
        await self._network.attach(self.channel, self._registration)

    async def _attach_again(self, attempt: int) -> None:
        """A context that the network took away must be given up first (TCP(IP) manual V1.1,
        "pdpdeact")."""
        del attempt
        with contextlib.suppress(CommandFailed):
            await self.channel.run(simple(f"AT+QIDEACT={CONTEXT}", commands.DEACTIVATE))
        await self._attach()

    async def _look_at_network(self) -> None:
        """Nothing to look at: the call tells when it ends."""

    async def status(self) -> StackStatus:
        """See Stack.status; the address is PPP's affair."""
        found = dict(self._identity)
        with contextlib.suppress(CommandFailed):
            found.update(described(await cellular_state(self.channel)))
        return StackStatus(self._status, None, self.epoch, found)

"""From a SIM to an address: radio, registration, data context; and why it did not work."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from atdriver.channel import Channel
from atdriver.errors import CommandFailed, CommandTimeout, MalformedReply
from atdriver.exchange import Command
from atdriver.syntax import fields, number, string
from modems.bg96 import commands
from modems.bg96.dialect import ENCODER, ERRORS
from modems.bg96.sim import make_ready
from modems.bg96.state import optional, registration, signal
from modems.clock import now
from modems.commands import simple
from netsocket import errors
from netsocket.cellular import AccessPointName, Authentication, Registration

CONTEXT = 1
"""The PDP context used; context 1 is the one that AT+CGDCONT and AT+QICSGP share by default."""
NOT_ALLOWED = "572"
"""What AT+QIGETERROR says of an AT+QIACT that needs AT+QIDEACT before."""
POLL = 0.5
DENIED_PATIENCE = 20.0
"""Seconds of nothing but denial until it counts: a module goes through several networks."""
_METHODS = {Authentication.NONE: 0, Authentication.PAP: 1, Authentication.CHAP: 2}
"""<authentication> of AT+QICSGP (TCP(IP) manual)."""
_GIVE_APN = (
    "give apn=NAME, which the SIM's operator tells (with user=…, password=…, auth=pap|chap where "
    "it needs them)"
)


@dataclass(frozen=True, slots=True)
class Network:
    """What the user asked for."""

    name: AccessPointName = field(default_factory=AccessPointName)
    pin: str = field(default="", repr=False)
    registration_timeout: float = 90.0

    async def attach(self, channel: Channel, news: asyncio.Event) -> str:
        """SIM, registration, context; returns the address. `news`: set by who hears the module tell
        of its registration, which is asked for then.

        Raises AuthenticationFailed (PIN, registration denied), NetworkTimeout (registration),
        NetworkDown (no SIM, context).
        """
        await make_ready(channel, self.pin)
        await self._register(channel, news)
        return await self._activate(channel)

    async def _register(self, channel: Channel, news: asyncio.Event) -> None:
        begun = now()
        denied_since: float | None = None
        while True:
            news.clear()
            state = await registration(channel)
            if state.registered:
                return
            moment = now()
            if state is not Registration.DENIED:
                denied_since = None
            elif denied_since is None:
                denied_since = moment
            late = moment > begun + self.registration_timeout
            if denied_since is not None and (late or moment > denied_since + DENIED_PATIENCE):
                raise errors.AuthenticationFailed(
                    "the network denies the registration (the module tells no cause): is the SIM "
                    "activated and paid for, may it roam here, does its plan cover LTE-M or "
                    "NB-IoT? radio=gsm|ltem|nbiot tries another technology"
                )
            if late:
                raise await self._unregistered(channel, state)
            with contextlib.suppress(TimeoutError):  # a notice may be lost, or go to another port
                async with asyncio.timeout(POLL):
                    await news.wait()

    async def _unregistered(self, channel: Channel, state: Registration) -> OSError:
        heard = await signal(channel)
        waited = f"no registration in {self.registration_timeout:.0f} s ({state.value}"
        if heard.heard:
            return errors.NetworkTimeout(
                f"{waited}; signal {heard}): wait longer with register_timeout=… (a first search "
                "may take minutes), or choose radio=gsm|ltem|nbiot as the SIM's plan has it"
            )
        return errors.NetworkTimeout(
            f"{waited}; no signal): is the antenna connected, to the right socket? is there "
            "coverage for this radio=… and bands=…?"
        )

    async def _activate(self, channel: Channel) -> str:
        address = await context_address(channel)
        if address and (not self.name.apn or await _profile(channel) == self.name):
            return address
        if address:
            await channel.run(simple(f"AT+QIDEACT={CONTEXT}", commands.DEACTIVATE))
        if self.name.apn:
            await channel.run(
                commands.profile(
                    ENCODER.text(self.name.apn, "the APN", 100, 1),
                    ENCODER.text(self.name.user, "the APN's user name", 64),
                    ENCODER.text(self.name.password, "the APN's password", 64),
                    _METHODS[self.name.authentication],
                )
            )
        activate = simple(f"AT+QIACT={CONTEXT}", commands.ACTIVATE)
        try:
            await channel.run(activate)
        except (CommandFailed, CommandTimeout) as error:
            why = await last_error(channel)  # it explains the last TCP/IP command, so at once
            address = await context_address(channel)
            if not address and why.startswith(NOT_ALLOWED) and await self._again(channel, activate):
                address = await context_address(channel)
            if not address:
                raise await self._refused(channel, why or str(error)) from error
            return address  # it was active already
        address = await context_address(channel)
        if not address:
            raise errors.NetworkDown("the data context is active but has no address")
        return address

    async def _again(self, channel: Channel, activate: Command) -> bool:
        """A context that the network took away while nobody listened must be given up first
        (TCP(IP) manual V1.1, "pdpdeact")."""
        try:
            await channel.run(simple(f"AT+QIDEACT={CONTEXT}", commands.DEACTIVATE))
            await channel.run(activate)
        except (CommandFailed, CommandTimeout):
            return False
        return True

    async def _refused(self, channel: Channel, why: str) -> OSError:
        code = why.partition(" ")[0]
        profile = await _profile(channel)
        stored = profile.apn if profile else ""
        if self.name.apn:
            text = f"the network refused APN {self.name.apn!r} ({why}): {_GIVE_APN}"
        elif stored:
            text = (
                f"the network refused APN {stored!r}, which is stored in the module "
                f"({why}): {_GIVE_APN}"
            )
        else:
            text = (
                f"no APN was given and none is stored, and the network gives no data connection "
                f"without one ({why}): {_GIVE_APN}"
            )
        return errors.NetworkDown(text, module_code=code if code.isdigit() else None)


async def context_address(channel: Channel) -> str:
    """The address of our context, "" while it is not active (then it has no row at all)."""
    reply = await channel.run(commands.CONTEXTS)
    for line in reply.lines:
        parts = fields(line.partition(b":")[2])
        if len(parts) >= 4 and parts[0] == str(CONTEXT).encode() and parts[1] == b"1":
            return string(parts[3])
    return ""


async def last_error(channel: Channel) -> str:
    """AT+QIGETERROR as "566 socket connect failed", "" when it says nothing."""
    try:
        reply = await channel.run(commands.LAST_ERROR)
    except CommandFailed:
        return ""
    if not reply.lines:
        return ""
    digits = fields(reply.lines[0].partition(b":")[2])[0]
    try:
        return describe(number(digits, 0, 9999))
    except MalformedReply:
        return ""


def describe(code: int) -> str:
    """A result code with the manual's text; 0 is no error and gives ""."""
    return f"{code} {ERRORS.get(code, 'undocumented')}" if code else ""


async def _profile(channel: Channel) -> AccessPointName | None:
    """The stored profile; the first field of the answer is the type, not the context."""
    text = await optional(channel, commands.PROFILE)
    parts = fields(text.encode("utf-8", "surrogateescape"))
    if len(parts) < 5:
        return None
    methods = {str(number): method for method, number in _METHODS.items()}
    method = methods.get(parts[4].decode("ascii", "replace"), Authentication.CHAP)
    try:
        apn, user, password = (string(part) for part in parts[1:4])
        return AccessPointName(apn, user, password, method)
    except errors.InvalidArgument:
        return None

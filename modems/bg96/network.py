"""From a SIM to an address: PIN, registration, data context. And how the network is."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass

from atdriver.channel import Channel
from atdriver.errors import ATError, CommandFailed, CommandTimeout, MalformedReply
from atdriver.exchange import Command
from atdriver.syntax import fields, number, string
from modems.bg96 import commands
from modems.bg96.dialect import ENCODER, ERRORS
from modems.commands import simple
from netsocket import errors

CONTEXT = 1
"""The PDP context used; context 1 is the one that AT+CGDCONT and AT+QICSGP share by default."""
SIM_PATIENCE = 15.0
"""Seconds to wait for a SIM that is still busy after power-up."""
POLL = 0.5
_STATES = {
    0: "not searching", 1: "registered", 2: "searching", 3: "denied", 4: "unknown",
    5: "registered, roaming",
}  # fmt: skip
_REGISTERED = (1, 5)
_pins_tried: set[tuple[str, str]] = set()
"""(port, PIN) pairs that were refused: a PIN is tried once, a restart loop must not lock a SIM."""


@dataclass(frozen=True, slots=True)
class Network:
    """What the user asked for. `authentication`: none, pap, chap."""

    apn: str = ""
    user: str = ""
    password: str = ""
    authentication: str = "none"
    pin: str = ""
    registration_timeout: float = 90.0

    async def attach(self, channel: Channel) -> str:
        """SIM, registration, context; returns the address.

        Raises AuthenticationFailed (PIN), NetworkTimeout (registration), NetworkDown (context).
        """
        await self._unlock(channel)
        await self._register(channel)
        return await self._activate(channel)

    async def _unlock(self, channel: Channel) -> None:
        deadline = time.monotonic() + SIM_PATIENCE
        while True:
            state = await _sim_state(channel)
            if state == "READY":
                return
            if state == "SIM PIN":
                await self._enter_pin(channel)
            elif state.startswith("SIM PUK"):
                raise errors.AuthenticationFailed(
                    "the SIM is blocked and wants its PUK; enter it with a telephone"
                )
            elif state == "absent":
                raise errors.NetworkDown("no SIM card is in the module", module_code="10")
            if time.monotonic() > deadline:
                raise errors.NetworkDown(f"the SIM does not get ready ({state})")
            await asyncio.sleep(POLL)

    async def _enter_pin(self, channel: Channel) -> None:
        if not self.pin:
            raise errors.AuthenticationFailed("the SIM wants its PIN: give pin=…")
        if not (self.pin.isdigit() and self.pin.isascii() and 4 <= len(self.pin) <= 8):
            raise errors.InvalidArgument("a PIN has 4 to 8 digits")
        attempt = (channel.link.name, self.pin)
        if attempt in _pins_tried:
            raise errors.AuthenticationFailed("this PIN was refused before; it is not tried again")
        try:
            await channel.run(commands.pin(self.pin.encode("ascii")))
        except CommandFailed as error:
            _pins_tried.add(attempt)
            raise errors.AuthenticationFailed(
                "the SIM refused the PIN (after three wrong ones it is blocked)",
                module_code=str(error.code) if error.code is not None else None,
            ) from error

    async def _register(self, channel: Channel) -> None:
        deadline = time.monotonic() + self.registration_timeout
        while True:
            state = await registration(channel)
            if state in _REGISTERED:
                return
            if time.monotonic() > deadline:
                signal = await _optional(channel, commands.SIGNAL)
                raise errors.NetworkTimeout(
                    f"no registration in {self.registration_timeout:.0f} s: "
                    f"{_STATES.get(state, str(state))}; signal {signal or 'unknown'} "
                    "(antenna? coverage? does the SIM have a data plan?)"
                )
            await asyncio.sleep(POLL)

    async def _activate(self, channel: Channel) -> str:
        address = await context_address(channel)
        if address and (not self.apn or await _current_apn(channel) == self.apn):
            return address
        if address:
            await channel.run(simple(f"AT+QIDEACT={CONTEXT}", commands.DEACTIVATE))
        if self.apn:
            method = {"none": 0, "pap": 1, "chap": 2}[self.authentication]
            await channel.run(
                commands.profile(
                    ENCODER.text(self.apn, "the APN", 100, 1),
                    ENCODER.text(self.user, "the APN's user name", 64),
                    ENCODER.text(self.password, "the APN's password", 64),
                    method,
                )
            )
        try:
            await channel.run(simple(f"AT+QIACT={CONTEXT}", commands.ACTIVATE))
        except (CommandFailed, CommandTimeout) as error:
            address = await context_address(channel)
            if not address:
                raise await self._refused(channel, error) from error
            return address  # it was active already
        address = await context_address(channel)
        if not address:
            raise errors.NetworkDown("the data context is active but has no address")
        return address

    async def _refused(self, channel: Channel, error: ATError) -> OSError:
        why = await last_error(channel)
        apn = f"APN {self.apn!r}" if self.apn else "no APN was given: try apn=…"
        return errors.NetworkDown(
            f"the network refused the data context ({apn}; {why or error})", module_code=why or None
        )


async def registration(channel: Channel) -> int:
    """The registration state; EPS first, because on LTE the GPRS state stays at 4."""
    best = 0
    for command in (commands.EPS_REGISTRATION, commands.GPRS_REGISTRATION):
        try:
            reply = await channel.run(command)
        except CommandFailed:
            continue
        if reply.lines:
            parts = fields(reply.lines[-1].partition(b":")[2])
            state = number(parts[1], 0, 9, "registration state")
            if state in _REGISTERED:
                return state
            best = best or state
    return best


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


async def details(channel: Channel) -> dict[str, str]:
    """Signal, operator and registration as text for people."""
    found = {"sim": (await _sim_state(channel)).lower()}
    state = await registration(channel)
    found["registration"] = _STATES.get(state, str(state))
    signal = await _optional(channel, commands.SIGNAL)
    if signal:
        strength = number(fields(signal.encode())[0], 0, 199)
        found["signal"] = f"{strength * 2 - 113} dBm" if strength <= 31 else "unknown"
    for name, command in (("operator", commands.OPERATOR), ("network", commands.NETWORK)):
        text = await _optional(channel, command)
        quoted = re.findall(r'"([^"]*)"', text)
        if quoted:
            found[name] = quoted[0] if name == "operator" else " ".join((quoted[0], *quoted[2:3]))
    return found


async def _sim_state(channel: Channel) -> str:
    try:
        reply = await channel.run(commands.SIM_STATE)
    except CommandFailed as error:
        if error.code == 10 or b"not inserted" in error.final:
            return "absent"
        return f"error {error.code if error.code is not None else error.final.decode()}"
    return string(reply.lines[0].partition(b":")[2].strip()) if reply.lines else "no answer"


async def _current_apn(channel: Channel) -> str:
    """The profile's APN; the first field of the answer is the type, not the context."""
    text = await _optional(channel, commands.PROFILE)
    parts = fields(text.encode("utf-8", "surrogateescape"))
    return string(parts[1]) if len(parts) > 1 else ""


async def _optional(channel: Channel, command: Command) -> str:
    """The answer's parameters as text, "" when the module refuses."""
    try:
        reply = await channel.run(command)
    except CommandFailed:
        return ""
    if not reply.lines:
        return ""
    return reply.lines[0].partition(b":")[2].strip().decode("utf-8", "surrogateescape")

"""How SIM, registration and radio are: every question, and what its answers mean."""

from __future__ import annotations

import re

from atdriver.channel import Channel
from atdriver.errors import CommandFailed, MalformedReply
from atdriver.exchange import Command
from atdriver.syntax import fields, number, string
from modems.bg96 import commands
from netsocket.cellular import CellularState, Registration, Signal, SimState

_SIM = {
    "READY": SimState.READY, "SIM PIN": SimState.PIN, "SIM PUK": SimState.PUK,
    "SIM PIN2": SimState.READY, "SIM PUK2": SimState.READY, "NOT READY": SimState.BUSY,
}  # fmt: skip
"""AT manual V2.2, AT+CPIN; the second PIN guards nothing that data needs."""
_SIM_ERRORS = {10: SimState.ABSENT, 11: SimState.PIN, 12: SimState.PUK, 13: SimState.FAILED,
               14: SimState.BUSY, 15: SimState.FAILED}  # fmt: skip
"""AT manual V2.2, 12.5: not inserted, PIN and PUK required, failure, busy, wrong."""
_REGISTRATION = dict(enumerate((
    Registration.OFF, Registration.HOME, Registration.SEARCHING, Registration.DENIED,
    Registration.UNKNOWN, Registration.ROAMING,
)))  # fmt: skip
_TECHNOLOGY = {
    "CAT-M1": "LTE-M", "EMTC": "LTE-M", "CAT-NB1": "NB-IoT", "NBIOT": "NB-IoT",
    "GSM": "GSM", "GPRS": "GSM", "EDGE": "GSM",
}  # fmt: skip
"""Words of AT+QNWINFO and AT+QCSQ; the second of each pair is the BG95's."""


async def cellular_state(channel: Channel) -> CellularState:
    """One look at everything."""
    sim, tries = await sim_state(channel), None
    if sim in (SimState.PIN, SimState.PUK):
        tries = await tries_left(channel, sim)
    technology = plmn = band = ""
    parts = fields((await optional(channel, commands.NETWORK)).encode("utf-8", "surrogateescape"))
    if len(parts) >= 3:
        technology, plmn, band = (string(part) for part in parts[:3])
    return CellularState(
        sim=sim,
        registration=await registration(channel),
        signal=await signal(channel),
        technology=_TECHNOLOGY.get(technology.upper(), technology),
        operator=await operator(channel),
        plmn=plmn,
        band=band,
        tries=tries,
    )


async def sim_state(channel: Channel) -> SimState:
    """AT+CPIN?."""
    try:
        reply = await channel.run(commands.SIM_STATE)
    except CommandFailed as error:
        if b"not inserted" in error.final:
            return SimState.ABSENT
        return _SIM_ERRORS.get(error.code or 0, SimState.UNKNOWN)
    text = string(reply.lines[0].partition(b":")[2].strip()) if reply.lines else ""
    return _SIM.get(text, SimState.LOCKED if text.startswith("PH-") else SimState.UNKNOWN)


async def tries_left(channel: Channel, sim: SimState) -> int | None:
    """How many wrong PINs, or PUKs, the SIM still forgives; None when the module does not tell."""
    text = await optional(channel, commands.PIN_COUNTER)
    parts = fields(text.encode("utf-8", "surrogateescape"))
    try:
        return number(parts[2 if sim is SimState.PUK else 1], 0, 99, "tries")
    except (IndexError, MalformedReply):
        return None


async def registration(channel: Channel) -> Registration:
    """The registration state; EPS first, because on LTE the GPRS state stays at 4."""
    best = Registration.OFF
    for command in (commands.EPS_REGISTRATION, commands.GPRS_REGISTRATION):
        try:
            reply = await channel.run(command)
        except CommandFailed:
            continue
        if reply.lines:
            parts = fields(reply.lines[-1].partition(b":")[2])
            found = number(parts[1], 0, 9, "registration state")
            state = _REGISTRATION.get(found, Registration.UNKNOWN)
            if state.registered:
                return state
            if best is Registration.OFF:
                best = state
    return best


async def operator(channel: Channel) -> str:
    """AT+COPS?: the name of the operator, "" without one."""
    found = re.search(r'"([^"]*)"', await optional(channel, commands.OPERATOR))
    return found[1] if found else ""


async def signal(channel: Channel) -> Signal:
    """AT+QCSQ, and AT+CSQ where it tells nothing."""
    parts = fields(
        (await optional(channel, commands.SIGNAL_BY_TECHNOLOGY)).encode("ascii", "replace")
    )
    values = [_signed(part) for part in parts[1:]] + [None] * 4
    rssi, rsrp, sinr, rsrq = values[:4]
    if rssi is None:
        text = await optional(channel, commands.SIGNAL)
        strength = number(fields(text.encode("ascii", "replace"))[0], 0, 199) if text else 99
        # 0-31 stand for -113 to -51 dBm, 99 for unknown (AT manual V2.2, AT+CSQ).
        rssi = strength * 2 - 113 if strength <= 31 else None
    # <sinr> counts steps of 0.2 dB from -20 dB (AT manual V2.2, AT+QCSQ).
    return Signal(rssi, rsrp, None if sinr is None else round(sinr / 5 - 20, 1), rsrq)


def _signed(field: bytes) -> int | None:
    return int(field) if re.fullmatch(rb"-?\d{1,4}", field) else None


async def functionality(channel: Channel) -> int:
    """AT+CFUN?: 1 is full; 1 as well when the module does not tell."""
    text = await optional(channel, commands.FUNCTIONALITY)
    return int(text) if text.isdigit() else 1


async def optional(channel: Channel, command: Command) -> str:
    """The answer's parameters as text, "" when the module refuses."""
    try:
        reply = await channel.run(command)
    except CommandFailed:
        return ""
    if not reply.lines:
        return ""
    return reply.lines[0].partition(b":")[2].strip().decode("utf-8", "surrogateescape")


def described(state: CellularState) -> dict[str, str]:
    """The state as short texts, for people."""
    found = {"sim": state.sim.value, "registration": state.registration.value}
    if state.tries is not None:
        found["sim"] += f" ({tries_text(state.tries)})"
    heard = state.signal
    found["signal"] = "none" if heard.rssi is None else f"{heard.rssi} dBm"
    if heard.rsrp is not None:
        found["LTE signal"] = str(Signal(None, heard.rsrp, heard.sinr, heard.rsrq))
    if state.operator:
        found["operator"] = state.operator
    if state.technology:
        found["network"] = f"{state.technology} {state.band}".rstrip()
    return found


def tries_text(tries: int | None) -> str:
    """How many tries are left, in words."""
    if tries is None:
        return "the module does not tell how many tries are left"
    return f"{tries} {'try' if tries == 1 else 'tries'} left"

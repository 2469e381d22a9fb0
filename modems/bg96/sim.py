"""Getting a SIM ready: the PIN when it is asked for, and a clear sentence for everything else.

A wrong PIN costs one of three tries; after the third the SIM is blocked. So a PIN is sent at most
once in a process, never when only one try is left, and what remains is told.
"""

from __future__ import annotations

import asyncio

from atdriver.channel import Channel
from atdriver.errors import CommandFailed
from modems.bg96 import commands
from modems.bg96.state import sim_state, tries_left, tries_text
from modems.clock import now
from netsocket import errors
from netsocket.cellular import SimState, check_pin

SIM_PATIENCE = 15.0
"""Seconds to wait for a SIM that is still busy after power-up."""
POLL = 0.5
_BY_HAND = "enter it with a telephone, or by hand with `atdriver at SPEC AT+CPIN=…`"
_tried: set[tuple[str, str]] = set()
"""(port, PIN) pairs that were refused: a restart loop must not lock a SIM."""

_FINAL = {
    SimState.ABSENT: "no SIM card is in the module: put one in (the right way round, contacts "
    "clean) and start again",
    SimState.LOCKED: "the SIM and the module are locked to different operators or devices "
    "(AT+CPIN? asks for a PH- code): take another SIM",
}


async def make_ready(channel: Channel, pin: str) -> None:
    """Wait until the SIM is ready, entering the PIN when it asks for it.

    Raises AuthenticationFailed (PIN, PUK), InvalidArgument (no PIN at all), NetworkDown (no SIM, or
    one that does not work).
    """
    deadline = now() + SIM_PATIENCE
    entered = False
    while True:
        state = await sim_state(channel)
        if state is SimState.READY:
            return
        if state is SimState.PIN and not entered:
            await _enter(channel, pin)
            entered = True
        elif state is SimState.PUK:
            raise errors.AuthenticationFailed(await _blocked(channel))
        elif state in _FINAL:
            raise errors.NetworkDown(_FINAL[state])
        elif now() > deadline:
            raise errors.NetworkDown(
                f"the SIM does not get ready ({state.value}): take it out and clean it, or try it "
                "in a telephone"
            )
        await asyncio.sleep(POLL)


async def _enter(channel: Channel, pin: str) -> None:
    left = await tries_left(channel, SimState.PIN)
    if not pin:
        raise errors.AuthenticationFailed(
            f"the SIM wants its PIN ({tries_text(left)}): give pin=…, best as ATDRIVER_PIN in the "
            "environment"
        )
    check_pin(pin)
    attempt = (channel.link.name, pin)
    if attempt in _tried:
        raise errors.AuthenticationFailed("this PIN was refused before; it is not tried again")
    if left is not None and left <= 1:
        raise errors.AuthenticationFailed(
            f"the SIM wants its PIN, and only {tries_text(left)} before it is blocked, which is "
            f"not risked here: {_BY_HAND}"
        )
    try:
        await channel.run(commands.pin(pin.encode("ascii")))
    except CommandFailed as error:
        _tried.add(attempt)
        code = str(error.code) if error.code is not None else None
        if await sim_state(channel) is SimState.PUK:
            raise errors.AuthenticationFailed(await _blocked(channel), module_code=code) from error
        left = await tries_left(channel, SimState.PIN)
        raise errors.AuthenticationFailed(
            f"the SIM refused the PIN ({tries_text(left)}; without any it is blocked)",
            module_code=code,
        ) from error


async def _blocked(channel: Channel) -> str:
    left = await tries_left(channel, SimState.PUK)
    return (
        f"the SIM is blocked and wants its PUK ({tries_text(left)}): the operator tells it; enter "
        'it with a telephone, or by hand with `atdriver at SPEC \'AT+CPIN="PUK","NEW PIN"\'`'
    )

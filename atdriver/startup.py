"""Finding the module behind an open channel: the right baud rate, and out of any data mode."""

from __future__ import annotations

import contextlib

from atdriver.channel import Channel
from atdriver.dialect import Step
from atdriver.errors import ModuleSilent
from atdriver.trace import printable

FIRST_PATIENCE = 4.0
"""Seconds for the expected rate: a module that has just been powered needs some."""
RATE_PATIENCE = 1.5
"""Seconds for each other rate."""


async def find_module(
    channel: Channel, rates: tuple[int, ...], escape: tuple[Step, ...] = ()
) -> int | None:
    """Get in step with the module; returns the baud rate found, None where none is meant.

    The first of `rates` is tried as it is, then once more behind `escape` (steps that lead out of
    a data mode), then every other rate. The rate is changed on the open descriptor, because a
    reopened port may reset the board. Raises ModuleSilent naming the rates and what was seen.
    """
    link = channel.link
    sample = b""
    with contextlib.suppress(ModuleSilent):
        await channel.synchronise(FIRST_PATIENCE)
        return rates[0] if link.has_rate and rates else None
    sample = sample or channel.sample
    if escape:
        with contextlib.suppress(ModuleSilent):
            await channel.synchronise(FIRST_PATIENCE, escape)
            return rates[0] if link.has_rate and rates else None
        sample = sample or channel.sample
    if link.has_rate:
        for rate in rates[1:]:
            link.set_rate(rate)
            with contextlib.suppress(ModuleSilent):
                await channel.synchronise(RATE_PATIENCE)
                return rate
            sample = sample or channel.sample
        link.set_rate(rates[0])
    raise _nothing_found(channel, rates, sample)


def _nothing_found(channel: Channel, rates: tuple[int, ...], sample: bytes) -> ModuleSilent:
    name = channel.link.name
    tried = f" at {', '.join(map(str, rates))} baud" if channel.link.has_rate else ""
    if not sample:
        seen = "nothing came back at all (powered? right port? RX and TX swapped?)"
    elif sum(byte >= 0x80 or byte == 0 for byte in sample) > len(sample) // 4:
        seen = f"what came back looks like another baud rate: {printable(sample[:40])}"
    else:
        seen = f"what came back is no AT answer: {printable(sample[:60])}"
    shown = rates if channel.link.has_rate else ()
    return ModuleSilent(f"{name}: no AT module answers{tried}; {seen}", shown, sample)

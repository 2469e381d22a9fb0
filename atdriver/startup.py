"""Finding the module behind an open channel: the right baud rate, and out of any data mode."""

from __future__ import annotations

from atdriver.channel import Channel
from atdriver.dialect import Step
from atdriver.errors import ModuleSilent
from atdriver.holders import advice, port_holders
from atdriver.trace import printable

FIRST_PATIENCE = 4.0
"""Seconds for the expected rate: a module that has just been powered needs some."""
RATE_PATIENCE = 1.5
"""Seconds for each other rate."""


async def find_module(
    channel: Channel, rates: tuple[int, ...], escape: tuple[Step, ...] = ()
) -> int | None:
    """Get in step with the module; returns the baud rate found, None where none is meant.

    The first of `rates` is tried as it is. Then, if what came back looks like another rate, every
    other one; else first once more behind `escape` (steps that lead out of a data mode). The rate
    is changed on the open descriptor, because a reopened port may reset the board. Raises
    ModuleSilent naming the rates and what was seen.
    """
    link = channel.link
    samples: list[bytes] = []
    first = rates[0] if link.has_rate and rates else None
    if await _answers(channel, FIRST_PATIENCE, samples):
        return first
    garbled = bool(samples) and _looks_garbled(samples[0])
    if escape and not garbled and await _answers(channel, FIRST_PATIENCE, samples, escape):
        return first
    if first is not None:
        for rate in rates[1:]:
            link.set_rate(rate)
            if await _answers(channel, RATE_PATIENCE, samples):
                return rate
        link.set_rate(first)
    if escape and garbled and await _answers(channel, FIRST_PATIENCE, samples, escape):
        return first
    raise _nothing_found(channel, rates, samples[0] if samples else b"")


async def _answers(
    channel: Channel, patience: float, samples: list[bytes], steps: tuple[Step, ...] = ()
) -> bool:
    try:
        await channel.synchronise(patience + sum(delay for delay, _ in steps), steps)
    except ModuleSilent:
        if channel.sample:
            samples.append(channel.sample)
        return False
    return True


def _looks_garbled(sample: bytes) -> bool:
    """Whether the bytes look like those of another baud rate."""
    return sum(byte >= 0x80 or byte == 0 for byte in sample) > len(sample) // 4


def _nothing_found(channel: Channel, rates: tuple[int, ...], sample: bytes) -> ModuleSilent:
    name = channel.link.name
    tried = f" at {', '.join(map(str, rates))} baud" if channel.link.has_rate else ""
    if not sample:
        seen = "nothing came back at all (powered? right port? RX and TX swapped?)"
    elif _looks_garbled(sample):
        seen = f"what came back looks like another baud rate: {printable(sample[:40])}"
    elif not sample.replace(channel.engine.dialect.hello, b"").strip():
        seen = "only the echo came back: another kind of module, which takes other line ends?"
    else:
        seen = f"what came back is no AT answer: {printable(sample[:60])}"
    if holders := ", ".join(port_holders(name)):
        seen += f"; the port is also open in {holders}{advice(holders)}"
    shown = rates if channel.link.has_rate else ()
    kind = channel.engine.dialect.kind
    return ModuleSilent(f"{name}: no {kind} answers{tried}; {seen}", shown, sample)

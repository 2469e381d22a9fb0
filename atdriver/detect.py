"""`auto:PORT`: which driver speaks to the module behind a port? Asked, not guessed from USB ids."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from atdriver.channel import Channel
from atdriver.dialect import Dialect
from atdriver.engine import Engine
from atdriver.errors import CommandFailed, SpecificationError, UnknownModule
from atdriver.exchange import Command
from atdriver.link import Link
from atdriver.registry import load_driver, modem_names
from atdriver.specification import Specification
from atdriver.startup import find_module

_NOTHING = re.compile(rb"(?!)")
RATES = (115200, 921600, 9600, 57600, 230400, 460800)
"""Baud rates of the modules that there are drivers for, in the order of likelihood."""

NEUTRAL = Dialect(
    name="auto",
    terminator=b"\r\n",  # the LF is ignored by modules that want only the CR
    heads=(),
    notices=re.compile(rb"(?P<other>\+.{1,200}|[A-Z ]+:? READY|WIFI .{1,20})"),
    glued=None,
    reasons=_NOTHING,
    failures=re.compile(rb"\+CM[ES] ERROR: ?(?P<code>.{0,60})"),
    busy=re.compile(rb"busy [ps]\.\.\."),
    banner=re.compile(rb"ready|RDY"),
    max_command=128,
)
"""What every dialect of AT agrees on; enough for a question and its answer."""


async def find_driver(found: Specification, make_link: Callable[[], Link]) -> Specification:
    """The specification with the module's name in place of "auto".

    Each installed driver says which question identifies its modules. Raises UnknownModule with the
    answers when none of them recognises it, and what opening the port and probing it raise.
    """
    if found.port == "fake":
        raise SpecificationError("auto:fake: name the module to simulate")
    channel = Channel(Engine(NEUTRAL), make_link)
    try:
        await channel.open()
        await find_module(channel, RATES)
        seen: dict[bytes, list[bytes]] = {}
        fitting = []
        for name in modem_names():
            driver = load_driver(name)
            if driver.dialect.hello != NEUTRAL.hello:
                continue  # a shell; an AT module does not even answer a line without AT
            question, pattern = driver.identity
            if question not in seen:
                seen[question] = await _ask(channel, question)
            if any(pattern.fullmatch(line) for line in seen[question]):
                fitting.append(name)
    finally:
        await channel.close()
    lines = [line for answer in seen.values() for line in answer]
    if fitting:
        # One driver may go by several names: the one that the module says itself, if any.
        said = b" ".join(lines).lower()
        own = [name for name in fitting if name.encode() in said]
        return replace(found, module=(own or fitting)[-1])
    shown = " / ".join(line.decode("ascii", "backslashreplace") for line in lines[:6]) or "nothing"
    raise UnknownModule(f"{found.port}: no driver knows this module; it answers {shown}")


async def _ask(channel: Channel, question: bytes) -> list[bytes]:
    try:
        return (await channel.run(Command(question, 3.0, bare=True))).lines
    except CommandFailed:
        return []

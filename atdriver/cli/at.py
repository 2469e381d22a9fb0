"""`atdriver at`: one raw command, or a console for them.

The module is found and configured first, so that settings of a previous program do not get in the
way; then whatever it answers is shown as it is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from atdriver.channel import Channel
from atdriver.cli import output
from atdriver.cli.failure import FAILED, OK, UsageProblem, note, sentence
from atdriver.cli.options import Request
from atdriver.cli.rawcommand import GOOD, build, check
from atdriver.cli.session import opened, put_together, run
from atdriver.cli.streams import Source
from atdriver.errors import CommandFailed, PortLost
from atdriver.events import Anomaly, Event, Received, Restarted, Unsolicited
from atdriver.exchange import Command
from atdriver.modem import Modem
from atdriver.trace import printable

DEFAULT_TIMEOUT = 30.0
"""Seconds for one command where --timeout says nothing."""

Show = Callable[[bytes], None]


def once(request: Request, text: str) -> int:
    """One command: its answer on stdout, status 1 when the module answers with an error."""
    line = check(os.fsencode(text))

    async def ask() -> int:
        modem, channel = await _put_together(request)
        command = build(line, channel.engine.dialect, request.timeout or DEFAULT_TIMEOUT)
        lines: list[bytes] = []
        async with opened(modem, request, attach=False):
            _listen(channel, lines.append)
            final = await _send(channel, command, lines)
        shown = [_text(answer) for answer in lines]
        if request.as_json:
            output.data({"command": str(command), "lines": shown, "result": _text(final)})
        else:
            for answer in (*shown, _text(final)):
                output.line(answer)
        if final in GOOD:
            return OK
        note(f"{command}: the module answers {_text(final)}")
        return FAILED

    return run(ask())


def console(request: Request) -> int:
    """Commands from stdin, a line each; answers and unsolicited lines on stdout, until EOF."""
    if request.as_json:
        raise UsageProblem("--json needs a command: the console prints lines")

    async def talk() -> int:
        modem, channel = await _put_together(request)
        async with opened(modem, request, attach=False):
            if sys.stdin is not None and sys.stdin.isatty():
                note(f"connected to {channel.link.name}; Ctrl-D ends")
            _listen(channel, _print)
            async for given in Source.stdin().lines():
                if given.strip():
                    await _answer(channel, given, request)
        return OK

    return run(talk())


async def _answer(channel: Channel, given: bytes, request: Request) -> None:
    """One line of the console; what goes wrong is told, and the next line is read."""
    lines: list[bytes] = []
    try:
        command = build(check(given), channel.engine.dialect, request.timeout or DEFAULT_TIMEOUT)
        final = await _send(channel, command, lines)
    except PortLost:
        raise
    except (OSError, UsageProblem) as error:
        note(sentence(error))
        return
    for line in (*lines, final):
        _print(line)


async def _put_together(request: Request) -> tuple[Modem, Channel]:
    modem = await put_together(request)
    if modem.channel is None:
        raise UsageProblem(f"{request.spec} takes no AT commands")
    return modem, modem.channel


async def _send(channel: Channel, command: Command, lines: list[bytes]) -> bytes:
    """Run it; adds the answer's lines and returns the line that ended it."""
    try:
        reply = await channel.run(command)
    except CommandFailed as error:
        lines.extend(error.reasons)
        return error.final
    lines.extend(reply.lines)
    return reply.final


def _listen(channel: Channel, show: Show) -> None:
    """Show what comes without being asked for; the driver goes on hearing it."""
    driver = channel.listener

    def listener(event: Event) -> None:
        if driver is not None:
            driver(event)
        if isinstance(event, Unsolicited):
            show(event.text)
        elif isinstance(event, Restarted):
            show(event.evidence)
        elif isinstance(event, Received):
            head = event.data.head.prefix.rstrip(b",: ")
            show(b"%s (%d bytes) " % (head, len(event.data.payload)) + event.data.payload)
        elif isinstance(event, Anomaly) and event.reason == "unknown line":
            show(event.sample)

    channel.listener = listener


def _print(line: bytes) -> None:
    output.flushed(_text(line))


def _text(line: bytes) -> str:
    """As text where it is UTF-8, with escapes where it is not."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return printable(line)

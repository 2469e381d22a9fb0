"""What the fuzzer begins with: the published logs as inputs, and the words of the protocols."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from atdriver.exchange import Command
from tests.engine.grammar import FLAVOURS, HOSTILE, IN_FLIGHT, LEGAL
from tests.engine.harness import Case, Feed, Send, Tick
from tests.engine.transcripts import LOGS

from .targets import ACT, WAITS


def like(command: Command, vendor: str) -> int:
    """The command of the list that is most like this one."""

    def kind(each: Command | None) -> tuple[bool, ...]:
        if each is None:
            return ()
        return (each.payload is None, each.block is None, each.bare, each.info is None)

    kinds = [kind(each) for each in IN_FLIGHT[vendor]]
    return kinds.index(kind(command)) if kind(command) in kinds else 1


def as_input(vendor: str, case: Case) -> bytes:
    number = next(n for n, flavour in enumerate(FLAVOURS) if flavour.name == vendor)
    made = bytes([number, 0])
    for step in case.steps:
        if isinstance(step, Send):
            made += ACT + bytes([like(step.command, vendor)])
        elif isinstance(step, Feed):
            made += step.data.replace(ACT, b"\xff")
        elif isinstance(step, Tick):
            code = min(range(len(WAITS)), key=lambda index: abs(WAITS[index] - step.seconds))
            made += ACT + bytes([0x80 + code])
    return made


def inputs() -> Iterator[bytes]:
    for vendor, case, _ in LOGS:
        yield as_input(vendor, case)


def words() -> set[bytes]:
    acts = {ACT + bytes([code]) for code in (1, 2, 3, 4, 5, 0x80, 0x81, 0x82, 0x83)}
    return {*HOSTILE, *LEGAL["esp"], *LEGAL["bg96"], *acts}


def write(corpus: Path, dictionary: Path) -> None:
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(inputs()):
        (corpus / f"log-{number}").write_bytes(data)
    quoted = ("".join(f"\\x{byte:02x}" for byte in word) for word in sorted(words()) if word)
    dictionary.write_text("".join(f'"{word}"\n' for word in quoted if len(word) < 4 * 60))

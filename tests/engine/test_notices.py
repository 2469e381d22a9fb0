"""Every notice of the dialects between any two lines, and at any byte (figure R4 of
docs/reliability.md).

Between two lines it is told, and nothing else changes. At any other place it may do damage; then it
must not invent anything, and host and module are in step again soon.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from atdriver.engine import Engine
from atdriver.errors import ATError
from atdriver.events import Anomaly, Completed, Failed, Received
from modems.bg96 import dialect as bg96
from modems.esp8266 import dialect as esp

from .grammar import BG96, ESP, PUSH, Flavour
from .harness import Bench, Feed, normal, perform, urc
from .reads import SHAPES, is_an_answer
from .recovery import settle, works_again
from .transcripts import LONG, long_transcript, numbered
from .twins import state, twin

MORE = {
    ESP: (
        ("closed", b"4,CLOSED"),
        ("link", b'+LINK_CONN:0,3,"UDP",0,"192.0.2.7",1024,5353'),
        ("other", b'+STA_DISCONNECTED:"1c:b7:2c:83:55:20"'),
        ("other", b'+DIST_STA_IP:"1c:b7:2c:83:55:20","192.168.4.2"'),
        ("other", b"+ETH_GOT_IP:192.0.2.9"),
        ("other", b"+TIME_UPDATED"),
        ("other", b"DHCP TIMEOUT"),
        ("other", b"+QUITT"),
    ),
    BG96: (
        ("recv", b'+QSSLURC: "recv",5'),
        ("closed", b'+QSSLURC: "closed",5'),
        ("dnsgip", b'+QIURC: "dnsgip",0,2,600'),
        ("opened", b"+QSSLOPEN: 3,0"),
        ("ping", b"+QPING: 569"),
        ("registration", b"+CGREG: 2"),
        ("other", b"+CFUN: 1"),
        ("other", b"+QUSIM: 1"),
        ("other", b"+QSIMSTAT : 1,0"),
        ("other", b"+QCSCON: 1"),
        ("other", b'+QPSMTIMER: "00000100","00000001"'),
        ("other", b"PSM POWER DOWN"),
        ("other", b'+QNTP: 0,"2019/03/01,10:00:00+00"'),
        ("other", b"+CTZV: +08"),
        ("other", b"+CGEV: NW DETACH"),
        ("other", b"RING"),
        ("other", b"NO CARRIER"),
    ),
}
"""What the grammar's own list does not have; together they are one of each kind that is known."""
NOTICES = {
    "esp": (*ESP.notices, *MORE[ESP]),
    "bg96": (*BG96.notices, *MORE[BG96]),
    # These ids are not those of the commands in the transcripts: a notice about the own one may
    # shorten the wait for a result.
    "bg96-push": (*PUSH.notices, *MORE[BG96]),
}


def printed(flavour: Flavour, text: bytes, odd: int) -> bytes:
    """The notice as a module prints it: on ESP modules the line end before it is there or not."""
    before = flavour.framed or text.startswith(b"+IPD") or odd % 2
    return (b"\r\n" if before else b"") + text + b"\r\n"


def comparable(engine: Engine) -> dict[str, Any]:
    """The engine's state but for what means nothing any more: line ends and the kind of token that
    were seen last (a notice is one), the echo that could only have come first of all, the blank of a
    prompt, and the reply of a command that has ended."""
    found = state(engine)
    del found["_pushed"], found["_behind"]
    if engine.ready:
        del found["_reply"]
    for name in ("_lead", "_nuls", "_swallow_blank", "_echo"):
        del found["framer"][name]
    found["framer"]["_buffer"] = found["framer"]["_buffer"].strip(b" ")
    return found


def take(engine: Engine) -> list[Any]:
    seen = [normal(event) for event in engine.events]
    engine.events = []
    return seen


@pytest.mark.parametrize("flavour", [ESP, BG96], ids=lambda flavour: flavour.name)
def test_there_is_a_notice_of_every_kind(flavour: Flavour) -> None:
    pattern = flavour.dialect.notices
    found = {name for name, _ in NOTICES[flavour.name]}
    assert found == set(pattern.groupindex)
    for name, text in NOTICES[flavour.name]:
        match = pattern.fullmatch(text)
        assert match is not None, text
        assert match.lastgroup == name


@numbered(LONG, "long")
def test_a_notice_at_any_gap_is_told_and_changes_nothing(number: int) -> None:
    flavour, steps = long_transcript(number)
    bench = Bench(flavour.dialect)
    trials = 0
    for step in steps:
        if isinstance(step, Feed):
            before = twin(bench.engine)
            after = twin(before)
            after.feed(step.data, bench.now)
            expected, undisturbed, writes = take(after), comparable(after), after.writes
            for gap in step.gaps:
                begun = twin(before)
                begun.feed(step.data[:gap], bench.now)
                seen, unchanged = take(begun), comparable(begun)
                for odd, (name, text) in enumerate(NOTICES[flavour.name], gap):
                    engine = twin(begun)
                    engine.feed(printed(flavour, text, odd), bench.now)
                    assert take(engine) == [urc(name, text)], (step.data, gap, text)
                    trials += 1
                    if engine._trailer is None and comparable(engine) == unchanged:
                        continue  # so will be whatever comes
                    engine.feed(step.data[gap:], bench.now)
                    assert seen + take(engine) == expected, (step.data, gap, text)
                    assert engine.writes == writes
                    assert comparable(engine) == undisturbed, (step.data, gap, text)
        perform(bench, step)
    assert trials > 1000


def outside(engine: Engine, data: bytes, now: float) -> list[int]:
    """The places in a feed at which no counted payload is being printed."""
    engine = twin(engine)
    places = [0]
    for position in range(1, len(data) + 1):
        engine.feed(data[position - 1 : position], now)
        if not engine.framer.mid_payload:
            places.append(position)
    return places


def blocks(engine: Engine, usual: Engine) -> list[bytes]:
    """All payload that the drivers hand over: the answers of reads, and what was pushed before the
    first anomaly that is not `usual`, which ends what is pushed to. A block of a read that has ended
    already is nobody's."""
    odd = Counter(normal(event) for event in usual.events if isinstance(event, Anomaly))
    broken = False
    found = []
    for event in engine.events:
        if isinstance(event, Anomaly):
            broken = broken or not odd[normal(event)]
            odd[normal(event)] -= 1
        elif isinstance(event, Received):
            if event.data.head is esp.IPD and not event.doubtful and not broken:
                found.append(event.data.payload)
        elif isinstance(event, Completed) and event.reply.block is not None:
            found.append(event.reply.block.payload)
    return found


def invented(seen: list[bytes], said: list[bytes]) -> list[bytes]:
    """What was seen and not said, in that order."""
    rest = iter(said)
    return [each for each in seen if not any(each == other for other in rest)]


def disturb(bench: Bench, flavour: Flavour, data: bytes, place: int, text: bytes) -> bool:
    """Print a notice there; returns whether it did any harm."""
    whole = twin(bench.engine)
    whole.feed(data, bench.now)
    engine = bench.engine
    damaged = data[:place] + b"\r\n" + text + b"\r\n" + data[place:]
    engine.feed(damaged, bench.now)
    shapes = [shape for shape in SHAPES if shape.dialect is flavour.dialect]
    for payload in invented(blocks(engine, whole), blocks(whole, whole)):
        # The head was broken, and the payload ends as an answer does: with a shorter one in it, or
        # where the broken head said. See `test_pulled.py`.
        fits = (is_an_answer(shape, damaged, payload, to_its_end=False) for shape in shapes)
        assert any(fits), f"payload that nobody sent: {payload!r}"
    for event in engine.events:
        if isinstance(event, Failed):
            assert isinstance(event.error, ATError)
    ended = sum(isinstance(event, Completed | Failed) for event in engine.events)
    assert ended <= sum(isinstance(event, Completed | Failed) for event in whole.events) + 1
    if comparable(engine) == comparable(whole):
        engine.events, engine.writes = [], []
        return False
    settle(bench, flavour)
    works_again(bench, flavour)
    return True


@pytest.mark.nightly
@pytest.mark.parametrize("number", [n for n in range(LONG) if n % 3 < 2])
def test_a_notice_at_any_byte_invents_nothing_and_is_recovered_from(number: int) -> None:
    """Each byte of each transcript gets one notice, in turn. Not the form with pushed payload, which
    the driver does not use: nothing stands behind such a payload that proves its length."""
    flavour, steps = long_transcript(number)
    assert flavour is not PUSH
    notices = NOTICES[flavour.name]
    bench = Bench(flavour.dialect)
    turn = number
    harmed = 0
    for step in steps:
        if isinstance(step, Feed):
            for place in outside(bench.engine, step.data, bench.now):
                other = Bench(flavour.dialect)
                other.engine, other.now = twin(bench.engine), bench.now
                other.engine.probe = esp.CANARY if flavour is ESP else bg96.CANARY
                turn += 1
                _, text = notices[turn % len(notices)]
                try:
                    harmed += disturb(other, flavour, step.data, place, text)
                except AssertionError as error:
                    raise AssertionError(f"{step.data!r} at {place}: {text!r}") from error
        perform(bench, step)
    assert harmed > 100

"""The wire trace: what it records, and what it never shows."""

from __future__ import annotations

import io
import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atdriver.exchange import Command, with_secret
from atdriver.trace import StreamMasker, Trace, printable, trace_to
from modems.bg96 import commands as bg96_at

SECRETS = st.lists(st.text("ab", min_size=1, max_size=5).map(str.encode), max_size=3)
STREAM = st.text("abc", max_size=40).map(str.encode)
CUTS = st.lists(st.integers(0, 40), max_size=8).map(sorted)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    bounds = [0, *cuts, len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(bounds)]


def shown(secrets: list[bytes], parts: list[bytes]) -> bytes:
    masker = StreamMasker()
    for secret in secrets:
        masker.add(secret)
    return b"".join(masker.feed(part) for part in parts) + masker.flush()


@given(SECRETS, STREAM, CUTS)
def test_no_secret_passes_however_the_stream_is_cut(
    secrets: list[bytes], stream: bytes, cuts: list[int]
) -> None:
    out = shown(secrets, pieces(stream, cuts))
    for secret in secrets:
        assert secret not in out


@given(st.text("ab", min_size=1, max_size=5).map(str.encode), STREAM, CUTS)
def test_one_secret_is_replaced_the_same_however_the_stream_is_cut(
    secret: bytes, stream: bytes, cuts: list[int]
) -> None:
    out = shown([secret], pieces(stream, cuts))
    assert out == shown([secret], [stream])
    assert out.startswith(stream.replace(secret, b"***")[: max(0, len(out) - 3)])


@given(STREAM, CUTS)
def test_without_a_secret_everything_is_shown(stream: bytes, cuts: list[int]) -> None:
    assert shown([], pieces(stream, cuts)) == stream
    assert shown([b""], pieces(stream, cuts)) == stream
    assert shown([b"hunter2"], pieces(stream, cuts)) == stream


def test_a_beginning_of_a_secret_is_held_back_until_it_is_known_to_be_none() -> None:
    masker = StreamMasker()
    masker.add(b"hunter2")
    assert masker.feed(b'AT+CWJAP="net","hun') == b'AT+CWJAP="net","'
    assert masker.feed(b"ting") == b"hunting"
    assert masker.feed(b" hunter") == b" "
    assert masker.feed(b'2"') == b'***"'
    assert masker.feed(b"hunt") == b""
    assert masker.flush() == b"***"
    assert masker.flush() == b""


@given(st.binary(max_size=60))
def test_printable_text_can_be_read_back(data: bytes) -> None:
    text = printable(data)
    assert re.fullmatch(r"[\x20-\x7e]*", text)
    assert text.encode("ascii").decode("unicode_escape").encode("latin-1") == data


def test_records_are_json_lines_with_time_and_direction() -> None:
    out = io.StringIO()
    trace = Trace(out)
    trace.record(">", b"AT\r\n")
    trace.record("<", b"\r\nOK\r\n\xff\x00\\")
    trace.note("the module restarted")
    records = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [set(record) for record in records] == [{"t", "dir", "data"}] * 3
    assert [(record["dir"], record["data"]) for record in records] == [
        (">", "AT\\r\\n"),
        ("<", "\\r\\nOK\\r\\n\\xff\\x00\\x5c"),
        ("!", "the module restarted"),
    ]
    times = [record["t"] for record in records]
    assert times == sorted(times)
    assert 0 <= times[0] < 5
    trace.close()
    assert out.closed


JOIN = Command(**with_secret(b'AT+CWJAP="net",', b'"hunter2"'), timeout=1.0)
PIN = Command(**with_secret(b"AT+CPIN=", b"1234"), timeout=1.0)
NEXT = Command(b"AT", 1.0)


def written(out: io.StringIO, direction: str) -> str:
    records = map(json.loads, out.getvalue().splitlines())
    return "".join(record["data"] for record in records if record["dir"] == direction)


def test_a_secret_is_hidden_in_both_directions_and_across_reads() -> None:
    out = io.StringIO()
    trace = Trace(out)
    trace.begin(JOIN)
    line = JOIN.text + b"\r\n"
    trace.record(">", line)
    for index in range(len(line)):
        trace.record("<", line[index : index + 1])
    trace.record("<", b"hunt")
    assert "hunt" not in out.getvalue()
    for direction in "<>":
        assert written(out, direction) == 'AT+CWJAP="net","***"\\r\\n'


def test_a_secret_is_known_by_its_place() -> None:
    """Four digits of a PIN may stand in any payload; its command is masked wherever it stands."""
    out = io.StringIO()
    trace = Trace(out)
    trace.begin(PIN)
    trace.record(">", b"AT+CPIN=1234\r\n")
    trace.record("<", b"AT+CPN=1234\r\n")  # a damaged echo
    trace.begin(NEXT)
    trace.record(">", b"AT\r\n")
    trace.record(">", b"in 1234")
    trace.record("<", b"in 1234 AT+CPIN=12")
    trace.record("<", b"34 1234\r\n")
    assert written(out, ">") == "AT+CPIN=***\\r\\nAT\\r\\nin 1234"
    assert written(out, "<") == "AT+CPN=***\\r\\nin 1234 AT+CPIN=*** 1234\\r\\n"


def test_what_is_private_in_an_answer_is_hidden() -> None:
    """A password that the module has stored, and that nobody gave to this program."""
    out = io.StringIO()
    trace = Trace(out)
    trace.begin(bg96_at.PROFILE)
    answer = b'\r\n+QICSGP: 1,"apn","user","hunter2",1\r\n\r\nOK\r\n'
    for index in range(len(answer)):
        trace.record("<", answer[index : index + 1])
    trace.record("<", b'+QICSGP: 1,"apn","user","hunter2",1')
    trace.begin(NEXT)
    trace.record("<", b"hunter2")
    line = '+QICSGP: 1,"apn","user","***",1'
    assert written(out, "<") == rf"\r\n{line}\r\n\r\nOK\r\n{line}hunter2"


def test_what_is_held_back_is_written_masked_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with trace_to(str(path))() as trace:
        trace.begin(JOIN)
        trace.record("<", b"OK hunte")
    assert [json.loads(line)["data"] for line in path.read_text().splitlines()] == ["OK ", "***"]


def test_what_was_flushed_can_be_read_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with trace_to(str(path))() as trace:
        trace.begin(JOIN)
        trace.record("<", b"OK hunte")
        trace.flush()
        assert [json.loads(line)["data"] for line in path.read_text().splitlines()] == ["OK "]


def test_the_first_trace_empties_the_file_and_a_reopened_channel_goes_on_in_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text("old\n")
    make = trace_to(str(path))
    for data in (b"one", b"two"):
        with make() as trace:
            trace.record(">", data)
    assert [json.loads(line)["data"] for line in path.read_text().splitlines()] == ["one", "two"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no" / "such" / "folder"
    with pytest.raises(OSError, match="folder"):
        trace_to(str(path))()

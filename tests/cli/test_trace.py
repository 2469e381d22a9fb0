"""Record and replay: a trace becomes a fake that answers the same and notices what is not."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .harness import PATIENCE, Cli, Fake, Starter, TcpServer, read_line

APN = ("--set", "apn=internet", "-q", "0.2")
Begin = Callable[..., subprocess.Popen[bytes]]


def test_record_convert_replay(
    cli: Cli, bg96: Fake, tcp_echo: TcpServer, fake: Starter, begin: Begin, tmp_path: Path
) -> None:
    recorded, script = tmp_path / "t.jsonl", tmp_path / "t.yaml"
    talk = ("srv", tcp_echo.port, *APN)
    first = cli("nc", bg96.spec, *talk, "--trace", recorded, stdin=b"hello\r\nOK\x00\xff\\ \r\n")
    assert first.out == b"hello\r\nOK\x00\xff\\ \r\n"
    shown = cli("trace", recorded)
    assert shown.status == 0
    assert b"> AT+QIOPEN=" in shown.out
    # The driver chooses another port each time.
    port = r'AT\+QIOPEN=1,\d+,"UDP SERVICE",.*?,0,(\d+),0'
    done = cli("trace", recorded, "--scenario", script, "--any", port)
    assert done.status == 0
    assert "atdriver fake replay --scenario" in done.err
    # No server and no BG96 any more: only what was recorded.
    again = fake("replay", "--scenario", str(script), "--time-scale", "0.1")
    second = cli("nc", f"bg96:{again.link}", *talk, stdin=b"hello\r\nOK\x00\xff\\ \r\n")
    assert (second.status, second.out) == (0, first.out), second.err
    # Another payload is not what was recorded.
    link = tmp_path / "m"
    process = begin("fake", "replay", "--scenario", script, "--link", link, "--time-scale", "0.1")
    assert process.stdout is not None
    assert process.stderr is not None
    read_line(process.stdout)
    read_line(process.stdout)
    cli("nc", f"bg96:{link}", *talk, "--timeout", "40", stdin=b"hEllo\r\nOK\x00\xff\\ \r\n")
    assert process.wait(PATIENCE) == 1
    said = process.stderr.read().decode()
    assert "the host sent b'Ello" in said
    assert "where b'ello" in said
    assert "Traceback" not in said


def test_mistakes(cli: Cli, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text('{"t": 1, "dir": ">", "data": "AT"}\nhello\n')
    done = cli("trace", wrong, "--scenario", tmp_path / "out.yaml")
    assert (done.status, done.line) == (
        1,
        f"atdriver: {wrong}, line 2: this is no record of a trace",
    )
    assert cli("trace", tmp_path / "none").line == (
        f"atdriver: {tmp_path / 'none'}: No such file or directory"
    )
    packed = tmp_path / "t.gz"
    packed.write_bytes(gzip.compress(b'{"t": 1, "dir": ">", "data": "AT\\\\r"}\n'))
    assert cli("trace", packed).out == b"     1.000 > AT\\r\n"
    empty = tmp_path / "empty"
    empty.write_text("")
    done = cli("trace", empty, "--scenario", tmp_path / "out.yaml")
    assert "nothing passed over the wire" in done.line
    done = cli("fake", "replay")
    assert "needs a script: --scenario FILE" in done.line
    done = cli("fake", "replay", "--scenario", wrong)
    assert done.status in (1, 2)
    assert "not YAML" in done.line


@pytest.mark.parametrize("text", ["modem: bg96\nscript: []\n", "modem: replay\n", "- 1\n"])
def test_a_wrong_script_is_told(cli: Cli, tmp_path: Path, text: str) -> None:
    script = tmp_path / "s.yaml"
    script.write_text(text)
    done = cli("fake", "replay", "--scenario", script)
    assert done.status in (1, 2)
    assert str(script) in done.line

"""Several SPECs on one command line: whose settings are whose, and a modem that goes and returns."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from atdriver.cli.failure import UsageProblem
from atdriver.cli.options import Request
from atdriver.cli.pooled import pool_of
from atdriver.errors import SpecificationError, UnknownModule
from netsocket import PoolEmpty

from .harness import Cli


def requests(*specs: str, **settings: str) -> list[Request]:
    return [Request(spec, settings) for spec in specs]


async def test_a_setting_is_for_the_modem_that_knows_it(capsys: pytest.CaptureFixture[str]) -> None:
    pool = pool_of(requests("esp8266:fake", "bg96:fake", "esp8266:fake", "host", apn="internet"))
    async with pool:
        async with asyncio.timeout(30):
            while not all(member.up for member in pool.status().members):
                await asyncio.sleep(0.01)
        names = [member.name for member in pool.status().members]
        assert names == ["esp8266:fake", "bg96:fake", "esp8266:fake#3", "host"]
        assert pool.status().capacity is None
    told = capsys.readouterr().err.splitlines()
    assert sorted(told) == sorted(f"atdriver: {name}: up" for name in names)


def test_a_setting_that_nobody_knows(tmp_path: Path) -> None:
    port = str(tmp_path / "nothing")
    with pytest.raises(SpecificationError, match="bg96 has no setting nonsense"):
        pool_of(requests(f"bg96:{port}", f"esp8266:{port}", nonsense="1"))
    with pytest.raises(SpecificationError, match="esp8266 has no setting apn"):
        pool_of(requests(f"esp8266:{port}", apn="internet"))
    pool_of(requests(f"esp8266:{port}", f"bg96:{port}", apn="internet"))
    pool_of(requests(f"esp8266:{port}", f"auto:{port}", "host", apn="internet"))


def test_mistypes_are_found_before_anything_is_opened() -> None:
    with pytest.raises(UsageProblem, match="--balance random: least-busy, round-robin"):
        pool_of(requests("bg96:fake"), "random")
    with pytest.raises(UnknownModule, match="bg69"):
        pool_of(requests("esp8266:fake", "bg69:fake"))


def test_a_secret_is_warned_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    pool_of(requests("bg96,pin=1234:fake", "bg96:fake"))
    assert capsys.readouterr().err.count("can be read by other users") == 1


async def test_each_has_a_trace_of_its_own(tmp_path: Path) -> None:
    trace = tmp_path / "wire.jsonl"
    asked = [Request(spec, trace=trace) for spec in ("bg96:fake", "bg96:fake")]
    async with pool_of(asked) as pool, asyncio.timeout(30):
        while not all(member.up for member in pool.status().members):
            await asyncio.sleep(0.01)
    assert sorted(os.listdir(tmp_path)) == ["wire-1.jsonl", "wire-2.jsonl"]


async def test_none_can_be_opened(tmp_path: Path) -> None:
    specs = [f"bg96:{tmp_path / 'one'}", f"esp8266:{tmp_path / 'two'}"]
    with pytest.raises(PoolEmpty) as caught:
        await pool_of(requests(*specs)).open()
    assert list(caught.value.reasons) == specs
    assert "one" in str(caught.value)
    assert "two" in str(caught.value)


async def test_a_modem_that_takes_too_long(tmp_path: Path) -> None:
    silent, port = os.openpty()
    try:
        spec = f"bg96:{os.ttyname(port)}"
        with pytest.raises(TimeoutError, match=r"not ready within 0\.2 s"):
            await pool_of([Request(spec, timeout=0.2)]).open()
    finally:
        os.close(silent)
        os.close(port)


def test_report_gives_each_modem_its_own_settings(cli: Cli, tmp_path: Path) -> None:
    done = cli(
        "report", f"esp8266:{tmp_path}/no", "bg96:fake", "--set", "apn=internet",
        "--only", "tcp.connect", "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.status == 1
    assert "bg96:fake: " in done.out.decode(), done.err
    assert "not measured" in done.err
    assert "no setting" not in done.err


def test_a_proxy_through_two_modems(begin: Callable[..., subprocess.Popen[bytes]]) -> None:
    """What becomes of a modem is a line on stderr; the wrong one does not stop the right one."""
    process = begin("proxy", "bg96:/nowhere/at/all", "esp8266:fake", "--listen", "127.0.0.1:0")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith(b"proxy: 127.0.0.1:")
    lines = {process.stderr.readline().decode().strip() for _ in range(2)}
    assert "atdriver: esp8266:fake: up" in lines
    assert any(line.startswith("atdriver: bg96:/nowhere/at/all: down: ") for line in lines)
    process.terminate()
    assert process.wait(30) in (0, 143)

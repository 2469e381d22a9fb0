"""R19: secrets that a session is given are in nothing that leaves the process.

Each secret is a word that is nowhere else. A session is run with everything switched on that
tells something: the log at its lowest level, asyncio's debug mode for every single callback, a wire
trace, `-v`; it succeeds and it fails; the module echoes, refuses, is late and quotes what it got.
Then every text is searched, and the `repr` of every living object of ours.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import traceback
from pathlib import Path
from typing import Any

import pytest

from atdriver.cli import main
from atdriver.cli.options import Request
from atdriver.cli.proxy import Wanted
from atdriver.modem import assemble
from atdriver.specification import parse
from fakes.scenario import Scenario, Step
from netsocket.adapters.passage import Limits
from netsocket.adapters.pool import Pool
from netsocket.adapters.proxy import Proxy
from tests.drivers import rig

WIFI = "c4n4ry-W1f1"
APN = "c4n4ry-4pn"
PIN = "74185296"
PROXY = "c4n4ry-pr0xy"
TOKEN = "c4n4ry-t0ken-of-the-far-end"
STORED = "c4n4ry-st0red"
SECRETS = (WIFI, APN, PIN, PROXY, TOKEN, STORED)
OURS = ("atdriver", "modems", "netsocket", "hil")


def hits(*texts: str) -> list[str]:
    """Secrets that stand in one of the texts."""
    return [secret for secret in SECRETS for text in texts if secret in text]


def reprs() -> str:
    """The `repr` of every living object whose class is ours."""
    gc.collect()
    found = []
    for each in gc.get_objects():
        kind = type(each)
        home = kind.__module__
        if not isinstance(home, str) or isinstance(each, type):
            continue  # a metaclass or a proxy has anything there
        if home.split(".")[0] in OURS:
            try:
                found.append(repr(each))
            except Exception as error:
                found.append(repr(error))
    return "\n".join(found)


def told(error: BaseException | None) -> str:
    """All that an exception, and what caused it, says."""
    text = ""
    while error is not None:
        text += f"{error!r} {error} {vars(error)!r} {getattr(error, 'args', ())!r}"
        text += "".join(traceback.format_exception(error))
        error = error.__cause__ or error.__context__
    return text


def quoting(line: str) -> tuple[Step, ...]:
    """A module that says it again: in the answer, behind a refusal, long after a time-out."""
    command = rf"AT\+{line.partition('=')[0]}=.*"
    full = f"AT+{line}"
    return (
        Step(on=command, say=(full, f"not understood: {full}", "ERROR"), times=1),
        Step(on=command, say=(f"+CME ERROR: {full}", "ERROR"), times=1),
        Step(on=command, say=(full,), passes=True, times=2),
    )


@pytest.mark.parametrize(
    ("module", "firmware", "given", "lines"),
    [
        ("esp8266", "E24", {"password": WIFI}, (f'CWJAP="lab","{WIFI}"',)),
        ("esp8266", "N17", {"password": WIFI}, (f'CWJAP_CUR="lab","{WIFI}"',)),
        ("bg96", "bg96", {"apn": "internet", "user": "me", "password": APN, "pin": PIN},
         (f'QICSGP=1,1,"internet","me","{APN}",0', f"CPIN={PIN}")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("right", [True, pytest.param(False, marks=pytest.mark.gate)])
async def test_a_session_of_the_library(
    module: str,
    firmware: str,
    given: dict[str, Any],
    lines: tuple[str, ...],
    right: bool,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0  # every callback is shown, with its arguments
    trace = tmp_path / "trace.jsonl"
    own = (
        {"pin": PIN} if module == "bg96" and right else {"pin": "1111"} if module == "bg96" else {}
    )
    made = rig.assemble(module, firmware, own, trace=str(trace), **given)
    from atdriver.trace import trace_to

    made.channel.trace_with(trace_to(str(trace)))
    texts = []
    fake = None
    for attempt in range(3):
        link = made.channel.link
        fake = link._module  # type: ignore[attr-defined]
        if module == "esp8266":
            fake.world.access_points["lab"] = WIFI if right else "other-password"
        if attempt == 0:
            for line in lines[:1] if right else lines:  # a PIN that was refused is never sent again
                for step in quoting(line):
                    fake.scenario.add(step)
        try:
            await made.net.up()
            await made.net.refresh()
            await made.stack.kept_settings()
        except OSError as error:
            texts.append(told(error))
    async with (
        Pool.of(made.net) as pool,
        Proxy(pool, user="me", password=PROXY, limits=Limits(wait=0.1)) as proxy,
    ):
        address = await proxy.listen(port=0)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"\x05\x01\x02\x01\x02me" + bytes((len(PROXY),)) + PROXY.encode())
        await reader.readexactly(4)
        writer.write(b"\x05\x01\x00\x03\x03srv\x00\x07")
        await reader.readexactly(4)
        writer.close()
        texts.append(reprs())
    await made.net.close()
    sent = [
        entry.detail for each in made.fakes for entry in each.journal if entry.kind == "command"
    ]
    assert any(secret in text for secret in SECRETS for text in sent), "the module must have got it"
    assert "Executing" in caplog.text, "the debug mode says nothing"
    texts += [trace.read_text(), caplog.text, *(repr(record.args) for record in caplog.records)]
    assert trace.stat().st_size > 1000
    for text in texts:
        for row in text.splitlines():
            assert not hits(row), row[:600]


def test_records_of_what_was_typed() -> None:
    """`repr` of a specification, a request, a modem: what a traceback with its variables shows."""
    specification = f"bg96,apn=internet,password={APN},pin={PIN}:fake"
    things = [
        parse(specification),
        Request(specification, {"password": WIFI}),
        assemble(specification),
        Wanted([Request(specification)], user="me", password=PROXY),
    ]
    assert not hits(*map(repr, things), reprs())
    assert "bg96" in repr(things[0])


@pytest.mark.gate
def test_commands(tmp_path: Path, capfd: pytest.CaptureFixture[str],
                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Command lines with secrets in every place they can be in, right and wrong, with -v."""
    monkeypatch.setenv("ATDRIVER_PROXY_PASSWORD", PROXY)
    profile = tmp_path / "profile.toml"
    profile.write_text(f'password = "{WIFI}"\n')
    esp = f"esp8266,ssid=net,password={WIFI}:fake"
    cell = f"bg96,apn=internet,user=me,password={APN},pin={PIN}:fake"
    trace = tmp_path / "trace.jsonl"
    out = tmp_path / "report"
    for arguments in (
        ["info", esp], ["info", cell], ["scan", esp], ["resolve", esp, "localhost"],
        ["info", f"esp8266,ssid=net,password={WIFI[:4]}:fake", "--profile", str(profile)],
        ["info", f"esp8266,password={WIFI},nonsense=1:fake"],
        ["info", f"bg96,pin={PIN}'\",baud=x:fake"],
        ["info", f"esp8266,password={WIFI}"],
        ["info", f"esp8266,ssid=net,password={WIFI}\x07:fake"],
        ["resolve", "esp8266:fake", "localhost", "--set", "ssid=net", "--set", f"password={WIFI}"],
        ["resolve", "bg96:fake", "localhost", "--set", f"pin={PIN}x"],
        ["resolve", f"bg96,pin={PIN}0:fake", "localhost"],
        ["at", esp, f'AT+CWJAP="net","{STORED}"'], ["at", cell, f"AT+CPIN={PIN}"],
        ["at", cell, f'AT+QICSGP=1,1,"a","b","{STORED}",1'],
        ["at", cell, f'AT+CWJAP="net","{STORED}", 5 5'],
        ["ping", esp, "localhost"],
        ["proxy", esp, "--user", "me", "--password", PROXY, "--listen", "192.0.2.1:1"],
        ["proxy", esp, "--user", "me", "--listen", "nonsense"],
        ["far-end", "--host", "192.0.2.1", "--token", TOKEN],
        ["report", esp, "--only", "wifi.rssi", "--out", str(out), "--token", TOKEN],
        ["report", esp, "--only", "wifi.rssi", "--out", str(out)],
    ):  # fmt: skip
        for more in ([], ["-v", "--trace", str(trace)]):
            if more and arguments[0] in ("far-end",):
                continue
            main([*arguments, *more])
            shown = capfd.readouterr()
            found = hits(shown.out, shown.err)
            assert not found, (arguments, shown)
            if trace.exists():
                assert not hits(trace.read_text()), arguments
    assert (out / "index.html").exists()
    for path in out.iterdir():
        assert not hits(path.read_text()), path.name


def test_the_search_finds_something() -> None:
    """What the tests above look with would see a secret."""
    assert hits(f"x{PIN}x") == [PIN]
    kept = parse("bg96:c4n4ry-W1f1-is-a-port")
    assert hits(reprs()) == [WIFI]
    assert kept.port
    assert Scenario().steps == ()

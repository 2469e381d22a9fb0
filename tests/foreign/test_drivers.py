"""Other people's drivers, unchanged, from PyPI, as programs of their own against the fakes.

`programs` holds one for each, which does what the driver's own examples do; `standins` the
modules of the boards they were written for. What counts is what the far end received. A fake is
never changed to please one of them: where they differ, the vendor's manual decides.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fakes.running import RunningFake
from tests.foreign.far import TcpFar, udp_far

HERE = Path(__file__).parent
PATIENCE = 25  # seconds for one program


def have(distribution: str) -> pytest.MarkDecorator:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return pytest.mark.skip(reason=f"{distribution} is not installed (group foreign)")
    return pytest.mark.timeout(PATIENCE + 10)


def run(program: str, *arguments: object) -> Any:
    """What the program found, as the JSON object it prints."""
    done = subprocess.run(
        [sys.executable, HERE / "programs" / program, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(HERE / "standins")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(fake: RunningFake) -> list[tuple[str, str]]:
    return [(record.kind, record.detail) for record in fake.misunderstood()]


# ---- Espressif -----------------------------------------------------------------------------

PAGE = b"<html>" + b"".join(b"%06d +IPD,0,5:OK\r\n" % n for n in range(200)) + b"</html>"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(PAGE), PAGE)
REQUEST = b"GET /page HTTP/1.1\r\nHost: page.lan\r\n\r\n"
DATAGRAM = bytes(range(256)) + b"\r\nOK\r\n\r\nERROR\r\n> +++"
WIFI = {"access_points": {"lab": "secret99"}, "resolve": {"page.lan": "127.0.0.1"}}


@have("adafruit-circuitpython-esp-atcontrol")
@pytest.mark.parametrize(
    ("version", "extra"),
    [
        # It finds out by refusals which family it talks to, so the fake may not be strict.
        pytest.param(
            "AT version:1.7.4.0",
            [("unknown", "AT+CWSTATE?")],
            marks=pytest.mark.fake_modem("esp8266", firmware="N17", strict=False, **WIFI),
        ),
        pytest.param(
            "AT version:3.2.0.0",
            [("unknown", "AT+CIPSSLSIZE=4096")],
            marks=pytest.mark.fake_modem("esp32", firmware="E24", strict=False, **WIFI),
        ),
    ],
)
def test_adafruit_circuitpython(
    fake_modem: RunningFake, version: str, extra: list[tuple[str, str]]
) -> None:
    with TcpFar(ANSWER, expected=len(REQUEST)) as page, udp_far() as far:
        found = run(
            "adafruit_esp.py", fake_modem.port, "lab", "secret99", "page.lan", page.port,
            far.getsockname()[1], DATAGRAM.hex(),
        )  # fmt: skip
        assert [bytes(each) for each in page.received] == [REQUEST]
        assert page.ended[0].wait(5)
        assert far.recv(2048) == DATAGRAM
    assert found["reply"].encode("latin-1") == ANSWER
    assert found["version"].startswith(version)
    assert (found["address"], found["own"]) == ("127.0.0.1", "127.0.0.1")
    assert 'AT+CIPDOMAIN="page.lan"' in fake_modem.commands()
    assert refused(fake_modem) == extra


# ---- Quectel -------------------------------------------------------------------------------

CELL = {"port": "usbat", "resolve": {"far.lan": "127.0.0.1"}}  # neither driver sets "urcport"
BINARY = bytes(range(256)) * 3 + b'\r\n+QIURC: "closed",0\r\n'


@have("hologram-python")
@pytest.mark.fake_modem("bg96", **CELL)
def test_hologram(fake_modem: RunningFake) -> None:
    """Direct push, AT+QISENDEX; the test is strict: every command is one of a BG96."""
    with TcpFar(b"[0,0]\r\n", expected=len(BINARY)) as far:
        found = run("hologram_bg96.py", fake_modem.port, "far.lan", far.port, BINARY.hex())
        assert far.ended[0].wait(5)
        assert [bytes(each) for each in far.received] == [BINARY]
    assert found == {
        "model": "BG96",
        "imei": "490154203237518",
        "imsi": "001010123456789",
        "operator": "Test Network",
        "signal": "31,99",
        "registered": True,
        "reply": "[0,0]",
        "closed": "OK",
    }


@have("sixfab-cellulariot")
@pytest.mark.fake_modem("bg96", strict=False, **CELL)
def test_sixfab(fake_modem: RunningFake) -> None:
    """Buffer access mode, AT+QISEND with a count, echo on."""
    message = 'GET / HTTP/1.0\r\nX-Trap: +QIURC: "closed",1 OK ERROR >\r\n\r\n'
    with TcpFar(b"the answer\r\nOK\r\n", expected=len(message)) as far:
        found = run("sixfab_bg96.py", fake_modem.port, "127.0.0.1", far.port, message)
        assert far.ended[0].wait(5)
        assert [bytes(each) for each in far.received] == [message.encode()]
    assert "\r\nBG96\r\n" in found["model"]
    assert "\r\n+QIRD: 16\r\nthe answer\r\nOK\r\n\r\n\r\nOK\r\n" in found["reply"]
    # A CR behind the counted payload; a module that is sending takes no notice of it.
    assert refused(fake_modem) == [("busy", "")]

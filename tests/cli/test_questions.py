"""`ports`, `info`, `at`, `scan`, `resolve` and `ping`: what they print, for people and as JSON."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from atdriver.cli import main, ports
from atdriver.cli.rawcommand import check, secrets
from atdriver.discovery import Port
from atdriver.exchange import Command

from .harness import PATIENCE, Cli, Fake, Starter, read_line

WIFI = {"ATDRIVER_SSID": "lab", "ATDRIVER_PASSWORD": "secret99"}
FOUND = [
    Port(
        "/dev/ttyUSB2",
        "Quectel BG96",
        "bg96",
        "at",
        0x2C7C,
        0x296,
        2,
        "",
        "",
        "",
        "bg96:/dev/ttyUSB2",
    ),
    Port(
        "/dev/ttyUSB3",
        "Quectel BG96",
        "bg96",
        "modem",
        0x2C7C,
        0x296,
        3,
        "",
        "pppd (pid 7)",
        "permission denied (it belongs to group 'dialout': …)",
    ),
]


def test_ports(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(ports, "list_serial_ports", lambda: FOUND)
    assert main(["ports"]) == 0
    out, err = capfd.readouterr()
    head, first, second = out.splitlines()
    assert err == "atdriver: /dev/ttyUSB3: " + FOUND[1].problem + "\n"
    assert head.split() == ["DEVICE", "WHAT", "MODULE", "ROLE", "HELD", "BY", "USE", "AS"]
    assert first.split() == [
        "/dev/ttyUSB2",
        "Quectel",
        "BG96",
        "bg96",
        "at",
        "-",
        "bg96:/dev/ttyUSB2",
    ]
    assert second.split()[4:] == ["modem", "pppd", "(pid", "7)", "-"]
    assert main(["ports", "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert [(item["device"], item["holder"]) for item in shown] == [
        ("/dev/ttyUSB2", ""),
        ("/dev/ttyUSB3", "pppd (pid 7)"),
    ]


def test_no_ports(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(ports, "list_serial_ports", list)
    assert main(["ports"]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("atdriver: no serial port found")
    assert main(["ports", "--json"]) == 0
    assert capfd.readouterr().out == "[]\n"


def test_info_of_a_bg96(cli: Cli, bg96: Fake) -> None:
    done = cli("info", bg96.spec)
    assert (done.status, done.err) == (0, "")
    lines = dict(line.split(":", 1) for line in done.out.decode().splitlines())
    shown = {name: text.strip() for name, text in lines.items()}
    assert shown["manufacturer"] == "Quectel"
    assert shown["model"] == "BG96"
    assert shown["firmware"].startswith("BG96MAR")
    assert shown["registration"] == "registered"
    assert shown["signal"].endswith("dBm")
    assert "tcp.half_close" in shown["not possible"]


def test_info_needs_no_network(cli: Cli, esp8266: Fake, locked: Fake) -> None:
    done = cli("info", esp8266.spec, "--json")
    assert done.status == 0
    shown = json.loads(done.out)
    assert shown["module"] == "esp8266"
    assert shown["details"]["generation"] == "E24"
    assert shown["capabilities"]["tcp.half_close"] == "none"
    done = cli("info", locked.spec)
    assert done.status == 0
    assert "SIM: PIN needed (" in " ".join(done.out.decode().split())


def test_info_of_the_host(cli: Cli) -> None:
    done = cli("info", "host")
    assert (done.status, done.err) == (0, "")
    assert b"not possible: udp.descriptor, tls.module" in done.out


def test_info_of_an_in_process_fake_with_its_settings(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "esp8266:fake", "--set", "firmware=N17"]) == 0
    assert "N17" in capfd.readouterr().out


def test_settings_of_a_profile(cli: Cli, esp8266: Fake, tmp_path: Path) -> None:
    profile = tmp_path / "lab.toml"
    profile.write_text('ssid = "lab"\npassword = "secret99"\n')
    done = cli("resolve", esp8266.spec, "srv", "--profile", profile, "--json")
    assert json.loads(done.out) == {"name": "srv", "addresses": ["127.0.0.1"]}
    assert done.err == ""


def test_one_command(cli: Cli, bg96: Fake) -> None:
    done = cli("at", bg96.spec, "AT+CEREG?")
    assert done.status == 0
    first, last = done.out.decode().splitlines()
    assert first.startswith("+CEREG: 2,1")  # a line that would be a notice elsewhere
    assert last == "OK"


def test_one_command_as_json(cli: Cli, esp8266: Fake) -> None:
    done = cli("at", esp8266.spec, "AT+CIPMUX?", "--json")
    assert json.loads(done.out) == {
        "command": "AT+CIPMUX?",
        "lines": ["+CIPMUX:1"],
        "result": "OK",
    }


@pytest.mark.parametrize(
    ("module", "command", "result"),
    [("bg96", "AT+NOPE", "ERROR"), ("bg96", "AT+CPIN=1", "+CME ERROR: 3"),
     ("esp8266", "AT+NOPE", "ERROR")],
)  # fmt: skip
def test_a_command_that_is_refused(
    cli: Cli, request: pytest.FixtureRequest, module: str, command: str, result: str
) -> None:
    fake: Fake = request.getfixturevalue(module)
    done = cli("at", fake.spec, command)
    assert done.status == 1
    assert done.out.decode().splitlines()[-1] == result
    assert f"the module answers {result}" in done.line


def test_a_console(cli: Cli, bg96: Fake) -> None:
    typed = b"AT+CGMM\r\nAT+NOPE\nhello\nAT+QISEND=0,5\n\nAT+CGMI"
    done = cli("at", bg96.spec, stdin=typed)
    assert done.status == 0
    assert done.out.decode().splitlines() == ["BG96", "OK", "ERROR", "Quectel", "OK"]
    first, second = done.err.splitlines()
    assert "'hello' is no command" in first
    assert "commands that ask for data" in second


def test_a_console_shows_what_comes_unasked(
    begin: Callable[..., subprocess.Popen[bytes]], fake: Starter, tmp_path: Path
) -> None:
    scenario = tmp_path / "moved.yaml"
    scenario.write_text(
        """
modem: bg96
steps:
  - on: 'AT\\+CGMI'
    say: ['OK', '+CEREG: 5,"DA6B","6FEC302",8']
"""
    )
    module = fake("bg96", "--time-scale", "0", "--set", "port=usbat", "--scenario", str(scenario))
    process = begin("at", module.spec)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"AT+CGMI\n")
    process.stdin.flush()
    shown = {read_line(process.stdout), read_line(process.stdout)}
    assert shown == {"OK", '+CEREG: 5,"DA6B","6FEC302",8'}
    process.stdin.close()
    assert process.wait(PATIENCE) == 0


def test_what_may_be_sent() -> None:
    for good in (
        b"AT",
        b"at+gmr",
        b"AT+CIPSEND=?",
        b"AT+QISEND=0,0",
        b"ATI",
        b"AT+CMGF=1",
        b"ATE0",
    ):
        assert check(good) == good


def test_secrets_of_raw_commands() -> None:
    for line, shown in (
        (b'AT+CWJAP="lab","pass,word"', 'AT+CWJAP="lab",***'),
        (b'AT+CWJAP_CUR="lab" , "password', 'AT+CWJAP_CUR="lab" ,***'),
        (b"AT+CPIN=1234", "AT+CPIN=***"),
        (b'at+qicsgp=1,1,"internet","me","word",1', 'at+qicsgp=1,1,"internet",***'),
        (b'AT+CIPDOMAIN="srv"', 'AT+CIPDOMAIN="srv"'),
        (b"AT+CPIN=?", "AT+CPIN=?"),
        (b"AT+QICSGP=1", "AT+QICSGP=1"),
        (b'AT+CLCK="SC",2', 'AT+CLCK="SC",2'),
    ):
        assert str(Command(line, 1.0, secrets=secrets(line))) == shown


def test_raw_secrets_are_masked(cli: Cli, esp8266: Fake, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    done = cli("at", esp8266.spec, 'AT+CWJAP="cafe","wrongpass"', "--trace", trace)
    assert done.status == 1
    assert "wrongpass" not in done.err + trace.read_text()


def test_scan(cli: Cli, esp8266: Fake) -> None:
    done = cli("scan", esp8266.spec)
    assert done.status == 0
    head, *rows = done.out.decode().splitlines()
    assert head.split() == ["SSID", "SIGNAL", "CHANNEL", "SECURITY", "BSSID"]
    assert {row.split()[0] for row in rows} == {"lab", "cafe"}
    shown = json.loads(cli("scan", esp8266.spec, "--json").out)
    assert {item["ssid"]: item["security"] for item in shown} == {"lab": "WPA2", "cafe": "WPA2"}


def test_scan_where_there_is_no_wifi(cli: Cli, bg96: Fake) -> None:
    done = cli("scan", bg96.spec)
    assert done.status == 1
    assert "cannot list networks" in done.line


def test_ping(cli: Cli, bg96: Fake, esp8266: Fake) -> None:
    done = cli("ping", bg96.spec, "srv", "-c", "2")
    assert done.status == 0
    assert [line.split()[0] for line in done.out.decode().splitlines()] == ["srv:", "srv:"]
    shown = json.loads(cli("ping", esp8266.spec, "srv", "-c", "1", "--json", env=WIFI).out)
    assert shown["host"] == "srv"
    assert len(shown["times_ms"]) == 1
    assert shown["lost"] == 0


def test_ping_without_an_answer(cli: Cli, bg96: Fake, esp8266: Fake) -> None:
    for spec, env in ((bg96.spec, {}), (esp8266.spec, WIFI), ("host", {})):
        done = cli("ping", spec, "192.0.2.1", "-c", "1", env=env)
        assert (done.status, done.out) == (1, b"")
        assert done.line

"""What can be typed wrongly: one line on stderr, status 2, and nothing is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from atdriver.cli import main

WRONG = [
    ([], "Missing command"),
    (["bogus"], "No such command 'bogus'"),
    (["nonsense"], "No such command"),
    (["info"], "Missing argument 'SPEC' (see `atdriver info --help`)"),
    (["info", "--nonsense", "host"], "No such option"),
    (["info", "esp8266"], "'esp8266' is no modem specification; it is MODULE[,key=value…]:PORT"),
    (["info", "/dev/ttyUSB0"], "is no modem specification"),
    (["info", "esp8266:"], "is no modem specification"),
    (
        ["info", "esp8266,ssid=lab:/dev/x,fast=921600"],
        "/dev/x: settings stand before the port, as in esp8266,fast=…:/dev/x",
    ),
    (["info", "esp8266,ssid:/dev/x"], "'ssid' is not key=value"),
    (["info", "nokia:/dev/x"], "unknown module 'nokia'; installed: bg96, esp32, esp8266"),
    (["info", "auto:fake"], "name the module"),
    (["info", "bg96,ssid=lab:/dev/x"], "bg96 has no setting ssid; it has apn, auth"),
    (["info", "bg96:/dev/x", "--set", "ssid=lab"], "bg96 has no setting ssid; it has apn"),
    (["info", "bg96:/dev/x", "--set", "apn"], "--set apn: KEY=VALUE is expected"),
    (["info", "bg96:/dev/x", "--set", "=x"], "--set =x: KEY=VALUE is expected"),
    (["info", "bg96:/dev/x", "--set", "baud=fast"], "setting baud=fast: a number is expected"),
    (["info", "bg96:/dev/x", "--set", "auth=x"], "one of none, pap, chap is expected"),
    (["info", "bg96:/dev/x", "--profile", "missing.toml"], "profile missing.toml: No such file"),
    (["info", "bg96:socket://a:1"], "only tcp://host:port and rfc2217://host:port"),
    (["info", "bg96:tcp://somewhere"], "tcp://host:port is expected"),
    (["info", "bg96:/dev/x", "--timeout", "0"], "--timeout 0: a time above 0 seconds"),
    (["info", "bg96:/dev/x", "--timeout", "soon"], "Invalid value for '--timeout'"),
    (["info", "host", "--set", "apn=x"], "host has no setting apn"),
    (["info", "esp8266,firmware=ZZ:fake"], "unknown firmware 'ZZ'"),
    (["nc", "bg96:/dev/x"], "nc needs HOST and PORT"),
    (["nc", "bg96:/dev/x", "srv"], "nc needs HOST and PORT"),
    (["nc", "bg96:/dev/x", "srv", "http"], "port http: a number from 1 to 65535"),
    (["nc", "bg96:/dev/x", "srv", "0"], "port 0: a number from 1 to 65535"),
    (["nc", "bg96:/dev/x", "srv", "99999"], "port 99999: a number from 1 to 65535"),
    (["nc", "bg96:/dev/x", 'a"b', "80"], "not a host name or IP address"),
    (["nc", "bg96:/dev/x", "", "80"], "a host name or an address is expected"),
    (["nc", "bg96:/dev/x", "srv", "80", "-q", "-1"], "-q -1: 0 or more seconds"),
    (["nc", "bg96:/dev/x", "-l", "x"], "port x: a number from 1 to 65535"),
    (["resolve", "bg96:/dev/x"], "Missing argument 'NAME'"),
    (["ping", "bg96:/dev/x", "srv", "-c", "0"], "Invalid value for '-c'"),
    (["at", "host", "AT"], "host takes no AT commands"),
    (["at", "bg96:/dev/x", "AT\rAT+QPOWD"], "control character 0x0D"),
    (["at", "bg96:/dev/x", "hello"], "must begin with AT"),
    (["at", "bg96:/dev/x", "AT+QISEND=0,5"], "commands that ask for data (a > prompt"),
    (["at", "esp8266:/dev/x", "at+cipsend=0,5"], "commands that ask for data (a > prompt"),
    (["at", "bg96:/dev/x", "ATD*99#"], "commands that ask for data (a > prompt"),
    (["at", "bg96:/dev/x", "--json"], "--json needs a command"),
    (
        ["fake", "nokia"],
        "there is no fake 'nokia'; installed: bg95, bg96, ec25, esp32, esp8266, openthread, replay, riot, skstack",
    ),
    (["fake", "esp8266", "--firmware", "ZZ"], "unknown firmware 'ZZ'; valid: "),
    (["fake", "esp8266", "--set", "colour=red"], "unknown setting 'colour'; valid: "),
    (["proxy", "host", "--idle", "0"], "--idle 0: more than 0 seconds are expected"),
    (["fake", "bg96", "--set", "reg=maybe"], "bg96 setting reg='maybe': choose"),
    (["fake", "bg96", "--set", "baud=9600"], "--set baud: use --baud"),
    (["fake", "bg96", "--ap", "lab:x"], "a cellular module has no access points"),
    (["fake", "esp8266", "--baud", "5"], "baud 5 is outside"),
    (["fake", "esp8266", "--ap", ":x"], "--ap :x: SSID:PASSWORD is expected"),
    (["fake", "esp8266", "--resolve", "srv"], "--resolve srv: KEY=VALUE is expected"),
    (["fake", "esp8266", "--scenario", "missing.yaml"], "missing.yaml"),
    (["fake", "esp8266", "--time-scale", "-1"], "Invalid value for '--time-scale'"),
]


@pytest.mark.parametrize(
    ("arguments", "text"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG]
)
def test_is_told_in_one_line(
    arguments: list[str], text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("atdriver: ")
    assert text in err


def test_secrets_are_not_repeated(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "esp8266,ssid=lab,password=hunter2"]) == 2
    err = capfd.readouterr().err
    assert "hunter2" not in err
    assert "password=***" in err


def test_a_profile_that_is_no_toml(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "p.toml"
    file.write_text("apn = \n")
    assert main(["info", "bg96:/dev/x", "--profile", str(file)]) == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "profile " in err


def test_a_setting_of_the_environment_is_judged_too(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATDRIVER_BAUD", "fast")
    assert main(["info", "bg96:/dev/x"]) == 2
    assert "setting baud=fast" in capfd.readouterr().err

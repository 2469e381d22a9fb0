"""A start that fails says in one line what is missing and what to type, through every command."""

from __future__ import annotations

import io
import json
import re

import pytest

from atdriver import aopen_modem, open_modem
from atdriver.cli import main
from modems.bg96 import network, sim
from modems.esp8266 import wifi
from netsocket import (
    AsyncCellularInterface,
    AsyncWiFiInterface,
    CellularInterface,
    EthernetInterface,
    WiFiInterface,
)
from netsocket.errors import NetsocketError, Nsapi

from .harness import Cli, Starter


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim, "SIM_PATIENCE", 0.1)
    monkeypatch.setattr(sim, "POLL", 0.02)
    monkeypatch.setattr(network, "POLL", 0.02)
    monkeypatch.setattr(network, "DENIED_PATIENCE", 0.1)
    monkeypatch.setattr(wifi, "ADDRESS_PATIENCE", 0.1)
    monkeypatch.setattr(wifi, "STORED_PATIENCE", 0.1)


CASES = [
    ("bg96,sim=absent", [], "no SIM card is in the module: put one in", Nsapi.NO_CONNECTION),
    ("bg96,sim=failed", [], "does not get ready (failed): take it out", Nsapi.NO_CONNECTION),
    ("bg96,reg=searching", ["register_timeout=0.2"], "no signal): is the antenna connected",
     Nsapi.CONNECTION_TIMEOUT),
    ("bg96,rat=gsm", ["radio=nbiot", "register_timeout=0.2"], "coverage for this radio=…",
     Nsapi.CONNECTION_TIMEOUT),
    ("bg96,reg=denied", [], "the network denies the registration", Nsapi.AUTH_FAILURE),
    ("esp8266,dhcp=none", [], "joined, but no address from its DHCP server", Nsapi.DHCP_FAILURE),
    ("esp32,dhcp=fail", [], "joined, but no address from its DHCP server", Nsapi.DHCP_FAILURE),
    ("esp8266,firmware=N17,dhcp=fail", [], "no address from its DHCP", Nsapi.DHCP_FAILURE),
]  # fmt: skip


COMMANDS = [["resolve", "srv"], ["nc", "srv", "80"], ["ping", "srv"]]


@pytest.mark.parametrize(
    ("spec", "settings", "said", "command"),
    [(*case[:3], COMMANDS[number % 3]) for number, case in enumerate(CASES)],
)
def test_a_failing_start_is_one_line(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    spec: str,
    settings: list[str],
    said: str,
    command: list[str],
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    given = [part for setting in settings for part in ("--set", setting)]
    assert main([command[0], f"{spec}:fake", *command[1:], *given]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize(("spec", "settings", "said", "code"), CASES)
def test_in_python_it_has_the_number_of_the_common_api(
    spec: str, settings: list[str], said: str, code: Nsapi
) -> None:
    given = dict(setting.split("=") for setting in settings)
    with pytest.raises(NetsocketError, match=re.escape(said)) as caught:
        open_modem(f"{spec}:fake", **given)
    assert caught.value.nsapi is code


def test_open_modem_gives_the_right_kind() -> None:
    with open_modem("esp8266:fake") as wifi_module:
        assert type(wifi_module) is WiFiInterface
        assert wifi_module.rssi is not None
        open_one = next(each for each in wifi_module.scan() if each.security == "open")
        wifi_module.disconnect()
        wifi_module.join(open_one.ssid)
        assert wifi_module.refresh().details["ssid"] == open_one.ssid
    with open_modem("bg96:fake") as phone:
        assert type(phone) is CellularInterface
        state = phone.cellular()
        assert (state.sim.name, state.registration.registered) == ("READY", True)
    with open_modem("host") as host:
        assert type(host) is EthernetInterface


async def test_aopen_modem_gives_the_right_kind() -> None:
    async with aopen_modem("esp8266:fake") as wifi_module, aopen_modem("bg96:fake") as phone:
        assert type(wifi_module) is AsyncWiFiInterface
        assert type(phone) is AsyncCellularInterface


def test_an_address_without_dhcp() -> None:
    with open_modem("esp32,dhcp=none:fake", ip="127.0.0.1", gateway="127.0.0.1") as net:
        assert net.ip_address == "127.0.0.1"


@pytest.mark.parametrize(
    ("spec", "name", "said"),
    [
        ("bg96,sim=absent", "sim", "absent"),
        ("bg96,reg=denied", "registration", "denied"),
        ("bg96,reg=searching", "signal", "none"),
        ("bg96,rat=nb1+gsm", "network", "NB-IoT LTE BAND 20"),
        ("esp8266", "wifi", "not joined"),
    ],
)
def test_info_shows_it_without_attaching(
    capfd: pytest.CaptureFixture[str], spec: str, name: str, said: str
) -> None:
    assert main(["info", f"{spec}:fake", "--json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert json.loads(out)["details"][name] == said


def test_an_apn_that_is_missing_or_refused(cli: Cli, fake: Starter) -> None:
    module = fake("bg96", "--set", "apn=internet", "--time-scale", "0.02")
    missing = cli("resolve", module.spec, "localhost")
    assert missing.status == 1
    assert "no APN was given and none is stored" in missing.line
    assert "give apn=NAME" in missing.line
    wrong = cli("resolve", module.spec, "localhost", "--set", "apn=wrong")
    assert "the network refused APN 'wrong' (561 open PDP context failed)" in wrong.line
    stored = cli("resolve", module.spec, "localhost")
    assert "refused APN 'wrong', which is stored in the module" in stored.line


def test_no_network_given_and_none_stored(cli: Cli, fake: Starter) -> None:
    module = fake("esp8266", "--firmware", "E24", "--ap", "cafe:coffee99", "--time-scale", "0.02")
    done = cli("resolve", module.spec, "localhost")
    assert done.status == 1
    assert "no WiFi network was given, and the module joined none that it has stored" in done.line
    assert "ssid=NAME" in done.line


def test_a_network_that_was_joined_is_left_at_the_end_unless_told(cli: Cli, fake: Starter) -> None:
    module = fake("esp8266", "--ap", "cafe:coffee99", "--time-scale", "0.02")
    env = {"ATDRIVER_SSID": "cafe", "ATDRIVER_PASSWORD": "coffee99"}

    def joined() -> bool:
        done = cli("at", module.spec, "AT+CWJAP?")
        assert done.status == 0
        return b"cafe" in done.out

    assert cli("resolve", module.spec, "127.0.0.1", env=env).status == 0
    assert not joined()
    assert cli("resolve", module.spec, "127.0.0.1", "--set", "stay=yes", env=env).status == 0
    assert joined()
    # It was found in that network, so it stays there.
    assert cli("resolve", module.spec, "127.0.0.1", env=env).status == 0
    assert joined()

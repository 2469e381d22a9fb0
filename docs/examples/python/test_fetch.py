"""The tests of fetch.py: pytest, with the fixtures that atdriver brings."""

import pytest
from fetch import ModuleError, fetch

from fakes import Peer, Scenario, Step, WirePlan
from fakes.running import RunningFake

REQUEST = b"GET / HTTP/1.0\r\n\r\n"
PAGE = b"HTTP/1.0 200 OK\r\n\r\n" + b"\r\nOK\r\n\r\nCLOSED\r\n+IPD,9:" * 200
WIFI = {"firmware": "E24", "access_points": {"lab": "secret99"}}


PIECES = Scenario(wire=WirePlan(chunk="random"))
RESTART = Scenario(steps=(Step(on=r"AT\+CIPSEND=.*", reset=True),))
ANSWERS = {"page.lan:80": Peer(answer=PAGE, then="close")}


@pytest.mark.fake_modem("esp32", peers=ANSWERS, scenario=PIECES, **WIFI)
def test_a_page_that_looks_like_the_module(modem_port: str) -> None:
    assert fetch(modem_port, "page.lan", 80, REQUEST) == PAGE


@pytest.mark.fake_modem("esp32", peers={"page.lan:80": Peer("refuse")}, **WIFI)
def test_nobody_listens(modem_port: str) -> None:
    with pytest.raises(ModuleError, match="ERROR instead of OK"):
        fetch(modem_port, "page.lan", 80, REQUEST)


@pytest.mark.fake_modem("esp32", peers={"page.lan:80": Peer()}, scenario=RESTART, **WIFI)
def test_the_module_restarts_at_the_worst_moment(fake_modem: RunningFake) -> None:
    with pytest.raises(ModuleError, match="restarted"):
        fetch(fake_modem.port, "page.lan", 80, REQUEST)
    assert fake_modem.commands()[-1] == f"AT+CIPSEND={len(REQUEST)}"

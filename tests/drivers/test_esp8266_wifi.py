"""An Espressif module's firmware and WiFi: what is asked for and in which words a failure is told, in
virtual time. Forms as in the ESP-AT User Guide and the NonOS AT Instruction Set."""

from __future__ import annotations

from typing import Any

import pytest

from atdriver.errors import EncodeError, SpecificationError, UnsupportedFirmware
from modems.esp8266.firmware import Firmware, identify
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.interface_kinds import AsyncWiFiInterface
from netsocket.stack import AccessPoint, InterfaceStatus, Kind
from netsocket.wifi import Security, WiFiCredentials
from tests.drivers.calls import written
from tests.faults.bench import Bench, assemble, opened, virtual
from tests.faults.ends import now

# -- firmware ----------------------------------------------------------------------------------------

NONOS = b"AT version:1.7.4.0(May 11 2020 19:13:04)"
ESP_AT = b"AT version:2.1.0.0(dev)(hash - Jul 24 2020 12:01:05)"


@pytest.mark.parametrize(
    ("lines", "firmware", "generation", "small"),
    [
        ([NONOS], Firmware("N", (1, 7, 4, 0), "ESP8266", "1.7.4.0(May 11 2020 19:13:04)"), "N17", True),
        ([b"SDK version:2.2.1", b"AT version:1.6.2.0(Apr 13 2018 11:10:59)"],
         Firmware("N", (1, 6, 2, 0), "ESP8266", "1.6.2.0(Apr 13 2018 11:10:59)"), "N1", True),
        ([b"AT version:0.40.0.0(Aug  8 2015 14:45:58)"],
         Firmware("N", (0, 40, 0, 0), "ESP8266", "0.40.0.0(Aug  8 2015 14:45:58)"), "N1", True),
        ([b"AT version:1.0.0.0()"], Firmware("N", (1, 0, 0, 0), "ESP8266", "1.0.0.0()"), "N1", True),
        ([b"AT version:1.1.3.0(a - b)  "], Firmware("E", (1, 1, 3, 0), "", "1.1.3.0(a - b)"), "E0", True),
        ([b"AT version:2.0.0.0(a - b)", b"Bin version:2.0.0(WROOM-32)"],
         Firmware("E", (2, 0, 0, 0), "ESP32", "2.0.0.0(a - b)"), "E2", False),
        ([b"AT version:2.1.0.0(a - b)", b"Bin version:2.1.0(WROVER-32)"],
         Firmware("E", (2, 1, 0, 0), "ESP32", "2.1.0.0(a - b)"), "E2", False),
        ([b"AT version:2.1.0.0(a - b)", b"Bin version(Wroom 02):2.1.0", b"WROOM-02"],
         Firmware("E", (2, 1, 0, 0), "ESP8266", "2.1.0.0(a - b)"), "E2", True),
        ([b"AT version:2.2.0.0(a - b)"], Firmware("E", (2, 2, 0, 0), "", "2.2.0.0(a - b)"), "E22", True),
        ([b"AT version:2.3.0.0(s - ESP8266 - b)"],
         Firmware("E", (2, 3, 0, 0), "ESP8266", "2.3.0.0(s - ESP8266 - b)"), "E22", True),
        ([b"AT version:2.3.0.0(s - ESP32 - b)", b"WROOM-02"],
         Firmware("E", (2, 3, 0, 0), "ESP32", "2.3.0.0(s - ESP32 - b)"), "E24", False),
        ([b"AT version:3.2.0.0(s - ESP32C3 - b)"],
         Firmware("E", (3, 2, 0, 0), "ESP32C3", "3.2.0.0(s - ESP32C3 - b)"), "E24", False),
        ([b"AT version:3.3.0.0(s - ESP32C2 - b)"],
         Firmware("E", (3, 3, 0, 0), "ESP32C2", "3.3.0.0(s - ESP32C2 - b)"), "E33", False),
        ([b"AT version:4.1.1.0(s - ESP32C6 - b)"],
         Firmware("E", (4, 1, 1, 0), "ESP32C6", "4.1.1.0(s - ESP32C6 - b)"), "E33", False),
        ([b"AT version:5.0.0.0-dev(s - ESP32C5 - b)"],
         Firmware("E", (5, 0, 0, 0), "ESP32C5", "5.0.0.0-dev(s - ESP32C5 - b)"), "E5", False),
    ],
)  # fmt: skip
def test_which_firmware_it_is(
    lines: list[bytes], firmware: Firmware, generation: str, small: bool
) -> None:
    found = identify(lines)
    assert found == firmware
    assert found.generation == generation
    assert found.is_esp8266 is small


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        ([b"AT version:0.9.5.0()"], "AT version:0.9.5.0()"),
        ([b"00200.9.5(b1)", b"compile time", b"three", b"four"],
         "00200.9.5(b1) / compile time / three"),
        ([b"\xff"], "\\xff"),
        ([], "nothing"),
    ],
)  # fmt: skip
def test_firmware_that_is_not_understood(lines: list[bytes], shown: str) -> None:
    with pytest.raises(UnsupportedFirmware) as caught:
        identify(lines)
    assert caught.value.strerror == (
        f"the module's AT firmware is too old or unknown (AT+GMR: {shown}); NonOS AT 1.x or ESP-AT "
        "2.x and newer is needed, or is it another kind of module?"
    )


# -- joining -----------------------------------------------------------------------------------------

HERE = '+CWJAP:"lab","5c:cf:7f:00:00:01",6,-50'
NO_ADDRESS = ('+CIPSTA:ip:"0.0.0.0"', "OK")


async def fails(bench: Bench, kind: type[OSError]) -> Any:
    """The start does, with an error of this very kind."""
    with pytest.raises(kind) as caught:
        await bench.net.up()
    assert type(caught.value) is kind
    await bench.net.close()
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        ("1", errors.NetworkTimeout, "timed out (weak signal, or a wrong password: modules often "
         "report both alike)"),
        ("2", errors.AuthenticationFailed, "wrong password"),
        ("3", errors.NetworkNotFound, "no such network in reach (`atdriver scan` lists those there "
         "are; most modules hear 2.4 GHz only)"),
        ("4", errors.NetworkDown, "the join failed"),
        ("99", errors.NetworkDown, "the join failed"),
        ("", errors.NetworkDown, "the join failed"),
    ],
)  # fmt: skip
@virtual
async def test_a_join_that_fails(code: str, kind: type[OSError], text: str) -> None:
    bench = assemble("esp8266")
    bench.step(on=r"AT\+CWJAP=.*", say=(*((f"+CWJAP:{code}",) if code else ()), "FAIL"))
    error = await fails(bench, kind)
    assert error.reason == f"WiFi 'lab': {text}"
    assert error.module_code == f"+CWJAP:{code or 0}"
    assert bench.net.status is InterfaceStatus.DISCONNECTED


@pytest.mark.parametrize(
    ("says", "kind", "code"),
    [
        (("+CWJAP:3", "no ip"), errors.NetworkNotFound, 3),
        (("no ip",), errors.NetworkDown, 0),
        (("+CWJAP:102",), errors.NetworkDown, 0),
        (("+CWJAP:3", "+CWJAP:102"), errors.NetworkDown, 0),
    ],
)
@virtual
async def test_a_join_that_fails_with_more_than_a_code(
    says: tuple[str, ...], kind: type[OSError], code: int
) -> None:
    """What else is told is no code; and one that no firmware has is damage, which says nothing."""
    bench = assemble("esp8266")
    bench.step(on=r"AT\+CWJAP=.*", say=(*says, "FAIL"))
    assert (await fails(bench, kind)).module_code == f"+CWJAP:{code}"


@virtual
async def test_a_join_that_does_not_end() -> None:
    """15 s is its own limit (AT+CWJAP, jap_timeout)."""
    bench = assemble("esp8266")
    bench.step(on=r"AT\+CWJAP=.*", passes=True, after=20.0)
    async with bench.net:
        pass
    bench = assemble("esp8266")
    bench.step(on=r"AT\+CWJAP=.*")
    begun = now()
    error = await fails(bench, errors.NetworkTimeout)
    assert error.reason == "WiFi 'lab': the join did not end"
    assert now() - begun < 60.0


@pytest.mark.parametrize("joined", ["OK", "FAIL"])
@virtual
async def test_a_network_that_gives_no_address(joined: str) -> None:
    """It is waited for 15 s; a join that failed behind its end is not waited for."""
    bench = assemble("esp8266")
    bench.step(on=r"AT\+CWJAP=.*", say=(joined,))
    bench.step(on=r"AT\+CWJAP\?", say=("No AP", "OK"), times=2)
    bench.step(on=r"AT\+CWJAP\?", say=(HERE, "OK"))
    bench.step(on=r"AT\+CIPSTA\?", say=NO_ADDRESS)
    begun = now()
    error = await fails(bench, errors.DhcpFailed)
    assert error.reason == (
        "WiFi 'lab': joined, but no address from its DHCP server (too many clients? ip=… and "
        "gateway=… set one)"
    )
    assert (15.0 if joined == "OK" else 0.0) <= now() - begun < (18.0 if joined == "OK" else 3.0)


@virtual
async def test_an_address_that_comes_late() -> None:
    """It is asked for four times a second."""
    bench = assemble("esp8266")
    bench.step(on=r"AT\+CIPSTA\?", say=NO_ADDRESS, times=10)
    async with bench.net:
        assert bench.stack.address == "127.0.0.1"
        asked = [at for at, way, data in bench.wire.lines if way == ">" and b"CIPSTA?" in data]
        assert 0.24 < asked[1] - asked[0] < 0.35


@virtual
async def test_in_the_network_already_but_without_an_address() -> None:
    """Then it is joined again."""
    for answer, joins in ((NO_ADDRESS, 1), (("OK",), 1), (('+CIPSTA:ip:"10.0.0.7"', "OK"), 0)):
        bench = assemble("esp8266")
        bench.step(on=r"AT\+CWJAP\?", say=(HERE, "OK"))
        bench.step(on=r"AT\+CIPSTA\?", say=answer, times=1)
        async with bench.net:
            assert len([line for line in written(bench) if line.startswith("AT+CWJAP=")]) == joins
            assert bench.stack.address == ("127.0.0.1" if joins else "10.0.0.7")


@pytest.mark.parametrize(
    ("state", "seconds"), [("+CWSTATE:0", 0.0), ("+CWSTATE:2", 5.0), ("", 5.0)]
)
@virtual
async def test_without_a_network_the_stored_one_is_waited_for(state: str, seconds: float) -> None:
    """5 s; not at all where no join was ever begun."""
    bench = assemble("esp8266", ssid="", password="")
    bench.step(on=r"AT\+CWSTATE\?", say=(f'{state},""', "OK") if state else ("ERROR",))
    begun = now()
    error = await fails(bench, errors.NetworkNotFound)
    assert error.reason == (
        "no WiFi network was given, and the module joined none that it has stored: give ssid=NAME, "
        "and the password as ATDRIVER_PASSWORD in the environment (`atdriver scan` lists the networks)"
    )
    assert seconds <= now() - begun < seconds + 2.0
    bench = assemble("esp8266", ssid="", password="")
    bench.step(on=r"AT\+CWJAP\?", say=(HERE, "OK"))
    bench.step(on=r"AT\+CIPSTA\?", say=NO_ADDRESS)
    error = await fails(bench, errors.DhcpFailed)
    assert error.reason.startswith("WiFi 'lab': joined, but no address")
    bench = assemble("esp8266", ssid="", password="")
    bench.step(on=r"AT\+CIPSTA\?", say=('+CIPSTA:ip:"10.0.0.7"', "OK"))
    async with bench.net:
        assert bench.stack.address == "10.0.0.7"
        assert not [line for line in written(bench) if line.startswith("AT+CWJAP=")]


@pytest.mark.parametrize(
    ("firmware", "settings", "lines"),
    [
        ("N17", {"ip": "10.0.0.9"}, ["AT+CWDHCP_CUR=1,0", 'AT+CIPSTA_CUR="10.0.0.9"']),
        ("E24", {"ip": "10.0.0.9"}, ["AT+CWDHCP=0,1", 'AT+CIPSTA="10.0.0.9"']),
        ("E24", {"ip": "10.0.0.9", "netmask": "255.0.0.0"},
         ["AT+CWDHCP=0,1", 'AT+CIPSTA="10.0.0.9"']),
        ("E24", {"ip": "10.0.0.9", "gateway": "10.0.0.1"},
         ["AT+CWDHCP=0,1", 'AT+CIPSTA="10.0.0.9","10.0.0.1","255.255.255.0"']),
        ("E24", {"ip": "10.0.0.9", "gateway": "10.0.0.1", "netmask": "255.0.0.0"},
         ["AT+CWDHCP=0,1", 'AT+CIPSTA="10.0.0.9","10.0.0.1","255.0.0.0"']),
        ("E24", {"gateway": "10.0.0.1"}, ["AT+CWDHCP=1,1"]),
    ],
)  # fmt: skip
@virtual
async def test_a_static_address(firmware: str, settings: dict[str, str], lines: list[str]) -> None:
    """NonOS and ESP-AT take the arguments of AT+CWDHCP the other way round."""
    bench = assemble("esp8266", firmware, **settings)
    bench.step(on=r"AT\+CWDHCP.*", say=("ERROR",))  # not of every firmware
    bench.step(on=r"AT\+CIPSTA(_CUR)?=.*", say=("OK",))
    async with bench.net:
        found = [line for line in written(bench) if line.startswith(("AT+CWDHCP", "AT+CIPSTA"))]
        assert [line for line in found if "=" in line] == lines


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("ip", "1.1.1", "the address"), ("ip", "111.111.111.1111", "the address"),
        ("gateway", "1.1.1", "the gateway"), ("gateway", "111.111.111.1111", "the gateway"),
        ("netmask", "1.1.1", "the netmask"), ("netmask", "111.111.111.1111", "the netmask"),
    ],
)  # fmt: skip
@virtual
async def test_no_address_is_of_this_length(setting: str, value: str, text: str) -> None:
    bench = assemble("esp8266", **{"ip": "1.1.1.1", "gateway": "1.1.1.2", setting: value})
    with pytest.raises(EncodeError, match=text):
        await bench.net.up()
    await bench.net.close()
    assert b"AT+CIPSTA=" not in bench.wire.written


@virtual
async def test_names_and_passwords_go_out_as_they_are() -> None:
    """Quotes, commas and backslashes are escaped; the longest there are fit."""
    for ssid, password, text in (
        ('a",b\\', "12345678", '"a\\"\\,b\\\\","12345678"'),
        ("s" * 32, "p" * 63, f'"{"s" * 32}","{"p" * 63}"'),
        ("open", "", '"open",""'),
    ):
        bench = assemble("esp8266", ssid=ssid, password=password)
        bench.step(on=r"AT\+CWJAP=.*", say=("OK",))
        bench.step(on=r"AT\+CIPSTA\?", say=('+CIPSTA:ip:"10.0.0.7"', "OK"))
        async with bench.net:
            assert f"AT+CWJAP={text}" in written(bench)
    for ssid, password, reason in (("s" * 33, "", "32"), ("lab", "p" * 65, "6")):
        with pytest.raises(SpecificationError, match=reason):
            assemble("esp8266", ssid=ssid, password=password)


# -- questions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (('+CWJAP:"a","b","5c:cf:7f:00:00:01",6,-127,0,1', "OK"), {"ssid": 'a","b', "rssi": "-127 dBm"}),
        (('+CWJAP:"lab","5c:cf:7f:00:00:01",6', "OK"), {"ssid": "lab"}),
        (('+CWJAP:"lab","5c:cf:7f:00:00:01",6,20', "OK"), {"ssid": "lab", "rssi": "20 dBm"}),
        (("No AP", "OK"), {"wifi": "not joined"}),
        (("OK",), {"wifi": "not joined"}),
        (("ERROR",), {"wifi": "not joined"}),
    ],
)  # fmt: skip
@virtual
async def test_what_is_told_of_the_network(says: tuple[str, ...], told: dict[str, str]) -> None:
    """An SSID in an answer is not escaped, and may hold anything."""
    async with opened("esp8266") as bench:
        bench.step(on=r"AT\+CWJAP\?", say=says, times=1)
        details = (await bench.stack.status()).details
        found = {key: value for key, value in details.items() if key in ("ssid", "rssi", "wifi")}
        assert found == told


@virtual
async def test_the_address_that_is_told() -> None:
    async with opened("esp8266") as bench:
        for says, address in (
            (('+CIPSTA:gateway:"10.0.0.1"', '+CIPSTA:ip:"10.0.0.9"', "OK"), "10.0.0.9"),
            (("OK",), None),
            (NO_ADDRESS, None),
        ):
            bench.step(on=r"AT\+CIPSTA\?", say=says, times=1)
            assert (await bench.stack.status()).ip_address == address
        bench.step(on=r"AT\+CIPSTA\?", say=("ERROR",), times=1)
        found = await bench.stack.status()
        assert found.ip_address is None
        assert found.details["wifi"] == "AT+CIPSTA?: ERROR"


@pytest.mark.parametrize("firmware", ["N17", "E24"])
@virtual
async def test_a_scan(firmware: str) -> None:
    async with opened("esp8266", firmware) as bench:
        assert isinstance(bench.net, AsyncWiFiInterface)
        mac = "5C:CF:7F:00:00:0A"
        rows = (
            "+CWLAP:(0)", f'+CWLAP:(0,"o",-1,"{mac}",1)', f'+CWLAP:(1,"a","b",-100,"{mac}",14,0,0,4,4,7,1)',
            *(f'+CWLAP:({kind},"",-50,"{mac}",6)' for kind in range(2, 12)),
            f'+CWLAP:(3,"far",-5000,"{mac}",6)', "+CWLAP:(3)",
        )  # fmt: skip
        bench.step(on=r"AT\+CWLAP", say=(*rows, "OK"))
        since = len(bench.wire.lines)
        kinds = ["WPA", "WPA2", "WPA/WPA2", "WPA2-Enterprise", "WPA3", "WPA2/WPA3", "WAPI", "OWE",
                 "type 10", "type 11"]  # fmt: skip
        assert await bench.net.scan() == [
            AccessPoint("o", mac.lower(), -1, 1, "open"),
            AccessPoint('a","b', mac.lower(), -100, 14, "WEP"),
            *(AccessPoint("", mac.lower(), -50, 6, kind) for kind in kinds),
        ]
        cur = "_CUR" if firmware == "N17" else ""
        assert written(bench, since) == [f"AT+CWMODE{cur}=1", "AT+CWLAP"]


@virtual
async def test_a_scan_may_take_its_time() -> None:
    """13 channels at 120 to 360 ms each, and more on two bands (AT+CWLAP)."""
    async with opened("esp8266") as bench:
        assert isinstance(bench.net, AsyncWiFiInterface)
        bench.step(on=r"AT\+CWLAP", say=("OK",), after=19.0, times=1)
        assert await bench.net.scan() == []


@pytest.mark.parametrize(
    ("rows", "address"),
    [
        (('+CIPSTA:ip6ll:"fe80::1"', '+CIPSTA:ip6gl:"2001:db8::1"'), "2001:db8::1"),
        (('+CIPSTA:ip6ll:"fe80::1"', '+CIPSTA:ip:"10.0.0.1"'), "fe80::1"),
        (('+CIPSTA:ip:"10.0.0.1"',), "::"),
    ],
)
@virtual
async def test_the_own_address_of_an_ipv6_socket(rows: tuple[str, ...], address: str) -> None:
    """The global one, else the one of the link."""
    async with opened("esp8266") as bench:
        udp = await bench.stack.open(Kind.UDP)
        await bench.stack.bind(udp, SocketAddress("::", 9000))
        bench.step(on=r"AT\+CIPSTA\?", say=(*rows, "OK"), times=1)
        assert await bench.stack.local_address(udp) == SocketAddress(address, 9000)


@virtual
async def test_the_own_address_before_there_is_a_link() -> None:
    async with opened("esp8266") as bench:
        tcp = await bench.stack.open(Kind.TCP)
        await bench.stack.bind(tcp, SocketAddress("::", 9000))
        since = len(bench.wire.lines)
        assert await bench.stack.local_address(tcp) == SocketAddress("::", 9000)
        assert written(bench, since) == []


@virtual
async def test_what_wifi_is_asked_for_at_the_next_start() -> None:
    async with opened("esp8266") as bench:
        assert isinstance(bench.net, AsyncWiFiInterface)
        wanted = WiFiCredentials("cafe", "12345678", Security.WPA3)
        bench.stack.set_credentials(wanted)  # type: ignore[attr-defined]
        assert bench.stack.credentials == wanted  # type: ignore[attr-defined]
        bench.net.set_channel(0)
        with pytest.raises(errors.NotSupported) as caught:
            bench.net.set_channel(6)
        assert caught.value.capability.id == "wifi.channel"
    async with opened("esp8266", "N17") as bench:
        with pytest.raises(errors.NotSupported) as caught:
            bench.stack.set_credentials(wanted)  # type: ignore[attr-defined]
        assert caught.value.strerror == "NonOS knows no WPA3"
        assert caught.value.capability.id == "wifi.credentials"
        assert bench.stack.credentials == WiFiCredentials("lab", "secret99")  # type: ignore[attr-defined]

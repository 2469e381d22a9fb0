"""What only Espressif modules have: joining WiFi, receive modes, quoting, stale links."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from atdriver import startup
from atdriver.errors import SpecificationError, UnsupportedFirmware
from modems.esp8266 import commands
from netsocket import errors
from netsocket.capability.model import Level
from netsocket.stack import InterfaceStatus
from tests.drivers.rig import (
    ESP,
    NAMES,
    Rig,
    assemble,
    echo_server,
    noise,
    opened,
    receive,
    udp_echo,
    until,
)

generations = pytest.mark.parametrize("firmware", ESP)


def sent_by_host(rig: Rig) -> list[str]:
    return [entry.detail for entry in rig.fake.journal if entry.kind == "command"]


async def fails_to_open(
    firmware: str, expected: type[OSError], words: str, **settings: object
) -> Rig:
    rig = assemble("esp8266", firmware, **settings)
    try:
        with pytest.raises(expected, match=words) as caught:
            await rig.net.up()
    finally:
        await rig.net.close()
    assert "wrong-secret" not in str(caught.value)
    return rig


@generations
async def test_wrong_password(firmware: str) -> None:
    """Told as such or as a time-out that names the possibility: modules differ."""
    await fails_to_open(firmware, OSError, "wrong password", password="wrong-secret")


@generations
async def test_unknown_network(firmware: str) -> None:
    await fails_to_open(firmware, errors.NetworkNotFound, "no such network", ssid="elsewhere")


@pytest.mark.parametrize("firmware", ["N17", "E24"])
@pytest.mark.parametrize("bad", ['x"\r\nAT+RST', "nul\0", "esc\x1b"])
async def test_an_ssid_that_could_end_the_command_is_refused_before_it_is_sent(
    firmware: str, bad: str
) -> None:
    rig = await fails_to_open(firmware, OSError, "SSID", ssid=bad)
    assert not [text for text in sent_by_host(rig) if "CWJAP" in text and "=" in text]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ssid": "x" * 33}, "an SSID has 1 to 32 bytes, not 33"),
        ({"password": "short"[:4]}, "a WiFi password has 8 to 63 characters, not 4"),
        ({"password": "x" * 64}, "not 64"),
    ],
    ids=["ssid", "short", "long"],
)
def test_credentials_that_cannot_be_any_are_refused_before_the_port_is_opened(
    settings: dict[str, str], words: str
) -> None:
    with pytest.raises(SpecificationError, match=words) as caught:
        assemble("esp8266", "E24", **settings)
    assert settings.get("password", "-") not in str(caught.value)


@pytest.mark.parametrize("firmware", ["N17", "E22", "E24", "E33"])
async def test_an_ssid_full_of_specials_arrives_as_it_is(firmware: str) -> None:
    ssid, password = 'a"b,c\\d', 'p,"w\\ord'
    rig = assemble("esp8266", firmware, ssid=ssid, password=password)
    rig.channel.link._module.world.access_points.clear()
    rig.channel.link._module.world.access_points[ssid] = password
    async with rig.net:
        assert rig.net.status is InterfaceStatus.GLOBAL_UP
        assert (await rig.net.refresh()).details["ssid"] == ssid


async def test_the_module_may_have_its_network_stored() -> None:
    async with opened("esp8266", "E24", {"joined": "lab"}, ssid="", password="") as rig:
        assert rig.net.ip_address


async def test_the_first_firmware_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedFirmware, match=r"too old.*0020000903"):
        async with opened("esp8266", "N0"):
            pass


async def test_nothing_stored_and_nothing_given() -> None:
    await fails_to_open("E24", errors.NetworkNotFound, "give ssid=", ssid="", password="")


@pytest.mark.parametrize(
    ("firmware", "mode", "boundaries"),
    [("N17", "pull", "FULL"), ("E2", "pull_all", "PARTIAL"), ("E22", "pull_all", "PARTIAL"),
     ("E24", "pull_all", "PARTIAL"), ("E33", "pull", "FULL")],
)  # fmt: skip
async def test_receive_mode_is_probed_and_said_in_the_record(
    firmware: str, mode: str, boundaries: str
) -> None:
    async with opened("esp8266", firmware) as rig:
        assert (await rig.net.refresh()).details["receive"] == mode
        record = rig.net.capabilities["udp.boundaries"]
        assert record.level is Level[boundaries]
        assert (record.level is Level.FULL) or "push" in record.because


@generations
async def test_push_is_the_users_choice(firmware: str) -> None:
    data = noise(60_000)
    async with echo_server() as server, opened("esp8266", firmware, receive="push") as rig:
        assert rig.net.capabilities["receive.backpressure"].level is Level.NONE
        assert rig.net.capabilities["udp.boundaries"].level is Level.FULL
        sock = await rig.net.connect(("srv", server.port), timeout=60)
        back, _ = await asyncio.gather(receive(sock, len(data)), sock.sendall(data))
        assert back == data
        await sock.close()


@generations
async def test_datagrams_beside_a_pulled_stream(firmware: str) -> None:
    """CIPDINFO goes on with the first datagram socket, while a stream is being read."""
    data = noise(120_000)
    async with (
        echo_server() as server,
        udp_echo(b"u") as (port, _),
        opened("esp8266", firmware) as rig,
    ):
        sock = await rig.net.connect(("srv", server.port), timeout=60)
        reading = asyncio.create_task(receive(sock, len(data)))
        writing = asyncio.create_task(sock.sendall(data))
        await asyncio.sleep(0.02)
        async with rig.net.udp_socket() as datagrams:
            datagrams.settimeout(5)
            await datagrams.connect(("srv", port))
            for number in range(5):
                await datagrams.send(b"%d" % number)
                assert await datagrams.recv(100) == b"u%d" % number
        assert await asyncio.wait_for(reading, 20) == data
        await writing
        await sock.close()
        assert not rig.engine.anomalies


@generations
async def test_links_left_by_a_previous_program_are_closed_first(firmware: str) -> None:
    async with echo_server() as server:
        rig = assemble("esp8266", firmware, {"joined": "lab"})
        await rig.channel.open()
        fake = rig.fake
        await asyncio.sleep(0.1)
        for line in ("AT+CIPMUX=1", f'AT+CIPSTART=3,"TCP","127.0.0.1",{server.port}'):
            fake.receive(line.encode() + b"\r\n")
            await asyncio.sleep(0.15)
        await until(lambda: server.writers)
        async with rig.net:
            await until(lambda: server.ended)
            sock = await rig.net.connect(("srv", server.port), timeout=60)
            await sock.sendall(b"mine")
            assert await receive(sock, 4) == b"mine"
            await sock.close()


@pytest.mark.parametrize("firmware", ["E22"])
async def test_a_module_left_in_a_payload_phase_is_freed(firmware: str) -> None:
    """The previous program died between the prompt and the last byte."""
    async with echo_server() as server:
        rig = assemble("esp8266", firmware, {"joined": "lab"})
        await rig.channel.open()
        fake = rig.fake
        await asyncio.sleep(0.1)
        for line in (b'AT+CIPSTART="TCP","127.0.0.1",%d\r\n' % server.port, b"AT+CIPSEND=500\r\n"):
            fake.receive(line)
            await asyncio.sleep(0.15)
        fake.receive(b"only the beginning")
        async with rig.net:
            sock = await rig.net.connect(("srv", server.port), timeout=60)
            await sock.sendall(b"mine")
            assert await receive(sock, 4) == b"mine"
            await sock.close()


@generations
async def test_wifi_lost_and_found(firmware: str) -> None:
    async with echo_server() as server, opened("esp8266", firmware) as rig:
        sock = await rig.net.connect(("srv", server.port), timeout=60)
        rig.fake.lose_wifi()
        await until(lambda: rig.net.status is InterfaceStatus.CONNECTING)
        try:
            assert await asyncio.wait_for(sock.recv(10), 20) == b""
        except ConnectionResetError:
            pass  # an end or a break: the module says CLOSED for both; what must not be is a hang
        with pytest.raises(ConnectionError):
            await sock.sendall(b"x")
        await sock.close()


@generations
async def test_scan(firmware: str) -> None:
    async with opened("esp8266", firmware) as rig:
        found = {network.ssid: network.security for network in await rig.net.scan()}
        assert found == {"lab": "WPA2", "cafe": "open"}


@generations
async def test_ping(firmware: str) -> None:
    async with opened("esp8266", firmware) as rig:
        assert 0 <= await rig.net.ping("srv") < 1
        with pytest.raises(OSError):
            await rig.net.ping("nobody.example")


def write(path: Path, text: str) -> dict[str, str]:
    file = path / "scenario.yaml"
    file.write_text(text)
    return {"scenario": str(file)}


@generations
async def test_send_fail_ends_the_stream_with_an_honest_error(
    firmware: str, tmp_path: Path
) -> None:
    """D04: nobody knows how much left; nothing is sent twice."""
    scenario = write(
        tmp_path,
        """
modem: esp8266
steps:
  - before: '\\r\\nSEND OK\\r\\n'
    raw: "\\r\\nSEND FAIL\\r\\n"
    times: 1
""",
    )
    async with echo_server() as server, opened("esp8266", firmware, scenario) as rig:
        sock = await rig.net.connect(("srv", server.port), timeout=60)
        with pytest.raises(errors.SendUnknown) as caught:
            await sock.sendall(b"0123456789")
        assert (caught.value.accepted, caught.value.unknown) == (0, 10)
        await sock.close()
        # The stray SEND OK that followed did not complete anything else.
        other = await rig.net.connect(("srv", server.port), timeout=60)
        await other.sendall(b"fine")
        assert await receive(other, 4) == b"fine"
        await other.close()
        assert server.received[0] in (b"", b"0123456789")


@pytest.mark.parametrize("firmware", ["N17", "E24", "E33"])
async def test_a_lost_notice_is_found_by_looking(firmware: str, tmp_path: Path) -> None:
    """E05: data waits in the module and no +IPD came."""
    scenario = write(
        tmp_path,
        """
modem: esp8266
steps:
  - before: '\\r\\n\\+IPD,0,\\d+\\r\\n'
    drop: 11
    times: 1
""",
    )
    async with echo_server() as server, opened("esp8266", firmware, scenario) as rig:
        sock = await rig.net.connect(("srv", server.port), timeout=60)
        sock.settimeout(8)
        await sock.sendall(b"ping")
        assert await receive(sock, 4) == b"ping"
        await sock.close()


@pytest.mark.parametrize("firmware", ESP)
async def test_a_damaged_read_breaks_the_socket_not_the_module(
    firmware: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "READ", 0.5)
    monkeypatch.setattr(commands, "SLOWEST_LINE", 1e6)
    form = (
        "\\r\\n+CIPRECVDATA,10:short\\r\\nOK\\r\\n"
        if firmware == "N17"
        else "+CIPRECVDATA:10,short\\r\\nOK\\r\\n"
    )
    scenario = write(
        tmp_path,
        f"""
modem: esp8266
steps:
  - on: 'AT\\+CIPRECVDATA=0,.*'
    raw: "{form}"
    times: 1
""",
    )
    async with echo_server() as server, opened("esp8266", firmware, scenario) as rig:
        sock = await rig.net.connect(("srv", server.port), timeout=60)
        sock.settimeout(60)
        await sock.sendall(b"0123456789")
        with pytest.raises(ConnectionResetError):
            await sock.recv(100)
        await sock.close()
        other = await rig.net.connect(("srv", server.port), timeout=60)
        await other.sendall(b"fine")
        assert await receive(other, 4) == b"fine"
        await other.close()


async def test_a_digit_lost_before_a_forged_end_breaks_the_stream(tmp_path: Path) -> None:
    """The peer wrote the end of an answer where the damaged length makes the payload end. What the
    read had brought until then is not handed out either."""
    scenario = write(
        tmp_path,
        """
modem: esp8266
steps:
  - on: 'AT\\+CIPRECVDATA=0,.*'
    raw: "+CIPRECVDATA:4,only\\r\\nOK\\r\\nmore of the same payload\\r\\nOK\\r\\n"
    times: 1
""",
    )
    async with echo_server() as server, opened("esp8266", "E24", scenario) as rig:
        sock = await rig.net.connect(("srv", server.port), timeout=20)
        other = await rig.net.connect(("srv", server.port), timeout=20)
        sock.settimeout(20)
        await sock.sendall(b"anything")
        with pytest.raises(ConnectionResetError, match="incomplete"):
            await sock.recv(100)
        await other.sendall(b"fine")
        assert await receive(other, 4) == b"fine"


async def test_settings_are_put_back_at_the_end() -> None:
    async with opened("esp8266", "E24") as rig:
        fake = rig.fake
    told = [entry.detail for entry in fake.journal if entry.kind == "command"]
    assert told[-5:] == [
        "AT+CIPRECVMODE=0", "AT+CIPDINFO=0", "AT+CIPMUX=0", "AT+SYSSTORE=1", "ATE1",
    ]  # fmt: skip


def test_names_of_the_rig_are_loopback() -> None:
    assert all(address.startswith("127.") for address in NAMES.values())


@pytest.mark.parametrize(
    ("firmware", "dhcp_off", "static"),
    [
        ("N17", "AT+CWDHCP_CUR=1,0", 'AT+CIPSTA_CUR="127.0.0.9","127.0.0.1","255.0.0.0"'),
        ("E24", "AT+CWDHCP=0,1", 'AT+CIPSTA="127.0.0.9","127.0.0.1","255.0.0.0"'),
    ],
)
async def test_a_static_address_and_the_swapped_arguments_of_cwdhcp(
    firmware: str, dhcp_off: str, static: str
) -> None:
    async with opened(
        "esp8266", firmware, ip="127.0.0.9", gateway="127.0.0.1", netmask="255.0.0.0"
    ) as rig:
        assert dhcp_off in sent_by_host(rig)
        assert static in sent_by_host(rig)
        assert rig.net.ip_address == "127.0.0.9"


@pytest.mark.parametrize("firmware", ["N17", "E24"])
async def test_a_module_that_stays_busy_is_reset(
    firmware: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that never reads holds the send, and with it the whole AT port, for ever."""
    monkeypatch.setattr(startup, "FIRST_PATIENCE", 0.3)

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(mute, "127.0.0.1", 0, limit=1024)
    port = server.sockets[0].getsockname()[1]
    async with (
        echo_server() as good,
        opened("esp8266", firmware, send_timeout=0.5) as rig,
    ):
        monkeypatch.setattr(commands, "SLOWEST_LINE", 1e6)
        rig.engine.resync_limit = 1.5
        sock = await rig.net.connect(("srv", port), timeout=60)
        with pytest.raises(ConnectionError):
            for _ in range(2000):
                await sock.sendall(bytes(100_000))
        await sock.close()
        await until(lambda: rig.net.status is not InterfaceStatus.GLOBAL_UP, 10)
        await until(lambda: rig.net.status is InterfaceStatus.GLOBAL_UP, 20)
        assert any(entry.kind == "restart" for entry in rig.fake.journal)
        again = await rig.net.connect(("srv", good.port), timeout=60)
        await again.sendall(b"back")
        assert await receive(again, 4) == b"back"
        await again.close()
    server.close()
    for writer in held:
        writer.close()
    await server.wait_closed()

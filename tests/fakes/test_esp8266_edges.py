"""Facts of Espressif modules that the larger tests pass over, one small test each (ESP-AT User Guide, AT
Command Set; ESP8266 Non-OS AT Instruction Set; issues of espressif/esp-at). Error codes: esp_at_core.h."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from fakes.esp8266 import build
from tests.netsocket.certificates import serving
from tests.ports import free_port

from .esp8266_tables import delays_of, spent_by

LENGTH, COUNT, RANGE, UNKNOWN = 0x01040000, 0x01060000, 0x01070000, 0x01090000
"""Classes of errors; for COUNT how many are needed and how many came stand in the low bytes."""
BOTH = {"both": "127.0.0.1,::1"}


async def code_of(host: Any, line: str) -> int:
    """The code that AT+SYSLOG=1 prints before ERROR."""
    told = await host.error(line)
    return int(told.removeprefix(b"ERR CODE:").strip(), 16)


def deaf_peer() -> socket.socket:
    """Listens, and never takes a byte."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    peer.bind(("127.0.0.1", 0))
    peer.listen(4)
    return peer


# ---- parameters --------------------------------------------------------------------------


@pytest.mark.parametrize(("line", "code"), [
    ("AT+CIPRECVTYPE=3", COUNT | 0x0201), ('AT+CIPDOMAIN="a",1,0,0', COUNT | 0x0104),
    ('AT+CIPDOMAIN="' + 65 * "x" + '"', LENGTH), ('AT+PING="' + 65 * "x" + '"', LENGTH),
    ("AT+CIPDINFO=-1", RANGE), ("AT+CIPDINFO=2", RANGE), ("AT+CWMODE_CUR=1", UNKNOWN), ("AT+CIPTCPOPT=0,0,0,600001", RANGE),
    ("AT+CIPTCPOPT=0,2147483648", RANGE), ("AT+CIPRECVDATA=0,2147483648", RANGE),
    ("AT+CIPRECVDATA=0,0", RANGE), ("AT+CIPRECVDATA=0,1,1", COUNT | 0x0203),
    ('AT+CIPSERVER=1,5000,"123456789"', LENGTH), ("AT" + 255 * "x", LENGTH),
])  # fmt: skip
async def test_codes(esp: Any, line: str, code: int) -> None:
    host = await esp("E33")
    await host.ok("AT+SYSLOG=1")
    assert await code_of(host, line) == code


async def test_what_is_in_range(esp: Any, udp_far: Any) -> None:
    far = await udp_far()
    host = await esp("E24", resolve={64 * "n": "127.0.0.1"})
    await host.ok("AT+SYSLOG=1")
    for mode, *rest in ((3,), (0,), (1,), (3, 0), (1, 1)):
        await host.ok(f"AT+CWMODE={','.join(map(str, [mode, *rest]))}")
        assert await host.ok("AT+CWMODE?") == b"+CWMODE:%d\r\n" % mode
        host.output.clear()
    await host.ok('AT+CWJAP="lab","secret"')
    for line in (
        'AT+CIPSTA="10.0.0.2","10.0.0.1","255.255.255.128"', "AT+CIPTCPOPT=0,2147483647,1,600000",
        f'AT+CIPDOMAIN="{64 * "n"}"', "AT+CIPSSLCCONF=0,0", "AT+CIPDINFO=1", "AT+CIPDINFO=0", 'AT+CWLAP="lab",,1',
        f'AT+CIPSTART=0,"UDP","127.0.0.1",{far.port}',
    ):  # fmt: skip
        await host.ok(line)
    # The address of the interface is not that of its gateway.
    assert (await host.ok("AT+CIFSR")).startswith(b'+CIFSR:STAIP,"10.0.0.2"\r\n')
    await host.ok("AT+CIPTCPOPT=0,,1")
    assert (await host.ok("AT+CIPTCPOPT?")).startswith(b"+CIPTCPOPT:0,-1,1,0,0\r\n")
    told = await host.command("AT+CIPSERVER=1,1")  # not everybody may have it
    assert told == b"\r\nOK\r\n" or b"0x%08x" % RANGE not in told


@pytest.mark.parametrize(("firmware", "quote"), [("N17", b""), ("E2", b""), ("E22", b'"')])
async def test_a_name_is_resolved(esp: Any, firmware: str, quote: bytes) -> None:
    host = await esp(firmware, resolve={"srv": "127.0.0.2"})
    assert await host.ok('AT+CIPDOMAIN="srv"') == b"+CIPDOMAIN:%b127.0.0.2%b\r\n" % (quote, quote)
    if firmware == "E22":
        await host.ok('AT+CIPDOMAIN="srv",2')
    else:
        await host.error('AT+CIPDOMAIN="srv",2')
    local = 'AT+CIPSTART=1,"UDP","srv",9,0,0,"127.0.0.1"'  # the own address: since v2.0
    assert (await host.command(local)).endswith(b"ERROR\r\n" if firmware == "N17" else b"OK\r\n")


async def test_names_with_both_kinds_of_address(esp: Any) -> None:
    """The type says which is wanted; AT+CIPDOMAIN: 1 prefers v4, 2 is v4 only, 3 v6 only."""
    host = await esp("E24", resolve=BOTH)
    await host.ok("AT+CIPV6=1")
    for net, address in ((1, b"127.0.0.1"), (2, b"127.0.0.1"), (3, b"::1")):
        assert await host.ok(f'AT+CIPDOMAIN="both",{net}') == b'+CIPDOMAIN:"%b"\r\n' % address
    for number, kind, address in ((0, "UDP", b"127.0.0.1"), (1, "UDPv6", b"::1")):
        await host.ok(f'AT+CIPSTART={number},"{kind}","both",9')
        row = b'+CIPSTATE:%d,"%b","%b",9,' % (number, kind.encode(), address)
        assert row in await host.ok("AT+CIPSTATE?")


@pytest.mark.parametrize("firmware", ["N17", "E2"])
async def test_what_came_later_is_an_error(esp: Any, firmware: str) -> None:
    host = await esp(firmware)
    for name in ("CIPSTATE?", "CIPSENDLCFG?", "CIPV6?", "CIPV6=1", "CIPSENDL=0,1", "CMD?"):
        assert await host.error(f"AT+{name}") == b""


async def test_names_of_the_basic_commands(esp: Any) -> None:
    listed = await (await esp("E24")).ok("AT+CMD?")
    assert b',"ATE",0,0,0,1\r\n' in listed
    assert b',"AT",0,0,0,1\r\n' in listed
    assert b'"AT+E"' not in listed


# ---- settings ----------------------------------------------------------------------------


async def test_defaults_of_build_are_those_of_the_module(esp: Any) -> None:
    """Three seconds to join, three until a host that cannot be reached fails a connection; RTS."""
    host = await esp("E24")
    spent = spent_by(host)
    await host.ok('AT+CWJAP="lab","secret"')
    assert sum(spent) == pytest.approx(3)
    spent.clear()
    await host.error('AT+CIPSTART=0,"TCP","192.0.2.1",80')
    assert sum(spent) == pytest.approx(3)
    await host.ok("AT+UART_CUR?")
    build(flow="rts")
    with pytest.raises(ValueError, match="flow"):
        build(flow="xon")


async def test_the_stored_rate_is_stored_without_sysstore(esp: Any) -> None:
    """AT+UART is AT+UART_DEF, which writes flash whatever AT+SYSSTORE says."""
    host = await esp("E24")
    await host.ok("AT+SYSSTORE=0")
    for name, flow in (("UART", 3), ("UART_DEF", 2)):
        await host.ok(f"AT+{name}=115200,8,1,0,{flow}")
        assert await host.ok("AT+UART_DEF?") == b"+UART_DEF:115200,8,1,0,%d\r\n" % flow
    await host.ok("AT+UART_CUR=115200,8,1,0,1")
    assert await host.ok("AT+UART_DEF?") == b"+UART_DEF:115200,8,1,0,2\r\n"


async def test_name_servers_of_now_and_of_flash(esp: Any) -> None:
    host = await esp("N17", boot_time="0")
    for suffix, left in (("CUR", b"127.0.0.1"), ("DEF", b"1.1.1.1")):
        await host.ok(f'AT+CIPDNS_{suffix}=1,"1.1.1.1"')
        assert await host.ok("AT+CIPDNS_CUR?") == b"+CIPDNS_CUR:1.1.1.1\r\n"
        host.send(b"AT+RST\r\n")
        await host.read_until(b"WIFI GOT IP\r\n")
        await host.ok("ATE0")
        assert await host.ok("AT+CIPDNS_CUR?") == b"+CIPDNS_CUR:%b\r\n" % left


async def test_transmit_buffers() -> None:
    """8192 bytes, 2048 on the ESP8266 (esp-at main/interface/uart/at_uart_task.c)."""
    for firmware, size in (("N17", 2048), ("E2", 2048), ("E22", 2048), ("E22-ESP32", 8192), ("E24", 8192)):  # fmt: skip
        assert build(firmware=firmware).output_limit == size


@pytest.mark.parametrize("firmware", ["N17", "E24"])
async def test_restore_tells_of_links_on_esp_at(esp: Any, far: Any, firmware: str) -> None:
    """ESP-AT prints CLOSED for each before OK (esp-at issue 120), NonOS restarts without a word."""
    end = await far()
    host = await esp(firmware, boot_time="0")
    for number in (0, 1):
        await host.ok(f'AT+CIPSTART={number},"TCP","127.0.0.1",{end.port}')
    told = await host.ok("AT+RESTORE")
    assert sorted(told.split()) == ([] if firmware == "N17" else [b"0,CLOSED", b"1,CLOSED"])
    await host.read_until(b"\r\nready\r\n")


async def test_connect_messages_are_bit_1(esp: Any, udp_far: Any) -> None:
    end = await udp_far()
    host = await esp("E24")
    for bits, head in ((1, b"0,CONNECT"), (2, b"+LINK_CONN:0,0,"), (5, b"0,CONNECT")):
        await host.ok(f"AT+SYSMSG={bits}")
        said = await host.ok(f'AT+CIPSTART=0,"UDP","127.0.0.1",{end.port}')
        assert said.startswith(head)
        await host.ok("AT+CIPCLOSE=0")


# ---- Wi-Fi -------------------------------------------------------------------------------


async def test_join_the_access_point_of_before(esp: Any) -> None:
    host = await esp("E24", access_points={"lab": "secret", "open": "", "long": 64 * "k"})
    joined = b"WIFI CONNECTED\r\nWIFI GOT IP\r\n"
    await host.ok("AT+CWQAP")
    assert await host.ok("AT+CWSTATE?") == b'+CWSTATE:4,"lab"\r\n'
    assert await host.ok("AT+CWJAP") == joined
    # An open one takes any password; a key has 64 characters; every field may be there and empty.
    for given in (
        '"open","whatever"',
        '"open"',
        '"long","' + 64 * "k" + '"',
        '"lab","secret",,,,,,,',
    ):
        assert (await host.ok(f"AT+CWJAP={given}")).endswith(joined)
    await host.ok("AT+CWQAP")
    host.modem.world.access_points.clear()
    assert await host.error("AT+CWJAP") == b"+CWJAP:3\r\n"
    nonos = await esp("N17")
    await nonos.ok("AT+CWQAP")
    await nonos.error("AT+CWJAP")


async def test_a_station_that_never_joined(esp: Any) -> None:
    host = await esp("E24", raw=True)
    await host.ok("ATE0")
    assert await host.ok("AT+CWSTATE?") == b'+CWSTATE:0,""\r\n'
    await host.ok("AT+CWMODE=1")
    assert await host.error("AT+CWJAP") == b""


async def test_joined_without_an_address_yet(esp: Any) -> None:
    host = await esp("E24", dhcp="none")
    await host.command('AT+CWJAP="lab","secret"')
    host.output.clear()
    assert await host.ok("AT+CWSTATE?") == b'+CWSTATE:1,"lab"\r\n'


async def test_joined_now_and_stored(esp: Any) -> None:
    host = await esp("N17", access_points={"lab": "secret", "other": ""})
    await host.ok('AT+CWJAP_CUR="other",""')
    assert (await host.ok("AT+CWJAP_DEF?")).startswith(b'+CWJAP_DEF:"lab",')
    assert (await host.ok("AT+CWJAP_CUR?")).startswith(b'+CWJAP_CUR:"other",')


async def test_a_scan_is_not_sorted_unless_asked_for(esp: Any) -> None:
    """AT+CWLAPOPT: by strength when its first parameter is 1. Channels are 1 to 13."""
    names = [f"net{number}" for number in range(60)]
    host = await esp("E24", access_points=dict.fromkeys(names, ""), joined="net0")

    async def scan() -> list[list[bytes]]:
        rows = (await host.ok("AT+CWLAP")).splitlines()
        return [row.removeprefix(b"+CWLAP:(").split(b",") for row in rows]

    found = await scan()
    assert [row[1].strip(b'"').decode() for row in found] == names
    assert {int(row[4]) for row in found} == set(range(1, 14))
    await host.ok("AT+CWLAPOPT=1,2047")
    strengths = [int(row[2]) for row in await scan()]
    assert strengths == sorted((int(row[2]) for row in found), reverse=True)


async def test_attempts_to_come_back(esp: Any) -> None:
    """AT+CWRECONNCFG=interval,count: so many attempts; an address in the last quarter of 3 s."""
    host = await esp("E24", boot_time="0")
    await host.ok("AT+CWRECONNCFG=5,3")
    spent = spent_by(host)
    host.modem.pause = lambda: asyncio.sleep(0)
    host.modem.lose_wifi()
    await host.expect(b"WIFI DISCONNECT\r\nWIFI CONNECTED\r\nWIFI GOT IP\r\n")
    assert spent == [5, pytest.approx(0.75)]
    spent.clear()
    host.modem.world.access_points.clear()
    host.modem.lose_wifi()
    await host.expect(b"WIFI DISCONNECT\r\n")
    for _ in range(30):
        await asyncio.sleep(0)
    assert spent == [5, 5, 5]


async def turns(host: Any) -> None:
    """Nothing comes in so many turns of the loop, where no time passes."""
    for _ in range(30):
        await asyncio.sleep(0)
    assert not host.output


async def test_a_start_joins_nothing_that_was_left(esp: Any) -> None:
    host = await esp("E24", raw=True, joined="lab")
    host.modem.leave()
    await host.expect(b"WIFI DISCONNECT\r\n")
    await turns(host)


async def test_a_restart_joins_only_what_is_there(esp: Any) -> None:
    host = await esp("E24", boot_time="0")
    host.modem.world.access_points.clear()
    host.send(b"AT+RST\r\n")
    await host.read_until(b"\r\nready\r\n")
    await turns(host)


async def test_time_arrives_only_where_it_is_wanted(esp: Any) -> None:
    """+TIME_UPDATED with AT+CIPSNTPCFG=1 (zone 0 is one too) and an address, else not."""
    host = await esp("E24")
    actions: list[Any] = []
    host.modem.later = lambda _delay, action: actions.append(action)
    await host.ok("AT+CIPSNTPCFG=1,0")
    actions[0]()
    await host.expect(b"+TIME_UPDATED\r\n")
    await host.ok("AT+CIPSNTPCFG=1,8")
    await host.ok("AT+CIPSNTPCFG=0,8")
    actions[1]()
    assert not host.output
    await host.ok("AT+CIPSNTPCFG=1")
    host.modem.leave()
    await host.expect(b"WIFI DISCONNECT\r\n")
    actions[2]()
    assert not host.output


# ---- links -------------------------------------------------------------------------------


async def test_closed_comes_at_once_on_esp_at(esp: Any) -> None:
    with deaf_peer() as peer:
        port = peer.getsockname()[1]
    host = await esp("E24")
    delays = delays_of(host)
    host.send(b'AT+CIPSTART=0,"TCP","127.0.0.1",%d\r\n' % port)
    await host.expect(b"\r\nERROR\r\n0,CLOSED\r\n")
    assert delays == []


async def test_a_datagram_without_destination_fails(esp: Any) -> None:
    host = await esp("E24")
    await host.ok('AT+CIPSTART=0,"UDP","0.0.0.0",9,0,0')
    host.send(b"AT+CIPSEND=0,1\r\n")
    await host.expect(b"\r\nOK\r\n\r\n>")
    host.send(b"x")
    await host.expect(b"\r\nRecv 1 bytes\r\n\r\nSEND FAIL\r\n")


async def test_so_sndtimeo_ends_a_send(esp: Any) -> None:
    """AT+CIPTCPOPT, third parameter, milliseconds: then SEND FAIL; without it there is no end."""
    with deaf_peer() as peer:
        host = await esp("E24", time_scale=0.001)
        await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{peer.getsockname()[1]}')
        said = b""
        await host.ok("AT+CIPTCPOPT=0,-1,0,20000")
        for _ in range(50):
            host.send(b"AT+CIPSEND=0,8192\r\n")
            await host.expect(b"\r\nOK\r\n\r\n>")
            host.send(bytes(8192))
            said = await host.command("")
            if said.endswith(b"SEND FAIL\r\n"):
                break
        assert said.endswith(b"SEND FAIL\r\n")


async def test_nonos_fails_a_send_whose_link_ends(esp: Any) -> None:
    """SEND OK is the peer's acknowledgement: with the link goes the hope for it."""
    with deaf_peer() as peer:
        host = await esp("N17")
        await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{peer.getsockname()[1]}')
        for _ in range(50):
            host.send(b"AT+CIPSEND=0,2048\r\n")
            await host.expect(b"\r\nOK\r\n> ")
            host.send(bytes(2048))
            await host.expect(b"\r\nRecv 2048 bytes\r\n")
            for _ in range(10):
                await asyncio.sleep(0.001)
            if not host.output:
                break
            await host.expect(b"\r\nSEND OK\r\n")
        host.modem.leave()
        assert (await host.read_until(b"\r\nSEND FAIL\r\n")).startswith(b"WIFI DISCONNECT\r\n")


@pytest.mark.parametrize("firmware", ["E2", "E22"])
async def test_clients_outlive_the_server(esp: Any, connect: Any, firmware: str) -> None:
    """AT+CIPSERVER=0 keeps them; =0,1 (v2.2) does not."""
    host, port = await esp(firmware), free_port()
    await host.ok(f"AT+CIPSERVER=1,{port}")
    await connect(port)
    await host.expect(b"0,CONNECT\r\n")
    assert await host.ok("AT+CIPSERVER=0") == b""
    assert b"+CIPSTATUS:0," in await host.ok("AT+CIPSTATUS")


# ---- transparent transmission ------------------------------------------------------------


async def transparent(host: Any, port: int, message: int, kind: str = "TCP") -> None:
    if message:
        await host.ok(f"AT+SYSMSG={message}")
    if host.modem.profile.level >= 24:
        await host.ok("AT+TRANSINTVL=0")
    await host.ok(f'AT+CIPSTART="{kind}","127.0.0.1",{port}')
    await host.ok("AT+CIPMODE=1")
    host.send(b"AT+CIPSEND\r\n")
    await host.expect(b"\r\n>" if host.modem.profile.name == "N0" else b"\r\nOK\r\n\r\n>")


@pytest.mark.parametrize(
    ("message", "closed", "left"),
    [(0, b"", b""), (1, b"", b"\r\n+QUITT\r\n"), (4, b"CLOSED\r\n", b"")],
)
async def test_notices_of_transparent_mode(
    esp: Any, far: Any, message: int, closed: bytes, left: bytes
) -> None:
    """AT+SYSMSG: bit 0 says +QUITT at its end, bit 2 tells of links in it."""

    async def greet(reader: Any, writer: Any) -> None:
        await reader.readexactly(2)
        writer.write(b"hello")

    end = await far(greet)
    host = await esp("E24", mux=0)
    await transparent(host, end.port, message)
    host.send(b"hi")
    await host.expect(b"hello" + closed)  # bare, and then the peer closes
    async with asyncio.timeout(5):
        while host.modem.links[0]:
            await asyncio.sleep(0)
    assert not host.output
    await asyncio.sleep(0.025)  # the escape is a packet of its own
    host.send(b"+++")
    async with asyncio.timeout(5):
        while host.modem.phase:
            await asyncio.sleep(0.001)
    await host.expect(left)
    assert await host.ok("AT+CIPMODE?") == b"+CIPMODE:1\r\n"


@pytest.mark.parametrize(("firmware", "size"), [
    ("N0", 2048), ("N17", 2048), ("E2", 1460), ("E22", 1460), ("E22-ESP32", 2920), ("E24", 2920),
])  # fmt: skip
async def test_blocks_of_transparent_mode(esp: Any, udp_far: Any, firmware: str, size: int) -> None:
    """The manual's note under AT+CIPSEND: the size of the packets that are sent. What comes back is bare
    (from one that is longer than 1472 bytes: nothing)."""
    end = await udp_far()
    host = await esp(firmware, mux=0)
    await transparent(host, end.port, 0, "UDP")
    host.send(bytes(2 * size + 3))
    async with asyncio.timeout(5):
        while len(end.got) < 3:
            await asyncio.sleep(0.001)
    assert [len(data) for data, _ in end.got] == [size, size, 3]
    await host.expect(bytes(3 if size > 1472 else 2 * size + 3))


# ---- receiving ---------------------------------------------------------------------------


async def test_receive_type_of_a_single_link(esp: Any) -> None:
    host = await esp("E33", mux=0)
    assert await host.ok("AT+CIPRECVTYPE?") == b"+CIPRECVTYPE:0\r\n"
    await host.ok("AT+CIPRECVTYPE=1")
    assert await host.ok("AT+CIPRECVTYPE?") == b"+CIPRECVTYPE:1\r\n"


async def test_active_links_have_nothing_to_ask_for(esp: Any, udp_far: Any) -> None:
    host = await esp("E24")
    await host.ok(f'AT+CIPSTART=1,"UDP","127.0.0.1",{(await udp_far()).port}')
    assert await host.ok("AT+CIPRECVLEN?") == b"+CIPRECVLEN:-1,0,-1,-1,-1\r\n"


async def test_the_longest_datagram(esp: Any, udp_far: Any) -> None:
    """1472 bytes fill a frame of Ethernet; a longer one needs an image that puts parts together."""
    far, host = await udp_far(), await esp("E24")
    await host.ok(f'AT+CIPSTART=0,"UDP","127.0.0.1",{far.port},0,0')
    for size in (1473, 1472):
        far.transport.sendto(bytes(size), ("127.0.0.1", host.modem.links[0].local_port))
    await host.expect(b"\r\n+IPD,0,1472:" + bytes(1472))


async def test_the_longest_read(esp: Any, far: Any) -> None:
    """AT+CIPRECVDATA: 2147483647 on ESP-AT (DOC), what is there comes."""

    async def greet(reader: Any, writer: Any) -> None:
        writer.write(b"pong")
        await reader.read()

    host = await esp("E24")
    await host.ok("AT+CIPRECVMODE=1")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{(await far(greet)).port}')
    await host.expect(b"\r\n+IPD,0,4\r\n")
    await host.error("AT+CIPRECVDATA=0,2147483648")
    assert await host.ok("AT+CIPRECVDATA=0,2147483647") == b"+CIPRECVDATA:4,pong"


async def test_nonos_keeps_what_was_not_read(esp: Any, far: Any) -> None:
    """CLOSED comes at once, the rest stays until all of it was read."""

    async def greet(_: Any, writer: Any) -> None:
        writer.write(b"pong")

    host = await esp("N17")
    await host.ok("AT+CIPRECVMODE=1")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{(await far(greet)).port}')
    await host.expect(b"\r\n+IPD,0,4\r\n0,CLOSED\r\n")
    for piece in (b"po", b"n", b"g"):
        told = await host.ok(f"AT+CIPRECVDATA=0,{len(piece)}")
        assert told == b"\r\n+CIPRECVDATA,%d:%b" % (len(piece), piece)
    assert await host.error("AT+CIPRECVDATA=0,1") == b"link is not valid\r\n"


async def test_frames_of_nonos_are_segments(esp: Any, far: Any) -> None:
    async def flood(reader: Any, writer: Any) -> None:
        writer.write(bytes(8000))
        await reader.read()

    host = await esp("N0")
    host.modem.pause_output()
    host.send(b'AT+CIPSTART=0,"TCP","127.0.0.1",%d\r\n' % (await far(flood)).port)
    async with asyncio.timeout(5):
        while not (link := host.modem.links[0]) or link.waiting() < 2000:
            await asyncio.sleep(0.001)
    host.modem.resume_output()
    await host.until(lambda: len(host.output) > 8000)
    sizes = [int(part.partition(b":")[0]) for part in bytes(host.output).split(b"+IPD,0,")[1:]]
    assert max(sizes) == 1460


async def flooded(host: Any, far: Any, count: int, arrived: Any) -> None:
    """`count` datagrams reach a module whose host does not read."""
    await host.ok(f'AT+CIPSTART=0,"UDP","127.0.0.1",{far.port},0,0')
    host.modem.pause_output()
    port = host.modem.links[0].local_port
    for number in range(count):
        far.transport.sendto(b"%03d" % number, ("127.0.0.1", port))
    async with asyncio.timeout(5):
        while not arrived():
            await asyncio.sleep(0.001)
    host.modem.resume_output()


async def test_everything_comes_when_the_host_reads_again(esp: Any, udp_far: Any) -> None:
    host, far = await esp("E24"), await udp_far()
    ticks = iter(range(20))
    await flooded(host, far, 60, lambda: next(ticks) > 10)
    await host.expect(b"".join(b"\r\n+IPD,0,3:%03d" % number for number in range(60)))


async def test_everything_is_lost_without_flow_control(esp: Any, udp_far: Any) -> None:
    host, far = await esp("E24", flow="none"), await udp_far()
    await flooded(host, far, 60, lambda: len(host.journal("overrun")) == 60)
    await host.quiet(0.005)


async def test_the_end_of_a_tls_link_follows_at_once(esp: Any) -> None:
    """esp-at issue 729: AT+CIPRECVDATA of a close_notify is ERROR, and then CLOSED."""
    closing = asyncio.Event()

    async def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closing.wait()
        writer.close()

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=serving("good"))
    async with server:
        host = await esp("E24")
        await host.ok("AT+CIPRECVMODE=1")
        port = server.sockets[0].getsockname()[1]
        await host.ok(f'AT+CIPSTART=0,"SSL","127.0.0.1",{port}')
        closing.set()
        await host.expect(b"\r\n+IPD,0,31\r\n")
        delays = delays_of(host)
        host.send(b"AT+CIPRECVDATA=0,31\r\n")
        await host.expect(b"\r\nERROR\r\n0,CLOSED\r\n")
        assert delays == [0]

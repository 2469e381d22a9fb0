"""SKSTACK-IP: the fact sheet's lines (section 5.3) and the BP35A1's as its users' tests have them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fakes
from fakes.actions import perform
from fakes.errors import UnknownFirmwareError, UnknownSettingError
from fakes.peers import Peer
from fakes.skstack import build
from tests.fakes.mesh_host import Console, running, virtual
from tests.ports import free_port

HOST4 = "FD00:0064:0064:0000:0000:0000:7F00:0001"
PAA = "FE80:0000:0000:0000:0000:6400:6400:00FE"
OWN = "FE80:0000:0000:0000:021D:1290:0000:0001"
GLOBAL = "FD00:0064:0064:0002:021D:1290:0000:0001"


async def ask(stick: Console, line: str) -> str:
    """A command and all up to its result, echo off."""
    stick.take()
    stick.type(line + "\r\n")
    answer = await stick.until(rb"(?:^|\n)(?:OK|FAIL ER\d\d)\r\n")
    return answer.decode("latin-1").replace("\r\n", "\n")


async def quiet(stick: Console) -> None:
    assert await ask(stick, "SKSREG SFE 0") == "SKSREG SFE 0\nOK\n"


async def test_echo_until_it_is_switched_off() -> None:
    async with running(build(time_scale=0)) as [stick]:
        stick.type(b"SKVER\r\n")
        assert await stick.until(rb"OK\r\n") == b"SKVER\r\nEVER 1.2.10\r\nOK\r\n"
        stick.type(f"SKSENDTO 1 {HOST4} 0E1A 0 0005 a\r\nb\0".encode())
        head = f"SKSENDTO 1 {HOST4} 0E1A 0 0005 \r\n"  # the echo is without the payload
        assert await stick.until(rb"OK\r\n") == (
            f"{head}EVENT 21 {HOST4} 02\r\nEVENT 21 {HOST4} 01\r\nOK\r\n".encode()
        )
        stick.type(b"SKSREG SFE 0\r\n")
        await stick.until(rb"OK\r\n")
        stick.type(b"\r\nSKVER\r")
        assert await stick.until(rb"OK\r\n") == b"EVER 1.2.10\r\nOK\r\n"
        stick.type(b"SKSREG SFE\r\n")
        assert await stick.until(rb"OK\r\n") == b"ESREG 0\r\nOK\r\n"
        stick.type(b"SKRESET\r\n")
        assert await stick.until(rb"OK\r\n") == b"OK\r\n"
        await asyncio.sleep(0.01)
        stick.type(b"SKVER\r\n")
        assert (await stick.until(rb"OK\r\n")).startswith(b"SKVER\r\n")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("SKINFO", f"EINFO {OWN} 001D129000000001 21 FFFF FFFE\nOK\n"),
        ("SKAPPVER", "EAPPVER rev26e\nOK\n"),
        ("SKNONSENSE", "FAIL ER04\n"),
        ("SKVER 1", "FAIL ER05\n"),
        ("SKSETPWD C", "FAIL ER05\n"),
        ("SKSETPWD C 12345", "FAIL ER06\n"),
        ("SKSETPWD 5 12345", "OK\n"),
        ("SKSETPWD 0 12345", "FAIL ER06\n"),
        ("SKSETRBID 1234", "FAIL ER06\n"),
        ("SKSCAN 4 FFFFFFFF 2", "FAIL ER06\n"),
        ("SKSCAN 2 FFFFFFFF F", "FAIL ER06\n"),
        ("SKJOIN FE80::1", "FAIL ER06\n"),
        (f"SKJOIN {PAA}", "FAIL ER10\n"),  # no password
        ("SKREJOIN", "FAIL ER10\n"),
        ("SKTERM", "FAIL ER10\n"),
        ("SKSREG S2", "ESREG 21\nOK\n"),
        ("SKSREG S02", "ESREG 21\nOK\n"),
        ("SKSREG S3", "ESREG FFFF\nOK\n"),
        ("SKSREG S16", "ESREG 00015180\nOK\n"),
        ("SKSREG S2 20", "FAIL ER06\n"),
        ("SKSREG S2 3C", "OK\n"),
        ("SKSREG S2 3D", "FAIL ER06\n"),
        ("SKSREG S99", "FAIL ER06\n"),
        ("SKSREG T2", "FAIL ER06\n"),
        ("SKSREG SFB 1", "FAIL ER06\n"),
        ("SKSREG SFE 2", "OK\n"),
        ("SKTABLE 1", f"EADDR\n{OWN}\nOK\n"),
        ("SKTABLE 2", "ENEIGHBOR\nOK\n"),
        ("SKTABLE E", "EPORT\n3610\n716\n0\n0\n0\n0\n0\n0\n0\n0\nOK\n"),
        ("SKTABLE F", "EHANDLE\nOK\n"),
        ("SKTABLE 3", "FAIL ER06\n"),
        ("SKUDPPORT 7 1", "FAIL ER06\n"),
        ("SKUDPPORT 0 1", "FAIL ER06\n"),
        ("SKUDPPORT 3 0E1A", "FAIL ER10\n"),  # handle 1 has it
        ("SKUDPPORT 6 FFFF", "OK\n"),
        ("SKTCPPORT 5 1", "FAIL ER06\n"),
        (f"SKCONNECT {HOST4} 50 0", "FAIL ER06\n"),
        (f"SKCONNECT {HOST4} 50 50", "FAIL ER10\n"),  # no session
        ("SKCLOSE 1", "FAIL ER10\n"),
        ("SKCLOSE 7", "FAIL ER06\n"),
        ("SKSAVE", "OK\n"),
        ("SKLOAD", "FAIL ER10\n"),
        ("SKERASE", "OK\n"),
        (f"SKADDNBR {PAA} 02006400640000FE", "OK\n"),
        ("WOPT 2", "FAIL ER06\n"),
        ("SKLL64 12", "FAIL ER06\n"),
        ("SKLL64 001D12901234567Z", "FAIL ER06\n"),
        ("X" * 600, "FAIL ER09\n"),
    ],
)
async def test_answers_of_a_stick_without_a_session(line: str, answer: str) -> None:
    async with running(build(time_scale=0)) as [stick]:
        await quiet(stick)
        assert await ask(stick, line) == answer


async def test_answers_that_are_not_like_the_others() -> None:
    async with running(build(time_scale=0)) as [stick]:
        await quiet(stick)
        stick.type(b"SKLL64 001D129012345678\r\n")  # a bare line, no OK
        assert await stick.until(rb"\r\n") == b"FE80:0000:0000:0000:021D:1290:1234:5678\r\n"
        stick.type(b"ROPT\r")
        assert await stick.until(rb"\r") == b"OK 00\r"
        stick.type(b"WOPT 01\r")
        assert await stick.until(rb"\r") == b"OK\r"
        stick.type(b"ROPT\r")
        assert await stick.until(rb"\r") == b"OK 01\r"
        assert [r.detail for r in stick.modem.journal if r.kind == "flash"] == ["WOPT 01"]
        await asyncio.sleep(0.01)
        assert stick.take() == b""
    async with running(build(time_scale=0, ropt_end="crlf", opt="01")) as [stick]:
        await quiet(stick)
        assert await ask(stick, "SKVER") == "EVER 1.2.10\nOK\n"
        stick.type(b"ROPT\r\n")
        assert await stick.until(rb"\r\n") == b"OK 01\r\n"


def test_scan_join_and_leave() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with running(build(offline=True)) as [stick]:
            await quiet(stick)
            begun = loop.time()
            assert await ask(stick, "SKSCAN 2 FFFFFFFF 6") == "OK\n"
            assert await stick.until(rb"EVENT 22 .*\r\n", 60) == f"EVENT 22 {OWN}\r\n".encode()
            assert loop.time() - begun == pytest.approx(28 * 0.0096 * 65, rel=0.01)
            await ask(stick, "SKSETRBID 00112233445566778899AABBCCDDEEFF")
            assert await ask(stick, "SKSCAN 2 00000001 6") == "OK\n"
            assert (await stick.until(rb"EVENT 22 .*\r\n", 60)).decode().replace("\r\n", "\n") == (
                f"EVENT 20 {PAA}\nEPANDESC\n  Channel:21\n  Channel Page:09\n  Pan ID:8888\n"
                f"  Addr:02006400640000FE\n  LQI:E1\n  PairID:CCDDEEFF\nEVENT 22 {OWN}\n"
            )
            await ask(stick, "SKSCAN 3 FFFFFFFE 2")  # not that channel
            assert await stick.until(rb"EVENT 22 .*\r\n", 60) == f"EVENT 22 {OWN}\r\n".encode()
            await ask(stick, "SKSCAN 3 FFFFFFFF 2 0")
            assert b"PairID" not in await stick.until(rb"LQI.*EVENT 22 .*\r\n", 60)
            await ask(stick, "SKSCAN 0 00000003 2")
            energy = (await stick.until(rb"EEDSCAN\r\n.*\r\n", 60)).decode().split("\r\n")
            assert energy[0] == f"EVENT 1F {OWN}"
            assert energy[2].split()[::2] == ["21", "22"]

            await ask(stick, "SKSETPWD C 0123456789AB")
            assert await ask(stick, f"SKJOIN {PAA}") == "OK\n"  # another PAN as yet
            assert await stick.until(rb"EVENT 2[45] .*\r\n", 60) == (
                f"EVENT 21 {PAA} 02\r\nEVENT 24 {PAA}\r\n".encode()
            )
            assert await ask(stick, "SKSREG S3 8888") == "OK\n"
            assert await ask(stick, f"SKJOIN {PAA}") == "OK\n"
            joined = await stick.until(rb"EVENT 2[45] .*\r\n", 60)
            assert joined.startswith(
                f"EVENT 21 {PAA} 02\r\nEVENT 02 {PAA}\r\nEVENT 21 {PAA} 00\r\n"
                f"ERXUDP {PAA} {OWN} 02CC 02CC 02006400640000FE 0 0010 ".encode()
            )
            assert joined.endswith(f"\r\nEVENT 25 {PAA}\r\n".encode())
            assert await ask(stick, "SKTABLE 1") == f"EADDR\n{OWN}\n{GLOBAL}\nOK\n"
            assert await ask(stick, "SKTABLE 2") == f"ENEIGHBOR\n{PAA} 02006400640000FE FFFF\nOK\n"
            assert await ask(stick, "SKREJOIN") == "OK\n"
            await stick.until(rb"EVENT 25 .*\r\n", 60)
            assert await ask(stick, "SKTERM") == "OK\n"
            assert await stick.until(rb"EVENT.*\r\n") == f"EVENT 27 {PAA}\r\n".encode()
            await ask(stick, "SKSETPWD C wrong_secret")
            await ask(stick, f"SKJOIN {PAA}")
            assert f"EVENT 24 {PAA}\r\n".encode() in await stick.until(rb"EVENT 2[45] .*\r\n", 60)
        async with running(build(offline=True, joined="yes")) as [stick]:
            await quiet(stick)
            perform(stick.modem, "event", "session_expired")
            assert await stick.until(rb"EVENT.*\r\n") == f"EVENT 29 {PAA}\r\n".encode()
            assert await ask(stick, "SKTERM") == "FAIL ER10\n"
        async with running(build(offline=True, joined="yes")) as [stick]:
            await quiet(stick)
            perform(stick.modem, "event", "out_of_range")
            await ask(stick, "SKTERM")
            assert await stick.until(rb"EVENT.*\r\n") == f"EVENT 28 {PAA}\r\n".encode()

    virtual(scenario)


@pytest.mark.parametrize(
    ("firmware", "settings", "middle", "shown"),
    [
        ("general", {}, "", b"a\r\nb\x00\xff"),
        ("broute", {}, "", b"a\r\nb\x00\xff"),
        ("han", {}, " E1", b"a\r\nb\x00\xff"),
        ("general", {"opt": "01", "fields": "10"}, " E1", b"610D0A6200FF"),
        ("han", {"fields": "9"}, "", b"a\r\nb\x00\xff"),
    ],
    ids=["9", "broute", "10", "hex", "han-9"],
)
async def test_udp_both_ways(
    udp_far: Any, firmware: str, settings: dict[str, str], middle: str, shown: bytes
) -> None:
    far = await udp_far()
    data = b"a\r\nb\x00\xff"
    async with running(build(firmware=firmware, time_scale=0, joined="yes", **settings)) as [stick]:
        await quiet(stick)
        assert await ask(stick, "SKUDPPORT 3 5001") == "OK\n"
        head = f"SKSENDTO 3 {HOST4} {far.port:04X} 1 0006 ".encode()
        for piece in (head[:20], head[20:], data[:2], data[2:]):  # however it is cut
            stick.type(piece)
            await asyncio.sleep(0.001)
        assert await stick.until(rb"OK\r\n") == f"EVENT 21 {HOST4} 00\r\nOK\r\n".encode()
        wanted = (
            f"ERXUDP {HOST4} {GLOBAL} {far.port:04X} 5001 02006400640000FE{middle} 1 0006 ".encode()
            + shown
            + b"\r\n"
        )
        await stick.until(rb"(?=ERXUDP)")
        assert await stick.until(rb".*" + shown[-2:] + rb"\r\n") == wanted
        assert far.got[-1][0] == data


async def test_what_sksendto_refuses() -> None:
    async with running(build(time_scale=0, joined="yes")) as [stick]:
        await quiet(stick)

        async def send(start: str, data: bytes = b"x") -> bytes:
            stick.take()
            stick.type(f"SKSENDTO {start} {len(data):04X} ".encode() + data)
            return await stick.until(rb"(?:OK|FAIL ER\d\d)\r\n")

        assert await send(f"1 {HOST4} 0E1A 0", b"") == b"FAIL ER06\r\n"
        assert await send(f"1 {HOST4} 0E1A 0", bytes(0x4D1)) == b"FAIL ER06\r\n"
        # a port of its own: another test's stick may have this one on this computer
        assert (await send(f"1 {HOST4} {free_port():04X} 0", bytes(0x4D0))).endswith(
            b" 00\r\nOK\r\n"
        )
        assert await send(f"1 {HOST4} 0E1A 3") == b"FAIL ER06\r\n"
        assert await send(f"1 {HOST4} 0 0") == b"FAIL ER06\r\n"
        assert await send(f"7 {HOST4} 0E1A 0") == b"FAIL ER06\r\n"
        assert await send("1 FD00::1 0E1A 0") == b"FAIL ER06\r\n"
        assert await send(f"3 {HOST4} 0E1A 0") == b"FAIL ER10\r\n"  # that port is 0
        assert await ask(stick, "SKSENDTO 1 2") == "FAIL ER05\n"
        nobody = "FE80:0000:0000:0000:0000:0000:0000:0009"
        assert await send(f"1 {nobody} 0E1A 0") == (
            f"EVENT 21 {nobody} 02\r\nEVENT 21 {nobody} 01\r\nOK\r\n".encode()
        )
        perform(stick.modem, "event", "session_expired")
        stick.take()
        assert await send(f"1 {HOST4} 0E1A 1") == b"FAIL ER10\r\n"  # nothing to encrypt with


def test_transmit_time_limit() -> None:
    async def scenario() -> None:
        peers = {"192.0.2.7:3610": Peer("echo")}
        target = "FD00:0064:0064:0000:0000:0000:C000:0207"
        modem = build(offline=True, joined="yes", duty_bytes="10", duty_rest="30", peers=peers)
        async with running(modem) as [stick]:
            await quiet(stick)
            send = f"SKSENDTO 1 {target} 0E1A 1 0006 abcdef"
            stick.type(send)
            assert (await stick.until(rb"abcdef\r\n")).endswith(b" 1 0006 abcdef\r\n")
            stick.type(send)
            limited = await stick.until(rb"abcdef\r\n")
            assert f"EVENT 32 {OWN}\r\n".encode() in limited
            assert await ask(stick, "SKSREG SFB") == "ESREG 1\nOK\n"
            stick.type(send)
            assert await stick.until(rb"OK\r\n") == f"EVENT 21 {target} 01\r\nOK\r\n".encode()
            assert await stick.until(rb"EVENT 33.*\r\n", 60) == f"EVENT 33 {OWN}\r\n".encode()
            stick.type(send)
            assert f"EVENT 21 {target} 00".encode() in await stick.until(rb"abcdef\r\n")
            stick.take()
            perform(stick.modem, "event", "limit_on")
            perform(stick.modem, "event", "limit_on")
            perform(stick.modem, "event", "limit_off")
            assert stick.take() == f"EVENT 32 {OWN}\r\nEVENT 33 {OWN}\r\n".encode()

    virtual(scenario)


async def test_tcp_line_by_line(far: Any) -> None:
    end = await far()
    async with running(build(time_scale=0, joined="yes")) as [stick]:
        await quiet(stick)
        assert await ask(stick, f"SKCONNECT {HOST4} {end.port:X} 5005") == "OK\n"
        assert await stick.until(rb"\r\n") == (f"ETCP 1 1 {HOST4} {end.port:04X} 5005\r\n".encode())
        stick.type(b"SKSEND 1 0006 a\r\n\x00\xffb")
        said = b""
        while not (b"ETCP 5 1\r\n" in said and said.count(b"\r\n") == 4):
            said += await stick.until(rb"\r\n")
        assert said.startswith(b"OK\r\n")
        assert b"ETCP 5 1\r\n" in said
        head = f"ERXTCP {HOST4} {end.port:04X} 5005 0006 ".encode()
        assert head + b"a\r\n\x00\xffb\r\n" in said
        assert await ask(stick, "SKTABLE F") == f"EHANDLE\n1 {HOST4} {end.port:04X} 5005\nOK\n"
        assert await ask(stick, f"SKCONNECT {HOST4} {end.port:X} 5005") == "OK\n"
        assert await stick.until(rb"\r\n") == b"ETCP 4 2\r\n"
        assert await ask(stick, f"SKCONNECT {HOST4} 1 5006") == "OK\n"
        assert await stick.until(rb"\r\n") == b"ETCP 3 2\r\n"
        assert await ask(stick, "SKCLOSE 1") == "OK\n"
        assert await stick.until(rb"\r\n") == b"ETCP 3 1\r\n"
        stick.type(b"SKSEND 1 0001 x")
        assert await stick.until(rb"\r\n") == b"FAIL ER10\r\n"


async def test_the_peer_ends_the_connection(far: Any) -> None:
    async def bye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"bye")

    end = await far(bye)
    async with running(build(time_scale=0, joined="yes")) as [stick]:
        await quiet(stick)
        await ask(stick, f"SKCONNECT {HOST4} {end.port:X} 5007")
        await stick.until(rb"ETCP 1 .*?\r\n")
        stick.type(b"SKSEND 1 0001 x")
        assert b" 0003 bye\r\n" in await stick.until(rb"ETCP 3 1\r\n")


async def test_tcp_listening(connect: Any) -> None:
    port = free_port()
    async with running(build(time_scale=0, joined="yes", opt="01")) as [stick]:
        await quiet(stick)
        assert await ask(stick, f"SKTCPPORT 1 {port:X}") == "OK\n"
        assert await ask(stick, f"SKTCPPORT 2 {port:X}") == "FAIL ER10\n"
        assert f"\n{port}\n0\n0\n0\nOK" in await ask(stick, "SKTABLE E")
        reader, writer = await connect(port)
        its = writer.get_extra_info("sockname")[1]
        assert (
            await stick.until(rb"ETCP.*\r\n")
            == f"ETCP 1 1 {HOST4} {its:04X} {port:04X}\r\n".encode()
        )
        writer.write(b"hi")
        assert await stick.until(rb"ERXTCP.*\r\n") == (
            f"ERXTCP {HOST4} {its:04X} {port:04X} 0002 6869\r\n".encode()
        )
        stick.type(b"SKSEND 1 0003 yes")
        assert await reader.readexactly(3) == b"yes"
        assert await ask(stick, "SKTCPPORT 1 0") == "OK\n"
        with pytest.raises(OSError):
            await connect(port)
        assert (await ask(stick, "SKCLOSE 1")).endswith("OK\n")
        assert await reader.read() == b""


async def test_route_b_firmware_has_no_tcp() -> None:
    for firmware in ("broute", "han"):
        async with running(build(firmware=firmware, time_scale=0, joined="yes")) as [stick]:
            await quiet(stick)
            assert await ask(stick, "SKTCPPORT 1 1") == "FAIL ER04\n"
            assert await ask(stick, f"SKCONNECT {HOST4} 1 1") == "FAIL ER04\n"
            assert await ask(stick, "SKTABLE E") == "EPORT\n3610\n716\n0\n0\n0\n0\nOK\n"


@pytest.mark.parametrize(("busy", "second"), [("fail", b"FAIL ER10"), ("queue", b"OK")])
def test_two_sticks_of_one_coordinator(busy: str, second: bytes) -> None:
    async def scenario() -> None:
        more = {"mesh": f"pan-{busy}", "joined": "yes", "send_busy": busy}
        sticks = [build(offline=True, **more) for _ in range(2)]
        async with running(*sticks) as [one, two]:
            for stick in (one, two):
                await quiet(stick)
            there = (await ask(two, "SKTABLE 1")).split()[2]
            here = (await ask(one, "SKTABLE 1")).split()[2]
            one.type(f"SKSENDTO 1 {there} 0E1A 1 0002 hi".encode())
            mac = one.modem.node.eui64.hex().upper()
            assert await two.until(rb"hi\r\n") == (
                f"ERXUDP {here} {there} 0E1A 0E1A {mac} 1 0002 hi\r\n".encode()
            )
            await ask(two, "SKTCPPORT 1 50")
            assert await ask(one, f"SKPING {there}") == "OK\n"
            assert await one.until(rb"EPONG.*\r\n") == f"EPONG {there}\r\n".encode()
            await ask(one, f"SKCONNECT {there} 50 51")
            assert await one.until(rb"ETCP.*\r\n") == f"ETCP 1 1 {there} 0050 0051\r\n".encode()
            assert await two.until(rb"ETCP.*\r\n") == f"ETCP 1 1 {here} 0051 0050\r\n".encode()
            one.type(b"SKSEND 1 0003 abcSKSEND 1 0001 d")  # the second before ETCP 5
            assert await one.until(rb"OK\r\n.*?\r\n") == b"OK\r\n" + second + b"\r\n"
            assert await two.until(rb"abc\r\n") == f"ERXTCP {here} 0051 0050 0003 abc\r\n".encode()
            await one.until(rb"ETCP 5 1\r\n")
            await asyncio.sleep(1)
            assert (b" d\r\n" in two.take()) is (busy == "queue")
            one.take()
            await ask(two, "SKCLOSE 1")
            assert await one.until(rb"\r\n") == b"ETCP 3 1\r\n"

    virtual(scenario)


def test_settings_are_checked() -> None:
    with pytest.raises(UnknownSettingError, match="valid: border"):
        build(nonsense="1")
    for name, value in [("opt", "02"), ("ropt_end", "x"), ("send_busy", "x"), ("joined", "1")]:
        with pytest.raises(UnknownSettingError, match=f"{name}={value}"):
            build(**{name: value})
    with pytest.raises(UnknownFirmwareError, match="valid: general, broute, han"):
        build(firmware="x")
    with pytest.raises(fakes.FakeError):
        build(access_points={"a": "b"})
    assert fakes.build("skstack").facts["udp.max_payload"] == 1232

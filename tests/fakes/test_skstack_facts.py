"""SKSTACK-IP: registers, ranges and defaults, written a second time (see docs/mutation.md)."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, fields
from typing import Any

import pytest

from fakes.actions import perform
from fakes.peers import Peer
from fakes.skstack import build
from fakes.skstack.settings import FACTS, Settings
from tests.fakes.mesh_host import Console, running, virtual
from tests.fakes.test_skstack import GLOBAL, HOST4, OWN, PAA, ask, quiet
from tests.ports import free_port

TARGET = "FD00:0064:0064:0000:0000:0000:C000:0207"


async def test_defaults() -> None:
    async with running(build(time_scale=0, offline=True)) as [stick]:
        await quiet(stick)
        for line in ("ROPT", "SKJOIN " + PAA, f"SKCONNECT {HOST4} 1 1", "SKSEND 1 0001 x"):
            stick.type(line + "\r")
        await stick.until(rb"ER10.*ER10.*ER10\r\n")
        assert stick.modem.kind == "skstack"
        assert stick.modem.facts == FACTS
    assert asdict(Settings()) == {
        "mesh": "", "border": True, "hop": 0.0025, "loss": 0.0, "duplicate": 0.0, "eui64": "",
        "opt": "00", "ropt_end": "cr", "fields": 0, "send_busy": "fail",
        "rbid": "00112233445566778899AABBCCDDEEFF", "password": "0123456789AB", "joined": False,
        "connect_timeout": 60.0, "join_time": 2.0, "duty_bytes": 0, "duty_rest": 60.0,
    }  # fmt: skip
    choices = {each.name: each.metadata.get("choices") for each in fields(Settings)}
    assert choices["opt"] == ("00", "01")
    assert choices["ropt_end"] == ("cr", "crlf")
    assert choices["send_busy"] == ("fail", "queue")
    assert FACTS == {"udp.max_payload": 1232, "udp.ports": 6, "tcp.ports": 4, "tcp.handles": 6}


async def test_the_echo_is_on_and_the_limit_is_a_register() -> None:
    async with running(build(time_scale=0)) as [stick]:
        assert await ask(stick, "SKSREG SFE") == "SKSREG SFE\nESREG 1\nOK\n"
        await quiet(stick)
        for event, shown in (("limit_on", 1), ("limit_off", 0)):
            perform(stick.modem, "event", event)
            assert (await ask(stick, "SKSREG SFB")).endswith(f"ESREG {shown}\nOK\n")


def test_the_limit_counts_and_ends() -> None:
    """Bytes are counted from each limit on anew."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        modem = build(offline=True, joined="yes", duty_bytes="10", peers={"192.0.2.7:1": Peer()})
        async with running(modem) as [stick]:
            await quiet(stick)
            for _ in range(2):
                assert b"EVENT 21" in await send(stick, f"1 {TARGET} 1 0", b"x" * 9)
                await asyncio.sleep(1)
                assert b"EVENT 32" not in stick.take()
                begun = loop.time()
                assert b" 00\r\n" in await send(stick, f"1 {TARGET} 1 0")
                assert b"EVENT 33" in await stick.until(rb"EVENT 33 .*\n", 99)
                assert loop.time() - begun == pytest.approx(60, abs=0.1)

    virtual(scenario)


def test_what_the_coordinator_answers() -> None:
    """RFC 5191 section 6.2: what the coordinator says is shown as a datagram of port 02CC."""

    async def scenario() -> None:
        async with running(build(offline=True)) as [stick]:
            await quiet(stick)
            await ask(stick, "SKSETPWD C 0123456789AB")
            await ask(stick, "SKSETRBID 00112233445566778899AABBCCDDEEFF")
            await ask(stick, "SKSREG S3 8888")
            await ask(stick, f"SKJOIN {PAA}")
            said = await stick.until(rb"EVENT 2[45] .*?\r\n", 9)
            head = f"ERXUDP {PAA} {OWN} 02CC 02CC 02006400640000FE 0 0010 ".encode()
            answer = bytes.fromhex("00000010c0000002b04e2c5f4e6d3a10")
            assert head + answer + b"\r\n" in said
            assert b"EVENT 25" in said

    virtual(scenario)


async def test_registers_of_the_factory() -> None:
    shown = {"S01": "FFFE", "S02": "21", "S03": "FFFF", "S0A": "00000000", "S15": "0",
             "S16": "00015180", "S17": "1", "SA0": "1", "SA1": "1", "SFB": "0", "SFF": "0"}  # fmt: skip
    async with running(build(time_scale=0)) as [stick]:
        await quiet(stick)
        for name, value in shown.items():
            assert await ask(stick, f"SKSREG {name}") == f"ESREG {value}\nOK\n", name
        for name, least, most in [("S03", "0000", "FFFF"), ("S0A", "00000000", "FFFFFFFF"),
                                  ("S15", "0", "F"), ("S16", "00000000", "FFFFFFFF"),
                                  ("S17", "0", "F"), ("SFF", "0", "F")]:  # fmt: skip
            for value in (most, least):
                assert await ask(stick, f"SKSREG {name} {value}") == "OK\n"
                assert await ask(stick, f"SKSREG {name}") == f"ESREG {value}\nOK\n"
            assert await ask(stick, f"SKSREG {name} 1{'0' * len(most)}") == "FAIL ER06\n"
        assert await ask(stick, "SKSREG S1 1") == "FAIL ER06\n"
        assert await ask(stick, "SKSREG SFF 1 1") == "FAIL ER05\n"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("SKSETPWD 20 " + "a" * 32, "OK"),
        ("SKSETPWD 21 " + "a" * 33, "FAIL ER06"),
        ("SKSETPWD 1 a", "OK"),
        ("SKSETRBID " + "a" * 32, "OK"),
        ("SKSETRBID " + "a" * 33, "FAIL ER06"),
        ("SKSCAN 1 FFFFFFFF 2", "FAIL ER06"),
        ("SKSCAN 3 100000000 2", "FAIL ER06"),
        ("SKSCAN 3 00000000 E", "OK"),
        ("SKSCAN 3 1", "FAIL ER05"),
        ("SKSREG SFF", "ESREG 0\nOK"),
        ("SKSREG S100", "FAIL ER06"),
        ("SKSREG SZ", "FAIL ER06"),
        ("SKUDPPORT 1 0E1A", "OK"),
        ("SKUDPPORT 1 10000", "FAIL ER06"),
        ("SKUDPPORT 1 FFFF", "OK"),
        ("SKTCPPORT 0 1", "FAIL ER06"),
        ("SKTCPPORT 4 10000", "FAIL ER06"),
        ("SKTCPPORT 4 0", "OK"),
        ("SKTCPPORT 4 FFFF", "OK"),
        (f"SKCONNECT {HOST4} FFFF 1", "FAIL ER06"),
        (f"SKCONNECT {HOST4} FFFE FFFE", "FAIL ER10"),
        (f"SKCONNECT {HOST4} 1 1", "FAIL ER10"),
        (f"SKCONNECT {HOST4} 1 FFFF", "FAIL ER06"),
        (f"SKCONNECT {HOST4} 0 1", "FAIL ER06"),
        ("SKCLOSE 0", "FAIL ER06"),
        ("SKCLOSE 6", "FAIL ER10"),
        ("SKTABLE 10", "FAIL ER06"),
        ("SKTABLE 0", "FAIL ER06"),
        ("WOPT 2", "FAIL ER06"),
        ("SKLL64 00112233445566778", "FAIL ER06"),
        ("SKLL64 Z01D129012345678", "FAIL ER06"),
        ("SKLL64 001D129Z12345678", "FAIL ER06"),
        ("SKLL64 001D1290Z2345678", "FAIL ER06"),
        ("x" * 512, "FAIL ER04"),
        ("x" * 513, "FAIL ER09"),
        ("skver", "EVER 1.2.10\nOK"),
    ],
    ids=lambda text: text[:24].replace(" ", "_").replace("\n", "_"),
)
async def test_ranges(line: str, answer: str) -> None:
    async with running(build(time_scale=0)) as [stick]:
        await quiet(stick)
        assert await ask(stick, line) == answer + "\n"


async def test_own_answers_end_with_cr() -> None:
    async with running(build(time_scale=0, ropt_end="crlf")) as [stick]:
        await quiet(stick)
        for value, told in (("0", "00"), ("1", "01"), ("00", "00"), ("01", "01")):
            stick.type(f"WOPT {value}\r".encode())
            assert await stick.until(rb"\n") == b"OK\r\n"
            stick.type(b"ROPT\r")
            assert await stick.until(rb"\n") == f"OK {told}\r\n".encode()
        stick.type(b"SKLL64 FFFFFFFFFFFFFFFF\r\n")
        assert await stick.until(rb"\n") == b"FE80:0000:0000:0000:FDFF:FFFF:FFFF:FFFF\r\n"
        await asyncio.sleep(0.01)
        assert stick.take() == b""


async def send(stick: Console, start: str, data: bytes = b"x") -> bytes:
    stick.take()
    stick.type(f"SKSENDTO {start} {len(data):04X} ".encode() + data)
    return await stick.until(rb"(?:OK|FAIL ER\d\d)\r\n")


async def test_what_sksendto_takes() -> None:
    modem = build(time_scale=0, joined="yes", offline=True, peers={"192.0.2.7:65535": Peer()})
    async with running(modem) as [stick]:
        await quiet(stick)
        good = f"EVENT 21 {TARGET} 00\r\nOK\r\n".encode()
        for start in (f"1 {TARGET} FFFF 2", f"2 {TARGET} 1 0", f"1 {TARGET.lower()} FFFF 1"):
            assert await send(stick, start) == good, start
        assert await send(stick, f"0 {TARGET} 1 0") == b"FAIL ER06\r\n"
        assert await send(stick, f"1 {TARGET} 10000 0") == b"FAIL ER06\r\n"
        # a command and their payload at once, with what looks like commands inside
        stick.type(f"SKSENDTO 1 {TARGET} FFFF 0 0006 SKVER\rSKVER\r\n".encode())
        assert await stick.until(rb"EVER.*OK\r\n") == good + b"EVER 1.2.10\r\nOK\r\n"
        # a port is closed by 0, and another one is not
        assert await ask(stick, "SKUDPPORT 2 0") == "OK\n"
        assert await send(stick, f"2 {TARGET} FFFF 0") == b"FAIL ER10\r\n"
        assert await send(stick, f"1 {TARGET} FFFF 0") == good
        assert await ask(stick, "SKUDPPORT 1 FFFF") == "OK\n"
        assert await send(stick, f"1 {TARGET} FFFF 0") == good
        assert "EPORT\n65535\n0\n0\n" in await ask(stick, "SKTABLE E")


async def test_payload_that_looks_like_commands() -> None:
    peers = {"192.0.2.7:7": Peer("echo", delay=0.02)}
    async with running(build(time_scale=1, joined="yes", offline=True, peers=peers)) as [stick]:
        await quiet(stick)
        stick.type(f"SKSENDTO 1 {TARGET} 7 0 000E SKVER\r\nSKVER\r\n")
        assert await stick.until(rb"OK\r\n") == f"EVENT 21 {TARGET} 00\r\nOK\r\n".encode()
        assert (
            await stick.until(rb"SKVER\r\n\r\n")
            == (
                f"ERXUDP {TARGET} {GLOBAL} 0007 0E1A 02006400640000FE 1 000E SKVER\r\nSKVER\r\n\r\n"
            ).encode()
        )


def test_six_handles_and_their_limits() -> None:
    async def scenario() -> None:
        peers = {f"192.0.2.7:{port}": Peer("discard") for port in (1, 65534)}
        async with running(build(offline=True, joined="yes", peers=peers)) as [stick]:
            await quiet(stick)
            for handle in range(1, 7):
                assert await ask(stick, f"SKCONNECT {TARGET} FFFE {handle + 80:X}") == "OK\n"
                assert await stick.until(rb"\n") == (
                    f"ETCP 1 {handle} {TARGET} FFFE {handle + 80:04X}\r\n".encode()
                )
            assert await ask(stick, f"SKCONNECT {TARGET} 1 FFFE") == "FAIL ER10\n"
            assert await ask(stick, "SKCLOSE 3") == "OK\n"
            assert await stick.until(rb"\n") == b"ETCP 3 3\r\n"
            rows = (await ask(stick, "SKTABLE F")).split("\n")
            assert [row[:1] for row in rows] == ["E", "1", "2", "4", "5", "6", "O", ""]
            assert await ask(stick, f"SKCONNECT {TARGET} 1 53") == "OK\n"  # handle 3 is free again
            assert await stick.until(rb"\n") == f"ETCP 1 3 {TARGET} 0001 0053\r\n".encode()
            for start, answer in [("6 0001 x", b"OK\r\n"), ("0 0001 x", b"FAIL ER06\r\n"),
                                  ("7 0001 x", b"FAIL ER06\r\n"), ("1 0000 ", b"FAIL ER06\r\n"),
                                  ("1 FFFF " + "x" * 0xFFFF, b"OK\r\n")]:  # fmt: skip
                stick.take()
                stick.type("SKSEND " + start)
                assert await stick.until(rb"\n") == answer
                await asyncio.sleep(1)
            assert stick.take() == b"ETCP 5 1\r\n"
            # the connection in the same four numbers; another port of either side is another one
            assert await ask(stick, "SKCLOSE 6") == "OK\n"
            await stick.until(rb"ETCP 3 6\r\n")
            assert await ask(stick, f"SKCONNECT {TARGET} FFFE 51") == "OK\n"
            assert await stick.until(rb"\n") == b"ETCP 4 6\r\n"
            assert await ask(stick, f"SKCONNECT {TARGET} 1 51") == "OK\n"
            assert await stick.until(rb"\n") == b"ETCP 4 6\r\n"  # its own port is in use, too
            for _ in range(2):  # the second when the first has arrived
                stick.take()
                stick.type("SKSEND 2 0001 x")
                assert await stick.until(rb"ETCP 5 2\r\n") == b"OK\r\nETCP 5 2\r\n"
            perform(stick.modem, "event", "limit_on")
            stick.take()
            stick.type("SKSEND 1 0001 x")
            assert await stick.until(rb"\n") == b"FAIL ER10\r\n"

    virtual(scenario)


def test_long_waits() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        peers = {"192.0.2.7:1": Peer(greeting=b"g" * 3000)}
        async with running(build(offline=True, joined="yes", peers=peers)) as [stick]:
            await quiet(stick)
            begun = loop.time()
            await ask(stick, "SKCONNECT FD00:0000:0000:0000:0000:0000:0000:0009 1 1")
            assert await stick.until(rb"\n", 99) == b"ETCP 3 1\r\n"
            assert loop.time() - begun == pytest.approx(60, abs=0.1)
            # blocks of 1024 bytes at most, as many as the window holds
            await ask(stick, f"SKCONNECT {TARGET} 1 1")
            await stick.until(rb"ETCP 1 1 .*?\r\n")
            sizes = []
            while sum(sizes) < 3000:
                line = await stick.until(rb"ERXTCP .*?g\r\n")
                sizes.append(int(line.split()[4], 16))
                assert line.endswith(b" " + b"g" * sizes[-1] + b"\r\n")
            assert max(sizes) == 1024
            await asyncio.sleep(1)
            assert stick.take() == b""
            # SKCLOSE while it is opened: its outcome does not come any more
            await ask(stick, "SKCONNECT FD00:0000:0000:0000:0000:0000:0000:0009 1 2")
            assert await ask(stick, "SKCLOSE 2") == "OK\n"
            assert await stick.until(rb"\n") == b"ETCP 3 2\r\n"
            await asyncio.sleep(100)
            assert stick.take() == b""
            begun = loop.time()
            await ask(stick, "SKSETPWD 1 x")
            await ask(stick, f"SKJOIN {PAA}")
            assert b"ERXUDP" in await stick.until(rb"EVENT 24 .*\r\n", 9)
            assert loop.time() - begun == pytest.approx(2, abs=0.1)
            perform(stick.modem, "event", "out_of_range")
            await ask(stick, f"SKJOIN {PAA}")
            assert b"ERXUDP" not in await stick.until(rb"EVENT 24 .*\r\n", 9)
            await ask(stick, "SKSCAN 3 FFFFFFFF 0")
            assert await stick.until(rb"EVENT 22.*\n", 9) == f"EVENT 22 {OWN}\r\n".encode()
            perform(stick.modem, "event", "in_range")
            await ask(stick, "SKSCAN 3 FFFFFFFF 0")
            assert b"EPANDESC" in await stick.until(rb"EVENT 22.*\n", 9)
            await ask(stick, "SKSCAN 0 00000003 0")
            energy = (await stick.until(rb"EEDSCAN\r\n.*\r\n", 9)).decode().split("\r\n")[2]
            assert [len(each) for each in energy.split(" ")] == [2, 2, 2, 2]
            assert all(2 <= int(each, 16) <= 17 for each in energy.split()[1::2])

    virtual(scenario)


async def test_tcp_ports_move_and_close(connect: Any) -> None:
    async with running(build(time_scale=0, joined="yes")) as [stick]:
        await quiet(stick)
        first, second = free_port(), free_port()
        assert await ask(stick, f"SKTCPPORT 4 {first:X}") == "OK\n"
        assert await ask(stick, f"SKTCPPORT 4 {first:X}") == "OK\n"
        assert (await ask(stick, "SKTABLE E")).endswith(f"0\n0\n0\n{first}\nOK\n")
        _, writer = await connect(first)
        await stick.until(rb"ETCP 1 1 .*?\n")
        writer.write(b"a\r\nb")
        assert (await stick.until(rb"b\r\n")).endswith(b" 0004 a\r\nb\r\n")
        assert await ask(stick, f"SKTCPPORT 4 {second:X}") == "OK\n"
        with pytest.raises(OSError):
            await connect(first)
        await connect(second)
        await stick.until(rb"ETCP 1 2 .*? %04X\r\n" % second)

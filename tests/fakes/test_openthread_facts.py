"""OpenThread CLI: numbers, ranges and defaults, written a second time (see docs/mutation.md)."""

from __future__ import annotations

import asyncio
import re
from dataclasses import asdict

import pytest

from fakes.openthread import DATASET, build
from fakes.openthread.codes import NAMES
from fakes.openthread.core import plain, split
from fakes.openthread.dataset import DEFAULT, decode, encode, fresh
from fakes.openthread.settings import FACTS, Settings
from fakes.peers import Peer
from tests.fakes.mesh_host import running, virtual

HOST4 = "fd00:64:64:0:0:0:7f00:1"
SEVEN = "fd00:64:64:0:0:0:c000:207"  # 192.0.2.7


async def test_defaults() -> None:
    async with running(build(time_scale=0, offline=True)) as [node]:
        await node.done("ifconfig up", "thread start", "udp open", "udp send ::1 9 x", "tcp init",
                        "tcp connect ::1 9", "tcp abort")  # fmt: skip
        assert node.modem.facts == FACTS
    assert asdict(Settings()) == {
        "mesh": "", "border": True, "hop": 0.0025, "loss": 0.0, "duplicate": 0.0, "eui64": "",
        "line": 384, "overlong": "cut", "tcp_hex": True, "tcp": True, "commissioned": True,
        "dataset": "", "nat64": True, "attach": 1.5, "form": 7.0, "promote": 120.0,
        "time_wait": 60.0, "connect_timeout": 75.0,
        "firmware_text": "OPENTHREAD/sim; SIMULATION; May  1 2026 00:00:00",
    }  # fmt: skip
    assert FACTS == {"udp.sockets": 1, "udp.max_payload": 1232, "tcp.endpoints": 1,
                     "tcp.listeners": 1, "tcp.buffer": 2598, "tcp.max_hex": 128,
                     "line.default": 384, "line.simulation": 640}  # fmt: skip


def test_error_numbers() -> None:
    """Fact sheet 4.1: those this fake gives."""
    assert NAMES == {1: "Failed", 5: "Busy", 6: "Parse", 7: "InvalidArgs", 13: "InvalidState",
                     23: "NotFound", 24: "Already", 28: "ResponseTimeout",
                     35: "InvalidCommand"}  # fmt: skip


def test_words_and_addresses() -> None:
    assert split(r"a b\ c  d\\e\t	f ") == ["a", "b c", r"d\et", "f"]
    assert split(r"\ ") == [" "]
    assert split("  ") == []
    assert plain("fd00:64:64::7f00:1") == HOST4
    assert plain("1:203:4:50:6:7:8:90ab") == "1:203:4:50:6:7:8:90ab"


def test_datasets() -> None:
    assert DATASET == (
        "0e080000000000010000000300000f35060004001fffe0020811111111222222220708fddead00beef0000"
        "051000112233445566778899aabbccddeeff030953696d756c61746564010212340410445f2b5ca6f2a93a55"
        "ce570a70efeecb0c0402a0f7f8"
    )
    assert encode(decode(bytes.fromhex(DATASET))) == bytes.fromhex(DATASET)
    for wrong in (
        "0e",
        "0e08",
        "0e0700000000000000",
        "0300",
        "0311" + "41" * 17,
        "0003000f",
        "0102",
    ):
        with pytest.raises(ValueError):
            decode(bytes.fromhex(wrong))
    assert decode(bytes.fromhex("0310" + "41" * 16)) == {"networkname": b"A" * 16}
    assert decode(b"\xf0\0" * 127) == {}
    assert decode(bytes.fromhex("030141")) == {"networkname": b"A"}
    with pytest.raises(ValueError):
        decode(b"\xf0\0" * 126 + b"\xf0\x01\0")  # 255 bytes
    with pytest.raises(ValueError):
        decode(b"\xf0\0" * 127 + b"\xf0")

    class Most:
        """The edges of what chance may give."""

        def __init__(self, high: bool) -> None:
            self.high = high

        def randrange(self, least: int, end: int) -> int:
            return end - 1 if self.high else least

        def randint(self, least: int, most: int) -> int:
            return most if self.high else least

        def randbytes(self, count: int) -> bytes:
            return (b"\xff" if self.high else b"\0") * count

    low, high = (fresh(Most(each)) for each in (False, True))  # type: ignore[arg-type]
    assert encode(low).hex() == (
        "0e080000000000010000" "000300000b" "35060004001fffe0" "02080000000000000000"
        "0708fd00000000000000" "051000000000000000000000000000000000" "030f4f70656e5468726561642d30303031"
        "01020001" "041000000000000000000000000000000000" "0c0402a0f7f8"
    )  # fmt: skip
    assert (high["channel"], high["panid"], high["meshlocalprefix"]) == (
        b"\0\0\x1a", b"\xff\xfe", b"\xfd" + b"\xff" * 5 + b"\0\0",
    )  # fmt: skip
    assert high["networkname"] == b"OpenThread-fffe"
    assert list(DEFAULT) == list(low)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("dataset channel 11", "Done"),
        ("dataset channel 0x1a", "Done"),
        ("dataset channel 10", "Error 7: InvalidArgs"),
        ("dataset channel x", "Error 7: InvalidArgs"),
        ("dataset panid 65536", "Error 7: InvalidArgs"),
        ("dataset panid 0xffff", "Done"),
        ("dataset networkname " + "n" * 16, "Done"),
        ("dataset networkname " + "n" * 17, "Error 7: InvalidArgs"),
        ("dataset networkkey 00", "Error 7: InvalidArgs"),
        ("dataset pskc " + "0" * 34, "Error 7: InvalidArgs"),
        ("dataset extpanid " + "0" * 14, "Error 7: InvalidArgs"),
        ("dataset meshlocalprefix x", "Error 7: InvalidArgs"),
        ("dataset init active x", "Done"),
        ("dataset init tlvs", "Error 7: InvalidArgs"),
        ("dataset commit active x", "Error 7: InvalidArgs"),
        ("dataset set active", "Error 7: InvalidArgs"),
        ("dataset set active zz", "Error 7: InvalidArgs"),
        ("dataset active -x -ns", "Error 7: InvalidArgs"),
        ("state x", "Error 7: InvalidArgs"),
        ("rloc16 x", "Error 7: InvalidArgs"),
        ("eui64 x", "Error 7: InvalidArgs"),
        ("extaddr x", "Error 7: InvalidArgs"),
        ("panid x", "Error 7: InvalidArgs"),
        ("thread start x", "Error 7: InvalidArgs"),
        ("thread stop x", "Error 7: InvalidArgs"),
        ("thread stop", "Done"),
        ("netdata show x", "Error 7: InvalidArgs"),
        ("ipaddr mleid x", "Error 35: InvalidCommand"),
        ("ipaddr", "Done"),
        ("factoryreset x", "Error 7: InvalidArgs"),
        ("reset x", "Error 35: InvalidCommand"),
        ("version api", "500\nDone"),
        ("dns config x", "Error 7: InvalidArgs"),
        ("dns resolve a b", "Error 7: InvalidArgs"),
        ("dns resolve a b c d e f g", "Error 7: InvalidArgs"),
        ("udp open x", "Error 7: InvalidArgs"),
        ("udp close x", "Error 7: InvalidArgs"),
        ("udp bind :: 65536", "Error 7: InvalidArgs"),
        ("udp bind :: 65535", "Error 13: InvalidState"),
        ("udp bind -b :: 0x10", "Error 13: InvalidState"),
        ("udp bind -u :: 0x10", "Error 13: InvalidState"),
        ("udp bind -x :: 1", "Error 7: InvalidArgs"),
        ("udp bind :: 1 2", "Error 7: InvalidArgs"),
        ("udp bind x 1", "Error 7: InvalidArgs"),
        ("udp bind :: 1x", "Error 7: InvalidArgs"),
        ("udp connect ::1", "Error 7: InvalidArgs"),
        ("udp connect ::1 1 2", "Error 7: InvalidArgs"),
        ("udp linksecurity enable x", "Error 7: InvalidArgs"),
        ("tcp stoplistening", "Error 13: InvalidState"),
        ("tcp stoplistening x", "Error 7: InvalidArgs"),
        ("tcp listen :: 1", "Error 13: InvalidState"),
        ("tcp bind :: 1", "Error 13: InvalidState"),
        ("tcp send x", "Error 13: InvalidState"),
        ("tcp sendend", "Error 13: InvalidState"),
        ("tcp deinit", "Error 13: InvalidState"),
        ("tcp abort x", "Error 7: InvalidArgs"),
        ("tcp deinit x", "Error 7: InvalidArgs"),
        ("tcp sendend x", "Error 7: InvalidArgs"),
        ("tcp benchmark result", "Error 13: InvalidState"),
        ("tcp benchmark run", "Error 13: InvalidState"),
        ("ping fe80::1 1 2 3 4 5 6", "Error 7: InvalidArgs"),
        ("ping fe80::1 65536", "Error 7: InvalidArgs"),
        ("ping fe80::1 1 1 1 256", "Error 7: InvalidArgs"),
        ("ping fe80::1 1 1 1.", "Error 7: InvalidArgs"),
        ("ping fe80::1 1 1 x", "Error 7: InvalidArgs"),
        *(
            (
                "ping fe80::1" + more,
                "1 packets transmitted, 0 packets received. Packet loss = 100.0%.\nDone",
            )
            for more in (" 8", " 8 1", " 8 1 1", " 8 1 1 255", " 8 1 1 255 1")
        ),
        ("ping stop", "Done"),
        ("a" + " b" * 31, "Error 35: InvalidCommand"),
        ("a" + " b" * 32, "Error 7: InvalidArgs"),
    ],
    ids=lambda text: text[:26].replace(" ", "_").replace("\n", "_"),
)
async def test_ranges(line: str, answer: str) -> None:
    async with running(build(time_scale=0)) as [node]:
        assert await node.cli(line) == answer + "\n"


async def test_switches_that_are_read_back() -> None:
    async with running(build(time_scale=0, eui64="0011223344556677")) as [node]:
        assert await node.cli("eui64") == "0011223344556677\nDone\n"
        await node.done("udp linksecurity disable")
        assert await node.cli("udp linksecurity") == "Disabled\nDone\n"
        await node.done("udp linksecurity enable")
        assert await node.cli("udp linksecurity") == "Enabled\nDone\n"
        await node.done("ifconfig up", "ifconfig up")
        assert await node.cli("ifconfig") == "up\nDone\n"
        local = (await node.cli("ipaddr linklocal")).split()[0]
        ext = (await node.cli("extaddr")).split()[0]
        assert len(ext) == 16
        first = f"{int(ext[:2], 16) ^ 2:02x}"
        groups = [f"{first}{ext[2:4]}", ext[4:8], ext[8:12], ext[12:]]
        assert local == "fe80:0:0:0:" + ":".join(f"{int(each, 16):x}" for each in groups)
        await node.done("ifconfig down")
        assert await node.cli("ipaddr") == "Done\n"
        help_text = (await node.cli("help")).split("\n")
        assert help_text[:2] == ["channel", "dataset"]
        assert {"udp", "tcp", "ping", "dns", "thread", "ifconfig", "state"} <= set(help_text)
        node.take()
        node.type(b"\b\x7fst\b\b\b\bstate\r\n")
        assert await node.until(rb"Done\r\n> ") == b"st\b \b\b \bstate\r\ndisabled\r\nDone\r\n> "


def test_timing_of_attaching_and_roles() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        more = {"attach": "2", "form": "5", "promote": "0"}
        async with running(build(offline=True, **more)) as [node]:
            await node.done("ifconfig up", "thread start", "thread start")
            begun = loop.time()
            while await node.cli("state") == "detached\nDone\n":
                await asyncio.sleep(0.01)
            assert loop.time() - begun == pytest.approx(2, abs=0.05)
            assert await node.cli("state") == "router\nDone\n"  # promoted at once
            assert len((await node.cli("ipaddr")).splitlines()) == 5
            await node.done("thread stop")
            assert len((await node.cli("ipaddr")).splitlines()) == 3
            await node.done("thread start")
            await asyncio.sleep(2.1)
            assert await node.cli("state") == "router\nDone\n"
        # no leader hears it: no role with half a dataset, leader with a whole one
        async with running(build(offline=True, border="no", **more)) as [node]:
            await node.done("dataset networkkey " + "11" * 16, "dataset commit active",
                            "ifconfig up", "thread start")  # fmt: skip
            await asyncio.sleep(30)
            assert await node.cli("state") == "detached\nDone\n"
            await node.done("thread stop", "dataset init new", "dataset commit active",
                            "thread start")  # fmt: skip
            begun = loop.time()
            while await node.cli("state") == "detached\nDone\n":
                await asyncio.sleep(0.01)
            assert loop.time() - begun == pytest.approx(5, abs=0.05)
            assert await node.cli("state") == "leader\nDone\n"

    virtual(scenario)


def test_ping_counts_and_waits() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        modem = build(offline=True, peers={"192.0.2.7:7": Peer("echo")}, hop="0.0105")
        async with running(modem) as [node]:
            await node.done("ifconfig up", "thread start")
            await asyncio.sleep(2)
            begun = loop.time()
            answer = await node.cli("ping 192.0.2.7 0 3", 99)
            assert answer == (
                f"Pinging synthesized IPv6 address: {SEVEN}\n"
                + "".join(
                    f"8 bytes from {SEVEN}: icmp_seq={n} hlim=64 time=21ms\n" for n in (1, 2, 3)
                )
                + "3 packets transmitted, 3 packets received. Packet loss = 0.0%. "
                "Round-trip min/avg/max = 21/21.000/21 ms.\nDone\n"
            )
            assert loop.time() - begun == pytest.approx(2.063, abs=0.01)
            node.type("ping async 192.0.2.7\r\nstate\r\n")  # does not hold the line up
            said = await node.until(rb" ms\.\r\n", 9)
            assert said.index(b"child") < said.index(b"packets transmitted")
            begun = loop.time()
            node.modem.mesh.loss = 1.0
            assert "2 packets transmitted, 0 packets received. Packet loss = 100.0%.\n" in (
                await node.cli("ping 192.0.2.7 8 2 0.25 64 1.5", 99)
            )
            assert loop.time() - begun == pytest.approx(1.75, abs=0.01)
            assert await node.cli("ping 192.0.2.7 8 0", 99) == (
                f"Pinging synthesized IPv6 address: {SEVEN}\n"
                "0 packets transmitted, 0 packets received.\nDone\n"
            )

    virtual(scenario)


def test_names_and_the_server_that_is_asked() -> None:
    async def scenario() -> None:
        names = {"a.b": "127.0.0.1", "two": "127.0.0.1,127.0.0.2"}
        async with running(build(offline=True, resolve=names)) as [node]:
            await node.done("ifconfig up", "thread start")
            await asyncio.sleep(2)
            answer = f"DNS response for a.b. - {HOST4} TTL:7200 \nDone\n"
            assert await node.cli("dns resolve a.b fd00::1 53 6000 3 1") == answer
            assert await node.cli("dns resolve A.B") == answer.replace("a.b", "A.B")
            assert await node.cli("dns resolve a.b.") == answer
            second = HOST4.removesuffix("1") + "2"
            assert await node.cli("dns resolve two") == (
                f"DNS response for two. - {HOST4} TTL:7200 {second} TTL:7200 \nDone\n"
            )
            assert await node.cli("dns resolve a.b fd00::1::") == "Error 7: InvalidArgs\n"
            assert await node.cli("dns resolve a.b 8.8.8.8") == (
                "Synthesized IPv6 DNS server address: fd00:64:64:0:0:0:808:808\n" + answer
            )
            assert await node.cli("dns resolve a.b nobody") == "Error 7: InvalidArgs\n"
            assert await node.cli("dns config") == (
                "Server: [fdde:ad00:beef:0:0:6400:6400:fe]:53\nResponseTimeout: 6000 ms\n"
                "MaxTxAttempts: 3\nRecursionDesired: yes\nServiceMode: srv_txt_opt\n"
                "Nat64Mode: allow\nDone\n"
            )

    virtual(scenario)


def test_udp_binds_connects_and_forgets() -> None:
    async def scenario() -> None:
        peers = {"192.0.2.7:7": Peer("echo"), "192.0.2.7:8": Peer("echo")}
        async with running(build(offline=True, peers=peers)) as [node]:
            await node.done("udp open")
            assert await node.cli("udp send ::1 1 x") == "Error 13: InvalidState\n"  # no address
            await node.done("ifconfig up", "thread start")
            await asyncio.sleep(2)
            own = (await node.cli("ipaddr mleid")).split()[0]
            assert await node.cli("udp bind fd00::9 1") == "Error 7: InvalidArgs\n"
            await node.done(f"udp bind {own} 4000")
            await node.done(f"udp send {SEVEN} 7 lost")  # answered to another address
            await asyncio.sleep(1)
            assert node.take() == b""
            await node.done(f"udp send {own} 4000 kept")
            await asyncio.sleep(1)
            assert node.take() == f"4 bytes from {own} 4000 kept\r\n".encode()
            await node.done("udp bind -u :: 4001", f"udp send {SEVEN} 7 there")
            await asyncio.sleep(1)
            assert node.take() == f"5 bytes from {SEVEN} 7 there\r\n".encode()
            await node.done(f"udp connect {SEVEN} 8", f"udp send {SEVEN} 7 other", "udp send mine")
            await asyncio.sleep(1)
            assert node.take() == f"4 bytes from {SEVEN} 8 mine\r\n".encode()
            await node.done("udp send -s 3")
            await asyncio.sleep(1)
            assert node.take() == f"3 bytes from {SEVEN} 8 012\r\n".encode()
            assert await node.cli("udp connect 192.0.2.7 8") == (
                f"Connecting to synthesized IPv6 address: {SEVEN}\nDone\n"
            )
            await node.done("udp close", "udp open", f"udp bind {own} 4002")
            for digits, told in (("41", b"A"), ("141", b"\x01A"), ("4", b"\x04")):
                node.take()
                await node.done(f"udp send {own} 4002 -x {digits}")
                await asyncio.sleep(1)
                head = f"{len(told)} bytes from {own} 4002 ".encode()
                assert node.take().endswith(head + told + b"\r\n")
            for wrong in ("udp send", "udp send -t", "udp send -s x", "udp send -s 65536"):
                assert await node.cli(wrong) == "Error 7: InvalidArgs\n", wrong
            await node.done("udp close", "udp open")
            assert await node.cli("udp send x") == "Error 7: InvalidArgs\n"

    virtual(scenario)


def test_ping_rounds_to_milliseconds() -> None:
    async def scenario() -> None:
        modem = build(offline=True, peers={"192.0.2.7:7": Peer("echo")}, hop="0.6")
        async with running(modem) as [node]:
            await node.done("ifconfig up", "thread start")
            await asyncio.sleep(9)
            assert "time=1200ms\n" in await node.cli("ping 192.0.2.7 8 1", 99)

    virtual(scenario)


def test_a_benchmark_that_takes_its_time() -> None:
    async def scenario() -> None:
        modem = build(offline=True, peers={"192.0.2.7:9": Peer("discard", rate=1000)})
        async with running(modem) as [node]:
            await node.done("ifconfig up", "thread start", "tcp init")
            await asyncio.sleep(9)
            await node.done(f"tcp connect {SEVEN} 9")
            await node.until(rb"established\r\n", 9)
            for wrong in ("tcp bind :: 4000", "tcp bind ::", "tcp bind :: 1 2"):
                assert await node.cli(wrong) == "Error 7: InvalidArgs\n", wrong
            assert await node.cli("tcp connect ::1 9") == "Error 13: InvalidState\n"
            await node.done("tcp send x")
            assert await node.cli("tcp benchmark run") == "Error 5: Busy\n"
            await asyncio.sleep(9)
            loop = asyncio.get_running_loop()
            begun = loop.time()
            await node.done("tcp benchmark run 20000")
            assert await node.cli("tcp benchmark result") == (
                "TCP Benchmark Status: Ongoing\nDone\n"
            )
            assert await node.cli("tcp benchmark run") == "Error 5: Busy\n"
            assert await node.cli("tcp send x") == "Error 5: Busy\n"
            said = (await node.until(rb"kb/s\r\n", 99)).decode()
            spent = round((loop.time() - begun) * 1000)
            count = int(said.split(" milliseconds")[0].rpartition(" ")[2])
            assert count == pytest.approx(spent, abs=1)
            lines = (
                f"TCP Benchmark Complete: Transferred 20000 bytes in {count} milliseconds",
                f"TCP Goodput: {20000 * 8 / count:.3f} kb/s",
            )
            assert said == "".join(f"{each}\r\n" for each in lines)
            assert await node.cli("tcp benchmark result") == (
                "TCP Benchmark Status: Completed\n" + "".join(f"{x}\n" for x in lines) + "Done\n"
            )
            assert await node.cli("tcp benchmark run 4294967296") == "Error 7: InvalidArgs\n"
            await node.done("tcp benchmark run 4294967295", "tcp abort")

    virtual(scenario)


def test_a_listener_that_is_busy_and_an_abort() -> None:
    async def scenario() -> None:
        async with running(*(build(mesh="busy", offline=True) for _ in range(2))) as [one, two]:
            for node in (one, two):
                await node.done("ifconfig up", "thread start", "tcp init linked 1000")
            await asyncio.sleep(130)
            there = (await two.cli("ipaddr mleid")).split()[0]
            await two.done("tcp listen :: 4000")
            await one.done(f"tcp connect {there} 4000")
            await two.until(rb"established\r\n", 9)
            assert two.modem.sockets.dial(4000, Peer())
            said = await two.until(rb"\r\n", 9)
            caller = re.escape(b"TCP: Ignoring incoming connection request from [fd00:64:64:0:0:0:")
            assert re.fullmatch(caller + rb"c000:2fa\]:\d+ \(active socket is busy\)\r\n", said), (
                said
            )
            two.modem.mesh.loss = 1.0
            await one.done("tcp send one")
            assert await one.cli("tcp send two") == "Error 5: Busy\n"  # linked
            two.modem.mesh.loss = 0.0
            assert b"3 bytes: one" in await two.until(rb"one\r\n", 99)
            one.take()
            two.take()
            assert await one.cli("tcp abort") == "TCP: Connection reset\nDone\n"
            assert b"TCP: Connection reset\r\n" in await two.until(rb"TCP: .*?\r\n", 9)

    virtual(scenario)


def test_time_wait_is_no_use_and_ports_of_ones_own() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with running(*(build(mesh="again", offline=True) for _ in range(2))) as [one, two]:
            for node in (one, two):
                await node.done("ifconfig up", "thread start", "tcp init", "udp open")
            await asyncio.sleep(130)
            here, there = [(await x.cli("ipaddr mleid")).split()[0] for x in (one, two)]
            await two.done("udp bind :: 4000")
            await one.done(f"udp connect {there} 4000", "udp send hi")
            heard = (await two.until(rb" hi\r\n", 9)).decode().split()
            assert heard[:4] == ["2", "bytes", "from", here]
            assert int(heard[4]) >= 49152
            await two.done("tcp listen :: 4000")
            begun = loop.time()
            await one.done(f"tcp connect {there} 4000")
            await one.until(rb"established\r\n", 9)
            assert loop.time() - begun < 0.5
            await two.until(rb"established\r\n", 9)
            await one.done("tcp sendend")
            await two.until(rb"end of stream\r\n", 9)
            await two.done("tcp sendend")
            await two.until(rb"TCP: Disconnected\r\n", 9)
            await one.until(rb"TCP: Entered TIME-WAIT state\r\n", 9)
            await one.done("tcp listen :: 4001")
            one.take()
            await two.done(f"tcp connect {here} 4001")
            accepted = await one.until(rb"established\r\n", 9)
            assert accepted.startswith(f"Accepted connection from [{there}]:".encode())
            await asyncio.sleep(100)
            assert one.take() == b""

    virtual(scenario)

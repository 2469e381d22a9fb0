"""OpenThread CLI: the fact sheet's bytes (section 4.1, 4.2), without TCP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fakes
from fakes.actions import perform
from fakes.errors import UnknownFirmwareError, UnknownSettingError
from fakes.openthread import DATASET, build
from fakes.peers import Peer
from tests.fakes.mesh_host import Console, running, virtual

HOST4 = "fd00:64:64:0:0:0:7f00:1"


async def attached(node: Console) -> None:
    await node.done("ifconfig up", "thread start")
    await asyncio.sleep(0.02)


async def test_line_discipline() -> None:
    async with running(build(time_scale=0)) as [node]:
        assert node.take() == b"> "
        node.type(b"state\r\n")
        assert await node.until(rb"Done\r\n> ") == b"state\r\ndisabled\r\nDone\r\n> "
        node.type(b"state\n")  # LF alone, then CR alone
        assert await node.until(rb"Done\r\n> ") == b"state\r\ndisabled\r\nDone\r\n> "
        node.type(b"staxx\b\x7fte\r")
        assert await node.until(rb"Done\r\n> ") == (b"staxx\b \b\b \bte\r\ndisabled\r\nDone\r\n> ")
        node.type(b"\r\n\r\n")
        await asyncio.sleep(0.01)
        assert node.take() == b"\r\n> \r\n> "
        node.type(b"nonsense here\r\n")
        assert await node.until(rb"> ") == b"nonsense here\r\nError 35: InvalidCommand\r\n> "
        node.type(b"state\r\neui64\r\n")  # two lines at once: each is echoed when its turn comes
        assert await node.until(rb"Done\r\n> .*Done\r\n> ") == (
            b"state\r\ndisabled\r\nDone\r\n> eui64\r\nf4ce360000000002\r\nDone\r\n> "
        )


async def test_over_long_lines_are_cut_without_a_word() -> None:
    async with running(build(time_scale=0)) as [node]:
        await attached(node)
        await node.done("udp open", "udp bind :: 4000")
        line = f"udp send {HOST4} 4000 -x "
        node.take()
        node.type(line + "41" * 300 + "\r\n")
        echo = await node.until(rb"Done\r\n> ")
        assert echo == (line + "41" * 300)[:383].encode() + b"\r\nDone\r\n> "
        got = await node.until(rb"bytes from.*\r\n")
        digits = 383 - len(line)
        assert got.startswith(b"%d bytes from " % ((digits + 1) // 2))
    async with running(build(time_scale=0, line="640")) as [node]:
        await attached(node)
        await node.done("udp open", "udp bind :: 4001", f"udp send {HOST4} 4001 -x " + "41" * 290)
        assert (await node.until(rb"bytes from.*\r\n")).startswith(b"290 bytes from ")
    async with running(build(time_scale=0, overlong="parse")) as [node]:
        assert await node.cli("udp send " + "4" * 374) == "Error 13: InvalidState\n"
        assert await node.cli("udp send " + "4" * 375) == "Error 6: Parse\n"


async def test_a_line_has_32_arguments_and_a_backslash_keeps_a_blank() -> None:
    async with running(build(time_scale=0)) as [node]:
        await attached(node)
        assert await node.cli("state" + " a" * 32) == "Error 7: InvalidArgs\n"
        await node.done("udp open", "udp bind :: 4002", f"udp send {HOST4} 4002 a\\ b\\\\c")
        assert await node.until(rb"4002 .*\r\n") == f"5 bytes from {HOST4} 4002 a b\\c\r\n".encode()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("dataset pending", "Error 23: NotFound\n"),
        ("dataset nonsense", "Error 35: InvalidCommand\n"),
        ("dataset init", "Error 7: InvalidArgs\n"),
        ("dataset init pending", "Error 23: NotFound\n"),
        ("dataset init tlvs 0e08", "Error 7: InvalidArgs\n"),
        ("dataset set active 00", "Error 7: InvalidArgs\n"),
        ("dataset set pending 00", "Error 7: InvalidArgs\n"),
        ("dataset commit", "Error 7: InvalidArgs\n"),
        ("dataset channel", "Error 23: NotFound\n"),
        ("dataset channel 27", "Error 7: InvalidArgs\n"),
        ("dataset active -q", "Error 7: InvalidArgs\n"),
        ("dataset active -x", DATASET + "\nDone\n"),
        ("thread start", "Error 13: InvalidState\n"),
        ("ifconfig", "down\nDone\n"),
        ("ifconfig sideways", "Error 7: InvalidArgs\n"),
        ("ipaddr nonsense", "Error 35: InvalidCommand\n"),
        ("udp", "Error 35: InvalidCommand\n"),
        ("udp send hello", "Error 13: InvalidState\n"),
        ("udp bind :: 1", "Error 13: InvalidState\n"),
        ("udp bind ::", "Error 7: InvalidArgs\n"),
        ("udp connect fe80::1 1", "Error 13: InvalidState\n"),
        ("udp connect nobody 1", "Error 7: InvalidArgs\n"),
        ("udp close", "Done\n"),
        ("udp linksecurity", "Enabled\nDone\n"),
        ("udp linksecurity maybe", "Error 7: InvalidArgs\n"),
        ("tcp connect ::1 1", "Error 13: InvalidState\n"),
        ("tcp abort", "Error 13: InvalidState\n"),
        ("dns resolve", "Error 7: InvalidArgs\n"),
        ("dns resolve4 a", "Error 13: InvalidState\n"),
        ("ping", "Error 7: InvalidArgs\n"),
        ("ping fe80::1 x", "Error 7: InvalidArgs\n"),
        ("ping 127.0.0.1", "Error 13: InvalidState\n"),
        ("rloc16", "fffe\nDone\n"),
        ("panid", "0x1234\nDone\n"),
        ("channel", "15\nDone\n"),
        ("extpanid", "1111111122222222\nDone\n"),
        ("networkname", "Simulated\nDone\n"),
        ("networkkey", "00112233445566778899aabbccddeeff\nDone\n"),
        ("version", "OPENTHREAD/sim; SIMULATION; May  1 2026 00:00:00\nDone\n"),
        ("version x", "Error 35: InvalidCommand\n"),
        ("netdata show", "Prefixes:\nRoutes:\nServices:\nDone\n"),
    ],
)
async def test_answers_of_a_node_that_is_down(line: str, answer: str) -> None:
    async with running(build(time_scale=0)) as [node]:
        assert await node.cli(line) == answer


async def test_dataset_of_the_manual() -> None:
    """README_DATASET.md: `dataset active -x` and what `dataset active` prints."""
    published = (
        "0e08000000000001000000030000164a0300001735060004001fffe00208b182e6a17996cecc0708fd3f363fa8f1"
        "b0bc0510ebb6f6a447c96e1542176df3a834ac0e030f4f70656e5468726561642d3663393901026c99041096e9cd"
        "fe1eb1363a3676e2b94df0271b0c0402a0f7f8"
    )
    async with running(build(time_scale=0, commissioned="no")) as [node]:
        assert await node.cli("dataset active") == "Error 23: NotFound\n"
        assert await node.cli("panid") == "Error 23: NotFound\n"
        await node.done(f"dataset set active {published}")
        assert await node.cli("dataset active") == (
            "Active Timestamp: 1\nChannel: 22\nChannel Mask: 0x07fff800\n"
            "Ext PAN ID: b182e6a17996cecc\nMesh Local Prefix: fd3f:363f:a8f1:b0bc::/64\n"
            "Network Key: ebb6f6a447c96e1542176df3a834ac0e\nNetwork Name: OpenThread-6c99\n"
            "PAN ID: 0x6c99\nPSKc: 96e9cdfe1eb1363a3676e2b94df0271b\n"
            "Security Policy: 672 onrc 0\nDone\n"
        )
        redacted = await node.cli("dataset active -ns")
        assert "Network Key: [Redacted]\n" in redacted
        assert "PSKc: [Redacted]\n" in redacted
        assert "Ext PAN ID: b182" in redacted
        # without what this CLI does not show (the wake-up channel, type 0x4a)
        known = published.replace("4a03000017", "")
        assert await node.cli("dataset active -x") == known + "\nDone\n"
        await node.done(
            "dataset init active", "dataset channel 12", "dataset panid 0xabcd",
            "dataset networkname Room", "dataset networkkey " + "ab" * 16, "dataset pskc " + "cd" * 16,
            "dataset extpanid 0011223344556677", "dataset meshlocalprefix fd00:db8::",
            "dataset channelmask 0x07fff800", "dataset activetimestamp 7",
            "dataset securitypolicy 600",
        )  # fmt: skip
        assert await node.cli("dataset") == (
            "Active Timestamp: 7\nChannel: 12\nChannel Mask: 0x07fff800\n"
            "Ext PAN ID: 0011223344556677\nMesh Local Prefix: fd00:db8:0:0::/64\n"
            f"Network Key: {'ab' * 16}\nNetwork Name: Room\nPAN ID: 0xabcd\nPSKc: {'cd' * 16}\n"
            "Security Policy: 600 onrc 0\nDone\n"
        )
        assert await node.cli("dataset channel") == "12\nDone\n"
        await node.done("dataset commit active")
        assert await node.cli("channel") == "12\nDone\n"
        tlvs = await node.cli("dataset tlvs")
        await node.done("dataset clear")
        assert await node.cli("dataset") == "Done\n"
        await node.done("dataset init tlvs " + tlvs.split()[0])
        assert await node.cli("dataset tlvs") == tlvs


def test_a_node_alone_makes_its_network() -> None:
    async def scenario() -> None:
        async with running(build(border="no")) as [node]:
            await node.done(
                "dataset init new", "dataset commit active", "ifconfig up", "thread start"
            )
            assert await node.cli("state") == "detached\nDone\n"
            assert await node.cli("ping 127.0.0.1") == "Error 13: InvalidState\n"  # no NAT64 prefix
            await asyncio.sleep(6.9)
            assert await node.cli("state") == "detached\nDone\n"
            await asyncio.sleep(0.2)
            assert await node.cli("state") == "leader\nDone\n"
            assert await node.cli("rloc16") == "fc00\nDone\n"
            prefix = (await node.cli("dataset meshlocalprefix")).split("::")[0]
            assert await node.cli("ipaddr rloc") == f"{prefix}:0:ff:fe00:fc00\nDone\n"
            addresses = (await node.cli("ipaddr")).splitlines()[:-1]
            assert len(addresses) == 3
            assert not any("::" in each for each in addresses)
            assert addresses[0].endswith(":fc00")
            assert await node.cli("ipaddr mleid") == addresses[1] + "\nDone\n"
            assert await node.cli("ipaddr linklocal") == addresses[2] + "\nDone\n"
            assert addresses[2].startswith("fe80:0:0:0:")
            begun = asyncio.get_running_loop().time()
            node.type("dns resolve nodeb\r\nstate\r\n")  # what comes meanwhile is thrown away
            answer = await node.until(rb"Error.*\r\n> ", 60)
            assert answer.endswith(b"DNS response for nodeb. - \r\nError 28: ResponseTimeout\r\n> ")
            assert asyncio.get_running_loop().time() - begun == pytest.approx(18)
            assert b"leader" not in answer
            await node.done("thread stop")
            assert await node.cli("state") == "disabled\nDone\n"

    virtual(scenario)


def test_a_child_becomes_a_router() -> None:
    async def scenario() -> None:
        async with running(build(peers={"192.0.2.7:7": Peer("echo")}, offline=True)) as [node]:
            await node.done("ifconfig up", "thread start")
            await asyncio.sleep(1.4)
            assert await node.cli("state") == "detached\nDone\n"
            await asyncio.sleep(0.2)
            assert await node.cli("state") == "child\nDone\n"
            assert await node.cli("rloc16") == "fc01\nDone\n"
            await asyncio.sleep(120)
            assert await node.cli("state") == "router\nDone\n"
            assert await node.cli("rloc16") == "0400\nDone\n"
            assert " 1 packets received." in await node.cli("ping 192.0.2.7", 9)
            perform(node.modem, "event", "detached")
            assert await node.cli("state") == "detached\nDone\n"
            await asyncio.sleep(2)
            assert await node.cli("state") == "child\nDone\n"
            perform(node.modem, "event", "out_of_range")
            assert " 0 packets received." in await node.cli("ping 192.0.2.7", 9)
            perform(node.modem, "event", "in_range")
            node.type("reset\r\n")
            assert await node.until(rb"reset\r\n> ")
            assert await node.cli("ifconfig") == "down\nDone\n"
            assert await node.cli("dataset active -x") == DATASET + "\nDone\n"
            node.type("factoryreset\r\n")
            assert await node.until(rb"factoryreset\r\n> ")
            assert await node.cli("dataset active -x") == "Error 23: NotFound\n"

    virtual(scenario)


def test_names_and_ping() -> None:
    async def scenario() -> None:
        modem = build(resolve={"localhost": "127.0.0.1", "six": "::1", "both": "127.0.0.1,::1"})
        async with running(modem) as [node]:
            await node.done("ifconfig up", "thread start")
            await asyncio.sleep(2)
            say = node.cli
            assert await say("dns resolve localhost") == (
                f"DNS response for localhost. - {HOST4} TTL:7200 \nDone\n"
            )
            assert await say("dns resolve six.") == (
                "DNS response for six. - fd00:64:64:1:0:0:0:1 TTL:7200 \nDone\n"
            )
            assert await say("dns resolve both") == (
                "DNS response for both. - fd00:64:64:1:0:0:0:1 TTL:7200 \nDone\n"
            )
            assert await say("dns resolve4 both") == (
                f"DNS response for both. - {HOST4} TTL:7200 \nDone\n"
            )
            assert (
                await say("dns resolve nodeb") == "DNS response for nodeb. - \nError 23: NotFound\n"
            )
            assert await say("ping 127.0.0.1") == (
                f"Pinging synthesized IPv6 address: {HOST4}\n"
                f"16 bytes from {HOST4}: icmp_seq=1 hlim=64 time=5ms\n"
                "1 packets transmitted, 1 packets received. Packet loss = 0.0%. "
                "Round-trip min/avg/max = 5/5.000/5 ms.\nDone\n"
            )
            assert await say(f"ping {HOST4} 100 2 .5 9 1") == (
                f"108 bytes from {HOST4}: icmp_seq=1 hlim=9 time=5ms\n"
                f"108 bytes from {HOST4}: icmp_seq=2 hlim=9 time=5ms\n"
                "2 packets transmitted, 2 packets received. Packet loss = 0.0%. "
                "Round-trip min/avg/max = 5/5.000/5 ms.\nDone\n"
            )
            before = asyncio.get_running_loop().time()
            assert await say("ping fd00::1", 9) == (
                "1 packets transmitted, 0 packets received. Packet loss = 100.0%.\nDone\n"
            )
            assert asyncio.get_running_loop().time() - before == pytest.approx(3, abs=0.1)
            assert await say("netdata show") == (
                "Prefixes:\nfd00:64:64:2::/64 paos med fc00\n"
                "Routes:\nfd00:64:64:0:0:0::/96 sn low fc00\nServices:\nDone\n"
            )

    virtual(scenario)


async def test_udp_is_a_c_string_of_true_length() -> None:
    """Fact sheet 4.2, trap 2: 7 bytes with a NUL arrive as ``7 bytes from ... ab``."""
    async with running(build(time_scale=0)) as [node]:
        await attached(node)
        await node.done("udp open", "udp bind :: 4010")
        assert await node.cli("udp open") == "Error 24: Already\n"
        own = (await node.cli("ipaddr mleid")).split()[0]
        for data, shown in [("6162006364650a", b"7 bytes from %s 4010 ab\r\n"),
                            ("410d0a3e2042", b"6 bytes from %s 4010 A\r\n> B\r\n"),
                            ("41ff42", b"3 bytes from %s 4010 A\xffB\r\n")]:  # fmt: skip
            node.take()
            node.type(f"udp send {own} 4010 -x {data}\r\n")
            await node.until(rb"Done\r\n> ")
            wanted = shown % own.encode()
            assert await node.until(rb"bytes from [^ ]* 4010 (?s:.*)" + wanted[-3:]) == wanted
        await node.done(f"udp send {own} 4010 -s 64")
        assert b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01\r\n" in (
            await node.until(rb"\r\n")
        )
        await node.done(f"udp connect {own} 4010", "udp send -t hi")
        assert (await node.until(rb"\r\n")).endswith(b"4010 hi\r\n")
        assert await node.cli("udp send -x") == "Error 7: InvalidArgs\n"
        assert await node.cli("udp send -x zz") == "Error 7: InvalidArgs\n"
        await node.done("udp close", "udp open")
        assert await node.cli("udp send hi") == "Error 7: InvalidArgs\n"  # no peer any more


async def test_udp_to_this_machine_and_back(udp_far: Any) -> None:
    far = await udp_far()
    six = await udp_far("::1")
    async with running(build(time_scale=0, line="4096")) as [node]:
        await attached(node)
        await node.done("udp open", "udp bind :: 0")
        answer = await node.cli(f"udp send 127.0.0.1 {far.port} hello")
        assert answer == f"Sending to synthesized IPv6 address: {HOST4}\nDone\n"
        assert (
            await node.until(rb"hello\r\n") == f"5 bytes from {HOST4} {far.port} hello\r\n".encode()
        )
        await node.done(f"udp send fd00:64:64:1::1 {six.port} six")
        shown = f"3 bytes from fd00:64:64:1:0:0:0:1 {six.port} six\r\n"
        assert await node.until(rb"six\r\n") == shown.encode()
        # 1232 bytes pass, 1233 are Done and never arrive (trap 4), neither way
        before = len(far.got)
        await node.done(
            f"udp send {HOST4} {far.port} -s 1232", f"udp send {HOST4} {far.port} -s 1233"
        )
        await node.until(rb"1232 bytes from")
        await asyncio.sleep(0.05)
        assert [len(each) for each, _ in far.got[before:]] == [1232]
        place = far.got[-1][1]
        far.transport.sendto(bytes(1233), place)
        far.transport.sendto(b"end", place)
        assert b"1233" not in await node.until(rb"end\r\n")
        # an address beyond loopback is nobody
        await node.done("udp send 192.0.2.1 9 x")


async def test_without_nat64_an_ipv4_literal_is_an_error() -> None:
    async with running(build(time_scale=0, nat64="no", resolve={"a": "127.0.0.1"})) as [node]:
        await attached(node)
        await node.done("udp open")
        assert await node.cli("udp send 127.0.0.1 9 x") == "Error 13: InvalidState\n"
        assert await node.cli("udp connect 127.0.0.1 9") == "Error 13: InvalidState\n"
        assert await node.cli("dns resolve4 a") == "Error 13: InvalidState\n"
        assert await node.cli("dns resolve a") == "DNS response for a. - \nError 23: NotFound\n"


def test_settings_are_checked() -> None:
    with pytest.raises(UnknownSettingError, match="valid: attach, border"):
        build(nonsense="1")
    for name, value in [("line", "long"), ("overlong", "x"), ("border", "1"), ("loss", "2"),
                        ("eui64", "12"), ("dataset", "0e")]:  # fmt: skip
        with pytest.raises(UnknownSettingError, match=f"{name}={value}"):
            build(**{name: value})
    with pytest.raises(UnknownFirmwareError):
        build(firmware="mtd")
    with pytest.raises(fakes.FakeError):
        build(access_points={"a": "b"})
    assert isinstance(fakes.build("openthread"), fakes.FakeModem)
    assert fakes.build("openthread").facts["udp.max_payload"] == 1232

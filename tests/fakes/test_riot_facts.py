"""RIOT shell: numbers, texts and defaults, written a second time (see docs/mutation.md)."""

from __future__ import annotations

import asyncio
import re
from dataclasses import asdict, fields
from typing import Any

import pytest

from fakes.peers import Peer
from fakes.riot import Riot
from fakes.riot import build as build_as_set
from fakes.riot.settings import FACTS, Settings
from fakes.riot.words import words_of
from tests.fakes.mesh_host import running, virtual
from tests.fakes.test_riot import LOCAL, ask


def build(**settings: Any) -> Riot:
    """A node of RIOT's test application, with all its commands."""
    return build_as_set(**{"tcp": "yes", **settings})


SEVEN = "fd00:64:64::c000:207"  # 192.0.2.7


async def test_defaults() -> None:
    async with running(build(time_scale=0, offline=True)) as [node]:
        await asyncio.sleep(0.01)
        for line in ("ifconfig", "udp send [fe80::9]:9 x", "udp server start 9",
                     "gnrc_tcp_listen [::]:9", "gnrc_tcp_accept 0"):  # fmt: skip
            await ask(node, line)
        assert node.modem.kind == "riot"
        assert node.modem.facts == FACTS
    assert asdict(Settings()) == {
        "mesh": "", "border": True, "hop": 0.0025, "loss": 0.0, "duplicate": 0.0, "eui64": "",
        "stdin": 64, "line": 128, "shell_delay": 0.002, "tcp": False, "channel": 26, "pan": 35,
        "role": "host", "advertised": 0.3, "connect_timeout": 120.0,
    }  # fmt: skip
    assert next(each for each in fields(Settings) if each.name == "role").metadata == {
        "choices": ("host", "router")
    }
    assert FACTS == {"line": 128, "stdin": 64, "udp.servers": 1, "udp.max_hex": 64,
                     "tcp.connections": 1, "tcp.buffer": 2048}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("ping", "ping [-c <count>] [-h] [-i <ms interval>] [-s <packetsize>]\n"
         "     [-t hoplimit] [-W <ms timeout>] <host>[%<interface>]\n"),
        ("ping -c", "ping [-c <count>] [-h] [-i <ms interval>] [-s <packetsize>]\n"
         "     [-t hoplimit] [-W <ms timeout>] <host>[%<interface>]\n"),
        ("ifconfig 6 set chan 11", "success: set channel on interface 6 to 11\n"),
        ("ifconfig 6 set chan 10", "error: unable to set channel\n"),
        ("ifconfig 6 set channel 0x1a", "success: set channel on interface 6 to 0x001a\n"),
        ("ifconfig 6 set nid ffff", "success: set network identifier on interface 6 to 0xffff\n"),
        ("ifconfig 6 set pan 10000", "error: unable to parse value.\n"
         "Must be a 16-bit unsigned integer (dec or hex)\n"),
        ("ifconfig 6 set pan 9", "success: set network identifier on interface 6 to 9\n"),
        ("ifconfig 6 set", "usage: ifconfig\nusage: ifconfig 6 [add|del|set|rtr_adv]\n"),
        ("ifconfig 6 add", "usage: ifconfig\nusage: ifconfig 6 [add|del|set|rtr_adv]\n"),
        ("ifconfig 6 del", "usage: ifconfig\nusage: ifconfig 6 [add|del|set|rtr_adv]\n"),
        ("ifconfig 6 del x", "error: unable to parse IPv6 address.\n"),
        ("ifconfig 6 add fd00::9", "success: added fd00::9 to interface 6\n"),
        ("ifconfig 6 -rtr_adv", "success: unset router advertisements on interface 6\n"),
        ("nib abr", "usage: nib {neigh|prefix|route|abr|help} ...\n"),
        ("nib abr add fd00::1", ""),
        ("nib abr del fd00::1", "usage: nib {neigh|prefix|route|abr|help} ...\n"),
        ("udp send [fe80::1]:65535 x", "Success: sent 1 byte over UDP to [fe80::1]:65535\n"),
        ("udp send fe80::1:9 x", "Error: unable to parse destination address\n"),
        ("udp server start 70000", "Success: started UDP server on port 4464\n"),
        ("udp send [fe80::1]:9 x 0", ""),
        ("buffer_write", "buffer_write: argc=1, argv[0] = buffer_write\n"),
        ("gnrc_tcp_listen", "gnrc_tcp_listen: argc=1, argv[0] = gnrc_tcp_listen\n"
         "gnrc_tcp_listen: returns -EINVAL\n"),
        ("gnrc_tcp_open [fe80::1]:0 0", "gnrc_tcp_open: argc=3, argv[0] = gnrc_tcp_open, "
         "argv[1] = [fe80::1]:0, argv[2] = 0\ngnrc_tcp_open: returns -EINVAL\n"),
        ("gnrc_tcp_close", "gnrc_tcp_close: argc=1, argv[0] = gnrc_tcp_close\n"
         "gnrc_tcp_close: returns\n"),
        ("gnrc_tcp_abort", "gnrc_tcp_abort: argc=1, argv[0] = gnrc_tcp_abort\n"
         "gnrc_tcp_abort: returns\n"),
        ("gnrc_tcp_get_remote", "gnrc_tcp_get_remote: argc=1, argv[0] = gnrc_tcp_get_remote\n"
         "gnrc_tcp_get_remote: returns -ENOTCONN\n"),
        ("udp server start 65535", "Success: started UDP server on port 65535\n"),
        ("'a", "shell: incorrect quoting\n"),
        ("a\\", "shell: incorrect quoting\n"),
        ("   ", ""),
        ("foo bar", "shell: command not found: foo\n"),
        ("a~b", "shell: command not found: a~b\n"),
        ("ping buffer_read", "can't resolve buffer_read\nping [-c <count>] [-h] [-i <ms interval>] "
         "[-s <packetsize>]\n     [-t hoplimit] [-W <ms timeout>] <host>[%<interface>]\n"),
        ("ping -c 0 fe80::9", "\n--- fe80::9 PING statistics ---\n"
         "0 packets transmitted, 0 packets received, 0% packet loss\n"),
        ("gnrc_tcp_tcb_init x", "gnrc_tcp_tcb_init: argc=2, argv[0] = gnrc_tcp_tcb_init, argv[1] = x\n"
         "gnrc_tcp_tcb_init: returns 0\n"),
        ("gnrc_tcp_close x", "gnrc_tcp_close: argc=2, argv[0] = gnrc_tcp_close, argv[1] = x\n"
         "gnrc_tcp_close: returns\n"),
        ("gnrc_tcp_abort x", "gnrc_tcp_abort: argc=2, argv[0] = gnrc_tcp_abort, argv[1] = x\n"
         "gnrc_tcp_abort: returns\n"),
        ("gnrc_tcp_stop_listen x", "gnrc_tcp_stop_listen: argc=2, argv[0] = gnrc_tcp_stop_listen, argv[1] = x\n"
         "gnrc_tcp_stop_listen: returns\n"),
        ("gnrc_tcp_get_local x", "gnrc_tcp_get_local: argc=2, argv[0] = gnrc_tcp_get_local, argv[1] = x\n"
         "gnrc_tcp_get_local: returns -EADDRNOTAVAIL\n"),
        ("gnrc_tcp_get_remote x", "gnrc_tcp_get_remote: argc=2, argv[0] = gnrc_tcp_get_remote, argv[1] = x\n"
         "gnrc_tcp_get_remote: returns -ENOTCONN\n"),
        ("buffer_get_max_size x", "buffer_get_max_size: argc=2, argv[0] = buffer_get_max_size, argv[1] = x\n"
         "buffer_get_max_size: returns 2048\n"),
    ],
    ids=lambda text: text[:26].replace(" ", "_").replace("\n", "_"),
)  # fmt: skip
async def test_texts(line: str, answer: str) -> None:
    async with running(build(time_scale=0)) as [node]:
        await asyncio.sleep(0.01)
        assert await ask(node, line) == answer


async def test_the_line_editor() -> None:
    """RIOT, sys/shell/shell.c, shell_readline: nothing is taken back beyond the prompt."""
    async with running(build(time_scale=0)) as [node]:
        await node.until(rb"> ")
        for typed, echoed in [
            (b"\b", b""), (b"ab\b\x7f\b", b"ab\b \b\b \b"), (b"\n\b", b"\r\n> "),
            (b"xy\x03\b", b"xy\r\n> "), (b"z\b\b\r", b"z\b \b\r\n> "),
        ]:  # fmt: skip
            node.type(typed)
            node.type(b"~")
            said = await node.until(rb"~")
            assert said == echoed + b"~"
            node.type(b"\b")
            await node.until(rb"\x08 \x08")


@pytest.mark.parametrize("end", ["\r", "\n"], ids=["cr", "lf"])
def test_what_follows_a_line_fills_stdin(end: str) -> None:
    async def scenario() -> None:
        async with running(build(offline=True)) as [node]:
            await asyncio.sleep(1)
            node.take()
            node.type(f"ping -c 1 -W 500 fe80::9{end}foo{end}")
            await asyncio.sleep(0.1)
            node.type("b" * 61)
            said = await node.until(rb"found: foo\n> b+", 9)
            await asyncio.sleep(0.1)
            assert (said + node.take()).endswith(b"found: foo\n> " + b"b" * 60)

    virtual(scenario)


async def test_nothing_is_sent_without_an_address() -> None:
    async with running(build(time_scale=0, border="no")) as [node]:
        assert "success" in await ask(node, f"ifconfig 6 del {LOCAL}")
        assert await ask(node, "udp send [fe80::1]:9 x") == "Error sending data\n"


def test_pauses() -> None:
    """Between datagrams: a second, or so many microseconds; after a ping nobody answers: -i, and -W
    at the end; a reboot."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with running(build(offline=True)) as [node]:
            await asyncio.sleep(1)
            for line, seconds in [("udp send [fe80::9]:9 x 3", 2.0),
                                  ("udp send [fe80::9]:9 x 3 1500000", 3.0),
                                  ("udp send [fe80::9]:9 x 1 1500000", 0.0),
                                  ("ping -c 2 -i 300 -W 700 fe80::9", 1.0),
                                  ("ping -c 1 -i 300 -W 700 fe80::9", 0.7)]:  # fmt: skip
                begun = loop.time()
                node.type(line + "\n")
                await node.until(rb"\n> ", 9)
                assert loop.time() - begun == pytest.approx(seconds, abs=0.05), line
            begun = loop.time()
            node.type("reboot\n")
            await node.until(rb"This is RIOT! \(Version: simulated\)\n> ", 9)
            assert loop.time() - begun == pytest.approx(0.5, abs=0.05)

    virtual(scenario)


async def test_help() -> None:
    async with running(build(time_scale=0)) as [node]:
        node.type("help\n")
        said = (await node.until(rb"udp  .*\n> ")).decode()
        assert said.startswith(
            "> help\r\nCommand              Description\n---------------------------------------\n"
        )
        assert re.search(r"\nreboot {15}(?![ ~])", said)


def test_a_connection_that_was_reset() -> None:
    async def scenario() -> None:
        modem = build(offline=True, peers={"192.0.2.7:7": Peer(), "192.0.2.7:9": Peer("stall")})
        async with running(modem) as [node]:
            await asyncio.sleep(1)

            async def say(line: str) -> str:
                return (await ask(node, line)).split("\n")[-2]

            assert await say(f"gnrc_tcp_open [{SEVEN}]:7 0") == "gnrc_tcp_open: returns 0"
            [talk] = modem.world.peers.talking("192.0.2.7:7")
            talk.rst()
            assert await say("gnrc_tcp_recv 1000 1") == "gnrc_tcp_recv: returns -ECONNRESET"
            assert await say("gnrc_tcp_send 1000 1") == "gnrc_tcp_send: returns -ECONNRESET"
            await say("gnrc_tcp_tcb_init")
            await say("buffer_write 2047 z")
            assert await say("buffer_read 2047 2") == "buffer_read: <begin>z<end>"
            assert await say(f"gnrc_tcp_open [{SEVEN}]:7 5123") == "gnrc_tcp_open: returns 0"
            own = "Endpoint: addr.ipv6=fd00:64:64:2:4:1900:0:1 netif=6 port=5123"
            assert await say("gnrc_tcp_get_local") == own
            await say("gnrc_tcp_close")
            await say("gnrc_tcp_tcb_init")
            # reset while a send waits for what nobody acknowledges
            await say(f"gnrc_tcp_open [{SEVEN}]:9 0")
            [talk] = modem.world.peers.talking("192.0.2.7:9")
            node.take()
            node.type("gnrc_tcp_send 1000 9\n")
            await asyncio.sleep(1)
            assert b"sent" not in node.take()
            talk.rst()
            assert b"send: returns -ECONNRESET\n" in await node.until(rb"\n> ", 9)

    virtual(scenario)


def test_listening_and_waiting() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        modem = build(offline=True)
        async with running(modem) as [node]:
            await asyncio.sleep(1)

            async def say(line: str) -> str:
                answer = (await ask(node, line)).split("\n")[-2]
                return answer.removeprefix(line.split(maxsplit=1)[0] + ": ")

            assert await say("gnrc_tcp_accept 1000") == "returns -EINVAL"
            assert await say("gnrc_tcp_listen [::]:7000") == "returns 0"
            assert await say("gnrc_tcp_listen [::]:7001") == "returns -EISCONN"
            assert await say("gnrc_tcp_accept 0") == "returns -EAGAIN"
            begun = loop.time()
            assert await say("gnrc_tcp_accept 3000") == "returns -ETIMEDOUT"
            assert loop.time() - begun == pytest.approx(3, abs=0.05)
            node.take()
            node.type("gnrc_tcp_accept 60000\n")
            await asyncio.sleep(1)
            assert modem.sockets.dial(7000, Peer(greeting=b"hi"))
            assert (await node.until(rb"\n> ", 9)).endswith(b"accept: returns 0\n> ")
            assert await say("gnrc_tcp_accept 0") == "returns -ENOMEM"
            assert await say("gnrc_tcp_recv 1000 2") == "received 2"
            # the next one is taken when this connection is over, before anybody asks
            assert modem.sockets.dial(7000, Peer(greeting=b"you"))
            assert await say("gnrc_tcp_abort") == "returns"
            await asyncio.sleep(1)
            assert await say("gnrc_tcp_accept 0") == "returns 0"
            assert await say("gnrc_tcp_stop_listen x") == "returns"
            assert not modem.sockets.dial(7000, Peer())

    virtual(scenario)


async def test_without_tcp_and_with_a_longer_line() -> None:
    async with running(build_as_set(time_scale=0, line="512", eui64="0011223344556677")) as [node]:
        for name in ("gnrc_tcp_open", "buffer_read"):
            assert await ask(node, name) == f"shell: command not found: {name}\n"
            assert (await ask(node, f"ping {name}")).startswith(f"can't resolve {name}\n")
        for count, answer in [(64, "Success: sent 64 byte over UDP to [fe80::1]:9\n"),
                              (65, "Error: unable to parse hexadecimal data\n")]:  # fmt: skip
            assert await ask(node, "udp send -b [fe80::1]:9 " + "41" * count) == answer
        assert await ask(node, "x" * 511) == f"shell: command not found: {'x' * 511}\n"
        assert await ask(node, "x" * 512) == "shell: maximum line length exceeded\n"
        shown = await ask(node, "ifconfig")
        assert "HWaddr: 66:77  " in shown
        assert "Long HWaddr: 00:11:22:33:44:55:66:77 \n" in shown
        assert "inet6 addr: fe80::211:2233:4455:6677  scope: link" in shown


async def test_a_router() -> None:
    async with running(build(time_scale=0, role="router")) as [node]:
        await asyncio.sleep(0.01)
        shown = await ask(node, "ifconfig")
        assert "HL:64  RTR  \n" in shown
        assert "          inet6 group: ff02::2\n          inet6 group: ff02::1\n" in shown
        # the border router is its neighbour, and does not register with it
        await ask(node, "ifconfig 6 add 2001:db8:7::1")
        await ask(node, "ifconfig 6 rtr_adv")
        assert await ask(node, "nib neigh") == (
            "fe80::6400:6400:fe dev #6 lladdr 02:00:64:00:64:00:00:FE  REACHABLE GC\n"
        )
        assert await ask(node, "nib prefix") == "fd00:64:64:2::/64 dev #6\n2001:db8:7::/64 dev #6\n"
        await ask(node, "ifconfig 6 -rtr_adv")
        await ask(node, "ifconfig 6 add fe80::77")
        await ask(node, "ifconfig 6 add 2001:db8:7:1:8000::1")
        await ask(node, "ifconfig 6 rtr_adv")
        assert await ask(node, "nib prefix") == (
            "fd00:64:64:2::/64 dev #6\n2001:db8:7::/64 dev #6\n2001:db8:7:1::/64 dev #6\n"
        )
        await ask(node, "ifconfig 6 -rtr_adv")
        assert await ask(node, "nib prefix") == "fd00:64:64:2::/64 dev #6\n"


def test_ping_by_default() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        modem = build(offline=True, peers={"192.0.2.7:7": Peer("echo")}, hop="0.0016")
        async with running(modem) as [node]:
            await asyncio.sleep(1)
            begun = loop.time()
            answer = await ask(node, f"ping {SEVEN}")
            assert loop.time() - begun == pytest.approx(2 + 3 * 0.0032 + 0.002, abs=0.0005)
            rows = "".join(
                f"12 bytes from {SEVEN}: icmp_seq={n} ttl=64 time=3.200 ms\n" for n in range(3)
            )
            assert answer == (
                f"{rows}\n--- {SEVEN} PING statistics ---\n"
                "3 packets transmitted, 3 packets received, 0% packet loss\n"
                "round-trip min/avg/max = 3.200/3.200/3.200 ms\n"
            )
            begun = loop.time()
            assert "100% packet loss" in await ask(node, "ping -c 2 -t 9 fd00::9")
            assert loop.time() - begun == pytest.approx(2 + 0.002, abs=0.0005)
            assert "ttl=9 time" in await ask(node, f"ping -c 1 -t 9 {SEVEN}")
            begun = loop.time()
            await ask(node, "gnrc_tcp_tcb_init")
            node.type("gnrc_tcp_open [fd00::9]:9 0\n")
            await node.until(rb"returns -ETIMEOUT\n> ", 130)
            assert loop.time() - begun == pytest.approx(120, abs=0.1)

    virtual(scenario)


def test_ping_shows_microseconds() -> None:
    async def scenario() -> None:
        modem = build(offline=True, peers={"192.0.2.7:7": Peer("echo")}, hop="0.6")
        async with running(modem) as [node]:
            await asyncio.sleep(5)
            answer = await ask(node, f"ping -c 1 {SEVEN}")
            assert "time=1200.000 ms\n" in answer
            assert "= 1200.000/1200.000/1200.000 ms\n" in answer

    virtual(scenario)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a  b\tc ", ["a", "b", "c"]),
        (r"a\ b \"c\\", ["a b", '"c\\']),
        ("a' b'\"c 'd\" ''", ["a bc 'd", ""]),
        (r"'it\'s'", ["it's"]),
        ("a\x85b\xa0c", ["a\x85b\xa0c"]),
        ("a\0b", ["a"]),
        ("'a", None),
        ("a\\", None),
    ],
    ids=["blanks", "escapes", "quotes", "escape in quotes", "no blanks", "nul", "open", "cut"],
)
def test_words(line: str, words: list[str] | None) -> None:
    """RIOT, sys/shell/shell.c, shell_handle_input_line: only spaces and tabs part words."""
    assert words_of(line) == words

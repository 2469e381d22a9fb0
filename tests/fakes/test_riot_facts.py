"""RIOT shell: numbers, texts and defaults, written a second time (see docs/mutation.md)."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import pytest

from fakes.peers import Peer
from fakes.riot import Riot
from fakes.riot import build as build_as_set
from fakes.riot.settings import FACTS, Settings
from fakes.riot.words import words_of
from tests.fakes.mesh_host import running, virtual
from tests.fakes.test_riot import ask


def build(**settings: Any) -> Riot:
    """A node of RIOT's test application, with all its commands."""
    return build_as_set(**{"tcp": "yes", **settings})


SEVEN = "fd00:64:64::c000:207"  # 192.0.2.7


def test_defaults() -> None:
    assert asdict(Settings()) == {
        "mesh": "", "border": True, "hop": 0.0025, "loss": 0.0, "duplicate": 0.0, "eui64": "",
        "stdin": 64, "line": 128, "shell_delay": 0.002, "tcp": False, "channel": 26, "pan": 35,
        "role": "host", "advertised": 0.3, "connect_timeout": 120.0,
    }  # fmt: skip
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
    ],
    ids=lambda text: text[:26].replace(" ", "_").replace("\n", "_"),
)  # fmt: skip
async def test_texts(line: str, answer: str) -> None:
    async with running(build(time_scale=0)) as [node]:
        await asyncio.sleep(0.01)
        assert await ask(node, line) == answer


async def test_without_tcp_and_with_a_longer_line() -> None:
    async with running(build_as_set(time_scale=0, line="512", eui64="0011223344556677")) as [node]:
        for name in ("gnrc_tcp_open", "buffer_read"):
            assert await ask(node, name) == f"shell: command not found: {name}\n"
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
        assert await ask(node, "nib prefix") == "fd00:64:64:2::/64 dev #6\n"


def test_ping_by_default() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        modem = build(offline=True, peers={"192.0.2.7:7": Peer("echo")}, hop="0.0016")
        async with running(modem) as [node]:
            await asyncio.sleep(1)
            begun = loop.time()
            answer = await ask(node, f"ping {SEVEN}")
            assert loop.time() - begun == pytest.approx(2.02, abs=0.01)
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
            assert loop.time() - begun == pytest.approx(2, abs=0.05)
            assert "ttl=9 time" in await ask(node, f"ping -c 1 -t 9 {SEVEN}")
            begun = loop.time()
            await ask(node, "gnrc_tcp_tcb_init")
            node.type("gnrc_tcp_open [fd00::9]:9 0\n")
            await node.until(rb"returns -ETIMEOUT\n> ", 130)
            assert loop.time() - begun == pytest.approx(120, abs=0.1)

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

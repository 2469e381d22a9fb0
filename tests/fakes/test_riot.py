"""RIOT shell: the fact sheet's texts (section 5.1) and those of RIOT's own sources."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

import fakes
from fakes.actions import perform
from fakes.errors import UnknownFirmwareError, UnknownSettingError
from fakes.peers import Peer
from fakes.riot import Riot
from fakes.riot import build as build_as_set
from fakes.riot.udp import dump
from tests.fakes.mesh_host import Console, running, virtual
from tests.ports import free_port


def build(**settings: Any) -> Riot:
    """A node of RIOT's test application, with all its commands."""
    return build_as_set(**{"tcp": "yes", **settings})


HOST4 = "fd00:64:64::7f00:1"
LOCAL = "fe80::4:1900:0:1"
GLOBAL = "fd00:64:64:2:4:1900:0:1"


async def ask(node: Console, line: str) -> str:
    """A command in pieces of 32 bytes, and what stands between its echo and the prompt."""
    node.take()
    data = line.encode() + b"\n"
    for at in range(0, len(data), 32):
        node.type(data[at : at + 32])
        await asyncio.sleep(0.003)
    echo = line.encode() + b"\r\n"
    answer = await node.until(b"(?s:.*)\r\n(?:.*\n)?> $", 5)
    assert answer.startswith(echo)
    return answer[len(echo) : -2].decode("latin-1")


async def test_line_discipline() -> None:
    async with running(build(time_scale=0)) as [node]:
        assert node.take() == b"> "
        node.type(b"foo\n")
        assert await node.until(rb"\n> ") == b"foo\r\nshell: command not found: foo\n> "
        node.type(b"fax\b\x7foo\r\n")  # CR LF: a line, and an empty one
        wanted = b"fax\b \b\b \boo\r\nshell: command not found: foo\n> \r\n> "
        assert await node.until(rb"\n> \r\n> ") == wanted
        node.type(b"garbage\x03foo\r")
        assert await node.until(rb"found: foo\n> ") == (
            b"garbage\r\n> foo\r\nshell: command not found: foo\n> "
        )
        node.type(b"foo\nbar\n")  # the second line waits for the first
        assert await node.until(rb"found: bar\n> ") == (
            b"foo\r\nshell: command not found: foo\n> bar\r\nshell: command not found: bar\n> "
        )


async def test_a_burst_beyond_64_bytes_is_lost() -> None:
    """Trap (a): written at once it loses bytes; in pieces of 32 it does not."""
    async with running(build(time_scale=0)) as [node]:
        node.take()
        node.type(b"x" * 60 + b"yyyyzz\n")
        await asyncio.sleep(0.02)
        assert node.take() == b"x" * 60 + b"yyyy"
        assert [r.detail for r in node.modem.journal if r.kind == "overrun"] == ["3 bytes"]
        node.type(b"\n")
        assert await node.until(rb"\n> ") == (
            b"\r\nshell: command not found: " + b"x" * 60 + b"yyyy\n> "
        )
        long = "a" * 127
        assert await ask(node, long) == f"shell: command not found: {long}\n"
        assert await ask(node, long + "a") == "shell: maximum line length exceeded\n"


def test_the_shell_takes_nothing_while_a_command_runs() -> None:
    async def scenario() -> None:
        async with running(build(offline=True)) as [node]:
            node.take()
            node.type(b"ping -c 1 -W 500 fe80::9\n")
            await asyncio.sleep(0.1)
            node.type(b"a" * 63)
            await asyncio.sleep(0.1)
            node.type(b"\nlost\n")
            said = await node.until(rb"found: a+\n> ", 5)
            assert b"found: " + b"a" * 63 + b"\n> " in said
            assert b"lost" not in said
        async with running(build(offline=True, shell_delay="0.05")) as [node]:
            for _ in range(2):
                node.type(b"b" * 40)  # 64 of both
                await asyncio.sleep(0.01)
            await asyncio.sleep(1)
            assert node.take() == b"> " + b"b" * 64

    virtual(scenario)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("ping foo", "can't resolve foo\n"),
        ("ping fe80::1%7", "can't resolve fe80::1%7\n"),
        ("ping", "ping [-c <count>]"),
        ("ping -q fe80::1", "ping [-c <count>]"),
        ("udp", "usage: udp [send|server]\n"),
        ("udp nonsense", "error: invalid command\n"),
        ("udp send", "usage: udp send [-b] <addr>:<port> <data> [<num> [<delay in us>]]\n"),
        ("udp send foo bar", "Error: unable to parse destination address\n"),
        ("udp send [fe80::1%7]:9 bar", "Error: unable to parse destination address\n"),
        ("udp send [fe80::1] bar", "Error: no port or illegal port value provided\n"),
        ("udp send [fe80::1]:0 bar", "Error: no port or illegal port value provided\n"),
        ("udp send [fe80::1]:65536 bar", "Error: no port or illegal port value provided\n"),
        ("udp send -b [fe80::1]:9 4", "Error: unable to parse hexadecimal data\n"),
        ("udp send -b [fe80::1]:9 4x", "Error: unable to parse hexadecimal data\n"),
        ("udp send [fe80::1%6]:9 hey", "Success: sent 3 byte over UDP to [fe80::1%6]:9\n"),
        ("udp server", "usage: udp server [start|stop]\n"),
        ("udp server start", "usage udp server start <port>\n"),
        ("udp server start x", "Error: invalid port specified\n"),
        ("udp server stop", "Error: server was not running\n"),
        ("udp server restart", "error: invalid command\n"),
        ("ifconfig 7", "error: invalid interface given\n"),
        ("ifconfig 6 add nonsense", "error: unable to parse IPv6 address.\n"),
        ("ifconfig 6 del fd00::9", "error: unable to remove fd00::9\n"),
        ("ifconfig 6 set chan 27", "error: unable to set channel\n"),
        ("ifconfig 6 set chan x", "error: unable to parse value.\n"),
        ("ifconfig 6 set power 1", "usage: ifconfig <if_id> set <key> <value>\n"),
        ("ifconfig 6 fly", "usage: ifconfig\n"),
        ("nib", "usage: nib {neigh|prefix|route|abr|help} ...\n"),
        ("nib neigh", "fe80::6400:6400:fe dev #6 lladdr 02:00:64:00:64:00:00:FE  REACHABLE GC\n"),
        ("nib prefix", "fd00:64:64:2::/64 dev #6\n"),
        ("nib route", "fd00:64:64:2::/64 dev #6\ndefault* via fe80::6400:6400:fe dev #6\n"),
        ("nib abr add x", "usage: nib abr [add|del] <addr>\n"),
        ("buffer_get_max_size", "buffer_get_max_size: argc=1, argv[0] = buffer_get_max_size\n"
         "buffer_get_max_size: returns 2048\n"),
        ("gnrc_tcp_send 0 5", "gnrc_tcp_send: argc=3, argv[0] = gnrc_tcp_send, argv[1] = 0, "
         "argv[2] = 5\ngnrc_tcp_send: returns -ENOTCONN\n"),
        ("gnrc_tcp_get_local", "gnrc_tcp_get_local: argc=1, argv[0] = gnrc_tcp_get_local\n"
         "gnrc_tcp_get_local: returns -EADDRNOTAVAIL\n"),
    ],
    ids=lambda text: text[:28].replace(" ", "_") if "\n" not in text else "",
)  # fmt: skip
async def test_answers(line: str, answer: str) -> None:
    async with running(build(time_scale=0)) as [node]:
        await asyncio.sleep(0.01)
        assert (await ask(node, line)).startswith(answer)


async def test_ifconfig() -> None:
    async with running(build(time_scale=0)) as [node]:
        await asyncio.sleep(0.01)
        shown = await ask(node, "ifconfig")
        assert shown == (
            "Iface  6  HWaddr: 00:01  Channel: 26  NID: 0x23  PHY: O-QPSK \n"
            "          Long HWaddr: 02:04:19:00:00:00:00:01 \n"
            "           TX-Power: 0dBm  State: IDLE  max. Retrans.: 3  CSMA Retries: 4 \n"
            "          AUTOACK  ACK_REQ  CSMA  L2-PDU:102  MTU:1280  HL:64  \n"
            "          6LO  IPHC  \n"
            "          Source address length: 8\n"
            "          Link type: wireless\n"
            f"          inet6 addr: {LOCAL}  scope: link  VAL\n"
            f"          inet6 addr: {GLOBAL}  scope: global  VAL\n"
            "          inet6 group: ff02::1\n"
            "          \n"
        )
        assert await ask(node, "ifconfig 6") == shown
        added = await ask(node, "ifconfig 6 add 2001:db8:1::1/64")
        assert added == "success: added 2001:db8:1::1/64 to interface 6\n"
        assert "inet6 addr: 2001:db8:1::1  scope: global" in await ask(node, "ifconfig")
        removed = await ask(node, "ifconfig 6 del 2001:db8:1::1")
        assert removed == "success: removed 2001:db8:1::1 from interface 6\n"
        assert "2001" not in await ask(node, "ifconfig")
        # another channel is another network: no router, no prefix
        assert await ask(node, "ifconfig 6 set chan 11") == (
            "success: set channel on interface 6 to 11\n"
        )
        await asyncio.sleep(0.01)
        assert "global" not in await ask(node, "ifconfig")
        assert await ask(node, "nib neigh") == ""
        await ask(node, "ifconfig 6 set channel 26")
        assert await ask(node, "ifconfig 6 set pan_id 0x24") == (
            "success: set network identifier on interface 6 to 0x0024\n"
        )
        assert "NID: 0x24" in await ask(node, "ifconfig")
        node.type(b"reboot\n")
        assert (await node.until(rb"RIOT!.*\n> ")).startswith(b"reboot\r\nmain(): This is RIOT!")
        await asyncio.sleep(0.01)
        assert await ask(node, "ifconfig") == shown


async def test_udp_is_safe_for_every_byte(udp_far: Any) -> None:
    far = await udp_far()
    async with running(build(time_scale=0)) as [node]:
        await asyncio.sleep(0.01)
        assert await ask(node, "udp server start 8808") == (
            "Success: started UDP server on port 8808\n"
        )
        assert await ask(node, "udp server start 9") == (
            "Error: server already running on port 8808\n"
        )
        sent = await ask(node, f"udp send -b [{HOST4}]:{far.port} 410A000DFF3E20")
        assert sent == f"Success: sent 7 byte over UDP to [{HOST4}]:{far.port}\n"
        await asyncio.sleep(0.02)
        data, place = far.got[-1]
        assert data == b"A\n\0\r\xff> "
        assert place[1] != 8808  # trap (c): another port each time, and nobody hears the echo
        await ask(node, f"udp send [{HOST4}]:{far.port} text")
        await asyncio.sleep(0.02)
        assert far.got[-1][0] == b"text"
        assert far.got[-1][1] != place
        far.transport.sendto(bytes(range(1, 19)), ("127.0.0.1", 8808))
        assert (
            await node.until(rb"00000010.*\n")
            == (
                f"Received UDP data from [{HOST4}%6]:{far.port}\n"
                "00000000  01  02  03  04  05  06  07  08  09  0A  0B  0C  0D  0E  0F  10\n"
                "00000010  11  12\n"
            ).encode()
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as empty:
            empty.sendto(b"", ("127.0.0.1", 8808))
        assert await node.until(rb"\n") == b"error receiving\n"
        assert await ask(node, "udp server stop") == "Success: stopped UDP server\n"
        answer = await ask(node, f"udp send [{HOST4}]:{far.port} hi 3 1000")
        assert answer.count("Success: sent 2 byte") == 3


def test_dump() -> None:
    assert dump(bytes.fromhex("410a000dff3e20")) == ["00000000  41  0A  00  0D  FF  3E  20"]
    assert dump(b"") == []
    assert [each[:8] for each in dump(bytes(33))] == ["00000000", "00000010", "00000020"]


async def test_tcp(far: Any) -> None:
    end = await far()
    place = f"[{HOST4}]:{end.port}"
    async with running(build(time_scale=0)) as [node]:
        await asyncio.sleep(0.01)

        async def say(line: str) -> str:
            """The outcome: what follows the line of arguments."""
            words = line.split()
            shown = "".join(f", argv[{n}] = {word}" for n, word in enumerate(words))
            answer = await ask(node, line)
            head = f"{words[0]}: argc={len(words)}{shown}\n"
            assert answer.startswith(head)
            return answer[len(head) :].replace(words[0] + ": ", "")

        assert await say("gnrc_tcp_tcb_init") == "returns 0\n"
        assert await say("gnrc_tcp_open nonsense 0") == "returns -EINVAL\n"
        assert await say(f"gnrc_tcp_open [{HOST4}]:1 0") == "returns -ECONNREFUSED\n"
        assert await say("gnrc_tcp_open [fd00::9]:1 0") == "returns -ETIMEOUT\n"
        assert await say(f"gnrc_tcp_open {place} 0") == "returns 0\n"
        assert await say(f"gnrc_tcp_open {place} 0") == "returns -EISCONN\n"
        assert (await say("gnrc_tcp_get_remote")) == (
            f"returns 0\nEndpoint: addr.ipv6={HOST4} netif=6 port={end.port}\n"
        )
        assert f"addr.ipv6={GLOBAL} netif=6 port=" in await say("gnrc_tcp_get_local")
        assert await say("buffer_init") == ""
        assert await say("buffer_write 2 hello") == ""
        assert await say("buffer_read 2 3") == "<begin>hel<end>\n"
        assert await say("buffer_read 0 7") == "<begin><end>\n"  # ends at the first NUL
        await say("buffer_write 0 ab")
        assert await say("gnrc_tcp_send 1000 7") == "sent 7\n"
        await say("buffer_init")
        assert await say("gnrc_tcp_recv 1000 7") == "received 7\n"
        assert await say("buffer_read 0 9") == "<begin>abhello<end>\n"
        assert await say("gnrc_tcp_close") == "returns\n"
        assert await say("gnrc_tcp_recv 10 1") == "returns -ENOTCONN\n"
        await say(f"gnrc_tcp_open {place} 0")
        assert await say("gnrc_tcp_abort") == "returns\n"
        assert await say("gnrc_tcp_accept 10") == "returns -EINVAL\n"


async def test_tcp_that_waits_and_ends(far: Any) -> None:
    go = asyncio.Event()

    async def late(_reader: Any, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        writer.write(b"late")
        await asyncio.sleep(0.05)

    end = await far(late)
    async with running(build(time_scale=0)) as [node]:
        await asyncio.sleep(0.01)
        await ask(node, f"gnrc_tcp_open [{HOST4}]:{end.port} 0")
        node.type(b"gnrc_tcp_recv 20 6\n")  # more than comes
        await node.until(rb"returns -ETIMEDOUT\n.*returns -ETIMEDOUT\n")
        go.set()
        assert (await node.until(rb"\ngnrc_tcp_recv: returns 0\n> ")).count(b"received") == 0
        assert "<begin>late<end>\n" in await ask(node, "buffer_read 0 9")
        await ask(node, "gnrc_tcp_close")
        go.clear()
        await ask(node, f"gnrc_tcp_open [{HOST4}]:{end.port} 0")
        node.type(b"gnrc_tcp_recv 0 4\n")
        await node.until(rb"recv: returns -EAGAIN\ngnrc_tcp_recv: returns -EAGAIN\n")
        go.set()
        await node.until(rb"received 4\n> ")


def test_tcp_that_waits_longer_than_the_connection_lives() -> None:
    """RIOT, gnrc_tcp.c (gnrc_tcp_recv): the connection's time-out, 120 s, ends command and
    connection without a word to the peer (gnrc_tcp_fsm.c, _fsm_timeout_connection: CLOSED); what
    he says afterwards is answered with RST (gnrc_tcp_eventloop.c)."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        modem = build(offline=True, peers={"192.0.2.7:7": Peer()})
        async with running(modem) as [node]:
            await asyncio.sleep(1)
            for last in (lambda talk: talk.say(b"b"), lambda talk: talk.fin()):
                await ask(node, "gnrc_tcp_open [fd00:64:64::c000:207]:7 0")
                [talk] = modem.world.peers.talking("192.0.2.7:7")
                begun = loop.time()
                node.type(b"gnrc_tcp_recv 120001 2\n")
                await asyncio.sleep(100)
                talk.say(b"a")  # one of two: the rest is waited for anew
                said = await node.until(rb"returns \S+\n> ", 130)
                assert said.endswith(b"\ngnrc_tcp_recv: returns -ECONNABORTED\n> ")
                assert b"ETIMEDOUT" not in said
                assert loop.time() - begun == pytest.approx(220, abs=0.1)
                assert "<begin>a<end>" in await ask(node, "buffer_read 0 2")
                for line in ("gnrc_tcp_recv 10 1", "gnrc_tcp_send 10 1", "gnrc_tcp_get_remote"):
                    assert "returns -ENOTCONN\n" in await ask(node, line)
                await asyncio.sleep(10)
                assert not talk.over
                last(talk)
                await asyncio.sleep(1)
                assert talk.over
            await ask(node, "gnrc_tcp_open [fd00:64:64::c000:207]:7 0")
            node.type(b"gnrc_tcp_recv 119000 1\n")  # its own time-out comes first, every time
            await asyncio.sleep(360)
            said = node.take()
            assert said.count(b"gnrc_tcp_recv: returns -ETIMEDOUT\n") == 3
            assert b"ABORTED" not in said

    virtual(scenario)


async def test_tcp_listening(connect: Any) -> None:
    port = free_port()
    async with running(build(time_scale=0)) as [node]:
        await asyncio.sleep(0.01)
        assert "returns -EINVAL\n" in await ask(node, "gnrc_tcp_listen [::]:0")
        assert "returns 0\n" in await ask(node, f"gnrc_tcp_listen [::]:{port}")
        assert "returns -EISCONN\n" in await ask(node, "gnrc_tcp_listen [::]:21975")
        assert "returns -EAGAIN\n" in await ask(node, "gnrc_tcp_accept 0")
        assert "returns -ETIMEDOUT\n" in await ask(node, "gnrc_tcp_accept 20")
        reader, writer = await connect(port)
        assert "returns 0\n" in await ask(node, "gnrc_tcp_accept 1000")
        assert "returns -ENOMEM\n" in await ask(node, "gnrc_tcp_accept 10")
        writer.write(b"yes")
        assert "received 3\n" in await ask(node, "gnrc_tcp_recv 1000 3")
        assert "sent 3\n" in await ask(node, "gnrc_tcp_send 1000 3")
        assert await reader.readexactly(3) == b"yes"
        writer.close()
        assert "returns 0\n" in await ask(node, "gnrc_tcp_recv 1000 3")
        await ask(node, "gnrc_tcp_close")
        assert "gnrc_tcp_stop_listen: returns\n" in await ask(node, "gnrc_tcp_stop_listen")
        with pytest.raises(OSError):
            await connect(port)
    async with running(build_as_set(time_scale=0)) as [node]:
        assert await ask(node, "buffer_init") == "shell: command not found: buffer_init\n"


def test_a_router_of_ones_own_and_duplicates() -> None:
    async def scenario() -> None:
        more = {"mesh": "ether", "border": "no", "duplicate": "1"}
        async with running(*(build(offline=True, **more) for _ in range(2))) as [one, two]:
            await asyncio.sleep(1)
            assert "global" not in await ask(two, "ifconfig")
            await ask(one, "ifconfig 6 add 2001:db8:1::1/64")
            await ask(one, "nib abr add 2001:db8:1::1")
            assert await ask(one, "ifconfig 6 rtr_adv") == (
                "success: set router advertisements on interface 6\n"
            )
            assert "RTR  RTR_ADV  " in await ask(one, "ifconfig")
            perform(two.modem, "reset", True)
            await asyncio.sleep(1)
            address = "2001:db8:1:0:4:1900:0:2"
            assert f"inet6 addr: {address}  scope: global" in await ask(two, "ifconfig")
            assert "default* via fe80::4:1900:0:1 dev #6\n" in await ask(two, "nib route")
            registered = f"{address} dev #6 lladdr 02:04:19:00:00:00:00:02  DELAY REGISTERED\n"
            assert registered in await ask(one, "nib neigh")
            await ask(one, "udp server start 8808")
            await ask(two, "udp send -b [2001:db8:1::1]:8808 00ff")
            await asyncio.sleep(1)
            line = f"Received UDP data from [{address}%6]:49152\n00000000  00  FF\n".encode()
            assert one.take() == line * 2  # trap (e)
            answer = await ask(two, "ping -c 2 -i 100 -s 8 2001:db8:1::1")
            assert answer == (
                "16 bytes from 2001:db8:1::1: icmp_seq=0 ttl=64 time=5.000 ms\n"
                "16 bytes from 2001:db8:1::1: icmp_seq=1 ttl=64 time=5.000 ms\n"
                "\n--- 2001:db8:1::1 PING statistics ---\n"
                "2 packets transmitted, 2 packets received, 0% packet loss\n"
                "round-trip min/avg/max = 5.000/5.000/5.000 ms\n"
            )
            perform(two.modem, "event", "out_of_range")
            lost = await ask(two, "ping -c 1 fe80::4:1900:0:1%6")
            assert lost == (
                "\n--- fe80::4:1900:0:1%6 PING statistics ---\n"
                "1 packets transmitted, 0 packets received, 100% packet loss\n"
            )
            perform(two.modem, "event", "in_range")
            await ask(one, "ifconfig 6 -rtr_adv")
            assert await ask(two, "nib prefix") == ""

    virtual(scenario)


def test_settings_are_checked() -> None:
    with pytest.raises(UnknownSettingError, match="valid: advertised, border"):
        build(nonsense="1")
    for name, value in [("role", "leader"), ("stdin", "x"), ("tcp", "1")]:
        with pytest.raises(UnknownSettingError, match=f"{name}={value}"):
            build(**{name: value})
    with pytest.raises(UnknownFirmwareError, match="valid: gnrc"):
        build(firmware="lwip")
    with pytest.raises(fakes.FakeError):
        build(access_points={"a": "b"})
    assert fakes.build("riot").facts["stdin"] == 64

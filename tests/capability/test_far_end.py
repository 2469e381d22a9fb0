"""Far ends elsewhere: `atdriver far-end` as a process, its control connection, and its gate."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from netsocket.address import SocketAddress
from netsocket.capability import FarEnd, Measurement, run
from netsocket.capability.farcontrol import Control
from netsocket.capability.farend import REFUSED
from netsocket.capability.farremote import FarEndLost, FarEndRefused, RemoteFarEnd
from netsocket.capability.gate import FACTOR, GRANT, CapReached, Gate
from netsocket.capability.measure import judge
from netsocket.capability.surroundings import NEEDS
from netsocket.capability.verdict import PROBES, Outcome, Probe, Verdict, passed
from netsocket.hoststack import HostStack
from netsocket.interface import AsyncNetworkInterface
from tests.drivers.rig import opened
from tests.ports import free_port

pytestmark = pytest.mark.serial
TOKEN = "correct horse"
SOME = [
    "TCPSOCKET_ECHOTEST", "TCPSOCKET_TRANSPARENT", "TCPSOCKET_CLOSE", "TCPSOCKET_ABORT",
    "TCPSOCKET_RESET_BY_PEER", "TCPSOCKET_HALF_CLOSE", "TCPSOCKET_SEND_BACKPRESSURE",
    "TCPSOCKET_CONNECT_REFUSED", "TCPSOCKET_LISTEN_ACCEPT", "TCPSOCKET_BIND_PORT",
    "UDPSOCKET_ECHOTEST", "UDPSOCKET_FOREIGN_SENDER", "UDPSOCKET_MAX_RECV",
    "UDPSOCKET_SENDTO_INVALID", "UDPSOCKET_LOCAL_NAME", "SYNCHRONOUS_DNS",
]  # fmt: skip


@pytest.fixture(scope="module")
def control() -> Iterator[int]:
    """The control port of an `atdriver far-end` in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "atdriver", "far-end", "--port", "0"],
        stdout=subprocess.PIPE,
        env={**os.environ, "ATDRIVER_FAR_END_TOKEN": TOKEN},
    )
    assert process.stdout is not None
    with process:
        yield int(process.stdout.readline().rpartition(b":")[2])
        process.terminate()


@asynccontextmanager
async def guarded(**more: int) -> AsyncIterator[tuple[FarEnd, Control]]:
    """A far end in this process that wants to be knocked at, as one beyond loopback does."""
    gate = Gate(everybody=False, cap=more.pop("cap", None))
    async with FarEnd(gate=gate, **more) as far, Control(far, TOKEN) as served:
        yield far, served


async def test_the_probes_judge_over_a_remote_far_end_on_the_host(control: int) -> None:
    async with RemoteFarEnd("127.0.0.1", control, TOKEN) as far:
        found = await run(HostStack(), far, only=SOME)
    assert found.contradictions() == []
    assert {result.outcome for result in found.results} == {Outcome.PASS}
    assert [result.probe for result in found.results] == [n for n in PROBES if n in SOME]


async def test_and_through_a_module(control: int) -> None:
    async with (
        RemoteFarEnd("127.0.0.1", control, TOKEN, name="srv") as far,
        opened("bg96", "bg96") as rig,
    ):
        found = await run(rig.net, far, kind="simulated", only=SOME)
    assert found.contradictions() == []
    assert found.outcome("tcp.listen") is Outcome.PASS
    assert found.outcome("tcp.sizes") is Outcome.PASS
    assert found.outcome("tcp.half_close") is not Outcome.PASS


async def test_a_wrong_token_is_refused_in_a_sentence(control: int) -> None:
    with pytest.raises(FarEndRefused, match="the token is wrong"):
        await RemoteFarEnd("127.0.0.1", control, "wrong").__aenter__()


async def test_one_session_at_a_time(control: int) -> None:
    async with RemoteFarEnd("127.0.0.1", control, TOKEN):
        with pytest.raises(FarEndRefused, match="another session is under way"):
            await RemoteFarEnd("127.0.0.1", control, TOKEN).__aenter__()


async def test_something_else_at_that_port() -> None:
    def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        writer.close()

    port = free_port()
    server = await asyncio.start_server(greet, "127.0.0.1", port)
    with pytest.raises(FarEndRefused, match="no control port"):
        await RemoteFarEnd("127.0.0.1", port, TOKEN).__aenter__()
    server.close()
    await asyncio.sleep(0)
    with pytest.raises(ConnectionRefusedError, match=f"far end 127.0.0.1:{port}"):
        await RemoteFarEnd("127.0.0.1", port, TOKEN).__aenter__()


async def test_who_gives_up_while_it_greets_leaves_nothing_open() -> None:
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"challenge": "00"}\n')
        await reader.read()
        writer.close()
        ended.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    greeting = asyncio.create_task(RemoteFarEnd("127.0.0.1", port, TOKEN).__aenter__())
    await asyncio.sleep(0.3)
    greeting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await greeting
    async with asyncio.timeout(5):
        await ended.wait()
    server.close()
    await server.wait_closed()


class Belated(FarEnd):
    """One that a listener has accepted hears of it half a second later."""

    async def dial(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        found = await super().dial(host, port)
        await asyncio.sleep(0.5)
        return found


async def test_a_far_end_that_hears_late_of_its_connections() -> None:
    async with Belated() as far:
        found = await run(HostStack(), far, only=["TCPSOCKET_LISTEN_BACKLOG"])
    assert found.results[0].outcome is Outcome.PASS, found.results[0].evidence


async def test_a_lost_far_end_is_no_verdict_about_the_module() -> None:
    async with (
        FarEnd() as real,
        Control(real, TOKEN) as served,
        RemoteFarEnd("127.0.0.1", served.port, TOKEN) as far,
        AsyncNetworkInterface(HostStack()) as net,
    ):
        assert (await judge(PROBES["TCPSOCKET_CLOSE"], net, far)).outcome is Outcome.PASS

        async def cut_off(_net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
            await served.__aexit__()
            await far.settled()
            return passed("never")

        with pytest.raises(FarEndLost, match="is lost"):
            await judge(Probe("CUT", "tcp.close", cut_off), net, far)
        with pytest.raises(FarEndLost, match="is lost"):
            await judge(PROBES["TCPSOCKET_TRANSPARENT"], net, far)


async def test_strangers_get_nothing_and_a_knock_opens() -> None:
    async with guarded() as (real, served), AsyncNetworkInterface(HostStack()) as net:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.settimeout(0.3)
            for name in real.udp:
                stranger.sendto(b"burst", real.datagram_address(name))
            stranger.sendto(b"0" * 32, ("127.0.0.1", real.knock_port))
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(stranger.recv, 100)
        async with net.tcp_socket() as sock:
            sock.settimeout(3.0)
            await sock.connect(real.address("chargen"))
            with pytest.raises((ConnectionResetError, EOFError)):
                if not await sock.recv(100):
                    raise EOFError
        async with RemoteFarEnd("127.0.0.1", served.port, TOKEN) as far:
            found = [
                await judge(PROBES[name], net, far)
                for name in ("TCPSOCKET_ECHOTEST", "UDPSOCKET_ECHOTEST_BURST", "UDPSOCKET_MAX_RECV",
                             "NETWORKINTERFACE_CONN_DISC_REPEAT", "TCPSOCKET_LISTEN_ACCEPT")
            ]  # fmt: skip
            assert [result.outcome for result in found] == [Outcome.PASS] * 5, found
            key = real.gate.key
        await asyncio.sleep(0.1)
        assert not real.gate.permits("127.0.0.1"), "the session is over"
        assert real.gate.key != key


def test_what_a_gate_lets_pass() -> None:
    gate = Gate(everybody=False, cap=GRANT + 5000)
    assert not gate.grant_datagram("192.0.2.1", 1)
    assert not gate.knock("192.0.2.1", b"guess")
    assert gate.knock("192.0.2.1", gate.key)
    assert not gate.permits("192.0.2.2")
    assert gate.grant_datagram("192.0.2.1", GRANT)
    assert not gate.grant_datagram("192.0.2.1", 1), "more than the knock was worth"
    gate.heard("192.0.2.1", 100)
    assert gate.grant_datagram("192.0.2.1", 100 * FACTOR)
    assert not gate.grant_datagram("192.0.2.1", 1)
    with pytest.raises(CapReached):
        gate.grant_stream("192.0.2.1", 5000)
    gate.grant_stream("192.0.2.1", 4000)


async def test_the_cap_ends_a_stream() -> None:
    async with guarded(cap=100_000) as (real, served), AsyncNetworkInterface(HostStack()) as net:
        async with RemoteFarEnd("127.0.0.1", served.port, TOKEN) as far:
            found = await judge(PROBES["TCPSOCKET_RECV_100K"], net, far)
            assert found.outcome is Outcome.FAIL
            assert 0 < real.tcp["chargen"].connections[0].sent <= 100_000


async def test_consecutive_ports_for_firewalls() -> None:
    for base in range(20_000, 30_000, 30):
        far = FarEnd(base=base)
        try:
            await far.__aenter__()
        except OSError:
            continue
        break
    try:
        ports = {service.port for service in (*far.tcp.values(), *far.udp.values())}
        assert ports <= set(range(base + 1, base + REFUSED))
        assert far.refusing() == far.refusing() == ("127.0.0.1", base + REFUSED)
        assert far.silent() == far.silent()
        stack = HostStack()
        async with AsyncNetworkInterface(stack) as net:
            with pytest.raises(ConnectionRefusedError):
                await net.connect(SocketAddress(*far.refusing()))
    finally:
        await far.__aexit__()


async def test_probes_that_nat_would_spoil_are_left_out(control: int) -> None:
    assert set(NEEDS) <= set(PROBES)
    only = ["tcp.listen", "dns.resolve", "tcp.close"]
    async with RemoteFarEnd("127.0.0.1", control, TOKEN) as far:
        far.name = ""
        found: Measurement = await run(HostStack(), far, only=only, reachable=False)
    told = {result.probe: result for result in found.results}
    assert told["TCPSOCKET_CLOSE"].outcome is Outcome.PASS
    for name, word in (("TCPSOCKET_LISTEN_ACCEPT", "NAT"), ("SYNCHRONOUS_DNS", "--name")):
        assert told[name].outcome is Outcome.UNJUDGED
        assert told[name].evidence.startswith("not run: ")
        assert word in told[name].evidence

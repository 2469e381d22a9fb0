"""The mesh between fake nodes: who hears whom, what is lost, and where it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from fakes.errors import FakeError
from fakes.mesh import BorderRouter, Mesh, Network, Node, joined_address, link_local
from fakes.openthread import build
from fakes.peers import Peer
from fakes.sockets import SocketSet
from fakes.world import World
from tests.fakes.mesh_host import running, virtual

NET = Network(15, 0x1234, b"key")


class Rig:
    """Nodes in a line: each hears the next alone."""

    def __init__(self, count: int, **more: Any) -> None:
        self.mesh = Mesh(**more)
        self.world = World(offline=True, peers={"192.0.2.7:7": Peer("echo")})
        self.sockets = SocketSet(self.world)
        self.nodes = [self.node(n) for n in range(count)]
        for n, node in enumerate(self.nodes):
            for other in self.nodes[n + 2 :]:
                self.mesh.cut(node, other)

    def node(self, number: int, network: Network = NET, role: str = "router") -> Node:
        node = Node(
            self.mesh, bytes((2, 0, 0, 0, 0, 0, 0, number)), self.world, lambda: self.sockets
        )
        self.mesh.enter(node)
        node.network, node.role = network, role
        node.register(f"fd00::{number + 1}")
        return node

    def close(self) -> None:
        for node in self.nodes:
            node.leave()
        self.sockets.close()


def rigged(work: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def test() -> None:
        virtual(work)

    test.__name__ = work.__name__
    return test


@rigged
async def test_packets_go_by_routers_of_one_network() -> None:
    rig = Rig(4)
    one, two, three, four = rig.nodes
    path = rig.mesh.path
    assert (path(one, one), path(one, two), path(one, four)) == (0, 1, 3)
    three.role = "child"  # a child passes nothing on
    assert (path(one, four), path(one, three)) == (None, 2)
    three.role = "detached"
    assert path(one, three) is None
    three.role = "leader"
    for other in (Network(16, 0x1234, b"key"), Network(15, 1, b"key"), Network(15, 0x1234, b"k")):
        three.network = other
        assert path(one, three) is None
    three.network = NET
    rig.mesh.cut(two, three)
    assert path(one, four) is None
    rig.mesh.mend(two, three)
    assert path(one, four) == 3
    rig.mesh.isolate(two)
    assert path(one, two) is None
    rig.mesh.rejoin(two)
    assert path(one, four) == 2  # now it hears everybody
    two.leave()
    assert path(one, four) is None
    assert one.owner("fd00::2") is None
    assert one.owner("fd00:0::3") is three
    rig.close()


@rigged
async def test_a_datagram_takes_a_hop_each_2500_us() -> None:
    loop = asyncio.get_running_loop()
    rig = Rig(3)
    got: list[tuple[float, bytes, tuple[str, int], str]] = []
    there = rig.nodes[2].open_udp(7, lambda *what: got.append((loop.time(), *what)))
    here = rig.nodes[0].open_udp(0, lambda *what: None)
    assert here.port == 49152
    here.send(b"hello", "fd00::3", 7)
    here.send(b"other port", "fd00::3", 8)
    here.send(bytes(1233), "fd00::3", 7)
    here.send(bytes(1232), "fd00::3", 7)
    here.send(b"nobody", "fd00::9", 7)
    await asyncio.sleep(1)
    assert got[0] == (pytest.approx(0.005), b"hello", ("fd00::1", 49152), "fd00::3")
    assert [len(each[1]) for each in got] == [5, 1232]
    assert rig.nodes[0].open_udp(0, print).port == 49153
    with pytest.raises(OSError):
        rig.nodes[0].open_udp(49152, print)
    here.send(b"all", "ff03::1", 7)
    here.send(b"self", "fd00::1", 49152)
    await asyncio.sleep(1)
    assert got[-1][1:] == (b"all", ("fd00::1", 49152), "ff03::1")
    there.close()
    here.send(b"late", "fd00::3", 7)
    await asyncio.sleep(1)
    assert len(got) == 3
    rig.close()


@rigged
async def test_loss_and_duplication_are_the_seeds() -> None:
    counts = []
    for loss, duplicate in [(0.0, 0.0), (0.25, 0.0), (0.0, 0.25), (0.25, 0.0), (1.0, 0.0)]:
        rig = Rig(2, seed=4, loss=loss, duplicate=duplicate)
        got: list[bytes] = []
        rig.nodes[1].open_udp(7, lambda data, *_, got=got: got.append(data))
        here = rig.nodes[0].open_udp(0, print)
        for _ in range(200):
            here.send(b"x", "fd00::2", 7)
        await asyncio.sleep(1)
        counts.append(len(got))
        pings = [await rig.nodes[0].ping("fd00::2") for _ in range(40)]
        assert (None in pings, 0.005 in pings) == (loss > 0, loss < 1)
        rig.close()
    assert counts[0] == 200
    assert counts[1] == counts[3]
    assert 130 < counts[1] < 170
    assert 230 < counts[2] < 270
    assert counts[4] == 0


async def connection(rig: Rig, window: int = 2000) -> tuple[Any, Any]:
    listener = rig.nodes[-1].listen_tcp(80, window=window)
    target = rig.nodes[-1].addresses[0]
    work = asyncio.create_task(rig.nodes[0].connect_tcp(target, 80, window=window, timeout=20))
    while not listener.waiting():
        await asyncio.sleep(0.001)
    other = listener.accept()
    mine = await work
    assert mine.remote == (target, 80)
    assert other is not None
    assert other.local == (target, 80)
    assert other.remote == mine.local == ("fd00::1", 49152)
    return mine, other


@rigged
async def test_a_connection_is_a_stream_with_windows() -> None:
    rig = Rig(3, loss=0.1, seed=3)
    mine, other = await connection(rig)
    data = bytes(range(256)) * 40
    sending = asyncio.create_task(mine.write(data))
    await asyncio.sleep(60)
    assert other.unread() == 2000  # its window
    assert not sending.done()
    got = bytearray()
    while len(got) < len(data):
        got += other.read(700)
        await asyncio.sleep(0.1)
    await sending
    assert got == data
    assert (mine.sent, other.received) == (len(data), len(data))
    await asyncio.sleep(20)
    assert mine.unacknowledged() == 0
    mine.shutdown_write()
    await asyncio.sleep(20)
    assert (other.ended, other.finished, other.reset) == (True, True, False)
    await other.write(b"still")
    other.close()
    await asyncio.sleep(60)
    assert (mine.read(99), mine.finished, mine.reset) == (b"still", True, False)
    with pytest.raises(OSError):
        await mine.write(b"x")
    rig.close()


@rigged
async def test_how_a_connection_breaks() -> None:
    rig = Rig(2)
    mine, other = await connection(rig)
    mine.abort()
    await asyncio.sleep(0.1)
    assert (other.reset, other.ended, other.timed_out) == (True, True, False)
    rig.nodes[-1].tcp[80].close()
    rig.nodes[0]._next_port = 49152
    mine, other = await connection(rig)
    await mine.write(b"unread")
    await asyncio.sleep(0.1)
    other.close()  # with something unread: RST
    await asyncio.sleep(0.1)
    assert mine.reset
    rig.nodes[-1].tcp[80].close()
    rig.nodes[0]._next_port = 49152
    mine, other = await connection(rig)
    other.close()
    await asyncio.sleep(0.1)
    assert mine.finished
    await mine.write(b"too late")  # nobody reads there any more
    await asyncio.sleep(0.1)
    assert mine.reset
    rig.nodes[-1].tcp[80].close()
    rig.nodes[0]._next_port = 49152
    mine, other = await connection(rig)
    rig.nodes[1].leave()
    await mine.write(b"lost")
    before = asyncio.get_running_loop().time()
    while not mine.reset:
        await asyncio.sleep(1)
    assert mine.timed_out
    assert asyncio.get_running_loop().time() - before == pytest.approx(255, abs=3)
    rig.close()


@rigged
async def test_who_calls_in_vain() -> None:
    rig = Rig(2)
    loop = asyncio.get_running_loop()
    call = rig.nodes[0].connect_tcp
    with pytest.raises(ConnectionRefusedError):
        await call("fd00::2", 80, window=100, timeout=5)
    for nobody in ("fd00::9", "fd00:64:64::7f00:1"):  # no border router here
        before = loop.time()
        with pytest.raises(TimeoutError):
            await call(nobody, 80, window=100, timeout=5)
        assert loop.time() - before == pytest.approx(5)
    listener = rig.nodes[1].listen_tcp(80, window=100)
    with pytest.raises(OSError):
        rig.nodes[1].listen_tcp(80, window=100)
    knocks: list[float] = []
    listener.changed = lambda: knocks.append(round(loop.time() - before, 1))
    before = loop.time()
    with pytest.raises(TimeoutError):
        await call("fd00::2", 80, window=100, timeout=20)
    assert knocks == [0.0, 1.0, 3.0, 7.0, 15.0]  # SYN, and again
    assert not listener.waiting()
    assert listener.accept() is None
    work = asyncio.create_task(call("fd00::2", 80, window=100, timeout=20))
    await asyncio.sleep(0.1)
    assert listener.caller == ("fd00::1", 49154)
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        await work
    rig.close()


@rigged
async def test_the_border_router_translates() -> None:
    rig = Rig(1)
    node = rig.nodes[0]
    rig.world.names.update({"four": "127.0.0.1", "six": "::1"})
    with pytest.raises(TimeoutError):
        node.resolve("four")
    assert node.visible(("127.0.0.1", 9)) == ("127.0.0.1", 9)
    rig.mesh.serve(NET, rig.world, "fd00::")
    rig.mesh.serve(NET, rig.world, "fd00::")  # once
    [router] = [each for each in rig.mesh.nodes if isinstance(each, BorderRouter)]
    out = [
        ("fd00:64:64::7f00:1", "127.0.0.1"),
        ("fd00:64:64::c000:207", "192.0.2.7"),
        ("fd00:64:64:1::1", "::1"),
        ("fd00:64:64:1::2", None),
        ("fe80::1", None),
        ("ff02::1", None),
        ("2606:4700::1", "2606:4700::1"),
    ]
    assert [router.outside(inside, rig.world) for inside, _ in out] == [real for _, real in out]
    assert [router.inside(each) for each in ("127.0.0.1", "::1", "fd00::7")] == [
        "fd00:64:64::7f00:1", "fd00:64:64:1::1", "fd00::7"]  # fmt: skip
    assert node.resolve("four") == ["fd00:64:64::7f00:1"]
    assert node.resolve("six") == ["fd00:64:64:1::1"]
    assert node.resolve("six", family=4) == []
    assert await node.ping("fd00:64:64::c000:207") == 0.005
    assert await node.ping("fd00:64:64::c000:208") is None
    assert await node.ping("fd00:64:64:1::2") is None
    got: list[Any] = []
    here = node.open_udp(0, lambda *what: got.append(what))
    here.send(b"hi", "fd00:64:64::c000:207", 7)
    await asyncio.sleep(1)
    assert got == [(b"hi", ("fd00:64:64::c000:207", 7), "fd00::1")]
    stream = await node.connect_tcp("fd00:64:64::c000:207", 7, window=100, timeout=5)
    await stream.write(b"echo")
    await asyncio.sleep(0.1)
    assert stream.read(9) == b"echo"
    with pytest.raises(ConnectionRefusedError):
        await node.connect_tcp("fd00:64:64::c000:207", 8, window=100, timeout=5)
    with pytest.raises(TimeoutError):
        await node.connect_tcp("fd00:64:64::c000:2fe", 8, window=100, timeout=5)
    with pytest.raises(FakeError):
        router.sockets()
    rig.close()


@rigged
async def test_out_of_range_of_the_border_router() -> None:
    loop = asyncio.get_running_loop()
    rig = Rig(1)
    node = rig.nodes[0]
    rig.mesh.serve(NET, rig.world, "fd00::")
    there = "fd00:64:64::c000:207"
    stream = await node.connect_tcp(there, 7, window=100, timeout=5)
    news: list[float] = []
    stream.changed = lambda: news.append(loop.time())
    assert stream.remote == ("192.0.2.7", 7)
    await stream.write(b"kept")
    rig.mesh.isolate(node)
    await asyncio.sleep(1)
    assert (stream.unread(), stream.read(9), stream.ended, stream.reset) == (0, b"", False, False)
    sending = asyncio.create_task(stream.write(b" and more"))
    await asyncio.sleep(10)
    assert not sending.done()
    news.clear()
    rig.mesh.rejoin(node)
    assert news == [loop.time()]
    assert stream.read(9) == b"kept"
    await asyncio.sleep(10)
    assert sending.done()
    assert stream.read(9) == b" and more"
    assert (stream.sent, stream.received, stream.unacknowledged()) == (13, 13, 0)
    rig.mesh.isolate(node)
    begun = loop.time()
    with pytest.raises(OSError):
        await stream.write(b"lost")
    assert loop.time() - begun == pytest.approx(511)
    assert (stream.finished, stream.reset, stream.closed) == (True, True, True)
    rig.mesh.mend(node, rig.mesh.nodes[-1])
    with pytest.raises(OSError):
        await stream.write(b"late")
    other = await node.connect_tcp(there, 7, window=100, timeout=5)
    other.shutdown_write()
    await asyncio.sleep(1)
    assert (other.finished, other.reset) == (True, False)
    other.close()
    rig.close()


def test_addresses() -> None:
    eui64 = bytes.fromhex("f4ce360000000002")
    assert link_local(eui64) == "fe80::f6ce:3600:0:2"
    assert joined_address("fd00:64:64:2::", eui64) == "fd00:64:64:2:f6ce:3600:0:2"


def test_a_mesh_has_one_event_loop() -> None:
    one, two = build(mesh="loops", offline=True), build(mesh="loops", offline=True)

    async def start(modem: Any) -> None:
        await modem.start(lambda _data: None)

    first = asyncio.new_event_loop()
    second = asyncio.new_event_loop()
    first.run_until_complete(start(one))
    with pytest.raises(FakeError, match="one event loop"):
        second.run_until_complete(start(two))
    first.run_until_complete(one.stop())
    first.close()
    second.close()


def test_thread_nodes_that_share_credentials_alone() -> None:
    async def scenario() -> None:
        nodes = [build(mesh="keys", border="no", offline=True) for _ in range(3)]
        async with running(*nodes) as [one, two, three]:
            await one.done(
                "dataset init new", "dataset commit active", "ifconfig up", "thread start"
            )
            await asyncio.sleep(8)
            whole = (await one.cli("dataset active -x")).split()[0]
            key = (await one.cli("networkkey")).split()[0]
            assert await one.cli("state") == "leader\nDone\n"
            # the key alone is enough; the rest of the dataset comes from the network
            await two.done(f"dataset networkkey {key}", "dataset commit active", "ifconfig up",
                           "thread start")  # fmt: skip
            # the same network with another key is another network
            await three.done(f"dataset set active {whole}", "dataset init active",
                             "dataset networkkey " + "00" * 16, "dataset commit active",
                             "ifconfig up", "thread start")  # fmt: skip
            await asyncio.sleep(2)
            assert await two.cli("state") == "child\nDone\n"
            assert await two.cli("dataset active -x") == whole + "\nDone\n"
            assert await three.cli("state") == "detached\nDone\n"
            await asyncio.sleep(6)
            assert await three.cli("state") == "leader\nDone\n"
            there = (await one.cli("ipaddr rloc")).split()[0]
            assert " 1 packets received" in await two.cli(f"ping {there}", 9)
            only = (await one.cli("ipaddr mleid")).split()[0]
            assert " 1 packets received" in await two.cli(f"ping {only}", 9)
            assert " 0 packets received" in await three.cli(f"ping {only}", 9)
            await one.done("udp open", "udp bind :: 1234")
            await two.done("udp open", f"udp send {there} 1234 hello")
            here = (await two.cli("ipaddr mleid")).split()[0]
            assert await one.until(rb"hello\r\n") == f"5 bytes from {here} 49152 hello\r\n".encode()

    virtual(scenario)

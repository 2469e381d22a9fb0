"""Names: cache, literals, families, the queue of five, cancel, getaddrinfo; both faces."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from netsocket import AsyncNetworkInterface, EthernetInterface, HostStack, InterfaceStatus, Nsapi
from netsocket.address import InvalidHostName
from netsocket.errors import NameNotFound, NameTryAgain, NetworkDown
from netsocket.portal import Portal
from netsocket.stack import StackStatus

from .scripted import Gate, ScriptedStack

Settled = Callable[[], Any]


def asked(stack: ScriptedStack) -> list[str]:
    return [call[1] for call in stack.calls if call[0] == "resolve"]


async def test_three_answers_are_kept_for_a_while(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    for name in ("a.example", "b.example", "c.example", "A.EXAMPLE"):
        assert await net.resolve(name) == ["192.0.2.7"]
    assert asked(stack) == ["a.example", "b.example", "c.example"]
    await net.resolve("d.example")  # drops b, which was used longest ago
    await net.resolve("a.example")
    await net.resolve("b.example")
    assert asked(stack)[3:] == ["d.example", "b.example"]
    await net.resolve("b.example", socket.AF_INET)  # another family, another question
    assert asked(stack)[5:] == ["b.example"]
    net.names.lifetime = 0.01
    await net.resolve("e.example")
    await asyncio.sleep(0.02)
    await net.resolve("e.example")
    assert asked(stack)[6:] == ["e.example"] * 2
    net.names.size = 0
    for _ in range(2):
        await net.resolve("f.example")
    assert asked(stack)[8:] == ["f.example"] * 2


async def test_the_answer_is_the_callers_own(net: AsyncNetworkInterface) -> None:
    (await net.resolve("a.example")).clear()
    (await net.resolve("a.example")).clear()
    assert await net.resolve("a.example") == ["192.0.2.7"]


async def test_errors_are_not_kept(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    stack.say("resolve", NameTryAgain("no answer"), NameNotFound("unknown"))
    for kind in (NameTryAgain, NameNotFound):
        with pytest.raises(kind):
            await net.resolve("a.example")
    assert await net.resolve("a.example") == ["192.0.2.7"]


@pytest.mark.parametrize("call", ["resolve", "recv"])
async def test_what_a_stack_raises_of_its_own_gets_a_code(
    net: AsyncNetworkInterface, stack: ScriptedStack, call: str
) -> None:
    stack.say(call, OSError(errno.ENODEV, "unplugged"))
    with pytest.raises(OSError, match="unplugged") as caught:
        if call == "resolve":
            await net.resolve("a.example")
        else:
            async with net.tcp_socket() as sock:
                await sock.connect(("192.0.2.1", 80))
                await sock.recv(1)
    assert caught.value.errno == errno.ENODEV
    assert caught.value.nsapi is Nsapi.DEVICE_ERROR  # type: ignore[attr-defined]


async def test_a_new_address_or_a_restart_forgets(
    net: AsyncNetworkInterface, stack: ScriptedStack, settled: Settled
) -> None:
    await net.resolve("a.example")
    await net.refresh()
    await net.resolve("a.example")
    assert len(asked(stack)) == 1
    for status in (
        StackStatus(InterfaceStatus.GLOBAL_UP, "10.0.0.3", 1),
        StackStatus(InterfaceStatus.GLOBAL_UP, "10.0.0.3", 2),
    ):
        stack.say("status", status)
        await net.refresh()
        await net.resolve("a.example")
    assert len(asked(stack)) == 3
    gate = Gate()
    stack.say("resolve", gate, ["192.0.2.9"])
    asking = asyncio.create_task(net.resolve("b.example"))
    await gate.entered.wait()
    stack.status_changed(InterfaceStatus.CONNECTING)
    stack.status_changed(InterfaceStatus.GLOBAL_UP)
    gate.end(["192.0.2.8"])
    assert await asking == ["192.0.2.8"]
    assert await net.resolve("b.example") == ["192.0.2.9"], "an answer of an earlier life was kept"
    await net.resolve("a.example")
    assert asked(stack)[3:] == ["b.example", "b.example", "a.example"]


async def test_literals_and_families(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    assert await net.resolve("192.0.2.200") == ["192.0.2.200"]
    assert await net.resolve("2001:DB8:0::1", socket.AF_INET6) == ["2001:db8::1"]
    for name, family in (("192.0.2.1", socket.AF_INET6), ("::1", socket.AF_INET), ("x", 99)):
        with pytest.raises(NameNotFound):
            await net.resolve(name, family)
    assert not asked(stack)
    with pytest.raises(socket.gaierror):
        await net.resolve("only4.example", socket.AF_INET6)
    stack.say("resolve", ["192.0.2.1", "2001:db8::2", "192.0.2.3"])
    assert await net.resolve("both.example", socket.AF_INET) == ["192.0.2.1", "192.0.2.3"]


@pytest.mark.parametrize("name", ["", ".", "a" * 64 + ".b" * 96, "a." * 128])
async def test_names_of_impossible_length(
    net: AsyncNetworkInterface, stack: ScriptedStack, name: str
) -> None:
    with pytest.raises(socket.gaierror) as caught:
        await net.resolve(name)
    assert caught.value.errno == socket.EAI_NONAME
    assert caught.value.nsapi is Nsapi.PARAMETER  # type: ignore[attr-defined]
    with pytest.raises(InvalidHostName):
        await net.resolve('a.example",1\r\nAT')
    assert not asked(stack)


async def test_longest_name(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    name = "a" * 61 + ("." + "b" * 63) * 3
    assert len(name) == 253
    assert await net.resolve(name + ".") == ["192.0.2.7"]
    assert await net.resolve("x") == ["192.0.2.7"]


async def test_same_question_twice_is_asked_once_and_outlives_a_caller(
    net: AsyncNetworkInterface, stack: ScriptedStack, settled: Settled
) -> None:
    gate = Gate()
    stack.say("resolve", gate)
    first, second = (asyncio.create_task(net.resolve("a.example")) for _ in range(2))
    await gate.entered.wait()
    first.cancel()
    await settled()
    gate.end(["192.0.2.1"])
    assert await second == ["192.0.2.1"]
    assert await net.resolve("a.example") == ["192.0.2.1"]
    assert len(asked(stack)) == 1


async def test_five_at_once_the_sixth_is_refused(
    net: AsyncNetworkInterface, stack: ScriptedStack, settled: Settled
) -> None:
    gates = [Gate() for _ in range(6)]
    stack.say("resolve", *gates)
    seen: list[str] = []
    futures = [
        net.resolve_async(f"n{number}.example", lambda done: seen.append(done.result()[0]))
        for number in range(5)
    ]
    await gates[4].entered.wait()
    with pytest.raises(NameTryAgain) as caught:
        net.resolve_async("n5.example", seen.append)  # type: ignore[arg-type]
    assert caught.value.nsapi is Nsapi.NO_MEMORY
    assert net.resolve_async("192.0.2.1").done(), "literals need no place"
    assert futures[1].cancel()
    await settled()
    extra = net.resolve_async("n5.example")
    for number, gate in enumerate(gates):
        gate.end([f"192.0.2.{number}"])
    assert await extra == ["192.0.2.5"]
    assert await futures[4] == ["192.0.2.4"]
    await settled()
    assert sorted(seen) == ["192.0.2.0", "192.0.2.2", "192.0.2.3", "192.0.2.4"]
    for _round in range(20):
        await asyncio.gather(*(net.resolve_async(f"r{number}.example") for number in range(5)))
        await settled()


async def test_known_answers_call_back_before_the_return(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    await net.resolve("a.example")
    for name, family in (("a.example", 0), ("192.0.2.1", 0), ("192.0.2.1", socket.AF_INET6)):
        seen: list[Any] = []
        net.resolve_async(name, seen.append, family)
        assert len(seen) == 1
    assert isinstance(seen[0].exception(), NameNotFound)


async def test_interface_close_ends_questions(stack: ScriptedStack) -> None:
    interface = AsyncNetworkInterface(stack)
    await interface.up()
    gate = Gate(stubborn=True)
    stack.say("resolve", gate)
    asking = asyncio.create_task(interface.resolve("a.example"))
    await gate.entered.wait()
    interface._table.settle = lambda limit=0.01: type(interface._table).settle(  # type: ignore[method-assign]
        interface._table, 0.01
    )
    await interface.close()
    with pytest.raises(NetworkDown):
        await asyncio.wait_for(asking, 2)


async def test_getaddrinfo(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    stack.say("resolve", ["192.0.2.1", "2001:db8::2"])
    tcp, udp = (socket.SOCK_STREAM, 6), (socket.SOCK_DGRAM, 17)
    assert await net.getaddrinfo("both.example", 80) == [
        (socket.AF_INET, *tcp, "", ("192.0.2.1", 80)),
        (socket.AF_INET, *udp, "", ("192.0.2.1", 80)),
        (socket.AF_INET6, *tcp, "", ("2001:db8::2", 80, 0, 0)),
        (socket.AF_INET6, *udp, "", ("2001:db8::2", 80, 0, 0)),
    ]
    assert await net.getaddrinfo("both.example", "53", type=socket.SOCK_DGRAM) == [
        (socket.AF_INET, *udp, "", ("192.0.2.1", 53)),
        (socket.AF_INET6, *udp, "", ("2001:db8::2", 53, 0, 0)),
    ]
    flags = socket.AI_CANONNAME | socket.AI_NUMERICHOST
    assert await net.getaddrinfo("192.0.2.9", None, proto=6, flags=flags) == [
        (socket.AF_INET, *tcp, "192.0.2.9", ("192.0.2.9", 0))
    ]
    wild = await net.getaddrinfo(None, 80, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    assert wild == [(socket.AF_INET, *tcp, "", ("0.0.0.0", 80))]
    for host, port, flags in (
        ("a.example", 80, socket.AI_NUMERICHOST),
        ("a.example", "no-such-service", 0),
        (None, 80, 0),
        ("192.0.2.1", 80, 0),
    ):
        with pytest.raises(socket.gaierror):
            await net.getaddrinfo(host, port, type=0 if host != "192.0.2.1" else 99, flags=flags)
    with pytest.raises(OverflowError):
        await net.getaddrinfo("192.0.2.1", 65536)
    assert await net.gethostbyname("a.example") == "192.0.2.7"


async def test_getaddrinfo_says_what_the_operating_system_says(
    host: AsyncNetworkInterface,
) -> None:
    for arguments in (("localhost", 80), ("127.0.0.1", 443), ("::1", 80)):
        theirs = socket.getaddrinfo(*arguments, type=socket.SOCK_STREAM)
        ours = await host.getaddrinfo(*arguments, type=socket.SOCK_STREAM)
        assert set(ours) == set(theirs)


@pytest.fixture
def blocking(portal: Portal) -> Iterator[tuple[EthernetInterface, ScriptedStack]]:
    stack = ScriptedStack()
    with EthernetInterface(stack, portal) as interface:
        yield interface, stack


def test_blocking_face(blocking: tuple[EthernetInterface, ScriptedStack], portal: Portal) -> None:
    net, stack = blocking

    async def gates() -> list[Gate]:
        return [Gate() for _ in range(5)]

    held = portal.run(gates())
    stack.say("resolve", *held)
    seen: list[Any] = []
    called = threading.Semaphore(0)

    def callback(done: concurrent.futures.Future[list[str]]) -> None:
        seen.append(done.result())
        called.release()

    futures = [net.resolve_async(f"n{number}.example", callback) for number in range(5)]
    with pytest.raises(NameTryAgain):
        net.resolve_async("n5.example")
    assert futures[0].cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        futures[0].result()
    extra = net.resolve_async("n5.example")
    for number, gate in enumerate(held):
        portal.loop.call_soon_threadsafe(gate.end, [f"192.0.2.{number}"])
    assert futures[3].result(5) == ["192.0.2.3"]
    assert extra.result(5) == ["192.0.2.7"]
    for _ in range(4):
        assert called.acquire(timeout=5)
    assert sorted(seen) == [[f"192.0.2.{number}"] for number in range(1, 5)]
    assert not futures[3].cancel()
    here: list[int] = []
    net.resolve_async("192.0.2.1", lambda _done: here.append(threading.get_ident()))
    assert here == [threading.get_ident()]
    assert net.gethostbyname("x.example") == "192.0.2.7"
    assert net.getaddrinfo("192.0.2.1", 7, proto=6)[0][4] == ("192.0.2.1", 7)
    net.names.lifetime = 0
    net.resolve("y.example")
    net.resolve("y.example")
    assert asked(stack).count("y.example") == 2
    stack.say("resolve", NameNotFound("unknown"))
    failed = net.resolve_async("z.example")
    with pytest.raises(socket.gaierror):
        failed.result(5)


def test_blocking_face_on_the_host(portal: Portal) -> None:
    with EthernetInterface(HostStack(), portal) as net:
        assert "127.0.0.1" in net.resolve("localhost", socket.AF_INET)
        assert net.resolve_async("localhost", family=socket.AF_INET).result(5) == ["127.0.0.1"]

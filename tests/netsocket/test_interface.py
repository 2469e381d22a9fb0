"""AsyncNetworkInterface: life, status, services."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Any

import pytest

from netsocket import AsyncNetworkInterface, AsyncWiFiInterface, InterfaceStatus
from netsocket.errors import AuthenticationFailed, NetworkTimeout, NotSupported
from netsocket.stack import AccessPoint

from .scripted import Gate, ScriptedStack

PEER = ("192.0.2.1", 80)
Settled = Callable[[], Any]


async def test_up_refresh_and_status(stack: ScriptedStack) -> None:
    interface = AsyncWiFiInterface(stack)
    seen: list[InterfaceStatus] = []
    remove = interface.on_status(seen.append)
    interface.on_status(lambda _status: 1 / 0)
    assert interface.status is InterfaceStatus.DISCONNECTED
    async with interface:
        assert interface.status is InterfaceStatus.GLOBAL_UP
        assert interface.ip_address == "10.0.0.2"
        assert interface.rssi == -61
        stack.status_changed(InterfaceStatus.CONNECTING)
        stack.status_changed(InterfaceStatus.CONNECTING)
        assert interface.ip_address is None
        await interface.refresh()
        remove()
    assert interface.status is InterfaceStatus.DISCONNECTED
    assert seen == [
        InterfaceStatus.CONNECTING,
        InterfaceStatus.GLOBAL_UP,
        InterfaceStatus.CONNECTING,
        InterfaceStatus.GLOBAL_UP,
    ]
    assert stack.names().count("down") == 1


async def test_failed_up_closes(stack: ScriptedStack) -> None:
    stack.say("up", AuthenticationFailed("wrong password", module_code="2"))
    with pytest.raises(PermissionError, match="wrong password"):
        async with AsyncNetworkInterface(stack):
            pass
    assert stack.names() == ["up", "down"]


async def test_close_breaks_sockets_with_a_reason(stack: ScriptedStack) -> None:
    interface = AsyncNetworkInterface(stack)
    await interface.up()
    tcp, idle, unopened = interface.tcp_socket(), interface.udp_socket(), interface.tcp_socket()
    await tcp.connect(PEER)
    await idle.open()
    gate = Gate()
    stack.say("recv", None)
    stack.say("send", gate)
    callers = [asyncio.create_task(work) for work in (tcp.recv(1), tcp.send(b"x"))]
    await gate.entered.wait()
    closing = asyncio.create_task(interface.close())
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    gate.end(1)
    await closing
    assert [getattr(error, "errno", None) for error in outcomes] == [errno.ENETDOWN] * 2
    with pytest.raises(OSError, match="closed"):
        await tcp.recv(1)
    with pytest.raises(OSError, match="closed"):
        await idle.sendto(b"x", PEER)
    with pytest.raises(OSError, match="closed"):
        interface.tcp_socket()
    with pytest.raises(OSError, match="closed"):
        await unopened.open()
    for socket in (tcp, idle, unopened):
        await socket.close()
    await interface.close()


async def test_down_and_up_again(stack: ScriptedStack) -> None:
    async with AsyncNetworkInterface(stack) as interface:
        old = interface.tcp_socket()
        await old.connect(PEER)
        await interface.down()
        await interface.up()
        with pytest.raises(OSError, match="taken down"):
            await old.recv(1)
        await old.close()
        async with interface.tcp_socket() as fresh:
            await fresh.connect(PEER)
            assert await fresh.send(b"x") == 1


async def test_coming_up_is_told_at_once_even_behind_a_down(stack: ScriptedStack) -> None:
    interface = AsyncNetworkInterface(stack)
    await interface.up()
    await interface.down()
    seen: list[InterfaceStatus] = []
    interface.on_status(seen.append)
    coming = asyncio.create_task(interface.up())
    await asyncio.sleep(0)
    assert seen == [InterfaceStatus.CONNECTING]
    await coming
    await interface.close()


async def test_connect_waits_while_the_interface_attaches(
    net: AsyncNetworkInterface, stack: ScriptedStack, settled: Settled
) -> None:
    stack.status_changed(InterfaceStatus.CONNECTING)
    with pytest.raises(NetworkTimeout):
        await net.connect(PEER, timeout=0.02)
    connecting = asyncio.create_task(net.connect(PEER, timeout=5))
    await settled()
    assert "connect" not in stack.names()
    stack.status_changed(InterfaceStatus.GLOBAL_UP)
    await (await connecting).close()


async def test_failed_connect_leaves_no_handle(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    gate = Gate()
    stack.say("connect", gate)
    with pytest.raises(TimeoutError):
        await net.connect(PEER, timeout=0.02)
    await asyncio.sleep(0.01)
    assert not stack.open_handles
    stack.say("bind", NotSupported(net.capabilities["tcp.half_close"], "no local ports"))
    with pytest.raises(NotSupported):
        await net.connect(PEER, source_address=("", 99))
    assert not stack.open_handles


async def test_resolve(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    assert await net.resolve("a.example") == ["192.0.2.7"]
    assert await net.resolve("192.0.2.200") == ["192.0.2.200"]
    assert stack.names().count("resolve") == 1
    with pytest.raises(ValueError, match="host name"):
        await net.resolve('a"b')


async def test_scan_and_ping_need_the_stack(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    with pytest.raises(NotSupported, match="list networks"):
        await net.scan()
    with pytest.raises(NotSupported, match="round trip"):
        await net.ping("192.0.2.1")

    class Talented(ScriptedStack):
        async def scan(self) -> list[AccessPoint]:
            return [AccessPoint("lab", "00:00:00:00:00:01", -40, 6, "WPA2")]

        async def ping(self, host: str) -> float:
            return 0.025

    async with AsyncWiFiInterface(Talented()) as wifi:
        assert (await wifi.scan())[0].ssid == "lab"
        assert await wifi.ping("192.0.2.1") == 0.025


async def test_module_restart_breaks_waiting_sockets_and_new_ones_work(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    from netsocket.errors import ModuleRestarted

    tcp = await net.connect(PEER)
    reading = asyncio.create_task(tcp.recv(1))
    await asyncio.sleep(0.01)
    stack.say("recv", ModuleRestarted("watchdog"))
    stack.change()
    with pytest.raises(ConnectionResetError, match="watchdog"):
        await asyncio.wait_for(reading, 1)
    await tcp.close()
    fresh = await net.connect(PEER)
    assert await fresh.send(b"x") == 1
    await fresh.close()

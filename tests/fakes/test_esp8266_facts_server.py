"""The one server of the Espressif fakes: parameters, IPv6, its end, and links that stay silent.

ESP-AT User Guide, "TCP/IP AT Commands" (AT+CIPSERVER: port 333 unless given, type, authentication, the interface
since v4.1; AT+CIPSTO: only links of the server are cut, 0 never); the NonOS line takes the port alone.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.fakes.esp8266_tables import FAILED, RANGE, answers, codes, count
from tests.ports import free_port


@pytest.mark.parametrize("firmware", ["E24", "E33"])
async def test_parameters_of_a_server(esp: Any, firmware: str) -> None:
    host, port = await esp(firmware), free_port()
    await codes(host, [
        (f'AT+CIPSERVER=1,{port},"TCP",0', 0), ("AT+CIPSERVER=0,0", 0), ("AT+CIPSERVER=0,2", RANGE),
        (f'AT+CIPSERVER=1,{port},"TCP",0,1', 0 if firmware == "E33" else count(1, 5)),
        ("AT+CIPSERVER=0", 0), (f'AT+CIPSERVER=1,{port},"TCP",0,1,1', count(1, 6)),
        ("AT+CIPSERVER=-1", RANGE), ("AT+CIPSERVER=2", RANGE), ("AT+CIPSERVER=1,0", RANGE),
        ("AT+CIPSERVER=1,65536", RANGE), (f'AT+CIPSERVER=1,{port},"TCPv6"', FAILED),
    ])  # fmt: skip
    # The lowest and the highest port: somebody else may have it, but it is in range.
    for edge in (1, 65535):
        assert b"%08x" % RANGE not in await host.command(f"AT+CIPSERVER=1,{edge}")
        await host.ok("AT+CIPSERVER=0")


async def test_nonos_takes_the_port_alone(esp: Any) -> None:
    host, port = await esp("N17"), free_port()
    await answers(host, [
        (f'AT+CIPSERVER=1,{port},"TCP"', None), ("AT+CIPSERVER=1,65536", None), (f"AT+CIPSERVER=1,{port}", b""),
    ])  # fmt: skip


async def test_a_server_for_ipv6(esp: Any) -> None:
    host, port = await esp("E24"), free_port("::1")
    await host.ok("AT+CIPV6=1")
    await host.ok(f'AT+CIPSERVER=1,{port},"TCPv6"')
    assert await host.ok("AT+CIPSERVER?") == b'+CIPSERVER:1,%d,"TCPv6",0\r\n' % port
    _, writer = await asyncio.open_connection("::1", port)
    await host.expect(b"0,CONNECT\r\n")
    own = writer.get_extra_info("sockname")[1]
    rows = await host.ok("AT+CIPSTATE?")
    assert rows == b'+CIPSTATE:0,"TCPv6","::1",%d,%d,1\r\n' % (own, port)
    writer.close()
    await host.expect(b"0,CLOSED\r\n")


@pytest.mark.parametrize(("given", "told"), [("", b""), (",0", b""), (",1", b"0,CLOSED\r\n")])
async def test_links_at_the_end_of_the_server(
    esp: Any, connect: Any, given: str, told: bytes
) -> None:
    host, port = await esp("E22"), free_port()
    await host.ok(f"AT+CIPSERVER=1,{port}")
    await connect(port)
    await host.expect(b"0,CONNECT\r\n")
    assert await host.ok(f"AT+CIPSERVER=0{given}") == told


async def test_whose_links_are_cut(esp: Any, far: Any, connect: Any) -> None:
    """A silent link of the server is closed in time, one that the module opened is not."""
    end, port = await far(), free_port()
    host = await esp("E24", time_scale=0.001)
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    await host.ok(f"AT+CIPSERVER=1,{port}")
    await host.ok("AT+CIPSTO=5")
    await connect(port)
    await host.expect(b"1,CONNECT\r\n1,CLOSED\r\n")
    await host.quiet(0.005)
    await host.ok("AT+CIPSTO=10")
    await connect(port)
    await host.expect(b"1,CONNECT\r\n")
    await host.ok("AT+CIPSTO=0")
    await host.quiet(0.02)

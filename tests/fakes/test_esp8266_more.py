"""AT+CIPSENDEX, AT+CIPSENDL, AT+CIPSTARTEX, AT+CWSAP, AT+CIPAP, AT+GSLP (ESP-AT AT Command Set)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest


async def ask(host: Any, line: str, answer: bytes) -> None:
    host.send(line.encode() + b"\r\n")
    await host.expect(answer)


@pytest.mark.parametrize(("firmware", "prompt"), [("N17", b"> "), ("E24", b"\r\n>")])
async def test_a_payload_with_an_end_of_its_own(
    esp: Any, far: Any, firmware: str, prompt: bytes
) -> None:
    end = await far()
    host = await esp(firmware)
    await ask(host, f'AT+CIPSTART=1,"TCP","127.0.0.1",{end.port}', b"1,CONNECT\r\n\r\nOK\r\n")
    await ask(host, "AT+CIPSENDEX=1,2048", b"\r\nOK\r\n" + prompt)
    host.send(rb"a\\b\,c\0")  # \\ and \, are one character each, \0 ends
    await host.expect(b"\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n")
    echoed = await host.read_until(rb"a\b,c")
    assert echoed == b"\r\n+IPD,1,5:" + rb"a\b,c"
    await ask(host, "AT+CIPSENDEX=1,3", b"\r\nOK\r\n" + prompt)
    host.send(b"xyz")
    await host.expect(b"\r\nRecv 3 bytes\r\n\r\nSEND OK\r\n\r\n+IPD,1,3:xyz")
    assert await host.command("AT+CIPSENDEX=2,3") == (
        b"link is not valid\r\n\r\nERROR\r\n" if firmware == "N17" else b"\r\nERROR\r\n"
    )


async def test_a_payload_of_any_length(esp: Any, far: Any) -> None:
    received = bytearray()

    async def sink(reader: Any, _: Any) -> None:
        while data := await reader.read(65536):
            received.extend(data)

    end = await far(sink)
    host = await esp("E24")
    await ask(host, f'AT+CIPSTARTEX="TCP","127.0.0.1",{end.port}', b"0,CONNECT\r\n\r\nOK\r\n")
    await ask(host, f'AT+CIPSTARTEX="TCP","127.0.0.1",{end.port}', b"1,CONNECT\r\n\r\nOK\r\n")
    await ask(host, "AT+CIPSENDLCFG?", b"+CIPSENDLCFG:1024,2920\r\n\r\nOK\r\n")
    for wrong in ("99", "1048577", "100,99", "100,2921"):
        await ask(host, f"AT+CIPSENDLCFG={wrong}", b"\r\nERROR\r\n")
    await ask(host, "AT+CIPSENDLCFG=10000,1000", b"\r\nOK\r\n")
    await ask(host, "AT+CIPSENDL=0,30000", b"\r\nOK\r\n\r\n>")
    payload = b"AT+RST\r\n..".ljust(10) * 3000  # what looks like commands is payload
    host.send(payload)
    said = await host.read_until(b"\r\nSEND OK\r\n")
    reports = [line for line in said.split(b"\r\n") if line.startswith(b"+CIPSENDL:")]
    assert reports == [b"+CIPSENDL:%d,%d" % (n, n) for n in (10000, 20000, 30000)]
    await host.until(lambda: len(received) == 30000)
    assert bytes(received) == payload
    await ask(host, "AT+CIPSENDL=0,30000", b"\r\nOK\r\n\r\n>")
    await asyncio.sleep(0.03)  # the escape is a packet of its own
    host.send(b"+++")
    await host.expect(b"\r\nSEND CANCELLED\r\n")


async def test_own_access_point(esp: Any) -> None:
    host = await esp("E24")
    await host.error('AT+CWSAP="net","12345678",5,3')  # a station only
    await host.ok("AT+CWMODE=3")
    for wrong in ('"net","1234567",5,3', '"net","12345678",14,3', '"net","12345678",5,1',
                  '"net","12345678",5,5', '"","12345678",5,3', '"net","12345678",5,3,11'):  # fmt: skip
        await host.error(f"AT+CWSAP={wrong}")
    await host.ok('AT+CWSAP="net","12345678",5,3,2,1')
    assert await host.ok("AT+CWSAP?") == b'+CWSAP:"net","12345678",5,3,2,1\r\n'
    assert (await host.ok("AT+CIPAP?")).startswith(b'+CIPAP:ip:"192.168.4.1"\r\n')
    host = await esp("N0", mux=0)
    await host.ok("AT+CWMODE=2")
    await host.ok('AT+CWSAP="net","12345678",5,3')
    assert await host.ok("AT+CWSAP?") == b'+CWSAP:"net","12345678",5,3\r\n'
    assert await host.ok("AT+CIPAP?") == b'+CIPAP:"192.168.4.1"\r\n'


@pytest.mark.parametrize(
    ("firmware", "said"), [("N0", b""), ("N17", b"50\r\n"), ("E24", b"50\r\n")]
)
async def test_deep_sleep_ends_with_a_reset(esp: Any, firmware: str, said: bytes) -> None:
    host = await esp(firmware, boot_time="0")
    await ask(host, "AT+GSLP=50", said + b"\r\nOK\r\n")
    await host.read_until(b"\r\nready\r\n")

"""OpenThread CLI: one TCP endpoint and one listener (fact sheet 4.1 and 4.2, README_TCP.md)."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

from fakes.openthread import build
from tests.fakes.mesh_host import Console, running, virtual
from tests.ports import free_port

HOST4 = "fd00:64:64:0:0:0:7f00:1"
SYNTHESIZED = f"Connecting to synthesized IPv6 address: {HOST4}\nDone\n"


async def ready(node: Console, mode: str = "linked") -> None:
    await node.done("ifconfig up", "thread start", f"tcp init {mode}".rstrip())
    await asyncio.sleep(0.02)


async def send(node: Console, value: str) -> None:
    """Linked mode: again while it is Busy."""
    while (answer := await node.cli(f"tcp send {value}")) != "Done\n":
        assert answer == "Error 5: Busy\n"
        await asyncio.sleep(0.005)


async def test_a_connection_line_by_line(far: Any) -> None:
    end = await far()
    async with running(build(time_scale=0)) as [node]:
        await ready(node)
        assert await node.cli("tcp init") == "Error 24: Already\n"
        assert await node.cli(f"tcp connect 127.0.0.1 {end.port}") == SYNTHESIZED
        assert await node.until(rb"\r\n") == b"TCP: Connection established\r\n"
        assert await node.cli(f"tcp connect 127.0.0.1 {end.port}") == (
            SYNTHESIZED.replace("Done", "Error 13: InvalidState")
        )
        assert await node.cli("tcp bind :: 3000") == "Error 7: InvalidArgs\n"
        assert await node.cli("tcp send hello") == "Done\n"
        assert await node.until(rb"\r\n") == b"TCP: Received 5 bytes: hello\r\n"
        for line in ("tcp send", "tcp send two words", "tcp send -x", "tcp send -x 4",
                     "tcp send -x 41 42", "tcp send -x zz"):  # fmt: skip
            if line != "tcp send -x 4":
                assert await node.cli(line) == "Error 7: InvalidArgs\n", line
        await send(node, "-x 610a00620d")  # cut at the NUL, the count is right
        assert await node.until(rb"a\n\r\n") == b"TCP: Received 5 bytes: a\n\r\n"
        assert await node.cli("tcp send -x " + "41" * 129) == "Error 7: InvalidArgs\n"
        await send(node, "-x " + "41" * 128)
        assert await node.until(rb"A\r\n") == b"TCP: Received 128 bytes: " + b"A" * 128 + b"\r\n"
        await node.done("tcp sendend")
        assert await node.until(rb"TIME-WAIT state\r\n") == (
            b"TCP: Reached end of stream\r\nTCP: Entered TIME-WAIT state\r\n"
        )
        assert await node.until(rb"\r\n") == b"TCP: Disconnected\r\n"
        assert await node.cli("tcp send x") == "Error 1: Failed\n"
        assert await node.cli("tcp sendend") == "Error 1: Failed\n"
        assert await node.cli("tcp abort") == "Done\n"
        node.type(f"tcp connect {HOST4} {end.port} slow\r\n")
        await node.until(rb"established\r\n")
        assert await node.cli("tcp abort") == "TCP: Connection reset\nDone\n"
        node.type(f"tcp connect {HOST4} {end.port} fast\r\n")
        await node.until(rb"established\r\n")
        assert await node.cli("tcp deinit") == "TCP: Connection reset\nDone\n"
        assert await node.cli("tcp send x") == "Error 13: InvalidState\n"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("tcp init tls", "Error 7: InvalidArgs\n"),
        ("tcp init linked 0", "Error 7: InvalidArgs\n"),
        ("tcp init linked 2309", "Done\n"),
        ("tcp init circular 2310", "Error 7: InvalidArgs\n"),
        ("tcp init linked 1 2", "Error 7: InvalidArgs\n"),
        ("tcp", "Error 35: InvalidCommand\n"),
        ("tcp nonsense", "Error 35: InvalidCommand\n"),
    ],
)
async def test_init(line: str, answer: str) -> None:
    async with running(build(time_scale=0)) as [node]:
        assert await node.cli(line) == answer


async def test_firmware_without_tcp_or_without_hex() -> None:
    async with running(build(time_scale=0, tcp="no")) as [node]:
        assert await node.cli("tcp init") == "Error 35: InvalidCommand\n"
        assert await node.cli("tcp abort") == "Error 35: InvalidCommand\n"
    async with running(build(time_scale=0, tcp_hex="no")) as [node]:
        await ready(node)
        assert await node.cli("tcp send -x 41") == "Error 7: InvalidArgs\n"


async def test_outcomes_of_a_connect(far: Any) -> None:
    async def reset(_reader: Any, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    end = await far(reset)
    async with running(build(time_scale=0)) as [node]:
        await ready(node, "")
        await node.done("tcp bind :: 0", "tcp connect 192.0.2.1 80")
        assert await node.until(rb"TCP.*\r\n") == b"TCP: Connection timed out\r\n"
        await node.done(f"tcp connect {HOST4} 1")
        assert await node.until(rb"TCP.*\r\n") == b"TCP: Connection refused\r\n"
        node.take()
        node.type(f"tcp connect {HOST4} {end.port}\r\n")
        assert (await node.until(rb"Connection reset\r\n")).endswith(
            b"Done\r\n> TCP: Connection established\r\nTCP: Connection reset\r\n"
        )
        for line in ("tcp connect", f"tcp connect {HOST4}", f"tcp connect {HOST4} 1 quick",
                     f"tcp connect {HOST4} 65536", "tcp listen ::", "tcp listen x 1"):  # fmt: skip
            assert await node.cli(line) == "Error 7: InvalidArgs\n", line


async def test_a_stalled_peer_makes_linked_busy_and_circular_lose(far: Any) -> None:
    """Trap 6: linked says Busy and loses nothing; circular says Done and loses."""
    read = asyncio.Event()
    got = bytearray()

    async def stall(reader: asyncio.StreamReader, _writer: Any) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await read.wait()
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        while data := await reader.read(65536):
            got.extend(data)

    end = await far(stall)
    end.server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    for mode in ("linked", "circular"):
        read.clear()
        got.clear()
        sent = 0
        busy = 0
        async with running(build(time_scale=0, line="640")) as [node]:
            await ready(node, mode)
            node.type(f"tcp connect {HOST4} {end.port}\r\n")
            await node.until(rb"established\r\n")
            for number in range(150):
                data = f"{number:06d}" * 100
                answer = await node.cli(f"tcp send {data}")
                if answer == "Done\n":
                    sent += len(data)
                else:
                    assert answer == "Error 5: Busy\n"
                    busy += 1
                    await asyncio.sleep(0.002)
                    if busy > 20:
                        break
            read.set()
            for _ in range(200):
                if len(got) >= sent:
                    break
                await asyncio.sleep(0.005)
            if mode == "linked":
                assert busy > 20
                assert len(got) == sent
            else:
                assert busy == 0
                assert len(got) < sent
                lost = [r.detail for r in node.modem.journal if r.kind == "lost"]
                assert lost[-1] == "600 bytes of tcp send"
                assert len(got) == sent - sum(int(each.split()[0]) for each in lost)
            assert await node.cli("tcp abort") == "TCP: Connection reset\nDone\n"


async def test_listening_for_this_machine(connect: Any) -> None:
    port = free_port()
    async with running(build(time_scale=0)) as [node]:
        await ready(node, "")
        await node.done(f"tcp listen :: {port}")
        reader, writer = await connect(port)
        own = writer.get_extra_info("sockname")[1]
        assert (
            await node.until(rb"established\r\n")
            == (
                f"Accepted connection from [{HOST4}]:{own}\r\nTCP: Connection established\r\n"
            ).encode()
        )
        _, second = await connect(port)
        its = second.get_extra_info("sockname")[1]
        assert (
            await node.until(rb"\(active socket is busy\)\r\n")
            == (
                f"TCP: Ignoring incoming connection request from [{HOST4}]:{its} "
                "(active socket is busy)\r\n"
            ).encode()
        )
        await node.done("tcp send hi")
        assert await reader.readexactly(2) == b"hi"
        writer.write_eof()
        assert await node.until(rb"stream\r\n") == b"TCP: Reached end of stream\r\n"
        await node.done("tcp send still", "tcp sendend")
        assert await reader.read() == b"still"
        await node.until(rb"TCP: Disconnected\r\n")
        # the one who waits is taken at his next SYN
        assert f"[{HOST4}]:{its}\r\n".encode() in await node.until(rb"established\r\n")
        await node.done("tcp stoplistening", "tcp abort")
        with pytest.raises(OSError):
            await connect(port)


async def test_what_wraps_in_the_ring_comes_in_two_lines(far: Any) -> None:
    """Trap 7: the counts add up."""
    end = await far()
    async with running(build(time_scale=0)) as [node]:
        await node.done(
            "ifconfig up", "thread start", "tcp init linked 889"
        )  # a ring of 1001 bytes
        await asyncio.sleep(0.02)
        node.type(f"tcp connect {HOST4} {end.port}\r\n")
        await node.until(rb"established\r\n")
        text = "0123456789" * 30
        for _ in range(3):
            node.take()
            await send(node, text)
            await node.until(rb"Received 300 bytes: " + text.encode() + rb"\r\n")
        node.take()
        await send(node, text)
        await node.until(
            f"Received 101 bytes: {text[:101]}\r\nTCP: Received 199 bytes: {text[101:]}\r\n".encode()
        )


async def test_benchmark(far: Any) -> None:
    async def swallow(reader: asyncio.StreamReader, _writer: Any) -> None:
        while await reader.read(65536):
            pass

    end = await far(swallow)
    async with running(build(time_scale=0)) as [node]:
        await ready(node)
        assert await node.cli("tcp benchmark result") == "TCP Benchmark Status: Untested\nDone\n"
        assert await node.cli("tcp benchmark run") == "Error 1: Failed\n"
        node.type(f"tcp connect {HOST4} {end.port}\r\n")
        await node.until(rb"established\r\n")
        assert await node.cli("tcp benchmark run 0") == "Error 7: InvalidArgs\n"
        await node.done("tcp benchmark run")
        done = await node.until(rb"kb/s\r\n")
        assert done.startswith(b"TCP Benchmark Complete: Transferred 73728 bytes in ")
        assert "TCP Benchmark Status: Completed\nTCP Benchmark Complete: T" in (
            await node.cli("tcp benchmark result")
        )


def test_two_nodes_time_wait_and_an_answer_that_never_comes() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with running(*(build(mesh="tcp", offline=True) for _ in range(2))) as [one, two]:
            for node in (one, two):
                await node.done("ifconfig up", "thread start", "tcp init linked")
            await asyncio.sleep(130)
            there = (await two.cli("ipaddr mleid")).split()[0]
            here = (await one.cli("ipaddr mleid")).split()[0]
            await two.done("tcp listen :: 4000")
            assert await one.cli(f"tcp connect {there} 4000") == "Done\n"
            assert await one.until(rb"\r\n") == b"TCP: Connection established\r\n"
            accepted = await two.until(rb"established\r\n")
            assert accepted.startswith(f"Accepted connection from [{here}]:".encode())
            await one.done("tcp send ping")
            assert await two.until(rb"ping\r\n") == b"TCP: Received 4 bytes: ping\r\n"
            await one.done("tcp sendend")
            await two.until(rb"Reached end of stream\r\n")
            await two.done("tcp send late", "tcp sendend")
            closing = await one.until(rb"TIME-WAIT state\r\n")
            assert closing == (
                b"TCP: Received 4 bytes: late\r\nTCP: Reached end of stream\r\n"
                b"TCP: Entered TIME-WAIT state\r\n"
            )
            assert b"TCP: Disconnected" in await two.until(rb"Disconnected\r\n")
            assert await one.cli(f"tcp connect {there} 4000") == "Error 13: InvalidState\n"
            begun = loop.time()
            assert await one.until(rb"Disconnected\r\n", 99) == b"TCP: Disconnected\r\n"
            assert loop.time() - begun == pytest.approx(60, abs=0.5)
            await one.done(f"tcp connect {there} 4001")
            assert await one.until(rb"\r\n") == b"TCP: Connection refused\r\n"
            # nothing for a long time (trap 11); abort ends it
            await one.done("tcp connect fddd::1 4001")
            await asyncio.sleep(5)
            assert one.take() == b""
            assert await one.cli("tcp bind :: 1") == "Error 7: InvalidArgs\n"
            assert await one.cli("tcp abort") == "TCP: Connection reset\nDone\n"
            # out of range in the middle: timed out, minutes later
            await one.done(f"tcp connect {there} 4000")
            await one.until(rb"established\r\n")
            one.modem.mesh.isolate(one.modem.node)
            await one.done("tcp send lost")
            begun = loop.time()
            assert await one.until(rb"timed out\r\n", 999) == b"TCP: Connection timed out\r\n"
            assert 60 < loop.time() - begun < 600

    virtual(scenario)

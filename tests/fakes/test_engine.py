"""The interpreter: rules, payload, busy lines, timers, restart, stop."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any

import pytest

from fakes import CommandError, FakeError, FakeModem, World, rule
from fakes.engine import Rule
from fakes.intake import Intake


class Plain(FakeModem):
    kind = "plain"
    terminator = b"\r\n"
    max_command = 32
    ready = True

    @rule(r"AT")
    def attention(self, _: re.Match[str]) -> None:
        self.final("OK")

    @rule(r"AT\+SLOW=(\d+)")
    async def slow(self, match: re.Match[str]) -> None:
        await self.sleep(int(match[1]) / 1000)
        self.final("OK")

    @rule(r"AT\+SEND=(\d+)")
    async def send(self, match: re.Match[str]) -> None:
        data = await self.take(int(match[1]), prompt=b"> ", escape=b"+++")
        self.final("CANCELLED" if data is None else f"GOT {len(data)}")

    @rule(r"AT\+TEXT")
    async def text(self, _: re.Match[str]) -> None:
        data, stop = await self.take_until(b"\x1a\x1b", limit=5, prompt=b"> ")
        self.final(f"{data.decode()} {stop}")

    @rule(r"AT\+SOME")
    async def some(self, _: re.Match[str]) -> None:
        self.raw(b">")
        while (data := await self.take_some(100, escape=b"+++")) is not None:
            self.raw(b"<" + data + b">")
        self.final("END")

    @rule(r"AT\+BAD")
    def bad(self, _: re.Match[str]) -> None:
        raise CommandError("no", 7)

    @rule(r"AT\+CRASH")
    def crash(self, _: re.Match[str]) -> None:
        raise RuntimeError("boom")

    @rule(r"AT\+HIDDEN", tag="hidden")
    def hidden(self, _: re.Match[str]) -> None:
        self.final("SEEN")

    @rule(r"AT\+RST")
    def reset(self, _: re.Match[str]) -> None:
        self.final("OK")
        self.restart()

    def rule_allowed(self, entry: Rule) -> bool:
        return entry.tag != "hidden"

    def line_while_busy(self, line: str) -> None:
        self.raw(b"busy\r\n")

    async def boot(self) -> None:
        await self.sleep(0.01)
        self.boot_done()
        self.raw(b"ready\r\n")


class Derived(Plain):
    @rule(r"AT")
    def attention(self, _: re.Match[str]) -> None:
        self.final("DERIVED")

    @rule(r"AT\+(SLOW=1)")
    def slower(self, match: re.Match[str]) -> None:
        self.final("SLOWER")


class Queued(Plain):
    queue_while_busy = True


@pytest.fixture
def plain() -> Plain:
    return Plain(World())


async def test_answers_and_echoes(attach: Any, plain: Plain) -> None:
    host = await attach(plain)
    host.send(b"AT\r\n")
    await host.expect(b"AT\r\n\r\nOK\r\n")
    plain.echo = False
    host.send(b"AT\r")
    await host.quiet()
    host.send(b"\n")
    await host.expect(b"\r\nOK\r\n")


async def test_unknown_failed_and_crashing_commands_answer_error(plain: Plain) -> None:
    output = bytearray()
    await plain.start(output.extend)
    plain.echo = False
    for line in (b"AT+NONE", b"AT+BAD", b"AT+CRASH", b"AT+HIDDEN", b"\x00\xff\x80"):
        output.clear()
        plain.receive(line + b"\r\n")
        await asyncio.sleep(0.01)
        assert output == b"\r\nERROR\r\n"
    await plain.stop()
    crashes = [record for record in plain.journal if record.kind == "crash"]
    assert len(crashes) == 1
    assert "boom" in crashes[0].detail


async def test_subclass_rules_go_first(attach: Any) -> None:
    host = await attach(Derived(World()))
    host.modem.echo = False
    assert await host.command("AT+NONE") == b"\r\nERROR\r\n"
    host.send(b"AT\r\n")
    await host.expect(b"\r\nDERIVED\r\n")
    host.send(b"AT+SLOW=1\r\n")
    await host.expect(b"\r\nSLOWER\r\n")
    host.send(b"AT+SLOW=2\r\n")
    await host.expect(b"\r\nOK\r\n")


async def test_lines_while_busy(attach: Any, plain: Plain) -> None:
    plain.echo = False
    host = await attach(plain)
    host.send(b"AT+SLOW=30\r\n")
    await asyncio.sleep(0.005)
    host.send(b"AT\r\nAT\r\n")
    await host.expect(b"busy\r\nbusy\r\n\r\nOK\r\n")
    await host.quiet()


async def test_lines_queue_while_busy(attach: Any) -> None:
    host = await attach(Queued(World(time_scale=0)))
    host.modem.echo = False
    host.send(b"AT+SLOW=30\r\nAT+NONE\r\nAT\r\n")
    await host.expect(b"\r\nOK\r\n\r\nERROR\r\n\r\nOK\r\n")


async def test_a_new_command_inside_deliver_is_not_busy(plain: Plain) -> None:
    """A host that answers within the write of the final meets an idle module."""
    output = bytearray()
    left = [3]

    def deliver(data: bytes) -> None:
        output.extend(data)
        if data.endswith(b"OK\r\n") and left[0]:
            left[0] -= 1
            plain.receive(b"AT\r\n")

    plain.echo = False
    await plain.start(deliver)
    plain.receive(b"AT\r\n")
    await asyncio.sleep(0.02)
    await plain.stop()
    assert output == b"\r\nOK\r\n" * 4


async def test_payload_is_counted_and_rest_is_a_command(attach: Any, plain: Plain) -> None:
    host = await attach(plain)
    plain.echo = False
    host.send(b"AT+SEND=10\r\n")
    await host.expect(b"> ")
    host.send(b"AT\r\n")
    await host.quiet()
    host.send(b"123456")
    await host.expect(b"\r\nGOT 10\r\n")
    host.send(b"AT\r\n")
    await host.expect(b"\r\nOK\r\n")


async def test_escape_needs_a_packet_of_its_own(attach: Any, plain: Plain) -> None:
    host = await attach(plain)
    plain.echo = False
    host.send(b"AT+SEND=20\r\n")
    await host.expect(b"> ")
    host.send(b"ab+++")
    await host.quiet()
    host.send(b"+++cd")
    await host.quiet()
    host.send(b"+")
    host.send(b"++")
    await host.expect(b"\r\nCANCELLED\r\n")


async def test_payload_up_to_a_stop_byte(attach: Any, plain: Plain) -> None:
    host = await attach(plain)
    plain.echo = False
    host.send(b"AT+TEXT\r\n")
    await host.expect(b"> ")
    host.send(b"abc")
    host.send(b"defg\x1a")
    await host.expect(b"\r\nabcde 26\r\n")


async def test_collected_payload(attach: Any, plain: Plain) -> None:
    host = await attach(plain)
    plain.echo = False
    host.send(b"AT+SOME\r\n")
    await host.expect(b">")
    host.send(b"abc")
    await host.expect(b"<abc>")
    await asyncio.sleep(0.03)
    host.send(b"+++")
    await host.expect(b"\r\nEND\r\n")


async def test_overlong_line_is_one_error_and_bounded(attach: Any, plain: Plain) -> None:
    host = await attach(plain)
    plain.echo = False
    for _ in range(50):
        host.send(b"x" * 100_000)
        await asyncio.sleep(0)
    assert len(plain.intake) < 200_000
    await asyncio.sleep(0.01)
    host.send(b"\r\nAT\r\n")
    await host.expect(b"\r\nERROR\r\n\r\nOK\r\n")


async def test_line_split_anywhere(attach: Any, plain: Plain) -> None:
    host = await attach(plain)
    plain.echo = False
    for cut in range(1, 4):
        host.send(b"AT\r\n"[:cut])
        await asyncio.sleep(0.002)
        host.send(b"AT\r\n"[cut:])
        await host.expect(b"\r\nOK\r\n")


async def test_before_write_injects_between_literals(attach: Any, plain: Plain) -> None:
    host = await attach(plain)

    def hook(literal: bytes) -> bytes | None:
        if b"OK" in literal:
            plain.urc("+NEWS")  # a write from inside a hook is not hooked again
            return b"!"
        return None

    plain.before_write.append(hook)
    host.send(b"AT\r\n")
    await host.expect(b"AT\r\n\r\n+NEWS\r\n!\r\nOK\r\n")


async def test_restart_ends_command_timers_and_input(attach: Any, plain: Plain) -> None:
    plain.echo = False
    host = await attach(plain)
    plain.later(0.02, lambda: plain.raw(b"late"))
    plain.spawn(plain.slow(re.fullmatch(r"(\d+)", "20")))  # type: ignore[arg-type]
    host.send(b"AT+SEND=5\r\n")
    await host.expect(b"> ")
    plain.restart()
    host.send(b"lost\r\n")
    await host.expect(b"ready\r\n")
    plain.echo = False
    host.send(b"AT\r\n")
    await host.expect(b"\r\nOK\r\n")
    await host.quiet()


async def test_restart_by_command_and_echo_comes_back(attach: Any, plain: Plain) -> None:
    plain.echo = False
    host = await attach(plain)
    host.send(b"AT+RST\r\n")
    await host.expect(b"\r\nOK\r\nready\r\n")
    host.send(b"AT\r\n")
    await host.expect(b"AT\r\n\r\nOK\r\n")


async def test_silent_restart(attach: Any) -> None:
    modem = Plain(World(time_scale=0))
    host = await attach(modem)
    modem.restart(silent=True)
    await host.quiet(0.02)
    host.send(b"AT\r\n")
    await host.expect(b"AT\r\n\r\nOK\r\n")


async def test_deaf(attach: Any, plain: Plain) -> None:
    host = await attach(plain)
    plain.be_deaf(0.03)
    host.send(b"AT\r\n")
    await host.quiet(0.04)
    host.send(b"AT\r\n")
    await host.expect(b"AT\r\n\r\nOK\r\n")
    assert host.journal("lost")


async def test_start_twice_and_stop_twice(plain: Plain) -> None:
    await plain.start(lambda data: None)
    with pytest.raises(FakeError):
        await plain.start(lambda data: None)
    plain.receive(b"AT+SLOW=5000\r\n")
    await asyncio.sleep(0.01)
    await plain.stop()
    await plain.stop()
    plain.receive(b"AT\r\n")
    with pytest.raises(FakeError):
        _ = plain.sockets


async def test_output_room_waits_for_the_host(attach: Any, plain: Plain) -> None:
    host = await attach(plain)
    plain.pause_output()
    waiter = asyncio.ensure_future(plain.output_room())
    plain.raw(b"held")
    await host.quiet(0.01)
    assert not waiter.done()
    plain.resume_output()
    await asyncio.wait_for(waiter, 1)
    await host.expect(b"held")


async def test_random_garbage_never_crashes(attach: Any, plain: Plain) -> None:
    host = await attach(plain)
    for _ in range(300):
        host.send(plain.random.randbytes(plain.random.randrange(1, 200)))
        if plain.random.random() < 0.3:
            host.send(b"\r\n")
        await asyncio.sleep(0)
    await asyncio.sleep(0.03)
    plain.restart()
    await asyncio.sleep(0.03)
    host.output.clear()
    host.send(b"AT\r\n")
    await host.expect(b"AT\r\n\r\nOK\r\n")


@pytest.mark.parametrize("seed", range(5))
async def test_lines_do_not_depend_on_the_cutting(seed: int) -> None:
    rng = random.Random(seed)
    lines = [rng.randbytes(rng.randrange(1, 60)).replace(b"\r\n", b"--") for _ in range(200)]
    lines = [line.rstrip(b"\r").lstrip(b"\n") for line in lines]
    stream = b"".join(line + b"\r\n" for line in lines)
    intake = Intake()
    echoed = bytearray()
    got: list[bytes | None] = []

    async def read() -> None:
        while len(got) < len(lines):
            got.append(await intake.read_line(b"\r\n", 40, echoed.extend))

    reader = asyncio.ensure_future(read())
    at = 0
    while at < len(stream):
        size = rng.choice((1, 2, 3, 50, 500))
        assert intake.arrived(stream[at : at + size], 0.0) == 0
        at += size
        await asyncio.sleep(0)
    await asyncio.wait_for(reader, 2)
    assert got == [line if len(line) <= 40 else None for line in lines]
    assert echoed == stream

"""The asyncio shell: queue, timer, callers that come and go, and the link."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from atdriver.channel import Channel, Outcome
from atdriver.dialect import Dialect, Probe
from atdriver.engine import Engine
from atdriver.errors import (
    CommandDropped,
    CommandFailed,
    CommandTimeout,
    EncodeError,
    ModuleSilent,
    PortLost,
    PortMissing,
    RestartSeen,
)
from atdriver.events import Anomaly, Deaf, Event, InStep, OutOfStep, Restarted, Unsolicited
from atdriver.exchange import Command, Reply
from atdriver.lifecycle import ChannelMode
from atdriver.link import Receiver
from atdriver.resync import PROBE_TIMEOUT
from atdriver.startup import FIRST_PATIENCE, RATE_PATIENCE, find_module
from atdriver.trace import Trace, trace_to
from modems.bg96 import dialect as bg96
from modems.commands import BASIC, query, simple
from modems.esp8266 import commands as at
from modems.esp8266 import dialect as esp

from .scripted_link import OK, Answer, Module, PortLink, ScriptedLink
from .virtual_time import VirtualTimeLoop, virtual

AT = simple("AT")
ASK = query("AT+N?", rb"\+N:\d+")
SEND = at.send(0, b"payload", None, 15.0)
READ = at.read(0, 100, esp.RECEIVED_N)


def clock() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def channel_to(
    *links: ScriptedLink, dialect: Dialect = esp.DIALECT, in_step: bool = True
) -> AsyncIterator[Channel]:
    """A channel over the links, one after the other, in step with the first; closed at the end,
    when nothing may be left running."""
    supply = iter(links)
    channel = Channel(Engine(dialect), lambda: next(supply))
    await channel.open()
    try:
        if in_step:
            await channel.synchronise()
            links[0].written.clear()
        yield channel
    finally:
        await channel.close()
        assert channel.mode is ChannelMode.CLOSED
        assert channel._timer is None
        assert asyncio.all_tasks() == {asyncio.current_task()}


# -- one command after the other -----------------------------------------------------------------


@virtual
async def test_callers_get_their_own_answers_in_the_order_of_their_calls() -> None:
    module = Module()
    async with channel_to(ScriptedLink(module)) as channel:
        before = len(module.executed)
        replies = await asyncio.gather(*[channel.run(ASK) for _ in range(5)])
        numbers = [int(reply.lines[0][3:]) for reply in replies]
        assert numbers == list(range(before + 1, before + 6))


@virtual
async def test_the_next_line_is_written_only_when_the_last_one_is_answered() -> None:
    link = ScriptedLink(Module(think=0.5))
    async with channel_to(link) as channel:
        await asyncio.gather(*[channel.run(ASK) for _ in range(4)])
        times = [when for when, _ in link.written]
        assert all(later - sooner >= 0.5 for sooner, later in itertools.pairwise(times))


@virtual
async def test_urgent_commands_pass_those_that_wait_but_not_the_one_in_flight() -> None:
    link = ScriptedLink(Module())
    order: list[str] = []

    async def call(name: str, urgent: bool) -> None:
        await channel.run(simple(f"AT+{name}"), urgent=urgent)
        order.append(name)

    async with channel_to(link) as channel:
        async with asyncio.TaskGroup() as group:
            for name, urgent in (("a", 0), ("b", 0), ("c", 1), ("d", 0), ("e", 1)):
                group.create_task(call(name, bool(urgent)))
        assert order == ["a", "c", "e", "b", "d"]
        assert [line[3:4].decode() for line in link.lines] == order


@virtual
async def test_the_errors_of_the_engine_reach_the_caller() -> None:
    answers = {b"AT+BAD\r\n": b"\r\nERROR\r\n", b"AT+BOOT\r\n": b"\r\nready\r\n"}
    link = ScriptedLink(lambda data: [(0.01, answers.get(data, OK))])
    async with channel_to(link) as channel:
        with pytest.raises(CommandFailed):
            await channel.run(simple("AT+BAD"))
        with pytest.raises(RestartSeen):
            await channel.run(simple("AT+BOOT"))
        await channel.run(AT)
        link.answer = lambda data: [] if data == b"AT+MUTE\r\n" else [(0.01, OK)]
        began = clock()
        with pytest.raises(CommandTimeout):
            await channel.run(simple("AT+MUTE"))
        assert clock() - began == pytest.approx(BASIC)
        await channel.run(AT)


@virtual
async def test_minutes_pass_in_no_time_and_exactly() -> None:
    module = Module()
    module.slow[b"AT+N?"] = 179.0
    async with channel_to(ScriptedLink(module)) as channel:
        began = clock()
        await channel.run(query("AT+N?", rb"\+N:\d+", 180.0))
        assert clock() - began == pytest.approx(179.002)
        module.slow[b"AT+N?"] = 600.0
        with pytest.raises(CommandTimeout):
            await channel.run(query("AT+N?", rb"\+N:\d+", 180.0))
        assert clock() - began == pytest.approx(179.002 + 180.0)


@virtual
async def test_a_line_too_long_is_refused_before_anything_is_written() -> None:
    link = ScriptedLink(Module())
    async with channel_to(link) as channel:
        longest = simple("AT+" + "x" * (esp.DIALECT.max_command - 5))
        await channel.run(longest)
        link.written.clear()
        with pytest.raises(EncodeError, match="257 bytes long, the module takes 256"):
            await channel.run(simple("AT+" + "x" * (esp.DIALECT.max_command - 4)))
        assert link.written == []
        channel.max_command = 128
        with pytest.raises(EncodeError, match="takes 128"):
            await channel.run(longest)
        await channel.run(AT)
        assert link.lines == [b"AT\r\n"]


@virtual
async def test_commands_wait_until_host_and_module_are_in_step() -> None:
    link = ScriptedLink(Module())
    async with channel_to(link, in_step=False) as channel:
        assert channel.mode is ChannelMode.RESYNC
        waiting = asyncio.create_task(channel.run(ASK))
        await asyncio.sleep(5.0)
        assert link.written == []
        await channel.synchronise()
        assert channel.mode is ChannelMode.COMMAND
        await waiting
        assert link.lines == [b"AT\r\n", b"AT\r\n", b"AT+N?\r\n"]


# -- callers that leave --------------------------------------------------------------------------

MOMENTS = [0.0, 0.001, 0.0099, 0.010, 0.0101, 0.0119, 0.012, 0.0121, 0.0219, 0.022, 0.024, 0.03]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("command", [ASK, SEND, READ], ids=["query", "send", "read"])
@virtual
async def test_a_caller_that_is_cancelled_leaves_the_wire_in_step(
    command: Command, turns: int, moment: float
) -> None:
    """At any moment, on both sides of any bytes of that instant: the next callers get their own
    answers, and the module sees nothing but whole lines and whole payloads."""
    module = Module()
    async with channel_to(ScriptedLink(module)) as channel:
        leaving = asyncio.create_task(channel.run(command))
        await asyncio.sleep(moment)
        for _ in range(turns):
            await asyncio.sleep(0)
        leaving.cancel()
        first = asyncio.create_task(channel.run(ASK))
        second = asyncio.create_task(channel.run(READ))
        number = int((await first).lines[0][3:])
        block = (await second).block
        assert module.executed[number - 1] == b"AT+N?"
        assert block is not None
        assert block.payload == b"\r\nOK\r\n%d" % len(module.executed)
        assert module.payloads in ([], [b"payload"])
        if command is SEND and module.executed.count(SEND.text):
            assert module.payloads == [b"payload"]
        await asyncio.wait([leaving])
        assert channel.mode is ChannelMode.COMMAND


@virtual
async def test_a_caller_that_leaves_the_queue_is_never_written() -> None:
    link = ScriptedLink(Module())
    async with channel_to(link) as channel:
        first = asyncio.create_task(channel.run(ASK))
        gone = [
            asyncio.create_task(channel.run(simple("AT+GONE"), urgent=urgent))
            for urgent in (True, False)
        ]
        last = asyncio.create_task(channel.run(ASK))
        await asyncio.sleep(0.001)
        for task in gone:
            task.cancel()
        await asyncio.gather(first, last)
        assert link.lines == [b"AT+N?\r\n", b"AT+N?\r\n"]


@virtual
async def test_quick_commands_take_turns_with_those_that_wait() -> None:
    """Neither waits for more than what is being carried out; what a `done` submits is in line."""
    link = ScriptedLink(Module())
    ended: list[Outcome] = []
    async with channel_to(link) as channel:
        first = asyncio.create_task(channel.run(simple("AT+FIRST")))
        await asyncio.sleep(0)
        slow = [asyncio.create_task(channel.run(simple(f"AT+SLOW{n}"))) for n in range(3)]
        await asyncio.sleep(0)
        for n in range(3):
            channel.submit(simple(f"AT+QUICK{n}"), ended.append, quick=True)
        await asyncio.gather(first, *slow)
        names = [b"FIRST", b"QUICK0", b"SLOW0", b"QUICK1", b"SLOW1", b"QUICK2", b"SLOW2"]
        assert link.lines == [b"AT+%b\r\n" % name for name in names]
        assert len(ended) == 3
        assert all(isinstance(each, Reply) for each in ended)


@virtual
async def test_what_is_not_wanted_any_more_when_its_turn_comes_is_not_written() -> None:
    """A quick command may be passed by what came later, which may have ended what it is for."""
    link = ScriptedLink(Module())
    ended: list[Outcome] = []
    wanted = True

    def unwanted(_outcome: Outcome) -> None:
        nonlocal wanted
        wanted = False

    async with channel_to(link) as channel:
        channel.submit(simple("AT+FIRST"), ended.append, quick=True)
        channel.submit(simple("AT+QUICK"), ended.append, quick=True, still=lambda: wanted)
        channel.submit(simple("AT+ENDS"), unwanted)
        with pytest.raises(CommandDropped, match="AT\\+RUN"):
            await channel.run(simple("AT+RUN"), still=lambda: wanted)
        await channel.run(simple("AT+LAST"), still=lambda: True)
        assert link.lines == [b"AT+FIRST\r\n", b"AT+ENDS\r\n", b"AT+LAST\r\n"]
        first, dropped = ended
        assert isinstance(first, Reply)
        assert isinstance(dropped, CommandDropped)
        assert "AT+QUICK" in str(dropped)
        channel.submit(simple("AT+NEVER"), ended.append, still=lambda: False)  # nothing follows
        await asyncio.sleep(0)
        assert isinstance(ended[-1], CommandDropped)


@virtual
async def test_what_follows_an_answer_is_written_before_its_receiver_goes_on() -> None:
    """The line is not idle while others are told; what waited longer is still served first."""
    link = ScriptedLink(Module())
    seen: list[list[bytes]] = []
    ended: list[Outcome] = []
    async with channel_to(link) as channel:

        def again(outcome: Outcome) -> None:
            channel.submit(simple("AT+TWO"), ended.append)
            seen.append(list(link.lines))

        channel.submit(simple("AT+ONE"), again)
        await asyncio.sleep(1)
        assert seen == [[b"AT+ONE\r\n", b"AT+TWO\r\n"]]
        channel.submit(simple("AT+ONE"), again)
        channel.submit(simple("AT+WAITS"), ended.append)
        await asyncio.sleep(1)
        assert link.lines[2:] == [b"AT+ONE\r\n", b"AT+WAITS\r\n", b"AT+TWO\r\n"]
        assert seen[1][2:] == [b"AT+ONE\r\n", b"AT+WAITS\r\n"]
        assert len(ended) == 3


@virtual
async def test_what_follows_an_answer_is_carried_out_one_by_one() -> None:
    """Who gets an answer asks for two things: the second waits for the end of the first."""
    link = ScriptedLink(Module())
    ended: list[Outcome] = []
    seen: list[list[bytes]] = []
    async with channel_to(link) as channel:

        def again(outcome: Outcome) -> None:
            channel.submit(ASK, ended.append)
            channel.submit(ASK, ended.append)
            seen.append(list(link.lines))

        channel.submit(simple("AT+ONE"), again)
        await asyncio.sleep(1)
        assert seen == [[b"AT+ONE\r\n", b"AT+N?\r\n"]]
        assert link.lines == [b"AT+ONE\r\n", b"AT+N?\r\n", b"AT+N?\r\n"]
        first, second = ended
        assert isinstance(first, Reply)
        assert isinstance(second, Reply)
        assert int(second.lines[0][3:]) == int(first.lines[0][3:]) + 1


@virtual
async def test_who_fails_on_an_outcome_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    link = ScriptedLink(Module())

    def fails(outcome: object) -> None:
        raise ValueError("a bug of the driver")

    async with channel_to(link) as channel:
        channel.submit(simple("AT+ONE"), fails)
        await channel.run(simple("AT+TWO"))
    assert "who asked failed" in caplog.text


@virtual
async def test_a_shorter_patience_than_the_module_s_does_not_free_the_wire() -> None:
    module = Module()
    module.slow[b"AT+N?"] = 2.0
    link = ScriptedLink(module)
    async with channel_to(link) as channel:
        began = clock()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(channel.run(ASK), 0.5)
        assert clock() - began == pytest.approx(0.5)
        await channel.run(AT)
        assert [round(when - began, 3) for when, _ in link.written] == [0.0, 2.002]


@virtual
async def test_a_caller_cancelled_while_it_gets_in_step() -> None:
    link = ScriptedLink(Module(think=0.5))
    async with channel_to(link, in_step=False) as channel:
        waiting = asyncio.create_task(channel.synchronise())
        await asyncio.sleep(0.3)
        waiting.cancel()
        await asyncio.wait([waiting])
        await channel.run(ASK)
        assert channel.mode is ChannelMode.COMMAND


@virtual
async def test_getting_in_step_again_ends_the_first_attempt() -> None:
    """Nobody may wait for ever."""
    async with channel_to(ScriptedLink(Module(think=0.5)), in_step=False) as channel:
        first = asyncio.create_task(channel.synchronise())
        await asyncio.sleep(0.3)
        await channel.synchronise()
        with pytest.raises(PortLost, match="anew"):
            await first


# -- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0, 3, 200])
@virtual
async def test_a_blocked_loop_reads_the_port_before_it_judges_a_deadline(noise: int) -> None:
    """The answer waits in the port while the program does something else for ten seconds."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    link = PortLink(Module())
    seen: list[Event] = []
    async with channel_to(link) as channel:
        channel.listener = seen.append
        link.answer = None
        running = asyncio.create_task(channel.run(ASK))
        await asyncio.sleep(1.0)
        link.say(b"0,CLOSED\r\n" * noise + b"+N:7\r\n" + OK)
        loop.advance(10.0)
        assert (await running).lines == [b"+N:7"]
        assert len(seen) == noise
        link.answer = Module()
        await channel.run(AT)


@virtual
async def test_a_blocked_loop_without_an_answer_does_time_out() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    link = PortLink(Module())
    async with channel_to(link) as channel:
        link.answer = lambda data: [(0.0, OK)] if data == b"AT\r\n" else []
        running = asyncio.create_task(channel.run(ASK))
        await asyncio.sleep(1.0)
        link.say(b"0,CLOSED\r\n" * 50)
        loop.advance(10.0)
        with pytest.raises(CommandTimeout):
            await running


@virtual
async def test_an_idle_channel_asks_for_no_timer() -> None:
    link = ScriptedLink(Module())
    async with channel_to(link) as channel:
        await channel.run(ASK)
        await asyncio.sleep(10_000.0)
        assert channel._timer is None
        assert link.lines == [b"AT+N?\r\n"]


@virtual
async def test_a_pushed_payload_that_breaks_off_is_noticed_without_any_command() -> None:
    seen: list[Event] = []
    link = ScriptedLink(Module())
    async with channel_to(link) as channel:
        channel.listener = seen.append
        link.say(b"\r\n+IPD,0,100:only this")
        await asyncio.sleep(5.0)
        assert [type(event) for event in seen] == [Anomaly, OutOfStep, InStep]
        await channel.run(AT)


# -- the link ------------------------------------------------------------------------------------


@virtual
async def test_the_loss_of_the_link_fails_everything_at_once() -> None:
    seen: list[Event] = []
    link = ScriptedLink(Module(think=1.0))
    async with channel_to(link) as channel:
        channel.listener = seen.append
        calls = [
            asyncio.create_task(channel.run(ASK, urgent=urgent)) for urgent in (False, False, True)
        ]
        await asyncio.sleep(0.1)
        began = clock()
        link.drop(OSError(5, "unplugged"))
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert clock() == began
        assert [type(result) for result in results] == [PortLost] * 3
        assert "unplugged" in str(results[0])
        assert channel.mode is ChannelMode.LOST
        assert [type(event) for event in seen] == [Deaf]
        with pytest.raises(PortLost, match="unplugged"):
            await channel.run(ASK)
        with pytest.raises(PortLost, match="unplugged"):
            await channel.synchronise()
        await asyncio.sleep(100.0)
        assert len(link.written) == 1


@virtual
async def test_the_link_is_lost_between_a_notice_and_the_answer_behind_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Both came in one read, and whoever heard the notice gave the port up: who asked is told that,
    and nothing else afterwards."""
    link = ScriptedLink(lambda data: [(0.01, b"0,CLOSED\r\n" + OK)])
    told: list[Event] = []
    ended: list[Outcome] = []
    async with channel_to(link) as channel:

        def listener(event: Event) -> None:
            told.append(event)
            if isinstance(event, Unsolicited):
                link.drop(PortLost("given up"))

        channel.listener = listener
        channel.submit(AT, ended.append)
        await asyncio.sleep(1)
        assert [str(each) for each in ended] == ["given up"]
        assert [type(event) for event in told] == [Unsolicited, Deaf]
        assert channel.mode is ChannelMode.LOST
    assert caplog.text == ""


@virtual
async def test_an_error_of_the_link_that_is_ours_is_passed_on_as_it_is() -> None:
    error = PortMissing("gone")
    link = ScriptedLink(Module(think=1.0))
    async with channel_to(link) as channel:
        call = asyncio.create_task(channel.run(ASK))
        await asyncio.sleep(0.1)
        link.drop(error)
        with pytest.raises(PortMissing) as caught:
            await call
        assert caught.value is error


@virtual
async def test_the_loss_while_getting_in_step() -> None:
    link = ScriptedLink()
    async with channel_to(link, in_step=False) as channel:
        waiting = asyncio.create_task(channel.synchronise())
        await asyncio.sleep(0.3)
        link.drop(OSError(5, "unplugged"))
        with pytest.raises(PortLost):
            await waiting


@virtual
async def test_a_deaf_module_fails_everything_and_probing_wakes_it() -> None:
    module = Module()
    link = ScriptedLink(module)
    async with channel_to(link) as channel:
        link.answer = None
        first = asyncio.create_task(channel.run(ASK))
        second = asyncio.create_task(channel.run(ASK))
        with pytest.raises(CommandTimeout):
            await first
        with pytest.raises(ModuleSilent):
            await second
        assert channel.mode is ChannelMode.LOST
        with pytest.raises(ModuleSilent):
            await channel.run(ASK)
        with pytest.raises(ModuleSilent):
            await channel.synchronise(2.0)
        link.answer = module
        await channel.synchronise()
        assert channel.mode is ChannelMode.COMMAND
        await channel.run(ASK)


@virtual
async def test_closing_fails_what_waits_and_may_be_repeated() -> None:
    link = ScriptedLink(Module(think=1.0))
    async with channel_to(link) as channel:
        calls = [asyncio.create_task(channel.run(ASK)) for _ in range(3)]
        await asyncio.sleep(0.1)
        await asyncio.gather(channel.close(), channel.close())
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [PortLost] * 3
        await channel.close()
        assert link.closed == 1
        with pytest.raises(PortLost, match="closed"):
            await channel.run(ASK)
        with pytest.raises(PortLost, match="closed"):
            await channel.synchronise()


@virtual
async def test_a_channel_that_was_never_opened() -> None:
    channel = Channel(Engine(esp.DIALECT), ScriptedLink)
    assert channel.mode is ChannelMode.CLOSED
    with pytest.raises(PortLost):
        await channel.run(ASK)
    with pytest.raises(PortLost):
        await channel.synchronise()
    await channel.close()


@virtual
async def test_a_closed_channel_can_be_opened_again_over_a_new_link() -> None:
    """Also in the middle of a payload, a line and an exchange of the old one."""
    old, new = ScriptedLink(Module(think=1.0)), ScriptedLink(Module())
    async with channel_to(old, new) as channel:
        call = asyncio.create_task(channel.run(READ))
        await asyncio.sleep(0.1)
        old.say(b"\r\n+CIPRECVDATA,50:half")
        await asyncio.sleep(0.1)
        await channel.close()
        with pytest.raises(PortLost):
            await call
        await asyncio.sleep(10.0)
        await channel.open()
        assert channel.link is new
        assert channel.mode is ChannelMode.RESYNC
        await channel.synchronise(FIRST_PATIENCE)
        assert (await channel.run(READ)).block is not None
        await channel.open()  # open already: nothing happens
        assert new.opened == 1
        await channel.run(ASK)


@virtual
async def test_a_link_that_cannot_be_opened_leaves_a_closed_channel() -> None:
    broken, good = ScriptedLink(), ScriptedLink(Module())
    broken.refuse = PortMissing("no such port")
    traces: list[io.StringIO] = []

    def make_trace() -> Trace:
        traces.append(io.StringIO())
        return Trace(traces[-1])

    links = iter([broken, good])
    channel = Channel(Engine(esp.DIALECT), lambda: next(links), make_trace)
    with pytest.raises(PortMissing):
        await channel.open()
    assert channel.mode is ChannelMode.CLOSED
    with pytest.raises(PortLost):
        await channel.run(ASK)
    await channel.open()
    await channel.synchronise()
    await channel.close()
    assert [trace.closed for trace in traces] == [True, True]


# -- events, listeners, trace --------------------------------------------------------------------


@virtual
async def test_a_listener_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []

    def listener(event: Event) -> None:
        seen.append(event)
        raise ValueError("the listener's own")

    link = ScriptedLink(Module())
    async with channel_to(link) as channel:
        channel.listener = listener
        with caplog.at_level(logging.ERROR):
            link.say(b"0,CLOSED\r\n1,CLOSED\r\n")
            reply = await channel.run(ASK)
        assert reply.lines
        assert [type(event) for event in seen] == [Unsolicited, Unsolicited]
        assert caplog.text.count("listener failed") == 2


@virtual
async def test_a_listener_may_begin_commands() -> None:
    """Also while another one is in flight, and from inside the event that ended probing."""
    link = ScriptedLink(Module())
    tasks: list[asyncio.Task[object]] = []
    async with channel_to(link, in_step=False) as channel:

        def listener(event: Event) -> None:
            if isinstance(event, InStep | Unsolicited):
                tasks.append(asyncio.create_task(channel.run(ASK)))

        channel.listener = listener
        await channel.synchronise()
        link.say(b"0,CLOSED\r\n1,CLOSED\r\n")
        await channel.run(ASK)
        await asyncio.gather(*tasks)
        assert len(tasks) == 3


@virtual
async def test_the_listener_hears_everything_but_answers() -> None:
    seen: list[Event] = []
    link = ScriptedLink(Module())
    async with channel_to(link) as channel:
        channel.listener = seen.append
        await channel.run(ASK)
        link.say(b"0,CONNECT\r\nhello\r\nready\r\n")
        await asyncio.sleep(1.0)
        assert [type(event) for event in seen] == [Unsolicited, Anomaly, Restarted]


@virtual
async def test_the_trace_has_both_directions_and_no_secret() -> None:
    out = io.StringIO()
    texts: list[str] = []

    class Kept(io.StringIO):
        def close(self) -> None:
            texts.append(self.getvalue())
            super().close()

    out = Kept()
    link = ScriptedLink(lambda data: [(0.01, data[:5]), (0.02, data[5:] + OK)])
    channel = Channel(Engine(esp.DIALECT), lambda: link, lambda: Trace(out))
    await channel.open()
    await channel.synchronise()
    await channel.run(at.join("", b'"net"', b'"hunter2"'))
    link.say(b"ready\r\nhunter2\r\n")
    await asyncio.sleep(1.0)
    await channel.close()
    records = [json.loads(line) for line in texts[0].splitlines()]
    assert {record["dir"] for record in records} == {">", "<", "!"}
    assert "hunter" not in texts[0]
    written = [record["data"] for record in records if record["dir"] == ">"]
    assert written[-1] == 'AT+CWJAP="net","***"\\r\\n'


@virtual
async def test_a_trace_that_cannot_be_written_any_more_does_not_stop_the_channel(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Full(io.StringIO):
        full = False

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    out = Full()
    link = ScriptedLink(Module())
    channel = Channel(Engine(esp.DIALECT), lambda: link, lambda: Trace(out))
    await channel.open()
    await channel.synchronise()
    out.full = True
    with caplog.at_level(logging.WARNING):
        await channel.run(ASK)
        await channel.run(ASK)
    assert caplog.text.count("No space left") == 1
    await channel.close()


@virtual
async def test_a_trace_that_cannot_be_flushed_does_not_stop_the_channel(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    path = tmp_path / "trace"
    channel = Channel(Engine(esp.DIALECT), lambda: ScriptedLink(Module()), trace_to(str(path)))
    channel.flush_trace()  # there is none yet
    await channel.open()
    await channel.synchronise()
    channel.flush_trace()
    assert path.read_text().endswith("}\n")
    await channel.close()

    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    channel = Channel(Engine(esp.DIALECT), lambda: ScriptedLink(Module()), lambda: Trace(Full()))
    await channel.open()
    await channel.synchronise()
    with caplog.at_level(logging.WARNING):
        channel.flush_trace()
        await channel.run(ASK)
    assert caplog.text.count("No space left") == 1
    await channel.close()


# -- finding the module --------------------------------------------------------------------------

RATES = (115200, 9600, 460800)


def answering(module: Module | None, at_rate: int) -> ScriptedLink:
    """A UART whose module speaks one rate only; at any other, noise comes back."""
    link = ScriptedLink(has_rate=True)

    def answer(data: bytes) -> Answer:
        rate = link.rates[-1] if link.rates else RATES[0]
        if module is not None and rate == at_rate:
            return module(data)
        return [(0.01, b"\x00\xff\x80\xfe")]

    link.answer = answer
    return link


@pytest.mark.parametrize("rate", RATES)
@virtual
async def test_every_rate_is_tried_in_order(rate: int) -> None:
    link = answering(Module(), rate)
    async with channel_to(link, in_step=False) as channel:
        assert await find_module(channel, RATES) == rate
        assert link.rates == list(RATES[1 : RATES.index(rate) + 1])
        assert (await channel.run(ASK)).lines


@virtual
async def test_no_rate_answers() -> None:
    link = answering(None, 0)
    async with channel_to(link, in_step=False) as channel:
        began = clock()
        with pytest.raises(ModuleSilent) as caught:
            await find_module(channel, RATES)
        error = caught.value
        assert error.rates == RATES
        assert error.sample.startswith(b"\x00\xff\x80\xfe")
        assert "115200, 9600, 460800 baud" in str(error)
        assert "another baud rate: \\x00\\xff" in str(error)
        assert link.rates == [9600, 460800, 115200]  # left as it was found
        limit = FIRST_PATIENCE + 2 * RATE_PATIENCE + 3 * (PROBE_TIMEOUT + 0.5)
        assert clock() - began < limit


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (b"", "nothing came back at all"),
        (b"Linux login: \r\n", "no AT answer: Linux login: "),
        (b"\xff\xfe\x80\x00\x9c", "another baud rate"),
    ],
)
@virtual
async def test_what_a_silent_port_printed_is_in_the_message(said: bytes, text: str) -> None:
    link = ScriptedLink(lambda data: [(0.01, said)] if said else [])
    async with channel_to(link, in_step=False) as channel:
        with pytest.raises(ModuleSilent, match=re.escape(text)) as caught:
            await find_module(channel, RATES)
        assert "baud" not in str(caught.value).split(";")[0]
        assert caught.value.rates == ()
        assert len(caught.value.sample) <= 256
        assert caught.value.sample.startswith(said)


@virtual
async def test_a_link_without_a_rate_is_never_told_one() -> None:
    link = ScriptedLink(Module())
    async with channel_to(link, in_step=False) as channel:
        assert await find_module(channel, RATES) is None
        assert link.rates == []


@virtual
async def test_a_module_in_a_data_phase_is_led_out_of_it() -> None:
    """Everything is payload to it until `+++` comes with silence around it."""
    module = Module()
    data_phase = True
    last = 0.0
    link = ScriptedLink(has_rate=True)

    def answer(data: bytes) -> Answer:
        nonlocal data_phase, last
        silence, last = clock() - last, clock()
        if data_phase:
            if data == b"+++" and silence >= 0.02:
                data_phase = False
            return []
        assert silence >= 1.0 or module.executed, "a command within a second of the escape"
        return module(data)

    link.answer = answer
    async with channel_to(link, in_step=False) as channel:
        assert await find_module(channel, RATES, esp.ESCAPE) == RATES[0]
        assert link.rates == []
        assert link.lines.count(b"+++") == 1
        assert (await channel.run(ASK)).lines


@pytest.mark.parametrize(
    ("said", "order"),
    [
        (b"", ["escape", 9600, 460800, 115200]),
        (b"Linux login: ", ["escape", 9600, 460800, 115200]),
        (b"\x00\xff\x80", [9600, 460800, 115200, "escape"]),
    ],
    ids=["silent", "readable", "garbled"],
)
@virtual
async def test_what_comes_back_decides_what_is_tried_first(
    said: bytes, order: list[str | int]
) -> None:
    """A wrong rate is heard as such: then the other rates come before the escape."""
    tried: list[str | int] = []

    class Listening(ScriptedLink):
        def set_rate(self, baud: int) -> None:
            tried.append(baud)

        def write(self, data: bytes) -> None:
            if data == b"+++":
                tried.append("escape")
            super().write(data)

    link = Listening(lambda data: [(0.01, said)] if said else [], has_rate=True)
    async with channel_to(link, in_step=False) as channel:
        with pytest.raises(ModuleSilent):
            await find_module(channel, RATES, esp.ESCAPE)
    assert tried == order


@virtual
async def test_the_escape_is_not_sent_to_a_module_that_answers() -> None:
    link = ScriptedLink(Module())
    async with channel_to(link, in_step=False) as channel:
        await find_module(channel, RATES, esp.ESCAPE)
        assert b"+++" not in link.lines


@virtual
async def test_a_module_that_boots_is_found_when_it_is_ready() -> None:
    module = Module(b"\r")
    link = ScriptedLink(has_rate=True)
    ready_at = clock() + 2.05
    link.answer = lambda data: module(data) if clock() >= ready_at else []
    async with channel_to(link, dialect=bg96.DIALECT, in_step=False) as channel:
        link.say(b"\r\nRDY\r\n", 2.0)
        assert await find_module(channel, RATES) == RATES[0]
        assert link.rates == []


@virtual
async def test_the_port_is_lost_while_the_module_is_looked_for() -> None:
    link = ScriptedLink(has_rate=True)
    async with channel_to(link, in_step=False) as channel:
        looking = asyncio.create_task(find_module(channel, RATES))
        await asyncio.sleep(1.0)
        link.drop(OSError(5, "unplugged"))
        with pytest.raises(PortLost):
            await looking
        assert link.rates == []


@virtual
async def test_the_canary_is_asked_once_it_is_set() -> None:
    module = Module()
    link = ScriptedLink(module)
    async with channel_to(link) as channel:
        channel.set_probe(Probe(b"AT+N?", re.compile(rb"\+N:\d+")))
        await channel.synchronise()
        assert set(link.lines) == {b"AT+N?\r\n"}


# -- what others put around a channel --------------------------------------------------------------


@virtual
async def test_a_link_and_a_trace_can_be_put_around_from_the_next_opening_on() -> None:
    made: list[ScriptedLink] = []
    out = io.StringIO()

    def make() -> ScriptedLink:
        made.append(ScriptedLink(Module()))
        return made[-1]

    class Listening(ScriptedLink):
        def __init__(self, inner: ScriptedLink) -> None:
            super().__init__(inner.answer)
            self.inner = inner

    channel = Channel(Engine(esp.DIALECT), make)
    channel.link_with(Listening)  # type: ignore[arg-type]
    channel.trace_with(lambda: Trace(out))
    await channel.open()
    await channel.open()  # it is open
    assert isinstance(channel.link, Listening)
    assert channel.link.opened == 1
    await channel.synchronise()
    assert '"AT' in out.getvalue()
    await channel.close()
    assert len(made) == 2


@virtual
async def test_a_suspicion_is_looked_into_and_a_channel_that_is_lost_has_none() -> None:
    link = ScriptedLink(Module())
    heard: list[Event] = []
    async with channel_to(link) as channel:
        channel.listener = heard.append
        channel.suspect("something odd")
        assert [type(event) for event in heard] == [Anomaly, OutOfStep]
        assert await channel.run(AT), "once it is in step again"
        assert link.lines == [b"AT\r\n"] * 3, "two probes and the command"
        link.drop(PortLost("unplugged"))
        heard.clear()
        channel.suspect("something odd")
        assert heard == []
    channel.suspect("something odd")
    assert heard == []


@virtual
async def test_a_link_that_ends_in_order_or_behind_the_close_is_no_loss() -> None:
    link = ScriptedLink(Module())
    heard: list[Event] = []
    async with channel_to(link) as channel:
        channel.listener = heard.append
        channel.link_lost(None)
        assert await channel.run(AT)
    channel.link_lost(OSError("late"))
    assert heard == []


@virtual
async def test_a_channel_that_was_closed_is_not_opened_anew() -> None:
    links = [ScriptedLink(), ScriptedLink()]
    async with channel_to(*links, in_step=False) as channel:
        await channel.close()
        with pytest.raises(PortLost, match="is closed"):
            await channel.reopen()
    assert links[1].opened == 0


@virtual
async def test_a_channel_that_is_closed_while_it_is_opened_anew() -> None:
    """The link that opens at last is given back: nobody would close it."""

    class Slow(ScriptedLink):
        async def open(self, receiver: Receiver) -> None:
            await asyncio.sleep(1.0)
            await super().open(receiver)

    slow = Slow()
    async with channel_to(ScriptedLink(), slow, in_step=False) as channel:
        opening = asyncio.create_task(channel.reopen())
        await asyncio.sleep(0.5)
        await channel.close()
        with pytest.raises(PortLost, match="was closed"):
            await opening
    assert slow.closed == 1

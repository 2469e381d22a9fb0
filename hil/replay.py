"""Feeding a recording back through the driver: the same calls must give the same bytes and results.

There is no module and no clock: whenever everything in the event loop waits, the player makes the
next move of the recording. Bytes from the module are delivered only after the driver has written
what it had written before them, and a timer of the driver rings when it rang in the recording.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import json
import selectors
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from unittest import mock

from atdriver.channel import Channel
from atdriver.engine import Engine
from atdriver.exchange import Command
from atdriver.link import Receiver
from atdriver.registry import Value, load_driver
from atdriver.trace import from_printable
from hil.recording import FORMAT, decode, digest, failure
from hil.timers import Arguments, name_of
from netsocket.ports import PORTS

NEARLY: Final = 0.05
"""Seconds by which a timer may have been set later here: times of a recording are those of records,
not of every line of code."""
STAND_INS: Final[Mapping[str, str]] = {"pin": "97531864"}
"""For secrets of a form of their own; the wire shows `***` for whatever it was."""
ANY_SECRET: Final = "stand-in-pass"
"""Of a length that WPA and WEP take."""


class Mismatch(Exception):
    """The driver did something else than in the recording; the text says where."""


class _Link:
    """The driver's end of a wire that ends in the recording."""

    has_rate = False

    def __init__(self, player: Player) -> None:
        self.name = player.name
        self._player = player

    async def open(self, receiver: Receiver) -> None:
        self._player.receiver = receiver

    def write(self, data: bytes) -> None:
        self._player.write(data)

    def set_rate(self, baud: int) -> None:
        pass

    async def close(self) -> None:
        self._player.receiver = None


class _Secrets:
    """The player's stand-in for a trace: only hears what is to be hidden."""

    def __init__(self, secrets: dict[bytes, bytes]) -> None:
        self._secrets = secrets

    def begin(self, command: Command) -> None:
        """A line, and how a recording shows it."""
        if command.secrets:
            self._secrets[command.text] = command.shown

    def record(self, direction: str, data: bytes) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


class _Stepped(asyncio.SelectorEventLoop):
    """Where a loop would sleep, this one asks the player for the next move. Timers only ring when
    they are told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.move: Callable[[], None] | None = None
        self._set: list[tuple[str, asyncio.TimerHandle]] = []
        super().__init__(_Asking(self))

    def time(self) -> float:
        return self.now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._set = [each for each in self._set if not each[1].cancelled()]
        self._set.append((name_of(callback), handle))
        return handle

    def ring(self, name: str) -> None:
        """The first such timer rings, if it is due or nearly. One that is not set here rang for
        nothing there, or what it did is missed at one of the next records."""
        those = [
            each
            for each in self._set
            if each[0] == name and not each[1].cancelled() and each[1].when() < self.now + NEARLY
        ]
        if not those:
            return
        first = min(those, key=lambda each: each[1].when())
        self._set.remove(first)
        self.now = max(self.now, first[1].when())
        self.call_soon(first[1]._run)


class _Asking(selectors.SelectSelector):
    def __init__(self, loop: _Stepped) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout != 0 and self._loop.move is not None:
            self._loop.move()
        return super().select(0)


class Player:
    """One recording against one fresh driver."""

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        self._records = deque(records)
        self._at = 0
        head = self._records.popleft()
        if head["dir"] != "!" or not head["data"].startswith("session "):
            raise ValueError("this is no recording of a session")
        self.session = json.loads(head["data"].removeprefix("session "))
        if self.session["format"] != FORMAT:
            raise ValueError(f"a recording of format {self.session['format']}, not {FORMAT}")
        self.name = f"{self.session['module']}:replay"
        self.receiver: Receiver | None = None
        self.secrets: dict[bytes, bytes] = {}
        self.written = b""
        self.probe = "the bring-up"
        self.calls = self.bytes = 0
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._problem: Exception | None = None
        self._loop = _Stepped()
        self._stack: Any = None
        self._over: asyncio.Event | None = None

    def run(self) -> None:
        """Play it whole. Raises Mismatch."""
        state = PORTS.getstate()
        PORTS.seed(self.session["seed"])
        try:
            with (
                mock.patch("time.monotonic", self._loop.time),
                asyncio.Runner(loop_factory=lambda: self._loop) as runner,
            ):
                runner.run(self._play())
        finally:
            PORTS.setstate(state)

    async def _play(self) -> None:
        self._stack = self._assemble()
        self._stack.attach(lambda *_: None, lambda *_: None)
        self._over = asyncio.Event()
        self._loop.move = self._move
        try:
            await self._over.wait()
        finally:
            self._loop.move = None
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            with contextlib.suppress(OSError):
                await self._stack.channel.close()
        if self._problem is not None:
            raise self._problem

    def _assemble(self) -> Any:
        driver = load_driver(self.session["module"])
        values: dict[str, Value] = {each.name: each.default for each in driver.settings}
        values.update(self.session["settings"])
        for name in self.session["secrets"]:
            values[name] = STAND_INS.get(name, ANY_SECRET)
        trace: Any = _Secrets(self.secrets)
        channel = Channel(Engine(driver.dialect), lambda: _Link(self), lambda: trace)
        return driver.create(channel, self.session["module"], values)

    def write(self, data: bytes) -> None:
        """What the driver writes, masked. A line stands whole in one write, so that nothing is
        kept back here; where a recording has kept back a byte, it comes with the next record."""
        for line, shown in self.secrets.items():
            data = data.replace(line, shown)
        self.written += data

    # -- moves --------------------------------------------------------------------------------

    def _move(self) -> None:
        """Everything waits: one step of the recording, or of the clock."""
        try:
            if self._records:
                self._step(self._records[0])
            elif self.written:
                raise self._mismatch(f"the driver goes on to write {self.written[:60]!r}")
            else:
                self._end(None)
        except Exception as error:
            self._end(error)

    def _end(self, problem: Exception | None) -> None:
        self._problem = problem
        self._loop.move = None
        assert self._over is not None
        self._loop.call_soon(self._over.set)

    def _step(self, record: Mapping[str, Any]) -> None:
        self._loop.now = max(self._loop.now, record["t"])
        if record["dir"] == ">":
            self._expect(from_printable(record["data"]))
        elif record["dir"] == "<":
            self._deliver(from_printable(record["data"]))
        else:
            self._happening(*record["data"].split(" ", 2))

    def _done(self) -> None:
        self._records.popleft()
        self._at += 1

    def _expect(self, data: bytes) -> None:
        if self.written.startswith(data):
            self.written = self.written[len(data) :]
            self.bytes += len(data)
            self._done()
        elif data.startswith(self.written):
            raise self._mismatch(
                f"the driver does not write {data[:60]!r}, only {self.written[:60]!r}"
            )
        else:
            raise self._mismatch(
                f"the driver writes {self.written[: len(data)][:60]!r} instead of {data[:60]!r}"
            )

    def _deliver(self, data: bytes) -> None:
        if self.receiver is None:
            raise self._mismatch(f"the driver has closed the port before {data[:60]!r}")
        self.bytes += len(data)
        self._loop.call_soon(self.receiver.data_received, data)
        self._done()

    def _happening(self, what: str, number: str = "", text: str = "") -> None:
        if what == "call":
            name, _, arguments = text.partition(" ")
            plain, named = json.loads(arguments)
            method = getattr(self._stack, name)
            given = [decode(each) for each in plain]
            work = method(*given, **{key: decode(each) for key, each in named.items()})
            self._tasks[number] = self._loop.create_task(_outcome(work))
            self.calls += 1
        elif what == "cancelled":
            self._tasks.pop(number).cancel()
        elif what in ("returned", "raised"):
            task = self._tasks[number]
            if not task.done():
                raise self._mismatch(f"call {number} does not end; it {what} {text}")
            if (found := task.result()) != (what, text):
                raise self._mismatch(
                    f"call {number} {' '.join(found)}; in the recording it {what} {text}"
                )
            del self._tasks[number]
        elif what == "timer":
            self._loop.ring(number)
        elif what == "set":
            secret = STAND_INS["pin"] if number == "set_sim_pin" else ANY_SECRET
            getattr(self._stack, number)(decode(json.loads(text), secret))
        elif what == "claims":
            table = self._stack.capabilities
            limits = json.loads(f"{number} {text}")
            wrong = [
                dataclasses.replace(table[id_], limit=limit)
                for id_, limit in limits.items()
                if table[id_].limit != limit
            ]
            if wrong:
                self._stack.capabilities = table.with_changes(*wrong)
        elif what == "probe":
            self.probe = number
        self._done()

    def _mismatch(self, text: str) -> Mismatch:
        return Mismatch(f"{self.probe}, record {self._at + 2}: {text}")


async def _outcome(work: Any) -> tuple[str, str]:
    try:
        return "returned", digest(await work)
    except OSError as error:
        return "raised", failure(error)
    except Exception as error:
        return "raised", failure(error)


def replay(records: Sequence[Mapping[str, Any]]) -> Player:
    """Play a recording; the player tells how much it was. Raises Mismatch, ValueError."""
    player = Player(records)
    player.run()
    return player

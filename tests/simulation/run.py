"""One run: driver, simulated module, peers and faults in one event loop, virtual time, one seed.

First the faults are on and only safety counts. Then they stop, and within `RECOVERY` seconds every
application must get a whole transaction through.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from atdriver.errors import ATError
from fakes import FakeModem, Peer
from fakes.actions import perform
from fakes.conversation import Conversation
from fakes.virtualtime import VirtualTimeLoop
from netsocket.errors import NetsocketError
from netsocket.interface import AsyncNetworkInterface
from netsocket.ports import PORTS
from netsocket.stream import AsyncTCPSocket
from tests.faults.bench import assemble

from .history import FarEnd, History, NearEnd
from .payload import stream
from .schedule import BACK, Fault

T = TypeVar("T")

FAULTS_END = 120.0
RECOVERY = 120.0
"""Virtual seconds after the last fault in which service must be back."""
SLACK = 5.0
"""Seconds that a call may end behind its deadline (V4)."""
CLOSE_LIMIT = 15.0
"""Seconds for a close: it has no deadline of its own."""
RESOLVE_LIMIT = 240.0
"""Seconds for a name: behind a command of the longest kind (120 s), a resynchronisation (60 s), and
its own 60 s (BG96 TCP/IP manual: maximum response times)."""
NAMES = {f"n{number}.test": f"198.51.{97 + number}.1{number}{9 - number}" for number in range(1, 9)}
RADIO_LOST = (("event", "wifi_lost"), ("event", "ap_lost"))
LAST_LINES = 20_000


@dataclass
class Result:
    """What a run showed."""

    violations: list[str]
    trace_hash: str
    wire: list[str]
    """The last lines of the wire trace."""
    commands: int
    connections: int
    received: int
    told: int
    injected: int
    anomalies: int


@dataclass
class Simulation:
    """One run with one seed; `run` it once."""

    module: str
    firmware: str
    seed: int
    faults: list[Fault]
    slots: int = 4
    until: float = FAULTS_END
    violations: list[str] = field(default_factory=list)
    history: History = field(default_factory=History)
    commands: int = 0
    injected: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.seed} applications")
        self.places = [f"h{slot}.test:7" for slot in range(self.slots)]
        self._serials = iter(range(1, 1 << 31))
        self._hash = hashlib.sha256()
        self._wire: deque[str] = deque(maxlen=LAST_LINES)
        self._speakers: set[asyncio.Task[None]] = set()
        self._heard = bytearray()
        self._listening = False
        self._listener: asyncio.Task[None] | None = None
        self._stop = False
        self._clean = False

    # -- putting together ---------------------------------------------------------------------

    def run(self) -> Result:
        """All of it."""
        PORTS.seed(self.seed)
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(self._run())
        return Result(
            self.violations,
            self._hash.hexdigest(),
            list(self._wire),
            self.commands,
            len(self.history.near),
            sum(len(near.received) for near in self.history.near),
            sum(len(far.conversation.told) for far in self.history.far),
            self.injected,
            self._stack.anomalies,
        )

    def _make(self) -> AsyncNetworkInterface:
        made = assemble(
            self.module,
            self.firmware,
            peers={place: Peer("discard") for place in self.places},
            names=NAMES,
            seed=self.seed,
            tracer=self,
        )
        self.fake: FakeModem = made.fake
        self._stack = made.stack
        return made.net

    # -- the wire, as a trace -----------------------------------------------------------------

    def record(self, direction: str, data: bytes) -> None:
        """Bytes on the wire."""
        now = asyncio.get_running_loop().time()
        line = f"{now:.6f} {direction} {data!r}"
        self._hash.update(line.encode())
        self._wire.append(line)
        if self._listening and direction == "<":
            self._heard += data
        if direction == ">" and data.startswith(b"AT"):
            self.commands += 1

    def note(self, text: str) -> None:
        """A remark of the driver, or of this simulation."""
        self._wire.append(f"{asyncio.get_running_loop().time():.6f} ! {text}")

    def begin(self, command: object) -> None:
        """Nothing is secret here."""

    def flush(self) -> None:
        """Nothing to write."""

    def close(self) -> None:
        """Nothing to close."""

    # -- the run ------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._escaped)
        net = self._make()
        self.fake.world.peers.opened = self._far_end
        self._hosts = {address: name for name, address in self.fake.world.peers.names.items()}
        actions = {fault.action[0] for fault in self.faults if fault.action is not None}
        self.history.input_lost = bool(actions & {"eat", "deaf"})
        await net.up()
        workers = [
            *(loop.create_task(self._application(net, place)) for place in self.places),
            loop.create_task(self._resolver(net)),
        ]
        armed = []
        for fault in self.faults:
            await asyncio.sleep(max(0.0, fault.at - loop.time()))
            self.note(f"fault {fault.plain()}")
            armed.append(fault.inject(self.fake))
            if fault.action in RADIO_LOST:
                self._listener = loop.create_task(self._announced(loop.time()))
        await asyncio.sleep(max(0.0, self.until - loop.time()))
        self.injected = sum(acted() for acted in armed)
        self._calm()
        self._stop = True
        _done, hanging = await asyncio.wait(workers, timeout=RESOLVE_LIMIT)
        for task in hanging:
            self._violated(
                "V4", f"still waiting {RESOLVE_LIMIT:g} s after the last fault: {task!r}"
            )
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        if not hanging:
            await self._recovered(net, loop.time())
        await self._limited("close of the interface", net.close(), 60.0)
        for task in self._speakers:
            task.cancel()
        await asyncio.gather(*self._speakers, return_exceptions=True)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if left:
            self._violated("V4", f"tasks are left: {left!r}")
        self.violations += self.history.violations()

    async def _announced(self, lost: float) -> None:
        """Whether the loss of the WiFi was told: see History.silent_losses."""
        self._heard.clear()
        self._listening = True
        await asyncio.sleep(1.0)
        self._listening = False
        if b"WIFI DISCONNECT\r\n" not in self._heard:
            self.history.silent_losses.append(lost)

    def _calm(self) -> None:
        """No fault from now on: steps are disarmed, the radio is back, peers go on."""
        self.fake.scenario.disarm()
        for event in BACK[self.module]:
            perform(self.fake, "event", event)
        perform(self.fake, "chunk", "whole")
        for place in self.places:
            perform(self.fake, "peer", {"at": place, "does": "resume"})
        self.note("no more faults")

    async def _recovered(self, net: AsyncNetworkInterface, begun: float) -> None:
        loop = asyncio.get_running_loop()
        self._clean = True
        for place in self.places:
            while True:
                problem = await self._transaction(net, place)
                if problem is None:
                    break
                if loop.time() > begun + RECOVERY:
                    self._violated("V9", f"{place}: no service {RECOVERY:g} s after: {problem}")
                    return
                await asyncio.sleep(1.0)

    async def _transaction(self, net: AsyncNetworkInterface, place: str) -> str | None:
        """4 KiB there and back again, and an orderly end; what went wrong, else None."""
        near = NearEnd(next(self._serials), place)
        self.history.near.append(near)
        try:
            sock = await net.connect((place.rsplit(":", 1)[0], 7), timeout=30)
        except OSError as error:
            return repr(error)
        try:
            sock.settimeout(30)
            near.offered = 4096
            await sock.sendall(stream(near.serial).piece(0, 4096))
            while data := await sock.recv(65536):
                near.received += data
            near.end = "eof"
        except OSError as error:
            near.end = type(error).__name__
            return repr(error)
        finally:
            await sock.close()
        return None

    # -- applications -------------------------------------------------------------------------

    async def _application(self, net: AsyncNetworkInterface, place: str) -> None:
        host, port = place.rsplit(":", 1)
        source = random.Random(f"{self.seed} {place}")
        while not self._stop:
            await asyncio.sleep(source.choice((0.0, 0.1, 1.0, 4.0)))
            near = NearEnd(next(self._serials), place)
            self.history.near.append(near)
            timeout = source.choice((8.0, 30.0))
            try:
                connecting = net.connect((host, int(port)), timeout=timeout)
                sock = await self._limited("connect", connecting, timeout)
            except OSError as error:
                near.end = type(error).__name__
                continue
            if sock is None:
                continue
            await self._converse(sock, near, source)

    async def _converse(self, sock: AsyncTCPSocket, near: NearEnd, source: random.Random) -> None:
        loop = asyncio.get_running_loop()
        sock.settimeout(source.choice((5.0, 20.0)))
        writing = loop.create_task(self._write(sock, near, source))
        reading = loop.create_task(self._read(sock, near, source))
        await asyncio.wait({writing, reading}, timeout=source.choice((5.0, 30.0, 60.0)))
        abort = source.random() < 0.3
        await self._limited("close", sock.close(abort=abort), CLOSE_LIMIT)
        await self._limited("calls of a closed socket", asyncio.wait({writing, reading}), 1.0)
        for task in (writing, reading):
            task.cancel()

    async def _write(self, sock: AsyncTCPSocket, near: NearEnd, source: random.Random) -> None:
        told = stream(near.serial)
        total = source.choice((32, 500, 3000, 20_000))
        while near.offered < total:
            size = min(source.choice((1, 40, 700, 1460, 5000)), total - near.offered)
            data = told.piece(near.offered, size)
            begun = near.offered
            near.offered = begun + size
            try:
                sent = await self._limited("send", sock.send(data), sock.gettimeout() or 0)
            except TimeoutError as error:
                unknown = getattr(error, "unknown", 0)
                near.offered = begun + unknown
                if unknown and not await self._settled(sock, near, begun):
                    return
                continue
            except OSError as error:
                near.sure = begun + getattr(error, "accepted", 0)
                near.offered = near.sure + getattr(error, "unknown", 0)
                return
            near.offered = near.sure = begun + (sent or 0)
            await asyncio.sleep(source.choice((0.0, 0.0, 0.05, 1.0)))

    async def _settled(self, sock: AsyncTCPSocket, near: NearEnd, begun: int) -> bool:
        try:
            near.offered = near.sure = begun + await sock.settle()
        except TimeoutError:
            return await self._settled(sock, near, begun)
        except OSError:
            return False
        return True

    async def _read(self, sock: AsyncTCPSocket, near: NearEnd, source: random.Random) -> None:
        while True:
            try:
                size = source.choice((1, 100, 4096, 65536))
                data = await self._limited("recv", sock.recv(size), sock.gettimeout() or 0)
            except TimeoutError:
                continue
            except OSError as error:
                near.end = type(error).__name__ if near.end == "open" else near.end
                return
            if not data:
                near.end = "eof"
                near.ended_at = asyncio.get_running_loop().time()
                return
            near.received += data
            await asyncio.sleep(source.choice((0.0, 0.0, 0.3)))

    async def _resolver(self, net: AsyncNetworkInterface) -> None:
        """V3: every question has an answer of its own, so an answer of another is noticed."""
        source = random.Random(f"{self.seed} names")
        while not self._stop:
            await asyncio.sleep(source.choice((0.2, 2.0, 5.0)))
            net.names.clear()
            name = source.choice(sorted(NAMES))
            try:
                found = await self._limited("resolve", net.resolve(name), RESOLVE_LIMIT)
            except OSError:
                continue
            # One byte lost or doubled may make another number of it; nobody could tell.
            if found is not None and found != [NAMES[name]] and found[0] in self._addresses():
                self._violated("V3", f"{name} is {NAMES[name]}, not {found}")

    def _addresses(self) -> set[str]:
        return {*NAMES.values(), *self.fake.world.peers.names.values()}

    # -- far ends -----------------------------------------------------------------------------

    def _far_end(self, conversation: Conversation) -> None:
        """Give a conversation that begins a stream of its own, and somebody who speaks it."""
        place = f"{self._hosts[conversation.remote[0]]}:{conversation.remote[1]}"
        far = FarEnd(next(self._serials), place, conversation)
        self.history.far.append(far)
        task = asyncio.get_running_loop().create_task(self._speak(far))
        self._speakers.add(task)
        task.add_done_callback(self._speakers.discard)

    async def _speak(self, far: FarEnd) -> None:
        source = random.Random(f"{self.seed} far {far.serial}")
        said = stream(far.serial)
        talk = far.conversation
        total = 4096 if self._clean else source.choice((32, 700, 6000, 30_000))
        while far.said < total and not talk.over and not talk.ended:
            size = min(source.choice((32, 200, 1460, 4000)), total - far.said)
            if talk.unread() < 8192:
                talk.say(said.piece(far.said, size))
                far.said += size
            await asyncio.sleep(source.choice((0.0, 0.02, 0.5)))
        if self._clean:
            while len(talk.told) < 4096 and not talk.over:
                await asyncio.sleep(0.1)
            talk.fin()
        elif not talk.over:
            await asyncio.sleep(source.choice((0.0, 2.0, 20.0)))
            source.choice((talk.fin, talk.rst, lambda: None, lambda: talk.fin(half=True)))()

    # -- watching -----------------------------------------------------------------------------

    async def _limited(self, what: str, call: Awaitable[T], limit: float) -> T | None:
        """V4 and V10: the call must end by its deadline, and only in a documented way."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(limit + 300) as scope:
                return await call
        except TimeoutError:
            if scope.expired():
                self._violated("V4", f"{what} did not end at all (limit {limit:g} s)")
                return None
            raise
        except OSError as error:
            if not isinstance(error, NetsocketError | ATError):
                self._violated("V10", f"{what} raised {error!r}")
            raise
        except Exception as error:
            self._violated("V10", f"{what} raised {error!r}")
            return None
        finally:
            if loop.time() - begun > limit + SLACK:
                self._violated("V4", f"{what} took {loop.time() - begun:.1f} s, limit {limit:g} s")

    def _violated(self, invariant: str, sentence: str) -> None:
        text = f"{invariant} {sentence}"
        self.note(text)
        self.violations.append(f"{asyncio.get_running_loop().time():.3f} {text}")

    def _escaped(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._violated("V10", f"escaped: {context.get('message')} {context.get('exception')!r}")

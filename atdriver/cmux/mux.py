"""The multiplexer, the side that begins: bytes in, bytes and events out. No event loop, no port.

Channels are opened with SABM. A module that never answers one (some do not) is not insisted upon:
after a few tries the channel counts as open. Data waits per channel while the module asks for that
(MSC with FC, or FCoff for all), and goes out in frames of at most `n1` bytes, one of each channel
in turn, so that a busy channel does not hold up a quiet one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from atdriver.cmux.frames import Deframer, Frame, Kind
from atdriver.cmux.messages import READY, Message, Signal, Type, decode, modem_status

T1 = 0.3
"""Seconds until SABM or DISC is repeated (27.010: 100 ms; a busy module takes longer)."""
N2 = 3
"""Repetitions, after which an open counts as answered."""
STALE = 0.3
"""Seconds of silence after which an unfinished frame was none."""
ALIVE = 10.0
"""Seconds of silence after which the module is asked whether it is still there."""
MISSED = 3
_TEST = b"there?"


@dataclass(frozen=True, slots=True)
class Opened:
    """A channel can be used; `sure`: the module said so."""

    dlci: int
    sure: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The module does not open this channel (DM)."""

    dlci: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The module closed a channel, or confirmed that it is."""

    dlci: int


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a channel."""

    dlci: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Signals:
    """The module's lines of a channel have changed: bits of `Signal`."""

    dlci: int
    signals: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The module has left multiplexer mode; `reason` says how that is known."""

    reason: str


MuxEvent = Opened | Refused | Closed | Data | Signals | Ended


@dataclass(slots=True)
class _Channel:
    state: str = "closed"  # closed, opening, open, closing
    tries: int = 0
    timer: float | None = None
    signals: int = READY
    paused: bool = False  # by us
    waiting: deque[bytes] = field(default_factory=deque)
    backlog: int = 0

    @property
    def may_send(self) -> bool:
        return self.state == "open" and not self.signals & Signal.FC


class Mux:
    """One multiplexer. `n1`: bytes of information in a frame; times in seconds."""

    def __init__(self, n1: int = 31) -> None:
        self.n1 = n1
        self.writes: list[bytes] = []
        self.events: list[MuxEvent] = []
        self.deframer = Deframer()
        self.ended = False
        self._channels: dict[int, _Channel] = {}
        self._all_held = False  # FCoff
        self._now = 0.0
        self._heard = 0.0
        self._ask_at: float | None = None
        self._missed = 0
        self._answers_test = False

    # -- orders --------------------------------------------------------------------------------

    def open(self, dlci: int, now: float) -> None:
        """Open a channel; DLCI 0 is the multiplexer itself and comes first."""
        self._now = now
        channel = self._channels.setdefault(dlci, _Channel())
        if channel.state in ("closed", "closing") and not self.ended:
            channel.state, channel.tries = "opening", 0
            self._say(dlci, channel, Kind.SABM)

    def close(self, dlci: int, now: float) -> None:
        """Close a channel; what waits in it is dropped."""
        self._now = now
        channel = self._channels.get(dlci)
        if channel is not None and channel.state in ("opening", "open") and not self.ended:
            channel.state, channel.tries = "closing", 0
            channel.waiting.clear()
            channel.backlog = 0
            self._say(dlci, channel, Kind.DISC)

    def end(self, now: float) -> None:
        """Leave multiplexer mode: the close-down command (CLD), and no answer is waited for."""
        self._now = now
        if not self.ended:
            self._tell(Message(Type.CLD))
            self._finish("")

    def send(self, dlci: int, data: bytes) -> None:
        """Queue bytes on a channel. Nothing on one that is closed."""
        channel = self._channels.get(dlci)
        if channel is None or channel.state not in ("opening", "open") or not data:
            return
        channel.waiting.append(data)
        channel.backlog += len(data)

    def pause(self, dlci: int, paused: bool) -> None:
        """Ask the module for no more frames of a channel, or for more again. What is under way
        comes all the same."""
        channel = self._channels.get(dlci)
        if channel is not None and channel.paused != paused:
            channel.paused = paused
            self._tell(modem_status(dlci, READY | (Signal.FC if paused else 0)))

    def backlog(self, dlci: int) -> int:
        """Bytes that wait in a channel."""
        channel = self._channels.get(dlci)
        return channel.backlog if channel is not None else 0

    def is_open(self, dlci: int) -> bool:
        """Whether data can be sent."""
        channel = self._channels.get(dlci)
        return channel is not None and channel.state == "open"

    @property
    def ready(self) -> bool:
        """Whether data could leave if there were room."""
        held = self._all_held
        return any(each.waiting and each.may_send and not held for each in self._channels.values())

    def take(self, room: int | None = None) -> bytes:
        """What is to be written now: control frames, then data, a frame of each channel in turn,
        until there are `room` bytes (None: all)."""
        out = self.writes
        size = sum(map(len, out))
        while not self._all_held and (room is None or size < room):
            turn = [
                (dlci, channel)
                for dlci, channel in self._channels.items()
                if channel.waiting and channel.may_send
            ]
            if not turn:
                break
            for dlci, channel in turn:
                frame = Frame(dlci, Kind.UIH, self._piece(channel)).encode()
                out.append(frame)
                size += len(frame)
        self.writes = []
        return b"".join(out)

    def _piece(self, channel: _Channel) -> bytes:
        """The next bytes of a channel, at most a frame's worth."""
        piece = bytearray()
        while channel.waiting and len(piece) < self.n1:
            data = channel.waiting.popleft()
            room = self.n1 - len(piece)
            piece += data[:room]
            if len(data) > room:
                channel.waiting.appendleft(data[room:])
        channel.backlog -= len(piece)
        return bytes(piece)

    # -- bytes and time ------------------------------------------------------------------------

    def feed(self, data: bytes, now: float) -> None:
        """Bytes as read."""
        self._now = self._heard = now
        self._take_in(self.deframer.feed(data))

    def _take_in(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            if not self.ended:
                self._missed = 0
                self._ask_at = self._now + ALIVE
                self._on(frame)

    def next_deadline(self) -> float | None:
        """When `tick` is due."""
        if self.ended:
            return None
        times = [channel.timer for channel in self._channels.values()]
        stale = self._heard + STALE if self.deframer.waits else None
        return min((at for at in (*times, stale, self._ask_at) if at is not None), default=None)

    def tick(self, now: float) -> None:
        """The time is `now`."""
        self._now = now
        if self.ended:
            return
        if self.deframer.waits and now >= self._heard + STALE:
            self._heard = now
            self._take_in(self.deframer.give_up())
        for dlci, channel in list(self._channels.items()):
            if channel.timer is not None and now >= channel.timer:
                self._no_answer(dlci, channel)
        if self._ask_at is not None and now >= self._ask_at:
            self._ask()

    def _no_answer(self, dlci: int, channel: _Channel) -> None:
        kind = Kind.SABM if channel.state == "opening" else Kind.DISC
        if channel.tries < N2:
            self._say(dlci, channel, kind)
        elif kind is Kind.SABM:
            self._opened(dlci, channel, sure=False)
        else:
            self._closed(dlci, channel)

    def _ask(self) -> None:
        """Only a module that has answered a Test once can be missed."""
        if self._missed >= MISSED and self._answers_test:
            self._finish("it does not answer any more")
            return
        self._missed += 1
        self._ask_at = self._now + ALIVE
        self._tell(Message(Type.TEST, _TEST))

    # -- frames --------------------------------------------------------------------------------

    def _say(self, dlci: int, channel: _Channel, kind: Kind) -> None:
        channel.tries += 1
        channel.timer = self._now + T1
        self.writes.append(Frame(dlci, kind, poll=True).encode())

    def _tell(self, message: Message) -> None:
        self.writes.append(Frame(0, Kind.UIH, message.encode()).encode())

    def _opened(self, dlci: int, channel: _Channel, *, sure: bool) -> None:
        channel.state, channel.timer = "open", None
        if dlci == 0:
            self._ask_at = self._now + ALIVE
        else:
            self._tell(modem_status(dlci, READY))
        self.events.append(Opened(dlci, sure))

    def _closed(self, dlci: int, channel: _Channel) -> None:
        channel.state, channel.timer = "closed", None
        channel.waiting.clear()
        channel.backlog = 0
        self.events.append(Closed(dlci))

    def _finish(self, reason: str) -> None:
        self.ended = True
        self.events.append(Ended(reason))

    def _on(self, frame: Frame) -> None:
        channel = self._channels.get(frame.dlci)
        match frame.kind:
            case Kind.SABM:  # the module opens it: agreed, if it is one of ours
                kind = Kind.DM if channel is None else Kind.UA
                self.writes.append(Frame(frame.dlci, kind, command=False, poll=True).encode())
                if channel is not None and channel.state != "open":
                    self._opened(frame.dlci, channel, sure=True)
            case Kind.UA if channel is not None and channel.state == "opening":
                self._opened(frame.dlci, channel, sure=True)
            case Kind.UA if channel is not None and channel.state == "closing":
                self._closed(frame.dlci, channel)
            case Kind.DM if channel is not None and channel.state != "closed":
                opening = channel.state == "opening"
                self._closed(frame.dlci, channel)
                if opening:
                    self.events[-1] = Refused(frame.dlci)
            case Kind.DISC:
                kind = Kind.DM if channel is None or channel.state == "closed" else Kind.UA
                self.writes.append(Frame(frame.dlci, kind, command=False, poll=True).encode())
                if frame.dlci == 0:
                    self._finish("the module closed the multiplexer")
                elif kind is Kind.UA and channel is not None:
                    self._closed(frame.dlci, channel)
            case Kind.UIH | Kind.UI if frame.dlci == 0:
                for message in decode(frame.data):
                    self._on_message(message)
            case Kind.UIH | Kind.UI if channel is not None and channel.state != "closed":
                if channel.state == "opening":
                    self._opened(frame.dlci, channel, sure=True)
                if frame.data:
                    self.events.append(Data(frame.dlci, frame.data))

    def _on_message(self, message: Message) -> None:
        if not message.command:  # an answer to one of ours
            self._answers_test = self._answers_test or message.kind == Type.TEST
            return
        match message.kind:
            case Type.MSC if len(message.value) >= 2:
                self._on_status(message.value[0] >> 2, message.value[1] & ~1)
            case Type.FCOFF:
                self._all_held = True
            case Type.FCON:
                self._all_held = False
            case Type.CLD:
                self._tell(message._replace(command=False))
                self._finish("the module closed the multiplexer")
                return
            case Type.TEST | Type.PSC | Type.PN | Type.RPN | Type.RLS:
                pass  # agreed: line and frame parameters are the module's affair here
            case _:
                self._tell(Message(Type.NSC, bytes((message.kind << 2 | 3,)), command=False))
                return
        self._tell(message._replace(command=False))

    def _on_status(self, dlci: int, signals: int) -> None:
        channel = self._channels.get(dlci)
        if channel is not None and channel.signals != signals:
            channel.signals = signals
            self.events.append(Signals(dlci, signals))

"""One TCP connection of the host's (RFC 9293), carried on by a socket of the fake world.

In order only: a segment that comes early is not kept, the other end sends it again. What was not
acknowledged is sent again from where it was missed. No options but the segment size.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from fakes.sockets import Stream

__all__ = ["FIN", "RST", "SYN", "Relay", "Segment"]

FIN: Final = 1
SYN: Final = 2
RST: Final = 4
PSH: Final = 8
ACK: Final = 16

_HEADER: Final = struct.Struct(">HHIIBBHHH")
_WINDOW: Final = 65535  # bytes, without window scaling (RFC 7323)
_RETRY: Final = 1.0  # seconds (RFC 6298 section 2: at least)
_LONGEST_RETRY: Final = 60.0
_TRIES: Final = 8
_LINGER: Final = 2.0  # seconds for which a FIN that comes twice is answered
_MASK: Final = 0xFFFFFFFF


class Segment:
    """A TCP segment, parsed.

    Raises:
        ValueError: too short, or its header is longer than itself.
    """

    __slots__ = ("ack", "data", "flags", "length", "mss", "seq", "source", "target", "window")

    def __init__(self, raw: bytes) -> None:
        try:
            fields = _HEADER.unpack_from(raw)
        except struct.error:
            raise ValueError("short") from None
        self.source, self.target, self.seq, self.ack, offset, self.flags, self.window, _, _ = fields
        head = (offset >> 4) * 4
        if not 20 <= head <= len(raw):
            raise ValueError("header")
        self.data = raw[head:]
        self.length = len(self.data) + bool(self.flags & SYN) + bool(self.flags & FIN)
        self.mss = 536
        options = raw[20:head]
        while options and options[0]:
            if options[0] == 1:
                options = options[1:]
                continue
            if len(options) < 2 or options[1] < 2:
                break
            if options[0] == 2 and options[1] == 4 and len(options) >= 4:
                self.mss = max(64, int.from_bytes(options[2:4], "big"))
            options = options[options[1] :]


def segment(
    ends: tuple[int, int],
    seq: int,
    ack: int,
    flags: int,
    *,
    window: int = 0,
    data: bytes = b"",
    mss: int = 0,
) -> bytes:
    """The bytes of a segment, checksum zero; `mss` other than 0 as an option."""
    option = struct.pack(">BBH", 2, 4, mss) if mss else b""
    words = (20 + len(option)) // 4 << 4
    head = _HEADER.pack(*ends, seq & _MASK, ack & _MASK, words, flags, window, 0, 0)
    return head + option + data


class Host(Protocol):
    """What a relay needs of its gateway."""

    def emit(self, relay: Relay, raw: bytes) -> None:
        """Send a segment to the host."""

    def forget(self, relay: Relay) -> None:
        """The connection is over."""

    def busy(self) -> bool:
        """The line still has bytes to send: nothing can have been answered yet."""

    def note(self, text: str) -> None:
        """For the journal."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it until it or the call ends."""


def _after(first: int, second: int) -> int:
    """How far the sequence number `first` lies behind `second`, negative when before."""
    return (first - second + 0x80000000 & _MASK) - 0x80000000


class Relay:
    """One connection between the host and a stream.

    Args:
        gateway: sends and forgets.
        key: host's address and port, this side's address and port.
        first: the initial sequence number.
        mss: largest segment that the host may send, bytes.

    Attributes:
        state: opening (the stream is not there yet), syn-received, syn-sent, open, lingering,
            over.
    """

    def __init__(
        self, gateway: Host, key: tuple[bytes, int, bytes, int], first: int, mss: int
    ) -> None:
        self.key = key
        self.state = "opening"
        self.stream: Stream | None = None
        self._gateway = gateway
        self._mss = mss
        self._peer_mss = 536
        self._una = self._nxt = self._max = first  # oldest unacknowledged, next, furthest sent
        self._window = 0
        self._buffer = bytearray()  # from _una on, without SYN and FIN
        self._fin_wanted = self._fin_acked = False
        self._reset_wanted = False
        self._rcv = 0
        self._inbox = bytearray()  # for the stream
        self._host_ended = self._host_end_passed = False
        self._advertised = _WINDOW
        self._news = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tries = 0
        self._acking = False
        self._same_acks = 0
        self._loop = asyncio.get_running_loop()

    # ---- opening -------------------------------------------------------------------------

    def asked(self, syn: Segment) -> None:
        """The host's SYN."""
        self._rcv = syn.seq + 1 & _MASK
        self._peer_mss = min(syn.mss, self._mss)
        self._window = syn.window

    def answer(self, stream: Stream) -> None:
        """The stream for the host's SYN is there."""
        self._attach(stream)
        self.state = "syn-received"
        self._max = self._nxt = self._una + 1 & _MASK
        self._say_syn()

    def refuse(self) -> None:
        """Nobody listens there."""
        self._emit(RST | ACK, self._una)
        self._end()

    def open(self, stream: Stream) -> None:
        """Somebody connects to the host."""
        self._attach(stream)
        self.state = "syn-sent"
        self._max = self._nxt = self._una + 1 & _MASK
        self._say_syn()

    def _attach(self, stream: Stream) -> None:
        self.stream = stream
        stream.changed = self._pump

    def _say_syn(self) -> None:
        flags = SYN if self.state == "syn-sent" else SYN | ACK
        ends = (self.key[3], self.key[1])
        ack = 0 if flags == SYN else self._rcv
        raw = segment(ends, self._una, ack, flags, window=_WINDOW, mss=self._mss)
        self._gateway.emit(self, raw)
        self._arm()

    def _opened(self) -> None:
        self.state = "open"
        self._una = self._una + 1 & _MASK
        self._tries = 0
        self._disarm()
        self._writer = self._gateway.spawn(self._write())
        self._pump()

    # ---- segments from the host ----------------------------------------------------------

    def receive(self, got: Segment) -> None:
        """A segment of this connection."""
        if self.state == "opening":
            if got.flags & RST:
                self._end()
            return  # the SYN again: its answer is under way
        if got.flags & RST:
            expected = self._nxt if self.state == "syn-sent" else self._rcv
            number = got.ack if self.state == "syn-sent" else got.seq
            if 0 <= _after(number, expected) <= _WINDOW:
                self.abort()
            return
        if self.state == "syn-sent":
            if got.flags & (SYN | ACK) == SYN | ACK and got.ack == self._nxt:
                self.asked(got)
                self._opened()
                self._acknowledge()
            return
        if got.flags & SYN:
            if self.state == "syn-received":
                self._say_syn()
            else:
                self._acknowledge()  # RFC 5961 section 4.2
            return
        if not got.flags & ACK:
            return
        if self.state == "syn-received":
            if got.ack != self._nxt:
                self._emit(RST, got.ack)
                return
            self._window = got.window
            self._opened()
        self._take_ack(got)
        if self.state in ("open", "lingering"):
            self._take_data(got)
        if self.state == "open":
            self._pump()

    def _take_ack(self, got: Segment) -> None:
        passed = _after(got.ack, self._una)
        if passed < 0 or _after(got.ack, self._max) > 0:
            return
        opened = got.window != self._window
        self._window = got.window
        if not passed:
            # Three times the same: one is missing (RFC 5681 section 3.2).
            waits = self._max != self._una
            self._same_acks = self._same_acks + 1 if waits and not got.length and not opened else 0
            if self._same_acks == 3:
                self._go_back()
            return
        self._same_acks = 0
        self._tries = 0
        fin = self._fin_wanted and self._max == got.ack and passed == len(self._buffer) + 1
        del self._buffer[: passed - fin]
        self._fin_acked = self._fin_acked or fin
        self._una = got.ack
        if _after(self._nxt, self._una) < 0:
            self._nxt = self._una
        self._disarm()
        if self._max != self._una:
            self._arm()
        self._close_if_done()

    def _take_data(self, got: Segment) -> None:
        if not got.length:
            if got.seq != self._rcv:
                self._acknowledge()  # a keep-alive, or a probe of a shut window
            return
        data = got.data
        early = _after(got.seq, self._rcv)
        if early > 0:
            self._emit(ACK, self._nxt)  # at once, for each: the other end counts them
            return
        fin = bool(got.flags & FIN)
        room = self._room()
        if not self._host_ended:
            data = data[-early:] if -early < len(data) else b""
            at_end = -early <= len(got.data)
            if len(data) > room:
                data, fin = data[:room], False
            self._inbox += data
            self._rcv = self._rcv + len(data) & _MASK
            if fin and at_end:
                self._rcv = self._rcv + 1 & _MASK
                self._host_ended = True
            self._news.set()
        self._acknowledge()

    def _room(self) -> int:
        return max(0, _WINDOW - len(self._inbox))

    def _acknowledge(self) -> None:
        """Once for all that came together."""
        if not self._acking:
            self._acking = True
            self._loop.call_soon(self._say_ack)

    def _say_ack(self) -> None:
        if self._acking and self.state != "over":
            self._emit(ACK, self._nxt)

    async def _write(self) -> None:
        """The host's bytes go on to the stream."""
        assert self.stream is not None
        try:
            while not self._host_end_passed:
                while not self._inbox and not self._host_ended:
                    self._news.clear()
                    await self._news.wait()
                if self._inbox:
                    data = bytes(self._inbox[:16384])
                    await self.stream.write(data)
                    del self._inbox[: len(data)]
                    if self._room() - self._advertised >= 2 * self._mss or not self._advertised:
                        self._acknowledge()
                else:
                    self._host_end_passed = True
                    self.stream.shutdown_write()
        except OSError:
            self._reset_wanted = True
            self._pump()
            return
        self._close_if_done()

    # ---- bytes for the host ----------------------------------------------------------------

    def _pump(self) -> None:
        """Take from the stream what has room, and send what the window allows."""
        stream = self.stream
        if stream is None or self.state != "open":
            return
        while not self._fin_wanted and not stream.closed:
            room = _WINDOW - len(self._buffer)
            data = stream.read(room) if room > 0 else b""
            if not data:
                break
            self._buffer += data
        if not self._fin_wanted and not self._reset_wanted and stream.finished:
            if stream.reset or stream.closed:
                self._reset_wanted = True
            else:
                self._fin_wanted = True
        if self._reset_wanted and not self._buffer:
            self._emit(RST | ACK, self._nxt)
            self._end()
            return
        self._send_more()

    def _send_more(self) -> None:
        while True:
            start = _after(self._nxt, self._una)
            room = min(self._window, _WINDOW) - start
            size = min(self._peer_mss, len(self._buffer) - start, room)
            last = start + max(size, 0) == len(self._buffer)
            fin = self._fin_wanted and not self._fin_acked and last
            if size <= 0 and not fin:
                break
            self._send_at(start, max(size, 0), fin)
            if fin:
                break
        if (self._buffer or self._fin_wanted) and not self._fin_acked and self._timer is None:
            self._arm()  # for what is under way, or a window that is shut

    def _send_at(self, start: int, size: int, fin: bool) -> None:
        data = bytes(self._buffer[start : start + size])
        seq = self._una + start & _MASK
        flags = ACK | (PSH if data else 0) | (FIN if fin else 0)
        self._nxt = seq + size + fin & _MASK
        if _after(self._nxt, self._max) > 0:
            self._max = self._nxt
        self._emit(flags, seq, data)

    def _go_back(self) -> None:
        """Send again from what was not acknowledged, one segment until an answer comes."""
        self._nxt = self._una
        size = min(self._peer_mss, len(self._buffer), max(1, self._window))
        self._send_at(0, size, self._fin_wanted and size == len(self._buffer))

    def _emit(self, flags: int, seq: int, data: bytes = b"") -> None:
        self._acking = False
        self._advertised = self._room()
        ends = (self.key[3], self.key[1])
        raw = segment(ends, seq, self._rcv, flags, window=self._advertised, data=data)
        self._gateway.emit(self, raw)

    # ---- time and end ----------------------------------------------------------------------

    def _arm(self) -> None:
        self._disarm()
        wait = min(_RETRY * 2**self._tries, _LONGEST_RETRY)
        self._timer = self._loop.call_later(wait, self._expired)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        self._timer = None
        if self._gateway.busy():  # it may not have left yet
            self._arm()
            return
        shut = self.state == "open" and not self._window
        self._tries = min(self._tries + 1, 6) if shut else self._tries + 1
        if self._tries > _TRIES:
            self._gateway.note(f"port {self.key[1]}: no answer, given up")
            self._emit(RST | ACK, self._nxt)
            self.abort()
        elif self.state in ("syn-received", "syn-sent"):
            self._say_syn()
        else:
            self._go_back()
            self._arm()

    def _close_if_done(self) -> None:
        if self._fin_acked and self._host_end_passed and self.state == "open":
            self.state = "lingering"
            self._disarm()
            self._timer = self._loop.call_later(_LINGER, self._end)
            if self.stream is not None:
                self.stream.close()

    def abort(self) -> None:
        """Over without order: the stream is reset."""
        if self.stream is not None:
            self.stream.abort()
        self._end()

    def _end(self) -> None:
        if self.state != "over":
            self.state = "over"
            self._disarm()
            if self._writer is not None and self._writer is not asyncio.current_task():
                self._writer.cancel()
            if self.stream is not None:
                self.stream.close()
            self._gateway.forget(self)

"""The multiplexer of a simulated modem: 3GPP TS 27.010, basic option.

Each data link connection above 0 is a command port of its own (`fakes.ports`); DLCI 0 carries the
messages that steer the multiplexer. The modem is the responder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from .ports import open_port

if TYPE_CHECKING:
    from .engine import FakeModem

__all__ = ["FAULTS", "Multiplexer", "fcs", "frame", "frames"]

FAULTS: Final = ("no-ua", "drop", "garbage")
"""no-ua: opens without answering SABM; drop: every tenth frame to the host is lost; garbage: bytes
between frames."""

FLAG: Final = 0xF9
SABM: Final = 0x2F
UA: Final = 0x63
DM: Final = 0x0F
DISC: Final = 0x43
UIH: Final = 0xEF
UI: Final = 0x03
_FINAL: Final = 0x10  # the P/F bit
_KINDS: Final = frozenset({SABM, UA, DM, DISC, UIH, UI})

# Messages on DLCI 0 as commands (section 5.4.6.3), bit 1 set; answered with bit 1 clear.
PN: Final = 0x83
PSC: Final = 0x43
CLD: Final = 0xC3
TEST: Final = 0x23
FCON: Final = 0xA3
FCOFF: Final = 0x63
MSC: Final = 0xE3
NSC: Final = 0x13
RPN: Final = 0x93
RLS: Final = 0x53
_ECHOED: Final = (PN, PSC, TEST, RPN, RLS)
_COMMAND: Final = 0x02

# V.24 signals in MSC (section 5.4.6.3.7)
_FLOW: Final = 0x02
_READY: Final = 0x04  # RTC: the host's DTR
_SIGNALS: Final = 0x0D  # ready to communicate, ready to receive
_CARRIER: Final = 0x80  # DV: DCD

_CHANNELS: Final = 4  # cmux1 to cmux4
_LOST: Final = 10
_LONGEST: Final = 32767


def _table() -> bytes:
    made = bytearray()
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ 0xE0 if byte & 1 else byte >> 1  # noqa: PLW2901
        made.append(byte)
    return bytes(made)


_TABLE: Final = _table()


def fcs(data: bytes) -> int:
    """The frame check sequence (section 5.2.1.6 and annex B): CRC-8, mirrored, complemented."""
    register = 0xFF
    for byte in data:
        register = _TABLE[register ^ byte]
    return 0xFF - register


def frame(dlci: int, control: int, data: bytes = b"", *, command: bool) -> bytes:
    """One frame with both flags; `command`: the C/R bit."""
    head = bytes((dlci << 2 | command << 1 | 1, control))
    if len(data) < 128:
        head += bytes((len(data) << 1 | 1,))
    else:
        head += bytes((len(data) << 1 & 0xFE, len(data) >> 7))
    covered = head + data if control & ~_FINAL == UI else head
    return b"\xf9" + head + data + bytes((fcs(covered), FLAG))


def frames(buffer: bytearray, bad: Callable[[bytes], None]) -> Iterator[tuple[int, int, bytes]]:
    """Take the complete frames out of a buffer: (address, control, information).

    What is no frame goes to `bad`; the closing flag stays, it may open the next one.
    """
    while True:
        start = buffer.find(FLAG)
        if start:
            if junk := bytes(buffer if start < 0 else buffer[:start]):
                bad(junk)
            del buffer[: len(junk)]
        while len(buffer) > 1 and buffer[1] == FLAG:
            del buffer[0]
        if len(buffer) < 4:
            return
        if not buffer[1] & 1 or buffer[2] & ~_FINAL not in _KINDS:
            bad(bytes(buffer[:1]))
            del buffer[0]
            continue
        size, head = buffer[3] >> 1, 4
        if not buffer[3] & 1:
            if len(buffer) < 5:
                return
            size, head = size | buffer[4] << 7, 5
        end = head + size + 1
        if size <= _LONGEST and len(buffer) <= end:
            return
        control = buffer[2] & ~_FINAL
        covered = bytes(buffer[1 : head + size if control == UI else head])
        if buffer[end : end + 1] != b"\xf9" or fcs(covered) != buffer[end - 1]:
            bad(bytes(buffer[:1]))
            del buffer[0]
            continue
        found = buffer[1], control, bytes(buffer[head : head + size])
        del buffer[:end]  # before anybody answers it, and is answered
        yield found


class Multiplexer:
    """One modem's, from the OK of AT+CMUX until it is closed down.

    Args:
        modem: whose line it takes.
        size: N1, most information bytes of a frame to the host.
        faults: words of FAULTS.
        urc_channel: which channel gets unsolicited lines, asked each time; 0: every open one.
        closed: called when the modem is back in command mode.

    Attributes:
        ports: the open channels by DLCI.
    """

    def __init__(
        self,
        modem: FakeModem,
        *,
        size: int,
        faults: frozenset[str],
        urc_channel: Callable[[], int],
        closed: Callable[[], None],
    ) -> None:
        self._modem = modem
        self._size = size
        self._faults = faults
        self._urc_channel = urc_channel
        self._closed = closed
        self._buffer = bytearray()
        self._sent = 0
        self.ports: dict[int, Any] = {}

    def begin(self) -> None:
        """From now on the line carries frames."""
        self._modem.intake.clear()
        self._modem.intake.sink = self.feed

    def close(self) -> None:
        """Every channel ends, the line carries commands again."""
        for dlci in tuple(self.ports):
            self._shut(dlci)
        self._modem.intake.sink = None
        self._buffer.clear()

    # ---- to the host ---------------------------------------------------------------------

    def _put(self, dlci: int, control: int, data: bytes = b"", *, command: bool = False) -> None:
        self._sent += 1
        if "drop" in self._faults and self._sent % _LOST == 0:
            return
        if "garbage" in self._faults:
            self._modem.raw(b"\r\n+CREG: 1\xf9\x00")
        self._modem.raw(frame(dlci, control, data, command=command))

    def _output(self, dlci: int, data: bytes) -> None:
        for at in range(0, len(data), self._size):
            self._put(dlci, UIH, data[at : at + self._size])

    def _message(self, kind: int, values: bytes) -> None:
        self._put(0, UIH, bytes((kind, len(values) << 1 | 1)) + values)

    def signals(self, dlci: int, *, carrier: bool) -> None:
        """Tell the host the modem's lines of a channel."""
        value = _SIGNALS | (_CARRIER if carrier else 0)
        self._message(MSC, bytes((dlci << 2 | 3, value)))

    def unsolicited(self, literal: bytes) -> None:
        """A line of the module itself, to the channel that gets them."""
        wanted = self._urc_channel()
        for dlci, port in sorted(self.ports.items()):
            if wanted in (0, dlci):
                port.outside_prompt(lambda port=port: port.raw(literal))

    # ---- from the host -------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes of the line."""
        self._buffer += data
        for address, control, information in frames(self._buffer, self._junk):
            self._take(address >> 2, control, information)
            if self._modem.intake.sink is None:
                return

    def _junk(self, data: bytes) -> None:
        self._modem.note("cmux", f"no frame: {data[:40]!r}")

    def _take(self, dlci: int, control: int, data: bytes) -> None:
        if control == SABM:
            self._asked(dlci)
        elif control == DISC:
            if dlci == 0:
                self._put(0, UA | _FINAL, command=True)
                self._down()
            elif dlci in self.ports:
                self._shut(dlci)
                self._put(dlci, UA | _FINAL, command=True)
            else:
                self._put(dlci, DM | _FINAL, command=True)
        elif control in (UIH, UI):
            if dlci == 0:
                self._steer(data)
                return
            if dlci not in self.ports and "no-ua" in self._faults:
                self._asked(dlci)  # such modems do not insist on SABM either
            if dlci in self.ports:
                self.ports[dlci].receive(data)
            else:
                self._put(dlci, DM | _FINAL, command=True)

    def _asked(self, dlci: int) -> None:
        if dlci > _CHANNELS:
            self._put(dlci, DM | _FINAL, command=True)
            return
        if "no-ua" not in self._faults:
            self._put(dlci, UA | _FINAL, command=True)
        if dlci and dlci not in self.ports:
            self.ports[dlci] = open_port(
                self._modem,
                lambda data: self._output(dlci, data),
                lambda carrier: self.signals(dlci, carrier=carrier),
            )
            self.signals(dlci, carrier=False)

    def _shut(self, dlci: int) -> None:
        self.ports.pop(dlci).shut()

    def _down(self) -> None:
        self.close()
        self._closed()

    def _steer(self, data: bytes) -> None:
        """A message on DLCI 0; an answer of the host's to one of ours is taken as read."""
        if len(data) < 2 or not data[0] & _COMMAND:
            return
        kind = data[0]
        size = data[1] >> 1
        values = data[2 : 2 + size]
        if len(values) < size:
            return
        answer = kind & ~_COMMAND
        if kind == CLD:
            self._message(answer, values)
            self._down()
        elif kind == MSC and size >= 2:
            self._message(answer, values)
            port = self.ports.get(values[0] >> 2)
            if port is not None:
                port.set_dtr(bool(values[1] & _READY))
                (port.pause_output if values[1] & _FLOW else port.resume_output)()
        elif kind in (FCON, FCOFF):
            self._message(answer, b"")
            for port in self.ports.values():
                (port.resume_output if kind == FCON else port.pause_output)()
        elif kind in _ECHOED:
            self._message(answer, values)
        else:
            self._message(NSC & ~_COMMAND, bytes((kind,)))

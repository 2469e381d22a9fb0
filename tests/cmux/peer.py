"""The module's side of the multiplexer for these tests: byte loops, nothing of atdriver in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


def crc(data: bytes) -> int:
    """The FCS, bit by bit: x^8 + x^2 + x + 1, reflected."""
    value = 0xFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xE0 if value & 1 else value >> 1
    return value ^ 0xFF


def frame(dlci: int, control: int, data: bytes = b"", cr: int = 0) -> bytes:
    length = (
        bytes((len(data) << 1 | 1,))
        if len(data) < 128
        else bytes((len(data) << 1 & 0xFE, len(data) >> 7))
    )
    header = bytes((dlci << 2 | cr << 1 | 1, control)) + length
    return b"\xf9" + header + data + bytes((crc(header),)) + b"\xf9"


def read(line: bytes) -> list[tuple[int, int, bytes]]:
    """DLCI, control without poll, data of frames that stand one behind the other, and nothing else."""
    found = []
    while line:
        assert line[0] == 0xF9
        assert line[1] & 1
        count, at = line[3] >> 1, 4
        if not line[3] & 1:
            count, at = count | line[4] << 7, 5
        assert line[at + count] == crc(line[1:at]), line
        assert line[at + count + 1] == 0xF9
        found.append((line[1] >> 2, line[2] & ~0x10, line[at : at + count]))
        line = line[at + count + 2 :]
    return found


SABM, UA, DM, DISC, UIH = 0x2F, 0x63, 0x0F, 0x43, 0xEF


@dataclass
class Module:
    """A module behind a wire: AT first, multiplexed after AT+CMUX. `answers`: to SABM and DISC;
    `test`: to the Test command. Usable as the other end of a MemoryLink."""

    answers: bool = True
    test: bool = True
    refuse: tuple[int, ...] = ()
    full: bool = True
    muxed: bool = False
    heard: list[tuple[int, int, bytes]] = field(default_factory=list)
    got: dict[int, bytes] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    on_data: Callable[[int, bytes], None] | None = None
    deliver: Callable[[bytes], None] = lambda data: None

    async def start(self, deliver: Callable[[bytes], None]) -> None:
        self.deliver = deliver

    async def stop(self) -> None:
        self.deliver = lambda data: None

    def set_line_rate(self, baud: int) -> None:
        raise AssertionError("the rate stays")

    def receive(self, data: bytes) -> None:
        if not self.muxed:
            for line in data.split(b"\r"):
                self._command(line)
            return
        for dlci, control, content in read(
            data.replace(b"\xf9\xf9\x03\xef\x05\xc3", b"\xf9\x03\xef\x05\xc3")
        ):
            self.heard.append((dlci, control, content))
            self._frame(dlci, control, content)

    def _command(self, line: bytes) -> None:
        if not line:
            return
        self.lines.append(line)
        if line == b"AT":
            self.deliver(line + b"\r\r\nOK\r\n")
        elif line == b"AT+CMUX=0" or (line.startswith(b"AT+CMUX=0,0,5,127") and self.full):
            self.muxed = True
            self.deliver(line + b"\r\r\nOK\r\n")
        else:
            self.deliver(b"\r\n+CME ERROR: 4\r\n")

    def _frame(self, dlci: int, control: int, content: bytes) -> None:
        if control == SABM and self.answers:
            self.deliver(frame(dlci, DM if dlci in self.refuse else UA, cr=1))
        elif control == DISC and self.answers:
            self.deliver(frame(dlci, UA, cr=1))
        elif control == UIH and dlci == 0:
            if content[0] == 0xC3:
                self.muxed = False
            elif content[0] == 0x23 and not self.test:
                pass
            elif content[0] & 2:
                self.say(bytes((content[0] & ~2,)) + content[1:])
        elif control == UIH:
            self.got[dlci] = self.got.get(dlci, b"") + content
            if self.on_data is not None:
                self.on_data(dlci, content)

    def say(self, message: bytes) -> None:
        self.deliver(frame(0, UIH, message))

    def put(self, dlci: int, data: bytes) -> None:
        self.deliver(frame(dlci, UIH, data))

    def flow(self, dlci: int, stop: bool) -> None:
        self.say(bytes((0xE3, 0x05, dlci << 2 | 3, 0x8D | (2 if stop else 0))))

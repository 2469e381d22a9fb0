"""A minimal loop over the port, with no library and no checks: what a Python program could reach.

    python -m benchmarks.bare PATH down|up|echo|push AMOUNT

prints the CPU seconds, and the seconds of each exchange. It knows that nothing goes wrong: no time-out,
no other line than those it waits for. Only the bytes are looked at, as everywhere in these benchmarks.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
import tty

from benchmarks.device import FRAME, apart, is_pattern, pattern_at
from benchmarks.plain import PORTS, SMALL, wrong

READ = 64 * 1024
FRAME_UP = FRAME["esp", "up"]


class Port:
    """A raw descriptor, and what has come and is not used."""

    def __init__(self, path: str) -> None:
        self.number = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.number)
        self.kept = b""

    def until(self, mark: bytes) -> bytes:
        """Everything before the mark."""
        kept = self.kept
        while (at := kept.find(mark)) < 0:
            kept += os.read(self.number, READ)
        self.kept = kept[at + len(mark) :]
        return kept[:at]

    def exactly(self, size: int) -> bytes:
        """So many bytes."""
        kept = self.kept
        while len(kept) < size:
            kept += os.read(self.number, READ)
        self.kept = kept[size:]
        return kept[:size]

    def ask(self, line: bytes, mark: bytes = b"OK\r\n") -> bytes:
        """A command; what came before the mark."""
        os.write(self.number, line + b"\r\n")
        return self.until(mark)

    def read(self) -> bytes:
        """One pull."""
        os.write(self.number, b"AT+CIPRECVDATA=0,5760\r\n")
        self.until(b"+CIPRECVDATA:")
        data = self.exactly(int(self.until(b",")))
        self.until(b"OK\r\n")
        return data

    def send(self, data: bytes) -> None:
        """One frame."""
        self.ask(b"AT+CIPSEND=0,%d" % len(data), b">")
        os.write(self.number, data)
        self.until(b"SEND OK\r\n")


def down(port: Port, size: int) -> list[float]:
    at = 0
    while at < size:
        data = port.read()
        if not is_pattern(data, at):
            raise wrong(at)
        at += len(data)
    return []


def up(port: Port, size: int) -> list[float]:
    for at in range(0, size, FRAME_UP):
        port.send(pattern_at(at, min(FRAME_UP, size - at)))
    return []


def push(port: Port, size: int) -> list[float]:
    at = 0
    while at < size:
        port.until(b"+IPD,0,")
        data = port.exactly(int(port.until(b":")))
        if not is_pattern(data, at):
            raise wrong(at)
        at += len(data)
    return []


def echo(port: Port, count: int) -> list[float]:
    times = []
    for at in range(0, count * SMALL, SMALL):
        begun = time.perf_counter()
        port.send(pattern_at(at, SMALL))
        port.until(b"+IPD,0,")
        if port.read() != pattern_at(at, SMALL):
            raise wrong(at)
        times.append(time.perf_counter() - begun)
    return times


WORK = {"down": down, "up": up, "echo": echo, "push": push}


def main(path: str, what: str, amount: str) -> None:
    apart()
    port = Port(path)
    mode = 0 if what == "push" else 1
    far = PORTS["down" if what == "push" else what]
    for line in (b"ATE0", b"AT+CIPMUX=1", b"AT+CIPRECVMODE=%d" % mode):
        port.ask(line)
    port.ask(b'AT+CIPSTART=0,"TCP","far",%d' % far)
    began = time.process_time()
    times = WORK[what](port, int(amount))
    used = time.process_time() - began
    port.ask(b"AT+CIPCLOSE=0")
    select.select([], [], [], 0.05)  # the device reports before the port is gone
    print(json.dumps([used, times]))


if __name__ == "__main__":
    main(*sys.argv[1:])

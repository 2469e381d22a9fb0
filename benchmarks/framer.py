"""CPU time of the framer per MB (2^20 bytes) of stream, by stream and chunk size."""

from __future__ import annotations

import gc
import os
import time

from atdriver.dialect import Dialect
from atdriver.framer import Framer
from modems.bg96.dialect import DIALECT as BG96
from modems.esp8266.dialect import DIALECT as ESP

MB = 1 << 20
CHUNKS = (64, 1024, 4096)


def esp_push(size: int) -> bytes:
    """Blocks pushed by an Espressif module, with the lines of a send after every eighth."""
    made = bytearray()
    count = 0
    while len(made) < size:
        made += b"\r\n+IPD,0,1460:" + os.urandom(1460)
        count += 1
        if count % 8 == 0:
            made += b"\r\nRecv 4 bytes\r\n\r\nSEND OK\r\n"
    return bytes(made)


def bg96_read(size: int) -> bytes:
    """Answers to AT+QIRD."""
    made = bytearray()
    while len(made) < size:
        made += b"\r\n+QIRD: 1460\r\n" + os.urandom(1460) + b"\r\n\r\nOK\r\n"
    return bytes(made)


def lines(size: int) -> bytes:
    """Nothing but short lines."""
    return b"\r\n+CSQ: 20,99\r\n\r\nOK\r\n" * (size // 21)


STREAMS = (("ESP +IPD", esp_push, ESP), ("BG96 +QIRD", bg96_read, BG96), ("lines", lines, BG96))


def cpu_per_mb(stream: bytes, dialect: Dialect, chunk: int, runs: int = 7) -> float:
    """Milliseconds of CPU per MB: the best of `runs`, because other work only adds."""
    pieces = [stream[i : i + chunk] for i in range(0, len(stream), chunk)]
    best = float("inf")
    gc.disable()
    try:
        for _ in range(runs):
            framer = Framer(dialect.heads)
            start = time.process_time()
            for piece in pieces:
                framer.push(piece)
                while framer.next() is not None:
                    pass
            best = min(best, time.process_time() - start)
    finally:
        gc.enable()
    return best * 1000 * MB / len(stream)


def measure() -> list[tuple[str, dict[int, float]]]:
    """(stream, chunk -> ms CPU per MB)."""
    return [
        (name, {chunk: cpu_per_mb(make(4 * MB), dialect, chunk) for chunk in CHUNKS})
        for name, make, dialect in STREAMS
    ]


if __name__ == "__main__":
    for name, found in measure():
        print(name, {chunk: round(value, 2) for chunk, value in found.items()})

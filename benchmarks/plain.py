"""Transfers of a program that has a plain socket: by the blocking face, or through the proxy.

`python -m benchmarks.plain PROXY_PORT down|up|echo AMOUNT` is such a program; it prints the seconds of
each exchange as JSON.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time

from benchmarks.device import BOTH_PORT, ECHO_PORT, SINK_PORT, SOURCE_PORT, is_pattern, pattern_at

PORTS = {"down": SOURCE_PORT, "up": SINK_PORT, "duplex": BOTH_PORT, "echo": ECHO_PORT}
PIECE = 64 * 1024 - 24
"""Bytes of a send; a multiple of the pattern's length would do as well."""
SMALL = 32
"""Bytes of an exchange."""


def wrong(at: int) -> ValueError:
    """The bytes at this place of the stream are not those that were sent, or some are missing."""
    return ValueError(f"what came is not what was sent, from byte {at} on")


def download(sock: socket.socket, size: int) -> list[float]:
    """Take `size` bytes and look at them."""
    at = 0
    while at < size:
        data = sock.recv(65536)
        if not data or not is_pattern(data, at):
            raise wrong(at)
        at += len(data)
    return []


def upload(sock: socket.socket, size: int) -> list[float]:
    """Send `size` bytes."""
    for at in range(0, size, PIECE):
        sock.sendall(pattern_at(at, min(PIECE, size - at)))
    return []


def echo(sock: socket.socket, count: int) -> list[float]:
    """A few bytes there and back, again and again: seconds of each."""
    times = []
    for at in range(0, count * SMALL, SMALL):
        begun = time.perf_counter()
        sock.sendall(pattern_at(at, SMALL))
        got = b""
        while len(got) < SMALL:
            part = sock.recv(SMALL - len(got))
            if not part:
                raise wrong(at)
            got += part
        times.append(time.perf_counter() - begun)
        if not is_pattern(got, at):
            raise wrong(at)
    return times


WORK = {"down": download, "up": upload, "echo": echo}


def through(proxy: int, port: int) -> socket.socket:
    """A connection by SOCKS5."""
    sock = socket.create_connection(("127.0.0.1", proxy), 60)
    sock.sendall(b"\x05\x01\x00\x05\x01\x00\x03\x03far" + struct.pack("!H", port))
    got = b""
    while len(got) < 12:
        got += sock.recv(12 - len(got))
    if got[:4] != b"\x05\x00\x05\x00":
        raise ConnectionError(f"the proxy refused: {got!r}")
    return sock


def main(proxy: str, what: str, amount: str) -> None:
    """The program."""
    with through(int(proxy), PORTS[what]) as sock:
        times = WORK[what](sock, int(amount))
    print(json.dumps(times))


if __name__ == "__main__":
    main(*sys.argv[1:])

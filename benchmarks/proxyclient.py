"""A program that knows nothing of modems: `python -m benchmarks.proxyclient PORT FAR GET|PUT SIZE`."""

from __future__ import annotations

import socket
import struct
import sys
import time


def client(proxy: int, far: int, verb: str, size: int) -> float:
    """Seconds for `size` bytes through the proxy, by SOCKS5."""
    with socket.create_connection(("127.0.0.1", proxy), 60) as sock:
        sock.sendall(b"\x05\x01\x00\x05\x01\x00\x03\x03far" + struct.pack("!H", far))
        got = b""
        while len(got) < 12:
            got += sock.recv(12 - len(got))
        assert got[:4] == b"\x05\x00\x05\x00", got
        sock.sendall(f"{verb} {size}\n".encode())
        start = time.perf_counter()
        if verb == "PUT":
            data, left = memoryview(bytes(64 * 1024)), size
            while left:
                left -= sock.send(data[:left])
            assert sock.recv(2) == b"OK"
        else:
            left = size
            while left:
                part = sock.recv(65536)
                assert part, f"{left} bytes are missing"
                left -= len(part)
        return time.perf_counter() - start


if __name__ == "__main__":
    print(client(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))

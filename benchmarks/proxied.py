"""The same transfers twice in one run: by the direct API, and by a program through the proxy.

The program is a process of its own with a plain socket, as any is; the ratio is what the proxy
costs. Both are measured alternately, and the best of each counts. Everything is simulated.

As a program (`python -m benchmarks.proxied PROXY_PORT FAR_PORT GET|PUT SIZE`) it is that client.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from typing import NamedTuple

from atdriver.modem import assemble
from benchmarks.transfers import MB, MODULES, download, fake, process, upload
from netsocket.adapters.pool import Pool
from netsocket.adapters.proxy import Proxy
from netsocket.interface import AsyncNetworkInterface


class Row(NamedTuple):
    """One module at one rate (None: unpaced): MB/s by the direct API and through the proxy."""

    name: str
    baud: int | None
    download: tuple[float, float]
    upload: tuple[float, float]

    def ratios(self) -> tuple[float, float]:
        return self.download[1] / self.download[0], self.upload[1] / self.upload[0]


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


async def proxied(proxy: int, far: int, verb: str, size: int) -> float:
    """MB/s of a client in a process of its own."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.proxied", str(proxy), str(far), verb, str(size),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, _ = await child.communicate()
    assert child.returncode == 0
    return size / MB / float(told)


async def measure_one(
    name: str, module: str, firmware: str, settings: dict[str, str], far: int,
    *, baud: int | None, size: int, rounds: int,
) -> Row:  # fmt: skip
    best: dict[str, list[float]] = {"GET": [0.0, 0.0], "PUT": [0.0, 0.0]}
    with fake(module, firmware, baud) as path:
        modem = assemble(
            f"{module}:{path}", keywords=dict(settings, **({"baud": baud} if baud else {}))
        )
        async with (
            AsyncNetworkInterface(modem.stack) as net,
            Pool.of(net) as pool,
            Proxy(pool) as proxy,
        ):
            address = await proxy.listen(port=0)
            for _ in range(rounds):
                for verb, direct in (("GET", download), ("PUT", upload)):
                    speeds = (
                        (await direct(net, far, size)).speed,
                        await proxied(address.port, far, verb, size),
                    )
                    best[verb] = [max(pair) for pair in zip(best[verb], speeds, strict=True)]
    return Row(name, baud, (best["GET"][0], best["GET"][1]), (best["PUT"][0], best["PUT"][1]))


def measure(seconds: float = 3.0, size: int = 4 * MB, rounds: int = 3) -> list[Row]:
    """Every module at 921600 baud, for about `seconds` a transfer, and unpaced, `size` bytes."""
    with process("benchmarks.farend") as far:
        return [
            asyncio.run(
                measure_one(
                    name, module, firmware, settings, int(far),
                    baud=baud, size=int(92160 * seconds) if baud else size, rounds=rounds,
                )
            )
            for name, module, firmware, settings in MODULES
            for baud in (921600, None)
        ]  # fmt: skip


def section(rows: list[Row]) -> str:
    """What docs/performance.md says of it."""
    lines = [
        "## Through the proxy (simulated)\n\n"
        "A program with a plain socket fetches and sends through `atdriver proxy`; 100 % is the "
        "direct API in the same run. Goals: 90 % at 921600 baud, 60 % unpaced "
        "(`tests/proxy/test_throughput.py` holds it to them).\n\n"
        "| module | baud | download | upload |\n| --- | --- | --- | --- |\n"
    ]
    for row in rows:
        down, up = row.ratios()
        lines.append(f"| {row.name} | {row.baud or 'unpaced'} | {down:.0%} | {up:.0%} |\n")
    return "".join(lines)


if __name__ == "__main__":
    print(client(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))

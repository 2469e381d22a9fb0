"""The same transfers twice in one run: by the direct API, and by a program through the proxy.

The program is a process of its own with a plain socket, as any is; the ratio is what the proxy
costs. Both are measured alternately, and the best of each counts. Everything is simulated.
"""

from __future__ import annotations

import asyncio
import sys
from typing import NamedTuple

from atdriver.modem import assemble
from benchmarks.transfers import MB, MODULES, download, fake, process, upload
from netsocket.adapters.destinations import Destinations
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


async def proxied(proxy: int, far: int, verb: str, size: int) -> float:
    """MB/s of a client in a process of its own."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.proxyclient", str(proxy), str(far), verb, str(size),
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
            Proxy(pool, destinations=Destinations.of(allow=["loopback"])) as proxy,
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

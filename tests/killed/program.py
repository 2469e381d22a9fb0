"""python -m tests.killed.program MODULE PORT FIRST: a program that transfers until it is killed.

It says "served" when the module has answered it, and "busy" when all its transfers go on. Each
connection sends a stream of its own (`tests.simulation.payload`), numbered from FIRST.
"""

from __future__ import annotations

import asyncio
import sys

from atdriver import aopen_modem
from tests.simulation.payload import Stream

SETTINGS = {"esp8266": {"ssid": "lab", "password": "secret99"}, "bg96": {}}
SENDERS = 2


async def main(module: str, port: str, first: int) -> None:
    async with aopen_modem(f"{module}:{port}", **SETTINGS[module]) as net:
        async with await net.connect(("echo.test", 7), timeout=30) as sock:
            sock.settimeout(30)
            await sock.sendall(b"served\n")
            print((await sock.recv(100)).decode(), end="", flush=True)

        begun = asyncio.Semaphore(0)

        async def send(serial: int) -> None:
            sock = await net.connect(("sink.test", 9), timeout=30)
            stream, at = Stream(serial), 0
            begun.release()
            while True:
                at += await sock.send(stream.piece(at, 700))

        async def receive() -> None:
            sock = await net.connect(("source.test", 19), timeout=30)
            begun.release()
            while await sock.recv(4096):
                pass

        async with asyncio.TaskGroup() as group:
            for number in range(SENDERS):
                group.create_task(send(first + number))
            group.create_task(receive())
            for _ in range(SENDERS + 1):
                await begun.acquire()
            print("busy", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

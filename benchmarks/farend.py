"""The far end of the transfers, in a process of its own: `python -m benchmarks.farend`.

One line asks for a transfer: "GET <n>" is answered with n bytes, "PUT <n>" reads n bytes and
answers "OK" when the last one has arrived, "PING <n>" sends n bytes back as they come.
"""

from __future__ import annotations

import asyncio
import os

BLOCK = os.urandom(64 * 1024)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        word, count = (await reader.readline()).split()
        left = int(count)
        if word == b"GET":
            while left:
                part = BLOCK[:left]
                writer.write(part)
                await writer.drain()
                left -= len(part)
            await reader.read(1)
        else:
            while left and (data := await reader.read(65536)):
                left -= len(data)
                if word == b"PING":
                    writer.write(data)
            if word == b"PUT":
                writer.write(b"OK")
            await writer.drain()
            await reader.read(1)
    except (ConnectionError, ValueError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

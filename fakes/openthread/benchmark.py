"""``tcp benchmark`` (OpenThread, README_TCP.md)."""

from __future__ import annotations

import asyncio
from typing import Final

from fakes.openthread.codes import BUSY, FAILED, INVALID_ARGS, Rejected
from fakes.openthread.core import command
from fakes.openthread.settings import FACTS
from fakes.openthread.tcp import OPEN, TcpCommands
from fakes.sockets import Stream

__all__ = ["Benchmark"]

_CHUNK: Final = FACTS["tcp.buffer"]
_USUAL: Final = 73728  # README_TCP.md, benchmark run


class Benchmark(TcpCommands):
    """How fast the connection is."""

    @command("tcp benchmark result")
    def benchmark_result(self, arguments: list[str]) -> None:
        """Untested, Ongoing, or Completed with its two lines."""
        self.no_more(arguments)
        self.need_init()
        status, *rest = (self.benchmark or "Untested").split("\n")
        self.say(f"TCP Benchmark Status: {status}", *rest)

    @command("tcp benchmark run")
    def benchmark_run(self, arguments: list[str]) -> None:
        """Send so many bytes and say how long it took."""
        self.need_init()
        self.no_more(arguments, 1)
        if self.outgoing or self.benchmark == "Ongoing":
            raise Rejected(BUSY)
        total = self.number(arguments[0], 0xFFFFFFFF) if arguments else _USUAL
        if not total:
            raise Rejected(INVALID_ARGS)
        if self.endpoint != OPEN or self.stream is None:
            raise Rejected(FAILED)
        self.benchmark = "Ongoing"
        self.work.append(self.spawn(self._measure(self.stream, total)))

    async def _measure(self, stream: Stream, total: int) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            for left in range(total, 0, -_CHUNK):
                await stream.write(b"a" * min(left, _CHUNK))
            await self.acknowledged(stream)
        except OSError:
            self.benchmark = ""
            return
        spent = max(1, round((loop.time() - begun) * 1000))
        result = (
            f"TCP Benchmark Complete: Transferred {total} bytes in {spent} milliseconds",
            f"TCP Goodput: {total * 8 / spent:.3f} kb/s",
        )
        self.benchmark = "\n".join(("Completed", *result))
        self.say(*result)

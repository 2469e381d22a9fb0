"""What `ot-daemon` does for `ot-ctl`: a node of the fakes behind a socket of the file system.

Its sessions have a prompt and no echo (OpenThread, src/posix/platform/daemon.cpp).
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import fakes

SCRIPT = Path(__file__).with_name("ot_ctl.py")


class OtDaemon:
    """One node; `directory` is where ot-ctl looks for its socket."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.directory = directory
        self.node: Any = fakes.build("openthread", time_scale=0, offline=True, **settings)
        self.program = f"{sys.executable} -I -S {SCRIPT} {directory}"
        """For the setting of that name."""
        self._session: asyncio.StreamWriter | None = None
        self._echo = b""

    def started(self) -> list[str]:
        """What each ot-ctl was started with."""
        return (self.directory / "started").read_text(encoding="utf-8").splitlines()

    @contextlib.asynccontextmanager
    async def serving(self, interface: str) -> AsyncIterator[OtDaemon]:
        await self.node.start(self._said)
        path = self.directory / f"openthread-{interface}.sock"
        server = await asyncio.start_unix_server(self._serve, path)
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()
            await self.node.stop()
            path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._session = writer
        with contextlib.suppress(ConnectionError):  # ot-ctl leaves before the last prompt
            while typed := await reader.read(640):
                line = typed.strip() + b"\r\n"
                self._echo = line
                self.node.receive(line)
        writer.close()

    def _said(self, data: bytes) -> None:
        while self._echo and data:
            assert data[0] == self._echo[0], (data, self._echo)
            data, self._echo = data[1:], self._echo[1:]
        if self._session is not None and not self._session.is_closing() and data:
            self._session.write(data)

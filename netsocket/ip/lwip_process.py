"""The parent's side of lwIP's process: start it, order, hear its notices, learn that it died."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from netsocket.errors import NetworkDown
from netsocket.ip import lwip_build, lwip_child
from netsocket.ip.link import IpPacketLink
from netsocket.ip.lwip_child import HEAD, LAST_WORDS, READY, Op

START: Final = 20.0
"""Seconds until the process runs; it takes a tenth."""
LEAVE: Final = LAST_WORDS + 1.0
"""Seconds that it gets to end by itself."""
WORDS: Final = 500
"""Characters of what it wrote before it died."""


class Answer(NamedTuple):
    """What an order gave: the call's result, or minus an errno, and bytes."""

    number: int
    payload: bytes


class LwipProcess(asyncio.Protocol):
    """One running lwIP on one link; `start` makes it.

    `noticed(socket)` and `died(error)` are called from the event loop; `died` once, with the
    reason, unless `stop` was called before. An order to a process that has gone raises that reason.
    """

    def __init__(self, noticed: Callable[[int], None], died: Callable[[OSError], None]) -> None:
        self._noticed = noticed
        self._died = died
        self._serials = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._received = bytearray()
        self._transport: Any = None
        self._running: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._process: subprocess.Popen[bytes] | None = None
        self._words = -1
        self._stopping = False
        self.failure: OSError | None = None

    @property
    def pid(self) -> int | None:
        """The process's number."""
        return None if self._process is None else self._process.pid

    async def start(self, link: IpPacketLink) -> None:
        """Returns when lwIP runs with the link's addresses. The link stays the caller's.

        Raises LwipMissing, NetworkDown.
        """
        loop = asyncio.get_running_loop()
        glue = await loop.run_in_executor(None, lwip_build.library)
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with its:
            self._words = os.memfd_create("lwip")
            self._process = self._spawn(link, its.fileno(), glue)
        mine.setblocking(False)
        await loop.create_unix_connection(lambda: self, sock=mine)
        try:
            async with asyncio.timeout(START):
                await asyncio.shield(self._running)
        except TimeoutError:
            await self.stop()
            raise NetworkDown(f"lwIP did not start within {START:g} s") from None
        except BaseException:
            await self.stop()
            raise

    def _spawn(self, link: IpPacketLink, control: int, glue: Path) -> subprocess.Popen[bytes]:
        """A fresh Python; the fork in it takes milliseconds."""
        packets = link.packets.fileno()
        child = str(Path(lwip_child.__file__))
        settings = json.dumps(dataclasses.asdict(link.settings))
        return subprocess.Popen(
            [sys.executable, "-P", child, str(control), str(packets), str(glue), settings],
            pass_fds=(control, packets),
            stdin=subprocess.DEVNULL,
            stdout=self._words,
            stderr=self._words,
            start_new_session=True,  # Ctrl-C is for the parent
        )

    def order(self, op: Op, number: int, payload: bytes = b"") -> asyncio.Future[Answer]:
        """Send an order; the future has its answer, and is cancelled by nobody.

        Raises the reason when the process has gone; so does the future when it goes.
        """
        if self.failure is not None:
            raise self.failure
        if self._transport is None or self._stopping:
            raise NetworkDown("the interface is down")
        serial = next(self._serials) & 0xFFFFFFFF or next(self._serials) & 0xFFFFFFFF
        answer = self._waiting[serial] = asyncio.get_running_loop().create_future()
        size = HEAD.size - 4 + len(payload)
        self._transport.writelines((HEAD.pack(size, serial, op, number), payload))
        return answer

    async def stop(self) -> None:
        """End the process; streams that were closed before send what they had queued. Never
        raises; idempotent."""
        self._stopping = True
        if self._transport is not None:
            if self._transport.can_write_eof():
                self._transport.write_eof()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE):
                    await asyncio.shield(self._gone)
            self._transport.close()
        await self._reap()

    async def _reap(self) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.kill()
        await asyncio.get_running_loop().run_in_executor(None, process.wait)
        if self._words >= 0:
            os.close(self._words)
            self._words = -1

    # -- from asyncio -------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """From asyncio."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """From asyncio: answers and notices."""
        self._received += data
        at = 0
        while len(self._received) - at >= HEAD.size:
            length, serial, _op, number = HEAD.unpack_from(self._received, at)
            end = at + 4 + length
            if len(self._received) < end:
                break
            payload = bytes(self._received[at + HEAD.size : end])
            at = end
            if serial:
                answer = self._waiting.pop(serial, None)
                if answer is not None and not answer.done():
                    answer.set_result(Answer(number, payload))
            elif self._running.done():
                self._noticed(number)
            elif _op == READY:
                self._running.set_result(None)
        del self._received[:at]

    def eof_received(self) -> bool:
        """From asyncio: the process has ended."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """From asyncio: the process has ended, by itself or because it was told to."""
        del exc
        if self._stopping:
            self.failure = NetworkDown("the interface was taken down")
        else:
            self.failure = NetworkDown(self._why())
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(self.failure)
                answer.exception()  # nobody may wait for it any more
        self._waiting.clear()
        if not self._gone.done():
            self._gone.set_result(None)
        if not self._running.done():
            self._running.set_exception(self.failure)
            self._running.exception()
        elif not self._stopping:
            self._died(self.failure)

    def _why(self) -> str:
        """Why it ended by itself."""
        assert self._process is not None
        try:
            status = self._process.wait(0.5)  # its descriptor is closed: it is about to end
        except subprocess.TimeoutExpired:
            return "lwIP's process closed its connection"
        if status == 0:
            return "the carrier of the packets has gone"
        cause = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        words = os.pread(self._words, 1 << 16, 0).decode("utf-8", "replace").strip()
        last = words.splitlines()[-1][:WORDS] if words else ""
        return f"lwIP's process {cause}" + (f": {last}" if last else "")


def error_of(answer: Answer, what: str = "") -> OSError:
    """The error that an answer below zero stands for."""
    number = -answer.number
    text = os.strerror(number)
    return OSError(number or errno.EIO, f"{what}: {text}" if what else text)

"""Sending on a stream: the account of what was surely taken and what may have been."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from netsocket.connecting import ConnectingSocket
from netsocket.core import as_bytes
from netsocket.errors import BrokenPipe, NotConnected, SendUnknown
from netsocket.lifecycle import SocketEvent
from netsocket.stack import Handle, ReadyStack
from netsocket.table import SocketTable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

SEND_LIMIT = 64 * 1024
"""Most bytes offered in one transaction where the stack states no `frame.max_send`."""


class StreamSends(ConnectingSocket):
    """The sending half of AsyncTCPSocket."""

    def __init__(self, table: SocketTable) -> None:
        super().__init__(table)
        self._write_shut = False
        self._by_itself = table.stack if isinstance(table.stack, ReadyStack) else None
        send = table.stack.capabilities["frame.max_send"].limit
        self._frame = min(send or SEND_LIMIT, SEND_LIMIT)

    @property
    def frame(self) -> int:
        """Bytes offered to the stack at once, at most."""
        return self._frame

    async def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        """Offer bytes; returns how many were accepted (at least 1 unless `data` is empty).

        After a time-out or cancellation during a transaction its outcome is not known yet: the
        error's `unknown` says of how many bytes, and the next send waits for the outcome first
        (or `settle`). An error after a partial success is raised by the next call.
        Raises CallTimeout, WouldBlock, NotConnected, BrokenPipe, ConnectionReset, SendUnknown.
        """
        view = as_bytes(data)
        self._check_flags(flags)
        handle = self._sender()
        deadline = self._deadline()
        await self._take_turn(self._sending, deadline)
        try:
            await self._settle(deadline)
            try:
                return await self._send_some(handle, view, deadline)
            except SendUnknown as error:
                if not error.accepted:
                    raise
                accepted, error.accepted = error.accepted, 0
                self._kept = error
                return accepted
        finally:
            self._sending.turn.release()

    async def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """Send everything within one time-out.

        Whatever it raises, cancellation included, carries `accepted` (bytes surely taken) and
        `unknown` (bytes after those of which any prefix may have been, or may yet be, taken).
        """
        view = as_bytes(data)
        self._check_flags(flags)
        done = 0
        begun = False
        try:
            handle = self._sender()
            deadline = self._deadline()
            await self._take_turn(self._sending, deadline)
            try:
                await self._settle(deadline)
                begun = True
                while done < len(view):
                    done += await self._send_some(handle, view[done:], deadline)
            finally:
                self._sending.turn.release()
        except BaseException as error:
            _account(error, done, begun)
            raise

    async def settle(self) -> int:
        """Wait for the outcome of a send that timed out or was cancelled.

        Returns the bytes it accepted, 0 when none was left behind; raises its error.
        """
        self._enter()
        deadline = self._deadline()
        await self._take_turn(self._sending, deadline)
        try:
            return await self._settle(deadline)
        finally:
            self._sending.turn.release()

    async def _settle(self, deadline: float | None) -> int:
        task = self._sending.task
        accepted: int = 0
        if task is not None:
            accepted = await self._left_behind(self._sending, task, deadline)
        self._raise_kept()
        return accepted

    async def _send_some(self, handle: Handle, view: memoryview, deadline: float | None) -> int:
        if not len(view):
            return 0
        chunk = bytes(view[: self._frame])  # a copy: the transaction may outlive the caller
        while True:
            if self._write_shut:
                raise BrokenPipe("the sending side was shut down")
            seen = self._notices
            try:
                accepted = await self._transact(
                    self._sending, lambda: self._offer(handle, chunk), deadline
                )
            except BaseException as error:
                if self._sending.task is not None:
                    error.unknown = len(chunk)  # type: ignore[attr-defined]
                elif isinstance(error, BrokenPipeError) and self._life.may(SocketEvent.PEER_LEFT):
                    self._life.happened(SocketEvent.PEER_LEFT)
                raise
            if accepted:
                return accepted
            await self._pause(seen, deadline)

    def _offer(
        self, handle: Handle, chunk: bytes
    ) -> Coroutine[Any, Any, int] | asyncio.Future[int]:
        if self._by_itself is not None:
            return self._by_itself.begin_send(handle, chunk, self._sending.ended)
        return self._stack.send(handle, chunk)

    def _sender(self) -> Handle:
        self._enter()
        self._check_gone()
        if self._connecting is not None and self._timeout == 0.0:
            raise NotConnected("still connecting")
        if self._write_shut:
            raise BrokenPipe("the sending side was shut down")
        if self._broken is not None and self._kept is None and self._sending.task is None:
            raise BrokenPipe(f"the connection broke before: {self._broken.strerror}")
        if self._handle is None or not self._life.connected:
            raise NotConnected("the socket is not connected")
        return self._handle

    def _raise_kept(self) -> None:
        if self._kept is not None:
            kept, self._kept = self._kept, None
            raise kept


def _account(error: BaseException, done: int, begun: bool) -> None:
    """Give an error the totals of this sendall; every exception object can hold them.

    An error that an earlier call left behind says nothing about this one's bytes.
    """
    accepted: int = getattr(error, "accepted", 0) if begun else 0
    unknown: int = getattr(error, "unknown", 0) if begun else 0
    error.accepted = done + accepted  # type: ignore[attr-defined]
    error.unknown = unknown  # type: ignore[attr-defined]

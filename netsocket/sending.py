"""Sending on a stream: the account of what was surely taken and what may have been.

A call sends frame by frame. Where the stack moves bytes by itself the next frame is begun in the
turn of the loop in which the one before it was accepted, and the caller sleeps on; it is woken when
there is something to judge.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

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


class Frames:
    """What one call has to send, frame by frame, and the account of it.

    Where the stack works by itself, frames follow one another until all is accepted, nothing was,
    one has failed, or the socket is done with: then the caller, who waits for what `begin` gave,
    goes on. The outcome of a frame that was not simply accepted is in the direction's `task`.
    """

    __slots__ = (
        "_handle", "_offering", "_over", "_socket", "_stack", "accepted", "chunk", "left", "seen",
        "view",
    )  # fmt: skip

    def __init__(self, socket: StreamSends, view: memoryview) -> None:
        self._socket = socket
        self.view = view
        self.left = len(view)
        self.accepted = 0
        self.chunk = b""
        """What was offered last."""
        self.seen = 0
        """How many notices had come before."""

    def next(self) -> bytes:
        """The next bytes to offer: a copy, for the transaction may outlive the caller, and the
        same once more when none of it was accepted."""
        if not self.chunk:
            at = self.accepted
            self.chunk = bytes(self.view[at : at + self._socket.frame])
        return self.chunk

    def took(self, accepted: int) -> None:
        """So many of them were accepted."""
        if accepted:
            self.accepted += accepted
            self.left -= accepted
            self.chunk = b""

    def begin(self, stack: ReadyStack, handle: Handle) -> asyncio.Future[None]:
        """Let them follow one another."""
        self._stack = stack
        self._handle = handle
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._offer()
        return self._over

    def _offer(self) -> None:
        """The next frame, and more behind those whose outcome is known at once."""
        socket = self._socket
        while True:
            self.seen = socket._notices
            self._offering = True
            try:
                task = self._stack.begin_send(self._handle, self.next(), self._ended)
            except OSError as error:
                task = asyncio.get_running_loop().create_future()
                task.set_exception(error)
            self._offering = False
            socket._sending.task = task
            if not task.done() or not self._goes_on(task):
                return

    def _ended(self) -> None:
        task = self._socket._sending.task
        if task is not None and not self._offering and self._goes_on(task):
            self._offer()

    def _goes_on(self, task: asyncio.Future[int]) -> bool:
        """Whether this one was accepted and another one is to follow; else the caller looks."""
        if self._over.done():
            return False  # nobody waits any more: the outcome is left behind
        if not task.cancelled() and task.exception() is None and (accepted := task.result()):
            self._socket._sending.task = None
            self.took(accepted)
            if self.left and self._socket._may_send_on:
                return True
        self._over.set_result(None)
        return False


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
        frames = Frames(self, as_bytes(data)[: self._frame])
        self._check_flags(flags)
        handle = self._sender()
        deadline = self._deadline()
        await self._take_turn(self._sending, deadline)
        try:
            await self._settle(deadline)
            try:
                await self._send_on(handle, frames, deadline)
            except SendUnknown as error:
                if not error.accepted:
                    raise
                accepted, error.accepted = error.accepted, 0
                self._kept = error
                return accepted
            return frames.accepted
        finally:
            self._sending.turn.release()

    async def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """Send everything within one time-out.

        Whatever it raises, cancellation included, carries `accepted` (bytes surely taken) and
        `unknown` (bytes after those of which any prefix may have been, or may yet be, taken).
        """
        frames = Frames(self, as_bytes(data))
        self._check_flags(flags)
        begun = False
        try:
            handle = self._sender()
            deadline = self._deadline()
            await self._take_turn(self._sending, deadline)
            try:
                await self._settle(deadline)
                begun = True
                while frames.left:
                    await self._send_on(handle, frames, deadline)
            finally:
                self._sending.turn.release()
        except BaseException as error:
            _state_totals(error, frames.accepted, begun)
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

    async def _send_on(self, handle: Handle, frames: Frames, deadline: float | None) -> None:
        """Until at least a byte more was accepted; all of it where the stack works by itself."""
        left = frames.left
        while left and frames.left == left:
            if self._write_shut:
                raise BrokenPipe("the sending side was shut down")
            frames.seen = self._notices
            try:
                if self._by_itself is not None:
                    await self._send_by_itself(self._by_itself, handle, frames, deadline)
                else:
                    frames.took(
                        await self._transact(
                            self._sending,
                            lambda: self._stack.send(handle, frames.next()),
                            deadline,
                        )
                    )
            except BaseException as error:
                if self._sending.task is not None:
                    error.unknown = len(frames.chunk)  # type: ignore[attr-defined]
                elif isinstance(error, BrokenPipeError) and self._life.may(SocketEvent.PEER_LEFT):
                    self._life.happened(SocketEvent.PEER_LEFT)
                raise
            if frames.left == left:
                await self._pause(frames.seen, deadline)

    async def _send_by_itself(
        self, stack: ReadyStack, handle: Handle, frames: Frames, deadline: float | None
    ) -> None:
        """Frame after frame, until there is something to judge."""
        self._check_gone()
        over = frames.begin(stack, handle)
        try:
            if not over.done():
                await self._wait(over, self._callers, deadline)
            self._check_done(self._sending.task)
        except BaseException:
            over.cancel()
            self._leave_behind(self._sending)
            raise
        task, self._sending.task = self._sending.task, None
        if task is not None:
            frames.took(self._taken(task))

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

    @property
    def _may_send_on(self) -> bool:
        return not (self._closed or self._write_shut or self._gone is not None)

    def _raise_kept(self) -> None:
        if self._kept is not None:
            kept, self._kept = self._kept, None
            raise kept


def _state_totals(error: BaseException, done: int, begun: bool) -> None:
    """Give an error the totals of this sendall; every exception object can hold them.

    An error that an earlier call left behind says nothing about this one's bytes.
    """
    accepted: int = getattr(error, "accepted", 0) if begun else 0
    unknown: int = getattr(error, "unknown", 0) if begun else 0
    error.accepted = done + accepted  # type: ignore[attr-defined]
    error.unknown = unknown  # type: ignore[attr-defined]

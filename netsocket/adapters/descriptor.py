"""A real descriptor for a connected stream: any program can use it.

One end of an AF_UNIX socket pair goes to the user as a plain `socket.socket`; this pump moves
bytes between the other end and an AsyncTCPSocket. What the user should know:

- `send` means *queued*: about `QUEUE` bytes each way wait in the pair. TCPSocket tells more.
- `close` sends what was queued, then closes the connection.
- `shutdown(SHUT_WR)` is passed on where the stack can half-close. Elsewhere the connection stays
  open and receiving goes on until the peer closes.
- An abnormal end shows as the data received before it, then ECONNRESET. Two cases cannot show
  it and end like an orderly one: after the user's own `shutdown(SHUT_WR)`, and when only another
  process still has the descriptor.

How ECONNRESET is made: a Unix socket that is closed with unread bytes resets its peer. Just
before closing, one byte is written through a short-lived duplicate of the user's descriptor,
which stays unread. The duplicate is checked by inode, so a descriptor number that was closed and
used again is never written to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket as _socket
from typing import Final

from netsocket.adapters.ending import end_task
from netsocket.adapters.pump import Pump, failure_of
from netsocket.stream import AsyncTCPSocket
from netsocket.table import log

QUEUE: Final = 4096
"""SO_SNDBUF asked for at both ends, in bytes; the kernel accounts about twice this."""
_HANGUP_POLL: Final = 0.1
"""Seconds between looks whether the user closed, while there is nothing to read from him."""


class DescriptorPump(Pump):
    """Moves bytes between a socket pair and an AsyncTCPSocket; runs from the start."""

    RESET_IS_CLOSE = True

    def __init__(self, socket: AsyncTCPSocket) -> None:
        user, own = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        for end in (user, own):
            end.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, QUEUE)
        own.setblocking(False)
        super().__init__(socket, own)
        self._user_number = user.fileno()
        self.inode = os.fstat(user.fileno()).st_ino
        """Of the user's end: what it is known by, wherever it went."""
        self._user: _socket.socket | None = user
        self.task = asyncio.get_running_loop().create_task(self.run())

    def take(self) -> _socket.socket:
        """The user's end, once; nothing here refers to it afterwards."""
        user, self._user = self._user, None
        assert user is not None, "the user's end was already taken"
        return user

    async def stop(self, grace: float) -> None:
        """End now: what a user who has closed had queued gets `grace` seconds to be sent."""
        if not self.task.done() and self._hung_up():
            await asyncio.wait({self.task}, timeout=grace)
        end_task(self.task)
        await asyncio.wait({self.task})

    # -- how it ends --------------------------------------------------------------------------

    def _ended(self) -> None:
        if self.error is not None:
            log.info("%r ended: %s", self._socket, self.error)
            self._plant()
        self._user = None
        self._own.close()

    async def _steer(
        self, outward: asyncio.Task[None], inward: asyncio.Task[None]
    ) -> OSError | None:
        """Wait for the end; None = orderly."""
        await asyncio.wait({outward, inward}, return_when=asyncio.FIRST_COMPLETED)
        if not outward.done():
            failure = failure_of(inward)
            if failure is not None:
                return failure
            await asyncio.wait({outward})
        failure = failure_of(outward)
        if failure is None:
            if self._hung_up():
                return None
            if self._socket.can_half_close:
                with contextlib.suppress(OSError):
                    await self._socket.shutdown(_socket.SHUT_WR)
        elif isinstance(failure, BrokenPipeError):
            with contextlib.suppress(OSError):
                self._own.shutdown(_socket.SHUT_RD)
        while not inward.done():
            await asyncio.wait({inward}, timeout=_HANGUP_POLL)
            if not inward.done() and self._hung_up():
                return None
        if isinstance(failure, BrokenPipeError):
            failure = None  # the peer closed in order; the user learns it from the end of data
        return failure_of(inward) or failure

    # -- the user's end -----------------------------------------------------------------------

    def _hung_up(self) -> bool:
        """Whether every copy of the user's end is closed."""
        if self._own.fileno() == -1:
            return True  # our end is closed already, the connection is about to be
        poll = select.poll()
        poll.register(self._own, 0)
        return any(events & select.POLLHUP for _fd, events in poll.poll(0))

    def _plant(self) -> None:
        """Leave one unread byte, so that closing resets the user's end."""
        for number in (self._user_number, *_other_numbers()):
            try:
                copy = os.dup(number)
            except OSError:
                continue
            try:
                if os.fstat(copy).st_ino != self.inode:
                    os.close(copy)
                    continue
                with _socket.socket(fileno=copy) as end:
                    end.send(b"\0", _socket.MSG_DONTWAIT)
            except OSError:
                pass  # full: something is unread already; shut down: see the module's docstring
            return


def _other_numbers() -> list[int]:
    """Every open descriptor of this process, where the system tells (Linux)."""
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return []

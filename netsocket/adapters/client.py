"""A TCP client of a proxy or forward: its kernel socket, and how its conversation ends.

What passes between it and the stack is `Pump`'s. The ends:

- The client's end of sending becomes a half-close where the stack can. Elsewhere receiving goes on
  until the peer's end, or until nothing has come for `patience` seconds; because nobody can say
  then whether that was everything, the client's connection is reset.
- A client that has closed altogether is noticed at once on Linux (`departed`), elsewhere when
  something is sent to it.
- The peer's end becomes the client's end of data. Where the stack cannot half-close, nothing can
  be sent any more and the module's socket is given back at once.
- An abnormal end resets the client's connection, after the data that came before it. One whose
  peer ended before everything was sent gets the data, the end, and then a reset, as from a kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import select
import socket as _socket
import struct
import sys
import termios
from typing import Final

from netsocket.adapters.pump import Meter, Pump, UserReset, failure_of
from netsocket.errors import ConnectionReset
from netsocket.stream import AsyncTCPSocket
from netsocket.table import log

BUFFER: Final = 64 * 1024
"""SO_SNDBUF and SO_RCVBUF of a client's connection, bytes: what may wait in the kernel."""
SHORTEST_PATIENCE: Final = 2.0
"""Seconds without data after a client's end of sending that end a conversation, at the least ..."""
ROUND_TRIPS: Final = 4
"""... and as many measured round trips."""
LAST_SEND: Final = 5.0
"""Seconds that a send under way gets to fail when the peer has closed."""
IDLE_HALF: Final = 60.0
"""Seconds without data that a client gets to close after its peer did, where it may still send."""
LINGER: Final = 5.0
"""Seconds that a client gets to take what waits for it, and to close."""
_LOOK: Final = (0.05, 1.0)
"""Seconds between looks whether a client has closed: first and longest."""
_RDHUP: Final = getattr(select, "POLLRDHUP", 0)


def set_up(client: _socket.socket) -> None:
    """Options of an accepted connection; a client that vanished is noticed in about 90 s."""
    client.setblocking(False)
    client.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    client.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(_socket, name):
            client.setsockopt(_socket.IPPROTO_TCP, getattr(_socket, name), value)


def shrink(listener: _socket.socket) -> None:
    """Small buffers for the connections of a listener; call it before `listen`."""
    for option in (_socket.SO_SNDBUF, _socket.SO_RCVBUF):
        listener.setsockopt(_socket.SOL_SOCKET, option, BUFFER // 2)  # the kernel doubles it


def left(client: _socket.socket) -> bool:
    """Whether the client is gone: reset, or closed. False while nobody can tell."""
    if client.fileno() == -1:
        return True
    poll = select.poll()
    poll.register(client, _RDHUP)
    events = poll.poll(0)
    if not events:
        return False
    if events[0][1] & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
        return True
    return bool(events[0][1] & _RDHUP) and departed(client)


async def gone(client: _socket.socket) -> None:
    """Return when the client is gone, as far as that can be told."""
    pause, longest = _LOOK
    while not left(client):
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, longest / 4)


def departed(client: _socket.socket) -> bool:
    """Whether a client of this computer, whose end of sending was seen, has closed altogether.

    Linux lists the other end of a loopback connection without an owner then. False for a client
    that only shut its sending side down, for one elsewhere, and on other systems.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        own, peer = _as_listed(client.getsockname()), _as_listed(client.getpeername())
        name = "tcp" if client.family == _socket.AF_INET else "tcp6"
        with open(f"/proc/net/{name}", encoding="ascii") as listing:
            for line in listing:
                fields = line.split()
                if fields[1] == peer and fields[2] == own:
                    return fields[9] == "0"
    except OSError:
        pass
    return False


def _as_listed(address: tuple[str, int]) -> str:
    """An address as /proc/net/tcp writes it: words in the host's byte order."""
    host, port = address[:2]
    family = _socket.AF_INET6 if ":" in host else _socket.AF_INET
    packed = _socket.inet_pton(family, host.partition("%")[0])
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


async def reset(client: _socket.socket, limit: float = LINGER) -> None:
    """Close with a reset, after the client's computer has taken what was sent before; one that
    takes nothing for `limit` seconds gets no more."""
    try:
        await _delivered(client, limit)
    finally:
        with contextlib.suppress(OSError):  # it was reset already
            client.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()


async def farewell(client: _socket.socket, limit: float = LINGER) -> None:
    """Close in order: what was sent arrives, even when the client is still sending."""
    try:
        with contextlib.suppress(OSError, TimeoutError):
            client.shutdown(_socket.SHUT_WR)
            async with asyncio.timeout(limit):
                while await asyncio.get_running_loop().sock_recv(client, 4096):
                    pass
    finally:
        client.close()


async def _delivered(client: _socket.socket, limit: float) -> None:
    if not hasattr(termios, "TIOCOUTQ"):
        return
    loop = asyncio.get_running_loop()
    least, end = -1, 0.0
    while not left(client):
        waiting: int = struct.unpack("i", fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)))[0]
        if not waiting:
            return
        if least < 0 or waiting < least:
            least, end = waiting, loop.time() + limit
        if loop.time() >= end:
            return
        await asyncio.sleep(0.005)


class ClientPump(Pump):
    """Moves bytes between a TCP client and an AsyncTCPSocket.

    `run` closes the stack's socket, so that it is free again, and begins to close the client's:
    `ending` is done when that is closed, too.

    `first` was read from the client before; `round_trip` (seconds) and `patience` (seconds, or
    None to compute it) say how long silence is waited for where the stack cannot half-close.
    """

    def __init__(
        self,
        socket: AsyncTCPSocket,
        client: _socket.socket,
        *,
        first: bytes = b"",
        meter: Meter | None = None,
        round_trip: float = 0.0,
        patience: float | None = None,
    ) -> None:
        super().__init__(socket, client, first, meter)
        if patience is None:
            patience = max(SHORTEST_PATIENCE, ROUND_TRIPS * round_trip)
        self._patience = patience
        self.cut_short = False
        """The peer ended in order, but before everything was sent that the client had said."""
        self.ending: asyncio.Task[None] | None = None
        """Closes the client's connection; there once `run` has returned."""

    def _ended(self) -> None:
        if self.error is not None:  # no text: it may name who was talked to
            log.info("a client's connection ended with %s", type(self.error).__name__)

    async def _close(self) -> None:
        orderly = self.error is None and not self.cut_short
        end = farewell(self._own) if orderly else reset(self._own)
        self.ending = asyncio.create_task(end)
        await super()._close()

    async def _steer(
        self, outward: asyncio.Task[None], inward: asyncio.Task[None]
    ) -> OSError | None:
        await asyncio.wait({outward, inward}, return_when=asyncio.FIRST_COMPLETED)
        if not outward.done():
            return failure_of(inward) or await self._peer_ended(outward)
        failure = failure_of(outward)
        if isinstance(failure, UserReset):
            return failure
        patience = None
        if failure is None:
            if left(self._own):  # or broke off, if what he is told failed before his end was seen
                broke = inward.done() and not self.RESET_IS_CLOSE
                return failure_of(inward) if broke else None
            if not await self._half_close():
                patience = self._patience
        # After a failure: what the peer said before it ended is worth having.
        told = await self._drained(inward, patience)
        if told is not None:
            return told
        return self._unless_cut_short(failure)

    def _unless_cut_short(self, failure: OSError | None) -> OSError | None:
        if isinstance(failure, BrokenPipeError):
            self.cut_short = True
            return None
        return failure

    async def _peer_ended(self, outward: asyncio.Task[None]) -> OSError | None:
        """The peer ended in order, or the client does not take what it says."""
        if not self._socket.can_half_close:
            if self._sending:
                await asyncio.wait({outward}, timeout=LAST_SEND)
        else:
            loop = asyncio.get_running_loop()
            while not outward.done() and not left(self._own):
                quiet = loop.time() - max(self.said, self.heard)
                if quiet >= IDLE_HALF:
                    break
                await asyncio.wait({outward}, timeout=min(1.0, IDLE_HALF - quiet))
        self.cut_short = self._sending
        return self._unless_cut_short(failure_of(outward))

    async def _half_close(self) -> bool:
        if self._socket.can_half_close:
            with contextlib.suppress(OSError):
                await self._socket.shutdown(_socket.SHUT_WR)
                return True
        return False

    async def _drained(self, inward: asyncio.Task[None], patience: float | None) -> OSError | None:
        """Wait for the peer's end, for the client's, or for `patience` seconds of silence."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        pause, longest = _LOOK
        while True:
            await asyncio.wait({inward}, timeout=pause)
            if inward.done():
                return failure_of(inward)
            if left(self._own):
                return None
            quiet = loop.time() - max(self.heard, begun)
            if patience is not None and not self._delivering and quiet >= patience:
                return ConnectionReset(
                    "the client ended sending, which this stack cannot pass on, and the peer was "
                    f"silent for {patience:.3g} s"
                )
            pause = min(pause * 1.5, longest)

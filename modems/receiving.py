"""Receiving: reads that follow one another without a task between them, and what they brought.

A read is one bounded transaction with the module. It begins when a program wants data and the
module is known to hold some; as long as it holds more and the host has room, the next one leaves in
the same turn of the event loop in which the last one ended. Then the module keeps the rest, and its
window slows the peer down.

The last but three of the layers of `modems.module.ModuleStack`.
"""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from atdriver.command_queue import Outcome
from atdriver.errors import ATError, CommandDropped, CommandFailed, CommandTimeout, ReplyCorrupt
from atdriver.exchange import Command, Reply
from modems.options import SocketOptions
from modems.sockets import BUFFER_CAP, ModuleSocket
from modems.table import log
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Handle, Kind

READ_AHEAD = 32 * 1024
"""Bytes of a stream that the host holds before the program has asked for them."""
BULK = 1024
"""Bytes from which on a read is taken for a part of something larger."""
GATHER = 0.001
"""Seconds in which a program is told once of such reads, as a network card gathers its interrupts.
Over a line they are further apart."""
SURE_AFTER = 0.005
"""Seconds in which a module that is probably empty is not asked whether it is."""


class Receiving(SocketOptions):
    """recv and recvfrom of the Stack protocol, ready of ReadyStack."""

    # -- what a vendor supplies ---------------------------------------------------------------

    @abc.abstractmethod
    def _read_command(self, sock: ModuleSocket) -> Command:
        """The command that reads from `sock.link`."""

    @abc.abstractmethod
    def _take_in(self, sock: ModuleSocket, link: int, reply: Reply) -> None:
        """Move what a read of `link` brought into the socket's buffer; `announced` becomes True
        again where that tells of more, `drained` where it tells of the end."""

    @abc.abstractmethod
    async def _nothing_read(self, sock: ModuleSocket) -> None:
        """A read that the module ended with an error: find out what that means."""

    @property
    def _readable(self) -> bool:
        """Whether the settings are made on which the form of a read's answer depends."""
        return True

    async def _make_readable(self) -> None:
        """Make them."""

    # -- receiving ----------------------------------------------------------------------------

    async def recv(self, handle: Handle, size: int) -> bytes | None:
        """See Stack.recv."""
        sock = self._socket(handle)
        if sock.kind is Kind.UDP:
            found = await self.recvfrom(handle, size)
            return None if found is None else found[0]
        if not sock.buffer and sock.unread is None and self._worth_reading(sock):
            await self._refill(sock)
        if sock.buffer:
            return sock.take(size)
        self._raise_what_broke(sock)
        if sock.peer_closed and sock.drained:
            return b""
        if not sock.connected:
            raise errors.NotConnected("the socket is not connected")
        return None

    async def recvfrom(self, handle: Handle, size: int) -> tuple[bytes, SocketAddress] | None:
        """See Stack.recvfrom."""
        sock = self._socket(handle)
        if sock.kind is Kind.TCP:
            data = await self.recv(handle, size)
            if data is None:
                return None
            assert sock.remote is not None, "it was connected"
            return data, sock.remote
        while True:
            if not sock.datagrams and self._worth_reading(sock):
                await self._refill(sock)
            if not sock.datagrams:
                break
            payload, sender = sock.take_datagram(size)
            if sock.remote is None or not sender.port or sender == sock.remote:
                return payload, sender
            # A stranger's: the module may hold more, and will not say so again.
        self._raise_what_broke(sock)
        return None

    def ready(self, handle: Handle, size: int) -> bytes | None:
        """See ReadyStack.ready."""
        sock = self._sockets.get(handle.number)
        if sock is None or sock.generation != handle.generation or sock.kind is not Kind.TCP:
            return None
        if sock.buffer:
            data = sock.take(size)
            if self._goes_on(sock):
                self._fetch(sock)
            return data
        if sock.broken is not None or sock.unread is not None or not sock.connected:
            return None
        if self._worth_reading(sock):
            self._fetch(sock)
        elif sock.peer_closed:
            return None
        sock.eager = True
        return b""

    def _raise_what_broke(self, sock: ModuleSocket) -> None:
        if sock.broken is not None:
            raise sock.broken
        if sock.unread is not None:
            error, sock.unread = sock.unread, None
            raise error

    def _worth_reading(self, sock: ModuleSocket) -> bool:
        """Whether the module may hold something for this socket."""
        if sock.link is None or not sock.pull or sock.broken is not None:
            sock.drained = sock.drained or (sock.peer_closed and not sock.in_company)
            return False
        return sock.announced or sock.reading or (sock.peer_closed and not sock.drained)

    def _announce(self, sock: ModuleSocket, held: int = 0) -> None:
        """The module holds data for it, which is read at once where a program reads the stream.
        `held`: how many bytes at the least, 0 where that is not known."""
        sock.announced = True
        sock.held = held
        sock.sure()
        if sock.reading:
            return  # its end tells
        if sock.eager and self._goes_on(sock):
            self._fetch(sock)
        else:
            self._wake(sock)

    def _perhaps_more(self, sock: ModuleSocket) -> None:
        """The module holds no more, probably, and would not say when something comes before a read
        has found nothing. Who wants data reads at once; else that read leaves in a moment, so that
        a program that answers what has come need not wait for it."""
        sock.announced = True
        loop = asyncio.get_running_loop()
        sock.unsure = loop.call_later(SURE_AFTER, self._make_sure, sock)

    def _make_sure(self, sock: ModuleSocket) -> None:
        sock.unsure = None
        if self._goes_on(sock):
            self._fetch(sock)

    # -- one read -----------------------------------------------------------------------------

    async def _refill(self, sock: ModuleSocket) -> None:
        """Wait for the end of the read that is under way, or of a new one."""
        if sock.fetched is None:
            sock.fetched = asyncio.get_running_loop().create_future()
        fetched = sock.fetched
        self._fetch(sock)
        try:
            await asyncio.shield(fetched)
        except ATError:
            if sock.broken is None:
                raise

    def _fetch(self, sock: ModuleSocket) -> None:
        """Begin to read, unless that is under way."""
        if not sock.reading:
            sock.reading = True
            self._next(sock)

    def _next(self, sock: ModuleSocket) -> None:
        if self._readable:
            self._ask(sock)
        else:
            self._spawn(self._behind(sock, self._make_readable, self._ask))

    async def _behind(
        self,
        sock: ModuleSocket,
        first: Callable[[], Coroutine[Any, Any, None]],
        then: Callable[[ModuleSocket], None],
    ) -> None:
        """A read goes on behind something that takes its time; whatever ends that ends the read."""
        try:
            await first()
        except OSError as error:
            self._read_over(sock, error)
        except BaseException:
            self._read_over(sock)
            raise
        else:
            then(sock)

    def _ask(self, sock: ModuleSocket) -> None:
        if sock.link is None:
            self._read_over(sock)
            return
        sock.announced = False  # a notice that comes from here on is a new one
        sock.unread = None  # what comes of this one counts
        sock.sure()
        sock.asked = self._read_command(sock)
        try:
            done = partial(self._answered, sock, sock.link)
            still = sock.on(sock.link)
            self.channel.submit(sock.asked, done, quick=not sock.bulky, still=still)
        except ATError as error:
            self._read_over(sock, error)

    def _answered(self, sock: ModuleSocket, link: int, outcome: Outcome) -> None:
        if sock.asked is None:  # in doubt
            self._read_over(sock)
        elif isinstance(outcome, Reply):
            held = len(sock.buffer)
            self._take_in(sock, link, outcome)
            came = len(sock.buffer) - held
            sock.came += came
            sock.bulky = came >= BULK
            self._go_on(sock, came)
        elif isinstance(outcome, CommandDropped):  # not begun
            self._read_over(sock)
        elif isinstance(outcome, CommandFailed):
            self._spawn(self._behind(sock, partial(self._nothing_read, sock), self._go_on))
        elif isinstance(outcome, ReplyCorrupt | CommandTimeout):
            # The bytes of this read are gone from the module and did not arrive whole.
            why = f"received data was lost (is another program using the port?): {outcome}"
            self._break(sock, errors.ConnectionReset(why))
            self._read_over(sock)
        else:
            self._read_over(sock, outcome)

    def _go_on(self, sock: ModuleSocket, came: int = 0) -> None:
        """A read has ended well, and so many bytes came."""
        sock.reading = self._goes_on(sock)
        if sock.reading:
            self._next(sock)
        self._tell_fetched(sock)
        if came >= BULK:
            self._tell_soon(sock)
        elif came or (not sock.reading and (sock.announced or sock.drained)):
            self._wake(sock)

    def _goes_on(self, sock: ModuleSocket) -> bool:
        """Whether to read on before anybody asks for it."""
        return (
            sock.announced
            and sock.unsure is None
            and sock.kind is Kind.TCP
            and len(sock.buffer) < READ_AHEAD
            and not sock.closing
            and sock.pull
            and sock.link is not None
            and sock.broken is None
        )

    def _read_over(self, sock: ModuleSocket, error: OSError | None = None) -> None:
        """The read is over, and none follows."""
        sock.reading = False
        if isinstance(error, CommandFailed):
            self._break(sock, errors.ConnectionReset(f"the module cannot be read: {error}"))
        elif error is not None:
            sock.announced = True  # the module still has it
            if sock.fetched is None:
                sock.unread = error
            self._tell_fetched(sock, error)
            self._wake(sock)
            return
        self._tell_fetched(sock)

    def _tell_fetched(self, sock: ModuleSocket, error: OSError | None = None) -> None:
        """Whoever waits for this read goes on."""
        fetched, sock.fetched = sock.fetched, None
        if fetched is None:
            return
        if error is None:
            fetched.set_result(None)
        else:
            fetched.set_exception(error)
            fetched.exception()  # its caller may have left

    def _tell_soon(self, sock: ModuleSocket) -> None:
        """At once, or with what comes in the next moment."""
        loop = asyncio.get_running_loop()
        if sock.gathering:
            return
        if (since := loop.time() - sock.told) >= GATHER:
            sock.told += since
            self._wake(sock)
        else:
            sock.gathering = True
            loop.call_later(GATHER - since, self._gathered, sock)

    def _gathered(self, sock: ModuleSocket) -> None:
        sock.gathering = False
        sock.told = asyncio.get_running_loop().time()
        self._wake(sock)

    # -- what comes by itself -----------------------------------------------------------------

    def _on_doubt(self, command: Command) -> None:
        """This read may have handed over only the beginning of its data, or bytes twice."""
        for sock in self._sockets.values():
            if sock.asked is command:
                sock.asked = None
                sock.buffer.clear()  # which of it is right, nobody knows
                why = "received data may be incomplete or doubled: its read did not end as it said"
                self._break(sock, errors.ConnectionReset(why))

    def _doubt_the_last(self) -> None:
        """A payload came that no module sends by itself: the rest of an answer."""
        if (command := self.channel.engine.disown()) is not None:
            self._on_doubt(command)

    def _receive(self, sock: ModuleSocket, payload: bytes, sender: SocketAddress | None) -> None:
        """Pushed data: keep it and wake the reader, unless something before it is missing."""
        if sock.kind is Kind.TCP and len(sock.buffer) + len(payload) > BUFFER_CAP:
            why = f"more than {BUFFER_CAP} bytes unread, and this mode cannot slow the peer down"
            self._break(sock, errors.ConnectionReset(why))
            return
        if not sock.deliver(payload, sender):
            log.debug("%s: data of link %s dropped", self.name, sock.link)
        self._wake(sock)

"""Sending: one frame or datagram with three outcomes.

The last but two of the layers of `modems.module.ModuleStack`.
"""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from atdriver.command_queue import Outcome
from atdriver.errors import ATError, CommandFailed, CommandTimeout, ModuleBusy
from atdriver.exchange import Command, Reply
from modems.receiving import Receiving
from modems.sockets import BUFFER_CAP, ModuleSocket
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Handle, Kind

RETRY_SEND_AFTER = 0.2
"""Seconds after which a send that the module refused for lack of room is worth trying again."""
REFUSED_SENDS = 25
"""Errors without a cause, one behind the other, before a link that takes nothing is given up."""
SMALL = 512
"""Bytes up to which a send does not have to wait behind the bulk of others."""
READS_BEFORE_SEND = 4
"""Reads that a small send lets pass: some packets of answers."""
ANSWERS_FIRST, ANSWERS_AT_MOST = 2.0, 256
"""Seconds, and reads, that a larger one does. A peer that echoes takes nothing while its own send
waits, and an operating system tells it of room only when a third of some hundred KiB is free."""


class _Sending:
    """A frame that is being sent without a task, and who is told."""

    __slots__ = ("epoch", "frame", "known", "outcome", "sock")

    def __init__(
        self, sock: ModuleSocket, frame: bytes, epoch: int, ended: Callable[[], None]
    ) -> None:
        self.sock = sock
        self.frame = frame
        self.epoch = epoch
        self.outcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.known = ended

    def accepted(self, count: int) -> None:
        self.outcome.set_result(count)
        self.known()

    def failed(self, error: BaseException) -> None:
        self.outcome.set_exception(error)
        self.outcome.exception()  # its caller may have left
        self.known()


class Transfers(Receiving):
    """send and sendto of the Stack protocol, begin_send of ReadyStack."""

    # -- what a vendor supplies ---------------------------------------------------------------

    @abc.abstractmethod
    def _send_command(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress | None
    ) -> Command:
        """The command that sends one frame or datagram."""

    @abc.abstractmethod
    async def _after_failed_send(self, sock: ModuleSocket, error: CommandFailed, size: int) -> int:
        """A send that the module ended with an error: bytes accepted, or raise."""

    # -- sending ------------------------------------------------------------------------------

    async def send(self, handle: Handle, data: bytes | bytearray | memoryview) -> int:
        """See Stack.send."""
        sock = self._socket(handle)
        if sock.kind is Kind.UDP:
            if sock.remote is None:
                raise errors.DestinationRequired("the socket has no peer: use sendto, or connect")
            return await self.sendto(handle, data, sock.remote)
        if not memoryview(data):
            self._check_writable(sock)
            return 0
        return await asyncio.shield(self.begin_send(handle, bytes(data), _nobody))

    def begin_send(
        self, handle: Handle, data: bytes, ended: Callable[[], None]
    ) -> asyncio.Future[int]:
        """See ReadyStack.begin_send."""
        sock = self._socket(handle)
        self._check_writable(sock)
        frame = data[: self.capabilities.limit("frame.max_send")]
        if self._to_read_first(sock):
            task = self._spawn(self._transaction(self._transmit(sock, frame, None)))
            task.add_done_callback(lambda _task: ended())
            return task
        sending = _Sending(sock, frame, self.epoch, ended)
        try:
            command = self._send_command(sock, frame, None)
            done, small, still = (
                partial(self._sent, sending),
                len(frame) <= SMALL,
                sock.on(sock.link),
            )
            self.channel.submit(command, done, quick=small, still=still)
        except ATError as error:
            self._sent(sending, error)
        return sending.outcome

    def _sent(self, sending: _Sending, outcome: Outcome) -> None:
        sock, frame = sending.sock, sending.frame
        if isinstance(outcome, Reply):
            sending.accepted(self._accepted(sock, frame))
        elif isinstance(outcome, CommandFailed | CommandTimeout):
            asking = self._spawn(self._not_sent(sock, frame, outcome))
            asking.add_done_callback(partial(self._found_out, sending))
        else:
            try:
                sending.accepted(self._undone(sock, frame, outcome))
            except OSError as error:
                sending.failed(self._in_this_life(error, sending.epoch))

    def _found_out(self, sending: _Sending, asked: asyncio.Task[int]) -> None:
        if asked.cancelled():
            sending.outcome.cancel()
            sending.known()
        elif (error := asked.exception()) is not None:
            sending.failed(self._in_this_life(error, sending.epoch))
        else:
            sending.accepted(asked.result())

    def _check_writable(self, sock: ModuleSocket) -> None:
        if sock.broken is not None:
            raise sock.broken
        if sock.peer_closed:
            raise errors.BrokenPipe("the peer has closed the connection")
        if not sock.connected:
            raise errors.NotConnected("the socket is not connected")

    async def sendto(
        self, handle: Handle, data: bytes | bytearray | memoryview, address: SocketAddress
    ) -> int:
        """See Stack.sendto."""
        sock = self._socket(handle)
        if sock.kind is Kind.TCP:
            return await self.send(handle, data)
        if sock.broken is not None:
            raise sock.broken
        self._check_up()
        limit = self.capabilities.limit("datagram.max_send")
        datagram = bytes(data)
        if len(datagram) > limit:
            raise errors.MessageTooLong(
                f"a datagram of {len(datagram)} bytes is too long, the {self.name} sends {limit}"
            )
        if not datagram:
            self.capabilities["udp.zero_length"].require()
        return await self._transaction(self._transmit(sock, datagram, address))

    async def _transmit(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress | None
    ) -> int:
        if address is not None:
            address = await self._literal(address)
            if sock.link is None:
                await self._open_datagram(sock, address)
        else:
            await self._read_first(sock, len(data))
        try:
            command = self._send_command(sock, data, address)
            reply = await self.channel.run(command, still=sock.on(sock.link))
        except ATError as error:
            return await self._not_sent(sock, data, error)
        if address is not None:
            return self._datagram_sent(sock, data, address, reply)
        return self._accepted(sock, data)

    def _datagram_sent(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress, reply: Reply
    ) -> int:
        """Bytes accepted, by an answer that ended well: a vendor's may say more than that."""
        del address, reply
        return self._accepted(sock, data)

    def _accepted(self, sock: ModuleSocket, data: bytes) -> int:
        sock.refused = 0
        sock.sent += len(data)
        return len(data)

    async def _not_sent(self, sock: ModuleSocket, data: bytes, error: ATError) -> int:
        """How many bytes were accepted all the same, or raise."""
        if isinstance(error, CommandFailed):
            return await self._after_failed_send(sock, error, len(data))
        if isinstance(error, CommandTimeout):
            return await self._after_silent_send(sock, error, data)
        return self._undone(sock, data, error)

    def _undone(self, sock: ModuleSocket, data: bytes, error: ATError) -> int:
        if isinstance(error, ModuleBusy):
            self._later(sock)
            return 0
        if error.payload_written:
            self._unknown(sock, str(error), len(data))
        raise sock.broken or error from None

    def _to_read_first(self, sock: ModuleSocket) -> bool:
        """Whether the peer has said something that the host has room for."""
        waits = (sock.announced and sock.unsure is None) or sock.reading
        return sock.pull and waits and len(sock.buffer) < BUFFER_CAP

    async def _read_first(self, sock: ModuleSocket, size: int) -> None:
        """Nothing can be read while a send waits in the module. A peer that answers as it reads,
        and stops reading when its answers are not taken, would then never let the send end; so
        what it has said is taken into the host's buffer first. Who has said more than he was told
        does not answer: of him as much is read as is sent then, so that an endless download does
        not starve an upload. Time and number are bounded in any case."""
        begun, came = asyncio.get_running_loop().time(), sock.came
        for count in range(ANSWERS_AT_MOST):
            if size <= SMALL:
                enough = count >= READS_BEFORE_SEND
            elif sock.came - sock.sent >= size:
                enough = sock.came - came >= size
            else:
                late = asyncio.get_running_loop().time() - begun >= ANSWERS_FIRST
                enough = late and count >= READS_BEFORE_SEND
            if enough or not self._to_read_first(sock):
                return
            await self._refill(sock)

    async def _after_silent_send(
        self, sock: ModuleSocket, error: CommandTimeout, data: bytes
    ) -> int:
        """No result: nobody knows what went out."""
        self._unknown(sock, str(error), len(data))

    def _unknown(self, sock: ModuleSocket, why: str, size: int) -> NoReturn:
        """End a stream of which nobody knows how much was sent."""
        error = errors.SendUnknown(why, accepted=0, unknown=size)
        if sock.kind is Kind.TCP:
            self._break(sock, error)
        raise error

    def _refused(self, sock: ModuleSocket, error: CommandFailed) -> int:
        """A send that failed before its payload was written, on a connection that stands by all the
        module says: worth another try, and a link that is dead in truth does not take for ever."""
        sock.refused += 1
        if sock.refused > REFUSED_SENDS:
            broken = errors.DeviceError(f"the module takes no more data: {error}")
            self._break(sock, broken)
            raise broken from error
        self._later(sock)
        return 0

    def _later(self, sock: ModuleSocket) -> None:
        """Nothing will tell when the module has room again: try after a moment."""
        asyncio.get_running_loop().call_later(RETRY_SEND_AFTER, self._wake, sock)


def _nobody() -> None:
    """Waits for the outcome itself."""

"""Moving data: reading with one bounded transaction, sending one frame with three outcomes.

The last but one of the layers of `modems.module.ModuleStack`.
"""

from __future__ import annotations

import abc
import asyncio
from typing import NoReturn

from atdriver.errors import ATError, CommandFailed, CommandTimeout, ModuleBusy, ReplyCorrupt
from atdriver.exchange import Command
from modems.options import SocketOptions
from modems.sockets import BUFFER_CAP, ModuleSocket
from modems.table import log
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Handle, Kind

RETRY_SEND_AFTER = 0.2
"""Seconds after which a send that the module refused for lack of room is worth trying again."""
REFUSED_SENDS = 25
"""Errors without a cause, one behind the other, before a link that takes nothing is given up."""
READS_BEFORE_SEND = 4
"""Enough to take more than two frames' worth of answers, few enough not to starve the send."""


class Transfers(SocketOptions):
    """recv, recvfrom, send and sendto of the Stack protocol."""

    # -- what a vendor supplies ---------------------------------------------------------------

    @abc.abstractmethod
    async def _fetch(self, sock: ModuleSocket, size: int) -> None:
        """One read transaction: moves what the module holds into the socket's buffer, and keeps
        `announced` and `drained` true to what is known."""

    @abc.abstractmethod
    def _send_command(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress | None
    ) -> Command:
        """The command that sends one frame or datagram."""

    @abc.abstractmethod
    async def _after_failed_send(self, sock: ModuleSocket, error: CommandFailed, size: int) -> int:
        """A send that the module ended with an error: bytes accepted, or raise."""

    # -- receiving ----------------------------------------------------------------------------

    async def recv(self, handle: Handle, size: int) -> bytes | None:
        """See Stack.recv."""
        sock = self._socket(handle)
        if sock.kind is Kind.UDP:
            found = await self.recvfrom(handle, size)
            return None if found is None else found[0]
        if not sock.buffer and self._worth_reading(sock):
            await self._refill(sock, size)
        if sock.buffer:
            return sock.take(size)
        if sock.broken is not None:
            raise sock.broken
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
            return None if data is None else (data, sock.remote or SocketAddress("", 0))
        limit = self.capabilities.limit("datagram.max_recv")
        while True:
            if not sock.datagrams and self._worth_reading(sock):
                await self._refill(sock, limit)
            if not sock.datagrams:
                break
            payload, sender = sock.take_datagram(size)
            if sock.remote is None or not sender.port or sender == sock.remote:
                return payload, sender
            # A stranger's: the module may hold more, and will not say so again.
        if sock.broken is not None:
            raise sock.broken
        return None

    def _worth_reading(self, sock: ModuleSocket) -> bool:
        """Whether the module may hold something for this socket."""
        if sock.link is None or not sock.pull or sock.broken is not None:
            sock.drained = sock.drained or sock.peer_closed
            return False
        return sock.announced or sock.reading is not None or (sock.peer_closed and not sock.drained)

    async def _refill(self, sock: ModuleSocket, size: int) -> None:
        if sock.reading is None:
            sock.reading = self._spawn(self._read_once(sock, size))
        await asyncio.shield(sock.reading)

    async def _read_once(self, sock: ModuleSocket, size: int) -> None:
        try:
            await self._read(sock, size)
        finally:
            sock.reading = None

    async def _read(self, sock: ModuleSocket, size: int) -> None:
        try:
            await self._fetch(sock, size)
        except (ReplyCorrupt, CommandTimeout) as error:
            # The bytes of this read are gone from the module and did not arrive whole.
            why = f"received data was lost (is another program using the port?): {error}"
            self._break(sock, errors.ConnectionReset(why))
        except CommandFailed as error:
            self._break(sock, errors.ConnectionReset(f"the module cannot be read: {error}"))
        except ATError:
            if sock.broken is None:
                raise

    def _on_doubt(self, command: Command) -> None:
        """This read may have handed over the beginning of its data only."""
        for sock in self._sockets.values():
            if sock.asked is command:
                why = "received data may be incomplete: its read got one result too many"
                self._break(sock, errors.ConnectionReset(why))

    def _receive(self, sock: ModuleSocket, payload: bytes, sender: SocketAddress | None) -> None:
        """Pushed data: keep it and wake the reader, unless something before it is missing."""
        if sock.kind is Kind.TCP and len(sock.buffer) + len(payload) > BUFFER_CAP:
            why = f"more than {BUFFER_CAP} bytes unread, and this mode cannot slow the peer down"
            self._break(sock, errors.ConnectionReset(why))
            return
        if not sock.deliver(payload, sender):
            log.debug("%s: data of link %s dropped", self.name, sock.link)
        self._wake(sock)

    # -- sending ------------------------------------------------------------------------------

    async def send(self, handle: Handle, data: bytes | bytearray | memoryview) -> int:
        """See Stack.send."""
        sock = self._socket(handle)
        if sock.kind is Kind.UDP:
            if sock.remote is None:
                raise errors.DestinationRequired("the socket has no peer: use sendto, or connect")
            return await self.sendto(handle, data, sock.remote)
        self._check_writable(sock)
        frame = bytes(memoryview(data)[: self.capabilities.limit("frame.max_send")])
        if not frame:
            return 0
        return await self._transaction(self._transmit(sock, frame, None))

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
            await self._read_first(sock)
        try:
            await self.channel.run(self._send_command(sock, data, address))
        except CommandFailed as error:
            return await self._after_failed_send(sock, error, len(data))
        except CommandTimeout as error:
            return await self._after_silent_send(sock, error, data)
        except ModuleBusy:
            self._later(sock)
            return 0
        except ATError as error:
            if getattr(error, "payload_written", False):
                self._unknown(sock, str(error), len(data))
            raise sock.broken or error from None
        sock.refused = 0
        sock.sent += len(data)
        return len(data)

    async def _read_first(self, sock: ModuleSocket) -> None:
        """Nothing can be read while a send waits in the module. A peer that answers as it reads,
        and stops reading when its answers are not taken, would then never let the send end; so
        what it has said is taken into the host's buffer first, bounded in size and number."""
        for _ in range(READS_BEFORE_SEND):
            idle = not sock.announced and sock.reading is None
            if not sock.pull or idle or len(sock.buffer) >= BUFFER_CAP:
                return
            held = len(sock.buffer)
            await self._refill(sock, BUFFER_CAP)
            if len(sock.buffer) > held:
                self._wake(sock)

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

"""One stream at a time through a RIOT node whose firmware has the GNRC TCP commands.

The node has one connection, which connects or listens, and its shell does nothing else while a
command waits. A read is such a command: it ends when a byte has come, and nothing tells before
whether one has (modems.riot.commands.receive). So a read leaves only when a program asks for
data, a byte at a time; until it ends whatever else the shell should do finds it busy and is tried
again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import NoReturn

from atdriver.channel import Channel
from atdriver.errors import ATError, CommandFailed, ModuleBusy
from atdriver.exchange import Command, Reply
from modems.clock import now
from modems.meshnode import MeshNode
from modems.rate import LineRate
from modems.riot import commands
from modems.sockets import ModuleSocket
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Handle

UDP_LINK, TCP_LINK = 0, 1
"""The node has no ids: it has one of each."""
ACCEPTS = 0.5
"""Seconds between two looks for a peer."""
AGAIN = 0.1
"""Seconds between two looks whether the former connection has ended."""
TURN = 0.05
"""Seconds that a read waits for a send, which it would hold up: after the send before, and after a
program asked, unless bytes are coming."""
GIVE_WAY = 0.5
"""The same after a read that held a send up: longer than until that is tried again."""
GOODBYE = 2.0
"""Seconds that a close waits; the node carries on with it."""
WRITES = 3
"""How often a line is written that does not arrive as it was."""
REFUSALS: dict[str, Callable[[str], OSError]] = {
    "-ECONNREFUSED": errors.ConnectionRefused,
    "-ETIMEOUT": errors.ConnectTimeout,  # as the command prints it
    "-ETIMEDOUT": errors.ConnectTimeout,
    "-EADDRINUSE": errors.AddressInUse,
    "-EINVAL": errors.HostUnreachable,
    "-EAFNOSUPPORT": errors.HostUnreachable,
    "-ENOMEM": errors.NoSocket,
}
"""What a connect that failed says."""
GONE = {
    "-ENOTCONN": "the connection is gone",
    "-ECONNRESET": "the peer reset the connection",
    "-ECONNABORTED": "the peer does not answer any more",
}
"""What a read or a send says of a connection that has ended otherwise than by the peer's end."""


class RiotStreams(MeshNode):
    """The streams of a `RiotStack`."""

    def __init__(
        self,
        channel: Channel,
        *,
        line: LineRate,
        reconnect: bool,
        encoded: bool,
        silence: float,
    ) -> None:
        super().__init__(channel, line=line, reconnect=reconnect)
        self._encoded = encoded
        self._silence = silence
        self._forget_stream()

    def _forget_stream(self) -> None:
        """As after a start of the node."""
        self._tcp_turn = asyncio.Lock()  # who uses buffer and connection
        self._occupied = ""  # why the shell takes no line
        self._held_up = False  # a send found it so
        self._no_read_before = 0.0
        self._came = 0.0  # when the last byte did
        self._reader: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._nibble = b""  # encoding=hex: half a byte
        self._listener: ModuleSocket | None = None
        self._listens = False  # the node does, also when the program no longer

    async def _find_tcp(self) -> bool:
        """Whether the firmware has the commands; what a former program left is thrown away."""
        self._forget_stream()
        try:
            size, _ = await self._say(commands.SIZE)
        except CommandFailed:
            return False
        if not size.isdigit() or int(size) < commands.BUFFER:
            return False
        return all([await self._attempt(command) for command in commands.ANEW])

    async def _leave_tcp(self) -> None:
        if self._listens:
            self._listens = False
            await self._attempt(commands.ABORT)
            await self._attempt(commands.STOP)

    # -- the shell ----------------------------------------------------------------------------

    def _check_free(self) -> None:
        """Raises atdriver's ModuleBusy, after which a send is tried again."""
        if self._occupied:
            self._held_up = True
            raise ModuleBusy(f"the shell of the {self.name} takes no line: {self._occupied}")

    async def _say(self, command: Command, occupied: str = "") -> tuple[str, Reply]:
        """What the node returns; `occupied`: the command may take its time."""
        self._occupied = occupied
        try:
            reply = await self.channel.run(command)
        finally:
            self._occupied = ""
        return commands.result(command, reply.lines), reply

    async def _mind(self, command: Command) -> str:
        try:
            return (await self._say(command))[0]
        except CommandFailed as error:
            raise errors.DeviceError(str(error)) from error

    # -- connecting ---------------------------------------------------------------------------

    def _check_stream(self, sock: ModuleSocket) -> None:
        other = self._by_link(TCP_LINK)
        taken = other is not None and other is not sock and not other.closing
        if taken or self._listener not in (None, sock):
            raise errors.NoSocket(f"the {self.name} has one connection, and it is in use")

    async def _former_over(self) -> None:
        """The connection before this one has ended in the node, or was never made."""
        limit = now() + self._silence + commands.MARGIN
        while self._by_link(TCP_LINK) or not (self._ending is None or self._ending.done()):
            if now() >= limit:
                raise errors.NoSocket(f"the {self.name} still has its former connection")
            await asyncio.sleep(AGAIN)

    async def _connect_link(self, sock: ModuleSocket, address: SocketAddress) -> None:
        self._check_stream(sock)
        inside = self._translated(address)
        await self._former_over()
        self._check_stream(sock)
        if sock.closing:
            raise errors.BadHandle("the socket was closed while connecting")
        sock.link = TCP_LINK
        try:
            async with self._tcp_turn:
                await self._open_stream(sock, inside, address)
        except BaseException:
            sock.link = None
            raise
        self._begin_stream()

    async def _open_stream(self, sock: ModuleSocket, inside: str, address: SocketAddress) -> None:
        for each in commands.ANEW:
            await self._mind(each)
        command = commands.connect(inside, address.port, sock.local_port, self._silence)
        found, _ = await self._say(command, "it connects")
        if found != "0":
            text = f"{address}: gnrc_tcp_open returns {found}"
            raise REFUSALS.get(found, errors.DeviceError)(text)
        with contextlib.suppress(CommandFailed):
            _, reply = await self._say(commands.LOCAL)
            if (own := commands.endpoint(reply.lines)) is not None:
                sock.local_port = own[1]

    def _begin_stream(self) -> None:
        self._nibble = b""
        self._no_read_before = now() + TURN

    # -- listening ----------------------------------------------------------------------------

    async def _start_listening(self, sock: ModuleSocket) -> None:
        self._check_stream(sock)
        self._listener = sock
        try:
            await self._former_over()
            async with self._tcp_turn:
                for each in commands.ANEW:
                    await self._mind(each)
                found = await self._mind(commands.listen(sock.local_port))
        except BaseException:
            self._listener = None
            raise
        if found != "0":
            self._listener = None
            raise errors.DeviceError(f"gnrc_tcp_listen returns {found}")
        self._listens = True
        self._spawn(self._look_for_peers(sock))

    async def _look_for_peers(self, listener: ModuleSocket) -> None:
        """The node says nothing by itself. While it has a connection it accepts no other."""
        while self._listener is listener and self._listens:
            if self._by_link(TCP_LINK) is None:
                with contextlib.suppress(ATError):
                    async with self._tcp_turn:
                        await self._accept(listener)
            await asyncio.sleep(ACCEPTS)

    async def _accept(self, listener: ModuleSocket) -> None:
        if not self._listens or (await self._say(commands.ACCEPT))[0] != "0":
            return
        _, reply = await self._say(commands.REMOTE)
        peer = commands.endpoint(reply.lines)
        sock = None
        if peer is not None:
            remote = SocketAddress(self.translation.outside(peer[0]), peer[1])
            sock = self._incoming(listener, TCP_LINK, remote)
        if sock is None:
            await self._say(commands.ABORT)
        else:
            sock.announced = False
            self._begin_stream()

    async def _stop_listening(self, sock: ModuleSocket) -> None:
        """The command ends the accepted connection as well: it waits for that one's close."""
        del sock  # there is one listener
        self._listener = None
        if self._by_link(TCP_LINK) is None:
            await self._end_stream(abort=True)

    # -- closing ------------------------------------------------------------------------------

    async def _close_stream(self, sock: ModuleSocket, *, abort: bool) -> None:
        await self._end_stream(abort=abort or sock.broken is not None)

    async def _end_stream(self, *, abort: bool) -> None:
        """The node carries on with an orderly close while nobody waits for it any more."""
        self._ending = self._spawn(self._finish(abort=abort))
        await asyncio.wait({self._ending}, timeout=GOODBYE)

    async def _finish(self, *, abort: bool) -> None:
        async with self._tcp_turn:
            command = commands.ABORT if abort else commands.close(self._silence)
            await self._say(command, "it closes the connection")
            if self._listens and self._listener is None:
                await self._say(commands.STOP)
                self._listens = False

    # -- receiving ----------------------------------------------------------------------------

    def _worth_reading(self, sock: ModuleSocket) -> bool:
        """A program asks for data: a read begins behind the call, and its end tells."""
        idle = self._reader is None or self._reader.done()
        if sock.link == TCP_LINK and idle and not (sock.broken or sock.drained or sock.closing):
            self._reader = self._spawn(self._read(sock))
        return super()._worth_reading(sock)

    async def _read(self, sock: ModuleSocket) -> None:
        if now() - self._came > TURN:
            self._no_read_before = max(self._no_read_before, now() + TURN)
        while sock.link == TCP_LINK and not sock.closing:
            await asyncio.sleep(max(0.0, self._no_read_before - now()))
            async with self._tcp_turn:
                if now() >= self._no_read_before:
                    await self._read_now(sock)
                    return

    async def _read_now(self, sock: ModuleSocket) -> None:
        if sock.link != TCP_LINK or sock.closing:
            return
        try:
            await self._read_byte(sock)
        except ATError as error:
            if sock.broken is None:
                self._incomplete(sock, b"", 1, str(error))
        finally:
            if self._held_up:
                self._held_up = False
                self._no_read_before = now() + GIVE_WAY

    async def _read_byte(self, sock: ModuleSocket) -> None:
        found, _ = await self._say(commands.receive(self._silence), "a read waits for the peer")
        if found == "1":
            self._came = now()
            _, reply = await self._say(commands.LOOK)
            byte = commands.byte(reply.lines)
            if byte is None:
                self._incomplete(sock, b"", 1, "the node did not print what it received")
            else:
                self._take(sock, byte)
        elif found == "0":
            if self._nibble:
                self._incomplete(sock, b"", 1, "encoding=hex, and half a byte came last")
            sock.peer_closed = sock.drained = True
            self._wake(sock)
        else:
            self._break(sock, errors.ConnectionReset(GONE.get(found, f"a read returns {found}")))

    def _take(self, sock: ModuleSocket, byte: bytes) -> None:
        if not self._encoded:
            self._receive(sock, byte, None)
        elif byte not in b"0123456789abcdef":
            self._incomplete(sock, b"", 1, "encoding=hex, and this is none")
        elif not self._nibble:
            self._nibble = byte
            self._reader = None
            self._worth_reading(sock)
        else:
            digits, self._nibble = self._nibble + byte, b""
            self._receive(sock, bytes.fromhex(digits.decode("ascii")), None)

    # -- sending ------------------------------------------------------------------------------

    def begin_send(
        self, handle: Handle, data: bytes, ended: Callable[[], None]
    ) -> asyncio.Future[int]:
        """See ReadyStack.begin_send: many lines, of which the last one sends."""
        sock = self._socket(handle)
        self._check_writable(sock)
        self._check_bytes(data)
        frame = data[: commands.BUFFER // (2 if self._encoded else 1)]
        task = self._spawn(self._transaction(self._transmit(sock, frame, None)))
        task.add_done_callback(lambda _task: ended())
        return task

    def _check_bytes(self, data: bytes) -> None:
        """Raises NotSupported before anything is written."""
        if self._encoded:
            return
        if bad := sorted(commands.UNSENDABLE.intersection(data)):
            shown = ", ".join(f"{each:#04x}" for each in bad)
            why = f"a line of the shell carries no {shown} (encoding=hex: any byte)"
            raise errors.NotSupported(self.capabilities["tcp.transparent"], why)

    async def _transmit(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress | None
    ) -> int:
        if address is not None:
            return await super()._transmit(sock, data, address)
        try:
            self._check_free()
            async with self._tcp_turn:
                return await self._send_stream(sock, data)
        except ATError as error:
            return await self._not_sent(sock, data, error)

    async def _send_stream(self, sock: ModuleSocket, data: bytes) -> int:
        if sock.link != TCP_LINK:
            raise sock.broken or errors.BrokenPipe("the connection is closed")
        payload = data.hex().encode("ascii") if self._encoded else data
        await self._fill(payload)
        command = commands.send(len(payload))
        try:
            found, _ = await self._say(command, "a send waits for the peer")
        except CommandFailed as error:
            raise errors.DeviceError(str(error)) from error
        self._no_read_before = now() + TURN
        if found != str(len(payload)):
            self._not_all_sent(sock, len(data), found)
        return self._accepted(sock, data)

    async def _fill(self, payload: bytes) -> None:
        """The buffer holds it. The node repeats each line, so that one of which the serial line
        lost a part is written again. Raises DeviceError; nothing was sent then."""
        for _ in range(WRITES):
            await self._mind(commands.CLEAR)
            for at, text, command in commands.writes(payload):
                try:
                    _, reply = await self._say(command)
                except CommandFailed:
                    break
                if not commands.arrived(at, text, reply.lines):
                    break
            else:
                return
        raise errors.DeviceError(f"the {self.name} does not repeat what is written to its buffer")

    def _not_all_sent(self, sock: ModuleSocket, size: int, found: str) -> NoReturn:
        if found == "-ENOTCONN":  # nothing was taken
            sock.peer_closed = True
            self._wake(sock)
            raise sock.broken or errors.BrokenPipe(GONE[found])
        if found in GONE:
            broken = errors.ConnectionReset(GONE[found])
            self._break(sock, broken)
            raise broken
        self._unknown(sock, f"a send returns {found}", size)

    # -- the end of all that ----------------------------------------------------------------------

    def _lost(self, error: OSError) -> None:
        self._forget_stream()
        super()._lost(error)

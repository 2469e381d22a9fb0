"""The one TCP endpoint and the one listener of the CLI (fact sheet 4.1, 4.2; README_TCP.md)."""

from __future__ import annotations

import asyncio
from typing import Final

from fakes.intake import Signal
from fakes.mesh_tcp import MeshListener
from fakes.openthread.codes import (
    ALREADY,
    BUSY,
    FAILED,
    INVALID_ARGS,
    INVALID_COMMAND,
    INVALID_STATE,
    Rejected,
)
from fakes.openthread.core import command, plain
from fakes.openthread.settings import FACTS
from fakes.openthread.udp import UdpCommands, printed, unhex
from fakes.sockets import Stream

__all__ = ["OPEN", "TcpCommands"]

_BUFFER: Final = FACTS["tcp.buffer"]
_MOST_HEX: Final = FACTS["tcp.max_hex"]
_ACKNOWLEDGED: Final = 0.002  # seconds between two looks at what the peer has acknowledged
_SELDOM: Final = 0.05  # the same, of a peer that has not for a while

# The endpoint: closed -> opening -> open -> closed, or -> waiting (TIME-WAIT) -> closed.
CLOSED, OPENING, OPEN, WAITING = "closed", "opening", "open", "waiting"


class TcpCommands(UdpCommands):
    """``tcp init|deinit|bind|connect|send|sendend|abort|listen|stoplistening|benchmark``."""

    def power_on(self) -> None:
        """The example is not initialised."""
        super().power_on()
        self.tcp_ready = False
        self.linked = False
        self._listener: MeshListener | None = None
        self.benchmark = ""  # Ongoing, or the result
        self._clear()

    def _clear(self) -> None:
        """No connection."""
        self.endpoint = CLOSED
        self.stream: Stream | None = None
        self.work: list[asyncio.Task[None]] = []
        self.outgoing = bytearray()
        self._ring = 0  # where in the receive buffer the next byte goes
        self._own_port = 0
        self._said_end = self._wants_end = self._said_peer_end = False
        self._moved = Signal()

    def need_init(self) -> None:
        """Refuse what comes before `tcp init`, and all where the firmware has no TCP."""
        if not self.settings.tcp:
            raise Rejected(INVALID_COMMAND)
        if not self.tcp_ready:
            raise Rejected(INVALID_STATE)

    # ---- life of the example ---------------------------------------------------------------

    @command("tcp init")
    def init_tcp(self, arguments: list[str]) -> None:
        """``init [circular|linked] [size]``; this firmware has no TLS."""
        if not self.settings.tcp:
            raise Rejected(INVALID_COMMAND)
        if self.tcp_ready:
            raise Rejected(ALREADY)
        self.no_more(arguments, 2)
        if arguments and arguments[0] not in ("circular", "linked"):
            raise Rejected(INVALID_ARGS)
        size = _BUFFER
        if len(arguments) == 2:
            window = self.number(arguments[1], 0xFFFFFFFF)
            size = window + ((window + 7) >> 3)  # a bit for each byte out of order
            if not 0 < size <= _BUFFER:
                raise Rejected(INVALID_ARGS)
        self._window = size
        self.linked = arguments[:1] == ["linked"]
        self.tcp_ready = True

    @command("tcp deinit")
    def deinit_tcp(self, arguments: list[str]) -> None:
        """Endpoint and listener end; what the endpoint says comes before Done."""
        self.no_more(arguments)
        self.need_init()
        self._abort()
        self._stop_listening()
        self.tcp_ready = False

    @command("tcp abort")
    def abort_tcp(self, arguments: list[str]) -> None:
        """The connection ends without ceremony, told before Done."""
        self.no_more(arguments)
        self.need_init()
        self._abort()

    def _abort(self) -> None:
        if self.endpoint != CLOSED:
            self._drop(reset=True)
            self.say("TCP: Connection reset")

    def _drop(self, *, reset: bool = False) -> None:
        """End the connection and forget it."""
        stream, work = self.stream, self.work
        self._clear()
        for task in work:
            if task is not asyncio.current_task():
                task.cancel()
        if stream is not None:
            if reset:
                stream.abort()
            else:
                stream.close()

    # ---- connecting ------------------------------------------------------------------------

    @command("tcp bind")
    def bind_tcp(self, arguments: list[str]) -> None:
        """``bind <ip> <port>``; Error 7 while the endpoint is used (fact sheet 4.2, trap 11)."""
        self.need_init()
        if len(arguments) != 2:
            raise Rejected(INVALID_ARGS)
        self.own_address(arguments[0])
        port = self.number(arguments[1])
        if self.endpoint != CLOSED:
            raise Rejected(INVALID_ARGS)
        self._own_port = port

    @command("tcp connect")
    def connect_tcp(self, arguments: list[str]) -> None:
        """Done at once; the outcome comes later. Error 13 unless the endpoint is closed."""
        self.need_init()
        if len(arguments) not in (2, 3):
            raise Rejected(INVALID_ARGS)
        address = self.peer_address(arguments[0], "Connecting to synthesized IPv6 address")
        port = self.number(arguments[1])
        if arguments[2:] not in ([], ["fast"], ["slow"]):
            raise Rejected(INVALID_ARGS)
        if self.endpoint != CLOSED:
            raise Rejected(INVALID_STATE)
        self.endpoint = OPENING
        self.work = [self.spawn(self._connect(address, port))]

    async def _connect(self, address: str, port: int) -> None:
        await asyncio.sleep(0)  # Done comes first (fact sheet 4.1)
        try:
            stream = await self.node.connect_tcp(
                address,
                port,
                window=self._window,
                timeout=self.settings.connect_timeout,
                local_port=self._own_port,
            )
        except ConnectionRefusedError:
            self._disconnected("Connection refused")
        except TimeoutError:
            self._disconnected("Connection timed out")
        except OSError:
            self._disconnected("Connection reset")
        else:
            self._established(stream)

    def _established(self, stream: Stream) -> None:
        self.endpoint = OPEN
        self.stream = stream
        moved = self._moved = Signal()
        stream.changed = moved.notify
        self.say("TCP: Connection established")
        self.work = [self.spawn(self._receive(stream)), self.spawn(self._transmit(stream))]

    def _disconnected(self, reason: str) -> None:
        self._drop()
        self.say(f"TCP: {reason}")

    # ---- listening -------------------------------------------------------------------------

    @command("tcp listen")
    def listen_tcp(self, arguments: list[str]) -> None:
        """``listen <ip> <port>``; the one listener moves."""
        self.need_init()
        if len(arguments) != 2:
            raise Rejected(INVALID_ARGS)
        self.own_address(arguments[0])
        port = self.number(arguments[1])
        self._stop_listening()
        self._listener = self.node.listen_tcp(port, window=self._window)
        self._listener.changed = self._knock

    @command("tcp stoplistening")
    def stop_listening(self, arguments: list[str]) -> None:
        """Done, listening or not."""
        self.no_more(arguments)
        self.need_init()
        self._stop_listening()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._listener = None

    def _knock(self) -> None:
        """A SYN: deferred while the endpoint is used; TIME-WAIT does not count as used."""
        listener = self._listener
        if listener is None:
            return
        caller = listener.caller
        if caller is None:
            return
        seen = f"[{plain(caller[0])}]:{caller[1]}"
        if self.endpoint in (OPENING, OPEN):
            self.say(
                f"TCP: Ignoring incoming connection request from {seen} (active socket is busy)"
            )
            return
        stream = listener.accept()
        if stream is not None:
            if self.endpoint == WAITING:
                self._drop()
            remote = self.node.visible(stream.remote)
            self.say(f"Accepted connection from [{plain(remote[0])}]:{remote[1]}")
            self._established(stream)

    # ---- sending ---------------------------------------------------------------------------

    @command("tcp send")
    def send_tcp(self, arguments: list[str]) -> None:
        """``send [-x] <value>``.

        Circular: what does not fit in the buffer is lost without a word. Linked: Busy until the
        peer has acknowledged what was sent before (fact sheet 4.2, trap 6).
        """
        self.need_init()
        if self.benchmark == "Ongoing":
            raise Rejected(BUSY)
        if self.settings.tcp_hex and arguments[:1] == ["-x"]:
            if len(arguments) != 2:
                raise Rejected(INVALID_ARGS)
            data = unhex(arguments[1])
            if len(data) > _MOST_HEX:
                raise Rejected(INVALID_ARGS)
        else:
            if len(arguments) != 1:
                raise Rejected(INVALID_ARGS)
            data = arguments[0].encode(self.encoding)
        if self.linked and self.outgoing:
            raise Rejected(BUSY)
        if self.endpoint != OPEN or self._wants_end:
            raise Rejected(FAILED)
        room = _BUFFER - len(self.outgoing)
        if len(data) > room:
            self.note("lost", f"{len(data) - room} bytes of tcp send")
        self.outgoing += data[:room]
        self._moved.notify()

    @command("tcp sendend")
    def end_tcp(self, arguments: list[str]) -> None:
        """FIN behind what was sent."""
        self.no_more(arguments)
        self.need_init()
        if self.endpoint != OPEN:
            raise Rejected(FAILED)
        self._wants_end = True
        self._moved.notify()

    async def _transmit(self, stream: Stream) -> None:
        """What was sent stays in the buffer until the peer has acknowledged it."""
        moved = self._moved
        while True:
            while not self.outgoing:
                if self._wants_end and not self._said_end:
                    self._said_end = True
                    stream.shutdown_write()
                    moved.notify()
                await moved.wait()
            chunk = bytes(self.outgoing)
            try:
                await stream.write(chunk)
            except OSError:
                return  # told by the receiving side
            await self.acknowledged(stream)
            if stream.reset:
                return
            del self.outgoing[: len(chunk)]

    async def acknowledged(self, stream: Stream) -> None:
        """Wait until the peer has all of it, or the connection is gone."""
        wait = _ACKNOWLEDGED
        while stream.unacknowledged() and not stream.reset:
            await self.pause(wait)
            wait = min(2 * wait, _SELDOM)

    # ---- receiving -------------------------------------------------------------------------

    async def _receive(self, stream: Stream) -> None:
        moved = self._moved
        while True:
            if stream.reset:
                timed_out = getattr(stream, "timed_out", False)
                self._disconnected("Connection timed out" if timed_out else "Connection reset")
                return
            if stream.unread():
                await self.output_room()  # a host that does not read stops the node
                self._print(stream.read(self._window))
                continue
            if stream.finished and not self._said_peer_end:
                self._said_peer_end = True
                self.say("TCP: Reached end of stream")
                if self._said_end:
                    await self._wait_out()
                    return
            if self._said_peer_end and self._said_end:
                await self.acknowledged(stream)
                self._disconnected("Disconnected")
                return
            await moved.wait()

    def _print(self, data: bytes) -> None:
        """A block that wraps in the ring buffer is printed as two (fact sheet 4.2, trap 7)."""
        room = self._window - self._ring
        for part in (data[:room], data[room:]):
            if part:
                self.raw(f"TCP: Received {len(part)} bytes: ".encode() + printed(part) + b"\r\n")
        self._ring = (self._ring + len(data)) % self._window

    async def _wait_out(self) -> None:
        """Both have ended and the node began: TIME-WAIT."""
        self.endpoint = WAITING
        self.say("TCP: Entered TIME-WAIT state")
        await self.sleep(self.settings.time_wait)
        self._disconnected("Disconnected")

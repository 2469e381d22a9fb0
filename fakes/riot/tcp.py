"""The gnrc_tcp commands of RIOT's test application (fact sheet 5.1; RIOT, tests/net/gnrc_tcp).

Each prints its arguments, then its outcome; the shell waits meanwhile. What is sent and received
goes through one buffer: `buffer_write` puts text there, `buffer_read` prints it as a C string.
"""

from __future__ import annotations

import asyncio
from typing import Final

from fakes.intake import Signal
from fakes.mesh_tcp import MeshListener
from fakes.riot.core import INTERFACE, command
from fakes.riot.settings import FACTS
from fakes.riot.udp import UdpCommands
from fakes.sockets import Stream

__all__ = ["TcpCommands"]

_BUFFER: Final = FACTS["tcp.buffer"]
_WINDOW: Final = 1220  # bytes: one segment of 1280 (GNRC's default receive buffer)
_LOOK: Final = 0.002  # seconds between two looks at what the peer has acknowledged
_FLOOD: Final = 0.001  # seconds between two answers of a command that does not wait
_LEAST_SILENCE: Final = 3.0  # seconds, also with no delays: as RIOT's test application is built


class TcpCommands(UdpCommands):
    """One connection."""

    def power_on(self) -> None:
        """The control block and the buffer are empty."""
        super().power_on()
        self._buffer = bytearray(_BUFFER + 1)
        self._stream: Stream | None = None
        self._moved = Signal()
        self._listener: MeshListener | None = None
        self._waiting: Stream | None = None

    def _begin(self, words: list[str], least: int) -> list[str]:
        """Print the arguments; those that are missing count as empty (the node would crash)."""
        shown = "".join(f", argv[{n}] = {word}" for n, word in enumerate(words))
        self.say(f"{words[0]}: argc={len(words)}{shown}")
        return [*words[1:], *[""] * (least - len(words) + 1)]

    def _attach(self, stream: Stream) -> None:
        self._stream = stream
        stream.changed = self._moved.notify

    # ---- the buffer ------------------------------------------------------------------------

    @command("buffer_init")
    def buffer_init(self, words: list[str]) -> None:
        """Empty the buffer."""
        self._begin(words, 0)
        self._buffer = bytearray(_BUFFER + 1)

    @command("buffer_get_max_size")
    def buffer_size(self, words: list[str]) -> None:
        """Bytes that it holds."""
        self._begin(words, 0)
        self.say(f"{words[0]}: returns {_BUFFER}")

    @command("buffer_write")
    def buffer_write(self, words: list[str]) -> None:
        """``buffer_write <offset> <text>``."""
        offset, text = self._begin(words, 2)[:2]
        at, data = self.number(offset), text.encode(self.encoding)
        if at >= 0 and at + len(data) <= _BUFFER:
            self._buffer[at : at + len(data)] = data

    @command("buffer_read")
    def buffer_read(self, words: list[str]) -> None:
        """``buffer_read <offset> <count>``: up to the first NUL."""
        offset, count = self._begin(words, 2)[:2]
        at = self.number(offset)
        data = bytes(self._buffer[at : at + self.number(count)]).partition(b"\0")[0]
        self.raw(f"{words[0]}: <begin>".encode() + data + b"<end>\n")

    # ---- opening ---------------------------------------------------------------------------

    @command("gnrc_tcp_tcb_init")
    def init(self, words: list[str]) -> None:
        """A fresh control block."""
        self._begin(words, 0)
        self._stream = None
        self.say(f"{words[0]}: returns 0")

    @command("gnrc_tcp_open")
    async def open(self, words: list[str]) -> None:
        """``gnrc_tcp_open <endpoint> <own port>``: waits for the outcome."""
        text, port = self._begin(words, 2)[:2]
        place = self.endpoint(text)
        result = "0"
        if place is None or place[1] == 0:
            result = "-EINVAL"
        elif self._stream is not None and not self._stream.closed:
            result = "-EISCONN"
        else:
            try:
                self._attach(
                    await self.node.connect_tcp(
                        *place,
                        window=_WINDOW,
                        timeout=self.settings.connect_timeout,
                        local_port=self.number(port),
                    )
                )
            except ConnectionRefusedError:
                result = "-ECONNREFUSED"
            except TimeoutError:
                result = "-ETIMEOUT"  # so it is spelt
            except OSError:
                result = "-EADDRINUSE"
        self.say(f"{words[0]}: returns {result}")

    @command("gnrc_tcp_listen")
    def listen(self, words: list[str]) -> None:
        """``gnrc_tcp_listen <endpoint>``: one caller is taken."""
        [text] = self._begin(words, 1)[:1]
        place = self.endpoint(text)
        result = "0"
        if place is None or place[1] == 0:
            result = "-EINVAL"
        elif self._listener is not None:
            result = "-EISCONN"
        else:
            self._listener = self.node.listen_tcp(place[1], window=_WINDOW)
            self._listener.changed = self._called
        self.say(f"{words[0]}: returns {result}")

    def _called(self) -> None:
        """The one control block of the queue takes a caller before anybody asks for him."""
        if self._listener is not None and self._waiting is None and self._stream is None:
            self._waiting = self._listener.accept()
            self._moved.notify()

    @command("gnrc_tcp_accept")
    async def accept(self, words: list[str]) -> None:
        """``gnrc_tcp_accept <ms>``: the caller; 0 does not wait."""
        [text] = self._begin(words, 1)[:1]
        patience = self.number(text)
        result = "0"
        if self._listener is None:
            result = "-EINVAL"
        elif self._stream is not None:
            result = "-ENOMEM"
        elif self._waiting is None and not patience:
            result = "-EAGAIN"
        elif self._waiting is None and not await self._news(patience, lambda: self._waiting):
            result = "-ETIMEDOUT"
        if result == "0" and self._waiting is not None:
            self._attach(self._waiting)
            self._waiting = None
        self.say(f"{words[0]}: returns {result}")

    async def _news(self, patience: int, test: object) -> bool:
        """Wait so many milliseconds for `test()` to be something."""
        assert callable(test)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max(patience / 1000 * self.time_scale, 0.02)
        while not test():
            try:
                async with asyncio.timeout_at(deadline):
                    await self._moved.wait()
            except TimeoutError:
                return False
        return True

    @command("gnrc_tcp_stop_listen")
    def stop_listening(self, words: list[str]) -> None:
        """No more callers."""
        self._begin(words, 0)
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._waiting is not None:
            self._waiting.abort()
            self._waiting = None
        self.say(f"{words[0]}: returns")

    # ---- data ------------------------------------------------------------------------------

    @command("gnrc_tcp_send")
    async def send(self, words: list[str]) -> None:
        """``gnrc_tcp_send <ms> <count>``: so much of the buffer, until it is acknowledged."""
        _, text = self._begin(words, 2)[:2]
        count = min(max(0, self.number(text)), _BUFFER)
        stream = self._stream
        if stream is None or stream.closed:
            self.say(f"{words[0]}: returns -ENOTCONN")
            return
        if not stream.reset and count:
            try:
                await stream.write(bytes(self._buffer[:count]))
            except OSError:
                pass
            else:
                while stream.unacknowledged() and not stream.reset:
                    await self.pause(_LOOK)
        if stream.reset:
            self.say(f"{words[0]}: returns -ECONNRESET")
        elif not count:
            self.say(f"{words[0]}: returns 0")
        else:
            self.say(f"{words[0]}: sent {count}")

    @command("gnrc_tcp_recv")
    async def recv(self, words: list[str]) -> None:
        """``gnrc_tcp_recv <ms> <count>``: waits until all of it has come, or the peer ends.

        A time that runs out is told and the waiting goes on (RIOT, tests/net/gnrc_tcp). One that is
        longer than the connection's own ends the connection (gnrc_tcp.c, gnrc_tcp_recv:
        MSG_TYPE_CONNECTION_TIMEOUT).
        """
        text, amount = self._begin(words, 2)[:2]
        patience, count = self.number(text), min(max(0, self.number(amount)), _BUFFER)
        got = 0
        while True:
            stream = self._stream
            if stream is None or stream.closed:
                self.say(f"{words[0]}: returns -ENOTCONN")
                return
            if stream.reset:
                self.say(f"{words[0]}: returns -ECONNRESET")
                return
            data = stream.read(count - got) if stream.unread() else b""
            self._buffer[got : got + len(data)] = data
            got += len(data)
            if got >= count:
                self.say(f"{words[0]}: received {got}")
                return
            if data:
                continue
            if stream.finished:
                self.say(f"{words[0]}: returns 0")
                return
            if not patience:
                self.say(f"{words[0]}: returns -EAGAIN")
                await self.pause(_FLOOD)
                await self.output_room()
            elif patience > self.settings.connect_timeout * 1000:
                if not await self._silence_over():
                    self._forget(stream)
                    self.say(f"{words[0]}: returns -ECONNABORTED")
                    return
            elif not await self._news(patience, self._readable):
                self.say(f"{words[0]}: returns -ETIMEDOUT")

    async def _silence_over(self) -> bool:
        """Whether the peer says something before the connection is given up."""
        limit = self.settings.connect_timeout * self.time_scale
        try:
            async with asyncio.timeout(max(limit, _LEAST_SILENCE)):
                while not self._readable():
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    def _forget(self, stream: Stream) -> None:
        """The peer is told nothing, and RST once he says something (gnrc_tcp_fsm.c,
        _fsm_timeout_connection; gnrc_tcp_eventloop.c)."""
        self._stream = None

        def spoken_to() -> None:
            if stream.unread() or stream.ended:
                stream.abort()

        stream.changed = spoken_to

    def _readable(self) -> bool:
        stream = self._stream
        return stream is None or bool(stream.unread()) or stream.finished or stream.reset

    # ---- ending ----------------------------------------------------------------------------

    @command("gnrc_tcp_close")
    def close(self, words: list[str]) -> None:
        """FIN; nothing can be received any more."""
        self._begin(words, 0)
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self.say(f"{words[0]}: returns")
        self._called()

    @command("gnrc_tcp_abort")
    def abort(self, words: list[str]) -> None:
        """RST."""
        self._begin(words, 0)
        if self._stream is not None:
            self._stream.abort()
            self._stream = None
        self.say(f"{words[0]}: returns")
        self._called()

    @command("gnrc_tcp_get_local", "gnrc_tcp_get_remote")
    def ends(self, words: list[str]) -> None:
        """Address and port of an end."""
        self._begin(words, 0)
        local = words[0].endswith("local")
        if self._stream is None:
            self.say(f"{words[0]}: returns {'-EADDRNOTAVAIL' if local else '-ENOTCONN'}")
            return
        place = self._stream.local if local else self._stream.remote
        if local and self.world.is_reachable(place[0]):  # of the border router, for this node
            place = (self.node.addresses[-1], place[1])
        address, port = self.node.visible(place)
        self.say(
            f"{words[0]}: returns 0",
            f"Endpoint: addr.ipv6={address} netif={INTERFACE} port={port}",
        )

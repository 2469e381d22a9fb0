"""What happens by itself in a BG96: notices, a lost context, data that nobody announced."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import itertools

from atdriver.errors import CommandFailed, MalformedReply
from atdriver.events import Anomaly, Received
from atdriver.syntax import fields, number
from modems.bg96 import commands
from modems.bg96.dialect import SOCKETS
from modems.bg96.network import CONTEXT, context_address
from modems.bg96.tls import Bg96Tls
from modems.clock import now
from modems.commands import simple
from modems.lifecycle import ModuleState
from modems.recovery import Trouble
from modems.sockets import ModuleSocket
from modems.table import log
from netsocket import errors
from netsocket.stack import Kind

CONNECTED = (b"2", b"3")
"""<socket_state> of a client that is connected: 2 says the manual (TCP(IP), AT+QISTATE), 3 is what
some firmware prints for it."""
POLL_INTERVAL = 5.0
"""Seconds between looks at sockets that have been silent: a notice comes once only, and not at all
on the wrong port."""

LISTEN_AT = 3
"""Every so many of these looks it is asked what came to listeners."""


class Bg96Notices(Bg96Tls):
    """The part of the stack that nobody calls."""

    network_trouble = Trouble.CONTEXT

    @abc.abstractmethod
    async def _is_gone(self, sock: ModuleSocket) -> bool:
        """Ask whether the connection has ended; it is marked then."""

    def _notice(self, name: str, text: bytes) -> None:
        try:
            self._act_on(name, fields(text.partition(b": ")[2]))
        except (MalformedReply, IndexError):
            self.anomalies += 1

    def _verify(self, name: str, text: bytes) -> bool:
        if name == "dnsgip":
            self._answers.put_nowait(b"568")  # ask again
            return True
        if name == "opened":
            self._spawn(self._check_opened(text))
            return True
        if name in ("ping", "incoming"):
            return True  # whoever waits for it runs into a time-out
        if name != "closed":
            return False
        with contextlib.suppress(MalformedReply, IndexError):
            link = number(fields(text.partition(b": ")[2])[1], 0, SOCKETS - 1, "connect id")
            sock = self._by_link(link)
            if sock is not None and not sock.peer_closed:
                self._spawn(self._check_closed(sock))
        return True

    async def _check_opened(self, text: bytes) -> None:
        """Whether an open that was announced among names from the air, or in a damaged answer,
        has succeeded; a failure shows in time."""
        with contextlib.suppress(OSError, IndexError):
            head, _, rest = text.partition(b": ")
            link = number(fields(rest)[0], 0, SOCKETS - 1, "connect id")
            state = commands.state(link, tls=head == b"+QSSLOPEN")
            rows = (await self.channel.run(state)).lines
            waiter = self._opening.get(link)
            connected = rows and fields(rows[0].partition(b":")[2])[5] in CONNECTED
            if waiter is not None and not waiter.done() and connected:
                waiter.set_result(0)

    async def _check_closed(self, sock: ModuleSocket) -> None:
        """Whether a close that was announced in a damaged answer is true."""
        with contextlib.suppress(OSError):
            await self._is_gone(sock)

    def _act_on(self, name: str, parts: list[bytes]) -> None:
        if name in ("recv", "closed"):
            sock = self._by_link(number(parts[1], 0, SOCKETS - 1, "connect id"))
            if sock is not None and name == "recv":
                self._announce(sock)
            elif sock is not None:
                sock.announced = sock.peer_closed = True
                self._wake(sock)
        elif name == "opened":
            link = number(parts[0], 0, SOCKETS - 1, "connect id")
            waiter = self._opening.get(link)
            if waiter is None:
                self._unsettled.pop(link, None)
            if waiter is not None and not waiter.done():
                waiter.set_result(number(parts[1], 0, 99999, "result"))
        elif name == "registration":
            self._registration.set()
        elif name == "dnsgip":
            self._answers.put_nowait(b",".join(parts[1:]))
        elif name == "ping":
            self._pongs.put_nowait(b",".join(parts))
        elif name == "incoming":
            self._on_incoming(parts)
        elif name == "incoming_full":
            log.warning("%s: a connection was turned away, all connect ids are in use", self.name)
        elif name == "pdpdeact" and parts[1] == str(CONTEXT).encode():
            self._on_context_lost()

    def _expect_nothing(self) -> None:
        """No notice that somebody waits for will come any more: 570, context broken down."""
        for waiter in self._opening.values():
            if not waiter.done():
                waiter.set_result(570)
        self._answers.put_nowait(b"570")
        self._pongs.put_nowait(b"570")

    def _on_context_lost(self) -> None:
        self._expect_nothing()
        error = errors.NetworkDown("the network ended the data context")
        self._lost(error)
        # Else it is announced by a restart that is being dealt with.
        if self._wanted_up and self.life.state is ModuleState.IP_READY:
            self._recovery.meet(Trouble.CONTEXT, error)

    async def _attach_again(self, attempt: int) -> None:
        """The manual's order: deactivate first, then activate again."""
        del attempt
        with contextlib.suppress(CommandFailed):
            await self.channel.run(simple(f"AT+QIDEACT={CONTEXT}", commands.DEACTIVATE))
        self._address = await self._network.attach(self.channel, self._registration)

    def _on_restart(self) -> None:
        self._expect_nothing()
        super()._on_restart()

    def _on_silence(self) -> None:
        self._expect_nothing()
        super()._on_silence()

    def _pushed(self, event: Received) -> None:
        """Nothing is pushed here: it is an answer to nothing."""
        del event
        self._doubt_the_last()

    def _on_anomaly(self, event: Anomaly) -> None:
        if event.sample.startswith(b"SEND"):
            self._strays += 1
            self._stray_at = now()

    async def _poll(self) -> None:
        for count in itertools.count(1):
            await asyncio.sleep(POLL_INTERVAL)
            if count % LISTEN_AT == 0 and any(sock.listening for sock in self._sockets.values()):
                with contextlib.suppress(OSError, IndexError):
                    await self._look_for_incoming()
            self._looking.clear()
            for sock in list(self._sockets.values()):
                idle = not sock.announced and not sock.connecting and not sock.listening
                if sock.link is not None and idle:
                    self._looking.add(sock)
                    self._announce(sock)  # the next read asks the module

    def _nothing_held(self, sock: ModuleSocket) -> None:
        """A read came back empty. When nobody had announced anything the connection may have ended,
        and its notice be lost: whoever reads without a time-out would wait for ever."""
        sock.drained = sock.peer_closed
        if sock in self._looking and not sock.peer_closed and sock.kind is Kind.TCP:
            self._looking.discard(sock)
            self._spawn(self._look_whether_it_stands(sock))

    async def _look_whether_it_stands(self, sock: ModuleSocket) -> None:
        with contextlib.suppress(OSError, IndexError):  # then the next look
            row = await self._row(sock)
            if row and row[5] in CONNECTED:
                return
            if row != await self._row(sock):  # damaged on the serial line: only what is said twice
                return
            if not row:
                self._vanished(sock)
            elif not self._checking:
                await self._look_at_network()  # its loss is no peer's doing
                if sock.broken is None:
                    self._ended(sock)

    async def _row(self, sock: ModuleSocket) -> list[bytes]:
        """What the module says of its socket, [] when it has none."""
        if sock.link is None:
            return []
        rows = (await self.channel.run(commands.state(sock.link, tls=sock.tls))).lines
        return fields(rows[0].partition(b":")[2]) if rows else []

    def _vanished(self, sock: ModuleSocket) -> None:
        if sock.link is not None:
            sock.link = None
            self._break(sock, errors.ConnectionReset("the module has lost the socket"))

    def _ended(self, sock: ModuleSocket) -> None:
        sock.peer_closed = sock.announced = True
        self._wake(sock)

    async def _look_at_network(self) -> None:
        if not self._checking:
            self._checking = True
            await self._check_context()

    async def _check_context(self) -> None:
        """A context can be lost without a notice; a module that restarted unseen has none, too."""
        try:
            if not await context_address(self.channel):
                self.channel.suspect("the data context is gone")
                self._on_context_lost()
        except OSError as error:
            log.debug("%s: looking at the context: %s", self.name, error)
        finally:
            self._checking = False

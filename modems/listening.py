"""Listening: what modules that accept connections by themselves have in common.

No AT module leaves a connection in a backlog: it accepts, takes an id and tells. So the backlog is
a queue on the host of connections that the module has accepted and the program has not; one that
finds the queue or the socket table full is closed at once.

The second of the layers of `modems.module.ModuleStack`.
"""

from __future__ import annotations

import abc

from modems.sockets import ModuleSocket
from modems.table import ModuleSockets, log
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Handle, Kind

PORTS_TRIED = 5
"""Ephemeral ports tried before a listen without a port is given up."""


class Listening(ModuleSockets):
    """listen and accept of the Stack protocol."""

    # -- what a vendor supplies ---------------------------------------------------------------

    @abc.abstractmethod
    async def _start_listening(self, sock: ModuleSocket) -> None:
        """Listen on `sock.local_port`. Raises AddressInUse, NotSupported, DeviceError."""

    @abc.abstractmethod
    async def _stop_listening(self, sock: ModuleSocket) -> None:
        """Stop; connections accepted before stay. May raise."""

    # -- the Stack's calls --------------------------------------------------------------------

    async def listen(self, handle: Handle, backlog: int) -> None:
        """See Stack.listen; without a bound port the host chooses a free one."""
        sock = self._socket(handle)
        record = self.capabilities["tcp.listen"]
        record.require()
        if sock.kind is not Kind.TCP:
            raise errors.NotSupported(record, "a datagram socket cannot listen")
        if sock.tls:
            raise errors.NotSupported(self.capabilities["tls.module"], "it makes connections only")
        if sock.listening:
            sock.backlog = max(1, backlog)
            return
        if sock.connected or sock.connecting:
            raise errors.InvalidArgument("a connected socket cannot listen")
        self._check_up()
        await self._transaction(self._listen(sock, backlog))

    async def _listen(self, sock: ModuleSocket, backlog: int) -> None:
        sock.connecting = True  # a close meanwhile is carried out at the end
        sock.listening = True  # the first peer may come before the module's OK is read
        sock.backlog = max(1, backlog)
        try:
            await self._listen_somewhere(sock)
        except BaseException:
            sock.listening = False
            raise
        finally:
            sock.connecting = False
            if sock.closing:
                await self._release(sock, abort=True)

    async def _listen_somewhere(self, sock: ModuleSocket) -> None:
        if sock.local_port:
            await self._start_listening(sock)
            return
        for attempt in range(PORTS_TRIED):
            sock.local_port = self._free_port()
            try:
                await self._start_listening(sock)
                return
            except OSError as error:
                sock.local_port = 0
                if not isinstance(error, errors.AddressInUse) or attempt == PORTS_TRIED - 1:
                    raise

    async def accept(self, handle: Handle) -> tuple[Handle, SocketAddress] | None:
        """See Stack.accept."""
        sock = self._socket(handle)
        if sock.broken is not None:
            raise sock.broken
        if not sock.listening:
            raise errors.InvalidArgument("the socket is not listening")
        for child in sock.waiting:
            if child.remote is not None:
                sock.waiting.remove(child)
                return Handle(child.number, child.generation), child.remote
        return None

    # -- connections that come ----------------------------------------------------------------

    def _incoming(
        self, listener: ModuleSocket | None, link: int, remote: SocketAddress | None
    ) -> ModuleSocket | None:
        """A connection that the module accepted on `link`; None: it is one too many, close it.

        With `remote` unknown it waits unseen until `_introduce` is called.
        """
        if listener is None or not listener.listening or listener.closing:
            return None
        if len(listener.waiting) >= listener.backlog or self._full():
            log.debug("%s: no room for a connection from %s", self.name, remote)
            return None
        sock = self._new_socket(Kind.TCP)
        sock.link = link
        sock.connected = sock.accepted = True
        sock.local_port = listener.local_port
        sock.family = listener.family
        sock.announced = True  # data may have come with it, and no notice for it: ask once
        listener.waiting.append(sock)
        if remote is not None:
            self._introduce(listener, sock, remote)
        return sock

    def _introduce(self, listener: ModuleSocket, sock: ModuleSocket, remote: SocketAddress) -> None:
        """The peer of a waiting connection is known: it can be accepted."""
        sock.remote = remote
        self._wake(listener)

    # -- endings ------------------------------------------------------------------------------

    async def _release(self, sock: ModuleSocket, *, abort: bool) -> None:
        if sock.listening:
            sock.listening = False
            children = list(sock.waiting)
            sock.waiting.clear()
            try:
                await self._stop_listening(sock)
            except OSError as error:
                log.debug("%s: listening did not end: %s", self.name, error)
            for child in children:  # nobody can accept them any more
                await super()._release(child, abort=True)
        await super()._release(sock, abort=abort)

    def _lost(self, error: OSError) -> None:
        for sock in list(self._sockets.values()):
            sock.listening = False
            for child in sock.waiting:
                self._sockets.pop(child.number, None)
            sock.waiting.clear()
        super()._lost(error)

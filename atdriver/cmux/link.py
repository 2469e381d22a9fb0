"""Links over a multiplexed port: DLCI 1 for AT commands, DLCI 2 for data."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from atdriver.cmux.begin import Beginning
from atdriver.cmux.errors import CmuxEnded, CmuxRefused
from atdriver.cmux.mux import Closed, Data, Ended, Mux, MuxEvent, Opened, Refused
from atdriver.errors import PortLost
from atdriver.link import Link, Receiver, backlog

AT, DATA = 1, 2
ROOM = 2048
"""Bytes that may wait below: what is there already goes before any other channel's."""
LOOK = 0.005
"""Seconds until the port is looked at again that had no room."""
GOODBYE = 1.0
"""Seconds in which the module may answer that its channels are closed."""
NAMES = {AT: "AT", DATA: "data"}


class Multiplexer:
    """A port in multiplexer mode, in one event loop. `rate` in baud, where the link has one."""

    def __init__(self, base: Link, *, rate: int = 115200) -> None:
        self.base = base
        self.mux = Mux()
        self._rate = rate
        self._channels: dict[int, DlcLink] = {}
        self._opening: dict[int, asyncio.Future[None]] = {}
        self._closing: dict[int, asyncio.Future[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._receiver: Receiver = self
        self._lost: OSError | None = None
        self._closed = False

    async def open(self) -> None:
        """Open the port, multiplex it. Raises what Link.open raises, ModuleSilent, CmuxRefused."""
        self._loop = asyncio.get_running_loop()
        beginning = self._receiver = Beginning(self.base)
        await self.base.open(_Switch(self))
        try:
            self.mux.n1, rest = await beginning.run(self._rate)
            self._receiver = self
            self.mux.open(0, self._loop.time())
            if rest.strip():
                self.mux.feed(rest, self._loop.time())
            await self._opened(0)
        except BaseException:
            await self.close()
            raise

    def channel(self, dlci: int) -> DlcLink:
        """A link that has not been opened yet."""
        return DlcLink(self, dlci)

    async def connect(self, channel: DlcLink) -> None:
        """Open a channel. Raises PortLost when the multiplexer has ended, CmuxRefused."""
        if self._lost is not None or self._closed or self._loop is None:
            raise PortLost(f"{self.base.name}: the multiplexer is closed")
        if channel.dlci in self._channels:
            raise CmuxRefused(f"{channel.name}: this channel is in use", channel.dlci)
        self._channels[channel.dlci] = channel
        self.mux.open(channel.dlci, self._loop.time())
        try:
            await self._opened(channel.dlci)
        except BaseException:
            self._channels.pop(channel.dlci, None)
            raise

    async def disconnect(self, channel: DlcLink) -> None:
        """Close one channel; the others stay."""
        if self._channels.get(channel.dlci) is not channel:
            return
        del self._channels[channel.dlci]
        if self._loop is None or self._lost is not None or self._closed:
            return
        done = self._closing[channel.dlci] = self._loop.create_future()
        self.mux.close(channel.dlci, self._loop.time())
        self.work()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await done

    async def _opened(self, dlci: int) -> None:
        assert self._loop is not None
        waiter = self._opening[dlci] = self._loop.create_future()
        self.work()
        try:
            await waiter
        finally:
            self._opening.pop(dlci, None)

    async def close(self) -> None:
        """Leave multiplexer mode and close the port. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._receiver is self and self._lost is None and self._loop is not None:
            self.mux.end(self._loop.time())
            self.base.write(self.mux.take(0))
            await asyncio.sleep(LOOK)
        if self._timer is not None:
            self._timer.cancel()
        self._end(None)
        await self.base.close()

    # -- Receiver -------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """From the port."""
        assert self._loop is not None
        self.mux.feed(data, self._loop.time())
        self.work()

    def link_lost(self, error: OSError | None) -> None:
        """From the port."""
        self._end(error or PortLost(f"{self.base.name}: the port was closed"))

    # -- the one loop ---------------------------------------------------------------------------

    def work(self) -> None:
        """Tell what happened, write what there is room for, set the timer."""
        mux = self.mux
        while mux.events:
            events, mux.events = mux.events, []
            for event in events:
                self._handle(event)
        if self._closed or self._lost is not None or self._loop is None:
            return
        out = mux.take(ROOM - backlog(self.base))
        if out:
            self.base.write(out)
        deadline = mux.next_deadline()
        if mux.ready:  # for want of room below
            look = self._loop.time() + LOOK
            deadline = look if deadline is None else min(deadline, look)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        assert self._loop is not None
        self.mux.tick(self._loop.time())
        self.work()

    def _handle(self, event: MuxEvent) -> None:
        match event:
            case Data(dlci, data):
                channel = self._channels.get(dlci)
                if channel is not None:
                    channel.deliver(data)
            case Opened(dlci):
                _settle(self._opening.get(dlci))
            case Refused(dlci):
                text = f"{self.base.name}: the module does not open multiplexer channel {dlci}"
                _settle(self._opening.get(dlci), CmuxRefused(text, dlci))
            case Closed(dlci):
                _settle(self._closing.pop(dlci, None))
                channel = self._channels.pop(dlci, None)
                if channel is not None:
                    text = f"{channel.name}: the module closed this channel"
                    channel.lose(CmuxEnded(text))
            case Ended(reason) if not self._closed:
                self._end(CmuxEnded(f"{self.base.name}: {reason}"))

    def _end(self, error: OSError | None) -> None:
        """Nothing passes any more."""
        self._lost = self._lost or error
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.lose(error)
        late = error or PortLost(f"{self.base.name}: the multiplexer was closed")
        for waiter in (*self._opening.values(), *self._closing.values()):
            _settle(waiter, late)
        self._closing.clear()


class _Switch:
    """What the port is opened with: hands on to whoever the multiplexer says."""

    def __init__(self, owner: Multiplexer) -> None:
        self._owner = owner

    def data_received(self, data: bytes) -> None:
        self._owner._receiver.data_received(data)

    def link_lost(self, error: OSError | None) -> None:
        self._owner._receiver.link_lost(error)


def _settle(waiter: asyncio.Future[None] | None, error: OSError | None = None) -> None:
    if waiter is None or waiter.done():
        return
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(error)


class DlcLink:
    """One channel of a multiplexer: a Link."""

    has_rate = False

    def __init__(self, multiplexer: Multiplexer, dlci: int) -> None:
        self.dlci = dlci
        self.name = f"{multiplexer.base.name} ({NAMES.get(dlci, dlci)} channel)"
        self._multiplexer = multiplexer
        self._receiver: Receiver | None = None

    @property
    def backlog(self) -> int:
        """Bytes that wait to leave."""
        return self._multiplexer.mux.backlog(self.dlci)

    async def open(self, receiver: Receiver) -> None:
        """Open the channel. Raises PortLost, CmuxRefused."""
        self._receiver = receiver
        await self._multiplexer.connect(self)

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        self._multiplexer.mux.send(self.dlci, data)
        self._multiplexer.work()

    def pause(self, paused: bool) -> None:
        """Ask the module for no more bytes on this channel, or for more again; see Mux.pause."""
        self._multiplexer.mux.pause(self.dlci, paused)
        self._multiplexer.work()

    def set_rate(self, baud: int) -> None:
        """The port's rate stays while it is multiplexed."""

    async def close(self) -> None:
        """Close this channel alone."""
        self._receiver = None
        await self._multiplexer.disconnect(self)

    def deliver(self, data: bytes) -> None:
        """From the multiplexer."""
        if self._receiver is not None:
            self._receiver.data_received(data)

    def lose(self, error: OSError | None) -> None:
        """From the multiplexer: nothing more comes."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.link_lost(error)


class CmuxLink:
    """The AT channel of a port that is multiplexed when this is opened: what a modem is given with
    `mux=yes`. `data()` is a link beside it, over the same port."""

    has_rate = False

    def __init__(self, base: Link, *, rate: int = 115200) -> None:
        self.name = base.name
        self._multiplexer = Multiplexer(base, rate=rate)
        self._at = self._multiplexer.channel(AT)

    async def open(self, receiver: Receiver) -> None:
        """Open the port, multiplex it, open the AT channel. Raises what Link.open raises,
        ModuleSilent, CmuxRefused."""
        await self._multiplexer.open()
        self.name = self._multiplexer.base.name
        try:
            await self._at.open(receiver)
        except BaseException:
            await self._multiplexer.close()
            raise

    def data(self) -> Link:
        """The data channel, to be opened."""
        return self._multiplexer.channel(DATA)

    @property
    def backlog(self) -> int:
        """Bytes that wait to leave."""
        return self._at.backlog

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        self._at.write(data)

    def set_rate(self, baud: int) -> None:
        """The port's rate stays while it is multiplexed."""

    async def close(self) -> None:
        """Leave multiplexer mode and close the port."""
        await self._multiplexer.close()


def multiplexed(make: Callable[[], Link], rate: int) -> Callable[[], Link]:
    """What makes such links, from what makes the port's."""
    return lambda: CmuxLink(make(), rate=rate)

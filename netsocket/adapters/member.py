"""One member of a pool: a network interface that is opened, watched, and opened again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from netsocket.adapters.balance import Load
from netsocket.interface import AsyncNetworkInterface
from netsocket.stack import InterfaceStatus
from netsocket.table import log

Opener = Callable[[], Awaitable[AsyncNetworkInterface]]
"""Opens an interface and returns it when it is up, as `lambda: aopen_modem(specification)`."""

FIRST_DELAY: Final = 1.0
"""Seconds until a member that is down is opened again; doubled each time."""
LONGEST_DELAY: Final = 30.0
"""Seconds between attempts, at most."""
STEADY: Final = 60.0
"""Seconds that a member must have been up for the delays to begin anew."""
REST: Final = 0.2
"""Seconds in which a member that refused a socket is asked for none, unless a lease of it ends:
programs beside the pool hold its sockets, or the module has not finished closing them."""

_REASONS: Final = {
    InterfaceStatus.DISCONNECTED: "the module failed, or its port is gone",
    InterfaceStatus.CONNECTING: "it attaches again",
    InterfaceStatus.LOCAL_UP: "it has no address that reaches beyond its link",
}


@dataclass(eq=False, slots=True)
class Life:
    """An interface from its opening to its end, and what clients hold of it."""

    member: Member
    net: AsyncNetworkInterface
    in_use: int = 0
    rest_until: float = 0.0

    @property
    def up(self) -> bool:
        """Whether it is attached now."""
        return self.net.status is InterfaceStatus.GLOBAL_UP

    @property
    def capacity(self) -> int | None:
        """Sockets the stack claims to have, with the firmware it found; None: no limit stated."""
        return self.net.capabilities["sockets.max"].limit


class Member:
    """`changed()` is called whenever it may have come up or gone down, in the loop's thread.

    `life` is None between two lives, `reason` says why it is not up, `served` is the number of
    the last client it got.
    """

    def __init__(self, name: str, order: int, changed: Callable[[], None]) -> None:
        self.name = name
        self.order = order
        self.served = 0
        self.life: Life | None = None
        self.failure: BaseException | None = None
        """What the last attempt to open it raised; None after a success."""
        self._changed = changed
        self._reason = "it is being opened"
        self._moved = asyncio.Event()
        self._unwatch: Callable[[], None] = _nothing
        self._keeper: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether it takes clients, as far as its state goes."""
        return self.life is not None and self.life.up

    @property
    def reason(self) -> str:
        """Why it is not up, "" when it is."""
        if self.life is None:
            return self._reason
        reason = _REASONS.get(self.life.net.status, "")
        failure = self.life.net.failure if reason else None
        return getattr(failure, "strerror", None) or reason

    def load(self, now: float) -> Load:
        """What it carries, while it has a life."""
        life = self.life
        assert life is not None
        return Load(self.order, life.in_use, life.capacity, self.served, now < life.rest_until)

    def borrow(self, net: AsyncNetworkInterface) -> None:
        """Live as long as `net`, which somebody else opens and closes."""
        self._appear(net)

    def keep(self, opener: Opener) -> None:
        """Open it now, and again whenever it has died, until `end`."""
        self._keeper = asyncio.get_running_loop().create_task(self._keep(opener))

    async def end(self) -> None:
        """Give it up; what `keep` opened is closed."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        self._vanish("the pool was closed")

    # -- inside -------------------------------------------------------------------------------

    async def _keep(self, opener: Opener) -> None:
        loop = asyncio.get_running_loop()
        delay = FIRST_DELAY
        while True:
            try:
                net = await opener()
            except Exception as error:  # whatever an opener raises, the others go on
                if not isinstance(error, OSError):
                    log.exception("%s cannot be opened", self.name)
                self.failure = error
                self._reason = getattr(error, "strerror", None) or str(error) or repr(error)
            else:
                self.failure = None
                began = loop.time()
                try:
                    self._appear(net)
                    await self._until_dead(net)
                finally:
                    self._vanish(self.reason or _REASONS[InterfaceStatus.DISCONNECTED])
                    await self._close(net)
                if loop.time() - began >= STEADY:
                    delay = FIRST_DELAY
            self._changed()
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    def _appear(self, net: AsyncNetworkInterface) -> None:
        self.life = Life(self, net)
        self._unwatch = net.on_status(self._noticed)
        self._changed()

    def _vanish(self, reason: str) -> None:
        self._unwatch()
        self._unwatch = _nothing
        self._reason = reason
        self.life = None

    def _noticed(self, _status: InterfaceStatus) -> None:
        self._moved.set()
        self._changed()

    async def _until_dead(self, net: AsyncNetworkInterface) -> None:
        """One that recovers by itself is CONNECTING as long as it has hope; when it is
        DISCONNECTED its member takes over, and closes it first: never do both try."""
        while net.status is not InterfaceStatus.DISCONNECTED:
            self._moved.clear()
            await self._moved.wait()

    async def _close(self, net: AsyncNetworkInterface) -> None:
        try:
            await net.close()
        except Exception as error:
            level = log.info if isinstance(error, OSError) else log.exception
            level("%s did not close: %s", self.name, error)


def _nothing() -> None:
    """Until there is something to unwatch."""

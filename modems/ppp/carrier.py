"""Where a call gets its bytes: the module's only port, lent by the AT channel, or a channel beside
it of a multiplexed one."""

from __future__ import annotations

from typing import Protocol

from atdriver.channel import Channel
from atdriver.dialect import Step
from atdriver.link import Link, Receiver, backlog
from modems.ppp import Dial

SYNCHRONISE = 10.0
"""Seconds in which the module must answer AT again when the call is over."""


class Carrier(Protocol):
    """What a call is carried by."""

    beside: bool
    """Whether AT commands go on beside it."""
    name: str

    async def take(self, receiver: Receiver) -> None:
        """From now on the bytes are the receiver's. Raises OSError."""

    def write(self, data: bytes) -> None:
        """Queue bytes."""

    @property
    def backlog(self) -> int:
        """Bytes that wait to leave."""

    async def give_back(self, *, answers: bool) -> None:
        """The call is over; `answers`: the module was heard to take commands again. Raises
        ModuleSilent when it does not."""


class BorrowedPort:
    """The AT channel's own port: no command passes meanwhile."""

    beside = False

    def __init__(self, channel: Channel, dial: Dial) -> None:
        self._channel = channel
        self._dial = dial
        self.name = channel.link.name

    async def take(self, receiver: Receiver) -> None:
        """See Carrier."""
        await self._channel.lend(receiver)
        self.name = self._channel.link.name

    def write(self, data: bytes) -> None:
        """See Carrier."""
        self._channel.link.write(data)

    @property
    def backlog(self) -> int:
        """See Carrier."""
        return backlog(self._channel.link)

    async def give_back(self, *, answers: bool) -> None:
        """Get in step again; a module that has not left data mode is called out of it once more."""
        self._channel.take_back()
        guard = self._dial.guard
        out: tuple[Step, ...] = ((guard, self._dial.escape), (guard, b"\r"))
        if answers:
            out = ()
        if self._channel.reachable:
            await self._channel.synchronise(SYNCHRONISE, out)


class DataChannel:
    """DLCI 2 of a multiplexed port."""

    beside = True

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._link: Link | None = None
        self.name = channel.link.name

    async def take(self, receiver: Receiver) -> None:
        """See Carrier."""
        link = self._channel.link.data()  # type: ignore[attr-defined]  # see `carrier_of`
        await link.open(receiver)
        self._link, self.name = link, link.name

    def write(self, data: bytes) -> None:
        """See Carrier."""
        if self._link is not None:
            self._link.write(data)

    @property
    def backlog(self) -> int:
        """See Carrier."""
        return backlog(self._link) if self._link is not None else 0

    async def give_back(self, *, answers: bool) -> None:
        """Close the channel."""
        del answers
        link, self._link = self._link, None
        if link is not None:
            await link.close()


def carrier_of(channel: Channel, dial: Dial) -> Carrier:
    """What a call through this channel is carried by."""
    beside = hasattr(channel.link, "data")
    return DataChannel(channel) if beside else BorrowedPort(channel, dial)

"""The Link: five methods between the channel and whatever carries the bytes."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """Who gets the bytes; called in the event loop's thread."""

    def data_received(self, data: bytes) -> None:
        """Bytes as read; never empty."""

    def link_lost(self, error: OSError | None) -> None:
        """The carrier is gone for good (None: closed by us). Called once."""


class Link(Protocol):
    """A byte carrier to one module."""

    name: str
    """For messages, for example "/dev/ttyUSB2"."""
    has_rate: bool
    """Whether a baud rate means anything here (a UART: yes; USB, TCP, memory: no or unknown)."""

    async def open(self, receiver: Receiver) -> None:
        """Open it. Raises PortMissing, PortDenied, PortBusy, OSError."""

    def write(self, data: bytes) -> None:
        """Queue bytes; they leave in order. Never blocks; after a loss it does nothing."""

    def set_rate(self, baud: int) -> None:
        """Change the baud rate on the open descriptor (no reopen: that could reset a board)."""

    async def close(self) -> None:
        """Give the carrier back; bounded, idempotent, never raises for a carrier that is gone."""


def backlog(link: Link) -> int:
    """Bytes written that wait for the carrier; 0 for a link that does not tell (it takes all)."""
    return int(getattr(link, "backlog", 0))

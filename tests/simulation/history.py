"""What both ends of every connection saw, and the judgement afterwards (V1, V2, V7, V8).

Nothing is judged while a run goes on: applications and far ends only write down what they sent,
what they received and how it ended. The payload itself says which ends belong together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from fakes.conversation import Conversation

from .payload import serial_of, stream

COMMAND = re.compile(rb"AT[+&E]")


NOTICED = 20.0
"""Seconds in which an application reads what it had and comes to the end."""


@dataclass
class NearEnd:
    """One connection as the application sees it."""

    serial: int
    place: str
    offered: int = 0
    """Bytes that may have left: accepted ones, and those of unknown fate."""
    sure: int = 0
    """Bytes that the stack accepted."""
    received: bytearray = field(default_factory=bytearray)
    end: str = "open"
    """How receiving ended: "eof", the name of an error, or "closed" by the application."""
    ended_at: float = 0.0
    """Virtual seconds of the "eof"."""


@dataclass
class FarEnd:
    """The same connection as its peer sees it."""

    serial: int
    place: str
    conversation: Conversation
    said: int = 0


@dataclass
class History:
    """One run's connections."""

    near: list[NearEnd] = field(default_factory=list)
    far: list[FarEnd] = field(default_factory=list)
    input_lost: bool = False
    """Whether bytes on their way to the module were lost, or somebody else's came in between."""
    silent_losses: list[float] = field(default_factory=list)
    """When the WiFi was lost and the notice that says so was lost as well: then the module's "link
    closed" looks like any peer's."""
    spoiled: int = 0
    """Connections whose peer got a damaged end that the application was told to be unknown."""

    def violations(self) -> list[str]:
        """One sentence each; none when the history can be explained."""
        return [*self._by_application(), *self._by_peer()]

    def _by_application(self) -> list[str]:
        found = []
        far_ends = {each.serial: each for each in self.far}
        taken: set[int] = set()
        for near in self.near:
            who = f"connection {near.serial} to {near.place}"
            serial = serial_of(near.received)
            if serial is None:
                if not self._may_be_all(near):
                    found.append(f"V8 {who}: {near.end} after {bytes(near.received)!r}")
                continue
            far = far_ends.get(serial)
            if far is None:
                found.append(f"V1 {who}: nobody said {bytes(near.received[:40])!r}")
                continue
            if far.place != near.place or serial in taken:
                found.append(f"V1 {who}: got the stream of {far.place} ({serial})")
                continue
            taken.add(serial)
            complaint = stream(serial).complaint(near.received)
            if complaint:
                found.append(f"V1 {who}: {complaint}")
            elif len(near.received) > far.said:
                found.append(f"V1 {who}: {len(near.received)} bytes of {far.said} said")
            elif near.end == "eof" and not far.conversation.reset:
                if not far.conversation.ended and not any(
                    lost <= near.ended_at <= lost + NOTICED for lost in self.silent_losses
                ):
                    found.append(f"V8 {who}: end of data, but the peer has not closed")
                elif len(near.received) < far.said and far.conversation.ended:
                    found.append(
                        f"V8 {who}: end of data after {len(near.received)} of {far.said} bytes"
                    )
        return found

    def _may_be_all(self, near: NearEnd) -> bool:
        """Too few bytes to tell whose they are: somebody at that place must have said them, and
        before an end of data no more."""
        if near.end == "eof" and any(t <= near.ended_at <= t + NOTICED for t in self.silent_losses):
            return True
        for far in self.far:
            said = stream(far.serial).piece(0, len(near.received)) == near.received
            if far.place == near.place and said and len(near.received) <= far.said:
                closed = far.conversation.ended and far.said == len(near.received)
                if near.end != "eof" or closed or far.conversation.reset:
                    return True
        return not near.received and near.end != "eof"

    def _by_peer(self) -> list[str]:
        found = []
        near_ends = {each.serial: each for each in self.near}
        taken: set[int] = set()
        for far in self.far:
            told = far.conversation.told
            if len(told) < 4:
                continue
            serial = serial_of(told)
            who = f"peer {far.serial} at {far.place}"
            near = near_ends.get(serial or 0)
            if near is None or near.place != far.place or serial in taken:
                if not any(self._excused(told, 0, each) for each in self._nothing_arrived(far)):
                    found.append(f"V2 {who}: was told {bytes(told[:40])!r}")
                continue
            taken.add(near.serial)
            offered = stream(near.serial)
            complaint = offered.complaint(told)
            if complaint is None and len(told) > near.offered:
                complaint = f"was told {len(told)} bytes of {near.offered} offered"
            if complaint and not self._excused(told, offered.right(told), near):
                found.append(f"V2 {who}: {complaint} (sure {near.sure}, offered {near.offered})")
        return found

    def _nothing_arrived(self, far: FarEnd) -> list[NearEnd]:
        """Connections to the same place of which at most a damaged beginning arrived."""
        begun = [each for each in self.near if each.place == far.place and not each.sure]
        return [each for each in begun if each.offered]

    def _excused(self, told: bytearray, at: int, near: NearEnd) -> bool:
        """A module that waits for the rest of an announced send takes whatever comes next. That may
        be what leads out of the waiting (`+++`, NULs), never a command of the driver, only within
        one send, and the application must have been told that its fate is unknown. Where input is
        lost in the middle, the send has a gap as well."""
        excused = (
            (self.input_lost or not told[at:].strip(b"\0+"))
            and near.sure <= at
            and len(told) <= near.offered
            and not COMMAND.search(told, at)
        )
        self.spoiled += excused
        return excused

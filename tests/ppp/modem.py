"""A port in these tests: a few words of AT, then the other end of PPP; and a stack that only passes
packets on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from netsocket.hostclaims import HOST_CAPABILITIES
from netsocket.ip.link import IpPacketLink
from netsocket.stack import Handle, InterfaceStatus, StackStatus
from tests.ppp.peer import Far


class Port:
    """A Carrier with a modem behind it. Everything comes a turn of the loop later, as from a port."""

    beside = False
    name = "port"
    backlog = 0

    def __init__(self, answer: bytes = b"CONNECT 150000000", **far: Any) -> None:
        self.answer = answer
        self.mode = "command"
        self.commands: list[bytes] = []
        self.given_back = 0
        self.settings = far
        self.far: Far | None = None
        self.receiver: Any = None
        self.out = b""
        self.behind = b""
        """What comes in the same piece as CONNECT."""

    async def take(self, receiver: Any) -> None:
        self.receiver = receiver

    async def give_back(self, *, answers: bool) -> None:
        self.given_back += 1

    def deliver(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: self.receiver.data_received(data))

    def write(self, data: bytes) -> None:
        if self.mode == "data":
            if data == b"+++":
                self.mode = "command"
                self.deliver(b"\r\nOK\r\n")
                return
            self.out += data
            asyncio.get_running_loop().call_soon(self._turn)
            return
        self.commands.append(data)
        if data.startswith(b"ATD"):
            if self.answer.startswith(b"CONNECT"):
                self.mode = "data"
                self.far = Far(self, **self.settings)
            if self.answer:
                self.deliver(b"\r\n" + self.answer + b"\r\n" + self.behind)
        else:
            self.deliver(b"\r\nOK\r\n")

    @property
    def writes(self) -> list[bytes]:
        """For Far: what the client has written."""
        found, self.out = [self.out] if self.out else [], b""
        return found

    def feed(self, data: bytes, now: float) -> None:
        """For Far: to the client."""
        if self.mode == "data":
            self.deliver(data)

    def _turn(self) -> None:
        if self.far is not None and self.mode == "data":
            from tests.ppp.peer import unstuff

            for line in self.writes:
                for content in unstuff(line):
                    self.far.hear(content)

    def no_carrier(self) -> None:
        self.mode = "command"
        self.deliver(b"\r\nNO CARRIER\r\n")


class PacketStack:
    """A stack whose sockets send and receive whole packets. Back end: `await PacketStack.over(link)`."""

    name = "packets"
    capabilities = HOST_CAPABILITIES

    def __init__(self, link: IpPacketLink) -> None:
        self.link = link
        self.status_told: list[InterfaceStatus] = []
        self.is_up = self.is_down = False
        self._changed: Callable[[Handle, int], None] = lambda handle, generation: None
        link.packets.setblocking(False)

    @classmethod
    async def over(cls, link: IpPacketLink) -> PacketStack:
        return cls(link)

    def attach(self, changed: Any, status_changed: Any) -> None:
        self._changed = changed

    async def up(self) -> None:
        self.is_up = True

    async def down(self) -> None:
        self.is_down = True
        self.link.packets.close()

    async def open(self, kind: Any) -> Handle:
        return Handle(7, 1)

    async def send(self, handle: Handle, data: bytes) -> int:
        return self.link.packets.send(data)

    async def recv(self, handle: Handle, size: int) -> bytes | None:
        try:
            return self.link.packets.recv(size)
        except BlockingIOError:
            return None

    async def close(self, handle: Handle, *, abort: bool = False) -> None:
        pass

    async def status(self) -> StackStatus:
        return StackStatus(InterfaceStatus.GLOBAL_UP)

    def wake(self) -> None:
        self._changed(Handle(7, 1), 1)


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    return ours, theirs

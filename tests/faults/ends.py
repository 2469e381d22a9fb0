"""Both ends of one connection, and what must be true of them whatever happens (V1, V2, V8).

What the application says and what its peer says are two self-describing streams
(`tests.simulation.payload`): a byte that is lost, doubled, or another's, is noticed where it stands.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from fakes import Peer
from fakes.conversation import Conversation
from netsocket.errors import SendUnknown
from netsocket.stream import AsyncTCPSocket
from tests.simulation.payload import Stream

from .bench import Bench

__all__ = ["PROMPT", "SEND", "SENT", "Ends", "accepted", "connected", "dial", "now"]

SEND = r"AT\+(CIPSEND|QISEND)=\d+,[1-9].*"
"""The commands that announce payload."""
PROMPT = r"(\r\nOK\r\n)?(\r\n)?> ?"
"""What asks for it; the first group is what stands before the prompt in the same literal."""
SENT = r"\r\nSEND OK\r\n"


def now() -> float:
    """Virtual seconds."""
    return asyncio.get_running_loop().time()


@dataclass
class Ends:
    """The application's socket and the peer's side of it."""

    sock: AsyncTCPSocket
    talk: Conversation
    out: Stream
    """What the application says."""
    back: Stream
    """What the peer says."""
    offered: int = 0
    said: int = 0
    received: bytearray = field(default_factory=bytearray)

    async def send(self, count: int) -> None:
        """The application sends the next `count` bytes; a failed call is not made again."""
        begun, self.offered = self.offered, self.offered + count
        await self.sock.sendall(self.out.piece(begun, count))

    async def send_in_doubt(self, count: int, within: float) -> SendUnknown:
        """The same, and it must end in the error that says that nobody knows (V2, V4): the socket
        takes nothing more, and says that it broke."""
        begun = now()
        with pytest.raises(SendUnknown) as caught:
            await self.send(count)
        assert now() - begun <= within
        assert caught.value.accepted + caught.value.unknown == count
        assert caught.value.unknown > 0
        assert self.told() <= self.offered
        with pytest.raises(ConnectionError):
            await self.sock.send(b"more")
        return caught.value

    def told(self) -> int:
        """Bytes that the peer has got: they must be the beginning of what was offered (V2)."""
        told = bytes(self.talk.told)
        assert self.out.complaint(told) is None
        assert len(told) <= self.offered
        return len(told)

    def say(self, count: int) -> None:
        """The peer sends the next `count` bytes."""
        begun, self.said = self.said, self.said + count
        self.talk.say(self.back.piece(begun, count))

    async def recv(self, size: int = 65536) -> bytes:
        """One recv of the application, checked: the bytes are those that come next (V1)."""
        data = await self.sock.recv(size)
        self.received += data
        assert self.back.complaint(self.received) is None
        assert len(self.received) <= self.said
        return data

    async def hear(self, count: int, within: float = 1.0) -> None:
        """The application gets `count` bytes more, in time."""
        wanted = len(self.received) + count
        begun = now()
        while len(self.received) < wanted:
            assert await self.recv(), f"the end after {len(self.received)} of {wanted} bytes"
        assert now() - begun <= within

    async def end(self, within: float = 60.0) -> OSError | None:
        """Read until the connection ends: None for an orderly end, which comes behind all that the
        peer said (V8), else the error."""
        begun = now()
        self.sock.settimeout(within)
        try:
            while await self.recv():
                pass
        except TimeoutError:
            raise AssertionError("the connection does not end") from None
        except OSError as error:
            assert now() - begun <= within
            return error
        assert len(self.received) == self.said
        return None


async def connected(bench: Bench, place: str = "sink.test:9", sock: object = None) -> Ends:
    """A connection to a scripted peer."""
    host, port = place.rsplit(":", 1)
    if sock is None:
        sock = await bench.net.connect((host, int(port)), timeout=60)
    assert isinstance(sock, AsyncTCPSocket)
    sock.settimeout(300)
    return _ends(bench, sock, bench.talks(place)[-1])


def dial(bench: Bench, port: int) -> Conversation:
    """A peer connects to a port on which the module listens."""
    assert bench.fake.sockets.dial(port, Peer("discard"))
    return bench.talks(f"dial:{port}")[-1]


async def accepted(bench: Bench, listener: AsyncTCPSocket, talk: Conversation) -> Ends:
    """The application's side of a connection that came in."""
    listener.settimeout(300)
    sock, _ = await listener.accept()
    sock.settimeout(300)
    return _ends(bench, sock, talk)


def _ends(bench: Bench, sock: AsyncTCPSocket, talk: Conversation) -> Ends:
    return Ends(sock, talk, Stream(next(bench.serials)), Stream(next(bench.serials)))

"""Names, asked of a link's own name servers through the link's own stack.

The host's resolver would ask over another interface. Messages are dnspython's; what is here is how
they travel: over UDP with a random identifier from a random port, over TCP when the answer does
not fit (RFC 1035 section 4.2, RFC 7766), from the next server when one is silent or fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket as _socket
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from netsocket.address import SocketAddress
from netsocket.capability.model import Capability, Level
from netsocket.errors import AddressInUse, NameNotFound, NameTryAgain, NotSupported
from netsocket.stack import Handle, Kind, Stack

if TYPE_CHECKING:
    from dns.message import Message

PORT: Final = 53
TRIES: Final = (2.0, 4.0)
"""Seconds for a server in the first and in the second round."""
_MISSING: Final = Capability(
    "dns.resolve", Level.NONE, "the package dnspython is missing: pip install 'atdriver[lwip]'"
)
_LOCAL: Final = {_socket.AF_INET: "127.0.0.1", _socket.AF_INET6: "::1"}
"""RFC 6761 section 6.3: localhost never reaches a name server."""


class Resolver:
    """Asks `servers()` through `stack`, with sockets of its own.

    The stack calls `noticed(handle)` first for each notice: True says that it was for one of these.
    """

    def __init__(self, stack: Stack, servers: Callable[[], Sequence[str]]) -> None:
        self._stack = stack
        self._servers = servers
        self._own: dict[Handle, asyncio.Event] = {}

    def noticed(self, handle: Handle) -> bool:
        """Whether the socket is one of the resolver's; then it knows."""
        event = self._own.get(handle)
        if event is not None:
            event.set()
        return event is not None

    @contextlib.contextmanager
    def watching(self, handle: Handle) -> Iterator[asyncio.Event]:
        """Notices of this socket set the event meanwhile, and reach nobody else."""
        event = self._own[handle] = asyncio.Event()
        try:
            yield event
        finally:
            self._own.pop(handle, None)

    async def resolve(self, name: str, family: int = 0, *, six: bool = True) -> list[str]:
        """Addresses of a name, IPv4 first; `six`: IPv6 ones are of use.

        Raises NameNotFound, NameTryAgain (no server, no answer), NotSupported without dnspython.
        """
        address = SocketAddress(name)
        if address.is_literal:
            return [address.host]
        families = [family] if family else [_socket.AF_INET, *([_socket.AF_INET6] if six else [])]
        if address.host.lower().rstrip(".") == "localhost":
            return [_LOCAL[_socket.AddressFamily(each)] for each in families]
        found = await asyncio.gather(
            *(self._ask(address.host, each) for each in families), return_exceptions=True
        )
        addresses = [each for answer in found if isinstance(answer, list) for each in answer]
        if addresses:
            return addresses
        errors = [answer for answer in found if isinstance(answer, BaseException)]
        for error in errors:
            if not isinstance(error, NameNotFound):
                raise error
        raise errors[0] if errors else NameNotFound(f"{name}: no address of this family")

    async def _ask(self, name: str, family: int) -> list[str]:
        """Addresses of one family, [] for a name without any. Raises NameNotFound, NameTryAgain."""
        try:
            import dns.message
            import dns.rcode
            import dns.rdatatype
        except ImportError:
            raise NotSupported(_MISSING) from None
        servers = self._servers()
        if not servers:
            raise NameTryAgain("the network has named no name server")
        record = dns.rdatatype.AAAA if family == _socket.AF_INET6 else dns.rdatatype.A
        why = "no name server answered"
        for seconds in TRIES:
            for server in servers:
                question = dns.message.make_query(name, record, id=secrets.randbelow(65_536))
                try:
                    async with asyncio.timeout(seconds):
                        answer = await self._exchange(question, SocketAddress(server, PORT))
                except TimeoutError:
                    continue
                if answer.rcode() == dns.rcode.NXDOMAIN:
                    raise NameNotFound(f"{name}: there is no such name")
                if answer.rcode() == dns.rcode.NOERROR:
                    return _addresses(answer)
                why = f"{server} answered {dns.rcode.to_text(answer.rcode())}"
        raise NameTryAgain(f"{name}: {why}")

    async def _exchange(self, question: Message, server: SocketAddress) -> Message:
        import dns.flags

        answer = await self._by_datagram(question, server)
        if answer.flags & dns.flags.TC:
            return await self._by_stream(question, server)
        return answer

    async def _by_datagram(self, question: Message, server: SocketAddress) -> Message:
        stack, wire = self._stack, question.to_wire()
        handle = await stack.open(Kind.UDP)
        try:
            with self.watching(handle) as event:
                await self._bind_anywhere(handle, server)
                while not await stack.sendto(handle, wire, server):
                    await event.wait()
                    event.clear()
                while True:
                    event.clear()
                    found = await stack.recvfrom(handle, 65_535)
                    if found is None:
                        await event.wait()
                    elif found[1] == server:
                        answer = _answer(question, found[0])
                        if answer is not None:
                            return answer
        finally:
            await stack.close(handle)

    async def _bind_anywhere(self, handle: Handle, server: SocketAddress) -> None:
        """A random port: half of what protects an answer from being forged."""
        any_address = "::" if server.family == _socket.AF_INET6 else ""
        for _ in range(10):
            with contextlib.suppress(AddressInUse):
                port = 1024 + secrets.randbelow(64_000)
                await self._stack.bind(handle, SocketAddress(any_address, port))
                return

    async def _by_stream(self, question: Message, server: SocketAddress) -> Message:
        stack, wire = self._stack, question.to_wire()
        handle = await stack.open(Kind.TCP)
        try:
            with self.watching(handle) as event:
                await stack.connect(handle, server)
                rest = len(wire).to_bytes(2, "big") + wire
                while rest:
                    event.clear()
                    taken = await stack.send(handle, rest)
                    rest = rest[taken:]
                    if not taken:
                        await event.wait()
                got = bytearray()
                while len(got) < 2 or len(got) < 2 + int.from_bytes(got[:2], "big"):
                    event.clear()
                    data = await stack.recv(handle, 65_537)
                    if data is None:
                        await event.wait()
                    elif not data:
                        break
                    else:
                        got += data
        except (ConnectionError, EOFError) as error:
            raise TimeoutError(str(error)) from error  # as good as silence: the next one, please
        finally:
            await stack.close(handle)
        answer = _answer(question, bytes(got[2:]))
        if answer is None:
            raise TimeoutError("an answer that is none")
        return answer


def _answer(question: Message, wire: bytes) -> Message | None:
    """The message, if it is one and answers the question: identifier and question repeated."""
    import dns.exception
    import dns.message

    try:
        found = dns.message.from_wire(wire, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, IndexError):
        return None
    return found if question.is_response(found) else None


def _addresses(answer: Message) -> list[str]:
    """What the chain of aliases ends in, each checked to be an address."""
    import dns.exception
    import dns.message

    if not isinstance(answer, dns.message.QueryMessage):
        return []
    try:
        found = answer.resolve_chaining().answer
    except dns.exception.DNSException:
        return []
    if found is None:
        return []
    return [ipaddress.ip_address(each.address).compressed for each in found]

"""The network behind the PPP server, in pure Python: this computer's loopback, and nothing else.

The gateway's own address stands for 127.0.0.1 and ::1; other loopback addresses of names get
addresses of their own. ICMP echo, UDP and TCP go through sockets of the fake world, so that
scripted peers answer as well; the name servers know the world's names. Anything else is a host
that does not answer.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import struct
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fakes.errors import UnreachableError

from . import dns
from .internet import ICMP, ICMPV6, TCP, UDP, Datagram, Reassembly, build, intact, sealed
from .relay import RST, SYN, Relay, Segment, segment

if TYPE_CHECKING:
    from fakes.engine import FakeModem
    from fakes.sockets import Datagrams, Listening, Stream

    from .call import Call

__all__ = ["PREFIX6", "Gateway"]

PREFIX6: Final = ipaddress.IPv6Address("fd00:a02::")
"""The /64 that the host takes its IPv6 address from; the gateway is ::2 in it."""

_DOMAIN: Final = 53
_MAPPINGS: Final = 256  # UDP sockets, and TCP connections
_CONNECT_TIMEOUT: Final = 75.0  # seconds; longer than a host waits for a SYN's answer
_BUFFER: Final = 65536  # bytes of a socket's receive buffer
_BACKLOG: Final = 1 << 18  # bytes waiting for the line before a datagram is dropped
_ALL_NODES: Final = ipaddress.IPv6Address("ff02::1").packed
_ALIASES: Final = 100  # last byte of the first address that stands for another loopback address

_ECHO_REQUEST: Final = {ICMP: 8, ICMPV6: 128}
_ECHO_REPLY: Final = {ICMP: 0, ICMPV6: 129}
_ROUTER_SOLICITATION: Final = 133
_ROUTER_ADVERTISEMENT: Final = 134
_NEIGHBOUR_SOLICITATION: Final = 135
_NEIGHBOUR_ADVERTISEMENT: Final = 136

_Key = tuple[bytes, int, bytes, int]


class Gateway:
    """What the host's IP packets meet.

    Args:
        modem: lends sockets, tasks and journal.
        call: carries the packets.
        carries: whether anything passes at all, asked for each packet.
    """

    def __init__(self, modem: FakeModem, call: Call, carries: Callable[[], bool]) -> None:
        self._modem = modem
        self._world = modem.world
        self._server = call.server
        self._carries = carries
        self._random = random.Random(modem.seed ^ 0x1B)
        self._reassembly = Reassembly()
        manners = self._server.manners
        self.own4 = ipaddress.IPv4Address(manners.own).packed
        self.peer4 = ipaddress.IPv4Address(manners.peer).packed
        self.own6 = (PREFIX6 + 2).packed
        self._dns = {ipaddress.ip_address(each).packed for each in manners.dns}
        self._shown = {"127.0.0.1": self.own4, "::1": self.own6}
        self._real = {address: real for real, address in self._shown.items()}
        self._udp: dict[tuple[bytes, int], Datagrams] = {}
        self._tcp: dict[_Key, Relay] = {}
        self._listening: list[Listening] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._host6 = b""  # the host's address, once it has shown one

    # ---- addresses -------------------------------------------------------------------------

    def shown(self, literal: str) -> bytes:
        """The address by which the host knows a real or scripted one."""
        packed = ipaddress.ip_address(literal).packed
        if not self._world.is_reachable(literal) or self._world.peers.knows(literal):
            return packed
        if literal not in self._shown:
            base = int.from_bytes(self.own4, "big") & 0xFFFFFF00
            made = (base | (_ALIASES + len(self._shown) & 0xFF)).to_bytes(4, "big")
            self._shown[literal] = made
            self._real[made] = literal
        return self._shown[literal]

    def _meant(self, address: bytes) -> str:
        """The real or scripted address behind one that the host names."""
        if address[:2] == b"\xfe\x80" and address[8:] == self._server.ipv6cp.own:
            return "::1"
        return self._real.get(address) or str(ipaddress.ip_address(address))

    def _lookup(self, name: str, family: int) -> list[str]:
        found = self._world.lookup_all(name, family=family)
        return [str(ipaddress.ip_address(self.shown(each))) for each in found]

    # ---- packets ---------------------------------------------------------------------------

    def receive(self, packet: bytes) -> None:
        """An IP packet from the host."""
        if not self._carries():
            return
        got = self._reassembly.feed(packet)
        if got is None:
            return
        if len(got.source) == 16 and got.source[0] == PREFIX6.packed[0]:
            self._host6 = got.source
        if got.protocol in (ICMP, ICMPV6, UDP, TCP) and not intact(got):
            self._reassembly.dropped += 1
            self.note("a wrong checksum")
        elif got.protocol == UDP:
            self._take_datagram(got)
        elif got.protocol == TCP:
            self._take_segment(got)
        elif got.protocol in (ICMP, ICMPV6) and len(got.payload) >= 4:
            self._take_message(got)

    def _send(self, datagram: Datagram) -> None:
        if not self._carries():
            return
        self._number += 1
        for packet in build(datagram, self._server.mtu, self._number):
            self._server.send_ip(packet)

    def busy(self) -> bool:
        """The line still has bytes to send, or is not in data mode."""
        return self._modem.line_backlog > 0 or self._modem.wire.outward.paused

    def note(self, text: str) -> None:
        """For the journal."""
        self._modem.note("ip", text)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it until it or the call ends."""
        task = self._modem.spawn(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self) -> None:
        """The call is over: every connection and socket ends."""
        for relay in tuple(self._tcp.values()):
            relay.abort()
        for member in (*self._udp.values(), *self._listening):
            member.close()
        self._udp.clear()
        self._listening.clear()
        for task in tuple(self._tasks):
            task.cancel()

    # ---- ICMP ------------------------------------------------------------------------------

    def _take_message(self, got: Datagram) -> None:
        kind = got.payload[0]
        if kind == _ECHO_REQUEST[got.protocol]:
            meant = self._meant(got.target)
            if got.target in self._dns or self._world.reaches(meant):
                reply = bytes((_ECHO_REPLY[got.protocol], 0, 0, 0)) + got.payload[4:]
                self._send(sealed(Datagram(got.target, got.source, got.protocol, reply), 2))
        elif got.protocol == ICMPV6 and kind == _ROUTER_SOLICITATION:
            self.advertise()
        elif got.protocol == ICMPV6 and kind == _NEIGHBOUR_SOLICITATION:
            target = got.payload[8:24]
            ours = target in (self.own6, self._link_local())
            if ours and got.source != bytes(16):
                # Router, solicited, override (RFC 4861 section 4.4); the link has no addresses.
                reply = struct.pack(">BBHI", _NEIGHBOUR_ADVERTISEMENT, 0, 0, 0xE0000000) + target
                self._send(sealed(Datagram(target, got.source, ICMPV6, reply, 255), 2))

    def _link_local(self) -> bytes:
        return b"\xfe\x80" + bytes(6) + self._server.ipv6cp.own

    def advertise(self) -> None:
        """A Router Advertisement (RFC 4861 section 4.2): prefix, packet size, name server."""
        lifetime = 0xFFFFFFFF
        raw = struct.pack(">BBHBBHII", _ROUTER_ADVERTISEMENT, 0, 0, 64, 0, 9000, 0, 0)
        raw += struct.pack(">BBBBIII", 3, 4, 64, 0xC0, lifetime, lifetime, 0) + PREFIX6.packed
        raw += struct.pack(">BBHI", 5, 1, 0, self._server.mtu)
        raw += struct.pack(">BBHI", 25, 3, 0, lifetime) + self.own6  # RFC 8106 section 5.1
        self._send(sealed(Datagram(self._link_local(), _ALL_NODES, ICMPV6, raw, 255), 2))

    # ---- UDP -------------------------------------------------------------------------------

    def _take_datagram(self, got: Datagram) -> None:
        if len(got.payload) < 8:
            return
        source, target, length = struct.unpack_from(">HHH", got.payload)
        if not 8 <= length <= len(got.payload):
            return
        data = got.payload[8:length]
        ours = got.target in self._dns or got.target in (self.own4, self.own6)
        if target == _DOMAIN and ours:
            response = dns.answer(data, self._lookup)
            if response is not None:
                self._send_datagram((got.target, _DOMAIN), (got.source, source), response)
            return
        meant = self._meant(got.target)
        if not self._world.reaches(meant):
            self.note(f"unreachable: datagram to {meant}")
            return
        try:
            sock = self._mapping(got.source, source)
            if not target or not sock.send(data, meant, target):
                self.note(f"datagram to {meant}:{target} refused")
        except OSError as error:
            self.note(f"datagram to {meant}:{target}: {error}")

    def _mapping(self, host: bytes, port: int) -> Datagrams:
        """The socket for a port of the host's: one for all whom it speaks to (RFC 4787)."""
        key = (host, port)
        sock = self._udp.pop(key, None)
        if sock is None and len(host) == 16 and (b"", port) in self._udp:
            key = (b"", port)  # a forwarded port
            sock = self._udp.pop(key)
        if sock is None:
            loopback = "127.0.0.1" if len(host) == 4 else "::1"
            sock = self._modem.sockets.open_udp(0, address=loopback)
            sock.changed = partial(self._datagrams, sock, key)
        self._udp[key] = sock  # the last used is the last
        while len(self._udp) > _MAPPINGS:
            self._udp.pop(next(iter(self._udp))).close()
        return sock

    def _datagrams(self, sock: Datagrams, host: tuple[bytes, int]) -> None:
        while (found := sock.receive()) is not None:
            data, sender = found
            if not host[0]:  # a forwarded IPv6 port, before the host has an address
                host = (self._host6, host[1])
                if not host[0]:
                    continue
            if self._modem.line_backlog > _BACKLOG:
                self.note("a datagram too many for the line")
                continue
            self._send_datagram((self.shown(sender[0]), sender[1]), host, data)

    def _send_datagram(
        self, source: tuple[bytes, int], target: tuple[bytes, int], data: bytes
    ) -> None:
        raw = struct.pack(">HHHH", source[1], target[1], 8 + len(data), 0) + data
        self._send(sealed(Datagram(source[0], target[0], UDP, raw), 6))

    # ---- TCP -------------------------------------------------------------------------------

    def _take_segment(self, got: Datagram) -> None:
        try:
            part = Segment(got.payload)
        except ValueError:
            return
        key = (got.source, part.source, got.target, part.target)
        relay = self._tcp.get(key)
        if relay is not None and relay.state == "lingering" and part.flags & SYN:
            relay.abort()  # the same numbers for a new connection
            relay = None
        if relay is not None:
            relay.receive(part)
        elif part.flags & RST:
            return
        elif part.flags & 0x12 == SYN and len(self._tcp) < _MAPPINGS:
            relay = self._make(key)
            relay.asked(part)
            self.spawn(self._connect(relay))
        else:
            ack = part.flags & 0x10
            seq = part.ack if ack else 0
            flags = RST if ack else RST | 0x10
            raw = segment((part.target, part.source), seq, part.seq + part.length, flags)
            self._send(sealed(Datagram(got.target, got.source, TCP, raw), 16))

    def _make(self, key: _Key) -> Relay:
        mss = self._server.manners.mru - (40 if len(key[0]) == 4 else 60)
        relay = self._tcp[key] = Relay(self, key, self._random.getrandbits(32), mss)
        return relay

    async def _connect(self, relay: Relay) -> None:
        meant, port = self._meant(relay.key[2]), relay.key[3]
        try:
            stream = await self._modem.sockets.connect_tcp(
                meant, port, window=_BUFFER, timeout=_CONNECT_TIMEOUT, send_buffer=_BUFFER
            )
        except (UnreachableError, TimeoutError) as error:
            self.note(f"no answer: {meant}:{port}: {error}")
            self.forget(relay)
        except OSError as error:
            self.note(f"refused: {meant}:{port}: {error}")
            relay.refuse()
        else:
            if relay.state == "opening":
                relay.answer(stream)
            else:
                stream.abort()

    def emit(self, relay: Relay, raw: bytes) -> None:
        """A segment to the host."""
        host, _, own, _ = relay.key
        self._send(sealed(Datagram(own, host, TCP, raw), 16))

    def forget(self, relay: Relay) -> None:
        """A connection is over."""
        self._tcp.pop(relay.key, None)

    # ---- the other direction ---------------------------------------------------------------

    def forward(self, kind: str, port: int) -> None:
        """Who comes to this port of the module's loopback address gets to the host's port.

        Args:
            kind: "tcp" or "udp".
            port: the same on both sides.

        Raises:
            OSError: the port is taken.
        """
        for loopback in (self._world.address, *(["::1"] if self._server.manners.ipv6 else ())):
            host = self.peer4 if ":" not in loopback else b""
            if kind == "udp":
                sock = self._modem.sockets.open_udp(port, address=loopback)
                sock.changed = partial(self._datagrams, sock, (host, port))
                self._udp[host, port] = sock
            else:
                listener = self._modem.sockets.listen_tcp(port, window=_BUFFER, address=loopback)
                listener.changed = partial(self._accept, listener, host, port)
                self._listening.append(listener)

    def _accept(self, listener: Listening, host: bytes, port: int) -> None:
        while (stream := listener.accept()) is not None:
            self._pass_on(stream, host or self._host6, port)

    def _pass_on(self, stream: Stream, host: bytes, port: int) -> None:
        key = (host, port, self.shown(stream.remote[0]), stream.remote[1])
        if not host or key in self._tcp or len(self._tcp) >= _MAPPINGS:
            stream.abort()
        else:
            self._make(key).open(stream)

"""UDP ports and TCP handles of SKSTACK-IP (fact sheet 5.3; SKYLEY SKSTACK_API)."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from functools import partial
from typing import Final

from fakes.intake import Signal
from fakes.mesh_tcp import MeshListener
from fakes.mesh_udp import MeshUdp
from fakes.skstack.core import BAD_VALUE, FAILED, Failed, command, full, unhex
from fakes.skstack.pana import PanaCommands
from fakes.skstack.settings import FACTS
from fakes.sockets import Stream

__all__ = ["SocketCommands"]

_MOST: Final = FACTS["udp.max_payload"]
_UDP_PORTS: Final = FACTS["udp.ports"]
_TCP_PORTS: Final = FACTS["tcp.ports"]
_HANDLES: Final = FACTS["tcp.handles"]
_USUAL: Final = (3610, 716)  # ECHONET Lite and PANA (BP35A1 command reference, SKTABLE E)
_WINDOW: Final = 1220  # bytes of TCP data a segment of 1280 carries
_BLOCK: Final = 1024  # most bytes of one ERXTCP
_LOOK: Final = 0.002  # seconds between two looks at what the peer has acknowledged

# Status of ETCP.
CONNECTED, CLOSED, PORT_USED, SENT = 1, 3, 4, 5


@dataclass(eq=False, slots=True)
class Connection:
    """One handle; `stream` is None while it is opened."""

    local: int
    remote: tuple[str, int]
    stream: Stream | None = None
    moved: Signal | None = None
    sending: bool = False
    task: asyncio.Task[None] | None = None


class SocketCommands(PanaCommands):
    """SKUDPPORT, SKSENDTO, SKTCPPORT, SKCONNECT, SKSEND, SKCLOSE."""

    def power_on(self) -> None:
        """The usual ports; no connections."""
        super().power_on()
        self.ports = [*_USUAL, *([0] * (_UDP_PORTS - len(_USUAL)))]
        self.tcp_ports = [0] * _TCP_PORTS
        self.connections: dict[int, Connection] = {}
        self.limited = False
        self._sent_bytes = 0
        self._udp: dict[int, MeshUdp] = {}
        self._listeners: dict[int, MeshListener] = {}

    def started(self) -> None:
        """The usual ports are open."""
        super().started()
        for port in _USUAL:
            self._open(port)

    # ---- duty cycle ------------------------------------------------------------------------

    def limit(self, on: bool) -> None:
        """The transmit-time limit (ARIB STD-T108) begins or ends: EVENT 32, 33."""
        if on != self.limited:
            self.limited = on
            self.registers[0xFB] = int(on)
            self.event(0x32 if on else 0x33, self.local)

    def _spend(self, count: int) -> None:
        self._sent_bytes += count
        most = self.settings.duty_bytes
        if most and self._sent_bytes >= most and not self.limited:
            self._sent_bytes = 0
            self.limit(True)
            self.later(self.settings.duty_rest, partial(self.limit, False))

    # ---- UDP -------------------------------------------------------------------------------

    @command("SKUDPPORT", 2)
    def udp_port(self, arguments: list[str]) -> None:
        """``SKUDPPORT <handle> <port>``; 0 closes."""
        handle = unhex(arguments[0], _UDP_PORTS, 1)
        port = unhex(arguments[1], 0xFFFF)
        if port and port in self.ports and self.ports[handle - 1] != port:
            raise Failed(FAILED)
        old = self.ports[handle - 1]
        if old in self._udp and old != port:
            self._udp.pop(old).close()
        self.ports[handle - 1] = port
        if port:
            self._open(port)

    def _open(self, port: int) -> None:
        if port not in self._udp:
            self._udp[port] = self.node.open_udp(port, partial(self._datagram, port))

    @command("SKSENDTO", 5, 6)
    async def send_to(self, arguments: list[str]) -> None:
        """``SKSENDTO <handle> <address> <port> <sec> <length> <data>``: EVENT 21, then OK."""
        handle = unhex(arguments[0], _UDP_PORTS, 1)
        address = self.address(arguments[1])
        port = unhex(arguments[2], 0xFFFF, 1)
        security = unhex(arguments[3], 2)
        length = unhex(arguments[4], _MOST, 1)
        if length != len(self.payload):
            raise Failed(BAD_VALUE)
        own = self.ports[handle - 1]
        if own not in self._udp or (security == 1 and not self.session):
            raise Failed(FAILED)
        if self.limited or not self._way(address):
            if not self.limited:
                self.event(0x21, address, 2)
            self.event(0x21, address, 1)
            return
        self._udp[own].send(self.payload, address, port)
        await self.sleep(self.settings.hop)
        self.event(0x21, address, 0)
        self._spend(length)

    def _way(self, address: str) -> bool:
        """Whether there is a neighbour to hand the packet to."""
        if ipaddress.IPv6Address(address).is_multicast:
            return self.node.attached
        owner = self.node.owner(address)
        if owner is not None:
            return self.mesh.path(self.node, owner) is not None
        link = ipaddress.IPv6Address(address).is_link_local
        return not link and self.mesh.router(self.node) is not None

    def _datagram(self, port: int, data: bytes, sender: tuple[str, int], own: str) -> None:
        self._received(sender[0], own, sender[1], port, data)

    def udp_line(self, sender: str, port: int, own: int, data: bytes) -> None:
        """A datagram of the stack's own protocols is shown as any other."""
        self._received(sender, self.local, port, own, data)

    def _received(self, sender: str, own: str, port: int, local: int, data: bytes) -> None:
        count = self.settings.fields or (10 if self.firmware == "han" else 9)
        rssi = " E1" if count == 10 else ""
        secured = int(self.session)
        head = (
            f"ERXUDP {full(sender)} {full(own)} {port:04X} {local:04X} "
            f"{self.mac_of(sender)}{rssi} {secured} {len(data):04X} "
        )
        self.raw(head.encode() + self.shown(data) + b"\r\n")

    def port_table(self) -> list[str]:
        """``EPORT``: the UDP ports in decimal, one a line, then those of TCP."""
        ports = [*self.ports, *(self.tcp_ports if self.firmware == "general" else [])]
        return ["EPORT", *(str(each) for each in ports)]

    # ---- TCP -------------------------------------------------------------------------------

    def handles(self) -> list[str]:
        """``EHANDLE``: handle, peer, its port, own port."""
        rows = [
            f"{handle:X} {full(one.remote[0])} {one.remote[1]:04X} {one.local:04X}"
            for handle, one in sorted(self.connections.items())
        ]
        return ["EHANDLE", *rows]

    def _free_handle(self) -> int:
        for handle in range(1, _HANDLES + 1):
            if handle not in self.connections:
                return handle
        return 0

    @command("SKTCPPORT", 2, tcp=True)
    def tcp_port(self, arguments: list[str]) -> None:
        """``SKTCPPORT <index> <port>``: listen there; 0 stops."""
        index = unhex(arguments[0], _TCP_PORTS, 1)
        port = unhex(arguments[1], 0xFFFF)
        old = self.tcp_ports[index - 1]
        if port and port != old and port in self.tcp_ports:
            raise Failed(FAILED)
        if old in self._listeners and old != port:
            self._listeners.pop(old).close()
        self.tcp_ports[index - 1] = port
        if port and port not in self._listeners:
            listener = self._listeners[port] = self.node.listen_tcp(port, window=_WINDOW)
            listener.changed = partial(self._called, listener)

    def _called(self, listener: MeshListener) -> None:
        handle = self._free_handle()
        stream = listener.accept() if handle else None
        if stream is not None:
            remote = self.node.visible(stream.remote)
            self.connections[handle] = Connection(listener.port, remote)
            self._open_stream(handle, stream)

    @command("SKCONNECT", 3, tcp=True)
    def connect(self, arguments: list[str]) -> None:
        """``SKCONNECT <address> <port> <own port>``: OK, then ETCP with the outcome."""
        address = self.address(arguments[0])
        port = unhex(arguments[1], 0xFFFE, 1)
        own = unhex(arguments[2], 0xFFFE, 1)
        handle = self._free_handle()
        if not handle or not self.session:
            raise Failed(FAILED)
        used = any(one.local == own and one.remote == (address, port)
                   for one in self.connections.values())  # fmt: skip
        self.final("OK")
        if used:
            self.say(f"ETCP {PORT_USED} {handle:X}")
            return
        one = self.connections[handle] = Connection(own, (address, port))
        one.task = self.spawn(self._connect(handle, one))

    async def _connect(self, handle: int, one: Connection) -> None:
        try:
            stream = await self.node.connect_tcp(
                *one.remote,
                window=_WINDOW,
                timeout=self.settings.connect_timeout,
                local_port=one.local,
            )
        except OSError as error:
            self.connections.pop(handle, None)
            in_use = error.errno == 98
            self.say(f"ETCP {PORT_USED if in_use else CLOSED} {handle:X}")
            return
        self._open_stream(handle, stream)

    def _open_stream(self, handle: int, stream: Stream) -> None:
        one = self.connections[handle]
        one.stream = stream
        one.moved = Signal()
        stream.changed = one.moved.notify
        self.say(
            f"ETCP {CONNECTED} {handle:X} {full(one.remote[0])} {one.remote[1]:04X} {one.local:04X}"
        )
        one.task = self.spawn(self._receive(handle, one, stream, one.moved))

    async def _receive(self, handle: int, one: Connection, stream: Stream, moved: Signal) -> None:
        while self.connections.get(handle) is one:
            if stream.unread() and not stream.reset:
                await self.output_room()
                data = stream.read(_BLOCK)
                if data:
                    head = (
                        f"ERXTCP {full(one.remote[0])} {one.remote[1]:04X} {one.local:04X} "
                        f"{len(data):04X} "
                    )
                    self.raw(head.encode() + self.shown(data) + b"\r\n")
                continue
            if stream.finished or stream.reset:
                self._gone(handle)
                return
            await moved.wait()

    def _gone(self, handle: int) -> None:
        one = self.connections.pop(handle)
        if one.stream is not None:
            one.stream.close()
        self.say(f"ETCP {CLOSED} {handle:X}")

    def _connection(self, text: str) -> tuple[int, Connection]:
        handle = unhex(text, _HANDLES, 1)
        if handle not in self.connections:
            raise Failed(FAILED)
        return handle, self.connections[handle]

    @command("SKSEND", 2, 3, tcp=True)
    def send(self, arguments: list[str]) -> None:
        """``SKSEND <handle> <length> <data>``: OK, and ETCP 5 when the peer has it."""
        handle, one = self._connection(arguments[0])
        length = unhex(arguments[1], 0xFFFF, 1)
        if length != len(self.payload):
            raise Failed(BAD_VALUE)
        busy = one.sending and self.settings.send_busy == "fail"
        if one.stream is None or busy or self.limited:
            raise Failed(FAILED)
        one.sending = True
        self.final("OK")
        self.spawn(self._send(handle, one, one.stream, self.payload))

    async def _send(self, handle: int, one: Connection, stream: Stream, data: bytes) -> None:
        try:
            await stream.write(data)
        except OSError:
            return  # told as closed
        while stream.unacknowledged() and not stream.closed:
            if stream.reset:
                return
            await self.pause(_LOOK)
        if self.connections.get(handle) is one:
            one.sending = False
            self.say(f"ETCP {SENT} {handle:X}")
            self._spend(len(data))

    @command("SKCLOSE", 1, tcp=True)
    def close(self, arguments: list[str]) -> None:
        """``SKCLOSE <handle>``: OK, then ETCP 3."""
        handle, one = self._connection(arguments[0])
        self.final("OK")
        if one.task is not None:
            one.task.cancel()
        self._gone(handle)

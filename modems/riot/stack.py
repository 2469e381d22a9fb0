"""The Stack inside a RIOT shell node: one datagram socket, binary-safe by hexadecimal, and one
stream where the firmware has them (modems.riot.streams)."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Sequence
from typing import NoReturn

from atdriver.channel import Channel
from atdriver.dialect import Probe
from atdriver.errors import CommandFailed
from atdriver.events import Anomaly, Received
from atdriver.exchange import Command, Reply
from modems.clock import now
from modems.lifecycle import ModuleState
from modems.meshnode import Translation, best_address
from modems.rate import LineRate
from modems.recovery import Trouble
from modems.riot.capabilities import table
from modems.riot.commands import line
from modems.riot.dialect import DIALECT
from modems.riot.streams import UDP_LINK, RiotStreams
from modems.sockets import ModuleSocket
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.mesh import MeshState
from netsocket.stack import Handle, Kind, StackStatus

LOOK = 0.3
"""Seconds between looks for an address: a router advertisement brings it that fast."""
DUMP_GAP = 0.1
"""A dump whose last line is full has ended when no further line follows for so long."""
DUMP_LINE = 16
"""Bytes of a dump's full line (sys/od)."""
_FROM = re.compile(rb"Received UDP data from \[([0-9a-fA-F:.]+)(?:%\w+)?\]:(\d{1,5})")
_SENT = re.compile(rb"Success: sent (\d{1,5}) bytes? over UDP to .*")
_ADDRESS = re.compile(rb"inet6 addr: ([0-9a-fA-F:]+)")
_CHANNEL = re.compile(rb"Channel: (\d{1,3})")
_NETWORK = re.compile(rb"NID: 0x([0-9a-fA-F]{1,4})")


INTERFACES = line("ifconfig")
NEIGHBOURS = line("nib neigh")
FIRMWARES = ("", "with GNRC TCP commands")


class RiotStack(RiotStreams):
    """See netsocket.stack.Stack; settings in modems.riot."""

    network_trouble = Trouble.AIR
    identity = ()
    reset_steps = ((0.2, b"\nreboot\n"), (2.0, b""))

    def __init__(
        self,
        channel: Channel,
        *,
        name: str,
        line: LineRate,
        translation: Translation,
        attach_timeout: float,
        encoded: bool,
        silence: float,
        reconnect: bool,
    ) -> None:
        super().__init__(channel, line=line, reconnect=reconnect, encoded=encoded, silence=silence)
        self.name = name
        self.translation = translation
        self.capabilities = table(name, "", tcp=True, encoded=encoded)
        self._attach_timeout = attach_timeout
        self._sender: SocketAddress | None = None  # of the dump that is being printed
        self._dump = bytearray()
        self._dump_end: asyncio.TimerHandle | None = None

    # -- bring-up -----------------------------------------------------------------------------

    async def _find(self) -> None:
        self.channel.set_probe(Probe(DIALECT.hello))
        await self._line.find(())

    async def _configure(self) -> None:
        await self._attempt(line("udp server stop"))  # a former program's
        found = await self._find_tcp()
        firmware = FIRMWARES[found]
        self.capabilities = table(self.name, firmware, tcp=found, encoded=self._encoded)

    async def _attach(self) -> None:
        deadline = now() + self._attach_timeout
        while True:
            addresses = await self._addresses()
            self._address = best_address(addresses)
            if self._address or now() >= deadline:
                break
            await asyncio.sleep(LOOK)
        if not self._address and addresses:
            self._address = str(ipaddress.IPv6Address(addresses[0]))  # link-local only
        if not self._address:
            raise errors.NetworkNotFound(f"the {self.name} has no interface with an address")

    async def _addresses(self) -> list[str]:
        reply = await self.channel.run(INTERFACES)
        found = [_ADDRESS.search(each) for each in reply.lines]
        hosts = [each[1].decode("ascii") for each in found if each is not None]
        return [host for host in hosts if not ipaddress.IPv6Address(host).is_multicast]

    async def _attach_again(self, attempt: int) -> None:
        del attempt
        await self._attach()

    async def _look_at_network(self) -> None:
        if self._occupied:
            return
        if not await self._addresses() and self.life.state is ModuleState.IP_READY:
            error = errors.NetworkDown(f"the {self.name} has no address any more")
            self._recovery.meet(Trouble.AIR, error)

    async def _restore(self) -> None:
        await self._leave_tcp()
        await self._attempt(line("udp server stop"))

    # -- sockets ------------------------------------------------------------------------------

    async def open(self, kind: Kind) -> Handle:
        """See Stack.open: one datagram socket; of two streams one may listen."""
        self._check_up()
        if kind is Kind.TCP:
            self.capabilities["tcp.connect"].require()
        used = sum(each.kind is kind and not each.closing for each in self._sockets.values())
        if used >= (1 if kind is Kind.UDP else 2):
            raise errors.NoSocket(f"the {self.name} has one socket of this kind, and it is in use")
        return await super().open(kind)

    async def _open_datagram_on(
        self, sock: ModuleSocket, peer: SocketAddress | None, port: int
    ) -> None:
        del peer
        try:
            await self.channel.run(line(f"udp server start {port}"))
        except CommandFailed as error:
            if b"already running" not in error.final:
                self._raise(error)
            await self._attempt(line("udp server stop"))
            await self._run(line(f"udp server start {port}"))
        sock.link = UDP_LINK

    async def _close_link(self, sock: ModuleSocket, *, abort: bool) -> None:
        if sock.kind is Kind.TCP:
            await self._close_stream(sock, abort=abort)
        else:
            await self._attempt(line("udp server stop"))

    # -- receiving: a line that names the sender, then a dump --------------------------------------

    def _notice(self, name: str, text: bytes) -> None:
        if name == "datagram":
            self._dump_over()
            found = _FROM.fullmatch(text)
            assert found is not None  # as the dialect's notices have it
            try:
                host = self.translation.outside(found[1].decode("ascii"))
                self._sender = SocketAddress(host, int(found[2]))
            except (ValueError, OverflowError):  # damaged on the serial line
                self.anomalies += 1
                self._dump_broken()
        elif name == "dump" and self._sender is not None:
            at, *digits = text.split()
            if int(at, 16) != len(self._dump):
                self._dump_broken()
                return
            self._dump += bytes.fromhex(b"".join(digits).decode("ascii"))
            if len(digits) < DUMP_LINE:
                self._dump_over()
            else:
                self._stop_timer()
                loop = asyncio.get_running_loop()
                self._dump_end = loop.call_later(DUMP_GAP, self._dump_over)

    def _stop_timer(self) -> None:
        if self._dump_end is not None:
            self._dump_end.cancel()
            self._dump_end = None

    def _dump_over(self) -> None:
        self._stop_timer()
        sender, self._sender = self._sender, None
        payload = bytes(self._dump)
        self._dump.clear()
        sock = self._by_link(UDP_LINK)
        if sender is not None and payload and sock is not None:
            self._receive(sock, payload, sender)

    def _dump_broken(self) -> None:
        """A line of it is missing."""
        self._stop_timer()
        sock, text = self._by_link(UDP_LINK), bytes(self._dump)
        self._sender = None
        self._dump.clear()
        if sock is not None:
            self._incomplete(sock, text, 0, "a line of its dump was lost on the serial line")

    def _on_anomaly(self, event: Anomaly) -> None:
        if self._sender is not None and event.reason != "notice glued to other text":
            self._dump_broken()

    def _pushed(self, event: Received) -> None:
        """Nothing is counted here."""

    # -- sending ------------------------------------------------------------------------------

    def _send_command(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress | None
    ) -> Command:
        del sock
        assert address is not None
        self._check_free()
        return line(f"udp send -b [{self._translated(address)}]:{address.port} {data.hex()}")

    def _datagram_sent(
        self, sock: ModuleSocket, data: bytes, address: SocketAddress, reply: Reply
    ) -> int:
        sent = next((found for each in reply.lines if (found := _SENT.fullmatch(each))), None)
        if sent is None or int(sent[1]) != len(data):
            raise errors.DeviceError(f"{address}: the node did not say that it sent the datagram")
        return self._accepted(sock, data)

    async def _after_failed_send(self, sock: ModuleSocket, error: CommandFailed, size: int) -> int:
        del sock, size
        return self._raise(error)

    async def _resolve(self, name: str, family: int) -> Sequence[str]:
        del name, family
        raise errors.NotSupported(self.capabilities["dns.resolve"])

    async def _run(self, command: Command) -> Reply:
        try:
            return await self.channel.run(command)
        except CommandFailed as error:
            self._raise(error)

    def _raise(self, error: CommandFailed) -> NoReturn:
        if b"sending data" in error.final:
            raise errors.HostUnreachable(str(error)) from error
        raise errors.DeviceError(str(error)) from error

    def _lost(self, error: OSError) -> None:
        self._stop_timer()
        self._sender = None
        self._dump.clear()
        super()._lost(error)

    # -- questions ----------------------------------------------------------------------------

    async def mesh(self) -> MeshState:
        """See netsocket.mesh.MeshControl. Raises ModuleBusy while the shell takes no line."""
        await self.configure()
        if self._occupied:
            raise errors.ModuleBusy(f"the shell takes no line: {self._occupied}")
        text = b"\n".join((await self.channel.run(INTERFACES)).lines)
        channel, network = _CHANNEL.search(text), _NETWORK.search(text)
        own = [self.translation.outside(each) for each in await self._addresses()]
        rows = (await self.channel.run(NEIGHBOURS)).lines
        near = [row.split()[0].decode("ascii", "replace") for row in rows if b":" in row]
        return MeshState(
            "router" if b"RTR" in text.split() else "host",
            "",
            int(channel[1]) if channel else None,
            int(network[1], 16) if network else None,
            tuple(own),
            tuple(near),
        )

    async def status(self) -> StackStatus:
        """See Stack.status."""
        try:
            state = await self.mesh()
        except errors.ModuleBusy as error:
            details = {"shell": error.strerror or "", **self._recovery_details()}
            return StackStatus(self._status, self._address or None, self.epoch, details)
        details = {"role": state.role}
        if state.channel is not None:
            details["channel"] = str(state.channel)
        if state.pan_id is not None:
            details["pan id"] = f"0x{state.pan_id:04x}"
        details["neighbours"] = str(len(state.neighbours))
        details.update(self._recovery_details())
        return StackStatus(self._status, self._address or None, self.epoch, details)

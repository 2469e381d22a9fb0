"""Scan, join and what the stack is: SKSCAN, SKJOIN (PANA), SKSREG, SKINFO, SKTABLE ..."""

from __future__ import annotations

import ipaddress
from typing import Final

from fakes.mesh import ROUTABLE, BorderRouter, Network, joined_address, link_local
from fakes.skstack.core import BAD_VALUE, FAILED, Core, Failed, command, full, unhex

__all__ = ["PanaCommands"]

_CHANNEL, _PAN = 0x21, 0x8888  # of the coordinator (BP35A1 command reference, EINFO)
_FIRST, _LAST = 0x21, 0x3C  # channels (BP35A1 command reference, S02)
_PER_CHANNEL: Final = 0.0096  # seconds times 2**duration + 1 (BP35A1 command reference, SKSCAN)
_LQI: Final = 0xE1
_PANA_PORT: Final = 0x02CC  # RFC 5191 section 10.1
_PANA_ANSWER: Final = bytes.fromhex("00000010c0000002b04e2c5f4e6d3a10")  # RFC 5191 section 6.2
_DEFAULTS: Final = {
    0x01: 0xFFFE, 0x02: _CHANNEL, 0x03: 0xFFFF, 0x0A: 0, 0x15: 0, 0x16: 0x15180, 0x17: 1,
    0xA0: 1, 0xA1: 1, 0xFB: 0, 0xFE: 1, 0xFF: 0,
}  # fmt: skip
_WIDTH: Final = {0x01: 4, 0x02: 2, 0x03: 4, 0x0A: 8, 0x16: 8}
_READ_ONLY: Final = (0x01, 0xFB)
_ECHO: Final = 0xFE


class PanaCommands(Core):
    """The node's place in the PAN."""

    def power_on(self) -> None:
        """No session; registers as from the factory."""
        super().power_on()
        self.registers = dict(_DEFAULTS)
        self.pana_password = ""
        self.route_b = ""
        self.peer = ""  # of the PANA session
        self.session = False

    def started(self) -> None:
        """With setting `joined` the session stands already."""
        super().started()
        if self.settings.border:
            self.mesh.serve(Network(_CHANNEL, _PAN, b""), self.world)
        self.node.addresses.clear()
        self.node.register(self.local)
        if self.settings.joined and self.settings.border:
            self.registers[0x03] = _PAN
            self._enter(link_local(self._coordinators()[0].eui64))

    @property
    def local(self) -> str:
        """Link-local address."""
        return link_local(self.node.eui64)

    def _coordinators(self) -> list[BorderRouter]:
        return [each for each in self.mesh.nodes if isinstance(each, BorderRouter)]

    def _enter(self, peer: str) -> None:
        node = self.node
        node.network = Network(self.registers[0x02], self.registers[0x03], b"")
        node.role = "child"
        node.register(joined_address(ROUTABLE, node.eui64))
        self.peer, self.session = peer, True

    def leave(self) -> None:
        """The session is over."""
        self.session = False
        self.node.detach()
        self.node.register(self.local)

    def expire(self) -> None:
        """The session's lifetime is over: EVENT 29."""
        if self.session:
            self.leave()
            self.event(0x29, self.peer)

    # ---- scan and join ---------------------------------------------------------------------

    @command("SKSETPWD", 2)
    def set_password(self, arguments: list[str]) -> None:
        """``SKSETPWD <length> <password>``, 1 to 32 characters."""
        if len(arguments[1]) != unhex(arguments[0], 0x20, 1):
            raise Failed(BAD_VALUE)
        self.pana_password = arguments[1]

    @command("SKSETRBID", 1)
    def set_route_b(self, arguments: list[str]) -> None:
        """``SKSETRBID <32 characters>``."""
        if len(arguments[0]) != 32:
            raise Failed(BAD_VALUE)
        self.route_b = arguments[0]

    @command("SKSCAN", 3, 4)
    async def scan(self, arguments: list[str]) -> None:
        """``SKSCAN <mode> <mask> <duration>``: OK, what was found, EVENT 22 (energy: 1F)."""
        mode = unhex(arguments[0], 3)
        mask = unhex(arguments[1], 0xFFFFFFFF)
        duration = unhex(arguments[2], 14)
        if mode == 1:
            raise Failed(BAD_VALUE)
        self.final("OK")
        channels = [each for each in range(_FIRST, _LAST + 1) if mask >> (each - _FIRST) & 1]
        self.spawn(self._scan(mode, channels, duration))

    async def _scan(self, mode: int, channels: list[int], duration: int) -> None:
        await self.sleep(len(channels) * _PER_CHANNEL * (2**duration + 1))
        if mode == 0:
            self.event(0x1F, self.local)
            pairs = " ".join(f"{each:02X} {self.random.randrange(2, 18):02X}" for each in channels)
            self.say("EEDSCAN", pairs)
            return
        for other in self._coordinators():
            network = other.network
            heard = network is not None and network.channel in channels
            ours = mode == 3 or self.route_b[-8:] == self.settings.rbid[-8:]
            if network is None or not heard or not ours or not self.mesh.in_range(self.node, other):
                continue
            self.event(0x20, link_local(other.eui64))
            self.say(
                "EPANDESC",
                f"  Channel:{network.channel:02X}",
                "  Channel Page:09",
                f"  Pan ID:{network.pan_id:04X}",
                f"  Addr:{other.eui64.hex().upper()}",
                f"  LQI:{_LQI:02X}",
                *([f"  PairID:{self.settings.rbid[-8:]}"] if mode == 2 else []),
            )
        self.event(0x22, self.local)

    @command("SKJOIN", 1)
    def join(self, arguments: list[str]) -> None:
        """``SKJOIN <address>``: OK, and EVENT 25 or 24 when PANA has come to an end."""
        peer = self.address(arguments[0])
        if not self.pana_password:
            raise Failed(FAILED)
        self.final("OK")
        self.spawn(self._join(peer))

    @command("SKREJOIN")
    def rejoin(self, _: list[str]) -> None:
        """The same again with the peer of the session."""
        if not self.peer:
            raise Failed(FAILED)
        self.final("OK")
        self.spawn(self._join(self.peer))

    async def _join(self, peer: str) -> None:
        there = next(
            (
                each
                for each in self._coordinators()
                if link_local(each.eui64) == peer and self.mesh.in_range(self.node, each)
            ),
            None,
        )
        mine = Network(self.registers[0x02], self.registers[0x03], b"")
        self.event(0x21, peer, 2)  # neighbour solicitation
        heard = there is not None and there.network == mine
        if heard:
            self.event(0x02, peer)
            self.event(0x21, peer, 0)
            self.udp_line(peer, _PANA_PORT, _PANA_PORT, _PANA_ANSWER)
        await self.sleep(self.settings.join_time)
        if heard and (self.pana_password, self.route_b) == (
            self.settings.password, self.settings.rbid,
        ):  # fmt: skip
            self._enter(peer)
            self.event(0x25, peer)
        else:
            self.event(0x24, peer)

    def udp_line(self, sender: str, port: int, own: int, data: bytes) -> None:
        """``ERXUDP``; see `fakes.skstack.sockets`."""
        raise NotImplementedError

    @command("SKTERM")
    def terminate(self, _: list[str]) -> None:
        """End the session: OK, EVENT 27 (28: the coordinator did not answer)."""
        if not self.session:
            raise Failed(FAILED)
        answered = any(self.mesh.path(self.node, each) for each in self._coordinators())
        self.leave()
        self.final("OK")
        self.event(0x27 if answered else 0x28, self.peer)

    # ---- what the stack is -----------------------------------------------------------------

    @command("SKSREG", 1, 2)
    def register(self, arguments: list[str]) -> None:
        """``SKSREG S<n> [<value>]``: read (ESREG) or write a register."""
        name = arguments[0].upper()
        if not name.startswith("S"):
            raise Failed(BAD_VALUE)
        number = unhex(name[1:], 0xFF)
        if number not in self.registers:
            raise Failed(BAD_VALUE)
        if len(arguments) == 1:
            self.say(f"ESREG {self.registers[number]:0{_WIDTH.get(number, 1)}X}")
            return
        value = unhex(arguments[1], 16 ** _WIDTH.get(number, 1) - 1)
        if number in _READ_ONLY or (number == 0x02 and not _FIRST <= value <= _LAST):
            raise Failed(BAD_VALUE)
        self.registers[number] = value
        if number == _ECHO:
            self.echo = bool(value)

    @command("SKINFO")
    def info(self, _: list[str]) -> None:
        """Address, IEEE address, channel, PAN ID, short address."""
        self.say(
            f"EINFO {full(self.local)} {self.node.eui64.hex().upper()} "
            f"{self.registers[0x02]:02X} {self.registers[0x03]:04X} {self.registers[0x01]:04X}"
        )

    @command("SKVER")
    def version(self, _: list[str]) -> None:
        """Version of the stack."""
        self.say("EVER 1.2.10")

    @command("SKAPPVER")
    def application(self, _: list[str]) -> None:
        """Version of the stick's program."""
        self.say("EAPPVER rev26e")

    @command("SKLL64", 1)
    def local_of(self, arguments: list[str]) -> None:
        """The link-local address of an IEEE address: a bare line, no OK."""
        if len(arguments[0]) != 16:
            raise Failed(BAD_VALUE)
        unhex(arguments[0][:8], 0xFFFFFFFF)
        unhex(arguments[0][8:], 0xFFFFFFFF)
        self.final(full(link_local(bytes.fromhex(arguments[0]))))

    @command("SKADDNBR", 2)
    def add_neighbour(self, arguments: list[str]) -> None:
        """Accepted; who is a neighbour is known to the mesh."""
        self.address(arguments[0])

    @command("SKPING", 1)
    async def ping(self, arguments: list[str]) -> None:
        """``SKPING <address>``: OK, and EPONG when an answer comes."""
        address = self.address(arguments[0])
        self.final("OK")
        self.spawn(self._ping(address))

    async def _ping(self, address: str) -> None:
        if await self.node.ping(address) is not None:
            self.say(f"EPONG {full(address)}")

    @command("SKRESET")
    def reset(self, _: list[str]) -> None:
        """Protocol stack anew: OK."""
        self.final("OK")
        self.restart(silent=True)

    @command("SKSAVE")
    def save(self, _: list[str]) -> None:
        """Registers to flash."""

    @command("SKLOAD")
    def load(self, _: list[str]) -> None:
        """Registers from flash: nothing was saved."""
        raise Failed(FAILED)

    @command("SKERASE")
    def erase(self, _: list[str]) -> None:
        """Flash is empty."""

    @command("ROPT")
    def read_option(self, _: list[str]) -> None:
        """Format of received data: ``OK 00`` binary, ``OK 01`` hexadecimal."""
        self._own_answer(f"OK {self.opt}")

    @command("WOPT", 1)
    def write_option(self, arguments: list[str]) -> None:
        """``WOPT 01``: written to flash each time, which bears it only so often."""
        if arguments[0] not in ("0", "1", "00", "01"):
            raise Failed(BAD_VALUE)
        self.opt = f"{int(arguments[0]):02d}"
        self.note("flash", f"WOPT {self.opt}")
        self._own_answer("OK")

    def _own_answer(self, text: str) -> None:
        self.running = False
        end = "\r" if self.settings.ropt_end == "cr" else "\r\n"
        self.raw(f"{text}{end}".encode())

    @command("SKTABLE", 1)
    def table(self, arguments: list[str]) -> None:
        """1: own addresses; 2: neighbours; E: ports; F: connections."""
        mode = unhex(arguments[0], 0xF)
        tables = {0x1: self._own, 0x2: self._neighbours, 0xE: self.port_table, 0xF: self.handles}
        if mode not in tables:
            raise Failed(BAD_VALUE)
        self.say(*tables[mode]())

    def _own(self) -> list[str]:
        return ["EADDR", *(full(each) for each in self.node.addresses)]

    def _neighbours(self) -> list[str]:
        there = list(self.mesh.neighbours(self.node)) if self.node.attached else []
        return [
            "ENEIGHBOR",
            *(
                f"{full(link_local(each.eui64))} {each.eui64.hex().upper()} FFFF"
                for each in there
                if isinstance(each, BorderRouter)
            ),
        ]

    def port_table(self) -> list[str]:
        """``EPORT``; see `fakes.skstack.sockets`."""
        raise NotImplementedError

    def handles(self) -> list[str]:
        """``EHANDLE``; see `fakes.skstack.sockets`."""
        raise NotImplementedError

    def mac_of(self, address: str) -> str:
        """The IEEE address that a packet from there came from: the neighbour's."""
        owner = self.node.owner(address)
        if owner is None:
            there = self._coordinators()
            owner = there[0] if there else self.node
        return owner.eui64.hex().upper()

    def own_for(self, address: str) -> str:
        """The own address that talks to that one."""
        return str(ipaddress.IPv6Address(self.node.source(address)))

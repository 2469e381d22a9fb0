"""Network commands: ifconfig, thread, state, ipaddr and what describes the node."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable
from typing import Final

from fakes.mesh import ROUTABLE, Network, link_local
from fakes.openthread import dataset as data
from fakes.openthread.codes import INVALID_ARGS, INVALID_COMMAND, INVALID_STATE, Rejected
from fakes.openthread.core import command, plain
from fakes.openthread.dataset import Dataset
from fakes.openthread.stored import DatasetCommands

__all__ = ["NetworkCommands"]

_LEADER_RLOC: Final = 0xFC00


class NetworkCommands(DatasetCommands):
    """The node's place in its network."""

    def __init__(self, *arguments: object, **more: object) -> None:
        self.interface_up = False
        self._ext_address = bytes(8)
        super().__init__(*arguments, **more)
        if self.settings.border:
            network = network_of(data.DEFAULT)
            assert network is not None
            prefix = str(ipaddress.IPv6Address(data.DEFAULT["meshlocalprefix"] + bytes(8)))
            self.mesh.serve(network, self.world, prefix)
            self.mesh.beacons[network] = data.DEFAULT

    async def start(self, deliver: Callable[[bytes], None]) -> None:
        """Start; what is random differs from node to node of a mesh."""
        self.take_address()
        self.chance = random.Random(f"{self.seed}:{self.node.eui64.hex()}")
        self._ext_address = self.chance.randbytes(8)
        await super().start(deliver)

    def power_on(self) -> None:
        """Interface and protocol are off until the host starts them (README.md, ifconfig)."""
        super().power_on()
        self.interface_up = False

    # ---- interface and protocol ------------------------------------------------------------

    @command("ifconfig")
    def ifconfig(self, arguments: list[str]) -> None:
        """``up``, ``down``, or which of them it is."""
        if not arguments:
            self.say("up" if self.interface_up else "down")
        elif arguments == ["up"]:
            if not self.interface_up:
                self.interface_up = True
                self._addresses()
        elif arguments == ["down"]:
            self.interface_up = False
            self.node.detach("disabled")
        else:
            raise Rejected(INVALID_ARGS)

    @command("thread start")
    def thread_start(self, arguments: list[str]) -> None:
        """Look for the network, or make it; the role comes later."""
        self.no_more(arguments)
        if not self.interface_up:
            raise Rejected(INVALID_STATE)
        if self.node.role == "disabled":
            self.node.role = "detached"
            self.spawn(self._attach())

    @command("thread stop")
    def thread_stop(self, arguments: list[str]) -> None:
        """Leave the network."""
        self.no_more(arguments)
        self.node.detach("disabled")
        if self.interface_up:
            self._addresses()

    async def _attach(self) -> None:
        node = self.node
        await self.sleep(self.settings.attach)
        waited = self.settings.attach
        while node.role == "detached":
            if self._join():
                await self.sleep(self.chance.random() * self.settings.promote)
                if node.role == "child":
                    node.role = "router"
                    self._addresses()
                return
            if waited >= self.settings.form:
                self._lead()
                return
            await self.sleep(self.settings.form - waited)
            waited = self.settings.form

    def _join(self) -> bool:
        """Attach to a network that has the stored key; the rest of the dataset comes from it."""
        wanted = self.stored or {}
        for network, beacon in self.mesh.beacons.items():
            if not (wanted and all(beacon.get(name) == wanted[name] for name in _matching(wanted))):
                continue
            self.node.network = network
            self.node.role = "child"
            if any(each.role in ("leader", "router") for each in self.mesh.neighbours(self.node)):
                self.stored = dict(beacon)
                self._addresses()
                return True
            self.node.role = "detached"
            self.node.network = None
        return False

    def _lead(self) -> None:
        """Make the network that the dataset describes; nothing with half a dataset."""
        network = network_of(self.stored or {})
        if network is not None and self.stored is not None and self.node.role == "detached":
            self.node.network = network
            self.node.role = "leader"
            self.mesh.beacons[network] = self.stored
            self._addresses()

    def lose_parent(self) -> None:
        """The parent does not answer: detached, and looking again."""
        if self.node.attached:
            self.node.detach("detached")
            self._addresses()
            self.spawn(self._attach())

    # ---- addresses -------------------------------------------------------------------------

    @property
    def rloc16(self) -> int:
        """Routing locator, by the place in the mesh; 0xfffe while there is none."""
        if not self.node.attached:
            return 0xFFFE
        if self.node.role == "leader":
            return _LEADER_RLOC
        number = self.mesh.nodes.index(self.node)
        return _LEADER_RLOC | number if self.node.role == "child" else number << 10

    def _prefix(self) -> bytes:
        return (self.stored or data.DEFAULT).get("meshlocalprefix", data.DEFAULT["meshlocalprefix"])

    def _address(self, tail: bytes) -> str:
        return str(ipaddress.IPv6Address(self._prefix() + tail))

    @property
    def mesh_local(self) -> str:
        """ML-EID: mesh-local prefix and an interface identifier that stays."""
        return self._address(self._ext_address[::-1])

    @property
    def locator(self) -> str:
        """RLOC: ``...:0:ff:fe00:<rloc16>`` (fact sheet 4.1)."""
        return self._address(bytes.fromhex(f"000000fffe00{self.rloc16:04x}"))

    @property
    def local(self) -> str:
        """Link-local address, from the extended address."""
        return link_local(self._ext_address)

    def _addresses(self) -> None:
        """Have the addresses of the present role."""
        node = self.node
        node.addresses.clear()
        node.register(self.local)
        node.register(self.mesh_local)
        if node.attached:
            node.register(self.locator)
            if self.mesh.router(node) is not None:
                tail = self._ext_address[4:] + self._ext_address[:4]
                omr = ipaddress.IPv6Address(ROUTABLE).packed[:8] + tail
                node.register(str(ipaddress.IPv6Address(omr)))

    @command("ipaddr")
    def ipaddr(self, arguments: list[str]) -> None:
        """All addresses, the youngest first, or one kind."""
        if not arguments:
            self.say(*(plain(each) for each in reversed(self.node.addresses)))
            return
        kinds = {"mleid": self.mesh_local, "rloc": self.locator, "linklocal": self.local}
        if arguments[0] not in kinds or len(arguments) > 1:
            raise Rejected(INVALID_COMMAND)
        self.say(plain(kinds[arguments[0]]))

    # ---- what the node is ------------------------------------------------------------------

    @command("state")
    def state(self, arguments: list[str]) -> None:
        """disabled, detached, child, router or leader."""
        self.no_more(arguments)
        self.say(self.node.role)

    @command("rloc16")
    def show_rloc16(self, arguments: list[str]) -> None:
        """Four hexadecimal digits."""
        self.no_more(arguments)
        self.say(f"{self.rloc16:04x}")

    @command("channel", "extpanid", "networkkey", "networkname", "panid", "pskc")
    def show_value(self, arguments: list[str]) -> None:
        """One value of the active dataset, as `dataset` prints it."""
        self.no_more(arguments)
        name = self.command.split()[0]
        self.say(data.shown(name, self.active()[name]))

    @command("eui64")
    def eui64(self, arguments: list[str]) -> None:
        """The factory's address."""
        self.no_more(arguments)
        self.say(self.node.eui64.hex())

    @command("extaddr")
    def extaddr(self, arguments: list[str]) -> None:
        """The radio's address."""
        self.no_more(arguments)
        self.say(self._ext_address.hex())

    @command("netdata show")
    def netdata(self, arguments: list[str]) -> None:
        """Prefixes, routes and services of the network (README_NETDATA.md, show)."""
        self.no_more(arguments)
        there = self.mesh.border(self.node) is not None
        self.say("Prefixes:")
        if there:
            self.say(f"{_short(ROUTABLE, 4)}::/64 paos med {_LEADER_RLOC:04x}")
        self.say("Routes:")
        if self.nat64_router() is not None:
            self.say(f"fd00:64:64:0:0:0::/96 sn low {_LEADER_RLOC:04x}")
        self.say("Services:")


def _short(prefix: str, groups: int) -> str:
    return ":".join(plain(prefix).split(":")[:groups])


def _matching(wanted: Dataset) -> list[str]:
    """The fields that must agree before two nodes understand each other: those that are set."""
    return [name for name in ("networkkey", "channel", "panid") if name in wanted]


def network_of(dataset: Dataset) -> Network | None:
    """The credentials of a dataset; None when it is not whole."""
    if not all(name in dataset for name in ("networkkey", "channel", "panid")):
        return None
    return Network(
        int.from_bytes(dataset["channel"][1:], "big"),
        int.from_bytes(dataset["panid"], "big"),
        dataset["networkkey"],
    )

"""Interfaces by kind: Ethernet, WiFi, cellular, mesh; and the right one for a stack."""

from __future__ import annotations

import re
from typing import TypeVar

from netsocket.capability.model import Capability, Level
from netsocket.cellular import (
    AccessPointName,
    Authentication,
    CellularControl,
    CellularState,
    check_pin,
)
from netsocket.errors import AlreadyConnected, ModuleBusy, NotSupported
from netsocket.interface import AsyncNetworkInterface
from netsocket.mesh import MeshControl, MeshState, ThreadControl
from netsocket.stack import InterfaceStatus, ScanningStack, Stack
from netsocket.wifi import Security, WiFiControl, WiFiCredentials, check_channel

Control = TypeVar("Control")

_UP = (InterfaceStatus.LOCAL_UP, InterfaceStatus.GLOBAL_UP)


class AsyncEthernetInterface(AsyncNetworkInterface):
    """A wired network, the host's own for example."""

    medium = "Ethernet"


class AsyncWiFiInterface(AsyncNetworkInterface):
    """A WiFi module.

    The network comes from the settings it was opened with, or from `set_credentials` before `up`;
    `join` does both. The API's `connect()` and `disconnect()` are `up` and `down`.
    """

    medium = "WiFi"

    @property
    def _control(self) -> WiFiControl:
        if isinstance(self.stack, WiFiControl):
            return self.stack
        raise NotSupported(_missing(self, "wifi.credentials", "this stack joins no WiFi"))

    @property
    def rssi(self) -> int | None:
        """Signal in dBm as of the last `refresh`; None while not joined (the API's 0)."""
        if self.status in _UP:
            for key in ("rssi", "signal"):
                found = re.match(r"-?\d+", self.snapshot.details.get(key, ""))
                if found:
                    return int(found.group())
        return None

    @property
    def credentials(self) -> WiFiCredentials | None:
        """The network that `up` joins; None: what the module has stored. Raises NotSupported."""
        return self._control.credentials

    def set_credentials(
        self, ssid: str | None, password: str = "", security: Security | None = None
    ) -> None:
        """Choose the network for the next `up`; an SSID of None takes what the module has stored.

        Raises InvalidArgument (SSID of 1 to 32 bytes, WPA password of 8 to 63, none for an open
        network), NotSupported (a kind of security the module has not), ModuleBusy while attaching.
        """
        wanted = None if ssid is None else WiFiCredentials(ssid, password, security)
        control = self._control
        _not_while_attaching(self)
        control.set_credentials(wanted)

    def set_channel(self, channel: int) -> None:
        """Join on this channel only; 0 for any. Raises InvalidArgument, NotSupported."""
        check_channel(channel)
        control = self._control
        _not_while_attaching(self)
        control.set_channel(channel)

    async def join(
        self, ssid: str, password: str = "", security: Security | None = None, channel: int = 0
    ) -> None:
        """`set_credentials`, `set_channel` and `up`, the API's `connect(ssid, …)`.

        Raises AlreadyConnected while joined, and what those raise.
        """
        self._check_open()
        if self.status in _UP:
            raise AlreadyConnected("the interface is up; take it down first")
        self.set_credentials(ssid, password, security)
        self.set_channel(channel)
        await self.up()


class AsyncCellularInterface(AsyncNetworkInterface):
    """A cellular module: a SIM, a registration, a data connection."""

    medium = "cellular"

    @property
    def _control(self) -> CellularControl:
        if isinstance(self.stack, CellularControl):
            return self.stack
        raise NotSupported(_missing(self, "cellular.sim", "this stack has no SIM"))

    async def cellular(self) -> CellularState:
        """SIM, registration, operator, technology and signal, asked now; needs no `up`.

        Raises NotSupported, and what opening the port raises when it is not open yet.
        """
        self._check_open()
        return await self._control.cellular()

    @property
    def access_point_name(self) -> AccessPointName:
        """The data connection that `up` asks for."""
        return self._control.access_point_name

    def set_credentials(
        self,
        apn: str,
        user: str = "",
        password: str = "",
        authentication: Authentication | None = None,
    ) -> None:
        """Choose the data connection for the next `up`; an empty APN takes what is stored.

        Without `authentication` it is CHAP where there is a user name. Raises InvalidArgument,
        ModuleBusy while attaching.
        """
        if authentication is None:
            authentication = Authentication.CHAP if user else Authentication.NONE
        wanted = AccessPointName(apn, user, password, authentication)
        control = self._control
        _not_while_attaching(self)
        control.set_access_point_name(wanted)

    def set_sim_pin(self, pin: str) -> None:
        """The PIN to enter when the SIM asks for it. Raises InvalidArgument.

        It is sent once; a PIN that was refused is not sent again in this process.
        """
        check_pin(pin)
        self._control.set_sim_pin(pin)


class AsyncMeshInterface(AsyncNetworkInterface):
    """A node of a mesh network: Thread, 6LoWPAN.

    The API's `connect()` and `disconnect()` are `up` and `down`.
    """

    medium = "mesh"

    @property
    def _control(self) -> MeshControl:
        if isinstance(self.stack, MeshControl):
            return self.stack
        raise NotSupported(_missing(self, "interface.address", "this stack is in no mesh"))

    @property
    def _thread(self) -> ThreadControl:
        if isinstance(self.stack, ThreadControl):
            return self.stack
        raise NotSupported(Capability("interface.address", Level.NONE, "this is no Thread node"))

    async def mesh(self) -> MeshState:
        """Role, network, addresses and neighbours, asked now; needs no `up`.

        Raises NotSupported, and what opening the port raises when it is not open yet.
        """
        self._check_open()
        return await self._control.mesh()

    async def dataset(self) -> str:
        """The Thread network as a dataset in hexadecimal, for other nodes to join; it holds the
        network key. Raises NotSupported (no Thread node), NetworkNotFound (has none)."""
        self._check_open()
        return await self._thread.dataset()

    def set_dataset(self, dataset: str) -> None:
        """Join this Thread network at the next `up`. Raises InvalidArgument, NotSupported,
        ModuleBusy while attaching."""
        control = self._thread
        _not_while_attaching(self)
        control.set_dataset(dataset)


def interface_for(stack: Stack) -> AsyncNetworkInterface:
    """The interface of the kind that the stack's own abilities show."""
    if isinstance(stack, MeshControl):
        return AsyncMeshInterface(stack)
    if isinstance(stack, WiFiControl | ScanningStack):
        return AsyncWiFiInterface(stack)
    if isinstance(stack, CellularControl):
        return AsyncCellularInterface(stack)
    return AsyncEthernetInterface(stack)


def _missing(net: AsyncNetworkInterface, id_: str, because: str) -> Capability:
    """The stack's own record where it says why not, else one that does."""
    record = net.capabilities[id_]
    return record if record.level is Level.NONE else Capability(id_, Level.NONE, because)


def _not_while_attaching(net: AsyncNetworkInterface) -> None:
    if net.status is InterfaceStatus.CONNECTING:
        raise ModuleBusy("the interface is attaching")

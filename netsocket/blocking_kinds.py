"""The blocking faces of the interfaces by kind; see `netsocket.interface_kinds`."""

from __future__ import annotations

from netsocket.blocking_interface import NetworkInterface
from netsocket.cellular import AccessPointName, Authentication, CellularState
from netsocket.interface_kinds import (
    AsyncCellularInterface,
    AsyncEthernetInterface,
    AsyncMeshInterface,
    AsyncWiFiInterface,
)
from netsocket.mesh import MeshState
from netsocket.wifi import Security, WiFiCredentials


class EthernetInterface(NetworkInterface):
    """A wired network, the host's own for example."""

    async_class = AsyncEthernetInterface


class WiFiInterface(NetworkInterface):
    """A WiFi module. See AsyncWiFiInterface."""

    async_class = AsyncWiFiInterface
    _async: AsyncWiFiInterface

    @property
    def rssi(self) -> int | None:
        """Signal in dBm as of the last `refresh`; None while not joined (the API's 0)."""
        return self._async.rssi

    @property
    def credentials(self) -> WiFiCredentials | None:
        """The network that `up` joins; None: what the module has stored. Raises NotSupported."""
        return self._async.credentials

    def set_credentials(
        self, ssid: str | None, password: str = "", security: Security | None = None
    ) -> None:
        """Choose the network for the next `up`. Raises InvalidArgument, NotSupported, ModuleBusy;
        see AsyncWiFiInterface."""
        self._async.set_credentials(ssid, password, security)

    def set_channel(self, channel: int) -> None:
        """Join on this channel only; 0 for any. Raises InvalidArgument, NotSupported."""
        self._async.set_channel(channel)

    def join(
        self, ssid: str, password: str = "", security: Security | None = None, channel: int = 0
    ) -> None:
        """`set_credentials`, `set_channel` and `up`. Raises AlreadyConnected while joined."""
        self._portal.run(self._async.join(ssid, password, security, channel))


class CellularInterface(NetworkInterface):
    """A cellular module. See AsyncCellularInterface."""

    async_class = AsyncCellularInterface
    _async: AsyncCellularInterface

    def cellular(self) -> CellularState:
        """SIM, registration, operator, technology and signal, asked now. Raises NotSupported."""
        return self._portal.run(self._async.cellular())

    @property
    def access_point_name(self) -> AccessPointName:
        """The data connection that `up` asks for."""
        return self._async.access_point_name

    def set_credentials(
        self,
        apn: str,
        user: str = "",
        password: str = "",
        authentication: Authentication | None = None,
    ) -> None:
        """Choose the data connection for the next `up`. Raises InvalidArgument, ModuleBusy."""
        self._async.set_credentials(apn, user, password, authentication)

    def set_sim_pin(self, pin: str) -> None:
        """The PIN to enter when the SIM asks for it, once. Raises InvalidArgument."""
        self._async.set_sim_pin(pin)


class MeshInterface(NetworkInterface):
    """A node of a mesh network. See AsyncMeshInterface."""

    async_class = AsyncMeshInterface
    _async: AsyncMeshInterface

    def mesh(self) -> MeshState:
        """Role, network, addresses and neighbours, asked now. Raises NotSupported."""
        return self._portal.run(self._async.mesh())

    def dataset(self) -> str:
        """The Thread network as a dataset in hexadecimal; holds its key. Raises NotSupported."""
        return self._portal.run(self._async.dataset())

    def set_dataset(self, dataset: str) -> None:
        """Join this Thread network at the next `up`. Raises InvalidArgument, NotSupported."""
        self._async.set_dataset(dataset)

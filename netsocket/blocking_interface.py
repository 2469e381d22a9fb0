"""NetworkInterface: the blocking face of AsyncNetworkInterface, over the shared portal."""

from __future__ import annotations

import socket as _socket
from collections.abc import Callable, Sequence
from typing import ClassVar, Self

from netsocket.capability.model import CapabilityTable
from netsocket.interface import (
    AsyncCellularInterface,
    AsyncEthernetInterface,
    AsyncNetworkInterface,
    AsyncWiFiInterface,
)
from netsocket.portal import Portal
from netsocket.stack import AccessPoint, InterfaceStatus, Stack, StackStatus
from netsocket.tcp import TCPSocket
from netsocket.udp import UDPSocket


class NetworkInterface:
    """A network interface for programs without an event loop.

    `with` brings it up and closes it; one that is still open when the interpreter ends is closed
    then. Usable from any thread but the portal's own.
    """

    async_class: ClassVar[type[AsyncNetworkInterface]] = AsyncNetworkInterface

    def __init__(self, stack: Stack, portal: Portal | None = None) -> None:
        self._take(self.async_class(stack), portal)

    @classmethod
    def of(cls, interface: AsyncNetworkInterface, portal: Portal | None = None) -> Self:
        """The blocking face of an interface that lives in the portal's loop."""
        face = cls.__new__(cls)
        face._take(interface, portal)
        return face

    def _take(self, interface: AsyncNetworkInterface, portal: Portal | None) -> None:
        self._async = interface
        self._portal = portal or Portal.shared()
        self._portal.at_stop(interface.close)

    # -- life ---------------------------------------------------------------------------------

    def up(self) -> None:
        """Bring the interface up; nothing when it is."""
        self._portal.run(self._async.up())

    def down(self) -> None:
        """Close every socket and take the interface down; `up` may follow."""
        self._portal.run(self._async.down())

    def close(self) -> None:
        """Take the interface down for good. Idempotent; nothing in a forked child."""
        self._portal.discard(self._async.close)
        if self._portal.alive:
            self._portal.run(self._async.close())

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # -- what it is ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Short name of the stack."""
        return self._async.name

    @property
    def capabilities(self) -> CapabilityTable:
        """What the stack claims."""
        return self._async.capabilities

    @property
    def status(self) -> InterfaceStatus:
        """The state as last noticed; nothing is asked."""
        return self._async.status

    @property
    def snapshot(self) -> StackStatus:
        """The last answer to `refresh`."""
        return self._async.snapshot

    @property
    def ip_address(self) -> str | None:
        """Own address as of the last `refresh`; None while not attached."""
        return self._async.ip_address

    def refresh(self) -> StackStatus:
        """Ask the stack how it is."""
        return self._portal.run(self._async.refresh())

    def on_status(self, callback: Callable[[InterfaceStatus], object]) -> Callable[[], None]:
        """Call `callback(status)` at each change, in the portal's thread; returns its removal."""
        return self._async.on_status(callback)

    # -- sockets ------------------------------------------------------------------------------

    def tcp_socket(self) -> TCPSocket:
        """A new stream socket. Raises NoSocket (EMFILE)."""
        socket = self._async.tcp_socket()
        self._portal.run(socket.open())
        return TCPSocket(self._portal, socket)

    def udp_socket(self) -> UDPSocket:
        """A new datagram socket. Raises NoSocket (EMFILE)."""
        socket = self._async.udp_socket()
        self._portal.run(socket.open())
        return UDPSocket(self._portal, socket)

    def create_connection(
        self,
        address: object,
        timeout: float | None = None,
        source_address: object = None,
    ) -> _socket.socket:
        """A connected plain `socket.socket` with a descriptor, as socket.create_connection."""
        return self._portal.run(
            self._async.create_socket(address, timeout=timeout, source_address=source_address)
        )

    # -- services -----------------------------------------------------------------------------

    def resolve(self, name: str) -> list[str]:
        """Addresses of a name, by the stack."""
        return self._portal.run(self._async.resolve(name))

    def ping(self, host: str) -> float:
        """Round trip in seconds, by the stack. Raises NotSupported."""
        return self._portal.run(self._async.ping(host))

    def scan(self) -> Sequence[AccessPoint]:
        """WiFi networks in reach. Raises NotSupported."""
        return self._portal.run(self._async.scan())

    def __repr__(self) -> str:
        return repr(self._async).replace("<Async", "<", 1)


class WiFiInterface(NetworkInterface):
    """A WiFi module."""

    async_class = AsyncWiFiInterface
    _async: AsyncWiFiInterface

    @property
    def rssi(self) -> int | None:
        """Signal in dBm as of the last `refresh`, None when the stack did not tell."""
        return self._async.rssi


class CellularInterface(NetworkInterface):
    """A cellular module."""

    async_class = AsyncCellularInterface


class EthernetInterface(NetworkInterface):
    """A wired network, the host's own for example."""

    async_class = AsyncEthernetInterface

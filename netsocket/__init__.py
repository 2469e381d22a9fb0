"""The common Socket API over any TCP/IP stack: the host's own, or one inside a module.

Blocking programs use `NetworkInterface`, `TCPSocket`, `UDPSocket`; asyncio programs their Async
twins. A driver implements `Stack`. Nothing here knows AT commands, serial ports or vendors.
"""

from netsocket.adapters.listener import ListeningSocket
from netsocket.adapters.pool import Lease, Pool, PoolBusy, PoolEmpty
from netsocket.adapters.server import StreamServer
from netsocket.address import InvalidHostName, SocketAddress
from netsocket.blocking_interface import NetworkInterface
from netsocket.blocking_kinds import (
    CellularInterface,
    EthernetInterface,
    MeshInterface,
    WiFiInterface,
)
from netsocket.capability import CATALOGUE, Capability, CapabilityTable, Level, Manual
from netsocket.cellular import (
    AccessPointName,
    Authentication,
    CellularControl,
    CellularState,
    Registration,
    Signal,
    SimState,
)
from netsocket.datagram import AsyncUDPSocket
from netsocket.errors import NetsocketError, NotSupported, Nsapi, SendUnknown
from netsocket.hoststack import HostStack
from netsocket.interface import AsyncNetworkInterface
from netsocket.interface_kinds import (
    AsyncCellularInterface,
    AsyncEthernetInterface,
    AsyncMeshInterface,
    AsyncWiFiInterface,
    interface_for,
)
from netsocket.lifecycle import SocketState
from netsocket.mesh import MeshControl, MeshState, ThreadControl
from netsocket.portal import Portal
from netsocket.stack import (
    AccessPoint,
    Handle,
    InterfaceStatus,
    Kind,
    RecoveringStack,
    Stack,
    StackStatus,
)
from netsocket.stream import AsyncTCPSocket
from netsocket.tcp import TCPSocket
from netsocket.tls import AsyncTLSSocket
from netsocket.tlssocket import TLSSocket
from netsocket.udp import UDPSocket
from netsocket.wifi import Security, WiFiControl, WiFiCredentials

__all__ = [
    "CATALOGUE",
    "AccessPoint",
    "AccessPointName",
    "AsyncCellularInterface",
    "AsyncEthernetInterface",
    "AsyncMeshInterface",
    "AsyncNetworkInterface",
    "AsyncTCPSocket",
    "AsyncTLSSocket",
    "AsyncUDPSocket",
    "AsyncWiFiInterface",
    "Authentication",
    "Capability",
    "CapabilityTable",
    "CellularControl",
    "CellularInterface",
    "CellularState",
    "EthernetInterface",
    "Handle",
    "HostStack",
    "InterfaceStatus",
    "InvalidHostName",
    "Kind",
    "Lease",
    "Level",
    "ListeningSocket",
    "Manual",
    "MeshControl",
    "MeshInterface",
    "MeshState",
    "NetsocketError",
    "NetworkInterface",
    "NotSupported",
    "Nsapi",
    "Pool",
    "PoolBusy",
    "PoolEmpty",
    "Portal",
    "RecoveringStack",
    "Registration",
    "Security",
    "SendUnknown",
    "Signal",
    "SimState",
    "SocketAddress",
    "SocketState",
    "Stack",
    "StackStatus",
    "StreamServer",
    "TCPSocket",
    "TLSSocket",
    "ThreadControl",
    "UDPSocket",
    "WiFiControl",
    "WiFiCredentials",
    "WiFiInterface",
    "interface_for",
]

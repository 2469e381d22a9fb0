"""The common Socket API over any TCP/IP stack: the host's own, or one inside a module.

Blocking programs use `NetworkInterface`, `TCPSocket`, `UDPSocket`; asyncio programs their Async
twins. A driver implements `Stack`. Nothing here knows AT commands, serial ports or vendors.
"""

from netsocket.adapters.listener import ListeningSocket
from netsocket.adapters.server import StreamServer
from netsocket.address import InvalidHostName, SocketAddress
from netsocket.blocking_interface import (
    CellularInterface,
    EthernetInterface,
    NetworkInterface,
    WiFiInterface,
)
from netsocket.capability import CATALOGUE, Capability, CapabilityTable, Level, Manual
from netsocket.datagram import AsyncUDPSocket
from netsocket.errors import NetsocketError, NotSupported, Nsapi, SendUnknown
from netsocket.hoststack import HostStack
from netsocket.interface import (
    AsyncCellularInterface,
    AsyncEthernetInterface,
    AsyncNetworkInterface,
    AsyncWiFiInterface,
)
from netsocket.lifecycle import SocketState
from netsocket.portal import Portal
from netsocket.stack import AccessPoint, Handle, InterfaceStatus, Kind, Stack, StackStatus
from netsocket.stream import AsyncTCPSocket
from netsocket.tcp import TCPSocket
from netsocket.tls import AsyncTLSSocket
from netsocket.tlssocket import TLSSocket
from netsocket.udp import UDPSocket

__all__ = [
    "CATALOGUE",
    "AccessPoint",
    "AsyncCellularInterface",
    "AsyncEthernetInterface",
    "AsyncNetworkInterface",
    "AsyncTCPSocket",
    "AsyncTLSSocket",
    "AsyncUDPSocket",
    "AsyncWiFiInterface",
    "Capability",
    "CapabilityTable",
    "CellularInterface",
    "EthernetInterface",
    "Handle",
    "HostStack",
    "InterfaceStatus",
    "InvalidHostName",
    "Kind",
    "Level",
    "ListeningSocket",
    "Manual",
    "NetsocketError",
    "NetworkInterface",
    "NotSupported",
    "Nsapi",
    "Portal",
    "SendUnknown",
    "SocketAddress",
    "SocketState",
    "Stack",
    "StackStatus",
    "StreamServer",
    "TCPSocket",
    "TLSSocket",
    "UDPSocket",
    "WiFiInterface",
]

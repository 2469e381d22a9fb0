"""How existing programs get at these sockets: asyncio transports and real descriptors."""

from netsocket.adapters.datagrams import DatagramTransport
from netsocket.adapters.descriptor import DescriptorPump
from netsocket.adapters.listener import ListeningSocket
from netsocket.adapters.pairs import open_streams, start_tls
from netsocket.adapters.server import StreamServer
from netsocket.adapters.streams import StreamTransport

__all__ = [
    "DatagramTransport",
    "DescriptorPump",
    "ListeningSocket",
    "StreamServer",
    "StreamTransport",
    "open_streams",
    "start_tls",
]

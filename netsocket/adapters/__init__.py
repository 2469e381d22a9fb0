"""How existing programs get at these sockets: asyncio transports and real descriptors."""

from netsocket.adapters.datagrams import DatagramTransport
from netsocket.adapters.descriptor import DescriptorPump
from netsocket.adapters.listener import ListeningSocket
from netsocket.adapters.server import StreamServer
from netsocket.adapters.streams import StreamTransport, open_streams

__all__ = [
    "DatagramTransport",
    "DescriptorPump",
    "ListeningSocket",
    "StreamServer",
    "StreamTransport",
    "open_streams",
]

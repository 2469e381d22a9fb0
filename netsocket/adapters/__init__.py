"""How existing programs get at these sockets: asyncio transports and real descriptors."""

from netsocket.adapters.descriptor import DescriptorPump
from netsocket.adapters.streams import StreamTransport, open_streams

__all__ = ["DescriptorPump", "StreamTransport", "open_streams"]

"""Everything the Socket API promises, one id and one sentence each.

A stack's `CapabilityTable` answers every id; an id that is not here is an error at import. The
`*.max*` and `frame.*` ids carry a number (`limit`) that the code obeys at run time.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CATALOGUE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tcp.connect": "connect returns when the connection is established, or raises the cause.",
        "tcp.send": "send returns how many bytes the stack accepted, in order and without loss.",
        "tcp.recv": "recv returns every byte the peer sent, in order, then b'' at an orderly end.",
        "tcp.half_close": "shutdown(SHUT_WR) ends the sending side only; receiving goes on.",
        "tcp.listen": "bind, listen and accept take connections that peers open.",
        "tcp.close": "close ends the connection in order after what was accepted has been sent.",
        "tcp.abort": "A connection can be reset at once, throwing away what was not yet sent.",
        "udp.connect": "connect fixes the peer: datagrams of others are not delivered.",
        "udp.sendto_many": "One socket sends to, and hears from, any number of peers.",
        "udp.boundaries": "One recvfrom returns exactly one datagram, never a part or two.",
        "udp.zero_length": "Empty datagrams can be sent and received.",
        "dns.resolve": "Names are resolved by the stack and all their addresses returned.",
        "sockets.max": "Number of sockets that can be open at the same time.",
        "frame.max_send": "Most bytes of a stream that one send transaction accepts.",
        "frame.max_recv": "Most bytes of a stream that one receive transaction returns.",
        "datagram.max_send": "Longest datagram that can be sent.",
        "datagram.max_recv": "Longest datagram that can be received whole.",
        "ipv6": "IPv6 addresses can be used.",
        "tls.module": "The stack itself offers TLS.",
        "receive.backpressure": "A slow reader slows the peer down; nothing received is lost.",
        "send.outcome": "After a failed send it is known how many bytes were accepted.",
    }
)
"""Id to sentence, in report order."""

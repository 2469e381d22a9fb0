"""Everything the Socket API promises, one id and one sentence each.

A stack's `CapabilityTable` answers every id; an id that is not here is an error at import. The
`*.max*` and `frame.*` ids carry a number (`limit`) that the code obeys at run time.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

VERSION: Final = 2
"""Raised whenever an id is added, removed or changes its meaning; reports carry it."""

_GROUPS: Final[Mapping[str, Mapping[str, str]]] = {
    "tcp": {
        "tcp.connect": "connect returns when, and only when, the connection is established.",
        "tcp.connect_nonblocking": "A non-blocking connect raises EINPROGRESS, then EALREADY, and "
        "its end is noticed.",
        "tcp.connect_again": "After a failed connect the same socket can connect elsewhere.",
        "tcp.send": "send returns how many bytes the stack accepted, in order and without loss.",
        "tcp.recv": "recv returns every byte the peer sent, in order, then b'' at an orderly end.",
        "tcp.transparent": "Every byte value and every text passes unchanged in both directions.",
        "tcp.sizes": "Messages of every size from 1 to 1200 bytes come back complete.",
        "tcp.burst": "Messages larger than one packet can follow each other without a pause.",
        "tcp.bulk": "100 KiB arrive complete and in order.",
        "tcp.drain": "Data that was followed at once by the peer's close is not lost.",
        "tcp.reset_seen": "A reset by the peer raises ECONNRESET and does not look like an end.",
        "tcp.half_close": "shutdown(SHUT_WR) ends the sending side only; receiving goes on.",
        "tcp.shutdown_read": "shutdown(SHUT_RD) ends receiving; sending goes on.",
        "tcp.shutdown_both": "shutdown(SHUT_RDWR) ends the connection in both directions.",
        "tcp.listen": "bind, listen and accept take connections that peers open.",
        "tcp.bind_port": "A client chooses its local port, and the peer sees it.",
        "tcp.bind_conflict": "A second bind to a taken port raises EADDRINUSE.",
        "tcp.peer_name": "getpeername tells the peer's address and port.",
        "tcp.local_name": "getsockname tells the own address and the port that the peer sees.",
        "tcp.close": "close ends the connection in order after what was accepted has been sent.",
        "tcp.abort": "A connection can be reset at once, throwing away what was not yet sent.",
        "send.outcome": "After a failed send it is known how many bytes were accepted.",
        "receive.backpressure": "A slow reader slows the peer down; nothing received is lost.",
        "send.backpressure": "A slow peer slows the writer down; nothing accepted is lost.",
    },
    "udp": {
        "udp.echo": "Datagrams of 1 to 1200 bytes arrive whole, with their sender's address.",
        "udp.connect": "connect fixes the peer: datagrams of others are not delivered.",
        "udp.sendto_many": "One socket sends to, and hears from, any number of peers.",
        "udp.sendto_connected": "sendto may go elsewhere than to the fixed peer.",
        "udp.boundaries": "One recvfrom returns exactly one datagram, never a part or two.",
        "udp.truncation": "What does not fit is cut off; the next datagram is whole.",
        "udp.zero_length": "Empty datagrams can be sent.",
        "udp.zero_length_recv": "Empty datagrams are received.",
        "udp.bind_port": "A socket chooses its local port, and peers see it.",
        "udp.bind_conflict": "A second bind to a taken port raises EADDRINUSE.",
        "udp.local_name": "getsockname tells the port that peers see.",
        "udp.descriptor": "A datagram socket has a descriptor that select and others can use.",
        "udp.repeat": "A hundred datagrams in a row are accepted and leave in order.",
    },
    "dns": {
        "dns.resolve": "A name is resolved by the stack to an address that can be used.",
        "dns.all_addresses": "All addresses of a name are returned.",
        "dns.unknown": "An unknown name raises gaierror, and the next query works.",
        "dns.concurrent": "Several queries at the same time all get their answers.",
        "dns.cancel": "A cancelled query disturbs none of those after it.",
        "dns.cache": "An answer is kept for a while; the same name then needs no question.",
        "dns.connect": "connect takes a host name.",
        "dns.sendto": "sendto takes a host name.",
    },
    "options": {
        "option.reuseaddr": "SO_REUSEADDR can be set and read.",
        "option.keepalive": "SO_KEEPALIVE can be set and read.",
        "option.keepidle": "TCP_KEEPIDLE (seconds) can be set and read.",
        "option.keepintvl": "TCP_KEEPINTVL (seconds) can be set and read.",
        "option.nodelay": "TCP_NODELAY can be set and read.",
        "option.linger": "SO_LINGER can be set.",
        "option.sndbuf": "SO_SNDBUF can be set.",
        "option.rcvbuf": "SO_RCVBUF can be set.",
        "option.broadcast": "SO_BROADCAST can be set and read.",
        "option.multicast": "IP_ADD_MEMBERSHIP joins a group.",
        "option.tos": "IP_TOS can be set and read.",
        "option.bind_to_device": "SO_BINDTODEVICE pins a socket to one interface of the stack.",
        "option.honest": "An option the stack does not have raises ENOPROTOOPT, never silence.",
        "option.type": "SO_TYPE, SO_ERROR and SO_ACCEPTCONN are answered.",
    },
    "errors": {
        "error.refused": "connect to a closed port raises ConnectionRefusedError.",
        "error.connected_twice": "connect on a connected socket raises EISCONN.",
        "error.not_connected": "send, recv and getpeername without a connection raise ENOTCONN.",
        "error.closed": "Every call after close raises EBADF; close itself may be repeated.",
        "error.broken_pipe": "send after the peer's close ends in EPIPE or ECONNRESET.",
        "error.no_destination": "send without a peer raises EDESTADDRREQ.",
        "error.too_long": "A datagram above the limit raises EMSGSIZE and nothing leaves.",
        "error.foreign_address": "bind to an address of somebody else raises EADDRNOTAVAIL.",
        "error.end_repeats": "After the end recv answers b'' for ever.",
    },
    "concurrency": {
        "wait.timeout": "A time-out limits the whole call and raises TimeoutError.",
        "wait.connect_timeout": "A time-out limits connect, too, when the peer is silent.",
        "wait.nonblocking": "A non-blocking call that cannot go on raises EAGAIN at once.",
        "wait.event": "sigio is called when data came, also for data before registration.",
        "wait.event_removed": "A sigio callback that was removed is not called any more.",
        "wait.close_wakes": "close wakes a caller that waits in recv, send, accept or connect, "
        "with EBADF.",
        "wait.cancel": "A cancelled recv loses no byte.",
        "wait.duplex": "One socket sends and receives at the same time.",
        "wait.sockets": "Several sockets work at the same time without mixing their bytes.",
        "wait.isolation": "A socket nobody reads from does not stop the others.",
    },
    "limits": {
        "sockets.max": "Number of sockets that can be open at the same time.",
        "sockets.reuse": "Sockets can be opened and closed again and again without a leak.",
        "frame.max_send": "Most bytes of a stream that one send transaction accepts.",
        "frame.max_recv": "Most bytes of a stream that one receive transaction returns.",
        "datagram.max_send": "Longest datagram that can be sent.",
        "datagram.max_recv": "Longest datagram that can be received whole.",
    },
    "tls": {
        "tls.handshake": "TLS above the stack: connect returns when the handshake is complete and "
        "the certificate is verified.",
        "tls.verify": "A certificate that is expired, somebody else's or of an unknown authority "
        "ends the handshake.",
        "tls.client_certificate": "A server that asks for a certificate is shown ours.",
        "tls.echo": "Everything sent over TLS arrives complete and in order, in both directions.",
        "tls.send": "send over TLS returns how many plain bytes were taken.",
        "tls.nonblocking": "Non-blocking TLS calls raise EAGAIN at once, and events drive them.",
        "tls.timeout": "A time-out limits a whole call over TLS, the handshake included.",
        "tls.close_notify": "An orderly end is told and seen: recv answers b'' after close_notify "
        "only.",
        "tls.truncation": "A stream cut without close_notify raises an error, never an end.",
        "tls.errors": "TLS calls before the handshake raise ENOTCONN, after close EBADF.",
        "tls.sockets": "As many TLS connections as sockets can be open, each with its own data.",
        "tls.listen": "listen and accept give TLS connections that peers open.",
        "tls.module": "The stack's own TLS verifies certificates and tells a cut from an end.",
    },
    "interface": {
        "ipv6": "IPv6 addresses can be used.",
        "interface.status": "Going down and up is told to status callbacks, in order.",
        "interface.again": "After down and up sockets work again; old ones are broken, none hangs.",
        "interface.address": "The own address is known while the interface is up.",
        "interface.scan": "WiFi networks in reach can be listed.",
        "interface.ping": "The stack measures a round trip by itself.",
        "wifi.credentials": "Network, password and security are chosen by the program; what cannot "
        "be any raises EINVAL.",
        "wifi.join": "A WiFi network is joined with its password, left, and joined again.",
        "wifi.refused": "A wrong password and a network out of reach are told; then joining works.",
        "wifi.rssi": "The joined network's signal is told in dBm, and none while not joined.",
        "wifi.channel": "The channel to join on can be chosen.",
        "cellular.sim": "The state of the SIM is told, and its PIN can be given.",
        "cellular.registration": "Registration, operator and radio technology are told.",
        "cellular.signal": "The strength of the cellular signal is told in dBm.",
        "cellular.apn": "The access point name and its login are chosen by the program.",
    },
}

CATALOGUE: Final[Mapping[str, str]] = MappingProxyType(
    {id_: sentence for group in _GROUPS.values() for id_, sentence in group.items()}
)
"""Id to sentence, in report order."""
GROUP: Final[Mapping[str, str]] = MappingProxyType(
    {id_: name for name, group in _GROUPS.items() for id_ in group}
)
"""Id to the name of its group."""

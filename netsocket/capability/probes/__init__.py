"""The probes, one module per group of promises; importing this package registers them all."""

from netsocket.capability.probes import (
    cellular,
    failures,
    interface,
    limits,
    names,
    options,
    tcp,
    tcp_ending,
    tls,
    tls_life,
    udp,
    waiting,
    waking,
    wifi,
)

__all__ = [
    "cellular",
    "failures",
    "interface",
    "limits",
    "names",
    "options",
    "tcp",
    "tcp_ending",
    "tls",
    "tls_life",
    "udp",
    "waiting",
    "waking",
    "wifi",
]

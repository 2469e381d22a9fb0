"""The probes, one module per group of promises; importing this package registers them all."""

from netsocket.capability.probes import (
    binding,
    cellular,
    failures,
    interface,
    limits,
    names,
    names_async,
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
    "binding",
    "cellular",
    "failures",
    "interface",
    "limits",
    "names",
    "names_async",
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

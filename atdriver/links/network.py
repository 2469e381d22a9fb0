"""Serial ports over a network: what their user should know."""

from __future__ import annotations

import ipaddress
import logging

log = logging.getLogger("atdriver.links")


def beyond_loopback(host: str) -> bool:
    """Whether it may be another computer: everything but a loopback address and "localhost"."""
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host != "localhost"


def in_clear(name: str) -> str:
    """The sentence about a link that leaves this computer."""
    return (
        f"{name}: nobody proves who he is on this line, and all on it, passwords too, goes over "
        "the network in clear: use a tunnel (ssh -L)"
    )


def leaves(port: str) -> bool:
    """Whether a specification's port is on another computer, as far as can be told."""
    scheme, separator, rest = port.partition("://")
    host, _, number = rest.rpartition(":")
    whole = bool(separator and host and number)  # else it will be refused, with its own sentence
    return whole and scheme in ("tcp", "rfc2217") and beyond_loopback(host)


def warn(name: str, host: str) -> None:
    """Into the log, for a link that leaves this computer."""
    if beyond_loopback(host):
        log.warning("%s", in_clear(name))

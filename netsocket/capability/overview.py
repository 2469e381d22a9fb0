"""The report's first table: each stack with its protocols, what it is good for and where it ends.

All of it is read off the record: a use is offered where the probes of every promise that it rests
on were kept, a limit is a claim below "full" that no probe has contradicted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from netsocket.capability.catalogue import GROUP

PROTOCOLS: Final = {
    "TCP": "tcp.connect",
    "TCP servers": "tcp.listen",
    "UDP": "udp.echo",
    "IPv6": "ipv6",
    "DNS": "dns.resolve",
    "TLS over it": "tls.handshake",
    "its own TLS": "tls.module",
}
"""A protocol and the promise that shows it."""
USES: Final = {
    "clients: HTTP, MQTT, SSH": ("tcp.connect", "tcp.transparent", "tcp.bulk", "dns.connect"),
    "the same over TLS": ("tls.handshake", "tls.verify", "tls.echo"),
    "servers": ("tcp.listen", "tcp.transparent", "tcp.bulk"),
    "datagrams: CoAP, NTP": ("udp.echo", "udp.boundaries"),
    "UDP with many peers": ("udp.sendto_many", "udp.bind_port"),
    "short messages only": ("udp.repeat",),
}
"""A use and the promises that it rests on; the last is said where nothing else can be."""
FIRST: Final = (
    "tcp.connect", "tcp.transparent", "tcp.recv", "send.outcome", "receive.backpressure",
    "send.backpressure", "tcp.reset_seen", "tcp.half_close", "tcp.listen", "udp.echo",
    "udp.boundaries", "udp.sendto_many", "udp.zero_length", "dns.resolve", "ipv6", "tls.handshake",
    "tcp.abort", "error.refused",
)  # fmt: skip
"""Limits that matter most, in this order; the rest follows in the catalogue's."""
SHOWN: Final = 6
"""Limits of one stack that are named; the others are counted."""
KEPT: Final = ("partial", "pass")
"""Outcomes of a use that is offered, the worse first."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A promise that is not wholly kept."""

    id: str
    level: str
    because: str


@dataclass(frozen=True, slots=True)
class Row:
    """One stack. `protocols` and `uses` are names and the worst that their probes found."""

    module: str
    firmware: str
    evidence: str
    stack: str
    medium: str
    protocols: tuple[tuple[str, str], ...]
    numbers: tuple[str, ...]
    uses: tuple[tuple[str, str], ...]
    limits: tuple[Limit, ...]
    more: int
    """Limits that are not named."""


def overview(record: Mapping[str, Any]) -> list[Row]:
    """A row for each module of a report, in its order."""
    return [_row(module) for module in record["modules"]]


def _row(module: Mapping[str, Any]) -> Row:
    cells = {cell["id"]: cell for cell in module["cells"]}
    limits = _limits(cells)
    return Row(
        module["module"],
        module["firmware"],
        module["evidence"],
        module.get("stack", ""),
        module.get("medium", ""),
        tuple((name, cells[id_]["outcome"]) for name, id_ in PROTOCOLS.items()),
        _numbers(cells),
        _uses(cells),
        limits[:SHOWN],
        max(0, len(limits) - SHOWN),
    )


def _numbers(cells: Mapping[str, Any]) -> tuple[str, ...]:
    found = []
    for id_, what in (
        ("sockets.max", "at the same time"),
        ("frame.max_send", "of a stream in one command"),
        ("datagram.max_send", "in a datagram"),
    ):
        cell = cells[id_]
        if cell["limit"] is not None:
            found.append(f"{cell['limit']} {cell['unit']} {what}")
    return tuple(found)


def _uses(cells: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    *most, least = USES
    return _offered(cells, *most) or _offered(cells, least)


def _offered(cells: Mapping[str, Any], *uses: str) -> tuple[tuple[str, str], ...]:
    found = []
    for use in uses:
        outcomes = {cells[id_]["outcome"] for id_ in USES[use]}
        if outcomes <= set(KEPT):
            found.append((use, min(outcomes, key=KEPT.index)))
    return tuple(found)


def _limits(cells: Mapping[str, Any]) -> tuple[Limit, ...]:
    order = [*FIRST, *(id_ for id_ in cells if id_ not in FIRST)]
    return tuple(
        Limit(id_, cells[id_]["level"], cells[id_]["because"])
        for id_ in order
        if cells[id_]["level"] in ("partial", "none")
        and cells[id_]["agrees"]
        and (id_ in FIRST or GROUP[id_] != "interface")  # what another kind of network has
    )

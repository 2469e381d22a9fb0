"""Mesh networks beyond sockets: what a Thread or 6LoWPAN node knows of its network.

Names follow the common Socket API (Mbed OS `MeshInterface`, `ThreadInterface`,
`LoWPANNDInterface`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class MeshState:
    """A node's place in its mesh, asked now.

    `role` in the node's own words (Thread: disabled, detached, child, router, leader). What a node
    does not tell is empty or None.
    """

    role: str
    network: str = ""
    channel: int | None = None
    pan_id: int | None = None
    addresses: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()


@runtime_checkable
class MeshControl(Protocol):
    """A stack inside a mesh node."""

    async def mesh(self) -> MeshState:
        """Role, network, addresses and neighbours; needs no `up`. Raises OSError."""


@runtime_checkable
class ThreadControl(Protocol):
    """A mesh node whose network is one operational dataset (Thread 1.3, section 8.10)."""

    async def dataset(self) -> str:
        """The active dataset in hexadecimal: whoever has it can join. Raises NetworkNotFound."""

    def set_dataset(self, dataset: str) -> None:
        """Join this network at the next `up`. Raises InvalidArgument (no dataset)."""

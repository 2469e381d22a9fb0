"""Settings and limits of the RIOT shell fake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fakes.mesh_settings import MeshSettings

__all__ = ["FACTS", "Settings"]

FACTS: Final[Mapping[str, int]] = {
    "line": 128,
    "stdin": 64,
    "udp.servers": 1,
    "udp.max_hex": 64,
    "tcp.connections": 1,
    "tcp.buffer": 2048,
}
"""Numbers of the fact sheet, 5.1; max_hex: half a line (RIOT, sys/shell/cmds/udp.c), buffer:
RIOT, tests/net/gnrc_tcp."""


@dataclass(frozen=True, slots=True)
class Settings(MeshSettings):
    """Everything that a test may choose; times are in seconds before scaling."""

    stdin: int = 64
    """Bytes that wait for the shell; what comes beyond them is lost."""
    line: int = 128
    """Bytes of the line buffer: one less is what a line may have."""
    shell_delay: float = 0.002
    """Until the shell has taken what waits."""
    tcp: bool = False
    """The gnrc_tcp commands are built in, as in RIOT's test application and in no example."""
    channel: int = 26
    """IEEE 802.15.4 channel."""
    pan: int = 0x23
    """PAN ID, decimal."""
    role: str = field(default="host", metadata={"choices": ("host", "router")})
    """A router passes packets on."""
    advertised: float = 0.3
    """Until a router advertisement brings prefix and default route (fact sheet 5.1)."""
    connect_timeout: float = 120.0
    """gnrc_tcp_open to nobody (GNRC's CONNECTION_TIMEOUT_DURATION_MS)."""

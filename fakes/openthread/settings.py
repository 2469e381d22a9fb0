"""Settings and limits of the OpenThread CLI fake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fakes.mesh_settings import MeshSettings

__all__ = ["FACTS", "Settings"]

FACTS: Final[Mapping[str, int]] = {
    "udp.sockets": 1,
    "udp.max_payload": 1232,
    "tcp.endpoints": 1,
    "tcp.listeners": 1,
    "tcp.buffer": 2598,
    "tcp.max_hex": 128,
    "line.default": 384,
    "line.simulation": 640,
}
"""Numbers of the fact sheet, 4.2."""


@dataclass(frozen=True, slots=True)
class Settings(MeshSettings):
    """Everything that a test may choose; times are in seconds before scaling."""

    line: int = 384
    """Bytes of the line buffer: one less is what a line may have (384, or 640)."""
    overlong: str = field(default="cut", metadata={"choices": ("cut", "parse")})
    """A longer line: "cut" silently (measured, fact sheet 4.2), or "parse": Error 6, where the
    serial buffer is longer than the interpreter's line (OpenThread, src/cli/cli.cpp)."""
    tcp_hex: bool = True
    """`tcp send -x` exists; firmware before it takes one argument (Error 7)."""
    tcp: bool = True
    """The firmware was built with TCP; otherwise `tcp` is Error 35."""
    commissioned: bool = True
    """The active dataset of the border router's network is stored in the dongle."""
    dataset: str = ""
    """The stored active dataset instead, as hexadecimal TLVs."""
    nat64: bool = True
    """The network has a NAT64 prefix; without it an IPv4 literal is Error 13."""
    attach: float = 1.5
    """`thread start` to child, where there is a leader (fact sheet 4.1)."""
    form: float = 7.0
    """`thread start` to leader, where there is none (fact sheet 4.1)."""
    promote: float = 120.0
    """A child becomes a router within so long (Thread 1.3, ROUTER_SELECTION_JITTER)."""
    time_wait: float = 60.0
    """TIME-WAIT: twice 30 s (TCPlp)."""
    connect_timeout: float = 75.0
    """Until `tcp connect` to nobody says so (TCPlp; 5 s of silence were seen)."""
    firmware_text: str = "OPENTHREAD/sim; SIMULATION; May  1 2026 00:00:00"
    """What `version` prints."""

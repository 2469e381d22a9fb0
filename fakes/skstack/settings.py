"""Settings and limits of the SKSTACK-IP fake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fakes.mesh_settings import MeshSettings

__all__ = ["FACTS", "FIRMWARES", "Settings"]

FACTS: Final[Mapping[str, int]] = {
    "udp.max_payload": 0x4D0,
    "udp.ports": 6,
    "tcp.ports": 4,
    "tcp.handles": 6,
}
"""Numbers of the fact sheet, 5.3; handles: SKYLEY SKSTACK_API, SKSend."""

FIRMWARES: Final = ("general", "broute", "han")
"""With TCP; for a smart meter's route B, UDP alone; with the HAN extension (RSSI in ERXUDP)."""


@dataclass(frozen=True, slots=True)
class Settings(MeshSettings):
    """Everything that a test may choose; times are in seconds before scaling."""

    opt: str = field(default="00", metadata={"choices": ("00", "01")})
    """Stored format of received data: 00 binary, 01 hexadecimal text (`ROPT`, `WOPT`)."""
    ropt_end: str = field(default="cr", metadata={"choices": ("cr", "crlf")})
    """What ends the answers of ROPT and WOPT, which are the stick's own commands: CR alone (the
    tests of Smdn.Devices.BP35XX), or CR LF as all others."""
    fields: int = 0
    """Fields of ERXUDP: 9 or 10 (with RSSI); 0: by firmware."""
    send_busy: str = field(default="fail", metadata={"choices": ("fail", "queue")})
    """A second SKSEND before ETCP 5: "fail" (FAIL ER10), or "queue"; no document says."""
    rbid: str = "00112233445566778899AABBCCDDEEFF"
    """Route-B ID of the coordinator: it answers an active scan with the last 8 characters."""
    password: str = "0123456789AB"
    """The PANA password that it takes."""
    joined: bool = False
    """In the coordinator's network from the start."""
    connect_timeout: float = 60.0
    """Until SKCONNECT to nobody fails; no document says."""
    join_time: float = 2.0
    """SKJOIN to its outcome; no document says."""
    duty_bytes: int = 0
    """So many bytes sent turn the transmit-time limit on (EVENT 32); 0: only a scenario does."""
    duty_rest: float = 60.0
    """Until it goes off again (EVENT 33)."""

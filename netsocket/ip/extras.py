"""Packages and rights that not every computer has, asked for where they are used."""

from __future__ import annotations

import errno
import os
from typing import Final

from netsocket.errors import NetsocketError, Nsapi

TUN_NODE: Final = "/dev/net/tun"
_CAP_NET_ADMIN: Final = 12


class BackendMissing(NetsocketError):
    """What this back end needs is not here; the text says what to do about it."""

    def __init__(self, message: str, number: int = errno.ENOENT) -> None:
        super().__init__(message, errno=number, nsapi=Nsapi.UNSUPPORTED)


def may_administer() -> bool:
    """Whether this process may create interfaces and give them addresses."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("CapEff:"))
    except (OSError, StopIteration):
        return os.geteuid() == 0
    return bool(int(line.split()[1], 16) >> _CAP_NET_ADMIN & 1)

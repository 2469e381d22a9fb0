"""See the package."""

from __future__ import annotations


class NetlinkError(OSError):
    pass

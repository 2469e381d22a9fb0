"""Stands in for the routing table that Hologram's SDK sets for PPP; no PPP here."""

from __future__ import annotations


class IPRoute:
    def __init__(self) -> None:
        raise NotImplementedError("no routes are touched here")

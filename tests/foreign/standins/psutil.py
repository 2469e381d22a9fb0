"""Stands in for the process table that Hologram's SDK searches for pppd; no PPP here."""

from __future__ import annotations

"""Stands in for the acceleration sensor's bus on Sixfab's shield."""

from __future__ import annotations


class SMBus:
    pass

"""Stands in for the analogue inputs of Sixfab's shield."""

from __future__ import annotations


class ADS1015:
    pass

"""Stands in for the Raspberry Pi's pins."""

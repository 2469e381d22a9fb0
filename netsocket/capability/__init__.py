"""What a stack claims, and how to show it."""

from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.model import Capability, CapabilityTable, Level, Manual, NoLimit

__all__ = [
    "CATALOGUE",
    "Capability",
    "CapabilityTable",
    "Level",
    "Manual",
    "NoLimit",
]

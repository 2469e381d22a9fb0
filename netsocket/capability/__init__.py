"""What a stack claims, and how to show it."""

from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.model import Capability, CapabilityTable, Level, Manual, NoLimit
from netsocket.capability.report import render_html, render_markdown

__all__ = [
    "CATALOGUE",
    "Capability",
    "CapabilityTable",
    "Level",
    "Manual",
    "NoLimit",
    "render_html",
    "render_markdown",
]

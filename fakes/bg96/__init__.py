"""A Quectel BG96, BG95 or EC25 in software, with real loopback sockets behind it."""

from __future__ import annotations

from fakes.bg96.modem import Bg96, build, build_bg95, build_ec25
from fakes.bg96.profile import FACTS, PROFILES, Profile
from fakes.bg96.settings import Settings

__all__ = ["FACTS", "PROFILES", "Bg96", "Profile", "Settings", "build", "build_bg95", "build_ec25"]

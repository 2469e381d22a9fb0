"""A Quectel BG96 in software: AT dialect, contexts, twelve connect ids, real loopback sockets."""

from __future__ import annotations

from fakes.bg96.modem import Bg96, build
from fakes.bg96.profile import FACTS, PROFILES, Profile
from fakes.bg96.settings import Settings

__all__ = ["FACTS", "PROFILES", "Bg96", "Profile", "Settings", "build"]

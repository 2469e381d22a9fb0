"""Certificates of the far end's TLS services: shipped, so that nothing has to be made or agreed on.

Both sides of a remote far end have the same files. The authority's key was thrown away when
`make.sh` had run, so nobody can make further certificates of it; the leaves' keys are public, and
the only name they are good for is one that no resolver knows (RFC 2606 `.invalid`). They are valid
from 2025 to 2125, so that a clock has to be wrong by years to matter. Never trust them outside of
tests.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
NAME: Final = "far-end.atdriver.invalid"
"""The name in the far end's good certificate, whatever address it has."""
AUTHORITY: Final = HERE / "ca.pem"


def serving(name: str = "good", *, demand: bool = False) -> ssl.SSLContext:
    """A server's context with that certificate; `demand`: clients must show one, too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / f"{name}.pem")
    if demand:
        context.load_verify_locations(AUTHORITY)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def trusting(*, shown: str = "") -> ssl.SSLContext:
    """A client's context that trusts the far end's authority alone; `shown`: an own certificate."""
    context = ssl.create_default_context(cadata=AUTHORITY.read_text(encoding="ascii"))
    if shown:
        context.load_cert_chain(HERE / f"{shown}.pem")
    return context

"""Why a multiplexer did not begin, or ended."""

from __future__ import annotations

import errno

from atdriver.errors import PortLost


class CmuxRefused(PortLost):
    """The module takes no multiplexer (AT+CMUX), or not this channel (`dlci`; None: any)."""

    default_errno = errno.EOPNOTSUPP

    def __init__(self, message: str, dlci: int | None = None) -> None:
        super().__init__(message)
        self.dlci = dlci


class CmuxEnded(PortLost):
    """The module has left multiplexer mode, or no longer answers in it."""

"""The optional libraries that adapters in this folder serve, by the extra that installs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from netsocket.capability.model import CapabilityTable, NoLimit
from netsocket.errors import BadHandle

CONNECTIONS: Final = 100
"""Connections of a pool at a time where the stack states no limit, as httpx and aiohttp have it."""


def missing(extra: str, error: ImportError) -> ImportError:
    """The error that says how to get what an adapter needs."""
    return ImportError(
        f'{error.name or extra} is not installed: pip install "atdriver[{extra}]"', name=error.name
    )


@contextmanager
def raising(
    late: type[Exception], failed: type[Exception], closed: type[Exception] | None = None
) -> Iterator[None]:
    """Turn errors of this package into a library's: `late` for a time-out, `failed` for others,
    `closed` (or `failed`) for a socket that was closed here."""
    try:
        yield
    except BadHandle as error:
        raise (closed or failed)(str(error)) from error
    except OSError as error:
        raise (late if isinstance(error, TimeoutError) else failed)(str(error)) from error


def most_connections(capabilities: CapabilityTable) -> int:
    """How many connections a library's pool may hold: the stack's sockets, all of them."""
    try:
        return capabilities.limit("sockets.max")
    except NoLimit:
        return CONNECTIONS

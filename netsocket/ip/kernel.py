"""Asking the kernel about its interfaces, with pyroute2, from wherever one is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def ask(work: Callable[[Any], T]) -> T:
    """`work(kernel)` with an open `pyroute2.IPRoute`; takes milliseconds.

    In a thread of its own: that class runs an event loop, which one in which one runs cannot.
    """
    found: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        from pyroute2 import IPRoute

        try:
            with IPRoute() as kernel:
                found.append(work(kernel))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="pyroute2")
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return found[0]

"""Stacks of this computer, which need no module: `host`, `host:eth0`, `lwip:pair`, `lwip:tun0`.

What they are is in netsocket; here is what their specifications mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from atdriver.errors import SpecificationError
from atdriver.registry import interface_names

if TYPE_CHECKING:
    from netsocket.capability.farend import FarEnd
    from netsocket.stack import Stack

HOSTED: Final = ("host", "lwip")
"""What stands where other specifications name a module."""
_DEVICE: Final = re.compile(r"[A-Za-z0-9_.-]{1,15}\Z")


def has_wire(module: str) -> bool:
    """Whether a module is behind a port, rather than a stack or an interface of this computer."""
    return module not in HOSTED and module not in interface_names()


def hosted(module: str, port: str) -> tuple[Stack, Callable[[], FarEnd] | None]:
    """The stack, and what makes the far end that it alone can reach, where that is so.

    Nothing is opened. Raises SpecificationError.
    """
    if port:
        interface_name(module, port)
    if module == "host":
        return _host(port), None
    if port == "pair":
        return _pair()
    return _tun(port)


def interface_name(module: str, port: str) -> str:
    """The port, which must be the name of a network interface. Raises SpecificationError."""
    if not _DEVICE.match(port):
        raise SpecificationError(f"{module}:{port}: the name of a network interface is expected")
    return port


def _host(device: str) -> Stack:
    if not device:
        from netsocket.hoststack import HostStack

        return HostStack()
    from netsocket.ip.ethernet import EthernetStack

    return EthernetStack(device)


def _pair() -> tuple[Stack, Callable[[], FarEnd]]:
    from netsocket.ip.pair import NOBODY, THERE, THERE_6, LwipPair

    pair = LwipPair()

    def far_end() -> FarEnd:
        from netsocket.capability.farstack import StackFarEnd

        return StackFarEnd(pair.far, THERE, THERE_6, NOBODY)

    return pair.stack, far_end


def _tun(device: str) -> tuple[Stack, Callable[[], FarEnd]]:
    from netsocket.ip.lwip_tun import THERE, THERE_6, LwipOnTun

    made = LwipOnTun(device)

    def far_end() -> FarEnd:
        from netsocket.capability.fartun import TunFarEnd

        return TunFarEnd(THERE, THERE_6, made.hold, made.release)

    return made.stack, far_end

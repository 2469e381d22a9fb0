"""What the operating system says of one of its network interfaces, and when that changes.

pyroute2 asks the kernel; psutil, which more computers have, is good for the same. Not sysfs: it
shows the interfaces of the namespace that it was mounted in.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from netsocket.ip.extras import BackendMissing
from netsocket.ip.kernel import ask
from netsocket.ip.own import global_first

_GROUPS: Final = 0x1 | 0x10 | 0x100
"""linux/rtnetlink.h: RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """One interface: whether packets can pass, and its addresses, the farthest-reaching first."""

    up: bool
    addresses: tuple[str, ...] = ()
    mtu: int = 0
    why: str = ""
    """Why it is not up: "administratively down", "no carrier"."""


def look(device: str) -> LinkState | None:
    """The interface as it is now; None when there is none of this name.

    Takes some milliseconds, so not in an event loop. Raises BackendMissing.
    """
    if importlib.util.find_spec("pyroute2") is not None:
        return _by_pyroute2(device)
    if importlib.util.find_spec("psutil") is not None:
        return _by_psutil(device)
    raise BackendMissing("the state of the link is not known here: pip install 'atdriver[tun]'")


def _by_pyroute2(device: str) -> LinkState | None:
    def find(kernel: Any) -> LinkState | None:
        found = kernel.link_lookup(ifname=device)
        if not found:
            return None
        link = kernel.get_links(found[0])[0]
        own = [str(each.get("address")) for each in kernel.get_addr(index=found[0])]
        carrier = bool(link.get("carrier"))
        state = str(link.get("operstate"))
        # A loopback, and many a virtual interface, never say more than UNKNOWN (RFC 2863).
        up = carrier and state in ("UP", "UNKNOWN")
        why = "" if up else "no carrier" if link.get("state") == "up" else "administratively down"
        return LinkState(up, tuple(global_first(own)), int(link.get("mtu") or 0), why)

    return ask(find)


def _by_psutil(device: str) -> LinkState | None:
    import psutil

    state = psutil.net_if_stats().get(device)
    if state is None:
        return None
    families = (socket.AF_INET, socket.AF_INET6)
    found = [each for each in psutil.net_if_addrs().get(device, ()) if each.family in families]
    own = global_first(each.address.partition("%")[0] for each in found)
    return LinkState(
        bool(state.isup), tuple(own), int(state.mtu), "" if state.isup else "no carrier"
    )


class LinkNotices:
    """Calls `changed()` when any interface or address of this computer has changed.

    Needs no privilege. In the event loop `loop`; ends with `close`.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setblocking(False)
        self._socket.bind((0, _GROUPS))
        self._loop.add_reader(self._socket, self._readable)

    def _readable(self) -> None:
        with contextlib.suppress(OSError):  # EAGAIN; ENOBUFS, when there were too many
            while self._socket.recv(65_536):
                pass
        self._changed()

    def close(self) -> None:
        """Stop; idempotent."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

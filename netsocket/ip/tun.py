"""A TUN device: a network interface of the kernel whose packets a program reads and writes.

It needs the right to administer the network (root, or CAP_NET_ADMIN as in a user namespace), and
the package pyroute2, which gives it its addresses. It ends with its descriptor.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import importlib.util
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from netsocket.errors import NetworkDown
from netsocket.ip.extras import TUN_NODE, BackendMissing, may_administer
from netsocket.ip.kernel import ask

_TUNSETIFF: Final = 0x400454CA
_IFF_TUN: Final = 0x0001
_IFF_NO_PI: Final = 0x1000
_REQUEST: Final = struct.Struct("16sH22x")
_NODAD: Final = 0x02
"""linux/if_addr.h, IFA_F_NODAD: nobody else can have the address of a point-to-point link."""
TABLES: Final = 7000
"""Routing table and rule of a device: this and its index."""
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_ANYWHERE: Final = {4: "0.0.0.0/0", 6: "::/0"}


def missing() -> str:
    """Why no TUN can be made here, as a sentence; "" when one can."""
    if importlib.util.find_spec("pyroute2") is None:
        return "a TUN cannot be set up here: pip install 'atdriver[tun]'"
    if not os.access(TUN_NODE, os.R_OK | os.W_OK):
        return f"a TUN cannot be made here: {TUN_NODE} is missing or may not be opened"
    if not may_administer():
        return "a TUN cannot be made here: it needs root or the capability CAP_NET_ADMIN"
    return ""


class Tun:
    """A device that is up, with its addresses.

    `routed`: packets of sockets that are bound to it go through it wherever they are going, by a
    table and a rule of its own; nobody else's packets do. Raises BackendMissing, OSError.
    """

    def __init__(
        self, name: str, addresses: Sequence[str], mtu: int, *, routed: bool = False
    ) -> None:
        lacking = missing()
        if lacking:
            raise BackendMissing(lacking)
        self.fd = os.open(TUN_NODE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._ruled: list[int] = []
        self._index = 0
        try:
            request = _REQUEST.pack(name.encode(), _IFF_TUN | _IFF_NO_PI)
            answer = fcntl.ioctl(self.fd, _TUNSETIFF, request)
            self.name = answer[:16].rstrip(b"\0").decode()
            self._configure([ipaddress.ip_interface(each) for each in addresses], mtu, routed)
        except OSError as error:
            self.close()
            if error.errno == errno.EBUSY:
                raise OSError(errno.EBUSY, f"{name}: the device is in use") from error
            raise
        except BaseException:
            self.close()
            raise

    def _configure(self, addresses: Iterable[Any], mtu: int, routed: bool) -> None:
        """Raises NetworkDown when the kernel refuses an address."""
        from pyroute2 import NetlinkError

        wanted = list(addresses)

        def configure(kernel: Any) -> None:
            self._index = kernel.link_lookup(ifname=self.name)[0]
            kernel.link("set", index=self._index, mtu=mtu, state="up")
            for each in wanted:
                flags = {"flags": _NODAD} if each.version == 6 else {}
                try:
                    kernel.addr("add", index=self._index, address=str(each.ip),
                                prefixlen=each.network.prefixlen, **flags)  # fmt: skip
                except NetlinkError as error:
                    text = os.strerror(error.code)
                    raise NetworkDown(f"{self.name}: {each} was refused: {text}") from error
            if routed:
                self._route(kernel, sorted({each.version for each in wanted}))

        ask(configure)
        _accept_from_anywhere(self.name)

    def _route(self, kernel: Any, versions: Sequence[int]) -> None:
        for version in versions:
            family = _FAMILIES[version]
            self._drop_rule(kernel, family)  # of a process that was killed
            kernel.rule("add", oifname=self.name, table=self._table, priority=self._table,
                        family=family)  # fmt: skip
            self._ruled.append(family)
            kernel.route("add", dst=_ANYWHERE[version], oif=self._index, table=self._table,
                         family=family)  # fmt: skip

    @property
    def _table(self) -> int:
        return TABLES + self._index

    def _drop_rule(self, kernel: Any, family: int) -> None:
        from pyroute2 import NetlinkError

        with contextlib.suppress(NetlinkError):
            kernel.rule("del", table=self._table, priority=self._table, family=family)

    def _drop_rules(self, kernel: Any) -> None:
        for family in self._ruled:
            self._drop_rule(kernel, family)

    def close(self) -> None:
        """Take the device away, and its rules; idempotent."""
        if self.fd < 0:
            return
        if self._ruled:
            ask(self._drop_rules)
        os.close(self.fd)
        self.fd = -1


def _accept_from_anywhere(name: str) -> None:
    """The filter of reverse paths knows nothing of the table for bound sockets: with it, answers
    from beyond the device would be dropped. As loose as the rest of the computer allows."""
    folder = Path("/proc/sys/net/ipv4/conf")
    with contextlib.suppress(OSError, ValueError):  # where that cannot be written it stays as it is
        strict = int((folder / "all" / "rp_filter").read_text())
        (folder / name / "rp_filter").write_text("2" if strict else "0")

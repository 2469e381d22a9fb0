"""Why descriptors ended. The kernel can only say ECONNRESET; the exception itself is kept here.

A descriptor is known by the number of its kernel object (inode), which `dup`, `detach`, an
`ssl.SSLSocket` over it and a socket made of its number share; and by the `socket.socket` that was
handed out, even after it was closed.
"""

from __future__ import annotations

import asyncio
import os
import socket as _socket
import weakref
from collections import OrderedDict
from typing import Final

from netsocket.adapters.descriptor import DescriptorPump

KEPT: Final = 256
"""Descriptors of which the reason is remembered after their end."""


class Reasons:
    """The descriptors of one interface. `of` may be called in any thread."""

    def __init__(self) -> None:
        self._living: dict[int, DescriptorPump] = {}
        self._ended: OrderedDict[int, OSError | None] = OrderedDict()
        self._inodes: weakref.WeakKeyDictionary[_socket.socket, int] = weakref.WeakKeyDictionary()

    def watch(self, pump: DescriptorPump) -> None:
        """Remember how it ends."""
        self._living[pump.inode] = pump
        self._ended.pop(pump.inode, None)

        def ended(_task: asyncio.Task[None]) -> None:
            self._ended[pump.inode] = pump.error
            del self._living[pump.inode]
            while len(self._ended) > KEPT:
                self._ended.popitem(last=False)

        pump.task.add_done_callback(ended)

    def know(self, user: _socket.socket) -> None:
        """Find this one after it was closed, too."""
        self._inodes[user] = os.fstat(user.fileno()).st_ino

    def of(self, user: _socket.socket) -> OSError | None:
        """What ended its connection; None while it goes on, after an orderly end, and when nothing
        is known of it."""
        inode = self._inodes.get(user)
        if inode is None:
            try:
                inode = os.fstat(user.fileno()).st_ino
            except OSError:
                return None
        living = self._living.get(inode)
        return self._ended.get(inode) if living is None else living.error

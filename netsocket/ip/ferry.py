"""Ferry: packets between a TUN's descriptor and an end of a carrier of packets, both ways.

Nothing is kept here: while one side takes no packet the other is not read, so that each kernel
queue fills, and drops, as a network's does.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final

LONGEST: Final = 65_535
BATCH: Final = 32
"""Packets carried before others have their turn."""


class Ferry:
    """Runs from its making until `close`, or until the carrier ends: then `ended()` is called.

    Neither descriptor is closed here.
    """

    def __init__(self, tun: int, packets: socket.socket, ended: Callable[[], None]) -> None:
        self._tun = tun
        self._packets = packets
        self._ended = ended
        self._held = b""
        """A packet from the TUN that the carrier has no room for."""
        self._loop = asyncio.get_running_loop()
        packets.setblocking(False)
        self._loop.add_reader(tun, self._from_tun)
        self._loop.add_reader(packets, self._from_carrier)
        self._open = True

    def close(self) -> None:
        """Stop; idempotent."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._tun)
            self._loop.remove_reader(self._packets)
            self._loop.remove_writer(self._packets)

    def _end(self) -> None:
        if self._open:
            self.close()
            self._ended()

    def _from_tun(self) -> None:
        for _ in range(BATCH):
            try:
                packet = os.read(self._tun, LONGEST)
            except BlockingIOError:
                return
            except OSError:
                self._end()
                return
            if not self._give(packet):
                return

    def _give(self, packet: bytes) -> bool:
        """Hand a packet to the carrier; False when it has to wait, or there is none any more."""
        try:
            self._packets.send(packet)
        except BlockingIOError:
            self._held = packet
            self._loop.remove_reader(self._tun)
            self._loop.add_writer(self._packets, self._again)
            return False
        except OSError:
            self._end()
            return False
        return True

    def _again(self) -> None:
        self._loop.remove_writer(self._packets)
        packet, self._held = self._held, b""
        if self._give(packet) and self._open:
            self._loop.add_reader(self._tun, self._from_tun)

    def _from_carrier(self) -> None:
        for _ in range(BATCH):
            try:
                packet = self._packets.recv(LONGEST)
            except BlockingIOError:
                return
            except OSError:
                self._end()
                return
            if not packet:
                self._end()
                return
            try:
                os.write(self._tun, packet)
            except OSError:
                continue  # the kernel takes no such packet: none of IP, or the device is down

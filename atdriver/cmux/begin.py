"""Bringing a module into multiplexer mode: a short conversation before there is any channel.

`AT` until it answers (a module that an earlier program left in multiplexer mode is called out of it
first), then AT+CMUX.
"""

from __future__ import annotations

import asyncio
import re

from atdriver.cmux.errors import CmuxRefused
from atdriver.cmux.frames import Frame, Kind
from atdriver.cmux.messages import Message, Type
from atdriver.errors import ModuleSilent, PortLost
from atdriver.link import Link
from atdriver.trace import printable

ANSWER = 0.6
"""Seconds for an answer to AT."""
TRIES = 8
ACCEPT = 5.0
"""Seconds for the answer to AT+CMUX."""
SPEEDS = {9600: 1, 19200: 2, 38400: 3, 57600: 4, 115200: 5, 230400: 6, 460800: 7, 921600: 8}
"""<port_speed> of AT+CMUX (3GPP 27.007, 5.7; the last two: Quectel)."""
FRAME = 127
"""Bytes in a frame that are asked for; the standard's own default is `DEFAULT_FRAME`."""
DEFAULT_FRAME = 31
_RESULT = re.compile(rb"(?:\A|\r|\n)(OK|ERROR|\+CM[ES] ERROR:[^\r]*)\r?\n?")
_CLOSE = b"\xf9" + Frame(0, Kind.UIH, Message(Type.CLD).encode()).encode()
_MOST = 4096


class Beginning:
    """The Receiver of the port until it is multiplexed. `began` gets what comes behind the last
    answer."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._held = bytearray()
        self._news = asyncio.Event()
        self._lost: OSError | None = None

    def data_received(self, data: bytes) -> None:
        """From the link."""
        self._held += data
        del self._held[:-_MOST]
        self._news.set()

    def link_lost(self, error: OSError | None) -> None:
        """From the link."""
        self._lost = error or PortLost(f"{self._link.name}: the port was closed")
        self._news.set()

    async def run(self, rate: int) -> tuple[int, bytes]:
        """Bytes in a frame, and what came behind the OK. Raises ModuleSilent, CmuxRefused,
        PortLost."""
        for attempt in range(TRIES):
            if attempt == 2:  # it may still be multiplexed
                self._link.write(_CLOSE)
                await asyncio.sleep(ANSWER)
            if await self._ask(b"AT", ANSWER) == b"OK":
                break
        else:
            sample = bytes(self._held[:256])
            raise ModuleSilent(f"{self._link.name}: the module does not answer", (), sample)
        speed = SPEEDS.get(rate)
        full = f"AT+CMUX=0,0,{speed},{FRAME}".encode()
        if speed is not None and await self._ask(full, ACCEPT) == b"OK":
            return FRAME, bytes(self._held)
        said = await self._ask(b"AT+CMUX=0", ACCEPT)
        if said == b"OK":
            return DEFAULT_FRAME, bytes(self._held)
        answer = printable(said) if said else "no answer"
        raise CmuxRefused(f"{self._link.name}: the module has no multiplexer (AT+CMUX: {answer})")

    async def _ask(self, command: bytes, seconds: float) -> bytes:
        """The result, "" when none comes in time; what comes behind it stays held."""
        self._held.clear()
        self._link.write(command + b"\r")
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if self._lost is not None:
                        raise self._lost
                    if found := _RESULT.search(self._held):
                        result = found[1]
                        del self._held[: found.end()]
                        return bytes(result)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            if self._lost is not None:
                raise self._lost from None
            return b""

"""One call: dial, PPP, packets in and out, hang up.

The Receiver of a port (or of a multiplexer's channel) from dialling to hanging up. Before CONNECT
and after the end there are lines of text, in between frames; `NO CARRIER` in the middle of them
counts when nothing follows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable

from atdriver.ppp import CarrierLost, Ended, NetworkDown, NetworkUp, PppClient, PppSettings
from modems.ppp import Dial
from modems.ppp.carrier import Carrier
from modems.ppp.errors import DialFailed

ROOM = 4096
"""Bytes that may wait for the port; until there is room packets wait where they come from."""
LOOK = 0.005
QUIET = 0.25
"""Seconds of silence behind NO CARRIER until it counts."""
GOODBYE = 3.0
"""Seconds in which the other end may take its leave."""
ANSWER = 5.0
AWAKE = 2.0
BATCH = 64
"""Packets taken from the stack in one turn of the loop."""
_RESULT = re.compile(
    rb"(?:\A|[\r\n])(CONNECT[^\r\n]*|OK|ERROR|NO CARRIER|BUSY|NO DIALTONE|NO ANSWER|"
    rb"\+CM[ES] ERROR:[^\r\n]*)\r\n?"
)
_GONE = re.compile(rb"\r\nNO CARRIER\r?\n?\Z")
_TEXT_KEPT = 1024
_LONGEST_PACKET = 65_535


class PppLine:
    """One call over `carrier`. `ended(error)` is called once, when an established link ends by
    itself; not when `hang_up` ends it."""

    def __init__(
        self,
        carrier: Carrier,
        dial: Dial,
        settings: PppSettings,
        *,
        note: Callable[[str], None],
        ended: Callable[[OSError], None],
    ) -> None:
        self.client = PppClient(settings)
        self.dropped = 0
        """Packets that the stack had no room for."""
        self.gone: OSError | None = None
        """Why an established link has ended by itself."""
        self._carrier = carrier
        self._dial = dial
        self._note = note
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._text = bytearray()
        self._in_data = False
        self._carrier_gone = False
        self._news = asyncio.Event()
        self._up: asyncio.Future[NetworkUp] | None = None
        self._over = asyncio.Event()
        self._lost: OSError | None = None
        self._leaving = False
        self._timer: asyncio.TimerHandle | None = None
        self._quiet: asyncio.TimerHandle | None = None
        self._packets: socket.socket | None = None
        self._pause: asyncio.TimerHandle | None = None

    # -- orders --------------------------------------------------------------------------------

    async def dial(self) -> None:
        """Into data mode. Raises DialFailed, and CarrierLost when the port goes meanwhile."""
        if self._carrier.beside and not await self._answers():
            await self._escape()  # an earlier call was left there
        command = self._dial.command.decode("ascii")
        self._note(f"dialling: {command}")
        self._carrier.write(self._dial.command + b"\r")
        result = await self._result(self._dial.patience)
        if not result.startswith("CONNECT"):
            raise DialFailed(command, result)
        self._carrier_gone = False
        self._note(f"data mode: {result}")

    async def _answers(self) -> bool:
        """Whether a channel that nobody has asked anything takes commands."""
        self._carrier.write(b"AT\r")
        return await self._result(AWAKE) == "OK"

    async def establish(self) -> NetworkUp:
        """LCP, login, addresses. Raises PppError."""
        self._up = self._loop.create_future()
        self._in_data = True
        self.client.start(self._loop.time())
        rest, self._text = bytes(self._text), bytearray()
        if rest:
            self.data_received(rest)
        self._work()
        return await self._up

    def pump(self, packets: socket.socket) -> None:
        """From now on packets pass between the other end and this descriptor."""
        packets.setblocking(False)
        self._packets = packets
        self._loop.add_reader(packets, self._take_packets)

    async def hang_up(self) -> None:
        """Say goodbye, and lead the module out of data mode. Bounded; never raises for a module or
        a port that is gone."""
        self._leaving = True
        self._stop_packets()
        if self._lost is None and not self._carrier_gone and self._in_data:
            self.client.close(self._loop.time())
            self._work()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await self._over.wait()
        self._in_data = False
        if self._lost is None and not self._carrier_gone:
            await self._escape()
        for timer in (self._timer, self._quiet, self._pause):
            if timer is not None:
                timer.cancel()
        self.client.lost(self._loop.time())
        self.client.forget()

    async def _escape(self) -> None:
        """Silence, +++, silence; then ATH. Nothing here is insisted upon: the AT channel finds out
        in what state the module is."""
        await asyncio.sleep(self._dial.guard)
        if self._carrier_gone:  # it has left by itself meanwhile
            return
        self._text.clear()
        self._carrier.write(self._dial.escape)
        with contextlib.suppress(OSError):
            if await self._result(self._dial.guard + 1.0) == "OK":
                self._carrier_gone = True
                self._carrier.write(self._dial.hang_up + b"\r")
                await self._result(ANSWER)

    @property
    def over(self) -> bool:
        """Whether the module was heard to be in command mode."""
        return self._carrier_gone

    def lose(self, error: OSError) -> None:
        """What carries it is gone: the module restarted, for example."""
        self.client.lost(self._loop.time(), CarrierLost(str(error)))
        self._work()

    async def _result(self, seconds: float) -> str:
        """The next result, "" when none comes in time; what comes behind it stays."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    if self._lost is not None:
                        raise CarrierLost(str(self._lost))
                    if found := _RESULT.search(self._text):
                        result = found[1].decode("ascii", "replace").strip()
                        del self._text[: found.end()]
                        return result
                    self._news.clear()
                    await self._news.wait()
        if self._lost is not None:
            raise CarrierLost(str(self._lost))
        return ""

    # -- Receiver ------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """From the port."""
        self._text += data
        del self._text[:-_TEXT_KEPT]
        if not self._in_data:
            self._carrier_gone = self._carrier_gone or bool(_GONE.search(self._text))
            self._news.set()
            return
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None
        if _GONE.search(self._text[-20:]):
            self._quiet = self._loop.call_later(QUIET, self._no_carrier)
        self.client.feed(data, self._loop.time())
        self._work()

    def link_lost(self, error: OSError | None) -> None:
        """From the port."""
        self._lost = error or CarrierLost("the port was closed")
        self._news.set()
        self.client.lost(self._loop.time(), CarrierLost(str(self._lost)))
        self._work()

    def _no_carrier(self) -> None:
        self._carrier_gone = True
        self.client.lost(self._loop.time(), CarrierLost("NO CARRIER: the module ended the call"))
        self._work()

    # -- frames and packets --------------------------------------------------------------------

    def _work(self) -> None:
        """Write, hand packets over, tell what happened, set the timer."""
        client = self.client
        if client.writes:
            writes, client.writes = client.writes, []
            if self._lost is None and self._in_data:
                self._carrier.write(b"".join(writes))
        if client.packets:
            packets, client.packets = client.packets, []
            self._hand_over(packets)
        events, client.events = client.events, []
        for event in events:
            self._on(event)
        deadline = client.next_deadline()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.client.tick(self._loop.time())
        self._work()

    def _on(self, event: NetworkUp | NetworkDown | Ended) -> None:
        up = self._up
        if isinstance(event, NetworkUp):
            self._note(f"PPP is up: {', '.join(map(str, event.addresses))}")
            if up is not None and not up.done():
                up.set_result(event)
            return
        error = event.error
        self._note(f"PPP is {'down' if isinstance(event, NetworkDown) else 'over'}: {error}")
        if isinstance(event, Ended):
            self._over.set()
        if up is not None and not up.done():  # so it is the end: nothing was up that could go down
            up.set_exception(error or CarrierLost("the link was closed"))
        elif not self._leaving:
            # Negotiated anew, it would have another address: to the sockets that is the end, too.
            self._stop_packets()
            self._end(error or CarrierLost("the other end negotiates anew"))

    def _hand_over(self, packets: list[bytes]) -> None:
        if self._packets is None:
            return
        for packet in packets:
            try:
                self._packets.send(packet)
            except BlockingIOError:
                self.dropped += 1  # as any router does that has no room
            except OSError:
                self._back_end_gone()
                return

    def _take_packets(self) -> None:
        assert self._packets is not None
        for _ in range(BATCH):
            if self._carrier.backlog > ROOM:
                self._loop.remove_reader(self._packets)
                self._pause = self._loop.call_later(LOOK, self._go_on)
                break
            try:
                packet = self._packets.recv(_LONGEST_PACKET)
            except BlockingIOError:
                break
            except OSError:
                packet = b""
            if not packet:
                self._work()
                self._back_end_gone()
                return
            self.client.send(packet)
            self._work_writes()
        self._work()

    def _work_writes(self) -> None:
        writes, self.client.writes = self.client.writes, []
        if writes:
            self._carrier.write(b"".join(writes))

    def _go_on(self) -> None:
        self._pause = None
        assert self._packets is not None, "else this would have been cancelled"
        self._loop.add_reader(self._packets, self._take_packets)

    def _back_end_gone(self) -> None:
        """The IP stack has closed its end."""
        self._stop_packets()
        if not self._leaving:
            self._end(CarrierLost("the IP stack of this computer has ended"))

    def _end(self, error: OSError) -> None:
        self._leaving = True
        self.gone = error
        self._ended(error)

    def _stop_packets(self) -> None:
        packets, self._packets = self._packets, None
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if packets is not None:
            self._loop.remove_reader(packets)
            packets.close()

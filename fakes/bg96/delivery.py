"""What the module tells about its sockets by itself: recv, incoming, closed, pushed data.

TCP(IP) manual V1.1 sections 2.2 (access modes) and 3.2 (URCs).
"""

from __future__ import annotations

import asyncio

from fakes.bg96.links import (
    SSL_CLIENT,
    STATE_CLOSING,
    STATE_CONNECTED,
    STATE_OPENING,
    TCP_INCOMING,
    UDP_SERVICE,
    Link,
    LinkTable,
    written,
)
from fakes.bg96.pdp import Pdp
from fakes.bg96.profile import MAX_READ

PUSH_MODE = 1


class Delivery(Pdp):
    """Watches the real sockets of the connect ids."""

    def reset_storage(self) -> None:
        """No connect id in use."""
        super().reset_storage()
        self.links = LinkTable()
        self._pushing: set[Link] = set()

    def reset_options(self) -> None:
        """AT+QICFG and AT+QISDE values are not stored (TCP(IP) manual V1.1, AT+QICFG)."""
        self.send_echo = True
        self.options: dict[str, str] = {
            "transpktsize": "1024",
            "transwaittm": "2",
            "dataformat": "0,0",
            "viewmode": "0",
            "tcp/retranscfg": f"{self.profile.retries},600",
        }
        if self.profile.recvind:
            self.options["recvind"] = "0"
        if self.profile.keepalive:
            self.options["tcp/keepalive"] = "0"

    def power_on(self) -> None:
        """No connect id survives."""
        super().power_on()
        self.links.clear()
        self._pushing.clear()
        self.reset_options()

    def watch(self, link: Link) -> None:
        """From now on this link's socket is followed."""
        for member in (link.tcp, link.udp, link.listener):
            if member is not None:
                member.changed = lambda: self.link_changed(link)
        self.link_changed(link)

    def link_changed(self, link: Link) -> None:
        """Data, a connection or an end may have appeared on a link."""
        if self.links.get(link.id) is not link:
            return
        if link.listener is not None:
            self._accept(link)
            return
        if link.udp is not None:
            lost = link.queue_datagrams()
            if lost:
                self.note("datagrams-lost", f"{link.id}: {lost}")
        if link.mode == PUSH_MODE:
            self._push(link)
        else:
            self._announce(link)
        self._notice_end(link)

    def _announce(self, link: Link) -> None:
        """One ``recv`` until the host has read the buffer empty."""
        if link.announced or not link.has_data():
            return
        link.announced = True
        text = f'{link.notices}: "recv",{link.id}'
        if link.kind != SSL_CLIENT and self.options.get("recvind") == "1":
            text += f",{link.next_length()}"
        self.urc(text)

    def _notice_end(self, link: Link) -> None:
        """``closed`` once; the id stays taken in state 4 until AT+QICLOSE."""
        if link.tcp is None or not link.tcp.ended or link.state != STATE_CONNECTED:
            return
        if link.mode == PUSH_MODE and link.unread():
            return  # after the data
        link.state = STATE_CLOSING
        link.dropped = not self.settings.keep_after_closed
        self.urc(f'{link.notices}: "closed",{link.id}')

    def _accept(self, listener: Link) -> None:
        assert listener.listener is not None
        while (accepted := listener.listener.accept()) is not None:
            number = self.links.highest_free()
            if number is None:
                # Cannot be refused by the host; without an id the module gives it up.
                accepted.abort()
                self.urc('+QIURC: "incoming full"')
                continue
            link = Link(
                number,
                TCP_INCOMING,
                listener.context,
                # As the listener (real log); one text of the manual says always buffer mode.
                listener.mode,
                listener.id,
                remote=accepted.remote,
                local_port=accepted.local[1],
                own=listener.own,
                state=STATE_CONNECTED,
                tcp=accepted,
            )
            self.links.add(link)
            self.note("accepted", f"{number} from {accepted.remote}")
            address, port = accepted.remote
            self.urc(f'+QIURC: "incoming",{number},{listener.id},"{written(address)}",{port}')
            self.watch(link)

    # ---- direct push -----------------------------------------------------------------

    def _push(self, link: Link) -> None:
        if link not in self._pushing and link.has_data():
            self._pushing.add(link)
            self.spawn(self._push_out(link))

    async def _push_out(self, link: Link) -> None:
        try:
            while True:
                await self.output_room()
                if self.prompting and not self.settings.urc_in_prompt:
                    return  # goes on behind the result
                if self.links.get(link.id) is not link or not link.has_data():
                    return
                self._push_once(link)
                await asyncio.sleep(0)
        finally:
            self._pushing.discard(link)
            if not self.prompting:
                self._notice_end(link)

    def _push_once(self, link: Link) -> None:
        origin = ""
        if link.tcp is not None:
            data = link.tcp.read(min(MAX_READ, link.unread()))
            link.read_total += len(data)
        else:
            data, (address, port) = link.next_datagram()
            data = data[:MAX_READ]
            if link.kind == UDP_SERVICE:
                origin = f',"{written(address)}",{port}'
        header = f'+QIURC: "recv",{link.id},{len(data)}{origin}'
        self.unsolicited(b"\r\n" + self.framed(header, data))

    def framed(self, header: str, data: bytes) -> bytes:
        """Header line and payload as AT+QICFG "viewmode" and "dataformat" ask for."""
        if self.options["dataformat"].endswith("1"):
            data = data.hex().upper().encode()
        between = b"," if self.options["viewmode"] == "1" else b"\r\n"
        return b"".join((header.encode(), between, data, b"\r\n"))

    def finish(self, result: str) -> None:
        """Pushing that an open prompt held back goes on."""
        held_back = self.prompting
        super().finish(result)
        if held_back:
            for link in self.links:
                self.link_changed(link)

    # ---- contexts --------------------------------------------------------------------

    def context_down(self, context: int, code: int) -> None:
        """The sockets of a context that the network took are dead until AT+QIDEACT."""
        super().context_down(context, code)
        for link in self.links.of_context(context):
            link.state = STATE_CLOSING
            link.release(abort=True)

    def close_context(self, context: int) -> None:
        """AT+QIDEACT: the sockets go with the context, without ``closed`` notices."""
        super().close_context(context)
        for link in self.links.of_context(context):
            if link.state != STATE_OPENING:  # that one still has to give its result
                self.links.remove(link)

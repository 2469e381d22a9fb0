"""AT+QISEND, AT+QISENDEX, AT+QIRD and their options (TCP(IP) manual V1.1 section 3.1)."""

from __future__ import annotations

import re
from typing import Final

from fakes.bg96.codes import (
    CANCEL_SEND,
    INVALID_PARAMETERS,
    NOT_ALLOWED,
    OPERATE_SUCCESSFULLY,
    SOCKET_CLOSED,
    WRITE_FAILED,
    TcpipRejected,
)
from fakes.bg96.core import command
from fakes.bg96.delivery import PUSH_MODE
from fakes.bg96.links import (
    SSL_CLIENT,
    STATE_CLOSING,
    STATE_CONNECTED,
    TCP_LISTENER,
    UDP_SERVICE,
    Link,
    written,
)
from fakes.bg96.opening import Opening
from fakes.bg96.profile import CONNECT_IDS, MAX_READ, MAX_SEND, MAX_SEND_HEX, SEND_BUFFER
from fakes.bg96.syntax import Fields

_SUB: Final = 0x1A  # ends a variable-length payload
_ESC: Final = 0x1B  # cancels it
_STOPS: Final = b"\x1a\x1b\r"

_OPTION_RANGES: Final = {
    # TCP(IP) manual V1.1, AT+QICFG; keepalive: BG95 TCP/IP note V1.1
    "transpktsize": ((1, 1460),),
    "transwaittm": ((0, 20),),
    "dataformat": ((0, 1), (0, 1)),
    "viewmode": ((0, 1),),
    "recvind": ((0, 1),),
    "tcp/retranscfg": ((3, 20), (5, 1000)),
    "tcp/keepalive": ((0, 1), (1, 120), (25, 100), (3, 10)),
}


class Transfer(Opening):
    """Payload in both directions."""

    def _link(self, number: int) -> Link:
        link = self.links.get(number)
        if link is None or link.kind == SSL_CLIENT:
            raise TcpipRejected(SOCKET_CLOSED)
        return link

    # ---- sending ---------------------------------------------------------------------

    @command(r"\+QISEND=(.*)")
    async def _send_command(self, match: re.Match[str]) -> bool | None:
        fields = Fields(match[1])
        fields.at_most(4)
        number = fields.integer(0, 0, CONNECT_IDS - 1)
        length = fields.integer(1, 0, MAX_SEND, -1)
        link = self._link(number)
        if link.kind == TCP_LISTENER:
            raise TcpipRejected(NOT_ALLOWED)
        if length == 0:
            waiting = link.unacknowledged()
            self.info(f"+QISEND: {link.sent_total},{link.sent_total - waiting},{waiting}")
            return None
        if link.state != STATE_CONNECTED:
            raise TcpipRejected(SOCKET_CLOSED)
        target = link.remote
        if link.kind == UDP_SERVICE:
            target = (fields.string(2), fields.integer(3, 1, 65535))
            if not self.world.is_literal(target[0]):
                raise TcpipRejected(INVALID_PARAMETERS)  # "dot format" only
        else:
            fields.at_most(2)
        self.prompting = True
        self._prompt()
        data = await self._variable_payload() if length < 0 else await self._payload(length)
        await self.sleep(self.latency)
        if self.options["dataformat"].startswith("1"):
            data = _from_hex(data.decode("latin-1"))
        await self._send(link, data, target)
        return True

    def _prompt(self) -> None:
        self.raw(b"\r\n> " if self.settings.prompt_space else b"\r\n>")

    async def _payload(self, length: int) -> bytes:
        data = await self.take(length) or b""
        if self.send_echo:
            self.raw(data)
        return data

    async def _variable_payload(self) -> bytes:
        """Up to Ctrl-Z; every line end typed brings another prompt (real log)."""
        payload = bytearray()
        while True:
            room = MAX_SEND - len(payload)  # what goes beyond is dropped
            data, stop = await self.take_until(_STOPS, limit=room)
            payload += data
            if self.send_echo and data:
                self.raw(data)
            if stop == _SUB:
                return bytes(payload)
            if stop == _ESC:
                raise TcpipRejected(CANCEL_SEND)
            payload += b"\r"[: MAX_SEND - len(payload)]
            self._prompt()

    async def _send(self, link: Link, data: bytes, target: tuple[str, int]) -> None:
        if self.links.get(link.id) is not link or link.state != STATE_CONNECTED:
            raise TcpipRejected(SOCKET_CLOSED)
        if link.tcp is not None:
            if link.unacknowledged() + len(data) > SEND_BUFFER:
                # Nothing of it is taken (manual: send buffer full, retry later).
                self.finish("SEND FAIL")
                return
            try:
                await link.tcp.write(data)
            except OSError:
                raise TcpipRejected(WRITE_FAILED) from None
        elif link.udp is not None:
            self._send_datagram(link, data, target)
        link.sent_total += len(data)
        self.last_error = OPERATE_SUCCESSFULLY
        self.finish("SEND OK")

    def _send_datagram(self, link: Link, data: bytes, target: tuple[str, int]) -> None:
        assert link.udp is not None
        if self.settings.link == "dead" or not self.world.reaches(target[0]):
            self.note("unreachable", f"datagram to {target[0]}")
        elif not link.udp.send(data, *target):
            raise TcpipRejected(WRITE_FAILED)

    @command(r"\+QISENDEX=(.*)")
    async def _send_hex_command(self, match: re.Match[str]) -> bool:
        fields = Fields(match[1])
        fields.at_most(3 if self.profile.assistance else 2)
        fields.integer(2, 0, 2, 0)  # release assistance: nothing that the host could notice
        link = self._link(fields.integer(0, 0, CONNECT_IDS - 1))
        digits = fields.string(1)
        if not 0 < len(digits) <= MAX_SEND_HEX:
            raise TcpipRejected(INVALID_PARAMETERS)
        data = _from_hex(digits)
        if link.kind in {UDP_SERVICE, TCP_LISTENER}:
            raise TcpipRejected(NOT_ALLOWED)
        await self._send(link, data, link.remote)
        return True

    # ---- receiving -------------------------------------------------------------------

    @command(r"\+QIRD=(.*)")
    async def _read_command(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(2)
        link = self._link(fields.integer(0, 0, CONNECT_IDS - 1))
        length = fields.integer(1, 0, MAX_READ, MAX_READ)
        if link.kind == TCP_LISTENER:
            raise TcpipRejected(NOT_ALLOWED)
        if link.state not in {STATE_CONNECTED, STATE_CLOSING}:
            raise TcpipRejected(SOCKET_CLOSED)
        if length == 0:
            unread = link.unread()
            self.info(f"+QIRD: {link.read_total + unread},{link.read_total},{unread}")
            return
        header, data = self._read(link, length)
        if data:
            # One literal: nothing gets between the header and the n bytes.
            self.raw(b"\r\n" + self.framed(header, data))
        else:
            self.info(header)
        if not link.has_data():
            link.announced = False
        self.after_result(lambda: self.link_changed(link))

    def _read(self, link: Link, length: int) -> tuple[str, bytes]:
        """Take data from the module's buffer: (information line, payload)."""
        if link.tcp is not None:
            wanted = min(length, link.unread())
            data = link.tcp.read(wanted) if wanted else b""
            link.read_total += len(data)
            return f"+QIRD: {len(data)}", data
        if not link.datagrams:
            return "+QIRD: 0", b""
        if link.kind == UDP_SERVICE:
            # The whole datagram whatever length was asked for. An address without data is a
            # datagram of no bytes; the manual says nothing of more than 1500: cut.
            data, (address, port) = link.next_datagram()
            data = data[:MAX_READ]
            return f'+QIRD: {len(data)},"{written(address)}",{port}', data
        data, sender = link.next_datagram()
        rest = data[length:]
        if rest and self.settings.udp_rest == "keep":
            link.datagrams.appendleft((rest, sender))
            link.datagram_bytes += len(rest)
            link.read_total -= len(rest)
        return f"+QIRD: {len(data[:length])}", data[:length]

    # ---- options ---------------------------------------------------------------------

    @command(r"\+QISDE(?:\?|=([01]))")
    async def _payload_echo(self, match: re.Match[str]) -> None:
        if match[1] is None:
            self.info(f"+QISDE: {int(self.send_echo)}")
        else:
            self.send_echo = match[1] == "1"

    @command(r"\+QICFG=(.*)")
    async def _option(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        name = fields.string(0).lower()
        if name not in self.options:
            raise TcpipRejected(INVALID_PARAMETERS)
        if len(fields) == 1:
            self.info(f'+QICFG: "{name}",{self.options[name]}')
            return
        ranges = _OPTION_RANGES[name]
        fields.at_most(1 + len(ranges))
        off = name == "tcp/keepalive" and fields.text(1) == "0"
        count = 1 if off else len(ranges)
        values = [fields.integer(i + 1, *ranges[i]) for i in range(count)]
        self.options[name] = ",".join(str(value) for value in values)

    @command(r"\+QISWTMD=(.*)")
    async def _switch_mode(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(2)
        link = self._link(fields.integer(0, 0, CONNECT_IDS - 1))
        # Mode 2, transparent, is not modelled: see AT+QIOPEN.
        link.mode = fields.integer(1, 0, PUSH_MODE)
        link.announced = False
        self.after_result(lambda: self.link_changed(link))


def _from_hex(digits: str) -> bytes:
    if len(digits) % 2 or not re.fullmatch(r"[0-9A-Fa-f]*", digits):
        raise TcpipRejected(INVALID_PARAMETERS)
    return bytes.fromhex(digits)

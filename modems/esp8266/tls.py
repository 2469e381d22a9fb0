"""An Espressif module's own TLS: AT+CIPSTART with "SSL" (ESP-AT User Guide, TCP/IP AT Commands).

It verifies nothing here: that would need an authority in the module's flash. The mode of each link
id is stored by the module whatever AT+SYSSTORE says (AT+CIPSSLCCONF), so one that another program
chose is put back at the end.
"""

from __future__ import annotations

from atdriver.errors import CommandFailed, MalformedReply
from atdriver.syntax import fields, number
from modems.commands import query
from modems.esp8266.dialect import ENCODER, LINKS
from modems.esp8266.firmware import Firmware
from modems.esp8266.options import Esp8266Options
from modems.sockets import ModuleSocket
from netsocket import errors

MAX_NAME = 64
"""Bytes of a server name (AT+CIPSSLCSNI)."""


class Esp8266Tls(Esp8266Options):
    """What a link needs before it is started with "SSL"."""

    tls_takes_name = True

    async def _configure(self) -> None:
        self._server_names: dict[int, str] = {}
        self._former_modes: dict[int, str] = {}
        await super()._configure()

    async def _prepare_tls(self, sock: ModuleSocket, link: int) -> None:
        """No verification, the server's name. Raises NoSocket when there is no further TLS."""
        busy = sum(
            other.tls and other.link is not None and other is not sock
            for other in self._sockets.values()
        )
        most = tls_links(self.firmware)
        if busy >= most:
            raise errors.NoSocket(f"this module has {most} TLS connection(s) at a time")
        await self._no_verification(link)
        name = sock.tls_name or sock.host_name
        if name != self._server_names.get(link, ""):
            text = ENCODER.text(name, "a server name", MAX_NAME).decode("ascii")
            if await self._try(f"AT+CIPSSLCSNI={link},{text}"):
                self._server_names[link] = name

    async def _no_verification(self, link: int) -> None:
        try:
            reply = await self.channel.run(
                query("AT+CIPSSLCCONF?", rb"\+CIPSSLCCONF:\d,\d(?:,\d{1,3}){0,2}")
            )
            rows = [line.partition(b":")[2] for line in reply.lines]
            found = {number(fields(row)[0], 0, LINKS - 1, "link id"): row for row in rows}
        except (CommandFailed, MalformedReply):
            found = {}
        former = found.get(link, b"?")
        if fields(former)[1:2] == [b"0"]:
            return
        if await self._try(f"AT+CIPSSLCCONF={link},0") and link in found:
            self._former_modes.setdefault(link, former.decode("ascii"))

    async def _restore(self) -> None:
        for former in self._former_modes.values():
            await self._try(f"AT+CIPSSLCCONF={former}")
        await super()._restore()


def tls_links(firmware: Firmware) -> int:
    """TLS connections at a time: one on the ESP8266, as many as links elsewhere (AT+CIPSTART)."""
    return 1 if firmware.is_esp8266 else LINKS

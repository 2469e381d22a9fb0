"""The BG96's own TLS (BG96 SSL AT Commands Manual V1.0).

One SSL context, the last of six, serves every connection of this driver; the others are left as
they were found. It verifies nothing: that would need files in the module. The ids are those of
plain sockets and count among them. V1.0 has no server name indication; firmware that has the
setting is asked for it, and takes the name from the host.
"""

from __future__ import annotations

import contextlib
from typing import Final

from atdriver.errors import CommandFailed, MalformedReply
from atdriver.syntax import fields, number
from modems.bg96 import commands
from modems.bg96.dialect import SOCKETS, SSL_CONTEXT
from modems.bg96.options import Bg96Options
from modems.commands import simple
from modems.sockets import ModuleSocket
from netsocket.address import SocketAddress

SETTINGS: Final = (
    f'AT+QSSLCFG="sslversion",{SSL_CONTEXT},4',
    f'AT+QSSLCFG="ciphersuite",{SSL_CONTEXT},0XFFFF',
    f'AT+QSSLCFG="seclevel",{SSL_CONTEXT},0',
)
"""Every version and cipher suite the module has; no verification."""


class Bg96Tls(Bg96Options):
    """Setting up AT+QSSLOPEN, and what a former program left open of it."""

    async def _prepare_tls(self) -> None:
        """Before each open: another program of the module's may have been there."""
        for text in SETTINGS:
            await self.run(simple(text))
        await self._try(f'AT+QSSLCFG="sni",{SSL_CONTEXT},1')

    def _make_open(self, sock: ModuleSocket, address: SocketAddress) -> commands.MakeOpen:
        host, port = address.host, address.port
        if sock.tls:
            return lambda link: commands.open_tls(link, sock.host_name or host, port)
        return lambda link: commands.open_tcp(link, host, port, sock.local_port)

    async def _close_leftovers(self) -> None:
        await super()._close_leftovers()
        with contextlib.suppress(CommandFailed, MalformedReply):
            for row in (await self.channel.run(commands.TLS_SOCKETS)).lines:
                link = number(fields(row.partition(b":")[2])[0], 0, SOCKETS - 1, "client id")
                await self._try(f"AT+QSSLCLOSE={link},0")

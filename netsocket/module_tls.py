"""TLS made by the stack itself: an option that has to be asked for, because it verifies less.

TLS on the host (`netsocket.tls`) is the default and verifies. A module's own TLS costs the host
nothing, but what it checks is up to its firmware; the record `tls.module` of the stack says what
is not checked, and each socket warns of it once. A stack is told by options of the level that the
common Socket API has for this (Mbed OS NSAPI_TLSSOCKET_LEVEL): before connect, after open.
"""

from __future__ import annotations

import warnings
from typing import Final

from netsocket.address import check_host
from netsocket.errors import NotSupported
from netsocket.stream import AsyncTCPSocket
from netsocket.table import SocketTable
from netsocket.tcp import TCPSocket

TLS_LEVEL: Final = 7099
SET_HOSTNAME: Final = 0
"""The name that the server is told and, where the stack checks it, must have; bytes."""
SET_CACERT: Final = 1
SET_CLCERT: Final = 2
SET_CLKEY: Final = 3
ENABLE: Final = 4
"""1: connect makes a TLS connection."""


class ModuleTLSWarning(UserWarning):
    """A socket leaves TLS to the module; the text says what is not verified."""


class AsyncModuleTLSSocket(AsyncTCPSocket):
    """A stream that the stack encrypts; the names are those of AsyncTCPSocket.

    `server_hostname` is the name for SNI, by default the host given to connect. Warns with
    ModuleTLSWarning. Raises NotSupported with the record `tls.module` where the stack has no TLS.
    """

    def __init__(self, table: SocketTable, server_hostname: str | None = None) -> None:
        record = table.stack.capabilities["tls.module"]
        record.require()
        super().__init__(table)
        self._options[TLS_LEVEL, ENABLE] = 1
        if server_hostname is not None:
            self._options[TLS_LEVEL, SET_HOSTNAME] = check_host(server_hostname).encode("ascii")
        text = f"TLS is left to the {table.stack.name}: {record.because}"
        warnings.warn(text, ModuleTLSWarning, stacklevel=4)

    async def listen(self, backlog: int = 1) -> None:
        """NotSupported: only TLS on the host listens."""
        del backlog
        record = self._stack.capabilities["tls.module"]
        raise NotSupported(record, "a module's own TLS does not listen: use tls_socket")


class ModuleTLSSocket(TCPSocket):
    """The blocking face of AsyncModuleTLSSocket."""

"""Result codes of the BG96: TCP/IP errors and ``+CME ERROR``, with the exceptions for them.

Sources: TCP(IP) AT Commands Manual V1.1 chapter 5 (550-574), AT Commands Manual V2.2 section
12.5 (``+CME ERROR``). The texts of the TCP/IP errors are lower case and follow the comma without
a blank, as real modules print them (``552,invalid parameters``, ``572,operation not allowed``),
although the manual shows a blank.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final

OPERATE_SUCCESSFULLY: Final = 0
UNKNOWN_ERROR: Final = 550
OPERATION_BLOCKED: Final = 551
INVALID_PARAMETERS: Final = 552
NO_MEMORY: Final = 553
CREATE_SOCKET_FAILED: Final = 554
NOT_SUPPORTED: Final = 555
BIND_FAILED: Final = 556
LISTEN_FAILED: Final = 557
WRITE_FAILED: Final = 558
READ_FAILED: Final = 559
ACCEPT_FAILED: Final = 560
OPEN_PDP_FAILED: Final = 561
CLOSE_PDP_FAILED: Final = 562
IDENTITY_USED: Final = 563
DNS_BUSY: Final = 564
DNS_PARSE_FAILED: Final = 565
CONNECT_FAILED: Final = 566
SOCKET_CLOSED: Final = 567
OPERATION_BUSY: Final = 568
OPERATION_TIMEOUT: Final = 569
PDP_BROKEN_DOWN: Final = 570
CANCEL_SEND: Final = 571
NOT_ALLOWED: Final = 572
APN_NOT_CONFIGURED: Final = 573
PORT_BUSY: Final = 574

TCPIP_TEXTS: Final[Mapping[int, str]] = {
    OPERATE_SUCCESSFULLY: "operate successfully",
    UNKNOWN_ERROR: "unknown error",
    OPERATION_BLOCKED: "operation blocked",
    INVALID_PARAMETERS: "invalid parameters",
    NO_MEMORY: "memory not enough",
    CREATE_SOCKET_FAILED: "create socket failed",
    NOT_SUPPORTED: "operation not supported",
    BIND_FAILED: "socket bind failed",
    LISTEN_FAILED: "socket listen failed",
    WRITE_FAILED: "socket write failed",
    READ_FAILED: "socket read failed",
    ACCEPT_FAILED: "socket accept failed",
    OPEN_PDP_FAILED: "open pdp context failed",
    CLOSE_PDP_FAILED: "close pdp context failed",
    IDENTITY_USED: "socket identity has been used",
    DNS_BUSY: "dns busy",
    DNS_PARSE_FAILED: "dns parse failed",
    CONNECT_FAILED: "socket connect failed",
    SOCKET_CLOSED: "socket has been closed",
    OPERATION_BUSY: "operation busy",
    OPERATION_TIMEOUT: "operation timeout",
    PDP_BROKEN_DOWN: "pdp context broken down",
    CANCEL_SEND: "cancel send",
    NOT_ALLOWED: "operation not allowed",
    APN_NOT_CONFIGURED: "apn not configured",
    PORT_BUSY: "port busy",
}
"""Text of ``+QIGETERROR`` for each TCP/IP error code."""

CME_NOT_ALLOWED: Final = 3
CME_NOT_SUPPORTED: Final = 4
CME_NO_SIM: Final = 10
CME_PIN_REQUIRED: Final = 11
CME_PUK_REQUIRED: Final = 12
CME_SIM_FAILURE: Final = 13
CME_SIM_BUSY: Final = 14
CME_WRONG_PASSWORD: Final = 16
CME_NO_SERVICE: Final = 30

CME_TEXTS: Final[Mapping[int, str]] = {
    CME_NOT_ALLOWED: "operation not allowed",
    CME_NOT_SUPPORTED: "operation not supported",
    CME_NO_SIM: "SIM not inserted",
    CME_PIN_REQUIRED: "SIM PIN required",
    CME_PUK_REQUIRED: "SIM PUK required",
    CME_SIM_FAILURE: "SIM failure",
    CME_SIM_BUSY: "SIM busy",
    CME_WRONG_PASSWORD: "incorrect password",
    CME_NO_SERVICE: "no network service",
    **TCPIP_TEXTS,
}
"""Text of ``+CME ERROR`` with ``AT+CMEE=2``."""


class Rejected(Exception):
    """A command ends with a plain ``ERROR`` line (unknown command, execution-only command)."""


class CmeRejected(Rejected):
    """A command ends with ``+CME ERROR``; `code` as in AT Commands Manual V2.2 section 12.5."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class TcpipRejected(Rejected):
    """A TCP/IP command ends with ``ERROR`` and leaves `code` (550-574) for ``AT+QIGETERROR``."""

    def __init__(self, code: int = INVALID_PARAMETERS) -> None:
        super().__init__(code)
        self.code = code


_BY_ERRNO: Final[Mapping[int, int]] = {
    errno.EADDRINUSE: BIND_FAILED,
    errno.EADDRNOTAVAIL: BIND_FAILED,
    errno.EACCES: BIND_FAILED,
    errno.EPERM: BIND_FAILED,
    errno.EMFILE: CREATE_SOCKET_FAILED,
    errno.ENFILE: CREATE_SOCKET_FAILED,
    errno.ENOMEM: NO_MEMORY,
    errno.ENOBUFS: NO_MEMORY,
    errno.EAFNOSUPPORT: NOT_SUPPORTED,
}


def tcpip_code(error: OSError) -> int:
    """The ``+QIOPEN`` result for an error of the real socket behind a connect id.

    Every failure of the connection itself (refused, reset, unreachable, timed out) is 566: the
    manual has one code for all of them (TCP(IP) manual V1.1 chapter 5).
    """
    return _BY_ERRNO.get(error.errno or 0, CONNECT_FAILED)

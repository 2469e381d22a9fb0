"""GNRC TCP behind RIOT's shell: the lines that are written, and what the node says to them.

Source: RIOT, tests/net/gnrc_tcp/main.c (the commands), sys/shell/shell.c (how a line becomes
words), sys/net/gnrc/transport_layer/tcp/gnrc_tcp.c (results and times; the commands' are ms).

Every command first repeats its words (`<cmd>: argc=…, argv[0] = …`), which shows what of a line
arrived; then comes `<cmd>: returns <0 or -ENAME>`, `sent <n>`, `received <n>`.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence

from atdriver.exchange import Command
from modems.commands import BASIC
from modems.riot.dialect import LINE

BUFFER = 2048
"""Bytes of the one buffer through which everything passes (buffer_get_max_size)."""
UNSENDABLE = frozenset((*range(1, 0x20), 0x7F))
"""The shell's line editor takes LF, CR, 0x03, 0x04, backspace and delete for itself, quoted or not
(shell_readline); no command line of this library carries the others. A NUL is no part of a line
either, but the cleared buffer is full of them."""
QUOTED = frozenset(b" \"'\\")
SILENCE = 120.0
"""Seconds after which the firmware gives up a connection whose peer is silent while a command waits
for it (CONFIG_GNRC_TCP_CONNECTION_TIMEOUT_DURATION_MS; RIOT's test application is built with 3)."""
MARGIN = 20.0
"""Seconds that the driver waits longer than that."""
SEND = 30
"""Seconds until a peer that acknowledges nothing has broken the connection."""

_RETURNS = re.compile(rb"(\w+): (?:returns|sent|received) ?(-E[A-Z]+|\d+)?")
_REPEATED = re.compile(rb"buffer_write: argc=3, argv\[0\] = buffer_write, argv\[1\] = (\d+), "
                       rb"argv\[2\] = (.*)", re.DOTALL)  # fmt: skip
_READ = re.compile(rb"buffer_read: <begin>(.*)<end>", re.DOTALL)
_ENDPOINT = re.compile(rb"Endpoint: addr\.ipv6=([0-9a-fA-F:.]+) netif=\d+ port=(\d{1,5})")


def line(text: str, timeout: float = BASIC) -> Command:
    """One line of the shell; everything up to the next prompt is its answer."""
    return Command(text.encode("ascii"), timeout, bare=True, ok=(), error=())


SIZE = line("buffer_get_max_size")
CLEAR = line("buffer_init")
FRESH = line("gnrc_tcp_tcb_init")
ABORT = line("gnrc_tcp_abort")
ACCEPT = line("gnrc_tcp_accept 0")
STOP = line("gnrc_tcp_stop_listen")
ANEW = (ABORT, STOP, FRESH)
"""A connection that nobody has had: FRESH alone would forget one that is in the node's list."""
LOCAL, REMOTE = line("gnrc_tcp_get_local"), line("gnrc_tcp_get_remote")
LOOK = line("buffer_read 0 1")


def receive(silence: float) -> Command:
    """One byte. Until it has as many as were asked for the command repeats itself, whatever its own
    limit says (-ETIMEDOUT, -EAGAIN), and the shell takes no line meanwhile; how many bytes are
    there, no command tells. So its limit is one that the firmware's own comes before: that ends
    command and connection (-ECONNABORTED)."""
    return line("gnrc_tcp_recv 1000000000 1", silence + MARGIN)


def close(silence: float) -> Command:
    """Ends when the connection is forgotten: twice 30 s later when this end closes first (MSL)."""
    return line("gnrc_tcp_close", max(silence, 60.0) + MARGIN)


def connect(host: str, port: int, local_port: int, silence: float) -> Command:
    """`host` is a literal address."""
    return line(f"gnrc_tcp_open [{host}]:{port} {local_port}", silence + MARGIN)


def listen(port: int) -> Command:
    """On every address."""
    return line(f"gnrc_tcp_listen [::]:{port}")


def send(count: int) -> Command:
    """The first bytes of the buffer; ends when the peer has acknowledged them."""
    return line(f"gnrc_tcp_send {SEND * 1000} {count}", SEND + BASIC)


def writes(payload: bytes) -> Iterator[tuple[int, bytes, Command]]:
    """What fills a cleared buffer: offset, text, and the line that puts the text there. NULs stay
    what the clearing made of them."""
    for part in re.finditer(rb"[^\0]+", payload):
        at, end = part.span()
        while at < end:
            head = b"buffer_write %d " % at
            room, shown, stop = LINE - 1 - len(head), b"", at
            while stop < end:
                byte = payload[stop : stop + 1]
                more = b"\\" + byte if byte[0] in QUOTED else byte
                if len(shown) + len(more) > room:
                    break
                shown += more
                stop += 1
            text = payload[at:stop]
            yield at, text, Command(head + shown, BASIC, bare=True, ok=(), error=())
            at = stop


def result(command: Command, lines: Iterable[bytes]) -> str:
    """`0`, the number of bytes, or `-ENAME`; "" when the node said nothing of the kind."""
    name = command.text.partition(b" ")[0]
    for each in lines:
        if (found := _RETURNS.fullmatch(each)) and found[1] == name:
            return (found[2] or b"0").decode("ascii")
    return ""


def arrived(at: int, text: bytes, lines: Sequence[bytes]) -> bool:
    """Whether the node repeats what it was told to write."""
    found = _REPEATED.fullmatch(b"\n".join(lines))
    return found is not None and (int(found[1]), found[2]) == (at, text)


def byte(lines: Sequence[bytes]) -> bytes | None:
    """The byte that was read, None when the answer is none. A NUL is an empty text; of a line end
    that is printed as CR LF (stdio_uart_onlcr) the framer has taken the CR."""
    found = _READ.search(b"\n".join(lines))
    if found is None:
        return None
    text = found[1] or b"\0"
    return text if len(text) == 1 else None


def endpoint(lines: Iterable[bytes]) -> tuple[str, int] | None:
    """Address and port; None where there are none, or damaged ones."""
    for each in lines:
        if (found := _ENDPOINT.fullmatch(each)) and int(found[2]) <= 65535:
            with contextlib.suppress(ValueError):
                return str(ipaddress.IPv6Address(found[1].decode("ascii"))), int(found[2])
    return None

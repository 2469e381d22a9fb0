"""The recording of one session: the wire, and the calls at the Stack seam that caused it.

One gzipped file in the format of `atdriver.trace`; the notes ("!") are

    session {JSON}                   how the stack was put together, and the seed of its local ports
    probe NAME                       what follows belongs to this probe
    timer NAME                       the driver's next timer of that name rings
    set METHOD argument              of the setters that are not awaited
    claims {id: limit}               the numbers in the stack's table, from here on
    call N METHOD [arguments]        returned N RESULT · raised N ERROR · cancelled N

Secrets are masked in the stream. Addresses and names that say where the recording was made are
replaced afterwards, the same stand-in everywhere, so that the file still replays.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from atdriver.disguise import disguised
from atdriver.trace import Trace, from_printable, printable
from netsocket.address import SocketAddress
from netsocket.cellular import AccessPointName, Authentication
from netsocket.stack import Handle, Kind
from netsocket.wifi import Security, WiFiCredentials

FORMAT: Final = 2
HIDDEN: Final = "***"
NEWLINE: Final = printable(b"\n")
TOGETHER: Final = 0.03
"""Seconds within which one read goes on where the last one ended."""


class SessionTrace(Trace):
    """One trace over all openings of the channel; it stays in memory until `store`."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._stopped = False
        super().__init__(self._text)

    def close(self) -> None:
        """The channel has closed; the session goes on."""

    def stop(self) -> None:
        """Record nothing more: a soak would fill the memory."""
        self._stopped = True

    def _write(self, direction: str, text: str) -> None:
        if not self._stopped:
            super()._write(direction, text)

    def mark(self) -> int:
        """A position, for `since`."""
        return self._text.tell()

    def since(self, mark: int) -> list[dict[str, Any]]:
        """The records written after a mark."""
        return [json.loads(line) for line in self._text.getvalue()[mark:].splitlines()]

    def store(self, path: Path, disguise: Mapping[str, str]) -> None:
        """Write the file. Raises OSError."""
        records = whole_lines([json.loads(line) for line in self._text.getvalue().splitlines()])
        text = "".join(json.dumps(record) + "\n" for record in records)
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.GzipFile(path, "wb", mtime=0) as file:
            file.write(disguised(text, disguise).encode("ascii"))


def load(path: Path) -> list[dict[str, Any]]:
    """The records of a stored trace. Raises OSError, ValueError."""
    with gzip.open(path, "rt", encoding="ascii") as file:
        return [json.loads(line) for line in file]


def whole_lines(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The records with a line that a read has cut in two put into the second of both: a name can
    only be disguised as a whole. The driver does nothing for half a line. Whole ones stay in the
    read that brought them: it may do another thing for a result and a notice than for both at once.
    """
    found: list[dict[str, Any]] = []
    for record in map(dict, records):
        last = found[-1] if found else None
        if last and record["dir"] == "<" == last["dir"] and record["t"] - last["t"] < TOGETHER:
            whole, newline, half = last["data"].rpartition(NEWLINE)
            last["data"], record["data"] = whole + newline, half + record["data"]
            if not newline:
                found.pop()
        found.append(record)
    return found


# -- values ------------------------------------------------------------------------------------


def encode(value: object) -> Any:
    """An argument of a Stack method as JSON."""
    if isinstance(value, Handle):
        return {"handle": [value.number, value.generation]}
    if isinstance(value, SocketAddress):
        return {"address": [value.host, value.port]}
    if isinstance(value, Kind):
        return {"kind": value.name}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": printable(bytes(value))}
    if isinstance(value, WiFiCredentials):
        kind = value.security and value.security.name
        return {"wifi": [value.ssid, value.password and HIDDEN, kind]}
    if isinstance(value, AccessPointName):
        password = value.password and HIDDEN
        return {"apn": [value.apn, value.user, password, value.authentication.name]}
    assert value is None or isinstance(value, str | int), value
    return value


def decode(value: Any, secret: str = "") -> Any:
    """The argument again, with `secret` for one that was hidden. Raises ValueError."""
    if value == HIDDEN:
        return secret
    if not isinstance(value, dict):
        return value
    (name, content), *_ = value.items()
    if name == "handle":
        return Handle(*content)
    if name == "address":
        return SocketAddress(*content)
    if name == "kind":
        return Kind[content]
    if name == "bytes":
        return from_printable(content)
    if name == "wifi":
        ssid, password, kind = content
        return WiFiCredentials(ssid, password and secret, Security[kind] if kind else None)
    if name == "apn":
        apn, user, password, method = content
        return AccessPointName(apn, user, password and secret, Authentication[method])
    raise ValueError(f"no argument of a call: {name}")


def digest(value: object) -> str:
    """A result in a form that is short and tells any two apart."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes {zlib.crc32(value):08x}"
    if isinstance(value, tuple) and not isinstance(value, Handle | SocketAddress):
        return ", ".join(digest(each) for each in value)
    if isinstance(value, float):  # a measured time
        return "a time"
    return repr(value)


def failure(error: BaseException) -> str:
    """An error's kind and number; its words may say where and when."""
    return f"{type(error).__name__} {getattr(error, 'errno', None)}"


def excerpt(records: Iterable[Mapping[str, Any]], lines: int = 14) -> list[str]:
    """The wire of some records for people, the middle of a long one left out."""
    found = [f"{r['dir']} {r['data']}"[:160] for r in records if r["dir"] != "!"]
    if len(found) > lines:
        found = [*found[: lines // 2], "…", *found[-lines // 2 :]]
    return found

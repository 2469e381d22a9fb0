"""The control socket: tests in any language steer a running fake, one JSON object a line.

A request says what to do: ``{"do": "urc", "value": "+QIURC: \\"pdpdeact\\",1"}``; every action of
`fakes.actions` is a word, its value as in a scenario. And:

- ``{"do": "step", "value": {"on": "AT\\\\+CSQ", "say": ["ERROR"]}}`` one more step of the scenario
- ``{"do": "journal", "kinds": ["command"], "since": 0}`` what happened; ``next``: go on there
- ``{"do": "wait", "kind": "command", "match": "AT\\\\+CIPSTART=.*", "since": 0, "timeout": 5}``
- ``{"do": "counters"}`` how often what happened, bytes written, how often each step was used
- ``{"do": "facts"}`` limits of the module; ``{"do": "help"}`` every word; ``{"do": "stop"}``

The answer is one line: ``{"ok": true, …}`` or ``{"ok": false, "error": "a sentence"}``, with the
request's ``id`` when it has one. The socket is a Unix socket that only its owner can use, or a port
of 127.0.0.1 (which every user of the computer can reach).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import stat
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

from .actions import ACTIONS, perform
from .errors import FakeError, LinkPathError
from .scenario_file import parse
from .values import count, keys, lines, seconds, text
from .world import World

if TYPE_CHECKING:
    from .engine import FakeModem

__all__ = ["serve_control"]

_LIMIT: Final = 1 << 20  # bytes of one request
_LONGEST_WAIT: Final = 600.0  # seconds
_TURN: Final = 0.005  # seconds between looks at the journal


@contextlib.asynccontextmanager
async def serve_control(
    modem: FakeModem, place: str, stop: Callable[[], object]
) -> AsyncIterator[str]:
    """Answer requests while the block runs; gives the address to be told.

    Args:
        modem: a started fake.
        place: path of a Unix socket to make, or a port number (0: any free one) of 127.0.0.1.
        stop: called on the request "stop".

    Raises:
        LinkPathError: the path is taken by something that is no dead socket of ours.
        OSError: the port is taken.
    """
    control = _Control(modem, stop)
    if place.isascii() and place.isdigit():
        server = await asyncio.start_server(
            control.serve, World.guard("127.0.0.1"), int(place), limit=_LIMIT, family=socket.AF_INET
        )
        told = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    else:
        _make_room(place)
        before = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(control.serve, place, limit=_LIMIT)
        except OSError as error:
            raise LinkPathError(place, f"cannot be created: {error.strerror}") from error
        finally:
            os.umask(before)
        told = place
    try:
        yield told
    finally:
        server.close()
        await control.close()
        if told == place:
            with contextlib.suppress(OSError):
                os.unlink(place)


def _make_room(path: str) -> None:
    """Remove a socket that nobody serves any more."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise LinkPathError(path, "exists and is no socket; remove it first")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            os.unlink(path)
            return
    raise LinkPathError(path, "is served by another program")


class _Control:
    """The conversations of one control socket."""

    def __init__(self, modem: FakeModem, stop: Callable[[], object]) -> None:
        self._modem = modem
        self._stop = stop
        self._talks: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, request by request."""
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            while True:
                try:
                    line = await reader.readuntil(b"\n")
                except asyncio.IncompleteReadError as error:
                    line = error.partial
                except asyncio.LimitOverrunError:
                    writer.write(_told({}, error="a request is longer than 1 MiB"))
                    return
                if line.strip():
                    writer.write(await self._answer(line))
                    await writer.drain()
                if not line.endswith(b"\n"):
                    return
        except (OSError, asyncio.CancelledError):
            pass  # the client left, or the fake ends
        finally:
            self._talks.discard(task)
            writer.close()

    async def close(self) -> None:
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _answer(self, line: bytes) -> bytes:
        request: dict[str, Any] = {}
        try:
            try:
                request = keys(json.loads(line), None)
            except (UnicodeDecodeError, json.JSONDecodeError) as error:
                raise ValueError(f"not JSON: {error}") from None
            return _told(request, **await self._do(request))
        except (FakeError, TypeError, ValueError) as error:
            return _told(request, error=getattr(error, "fault", None) or _sentence(error))

    async def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        word = text(request.get("do"))
        special = {
            "step": self._step, "journal": self._journal, "wait": self._wait,
            "counters": self._counters, "facts": self._facts, "help": self._help,
            "stop": self._end,
        }  # fmt: skip
        if word in special:
            answer: dict[str, Any] = await special[word](request)
            return answer
        if word not in ACTIONS:
            raise ValueError(f"unknown word {word!r}; valid: {', '.join((*special, *ACTIONS))}")
        keys(request, ("do", "value", "id"))
        result = perform(self._modem, word, request.get("value"))
        return {} if result is None or not isinstance(result, int) else {"result": result}

    async def _step(self, request: dict[str, Any]) -> dict[str, Any]:
        keys(request, ("do", "value", "id"))
        [step] = parse({"steps": [request.get("value")]}, source="request").steps
        return {"step": self._modem.scenario.add(step)}

    async def _journal(self, request: dict[str, Any]) -> dict[str, Any]:
        keys(request, ("do", "kinds", "since", "id"))
        kinds = lines(request["kinds"]) if "kinds" in request else ()
        found = self._since(count(request.get("since", 0)))
        return {
            "records": [_record(*each) for each in found if not kinds or each[1].kind in kinds],
            "next": self._modem.journal_dropped + len(self._modem.journal),
        }

    def _since(self, number: int) -> list[tuple[int, Any]]:
        first = self._modem.journal_dropped
        start = max(0, number - first)
        return [(first + start + n, each) for n, each in enumerate(self._modem.journal[start:])]

    async def _wait(self, request: dict[str, Any]) -> dict[str, Any]:
        keys(request, ("do", "kind", "match", "since", "timeout", "id"))
        kind = text(request.get("kind", "command"))
        try:
            pattern = re.compile(text(request.get("match", ".*")), re.DOTALL)
        except re.error as error:
            raise ValueError(f"match: not a regular expression: {error}") from None
        since = count(request.get("since", 0))
        patience = min(seconds(request.get("timeout", 5)), _LONGEST_WAIT)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while True:
            for number, record in self._since(since):
                if record.kind == kind and pattern.fullmatch(record.detail):
                    return {"record": _record(number, record)}
                since = number + 1
            if loop.time() >= deadline:
                raise ValueError(f"no {kind} like that within {patience:g} s")
            await asyncio.sleep(_TURN)

    async def _counters(self, request: dict[str, Any]) -> dict[str, Any]:
        keys(request, ("do", "id"))
        modem = self._modem
        return {
            "counters": dict(modem.counts),
            "written": modem.written,
            "restarts": modem.generation,
            "steps": {str(number + 1): used for number, used in modem.scenario.used.items()},
        }

    async def _facts(self, request: dict[str, Any]) -> dict[str, Any]:
        keys(request, ("do", "id"))
        return {"module": self._modem.kind, "facts": dict(self._modem.facts)}

    async def _help(self, request: dict[str, Any]) -> dict[str, Any]:
        keys(request, ("do", "id"))
        return {"actions": {name: each.help for name, each in ACTIONS.items()},
                "events": sorted(self._modem.EVENTS)}  # fmt: skip

    async def _end(self, request: dict[str, Any]) -> dict[str, Any]:
        keys(request, ("do", "id"))
        asyncio.get_running_loop().call_later(0.05, self._stop)
        return {}


def _record(number: int, record: Any) -> dict[str, Any]:
    return {"n": number, "at": round(record.at, 6), "kind": record.kind, "detail": record.detail}


def _told(request: dict[str, Any], *, error: str | None = None, **answer: Any) -> bytes:
    body = {"ok": error is None, **({"error": error} if error is not None else {}), **answer}
    if "id" in request:
        body["id"] = request["id"]
    return json.dumps(body).encode() + b"\n"


def _sentence(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)

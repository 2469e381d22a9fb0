"""Work in forked copies of this process, several at a time; what a copy finds comes back as JSON."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterable
from typing import Any

Work = Callable[[], Any]
Case = Generator[Work, Any, None]
"""Yields work for a copy and gets what the copy found, or None when it crashed or hung."""


def run(cases: Iterable[Case], jobs: int, limit: float) -> None:
    """Drive the cases to their end, `jobs` copies at a time, each for `limit` seconds at most."""
    waiting = iter(cases)
    running: dict[int, tuple[int, Case, float, bytearray]] = {}

    def begin(case: Case, first: Callable[[], Work]) -> None:
        with contextlib.suppress(StopIteration):
            pid, pipe = _fork(first())
            running[pipe] = pid, case, time.monotonic(), bytearray()

    while True:
        while len(running) < jobs and (case := next(waiting, None)) is not None:
            begin(case, case.__next__)
        if not running:
            return
        ready, _, _ = select.select(list(running), [], [], 0.5)
        for pipe in list(running):
            pid, case, begun, heard = running[pipe]
            if pipe in ready:
                if part := os.read(pipe, 65536):
                    heard += part
                    continue
            elif time.monotonic() - begun < limit:
                continue
            else:
                os.killpg(pid, signal.SIGKILL)
            del running[pipe]
            os.close(pipe)
            os.waitpid(pid, 0)
            begin(case, functools.partial(case.send, _found(heard)))


def _found(heard: bytearray) -> Any:
    try:
        return json.loads(heard)
    except ValueError:
        return None


def _fork(work: Work) -> tuple[int, int]:
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    os.setpgid(0, 0)
    os.close(reader)
    if not os.environ.get("MUTATION_DEBUG"):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    try:
        os.write(writer, json.dumps(work()).encode())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)

"""OpenThread's commands carried by `ot-ctl` to the `ot-daemon` that runs on this computer.

`ot-ctl -I <interface> <command>` prints the answer up to `Done` or `Error n: Name`. Where its
daemon cannot be reached it says why, `connect session failed: …` (OpenThread,
src/posix/client.cpp). Without a command it takes lines from its input: so does a command with a
secret in it reach the daemon, as other users can read what a program was started with.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Sequence

from atdriver.errors import (
    CommandFailed,
    CommandTimeout,
    EncodeError,
    PortDenied,
    PortLost,
    PortMissing,
)
from atdriver.exchange import Command, Reply
from modems.openthread.dialect import DIALECT
from netsocket.ip.extras import BackendMissing

MAX_LINE = 640
"""Bytes of a command, OPENTHREAD_CONFIG_CLI_MAX_LINE_LENGTH of builds for POSIX."""
LINE = re.compile(rb"[ -~]*")
WORDS = 300
"""Bytes of what it said that an error repeats."""
LEAVE = 2.0
"""Seconds that it gets to end once it has answered."""
DENIED = (b"Permission denied", b"Operation not permitted", b"a password is required")
ABSENT = (b"No such file or directory", b"Connection refused")


class OtCtl:
    """Commands for the daemon of one network interface, one at a time.

    `program` is what starts `ot-ctl`, in words (`["sudo", "-n", "ot-ctl"]`).
    """

    def __init__(self, program: Sequence[str], interface: str) -> None:
        self._program = tuple(program)
        self._interface = interface
        self._turn = asyncio.Lock()

    async def run(self, command: Command) -> Reply:
        """Carry out one command; a program that does not end in the command's time is killed.

        Raises CommandFailed, CommandTimeout, EncodeError (longer than a line), PortDenied (no right
        to speak to the daemon), PortMissing (no daemon), PortLost (it ended meanwhile), and
        BackendMissing (no such program).
        """
        if len(command.text) >= MAX_LINE or not LINE.fullmatch(command.text):
            raise EncodeError(f"{str(command)[:40]!a}: no line of less than {MAX_LINE} characters")
        async with self._turn, self._started(command) as process:
            try:
                async with asyncio.timeout(command.timeout):
                    return await self._answer(process, command)
            except TimeoutError as error:
                raise CommandTimeout(f"ot-ctl {command}", command.timeout) from error

    @contextlib.asynccontextmanager
    async def _started(self, command: Command) -> AsyncIterator[asyncio.subprocess.Process]:
        words = [] if command.secrets else command.text.decode("ascii").split()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._program, "-I", self._interface, *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C"},
            )  # fmt: skip
        except FileNotFoundError:
            raise BackendMissing(
                f"{self._program[0]}: there is no such program; ot-ctl comes with ot-daemon "
                "(setting program says where it is)"
            ) from None
        except PermissionError:
            raise PortDenied(f"{self._program[0]}: this user may not run it") from None
        try:
            if command.secrets:
                _input(process).write(command.text + b"\n")
            yield process
        except BaseException:
            _kill(process)
            raise
        finally:
            _input(process).close()  # whoever reads it ends
            if not await _ended(process):
                _kill(process)
                await _ended(process)

    async def _answer(self, process: asyncio.subprocess.Process, command: Command) -> Reply:
        assert process.stdout is not None
        reply, others = Reply(), b""
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:
                raise PortLost("ot-ctl: a line without an end") from None
            if not line:
                raise self._unanswered(others)
            line = line.rstrip(b"\r\n")
            while line.startswith(DIALECT.prompt):
                line = line[len(DIALECT.prompt) :]
            if line in command.ok:
                reply.final = line
                return reply
            if failed := DIALECT.failures.fullmatch(line):
                raise CommandFailed(f"ot-ctl {command}", line, code=int(failed["code"]))
            if command.bare or (command.info is not None and command.info.fullmatch(line)):
                reply.lines.append(line)
            elif line != command.text:  # its echo
                others = (others + line + b" ")[-WORDS:]

    def _unanswered(self, said: bytes) -> OSError:
        """Why it ended without an answer, by what it said."""
        told = said.decode("utf-8", "backslashreplace").strip()
        if any(each in said for each in DENIED):
            return PortDenied(
                f"ot-ctl: this user may not speak to ot-daemon: {told} (as root, or with "
                "program='sudo -n ot-ctl')"
            )
        if any(each in said for each in ABSENT):
            return PortMissing(f"no ot-daemon answers for {self._interface}: {told}")
        return PortLost(f"ot-ctl ended without an answer: {told or 'it said nothing'}")


def _kill(process: asyncio.subprocess.Process) -> None:
    """Not `process.kill`, which may take the exit status that the event loop waits for."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # another user's (sudo)
            os.kill(process.pid, signal.SIGKILL)


async def _ended(process: asyncio.subprocess.Process) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEAVE):
            await process.wait()
    return process.returncode is not None


def _input(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    assert process.stdin is not None
    return process.stdin

"""`python sshd.py FOLDER`: an SSH server on loopback that needs no root.

Runs commands in FOLDER/remote, serves scp in both of its protocols there, lets in whoever has
FOLDER/id_ed25519. The first line on stdout is the port; then one JSON object for each connection
(`peer`) and each command (`command`). A program of its own, because `asyncssh` leaves coroutines
behind that a test would be blamed for.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncssh

REMOTE = Path(sys.argv[1]) / "remote"


def tell(**what: str) -> None:
    print(json.dumps(what), flush=True)


class Guests(asyncssh.SSHServer):
    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        tell(peer=conn.get_extra_info("peername")[0])


class Files(asyncssh.SFTPServer):
    def __init__(self, channel: Any) -> None:
        super().__init__(channel, chroot=bytes(REMOTE))

    def exit(self) -> None:
        self.channel.exit(0)  # scp reports a failure without it


async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """One command, with its pipes, as sshd runs it."""
    command = process.command or ""
    tell(command=command)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    child = await asyncio.create_subprocess_shell(command, cwd=REMOTE, **pipes)
    await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
    status = await child.wait()
    await process.stdout.drain()
    process.exit(status)


async def main() -> None:
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Guests,
        server_host_keys=[REMOTE.parent / "host_key"],
        authorized_client_keys=str(REMOTE.parent / "id_ed25519.pub"),
        process_factory=run,
        sftp_factory=Files,
        allow_scp=True,
        encoding=None,
    )
    print(server.get_port(), flush=True)
    await server.wait_closed()


asyncio.run(main())

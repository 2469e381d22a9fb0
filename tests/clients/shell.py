"""An SSH server, and what OpenSSH's client is told about it, as a user would in ~/.ssh/config."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.cli.harness import read_line

from .harness import HERE, Proxy, typed


class Shell:
    """A running `programs/sshd.py`; a context manager.

    Attributes:
        remote: where commands run, and to which scp is confined.
        commands, peers: after the end: what clients ran and where they came from, in order.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remote = folder / "remote"
        self.commands: list[str] = []
        self.peers: list[str] = []
        self.remote.mkdir()
        for name in ("host_key", "id_ed25519"):
            key = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name)
            subprocess.run(key, check=True)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, HERE / "programs" / "sshd.py", self.folder],
            stdout=subprocess.PIPE,
            env={"HOME": str(self.folder), "PATH": os.environ["PATH"]},
        )
        self.port = int(read_line(self._process.stdout))
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        out, _err = self._process.communicate()
        for line in map(json.loads, out.splitlines()):
            self.commands += [line["command"]] if "command" in line else []
            self.peers += [line["peer"]] if "peer" in line else []

    def options(self, home: Path, host: str, proxy: Proxy, kind: str = "5") -> Path:
        """The file for `ssh -F`; `kind` is that of OpenBSD netcat's -X."""
        public = (self.folder / "host_key.pub").read_text()
        (home / "known_hosts").write_text(f"[{host}]:{self.port} {public}")
        path = home / "ssh_config"
        line = typed("ssh, scp, git over SSH", proxy).replace("-X 5", f"-X {kind}")
        path.write_text(
            f"""\
Host {host}
    Port {self.port}
    User git
    {line}
    IdentityFile {self.folder}/id_ed25519
    IdentitiesOnly yes
    UserKnownHostsFile {home}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
    LogLevel ERROR
"""
        )
        return path

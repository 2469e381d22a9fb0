"""OpenSSH's ssh and scp through the proxy, with OpenBSD's netcat in between."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from .harness import MODULE_ADDRESS, Clients, Through, tunnel_for_ssh
from .shell import Shell

pytestmark = [
    pytest.mark.xdist_group("clients"),
    pytest.mark.skipif(
        not tunnel_for_ssh(),
        reason="no ssh or OpenBSD netcat here (apt-get install openssh-client netcat-openbsd)",
    ),
]


@pytest.mark.parametrize("kind", ["5", "connect"])
def test_a_command(
    esp8266: Through, clients: Clients, tmp_path: Path, content: bytes, kind: str
) -> None:
    """Its input, its output and its status."""
    with Shell(tmp_path) as server:
        options = server.options(clients.home, "shell.test", esp8266.proxy, kind)
        ssh = ("ssh", "-F", options, "shell.test")
        told = clients.run(*ssh, "sha256sum && exit 7", stdin=content, status=7).stdout
    assert told.split()[0] == hashlib.sha256(content).hexdigest().encode()
    assert server.commands == ["sha256sum && exit 7"]
    assert server.peers == [MODULE_ADDRESS]


@pytest.mark.parametrize("protocol", ["sftp", "rcp"])
def test_scp(
    esp8266: Through, clients: Clients, tmp_path: Path, content: bytes, protocol: str
) -> None:
    with Shell(tmp_path) as server:
        options = server.options(clients.home, "shell.test", esp8266.proxy)
        scp = ("scp", *(["-O"] if protocol == "rcp" else []), "-q", "-F", options)
        (clients.home / "there").write_bytes(content)
        clients.run(*scp, "there", "shell.test:copy")
        assert (server.remote / "copy").read_bytes() == content
        clients.run(*scp, "shell.test:copy", "back")
    assert (clients.home / "back").read_bytes() == content
    assert server.peers == [MODULE_ADDRESS] * 2

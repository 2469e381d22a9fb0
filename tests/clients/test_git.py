"""git through the proxy: clone and push, over HTTP and over SSH."""

from __future__ import annotations

from pathlib import Path

import pytest

from .harness import MODULE_ADDRESS, Clients, Through, command, installed, tunnel_for_ssh
from .shell import Shell
from .web import Web

pytestmark = [
    pytest.mark.xdist_group("clients"),
    pytest.mark.skipif(not installed("git"), reason="no git here (apt-get install git)"),
]
WHO = ("-c", "user.name=tests", "-c", "user.email=tests@git.test")


def repository(clients: Clients, path: Path, content: bytes) -> None:
    """A bare repository with two commits, into which one may push."""
    work = clients.home / "work"
    clients.run("git", "init", "--quiet", "--initial-branch=main", work)
    for number in (1, 2):
        (work / "file").write_bytes(content[: len(content) // number])
        (work / f"note {number}").write_text(f"number {number}\n")
        clients.run("git", "-C", work, "add", ".")
        clients.run("git", *WHO, "-C", work, "commit", "--quiet", f"--message={number}")
    clients.run("git", "clone", "--quiet", "--bare", work, path)
    clients.run("git", "-C", path, "config", "http.receivepack", "true")


def clone_and_push(
    clients: Clients, git: list[str], url: str, origin: Path, content: bytes
) -> None:
    """Clone, commit, push; both sides must hold the same, whole."""
    copy = clients.home / "copy"
    clients.run(*git, "clone", "--quiet", url, copy)
    assert (copy / "file").read_bytes() == content[: len(content) // 2]
    clients.run("git", "-C", copy, "fsck", "--strict", "--full")
    (copy / "file").write_bytes(content[::-1])
    clients.run("git", *WHO, "-C", copy, "commit", "--quiet", "--all", "--message=3")
    clients.run(*git, "-C", copy, "push", "--quiet", "origin", "main")
    clients.run("git", "-C", origin, "fsck", "--strict", "--full")
    assert clients.run("git", "-C", origin, "show", "main:file").stdout == content[::-1]


def test_over_http(esp8266: Through, clients: Clients, tmp_path: Path, content: bytes) -> None:
    repository(clients, tmp_path / "served" / "r.git", content)
    _, (*git, clone) = command("git over HTTP", esp8266.proxy)
    assert clone == "clone"
    with Web(repositories=tmp_path / "served") as server:
        url = f"http://git.test:{server.port}/git/r.git"
        clone_and_push(clients, git, url, tmp_path / "served" / "r.git", content)
    assert {(one.host, one.peer) for one in server.asked} == {("git.test", MODULE_ADDRESS)}
    assert server.of("/git/r.git/git-upload-pack")
    assert server.of("/git/r.git/git-receive-pack")


@pytest.mark.skipif(not tunnel_for_ssh(), reason="no ssh or OpenBSD netcat here")
def test_over_ssh(esp8266: Through, clients: Clients, tmp_path: Path, content: bytes) -> None:
    with Shell(tmp_path) as server:
        repository(clients, server.remote / "r.git", content)
        options = server.options(clients.home, "git.test", esp8266.proxy)
        git = ["git", "-c", f"core.sshCommand=ssh -F {options}"]
        clone_and_push(clients, git, "git.test:r.git", server.remote / "r.git", content)
    assert [command.split()[0] for command in server.commands] == [
        "git-upload-pack",
        "git-receive-pack",
    ]
    assert set(server.peers) == {MODULE_ADDRESS}

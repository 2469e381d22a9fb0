"""wget through the proxy; it knows HTTP proxies only."""

from __future__ import annotations

import pytest

from tests.netsocket import certificates

from .harness import MODULE_ADDRESS, UNKNOWN, Clients, Through, command, installed
from .web import Web

pytestmark = [
    pytest.mark.xdist_group("clients"),
    pytest.mark.skipif(not installed("wget"), reason="no wget here (apt-get install wget)"),
]
OPTIONS = ("--no-config", "--no-verbose", "--tries=1", "--timeout=40")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_file(
    esp8266: Through, clients: Clients, web: Web, secure: Web, content: bytes, scheme: str
) -> None:
    server, host = (web, "web.test") if scheme == "http" else (secure, "srv")
    server.pages["/file"] = content
    variables, wget = command("wget", esp8266.proxy)
    variables[f"{scheme}_proxy"] = variables.pop("https_proxy")
    authority = f"--ca-certificate={certificates.CA}"
    url = f"{scheme}://{host}:{server.port}/file"
    clients.run(*wget, *OPTIONS, authority, url, env=variables)
    assert (clients.home / "file").read_bytes() == content
    assert [(one.path, one.host, one.peer) for one in server.asked] == [
        ("/file", host, MODULE_ADDRESS)
    ]


def test_a_site(bg96: Through, clients: Clients, web: Web) -> None:
    """One connection, many requests."""
    links = "".join(f'<a href="/part/{number}">.</a>' for number in range(20))
    web.pages["/"] = f"<html><body>{links}</body></html>".encode()
    web.pages.update({f"/part/{number}": b"%d" % number for number in range(20)})
    clients.run(
        "wget", *OPTIONS, "--recursive", "--level=1", "--execute=robots=off", "--no-host-directories",
        f"http://web.test:{web.port}/", env={"http_proxy": bg96.proxy.http},
    )  # fmt: skip
    parts = {path.name: path.read_bytes() for path in (clients.home / "part").iterdir()}
    assert parts == {str(number): b"%d" % number for number in range(20)}


def test_a_name_that_nobody_knows(esp8266: Through, clients: Clients) -> None:
    done = clients.run(
        "wget", *OPTIONS, f"http://{UNKNOWN}/", env={"http_proxy": esp8266.proxy.http}, status=8
    )
    assert b"502" in done.stderr or b"504" in done.stderr, done.stderr

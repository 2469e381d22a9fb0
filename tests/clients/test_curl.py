"""curl through the proxy, in every way it knows."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.netsocket import certificates

from .harness import (
    MODULE_ADDRESS,
    PASSWORD,
    UNKNOWN,
    Clients,
    Proxy,
    Through,
    command,
    installed,
)
from .web import Web

pytestmark = [
    pytest.mark.xdist_group("clients"),
    pytest.mark.skipif(not installed("curl"), reason="no curl here (apt-get install curl)"),
]
QUIET = ("curl", "--silent", "--show-error", "--max-time", "40")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("way", ["socks5h", "http", "tunnel"])
def test_there_and_back(
    esp8266: Through, clients: Clients, web: Web, secure: Web, content: bytes, scheme: str, way: str
) -> None:
    """Download and upload; `http` is a request line with the whole address for http://, and
    CONNECT for https://, as curl has it."""
    server, host = (web, "web.test") if scheme == "http" else (secure, "srv")
    server.pages["/file"] = content
    _, curl = command("curl", esp8266.proxy)
    if way != "socks5h":
        curl = ["curl", "--proxy", esp8266.proxy.http]
    options = ["--cacert", certificates.CA, "--fail", "-sS", "--max-time", "40"]
    options += ["--proxytunnel"] if way == "tunnel" else []
    place = f"{scheme}://{host}:{server.port}"

    assert clients.run(*curl, *options, f"{place}/file").stdout == content
    clients.run(*curl, *options, "--upload-file", "-", f"{place}/copy", stdin=content[::-1])
    assert server.pages["/copy"] == content[::-1]
    assert [(one.method, one.path, one.host, one.peer) for one in server.asked] == [
        ("GET", "/file", host, MODULE_ADDRESS),
        ("PUT", "/copy", host, MODULE_ADDRESS),
    ]


def test_what_the_environment_says(bg96: Through, clients: Clients, web: Web) -> None:
    web.pages["/"] = b"a page"
    url = f"http://web.test:{web.port}/"
    variables, _ = command("many others", bg96.proxy)
    assert clients.run(*QUIET, url, env=variables).stdout == b"a page"
    assert clients.run(*QUIET, url, env={"http_proxy": bg96.proxy.http}).stdout == b"a page"


@pytest.mark.parametrize("way", ["socks5h", "http"])
def test_twenty_at_once(
    esp8266: Through, clients: Clients, web: Web, content: bytes, way: str
) -> None:
    """Over five sockets: the others wait for their turn, and each gets its own. In a tunnel, whose
    end the proxy cannot see, curl must not keep a connection for later."""
    pages = {f"/{number}": content[number * 9000 :][:9000] for number in range(20)}
    web.pages.update(pages)
    options = ["--proxy", esp8266.proxy.http]
    if way == "socks5h":
        options = ["--proxy", esp8266.proxy.socks, "--header", "Connection: close"]
    clients.run(
        *QUIET, *options, "--parallel", "--parallel-max", 20, "--fail-early",
        "--remote-name-all", *(f"http://web.test:{web.port}{path}" for path in pages),
    )  # fmt: skip
    assert {path: (clients.home / path[1:]).read_bytes() for path in pages} == pages


@pytest.mark.parametrize(("way", "status"), [("socks", 97), ("http", 22), ("tunnel", 56)])
def test_what_cannot_be_reached(esp8266: Through, clients: Clients, way: str, status: int) -> None:
    """A name that nobody knows, and a port that refuses: an error at once, in curl's own words."""
    proxy = esp8266.proxy.socks if way == "socks" else esp8266.proxy.http
    options = ["--proxy", proxy, "--proxytunnel" if way == "tunnel" else "--fail"]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refusing = f"http://web.test:{closed.getsockname()[1]}/"
        unknown = clients.run(*QUIET, *options, f"http://{UNKNOWN}/", status=status)
        refused = clients.run(*QUIET, *options, refusing, status=status)
    if way == "socks":  # the reply codes of RFC 1928, section 6
        assert b"(4)" in unknown.stderr
        assert b"(5)" in refused.stderr
    else:
        assert b"502" in unknown.stderr + refused.stderr


def test_user_and_password(tmp_path: Path, clients: Clients, web: Web) -> None:
    """Over the computer's own stack: what is asked for has nothing to do with the module."""
    web.pages["/"] = b"a page"
    url = f"http://localhost:{web.port}/"
    with Proxy(tmp_path, "host", options=("--user", "me")) as proxy:
        for way in (["--proxy", proxy.socks], ["--proxy", proxy.http, "--proxytunnel"]):
            curl = (*QUIET, *way, "--proxy-user")
            assert clients.run(*curl, f"me:{PASSWORD}", url).stdout == b"a page"
            assert clients.run(*curl, "me:wrong", url, status=None).returncode in (97, 56)
        curl = (*QUIET, "--proxy", proxy.http, "--write-out", "%{http_code}", "--proxy-user")
        assert clients.run(*curl, f"me:{PASSWORD}", url).stdout == b"a page200"
        assert clients.run(*curl, "me:wrong", url).stdout.endswith(b"407")
    assert len(web.asked) == 3

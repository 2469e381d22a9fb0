"""apt through the proxy: a file by the helper that does its downloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from .harness import MODULE_ADDRESS, Clients, Through
from .web import Web

HELPER = Path("/usr/lib/apt/apt-helper")
pytestmark = [
    pytest.mark.xdist_group("clients"),
    pytest.mark.skipif(not HELPER.exists(), reason="no apt here: not a Debian"),
]


def test_a_file(esp8266: Through, clients: Clients, web: Web, content: bytes) -> None:
    web.pages["/pool/thing.deb"] = content
    clients.run(
        HELPER, "-o", f"Acquire::http::Proxy={esp8266.proxy.http}", "download-file",
        f"http://index.test:{web.port}/pool/thing.deb", clients.home / "thing.deb",
    )  # fmt: skip
    assert (clients.home / "thing.deb").read_bytes() == content
    assert [(one.host, one.peer) for one in web.asked] == [("index.test", MODULE_ADDRESS)]

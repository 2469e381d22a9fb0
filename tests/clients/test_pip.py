"""pip through the proxy, from an index of one wheel."""

from __future__ import annotations

import io
import sys
import zipfile

import pytest

from .harness import MODULE_ADDRESS, Clients, Through, command
from .web import Web

pytestmark = pytest.mark.xdist_group("clients")
WHEEL = "tiny_thing-1.0-py3-none-any.whl"


def wheel() -> bytes:
    """The least that pip takes for a wheel."""
    info = "tiny_thing-1.0.dist-info"
    files = {
        "tiny_thing.py": "THING = 'tiny'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return whole.getvalue()


@pytest.mark.parametrize("way", ["http", "socks5h"])
def test_download(esp8266: Through, clients: Clients, web: Web, way: str) -> None:
    """By SOCKS too, because PySocks is here."""
    served = wheel()
    web.pages["/simple/tiny-thing/"] = f'<a href="/files/{WHEEL}">{WHEEL}</a>'.encode()
    web.pages[f"/files/{WHEEL}"] = served
    _, pip = command("pip", esp8266.proxy)
    clients.run(
        sys.executable, "-m", *(word.replace("http:", f"{way}:") for word in pip), "tiny-thing", "--dest", "found", "--no-deps",
        "--index-url", f"http://index.test:{web.port}/simple",
        "--trusted-host", "index.test", "--retries", "0", "--timeout", "40",
        "--disable-pip-version-check", "--no-cache-dir",
    )  # fmt: skip
    assert (clients.home / "found" / WHEEL).read_bytes() == served
    assert {(one.host, one.peer) for one in web.asked} == {("index.test", MODULE_ADDRESS)}

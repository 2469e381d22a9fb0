"""curl through the proxy over a simulated BG96 that carries PPP, by lwIP, as an ordinary user would."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.ip.rig import LWIP

from .harness import Clients, Proxy, installed
from .web import Web

pytestmark = [
    *LWIP,
    pytest.mark.xdist_group("clients"),
    pytest.mark.skipif(not installed("curl", "setpriv"), reason="no curl, or no setpriv, here"),
]
COMPUTER = "10.0.2.2"
"""This computer behind the fake's PPP."""
POWERLESS = (
    "setpriv",
    "--no-new-privs",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--ambient-caps=-all",
)
"""What root needs to have no more rights than another user: the user `nobody` may not be able to
read the interpreter that runs the tests. No_new_privs: nor to get any."""


def power(process: int) -> dict[str, int]:
    """Its capabilities, by the kernel's word (proc(5), CapEff)."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return {
        name: int(value, 16)
        for name, _, value in (line.partition(":") for line in lines)
        if name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")
    }


def family(process: int) -> list[int]:
    """It and the processes below it."""
    threads = Path(f"/proc/{process}/task").glob("*/children")
    below = [int(child) for each in threads for child in each.read_text().split()]
    return [process, *(found for child in below for found in family(child))]


def test_an_ordinary_user_fetches_and_sends(
    tmp_path: Path, clients: Clients, web: Web, content: bytes
) -> None:
    web.pages["/file"] = content * 4
    prefix = POWERLESS if os.geteuid() == 0 else ()
    place = f"http://{COMPUTER}:{web.port}"
    spec = "bg96,data=ppp,ip=lwip,apn=internet:fake"
    with Proxy(tmp_path, spec, prefix, ("--allow", "private")) as proxy:
        running = family(proxy.process.pid)
        assert len(running) > 1, "lwIP has a process of its own"
        for each in running:
            owned = power(each)
            assert owned["CapEff"] == owned["CapPrm"] == owned["CapAmb"] == 0
            assert os.geteuid() != 0 or owned["CapBnd"] == 0
        for way in (proxy.socks, proxy.http):
            curl = (
                *prefix,
                "curl",
                "--silent",
                "--show-error",
                "--max-time",
                "50",
                "--fail",
                "--proxy",
                way,
            )
            got = clients.run(*curl, f"{place}/file").stdout
            assert hashlib.sha256(got).digest() == hashlib.sha256(content * 4).digest()
            clients.run(*curl, "--upload-file", "-", f"{place}/copy", stdin=content)
            assert web.pages.pop("/copy") == content
    assert {one.peer for one in web.asked} == {"127.0.0.1"}
    assert {one.host for one in web.asked} == {COMPUTER}

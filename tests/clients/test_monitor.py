"""Names and connections are the module's business alone: what watches the proxy sees none of them.

Two watchers, from inside (`monitored.py`, over every test of this folder) and from outside
(`strace`); each is shown to see what it is there to see, in a proxy over the host's own stack.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.harness import PATIENCE

from .harness import ESP8266, UNKNOWN, Clients, Event, Proxy, Through, installed, through
from .web import Web

pytestmark = [
    pytest.mark.xdist_group("clients"),
    pytest.mark.skipif(not installed("curl"), reason="no curl here (apt-get install curl)"),
]


STRACE = ("strace", "-f", "-q", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o")
ASIDE = ("strace", "-D", *STRACE[1:])
"""As a child of the traced program, which thus gets the signals; ends behind it."""
REACHING = r"(connect|send\w+)\(.*sa_family=AF_(INET6?|NETLINK)(?:.*sin6?_port=htons\((\d+)\))?"
"""A call of the kernel with an address; a resolver looks at the interfaces first, over netlink."""


def traceable() -> bool:
    """Whether strace is here and may trace."""
    with contextlib.suppress(OSError):
        return subprocess.run([*STRACE, "/dev/null", "true"], capture_output=True).returncode == 0
    return False


def whole(log: Path, proxy: Proxy) -> str:
    """What strace has written at last."""
    deadline = time.monotonic() + PATIENCE
    while not re.search(rf"^{proxy.process.pid} +\+\+\+ exited", text := log.read_text(), re.M):
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
    return text


def reached(trace: str) -> list[tuple[str, str, str]]:
    """(call, address family, port) of what went out."""
    return re.findall(REACHING, trace)


def fetch(clients: Clients, proxy: Proxy, url: str, **more: object) -> bytes:
    command = ("curl", "-sS", "--max-time", "40", "--proxy", proxy.socks, url)
    return clients.run(*command, **more).stdout  # type: ignore[arg-type]


def test_the_proxy_connects_nowhere_and_asks_nobody(
    esp8266: Through, clients: Clients, web: Web
) -> None:
    web.pages["/"] = b"a page"
    assert fetch(clients, esp8266.proxy, f"http://web.test:{web.port}/") == b"a page"
    fetch(clients, esp8266.proxy, f"http://{UNKNOWN}/", status=None)
    assert esp8266.proxy.outgoing() == []
    assert Event("socket.bind", "('127.0.0.1', 0)") in esp8266.proxy.events()
    asked = [command for command in esp8266.commands() if "test" in command]
    for name in ("web.test", UNKNOWN):
        assert any(f'"{name}"' in command for command in asked), asked


def test_the_monitor_sees_a_proxy_that_does(tmp_path: Path, clients: Clients, web: Web) -> None:
    web.pages["/"] = b"a page"
    with Proxy(tmp_path, "host") as proxy:
        assert fetch(clients, proxy, f"http://localhost:{web.port}/") == b"a page"
        seen = proxy.outgoing()
    assert Event("socket.getaddrinfo", "'localhost'") in seen
    assert Event("socket.connect", f"('127.0.0.1', {web.port})") in seen


@pytest.mark.skipif(not traceable(), reason="no strace here, or it may not trace")
def test_the_kernel_saw_none_either(tmp_path: Path, clients: Clients, web: Web) -> None:
    """Proxy and client: curl connects to the proxy, the proxy to nobody, until both have ended."""
    web.pages["/"] = b"a page"
    trace, own = tmp_path / "proxy.strace", tmp_path / "curl.strace"
    with through(tmp_path, *ESP8266, prefix=(*ASIDE, trace)) as module:
        proxy = module.proxy
        url = f"http://web.test:{web.port}/"
        curl = (*STRACE, own, "curl", "-sS", "--max-time", "40", "--proxy", proxy.socks, url)
        assert clients.run(*curl).stdout == b"a page"
    assert reached(whole(trace, proxy)) == []
    assert reached(own.read_text()) == [("connect", "INET", str(proxy.port))]


@pytest.mark.skipif(not traceable(), reason="no strace here, or it may not trace")
def test_the_kernel_sees_a_proxy_that_does(tmp_path: Path, clients: Clients, web: Web) -> None:
    web.pages["/"] = b"a page"
    trace = tmp_path / "proxy.strace"
    with Proxy(tmp_path, "host", (*ASIDE, trace)) as proxy:
        assert fetch(clients, proxy, f"http://localhost:{web.port}/") == b"a page"
    assert ("connect", "INET", str(web.port)) in reached(whole(trace, proxy))

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
import socks

from tests.cli.harness import PATIENCE

from .harness import ESP8266, UNKNOWN, Clients, Event, Proxy, Through, installed, through
from .web import Web

pytestmark = pytest.mark.xdist_group("clients")


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


def fetch(proxy: Proxy, host: str, port: int) -> bytes:
    """The page of a server, by a client that every computer has."""
    with socks.create_connection(
        (host, port), PATIENCE, proxy_type=socks.SOCKS5,
        proxy_addr="127.0.0.1", proxy_port=proxy.port, proxy_rdns=True,
    ) as sock:  # fmt: skip
        sock.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        with sock.makefile("rb") as answer:
            return answer.read().rpartition(b"\r\n")[2]


def test_the_proxy_connects_nowhere_and_asks_nobody(esp8266: Through, web: Web) -> None:
    web.pages["/"] = b"a page"
    assert fetch(esp8266.proxy, "web.test", web.port) == b"a page"
    with pytest.raises(socks.ProxyError, match="unreachable"):
        fetch(esp8266.proxy, UNKNOWN, 80)
    assert esp8266.proxy.outgoing() == []
    assert Event("socket.bind", "('127.0.0.1', 0)") in esp8266.proxy.events()
    asked = [command for command in esp8266.commands() if "test" in command]
    for name in ("web.test", UNKNOWN):
        assert any(f'"{name}"' in command for command in asked), asked


def test_the_monitor_sees_a_proxy_that_does(tmp_path: Path, web: Web) -> None:
    web.pages["/"] = b"a page"
    with Proxy(tmp_path, "host") as proxy:
        assert fetch(proxy, "localhost", web.port) == b"a page"
        seen = proxy.outgoing()
    assert Event("socket.getaddrinfo", "'localhost'") in seen
    assert Event("socket.connect", f"('127.0.0.1', {web.port})") in seen


@pytest.mark.skipif(not installed("curl"), reason="no curl here (apt-get install curl)")
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
def test_the_kernel_sees_a_proxy_that_does(tmp_path: Path, web: Web) -> None:
    web.pages["/"] = b"a page"
    trace = tmp_path / "proxy.strace"
    with Proxy(tmp_path, "host", (*ASIDE, trace)) as proxy:
        assert fetch(proxy, "localhost", web.port) == b"a page"
    assert ("connect", "INET", str(web.port)) in reached(whole(trace, proxy))

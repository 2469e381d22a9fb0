"""Tests of the kernel's interfaces, each in a network namespace that ends with it."""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from netsocket.ip.kernel import ask
from netsocket.ip.tun import missing

TUN = [pytest.mark.tun, pytest.mark.skipif(missing() != "", reason=missing() or "it is here")]
"""Marks of a test that makes network interfaces."""
_CLONE_NEWNET = 0x40000000


def alone(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in a thread that has a network of its own: nothing but a loopback."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(_CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "unshare")
            set_up("lo")
            asyncio.run(work())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def set_up(name: str, *addresses: str, state: str = "up") -> None:
    def work(kernel: Any) -> None:
        index = kernel.link_lookup(ifname=name)[0]
        kernel.link("set", index=index, state=state)
        for each in addresses:
            address, _, length = each.partition("/")
            kernel.addr("add", index=index, address=address, prefixlen=int(length))

    ask(work)


def make_veth(name: str, peer: str) -> None:
    ask(lambda kernel: kernel.link("add", ifname=name, kind="veth", peer=peer))


def remove(name: str) -> None:
    ask(lambda kernel: kernel.link("del", index=kernel.link_lookup(ifname=name)[0]))


def give(name: str, pid: int) -> None:
    """Hand an interface to the namespace of a process."""
    ask(lambda kernel: kernel.link("set", index=kernel.link_lookup(ifname=name)[0], net_ns_pid=pid))


def interfaces() -> set[str]:
    return ask(lambda kernel: {str(each.get("ifname")) for each in kernel.get_links()})


def rules() -> int:
    return ask(lambda kernel: len(list(kernel.get_rules())))


def routes() -> set[tuple[Any, ...]]:
    """Of the main table."""
    return ask(
        lambda kernel: {(each.get("dst"), each.get("oif")) for each in kernel.get_routes(table=254)}
    )

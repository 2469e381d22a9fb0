"""The bridge between threads and the loop, and how it ends."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from netsocket.errors import BadHandle
from netsocket.portal import Portal

ROOT = Path(__file__).parents[2]


async def value(result: int) -> int:
    await asyncio.sleep(0)
    return result


async def failure() -> None:
    raise ValueError("from the loop")


def test_results_and_errors_cross(portal: Portal) -> None:
    assert portal.run(value(3)) == 3
    with pytest.raises(ValueError, match="from the loop"):
        portal.run(failure())


def test_calls_from_many_threads(portal: Portal) -> None:
    results: list[int] = []

    def work(number: int) -> None:
        results.extend(portal.run(value(number)) for _ in range(50))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(list(range(8)) * 50)


def test_call_from_the_loop_raises_instead_of_hanging(portal: Portal) -> None:
    async def inside() -> None:
        portal.run(value(1))

    with pytest.raises(RuntimeError, match="own thread"):
        portal.run(inside())


def test_interrupt_ends_the_wait_and_cancels(portal: Portal) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def long() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def interrupt() -> None:
        begun.wait(30)
        for _ in range(5):  # one that comes just before the wait is noticed only behind it
            os.kill(os.getpid(), signal.SIGINT)
            if cancelled.wait(2):
                return

    thread = threading.Thread(target=interrupt)
    thread.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        portal.run(long())
    assert time.monotonic() - started < 30
    assert cancelled.wait(10)
    thread.join()
    assert portal.run(value(1)) == 1


def test_stop_releases_waiting_callers_and_refuses_new_ones() -> None:
    portal = Portal("stopping")
    outcome: list[object] = []

    def wait() -> None:
        try:
            portal.run(asyncio.sleep(60))
        except OSError as error:
            outcome.append(error.errno)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.05)
    closed: list[str] = []

    async def closer() -> None:
        closed.append("yes")

    portal.at_stop(closer)
    portal.stop()
    portal.stop()
    thread.join(2)
    assert outcome == [errno.EBADF]
    assert closed == ["yes"]
    with pytest.raises(BadHandle):
        portal.run(value(1))
    assert not portal.alive


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_gets_ebadf(portal: Portal) -> None:
    portal.run(value(1))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            portal.run(value(1))
        except OSError as error:
            code = 0 if error.errno == errno.EBADF else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert portal.run(value(2)) == 2


def script(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(text)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_interpreter_ends_cleanly_with_everything_open() -> None:
    """A blocked thread, an open interface, an unclosed pump: no hang, no warning, module freed."""
    done = script(
        """
        import socket, threading, time
        from netsocket import HostStack, NetworkInterface
        down = HostStack.down
        async def told(self):
            await down(self)
            print("down")
        HostStack.down = told
        server = socket.create_server(("127.0.0.1", 0))
        net = NetworkInterface(HostStack())
        net.up()
        plain = net.create_connection(server.getsockname(), timeout=5)
        tcp = net.tcp_socket()
        tcp.connect(server.getsockname())
        def block():
            try:
                tcp.recv(1)
            except OSError:
                pass
        threading.Thread(target=block, daemon=True).start()
        time.sleep(0.1)
        plain.close(); server.close()
        print("end")
        """
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["end", "down"], "")


def test_import_starts_no_thread() -> None:
    done = script("import netsocket, threading; print(threading.active_count())")
    assert (done.stdout.strip(), done.stderr) == ("1", "")


@pytest.mark.serial
def test_overhead_per_call(portal: Portal) -> None:
    """The bridge itself must stay small beside any module's answer (milliseconds)."""

    async def nothing() -> None: ...

    best = 1.0
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(200):
            portal.run(nothing())
        best = min(best, (time.perf_counter() - started) / 200)
    assert best < 0.001

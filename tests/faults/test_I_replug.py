"""I: a port that is unplugged and comes back, on pseudo terminals in real time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from atdriver import aopen_modem
from atdriver.errors import WrongModule
from atdriver.plug import Plug
from fakes import Peer, build
from fakes.running import RunningFake
from netsocket.stack import InterfaceStatus

from .bench import Injected
from .service import ending, exchange

PEERS = {"echo.test:7": Peer("echo")}


@contextmanager
def plugged(imei: str) -> Iterator[RunningFake]:
    modem = build("bg96", time_scale=0.0, offline=True, peers=PEERS, imei=imei)
    with RunningFake(modem) as fake:
        yield fake


def usb(fake: RunningFake, serial_number: str, socket: str, interface: int = 3) -> Any:
    """What pyserial tells of a port."""
    return SimpleNamespace(
        device=fake.port, vid=0x2C7C, pid=0x0296, serial_number=serial_number,
        location=f"{socket}:1.{interface}", description="BG96",
    )  # fmt: skip


def open_descriptors(path: str) -> int:
    """How often this process has a port open, the module's own side apart."""
    found = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{number}").startswith(path)
        except OSError:
            continue
    return found


async def until(condition: Any, limit: float = 8.0) -> None:
    async with asyncio.timeout(limit):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.catches(
    "atdriver/plug.py", "        if self.serial_number:\n", "        if not self.vid:\n"
)
@pytest.mark.catches("atdriver/links/serial.py", "self.name = self._plug.whereabouts()", "pass")
async def test_I04_back_under_another_name(
    monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    """Plugged into another socket: found by serial number and interface, although another module
    of the same type is in the old one; the old descriptor is given back at once."""
    # Its own in each process: a name that is free again may become another test's terminal.
    with plugged(f"49015{os.getpid():010}") as ours, plugged("356938035643809") as other:
        socket: list[str] = ["1-2"]

        def comports() -> list[Any]:
            mine = [usb(ours, "A1", socket[0])] if socket[0] else []
            return [usb(other, "B2", "1-3" if socket[0] == "1-2" else "1-2"), *mine]

        monkeypatch.setattr(Plug.__init__, "__defaults__", (comports,))
        former = ours.port
        async with aopen_modem(f"bg96:{former}") as net:
            sock = await net.connect(("echo.test", 7), timeout=10)
            await exchange(sock, b"before")
            held = open_descriptors(former)
            reading = asyncio.create_task(sock.recv(10))
            await asyncio.sleep(0.05)
            socket[0] = ""
            ours.call(ours.modem.on_unplug, 0.6)
            injected()
            assert not isinstance(await ending(reading, 5), TimeoutError)
            await until(lambda: net.status is InterfaceStatus.CONNECTING)
            assert open_descriptors(former) < held
            await until(lambda: ours.port != former)
            socket[0] = "1-4"
            await until(lambda: net.status is InterfaceStatus.GLOBAL_UP)
            again = await net.connect(("echo.test", 7), timeout=10)
            await exchange(again, b"behind")
            assert not other.commands()  # nobody has talked to it
            assert "before" not in str(await ending(sock.recv(10), 5))


@pytest.mark.catches("modems/identity.py", "raise WrongModule(", "WrongModule(")
async def test_I04_another_module_under_the_old_name(tmp_path: Path, injected: Injected) -> None:
    """A port that is known by its name alone: the module is asked who it is, and a stranger is left
    alone, nothing is set in it."""
    with plugged("490154203237518") as ours, plugged("356938035643809") as other:
        path = tmp_path / "modem"
        path.symlink_to(ours.port)
        async with aopen_modem(f"bg96:{path}") as net:
            path.unlink()
            path.symlink_to(other.port)
            ours.call(ours.modem.on_unplug, 60.0)
            injected()
            await until(lambda: net.status is InterfaceStatus.DISCONNECTED)
            assert isinstance(net.failure, WrongModule)
            assert not [each for each in other.commands() if each.startswith("AT+QI")]

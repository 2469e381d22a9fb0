"""The same transfers through adafruit-circuitpython-esp-atcontrol (PyPI, dependency group `foreign`).

    python -m benchmarks.adafruit PATH down|up|echo AMOUNT

prints the CPU seconds, and the seconds of each exchange. It knows one connection, pushed data, and needs
the modules of a CircuitPython board: those of tests/foreign/standins.
"""

from __future__ import annotations

import json
import sys
import time

import serial

from benchmarks.cells import ROOT
from benchmarks.device import FRAME, apart, is_pattern, pattern_at
from benchmarks.plain import PORTS, SMALL, wrong

sys.path.append(str(ROOT / "tests" / "foreign" / "standins"))
from adafruit_espatcontrol.adafruit_espatcontrol import ESP_ATcontrol

FRAME_UP = FRAME["esp", "up"]


def down(esp: ESP_ATcontrol, size: int) -> list[float]:
    at = 0
    while at < size:
        data = bytes(esp.socket_receive(timeout=5))
        if not data or not is_pattern(data, at):
            raise wrong(at)
        at += len(data)
    return []


def up(esp: ESP_ATcontrol, size: int) -> list[float]:
    for at in range(0, size, FRAME_UP):
        esp.socket_send(pattern_at(at, min(FRAME_UP, size - at)))
    return []


def echo(esp: ESP_ATcontrol, count: int) -> list[float]:
    times = []
    for at in range(0, count * SMALL, SMALL):
        begun = time.perf_counter()
        esp.socket_send(pattern_at(at, SMALL))
        if bytes(esp.socket_receive(timeout=5)) != pattern_at(at, SMALL):
            raise wrong(at)
        times.append(time.perf_counter() - begun)
    return times


WORK = {"down": down, "up": up, "echo": echo}


def main(path: str, what: str, amount: str) -> None:
    apart()
    with serial.Serial(path, 115200, timeout=1) as uart:
        esp = ESP_ATcontrol(uart, 115200)
        esp.begin()  # the device has its network; `connect` of 0.11.7 fails on such a module
        if not esp.socket_connect(esp.TYPE_TCP, "192.0.2.1", PORTS[what]):
            raise ConnectionError("it could not connect")
        began = time.process_time()
        times = WORK[what](esp, int(amount))
        used = time.process_time() - began
        esp.socket_disconnect()
        time.sleep(0.05)  # the device reports before the port is gone
    print(json.dumps([used, times]))


if __name__ == "__main__":
    main(*sys.argv[1:])

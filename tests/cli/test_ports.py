"""Finding the AT port among those of a module, who holds a port, and the udev rules."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from serial.tools.list_ports_common import ListPortInfo

from atdriver import discovery
from atdriver.cli import main
from atdriver.discovery import find_port, list_serial_ports
from atdriver.errors import PortMissing, SpecificationError
from atdriver.holders import port_holders
from atdriver.udev import rules
from atdriver.usb import UsbIdentity

from .harness import Cli

Plug = Callable[..., None]


def info(device: str, vid: int | None, pid: int | None, location: str | None) -> ListPortInfo:
    made = ListPortInfo(device, skip_link_detection=True)
    made.vid, made.pid, made.location = vid, pid, location
    return made


def bg96(first: int, place: str) -> list[ListPortInfo]:
    """The four ports of a BG96 as pyserial lists them; the device numbers say nothing."""
    return [
        info(f"/dev/ttyUSB{first + index}", 0x2C7C, 0x0296, f"{place}:1.{index}")
        for index in (3, 1, 0, 2)
    ]


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Plug:
    def plugged(*ports: ListPortInfo) -> None:
        monkeypatch.setattr(discovery.list_ports, "comports", lambda: list(ports))

    return plugged


def test_the_at_port_is_found_by_its_interface_number(plug: Plug) -> None:
    plug(*bg96(4, "1-2"), info("/dev/ttyS0", None, None, None))
    found = {port.device: (port.module, port.role, port.spec) for port in list_serial_ports()}
    assert found == {
        "/dev/ttyS0": ("", "", ""),
        "/dev/ttyUSB4": ("bg96", "diagnostics", ""),
        "/dev/ttyUSB5": ("bg96", "gnss", ""),
        "/dev/ttyUSB6": ("bg96", "at", "bg96:/dev/ttyUSB6"),
        "/dev/ttyUSB7": ("bg96", "modem", ""),
    }
    assert find_port("bg96") == "/dev/ttyUSB6"


def test_a_bridge_is_a_guess_and_is_never_chosen(plug: Plug) -> None:
    plug(info("/dev/ttyUSB0", 0x10C4, 0xEA60, "1-1:1.0"))
    (port,) = list_serial_ports()
    assert (port.module, port.role, port.spec) == ("esp8266?", "at", "auto:/dev/ttyUSB0")
    with pytest.raises(SpecificationError, match=r"behind a USB-serial bridge.*/dev/ttyUSB0"):
        find_port("esp8266")


def test_several_none_and_unknown_interfaces_are_told(plug: Plug) -> None:
    plug(*bg96(0, "1-1"), *bg96(4, "1-2"))
    with pytest.raises(SpecificationError, match="bg96:/dev/ttyUSB2, bg96:/dev/ttyUSB6"):
        find_port("bg96")
    plug()
    with pytest.raises(PortMissing, match="USB 2c7c:0296"):
        find_port("bg96")
    plug(info("/dev/ttyUSB0", 0x2C7C, 0x0700, "1-1:1.2"))
    with pytest.raises(SpecificationError, match="is not known; name the port: /dev/ttyUSB0"):
        find_port("bg96")


def test_the_command_line_takes_module_auto(plug: Plug, capfd: pytest.CaptureFixture[str]) -> None:
    plug(*bg96(90, "1-1"))
    assert main(["info", "bg96:auto"]) == 1
    assert "/dev/ttyUSB92: no such port" in capfd.readouterr().err
    assert main(["info", "nokia:auto"]) == 2
    assert main(["info", "auto:auto"]) == 2
    assert "name the module or the port" in capfd.readouterr().err


def test_all_holders_of_a_port_are_named() -> None:
    master, slave = os.openpty()
    path = os.ttyname(slave)
    hold = "import sys; port = open(sys.argv[1], 'rb', 0); print(flush=True); sys.stdin.read()"
    try:
        others = [
            subprocess.Popen(
                [sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            for _ in range(2)
        ]
        try:
            for other in others:
                assert other.stdout is not None
                assert other.stdout.readline() == b"\n"
            found = port_holders(path)
        finally:
            for other in others:
                other.communicate()
        pids = [int(re.search(r"\(pid (\d+)\)", text)[1]) for text in found]  # type: ignore[index]
        assert pids == sorted(other.pid for other in others)
        assert port_holders("/dev/nothing") == []
    finally:
        os.close(master)
        os.close(slave)


_PART = re.compile(
    r'(?P<key>[A-Z_]+(?:\{[A-Za-z_.]+\})?)(?P<operator>==|!=|\+=|:=|=)"(?P<value>[^"]*)"'
)
_MATCHED = {"ACTION", "SUBSYSTEM"}
_ASSIGNED = {"GOTO", "LABEL", "SYMLINK", "TAG"}


def read_rule(line: str) -> dict[str, tuple[str, str]]:
    """One line of a rules file as udev(7) has it: comma-separated key, operator, "value"."""
    parts = {}
    for text in line.split(", "):
        part = _PART.fullmatch(text)
        assert part is not None, text
        name = part["key"].partition("{")[0]
        if name in _MATCHED or name in ("ATTR",):
            assert part["operator"] in ("==", "!="), text
        elif name in _ASSIGNED:
            assert part["operator"] in ("=", "+="), text
        else:
            assert name == "ENV", text
        parts[part["key"]] = (part["operator"], part["value"])
    return parts


def test_the_udev_rules_are_well_formed_and_claim_no_bridge(cli: Cli) -> None:
    done = cli("udev")
    assert (done.status, done.err) == (0, "")
    text = done.out.decode()
    assert text == rules()
    parsed = [read_rule(line) for line in text.splitlines() if line and not line.startswith("#")]
    goto = next(rule["GOTO"][1] for rule in parsed if "GOTO" in rule)
    assert parsed[-1] == {"LABEL": ("=", goto)}
    symlinks = [rule for rule in parsed if "SYMLINK" in rule]
    assert [(rule["SYMLINK"], rule["ENV{ID_USB_INTERFACE_NUM}"]) for rule in symlinks] == [
        (("+=", "atdriver-bg96-at"), ("==", "02"))
    ]
    ignored = [rule for rule in parsed if "ENV{ID_MM_DEVICE_IGNORE}" in rule]
    assert [(rule["ATTR{idVendor}"][1], rule["ATTR{idProduct}"][1]) for rule in ignored] == [
        ("2c7c", "0296"), ("2c7c", "0700"),
    ]  # fmt: skip
    assert all(
        "ENV{ID_MODEL_ID}" in rule for rule in parsed if rule.get("SUBSYSTEM") == ("==", "tty")
    )
    # What a user uncomments is a rule, too.
    hints = [line[1:] for line in text.splitlines() if line.startswith("#SUBSYSTEM")]
    assert {read_rule(line)["ATTR{idVendor}"][1] for line in hints} >= {"10c4", "1a86"}
    assert "*" in rules([UsbIdentity(0x303A, None, "esp32", "x", generic=True)])

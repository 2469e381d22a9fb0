"""Specifications of stacks that need no module, and what is missing for them, told in a sentence."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from atdriver.cli.options import Request
from atdriver.cli.report import show
from atdriver.errors import SpecificationError
from atdriver.modem import aopen_modem, assemble
from netsocket.errors import NetworkNotFound
from netsocket.interface_kinds import AsyncEthernetInterface
from netsocket.ip import lwip_build, tun
from netsocket.ip.backends import backend, lwip
from netsocket.ip.extras import BackendMissing
from netsocket.ip.link import IpPacketLink, IpSettings
from netsocket.ip.pair import packet_pair
from tests.ip.rig import LWIP


@pytest.mark.parametrize("spec", ["host", "host:eth0", "lwip:pair", "lwip:tun0"])
def test_each_is_an_ethernet_interface_with_complete_claims(spec: str) -> None:
    modem = assemble(spec)
    assert isinstance(modem.interface(), AsyncEthernetInterface)
    assert not modem.stack.capabilities.unstated
    assert (modem.far_end is not None) == spec.startswith("lwip")


@pytest.mark.parametrize("spec", ["host:a b", "lwip:/dev/ttyUSB0", "host:abcdefghijklmnop"])
def test_what_is_no_name_of_an_interface(spec: str) -> None:
    with pytest.raises(SpecificationError, match="network interface"):
        assemble(spec)


def test_settings_are_refused() -> None:
    with pytest.raises(SpecificationError, match="ssid"):
        assemble("lwip,ssid=lab:pair")


async def test_a_host_interface_that_is_not_there() -> None:
    with pytest.raises(NetworkNotFound, match=r"nosuch0.*there are .*lo"):
        await aopen_modem("host:nosuch0")


async def test_a_host_interface_by_name() -> None:
    async with aopen_modem("host:lo") as net:
        assert net.ip_address == "127.0.0.1"
        assert net.snapshot.details["device"] == "lo"


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lwip_build, "HEADERS", tmp_path)
    monkeypatch.setattr(lwip_build, "COMPILERS", ("nosuchcompiler",))
    monkeypatch.setattr("ctypes.util.find_library", lambda _name: None)
    monkeypatch.setattr(tun, "TUN_NODE", str(tmp_path / "tun"))
    with pytest.raises(BackendMissing) as told:
        lwip_build.library(tmp_path)
    assert "apt install liblwip0 liblwip-dev gcc" in str(told.value)
    with pytest.raises(BackendMissing, match=r"liblwip0.*tun is missing or may not be opened"):
        backend()


async def test_a_back_end_that_cannot_be_closes_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str, *_: Any) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", nothing)
    for each in (lwip, backend("tun")):
        mine, its = packet_pair()
        with pytest.raises(BackendMissing, match="pip install"):
            await each(IpPacketLink("none", mine, IpSettings(("10.0.0.1/32",))))
        assert mine.fileno() == -1
        its.close()


def report(spec: str, out: Path) -> int:
    return show([Request(spec)], out, compare=None, far_end="127.0.0.1", token=None, name=None,
                only=["tcp.transparent", "dns.resolve"])  # fmt: skip


def test_the_report_tells_a_stack_that_cannot_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lwip_build, "HEADERS", tmp_path)
    monkeypatch.setattr(lwip_build, "_cache", lambda: tmp_path)
    assert report("lwip:pair", tmp_path) == 1
    assert "lwip:pair: not measured: lwIP cannot run here: apt install" in capsys.readouterr().err


class TestWithLwip:
    pytestmark = LWIP

    def test_the_report_measures_it_against_its_own_far_end(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert report("lwip:pair", tmp_path) == 0
        out = capsys.readouterr().out
        assert out.startswith("lwip:pair: 4 probes, 0 contradictions, 0 unknown, 0 anomalies")

    async def test_open_modem(self) -> None:
        async with aopen_modem("lwip:pair") as net, net.tcp_socket() as listener:
            await listener.bind(("", 7))
            await listener.listen()
            assert net.ip_address == "10.77.0.2"
            async with net.tcp_socket() as sock:
                await sock.connect((net.ip_address, 7))  # itself: nobody is at the other end
                taken, _ = await listener.accept()
                async with taken:
                    await taken.sendall(b"word")
                    assert await sock.recv(4) == b"word"

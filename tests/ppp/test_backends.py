"""What `ip=…` chooses, and what is said where this computer has no such stack."""

from __future__ import annotations

import sys

import pytest

import netsocket.ip
from modems.ppp.backends import backend
from netsocket import errors
from netsocket.ip import backends, lwip_build
from netsocket.ip import tun as tun_device


@pytest.mark.parametrize("name", ["lwip", "tun"])
def test_a_back_end_by_its_name(name: str) -> None:
    assert backend(name) is backends.BACKENDS[name]


def test_what_a_computer_without_any_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing of both, behind the setting that asked for it."""
    monkeypatch.setattr(lwip_build, "missing", lambda: "install lwIP")
    monkeypatch.setattr(tun_device, "missing", lambda: "no TUN either")
    with pytest.raises(errors.NetworkDown) as caught:
        backend("auto")
    assert caught.value.reason.startswith("ip=auto: ")
    assert "install lwIP; no TUN either" in caught.value.reason


def test_a_name_that_no_back_end_has() -> None:
    with pytest.raises(errors.NetworkDown, match="ip=other: back end 'other': one of auto, lwip"):
        backend("other")


def test_a_system_on_which_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their modules cannot even be imported there: that is no traceback, but what to install."""
    monkeypatch.delattr(netsocket.ip, "backends")
    monkeypatch.setitem(sys.modules, "netsocket.ip.backends", None)
    with pytest.raises(errors.NetworkDown) as caught:
        backend("auto")
    assert caught.value.reason.startswith("data=ppp needs an IP stack on this computer: lwIP (pip")
    assert "netsocket.ip" in caught.value.reason

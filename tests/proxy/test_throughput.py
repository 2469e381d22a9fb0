"""What the proxy costs: a program through it against the direct API, in one run."""

from __future__ import annotations

import pytest

from benchmarks.cells import wire
from benchmarks.device import compiler

AT_921600 = ("--baud", "921600", "--seconds", "0.7")
UNPACED = ("--size", "1000000")


@pytest.mark.serial
@pytest.mark.skipif(compiler() is None, reason="this machine has no C compiler")
@pytest.mark.parametrize(
    ("pace", "least"), [(AT_921600, 0.9), (UNPACED, 0.6)], ids=["921600", "unpaced"]
)
@pytest.mark.parametrize(
    "kind", ["esp", pytest.param("bg96", marks=pytest.mark.nightly)], ids=["esp8266", "bg96"]
)
def test_the_proxy_is_hardly_slower_than_the_direct_api(
    kind: str, pace: tuple[str, ...], least: float
) -> None:
    ratios: dict[str, float] = {}
    for _ in range(5):  # what else runs here can only make the ratio worse, or better
        for what in ("down", "up"):
            if ratios.get(what, 0.0) < least:
                proxied, direct = (
                    wire(kind, "--what", what, *pace, "--through", door)["rate"]
                    for door in ("proxy", "socket")
                )
                ratios[what] = proxied / direct
        if min(ratios.values()) >= least:
            break
    assert min(ratios.values()) >= least, ratios

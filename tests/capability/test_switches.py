"""Where the vendors' documents and the logs disagree the fakes have a switch: every promise is
judged in both positions. The default's run is that of `test_probes.py`."""

from __future__ import annotations

import asyncio

import pytest

from netsocket.capability import run
from netsocket.capability.verdict import Outcome
from tests.capability.measured import far_end, surprises
from tests.drivers.rig import opened

SWITCHES = [
    *(("bg96", name, value) for name, value in (
        ("port", "uart1"), ("port", "usbat"), ("prompt_space", "no"), ("cgpaddr_quotes", "yes"),
        ("state3", "yes"), ("keep_after_closed", "no"), ("cme_for_qi", "yes"),
        ("open_inactive", "urc"), ("open_dns_busy", "yes"), ("qiact_already", "ok"),
        ("open_result_port", "urcport"), ("late_open", "yes"), ("udp_rest", "keep"),
        ("close_unknown", "error"), ("urc_in_prompt", "yes"), ("urcport_fixed", "yes;port=usbat"),
    )),
    *(("esp8266", name, value) for name, value in (
        ("flow", "none"), ("late_closed", "0"), ("late_closed", "300"), ("reasons", "port"),
        ("close_order", "ok"),
    )),
]  # fmt: skip
ALLOWED = {
    # What the module throws away at the peer's close cannot be read; the claim says so.
    ("keep_after_closed", "no"): {
        "tcp.drain",
        "tcp.recv",
        "frame.max_recv",
        "tls.truncation",
        "tls.close_notify",
    },
}


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("module", "name", "value"), SWITCHES)
def test_other_position(module: str, name: str, value: str) -> None:
    async def measure() -> None:
        firmware = "bg96" if module == "bg96" else "E24"
        switches = dict(each.split("=") for each in f"{name}={value}".split(";"))
        async with far_end(module) as far, opened(module, firmware, switches) as rig:
            found = await run(rig.net, far, kind="simulated")
            assert not [each for each in rig.fake.journal if each.kind == "crash"]
        wrong = {line.split(":")[0].split()[0] for line in surprises(found)}
        assert wrong <= ALLOWED.get((name, value), set()), surprises(found)
        assert found.outcome("tcp.connect") is Outcome.PASS

    asyncio.run(measure())

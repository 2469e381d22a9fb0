"""What a module keeps while nobody has its port open."""

from __future__ import annotations

from atdriver import open_modem
from fakes import build
from fakes.running import RunningFake


def test_a_context_lost_while_the_port_was_closed() -> None:
    """Putting the radio settings back searches anew, and the network takes the context away."""
    with (
        RunningFake(build("bg96", time_scale=0.0, rat="m1+gsm")) as fake,
        open_modem(f"bg96:{fake.port}", radio="ltem", apn="internet") as net,
    ):
        for _ in range(2):
            net.down()
            net.up()
        assert net.ip_address
        assert "AT+QIDEACT=1" in fake.commands()

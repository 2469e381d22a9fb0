"""pytest fixture `modem`: a simulated module, opened through this driver.

::

    @pytest.mark.fake_modem("bg96")
    def test_my_program(modem):                 # a blocking network interface
        with modem.create_connection(("localhost", port)) as sock:
            ...

The fixtures `fake_modem` and `modem_port` and their markers come from `fakes.pytest_plugin`; the
fake behind `modem` is the same `fake_modem`, so a test may steer it meanwhile. Settings of the
driver: `@pytest.mark.modem_settings(apn="internet")`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from netsocket.blocking_interface import NetworkInterface

__all__ = ["modem"]


def pytest_configure(config: pytest.Config) -> None:
    """From pytest."""
    config.addinivalue_line(
        "markers", "modem_settings(**settings): settings for open_modem of the fixture `modem`"
    )


@pytest.fixture
def modem(request: pytest.FixtureRequest, fake_modem: Any) -> Iterator[NetworkInterface]:
    """The network interface over the test's fake module, up; a context of its own.

    A WiFi module joins the first of the fake's access points unless a setting says otherwise.
    """
    from atdriver import open_modem

    module = fake_modem.modem.kind
    fake_modem.strict = False  # the driver learns the firmware by what it refuses
    settings: dict[str, Any] = {}
    points = fake_modem.modem.world.access_points
    if points:
        ssid, password = next(iter(points.items()))
        settings = {"ssid": ssid, "password": password}
    for marker in request.node.iter_markers("modem_settings"):
        settings = {**settings, **marker.kwargs}
    with open_modem(f"{module}:{fake_modem.port}", **settings) as net:
        yield net

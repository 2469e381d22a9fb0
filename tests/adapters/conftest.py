from __future__ import annotations

import pytest

from tests.adapters.table import BY_NAME

TWINS = {
    ("httpcore", "esp8266"), ("httpcore", "bg96"),  # httpx runs the same code
    ("httpcore-async", "esp8266"), ("httpcore-async", "bg96"),
    ("websockets-blocking", "bg96"), ("aiomqtt", "bg96"),  # as the other descriptors there
}  # fmt: skip
"""Clients and modules that a commit gate leaves to the night."""

EVERYWHERE = {"streams", "descriptor", "anyio", "requests", "httpx-async"}
"""Clients that `make test` tries on the host and on both modules, a blocking and an asynchronous one
of each kind; the others on one module, and `make gates` on the rest."""

SLOW = ("module-restarts", "connect-timeout")
"""Cases that wait seconds for the module or the kernel: on one module at a commit."""


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks that belong to a cell: a client, a module and a case."""
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if "set_up" not in parameters:
            continue
        (name, module), case = parameters["set_up"], parameters["case"]
        if (
            (name, module) in TWINS
            or (case == "large-echo" and module != "esp8266")
            or (case in SLOW and module == "bg96")
            or case == "cancelled-at-every-step"
        ):
            item.add_marker(pytest.mark.nightly)
        elif module != "esp8266" and name not in EVERYWHERE:
            item.add_marker(pytest.mark.gate)
        if case == "tls" and BY_NAME[name].litters:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning"))

from __future__ import annotations

import pytest

from tests.adapters.table import BY_NAME


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks that belong to a cell: a client, a module and a case."""
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if "set_up" not in parameters:
            continue
        (name, module), case = parameters["set_up"], parameters["case"]
        twin = name.startswith("httpcore") and module != "host"  # httpx runs the same code
        if twin or (case == "large-echo" and module != "esp8266"):
            item.add_marker(pytest.mark.nightly)
        if case == "tls" and BY_NAME[name].litters:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning"))

"""Everything of asyncio's face again, on uvloop (see `pytest_asyncio_loop_factories`)."""

from __future__ import annotations

import asyncio
import inspect

from . import test_adapters, test_descriptor, test_servers, test_start_tls

_ELSEWHERE = {"test_asyncio_serves_from_the_descriptor"}  # uvloop calls accept(2) itself

for _module in (test_adapters, test_descriptor, test_servers, test_start_tls):
    for _name, _test in vars(_module).items():
        if _name.startswith("test_") and inspect.iscoroutinefunction(_test):
            assert _name not in globals(), f"two tests are called {_name}"
            globals()[_name] = _test
for _name in _ELSEWHERE:
    del globals()[_name]
far = test_start_tls.far


async def test_this_is_uvloop() -> None:
    assert type(asyncio.get_running_loop()).__module__ == "uvloop"

"""C: commands and their answers."""

from __future__ import annotations

import pytest

from netsocket.errors import NetsocketError

from .bench import Injected, opened, virtual

NAMES = {"one.test": "198.51.100.1", "two.test": "198.51.100.2"}


@pytest.mark.catches(
    "atdriver/engine.py",
    'self._enter_resync("an answer did not come in time", steps)',
    "self._rest()",
)
@pytest.mark.parametrize(("module", "late"), [("esp8266", 21.0), ("bg96", 11.0)])
@virtual
async def test_C01_late_answer(module: str, late: float, injected: Injected) -> None:
    """The answer to a name that was given up comes: the next name does not get it."""
    async with opened(module, names=NAMES) as bench:
        bench.step(on=r"AT\+(QIDNSGIP|CIPDOMAIN)=.*", after=late, times=1, passes=True)
        with pytest.raises(NetsocketError):
            await bench.net.resolve("one.test")
        assert await bench.net.resolve("two.test") == [NAMES["two.test"]]
        injected.by(bench.fake)

"""The examples of docs/adapters.md, as they stand there, over a simulated module."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path

import pytest

from tests.adapters.bench import bench
from tests.adapters.farends import SSH_KEY, far_end

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adapters.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
PLACES = [
    (r"http://web\.example/", "http://srv:{}/", "http"),
    (r"ws://web\.example/", "ws://srv:{}/", "ws"),
    (r'"echo\.example", 7', '"srv", {}', "raw"),
    (r'"broker\.example", 1883', '"srv", {}', "mqtt"),
    (r'"host\.example", 22', '"srv", {}', "ssh"),
]


def _name(block: str) -> str:
    adapter = re.findall(r"adapters\.(\w+) import (\w+)", block)[0]
    return "-".join(adapter)


@pytest.mark.parametrize("block", BLOCKS, ids=_name)
async def test_example(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ((pattern, here, protocol),) = [each for each in PLACES if re.search(each[0], block)]
    async with (
        far_end(protocol, "echo") as end,
        bench("esp8266", asynchronous="await" in block) as made,
    ):
        key = SSH_KEY.export_public_key().decode()
        (tmp_path / "known_hosts").write_bytes(f"[srv]:{end.port} {key}".encode())
        source = re.sub(pattern, here.format(end.port), block)
        code = compile(source, str(PAGE), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        scope = {"net": made.net}
        if code.co_flags & inspect.CO_COROUTINE:
            await eval(code, scope)
        else:
            await asyncio.to_thread(exec, code, scope)
        await made.empty()
        assert end.received == 5
    assert "hello" in capsys.readouterr().out


def test_every_adapter_has_an_example() -> None:
    adapters = {each.stem for each in (PAGE.parents[1] / "netsocket/adapters").glob("for_*.py")}
    shown = set(re.findall(r"netsocket\.adapters\.(for_\w+) import", "".join(BLOCKS)))
    assert adapters - shown == {"for_httpcore_async"}, "for_httpcore's twin, named in the table"
    assert all(f"`{each}." in PAGE.read_text(encoding="utf-8") for each in adapters)

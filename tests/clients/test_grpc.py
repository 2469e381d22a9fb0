"""gRPC (the C core of `grpcio`) through the proxy: it knows CONNECT only, from the environment."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.cli.harness import PATIENCE, read_line

from .harness import HERE, MODULE_ADDRESS, Clients, Through, command

pytestmark = pytest.mark.xdist_group("clients")
GREETER = (sys.executable, HERE / "programs" / "greeter.py")


@pytest.mark.parametrize("name", ["http_proxy", "grpc_proxy"])
def test_calls(esp8266: Through, clients: Clients, name: str) -> None:
    variables, _ = command("gRPC", esp8266.proxy)
    variables[name] = variables.pop("http_proxy")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*GREETER, "serve"], env=clients.environment, **pipes) as server:
        port = read_line(server.stdout)
        done = clients.run(*GREETER, "call", f"call.test:{port}", env=variables)
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(PATIENCE) == 0
    found = json.loads(done.stdout)
    assert re.fullmatch(rf"hello modem at ipv4:{MODULE_ADDRESS}:\d+", found["hello"])
    assert found["parts"] == [1000] * 10 + [2000] * 10
    assert found["reversed"]

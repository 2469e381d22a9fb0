"""What the tests of whole programs share: one proxy a kind of module, and servers on loopback."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netsocket import certificates

from .harness import BG96, ESP8266, Clients, Through, through
from .web import Web


@pytest.fixture(scope="session")
def esp8266(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Through]:
    """`atdriver proxy --pac` over an ESP8266, which has five sockets."""
    with through(tmp_path_factory.mktemp("esp8266"), *ESP8266, options=("--pac",)) as ready:
        yield ready


@pytest.fixture(scope="session")
def bg96(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Through]:
    """`atdriver proxy` over a BG96."""
    with through(tmp_path_factory.mktemp("bg96"), *BG96) as ready:
        yield ready


@pytest.fixture
def clients(tmp_path: Path) -> Clients:
    home = tmp_path / "home"
    home.mkdir()
    return Clients(home)


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        yield server


@pytest.fixture
def secure() -> Iterator[Web]:
    """HTTPS as `srv`, with a certificate of a private authority."""
    with Web(certificates.serving()) as server:
        yield server


@pytest.fixture(scope="session")
def content() -> bytes:
    """256 KiB without any pattern."""
    return random.Random(5).randbytes(256 * 1024)

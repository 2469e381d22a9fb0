"""The library that lwIP's process loads: a page of C over Debian's lwIP, compiled at first use.

It is kept in the user's cache directory under a name made of what it was compiled from, so that
another version of either is compiled anew.
"""

from __future__ import annotations

import ctypes.util
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from netsocket.ip.extras import BackendMissing

SOURCE: Final = Path(__file__).with_name("lwip_glue.c")
HEADERS: Final = Path("/usr/include/lwip")
COMPILERS: Final = ("cc", "gcc", "clang")
PATIENCE: Final = 60.0
"""Seconds for the compiler."""


class LwipMissing(BackendMissing):
    """What lwIP needs here is not installed; the text says what to install."""


def missing() -> str:
    """What has to be installed before lwIP can run, as a sentence; "" for nothing."""
    packages = []
    if ctypes.util.find_library("lwip") is None:
        packages.append("liblwip0")
    if not (HEADERS / "lwip" / "tcpip.h").exists():
        packages.append("liblwip-dev")
    if _compiler() is None:
        packages.append("gcc")
    wanted = []
    if packages:
        wanted.append(f"apt install {' '.join(packages)}")
    if importlib.util.find_spec("cffi") is None:
        wanted.append("pip install 'atdriver[lwip]'")
    return f"lwIP cannot run here: {' and '.join(wanted)}" if wanted else ""


def library(cache: Path | None = None) -> Path:
    """The compiled library; compiles it where there is none yet. Takes about half a second then.

    Raises LwipMissing.
    """
    kept = (cache or _cache()) / f"lwip-{_version()}.so"
    if kept.exists():
        return kept
    lacking = missing()
    if lacking:
        raise LwipMissing(lacking)
    folder = kept.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            made = Path(work) / kept.name
            _compile(made)
            made.replace(kept)  # at once, whoever else compiles it
    except OSError as error:
        if isinstance(error, LwipMissing):
            raise
        text = f"the library for lwIP cannot be kept in {folder}: {error.strerror or error}"
        raise LwipMissing(text) from error
    return kept


def _compile(into: Path) -> None:
    compiler = _compiler()
    assert compiler is not None
    command = [
        compiler, "-O2", "-shared", "-fPIC", f"-I{HEADERS}", "-o", str(into), str(SOURCE),
        "-llwip", "-lpthread",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LwipMissing(f"the C compiler does not work: {error}") from error
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr)
        raise LwipMissing(f"the library for lwIP cannot be compiled: {first.strip()[:300]}")


def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, COMPILERS)), None)


def _version() -> str:
    parts = [SOURCE.read_bytes(), platform.machine().encode()]
    options = HEADERS / "lwipopts.h"
    init = HEADERS / "lwip" / "init.h"
    parts += [each.read_bytes() for each in (options, init) if each.exists()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "atdriver"

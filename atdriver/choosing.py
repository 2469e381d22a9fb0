"""`open_interface(KIND)`: which specification that is on this computer, now.

Choosing the interface chooses the stack, as in the common Socket API. In this order:

1. `ATDRIVER_INTERFACE_<KIND>` in the environment: a specification, for example `riot:/dev/ttyACM0`.
2. "ethernet" is the host's own stack.
3. What is plugged in: the one module of this kind that its USB identity names for certain. A
   USB-serial bridge, behind which anything may be, is never taken by chance; with `ask` an AT
   module behind one is asked what it is.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from atdriver.discovery import Port, list_serial_ports
from atdriver.errors import ATError, PortMissing, SpecificationError
from atdriver.registry import interface_names, load_any, load_driver, modem_names
from atdriver.specification import parse
from atdriver.usb import AT

KINDS: Final = ("ethernet", "wifi", "cellular", "thread", "lowpan")
VARIABLE: Final = "ATDRIVER_INTERFACE_"


async def choose(
    kind: str,
    ask: Callable[[str], Awaitable[str]] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    ports: Callable[[], Sequence[Port]] = list_serial_ports,
) -> str:
    """The specification to open for an interface of this kind.

    `ask` makes `MODULE:PORT` of `auto:PORT` by asking what is there; None: nothing is asked. Raises
    SpecificationError (no such kind, a wrong variable, several modules) and PortMissing, which name
    what was looked for.
    """
    if kind not in KINDS:
        raise SpecificationError(f"there is no interface {kind!r}; there are {', '.join(KINDS)}")
    configured = (os.environ if environment is None else environment).get(VARIABLE + kind.upper())
    if configured:
        _check(kind, configured)
        return configured
    if kind == "ethernet":
        return "host"
    found = await asyncio.get_running_loop().run_in_executor(None, ports)
    certain = [port.spec for port in found if port.role == AT and _kind_of(port.module) == kind]
    if len(certain) == 1:
        return certain[0]
    if certain:
        raise SpecificationError(f"{kind}: several are plugged in: {', '.join(certain)}")
    bridges = [port for port in found if port.module.endswith("?")]
    if ask is not None:
        for port in bridges:
            try:
                answered = await ask(f"auto:{port.device}")
            except ATError:
                continue  # nothing there that answers, or nothing known
            if _kind_of(parse(answered).module) == kind:
                return answered
    raise PortMissing(_nothing(kind, bridges, asked=ask is not None))


def _kind_of(module: str) -> str:
    known = (*modem_names(), *interface_names())
    return load_any(module).kind if module in known else ""


def _check(kind: str, specification: str) -> None:
    module = parse(specification).module
    given = "ethernet" if module in ("host", "lwip") else _kind_of(module)
    if given not in (kind, "") or (not given and module != "auto"):
        raise SpecificationError(
            f"{VARIABLE}{kind.upper()}={specification}: this is no {kind} interface"
        )


def _nothing(kind: str, bridges: Sequence[Port], *, asked: bool) -> str:
    drivers = [name for name in modem_names() if _kind_of(name) == kind]
    wanted = [
        f"{each.vid:04x}:{each.pid:04x}"
        for name in drivers
        for each in load_driver(name).usb
        if each.pid is not None and not each.generic
    ]
    usb = f"USB {', '.join(wanted)}" if wanted else "no USB identity tells it for certain"
    text = (
        f"no {kind} interface: {VARIABLE}{kind.upper()} is not set, and no module of "
        f"{', '.join(drivers)} is plugged in ({usb})"
    )
    if bridges:
        names = ", ".join(f"{port.device} ({port.description})" for port in bridges)
        hint = "none answered as one" if asked else f"for example {drivers[0]}:{bridges[0].device}"
        text += f"; it may be behind {names}: {hint}"
    return text

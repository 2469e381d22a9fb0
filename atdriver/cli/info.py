"""`atdriver info`: who is at the other end, and how it is."""

from __future__ import annotations

from collections.abc import Mapping

from atdriver.cli import output
from atdriver.cli.options import Request
from atdriver.cli.session import limit, opened, put_together, run
from netsocket.capability.model import CapabilityTable, Level
from netsocket.stack import StackStatus

_WORDS = {
    "rssi": "signal",
    "ssid": "WiFi",
    "wifi": "WiFi",
    "sim": "SIM",
    "generation": "firmware generation",
    "receive": "receive mode",
}
"""Names of details as people read them; others are shown as they are."""


def show(request: Request) -> None:
    """Ask the module and print what it says; nothing is joined for it."""
    status, table = run(_ask(request))
    module = table.module
    if request.as_json:
        output.data(
            {
                "module": module,
                "state": status.state.name.lower(),
                "ip_address": status.ip_address,
                "details": status.details,
                "firmware": table.firmware,
                "capabilities": {id_: record.level.value for id_, record in table.items()},
            }
        )
        return
    output.pairs(_lines(module, status, table))


async def _ask(request: Request) -> tuple[StackStatus, CapabilityTable]:
    modem = await put_together(request)
    async with (
        opened(modem, request, attach=False) as net,
        limit(request.timeout, "no complete answer"),
    ):
        return await net.refresh(), net.capabilities


def _lines(module: str, status: StackStatus, table: CapabilityTable) -> dict[str, str]:
    lines = {"module": module}
    if "firmware" not in status.details:
        lines["firmware"] = table.firmware
    for name, value in status.details.items():
        lines[_WORDS.get(name, name)] = value
    lines["address"] = status.ip_address or "none"
    lines.update(_summary(table))
    return lines


def _summary(table: CapabilityTable) -> Mapping[str, str]:
    """How many promises of the Socket API are kept, and which are not."""
    counts = dict.fromkeys(Level, 0)
    for record in table.values():
        counts[record.level] += 1
    kept = ", ".join(f"{count} {level.value}" for level, count in counts.items() if count)
    kinds = {id_.partition(".")[0] for id_, record in table.items() if record.supported}
    # No promise of that family is kept: this is another kind of module, which is no news.
    other = {"wifi", "cellular"} - kinds
    missing = [
        id_
        for id_, record in table.items()
        if not record.supported and id_.partition(".")[0] not in other
    ]
    return {"capabilities": kept, "not possible": ", ".join(missing) or "nothing known"}

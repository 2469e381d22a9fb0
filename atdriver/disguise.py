"""Stand-ins for what says where something was recorded, and by whom: the same one everywhere.

What may be published (a report, a recording) says how a module behaves. The names of networks in
the neighbourhood, hardware addresses and the numbers of a module, a card or a subscriber say who
and where somebody is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

STAND_IN_FAR: Final = "198.51.100.7"
STAND_IN_OWN: Final = "198.51.100.20"
_NETWORKS: Final = (
    re.compile(r'(\+CWLAP:\(\d+,\\?")(.*?)(\\?",-?\d)'),
    re.compile(r'(\+CWJAP(?:_CUR|_DEF)?:\\?")(.*?)(\\?",\\?"(?:[0-9a-fA-F]{2}:){5})'),
)
_MAC: Final = re.compile(r"\b(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\b")
_NUMBER: Final = re.compile(r"(?<![\d.])\d{14,20}(?=F?(?![\d.]))")
"""IMEI 14 to 16 digits, IMSI 14 or 15, ICCID 18 to 20 (ITU-T E.118, 3GPP TS 23.003)."""


def disguised(text: str, known: Mapping[str, str], joined: Iterable[str] = ()) -> str:
    """`known` texts, hardware addresses and names of WiFi networks (those in sight, and `joined`
    ones), each replaced by the same stand-in everywhere. `text` may be JSON, and is JSON afterwards
    then."""
    for real, stand_in in sorted(known.items(), key=lambda pair: -len(pair[0])):
        text = re.sub(rf"(?<![0-9A-Za-z]){re.escape(real)}(?![0-9A-Za-z])", stand_in, text)
    networks: dict[str, str] = {}
    for ssid in joined:
        _numbered(networks, json.dumps(ssid)[1:-1], "network-{}")
    for pattern in _NETWORKS:
        for match in pattern.finditer(text):
            if match[2] not in known.values():
                _numbered(networks, match[2], "network-{}")
    hardware: dict[str, str] = {}
    text = _MAC.sub(lambda m: _numbered(hardware, m[0].lower(), "02:00:00:00:00:{:02x}"), text)
    for real, stand_in in networks.items():
        if real:
            text = re.sub(rf'(?<=[\'"]){re.escape(real)}(?=\\?[\'"])', stand_in, text)
    return text


def disguised_record(
    record: Mapping[str, Any], known: Mapping[str, str], joined: Iterable[str]
) -> dict[str, Any]:
    """The same for a report; long numbers in what was measured become zeros as well."""
    found: dict[str, Any] = json.loads(disguised(json.dumps(record), known, joined))
    for module in found["modules"]:
        cells = json.dumps(module["cells"])
        module["cells"] = json.loads(_NUMBER.sub(lambda match: "0" * len(match[0]), cells))
    return found


def _numbered(seen: dict[str, str], real: str, form: str) -> str:
    return seen.setdefault(real, form.format(len(seen) + 1))

"""Which radio technologies and bands the module may use: AT+QCFG, read before it is written.

The settings live in the module's flash, so nothing is written that is there already, and what was
written is put back at the end unless `persist` is set. Source: BG96 AT Commands Manual V2.2, 4.2.1
nwscanseq, 4.2.2 nwscanmode, 4.2.3 iotopmode, 4.2.5 band; <effect> 1 acts at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from atdriver.channel import Channel
from atdriver.errors import CommandFailed
from atdriver.syntax import fields
from modems.bg96.state import optional, registration
from modems.clock import now
from modems.commands import query, simple
from netsocket import errors

AUTO: Final = "auto"
TECHNOLOGIES: Final = {"gsm": "01", "ltem": "02", "nbiot": "03"}
"""Our names and the numbers of nwscanseq."""
_MODES: Final = {
    frozenset({"ltem"}): "0", frozenset({"nbiot"}): "1", frozenset({"ltem", "nbiot"}): "2",
}  # fmt: skip
"""iotopmode by the LTE technologies wanted."""
ALL: Final = "all"
GSM_BANDS: Final = {"gsm900": 0x1, "gsm1800": 0x2, "gsm850": 0x4, "gsm1900": 0x8}
LTE_BANDS: Final = {f"b{n}": 1 << n - 1 for n in (1, 2, 3, 4, 5, 8, 12, 13, 18, 19, 20, 26, 28, 39)}
_ANY: Final = (0xF, 0x400A0E189F, 0xA0E189F)
"""Every band of GSM, LTE Cat M1 and LTE Cat NB1."""
SETTLE: Final = 2.0
"""Seconds for the registration of before to end, once the radio has been set anew."""
POLL: Final = 0.2


@dataclass(frozen=True, slots=True)
class Radio:
    """What the user asked for; empty leaves the module as it is.

    `technologies` in searching order, or (AUTO,). `bands` is () or one mask each for GSM, Cat M1
    and Cat NB1, 0 for unchanged.
    """

    technologies: tuple[str, ...] = ()
    bands: tuple[int, ...] = ()

    @classmethod
    def read(cls, radio: str, bands: str) -> Radio:
        """From settings: "auto" or names joined by +, "all" or bands joined by +.

        Raises ValueError with a sentence.
        """
        return cls(_technologies(radio), _masks(bands))

    async def apply(self, channel: Channel) -> dict[str, str]:
        """Write what differs; returns what was there before, by name.

        Raises DeviceError when the module refuses (a BG96-M or BG96-N has one technology only).
        """
        former = {}
        for name, wanted in self._wanted().items():
            found = await _configured(channel, name)
            value = wanted if name != "band" else _merged(self.bands, found)
            if _same(found, value):
                continue
            await write(channel, name, value)
            former[name] = found
        if former:
            await _settled(channel)
        return former

    def _wanted(self) -> dict[str, str]:
        found: dict[str, str] = {}
        chosen = self.technologies
        if chosen == (AUTO,):
            found = {"nwscanmode": "0", "iotopmode": "2", "nwscanseq": "00"}
        elif chosen:
            lte = frozenset(chosen) - {"gsm"}
            found["nwscanmode"] = "1" if not lte else "0" if "gsm" in chosen else "3"
            if lte:
                found["iotopmode"] = _MODES[lte]
            if len(chosen) > 1:
                found["nwscanseq"] = "".join(TECHNOLOGIES[name] for name in chosen)
        if self.bands:
            found["band"] = ""
        return found


async def write(channel: Channel, name: str, value: str) -> None:
    """Set one value, at once. Raises DeviceError."""
    try:
        await channel.run(simple(f'AT+QCFG="{name}",{value},1'))
    except CommandFailed as error:
        raise errors.DeviceError(
            f'the module refuses AT+QCFG="{name}",{value} (radio=… and bands=…): not every variant '
            "has every technology",
            module_code=str(error.code) if error.code is not None else None,
        ) from error


async def _configured(channel: Channel, name: str) -> str:
    """The value in the form in which it is written: no 0x, two digits per step of a sequence."""
    text = await optional(channel, query(f'AT+QCFG="{name}"', rb'\+QCFG: ?"%b",.*' % name.encode()))
    parts = [part.decode("ascii", "replace") for part in fields(text.encode("utf-8", "replace"))]
    if name == "nwscanseq" and len(parts) > 1:
        return parts[1].zfill(len(parts[1]) + len(parts[1]) % 2)
    return ",".join(part.removeprefix("0x") for part in parts[1:])


def _merged(bands: tuple[int, ...], found: str) -> str:
    """Masks to write: ours, and the module's where none of a technology was named."""
    own = found.split(",") if found.count(",") == 2 else ["0"] * 3
    return ",".join(f"{mask:x}" if mask else old for mask, old in zip(bands, own, strict=True))


def _same(found: str, wanted: str) -> bool:
    try:
        return [int(part, 16) for part in found.split(",")] == [
            int(part, 16) for part in wanted.split(",")
        ]
    except ValueError:
        return False


async def _settled(channel: Channel) -> None:
    """The registration of before may stand for a moment: wait until it ends."""
    deadline = now() + SETTLE
    while (await registration(channel)).registered:
        if now() > deadline:
            return
        await asyncio.sleep(POLL)


def _technologies(text: str) -> tuple[str, ...]:
    if text in ("", AUTO):
        return (AUTO,) if text else ()
    chosen = tuple(text.lower().split("+"))
    if len(set(chosen)) < len(chosen) or not set(chosen) <= TECHNOLOGIES.keys():
        raise ValueError(
            f"radio={text}: auto, or {', '.join(TECHNOLOGIES)}, several joined by + in searching "
            "order"
        )
    return chosen


def _masks(text: str) -> tuple[int, ...]:
    if text in ("", ALL):
        return _ANY if text else ()
    gsm = lte = 0
    for name in text.lower().split("+"):
        if name in GSM_BANDS:
            gsm |= GSM_BANDS[name]
        elif name in LTE_BANDS:
            lte |= LTE_BANDS[name]
        else:
            known = ", ".join((*GSM_BANDS, *LTE_BANDS))
            raise ValueError(f"bands={text}: {name or 'nothing'} is no band; all, or {known}, "
                             "joined by +")  # fmt: skip
    return gsm, lte & _ANY[1], lte & _ANY[2]

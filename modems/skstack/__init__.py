"""SKSTACK-IP sticks: 6LoWPAN over 920 MHz behind a serial port (ROHM BP35A1, BP35C0, BP35C2 …)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from atdriver.channel import Channel
from atdriver.errors import SpecificationError
from atdriver.registry import LINK_SETTINGS, Setting, Value
from atdriver.usb import AT, UsbIdentity
from modems.meshnode import WELL_KNOWN, Translation
from modems.rate import LineRate
from modems.skstack import commands
from modems.skstack.dialect import DIALECT
from modems.skstack.stack import SkStackStack


class SkStackDriver:
    """The entry point's object; see atdriver.registry.Driver."""

    kind = "lowpan"
    dialect = DIALECT
    settings = (
        *(each for each in LINK_SETTINGS if each.name != "fast"),
        Setting(
            "rbid", "", "route-B ID, 32 characters; empty: no PANA, talk as it is", secret=True
        ),
        Setting("password", "", "route-B password", secret=True),
        Setting("scan", 6, "how long to listen on each channel, 0 to 14 (doubled each time)"),
        Setting("nat64", WELL_KNOWN, "NAT64 prefix of 96 bits for IPv4 addresses"),
        Setting("stay", False, "keep the session with the coordinator at the end"),
    )
    usb = (UsbIdentity(0x0403, 0x6001, "skstack", "FT232 bridge", {0: AT}, generic=True),)
    identity = (b"SKVER", re.compile(rb"EVER .*"))

    def create(self, channel: Channel, name: str, values: Mapping[str, Value]) -> SkStackStack:
        """A stack over this channel."""
        rbid, password = login(str(values["rbid"]), str(values["password"]))
        if not 0 <= int(values["scan"]) <= 11:
            raise SpecificationError(f"setting scan={values['scan']}: 0 to 11 is expected")
        try:
            translation = Translation(str(values["nat64"]))
        except ValueError as error:
            raise SpecificationError(f"setting nat64={values['nat64']}: {error}") from None
        return SkStackStack(
            channel,
            name=name,
            line=LineRate(channel, (int(values["baud"]),), 0, lambda _: commands.VERSION),
            rbid=rbid,
            password=password,
            duration=int(values["scan"]),
            translation=translation,
            stay=bool(values["stay"]),
            reconnect=values["reconnect"] == "auto",
        )


def login(rbid: str, password: str) -> tuple[str, str]:
    """Both, or neither. Raises SpecificationError, and shows neither."""
    if rbid and not (len(rbid) == 32 and rbid.isascii() and rbid.isalnum()):
        raise SpecificationError("setting rbid=***: 32 letters and digits are expected")
    if bool(rbid) != bool(password) or not re.fullmatch(r"[\x21-\x7e]{0,32}", password):
        raise SpecificationError("settings rbid=***, password=***: both, 1 to 32 characters")
    return rbid, password


DRIVER = SkStackDriver()

__all__ = ["DRIVER", "SkStackDriver", "SkStackStack"]

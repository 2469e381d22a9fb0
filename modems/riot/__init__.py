"""RIOT nodes: 6LoWPAN with neighbour discovery behind a serial port with RIOT's shell."""

from __future__ import annotations

import re
from collections.abc import Mapping

from atdriver.channel import Channel
from atdriver.errors import SpecificationError
from atdriver.registry import LINK_SETTINGS, Setting, Value
from atdriver.usb import UsbIdentity
from modems.meshnode import WELL_KNOWN, Translation
from modems.rate import LineRate
from modems.riot.commands import SILENCE
from modems.riot.dialect import DIALECT
from modems.riot.stack import NEIGHBOURS, RiotStack


class RiotDriver:
    """The entry point's object; see atdriver.registry.Driver."""

    kind = "lowpan"
    dialect = DIALECT
    settings = (
        *(each for each in LINK_SETTINGS if each.name != "fast"),
        Setting("nat64", WELL_KNOWN, "NAT64 prefix of 96 bits for IPv4 addresses"),
        Setting("encoding", "none", "hex: both ends of a stream use this library, any byte passes",
                choices=("none", "hex")),
        Setting("silence", SILENCE, "seconds after which the firmware gives a silent peer up"),
        Setting("attach_timeout", 10.0, "seconds to wait for an address beyond the link"),
    )  # fmt: skip
    usb: tuple[UsbIdentity, ...] = ()
    identity = (b"help", re.compile(rb"Command +Description"))

    def create(self, channel: Channel, name: str, values: Mapping[str, Value]) -> RiotStack:
        """A stack over this channel."""
        try:
            translation = Translation(str(values["nat64"]))
        except ValueError as error:
            raise SpecificationError(f"setting nat64={values['nat64']}: {error}") from None
        silence = float(values["silence"])
        if not 1 <= silence <= 86400:
            raise SpecificationError(f"setting silence={silence}: 1 to 86400 seconds are expected")
        return RiotStack(
            channel,
            name=name,
            line=LineRate(channel, (int(values["baud"]),), 0, lambda _: NEIGHBOURS),
            translation=translation,
            attach_timeout=float(values["attach_timeout"]),
            silence=silence,
            encoded=values["encoding"] == "hex",
            reconnect=values["reconnect"] == "auto",
        )


DRIVER = RiotDriver()

__all__ = ["DRIVER", "RiotDriver", "RiotStack"]

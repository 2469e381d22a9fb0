"""OpenThread CLI dongles: a Thread node behind a serial port that speaks OpenThread's shell."""

from __future__ import annotations

import re
from collections.abc import Mapping

from atdriver.channel import Channel
from atdriver.errors import SpecificationError
from atdriver.registry import LINK_SETTINGS, Setting, Value
from atdriver.usb import AT, UsbIdentity
from modems.meshnode import Translation
from modems.openthread import commands, dataset
from modems.openthread.dialect import DIALECT, LINE
from modems.openthread.stack import OpenThreadStack
from modems.rate import LineRate

NETWORK = (
    Setting("dataset", "", "Thread network to join, in hexadecimal; holds its key", secret=True),
    Setting("network", "", "or its name, with key; empty: what the node has stored, or a new one"),
    Setting("key", "", "network key, 32 hexadecimal digits", secret=True),
    Setting("channel", 0, "channel, 11 to 26, for a network given by name (0: 15)"),
    Setting("panid", "", "PAN id for a network given by name; empty: derived from name and key"),
)


class OpenThreadDriver:
    """The entry point's object; see atdriver.registry.Driver."""

    kind = "thread"
    dialect = DIALECT
    settings = (
        *(each for each in LINK_SETTINGS if each.name != "fast"),
        *NETWORK,
        Setting("line", LINE, "the firmware's longest command line in bytes"),
        Setting("encoding", "none", "hex: both ends use this library, every byte passes",
                choices=("none", "hex")),
        Setting("nat64", "", "NAT64 prefix of 96 bits; empty: as the node says"),
        Setting("attach_timeout", 60.0, "seconds to wait for the network"),
        Setting("stay", False, "leave Thread running at the end"),
    )  # fmt: skip
    usb = (
        # The same device may run a radio co-processor for ot-daemon: a guess.
        UsbIdentity(0x1915, 0xCAFE, "openthread", "nRF52840, OpenThread", {0: AT}, generic=True),
    )
    identity = (b"version", re.compile(rb"OPENTHREAD/.*"))

    def create(self, channel: Channel, name: str, values: Mapping[str, Value]) -> OpenThreadStack:
        """A stack over this channel."""
        line = int(values["line"])
        if not 128 <= line <= 4096:
            raise SpecificationError(f"setting line={line}: 128 to 4096 bytes are possible")
        channel.max_command = line
        try:
            translation = Translation(str(values["nat64"]))
        except ValueError as error:
            raise SpecificationError(f"setting nat64={values['nat64']}: {error}") from None
        rate = LineRate(channel, (int(values["baud"]),), 0, lambda _: commands.STATE)
        return OpenThreadStack(
            channel,
            name=name,
            line=rate,
            wanted=wanted_dataset(values),
            encoded=values["encoding"] == "hex",
            translation=translation,
            attach_timeout=float(values["attach_timeout"]),
            stay=bool(values["stay"]),
            reconnect=values["reconnect"] == "auto",
        )


def wanted_dataset(values: Mapping[str, Value]) -> str:
    """The dataset that the settings ask for, "" for none. Raises SpecificationError, and never
    shows what is secret."""
    given, name, key = str(values["dataset"]), str(values["network"]), str(values["key"])
    if given:
        if name or key:
            raise SpecificationError("settings dataset and network, key: one of them")
        try:
            return dataset.normal(given)
        except ValueError:
            raise SpecificationError("setting dataset=***: no Thread dataset") from None
    if not name and not key:
        return ""
    if not name or not re.fullmatch(r"[0-9a-fA-F]{32}", key):
        raise SpecificationError("settings network and key=*** (32 hexadecimal digits): both")
    try:
        return dataset.build(name, key, int(values["channel"]), str(values["panid"]))
    except ValueError as error:
        raise SpecificationError(str(error)) from None


DRIVER = OpenThreadDriver()

__all__ = ["DRIVER", "OpenThreadDriver", "OpenThreadStack"]

"""Quectel BG96 (LTE Cat M1 / NB1 / EGPRS) and its close relatives BG95, BG77."""

from __future__ import annotations

import re
from collections.abc import Mapping

from atdriver.channel import Channel
from atdriver.errors import SpecificationError
from atdriver.registry import LINK_SETTINGS, MUX, Setting, Value
from atdriver.usb import AT, UsbIdentity
from modems.bg96.commands import line_rate
from modems.bg96.dialect import DIALECT
from modems.bg96.dialled import DialledBg96, DialledNetwork
from modems.bg96.network import Network
from modems.bg96.radio import Radio
from modems.bg96.setup import MODELS
from modems.bg96.stack import Bg96Stack
from modems.ppp import SETTINGS as PPP_SETTINGS
from modems.ppp import Dial, session_settings
from modems.ppp.backends import backend, claims
from modems.ppp.stack import PppStack
from modems.rate import LineRate
from netsocket.cellular import AccessPointName, Authentication
from netsocket.errors import InvalidArgument
from netsocket.stack import Stack

RATES = (115200, 921600, 460800, 230400, 57600, 9600)
"""Baud rates of the main UART (Hardware Design V1.3); over USB the number means nothing."""

_PORTS = {0: "diagnostics", 1: "gnss", 2: AT, 3: "modem", 4: "network"}
"""Interfaces of the LTE modules (Linux USB Driver User Guide V1.8, interface table); 3 takes AT
commands as well, but belongs to whoever dials PPP."""


class Bg96Driver:
    """The entry point's object; see atdriver.registry.Driver."""

    kind = "cellular"
    dialect = DIALECT
    settings = (
        *LINK_SETTINGS,
        MUX,
        Setting("apn", "", "access point name; empty: what the module has stored"),
        Setting("user", "", "user name for the APN"),
        Setting("password", "", "password for the APN", secret=True),
        Setting("auth", "none", "how to log in to the APN", choices=("none", "pap", "chap")),
        Setting("pin", "", "the SIM's PIN", secret=True),
        Setting("radio", "", "auto, or gsm, ltem, nbiot, joined by + in searching order"),
        Setting("bands", "", "all, or for example gsm900+b3+b20"),
        Setting("register_timeout", 90.0, "seconds to wait for the network"),
        Setting(
            "urc_port",
            "",
            "the module's own name of the port in use; empty: find out",
            choices=("", "usbat", "usbmodem", "uart1"),
        ),
        *PPP_SETTINGS,
        Setting("persist", False, "leave stored settings as this driver set them"),
    )

    usb = (
        UsbIdentity(0x2C7C, 0x0296, "bg96", "Quectel BG96", _PORTS),
        UsbIdentity(0x2C7C, 0x0700, "bg96", "Quectel BG95"),  # interfaces: in no manual read here
    )
    identity = (b"ATI", re.compile(rb"(?:%b).*" % "|".join(MODELS).encode()))

    dial = Dial()

    def create(self, channel: Channel, name: str, values: Mapping[str, Value]) -> Stack:
        """A stack over this channel: the module's own, or one of this computer that dials."""
        if values["data"] == "module":
            return self._module(Bg96Stack, Network, channel, name, values)
        control = self._module(DialledBg96, DialledNetwork, channel, name, values)
        return PppStack(
            control,
            self.dial,
            lambda: session_settings(control.access_point_name),
            lambda: backend(str(values["ip"])),
            claims=claims(str(values["ip"])),
            reconnect=values["reconnect"] == "auto",
        )

    def _module(
        self,
        stack: type[Bg96Stack],
        network: type[Network],
        channel: Channel,
        name: str,
        values: Mapping[str, Value],
    ) -> Bg96Stack:
        baud = int(values["baud"])
        return stack(
            channel,
            name=name,
            line=LineRate(
                channel,
                (baud, *(rate for rate in RATES if rate != baud)),
                int(values["fast"]),
                line_rate,
            ),
            network=network(
                name=_access_point_name(values),
                pin=str(values["pin"]),
                registration_timeout=float(values["register_timeout"]),
            ),
            radio=_radio(values),
            notice_port=str(values["urc_port"]),
            persist=bool(values["persist"]),
            reconnect=values["reconnect"] == "auto",
        )


def _access_point_name(values: Mapping[str, Value]) -> AccessPointName:
    apn, user, password = (str(values[key]) for key in ("apn", "user", "password"))
    if not apn:  # a password in the environment may be meant for another module
        return AccessPointName()
    try:
        return AccessPointName(apn, user, password, Authentication(str(values["auth"])))
    except InvalidArgument as error:
        raise SpecificationError(error.reason) from None


def _radio(values: Mapping[str, Value]) -> Radio:
    try:
        return Radio.read(str(values["radio"]), str(values["bands"]))
    except ValueError as error:
        raise SpecificationError(str(error)) from None


DRIVER = Bg96Driver()

__all__ = ["DRIVER", "Bg96Driver", "Bg96Stack"]

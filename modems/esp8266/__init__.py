"""Espressif AT modules: ESP8266 and the ESP32 family, NonOS AT 1.x and ESP-AT 2.0 and newer."""

from __future__ import annotations

import re
from collections.abc import Mapping

from atdriver.channel import Channel
from atdriver.errors import SpecificationError
from atdriver.registry import LINK_SETTINGS, Setting, Value
from atdriver.usb import AT, UsbIdentity
from modems.esp8266.commands import SEND, line_rate
from modems.esp8266.dialect import DIALECT
from modems.esp8266.stack import Esp8266Stack
from modems.esp8266.wifi import WiFi
from modems.rate import LineRate
from netsocket.errors import InvalidArgument
from netsocket.wifi import WiFiCredentials

RATES = (115200, 921600, 9600, 57600, 230400, 460800, 74880)
"""Baud rates met in the field, the factory's first."""


class Esp8266Driver:
    """The entry point's object; see atdriver.registry.Driver."""

    kind = "wifi"
    dialect = DIALECT
    settings = (
        *LINK_SETTINGS,
        Setting("ssid", "", "WiFi network to join; empty: what the module has stored"),
        Setting("password", "", "WiFi password", secret=True),
        Setting("stay", False, "stay in the WiFi network at the end: the next start is quicker"),
        Setting("ip", "", "static address instead of DHCP"),
        Setting("gateway", "", "gateway for a static address"),
        Setting("netmask", "255.255.255.0", "netmask for a static address"),
        Setting("receive", "pull", "pull (flow control) or push (+IPD)", choices=("pull", "push")),
        Setting("send_timeout", SEND, "seconds to wait for SEND OK"),
        Setting("server_links", 4, "links that peers may take while listening, 1 to 5"),
    )

    # What is usual on development boards. All but the last are bridges found on everything.
    usb = (
        UsbIdentity(0x10C4, 0xEA60, "esp8266", "CP210x bridge", {0: AT}, generic=True),
        UsbIdentity(0x1A86, 0x7523, "esp8266", "CH340 bridge", {0: AT}, generic=True),
        UsbIdentity(0x1A86, 0x55D4, "esp8266", "CH9102 bridge", {0: AT}, generic=True),
        UsbIdentity(0x0403, 0x6001, "esp8266", "FT232 bridge", {0: AT}, generic=True),
        UsbIdentity(0x303A, None, "esp32", "Espressif USB", {0: AT}, generic=True),
    )
    identity = (b"AT+GMR", re.compile(rb"AT version:.*"))

    def create(self, channel: Channel, name: str, values: Mapping[str, Value]) -> Esp8266Stack:
        """A stack over this channel."""
        baud = int(values["baud"])
        return Esp8266Stack(
            channel,
            name=name,
            line=LineRate(
                channel,
                (baud, *(rate for rate in RATES if rate != baud)),
                int(values["fast"]),
                lambda rate: line_rate(rate, rtscts=bool(values["rtscts"])),
            ),
            wifi=WiFi(
                credentials=_credentials(str(values["ssid"]), str(values["password"])),
                address=str(values["ip"]),
                gateway=str(values["gateway"]),
                netmask=str(values["netmask"]),
            ),
            receive=str(values["receive"]),
            send_timeout=float(values["send_timeout"]),
            stay=bool(values["stay"]),
            server_links=min(5, max(1, int(values["server_links"]))),
            reconnect=values["reconnect"] == "auto",
        )


def _credentials(ssid: str, password: str) -> WiFiCredentials | None:
    if not ssid:
        return None
    try:
        return WiFiCredentials(ssid, password)
    except InvalidArgument as error:
        raise SpecificationError(error.reason) from None


DRIVER = Esp8266Driver()

__all__ = ["DRIVER", "Esp8266Driver", "Esp8266Stack"]

"""Which firmware is this? Read from AT+GMR; features are probed, never taken from the number."""

from __future__ import annotations

import re
from dataclasses import dataclass

from atdriver.errors import UnsupportedFirmware

_VERSION = re.compile(rb"AT version:(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})([^(]*)\((.*)\)\s*")


@dataclass(frozen=True, slots=True)
class Firmware:
    """What AT+GMR tells.

    `family` is "N" (NonOS, ESP8266 only) or "E" (ESP-AT). `chip` as the firmware names it, "" when
    it does not. `text` is the version line for people.
    """

    family: str
    version: tuple[int, int, int, int]
    chip: str
    text: str

    @property
    def generation(self) -> str:
        """The generation's short name, as in docs/esp8266.md."""
        major_minor = self.version[:2]
        if self.family == "N":
            return "N17" if major_minor >= (1, 7) else "N1"
        if major_minor < (2, 0):
            return "E0"
        if major_minor < (2, 2):
            return "E2"
        if self.chip == "ESP8266":
            return "E22"
        if major_minor < (2, 3):
            return "E22"
        if major_minor < (3, 3):
            return "E24"
        return "E33" if major_minor < (5, 0) else "E5"

    @property
    def is_esp8266(self) -> bool:
        """Whether the chip is certainly or possibly the small one."""
        return self.family == "N" or self.chip in ("ESP8266", "")


def identify(lines: list[bytes]) -> Firmware:
    """Read the answer of AT+GMR. Raises UnsupportedFirmware for the oldest images (0.9 to 0.2x).

    The version line's parenthesis decides: "(date time)" is NonOS, "(hash - date time)" ESP-AT
    before 2.2, "(hash - chip - date time)" ESP-AT since. "Bin version" is not used: on images
    that people built themselves it disagrees.
    """
    for line in lines:
        match = _VERSION.fullmatch(line)
        if match is None:
            continue
        version = (int(match[1]), int(match[2]), int(match[3]), int(match[4]))
        inner = match[6].split(b" - ")
        text = line[len(b"AT version:") :].decode("ascii", "backslashreplace").strip()
        if len(inner) == 1:
            if version < (1, 0, 0, 0) and not inner[0]:
                break
            return Firmware("N", version, "ESP8266", text)
        chip = inner[1].decode("ascii", "backslashreplace") if len(inner) >= 3 else ""
        if not chip and any(b"WROOM-02" in other for other in lines):
            chip = "ESP8266"
        if not chip and any(b"WROOM-32" in other or b"WROVER" in other for other in lines):
            chip = "ESP32"
        return Firmware("E", version, chip, text)
    shown = b" / ".join(lines[:3]).decode("ascii", "backslashreplace")
    raise UnsupportedFirmware(
        f"the module's AT firmware is too old or unknown (AT+GMR: {shown or 'nothing'}); "
        "NonOS AT 1.x or ESP-AT 2.x and newer is needed, or is it another kind of module?"
    )

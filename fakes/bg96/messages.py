"""SMS settings and time zone notices: what programs set at start; nothing ever arrives.

AT Commands Manual V2.2 chapter 8 and sections 6.7, 6.15; defaults of Table 7 (AT&F). There is no
message service and no NITZ in this network, so the stores stay empty and no notice comes.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from fakes.bg96.codes import Rejected
from fakes.bg96.core import command
from fakes.bg96.names import Names
from fakes.bg96.syntax import Fields

_ROOM: Final = {"SM": 50, "ME": 23, "MT": 23}
"""Messages that a store takes (example of AT+CPMS); for "SR" the manual has no figure."""
_INDICATION: Final = ("012", "0123", "02", "012", "01")
"""Values of the parameters of AT+CNMI: mode, mt, bm, ds, bfr."""
_INDICATE: Final = ("2", "1", "0", "0", "0")


class Messages(Names):
    """AT+CMGF, CPMS, CNMI, CTZU, CTZR."""

    test_forms: ClassVar[dict[str, str]] = {
        **Names.test_forms,
        "CMGF": "(0,1)",
        "CNMI": "(0-2),(0-3),(0,2),(0-2),(0,1)",
        "CTZU": "(0,1)",
        "CTZR": "(0-2)",
    }

    def reset_storage(self) -> None:
        """The time zone settings are kept over a reboot."""
        super().reset_storage()
        self.time_zone = {"CTZU": "0", "CTZR": "0"}

    def power_on(self) -> None:
        """The message settings are not."""
        super().power_on()
        self._reset_messages()

    def _reset_messages(self) -> None:
        self.message_format = "0"
        self.stores = ["ME", "ME", "ME"]
        self.indication = list(_INDICATE)

    def reset_factory(self) -> None:
        """AT&F; ATZ leaves these alone (Table 9)."""
        super().reset_factory()
        self._reset_messages()
        self.time_zone["CTZR"] = "0"

    @command(r"\+(CTZU|CTZR)(\?|=[012])")
    async def _time_zone(self, match: re.Match[str]) -> None:
        name = match[1]
        if match[2] == "?":
            self.info(f"+{name}: {self.time_zone[name]}")
        elif match[2] == "=2" and name == "CTZU":
            raise Rejected
        else:
            self.time_zone[name] = match[2][1:]

    @command(r"\+CMGF(\?|=[01])?")
    async def _format(self, match: re.Match[str]) -> None:
        if match[1] == "?":
            self.info(f"+CMGF: {self.message_format}")
        else:
            self.message_format = (match[1] or "=0")[1:]

    @command(r"\+CPMS(\?|=.*)")
    async def _stores(self, match: re.Match[str]) -> None:
        if match[1] == "?":
            shown = (f'"{name}",0,{_ROOM[name]}' for name in self.stores)
            self.info("+CPMS: " + ",".join(shown))
            return
        fields = Fields(match[1][1:])
        chosen = [fields.string(index) for index in range(len(fields))]
        if not 1 <= len(chosen) <= 3 or not set(chosen) <= set(_ROOM):
            raise Rejected
        self.stores[: len(chosen)] = chosen
        self.info("+CPMS: " + ",".join(f"0,{_ROOM[name]}" for name in self.stores))

    @command(r"\+CNMI(\?|=.*)?")
    async def _indicate(self, match: re.Match[str]) -> None:
        if match[1] == "?":
            self.info(f"+CNMI: {','.join(self.indication)}")
            return
        if match[1] is None:
            self.indication = list(_INDICATE)
            return
        given = match[1][1:].split(",")
        if len(given) > len(_INDICATION):
            raise Rejected
        for value, allowed in zip(given, _INDICATION, strict=False):
            if value and (len(value) > 1 or value not in allowed):
                raise Rejected
        for index, value in enumerate(given):
            self.indication[index] = value or self.indication[index]

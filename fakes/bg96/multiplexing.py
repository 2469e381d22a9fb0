"""AT+CMUX: the multiplexer, and where unsolicited lines go in it.

AT manual V2.2 (AT+QCFG="cmux/urcport"), 3GPP TS 27.007 section 5.7.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from fakes.bg96.codes import CmeRejected
from fakes.bg96.core import command
from fakes.bg96.dialling import Dialling
from fakes.bg96.syntax import Fields
from fakes.cmux import Multiplexer

_NOT_ALLOWED: Final = 3  # +CME ERROR: operation not allowed
_N1: Final = 31  # bytes of a frame, unless AT+CMUX says otherwise (TS 27.010 section 5.7.2)


class Multiplexing(Dialling):
    """One multiplexer, on the module's line."""

    mux: Multiplexer | None
    test_forms: ClassVar[dict[str, str]] = {
        **Dialling.test_forms,
        "CMUX": "(0),(0),(1-8),(1-1509),(1-255),(0-100),(2-255),(1-255),(1-7)",
    }

    def reset_storage(self) -> None:
        """A module that has never been multiplexed."""
        self.mux = None
        super().reset_storage()

    def power_on(self) -> None:
        """Back to a line of commands."""
        super().power_on()
        mux, self.mux = self.mux, None
        if mux is not None:
            mux.close()

    @command(r"\+CMUX=(.*)")
    async def _multiplex(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(9)
        fields.integer(0, 0, 0)  # the basic option alone
        fields.integer(1, 0, 0, 0)
        fields.integer(2, 1, 8, 5)
        size = fields.integer(3, 1, 1509, _N1)
        if self.mux is not None or self.call is not None:
            raise CmeRejected(_NOT_ALLOWED)
        made = Multiplexer(
            self,
            size=size,
            faults=frozenset(filter(None, self.settings.cmux.split("+"))),
            urc_channel=lambda: int(self.configuration.get("cmux/urcport", "0")),
            closed=self._demultiplexed,
        )

        def begin() -> None:
            self.mux = made
            made.begin()

        self.after_result(begin)

    def _demultiplexed(self) -> None:
        self.mux = None

    def unsolicited(self, literal: bytes) -> None:
        """In a channel, while there are channels (AT+QCFG="cmux/urcport")."""
        if self.mux is not None:
            self.mux.unsolicited(literal)
        else:
            super().unsolicited(literal)

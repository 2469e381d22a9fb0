"""The SIM: presence, PIN and PUK, identities (AT Commands Manual V2.2 chapter 5)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from fakes.bg96.codes import (
    CME_NO_SIM,
    CME_NOT_ALLOWED,
    CME_PUK_REQUIRED,
    CME_SIM_BUSY,
    CME_SIM_FAILURE,
    CME_WRONG_PASSWORD,
    CmeRejected,
    Rejected,
)
from fakes.bg96.core import command
from fakes.bg96.identity import Identity
from fakes.bg96.profile import FACTS
from fakes.bg96.syntax import Fields

# Seconds from the OK of AT+CPIN=... to its notices (real log).
_PIN_READY: Final = 0.4
_SMS_DONE: Final = 0.85
_PIN_TRIES: Final = FACTS["sim.pin_tries"]
_PUK_TRIES: Final = FACTS["sim.puk_tries"]


class Sim(Identity):
    """The SIM card as the settings of build() describe it."""

    def reset_storage(self) -> None:
        """The card keeps its tries, its block and its PIN."""
        super().reset_storage()
        self.pin_tries = _PIN_TRIES
        self.puk_tries = _PUK_TRIES
        self.blocked_sim = False
        self.pin = self.settings.pin

    def power_on(self) -> None:
        """A PIN is asked for again."""
        super().power_on()
        self.functionality = 1
        self.unlocked = not self.pin
        self.sim_notice = 0

    @property
    def sim_usable(self) -> bool:
        """A SIM is there and its PIN entered."""
        return self.settings.sim == "ready" and self.unlocked and not self.blocked_sim

    def sim_lines(self) -> list[str]:
        """What the module says of the card at boot; the first also answers AT+CPIN?."""
        if self.settings.sim != "ready":
            return ["+CPIN: NOT READY"]
        if self.blocked_sim:
            return ["+CPIN: SIM PUK"]
        if not self.unlocked:
            return ["+CPIN: SIM PIN"]
        return ["+CPIN: READY", "+QUSIM: 1", *self._done()]

    def _done(self) -> list[str]:
        return ["+QIND: SMS DONE", *(["+QIND: PB DONE"] if self.profile.phone_book else [])]

    def _require_sim(self) -> None:
        if self.functionality == 0:
            raise CmeRejected(CME_SIM_FAILURE)
        if self.settings.sim == "absent":
            raise CmeRejected(CME_NO_SIM)
        if self.settings.sim == "failed":
            raise CmeRejected(CME_SIM_FAILURE)
        if self.settings.sim == "busy":
            raise CmeRejected(CME_SIM_BUSY)

    def remove_sim(self) -> None:
        """Somebody takes the card out (for tests); the network goes with it."""
        self.settings = replace(self.settings, sim="absent")
        self.unlocked = not self.pin
        if self.sim_notice:
            self.urc("+QSIMSTAT : 1,0")  # this blank is in the manual
        self.urc("+CPIN: NOT READY")
        self.service_lost()

    def service_lost(self) -> None:
        """Nothing is registered any more; known to the subclass."""

    @command(r"\+CPIN\?")
    async def _pin_state(self, _: re.Match[str]) -> None:
        self._require_sim()
        self.info(self.sim_lines()[0])

    @command(r"\+CPIN=(.*)")
    async def _enter_pin(self, match: re.Match[str]) -> None:
        self._require_sim()
        fields = Fields(match[1])
        first, second = fields.text(0), fields.text(1)
        if self.sim_usable:
            raise CmeRejected(CME_NOT_ALLOWED)
        if self.blocked_sim:
            if len(fields) != 2:
                raise CmeRejected(CME_PUK_REQUIRED)
            if not self.puk_tries or first != self.settings.puk:
                self.puk_tries = max(0, self.puk_tries - 1)
                self.note("puk", f"wrong, {self.puk_tries} tries left")
                raise CmeRejected(CME_WRONG_PASSWORD)
            self.pin, self.blocked_sim, self.puk_tries = second, False, _PUK_TRIES
        elif first != self.pin:
            self.pin_tries -= 1
            self.note("pin", f"wrong, {self.pin_tries} tries left")
            self.blocked_sim = self.pin_tries == 0
            raise CmeRejected(CME_WRONG_PASSWORD)
        self.pin_tries = _PIN_TRIES
        self.unlocked = True
        self.note("pin", "accepted")
        self.after_result(self._unlocked)

    def _unlocked(self) -> None:
        self.later(_PIN_READY, lambda: self.notices("+CPIN: READY", "+QUSIM: 1"))
        self.later(_SMS_DONE, lambda: self.notices(*self._done()))
        self.sim_unlocked()

    def sim_unlocked(self) -> None:
        """The network may now be searched; done by the subclass."""

    def notices(self, *texts: str) -> None:
        """Several unsolicited lines."""
        for text in texts:
            self.urc(text)

    @command(r'\+QPINC(\?|="(SC|P2)")')
    async def _tries_left(self, match: re.Match[str]) -> None:
        # AT manual V2.2, 5.7: tries left for PIN and PUK; nothing here asks for PIN2.
        self._require_sim()
        counters = {"SC": (self.pin_tries, self.puk_tries), "P2": (_PIN_TRIES, _PUK_TRIES)}
        names = ("SC", "P2") if match[1] == "?" else (match[2],)
        self.info(*(f'+QPINC: "{name}",{counters[name][0]},{counters[name][1]}' for name in names))

    @command(r"\+QCCID")
    async def _card(self, _: re.Match[str]) -> None:
        self._require_sim()
        self.info(f"+QCCID: {self.settings.iccid}")

    @command(r"\+CIMI")
    async def _subscriber(self, _: re.Match[str]) -> None:
        if not self.sim_usable:
            raise Rejected  # plain ERROR while the PIN is missing (real log)
        self.info(self.settings.imsi)

    @command(r"\+QINISTAT")
    async def _initialised(self, _: re.Match[str]) -> None:
        # Bit sum: 1 CPIN ready, 2 SMS ready, 4 phone book ready.
        ready = 7 if self.profile.phone_book else 3
        self.info(f"+QINISTAT: {ready if self.sim_usable else 0}")

    @command(r"\+QSIMSTAT(\?|=[01])")
    async def _sim_inserted(self, match: re.Match[str]) -> None:
        if match[1] == "?":
            inserted = int(self.settings.sim == "ready")
            self.info(f"+QSIMSTAT: {self.sim_notice},{inserted}")
        else:
            self.sim_notice = int(match[1][1:])

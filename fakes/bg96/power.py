"""Functionality levels, reboot, boot lines and power off (AT Commands Manual V2.2 chapter 2)."""

from __future__ import annotations

import re
from typing import Final

from fakes.bg96.codes import CME_NOT_ALLOWED, CmeRejected
from fakes.bg96.core import command
from fakes.bg96.radio import REGISTER, Radio

# Seconds, from a real log of AT+CFUN=1,1.
_RESET_SILENCE: Final = 3.0  # POWERED DOWN to pdpdeact
_RESET_RDY: Final = 2.9  # pdpdeact to RDY
_BOOT_LINE: Final = 0.3  # between boot lines; about what the real logs show
_APP_READY: Final = 2.0  # RDY to APP RDY; not documented


class Power(Radio):
    """Life of the module: running, rebooting, off."""

    def reset_storage(self) -> None:
        """A module that is already running, as start() finds it."""
        super().reset_storage()
        self.powered = True
        self._booted = False
        self._reset_lines: list[str] | None = None

    def raw(self, literal: bytes) -> None:
        """Nothing leaves a module that is off."""
        if self.powered:
            super().raw(literal)

    def started(self) -> None:
        """At start() the module has been running for long; after a boot it searches first."""
        if self.sim_usable and self.functionality == 1:
            self.search(REGISTER if self._booted else 0.0)

    @command(r"\+CFUN\?")
    async def _show_functionality(self, _: re.Match[str]) -> None:
        self.info(f"+CFUN: {self.functionality}")

    @command(r"\+CFUN=([014])(?:,([01]))?")
    async def _set_functionality(self, match: re.Match[str]) -> bool | None:
        if match[2] == "1":
            if match[1] != "1":
                raise CmeRejected(CME_NOT_ALLOWED)
            self._reboot()
            return True
        level, before = int(match[1]), self.functionality
        self.functionality = level
        if level != 1 and before == 1:
            self.after_result(self.service_lost)
        elif level == 1 and before != 1:
            if before == 0:
                self.after_result(lambda: self.notices(*self.sim_lines()))
            if self.sim_usable:
                self.after_result(lambda: self.search(REGISTER))
        return None

    def _reboot(self) -> None:
        """AT+CFUN=1,1: the order and the pauses of a real log."""
        self.finish("OK")
        self.say("POWERED DOWN")
        self._reset_lines = [f'+QIURC: "pdpdeact",{n}' for n in self.active_contexts()]
        self.restart()

    def active_contexts(self) -> list[int]:
        """Ids of the active contexts; known to the subclass."""
        return []

    async def boot(self) -> None:
        """From reset to ready; nothing is heard meanwhile (real log: probes unanswered)."""
        lines, self._reset_lines = self._reset_lines, None
        if lines is None:
            await self.sleep(self.profile.power_up)
        else:
            await self.sleep(_RESET_SILENCE)
            self.notices(*lines)
            await self.sleep(_RESET_RDY)
        self.boot_done()
        # RDY came on a UART although "usbat" is the default port: not an ordinary URC.
        self.not_ready = self.profile.app_ready
        self.say("RDY")
        if self.profile.app_ready:
            # Every command gives ERROR until APP RDY on a BG95.
            await self.sleep(_APP_READY)
            self.not_ready = False
            self.say("APP RDY")
        await self.sleep(_BOOT_LINE)
        self.urc(f"+CFUN: {self.functionality}")
        for line in self.sim_lines():
            await self.sleep(_BOOT_LINE)
            self.urc(line)

    @command(r"\+QPOWD(?:=[01])?")
    async def _power_off(self, _: re.Match[str]) -> bool:
        self.finish("OK")
        self.say("POWERED DOWN")
        self.off()
        return True

    def off(self) -> None:
        """Deaf and silent until `restart` (PWRKEY, for tests)."""
        self.note("off")
        self.sockets.close_all()
        self.power_on()
        self.functionality = 0
        self.deaf_until = float("inf")
        self.powered = False

    def restart(self, *, silent: bool = False) -> None:
        """Reset or PWRKEY: see `FakeModem.restart`."""
        self.deaf_until = 0.0
        self.powered = True
        self._booted = True
        super().restart(silent=silent)

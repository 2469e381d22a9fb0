"""Packet data contexts: QICSGP, QIACT, QIDEACT and the 3GPP commands on the same profiles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from fakes.bg96.codes import (
    NOT_ALLOWED,
    OPEN_PDP_FAILED,
    PDP_BROKEN_DOWN,
    CmeRejected,
    Rejected,
    TcpipRejected,
)
from fakes.bg96.core import command
from fakes.bg96.links import written
from fakes.bg96.power import Power
from fakes.bg96.profile import ACTIVE_CONTEXTS, CONTEXT_IDS
from fakes.bg96.syntax import Fields

_TYPES: Final = {1: "IP", 2: "IPV6", 3: "IPV4V6"}
_ADDRESS6: Final = "2001:db8::1"
_UNSET4: Final = "0.0.0.0"
_UNSET6: Final = ".".join(["0"] * 16)
"""IPv6 addresses are shown as sixteen decimal bytes by AT+CGDCONT (real log)."""

# Seconds to activate: 6-10 ms when the network already keeps a bearer (LTE), 0.57-0.99 s when
# one is set up (GSM); 0.49-0.67 s to deactivate (real logs).
_ACTIVATE_LTE: Final = 0.008
_ACTIVATE_GSM: Final = 0.6
_DEACTIVATE: Final = 0.5


@dataclass(slots=True)
class Context:
    """One profile. `lost`: the network took it away and AT+QIDEACT has not followed yet."""

    kind: int = 1
    pdp_type: str = "IPV4V6"
    apn: str = ""
    user: str = ""
    password: str = ""
    authentication: int = 0
    active: bool = False
    lost: bool = False


class Pdp(Power):
    """Profiles are kept over a reboot, activation is not."""

    contexts: dict[int, Context]

    def reset_storage(self) -> None:
        """One profile, as from the factory."""
        super().reset_storage()
        self.contexts = {1: Context()}

    def power_on(self) -> None:
        """No context is active."""
        super().power_on()
        for profile in self.contexts.values():
            profile.active = profile.lost = False

    def is_active(self, context: int) -> bool:
        """Whether a context carries data."""
        profile = self.contexts.get(context)
        return profile is not None and profile.active

    def active_contexts(self) -> list[int]:
        """Ids of the active contexts, ascending."""
        return [number for number in sorted(self.contexts) if self.contexts[number].active]

    def own_address(self, context: int) -> str:
        """The module's address in a context."""
        kind = self.contexts[context].kind if context in self.contexts else 1
        if kind == 2:
            return written(_ADDRESS6)
        return self.settings.address or self.world.address

    def _activate(self, number: int) -> None:
        profile = self.contexts.setdefault(number, Context())
        if not self.registered:
            raise TcpipRejected(OPEN_PDP_FAILED)
        # Until the host has sent AT+QIDEACT a lost context cannot come back
        # (TCP(IP) manual V1.1, "pdpdeact": the host must execute AT+QIDEACT).
        if profile.lost or len(self.active_contexts()) >= ACTIVE_CONTEXTS:
            raise TcpipRejected(NOT_ALLOWED)
        if self.settings.apn and profile.apn.lower() != self.settings.apn.lower():
            raise TcpipRejected(OPEN_PDP_FAILED)
        profile.active = True

    def lose_context(self, number: int, *, silent: bool = False) -> None:
        """The network deactivates a context (for tests): sockets die, ``pdpdeact`` is printed.

        `silent`: the module has not noticed yet, and says nothing.
        """
        profile = self.contexts.get(number)
        if profile is None or not profile.active:
            return
        profile.active = False
        profile.lost = True
        if silent:
            return
        self.context_down(number, PDP_BROKEN_DOWN)
        self.urc(f'+QIURC: "pdpdeact",{number}')

    def context_down(self, context: int, code: int) -> None:
        """What hangs on a context ends with a TCP/IP error; extended by the socket classes."""

    def service_lost(self) -> None:
        """Without network every context goes."""
        super().service_lost()
        for number in self.active_contexts():
            self.lose_context(number)

    @command(r"\+QICSGP=(.*)")
    async def _profile(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(6)
        number = fields.integer(0, 1, CONTEXT_IDS)
        if len(fields) == 1:
            known = self.contexts.get(number, Context())
            # The first number is the type, not the context (real logs).
            self.info(
                f'+QICSGP: {known.kind},"{known.apn}","{known.user}","{known.password}",'
                f"{known.authentication}"
            )
            return
        kind = fields.integer(1, 1, 3 if self.profile.ipv6 else 1)
        apn = fields.string(2)
        user, password = fields.string(3, ""), fields.string(4, "")
        authentication = fields.integer(5, 0, 3, 0)
        # Accepted while active (real log); acts at the next activation.
        profile = self.contexts.setdefault(number, Context())
        profile.kind, profile.pdp_type, profile.apn = kind, _TYPES[kind], apn
        profile.user, profile.password, profile.authentication = user, password, authentication

    @command(r"\+QIACT\?")
    async def _show_active(self, _: re.Match[str]) -> None:
        lines = []
        for number in self.active_contexts():
            kind = self.contexts[number].kind
            line = f'+QIACT: {number},1,{kind},"{self.own_address(number)}"'
            if kind == 3:  # a dual-stack context has a fifth field (EC200U log)
                line += f',"{written(_ADDRESS6)}"'
            lines.append(line)
        self.info(*lines)

    @command(r"\+QIACT=(.*)")
    async def _activate_command(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(1)
        number = fields.integer(0, 1, CONTEXT_IDS)
        if self.is_active(number):
            if self.settings.qiact_already == "error":
                raise TcpipRejected(NOT_ALLOWED)
            return
        self._activate(number)
        await self.sleep(_ACTIVATE_LTE if self.technology.lte else _ACTIVATE_GSM)

    @command(r"\+QIDEACT=(.*)")
    async def _deactivate_command(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(1)
        number = fields.integer(0, 1, CONTEXT_IDS)
        await self._deactivate(number)

    async def _deactivate(self, number: int) -> None:
        profile = self.contexts.get(number)
        if profile is None:
            return
        was_active = profile.active
        profile.active = profile.lost = False
        self.close_context(number)
        if was_active:
            await self.sleep(_DEACTIVATE)
        # A running ping ends behind the OK of this command (real log).
        self.after_result(lambda: self.context_down(number, PDP_BROKEN_DOWN))

    def close_context(self, context: int) -> None:
        """AT+QIDEACT closes the sockets of a context; done by the socket classes."""

    @command(r"\+CGDCONT\?")
    async def _show_profiles(self, _: re.Match[str]) -> None:
        lines = []
        for number in sorted(self.contexts):
            profile = self.contexts[number]
            unset = _UNSET4 if profile.pdp_type == "IP" else _UNSET6
            lines.append(
                f'+CGDCONT: {number},"{profile.pdp_type}","{profile.apn}","{unset}",0,0,0,0'
            )
        self.info(*lines)

    @command(r"\+CGDCONT=(.*)")
    async def _define_profile(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        number = fields.integer(0, 1, CONTEXT_IDS)
        if len(fields) == 1:
            self.contexts.pop(number, None)
            return
        pdp_type = fields.string(1).upper()
        kinds = {name: kind for kind, name in _TYPES.items()}
        if pdp_type not in kinds:
            raise Rejected
        # The same profile as QICSGP: its type and APN change there as well (real log).
        profile = self.contexts.setdefault(number, Context())
        profile.pdp_type, profile.kind, profile.apn = pdp_type, kinds[pdp_type], fields.text(2)

    @command(r"\+CGPADDR(?:=(\d+))?")
    async def _addresses(self, match: re.Match[str]) -> None:
        wanted = [int(match[1])] if match[1] else sorted(self.contexts)
        lines = []
        for number in wanted:
            address = self.own_address(number) if self.is_active(number) else _UNSET4
            shown = f'"{address}"' if self.settings.cgpaddr_quotes else address
            lines.append(f"+CGPADDR: {number},{shown}")
        self.info(*lines)

    @command(r"\+CGACT\?")
    async def _show_activation(self, _: re.Match[str]) -> None:
        lines = [f"+CGACT: {n},{int(self.contexts[n].active)}" for n in sorted(self.contexts)]
        self.info(*lines)

    @command(r"\+CGACT=([01]),(\d{1,2})")
    async def _change_activation(self, match: re.Match[str]) -> None:
        number = int(match[2])
        if not 1 <= number <= CONTEXT_IDS:
            raise Rejected
        if match[1] == "0":
            await self._deactivate(number)
        elif not self.is_active(number):
            try:
                self._activate(number)
            except TcpipRejected:
                raise CmeRejected(100) from None  # real log of a refused AT+CGACT=1,1
            await self.sleep(_ACTIVATE_LTE)

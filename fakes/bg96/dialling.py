"""Dialling: ATD*99#, AT+CGDATA, data mode and its ends.

AT manual V2.2 (ATD, ATH, ATO, +++, AT&C, AT&D), 3GPP TS 27.007 sections 10.1.12 and 10.2.1,
PPP application note V1.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from fakes.bg96.codes import CmeRejected, Rejected, TcpipRejected
from fakes.bg96.core import command
from fakes.bg96.pdp import Context
from fakes.bg96.profile import CONTEXT_IDS
from fakes.bg96.settings import ports
from fakes.bg96.tls import Tls
from fakes.ppp.call import Call
from fakes.ppp.gateway import Gateway
from fakes.ppp.manners import Manners

_SERVICE: Final = re.compile(r"D[TPI]?\*99(?:\*[\d.]*(?:\*(?P<l2p>[^*#]*)(?:\*(?P<cid>\d*))?)?)?#")
"""*99[*<called_address>[*<L2P>[*<cid>]]]# (TS 27.007 section 10.2.1.1)."""

_L2P: Final = ("", "1", "PPP")
_AUTHENTICATION: Final = {0: "none", 1: "pap", 2: "chap", 3: "chap"}
_ACTIVATE: Final = 0.2  # seconds from the dial string to CONNECT; not documented
_NO_PARAMETERS: Final = 50  # +CME ERROR: incorrect parameters


class Dialling(Tls):
    """One data call at a time."""

    call: Call | None

    def reset_storage(self) -> None:
        """A module that has never dialled."""
        self.call = None
        super().reset_storage()

    def power_on(self) -> None:
        """No call; what ended it says nothing."""
        if self.call is not None:
            self.call.hang_up()
            self.call = None
        self._own_context = False  # the call activated its context
        super().power_on()

    async def stop(self) -> None:
        """The call and the sockets behind it end with the fake."""
        call, self.call = self.call, None
        if call is not None:
            call.hang_up()
        await super().stop()

    def reset_port(self) -> None:
        """AT&D2, ATX4 (AT manual V2.2, AT&V)."""
        super().reset_port()
        self.dtr_mode = 2
        self.result_codes = 4

    @property
    def online(self) -> bool:
        """The line is in data mode: nothing but the call may write."""
        return self.call is not None and self.call.online and self.call.modem is self

    @command(r"&D([0-2]?)")
    async def _dtr(self, match: re.Match[str]) -> None:
        self.dtr_mode = int(match[1] or 0)

    @command(r"X([0-4]?)")
    async def _codes(self, match: re.Match[str]) -> None:
        self.result_codes = int(match[1] or 0)

    @command(r"D(.*)")
    async def _dial(self, match: re.Match[str]) -> bool:
        asked = _SERVICE.fullmatch(match[0].upper().replace(" ", ""))
        if asked is None:
            # Nobody to call: there is no voice, and no such number.
            if re.fullmatch(r"D[TPI]?[\d*#+ABC,;]+", match[0].upper()):
                self.finish("NO CARRIER")
                return True
            raise Rejected
        if (asked["l2p"] or "") not in _L2P:
            raise Rejected
        return await self._start_call(int(asked["cid"] or 1))

    @command(r'\+CGDATA(?:="?(\w*)"?(?:,(\d+))?|\?)')
    async def _enter_data(self, match: re.Match[str]) -> bool:
        if match[0].endswith("?") or match[1].upper() not in ("", "PPP"):
            raise CmeRejected(_NO_PARAMETERS)
        return await self._start_call(int(match[2] or 1))

    async def _start_call(self, number: int) -> bool:
        """The call, or the result that says why there is none."""
        if not 1 <= number <= CONTEXT_IDS or self.call is not None:
            raise Rejected
        if number not in self.contexts:
            raise Rejected  # TS 27.007 section 10.2.1.1: it must be defined
        await self.sleep(_ACTIVATE)
        outcome = self.settings.dial
        if outcome != "ok":
            self.finish("ERROR" if outcome == "error" else outcome.replace("-", " ").upper())
            return True
        self._own_context = not self.is_active(number)
        if self._own_context:
            try:
                self._activate(number)
            except TcpipRejected:
                self.finish("NO CARRIER")
                return True
        self.call = Call(
            self,
            number,
            self._manners(self.contexts[number]),
            guard=self.settings.escape_guard,
            escaped=lambda: self.finish("OK"),
            ended=self._carrier_lost,
            carries=lambda: self.settings.link == "ok" and self.is_active(number),
            forward=ports(self.settings.forward),
            network=self._behind(),
        )
        self.on_carrier(True)
        self._say_connect()
        self.call.begin()
        return True

    def _behind(self) -> type[Gateway]:
        """Our own, or libslirp where it is asked for, and for "auto" where it is here."""
        from fakes.slirp import SlirpGateway, missing

        if self.settings.network == "own" or (self.settings.network == "auto" and missing()):
            return Gateway
        return SlirpGateway

    def _say_connect(self) -> None:
        text = self.settings.connect_text if self.result_codes else ""
        self.final(f"CONNECT {text}".rstrip())

    def _manners(self, profile: Context) -> Manners:
        chosen = self.settings
        asked = chosen.ppp_auth
        if asked == "context":
            asked = _AUTHENTICATION[profile.authentication]
        return Manners(
            faults=set(filter(None, chosen.ppp.split("+"))),
            authentication=asked,
            user=chosen.ppp_user,
            password=chosen.ppp_password,
            own=chosen.ppp_gateway,
            peer=chosen.ppp_address,
            ipv4=profile.kind in (1, 3),
            ipv6=profile.kind in (2, 3),
            mru=int(chosen.ppp_mru),
        )

    @command(r"O0?")
    async def _online(self, _: re.Match[str]) -> bool:
        if self.call is None or self.call.modem is not self:
            self.finish("NO CARRIER")  # there is no data mode to go back to (AT manual V2.2, ATO)
        else:
            self._say_connect()
            self.call.resume()
        return True

    @command(r"H[01]?")
    async def _hook(self, _: re.Match[str]) -> None:
        if self.call is not None and self.call.modem is self:
            self._end_call()

    def port_closing(self) -> None:
        """The channel that carries the call is closed."""
        if self.call is not None and self.call.modem is self:
            self._end_call()

    def _end_call(self) -> None:
        call, self.call = self.call, None
        assert call is not None
        call.hang_up()
        call.modem.on_carrier(False)
        profile = self.contexts.get(call.context)
        if self._own_context and profile is not None:
            profile.active = False
            self.close_context(call.context)

    def _carrier_lost(self, reason: str) -> None:
        """The call is over, and not by the host's command."""
        if self.call is not None:
            self.note("call", reason)
            port = self.call.modem
            self._end_call()
            if port.running:
                port.after_result(lambda: port.say("NO CARRIER"))
            else:
                port.finish("NO CARRIER")

    def carrier_lost(self) -> None:
        """The radio link breaks: the call ends without a word of PPP (for tests)."""
        self._carrier_lost("carrier lost")

    def ppp_terminated(self) -> None:
        """The network ends PPP in order (for tests)."""
        if self.call is not None:
            self.call.server.terminate()

    def ppp_manner(self, word: str, wanted: bool = True) -> None:
        """Switch one of `fakes.ppp.MANNERS` on or off in the running call (for tests)."""
        if self.call is not None:
            faults = self.call.server.manners.faults
            (faults.add if wanted else faults.discard)(word)

    def set_dtr(self, on: bool) -> None:
        """The host's DTR changes: what AT&D makes of its end (AT manual V2.2, AT&D)."""
        dropped = self.dtr and not on
        super().set_dtr(on)
        if not dropped or self.call is None or self.call.modem is not self:
            return
        if self.dtr_mode == 1 and self.call.online:
            self.call.suspend()
            self.finish("OK")
        elif self.dtr_mode == 2:
            self._carrier_lost("DTR")

    def context_down(self, context: int, code: int) -> None:
        """The call goes with its context."""
        super().context_down(context, code)
        if self.call is not None and self.call.context == context:
            self._own_context = False
            self._carrier_lost("context lost")

    def outside_prompt(self, write: Callable[[], None]) -> None:
        """In data mode everything else waits until the host is back in command mode."""
        if self.online:
            self.hold(write)
        else:
            super().outside_prompt(write)

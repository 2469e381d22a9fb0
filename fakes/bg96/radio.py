"""Registration, operators and signal (AT Commands Manual V2.2 chapters 6 and 10)."""

from __future__ import annotations

import re
from typing import Final

from fakes.bg96.codes import Rejected
from fakes.bg96.core import command
from fakes.bg96.sim import Sim
from fakes.bg96.technology import Technology

# <stat> of AT+CREG and its siblings.
STAT_OFF: Final = 0
STAT_HOME: Final = 1
STAT_SEARCHING: Final = 2
STAT_DENIED: Final = 3
STAT_UNKNOWN: Final = 4
STAT_ROAMING: Final = 5

_LOCATION: Final = {
    # lac/tac and ci per command, from real logs; LAC FFFE stands for "none" on LTE
    "CREG": ("FFFE", "3355B16"),
    "CEREG": ("271B", "3355B16"),
    "GSM": ("66C0", "1042"),
}
REGISTER: Final = 1.0
"""Seconds of search after boot or PIN; not documented, real searches are often longer."""
_REPORTS: Final = {"CREG": "012", "CGREG": "0124", "CEREG": "0124"}
"""<n> of each (AT manual V2.2 chapter 6)."""
_SCAN: Final = 30.0  # AT+COPS=? took 14.0-44.7 s in real logs


class Radio(Sim):
    """The network as the settings of build() describe it."""

    def power_on(self) -> None:
        """Not registered, no notices."""
        super().power_on()
        self.stat = STAT_OFF

    def reset_session(self) -> None:
        """AT&F and ATZ switch the registration notices off too (AT manual V2.2, tables 7, 9)."""
        super().reset_session()
        self.reports = {"CREG": 0, "CGREG": 0, "CEREG": 0}

    def sim_unlocked(self) -> None:
        """After the PIN the search begins."""
        super().sim_unlocked()
        self.search(REGISTER)

    @property
    def _searched(self) -> list[str]:
        """Technologies that are searched, in order (AT manual V2.2, 4.2.1 to 4.2.3: automatic means
        Cat M1, then Cat NB1, then GSM), as far as there is such a network."""
        facts = self.profile.radio
        sequence = self.in_force["nwscanseq"]
        steps = [sequence[at : at + 2] for at in range(0, len(sequence), 2)]
        first = [facts.scan_codes[step] for step in steps if step in facts.scan_codes]
        allowed = facts.scan_modes[self.in_force["nwscanmode"]]
        if facts.categories is not None:
            allowed &= facts.categories[self.in_force["iotopmode"]] | {"gsm"}
        order = dict.fromkeys([*first, *facts.technologies])
        return [rat for rat in order if rat in self.reachable and rat in allowed]

    @property
    def networks(self) -> list[str]:
        """Those of them that are on a band that is allowed (AT manual V2.2, 4.2.5)."""
        masks = [int(mask, 16) for mask in self.in_force["band"].split(",")]
        known = self.profile.radio.technologies
        return [rat for rat in self._searched if masks[known[rat].mask] & known[rat].bit]

    @property
    def rat(self) -> str:
        """The technology that serves, or would."""
        return [*self.networks, *self._searched, *self.reachable][0]

    @property
    def technology(self) -> Technology:
        """What is to be said of it."""
        return self.profile.radio.technologies[self.rat]

    def radio_set(self) -> None:
        """Everything is searched anew (that it acts at once is all that the manual says)."""
        if self.stat != STAT_OFF:
            self.service_lost()
            self.search(REGISTER)

    @property
    def registered(self) -> bool:
        """Registered at home or roaming."""
        return self.stat in {STAT_HOME, STAT_ROAMING}

    def search(self, delay: float) -> None:
        """Register after `delay` seconds, as setting `reg` says."""
        kind, _, wait = self.settings.reg.partition(":")
        final = {"roaming": STAT_ROAMING, "denied": STAT_DENIED}.get(kind, STAT_HOME)
        if kind == "delay":
            delay = max(delay, float(wait))
        nothing = kind == "searching" or not self.networks
        if delay or nothing:
            self.set_registration(STAT_SEARCHING)
        if nothing:
            return
        if delay:
            self.later(delay, lambda: self._found(final))
        else:
            self.stat = final

    def _found(self, stat: int) -> None:
        if self.sim_usable and self.functionality == 1 and self.stat == STAT_SEARCHING:
            self.set_registration(stat)

    def set_registration(self, stat: int) -> None:
        """Change the registration (for tests: 0-5); prints the notices that are switched on."""
        before = {name: self._status(name) for name in self.reports}
        self.stat = stat
        for name, level in self.reports.items():
            if level and self._status(name) != before[name]:
                self.urc(f"+{name}: {self._location(name, level)}")

    def _status(self, name: str) -> int:
        # On LTE AT+CGREG keeps saying 4 while AT+CEREG is 1 (real log).
        lte, everywhere = self.technology.lte, self.profile.radio.packet_registration
        if name == "CGREG" and lte and not everywhere:
            return STAT_UNKNOWN
        if name == "CEREG" and not lte:
            return STAT_OFF
        return self.stat

    def _location(self, name: str, level: int) -> str:
        stat = self._status(name)
        if level < 2 or stat not in {STAT_HOME, STAT_ROAMING}:
            return str(stat)
        if self.profile.radio.packet_registration:
            name = "CEREG"
        area, cell = _LOCATION[name if self.technology.lte else "GSM"]
        act = self.technology.act
        if level == 2:
            return f'{stat},"{area}","{cell}",{act}'
        # Level 4: <AcT> quoted and empty fields, as a real BG96 prints it for AT+CGREG.
        tail = ',,,,"00000000","01100000","00000000"'
        if name == "CEREG":
            tail = ',,,"00000000","00000000"'
        return f'{stat},"{area}","{cell}","{act}"{tail}'

    @command(r"\+(CREG|CGREG|CEREG)(\?|=[0124])")
    async def _registration(self, match: re.Match[str]) -> None:
        name = match[1]
        if match[2] == "?":
            level = self.reports[name]
            self.info(f"+{name}: {level},{self._location(name, level)}")
        elif match[2][1] not in (self.profile.radio.reports or _REPORTS)[name]:
            raise Rejected
        else:
            self.reports[name] = int(match[2][1:])

    def service_lost(self) -> None:
        """The network is gone; contexts follow in the subclass."""
        super().service_lost()
        self.set_registration(STAT_OFF)

    @command(r"\+COPS\?")
    async def _operator(self, _: re.Match[str]) -> None:
        if self.registered:
            act = self.technology.act
            self.info(f'+COPS: 0,0,"{self.settings.operator}",{act}')
        else:
            self.info("+COPS: 0")

    @command(r"\+COPS=[0-4](?:,.*)?")
    async def _select_operator(self, _: re.Match[str]) -> None:
        pass

    async def _scan(self) -> None:
        await self.sleep(_SCAN)
        name, plmn = self.settings.operator, self.settings.plmn
        act = self.technology.act
        cells = [(2 if self.registered else 1, name, plmn, act), (1, "Other Net", "00102", 0)]
        listed = ",".join(f'({s},"{n}","{n}","{p}",{a})' for s, n, p, a in cells)
        self.info(f"+COPS: {listed},,(0,1,2,3,4),(0,1,2)")

    async def _dispatch(self, text: str) -> bool | None:
        if text == "+COPS=?":  # a scan, not a list of ranges
            await self._scan()
            return None
        return await super()._dispatch(text)

    @command(r"\+CSQ")
    async def _quality(self, _: re.Match[str]) -> None:
        # Who denies a registration is heard.
        heard = self.registered or self.stat == STAT_DENIED
        self.info("+CSQ: 31,99" if heard else "+CSQ: 99,99")

    @command(r"\+QCSQ")
    async def _quality_by_technology(self, _: re.Match[str]) -> None:
        signal = self.technology.signal if self.registered else '"NOSERVICE"'
        self.info(f"+QCSQ: {signal}")

    @command(r"\+QNWINFO")
    async def _network(self, _: re.Match[str]) -> None:
        if not self.registered:
            self.info("+QNWINFO: No Service")  # unquoted (real log, not in the manual)
            return
        cell = self.technology
        where = f'"{cell.band}",{cell.channel}'
        self.info(f'+QNWINFO: "{cell.network}","{self.settings.plmn}",{where}')

    @command(r"\+QSPN")
    async def _provider(self, _: re.Match[str]) -> None:
        name = self.settings.operator if self.registered else ""
        self.info(f'+QSPN: "{name}","{name}","{name}",0,"{self.settings.plmn}"')

    @command(r"\+QCSCON(\?|=[01])")
    async def _connection(self, match: re.Match[str]) -> None:
        if match[1] == "?":
            self.info(f"+QCSCON:0,{int(self.registered)}")  # no blank: manual and real log

    @command(r"\+CGATT(\?|=[01])")
    async def _attach(self, match: re.Match[str]) -> None:
        if match[1] == "?":
            self.info(f"+CGATT: {int(self.registered)}")
        elif match[1] == "=0":
            self.service_lost()
        elif self.sim_usable and not self.registered:
            self.search(0.0)

"""Who the module is, and the settings of its command port.

AT Commands Manual V2.2 chapters 2-4; the texts are those real modules print.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from fakes.bg96.codes import CmeRejected, Rejected, TcpipRejected
from fakes.bg96.core import Core, command
from fakes.bg96.settings import PORTS
from fakes.bg96.syntax import Fields

RATES: Final = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
"""Rates of UART1 (BG96 Hardware Design V1.3, UART1; AT manual V2.2, AT+IPR)."""

_CONFIGURATION: Final = {
    # name: power-on values, as AT+QCFG shows them (AT manual V2.2, AT+QCFG)
    "nwscanmode": "0",
    "iotopmode": "0",
    "roamservice": "255",
    "servicedomain": "1",
    "psm/enter": "0",
    "psm/urc": "0",
    "urc/delay": "0",
    "urc/ri/ring": '"pulse",120,1000,5000,"off",1',
    "urc/ri/smsincoming": '"pulse",120,1',
    "urc/ri/other": '"pulse",120,1',
    "risignaltype": '"respective"',
    "ledmode": "0",
    "gprsattach": "1",
    "usbnet": "0",
    "apready": "0,0,500",
    "cmux/urcport": "0",
}
_ALLOWED: Final = {"servicedomain": ("1", "2"), "urc/delay": ("0", "1")}
_NOT_SHOWN: Final = ("nwscanmode", "nwscanseq", "iotopmode", "servicedomain", "band")
"""Names whose last parameter is <effect> (when the setting acts) and is not stored."""
_NO_CHANGE: Final = 0x40000000
"""This, like 0, leaves the bands of a technology as they are (AT manual V2.2, 4.2.5)."""


class Identity(Core):
    """Identification, echo, error style, line rate, QCFG, QURCCFG."""

    configuration: dict[str, str]
    test_forms: ClassVar[dict[str, str]] = {
        "CMEE": "(0-2)",
        "IPR": f"({','.join(str(rate) for rate in RATES)})",
        "IFC": "(0,2),(0,2)",
        "QIACT": "(1-16)",
        "QICLOSE": "(0-11),(0-65535)",
        "QISEND": "(0-11),(0-1460)",
        "QIRD": "(0-11),(0-1500)",
    }

    def reset_storage(self) -> None:
        """AT+QCFG values are kept over a reboot."""
        super().reset_storage()
        radio = self.profile.radio
        self.configuration = dict(_CONFIGURATION)
        self.configuration["nwscanseq"] = radio.scan_sequence
        self.configuration["band"] = ",".join(f"{mask:#x}" for mask in radio.bands)
        for name in self.profile.no_settings:
            del self.configuration[name]
        if "nb1" in self.reachable:
            self.configuration["iotopmode"] = "2"  # somebody set it up for its NB-IoT network

    @property
    def reachable(self) -> list[str]:
        """The networks in reach, by technology: setting `rat`."""
        return (
            self.settings.rat.split("+")
            if self.settings.rat
            else [*self.profile.radio.technologies][:1]
        )

    def power_on(self) -> None:
        """What was set to act after a reboot acts now."""
        super().power_on()
        self.in_force = dict(self.configuration)

    def radio_set(self) -> None:
        """Technologies or bands changed and act at once; done by the subclass."""

    @command(r"I0?")
    async def _information(self, _: re.Match[str]) -> None:
        self.info("Quectel", self.profile.model, f"Revision: {self.profile.revision}")

    @command(r"\+C?GMI")
    async def _manufacturer(self, _: re.Match[str]) -> None:
        self.info("Quectel")

    @command(r"\+C?GMM")
    async def _model(self, _: re.Match[str]) -> None:
        self.info(self.profile.model)

    @command(r"\+C?GMR")
    async def _revision(self, _: re.Match[str]) -> None:
        self.info(self.profile.revision)

    @command(r"\+QGMR")
    async def _full_revision(self, _: re.Match[str]) -> None:
        self.info(f"{self.profile.revision}_{self.profile.application}")

    @command(r"\+C?GSN")
    async def _serial_number(self, _: re.Match[str]) -> None:
        self.info(self.settings.imei)

    @command(r"E([01]?)")
    async def _echo(self, match: re.Match[str]) -> None:
        self.echo = match[1] == "1"

    # Verbose, no quiet mode: the only formats this fake speaks.
    @command(r"(?:V1|Q0?|&C[01]?|S\d+=\d+)")
    async def _accepted(self, _: re.Match[str]) -> None:
        pass

    @command(r"(?:&F0?|Z0?)")
    async def _factory(self, match: re.Match[str]) -> None:
        # Neither restores the rate (AT manual V2.2, AT+IPR: "not restored by AT&F").
        self.reset_session()
        if match[0].startswith("&F"):
            self.reset_factory()

    @command(r"&W0?")
    async def _store(self, _: re.Match[str]) -> None:
        self.stored_rate = self.rate

    @command(r"\+CMEE(\?|=.*)")
    async def _error_style(self, match: re.Match[str]) -> None:
        if match[1] == "?":
            self.info(f"+CMEE: {self.cmee}")
        elif match[1] in {"=0", "=1", "=2"}:
            self.cmee = int(match[1][1:])
        else:
            raise Rejected

    @command(r"\+IPR(\?|=\d{1,7})")
    async def _rate(self, match: re.Match[str]) -> None:
        if match[1] == "?":
            self.info(f"+IPR: {self.rate}")
        elif int(match[1][1:]) in RATES:
            self.switch_rate(int(match[1][1:]))
        else:
            raise Rejected

    @command(r"\+IFC(\?|=.*)")
    async def _flow_control(self, match: re.Match[str]) -> None:
        # Without effect on this wire: the carrier has its own flow control.
        if match[1] == "?":
            self.info(f"+IFC: {self.flow_control}")
        elif match[1] in {"=0,0", "=2,2", "=0,2", "=2,0"}:
            self.flow_control = match[1][1:]
        else:
            raise Rejected

    @command(r"\+QURCCFG=(.*)")
    async def _urc_port(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(2)
        if fields.string(0).lower() != "urcport":
            raise TcpipRejected
        if not fields.given(1):
            self.info(f'+QURCCFG: "urcport","{self.urc_port}"')
            return
        port = fields.string(1).lower()
        if port not in PORTS:
            raise TcpipRejected
        # At once, and kept over a reboot (AT manual V2.2, AT+QURCCFG).
        if not self.settings.urcport_fixed:
            self.urc_port = port

    @command(r"\+QCFG=(.*)")
    async def _configure(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        name = fields.string(0).lower()
        if name not in self.configuration:
            raise Rejected
        if len(fields) == 1:
            self.info(f'+QCFG: "{name}",{self.configuration[name]}')
            return
        given = list(fields.rest(1))
        if not self._acceptable(name, given[0]):
            raise Rejected
        if name not in _NOT_SHOWN:
            self.configuration[name] = ",".join(given)
            return
        shown = len(self.configuration[name].split(","))
        effect = given[shown:]
        if len(given) < shown or effect not in ([], ["0"], ["1"]):
            raise Rejected
        given = given[:shown]
        if name == "band":
            given = self._bands(given)
        self.configuration[name] = ",".join(given)
        # "If omitted, the configuration will take effect immediately."
        if effect != ["0"] and self.in_force[name] != self.configuration[name]:
            self.in_force[name] = self.configuration[name]
            self.after_result(self.radio_set)

    def _acceptable(self, name: str, value: str) -> bool:
        radio = self.profile.radio
        if name == "nwscanmode":
            return value in radio.scan_modes
        if name == "iotopmode":
            return value in (radio.categories or ())
        if name == "nwscanseq":  # different technologies, or automatic (AT manual V2.2, 4.2.1)
            steps = [value[at : at + 2] for at in range(0, len(value), 2)]
            known = len(set(steps)) == len(steps) and set(steps) <= set(radio.scan_codes)
            return value == "00" or (bool(steps) and known)
        return name not in _ALLOWED or value in _ALLOWED[name]

    def _bands(self, given: list[str]) -> list[str]:
        """Set without 0x, shown with it (real log); a mask of bands that there are not is ERROR."""
        shown = []
        current = self.configuration["band"].split(",")
        for text, old, supported in zip(given, current, self.profile.radio.bands, strict=True):
            try:
                mask = int(text, 16)
            except ValueError:
                raise Rejected from None
            if mask in {0, _NO_CHANGE}:
                shown.append(old)
            elif mask & ~supported:
                raise Rejected
            else:
                shown.append(f"{mask:#x}")
        return shown

    @command(r"\+QTEMP")
    async def _temperature(self, _: re.Match[str]) -> None:
        # Real output; the manual's "+QADC:" is a misprint.
        self.info("+QTEMP: 30,27,27")

    @command(r"\+QSCLK(?:\?|=[012])")
    async def _sleep_clock(self, match: re.Match[str]) -> None:
        if match[0].endswith("?"):
            self.info("+QSCLK: 0")

    @command(r"\+CPSMS(\?|=.*)|\+CEDRXS(\?|=.*)")
    async def _power_saving(self, match: re.Match[str]) -> None:
        # Stored and shown; this fake never sleeps.
        name, given = match[0][: match[0].index((match[1] or match[2])[0])], match[1] or match[2]
        if given != "?":
            self.power_saving[name] = given[1:]
        elif name in self.power_saving:
            shown = self.power_saving[name]
            if name == "+CEDRXS":  # shown without its <mode>
                shown = shown.partition(",")[2]
            self.info(f"{name}: {shown}")
        elif name == "+CPSMS":
            self.info("+CPSMS: 0")

    @command(r"\+CSQ\?")
    async def _not_a_query(self, _: re.Match[str]) -> None:
        raise CmeRejected(3)  # real log: AT+CSQ? alone answers this way, other such forms ERROR

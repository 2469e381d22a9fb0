"""Radio technologies: what each is called where, and what of them a module has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Technology:
    """A kind of network with the one cell of it that there is.

    Attributes:
        act: <AcT> of AT+CREG and AT+COPS (3GPP TS 27.007).
        signal: what AT+QCSQ says of it, name and values.
        network: its name in AT+QNWINFO.
        band, channel: the cell's, as AT+QNWINFO shows them.
        mask, bit: which mask of AT+QCFG="band" the band is in, and which bit of it.
        lte: a form of LTE: AT+CEREG tells of it.
    """

    act: int
    signal: str
    network: str
    band: str
    channel: int
    mask: int
    bit: int
    lte: bool = True


_GSM: Final = Technology(0, '"GSM",-70', "GSM", "GSM 900", 5, 0, 0x1, lte=False)
_M1: Final = Technology(8, '"CAT-M1",-53,-81,206,-11', "CAT-M1", "LTE BAND 20", 6300, 1, 1 << 19)
_NB1: Final = Technology(9, '"CAT-NB1",-53,-81,206,-11', "CAT-NB1", "LTE BAND 20", 6352, 2, 1 << 19)


@dataclass(frozen=True, slots=True)
class RadioFacts:
    """The radio of a module.

    Attributes:
        technologies: by the name that setting `rat` takes, in the order of an automatic search.
        scan_modes: what each value of AT+QCFG="nwscanmode" allows.
        scan_codes: the two digits of AT+QCFG="nwscanseq"; "" is one that there is no network of.
        scan_sequence: AT+QCFG="nwscanseq" from the factory.
        categories: what each value of AT+QCFG="iotopmode" allows beside GSM; empty: no such
            setting.
        bands: masks of AT+QCFG="band" with everything that the module has.
        reports: highest <n> of AT+CREG, AT+CGREG and AT+CEREG.
        packet_registration: AT+CGREG and AT+CREG tell of LTE as AT+CEREG does.
    """

    technologies: Mapping[str, Technology]
    scan_modes: Mapping[str, frozenset[str]]
    scan_codes: Mapping[str, str]
    bands: tuple[int, int, int]
    scan_sequence: str = "00"
    categories: Mapping[str, frozenset[str]] | None = None
    reports: Mapping[str, str] | None = None
    packet_registration: bool = False


def _only(*names: str) -> frozenset[str]:
    return frozenset(names)


# BG96 AT manual V2.2: 4.2.1 to 4.2.3 and 4.2.5; automatic means Cat M1, then Cat NB1, then GSM.
BG96_RADIO: Final = RadioFacts(
    technologies={"m1": _M1, "nb1": _NB1, "gsm": _GSM},
    scan_modes={"0": _only("m1", "nb1", "gsm"), "1": _only("gsm"), "3": _only("m1", "nb1")},
    scan_codes={"01": "gsm", "02": "m1", "03": "nb1"},
    bands=(0xF, 0x400A0E189F, 0xA0E189F),
    categories={"0": _only("m1"), "1": _only("nb1"), "2": _only("m1", "nb1")},
)

# Other names for the same (FreeRTOS-Cellular-Interface pull request 25).
BG95_RADIO: Final = replace(
    BG96_RADIO,
    technologies={
        "m1": replace(_M1, signal='"eMTC",-53,-81,206,-11', network="eMTC"),
        "nb1": replace(_NB1, signal='"NBIoT",-53,-81,206,-11', network="NBIoT"),
        "gsm": _GSM,
    },
)

# EC25&EC21 AT manual V1.3, AT+QCFG, AT+QCSQ, AT+QNWINFO, AT+CREG; the sequence and the names in
# AT+QNWINFO as real modules print them (1NCE "EC25 RAT configuration", EC25EFAR06A08M4G); bands of
# the EC25-E. AT+CREG shows the LTE cell's area (log of an EC200A in luci-app-3ginfo-lite #135).
EC25_RADIO: Final = RadioFacts(
    technologies={
        "lte": Technology(
            7, '"LTE",-53,-81,206,-11', "FDD LTE", "LTE BAND 3", 1300, 1, 1 << 2
        ),
        "umts": Technology(
            2, '"WCDMA",-70,-75,-5', "WCDMA", "WCDMA 2100", 10763, 0, 0x10, lte=False
        ),
        "gsm": _GSM,
    },
    scan_modes={
        "0": _only("lte", "umts", "gsm"), "1": _only("gsm"), "2": _only("umts"), "3": _only("lte"),
    },
    scan_codes={"01": "gsm", "02": "", "03": "umts", "04": "lte", "05": ""},
    scan_sequence="0301020405",
    bands=(0xD3, 0x1A0000800D5, 0x0),
    reports={"CREG": "012", "CGREG": "012", "CEREG": "012"},
    packet_registration=True,
)  # fmt: skip

"""Radio technologies and bands of the BG96: what is written, that it acts, that it is put back."""

from __future__ import annotations

import pytest

from atdriver.errors import SpecificationError
from modems.bg96 import radio
from modems.bg96.radio import Radio
from netsocket import errors
from netsocket.interface_kinds import AsyncCellularInterface
from tests.faults.bench import virtual

from .rig import Rig, assemble, opened


def written(rig: Rig) -> list[str]:
    """Every AT+QCFG that set something."""
    lines = [entry.detail for entry in rig.fake.journal if entry.kind == "command"]
    return [line for line in lines if line.startswith("AT+QCFG=") and "," in line]


async def technology(rig: Rig) -> str:
    assert isinstance(rig.net, AsyncCellularInterface)
    return (await rig.net.cellular()).technology


@virtual
async def test_a_technology_is_chosen_and_put_back() -> None:
    rig = assemble("bg96", "bg96", {"rat": "m1+gsm"}, radio="gsm")
    async with rig.net:
        assert await technology(rig) == "GSM"
        assert written(rig) == ['AT+QCFG="nwscanmode",1,1']
    assert written(rig) == ['AT+QCFG="nwscanmode",1,1', 'AT+QCFG="nwscanmode",0,1']
    assert rig.fake.configuration["nwscanmode"] == "0"


@virtual
async def test_what_is_set_already_is_not_written_again() -> None:
    """Each write wears the flash."""
    async with opened("bg96", "bg96", {"rat": "m1"}, radio="auto", bands="all") as rig:
        assert written(rig) == ['AT+QCFG="iotopmode",2,1']
        await rig.stack._radio.apply(rig.channel)
        assert written(rig) == ['AT+QCFG="iotopmode",2,1']


@virtual
async def test_persist_leaves_it() -> None:
    rig = assemble("bg96", "bg96", {"rat": "m1+gsm"}, radio="gsm+ltem", persist=True)
    async with rig.net:
        assert await technology(rig) == "GSM"
    assert written(rig) == ['AT+QCFG="nwscanseq",0102,1']


@virtual
async def test_bands_of_one_technology_leave_the_others() -> None:
    rig = assemble("bg96", "bg96", {"rat": "gsm"}, bands="gsm900+gsm1800")
    async with rig.net:
        assert written(rig) == ['AT+QCFG="band",3,400a0e189f,a0e189f,1']
    assert written(rig)[-1] == 'AT+QCFG="band",f,400a0e189f,a0e189f,1'


@virtual
async def test_bands_without_a_network_fail_and_are_put_back() -> None:
    rig = assemble("bg96", "bg96", {"rat": "m1"}, bands="b3", register_timeout=0.2)
    with pytest.raises(errors.NetworkTimeout, match=r"no signal.*bands=…"):
        await rig.net.up()
    assert rig.fake.configuration["band"] == "0xf,0x4,0x4"
    await rig.net.close()
    assert rig.fake.configuration["band"] == "0xf,0x400a0e189f,0xa0e189f"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"radio": "5g"}, "radio=5g: auto, or gsm, ltem, nbiot"),
        ({"radio": "gsm+gsm"}, "several joined by"),
        ({"radio": "auto+gsm"}, "radio=auto"),
        ({"bands": "b7"}, "bands=b7: b7 is no band; all, or gsm900"),
        ({"bands": "b3+"}, "nothing is no band"),
        ({"bands": "b3,b20"}, "is no band"),
    ],
)
def test_nonsense_is_refused_before_the_port_is_opened(
    settings: dict[str, str], words: str
) -> None:
    with pytest.raises(SpecificationError, match=words):
        assemble("bg96", "bg96", **settings)


def test_every_combination_in_the_manuals_numbers() -> None:
    """AT manual V2.2, 4.2.1 to 4.2.5."""
    wanted = {
        "auto": {"nwscanmode": "0", "iotopmode": "2", "nwscanseq": "00"},
        "gsm": {"nwscanmode": "1"},
        "ltem": {"nwscanmode": "3", "iotopmode": "0"},
        "nbiot": {"nwscanmode": "3", "iotopmode": "1"},
        "nbiot+ltem": {"nwscanmode": "3", "iotopmode": "2", "nwscanseq": "0302"},
        "nbiot+gsm": {"nwscanmode": "0", "iotopmode": "1", "nwscanseq": "0301"},
        "ltem+nbiot+gsm": {"nwscanmode": "0", "iotopmode": "2", "nwscanseq": "020301"},
    }
    for text, values in wanted.items():
        assert Radio.read(text, "")._wanted() == values
    assert Radio.read("", "all").bands == (0xF, 0x400A0E189F, 0xA0E189F)
    assert Radio.read("", "b20").bands == (0, 0x80000, 0x80000)
    assert Radio.read("", "b39").bands == (0, 0x4000000000, 0)
    union = 0
    for mask in radio.LTE_BANDS.values():
        union |= mask
    assert union == 0x400A0E189F

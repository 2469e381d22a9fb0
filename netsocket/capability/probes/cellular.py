"""Cellular: SIM, registration, signal, access point name. The plan has no cases for them."""

from __future__ import annotations

from netsocket.capability.farend import FarEnd
from netsocket.capability.model import Capability, Level
from netsocket.capability.probes.tools import connected, echo, raises
from netsocket.capability.verdict import Verdict, check, passed, probe
from netsocket.cellular import Authentication, SimState
from netsocket.errors import NetsocketError, NotSupported, Nsapi
from netsocket.interface import AsyncNetworkInterface
from netsocket.interface_kinds import AsyncCellularInterface


def cellular(net: AsyncNetworkInterface, promise: str) -> AsyncCellularInterface:
    """The interface as a cellular one. Raises NotSupported for every other kind."""
    if not isinstance(net, AsyncCellularInterface):
        raise NotSupported(Capability(promise, Level.NONE, "this is no cellular interface"))
    _ = net.access_point_name  # NotSupported where the stack has no SIM
    return net


@probe("CELLULAR_SIM", "cellular.sim")
async def sim(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Ready while the interface is up; what cannot be a PIN is refused before it costs a try."""
    del far
    modem = cellular(net, "cellular.sim")
    state = await modem.cellular()
    check(state.sim is SimState.READY, f"the SIM is {state.sim.value}")
    for bad in ("", "123", "123456789", "12a4", '1"\r'):
        with raises(NetsocketError, call=f"a PIN of {len(bad)} characters"):
            try:
                modem.set_sim_pin(bad)
            except NetsocketError as error:
                check(error.nsapi is Nsapi.PARAMETER, error.nsapi.name)
                raise
    return passed(state.sim.value)


@probe("CELLULAR_REGISTRATION", "cellular.registration")
async def registration(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Registered while the interface is up, with operator and technology."""
    del far
    state = await cellular(net, "cellular.registration").cellular()
    check(state.registration.registered, f"{state.registration.value} while up")
    check(bool(state.technology), "no radio technology")
    check(bool(state.operator), "no operator")
    check(state.plmn.isdigit() and len(state.plmn) in (5, 6), f"PLMN {state.plmn!r}")
    where = f"{state.technology} {state.band}".rstrip()
    return passed(f"{state.registration.value}, {where}, {state.plmn}")


@probe("CELLULAR_SIGNAL", "cellular.signal")
async def signal(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """In the ranges of 3GPP TS 27.007 (RSSI) and TS 36.133 (RSRP, RSRQ)."""
    del far
    found = (await cellular(net, "cellular.signal").cellular()).signal
    check(found.rssi is not None and -125 <= found.rssi <= -25, f"RSSI {found.rssi} dBm")
    check(found.rsrp is None or -140 <= found.rsrp <= -44, f"RSRP {found.rsrp} dBm")
    check(found.rsrq is None or -20 <= found.rsrq <= -3, f"RSRQ {found.rsrq} dB")
    check(found.sinr is None or -20 <= found.sinr <= 30, f"SINR {found.sinr} dB")
    return passed(str(found))


@probe("CELLULAR_APN_PARAMETERS", "cellular.apn")
async def parameters(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """What cannot be an APN is EINVAL; what can is remembered for the next `up`."""
    del far
    modem = cellular(net, "cellular.apn")
    own = modem.access_point_name
    try:
        for bad in (("x" * 101,), ("a b",), ('a"b',), ("", "user"), ("a", "us\r")):
            with raises(NetsocketError, call=f"set_credentials{bad}"):
                try:
                    modem.set_credentials(*bad)
                except NetsocketError as error:
                    check(error.nsapi is Nsapi.PARAMETER, error.nsapi.name)
                    raise
        modem.set_credentials("internet.example", "user", "word", Authentication.PAP)
        kept = modem.access_point_name
        check((kept.apn, kept.user) == ("internet.example", "user"), f"kept {kept}")
    finally:
        modem.set_credentials(own.apn, own.user, own.password, own.authentication)
    return passed("as it should be")


@probe("CELLULAR_APN_AGAIN", "cellular.apn")
async def again(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Down, the same APN set anew, up: a connection works."""
    modem = cellular(net, "cellular.apn")
    own = modem.access_point_name
    await modem.down()
    try:
        modem.set_credentials(own.apn, own.user, own.password, own.authentication)
    finally:
        await modem.up()
    await far.admit(net)
    async with connected(net, far, "echo") as (sock, _seen):
        await echo(sock, b"through the same APN")
    return passed("a socket echoed")

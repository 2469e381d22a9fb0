"""The SKSTACK-IP driver against exchanges in the forms of its command reference."""

from __future__ import annotations

import contextlib
import io
import re

import pytest

from atdriver.errors import SpecificationError
from atdriver.modem import assemble
from atdriver.trace import Trace
from modems import table
from modems.skstack.dialect import link_local, written
from netsocket import errors
from netsocket.interface_kinds import AsyncMeshInterface
from netsocket.stack import InterfaceStatus
from tests.engine.virtual_time import virtual

from .rig import ShellLink, node, settle

OK = b"OK\r\n"
OWN = b"FE80:0000:0000:0000:021D:1290:1234:5678"
PEER = "FE80:0000:0000:0000:021D:1290:0000:0001"
EUI = b"001D129012345678"
RBID, PASSWORD = "0" * 31 + "7", "0123456789AB"
SEND = re.compile(rb"SKSEND(?:TO)? (\d)(?: [0-9A-F:]{39} [0-9A-F]{4} \d)? ([0-9A-F]{4}) ")


class Stick(ShellLink):
    """A stick as ShellLink; what follows SKSEND and SKSENDTO is counted, not looked into."""

    def __init__(self, ropt: bytes = b"OK 00\r", piece: int | None = None) -> None:
        super().__init__(
            {
                b"SKSREG *": OK,
                b"SKVER": b"EVER 1.2.10\r\nOK\r\n",
                b"SKINFO": b"EINFO " + OWN + b" " + EUI + b" 21 8888 FFFE\r\nOK\r\n",
                b"ROPT": ropt,
                b"SKTABLE 1": b"EADDR\r\n" + OWN + b"\r\nOK\r\n",
                b"SKTABLE 2": b"ENEIGHBOR\r\n" + PEER.encode() + b" 001D129000000001 FFFF\r\nOK\r\n",
                b"SKSETPWD *": OK, b"SKSETRBID *": OK, b"SKSCAN *": OK, b"SKJOIN *": OK,
                b"SKUDPPORT *": OK, b"SKTCPPORT *": OK, b"SKCONNECT *": OK, b"SKCLOSE *": OK,
                b"SKTERM": OK,
            },
            b"FAIL ER04\r\n",
            echo=b"",
            prompt=b"",
            piece=piece,
        )  # fmt: skip
        self.later[b"SKSCAN *"] = (
            b"EVENT 20 " + PEER.encode() + b"\r\nEPANDESC\r\n  Channel:21\r\n  Channel Page:09\r\n"
            b"  Pan ID:8888\r\n  Addr:12345678ABCDEF01\r\n  LQI:E1\r\n  PairID:00112233\r\n"
            b"EVENT 22 " + OWN + b"\r\n"
        )
        self.later[b"SKJOIN *"] = b"EVENT 25 " + PEER.encode() + b"\r\n"
        self.sent: list[bytes] = []
        self.outcome: list[bytes] = []
        """What answers the sends, in order; then success."""

    def write(self, data: bytes) -> None:
        head = SEND.match(data)
        if head is None:
            super().write(data)
            return
        payload = data[head.end() :]
        assert len(payload) == int(head[2], 16), data
        self.sent.append(payload)
        good = OK + b"ETCP 5 %b\r\n" % head[1] if data.startswith(b"SKSEND ") else (
            b"EVENT 21 " + PEER.encode() + b" 00\r\nOK\r\n"
        )  # fmt: skip
        self.tell(self.outcome.pop(0) if self.outcome else good)


def erxudp(payload: bytes, port: int, *, rssi: bytes = b"", text: bool = False) -> bytes:
    shown = payload.hex().upper().encode() if text else payload
    return b"ERXUDP %b %b 0E1A %04X 001D129000000001 %b1 %04X %b\r\n" % (
        PEER.encode(), OWN, port, rssi, len(payload), shown,
    )  # fmt: skip


@virtual
async def test_it_joins_its_coordinator_and_hides_its_login() -> None:
    out = io.StringIO()
    out.close = lambda: None  # type: ignore[method-assign]
    wire = Stick()
    modem = assemble("skstack:tcp://127.0.0.1:1", keywords={"rbid": RBID, "password": PASSWORD})
    assert modem.channel is not None
    modem.channel.link_with(lambda _: wire)
    modem.channel.trace_with(lambda: Trace(out))
    async with modem.interface() as net:
        assert isinstance(net, AsyncMeshInterface)
        assert net.status is InterfaceStatus.GLOBAL_UP
        state = await net.mesh()
        assert (state.role, state.channel, state.pan_id) == ("joined", 0x21, 0x8888)
        assert state.neighbours == ("fe80::21d:1290:0:1",)
    address = written(link_local("12345678ABCDEF01")).encode()
    assert address == b"FE80:0000:0000:0000:1034:5678:ABCD:EF01"
    wanted = [b"SKSREG S2 21", b"SKSREG S3 8888", b"SKJOIN " + address]
    assert [line for line in wire.asked if line in wanted] == wanted
    assert wire.asked[-2:] == [b"SKTERM", b"SKSREG SFE 1"]
    assert not any(line.startswith(b"WOPT") for line in wire.asked)
    assert PASSWORD not in out.getvalue()
    assert RBID not in out.getvalue()


@virtual
async def test_a_refused_login_and_an_empty_scan_are_told() -> None:
    wire = Stick()
    wire.later[b"SKJOIN *"] = b"EVENT 24 " + PEER.encode() + b"\r\n"
    with pytest.raises(errors.AuthenticationFailed):
        async with node("skstack", wire, rbid=RBID, password=PASSWORD):
            pass
    wire = Stick()
    wire.later[b"SKSCAN *"] = b"EVENT 22 " + OWN + b"\r\n"
    with pytest.raises(errors.NetworkNotFound):
        async with node("skstack", wire, rbid=RBID, password=PASSWORD):
            pass
    assert wire.count(b"SKSCAN") == 3


@pytest.mark.parametrize("piece", [None, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("ropt", [b"OK 00\r", b"OK 00\r\n", b"OK 01\r", b"OK 01\r\n"])
def test_every_byte_passes_in_both_forms(ropt: bytes, piece: int | None) -> None:
    everything = bytes(range(256)) + b"\r\nOK\r\nFAIL ER10\r\nEVENT 29 x\r\nETCP 3 1\r\n"

    @virtual
    async def scenario() -> None:
        wire = Stick(ropt, piece)
        async with node("skstack", wire) as net, net.udp_socket() as sock:
            await sock.bind(("", 0x0E1A))
            await sock.sendto(everything, (PEER, 0x0E1A))
            assert wire.sent == [everything]
            text = b"01" in ropt
            wire.tell(erxudp(everything, 0x0E1A, text=text) + erxudp(b"two", 0x0E1A, text=text))
            sender = ("fe80::21d:1290:0:1", 0x0E1A)
            assert await sock.recvfrom(500) == (everything, sender)
            wire.tell(erxudp(b"", 0x0E1A, rssi=b"C8 ", text=text), 0.01)
            assert (await sock.recvfrom(500))[0] == b"two"
            assert (await sock.recvfrom(500))[0] == b""

    scenario()


@virtual
async def test_what_the_event_says_about_a_datagram() -> None:
    wire = Stick()
    event = b"EVENT 21 " + PEER.encode() + b" "
    async with node("skstack", wire) as net, net.udp_socket() as sock:
        wire.outcome = [event + b"02\r\nOK\r\n"]  # the neighbour was asked for instead
        await sock.sendto(b"x", (PEER, 9))
        assert wire.sent == [b"x", b"x"]
        wire.outcome = [event + b"01\r\nOK\r\n"]
        with pytest.raises(errors.HostUnreachable):
            await sock.sendto(b"y", (PEER, 9))
        with pytest.raises(errors.MessageTooLong):
            await sock.sendto(bytes(1233), (PEER, 9))
        wire.outcome = [b"FAIL ER06\r\n"]
        with pytest.raises(errors.DeviceError, match="range"):
            await sock.sendto(b"z", (PEER, 9))


@virtual
async def test_the_limit_of_transmit_time_blocks_and_does_not_lose() -> None:
    wire = Stick()
    async with node("skstack", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 5))
        wire.tell(b"EVENT 32 " + OWN + b"\r\n")
        await settle()
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            await sock.sendto(b"x", (PEER, 9))
        sock.settimeout(1.0)
        with pytest.raises(TimeoutError):
            await sock.sendto(b"x", (PEER, 9))
        assert wire.sent == []
        wire.tell(b"EVENT 33 " + OWN + b"\r\n", 5.0)
        sock.settimeout(10.0)
        await sock.sendto(b"x", (PEER, 9))
        assert wire.sent == [b"x"]


def test_the_highest_port_of_all_is_never_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """SKCONNECT takes 1 to 65534 for its own port."""
    monkeypatch.setattr(table.PORTS, "choice", max)

    @virtual
    async def scenario() -> None:
        wire = Stick()
        wire.later[b"SKCONNECT *"] = b"ETCP 1 1 " + PEER.encode() + b" 0050 FFFE\r\n"
        async with node("skstack", wire) as net, net.tcp_socket() as sock:
            await sock.connect((PEER, 80))
            assert wire.asked[-1] == b"SKCONNECT " + PEER.encode() + b" 0050 FFFE"

    scenario()


@virtual
async def test_a_stream_waits_for_each_piece_to_leave() -> None:
    wire = Stick()
    async with node("skstack", wire) as net, net.tcp_socket() as sock:
        await sock.bind(("", 0x1000))
        wire.later[b"SKCONNECT *"] = (
            b"ETCP 1 1 " + PEER.encode() + b" 0050 1000\r\n"
            b"ERXTCP " + PEER.encode() + b" 0050 1000 0004 \r\n\0>\r\n"
        )
        await sock.connect((PEER, 80))
        assert await sock.recv(10) == b"\r\n\0>"
        await sock.sendall(bytes(3000))
        assert [len(each) for each in wire.sent] == [1232, 1232, 536]
        wire.tell(b"ETCP 3 1\r\n")
        assert await sock.recv(10) == b""


@virtual
async def test_a_damaged_line_never_leaves_a_hole_in_a_stream() -> None:
    said = b"ERXTCP " + PEER.encode() + b" 0050 1000 0005 first\r\n"
    wire = Stick()
    wire.later[b"SKCONNECT *"] = b"ETCP 1 1 " + PEER.encode() + b" 0050 1000\r\n"
    async with node("skstack", wire) as net:
        for at in range(len(said) - 2):
            async with net.tcp_socket() as sock:
                await sock.bind(("", 0x1000))
                await sock.connect((PEER, 80))
                wire.tell(said[:at] + said[at + 1 :])
                wire.tell(said.replace(b"first", b"again"), 0.01)
                await settle(5.0)
                got = b""
                with contextlib.suppress(ConnectionResetError):
                    while len(got) < 10:
                        got += await sock.recv(20)
                assert got == b"", (at, got)


@pytest.mark.parametrize(
    ("said", "kind"),
    [(b"ETCP 3 1\r\n", ConnectionRefusedError), (b"ETCP 4 1\r\n", errors.AddressInUse),
     (b"", errors.ConnectTimeout)],
    ids=["refused", "port in use", "silent"],
)  # fmt: skip
def test_connects_fail_as_they_are_told(said: bytes, kind: type[OSError]) -> None:
    @virtual
    async def scenario() -> None:
        wire = Stick()
        wire.later[b"SKCONNECT *"] = said
        async with node("skstack", wire) as net, net.tcp_socket() as sock:
            with pytest.raises(kind):
                await sock.connect((PEER, 80))

    scenario()


@virtual
async def test_an_ended_session_is_joined_again() -> None:
    wire = Stick()
    async with node("skstack", wire, rbid=RBID, password=PASSWORD) as net:
        sock = net.udp_socket()
        await sock.bind(("", 5))
        wire.tell(b"EVENT 29 " + PEER.encode() + b"\r\n")
        with pytest.raises(OSError):
            await sock.recv(5)
        await sock.close()
        await settle(30.0)
        assert net.status is InterfaceStatus.GLOBAL_UP
    assert wire.count(b"SKJOIN") == 2


@virtual
async def test_a_lost_byte_never_makes_a_datagram() -> None:
    wire = Stick()
    said = erxudp(b"a\r\nEVENT 29 x\r\nb", 5)
    async with node("skstack", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 5))
        wire.tell(said[:-5] + said[-4:] + erxudp(b"next", 5))
        with pytest.raises(errors.PayloadIncomplete):
            await sock.recv(100)
        await settle(10.0)
        wire.tell(erxudp(b"after", 5))
        assert await sock.recv(100) == b"after"
        assert net.status is InterfaceStatus.GLOBAL_UP


@pytest.mark.parametrize(
    "settings",
    [{"rbid": "7"}, {"rbid": RBID}, {"password": "x"}, {"scan": 20}, {"nat64": "::/64"},
     {"rbid": RBID, "password": "a b"}],
    ids="-".join,
)  # fmt: skip
def test_wrong_settings_are_told_without_their_secrets(settings: dict[str, str]) -> None:
    with pytest.raises(SpecificationError) as caught:
        assemble("skstack:tcp://127.0.0.1:1", keywords=settings)
    assert RBID not in str(caught.value)

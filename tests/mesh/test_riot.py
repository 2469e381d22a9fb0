"""The RIOT driver against exchanges as two native nodes printed them."""

from __future__ import annotations

import asyncio

import pytest

from atdriver.links.paced import PacedLink
from atdriver.modem import assemble
from modems.riot.dialect import BURST, PAUSE
from netsocket import errors
from netsocket.interface_kinds import AsyncMeshInterface
from tests.engine.scripted_link import ScriptedLink
from tests.engine.virtual_time import virtual

from .rig import ShellLink, node, settle

LONG = "2001:0db8:0001:0000:7b62:5cff:fe04:1234"
PEER = "2001:db8:1:0:7b62:5cff:fe04:1234"
FROM = b"Received UDP data from [2001:db8:1:0:7b62:5cff:fe04:1234%6]:61234\n"
IFCONFIG = (
    b"Iface  6  HWaddr: 2A:5B  Channel: 26  NID: 0x23  PHY: O-QPSK\n"
    b"          Long HWaddr: 7A:62:5C:FF:FE:04:2A:5B\n"
    b"          inet6 addr: fe80::7862:5cff:fe04:2a5b  scope: link  VAL\n"
    b"          inet6 addr: 2001:db8:1:0:7862:5cff:fe04:2a5b  scope: global  VAL\n"
    b"          inet6 group: ff02::1\n"
)


class Riot(ShellLink):
    """A shell that ends its lines with LF and gives no results."""

    def __init__(self, piece: int | None = None) -> None:
        super().__init__(
            {
                b"ifconfig": IFCONFIG,
                b"nib neigh": b"fe80::1 dev #6 lladdr 7A:62  DELAY REGISTERED\n",
                b"udp server start *": b"Success: started UDP server on port 8808\n",
                b"udp server stop": b"Error: server was not running\n",
                b"udp send *": lambda line: b"Success: sent %d byte over UDP to [%b]:9\n" % (
                    len(line.split()[-1]) // 2, PEER.encode()),
            },
            b"shell: command not found\n",
            echo=b"\n",
            piece=piece,
        )  # fmt: skip

    def write(self, data: bytes) -> None:
        ScriptedLink.write(self, data)
        *lines, self._input = (self._input + data).split(b"\n")
        for line in lines:
            self.asked.append(line)
            self.tell(line + self.echo + self._answer(line) + self.prompt)


def dump(payload: bytes) -> bytes:
    rows = [payload[at : at + 16] for at in range(0, len(payload), 16)]
    return FROM + b"".join(
        b"%08X" % (16 * number) + b"".join(b"  %02X" % byte for byte in row) + b"\n"
        for number, row in enumerate(rows)
    )


@pytest.mark.parametrize("piece", [None, 1], ids=["whole", "byte by byte"])
def test_every_byte_passes_both_ways(piece: int | None) -> None:
    @virtual
    async def scenario() -> None:
        wire = Riot(piece)
        async with node("riot", wire) as net, net.udp_socket() as sock:
            assert isinstance(net, AsyncMeshInterface)
            await sock.bind(("", 8808))
            before = dict(net.stack.channel.engine.anomalies)  # type: ignore[attr-defined]
            data = b"a\n\0\r\xff> Error\r\n> "
            await sock.sendto(data, (PEER, 9))
            assert wire.asked[-1] == f"udp send -b [{LONG}]:9 {data.hex()}".encode()
            for size in (1, 15, 16, 17, 32, 256):
                payload = bytes(range(size % 256)) or bytes(range(256))
                wire.tell(dump(payload), 0.01)
                assert await sock.recvfrom(500) == (
                    payload,
                    ("2001:db8:1:0:7b62:5cff:fe04:1234", 61234),
                )
            assert net.stack.channel.engine.anomalies == before  # type: ignore[attr-defined]

    scenario()


@virtual
async def test_what_the_node_knows_of_its_mesh() -> None:
    async with node("riot", Riot()) as net:
        assert isinstance(net, AsyncMeshInterface)
        state = await net.mesh()
        assert (state.channel, state.pan_id, state.neighbours) == (26, 0x23, ("fe80::1",))
        assert net.ip_address == "2001:db8:1:0:7862:5cff:fe04:2a5b"
        with pytest.raises(errors.NotSupported):
            await net.dataset()
        with pytest.raises(errors.NotSupported):
            await net.connect((PEER, 80))


@virtual
async def test_lines_that_are_too_long_never_leave() -> None:
    wire = Riot()
    async with node("riot", wire) as net, net.udp_socket() as sock:
        most = net.capabilities.limit("datagram.max_send")
        assert most == 33
        await sock.sendto(bytes(most), (PEER, 65535))
        assert len(wire.asked[-1]) < 128
        before = len(wire.asked)
        with pytest.raises(errors.MessageTooLong):
            await sock.sendto(bytes(most + 1), (PEER, 65535))
        assert len(wire.asked) == before


@virtual
async def test_long_lines_leave_in_pieces_with_pauses() -> None:
    wire = Riot()
    modem = assemble("riot:tcp://127.0.0.1:1")
    assert modem.channel is not None
    assert isinstance(modem.channel.link, PacedLink)
    modem.channel.link_with(lambda _: PacedLink(wire, BURST, PAUSE))
    async with modem.interface() as net, net.udp_socket() as sock:
        before = len(wire.written)
        await sock.sendto(bytes(33), (PEER, 65535))
        pieces = wire.written[before:]
        assert max(len(data) for _, data in pieces) <= 32
        times = [at for at, _ in pieces]
        assert all(b - a >= 0.004999 for a, b in zip(times, times[1:], strict=False))


@virtual
async def test_the_order_of_paced_writes_and_their_end() -> None:
    under = ScriptedLink()
    link = PacedLink(under, 4, 0.01)
    link.write(b"0123456789")
    link.write(b"ab")
    await asyncio.sleep(0.015)
    assert under.lines == [b"0123", b"4567"]
    await link.close()
    await asyncio.sleep(1.0)
    assert under.lines == [b"0123", b"4567"]


@virtual
async def test_prose_errors_are_errors() -> None:
    wire = Riot()
    async with node("riot", wire) as net, net.udp_socket() as sock:
        wire.answers[b"udp send *"] = b"Error sending data\n"
        with pytest.raises(errors.HostUnreachable):
            await sock.sendto(b"x", (PEER, 9))
        wire.answers[b"udp send *"] = b"Error: unable to parse destination address\n"
        with pytest.raises(errors.DeviceError):
            await sock.sendto(b"x", (PEER, 9))
        wire.answers[b"udp send *"] = b"Success: sent 2 byte over UDP to [::]:9\n"
        with pytest.raises(errors.DeviceError):
            await sock.sendto(b"x", (PEER, 9))


@virtual
async def test_a_dump_with_a_missing_line_is_no_datagram() -> None:
    wire = Riot()
    async with node("riot", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 8808))
        rows = dump(bytes(40)).splitlines(keepends=True)
        wire.tell(rows[0] + rows[1] + rows[3])
        with pytest.raises(errors.PayloadIncomplete):
            await sock.recv(100)
        wire.tell(dump(b"ok"))
        assert await sock.recv(100) == b"ok"
        await settle()

"""One call over a port: dialling, packets through a descriptor, and every way it ends. Virtual time."""

from __future__ import annotations

import asyncio

import pytest

from atdriver.errors import PortLost
from atdriver.ppp import AuthenticationRefused, CarrierLost, ClosedByPeer, EchoLost, PppSettings
from modems.ppp import Dial
from modems.ppp import line as line_module
from modems.ppp.errors import DialFailed
from modems.ppp.line import PppLine
from netsocket import errors
from tests.engine.virtual_time import virtual
from tests.ppp.modem import Port, pair
from tests.ppp.peer import IPCP, IPV6CP, LCP, TERM
from tests.ppp.rig import V4, V6, WHO


class Call:
    def __init__(self, port: Port, settings: PppSettings | None = None) -> None:
        self.port = port
        self.notes: list[str] = []
        self.ended: list[OSError] = []
        self.line = PppLine(
            port,
            Dial(),
            settings or PppSettings(WHO),
            note=self.notes.append,
            ended=self.ended.append,
        )

    async def up(self) -> Call:
        await self.port.take(self.line)
        await self.line.dial()
        self.event = await self.line.establish()
        ours, self.packets = pair()
        self.line.pump(ours)
        return self

    async def packet(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self.packets, 2000)

    async def end(self) -> None:
        await self.line.hang_up()
        self.packets.close()


@virtual
async def test_packets_pass_between_the_other_end_and_the_descriptor() -> None:
    call = await Call(Port(login="chap")).up()
    assert [str(a) for a in call.event.addresses] == ["10.1.2.3", "fe80::9"]
    far = call.port.far
    assert far is not None
    for packet in (V4, V6):
        call.packets.send(packet)
    far.put(0x21, V4)
    far.put(0x57, V6)
    assert [await call.packet(), await call.packet()] == [V4, V6]
    await asyncio.sleep(0.1)
    assert far.packets == [V4, V6]
    await call.end()
    assert far.heard[-1].code == TERM
    assert call.port.mode == "command"
    assert call.port.commands == [b"ATD*99***1#\r", b"ATH\r"]
    assert call.ended == []
    assert not any("pass" in note for note in call.notes)


@virtual
async def test_frames_in_the_same_piece_as_connect_count() -> None:
    port = Port()
    port.behind = b"\r\n~\xff}#"
    call = await Call(port).up()
    assert asyncio.get_running_loop().time() < 2.9
    await call.end()


@pytest.mark.parametrize(
    "said", ["NO CARRIER", "BUSY", "NO DIALTONE", "NO ANSWER", "ERROR", "+CME ERROR: 30", ""]
)
def test_a_call_that_is_refused(said: str) -> None:
    @virtual
    async def run() -> None:
        call = Call(Port(said.encode()))
        await call.port.take(call.line)
        with pytest.raises(DialFailed) as caught:
            await call.line.dial()
        assert caught.value.result == said
        assert isinstance(caught.value, errors.NetworkDown)
        assert "ATD*99***1#" in str(caught.value)
        await call.line.hang_up()

    run()


@virtual
async def test_a_wrong_password() -> None:
    call = Call(Port(login="pap", secret=b"other"))
    with pytest.raises(AuthenticationRefused):
        await call.up()
    await call.line.hang_up()
    assert call.port.mode == "command"


def problems() -> list[str]:
    """What from now on goes wrong where nobody is told of it: in a callback of the loop."""
    found: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: found.append(repr(context.get("exception") or context["message"]))
    )
    return found


async def until_ended(call: Call, limit: float) -> OSError:
    async with asyncio.timeout(limit):
        while not call.ended:
            await asyncio.sleep(0.05)
    (error,) = call.ended
    with pytest.raises(ConnectionError):
        while await call.packet():
            pass
        raise ConnectionResetError  # an orderly end of the descriptor
    return error


@virtual
async def test_no_carrier_ends_it() -> None:
    call = await Call(Port()).up()
    call.port.no_carrier()
    error = await until_ended(call, 1.0)
    assert isinstance(error, CarrierLost)
    assert "NO CARRIER" in str(error)
    await call.end()
    assert call.port.commands == [b"ATD*99***1#\r"]  # nothing to hang up


@virtual
async def test_no_carrier_in_the_middle_of_a_frame_ends_it() -> None:
    call = await Call(Port()).up()
    call.port.deliver(b"~\x21\x45half a packet")
    call.port.no_carrier()
    assert isinstance(await until_ended(call, 1.0), CarrierLost)
    await call.end()


@virtual
async def test_no_carrier_inside_a_packet_does_not() -> None:
    call = await Call(Port()).up()
    assert call.port.far is not None
    text = V4 + b"\r\nNO CARRIER\r\n"
    call.port.far.put(0x21, text, accm=0)
    assert await call.packet() == text
    line = b"~\x21" + text
    call.port.deliver(line)
    await asyncio.sleep(0.1)  # shorter than the silence that counts
    call.port.deliver(b"more~")
    await asyncio.sleep(5)
    assert call.ended == []
    await call.end()


@virtual
async def test_the_other_end_closes() -> None:
    call = await Call(Port()).up()
    assert call.port.far is not None
    call.port.far.say(LCP, TERM, b"idle")
    assert isinstance(await until_ended(call, 1.0), ClosedByPeer)
    await call.end()


@virtual
async def test_echoes_are_missed() -> None:
    call = await Call(Port(echoes=False)).up()
    assert isinstance(await until_ended(call, 60.0), EchoLost)
    await call.end()


@virtual
async def test_the_port_goes() -> None:
    call = await Call(Port()).up()
    call.line.link_lost(PortLost("unplugged"))
    error = await until_ended(call, 1.0)
    assert "unplugged" in str(error)
    begun = asyncio.get_running_loop().time()
    await call.end()
    assert asyncio.get_running_loop().time() - begun < 0.1


@virtual
async def test_the_port_goes_while_dialling() -> None:
    call = Call(Port(b""))
    await call.port.take(call.line)
    dialling = asyncio.create_task(call.line.dial())
    await asyncio.sleep(1)
    call.line.link_lost(None)
    with pytest.raises(CarrierLost):
        await dialling
    await call.line.hang_up()


@virtual
async def test_the_port_goes_when_the_module_has_had_its_time() -> None:
    """In the very moment: then that is the reason, and not that the module answered nothing."""
    call = Call(Port(b""))
    await call.port.take(call.line)
    asyncio.get_running_loop().call_later(
        Dial().patience, call.line.link_lost, PortLost("unplugged")
    )
    with pytest.raises(CarrierLost, match="unplugged"):
        await call.line.dial()
    await call.line.hang_up()


@virtual
async def test_a_channel_that_an_earlier_call_was_left_on() -> None:
    """It does not answer AT: it is called out of data mode, and the old call ended, before it dials."""
    port = Port()
    port.beside = True
    port.mode = "data"
    call = await Call(port).up()
    assert port.commands == [b"ATH\r", b"ATD*99***1#\r"]
    await call.end()


@virtual
async def test_nothing_of_ppp_is_written_into_the_silence_around_the_escape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other end does not take its leave, and the module does not hear +++: the goodbye that would be
    said again then would spoil it."""
    monkeypatch.setattr(line_module, "GOODBYE", 1.0)
    written: list[bytes] = []

    class Deaf(Port):
        def write(self, data: bytes) -> None:
            written.append(data)
            if data != b"+++":
                super().write(data)

    call = await Call(Deaf()).up()
    assert call.port.far is not None
    call.port.far.deaf = True
    written.clear()
    await call.end()
    assert [said.code for said in call.port.far.heard[-1:]] == [TERM]
    assert len(written) == 2
    assert written[1] == b"+++"


@virtual
async def test_the_stack_goes() -> None:
    call = await Call(Port()).up()
    call.packets.close()
    await asyncio.sleep(0.1)
    assert len(call.ended) == 1
    await call.line.hang_up()


@virtual
async def test_the_stack_goes_with_packets_unread() -> None:
    """Then the system tells of it by an error, and not by an end."""
    wrong = problems()
    call = await Call(Port()).up()
    assert call.port.far is not None
    call.port.far.put(0x21, V4)
    await asyncio.sleep(0.1)
    call.packets.close()
    await asyncio.sleep(0.1)
    assert [str(error) for error in call.ended] == ["the IP stack of this computer has ended"]
    assert wrong == []
    await call.line.hang_up()


@virtual
async def test_the_stack_goes_while_a_packet_comes_for_it() -> None:
    wrong = problems()
    call = await Call(Port()).up()
    assert call.port.far is not None
    call.packets.close()
    call.port.far.put(0x21, V4)
    await asyncio.sleep(0.1)
    assert [str(error) for error in call.ended] == ["the IP stack of this computer has ended"]
    assert wrong == []
    await call.line.hang_up()


@virtual
async def test_a_link_that_ends_before_there_is_a_stack_ends_once() -> None:
    """The stack that is made of it all the same finds its descriptor closed, or closes it itself."""
    port = Port()
    call = Call(port)
    await port.take(call.line)
    await call.line.dial()
    await call.line.establish()
    call.line.link_lost(PortLost("unplugged"))
    ours, theirs = pair()
    call.line.pump(ours)
    theirs.close()
    await asyncio.sleep(0.1)
    assert ours.fileno() == -1
    assert [str(error) for error in call.ended] == ["unplugged"]
    await call.line.hang_up()


@virtual
async def test_the_other_end_begins_anew_and_comes_up_again() -> None:
    """To the sockets that is the end, told once; what is agreed upon until they are gone is nobody's."""
    wrong = problems()
    call = await Call(Port()).up()
    far = call.port.far
    assert far is not None
    far.request(LCP, far.lcp)
    error = await until_ended(call, 1.0)
    assert str(error) == "the other end negotiates anew"
    for protocol in (IPCP, IPV6CP):
        far.request(protocol, far._own(protocol))
    await asyncio.sleep(10.0)
    assert sum(note.startswith("PPP is up") for note in call.notes) == 2
    assert wrong == []
    assert len(call.ended) == 1
    await call.end()


@virtual
async def test_a_packet_that_the_other_end_has_no_use_for() -> None:
    """It speaks no IPv6: nothing at all is written for such a packet."""
    written: list[bytes] = []

    class Noting(Port):
        def write(self, data: bytes) -> None:
            written.append(data)
            super().write(data)

    call = await Call(Noting(unknown={IPV6CP})).up()
    written.clear()
    call.packets.send(V6)
    await asyncio.sleep(0.1)
    assert written == []
    call.packets.send(V4)
    await asyncio.sleep(0.1)
    assert len(written) == 1
    assert call.port.far is not None
    assert call.port.far.packets == [V4]
    await call.end()


@virtual
async def test_a_stack_that_takes_nothing_loses_packets_not_the_line() -> None:
    call = await Call(Port()).up()
    assert call.port.far is not None
    for _ in range(2000):
        call.port.far.put(0x21, V4 + bytes(1000), accm=0)
    await asyncio.sleep(0.1)
    assert call.line.dropped > 0
    assert call.ended == []
    await call.end()


@virtual
async def test_packets_wait_while_the_port_is_full() -> None:
    call = await Call(Port()).up()
    call.port.backlog = 100_000
    sent = 0
    try:
        while sent < 100_000:
            call.packets.send(V4 + bytes(1000))
            sent += 1
    except BlockingIOError:
        pass
    await asyncio.sleep(1)
    assert call.port.far is not None
    assert call.port.far.packets == []
    call.port.backlog = 0
    await asyncio.sleep(1)
    assert len(call.port.far.packets) == sent
    await call.end()


@virtual
async def test_a_port_that_goes_while_packets_wait_for_it() -> None:
    wrong = problems()
    call = await Call(Port()).up()
    call.port.backlog = 100_000
    call.packets.send(V4)
    await asyncio.sleep(0.001)
    call.line.link_lost(PortLost("unplugged"))
    assert "unplugged" in str(await until_ended(call, 1.0))
    await asyncio.sleep(1)
    assert wrong == []
    await call.end()


@virtual
async def test_no_secret_in_notes_or_errors() -> None:
    call = await Call(Port(login="pap")).up()
    await call.end()
    assert "pass" not in " ".join([*call.notes, repr(call.line.client)])

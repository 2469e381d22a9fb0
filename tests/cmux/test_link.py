"""Links over one port: AT and data beside each other, the beginning, the end. In virtual time."""

from __future__ import annotations

import asyncio

import pytest

from atdriver.cmux import CmuxEnded, CmuxLink, CmuxRefused
from atdriver.errors import ModuleSilent, PortLost
from atdriver.links.memory import MemoryLink
from tests.cmux.peer import Module, frame
from tests.engine.virtual_time import virtual


class Ear:
    def __init__(self) -> None:
        self.heard = b""
        self.lost: list[OSError | None] = []

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def link_lost(self, error: OSError | None) -> None:
        self.lost.append(error)


async def opened(module: Module) -> tuple[CmuxLink, Ear]:
    link, ear = CmuxLink(MemoryLink(module, "port")), Ear()
    await link.open(ear)
    return link, ear


@virtual
async def test_at_and_data_beside_each_other() -> None:
    module = Module()
    link, at = await opened(module)
    assert module.lines == [b"AT", b"AT+CMUX=0,0,5,127"]
    data_ear = Ear()
    data = link.data()
    await data.open(data_ear)
    assert (link.name, data.name) == ("port", "port (data channel)")
    link.write(b"AT+CSQ\r")
    data.write(b"~ppp~" * 100)
    module.put(1, b"+CSQ: 20\r\n")
    module.put(2, b"~answer~")
    await asyncio.sleep(0.1)
    assert module.got == {1: b"AT+CSQ\r", 2: b"~ppp~" * 100}
    assert (at.heard, data_ear.heard) == (b"+CSQ: 20\r\n", b"~answer~")
    await data.close()
    module.put(2, b"late")
    await asyncio.sleep(0.1)
    link.write(b"AT\r")
    again = Ear()
    data = link.data()
    await data.open(again)
    module.put(2, b"again")
    await asyncio.sleep(0.1)
    assert data_ear.heard == b"~answer~"
    assert again.heard == b"again"
    await link.close()
    assert not module.muxed
    assert at.lost == [None]  # by us
    await link.close()


@virtual
async def test_a_module_that_knows_only_the_short_command() -> None:
    module = Module(full=False)
    link, _ = await opened(module)
    assert module.lines == [b"AT", b"AT+CMUX=0,0,5,127", b"AT+CMUX=0"]
    assert link._multiplexer.mux.n1 == 31
    await link.close()


@virtual
async def test_a_module_that_answers_no_sabm() -> None:
    module = Module(answers=False)
    link, at = await opened(module)
    module.put(1, b"OK")
    await asyncio.sleep(0.1)
    assert at.heard == b"OK"
    await link.close()


@virtual
async def test_a_module_without_a_multiplexer() -> None:
    module = Module()
    module._command = lambda line: module.deliver(  # type: ignore[method-assign]
        b"\r\nOK\r\n" if line == b"AT" else b"\r\nERROR\r\n" if line else b""
    )
    with pytest.raises(CmuxRefused, match="AT\\+CMUX: ERROR"):
        await opened(module)


@virtual
async def test_a_silent_port() -> None:
    module = Module()
    module._command = lambda line: None  # type: ignore[method-assign]
    with pytest.raises(ModuleSilent):
        await opened(module)


@virtual
async def test_a_module_left_in_multiplexer_mode_is_called_out_of_it() -> None:
    class Left(Module):
        def receive(self, data: bytes) -> None:
            if self.muxed and not data.startswith(b"\xf9"):
                return  # AT means nothing to it
            super().receive(data)

    module = Left(muxed=True)
    link, at = await opened(module)
    assert module.muxed
    module.put(1, b"hello")
    await asyncio.sleep(0.1)
    assert at.heard == b"hello"
    await link.close()


@virtual
async def test_a_data_channel_that_is_refused_leaves_at() -> None:
    module = Module(refuse=(2,))
    link, at = await opened(module)
    with pytest.raises(CmuxRefused) as caught:
        await link.data().open(Ear())
    assert caught.value.dlci == 2
    module.put(1, b"OK")
    await asyncio.sleep(0.1)
    assert at.heard == b"OK"
    await link.close()


@virtual
async def test_the_module_leaves_multiplexer_mode() -> None:
    module = Module()
    link, at = await opened(module)
    data, ear = link.data(), Ear()
    await data.open(ear)
    module.say(b"\xc3\x01")
    await asyncio.sleep(0.1)
    for each in (at, ear):
        assert [type(error) for error in each.lost] == [CmuxEnded]
    with pytest.raises(PortLost):
        await link.data().open(Ear())
    await link.close()


@virtual
async def test_the_module_closes_one_channel() -> None:
    module = Module()
    link, at = await opened(module)
    data, ear = link.data(), Ear()
    await data.open(ear)
    module.deliver(frame(2, 0x43))
    await asyncio.sleep(0.1)
    assert [type(error) for error in ear.lost] == [CmuxEnded]
    assert at.lost == []
    await data.close()
    await link.close()


@virtual
async def test_the_port_goes() -> None:
    module = Module()
    base = MemoryLink(module, "port")
    link, at = CmuxLink(base), Ear()
    await link.open(at)
    base.drop(PortLost("unplugged"))
    assert [str(error) for error in at.lost] == ["unplugged"]
    await link.close()


@virtual
async def test_a_slow_port_keeps_the_at_channel_quick() -> None:
    """Some 100 KB wait in the data channel; the port takes 10 bytes a millisecond."""
    module = Module()

    class Slow(MemoryLink):
        held = b""

        @property
        def backlog(self) -> int:
            return len(self.held)

        def write(self, data: bytes) -> None:
            if not module.muxed:
                super().write(data)
                return
            self.held += data

        async def drain(self) -> None:
            while True:
                await asyncio.sleep(0.001)
                self.line, self.held = self.line + self.held[:10], self.held[10:]

        line = b""

    base = Slow(module, "port")
    link = CmuxLink(base)
    draining = asyncio.create_task(base.drain())
    ear = Ear()
    module.answers = False
    await link.open(ear)
    data = link.data()
    await data.open(Ear())
    data.write(bytes(100_000))
    await asyncio.sleep(0.5)
    assert base.backlog < 4096
    begun = asyncio.get_running_loop().time()
    link.write(b"ATI\r")
    while b"ATI\r" not in base.line:
        await asyncio.sleep(0.001)
    assert asyncio.get_running_loop().time() - begun < 0.5
    draining.cancel()
    await link.close()

"""B: where a line, a frame or a payload begins and ends."""

from __future__ import annotations

import asyncio

import pytest

from netsocket.errors import ConnectionReset
from netsocket.ports import PORTS

from .bench import BOTH, Injected, assemble, opened, virtual
from .talk import TOKENS, ready_made, receive, round_trip, within

EACH = pytest.mark.parametrize(("module", "firmware"), BOTH, ids=["esp8266", "bg96"])
MODES = pytest.mark.parametrize(
    ("module", "settings"),
    [("esp8266", {}), ("esp8266", {"receive": "push"}), ("bg96", {})],
    ids=["esp8266", "esp8266-push", "bg96"],
)
NAMES = {"one.test": "198.51.100.1", "two.test": "198.51.100.2"}


def hostile(shift: int) -> bytes:
    """Every token, each with another alignment to what a read or a frame may cut."""
    made = bytearray(b"#" * shift)
    for number, token in enumerate(TOKENS):
        made += token + b"." * ((number + shift) % 5)
    return bytes(made)


@pytest.mark.catches(
    "atdriver/framer.py",
    "            payload = self._buffer[start:end]\n",
    '            payload = self._buffer[start:end].partition(b"OK\\r\\n")[0]\n',
)
@MODES
@virtual
async def test_B01_payload_like_protocol(
    module: str, settings: dict[str, str], injected: Injected
) -> None:
    """A counted payload is never looked into, in either direction, at any alignment."""
    scenario = ready_made("B01")
    async with opened(module, scenario=scenario, **settings) as bench:
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        other = await bench.net.connect(("sink.test", 9), timeout=30)
        greeted = await bench.net.connect(("srv", 7), timeout=30)
        greeting = scenario.peers["srv:7"].greeting
        assert await receive(greeted, len(greeting)) == greeting
        talk, silent = bench.talks("echo.test:7")[0], bench.talks("sink.test:9")[0]
        sent = bytearray()
        for shift in range(6):
            text = hostile(shift)
            await sock.sendall(text)
            sent += text
            assert await receive(sock, len(text)) == text
            silent.say(text)
            assert await receive(other, len(text)) == text
            injected()
        await other.sendall(b"still here")
        await asyncio.sleep(1)
        assert bytes(talk.told) == bytes(sent)
        assert bytes(silent.told) == b"still here"
        assert bench.stack.epoch == 0
        for each in (sock, other, greeted):
            await each.close()


@pytest.mark.catches(
    "atdriver/framer.py",
    "        self._position = end\n        self._head = None\n",
    "        self._position = end\n        self._head = None\n        self._dropping = True\n",
)
@pytest.mark.parametrize("receive_mode", ["push", "pull"])
@virtual
async def test_B02_token_glued_to_payload(receive_mode: str, injected: Injected) -> None:
    """Behind the last counted byte a line begins, without any line end; nothing waits for one."""
    scenario = ready_made("B02") if receive_mode == "push" else None
    async with opened("esp8266", "E22", scenario=scenario, receive=receive_mode) as bench:
        socks = [await bench.net.connect(("sink.test", 9), timeout=30) for _ in range(5)]
        first, last = bench.talks("sink.test:9")[0], bench.talks("sink.test:9")[4]
        if receive_mode == "pull":
            bench.step(behind=r"\+CIPRECVDATA:.*", times=1, raw=b"4,CLOSED\r\n")
        bench.step(before=r"4,CLOSED\r\n", times=1, instead="")
        last.fin()  # its notice is the one that comes glued
        first.say(b'{"cur":70}}')
        assert await within(0.5, receive(socks[0], 11)) == b'{"cur":70}}'
        assert await within(0.5, socks[4].recv(1)) == b""
        first.say(b"more")
        assert await within(0.5, receive(socks[0], 4)) == b"more"
        injected.by(bench.fake)
        for sock in socks:
            await sock.close()


@pytest.mark.catches(
    "atdriver/framer.py", "        if self._position < len(self._buffer):\n", "        if False:\n"
)
@EACH
@virtual
async def test_B03_split_at_every_byte(module: str, firmware: str, injected: Injected) -> None:
    """However the bytes are cut into reads: the same answers, and the same commands written."""
    wires = {}
    for chunk in ("whole", "single", "random"):
        PORTS.seed(1)
        bench = assemble(module, firmware, names=NAMES)
        bench.fake.wire.outward.configure(chunk=chunk)
        async with bench.net:
            assert await bench.net.resolve("one.test") == [NAMES["one.test"]]
            sock = await bench.net.connect(("echo.test", 7), timeout=30)
            text = hostile(3)
            await sock.sendall(text)
            assert await receive(sock, len(text)) == text
            bench.talks("echo.test:7")[0].fin()
            assert await within(1, sock.recv(1)) == b""
            await sock.close()
        wires[chunk] = bench.wire.written
        longest = max(len(data) for _, way, data in bench.wire.lines if way == "<")
        injected(chunk == "single" and longest == 1)
    assert wires["single"] == wires["whole"] == wires["random"]


LENGTHS = {
    "esp8266": (r"\+CIPRECVDATA:(\d+),(.*)", "+CIPRECVDATA:{},"),
    "bg96": (r"\r\n\+QIRD: (\d+)\r\n(.*)", "\r\n+QIRD: {}\r\n"),
}
"""The literal that holds a counted answer, and its head."""


@pytest.mark.catches(
    "atdriver/engine.py",
    "if text in command.ok and trailer.ends(line.lead):",
    "if text in command.ok:",
)
@EACH
@virtual
async def test_B04_length_damaged(module: str, firmware: str, injected: Injected) -> None:
    """Pulled: whatever the length says, only the true bytes are handed out, or none."""
    async with opened(module, firmware) as bench:
        pattern, head = LENGTHS[module]
        said = b"0123456789ab"
        for lie in ("", "1", "2", "11", "13", "14", "16", "112", "1460", "99999"):
            sock = await bench.net.connect(("sink.test", 9), timeout=60)
            other = await bench.net.connect(("echo.test", 7), timeout=60)
            talk = bench.talks("sink.test:9")[-1]
            step = bench.step(before=pattern, times=1, instead=head.format(lie) + r"\g<2>")
            talk.say(said)
            with pytest.raises(ConnectionReset, match="received data was lost"):
                got = await within(60, sock.recv(100))
                assert not got, (lie, got)
            assert bench.fake.scenario.used[step] == 1
            injected()
            await other.sendall(b"other")
            assert await receive(other, 5) == b"other"  # nobody else is hurt
            await sock.close()
            await other.close()


@pytest.mark.catches(
    "modems/esp8266/notices.py", "if not event.behind and not head and", "if not head and"
)
@pytest.mark.catches(
    "modems/esp8266/notices.py",
    '"line broke off", "line held low"',
    '"line held low"',
)
@pytest.mark.catches(
    "modems/sockets.py",
    "        if self.broken is not None:\n            return False\n",
    "",
)
@virtual
async def test_B04_length_damaged_where_data_is_pushed(injected: Injected) -> None:
    """Pushed: what follows shows it, and the stream ends with an error, not with a hole."""
    async with opened("esp8266", "E24", receive="push") as bench:
        for lie, then in (("", ""), ("4", ""), ("4", "asks"), ("4", "ends"), ("9", ""), ("30", "")):
            sock = await bench.net.connect(("sink.test", 9), timeout=60)
            talk = bench.talks("sink.test:9")[-1]
            bench.step(before=r"(\r\n\+IPD,\d,)12:(.*)", times=1, instead=rf"\g<1>{lie}:\g<2>")
            talk.say(b"0123456789ab")
            if then == "ends":  # what was taken for a line ends as one
                bench.fake.raw(b"\r\n")
            await asyncio.sleep(5)
            if then == "asks":
                await bench.net.resolve("echo.test")
                bench.net.names.clear()
            talk.say(b"and the rest")
            got = bytearray()
            with pytest.raises(ConnectionReset):
                while True:
                    got += await within(30, sock.recv(100))
            assert b"0123456789aband the rest".startswith(bytes(got)), (lie, bytes(got))
            injected()
            await sock.close()
        await round_trip(bench)

"""D: what a module says of a send, and what its driver makes of it (V2)."""

from __future__ import annotations

import asyncio

import pytest

from fakes import Peer
from netsocket.errors import NetworkDown, SendUnknown

from .bench import BOTH, Injected, opened, virtual
from .ends import PROMPT, SEND, SENT, connected, now

three = pytest.mark.parametrize(("module", "firmware"), [*BOTH, ("esp8266", "N17")])


@pytest.mark.catches(
    "modems/esp8266/stack.py",
    "        if error.payload_written:\n            self._unknown(sock, str(error), size)\n",
    "",
)
@pytest.mark.catches("modems/bg96/stack.py", "taken = total - sock.sent\n", "taken = 0\n")
@three
@virtual
async def test_D04_send_fail_though_all_has_gone(
    module: str, firmware: str, injected: Injected
) -> None:
    """SEND FAIL says nothing about what went: an Espressif driver cannot know, a BG96 is asked."""
    async with opened(module, firmware) as bench:
        ends = await connected(bench)
        injected.by(bench.fake)
        await ends.send(300)
        bench.step(before=SENT, instead=r"\r\nSEND FAIL\r\n", times=1)
        if module == "bg96":
            await ends.send(700)
            await ends.send(100)
        else:
            await ends.send_in_doubt(700, within=5.0)
        await asyncio.sleep(5.0)
        assert ends.told() == ends.offered


@pytest.mark.catches(
    "modems/bg96/stack.py",
    "        if taken == 0:\n            self._later(sock)\n        return taken",
    "        return taken or size",
)
@virtual
async def test_D04_send_fail_of_a_full_buffer(injected: Injected) -> None:
    """The other SEND FAIL of a BG96: nothing was taken, and it goes again, later."""
    async with opened("bg96") as bench:
        ends = await connected(bench, "stall.test:3")
        sending = asyncio.create_task(ends.send(20_000))
        await asyncio.sleep(10)
        assert not sending.done()
        injected(bench.wire.heard.count(b"SEND FAIL"))
        ends.talk.resume()
        await sending
        await asyncio.sleep(1.0)
        assert ends.told() == 20_000


@pytest.mark.catches(
    "modems/esp8266/commands.py",
    'stray=(b"SEND OK", 0.3),  # AT 1.5: SEND FAIL, then SEND OK for the same block',
    "",
)
@three
@virtual
async def test_D05_send_fail_then_ok(module: str, firmware: str, injected: Injected) -> None:
    """Both for one send: the first decides, the second is nobody else's result (V3)."""
    async with opened(module, firmware) as bench:
        # NonOS says SEND OK when the peer has acknowledged: never, for the other connection.
        waits = "stall.test:3" if firmware == "N17" else "sink.test:9"
        ends, other = await connected(bench), await connected(bench, waits)
        injected.by(bench.fake)
        bench.step(before=SENT, instead=r"\r\nSEND FAIL\r\n", times=1)
        bench.step(behind=SENT, after=0.2, raw=b"\r\nSEND OK\r\n", times=1)
        one = asyncio.create_task(ends.send(100))
        await asyncio.sleep(0.001)
        two = asyncio.create_task(other.send(100))
        results = await asyncio.gather(one, two, return_exceptions=True)
        await asyncio.sleep(1.0)
        assert isinstance(results[0], SendUnknown) == (module == "esp8266")
        assert isinstance(results[1], SendUnknown) == (firmware == "N17")
        assert ends.told() == 100
        assert other.told() == (0 if firmware == "N17" else 100)


@pytest.mark.catches(
    "modems/transfer.py",
    'nobody knows what went out."""\n        self._unknown(sock, str(error), len(data))',
    'nobody knows what went out."""\n        return 0',
)
@pytest.mark.catches(
    "modems/bg96/stack.py",
    "            self._unknown(sock, why, size)\n        taken",
    "            return 0\n        taken",
)
@three
@virtual
async def test_D06_send_ok_missing(module: str, firmware: str, injected: Injected) -> None:
    """No result at all: a BG96's counters know; where they cannot be had, nobody does."""
    async with opened(module, firmware) as bench:
        ends, other = await connected(bench), await connected(bench)
        injected.by(bench.fake)
        await ends.send(300)
        bench.step(before=SENT, instead="", times=1 + (module == "bg96"))
        if module == "bg96":
            await ends.send(700)
            bench.step(on=r"AT\+QISEND=0,0", say=("ERROR",))
        await ends.send_in_doubt(700, within=200)
        await asyncio.sleep(120.0)
        assert ends.told() == ends.offered
        await other.send(100)
        await asyncio.sleep(1.0)
        assert other.told() == 100


@pytest.mark.catches(
    "atdriver/engine.py",
    'self.events.append(Unsolicited(match.lastgroup or "", text, self._doubtful))\n            if command',
    'if command is None:\n                self.events.append(Unsolicited(match.lastgroup or "", text, False))\n            if command',
)
@pytest.mark.parametrize(
    ("module", "firmware", "settings"),
    [(*BOTH[0], {}), (*BOTH[0], {"receive": "push"}), ("esp8266", "N17", {}), (*BOTH[1], {})],
    ids=["E24", "push", "N17", "bg96"],
)
@virtual
async def test_D07_answer_before_send_ok(
    module: str, firmware: str, settings: dict[str, str], injected: Injected
) -> None:
    """The peer is faster than the module's own result: delivered at once, and the send is over."""
    async with opened(module, firmware, **settings) as bench:
        ends = await connected(bench, "echo.test:7")
        ends.back = ends.out
        for _ in range(3):
            mark = len(bench.wire.heard)
            if module == "bg96":  # its notices wait for the result, unless it is held back
                bench.step(before=SENT, until=r'.*"recv".*', times=1)
            await ends.send(500)
            ends.said += 500
            await ends.hear(500, within=0.5)
            heard = bench.wire.heard[mark:]
            notice = b"+IPD,0," if module == "esp8266" else b'+QIURC: "recv",0'
            injected(heard.index(notice) < heard.rindex(b"\r\nSEND OK\r\n"))
        assert ends.told() == 1500


@pytest.mark.catches("modems/esp8266/commands.py", "cut=_closed(link),\n    )", ")")
@pytest.mark.parametrize(
    ("place", "silent"),
    [(PROMPT, False), (PROMPT, True), (r"\r\nRecv \d+ bytes\r\n", False), (SENT, False)],
    ids=["prompt", "silence", "taken", "result"],
)
@three
@virtual
async def test_D08_close_during_the_send(
    module: str, firmware: str, place: str, silent: bool, injected: Injected
) -> None:
    """The peer resets at each step of a send: it ends soon, with an error, whatever else comes."""
    if module == "bg96" and "Recv" in place:
        place = PROMPT
    async with opened(module, firmware) as bench:
        ends, other = await connected(bench), await connected(bench)
        injected.by(bench.fake)
        bench.step(**{"before" if place == SENT else "behind": place}, times=1,
                   do=(("peer", {"at": "sink.test:9", "does": "reset"}),))  # fmt: skip
        if silent:
            bench.step(before=r"\r\n(SEND FAIL|ERROR|\+CME ERROR: \d+)\r\n", instead="", times=1)
        begun = now()
        try:
            await ends.send(700)
        except ConnectionError as error:
            assert ends.told() <= getattr(error, "accepted", 0) + getattr(error, "unknown", 0)
        assert now() - begun < 10
        ends.told()
        with pytest.raises(ConnectionError):
            for _ in range(3):
                await asyncio.sleep(0.5)
                await ends.sock.send(b"more")
        begun = now()
        await ends.sock.close()
        await other.sock.close()
        assert now() - begun < 5
        fresh = await connected(bench)
        await fresh.send(10)
        await asyncio.sleep(0.5)
        assert fresh.told() == 10


@pytest.mark.catches(
    "modems/transfer.py",
    "            return await self._after_silent_send(sock, error, data)",
    "            return await self._transmit(sock, data, address)",
)
@three
@virtual
async def test_D09_automatic_retry_duplicates(
    module: str, firmware: str, injected: Injected
) -> None:
    """The send was slow and its result comes after the deadline: nothing goes a second time."""
    async with opened(module, firmware) as bench:
        ends, other = await connected(bench), await connected(bench)
        injected.by(bench.fake)
        bench.step(before=SENT, instead="", times=1)
        bench.step(behind=SENT, after=125.0, raw=b"\r\nSEND OK\r\n", times=1)
        if module == "bg96":
            await ends.send(700)
        else:
            await ends.send_in_doubt(700, within=60)
        for _ in range(40):  # the late result falls among other sends, and ends none of them
            begun = now()
            await other.send(100)
            assert now() - begun < 15
            await asyncio.sleep(4.0)
        assert ends.told() == ends.offered
        assert other.told() == 4000


@pytest.mark.catches("modems/bg96/stack.py", "await self._flush(sock, FLUSH_PATIENCE)\n", "pass\n")
@virtual
async def test_D10_send_ok_is_not_delivery(injected: Injected) -> None:
    """SEND OK counts as accepted, not as delivered: a BG96 is asked for what the peer has
    acknowledged before its socket is closed, and a peer that never does holds nobody."""
    peers = {"slow.test:1": Peer("discard", rate=1000), "stall.test:3": Peer("stall")}
    async with opened("bg96", peers=peers) as bench:
        slow, stall = await connected(bench, "slow.test:1"), await connected(bench, "stall.test:3")
        for ends in (slow, stall):
            await ends.send(3500)
            injected(ends.told() < ends.offered)
            begun = now()
            await ends.sock.close()
            assert now() - begun < 10.0
        assert slow.told() == 3500


@pytest.mark.catches("modems/bg96/commands.py", "PROMPT = 60.0", "PROMPT = 5.0")
@pytest.mark.parametrize("late", ["prompt", "ok"])
@virtual
async def test_D16_lost_signal_during_a_send_blocks_the_port(late: str, injected: Injected) -> None:
    """Half a minute of nothing, then the prompt, or an OK in its place: it is sent once."""
    async with opened("bg96") as bench:
        ends, other = await connected(bench), await connected(bench)
        injected.by(bench.fake)
        if late == "prompt":
            bench.step(on=SEND, times=1, after=25.0, passes=True)
        else:
            bench.step(on=SEND, times=1, after=25.0, say=("OK",))
        begun = now()
        await ends.send(700)  # its bytes could be taken for commands: see D01
        assert now() - begun < 100
        await other.send(700)
        await asyncio.sleep(1.0)
        assert (ends.told(), other.told()) == (700, 700)


@pytest.mark.catches(
    "modems/table.py",
    "    def _lost(self, error: OSError) -> None:\n        for sock in list(self._sockets.values()):\n",
    "    def _lost(self, error: OSError) -> None:\n        for sock in list(self._sockets.values())[1:]:\n",
)
@virtual
async def test_D16_cell_lost_between_prompt_and_result(injected: Injected) -> None:
    """The context goes with the cell: the send ends soon, and says what it knows."""
    async with opened("bg96") as bench:
        ends = await connected(bench)
        injected.by(bench.fake)
        bench.step(behind=PROMPT, times=1, do=(("event", "cell_lost"),))
        begun = now()
        with pytest.raises((ConnectionError, NetworkDown)) as caught:
            await ends.send(700)
        assert now() - begun < 60
        left = getattr(caught.value, "accepted", 0) + getattr(caught.value, "unknown", 0)
        assert ends.told() <= left
        assert await ends.end() is not None

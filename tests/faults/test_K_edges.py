"""K: the edges of the API, and those who use it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import pytest

from fakes import Peer
from netsocket.adapters.pool import Pool, PoolBusy
from netsocket.stack import InterfaceStatus

from .bench import BOTH, PEERS, Bench, Injected, assemble, opened, virtual
from .service import ending, exchange, works

MODULES = [module for module, _ in BOTH]
SOCKETS = {"esp8266": 5, "bg96": 12}
LONGEST = {"esp8266": 64, "bg96": 253}


def name(length: int) -> str:
    """A host name of so many bytes, in labels of 49."""
    return ".".join(["a" * 49] * 6)[: length - 5] + ".test"


@pytest.mark.catches(
    "modems/esp8266/stack.py",
    'ENCODER.text(name, "a host name", 64, 1), 3',
    'ENCODER.text(name[:64], "a host name", 64, 1), 3',
)
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_K01_host_name_too_long(module: str, injected: Injected) -> None:
    """The longest that the module takes is resolved, and connected by address; a longer one is an
    error before anything is written."""
    longest = LONGEST[module]
    fitting, longer = name(longest), name(longest + 1)
    truncated = longer[:longest]
    places = {**PEERS, f"{fitting}:7": Peer("echo"), f"{truncated}:7": Peer("echo")}
    async with opened(module, peers=places) as bench:
        sock = await bench.net.connect((fitting, 7), timeout=30)
        await exchange(sock, b"x")
        before = bench.wire.written
        assert b'"TCP","' + fitting.encode() not in before
        for call in (bench.net.resolve(longer), bench.net.connect((longer, 7), timeout=30)):
            with pytest.raises((OSError, ValueError), match=str(longest + 1)):
                await call
            injected()
        assert longer[:20].encode() not in bench.wire.written[len(before) :]


@pytest.mark.catches(
    "modems/table.py",
    "            if sock.closing:\n                await self._release(sock, abort=True)",
    "            if sock.closing:\n                pass",
)
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_K02_client_leaves_during_a_connect(module: str, injected: Injected) -> None:
    """The connect takes longer than the client waits: the late link is closed, and no id of the
    module is lost."""
    places = {**PEERS, "slow.test:7": Peer("echo", delay=9.0)}
    async with opened(module, peers=places) as bench:
        for _ in range(2):
            attempts = [
                asyncio.create_task(bench.net.connect(("slow.test", 7), timeout=60))
                for _ in range(SOCKETS[module])
            ]
            await asyncio.sleep(5)
            for attempt in attempts:
                attempt.cancel()
            injected(sum(map(asyncio.isfuture, attempts)))
            await asyncio.gather(*attempts, return_exceptions=True)
        async with asyncio.timeout(400):
            while True:
                with contextlib.suppress(OSError):
                    socks = [
                        await bench.net.connect(("echo.test", 7)) for _ in range(SOCKETS[module])
                    ]
                    break
                await asyncio.sleep(5)
        for number, sock in enumerate(socks):
            await exchange(sock, b"%d" % number)
        assert not bench.talks("slow.test:7")


@pytest.mark.catches(
    "netsocket/adapters/pool.py", "timeout=max(0.0, deadline - loop.time())", "timeout=None"
)
@pytest.mark.catches("netsocket/adapters/pool.py", "self._queue.pop(0)", "self._queue.pop()")
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_K03_more_clients_than_sockets(module: str, injected: Injected) -> None:
    """Sixty-four at once: in the order in which they came, each with its own bytes; who would wait
    too long is told in time; no close waits behind a client in the queue."""
    async with opened(module) as bench:
        loop = asyncio.get_running_loop()
        pool = Pool.of(bench.net)
        served: list[int] = []

        async def client(number: int, patience: float) -> None:
            async with await pool.lease(timeout=patience) as lease:
                served.append(number)
                await lease.connect(("echo.test", 7), timeout=60)
                await exchange(lease.socket, b"client %d" % number, 120)

        async with asyncio.timeout(600):
            await asyncio.gather(*(client(number, 600.0) for number in range(64)))
        assert served == list(range(64))

        held = [await pool.lease(timeout=10) for _ in range(SOCKETS[module])]
        begun = loop.time()
        refused = await asyncio.gather(*(client(number, 3.0) for number in range(64)),
                                       return_exceptions=True)  # fmt: skip
        assert all(isinstance(each, PoolBusy) for each in refused)
        injected(len(refused))
        assert loop.time() - begun < 4
        waiting = asyncio.create_task(client(99, 60.0))
        for lease in held:
            await lease.release()
        async with asyncio.timeout(30):
            await waiting
        await pool.close()


@pytest.mark.catches(
    "netsocket/adapters/streams.py",
    "bytes(self._buffer[: self._socket.frame])",
    "bytes(self._buffer[:1])",
)
@pytest.mark.catches(
    "netsocket/adapters/streams.py",
    "                await self._writable.wait()\n",
    "                await self._writable.wait()\n                await asyncio.sleep(1)\n",
)
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_K04_tiny_writes(module: str, injected: Injected) -> None:
    """Byte by byte: few commands, in order; a lone byte is not kept back."""
    data = bytes(range(256)) * 4
    async with opened(module) as bench:
        loop = asyncio.get_running_loop()
        reader, writer = await bench.net.open_connection("echo.test", 7, timeout=30)
        for number in range(len(data)):
            writer.write(data[number : number + 1])
            injected()
            if number % 100 == 99:
                await writer.drain()
                await asyncio.sleep(0.001)
        async with asyncio.timeout(60):
            assert await reader.readexactly(len(data)) == data
        commands = bench.wire.written.count(b"SEND=")
        assert commands < 64
        await asyncio.sleep(3)
        begun = loop.time()
        writer.write(b"!")
        async with asyncio.timeout(10):
            assert await reader.readexactly(1) == b"!"
        assert loop.time() - begun < 0.5
        writer.close()


class Clumsy(asyncio.Protocol):
    """An application's protocol with a bug."""

    def __init__(self, injected: Injected) -> None:
        self.injected = injected
        self.ended: list[Exception | None] = []

    def data_received(self, data: bytes) -> None:
        self.injected()
        raise ZeroDivisionError("a bug of the application")

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.append(error)


@pytest.mark.catches(
    "netsocket/interface_life.py",
    "                callback(status)\n            except Exception:",
    "                callback(status)\n            except ArithmeticError:",
)
@pytest.mark.catches(
    "netsocket/adapters/streams.py",
    '        except Exception as error:\n            self._report(error, "protocol failed while receiving")',
    '        except BaseExceptionGroup as error:\n            self._report(error, "protocol failed while receiving")',
)
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_K05_a_callback_raises(
    module: str, caplog: pytest.LogCaptureFixture, injected: Injected
) -> None:
    """Of the status, of a name, of a protocol: contained and told once; everybody else goes on."""
    told: list[dict[str, Any]] = []
    async with opened(module, names={"one.test": "198.51.100.1"}) as bench:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        seen: list[InterfaceStatus] = []

        def fails(*_: object) -> None:
            injected()
            raise LookupError("a bug of the application")

        bench.net.on_status(fails)
        bench.net.on_status(seen.append)
        other = await bench.net.connect(("echo.test", 7), timeout=30)
        transport, clumsy = await bench.net.create_connection(
            lambda: Clumsy(injected), "echo.test", 7, timeout=30
        )
        bench.net.resolve_async("one.test", fails)
        transport.write(b"x")
        await asyncio.sleep(5)
        assert [type(each) for each in clumsy.ended] == [ZeroDivisionError]
        assert sorted(type(each["exception"]).__name__ for each in told) == [
            "LookupError",
            "ZeroDivisionError",
        ]
        await exchange(other, b"goes on")
        bench.fake.restart()
        assert await ending(other.recv(1))
        await works(bench)
        assert seen == [InterfaceStatus.CONNECTING, InterfaceStatus.GLOBAL_UP]
    assert sum("status callback" in record.getMessage() for record in caplog.records) == 3


@pytest.mark.catches(
    "atdriver/channel.py",
    '        except Exception:\n            log.exception("%s: listener',
    '        except ArithmeticError:\n            log.exception("%s: listener',
)
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_K05_the_reader_lives(
    module: str, caplog: pytest.LogCaptureFixture, injected: Injected
) -> None:
    """Even a bug of a driver's listener: the bytes behind the one that it choked on are read."""
    async with opened(module) as bench:
        listener = bench.channel.listener
        assert listener is not None

        def chokes(event: Any) -> None:
            if injected.count < 1:
                injected()
                raise LookupError("a bug of a driver")
            listener(event)

        bench.channel.listener = chokes
        with caplog.at_level(logging.ERROR):
            await works(bench)
        assert sum("listener failed" in record.getMessage() for record in caplog.records) == 1


async def _use(bench: Bench, outcomes: list[object]) -> None:
    """Everything at once, for ever; each call's outcome is kept."""
    await bench.net.up()

    async def talk() -> None:
        while True:
            sock = await bench.net.connect(("echo.test", 7), timeout=30)
            await exchange(sock, bytes(3000), 60)
            await sock.close()

    async def ask() -> None:
        while True:
            await bench.net.resolve("one.test")
            bench.net.names.clear()
            await asyncio.sleep(0.1)

    async def wait() -> None:
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        await sock.recv(1)

    outcomes += await asyncio.gather(talk(), talk(), ask(), wait(), return_exceptions=True)


@pytest.mark.catches("netsocket/interface_life.py", "{ending}, timeout=FLUSH_LIMIT", "{ending}")
@pytest.mark.parametrize("closed", [False, True], ids=["", "closed"])
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_K06_close_with_a_stream_that_cannot_send(
    module: str, closed: bool, injected: Injected
) -> None:
    """Its bytes have 5 s, then the interface ends as without it."""
    async with opened(module) as bench:
        _, writer = await bench.net.open_connection("echo.test", 7, timeout=30)
        bench.fake.be_deaf(10_000)
        injected()
        writer.write(bytes(5000))
        if closed:
            writer.close()
        await asyncio.sleep(0.5)
        begun = asyncio.get_running_loop().time()
        await bench.net.close()
        assert asyncio.get_running_loop().time() - begun <= 15
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


MOMENTS = [0.05, 0.15, 0.25, 0.35, 1.0, 2.5, 3.305, 3.32, 3.335, 3.35, 3.4, 3.5, 4.0, 5.5]


@pytest.mark.catches(
    "modems/module.py",
    "async with asyncio.timeout(RESTORE_LIMIT):",
    "async with asyncio.timeout(5000.0):",
)
@pytest.mark.catches("modems/module.py", "self._tasks, timeout=UNWIND_LIMIT)", "self._tasks)")
@pytest.mark.catches("netsocket/table.py", "socket.break_off(error)", "pass")
@pytest.mark.parametrize("deaf", [False, True], ids=["", "deaf"])
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_K06_close_at_any_moment(module: str, deaf: bool, injected: Injected) -> None:
    """In the bring-up, in a connect, in a transfer: close ends in time, every waiting call with an
    error, nothing is left running; a module that listens is left in command mode, without sockets."""
    loop = asyncio.get_running_loop()
    for moment in MOMENTS:
        outcomes: list[object] = []
        bench = assemble(module, names={"one.test": "198.51.100.1"})
        fake = bench.fake

        left: list[object] = []
        stop = fake.stop

        async def stopped() -> None:
            """The port is given back: what does the module say to the next program?"""
            fake.stop = stop  # type: ignore[method-assign]
            said: list[bytes] = []
            fake._deliver = said.append
            await asyncio.sleep(3)
            fake.receive(b"AT" + fake.terminator)
            await asyncio.sleep(1)
            left.append(b"OK" in b"".join(said))
            left.extend(fake.world.peers.talking())
            await stop()

        fake.stop = stopped  # type: ignore[method-assign]
        before = asyncio.all_tasks()
        living = asyncio.create_task(_use(bench, outcomes))
        await asyncio.sleep(moment)
        if deaf:
            fake.be_deaf(10_000)
        await asyncio.sleep(0.01)
        begun = loop.time()
        injected()
        async with asyncio.timeout(100):
            await bench.net.close()
            with contextlib.suppress(OSError):
                await living
        took = loop.time() - begun - 4.0  # what `stopped` waits
        assert took <= (10 if deaf else 6), moment
        assert all(isinstance(each, OSError) for each in outcomes), (moment, outcomes)
        assert deaf or left == [True], moment
        await bench.net.close()
        await asyncio.sleep(0.1)
        assert not [task for task in asyncio.all_tasks() - before if "netsocket" in repr(task)]
        await fake.stop()

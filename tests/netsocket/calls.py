"""One blocking call on one stack in one situation, and what became of it.

Everything is the program's view: `NetworkInterface`, `TCPSocket` … from plain threads. A cell has a
module (simulated, in this process) to itself; one that it leaves restarted or busy is not used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from netsocket import HostStack, NetworkInterface, NotSupported
from netsocket.capability.model import CapabilityTable
from netsocket.interface import AsyncNetworkInterface
from netsocket.portal import Portal
from tests.drivers.rig import Rig, assemble
from tests.ports import free_port

from .certificates import serving, trusting

HERE = "127.0.0.1"
SOON = 0.1
"""Seconds after which a call that can go on has gone on, and one that cannot is waiting."""
TIMEOUT = 0.05
"""The time-out of the column of that name, where it is to run out."""
BOUND = 5.0
"""Seconds within which every call must have ended after what ends it; much more than needed."""
FRAME = bytes(1460)
"""As much as every stack here takes at once, if it takes anything."""
AT_ONCE = 24
"""Cells in work at the same time."""

MODES = ("blocking", "timeout", "non-blocking")
SITUATIONS = ("ready", "not ready", "closed by us", "peer closed", "module reset", "interface down")
STACKS = {"host": None, "E24": "esp8266", "N17": "esp8266", "bg96": "bg96"}


class Cell(NamedTuple):
    """Where in the table."""

    call: str
    mode: str
    situation: str


@dataclass(frozen=True)
class Outcome:
    """A value or an error, and after how many seconds; a call that was still waiting has neither."""

    value: Any = None
    error: BaseException | None = None
    seconds: float = 0.0
    waits: bool = False

    def result(self) -> Any:
        """The value, or the error raised."""
        if self.error is not None:
            raise self.error
        return "still waiting" if self.waits else self.value

    def __str__(self) -> str:
        if self.waits:
            return "still waiting"
        if self.error is None:
            return f"{self.value!r} after {self.seconds:.3f} s"
        number, code = getattr(self.error, "errno", None), getattr(self.error, "nsapi", None)
        return f"{self.error!r} (errno {number}, {code!r}) after {self.seconds:.3f} s"


class Bench:
    """One interface that is up, and the far ends that its cell needs."""

    def __init__(self, stack: str, portal: Portal) -> None:
        self.portal = portal
        module = STACKS[stack]
        self.rig: Rig | None = None
        if module is None:
            self.interface = AsyncNetworkInterface(HostStack())
        else:
            self.rig = assemble(module, stack)
            self.interface = self.rig.net
        self.net = NetworkInterface.of(self.interface, portal)
        self.closing: list[Any] = []

    def reset(self) -> None:
        """The module restarts by itself."""
        assert self.rig is not None
        fake = self.rig.fake

        async def restart() -> None:
            fake.time_scale = 0.0
            fake.restart()

        self.portal.run(restart())

    def keep(self, end: Any) -> Any:
        """Close it behind the cell."""
        self.closing.append(end)
        return end

    def far_listener(self) -> socket.socket:
        """A listening socket of the operating system, with little room for what is not read."""
        listener: socket.socket = self.keep(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # With loopback's giant segments the window of a full peer would open again for each probe.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1460)
        listener.bind((HERE, 0))
        listener.listen()
        listener.settimeout(5)
        return listener

    def silent(self) -> tuple[str, int]:
        """An address that never answers: a listener whose queue is full (Linux drops SYNs)."""
        listener = self.keep(socket.socket())
        listener.bind((HERE, 0))
        listener.listen(0)
        for _ in range(3):
            filler = self.keep(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        return HERE, listener.getsockname()[1]

    def clean(self, *, reset: bool) -> None:
        """Close what `keep` has, the last first; `reset` ends what the module has under way."""
        if reset and self.rig is not None:
            self.reset()
        ends, self.closing = self.closing, []
        for end in reversed(ends):
            with contextlib.suppress(OSError):
                end.close()


class Case:
    """One call: how each situation is brought about, and what is done then."""

    sock: Any = None
    waits = True
    """Whether the call waits where it cannot go on."""

    def __init__(self, bench: Bench, situation: str) -> None:
        self.bench = bench
        self.situation = situation

    def call(self) -> Any:
        """The call itself; what it returns is the cell's value."""
        raise NotImplementedError

    def ready(self) -> None:
        """Let the call be able to go on."""

    def close(self) -> None:
        """From another thread: our own end goes."""
        self.sock.close()

    def leave(self) -> None:
        """The peer ends the connection."""


class OnStream(Case):
    """A connected stream and its peer."""

    def __init__(self, bench: Bench, situation: str) -> None:
        super().__init__(bench, situation)
        listener = bench.far_listener()
        self.sock = bench.keep(bench.net.tcp_socket())
        self.sock.settimeout(5)
        small_buffer(self.sock)
        self.sock.connect(listener.getsockname())
        self.peer = bench.keep(listener.accept()[0])

    def ready(self) -> None:
        self.peer.sendall(b"x")

    def leave(self) -> None:
        self.peer.close()


class Recv(OnStream):
    def call(self) -> Any:
        return self.sock.recv(10)


class RecvInto(OnStream):
    def call(self) -> Any:
        return self.sock.recv_into(bytearray(10))


class Send(OnStream):
    """In every situation but "ready" the peer does not read, and all room is used up."""

    def __init__(self, bench: Bench, situation: str) -> None:
        super().__init__(bench, situation)
        if situation != "ready":
            fill(self.sock)

    def ready(self) -> None:
        pass

    def call(self) -> Any:
        return self.sock.send(b"x" if self.situation == "ready" else FRAME)


class SendAll(Send):
    def call(self) -> Any:
        return self.sock.sendall(b"x" if self.situation == "ready" else FRAME)


class OnTls(Case):
    """A TLS stream and its peer, an ssl.SSLSocket."""

    def __init__(self, bench: Bench, situation: str) -> None:
        super().__init__(bench, situation)
        listener = bench.far_listener()

        def serve() -> ssl.SSLSocket:
            return serving().wrap_socket(listener.accept()[0], server_side=True)

        with ThreadPoolExecutor(1) as far:
            made = far.submit(serve)
            self.sock = bench.keep(bench.net.tls_socket(trusting(), server_hostname="localhost"))
            self.sock.settimeout(5)
            small_buffer(self.sock)
            self.sock.connect(listener.getsockname())
            self.peer = bench.keep(made.result(5))
        self.peer.sendall(b"-")  # behind the session tickets, which are read with it
        assert self.sock.recv(1) == b"-"

    def ready(self) -> None:
        self.peer.sendall(b"x")

    def leave(self) -> None:
        self.peer.setblocking(False)
        with contextlib.suppress(ssl.SSLError, OSError):
            self.peer.unwrap()  # says close_notify, and does not wait for ours
        self.peer.close()


class TlsRecv(OnTls):
    def call(self) -> Any:
        return self.sock.recv(10)


class TlsSend(OnTls):
    def __init__(self, bench: Bench, situation: str) -> None:
        super().__init__(bench, situation)
        if situation != "ready":
            fill(self.sock)

    def ready(self) -> None:
        pass

    def leave(self) -> None:
        self.peer.close()  # at once: to say close_notify it would read, and make room

    def call(self) -> Any:
        return self.sock.send(b"x" if self.situation == "ready" else FRAME)


def small_buffer(sock: Any) -> None:
    """The operating system has room for megabytes."""
    with contextlib.suppress(NotSupported):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


def fill(sock: Any) -> None:
    """Send whole frames until none goes any more, for a while."""
    sock.settimeout(0.05)
    quiet = 0
    while quiet < 8:
        try:
            sock.send(FRAME)
            quiet = 0
        except TimeoutError:
            quiet += 1


class RecvFrom(Case):
    def __init__(self, bench: Bench, situation: str) -> None:
        super().__init__(bench, situation)
        self.peer = bench.keep(socket.socket(type=socket.SOCK_DGRAM))
        self.peer.bind((HERE, 0))
        self.peer.settimeout(5)
        self.sock = bench.keep(bench.net.udp_socket())
        self.sock.settimeout(5)
        self.sock.sendto(b"hello", self.peer.getsockname())
        _, self.address = self.peer.recvfrom(100)

    def ready(self) -> None:
        self.peer.sendto(b"x", self.address)

    def leave(self) -> None:
        self.peer.close()

    def call(self) -> Any:
        data, sender = self.sock.recvfrom(10)
        assert sender == self.peer.getsockname()
        return data


class SendTo(RecvFrom):
    waits = False

    def __init__(self, bench: Bench, situation: str) -> None:
        super().__init__(bench, situation)
        self.target = self.peer.getsockname()

    def call(self) -> Any:
        return self.sock.sendto(b"x", self.target)


class Connect(Case):
    """A non-blocking connect is asked again until it is no longer under way."""

    def __init__(self, bench: Bench, situation: str) -> None:
        super().__init__(bench, situation)
        self.sock = bench.keep(bench.net.tcp_socket())
        if situation == "ready":
            self.target = bench.far_listener().getsockname()
        elif situation == "peer closed":
            self.target = (HERE, free_port())
        else:
            self.target = bench.silent()

    def begin(self) -> None:
        """Non-blocking: the first call, which must say that it is under way."""
        try:
            self.sock.connect(self.target)
        except BlockingIOError as error:
            assert error.nsapi.name == "IN_PROGRESS", error  # type: ignore[attr-defined]
        else:
            raise AssertionError("a non-blocking connect was done at once")

    def call(self) -> Any:
        return self.sock.connect(self.target)


class Accept(Case):
    """The value is what the accepted connection gives."""

    def __init__(self, bench: Bench, situation: str) -> None:
        super().__init__(bench, situation)
        self.sock = bench.keep(bench.net.tcp_socket())
        self.port = free_port()
        self.sock.bind(("", self.port))
        self.sock.listen(2)

    def ready(self) -> None:
        self.bench.keep(socket.create_connection((HERE, self.port), 5)).sendall(b"x")

    def leave(self) -> None:
        """Who connects does not stay."""
        socket.create_connection((HERE, self.port), 5).close()

    def call(self) -> Any:
        accepted, _peer = self.sock.accept()
        with accepted:
            accepted.settimeout(5)
            return accepted.recv(10)


class Close(OnStream):
    """In "not ready" another thread waits in recv, and what becomes of that is the value."""

    waits = False

    def __init__(self, bench: Bench, situation: str) -> None:
        super().__init__(bench, situation)
        self.reader: Caller | None = None
        if situation == "not ready":
            self.sock.settimeout(None)
            self.reader = Caller(lambda: self.sock.recv(10))
            receiving = self.sock._async._receiving  # the time-out is changed once it waits
            limit = time.monotonic() + 10
            while not receiving.turn.locked() and time.monotonic() < limit:
                time.sleep(0.001)
            time.sleep(SOON)

    def call(self) -> Any:
        value = self.end()
        return value if self.reader is None else self.reader.within(10 * SOON).result()

    def end(self) -> Any:
        return self.sock.close()


class Shutdown(Close):
    def end(self) -> Any:
        return self.sock.shutdown(socket.SHUT_RDWR)


class HalfClose(Close):
    def end(self) -> Any:
        return self.sock.shutdown(socket.SHUT_WR)


class Names(Case):
    """A question for a name has no time-out of its own: the module's is the limit."""

    def __init__(self, bench: Bench, situation: str) -> None:
        super().__init__(bench, situation)
        known = "localhost" if bench.rig is None else "srv"
        self.name = "nowhere.example" if situation == "peer closed" else known
        if situation in ("ready", "peer closed"):
            if bench.rig is None:
                self.answer_unknown()
            return
        if bench.rig is not None:
            bench.rig.fake.time_scale = 1000.0  # the name server takes its time
        else:
            stack = bench.interface.stack

            async def silence(name: str, family: int = 0) -> list[str]:
                del name, family
                await asyncio.Event().wait()
                return []

            stack.resolve = silence  # type: ignore[method-assign]

    def answer_unknown(self) -> None:
        """Names under .example are unknown everywhere (RFC 2606); nobody is asked."""
        stack = self.bench.interface.stack
        own = stack.resolve

        async def resolve(name: str, family: int = 0) -> Any:
            return await own(name + "\0" if name.endswith(".example") else name, family)

        stack.resolve = resolve  # type: ignore[method-assign]

    def call(self) -> Any:
        return self.bench.net.gethostbyname(self.name)

    def close(self) -> None:
        self.bench.net.close()


CASES: dict[str, type[Case]] = {
    "connect": Connect,
    "accept": Accept,
    "send": Send,
    "sendall": SendAll,
    "recv": Recv,
    "recv_into": RecvInto,
    "sendto": SendTo,
    "recvfrom": RecvFrom,
    "shutdown": Shutdown,
    "shutdown(SHUT_WR)": HalfClose,
    "close": Close,
    "tls.send": TlsSend,
    "tls.recv": TlsRecv,
    "gethostbyname": Names,
}


class Caller:
    """The call in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.outcome: Outcome | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._begun = time.monotonic()
        self._thread.start()

    def _run(self) -> None:
        try:
            value, error = self._call(), None
        except BaseException as raised:
            value, error = None, raised.with_traceback(None)
        self.outcome = Outcome(value, error, time.monotonic() - self._begun)

    def within(self, seconds: float) -> Outcome:
        """Its end, or that it still waits."""
        self._thread.join(seconds)
        return self.outcome or Outcome(waits=True)


def run(bench: Bench, cell: Cell) -> Outcome:
    """Bring the situation about and make the call.

    A call that waits is under way when the event comes; one that does not wait comes after it.
    """
    case = CASES[cell.call](bench, cell.situation)
    event: Callable[[], object] = {
        "ready": case.ready,
        "not ready": lambda: None,
        "closed by us": case.close,
        "peer closed": case.leave,
        "module reset": bench.reset,
        "interface down": bench.net.down,
    }[cell.situation]
    nothing_comes = cell.situation == "not ready" or cell[::2] == ("recvfrom", "peer closed")
    if case.sock is not None:
        limit = TIMEOUT if nothing_comes else 5.0
        case.sock.settimeout({"blocking": None, "timeout": limit, "non-blocking": 0.0}[cell.mode])
    if isinstance(case, Connect) and cell.mode == "non-blocking":
        case.begin()
        time.sleep(SOON)
    if case.waits and cell.mode != "non-blocking" and cell.situation != "ready":
        caller = Caller(case.call)
        time.sleep(SOON)
        Caller(event)
        return caller.within(2 * SOON if nothing_comes and cell.mode == "blocking" else BOUND)
    Caller(event).within(BOUND).result()  # a close may have to wait for the module's port
    patience = 0.0 if nothing_comes else BOUND / 2
    return Caller(lambda: persistent(case, cell, patience)).within(BOUND)


def persistent(case: Case, cell: Cell, patience: float) -> Any:
    """The call, again as long as it would block or (a send) still finds room: news takes time."""
    end = time.monotonic() + patience
    while True:
        try:
            value = case.call()
            if not (cell.situation == "peer closed" and cell.call in SENDS):
                return value
        except BlockingIOError:
            if time.monotonic() > end:
                raise
        time.sleep(0.002)


SENDS = ("send", "sendall", "tls.send")


def run_all(stack: str, cells: Iterable[Cell]) -> Iterator[tuple[Cell, Outcome | BaseException]]:
    """Every cell on a module of its own, several at a time."""
    wanted = list(cells)
    portal = Portal(f"calls {stack}")
    fresh = [Bench(stack, portal) for cell in wanted if spoils(cell)]
    common = [Bench(stack, portal) for _ in range(AT_ONCE)]
    benches = fresh + common

    async def all_up() -> None:
        await asyncio.gather(*(bench.interface.up() for bench in benches))

    async def all_closed() -> None:
        await asyncio.gather(*(bench.interface.close() for bench in benches))

    def one(cell: Cell) -> Outcome | BaseException:
        bench = (fresh if spoils(cell) else common).pop()
        try:
            return run(bench, cell)
        except BaseException as error:
            return error
        finally:
            bench.clean(reset=spoils(cell))
            if not spoils(cell):
                common.append(bench)

    try:
        portal.run(all_up())
        with ThreadPoolExecutor(AT_ONCE) as workers:
            yield from zip(wanted, workers.map(one, wanted), strict=True)
    finally:
        portal.run(all_closed())
        portal.stop()


def spoils(cell: Cell) -> bool:
    """Whether the module cannot be used again soon: it restarted, or is kept busy."""
    busy = cell.call in ("connect", *SENDS) and cell.situation != "ready"
    return (
        busy or cell.call == "gethostbyname" or cell.situation in ("module reset", "interface down")
    )


def claims(stack: str) -> CapabilityTable:
    """What the stack says of itself."""
    portal = Portal("claims")
    try:
        bench = Bench(stack, portal)
        bench.net.up()
        table = bench.net.capabilities
        bench.net.close()
        return table
    finally:
        portal.stop()

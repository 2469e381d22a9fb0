"""Datagrams: boundaries, peers, ports."""

from __future__ import annotations

import asyncio
import contextlib
import select

from netsocket.capability.farend import FarEnd
from netsocket.capability.farend_services import BURST, until
from netsocket.capability.probes.tools import LIMIT, SIZES, pattern, raises, stopwatch
from netsocket.capability.verdict import Broken, Outcome, Verdict, check, partial, passed, probe
from netsocket.datagram import AsyncUDPSocket
from netsocket.errors import AddressInUse
from netsocket.interface import AsyncNetworkInterface

TRIES = 3
"""Attempts per datagram; the plan allows 30 % loss and at most 3 tries."""


async def exchange(
    sock: AsyncUDPSocket, data: bytes, address: tuple[str, int] | None
) -> tuple[bytes, tuple[str, int]]:
    """Send until an answer comes; 2 s per attempt (defect 7: each datagram has its own limit)."""
    sock.settimeout(2.0)
    for _ in range(TRIES):
        if address is None:
            await sock.send(data)
        else:
            await sock.sendto(data, address)
        try:
            answer, sender = await sock.recvfrom(4096)
        except TimeoutError:
            continue
        return answer, (sender.host, sender.port)
    raise TimeoutError(f"no answer to {len(data)} bytes in {TRIES} attempts")


@probe("UDPSOCKET_ECHOTEST", "udp.echo")
async def echo_sizes(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The 22 sizes with sendto and recvfrom; address and port of the answer."""
    target = far.datagram_address("echo")
    async with net.udp_socket() as sock:
        for size in SIZES:
            answer, sender = await exchange(sock, pattern(size, size), target)
            check(answer == pattern(size, size), f"{len(answer)} of {size} bytes came back")
            check(sender == target, f"the answer came from {sender}, not {target}")
    return passed(f"{len(SIZES)} sizes echoed, sender {target[0]}:{target[1]} each time")


@probe("UDPSOCKET_ECHOTEST_CONNECT_SEND_RECV", "udp.echo")
async def echo_connected(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The 22 sizes with connect, send and recv."""
    async with net.udp_socket() as sock:
        await sock.connect(far.datagram_address("echo"))
        for size in SIZES:
            answer, _ = await exchange(sock, pattern(size, size), None)
            check(answer == pattern(size, size), f"{len(answer)} of {size} bytes came back")
    return passed(f"{len(SIZES)} sizes echoed")


@probe("UDPSOCKET_ECHOTEST_NONBLOCK", "udp.echo")
async def echo_nonblocking(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The 22 sizes by events, 1 s per datagram."""
    async with net.udp_socket() as sock:
        event = asyncio.Event()
        sock.setblocking(False)
        sock.sigio(event.set)
        for size in SIZES:
            data = pattern(size, size)
            talk = _by_events(sock, event, data, far.datagram_address("echo"))
            check(await talk, f"{size} bytes: silence")
    return passed(f"{len(SIZES)} sizes echoed with EAGAIN and events only")


@probe("UDPSOCKET_ECHOTEST_NONBLOCK_CONNECT_SEND_RECV", "udp.echo")
async def echo_nonblocking_connected(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The 22 sizes by events on a socket with a fixed peer."""
    async with net.udp_socket() as sock:
        event = asyncio.Event()
        await sock.connect(far.datagram_address("echo"))
        sock.setblocking(False)
        sock.sigio(event.set)
        for size in SIZES:
            talk = _by_events(sock, event, pattern(size, size), None)
            check(await talk, f"{size} bytes: silence")
    return passed(f"{len(SIZES)} sizes echoed with EAGAIN and events only")


async def _by_events(
    sock: AsyncUDPSocket, event: asyncio.Event, data: bytes, address: tuple[str, int] | None
) -> bool:
    for _ in range(TRIES):
        sent = got = False
        try:
            async with asyncio.timeout(1.0):
                while not got:
                    event.clear()
                    try:
                        if not sent:
                            if address is None:
                                await sock.send(data)
                            else:
                                await sock.sendto(data, address)
                            sent = True
                        got = (await sock.recvfrom(4096))[0] == data
                    except BlockingIOError:
                        await event.wait()
        except TimeoutError:
            continue
        return True
    return False


@probe("UDPSOCKET_ECHOTEST_BURST", "udp.boundaries")
async def boundaries(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Five datagrams at once, read late, several rounds: each must come out by itself."""
    whole = rounds = 5
    merged = ""
    for _ in range(rounds):
        async with net.udp_socket() as sock:
            sock.settimeout(2.0)
            await sock.sendto(b"burst", far.datagram_address("burst"))
            await asyncio.sleep(0.15)
            got: list[bytes] = []
            try:
                while len(b"".join(got)) < len(b"".join(BURST)):
                    got.append(await sock.recv(4096))
            except TimeoutError:
                pass
        if sorted(got) != sorted(BURST):
            whole -= 1
            merged = f"sizes {[len(each) for each in got]} instead of {[len(e) for e in BURST]}"
    if whole < rounds:
        return partial(f"{rounds - whole} of {rounds} bursts came differently: {merged}")
    return passed(f"{rounds} bursts of 5 datagrams came one by one")


@probe("UDPSOCKET_ECHOTEST_BURST_NONBLOCK", "udp.boundaries")
async def boundaries_by_events(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Bursts read by events only; at most 5 s without a datagram."""
    whole = rounds = 5
    merged = ""
    for _ in range(rounds):
        async with net.udp_socket() as sock:
            event = asyncio.Event()
            sock.setblocking(False)
            sock.sigio(event.set)
            got: list[bytes] = []
            sent = False
            with contextlib.suppress(TimeoutError):
                while len(b"".join(got)) < len(b"".join(BURST)):
                    event.clear()
                    try:
                        if not sent:
                            await sock.sendto(b"burst", far.datagram_address("burst"))
                            sent = True
                        got.append(await sock.recv(4096))
                    except BlockingIOError:
                        await asyncio.wait_for(event.wait(), 2.0)
        if sorted(got) != sorted(BURST):
            whole -= 1
            merged = f"sizes {[len(each) for each in got]} instead of {[len(e) for e in BURST]}"
    if whole < rounds:
        return partial(f"{rounds - whole} of {rounds} bursts came differently: {merged}")
    return passed(f"{rounds} bursts of 5 datagrams came one by one")


@probe("UDPSOCKET_FOREIGN_SENDER", "udp.connect")
async def foreign_sender(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A stranger writes to a socket with a fixed peer."""
    async with net.udp_socket() as sock:
        await sock.connect(far.datagram_address("echo"))
        answer, _ = await exchange(sock, b"mine", None)
        check(answer == b"mine", f"the peer's answer was {answer!r}")
        await far.settled()
        own = far.udp["echo"].received[-1][1]
        far.udp["other"].send(b"stranger", own)
        await asyncio.sleep(0.1)
        await sock.send(b"again")
        try:
            got = await sock.recv(100)
        except TimeoutError:
            return partial("the peer's datagrams come until a stranger's does, then none for 2 s")
    if got.startswith(b"stranger"):
        return partial("the peer's datagrams come, but a stranger's were delivered, too")
    check(got == b"again", f"the next datagram was {got!r}")
    return passed("a stranger's datagram was dropped, the peer's next came")


@probe("UDPSOCKET_TWO_PEERS", "udp.sendto_many")
async def two_peers(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Two peers on one socket, answers told apart by their senders; the local port stays."""
    wrong = ""
    async with net.udp_socket() as sock:
        for _ in range(3):
            for service, mark in (("echo", b""), ("other", b"other:")):
                answer, sender = await exchange(sock, b"hello", far.datagram_address(service))
                check(answer == mark + b"hello", f"{service} answered {answer!r}")
                if sender != far.datagram_address(service):
                    wrong = f"{service} answered, but {sender} is named as the sender"
    await far.settled()
    ports = {far.udp[service].received[-1][1][1] for service in ("echo", "other")}
    check(len(ports) == 1, f"the two peers saw two local ports {ports}")
    if wrong:
        return partial(wrong)
    return passed("both answered from their own addresses, the local port stayed the same")


@probe("UDPSOCKET_SENDTO_CONNECTED", "udp.sendto_connected")
async def sendto_connected(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """sendto to a third party from a socket with a fixed peer."""
    async with net.udp_socket() as sock:
        sock.settimeout(LIMIT)
        await sock.connect(far.datagram_address("echo"))
        known = len(far.udp["discard"].received)
        await sock.sendto(b"aside", far.datagram_address("discard"))
        await until(lambda: len(far.udp["discard"].received) > known)
        check(far.udp["discard"].received[-1][0] == b"aside", "other bytes arrived")
    return passed("the third party got it")


@probe("UDPSOCKET_TRUNCATION", "udp.truncation")
async def truncation(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A buffer of 10 for a datagram of 100, then a whole one."""
    async with net.udp_socket() as sock:
        sock.settimeout(5.0)
        target = far.datagram_address("echo")
        await sock.sendto(pattern(100), target)
        first = await sock.recv(10)
        check(first == pattern(100)[:10], f"the cut datagram was {first!r}")
        await sock.sendto(b"next", target)
        second = await sock.recv(100)
    check(second == b"next", f"after the cut datagram came {second!r}")
    return passed("10 of 100 bytes, then the next datagram whole")


@probe("UDPSOCKET_SENDTO_INVALID", "udp.zero_length")
async def zero_length(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A bad address raises, an empty datagram arrives (defect 9: this one is run)."""
    service = far.udp["discard"]
    target = far.datagram_address("discard")
    async with net.udp_socket() as sock:
        sock.settimeout(5.0)
        with raises(ValueError, call="sendto to a host name with a blank"):
            await sock.sendto(b"", ("no such", 9))
        check(await sock.sendto(b"hello", target) == 5, "sendto of 5 bytes did not return 5")
        await until(lambda: bool(service.received) and service.received[-1][0] == b"hello")
        known = len(service.received)
        await sock.sendto(b"", target)
        await until(lambda: len(service.received) > known)
    check(service.received[known][0] == b"", "the datagram was not empty")
    return passed("an empty datagram arrived")


@probe("UDPSOCKET_RECV_EMPTY", "udp.zero_length_recv")
async def zero_length_receive(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """An empty datagram comes in; it is no end of anything."""
    service = far.udp["discard"]
    known = len(service.received)
    async with net.udp_socket() as sock:
        sock.settimeout(2.0)
        await sock.sendto(b"me", far.datagram_address("discard"))
        await until(lambda: len(service.received) > known)
        service.send(b"", service.received[known][1])
        await asyncio.sleep(0.05)
        service.send(b"next", service.received[known][1])
        first = await sock.recv(10)
        if first == b"next":
            raise Broken("the empty datagram was not reported, the next one was")
        check(first == b"", f"got {first!r}")
        check(await sock.recv(10) == b"next", "the datagram after the empty one differs")
    return passed("b'', then the next datagram")


@probe("UDPSOCKET_SENDTO_REPEAT", "udp.repeat")
async def repeat(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """100 x 5 bytes; the plan's two NO_MEMORY in a row are a failure."""
    service = far.udp["discard"]
    known = len(service.received)
    async with net.udp_socket() as sock:
        sock.settimeout(LIMIT)
        for number in range(100):
            sent = await sock.sendto(b"%05d" % number, far.datagram_address("discard"))
            check(sent == 5, f"sendto returned {sent}")
        with contextlib.suppress(TimeoutError):
            await until(lambda: len(service.received) >= known + 100, 2.0)
        got = [data for data, _ in service.received[known:]]
    check(got == sorted(got) and len(set(got)) == len(got), "out of order or doubled")
    check(len(got) >= 70, f"{len(got)} of 100 arrived")
    return passed(f"100 accepted, {len(got)} arrived in order")


@probe("UDPSOCKET_SENDTO_TIMEOUT", "udp.repeat")
async def sendto_timeout(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """100 bytes without and with a time-out of 1 s; both are sent, and how long it took is told
    (defect 2: the plan never looks at the clock; its 100 ms are no promise over AT)."""
    took: list[float] = []
    async with net.udp_socket() as sock:
        for seconds in (None, 1.0):
            sock.settimeout(seconds)
            async with stopwatch() as watch:
                sent = await sock.sendto(pattern(100), far.datagram_address("discard"))
            took.append(watch.worked)
            check(sent == 100, f"sendto returned {sent}")
    check(took[1] <= 1.0, f"a time-out of 1 s took {took[1]:.1f} s")
    return passed("both sent, in {:.0f} and {:.0f} ms".format(*(1000 * each for each in took)))


@probe("UDPSOCKET_BIND_PORT", "udp.bind_port")
async def bind_port(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A free port of our choice."""
    port = far.free_port()
    async with net.udp_socket() as sock:
        await sock.bind(("", port))
        await exchange(sock, b"who am I", far.datagram_address("echo"))
    await far.settled()
    seen = far.udp["echo"].received[-1][1][1]
    check(seen == port, f"bound to {port}, the far end sees {seen}")
    return passed(f"the far end sees port {port}")


@probe("UDPSOCKET_BIND_PORT_FAIL", "udp.bind_conflict")
async def bind_conflict(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The same port twice."""
    port = far.free_port()
    async with net.udp_socket() as first, net.udp_socket() as second:
        await first.bind(("", port))
        with raises(AddressInUse, call="the second bind"):
            await second.bind(("", port))
    return passed("EADDRINUSE")


@probe("UDPSOCKET_DESCRIPTOR", "udp.descriptor")
async def descriptor(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """fileno() of a datagram socket is a descriptor that becomes readable with a datagram."""
    async with net.udp_socket() as sock:
        await sock.sendto(b"ready?", far.datagram_address("echo"))
        number = sock.fileno()
        if number < 0:
            return Verdict(Outcome.UNSUPPORTED, f"fileno() is {number}")
        await asyncio.sleep(0.5)
        check(bool(select.select([number], [], [], 0)[0]), "it does not become readable")
    return passed("it becomes readable with a datagram")


@probe("UDPSOCKET_LOCAL_NAME", "udp.local_name")
async def local_name(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """getsockname compared with what the far end sees."""
    async with net.udp_socket() as sock:
        await exchange(sock, b"who am I", far.datagram_address("echo"))
        name = await sock.getsockname()
    await far.settled()
    seen = far.udp["echo"].received[-1][1][1]
    check(name.port == seen, f"getsockname says {name.port}, the far end sees {seen}")
    return passed(f"port {seen} at both ends")

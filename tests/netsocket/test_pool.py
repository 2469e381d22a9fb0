"""Pool: leases, their order, refusals, members that go and come."""

from __future__ import annotations

import asyncio
import errno
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from netsocket import AsyncTCPSocket, AsyncUDPSocket, InterfaceStatus
from netsocket.adapters import balance, member
from netsocket.adapters.balance import Load, failover, least_busy, round_robin
from netsocket.adapters.pool import Lease, Pool, PoolBusy, PoolEmpty
from netsocket.capability.model import Capability, Level
from netsocket.errors import ConnectionRefused, NetworkDown, NoSocket
from netsocket.interface import AsyncNetworkInterface

from .scripted import SCRIPTED, Gate, ScriptedStack, until

LIMITED = SCRIPTED.with_changes(Capability("sockets.max", Level.FULL, limit=2, unit="sockets"))


class SmallStack(ScriptedStack):
    """A scripted stack that claims two sockets."""

    def __init__(self) -> None:
        super().__init__(LIMITED)
        self.status_changed: Callable[[InterfaceStatus], None]

    def moves(self, status: InterfaceStatus) -> None:
        self.status_changed(status)


@pytest.fixture
async def small() -> SmallStack:
    return SmallStack()


@pytest.fixture
async def one(small: SmallStack) -> AsyncIterator[Pool]:
    """A pool of one open interface with two sockets."""
    async with AsyncNetworkInterface(small) as net:
        async with Pool.of(net, "only") as pool:
            yield pool
            assert pool.status().in_use == 0
        assert not small.open_handles


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delays a hundredth as long."""
    monkeypatch.setattr(member, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(member, "LONGEST_DELAY", 0.08)
    monkeypatch.setattr("netsocket.adapters.pool.REST", 0.02)


def opener(stacks: list[SmallStack], *failures: Exception) -> Any:
    """Each opening is a new stack, kept in `stacks`; the first openings fail."""
    left = list(failures)

    async def open_one() -> AsyncNetworkInterface:
        if left:
            raise left.pop(0)
        stacks.append(SmallStack())
        net = AsyncNetworkInterface(stacks[-1])
        await net.up()
        return net

    return open_one


# -- the rules ------------------------------------------------------------------------------------


def test_least_busy_compares_shares_not_counts() -> None:
    wifi, cellular = Load(0, 2, 5, served=1), Load(1, 3, 12, served=2)
    assert least_busy([wifi, cellular]) is cellular
    assert least_busy([wifi, Load(1, 5, 12, served=2)]) is wifi
    assert least_busy([Load(0, 0, 5, served=4), Load(1, 0, 12, served=3)]) == Load(1, 0, 12, 3)
    assert least_busy([Load(0, 1, 5), Load(1, 90, None)]) == Load(1, 90, None)


def test_round_robin_goes_in_turn_and_skips_who_is_full() -> None:
    loads = [Load(0, 4, 5, served=7), Load(1, 0, 5, served=8), Load(2, 5, 5, served=3)]
    assert round_robin(loads) is loads[0]
    assert round_robin(loads[1:]) is loads[1]


def test_failover_never_spills_over_to_the_second() -> None:
    assert failover([Load(1, 0, 5), Load(0, 4, 5)]) == Load(0, 4, 5)
    assert failover([Load(1, 0, 5), Load(0, 5, 5)]) is None
    assert failover([Load(1, 0, 5)]) == Load(1, 0, 5)


@pytest.mark.parametrize("rule", balance.RULES.values())
def test_no_rule_chooses_who_is_full_or_rests(rule: balance.Rule) -> None:
    assert rule([]) is None
    assert rule([Load(0, 5, 5), Load(1, 0, 12, resting=True)]) is None


def test_a_pool_needs_members_and_a_rule_that_exists() -> None:
    with pytest.raises(ValueError, match="member"):
        Pool({})
    with pytest.raises(ValueError, match="round-robin"):
        Pool({"a": opener([])}, "random")  # type: ignore[arg-type]


# -- leases ---------------------------------------------------------------------------------------


async def test_a_lease_is_a_reserved_socket(one: Pool, small: SmallStack) -> None:
    async with await one.lease(1) as lease, await one.lease(1, datagram=True) as other:
        assert isinstance(lease.socket, AsyncTCPSocket)
        assert isinstance(other.socket, AsyncUDPSocket)
        assert len(small.open_handles) == 2
        assert lease.member == "only"
        assert lease.net is one.status().members[0].net
        sock = await lease.connect(("192.0.2.1", 80), timeout=5)
        assert sock is lease.socket
        assert small.names().count("open") == 2
        assert (one.status().in_use, one.status().capacity) == (2, 2)
    assert not small.open_handles


async def test_waiting_is_bounded_and_tells_why(one: Pool) -> None:
    async with await one.lease(1), await one.lease(0):
        for wait in (0, 0.05):
            with pytest.raises(PoolBusy, match="none of 2 sockets") as caught:
                await one.lease(wait)
            assert caught.value.errno == errno.EMFILE
            assert caught.value.waited >= wait
            assert (caught.value.queued, caught.value.capacity) == (1, 2)
    assert one.status().queued == 0


async def test_first_come_first_served(one: Pool) -> None:
    order: list[int] = []

    async def client(number: int) -> None:
        async with await one.lease(5, datagram=bool(number % 3)):
            order.append(number)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(30):
            group.create_task(client(number))
            await asyncio.sleep(0)
    assert order == list(range(30))


async def test_the_slot_is_free_when_the_stack_has_the_socket_back(
    one: Pool, small: SmallStack, settled: Any
) -> None:
    async with await one.lease(1):
        lease = await one.lease(1)
        gate = Gate(stubborn=True)
        small.say("close", gate)
        returned = lease.release()
        waiting = asyncio.create_task(one.lease(5))
        await settled()
        assert lease.socket.closed
        assert not waiting.done()
        assert one.status().in_use == 2
        gate.end(None)
        await returned
        await (await waiting).release()
        await lease.release()
        assert one.status().in_use == 1


async def test_release_waits_for_a_close_that_somebody_else_has_begun(
    one: Pool, small: SmallStack, settled: Any
) -> None:
    lease = await one.lease(1)
    gate = Gate(stubborn=True)
    small.say("close", gate)
    closing = asyncio.create_task(lease.socket.close())
    await settled()
    returned = asyncio.ensure_future(lease.release())
    await settled()
    assert not returned.done()
    gate.end(None)
    await returned
    await closing


async def test_a_stack_that_refuses_sends_the_client_back_to_its_place(
    one: Pool, small: SmallStack
) -> None:
    small.say("open", NoSocket("others have them"), NoSocket("still"))
    order: list[int] = []

    async def client(number: int) -> None:
        async with await one.lease(5):
            order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(client(number))
            await asyncio.sleep(0)
    assert order == [0, 1, 2, 3]
    assert small.names().count("open") == 6


async def test_a_stack_that_never_has_one_is_named_as_the_cause(
    one: Pool, small: SmallStack
) -> None:
    small.say("open", *[NoSocket("others have them")] * 100)
    with pytest.raises(PoolBusy) as caught:
        await one.lease(0.1)
    assert isinstance(caught.value.__cause__, NoSocket)
    assert 2 <= small.names().count("open") <= 10
    small.answers["open"].clear()


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancelled_client_never_eats_a_slot(
    one: Pool, small: SmallStack, settled: Any, turns: int
) -> None:
    small.turns = 3
    held = await one.lease(1)
    waiting = [asyncio.create_task(one.lease(5)) for _ in range(4)]
    await settled()
    for task in waiting[1:3]:
        task.cancel()
    given_back = held.release()
    for _ in range(turns):
        await asyncio.sleep(0)
    for task in (waiting[0], waiting[3]):
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await given_back
    for task in waiting:
        if not task.cancelled():
            await task.result().release()
    await until(lambda: not one.status().in_use)
    assert not small.open_handles
    async with await one.lease(0), await one.lease(0):
        pass


async def test_a_lease_that_was_dropped_comes_back_with_a_warning(one: Pool) -> None:
    async def drop() -> None:
        await one.lease(1)
        gc.collect()

    with pytest.warns(ResourceWarning, match="unreleased <Lease of only"):
        await drop()
    await until(lambda: not one.status().in_use)


async def test_a_failed_connect_gives_the_slot_back(one: Pool, small: SmallStack) -> None:
    small.say("connect", ConnectionRefused("refused"))
    with pytest.raises(ConnectionRefusedError):
        async with await one.lease(1) as lease:
            await lease.connect(("192.0.2.1", 80))
    assert one.status().in_use == 0


async def test_closing_the_pool_ends_the_queue(one: Pool) -> None:
    async with await one.lease(1), await one.lease(1):
        waiting = asyncio.create_task(one.lease(60))
        await asyncio.sleep(0)
        await one.close()
        with pytest.raises(NetworkDown, match="pool was closed"):
            await waiting
        with pytest.raises(NetworkDown, match="pool was closed"):
            await one.lease(0)


# -- members --------------------------------------------------------------------------------------


async def test_clients_are_spread_and_go_on_over_who_is_left() -> None:
    first: list[SmallStack] = []
    second: list[SmallStack] = []
    async with Pool({"a": opener(first), "b": opener(second)}) as pool:
        await until(lambda: all(each.up for each in pool.status().members))
        leases = [await pool.lease(1) for _ in range(4)]
        assert [lease.member for lease in leases] == ["a", "b", "a", "b"]
        waiting = asyncio.create_task(pool.lease(5))
        await asyncio.sleep(0)
        first[0].moves(InterfaceStatus.DISCONNECTED)
        assert [each.up for each in pool.status().members] == [False, True]
        assert "module failed" in pool.status().members[0].reason
        with pytest.raises(NetworkDown):
            async with asyncio.timeout(1):
                await leases[0].socket.connect(("192.0.2.1", 80))
        await leases[1].release()
        taken = await waiting
        assert taken.member == "b"
        await until(lambda: pool.status().members[0].up)
        assert len(first) == 2
        assert pool.status().members[0].in_use == 0, "leases of the former life do not count"
        again = await pool.lease(1)
        assert again.member == "a"
        for lease in (*leases, taken, again):
            await lease.release()
        assert pool.status().in_use == 0
    assert not first[0].open_handles | first[1].open_handles | second[0].open_handles


async def test_one_that_attaches_again_by_itself_is_not_opened_anew() -> None:
    stacks: list[SmallStack] = []
    async with Pool({"a": opener(stacks)}) as pool:
        stacks[0].moves(InterfaceStatus.DISCONNECTED)  # as a deaf module that is being recovered
        stacks[0].moves(InterfaceStatus.CONNECTING)
        waiting = asyncio.create_task(pool.lease(5))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert pool.status().members[0].reason == "it attaches again"
        stacks[0].moves(InterfaceStatus.GLOBAL_UP)
        await (await waiting).release()
        assert len(stacks) == 1


async def test_nobody_up_is_another_error_than_all_busy() -> None:
    stacks: list[SmallStack] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(member, "FIRST_DELAY", 60)
        async with Pool({"a": opener(stacks)}) as pool:
            stacks[0].moves(InterfaceStatus.DISCONNECTED)
            with pytest.raises(PoolEmpty, match="a: the module failed") as caught:
                await pool.lease(0.05)
            assert caught.value.errno == errno.ENETDOWN
            assert list(caught.value.reasons) == ["a"]


async def test_opening_goes_on_while_one_is_up_and_backs_off() -> None:
    a: list[SmallStack] = []
    b: list[SmallStack] = []
    failures = [OSError(errno.ENODEV, "unplugged")] * 3 + [RuntimeError("of a plug-in")]
    async with Pool({"a": opener(a), "b": opener(b, *failures)}) as pool:
        assert pool.status().members[0].up
        await until(lambda: pool.status().members[1].reason == "unplugged")
        await until(lambda: pool.status().members[1].reason == "of a plug-in")
        await until(lambda: pool.status().members[1].up)


async def test_a_pool_of_which_nothing_opens_says_so() -> None:
    unplugged = OSError(errno.ENODEV, "unplugged")
    with pytest.raises(OSError, match="unplugged") as caught:
        await Pool({"a": opener([], unplugged)}).open()
    assert caught.value is unplugged
    with pytest.raises(PoolEmpty, match="a: unplugged; b: no answer"):
        async with Pool({"a": opener([], unplugged), "b": opener([], OSError("no answer"))}):
            pass


async def test_who_opens_a_pool_that_is_being_opened_waits_as_well() -> None:
    plugged = asyncio.Event()
    net = await opener([])()

    async def slow() -> AsyncNetworkInterface:
        await plugged.wait()
        return net

    pool = Pool({"slow": slow})
    first, second = (asyncio.create_task(pool.open()) for _ in range(2))
    await asyncio.sleep(0.01)
    assert not second.done()
    plugged.set()
    await asyncio.gather(first, second)
    assert pool.status().members[0].up
    await pool.open()
    await pool.close()


async def test_a_pool_that_is_closed_while_it_opens_says_so() -> None:
    """Nothing will come up any more: whoever waits for that is told."""

    async def never() -> Any:
        await asyncio.sleep(1000)

    pool = Pool({"slow": never})
    opening = asyncio.create_task(pool.open())
    await asyncio.sleep(0)
    await pool.close()
    async with asyncio.timeout(5):
        with pytest.raises(NetworkDown, match="pool was closed"):
            await opening


async def test_a_pool_that_was_not_opened_leases_nothing() -> None:
    with pytest.raises(NetworkDown, match="not open"):
        await Pool({"a": opener([])}).lease(1)


async def test_a_borrowed_interface_stays_open(small: SmallStack) -> None:
    async with AsyncNetworkInterface(small) as net:
        async with Pool.of(net) as pool:
            lease: Lease[AsyncTCPSocket] = await pool.lease(1)
            await lease.release()
        assert net.status is InterfaceStatus.GLOBAL_UP
        assert small.names().count("down") == 0

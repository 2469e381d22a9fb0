"""AsyncTCPSocket over a scripted stack: deadlines, cancellation, wake-ups, outcomes."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from netsocket import AsyncNetworkInterface, AsyncTCPSocket, SendUnknown, SocketState
from netsocket.address import SocketAddress
from netsocket.errors import (
    BadHandle,
    BrokenPipe,
    CallTimeout,
    ConnectionRefused,
    ConnectionReset,
    ConnectTimeout,
    InProgress,
    InvalidArgument,
    ModuleRestarted,
    NoSocket,
    NotConnected,
    NotSupported,
    WouldBlock,
)
from netsocket.stack import Handle

from .scripted import Gate, ScriptedStack

PEER = ("192.0.2.1", 80)
Settled = Callable[[], Any]


# -- receiving ------------------------------------------------------------------------------------


async def test_recv_waits_for_the_notice(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    stack.say("recv", None, b"abc")
    reading = asyncio.create_task(tcp.recv(10))
    await asyncio.sleep(0.01)
    assert not reading.done()
    stack.change()
    assert await reading == b"abc"


async def test_notice_during_the_attempt_is_not_missed(
    tcp: AsyncTCPSocket, stack: ScriptedStack
) -> None:
    gate = Gate()
    stack.say("recv", gate, b"abc")
    reading = asyncio.create_task(tcp.recv(10))
    await gate.entered.wait()
    stack.change()  # the data came after the module was asked, before its "nothing" was read
    gate.end(None)
    assert await asyncio.wait_for(reading, 1) == b"abc"


async def test_spurious_notices_do_no_harm(
    tcp: AsyncTCPSocket, stack: ScriptedStack, settled: Settled
) -> None:
    reading = asyncio.create_task(tcp.recv(10))
    for _ in range(5):
        await settled()
        stack.change()
    await settled()
    assert stack.names().count("recv") == 6
    stack.changed(Handle(999, 7), 7)
    stack.changed(stack.last, 6)  # another generation
    await settled()
    assert stack.names().count("recv") == 6, "not of this socket"
    stack.say("recv", b"x")
    stack.change()
    assert await reading == b"x"


async def test_longer_answer_than_asked_is_kept(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    stack.say("recv", b"abcdef", b"")
    assert await tcp.recv(2) == b"ab"
    assert await tcp.recv(3) == b"cde"
    assert await tcp.recv(3) == b"f"
    assert await tcp.recv(3) == b""


async def test_end_of_stream_is_for_ever(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    stack.say("recv", b"")
    assert [await tcp.recv(5) for _ in range(3)] == [b"", b"", b""]
    assert stack.names().count("recv") == 1
    assert tcp.state is SocketState.PEER_CLOSED


async def test_reset_comes_after_the_data_and_stays(
    tcp: AsyncTCPSocket, stack: ScriptedStack
) -> None:
    stack.say("recv", b"abc", ConnectionReset("lost carrier"))
    assert await tcp.recv(2) == b"ab"
    assert await tcp.recv(2) == b"c"
    for _ in range(2):
        with pytest.raises(ConnectionReset, match="lost carrier"):
            await tcp.recv(2)
    with pytest.raises(BrokenPipe):
        await tcp.send(b"x")
    assert tcp.state is SocketState.BROKEN


async def test_recv_times_out_and_loses_nothing(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    tcp.settimeout(0.05)
    gate = Gate()
    stack.say("recv", gate)
    started = time.monotonic()
    with pytest.raises(CallTimeout):
        await tcp.recv(10)
    assert 0.04 < time.monotonic() - started < 10
    gate.end(b"late")
    assert await tcp.recv(3) == b"lat"
    assert await tcp.recv(3) == b"e"
    assert stack.names().count("recv") == 1


async def test_cancelled_recv_loses_nothing(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    gate = Gate()
    stack.say("recv", gate)
    reading = asyncio.create_task(tcp.recv(10))
    await gate.entered.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    gate.end(b"kept")
    assert await tcp.recv(10) == b"kept"


async def test_recv_cancelled_in_the_very_turn_of_its_answer_loses_nothing(
    tcp: AsyncTCPSocket, stack: ScriptedStack
) -> None:
    """For every number of loop turns between the answer and the cancellation."""
    for turns in range(8):
        gate = Gate()
        stack.say("recv", gate)
        reading = asyncio.create_task(tcp.recv(10))
        await gate.entered.wait()
        gate.end(b"%d" % turns)
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        got = await asyncio.gather(reading, return_exceptions=True)
        if got != [b"%d" % turns]:
            assert await tcp.recv(10) == b"%d" % turns


async def test_deadline_is_for_the_whole_call(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    async def restless() -> None:
        while True:
            await asyncio.sleep(0.02)
            stack.change()

    tcp.settimeout(0.1)
    changing = asyncio.create_task(restless())
    async with asyncio.timeout(30):  # one that begins anew with every change never ends
        with pytest.raises(CallTimeout):
            await tcp.recv(10)
    changing.cancel()


async def test_answer_that_arrived_while_the_loop_slept_is_no_timeout(
    tcp: AsyncTCPSocket, stack: ScriptedStack
) -> None:
    left, right = socket.socketpair()
    with left, right:
        stack.say("recv", None, b"in time")

        def arrived() -> None:
            asyncio.get_running_loop().remove_reader(left)
            stack.change()

        asyncio.get_running_loop().add_reader(left, arrived)
        tcp.settimeout(0.05)
        stack.turns = 6
        reading = asyncio.create_task(tcp.recv(10))
        await asyncio.sleep(0.01)
        right.send(b"!")
        time.sleep(0.1)  # noqa: ASYNC251  (the point: the loop itself was asleep)
        assert await reading == b"in time"


async def test_non_blocking_recv_asks_once(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    tcp.setblocking(False)
    with pytest.raises(WouldBlock):
        await tcp.recv(10)
    stack.say("recv", b"x")
    assert await tcp.recv(10) == b"x"


async def test_recv_arguments(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    assert await tcp.recv(0) == b""
    assert "recv" not in stack.names()
    with pytest.raises(ValueError, match="negative"):
        await tcp.recv(-1)
    with pytest.raises(NotSupported):
        await tcp.recv(1, socket.MSG_PEEK)
    buffer = bytearray(4)
    stack.say("recv", b"abcdef")
    assert await tcp.recv_into(buffer) == 4
    assert await tcp.recv_into(memoryview(buffer)[1:], 1) == 1
    assert buffer == b"aecd"
    with pytest.raises(ValueError, match="too small"):
        await tcp.recv_into(buffer, 5)
    with pytest.raises(TypeError, match="read-write"):
        await tcp.recv_into(b"read-only")
    assert await tcp.recvfrom(10) == (b"f", None), "a refused buffer has taken bytes"


async def test_two_readers_take_turns(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    readers = [asyncio.create_task(tcp.recv(1)) for _ in range(3)]
    await asyncio.sleep(0.01)
    stack.say("recv", b"abc")
    stack.change()
    assert sorted(await asyncio.gather(*readers)) == [b"a", b"b", b"c"]


# -- sending --------------------------------------------------------------------------------------


async def test_send_is_partial_and_sendall_is_not(
    tcp: AsyncTCPSocket, stack: ScriptedStack
) -> None:
    stack.say("send", 4)
    assert await tcp.send(b"abcdef") == 4
    stack.say("send", 3, 0)
    sending = asyncio.create_task(tcp.sendall(b"0123456789ABCDEF"))
    await asyncio.sleep(0.01)
    assert not sending.done(), "0 accepted means wait for room"
    stack.change()
    await sending
    assert stack.payloads("send")[1:] == [
        b"0123456789",
        b"3456789ABC",
        b"3456789ABC",
        b"DEF",
    ]
    assert await tcp.send(b"") == 0


async def test_caller_may_reuse_its_buffer(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    tcp.settimeout(0.02)
    gate = Gate()
    stack.say("send", 0, gate)
    buffer = bytearray(b"hello")
    sending = asyncio.create_task(tcp.send(buffer))
    await asyncio.sleep(0.005)
    buffer[:] = b"XXXXX"
    stack.change()
    with pytest.raises(CallTimeout):
        await sending
    gate.end(5)
    assert stack.payloads("send") == [b"hello", b"hello"]


async def test_timed_out_send_goes_on_and_the_next_waits(
    tcp: AsyncTCPSocket, stack: ScriptedStack
) -> None:
    tcp.settimeout(0.03)
    gate = Gate()
    stack.say("send", gate)
    with pytest.raises(CallTimeout) as caught:
        await tcp.send(b"first")
    assert (caught.value.accepted, caught.value.unknown) == (0, 5)
    with pytest.raises(CallTimeout) as caught:
        await tcp.send(b"second")
    assert (caught.value.accepted, caught.value.unknown) == (0, 0), "nothing of it was offered"
    assert stack.payloads("send") == [b"first"]
    tcp.settimeout(None)
    third = asyncio.create_task(tcp.send(b"third"))
    await asyncio.sleep(0.01)
    assert stack.payloads("send") == [b"first"]
    gate.end(5)
    assert await third == 5
    assert stack.payloads("send") == [b"first", b"third"]


async def test_settle_tells_what_became_of_it(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    gate = Gate()
    stack.say("send", gate)
    sending = asyncio.create_task(tcp.send(b"abcdef"))
    await gate.entered.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await sending
    assert caught.value.unknown == 6  # type: ignore[attr-defined]
    gate.end(4)
    assert await tcp.settle() == 4
    assert await tcp.settle() == 0


async def test_sendall_errors_say_how_far_it_got(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    tcp.settimeout(0.03)
    gate = Gate()
    stack.say("send", 10, 2, gate)
    with pytest.raises(TimeoutError) as caught:
        await tcp.sendall(b"x" * 25)
    assert (caught.value.accepted, caught.value.unknown) == (12, 10)  # type: ignore[attr-defined]
    gate.end(SendUnknown("no answer", accepted=1, unknown=9))
    with pytest.raises(SendUnknown) as later:
        await tcp.sendall(b"y")
    assert (later.value.accepted, later.value.unknown) == (0, 0), "of this call: nothing"
    assert "y" not in str(stack.payloads("send"))


async def test_unknown_outcome_ends_the_socket(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    stack.say("send", 10, SendUnknown("prompt lost", accepted=2, unknown=8))
    with pytest.raises(SendUnknown) as caught:
        await tcp.sendall(b"z" * 30)
    assert (caught.value.accepted, caught.value.unknown) == (12, 8)
    assert tcp.state is SocketState.BROKEN
    stack.say("recv", b"before", b"")
    assert await tcp.recv(10) == b"before"
    with pytest.raises(ConnectionResetError):
        await tcp.recv(10)  # never a clean end
    with pytest.raises(BrokenPipe):
        await tcp.send(b"x")
    assert stack.names().count("send") == 2


async def test_error_after_partial_send_is_kept_for_the_next_call(
    tcp: AsyncTCPSocket, stack: ScriptedStack
) -> None:
    stack.say("send", SendUnknown("half", accepted=3, unknown=2))
    assert await tcp.send(b"abcde") == 3
    with pytest.raises(SendUnknown) as caught:
        await tcp.send(b"de")
    assert (caught.value.accepted, caught.value.unknown) == (0, 2)
    with pytest.raises(BrokenPipe):
        await tcp.send(b"de")


async def test_so_error_tells_once(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    stack.say("send", SendUnknown("half", accepted=3, unknown=2))
    await tcp.send(b"abcde")
    assert await tcp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET
    assert await tcp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


async def test_break_found_by_a_sender_wakes_the_reader(
    tcp: AsyncTCPSocket, stack: ScriptedStack
) -> None:
    reading = asyncio.create_task(tcp.recv(10))
    await asyncio.sleep(0.01)
    stack.say("send", ConnectionReset("gone"))
    with pytest.raises(ConnectionReset):
        await tcp.send(b"x")
    with pytest.raises(ConnectionReset):
        await asyncio.wait_for(reading, 1)


async def test_late_unknown_outcome_wakes_the_reader(
    tcp: AsyncTCPSocket, stack: ScriptedStack
) -> None:
    gate = Gate()
    stack.say("send", gate)
    tcp.settimeout(0.02)
    with pytest.raises(TimeoutError):
        await tcp.send(b"x")
    tcp.settimeout(None)
    reading = asyncio.create_task(tcp.recv(10))
    await asyncio.sleep(0.01)
    gate.end(SendUnknown("no answer", unknown=1))
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reading, 1)
    with pytest.raises(SendUnknown):
        await tcp.send(b"y")
    with pytest.raises(BrokenPipe):
        await tcp.send(b"y")


async def test_peer_closed_is_broken_pipe_and_data_remains(
    tcp: AsyncTCPSocket, stack: ScriptedStack
) -> None:
    stack.say("send", BrokenPipe("peer closed"))
    with pytest.raises(BrokenPipeError):
        await tcp.send(b"x")
    assert tcp.state is SocketState.DRAINING
    stack.say("recv", b"last words", b"")
    assert await tcp.recv(100) == b"last words"
    assert await tcp.recv(100) == b""


async def test_text_is_refused(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    with pytest.raises(TypeError):
        await tcp.send("text")  # type: ignore[arg-type]
    assert "send" not in stack.names()


async def test_module_restart_breaks_and_says_so(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    reading = asyncio.create_task(tcp.recv(10))
    await asyncio.sleep(0.01)
    stack.say("recv", BadHandle("stale"))
    stack.change()
    with pytest.raises(ConnectionResetError, match="no longer knows"):
        await reading


# -- connecting -----------------------------------------------------------------------------------


async def test_connect_failure_leaves_the_socket_usable(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    async with net.tcp_socket() as tcp:
        stack.say("connect", ConnectionRefused("closed port"))
        with pytest.raises(ConnectionRefusedError):
            await tcp.connect(PEER)
        with pytest.raises(NotConnected):
            await tcp.send(b"x")
        with pytest.raises(NotConnected):
            await tcp.recv(1)
        with pytest.raises(NotConnected):
            await tcp.getpeername()
        await tcp.connect(PEER)
        assert await tcp.getpeername() == PEER
        with pytest.raises(OSError, match="is, or was") as caught:
            await tcp.connect(PEER)
        assert caught.value.errno == errno.EISCONN
        assert stack.names().count("open") == 1


@pytest.mark.parametrize("late", [None, ConnectionRefused("late")], ids=["success", "refusal"])
@pytest.mark.parametrize("cancelled", [False, True])
async def test_given_up_connect_frees_the_handle_and_takes_a_fresh_one(
    net: AsyncNetworkInterface,
    stack: ScriptedStack,
    settled: Settled,
    caplog: pytest.LogCaptureFixture,
    cancelled: bool,
    late: Exception | None,
) -> None:
    async with net.tcp_socket() as tcp:
        await tcp.bind(("", 5000))
        gate = Gate(stubborn=True)
        stack.say("connect", gate)
        if cancelled:
            connecting = asyncio.create_task(tcp.connect(PEER))
            await gate.entered.wait()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
        else:
            tcp.settimeout(0.03)
            with pytest.raises(ConnectTimeout):
                await tcp.connect(PEER)
        first = stack.last
        await settled()
        assert ("close", first, True) in stack.calls
        tcp.settimeout(None)
        await tcp.connect(PEER)
        assert stack.last != first
        assert stack.names().count("bind") == 2, "the fresh handle is bound as the first was"
        gate.end(late)  # the late outcome of the first attempt touches nothing
        await settled()
        assert not caplog.records
        assert tcp.state is SocketState.OPEN
        assert stack.open_handles == {stack.last}


async def test_non_blocking_connect(
    net: AsyncNetworkInterface, stack: ScriptedStack, settled: Settled
) -> None:
    async with net.tcp_socket() as tcp:
        tcp.setblocking(False)
        gate = Gate()
        stack.say("connect", gate)
        with pytest.raises(InProgress):
            await tcp.connect(PEER)
        assert await tcp.connect_ex(PEER) == errno.EALREADY
        events: list[int] = []
        tcp.sigio(lambda: events.append(1))
        await settled()
        events.clear()
        await tcp.connect_ex(PEER)
        gate.end(ConnectionRefused("no"))
        await settled()
        assert events
        assert await tcp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
        assert await tcp.connect_ex(PEER) == errno.EINPROGRESS
        await settled()
        assert await tcp.connect_ex(PEER) == errno.EISCONN


async def test_connect_ex_numbers(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    async with net.tcp_socket() as tcp:
        stack.say("connect", ConnectionRefused("no"), socket.gaierror(-2, "unknown"))
        assert await tcp.connect_ex(PEER) == errno.ECONNREFUSED
        with pytest.raises(socket.gaierror):
            await tcp.connect_ex(("nobody.example", 1))
        gate = Gate()
        stack.say("connect", gate)
        tcp.settimeout(0.01)
        assert await tcp.connect_ex(PEER) == errno.EAGAIN
        gate.end(None)
        assert await tcp.connect_ex(PEER) == 0


async def test_nothing_reaches_the_stack_for_a_bad_address(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    tcp = net.tcp_socket()
    with pytest.raises(ValueError, match="host name"):
        await tcp.connect(('x"\r\nAT+RST', 80))
    with pytest.raises(OSError, match="IPv4 only") as caught:
        await tcp.connect(("::1", 80))
    assert caught.value.errno == errno.EAFNOSUPPORT
    assert stack.names() == ["up", "status"]
    await tcp.close()


async def test_full_table_is_emfile_and_leaves_nothing(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    stack.say("open", NoSocket("5 of 5 in use"))
    with pytest.raises(NoSocket) as caught:
        async with net.tcp_socket():
            pass
    assert caught.value.errno == errno.EMFILE
    async with net.tcp_socket() as tcp:
        await tcp.connect(PEER)


# -- listening ------------------------------------------------------------------------------------


async def test_accept(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    async with net.tcp_socket() as listener:
        with pytest.raises(InvalidArgument):
            await listener.accept()
        await listener.bind(("", 7))
        await listener.listen()
        assert await listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        listener.settimeout(0.02)
        with pytest.raises(CallTimeout):
            await listener.accept()
        listener.settimeout(None)
        waiting = asyncio.create_task(listener.accept())
        await asyncio.sleep(0.01)
        stack.say("accept", (Handle(50, 7), SocketAddress("192.0.2.9", 999)))
        stack.change()
        connection, peer = await waiting
        assert peer == ("192.0.2.9", 999)
        assert connection.timeout is None
        assert await connection.send(b"hi") == 2
        await connection.close()


async def test_cancelled_accept_keeps_the_connection_for_the_next(
    net: AsyncNetworkInterface, stack: ScriptedStack, settled: Settled
) -> None:
    listener = net.tcp_socket()
    await listener.bind(("", 7))
    await listener.listen()
    gate = Gate()
    stack.say("accept", gate)
    waiting = asyncio.create_task(listener.accept())
    await gate.entered.wait()
    waiting.cancel()
    gate.end((Handle(50, 7), SocketAddress("192.0.2.9", 999)))
    await settled()
    connection, _peer = await listener.accept()
    await connection.close()
    gate = Gate(stubborn=True)
    stack.say("accept", gate)
    waiting = asyncio.create_task(listener.accept())
    await gate.entered.wait()
    await listener.close()
    with pytest.raises(BadHandle):
        await waiting
    gate.end((Handle(51, 7), SocketAddress("192.0.2.9", 999)))
    await settled()
    assert not stack.open_handles, "a connection that nobody can take is given back"


# -- ending ---------------------------------------------------------------------------------------


async def test_close_wakes_every_blocked_caller(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    gate = Gate()
    stack.say("send", gate)
    callers = [
        asyncio.create_task(work)
        for work in (tcp.recv(1), tcp.recv(1), tcp.send(b"a"), tcp.send(b"b"))
    ]
    await gate.entered.wait()
    await asyncio.sleep(0.01)
    await asyncio.wait_for(tcp.close(), 1)
    outcomes = await asyncio.wait_for(asyncio.gather(*callers, return_exceptions=True), 1)
    assert [getattr(error, "errno", None) for error in outcomes] == [errno.EBADF] * 4
    gate.end(1)
    await tcp.close()
    for call in (tcp.recv(1), tcp.send(b"a"), tcp.connect(PEER), tcp.getsockname()):
        with pytest.raises(BadHandle):
            await call
    assert stack.names().count("close") == 1


async def test_an_accepted_connection_that_nobody_took_is_reset(
    host: AsyncNetworkInterface,
) -> None:
    """close comes when accept has its connection and its caller does not have it yet."""
    listener = host.tcp_socket()
    await listener.bind(("127.0.0.1", 0))
    await listener.listen()
    accepting = asyncio.create_task(listener.accept())
    await asyncio.sleep(0.01)
    with socket.create_connection(tuple(await listener.getsockname())) as client:
        task = listener._receiving.task
        while task is None or not task.done() or task.result() is None:
            await asyncio.sleep(0)
            task = listener._receiving.task
        assert not accepting.done()
        await listener.close()
        with pytest.raises(BadHandle):
            await accepting
        client.settimeout(5)
        with pytest.raises(ConnectionResetError):
            assert await asyncio.to_thread(client.recv, 1) != b"", "an orderly end"
    assert not host.stack._entries  # type: ignore[attr-defined]


async def test_the_outcome_of_a_non_blocking_connect_is_never_lost(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    """Asked at every turn of the loop, it is under way and then refused, and nothing in between."""
    async with net.tcp_socket() as sock:
        stack.say("connect", ConnectionRefused("no"))
        sock.setblocking(False)
        told = [await sock.connect_ex(PEER)]
        while len(told) < 50 and told[-1] in (errno.EINPROGRESS, errno.EALREADY):
            await asyncio.sleep(0)
            told.append(await sock.connect_ex(PEER))
        assert set(told[1:-1]) <= {errno.EALREADY}
        assert (told[0], told[-1]) == (errno.EINPROGRESS, errno.ECONNREFUSED)


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_socket_that_never_connected_is_not_broken_by_a_failed_attempt(
    net: AsyncNetworkInterface, stack: ScriptedStack, restarted: bool
) -> None:
    async with net.tcp_socket() as sock:
        stack.say("connect", ModuleRestarted("watchdog") if restarted else BadHandle("stale"))
        with pytest.raises(ModuleRestarted):
            await sock.connect(PEER)
        await sock.connect(PEER)
        assert await sock.send(b"x") == 1


async def test_the_time_out_of_a_call_is_the_one_it_began_with(
    tcp: AsyncTCPSocket, stack: ScriptedStack
) -> None:
    reading = asyncio.create_task(tcp.recv(1))
    await asyncio.sleep(0.01)
    tcp.setblocking(False)
    stack.change()
    await asyncio.sleep(0.01)
    assert not reading.done(), "a blocking call became a non-blocking one"
    stack.say("recv", b"x")
    stack.change()
    assert await reading == b"x"


async def test_shutdown(tcp: AsyncTCPSocket, stack: ScriptedStack) -> None:
    with pytest.raises(NotSupported, match="both directions") as caught:
        await tcp.shutdown(socket.SHUT_WR)
    assert caught.value.capability.id == "tcp.half_close"
    assert "shutdown" not in stack.names()
    reading = asyncio.create_task(tcp.recv(1))
    await asyncio.sleep(0.01)
    await tcp.shutdown(socket.SHUT_RD)
    assert await reading == b""
    assert await tcp.send(b"x") == 1
    await tcp.shutdown(socket.SHUT_RDWR)
    assert stack.calls[-1] == ("shutdown", stack.last, socket.SHUT_RDWR)
    assert await tcp.recv(1) == b""
    with pytest.raises(BrokenPipe):
        await tcp.send(b"x")
    with pytest.raises(ValueError, match="how"):
        await tcp.shutdown(7)


async def test_shutdown_of_both_wakes_a_reader_with_the_end(
    tcp: AsyncTCPSocket, stack: ScriptedStack
) -> None:
    gate = Gate()
    stack.say("recv", gate)
    reading = asyncio.create_task(tcp.recv(1))
    await gate.entered.wait()
    await tcp.shutdown(socket.SHUT_RDWR)
    gate.end(None)
    assert await reading == b""


async def test_dropped_socket_is_given_back(
    net: AsyncNetworkInterface, stack: ScriptedStack, settled: Settled
) -> None:
    dropped = [net.tcp_socket()]
    await dropped[0].connect(PEER)
    with pytest.warns(ResourceWarning, match="unclosed <AsyncTCPSocket open"):
        dropped.clear()
    await settled()
    assert not stack.open_handles


# -- small things ---------------------------------------------------------------------------------


async def test_timeout_values(tcp: AsyncTCPSocket) -> None:
    assert tcp.gettimeout() is None
    tcp.setblocking(False)
    assert (tcp.timeout, tcp.getblocking()) == (0.0, False)
    tcp.settimeout(2)
    assert (tcp.timeout, tcp.getblocking()) == (2.0, True)
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="alue"):
            tcp.settimeout(wrong)
    with pytest.raises((TypeError, ValueError)):
        tcp.settimeout("soon")  # type: ignore[arg-type]


async def test_options_are_kept_for_a_fresh_handle(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    async with net.tcp_socket() as tcp:
        await tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        stack.say("connect", Gate())
        tcp.settimeout(0.01)
        with pytest.raises(ConnectTimeout):
            await tcp.connect(PEER)
        await tcp.connect(PEER)
        assert stack.names().count("set_option") == 2
        assert await tcp.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
        with pytest.raises(NotSupported) as caught:
            await tcp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert caught.value.errno == errno.ENOPROTOOPT


async def test_sigio_is_coalesced_until_the_socket_is_used(
    tcp: AsyncTCPSocket, stack: ScriptedStack, settled: Settled
) -> None:
    events: list[str] = []
    tcp.sigio(lambda: events.append("changed"))
    await settled()
    assert len(events) == 1, "once after registration, for what came before"
    stack.change()
    stack.change()
    assert len(events) == 1
    tcp.setblocking(False)
    with pytest.raises(WouldBlock):
        await tcp.recv(1)
    stack.change()
    stack.change()
    assert len(events) == 2
    with pytest.raises(WouldBlock):
        await tcp.recv(1)
    await tcp.close()
    assert len(events) == 3, "close signals too"


async def test_sigio_tells_of_the_close_although_an_event_is_unanswered(
    tcp: AsyncTCPSocket, stack: ScriptedStack, settled: Settled
) -> None:
    events: list[str] = []
    tcp.setblocking(False)
    with pytest.raises(WouldBlock):
        await tcp.recv(1)
    tcp.sigio(lambda: events.append("changed"))
    await settled()
    stack.change()
    assert len(events) == 1
    await tcp.close()
    assert len(events) == 2


async def test_sigio_failures_are_contained_and_logged_once(
    tcp: AsyncTCPSocket,
    stack: ScriptedStack,
    settled: Settled,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails() -> None:
        raise RuntimeError("user's mistake")

    tcp.sigio(fails)
    await settled()
    tcp.setblocking(False)
    with caplog.at_level(logging.ERROR, "netsocket"):
        for _ in range(3):
            stack.say("recv", b"x")
            assert await tcp.recv(1) == b"x"
            stack.change()
    assert len([r for r in caplog.records if "sigio" in r.message]) <= 1
    tcp.sigio(None)


async def test_repr_and_attributes(tcp: AsyncTCPSocket) -> None:
    assert repr(tcp) == "<AsyncTCPSocket open on scripted peer=192.0.2.1:80>"
    assert (tcp.family, tcp.type, tcp.proto, tcp.fileno()) == (
        socket.AF_INET,
        socket.SOCK_STREAM,
        0,
        -1,
    )

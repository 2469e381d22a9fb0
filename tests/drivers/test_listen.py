"""Listening: real clients on loopback reach the module, and the driver hands them out."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from netsocket import errors
from netsocket.capability.model import Level
from netsocket.stack import InterfaceStatus
from tests.drivers.rig import (
    ALL,
    ESP,
    Rig,
    echo_server,
    noise,
    opened,
    receive,
    until,
)
from tests.ports import free_port

everywhere = pytest.mark.parametrize(("module", "firmware"), ALL)
generations = pytest.mark.parametrize("firmware", ESP)


def sent_by_host(rig: Rig) -> list[str]:
    return [entry.detail for entry in rig.fake.journal if entry.kind == "command"]


async def listening(rig: Rig, port: int = 0, backlog: int = 8, host: str = "") -> tuple[Any, int]:
    """A listening socket and its port."""
    sock = rig.net.tcp_socket()
    sock.settimeout(60)
    await sock.bind((host, port))
    await sock.listen(backlog)
    return sock, (await sock.getsockname()).port


@asynccontextmanager
async def client(
    port: int, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield reader, writer
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass


def name_of(writer: asyncio.StreamWriter) -> tuple[str, int]:
    found: tuple[str, int] = writer.get_extra_info("sockname")[:2]
    return found


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the module's side closed or reset the connection, within a few seconds."""
    try:
        return await asyncio.wait_for(reader.read(1), 5) == b""
    except ConnectionError:
        return True


async def turned_away(port: int) -> bool:
    """Whether a client is refused: at the connect, or right behind it."""
    try:
        async with client(port) as (reader, _):
            return await ended(reader)
    except ConnectionError:
        return True


@everywhere
async def test_accept_and_data_both_ways(module: str, firmware: str) -> None:
    up, down = noise(20_000), noise(20_000)
    async with opened(module, firmware) as rig:
        assert rig.net.capabilities["tcp.listen"].level is Level.PARTIAL
        listener, port = await listening(rig)
        async with client(port) as (reader, writer):
            sock, peer = await listener.accept()
            assert tuple(peer) == name_of(writer)
            assert tuple(await sock.getpeername()) == name_of(writer)
            assert (await sock.getsockname()).port == port
            writer.write(up)
            _, _, got, back = await asyncio.gather(
                writer.drain(), sock.sendall(down), receive(sock, len(up)),
                reader.readexactly(len(down)),
            )  # fmt: skip
            assert got == up
            assert back == down
            await sock.close()
            assert await reader.read() == b""
        await listener.close()
        assert not rig.engine.anomalies


@everywhere
async def test_data_that_came_with_the_accept(module: str, firmware: str) -> None:
    async with opened(module, firmware) as rig:
        listener, port = await listening(rig)
        async with client(port) as (_, writer):
            writer.write(b"early bird")
            await writer.drain()
            await asyncio.sleep(0.1)
            sock, _ = await listener.accept()
            assert await receive(sock, 10) == b"early bird"
            await sock.close()
        await listener.close()


@pytest.mark.parametrize("firmware", ["N17", "E24", "E33"])
async def test_data_whose_notice_was_lost_at_the_accept(firmware: str, tmp_path: Any) -> None:
    """E05: the module holds data from the first moment and never says so."""
    file = tmp_path / "scenario.yaml"
    file.write_text(
        "modem: esp8266\nsteps:\n  - before: '\\r\\n\\+IPD,0,\\d+\\r\\n'\n    drop: 12\n    times: 1\n"
    )
    async with opened("esp8266", firmware, {"scenario": str(file)}) as rig:
        listener, port = await listening(rig)
        async with client(port) as (_, writer):
            writer.write(b"0123456789")
            sock, _ = await listener.accept()
            sock.settimeout(8)
            assert await receive(sock, 10) == b"0123456789"
            await sock.close()
        await listener.close()


@everywhere
async def test_several_clients_each_get_their_own_bytes(module: str, firmware: str) -> None:
    async with opened(module, firmware) as rig:
        listener, port = await listening(rig)
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for number, (_, writer) in enumerate(clients):
            writer.write(b"client %d" % number)
        by_peer = {}
        for _ in clients:
            sock, peer = await listener.accept()
            by_peer[tuple(peer)] = sock
        for number, (reader, writer) in enumerate(clients):
            sock = by_peer[name_of(writer)]
            assert await receive(sock, 8) == b"client %d" % number
            await sock.sendall(b"answer %d" % number)
            assert await reader.readexactly(8) == b"answer %d" % number
        # Close order: the middle one by its client, then the others by the module.
        clients[1][1].close()
        assert await by_peer[name_of(clients[1][1])].recv(10) == b""
        for sock in by_peer.values():
            await sock.close()
        for reader, writer in (clients[0], clients[2]):
            assert await reader.read() == b""
            writer.close()
        await listener.close()


@everywhere
async def test_ids_are_used_again_and_streams_are_not_mixed(module: str, firmware: str) -> None:
    async with opened(module, firmware) as rig:
        listener, port = await listening(rig)
        for number in range(15):
            async with client(port) as (_reader, writer):
                writer.write(b"%04d" % number * 300)
                writer.write_eof()
                sock, _ = await listener.accept()
                assert await receive(sock, 1200) == b"%04d" % number * 300
                assert await sock.recv(1) == b""
                await sock.close()
        await listener.close()


@everywhere
async def test_a_client_that_comes_and_goes_before_accept(module: str, firmware: str) -> None:
    async with opened(module, firmware) as rig:
        listener, port = await listening(rig)
        async with client(port) as (_, writer):
            writer.write(b"last words")
            writer.write_eof()
        await asyncio.sleep(0.2)
        sock, _ = await listener.accept()
        assert await receive(sock, 10) == b"last words"
        assert await sock.recv(10) == b""
        await sock.close()
        await listener.close()


@everywhere
async def test_accept_waits_times_out_and_can_be_non_blocking(module: str, firmware: str) -> None:
    async with opened(module, firmware) as rig:
        listener, port = await listening(rig)
        listener.settimeout(0.05)
        with pytest.raises(TimeoutError):
            await listener.accept()
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            await listener.accept()
        listener.settimeout(60)
        waiting = asyncio.create_task(listener.accept())
        await asyncio.sleep(0.05)
        async with client(port) as (_, writer):
            sock, peer = await waiting
            assert tuple(peer) == name_of(writer)
            await sock.close()
        waiting = asyncio.create_task(listener.accept())
        await asyncio.sleep(0.05)
        await listener.close()
        with pytest.raises(errors.BadHandle):
            await waiting


@everywhere
async def test_a_closed_listener_keeps_what_was_accepted(module: str, firmware: str) -> None:
    async with opened(module, firmware) as rig:
        listener, port = await listening(rig, free_port())
        async with client(port) as (reader, writer), client(port) as (unseen, _):
            sock, peer = await listener.accept()
            assert tuple(peer) == name_of(writer)
            await until(lambda: len(rig.stack._sockets) == 3)
            await listener.close()
            assert await ended(unseen)  # nobody could accept it any more
            writer.write(b"still here")
            assert await receive(sock, 10) == b"still here"
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            await sock.close()
            assert await reader.read() == b""
        again, same = await listening(rig, port)  # and the port is free again
        assert same == port
        async with client(port):
            sock, _ = await again.accept()
            await sock.close()
        await again.close()


@everywhere
async def test_beyond_the_backlog_is_closed_at_once(module: str, firmware: str) -> None:
    async with opened(module, firmware) as rig:
        listener, port = await listening(rig, backlog=1)
        async with client(port) as (_, first):
            await until(lambda: len(rig.stack._sockets) == 2)
            assert await turned_away(port)
            sock, peer = await listener.accept()
            assert tuple(peer) == name_of(first)
            async with client(port) as (_, third):  # there is room again
                other, peer = await listener.accept()
                assert tuple(peer) == name_of(third)
                await other.close()
            await sock.close()
        await listener.close()


@everywhere
async def test_limits_reached_and_left_again(module: str, firmware: str) -> None:
    async with opened(module, firmware) as rig:
        listener, port = await listening(rig, backlog=20)
        room = 4 if module == "esp8266" else 11  # server_links; twelve ids less the listener's
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(room)]
        socks = [(await listener.accept())[0] for _ in clients]
        if module == "bg96":
            with pytest.raises(OSError) as caught:
                await rig.net.tcp_socket().open()
            assert caught.value.errno == 24
            assert await turned_away(port)  # `incoming full`
        else:
            async with echo_server() as server:  # one link is left for us
                out = await rig.net.connect(("srv", server.port), timeout=60)
                await out.sendall(b"out")
                assert await receive(out, 3) == b"out"
                await out.close()
        clients[0][1].close()
        assert await socks[0].recv(1) == b""
        await socks[0].close()
        async with client(port) as (_, writer):
            writer.write(b"next")
            sock, _ = await listener.accept()
            assert await receive(sock, 4) == b"next"
            await sock.close()
        for sock in socks:
            await sock.close()
        for _, writer in clients:
            writer.close()
        await listener.close()


@everywhere
async def test_connect_out_while_peers_come_in(module: str, firmware: str) -> None:
    """F02: neither side gets the other's link."""
    async with echo_server() as server, opened(module, firmware) as rig:
        listener, port = await listening(rig)

        async def outward(number: int) -> None:
            sock = await rig.net.connect(("srv", server.port), timeout=60)
            await sock.sendall(b"out %d" % number)
            assert await receive(sock, 5) == b"out %d" % number
            await sock.close()

        async def inward(number: int) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"in %d" % number)
            assert await asyncio.wait_for(reader.read(), 60) == b"seen in %d" % number
            writer.close()

        async def serve(count: int) -> None:
            for _ in range(count):
                sock, _ = await listener.accept()
                await sock.sendall(b"seen " + await receive(sock, 4))
                await sock.close()

        for turn in range(5):
            await asyncio.gather(outward(turn), inward(turn), serve(1))
        assert sorted(bytes(got) for got in server.received) == [b"out %d" % n for n in range(5)]
        await listener.close()


@pytest.mark.parametrize("details", [True, False])
@generations
async def test_an_accept_takes_the_id_that_is_being_opened(firmware: str, details: bool) -> None:
    """F02 at its worst: only one id is free, and a peer comes during AT+CIPSTART."""
    async with echo_server() as server, opened("esp8266", firmware, server_links=5) as rig:
        if not details:
            without_details(rig)
        listener, port = await listening(rig)
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        socks = [(await listener.accept())[0] for _ in clients]
        connect = rig.fake.sockets.connect_tcp

        async def crossing(*args: Any, **settings: Any) -> Any:
            rig.fake.sockets.connect_tcp = connect
            # The module gives away 3 first, so fill that as well, and then 4, which we are opening.
            for _ in range(2):
                clients.append(await asyncio.open_connection("127.0.0.1", port))
            await until(lambda: all(rig.fake.links))
            return await connect(*args, **settings)

        rig.fake.sockets.connect_tcp = crossing
        out = await rig.net.connect(("srv", server.port), timeout=60)
        # Five sockets are in use, ours among them: the peer that took our id was one too many.
        assert await ended(clients[4][0])
        socks.append((await listener.accept())[0])
        await out.sendall(b"out")
        assert await receive(out, 3) == b"out"
        peers = {tuple(await sock.getpeername()): sock for sock in socks}
        for number, (_, writer) in enumerate(clients[:4]):
            writer.write(b"%d" % number)
            assert await receive(peers[name_of(writer)], 1) == b"%d" % number
        for sock in (*socks, out, listener):
            await sock.close()
        for _, writer in clients:
            writer.close()
        assert [bytes(got) for got in server.received] == [b"", b"out"]  # the first was cut off


def without_details(rig: Rig) -> None:
    """A firmware that only ever prints the bare CONNECT."""
    profile = rig.fake.profile
    rig.fake.profile = dataclasses.replace(
        profile, absent=profile.absent | {"SYSMSG", "SYSMSG_CUR", "SYSMSG_DEF"}
    )


@generations
async def test_peers_are_named_without_link_details_too(firmware: str) -> None:
    async with opened("esp8266", firmware) as rig:
        without_details(rig)
        listener, port = await listening(rig)
        async with client(port) as (_, writer):
            writer.write(b"hello")
            sock, peer = await listener.accept()
            assert tuple(peer) == name_of(writer)
            assert await receive(sock, 5) == b"hello"
            await sock.close()
        await listener.close()


@generations
async def test_one_listening_port(firmware: str) -> None:
    async with opened("esp8266", firmware) as rig:
        listener, port = await listening(rig)
        async with rig.net.tcp_socket() as second:
            with pytest.raises(errors.NotSupported, match="one listening port") as caught:
                await second.listen()
            assert caught.value.capability.id == "tcp.listen"
        async with rig.net.tcp_socket() as third:
            with pytest.raises(errors.AddressInUse):
                await third.bind(("", port))
        await listener.close()
        listener, _ = await listening(rig)
        await listener.close()
        told = sent_by_host(rig)
        assert "AT+CIPSTO=0" in told
        assert "AT+CIPSERVERMAXCONN=4" in told


async def test_a_bg96_has_several_listeners() -> None:
    async with opened("bg96", "bg96") as rig:
        pairs = [await listening(rig) for _ in range(3)]
        for listener, port in pairs:
            async with client(port) as (_, writer):
                sock, peer = await listener.accept()
                assert tuple(peer) == name_of(writer)
                await sock.close()
        for listener, _ in pairs:
            await listener.close()


@everywhere
async def test_a_port_that_is_taken(module: str, firmware: str) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    with taken:
        async with opened(module, firmware) as rig:
            sock = rig.net.tcp_socket()
            await sock.bind(("", taken.getsockname()[1]))
            with pytest.raises(errors.AddressInUse):
                await sock.listen()
            await sock.close()
            listener, _ = await listening(rig)  # and nothing is left over
            await listener.close()


@everywhere
async def test_a_restart_ends_the_listener_and_its_children(module: str, firmware: str) -> None:
    async with opened(module, firmware) as rig:
        listener, port = await listening(rig)
        async with client(port), client(port):
            sock, _ = await listener.accept()
            await until(lambda: len(rig.stack._sockets) == 3)
            waiting = asyncio.create_task(sock.recv(1))
            rig.fake.restart()
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(waiting, 10)
            # A banner behind boot noise, while a read is under way, is confirmed by a question.
            await until(lambda: rig.stack.epoch == 1)
            with pytest.raises(ConnectionResetError):
                await listener.accept()
            await sock.close()
            await listener.close()
            assert not rig.stack._sockets
        await until(lambda: rig.net.status is InterfaceStatus.GLOBAL_UP, 20)
        listener, port = await listening(rig)
        async with client(port) as (_, writer):
            sock, peer = await listener.accept()
            assert tuple(peer) == name_of(writer)
            await sock.close()
        await listener.close()


@generations
async def test_push_mode_accepts_too(firmware: str) -> None:
    data = noise(20_000)
    async with opened("esp8266", firmware, receive="push") as rig:
        listener, port = await listening(rig)
        async with client(port) as (_, writer):
            writer.write(data)
            sock, _ = await listener.accept()
            assert await receive(sock, len(data)) == data
            await sock.close()
        await listener.close()


async def test_bg96_binds_a_client_to_a_port() -> None:
    async with echo_server() as server, opened("bg96", "bg96") as rig:
        port = free_port()
        sock = rig.net.tcp_socket()
        await sock.bind(("", port))
        await sock.connect(("srv", server.port))
        assert server.writers[0].get_extra_info("peername")[1] == port
        other = rig.net.tcp_socket()
        with pytest.raises(errors.AddressInUse):
            await other.bind(("", port))
        await other.close()
        await sock.close()


@generations
async def test_espressif_cannot_bind_a_client(firmware: str) -> None:
    async with echo_server() as server, opened("esp8266", firmware) as rig:
        sock = rig.net.tcp_socket()
        await sock.bind(("", 40_000))
        with pytest.raises(errors.NotSupported, match="local port"):
            await sock.connect(("srv", server.port))
        await sock.close()
        assert not server.writers


@generations
async def test_an_id_that_is_used_again_never_mixes_two_peers(firmware: str) -> None:
    """E13: the first peer's bytes are unread when its link id goes to the next one."""
    async with opened("esp8266", firmware) as rig:
        listener, port = await listening(rig)
        async with client(port) as (_, writer):
            first, _ = await listener.accept()
            writer.write(b"A" * 500)
        await asyncio.sleep(0.1)
        async with client(port) as (_, writer):
            writer.write(b"B" * 500)
            second, peer = await listener.accept()
            assert tuple(peer) == name_of(writer)
            assert await receive(second, 500) == b"B" * 500
            try:
                assert await receive(first, 501) == b"A" * 500
            except ConnectionResetError:
                assert firmware == "N17"  # it does not hold the end back until all is read
            await first.close()
            writer.write(b"more")
            assert await receive(second, 4) == b"more"
            await second.close()
        await listener.close()


@generations
async def test_sockets_of_all_kinds_beside_a_listener(firmware: str) -> None:
    """A datagram's link id must not leave its receive mode to the peer that gets the id next."""
    async with echo_server() as server, opened("esp8266", firmware) as rig:
        listener, port = await listening(rig)
        for _ in range(3):
            async with rig.net.udp_socket() as datagrams:
                await datagrams.bind(("", 0))
                out = await rig.net.connect(("srv", server.port), timeout=60)
                clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
                socks = [(await listener.accept())[0] for _ in clients]
            for sock in (out, socks[0]):
                await sock.close()
            clients += [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            socks = socks[1:] + [(await listener.accept())[0] for _ in range(2)]
            for _, writer in clients[1:]:
                writer.write(b"x" * 3000)
            for sock in socks:
                assert await receive(sock, 3000) == b"x" * 3000
                await sock.close()
            for _, writer in clients:
                writer.close()
        await listener.close()


@generations
async def test_options_of_accepted_links(firmware: str) -> None:
    """Before v2.4.1 they would have no effect there, so they are refused."""
    async with opened("esp8266", firmware) as rig:
        listener, port = await listening(rig)
        async with client(port) as (reader, _):
            sock, _ = await listener.accept()
            abort = struct.pack("ii", 1, 0)
            if firmware in ("E2", "E22"):
                with pytest.raises(errors.NotSupported, match="accepted links"):
                    await sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)
                await sock.close()
                assert await reader.read() == b""
            else:
                await sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)
                await sock.close()
                with pytest.raises(ConnectionResetError):
                    await reader.read()
        await listener.close()


async def test_a_bg96_gives_away_the_id_that_is_being_opened() -> None:
    """The peer comes between the driver's choice of an id and AT+QIOPEN: code 563."""
    async with echo_server() as server, opened("bg96", "bg96") as rig:
        listener, port = await listening(rig, backlog=20)
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(10)]
        socks = [(await listener.accept())[0] for _ in clients]
        run = rig.channel.run

        async def crossing(command: Any, **how: Any) -> Any:
            if command.text.startswith(b'AT+QIOPEN=1,1,"TCP"'):
                rig.channel.run = run  # type: ignore[method-assign]
                clients.append(await asyncio.open_connection("127.0.0.1", port))
                await until(lambda: rig.fake.links.get(1) is not None)
            return await run(command, **how)

        rig.channel.run = crossing  # type: ignore[method-assign]
        out = await rig.net.connect(("srv", server.port), timeout=60)
        assert await ended(clients[10][0])  # one too many: all twelve sockets were promised
        await out.sendall(b"out")
        assert await receive(out, 3) == b"out"
        for sock in socks:  # nobody else was hit
            await sock.sendall(b"x")
        for reader, _ in clients[:10]:
            assert await reader.readexactly(1) == b"x"
        for sock in (*socks, out, listener):
            await sock.close()
        for _, writer in clients:
            writer.close()

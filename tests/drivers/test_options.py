"""Socket options: honoured, emulated, or refused with the reason; never swallowed."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from netsocket import errors
from netsocket.capability.model import Level
from tests.drivers.rig import ALL, ESP, Rig, echo_server, opened, receive, until

SOL, TCP = socket.SOL_SOCKET, socket.IPPROTO_TCP
everywhere = pytest.mark.parametrize(("module", "firmware"), ALL)
generations = pytest.mark.parametrize("firmware", ESP)
ABORT = struct.pack("ii", 1, 0)


def sent_by_host(rig: Rig) -> list[str]:
    return [entry.detail for entry in rig.fake.journal if entry.kind == "command"]


@everywhere
@pytest.mark.parametrize(
    "key",
    [(SOL, socket.SO_RCVBUF), (SOL, socket.SO_SNDBUF), (socket.IPPROTO_IP, socket.IP_TOS),
     (socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP), (SOL, 9999)],
)  # fmt: skip
async def test_impossible_ones_are_refused_with_the_record(
    module: str, firmware: str, key: tuple[int, int]
) -> None:
    async with opened(module, firmware) as rig, rig.net.tcp_socket() as sock:
        with pytest.raises(errors.NotSupported) as caught:
            await sock.setsockopt(*key, 1)
        assert caught.value.errno == errno.ENOPROTOOPT
        assert caught.value.capability.level is Level.NONE
        assert caught.value.capability.because


@pytest.mark.parametrize("name", [socket.SO_KEEPALIVE, socket.SO_REUSEADDR, socket.SO_BROADCAST])
async def test_a_bg96_has_almost_none(name: int) -> None:
    async with opened("bg96", "bg96") as rig, rig.net.tcp_socket() as sock:
        for attempt in (sock.setsockopt(SOL, name, 1), sock.getsockopt(SOL, name)):
            with pytest.raises(errors.NotSupported) as caught:
                await attempt
            assert caught.value.errno == errno.ENOPROTOOPT
        with pytest.raises(errors.NotSupported):
            await sock.setsockopt(TCP, socket.TCP_NODELAY, 1)


@generations
async def test_keepalive_goes_out_with_the_connect(firmware: str) -> None:
    async with echo_server() as server, opened("esp8266", firmware) as rig:
        sock = rig.net.tcp_socket()
        assert await sock.getsockopt(SOL, socket.SO_KEEPALIVE) == 0
        await sock.setsockopt(SOL, socket.SO_KEEPALIVE, 1)
        await sock.setsockopt(TCP, socket.TCP_KEEPIDLE, 45)
        assert await sock.getsockopt(SOL, socket.SO_KEEPALIVE) == 1
        assert await sock.getsockopt(TCP, socket.TCP_KEEPIDLE) == 45
        for wrong in (0, 7201):
            with pytest.raises(OSError) as caught:
                await sock.setsockopt(TCP, socket.TCP_KEEPIDLE, wrong)
            assert caught.value.errno == errno.EINVAL
        await sock.connect(("srv", server.port))
        started = [text for text in sent_by_host(rig) if text.startswith("AT+CIPSTART")]
        assert started[-1].endswith(f",{server.port},45")
        await sock.close()
        plain = await rig.net.connect(("srv", server.port), timeout=60)
        started = [text for text in sent_by_host(rig) if text.startswith("AT+CIPSTART")]
        assert started[-1].endswith(f",{server.port}")
        await plain.close()


@generations
async def test_keepalive_on_an_open_connection(firmware: str) -> None:
    """Since v2.4 AT+CIPTCPOPT has a fourth field; before, the connect was the last chance."""
    async with echo_server() as server, opened("esp8266", firmware) as rig:
        sock = await rig.net.connect(("srv", server.port), timeout=60)
        await sock.setsockopt(TCP, socket.TCP_KEEPIDLE, 60)
        if firmware in ("E24", "E33"):
            await sock.setsockopt(SOL, socket.SO_KEEPALIVE, 1)
            assert rig.fake.session.tcp_options[0] == (-1, 0, 0, 60)
        else:
            with pytest.raises(errors.NotSupported, match="before connecting") as caught:
                await sock.setsockopt(SOL, socket.SO_KEEPALIVE, 1)
            assert caught.value.errno == errno.EINVAL
            assert await sock.getsockopt(SOL, socket.SO_KEEPALIVE) == 0
        await sock.close()


@generations
async def test_no_delay(firmware: str) -> None:
    async with echo_server() as server, opened("esp8266", firmware) as rig:
        sock = rig.net.tcp_socket()
        if firmware == "N17":
            with pytest.raises(errors.NotSupported, match="small segments"):
                await sock.setsockopt(TCP, socket.TCP_NODELAY, 1)
            assert await sock.getsockopt(TCP, socket.TCP_NODELAY) == 0
        else:
            await sock.setsockopt(TCP, socket.TCP_NODELAY, 1)
            await sock.connect(("srv", server.port))
            assert rig.fake.session.tcp_options[0][1] == 1
            assert await sock.getsockopt(TCP, socket.TCP_NODELAY) == 1
            await sock.setsockopt(TCP, socket.TCP_NODELAY, 0)
            assert rig.fake.session.tcp_options[0][1] == 0
            await sock.setsockopt(TCP, socket.TCP_NODELAY, 1)
        await sock.close()
        # The id's memory is not the next socket's option.
        other = await rig.net.connect(("srv", server.port), timeout=60)
        assert rig.fake.options_of(0)[1] == 0
        await other.close()


@everywhere
async def test_linger_zero_resets_and_the_next_close_does_not(module: str, firmware: str) -> None:
    async with echo_server() as server, opened(module, firmware) as rig:
        for linger, expected in ((ABORT, "reset"), (None, "eof"), (ABORT, "reset")):
            before = len(server.ended)
            sock = await rig.net.connect(("srv", server.port), timeout=60)
            if linger is not None:
                await sock.setsockopt(SOL, socket.SO_LINGER, linger)
                assert await sock.getsockopt(SOL, socket.SO_LINGER) == 1
            await sock.sendall(b"x")
            assert await receive(sock, 1) == b"x"
            await sock.close()
            await until(lambda seen=before: len(server.ended) > seen)
            assert server.ended[-1] == expected


@everywhere
async def test_linger_longer(module: str, firmware: str) -> None:
    async with echo_server() as server, opened(module, firmware) as rig:
        sock = await rig.net.connect(("srv", server.port), timeout=60)
        value = struct.pack("ii", 1, 3)
        if module == "bg96":
            await sock.setsockopt(SOL, socket.SO_LINGER, value)
        else:
            with pytest.raises(errors.NotSupported, match="blocks"):
                await sock.setsockopt(SOL, socket.SO_LINGER, value)
        with pytest.raises(OSError) as caught:
            await sock.setsockopt(SOL, socket.SO_LINGER, b"xyz")
        assert caught.value.errno == errno.EINVAL
        await sock.close()
        await until(lambda: server.ended)
        assert server.ended == ["eof"]
        if module == "bg96":
            assert sent_by_host(rig)[-1] == "AT+QICLOSE=0,3"


@generations
async def test_buffers_are_told_as_documented(firmware: str) -> None:
    async with opened("esp8266", firmware) as rig, rig.net.tcp_socket() as sock:
        assert await sock.getsockopt(SOL, socket.SO_RCVBUF) == rig.fake.facts["window.receive"]
        assert await sock.getsockopt(SOL, socket.SO_SNDBUF) == rig.fake.facts["frame.max_send"]


@generations
async def test_what_is_always_on(firmware: str) -> None:
    async with opened("esp8266", firmware) as rig:
        async with rig.net.tcp_socket() as sock:
            if firmware == "N17":
                with pytest.raises(errors.NotSupported):
                    await sock.setsockopt(SOL, socket.SO_REUSEADDR, 1)
            else:
                await sock.setsockopt(SOL, socket.SO_REUSEADDR, 1)
                assert await sock.getsockopt(SOL, socket.SO_REUSEADDR) == 1
                with pytest.raises(errors.NotSupported, match="always on"):
                    await sock.setsockopt(SOL, socket.SO_REUSEADDR, 0)
        async with rig.net.udp_socket() as datagrams:
            await datagrams.setsockopt(SOL, socket.SO_BROADCAST, 1)
            assert await datagrams.getsockopt(SOL, socket.SO_BROADCAST) == 1
            with pytest.raises(errors.NotSupported):
                await datagrams.setsockopt(TCP, socket.TCP_NODELAY, 1)

"""TCP of the BG96 fake against real sockets on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import socket

import pytest

from tests.fakes.bg96_host import Bench, bench, tcp_server
from tests.ports import free_port


async def test_exact_bytes_around_qiopen() -> None:
    async with bench() as host, tcp_server() as server:  # L14, L64
        await host.ok('AT+QURCCFG="urcport","usbmodem"')
        await host.ok("AT+QIACT=1")
        line = f'AT+QIOPEN=1,0,"TCP","127.0.0.1",{server.port},0,0'
        host.type(line + "\r")
        first = await host.until(rb"\+QIOPEN: 0,0\r\n")
        assert first == f"{line}\r\r\nOK\r\n\r\n+QIOPEN: 0,0\r\n".encode()
        await host.ok("ATE0")
        host.type(line + "\r")
        again = await host.until(rb"\+QIOPEN: 0,563\r\n")
        assert again == b"\r\nOK\r\n\r\n+QIOPEN: 0,563\r\n"
        assert (await host.info("AT+QIGETERROR")).startswith("+QIGETERROR: 563,")


async def test_send_read_and_counters() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        reader, writer = await server.connection()
        host.type("AT+QISEND=0,5\r")
        assert await host.wait_for("> ") == b"\r\n> "  # L44
        host.type(b"\x00OK\r\n")
        assert await host.wait_for("OK\r\n") == b"\r\nSEND OK\r\n"
        assert await reader.readexactly(5) == b"\x00OK\r\n"
        await asyncio.sleep(0.06)
        assert await host.info("AT+QISEND=0,0") == "+QISEND: 5,5,0"
        writer.write(b"\x20\x02\x00\x00")  # L7
        assert await host.wait_for("recv") == b'\r\n+QIURC: "recv'
        assert await host.until(rb"\r\n") == b'",0\r\n'
        assert await host.command("AT+QIRD=0,0") == b"\r\n+QIRD: 4,0,4\r\n\r\nOK\r\n"
        answer = await host.command("AT+QIRD=0,4")
        assert answer == b"\r\n+QIRD: 4\r\n\x20\x02\x00\x00\r\n\r\nOK\r\n"
        assert await host.command("AT+QIRD=0,0") == b"\r\n+QIRD: 4,4,0\r\n\r\nOK\r\n"
        assert await host.command("AT+QIRD=0,4") == b"\r\n+QIRD: 0\r\n\r\nOK\r\n"


async def test_partial_reads_keep_the_rest() -> None:
    async with bench(ready=True) as host, tcp_server() as server:  # L10, L11, L13
        await host.open(1, "TCP", "127.0.0.1", server.port)
        _, writer = await server.connection()
        data = bytes(range(256)) * 8
        writer.write(data)
        await host.wait_for('\r\n+QIURC: "recv",1\r\n')
        await asyncio.sleep(0.02)
        assert await host.info("AT+QIRD=1,0") == "+QIRD: 2048,0,2048"
        assert await host.command("AT+QIRD=1,5") == (
            b"\r\n+QIRD: 5\r\n" + data[:5] + b"\r\n\r\nOK\r\n"
        )
        host.type("AT+QIRD=1\r")
        assert await host.until(rb"OK\r\n") == (
            b"\r\n+QIRD: 1500\r\n" + data[5:1505] + b"\r\n\r\nOK\r\n"
        )
        assert await host.info("AT+QIRD=1,0") == "+QIRD: 2048,1505,543"
        assert await host.read(1) == data[1505:]


async def test_recv_comes_once_until_drained() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        _, writer = await server.connection()
        writer.write(b"one")
        await host.wait_for('\r\n+QIURC: "recv",0\r\n')
        writer.write(b"two")
        assert await host.quiet() == b""
        assert await host.read(0, 4) == b"onet"
        writer.write(b"three")
        assert await host.quiet() == b""
        assert await host.read(0) == b"wothree"
        writer.write(b"four")
        assert await host.wait_for('"recv",0\r\n') == b'\r\n+QIURC: "recv",0\r\n'
        assert await host.read(0, 4) == b"four"


async def test_recvind_by_firmware() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        assert await host.info('AT+QICFG="recvind"') == '+QICFG: "recvind",0'
        await host.ok('AT+QICFG="recvind",1')
        await host.open(0, "TCP", "127.0.0.1", server.port)
        _, writer = await server.connection()
        writer.write(b"seven77")
        await host.wait_for('\r\n+QIURC: "recv",0,7\r\n')
    async with bench(ready=True, firmware="bg96-old") as host:
        assert await host.command('AT+QICFG="recvind",0') == b"\r\nERROR\r\n"
        assert await host.command('AT+QICSGP=1,3,"x"') == b"\r\nERROR\r\n"


async def test_payload_echo_and_variable_length() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        reader, _ = await server.connection()
        await host.ok("AT+QISDE=1")
        host.type("AT+QISEND=0\r")
        await host.wait_for("\r\n> ")
        host.type(b"hello\x1a")
        assert await host.wait_for("SEND OK\r\n") == b"hello\r\nSEND OK\r\n"  # L53
        assert await reader.readexactly(5) == b"hello"
        await host.ok("AT+QISDE=0")
        host.type("AT+QISEND=0\r")
        await host.wait_for("\r\n> ")
        host.type(b"AT+CSQ\rmore")
        assert await host.quiet() == b"\r\n> "  # L31: what is typed is payload
        host.type(b"\x1a")
        assert await host.wait_for("OK\r\n") == b"\r\nSEND OK\r\n"
        assert await reader.readexactly(11) == b"AT+CSQ\rmore"
        host.type("AT+QISEND=0\r")
        await host.wait_for("\r\n> ")
        host.type(b"never mind\x1b")
        assert await host.until(rb"\r\nERROR\r\n") == b"\r\nERROR\r\n"
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 571,cancel send"
        host.type("AT+QISEND=0\r")
        await host.wait_for("\r\n> ")
        host.type(b"x" * 2000 + b"\x1a")
        await host.wait_for("SEND OK\r\n")
        assert await reader.readexactly(1460) == b"x" * 1460
        assert await host.info("AT+QISEND=0,0") != ""


async def test_superfluous_ctrl_z_does_no_harm() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        host.type("AT+QISEND=0,3\r")
        await host.wait_for("\r\n> ")
        host.type(b"abc\x1a")
        await host.wait_for("SEND OK\r\n")
        assert await host.command("AT+CGMM") == b"\r\nBG96\r\n\r\nOK\r\n"


async def test_line_feed_is_not_payload() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        reader, _ = await server.connection()
        host.type("AT+QISEND=0,3\r\n")
        await host.wait_for("\r\n> ")
        host.type(b"abc")
        await host.wait_for("SEND OK\r\n")
        assert await reader.readexactly(3) == b"abc"
        assert await host.command("AT+CGMM") == b"\r\nBG96\r\n\r\nOK\r\n"


async def test_prompt_without_blank() -> None:
    async with bench(ready=True, prompt_space="no") as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        host.type("AT+QISEND=0,1\r")
        assert await host.wait_for(">") == b"\r\n>"
        host.type(b"x")
        assert await host.wait_for("OK\r\n") == b"\r\nSEND OK\r\n"


async def test_hex_send() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        reader, _ = await server.connection()
        assert await host.command('AT+QISENDEX=0,"4f4B0d"') == b"\r\nSEND OK\r\n"
        assert await reader.readexactly(3) == b"OK\r"
        for bad in ('"4f4"', '"xy"', '""', "4f4b", '"' + "00" * 257 + '"'):
            assert await host.command(f"AT+QISENDEX=0,{bad}") == b"\r\nERROR\r\n"


@pytest.mark.parametrize(
    "line",
    [
        "AT+QISEND=0,1461",
        "AT+QISEND=12,1",
        "AT+QISEND=5,1",
        'AT+QISEND=0,1,"127.0.0.1",9',
        "AT+QISEND=0,-1",
        "AT+QIRD=0,1501",
        "AT+QIRD=7",
        "AT+QIRD=",
        'AT+QIOPEN=1,"1","TCP","127.0.0.1",9,0,0',  # L37
        "AT+QIOPEN=1,1,TCP,127.0.0.1,9,0,0",  # L37, quotes eaten
        'AT+QIOPEN=1,"TCP","127.0.0.1",9',
        'AT+QIOPEN=1,12,"TCP","127.0.0.1",9',
        'AT+QIOPEN=17,1,"TCP","127.0.0.1",9',
        'AT+QIOPEN=1,1,"TCP","127.0.0.1",70000',
        'AT+QIOPEN=1,1,"TCP","127.0.0.1",0',
        'AT+QIOPEN=1,1,"SCTP","127.0.0.1",9',
        'AT+QIOPEN=1,1,"TCP LISTENER","10.0.0.1",0,8080',
        'AT+QIOPEN=1,1,"TCP LISTENER","127.0.0.1",0',
        'AT+QIOPEN=1,1,"UDP SERVICE","127.0.0.1",5,3030',
        'AT+QIOPEN=1,1,"TCP","127.0.0.1",9,0,3',
        "AT+QICLOSE=12",
        "AT+QICLOSE=0,65536",
        "AT+QISTATE=2,0",
        'AT+QICFG="viewmode",2',
        'AT+QICFG="nonsense",1',
    ],
)
async def test_bad_parameters_are_a_plain_error(line: str) -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        assert await host.command(line) == b"\r\nERROR\r\n"
        assert await host.info("AT+QIGETERROR") != "+QIGETERROR: 0,operate successfully"
        assert await host.quiet(0.01) == b""


async def test_error_code_text() -> None:
    async with bench(ready=True) as host:
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 0,operate successfully"
        assert await host.command("AT+QIRD=x") == b"\r\nERROR\r\n"
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 552,invalid parameters"  # L37
    async with bench(cme_for_qi="yes") as host:
        await host.ok("ATE0")
        assert await host.command("AT+QIRD=x") == b"\r\n+CME ERROR: 552\r\n"
        await host.ok("AT+CMEE=2")
        assert await host.command("AT+QIRD=x") == b"\r\n+CME ERROR: invalid parameters\r\n"


async def result_of(host: Bench, line: str) -> bytes:
    await host.ok(line)
    return await host.until(rb"\+QIOPEN: \d+,\d+\r\n")


async def test_open_failures() -> None:
    names = {"gone.example": "192.0.2.1", "here.example": "127.0.0.1"}
    async with bench(ready=True, resolve=names) as host, tcp_server() as server:
        dead = free_port()
        open_ = 'AT+QIOPEN=1,3,"TCP",'
        assert b"3,566" in await result_of(host, f'{open_}"127.0.0.1",{dead}')
        assert (await host.info("AT+QIGETERROR")).startswith("+QIGETERROR: 566,")
        assert b"3,565" in await result_of(host, f'{open_}"nowhere.example",80')
        assert b"3,566" in await result_of(host, f'{open_}"gone.example",80')
        assert b"3,566" in await result_of(host, f'{open_}"8.8.8.8",53')
        assert [r.kind for r in host.modem.journal].count("unreachable") == 2
        assert await host.info("AT+QISTATE?") == ""
        busy = free_port()
        with socket.create_server(("127.0.0.1", busy)):
            line = f'AT+QIOPEN=1,3,"TCP LISTENER","127.0.0.1",0,{busy},0'
            assert b"3,556" in await result_of(host, line)
        assert b"3,0" in await result_of(host, f'{open_}"here.example",{server.port}')
        state = await host.info("AT+QISTATE=1,3")
        assert state.startswith(f'+QISTATE: 3,"TCP","127.0.0.1",{server.port},')
        await host.ok("AT+QIDEACT=1")
        assert await host.command(f'{open_}"here.example",80') == b"\r\nERROR\r\n"
        assert (await host.info("AT+QIGETERROR")).startswith("+QIGETERROR: 561,")


async def test_unreachable_takes_its_time() -> None:
    async with bench(ready=True, time_scale=0.002) as host:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await host.ok('AT+QIOPEN=1,0,"TCP","192.0.2.1",80')
        assert await host.info("AT+QISTATE=1,0") != ""  # opening
        await host.until(rb"\+QIOPEN: 0,566\r\n")
        assert loop.time() - started >= 75 * 0.002


async def test_open_without_context_by_setting() -> None:
    async with bench(open_inactive="urc") as host:
        await host.ok("ATE0")
        assert await result_of(host, 'AT+QIOPEN=1,0,"TCP","127.0.0.1",9') == (
            b"\r\n+QIOPEN: 0,561\r\n"
        )


async def test_transparent_mode_is_an_error() -> None:
    async with bench(ready=True) as host:
        line = 'AT+QIOPEN=1,0,"TCP","127.0.0.1",9,0,2'
        assert await host.command(line) == b"\r\nERROR\r\n"


async def test_local_port() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        wanted = free_port()
        await host.open(0, "TCP", "127.0.0.1", server.port, wanted)
        _, writer = await server.connection()
        assert writer.get_extra_info("peername") == ("127.0.0.1", wanted)
        state = f'+QISTATE: 0,"TCP","127.0.0.1",{server.port},{wanted},2,1,0,0,"usbmodem"'
        assert await host.info("AT+QISTATE=1,0") == state
        line = f'AT+QIOPEN=1,1,"TCP","127.0.0.1",{server.port},{wanted}'
        assert b"1,556" in await result_of(host, line)


async def test_closed_once_data_still_readable_state_four() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(2, "TCP", "127.0.0.1", server.port)
        _, writer = await server.connection()
        writer.write(b"last words")
        writer.close()
        notices = await host.wait_for('"closed",2\r\n')
        assert notices == b'\r\n+QIURC: "recv",2\r\n\r\n+QIURC: "closed",2\r\n'
        state = await host.info("AT+QISTATE=1,2")
        assert re.fullmatch(
            rf'\+QISTATE: 2,"TCP","127.0.0.1",{server.port},\d+,4,1,2,0,"usbmodem"', state
        )
        line = f'AT+QIOPEN=1,2,"TCP","127.0.0.1",{server.port}'
        assert b"2,563" in await result_of(host, line)
        assert await host.command("AT+QISEND=2,3") == b"\r\nERROR\r\n"
        assert await host.read(2) == b"last words"
        assert await host.read(2) == b""
        assert await host.quiet() == b""
        await host.ok("AT+QICLOSE=2")
        assert await host.info("AT+QISTATE=1,2") == ""
        assert await host.command("AT+QIRD=2") == b"\r\nERROR\r\n"
        await host.open(2, "TCP", "127.0.0.1", server.port)


async def test_reset_by_peer_is_closed_too() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        _, writer = await server.connection()
        writer.transport.abort()
        assert await host.wait_for("0\r\n") == b'\r\n+QIURC: "closed",0\r\n'


async def test_buffer_lost_after_closed_by_setting() -> None:
    async with bench(ready=True, keep_after_closed="no") as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        _, writer = await server.connection()
        writer.write(b"lost")
        await host.wait_for('"recv",0\r\n')
        writer.close()
        await host.wait_for('"closed",0\r\n')
        assert await host.read(0) == b""


async def test_close_forms() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.ok("AT+QICLOSE=4")  # not open: OK
        await host.open(0, "TCP", "127.0.0.1", server.port)
        await host.open(1, "TCP", "127.0.0.1", server.port)
        first, _ = await server.connection(0)
        second, _ = await server.connection(1)
        assert await host.send(0, b"x" * 1000) == b"SEND OK"
        assert await host.command("AT+QICLOSE=0,10") == b"\r\nOK\r\n"
        assert await first.read() == b"x" * 1000
        assert await host.command("AT+QICLOSE=1,0") == b"\r\nOK\r\n"
        with pytest.raises(ConnectionResetError):
            await second.read()
        assert await host.quiet() == b""  # no notice of a local close
        assert await host.info("AT+QISTATE?") == ""
    async with bench(ready=True, close_unknown="error") as host:
        assert await host.command("AT+QICLOSE=4") == b"\r\nERROR\r\n"


async def test_close_waits_for_a_slow_peer_up_to_its_timeout() -> None:
    options = {"close_delay": "60", "time_scale": 0.01}
    async with bench(ready=True, **options) as host, tcp_server() as server:  # L17
        loop = asyncio.get_running_loop()
        for number, line, seconds in (
            (0, "AT+QICLOSE=0", 10),
            (1, "AT+QICLOSE=1,3", 3),
            (2, "AT+QICLOSE=2,0", 0),
        ):
            await host.open(number, "TCP", "127.0.0.1", server.port)
            started = loop.time()
            await host.ok(line)
            took = (loop.time() - started) / 0.01
            assert seconds <= took < seconds + 20


async def test_close_with_unsent_data_and_a_deaf_peer_forces_the_end() -> None:
    async with bench(ready=True) as host:
        with deaf_server() as (server, port):
            await host.open(0, "TCP", "127.0.0.1", port)
            peer, _ = await asyncio.get_running_loop().sock_accept(server)
            with peer:
                while await host.send(0, b"z" * 1460) == b"SEND OK":
                    pass
                await host.ok("AT+QICLOSE=0,1")
                assert await host.info("AT+QISTATE?") == ""


def deaf_server() -> DeafServer:
    return DeafServer()


class DeafServer:
    """A listening socket whose connections have a tiny receive buffer."""

    def __enter__(self) -> tuple[socket.socket, int]:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen()
        self.sock.setblocking(False)
        return self.sock, self.sock.getsockname()[1]

    def __exit__(self, *_: object) -> None:
        self.sock.close()


async def test_send_fail_at_full_buffer_and_recovery() -> None:
    async with bench(ready=True) as host:
        loop = asyncio.get_running_loop()
        with deaf_server() as (server, port):
            await host.open(0, "TCP", "127.0.0.1", port)
            peer, _ = await loop.sock_accept(server)
            with peer:
                peer.setblocking(False)
                sent = bytearray()
                source = random.Random(1)
                for _ in range(100):
                    block = source.randbytes(1460)
                    result = await host.send(0, block)
                    if result == b"SEND FAIL":
                        break
                    assert result == b"SEND OK"
                    sent += block
                assert result == b"SEND FAIL"
                match = re.fullmatch(
                    r"\+QISEND: (\d+),(\d+),(\d+)", await host.info("AT+QISEND=0,0")
                )
                assert match
                total, acked, waiting = (int(group) for group in match.groups())
                assert total == len(sent) == acked + waiting
                assert 10240 - 1460 < waiting <= 10240
                received = bytearray()
                while len(received) < len(sent):
                    received += await loop.sock_recv(peer, 65536)
                await asyncio.sleep(0.1)
                assert await host.send(0, b"again") == b"SEND OK"
                while len(received) < len(sent) + 5:
                    received += await loop.sock_recv(peer, 65536)
                assert received == sent + b"again"  # the refused block is not in it


async def test_receive_back_pressure() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        _, writer = await server.connection()
        data = random.Random(2).randbytes(300_000)
        writer.write(data)
        await host.wait_for('"recv",0\r\n')
        await asyncio.sleep(0.05)
        unread = int((await host.info("AT+QIRD=0,0")).rsplit(",", 1)[1])
        assert 1500 < unread <= 10240
        assert writer.transport.get_write_buffer_size() > 0
        assert await host.read_all(0, len(data)) == data


async def test_state_three_by_setting() -> None:
    async with bench(ready=True, state3="yes", port="uart1") as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        state = await host.info("AT+QISTATE=1,0")  # L8
        assert re.fullmatch(
            rf'\+QISTATE: 0,"TCP","127.0.0.1",{server.port},\d+,3,1,0,0,"uart1"', state
        )


async def test_listener_incoming_from_eleven_down() -> None:
    async with bench(ready=True) as host:  # L47
        port = free_port()
        line = f'AT+QIOPEN=1,0,"TCP LISTENER","127.0.0.1",0,{port},0'
        assert await result_of(host, line) == b"\r\n+QIOPEN: 0,0\r\n"
        wanted = f'+QISTATE: 0,"TCP LISTENER","127.0.0.1",0,{port},3,1,0,0,"usbmodem"'
        assert await host.info("AT+QISTATE=1,0") == wanted
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        other = writer.get_extra_info("sockname")[1]
        writer.write(b"HELLO-FROM-WAN\r\n")
        assert (
            await host.wait_for('"recv",11\r\n')
            == (
                f'\r\n+QIURC: "incoming",11,0,"127.0.0.1",{other}\r\n\r\n+QIURC: "recv",11\r\n'
            ).encode()
        )
        assert await host.command("AT+QIRD=11,64") == (
            b"\r\n+QIRD: 16\r\nHELLO-FROM-WAN\r\n\r\n\r\nOK\r\n"
        )
        state = f'+QISTATE: 11,"TCP INCOMING","127.0.0.1",{other},{port},2,1,0,0,"usbmodem"'
        assert await host.info("AT+QISTATE=1,11") == state
        assert await host.send(11, b"welcome") == b"SEND OK"
        assert await reader.readexactly(7) == b"welcome"
        writer.close()
        await host.wait_for('"closed",11\r\n')
        second = await asyncio.open_connection("127.0.0.1", port)
        await host.wait_for('"incoming",10,0,')
        second[1].transport.abort()
        await host.wait_for('"closed",10\r\n')
        assert await host.command("AT+QIRD=0") == b"\r\nERROR\r\n"
        assert await host.command("AT+QISEND=0,1") == b"\r\nERROR\r\n"


async def test_incoming_full() -> None:
    async with bench(ready=True) as host:
        port = free_port()
        await host.open(0, "TCP LISTENER", "127.0.0.1", 0, port)
        peers = []
        for _ in range(12):
            peers.append(socket.create_connection(("127.0.0.1", port)))
            await asyncio.sleep(0.002)  # the backlog is shorter than that
        said = await host.wait_for('\r\n+QIURC: "incoming full"\r\n')
        ids = [int(text) for text in re.findall(rb'"incoming",(\d+),0', said)]
        assert ids == list(range(11, 0, -1))
        with pytest.raises(ConnectionResetError):
            peers[11].recv(1)
        for peer in peers:
            peer.close()


async def test_direct_push() -> None:
    async with bench(ready=True) as host, tcp_server() as server:  # L14, L16
        await host.open(0, "TCP", "127.0.0.1", server.port, mode=1)
        _, writer = await server.connection()
        writer.write(b"hi")
        assert await host.until(rb"hi\r\n") == b'\r\n+QIURC: "recv",0,2\r\nhi\r\n'
        data = random.Random(3).randbytes(100_000)
        writer.write(data)
        collected = b""
        while len(collected) < len(data):
            header = await host.until(rb'\r\n\+QIURC: "recv",0,(\d+)\r\n')
            count = int(header.split(b",")[-1])
            assert 0 < count <= 1500
            chunk = await host.until(rb"^.{%d}\r\n" % count)
            collected += chunk[:-2]
        assert collected == data
        writer.write(b"bye")
        writer.close()
        assert await host.until(rb'"closed",0\r\n') == (
            b'\r\n+QIURC: "recv",0,3\r\nbye\r\n\r\n+QIURC: "closed",0\r\n'
        )


async def test_nothing_is_pushed_into_a_prompt() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port, mode=1)
        await host.open(1, "TCP", "127.0.0.1", server.port)
        _, push = await server.connection(0)
        _, pull = await server.connection(1)
        host.type("AT+QISEND=0,2\r")
        await host.wait_for("\r\n> ")
        push.write(b"OK")
        pull.write(b"x")
        assert await host.quiet() == b""
        host.type("ab")
        said = await host.until(rb"SEND OK\r\n.*OK\r\n")
        assert said.startswith(b"\r\nSEND OK\r\n")
        said += await host.quiet()
        assert b'\r\n+QIURC: "recv",0,2\r\nOK\r\n' in said
        assert b'\r\n+QIURC: "recv",1\r\n' in said


async def test_push_respects_a_full_carrier() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port, mode=1)
        _, writer = await server.connection()
        host.modem.pause_output()
        writer.write(b"q" * 1_000_000)
        await asyncio.sleep(0.05)
        assert host.take() == b""
        assert host.modem.wire.outward.backlog < 20_000
        host.modem.resume_output()
        await asyncio.sleep(0.05)
        assert len(host.take()) > 20_000


async def test_view_and_data_format() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        reader, writer = await server.connection()
        await host.ok('AT+QICFG="viewmode",1')
        writer.write(b"abc")
        await host.wait_for('"recv",0\r\n')
        assert await host.command("AT+QIRD=0") == b"\r\n+QIRD: 3,abc\r\n\r\nOK\r\n"
        await host.ok('AT+QICFG="viewmode",0')
        await host.ok('AT+QICFG="dataformat",1,1')
        assert await host.info('AT+QICFG="dataformat"') == '+QICFG: "dataformat",1,1'
        writer.write(b"\x00\xff")
        await host.wait_for('"recv",0\r\n')
        assert await host.command("AT+QIRD=0") == b"\r\n+QIRD: 2\r\n00FF\r\n\r\nOK\r\n"
        assert await host.send(0, b"4f4b") == b"SEND OK"
        assert await reader.readexactly(2) == b"OK"


async def test_switching_the_access_mode() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        _, writer = await server.connection()
        writer.write(b"abc")
        await host.wait_for('"recv",0\r\n')
        host.type("AT+QISWTMD=0,1\r")
        wanted = b'\r\nOK\r\n\r\n+QIURC: "recv",0,3\r\nabc\r\n'
        assert await host.until(rb"abc\r\n") == wanted
        assert await host.command("AT+QISWTMD=0,2") == b"\r\nERROR\r\n"


async def test_wrong_urc_port_is_silent() -> None:
    async with bench() as host, tcp_server(echo=True) as server:  # L50
        await host.ok("ATE0;+QISDE=0;+QIACT=1")
        assert await host.info('AT+QURCCFG="urcport"') == '+QURCCFG: "urcport","usbat"'
        await host.open(0, "TCP", "127.0.0.1", server.port)  # the result comes all the same
        assert await host.send(0, b"ping") == b"SEND OK"
        assert await host.quiet(0.05) == b""
        assert await host.read(0) == b"ping"
        await host.ok('AT+QURCCFG="urcport","usbmodem"')
        assert await host.send(0, b"ping") == b"SEND OK"
        await host.wait_for('\r\n+QIURC: "recv",0\r\n')
        host.type("AT+CFUN=1,1\r")  # kept over a reboot
        await host.wait_for("\r\n+CFUN: 1\r\n")
    async with bench(ready=True, urcport_fixed="yes") as host:
        assert await host.info('AT+QURCCFG="urcport"') == '+QURCCFG: "urcport","usbat"'


async def test_connect_cut_short() -> None:
    async with bench(ready=True, time_scale=0.02) as host:
        await host.ok('AT+QIOPEN=1,0,"TCP","192.0.2.1",80')
        await host.ok("AT+QICLOSE=0")
        assert await host.quiet(0.05) == b""
        assert await host.info("AT+QISTATE?") == ""
    async with bench(ready=True, time_scale=0.02, late_open="yes") as host:
        await host.ok('AT+QIOPEN=1,0,"TCP","192.0.2.1",80')
        await host.ok("AT+QICLOSE=0")
        assert await host.wait_for("566\r\n") == b"\r\n+QIOPEN: 0,566\r\n"


async def test_lost_context_kills_the_sockets() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        reader, _ = await server.connection()
        host.modem.lose_context(1)
        assert await host.wait_for("\r\n+QIURC") == b"\r\n+QIURC"
        assert await host.wait_for("1\r\n") == b': "pdpdeact",1\r\n'
        assert await host.command("AT+QISEND=0,3") == b"\r\nERROR\r\n"
        assert await host.info("AT+QIACT?") == ""
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert (await host.info("AT+QISTATE=1,0")).split(",")[5] == "4"
        assert await host.command(f'AT+QIOPEN=1,1,"TCP","127.0.0.1",{server.port}') == (
            b"\r\nERROR\r\n"
        )
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 570,pdp context broken down"
        await host.ok("AT+QIDEACT=1")
        assert await host.info("AT+QISTATE?") == ""
        await host.ok("AT+QIACT=1")
        await host.open(0, "TCP", "127.0.0.1", server.port)


async def test_twelve_sockets_at_once() -> None:
    async with bench(ready=True) as host, tcp_server(echo=True) as server:
        for number in range(12):
            await host.open(number, "TCP", "127.0.0.1", server.port)
        assert len((await host.info("AT+QISTATE?")).split("\r\n")) == 12
        payloads = [random.Random(number).randbytes(1460) for number in range(12)]
        for number, payload in enumerate(payloads):
            assert await host.send(number, payload) == b"SEND OK"
        await asyncio.sleep(0.1)
        host.take()
        for number, payload in enumerate(payloads):
            assert await host.read(number, 1500) == payload
        await host.ok("AT+QIDEACT=1")
        assert await host.info("AT+QISTATE?") == ""


async def test_one_mebibyte_echo() -> None:
    async with bench(ready=True) as host, tcp_server(echo=True) as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        data = random.Random(4).randbytes(1 << 20)
        back = hashlib.sha256()
        received = 0
        for at in range(0, len(data), 1460):
            block = data[at : at + 1460]
            assert await host.send(0, block) == b"SEND OK"
            while chunk := await host.read(0):
                back.update(chunk)
                received += len(chunk)
        while received < len(data):
            chunk = await host.read(0)
            if not chunk:
                await asyncio.sleep(0.002)
            back.update(chunk)
            received += len(chunk)
        assert back.digest() == hashlib.sha256(data).digest()


async def test_single_byte_chunks_change_nothing() -> None:
    async with bench(ready=True) as host, tcp_server(echo=True) as server:
        host.modem.wire.outward.configure(chunk="single")
        await host.open(0, "TCP", "127.0.0.1", server.port)
        payload = b'OK\r\n\r\nERROR\r\n+QIURC: "closed",0\r\n> \x00\x1a'
        assert await host.send(0, payload) == b"SEND OK"
        await host.wait_for('"recv",0\r\n')
        assert await host.read(0) == payload


async def test_line_time_at_115200_baud() -> None:
    async with bench(port="uart1", baud=115200) as host, tcp_server() as server:  # L10
        await host.ready()
        await host.open(1, "TCP", "127.0.0.1", server.port)
        _, writer = await server.connection()
        writer.write(bytes(1500))
        await host.wait_for('"recv",1\r\n')
        await asyncio.sleep(0.02)
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert await host.read(1) == bytes(1500)
        assert 0.13 <= loop.time() - started < 0.25


async def test_latency_by_port() -> None:
    for port, seconds in (("usbat", 0.003), ("uart1", 0.020)):
        async with bench(port=port, time_scale=1.0) as host:
            loop = asyncio.get_running_loop()
            started = loop.time()
            await host.ok("AT")
            assert seconds <= loop.time() - started < seconds + 0.1

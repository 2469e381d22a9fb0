"""Ranges, results and ends of the module's TLS, from the BG96 SSL AT Commands Manual V1.0 ("SSL").

SSL, chapter 2: AT+QSSLCFG, AT+QSSLOPEN (context 1-16, SSL context 0-5, client id 0-11), AT+QSSLSEND
(1-1460 by its test form), AT+QSSLRECV (1-1500), AT+QSSLCLOSE (0-65535 s, 10 when not said); the codes are
those of the TCP(IP) AT Commands Manual V1.1, chapter 5.
"""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.fakes.bg96_host import Bench, bench, refuse, show, take, tcp_server, watch_time
from tests.fakes.test_bg96_tls import open_tls, tls_server


async def opened(host: Bench, line: str) -> str:
    """The result of an opening that begins."""
    host.type(line + "\r")
    said = await host.until(rb"\+QSSLOPEN: \d+,\d+\r\n")
    assert said.startswith(b"\r\nOK\r\n\r\n+QSSLOPEN: "), said
    return said.decode().split(": ")[1].strip()


async def test_what_an_opening_takes() -> None:
    async with bench(ready=True) as host:
        await refuse(host, [
            'AT+QSSLOPEN=0,1,0,"127.0.0.1",443,0', 'AT+QSSLOPEN=17,1,0,"127.0.0.1",443,0',
            'AT+QSSLOPEN=1,6,0,"127.0.0.1",443,0', 'AT+QSSLOPEN=1,-1,0,"127.0.0.1",443,0',
            'AT+QSSLOPEN=1,1,12,"127.0.0.1",443,0', 'AT+QSSLOPEN=1,1,-1,"127.0.0.1",443,0',
            'AT+QSSLOPEN=1,1,0,"127.0.0.1",0,0', 'AT+QSSLOPEN=1,1,0,"127.0.0.1",65536,0',
            'AT+QSSLOPEN=1,1,0,"127.0.0.1",443,3', 'AT+QSSLOPEN=1,1,0,"127.0.0.1",443,0,0',
            'AT+QSSLOPEN=1,1,0,127.0.0.1,443,0', 'AT+QSSLOPEN=1,1,0,"127.0.0.1"', 'AT+QSSLOPEN=1,1,0',
        ])  # fmt: skip
        # Access modes 1 and 2 exist; this module answers that it does not have them.
        for mode in (1, 2):
            await refuse(host, [f'AT+QSSLOPEN=1,1,0,"127.0.0.1",443,{mode}'], 555)
        for context in (2, 16):
            await refuse(host, [f'AT+QSSLOPEN={context},1,0,"127.0.0.1",443,0'], 561)
        # 565: no such name, and an address is no name
        for text, code in (('"nobody",1,0', 565), ('"nobody",65535', 565), ('"::1",443', 566)):
            assert await opened(host, f"AT+QSSLOPEN=1,5,11,{text}") == f"11,{code}"
            assert host.modem.last_error == code


async def test_what_the_other_commands_take() -> None:
    async with bench(ready=True) as host:
        await refuse(host, [
            "AT+QSSLCLOSE=12", "AT+QSSLCLOSE=0,65536", "AT+QSSLCLOSE=0,1,1", "AT+QSSLCLOSE=",
            "AT+QSSLSEND=12,1", "AT+QSSLSEND=0,1,1", "AT+QSSLRECV=12,1", "AT+QSSLRECV=0,1,1",
            "AT+QSSLSTATE=12", "AT+QSSLSTATE=0,0",
        ])  # fmt: skip
        await refuse(host, ["AT+QSSLSEND=0,1", "AT+QSSLSEND=11", "AT+QSSLRECV=11,1500"], 567)
        await take(host, ["AT+QSSLCLOSE=0,0", "AT+QSSLCLOSE=11,65535", "AT+QSSLSTATE=11", "AT+QSSLSTATE=0"])  # fmt: skip
    async with bench(ready=True, close_unknown="error") as host:
        await refuse(host, ["AT+QSSLCLOSE=0", "AT+QICLOSE=0"], 567)


async def test_files_are_named_in_quotes() -> None:
    """SSL, AT+QSSLCFG: the three file names are strings, none is set at first; a suite is a hex number."""
    async with bench(ready=True) as host:
        for name in ("cacert", "clientcert", "clientkey"):
            await show(host, {f'AT+QSSLCFG="{name}",1': f'+QSSLCFG: "{name}",1,""'})
            await take(host, [f'AT+QSSLCFG="{name}",1,"Some.pem"'])
            await show(host, {f'AT+QSSLCFG="{name}",1': f'+QSSLCFG: "{name}",1,"Some.pem"',
                              f'AT+QSSLCFG="{name}",0': f'+QSSLCFG: "{name}",0,""'})  # fmt: skip
            await refuse(host, [f'AT+QSSLCFG="{name}",1,Some.pem'])
        await take(host, ['AT+QSSLCFG="ciphersuite",1,0xc02f'])
        await show(host, {'AT+QSSLCFG="ciphersuite",1': '+QSSLCFG: "ciphersuite",1,0XC02F'})


async def test_versions_of_tls() -> None:
    """SSL, AT+QSSLCFG="sslversion": 0 SSL 3.0, 1 TLS 1.0, 2 TLS 1.1, 3 TLS 1.2; today's servers take TLS 1.2."""
    async with bench(ready=True) as host, tls_server() as server:
        for version, code in ((0, 566), (1, 566), (2, 566), (3, 0)):
            await take(host, [f'AT+QSSLCFG="sslversion",1,{version}'])
            assert (await open_tls(host, 0, server.port)).endswith(b": 0,%d\r\n" % code)
            assert host.modem.last_error == code


async def test_a_peer_that_cannot_be_reached() -> None:
    async with bench(ready=True) as host:
        assert await opened(host, 'AT+QSSLOPEN=1,1,0,"192.0.2.1",443,0') == "0,566"


async def test_rows_and_ids() -> None:
    """SSL, AT+QSSLSTATE=<id>: that connection only; the row ends with its SSL context."""
    async with bench(ready=True) as host, tls_server() as server:
        assert await opened(host, f'AT+QSSLOPEN=1,5,11,"127.0.0.1",{server.port}') == "11,0"
        assert await opened(host, f'AT+QSSLOPEN=1,0,0,"127.0.0.1",{server.port},0') == "0,0"
        rows = {}
        for line in ("=11", "=0", "=1", "", "?"):
            said = await host.info(f"AT+QSSLSTATE{line}")
            rows[line] = re.sub(rf",{server.port},\d+,", ",PORT,OWN,", said)
        first = '+QSSLSTATE: 11,"SSLClient","127.0.0.1",PORT,OWN,2,1,11,0,"usbmodem",5'
        second = '+QSSLSTATE: 0,"SSLClient","127.0.0.1",PORT,OWN,2,1,0,0,"usbmodem",0'
        both = f"{second}\r\n{first}"
        assert rows == {"=11": first, "=0": second, "=1": "", "": both, "?": both}


async def test_lengths_of_a_send() -> None:
    """SSL, AT+QSSLSEND: 1 to 1460 bytes, or up to Ctrl-Z; what happens meanwhile is told behind the result."""
    async with bench(ready=True) as host, tls_server() as server:
        await open_tls(host, 11, server.port)
        reader, _ = await server.connection()
        await refuse(host, ["AT+QSSLSEND=11,0", "AT+QSSLSEND=11,1461", "AT+QSSLSEND=11,-1"])
        for count in (1, 1460):
            host.type(f"AT+QSSLSEND=11,{count}\r")
            await host.wait_for("\r\n> ")
            host.modem.urc("+TEST: 1")
            host.type(b"x" * count)
            assert await host.wait_for("+TEST: 1\r\n") == b"\r\nSEND OK\r\n\r\n+TEST: 1\r\n"
            assert await asyncio.wait_for(reader.readexactly(count), 5) == b"x" * count
        host.type("AT+QSSLSEND=11\r")
        await host.wait_for("\r\n> ")
        host.type("abc\x1a")
        await host.wait_for("SEND OK\r\n")
        assert await asyncio.wait_for(reader.readexactly(3), 5) == b"abc"


async def test_pieces_of_what_was_received() -> None:
    """SSL, AT+QSSLRECV: 1 to 1500 bytes; the next notice comes when everything had been read."""
    async with bench(ready=True) as host, tls_server() as server:
        await open_tls(host, 7, server.port)
        _, writer = await server.connection()
        await refuse(host, ["AT+QSSLRECV=7,0", "AT+QSSLRECV=7,1501", "AT+QSSLRECV=7"])
        for first, second in ((b"ab", b"cd"), (b"ef", b"gh")):
            writer.write(first)
            await host.wait_for('\r\n+QSSLURC: "recv",7\r\n')
            assert await host.command("AT+QSSLRECV=7,1") == (
                b"\r\n+QSSLRECV: 1\r\n" + first[:1] + b"\r\n\r\nOK\r\n"
            )
            writer.write(second)
            async with asyncio.timeout(5):
                while (link := host.modem.links.get(7)) is None or link.unread() < 3:
                    await asyncio.sleep(0.001)
            assert host.take() == b"", "one notice until it is read empty"
            assert first[1:] + second in await host.ok("AT+QSSLRECV=7,1500")


async def test_nothing_to_read_before_the_handshake_is_done() -> None:
    """567 until it stands; AT+QSSLCLOSE ends the attempt."""
    async with bench(ready=True) as host, tcp_server() as server:
        await host.ok(f'AT+QSSLOPEN=1,1,0,"127.0.0.1",{server.port},0')
        reader, _ = await server.connection()
        assert await asyncio.wait_for(reader.read(1), 5) == b"\x16"  # its first record
        await refuse(host, ["AT+QSSLRECV=0,1500", "AT+QSSLSEND=0,1"], 567)
        await host.ok("AT+QSSLCLOSE=0,0")
        assert await host.info("AT+QSSLSTATE") == ""


@pytest.mark.parametrize(
    ("line", "seconds"), [("=1", 10), ("=1,3", 3), ("=1,0", 0)], ids=["default", "3", "0"]
)
async def test_a_close_waits_for_the_peer(line: str, seconds: int) -> None:
    """SSL, AT+QSSLCLOSE: 10 s when not said; 0 closes at once, here with a reset as AT+QICLOSE does."""
    async with bench(ready=True, close_delay="100", latency="0") as host, tls_server() as server:
        await open_tls(host, 1, server.port)
        reader, _ = await server.connection()
        spent = watch_time(host)
        await host.ok(f"AT+QSSLCLOSE{line}")
        assert sum(spent) == seconds
        assert await host.info("AT+QSSLSTATE") == ""
        if seconds:
            assert await asyncio.wait_for(reader.read(), 5) == b""
        else:
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 5)


async def test_a_close_before_there_is_a_connection() -> None:
    async with bench(ready=True, connect_delay="1000") as host:
        host.modem.time_scale = 1.0
        await host.ok('AT+QSSLOPEN=1,1,3,"127.0.0.1",9,0')
        assert ",1,1,3,0," in await host.info("AT+QSSLSTATE=3")
        await host.ok("AT+QSSLCLOSE=3,5")
        assert await host.info("AT+QSSLSTATE=3") == ""

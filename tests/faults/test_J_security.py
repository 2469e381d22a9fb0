"""J: who speaks to the driver is not trusted: callers' strings, names from the air, peers, modules."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import ssl
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from atdriver.errors import EncodeError, PortMissing
from atdriver.exchange import Command
from atdriver.links.rfc2217 import Rfc2217Link
from atdriver.links.tcp import TcpLink
from atdriver.trace import trace_to
from fakes import Peer
from modems.sockets import BUFFER_CAP
from netsocket.adapters.pool import Pool
from netsocket.adapters.proxy import Proxy
from netsocket.cellular import AccessPointName
from netsocket.errors import NetworkNotFound
from netsocket.hoststack import HostStack
from netsocket.interface import AsyncNetworkInterface
from netsocket.module_tls import ModuleTLSWarning
from netsocket.wifi import WiFiCredentials
from tests.drivers import rig
from tests.netsocket.certificates import serving, trusting

from .bench import BOTH, Bench, Injected, assemble, opened, virtual

CANARY = "c4n4ry-S3cr3t"
INJECTIONS = (
    'x"\r\nAT+RST\r\n',
    "x\nAT+QPOWD\n",
    "x\x1aAT",
    "x\x1b\x00",
    "x\x7f",
    'x",1\r',
)


def commands(bench: Bench) -> list[bytes]:
    """The lines that the module was given."""
    return bench.wire.written.split(b"\r")


@pytest.mark.catches(
    "atdriver/syntax.py",
    "self.escape + character if character in self.escaped else character",
    "character if character in self.escaped else character",
)
@pytest.mark.catches("atdriver/channel.py", "if _CONTROL.search(text):", "if not text:")
@pytest.mark.parametrize("module", ["esp8266", "bg96"])
@virtual
async def test_J01_command_injection_through_caller_strings(
    module: str, injected: Injected
) -> None:
    """Each is refused with a documented error, and nothing of it reaches the wire."""
    for text in INJECTIONS:
        if module == "esp8266":
            bench = assemble(module)
            bench.stack.set_credentials(WiFiCredentials(text, text + "password"))  # type: ignore[attr-defined]
            with pytest.raises(EncodeError):
                await bench.net.up()
        else:
            bench = assemble(module, apn="internet", user="me")
            with pytest.raises(OSError):
                bench.stack.set_access_point_name(AccessPointName(text, text, text))  # type: ignore[attr-defined]
            await bench.net.up()
        injected()
        for call in (bench.net.resolve, bench.net.ping):
            with pytest.raises((ValueError, OSError)):
                await call(text)  # type: ignore[operator]
        with pytest.raises(OSError):
            await bench.channel.run(Command(b"AT" + text.encode(), 1.0))
        await bench.net.close()
        for forbidden in (b"AT+RST", b"QPOWD", b"\x1b\x00", b"\x7f", b'x"'):
            assert forbidden not in bench.wire.written
    if module == "esp8266":  # without escapes, this joins "lab" with its right password
        bench = assemble(module, ssid='lab","secret99', password="")
        with pytest.raises(NetworkNotFound):
            await bench.net.up()
        await bench.net.close()


HOSTILE_NAMES = (
    "\r\nOK\r\n0,CLOSED\r\n",
    '"\r\nERROR\r\n1,CLOSED\r\n',
    "\r\n0,CLOSED\r\n1,CLOSED\r\n",
    "\r\nOK\r\nready\r\n",
    "\r\nbusy p...\r\nOK\r\n",
    "\x1b]0;owned\x07\x1b[2J",
    'a",-1,"00:00:00:00:00:00',
)


@pytest.mark.catches(
    "modems/esp8266/commands.py",
    'rb"\\+CWLAP:\\(.*\\)", SCAN, foreign=True)',
    'rb"\\+CWLAP:\\(.*\\)", SCAN)',
)
@pytest.mark.parametrize("firmware", ["E24", "N17"])
@pytest.mark.parametrize("name", HOSTILE_NAMES)
@virtual
async def test_J02_hostile_names_from_the_air(firmware: str, name: str, injected: Injected) -> None:
    """Two connections are open while access points with such names are listed: nothing happens to
    them, and the next answers are their own."""
    async with opened("esp8266", firmware, names={"one.test": "198.51.100.1"}) as bench:
        first = await bench.net.connect(("echo.test", 7))
        second = await bench.net.connect(("echo.test", 7))
        bench.fake.world.access_points = {"lab": "secret99", name: "", "zzz": "later"}
        before = bench.wire.heard.count(name.encode())
        found = {each.ssid for each in await bench.net.scan()}
        injected(bench.wire.heard.count(name.encode()) - before)
        assert {"lab", "zzz"} <= found
        assert await bench.net.resolve("one.test") == ["198.51.100.1"]
        for sock in (first, second):
            await sock.sendall(b"hello")
            assert await sock.recv(100) == b"hello"
            await sock.close()


EVIL = (
    b'\r\n+IPD,1,4:EVIL0,CLOSED\r\n1,CLOSED\r\n+QIURC: "closed",1\r\n\r\nOK\r\n\r\nready\r\nRDY\r\n'
    * 20
)
"""What a peer says who wants to speak as the module."""


@pytest.mark.catches(
    "modems/module.py",
    "if not event.doubtful or not self._verify(event.name, event.text):",
    "if event or self._verify(event.name, event.text):",
)
@pytest.mark.parametrize(("module", "firmware"), BOTH)
@pytest.mark.parametrize("lost", [1, 3, 12, 40])
@virtual
async def test_J03_hostile_payload_plus_byte_loss(
    module: str, firmware: str, lost: int, injected: Injected
) -> None:
    """Bytes of a read's answer are lost, so that a peer's payload is read as lines: its connection
    ends with an error, nothing forged is delivered, and another connection notices nothing."""
    peers = {"evil.test:1": Peer("discard", answer=EVIL), "echo.test:7": Peer("echo")}
    async with opened(module, firmware, peers=peers) as bench:
        evil = await bench.net.connect(("evil.test", 1))
        other = await bench.net.connect(("echo.test", 7))
        bench.step(on=r"AT\+(CIPRECVDATA|QIRD)=0,.*", do=(("lose", lost),), passes=True, times=1)
        await evil.sendall(b"x")
        got = b""
        evil.settimeout(30.0)
        with contextlib.suppress(OSError):
            while part := await evil.recv(5000):
                got += part
        assert EVIL.startswith(got)
        for _ in range(3):
            await other.sendall(b"hello")
            assert await other.recv(100) == b"hello"
        assert bench.stack.epoch == 0
        injected.by(bench.fake)
        for sock in (evil, other):
            await sock.close()


@pytest.mark.catches(
    "modems/receiving.py",
    "if sock.kind is Kind.TCP and len(sock.buffer) + len(payload) > BUFFER_CAP:",
    "if sock.kind is Kind.TCP and not payload:",
)
@virtual
async def test_J04_exhaustion_by_peers(injected: Injected) -> None:
    """A peer sends without end to a program that does not read, where nothing can slow it down;
    notices come by the thousand: memory stays bounded, others are served."""
    peers = {"flood.test:19": Peer("chargen", rate=40_000), "echo.test:7": Peer("echo")}
    async with opened("esp8266", "E24", peers=peers, receive="push") as bench:
        other = await bench.net.connect(("echo.test", 7))
        flood = await bench.net.connect(("flood.test", 19))
        most = 0
        for _ in range(20):
            await asyncio.sleep(0.5)
            most = max(most, *(len(sock.buffer) for sock in bench.stack._sockets.values()))
        injected(most // 1024)
        assert most <= BUFFER_CAP
        bench.step(at=1.0, do=(("flood", {"line": "+UNHEARD: 1", "count": 5000}),))
        await other.sendall(b"hello")
        assert await other.recv(100) == b"hello"
        with pytest.raises(ConnectionResetError, match="unread"):
            while await flood.recv(100_000):
                pass
        await flood.close()
        await other.close()


@pytest.mark.catches(
    "atdriver/channel.py",
    "sample = self._recording.masked(event.sample)[:80]",
    "sample = event.sample[:80]",
)
@pytest.mark.catches(
    "atdriver/trace.py",
    "self._heard.add(command.text, command.shown)",
    "self._heard.add(b'')",
)
@virtual
async def test_J05_secrets_in_logs(
    injected: Injected, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The module echoes the password, even long after its command was given up."""
    caplog.set_level(logging.DEBUG)
    trace = tmp_path / "trace.jsonl"
    bench = assemble("esp8266", password=CANARY)
    bench.channel.trace_with(trace_to(str(trace)))
    echo = f'AT+CWJAP="lab","{CANARY}"'
    bench.step(on=r"AT\+CWJAP=.*", say=(echo,), after=26.0, times=1)
    bench.step(on=r"AT\+CWJAP=.*", say=(f"said: {CANARY}", "ERROR"), times=1)
    shown = ""
    for _ in range(2):
        try:
            await bench.net.up()
        except OSError as error:
            shown += f"{error!r} {error} {error.__cause__!r} {error.__dict__}"
        bench.step(on=r"AT\+CWMODE=.*", say=(echo,), passes=True, times=1)
    await bench.net.close()
    injected.by(bench.fake)
    assert "AT+CWJAP" in trace.read_text()
    assert any("late answer" in text or "unknown line" in text for text in caplog.messages)
    for text in (trace.read_text(), caplog.text, shown, repr(bench.stack), repr(bench.channel)):
        assert CANARY not in text


@pytest.mark.catches(
    "netsocket/adapters/proxy.py",
    "if not ipaddress.ip_address(host).is_loopback and self.secret is None:",
    "if not ipaddress.ip_address(host).is_global and self.secret is None and False:",
)
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "::ffff:0.0.0.0", "fe80::1"])
async def test_J06_open_proxy(host: str, injected: Injected) -> None:
    """Beyond loopback only with user and password: nothing listens."""
    async with (
        AsyncNetworkInterface(HostStack()) as net,
        Pool.of(net) as pool,
        Proxy(pool) as proxy,
    ):
        injected()
        with pytest.raises(PermissionError, match="anybody"):
            await proxy.listen(host, 0)
        assert not proxy._listeners


REBOUND = {
    "rebound.test": "127.0.0.1",
    "mapped.test": "169.254.169.254",
    "many.test": "224.0.0.1",
    "zero.test": "0.0.0.1",
}


@pytest.mark.catches(
    "netsocket/adapters/destinations.py", "if region in self.refused:", "if not self.refused:"
)
@pytest.mark.catches(
    "netsocket/adapters/proxy_visit.py",
    "return await lease.connect(targets[-1],",
    "return await lease.connect(address,",
)
@pytest.mark.parametrize("module", ["esp8266", "bg96"])
async def test_J07_proxy_to_the_wrong_places_dns_rebinding(module: str, injected: Injected) -> None:
    """Names that lead where nobody may go are refused by their address; a name that is allowed is
    asked for once, and its address connected to."""
    names = {**REBOUND, "good.test": "198.51.100.1"}
    peers = {"198.51.100.1:7": Peer("echo")}
    async with (
        opened(module, names=names, peers=peers, fake={"time_scale": 0.0}) as bench,
        Pool.of(bench.net) as pool,
        Proxy(pool) as proxy,
    ):
        address = await proxy.listen(port=0)

        async def ask(host: str) -> int:
            reader, writer = await asyncio.open_connection(*address)
            name = host.encode()
            writer.write(b"\x05\x01\x00\x05\x01\x00\x03" + bytes((len(name),)) + name + b"\0\7")
            answer = await reader.readexactly(12)
            writer.close()
            return answer[3]

        for name in REBOUND:
            assert await ask(name) == 2
            injected()
        bench.net.names.lifetime = 0.0  # no cache: each question would reach the module
        before = bench.wire.written
        assert await ask("good.test") == 0
        written = bench.wire.written.removeprefix(before)
        assert sum(written.count(each) for each in (b"QIDNSGIP", b"CIPDOMAIN")) == 1
        opens = [line for line in commands(bench) if b"QIOPEN" in line or b"CIPSTART" in line]
        assert [b'"198.51.100.1"' in line for line in opens] == [
            b"UDP" not in line for line in opens
        ]


@pytest.mark.catches(
    "netsocket/module_tls.py",
    "warnings.warn(text, ModuleTLSWarning, stacklevel=4)",
    "text.encode()",
)
@pytest.mark.catches(
    "netsocket/interface.py",
    "context = _ssl.create_default_context() if ssl is True else ssl",
    "context = _ssl._create_unverified_context() if ssl is True else ssl",
)
@pytest.mark.parametrize("certificate", ["wrong-host", "expired", "unknown-ca"])
async def test_J08_module_tls_that_verifies_nothing(certificate: str, injected: Injected) -> None:
    """The module takes any certificate, and the user is told; TLS on the host does not."""
    served: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            served.append((await reader.read(100)).decode())
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving(certificate))
    port = server.sockets[0].getsockname()[1]
    async with server, rig.opened("esp8266", "E24") as module:
        with pytest.warns(ModuleTLSWarning, match="no certificate is verified"):
            _, writer = await module.net.open_connection("srv", port, ssl="module")
        writer.write(b"anybody")
        await writer.drain()
        await rig.until(lambda: served == ["anybody"])
        injected()
        writer.close()
        for context in (True, trusting()):
            with pytest.raises(ssl.SSLCertVerificationError):
                await module.net.open_connection("srv", port, ssl=context)
        assert served == ["anybody"]
        record = module.net.capabilities["tls.module"]
        assert not record.level.value.startswith("full")
        assert "verified" in record.because


NONSENSE = (
    '+QURCCFG: "urcport","\xff\xfe"',
    '+QCFG: "band",0x\xff,\xfe,"',
    '+CIPSTATUS:9,"TCP","",99999999999999999999,-1,7',
    '+CIPSTA:ip:"999.999.999.999"',
    '+CWJAP:"\xff","zz",,,',
    '+QIACT: 1,1,1,"\xff\r"',
    '+QISTATE: 99,"TCP"',
    "+QICSGP: ,,,,,,",
    "+CPIN: \xff",
    '+CEREG: 2,99,"',
    "BG96\xff",
    "AT version:9.9.9.9.9.9(\xff",
    "+CME ERROR: 99999999999999999999",
    "A" * 5000,
    "",
    "+CSQ: 999,999",
    "+CFUN: \xb2",
)


@pytest.mark.catches(
    "modems/commands.py",
    "return Command(_ascii(text), timeout)",
    "return Command(text.encode('ascii'), timeout)",
)
@pytest.mark.parametrize(("module", "firmware"), BOTH)
@pytest.mark.parametrize("seed", range(12))
@virtual
async def test_J09_the_modem_is_hostile(
    module: str, firmware: str, seed: int, injected: Injected
) -> None:
    """Whatever it answers to whichever question: documented errors only, and an end."""
    source = random.Random(seed)
    settings: dict[str, Any] = {"radio": "auto", "bands": "all", "apn": "internet"}
    bench = assemble(module, firmware, **(settings if module == "bg96" else {}))
    if seed == 0:  # what is put back at the end is what it said before
        bench.step(on='AT\\+QURCCFG="urcport"|AT\\+GMR', say=(NONSENSE[0], "OK"), times=1)
    for _ in range(6 if seed else 0):
        line = source.choice(NONSENSE)
        words = (
            line,
            *source.choices(NONSENSE, k=source.randrange(2)),
            source.choice(("OK", "ERROR")),
        )
        names = source.choice(("[A-Z]+", "Q[A-Z]+", "C[A-Z]+", "QURCCFG", "QCFG"))
        bench.step(on=rf"AT(\+{names}.*|I)?", say=words, times=source.randrange(1, 4))
    with contextlib.suppress(OSError):
        async with asyncio.timeout(900):
            await bench.net.up()
            with contextlib.suppress(OSError):
                await bench.net.resolve("echo.test")
                sock = await bench.net.connect(("echo.test", 7), timeout=60)
                await sock.sendall(b"hello")
                await sock.recv(10)
            await bench.net.refresh()
    async with asyncio.timeout(60):
        await bench.net.close()
    injected.by(bench.fake)


@pytest.mark.catches("atdriver/links/network.py", "log.warning(", "log.debug(")
@pytest.mark.catches("atdriver/links/network.py", 'return host != "localhost"', "return False")
async def test_J10_serial_port_over_the_network(
    injected: Injected, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond loopback the user is told that passwords travel in clear."""
    caplog.set_level(logging.WARNING)

    def nobody(*_arguments: object, **_settings: object) -> None:
        raise OSError(111, "refused")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", nobody)
    monkeypatch.setattr(Rfc2217Link, "_open_blocking", nobody)
    near, far = ("127.0.0.1", "::1", "localhost"), ("192.0.2.1", "2001:db8::1", "ser.example")
    for host in (*near, *far):
        for link in (TcpLink(host, 7), Rfc2217Link(host, 7, rate=115200)):
            caplog.clear()
            with pytest.raises(PortMissing):
                await link.open(Mock())
            injected()
            assert ("in clear" in caplog.text) == (host in far), link.name
            await link.close()


@pytest.mark.catches(
    "modems/esp8266/setup.py",
    'await self._try("AT+SYSSTORE=0")',
    'await self._try("AT+SYSSTORE=1")',
)
@pytest.mark.parametrize("firmware", ["E22", "E24", "N17"])
@virtual
async def test_J11_credentials_left_in_the_module(firmware: str, injected: Injected) -> None:
    """Neither SSID nor password is in the module's flash afterwards, also when it restarts in the
    middle."""
    bench = assemble("esp8266", firmware)
    await bench.net.up()
    injected(bench.wire.written.count(b"secret99"))
    for kept in (bench.fake.flash,):
        assert (kept.ssid, kept.password) == ("", "")
    await bench.net.close()
    assert (bench.fake.flash.ssid, bench.fake.flash.password) == ("", "")


@pytest.mark.catches(
    "atdriver/cli/report.py",
    "if not found.identities:",
    "if found.identities:",
)
def test_J12_reports_that_identify_people(tmp_path: Path, injected: Injected) -> None:
    """Neither networks in the neighbourhood nor hardware addresses, subscriber or module numbers
    are in a report."""
    from atdriver.cli import main

    out = tmp_path / "out"
    names = ("Canary Family WiFi", "fake-open")
    status = main([
        "report", "esp8266,ssid=Canary Family WiFi,password=canary-password:fake",
        "--only", "WIFI_SCAN", "--only", "wifi.rssi", "--out", str(out),
    ])  # fmt: skip
    assert status == 0
    data = json.loads((out / "report.json").read_text())
    probes = [p for cell in data["modules"][0]["cells"] for p in cell["probes"]]
    wire = "".join("".join(probe["exchange"]) for probe in probes)
    injected(wire.count("CWLAP") + wire.count("CWJAP"))
    for file in out.iterdir():
        text = file.read_text()
        for name in names:
            assert name not in text, file.name
        assert "canary-password" not in text
        assert "7c:8b:" not in text, file.name

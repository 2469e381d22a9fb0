"""Contexts, names, pings and time of the BG96 fake."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from fakes.bg96 import build
from tests.fakes.bg96_host import Bench, bench


async def test_activation_fails_until_the_apn_is_right() -> None:
    async with bench(apn="nbiot.example", rat="gsm", address="10.131.50.25") as host:  # L32
        await host.ok("ATE0")
        assert await host.command("AT+QIACT=1") == b"\r\nERROR\r\n"
        await host.ok('AT+CGDCONT=1,"IPV6"')
        wanted = '+CGDCONT: 1,"IPV6","","0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",0,0,0,0'
        assert await host.info("AT+CGDCONT?") == wanted
        assert await host.info("AT+QICSGP=1") == '+QICSGP: 2,"","","",0'  # the type
        await host.ok('AT+QICSGP=1,1,"NBIOT.EXAMPLE","","",0')
        await host.ok("AT+QIACT=1")
        assert await host.info("AT+QIACT?") == '+QIACT: 1,1,1,"10.131.50.25"'
        wanted = '+CGDCONT: 1,"IP","NBIOT.EXAMPLE","0.0.0.0",0,0,0,0'
        assert await host.info("AT+CGDCONT?") == wanted
        assert await host.info("AT+CGPADDR") == "+CGPADDR: 1,10.131.50.25"
        assert await host.info("AT+CGPADDR=1") == "+CGPADDR: 1,10.131.50.25"
        assert await host.info("AT+CGACT?") == "+CGACT: 1,1"


async def test_second_activation_is_an_error() -> None:
    async with bench() as host:  # L61, L53
        await host.ok("ATE0")
        await host.ok("AT+QIACT=1")
        await host.ok('AT+CGDCONT=1,"IPV6"')
        await host.ok('AT+QICSGP=1,1,"","","",0')
        assert await host.command("AT+QIACT=1") == b"\r\nERROR\r\n"
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 572,operation not allowed"  # L49
        await host.ok("AT+QIDEACT=1")
        await host.ok("AT+QIDEACT=1")
        await host.ok("AT+QIACT=1")
    async with bench(qiact_already="ok", cgpaddr_quotes="yes") as host:
        await host.ok("AT+QIACT=1")
        await host.ok("ATE0;+QIACT=1")
        assert await host.info("AT+CGPADDR=1") == '+CGPADDR: 1,"127.0.0.1"'


async def test_three_contexts_at_most() -> None:
    async with bench() as host:
        await host.ok("ATE0")
        for number in (1, 2, 16):
            await host.ok(f"AT+QIACT={number}")
        assert await host.command("AT+QIACT=4") == b"\r\nERROR\r\n"
        lines = (await host.info("AT+QIACT?")).split("\r\n")
        assert [line.split(",")[0] for line in lines] == ["+QIACT: 1", "+QIACT: 2", "+QIACT: 16"]
        for bad in ("AT+QIACT=0", "AT+QIACT=17", "AT+QIACT=", "AT+QIACT=1,1", 'AT+QIACT="1"'):
            assert await host.command(bad) == b"\r\nERROR\r\n"


async def test_dual_stack_line_and_cgact() -> None:
    async with bench(address="10.28.33.36") as host:  # L62
        await host.ok("ATE0")
        await host.ok('AT+QICSGP=1,3,"x"')
        await host.ok("AT+CGACT=1,1")
        line = await host.info("AT+QIACT?")
        assert re.fullmatch(r'\+QIACT: 1,1,3,"10\.28\.33\.36","[0-9A-F:]+"', line)
        assert "::" not in line
        await host.ok("AT+CGACT=0,1")
        assert await host.info("AT+QIACT?") == ""


async def test_name_servers_need_a_context() -> None:
    async with bench() as host:
        await host.ok("ATE0")
        assert await host.command("AT+QIDNSCFG=1") == b"\r\nERROR\r\n"
        await host.ok("AT+QIACT=1")
        await host.ok('AT+QIDNSCFG=1,"192.0.2.1","192.0.2.2"')
        assert await host.info("AT+QIDNSCFG=1") == '+QIDNSCFG: 1,"192.0.2.1","192.0.2.2"'


async def test_names() -> None:
    async with bench(ready=True, resolve={"Host.Example": "127.0.0.7"}) as host:
        host.type('AT+QIDNSGIP=1,"host.example"\r')
        assert await host.until(rb'"\r\n') == (
            b'\r\nOK\r\n\r\n+QIURC: "dnsgip",0,1,600\r\n\r\n+QIURC: "dnsgip","127.0.0.7"\r\n'
        )
        host.type('AT+QIDNSGIP=1,"172.188.83.251"\r')  # L62: literal, ttl 0
        assert await host.until(rb'"\r\n') == (
            b'\r\nOK\r\n\r\n+QIURC: "dnsgip",0,1,0\r\n\r\n+QIURC: "dnsgip","172.188.83.251"\r\n'
        )
        await host.ok('AT+QIDNSGIP=1,"no.example"')
        assert await host.wait_for("565\r\n") == b'\r\n+QIURC: "dnsgip",565\r\n'
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 565,dns parse failed"


async def test_one_name_at_a_time() -> None:
    async with bench(ready=True, time_scale=0.2) as host:
        await host.ok('AT+QIDNSGIP=1,"a.example"')
        assert await host.command('AT+QIDNSGIP=1,"b.example"') == b"\r\nERROR\r\n"
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 564,dns busy"
        await host.wait_for('\r\n+QIURC: "dnsgip",565\r\n')
        await host.ok('AT+QIDNSGIP=1,"b.example"')


async def test_open_while_the_resolver_is_busy() -> None:
    for busy, code in (("yes", 568), ("no", 565)):
        async with bench(ready=True, time_scale=0.2, open_dns_busy=busy) as host:
            await host.ok('AT+QIDNSGIP=1,"a.example"')
            await host.ok('AT+QIOPEN=1,0,"TCP","b.example",80')
            await host.wait_for(f"\r\n+QIOPEN: 0,{code}\r\n")


async def test_ping_lines_and_the_incremental_mean() -> None:
    names = {"www.google.com": "127.0.0.1"}
    async with bench(ready=True, resolve=names, ping="235,241,198,203") as host:  # L22
        host.type('AT+QPING=1,"www.google.com"\r')
        said = await host.until(rb",218\r\n")
        lines = [235, 241, 198, 203]
        wanted = "\r\nOK\r\n"
        wanted += "".join(f'\r\n+QPING: 0,"127.0.0.1",32,{ms},255\r\n' for ms in lines)
        wanted += "\r\n+QPING: 0,4,4,0,198,241,218\r\n"
        assert said == wanted.encode()
    async with bench(ready=True, ping="398,318,360,360") as host:
        host.type('AT+QPING=1,"127.0.0.1",4,4\r')
        await host.wait_for("\r\n+QPING: 0,4,4,0,318,398,358\r\n")


async def test_failing_ping_and_deactivation() -> None:
    async with bench(ready=True, time_scale=0.01) as host:
        host.type('AT+QPING=1,"192.0.2.1",1\r')
        said = await host.until(rb"(?:\+QPING: 569\r\n.*){5}")
        assert said.count(b"569") == 5
        host.take()
        await host.ok('AT+QPING=1,"192.0.2.1"')
        await host.wait_for("\r\n+QPING: 569\r\n")
        await host.ok('AT+QIOPEN=1,0,"TCP","192.0.2.1",80')
        host.type("AT+QIDEACT=1\r")  # L34
        said = await host.until(rb"OK\r\n.*QPING: 570\r\n")
        assert said.endswith(b"\r\nOK\r\n\r\n+QIOPEN: 0,570\r\n\r\n+QPING: 570\r\n")
        assert await host.quiet(0.1) == b""


async def test_commands_between_ping_lines() -> None:
    async with bench(ready=True, time_scale=0.1, seed=3) as host:
        await host.ok('AT+QPING=1,"127.0.0.1",4,10')
        assert await host.command("AT+CGMM") == b"\r\nBG96\r\n\r\nOK\r\n"
        said = await host.until(rb"\+QPING: 0,10,10,0,\d+,\d+,\d+\r\n")
        assert said.count(b'+QPING: 0,"') == 10


async def test_time() -> None:
    async with bench(ready=True, resolve={"ntp.example": "127.0.0.1"}) as host:
        await host.ok('AT+QNTP=1,"ntp.example"')
        said = await host.until(rb'"\r\n')
        assert re.fullmatch(rb'\r\n\+QNTP: 0,"\d{4}/\d\d/\d\d,\d\d:\d\d:\d\d\+32"\r\n', said)
        await host.ok('AT+QNTP=1,"no.example",123')
        await host.wait_for("\r\n+QNTP: 565\r\n")
        await host.ok('AT+QNTP=1,"192.0.2.1"')
        await host.wait_for("\r\n+QNTP: 569\r\n")


async def test_dead_context() -> None:
    async with bench(ready=True, link="dead") as host:  # L35
        assert await host.info("AT+QIACT?") != ""
        await host.ok('AT+QPING=1,"127.0.0.1"')
        await host.until(rb"(?:569\r\n.*){5}")
        await host.ok('AT+QIOPEN=1,0,"TCP","127.0.0.1",9')
        await host.wait_for("\r\n+QIOPEN: 0,566\r\n")


async def test_same_seed_same_bytes() -> None:
    async def run(seed: int) -> bytes:
        async with bench(ready=True, seed=seed) as host:
            host.type('AT+QPING=1,"127.0.0.1",1,10\r')
            return await host.until(rb"\+QPING: 0,10,10[^\r]*\r\n")

    assert await run(5) == await run(5)
    assert await run(5) != await run(6)


async def test_scenario_goes_before_the_rules(tmp_path: Path) -> None:
    path = tmp_path / "late.yaml"
    path.write_text(
        "modem: bg96\n"
        "steps:\n"
        "  - on: 'AT\\+QIOPEN=.*'\n"
        "    say: ['OK', '+QIURC: \"pdpdeact\",1']\n"
        "    times: 1\n"
    )
    async with bench(ready=True, scenario=str(path)) as host:
        line = 'AT+QIOPEN=1,0,"TCP","192.0.2.1",80'
        host.type(line + "\r")
        assert await host.wait_for("1\r\n") == b'\r\nOK\r\n\r\n+QIURC: "pdpdeact",1\r\n'
        await host.ok(line)
        await host.wait_for("\r\n+QIOPEN: 0,566\r\n")


async def test_stop_in_the_middle_of_everything() -> None:
    modem = build(time_scale=0.01)
    host = Bench(modem)
    await modem.start(host.hear)
    await host.ready()
    await host.ok('AT+QIOPEN=1,0,"TCP","192.0.2.1",80')
    await host.ok('AT+QPING=1,"192.0.2.1"')
    await host.ok('AT+QIDNSGIP=1,"x.example"')
    host.type("AT+QIDEACT=1\r")
    await asyncio.sleep(0.002)
    await modem.stop()
    await modem.stop()
    host.take()
    await asyncio.sleep(0.05)
    assert host.take() == b""


async def test_reset_in_the_middle_of_everything() -> None:
    async with bench(ready=True, time_scale=0.01) as host:
        await host.ok('AT+QIOPEN=1,0,"TCP","192.0.2.1",80')
        await host.ok('AT+QPING=1,"192.0.2.1"')
        host.type("AT+QIDEACT=1\r")
        await asyncio.sleep(0.002)
        host.modem.restart()
        said = await host.wait_for("\r\nRDY\r\n")
        assert said == b"\r\nRDY\r\n"
        await host.wait_for("+QIND: SMS DONE\r\n")
        await host.ok("ATE0")
        assert await host.info("AT+QISTATE?") == ""
        assert await host.info("AT+QIACT?") == ""

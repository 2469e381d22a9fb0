"""What documents dispute, in both positions, and the table of all settings."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from fakes import bg96
from fakes.bg96.settings import names
from fakes.esp8266 import SETTINGS
from fakes.esp8266.base import Options

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fakes.md"
BY_MODEL = {"late_closed", "boot_time", "latency", "rat", "joined"}


async def greet(reader: Any, writer: Any) -> None:
    writer.write(b"pong")
    await reader.read()


async def test_form_of_what_was_read(esp: Any, far: Any) -> None:
    for position, header in (("literal", b",4:"), ("manual", b":4,")):
        end = await far(greet)
        host = await esp("N17", read_form=position)
        await host.ok("AT+CIPRECVMODE=1")
        await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
        await host.expect(b"\r\n+IPD,0,4\r\n")
        host.send(b"AT+CIPRECVDATA=0,99\r\n")
        await host.expect(b"\r\n+CIPRECVDATA" + header + b"pong\r\nOK\r\n")


async def test_reasons_of_esp_at(esp: Any) -> None:
    for position, reason in (("log", b""), ("port", b"link is not valid\r\n")):
        host = await esp("E2", reasons=position)
        assert await host.error("AT+CIPSEND=0,4") == reason
        await host.ok("AT+CWQAP")
        assert await host.ok("AT+CWJAP?") == (b"No AP\r\n" if reason else b"")


async def test_order_of_a_close(esp: Any, far: Any) -> None:
    for position, said in (
        ("closed", b"0,CLOSED\r\n\r\nOK\r\n"), ("ok", b"\r\nOK\r\n0,CLOSED\r\n"),
    ):  # fmt: skip
        end = await far()
        host = await esp("E24", close_order=position)
        await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
        host.send(b"AT+CIPCLOSE=0\r\n")
        await host.expect(said)


def test_every_setting_is_listed_with_its_default() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## Settings")[2].partition("## Scenarios")[0]
    espressif, _, rest = text.partition("Quectel:")
    quectel = rest.partition("OpenThread CLI")[0]  # the mesh fakes list theirs behind it
    for part, expected, record in (
        (espressif, SETTINGS, Options()), (quectel, names(), bg96.Settings()),
    ):  # fmt: skip
        rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", part, re.MULTILINE))
        assert set(rows) == set(expected)
        for field in fields(record):
            value = getattr(record, field.name)
            shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
            if field.name not in BY_MODEL:
                given = float(rows[field.name]) if isinstance(shown, float) else rows[field.name]
                assert given == shown, field.name

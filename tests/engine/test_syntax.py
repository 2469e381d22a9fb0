"""Strings towards the module, fields and numbers from it, and the firmware's own description."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atdriver.errors import EncodeError, MalformedReply, UnsupportedFirmware
from atdriver.syntax import Encoder, fields, number, string, unquote
from modems.bg96 import dialect as bg96
from modems.esp8266 import commands as esp_at
from modems.esp8266 import dialect as esp
from modems.esp8266.firmware import identify

from .harness import Bench, bytewise, done

# -- what a module makes of a line ---------------------------------------------------------------


def parameters(line: bytes, escape: bytes) -> list[bytes]:
    """The string parameters of `AT+X="a","b"`, read as the command manual says: a quote opens and
    closes, `escape` takes the next character as it is. Anything else is an error."""
    name, _, rest = line.partition(b"=")
    assert name == b"AT+X"
    found: list[bytes] = []
    at = 0
    while True:
        assert rest[at : at + 1] == b'"', "a parameter must begin with a quote"
        at += 1
        value = b""
        while rest[at : at + 1] != b'"':
            assert at < len(rest), "the quote is never closed"
            if escape and rest[at : at + 1] == escape:
                at += 1
            value += rest[at : at + 1]
            at += 1
        found.append(value)
        at += 1
        if at == len(rest):
            return found
        assert rest[at : at + 1] == b",", "text behind a closed quote"
        at += 1


HOSTILE = [
    '"',
    "\\",
    ",",
    "\\,",
    '",',
    '\\"',
    '"\\',
    "\\\\",
    "*",
    "=",
    "?",
    ";",
    "ä",
    "€",
    "AT+RST",
]
VALUES = st.lists(
    st.sampled_from(HOSTILE) | st.characters(min_codepoint=0x20, exclude_categories=["Cs"]),
    max_size=12,
).map("".join)


@given(st.lists(VALUES, min_size=1, max_size=3))
def test_an_independent_decoder_reads_back_what_the_espressif_encoder_wrote(
    values: list[str],
) -> None:
    values = [value.replace("\x7f", "") for value in values]
    line = b"AT+X=" + b",".join(esp.ENCODER.text(value, "name", 1000) for value in values)
    assert parameters(line, b"\\") == [value.encode() for value in values]
    assert not re.search(rb"[\x00-\x1f\x7f]", line)


def test_a_comma_is_escaped_too() -> None:
    """The manual lists three characters; some firmware splits at commas inside quotes."""
    assert esp.ENCODER.text('a,b"c\\d', "ssid", 32) == rb'"a\,b\"c\\d"'


@given(st.lists(VALUES, min_size=1, max_size=3))
def test_the_same_for_quectel_where_a_quote_is_refused(values: list[str]) -> None:
    values = [value.replace("\x7f", "") for value in values]
    if any('"' in value for value in values):
        quoted = next(value for value in values if '"' in value)
        with pytest.raises(EncodeError, match="cannot take"):
            bg96.ENCODER.text(quoted, "name", 1000)
        return
    line = b"AT+X=" + b",".join(bg96.ENCODER.text(value, "name", 1000) for value in values)
    assert parameters(line, b"") == [value.encode() for value in values]


@pytest.mark.parametrize("encoder", [esp.ENCODER, bg96.ENCODER], ids=["esp", "bg96"])
@pytest.mark.parametrize("code", [*range(0x20), 0x7F])
def test_control_characters_are_refused(encoder: Encoder, code: int) -> None:
    for value in (chr(code), f"net{chr(code)}AT+RST", f"{chr(code)}x", f"x{chr(code)}"):
        with pytest.raises(EncodeError, match=f"ssid.*0x{code:02X}"):
            encoder.text(value, "ssid", 100)


@pytest.mark.parametrize("encoder", [esp.ENCODER, bg96.ENCODER], ids=["esp", "bg96"])
@given(st.lists(st.integers(0, 0x10FFFF) | st.integers(0, 0xFF), max_size=20))
def test_whatever_is_given_either_is_safe_or_is_refused(encoder: Encoder, codes: list[int]) -> None:
    value = "".join(map(chr, codes))
    try:
        raw = encoder.text(value, "value", 60)
    except EncodeError:
        return
    assert raw[:1] == raw[-1:] == b'"'
    assert not re.search(rb"[\x00-\x1f\x7f]", raw)


@pytest.mark.parametrize("encoder", [esp.ENCODER, bg96.ENCODER], ids=["esp", "bg96"])
def test_a_lone_surrogate_is_refused_and_smuggled_bytes_survive(encoder: Encoder) -> None:
    for value in ("\ud800", "a\udbff", "\udc00", "\udc0a", "\udc0d", "\udc22"):
        with pytest.raises(EncodeError, match="name"):
            encoder.text(value, "name", 100)
    value = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert encoder.text(value, "name", 100) == b'"caf\xe9"'


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("", False),
        ("a", True),
        ("a" * 32, True),
        ("a" * 33, False),
        ("ä" * 16, True),
        ("ä" * 17, False),
        ('"' * 32, True),
    ],
)
def test_lengths_count_in_bytes_before_escaping(value: str, good: bool) -> None:
    if good:
        assert esp.ENCODER.text(value, "ssid", 32, 1)
    else:
        with pytest.raises(EncodeError, match="ssid must be 1 to 32 bytes"):
            esp.ENCODER.text(value, "ssid", 32, 1)


def test_what_is_refused_is_told_in_full() -> None:
    assert esp.ENCODER.text(" a b~", "ssid", 32) == b'" a b~"', "a blank is no control character"
    for value, told in (
        ("a\rb", "ssid contains the control character 0x0D, which would end or extend the command"),
        ("\x1f", "ssid contains the control character 0x1F, which would end or extend the command"),
        ("\x7f", "ssid contains the control character 0x7F, which would end or extend the command"),
        ("\ud800", "ssid contains a lone surrogate, which is no character"),
        ("x" * 6, "ssid must be 0 to 5 bytes long, not 6"),
    ):
        with pytest.raises(EncodeError) as caught:
            esp.ENCODER.text(value, "ssid", 5)
        assert str(caught.value) == told
    with pytest.raises(EncodeError) as caught:
        bg96.ENCODER.text('a"b', "apn", 32)
    assert str(caught.value) == "apn contains '\"', which this module cannot take"


# -- fields --------------------------------------------------------------------------------------

PLAIN = st.binary(max_size=8).map(lambda raw: re.sub(rb'[\s",]', b"", raw).strip())
QUOTED = st.binary(max_size=8).map(lambda raw: b'"' + raw.replace(b'"', b"") + b'"')


@given(st.lists(PLAIN | QUOTED, min_size=1, max_size=6))
def test_fields_split_at_the_commas_outside_quotes(parts: list[bytes]) -> None:
    assert fields(b",".join(parts)) == parts
    assert fields(b" , ".join(parts)) == parts


@given(st.binary(max_size=40))
def test_any_text_splits_into_fields(text: bytes) -> None:
    parts = fields(text)
    assert len(parts) >= 1
    assert len(b",".join(parts)) <= len(text)
    for part in parts:
        assert isinstance(string(part), str)


def test_fields_and_strings() -> None:
    assert fields(b'0,"a,b",,7') == [b"0", b'"a,b"', b"", b"7"]
    assert fields(b"") == [b""]
    assert fields(b'"open') == [b'"open']
    assert fields(b'"a","b') == [b'"a"', b'"b']
    assert unquote(b'"') == b'"'
    assert unquote(b'""') == b""
    assert unquote(b'"a') == b'"a'
    assert string(b'"\xff\xe9"') == "\udcff\udce9"
    assert string(b'"\xe2\x82\xac"') == "€"


# -- numbers -------------------------------------------------------------------------------------


@given(st.integers(-(10**10) + 1, 10**10 - 1), st.integers(-50, 50), st.integers(-50, 50))
def test_a_number_is_read_and_held_to_its_range(value: int, low: int, high: int) -> None:
    raw = b"%d" % value
    assert number(raw, value, value) == value
    assert number(b" %d\r" % value, -(10**10), 10**10) == value
    if low <= value <= high:
        assert number(raw, low, high) == value
    else:
        with pytest.raises(MalformedReply, match="outside"):
            number(raw, low, high, "port")


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b" ", b"-", b"--1", b"+1", b"1.0", b"0x10", b"1e3", b"1 2", b"1,2", b"\xb2"),
        *(b"\xd9\xa1", b"99999999999", b"0" * 11, b"1" * 20, b"9" * 100_000, b"1_0", b"-\xff"),
        b'"1"',
    ],
)
def test_anything_else_is_no_number(raw: bytes) -> None:
    with pytest.raises(MalformedReply, match="link id") as caught:
        number(raw, -(10**12), 10**12, "link id")
    assert len(str(caught.value)) < 150


def test_what_is_no_number_is_told_in_part() -> None:
    with pytest.raises(MalformedReply) as caught:
        number(b"x" * 30, 0, 9)
    assert str(caught.value) == f"number: {b'x' * 24!r} is not a number"
    with pytest.raises(MalformedReply) as caught:
        number(b"-10", 0, 9, "link")
    assert str(caught.value) == "link: -10 is outside 0..9"


# -- AT+GMR --------------------------------------------------------------------------------------

WROOM_02_15 = (
    "AT version:1.5.0.0(Oct 24 2017 12:03:18)|SDK version:2.1.0(ace2d95)|"
    "compile time:Oct 24 2017 15:48:02|Bin version(Wroom 02):1.5.1"
)
GMR = [
    (
        "AT version:0.51.0.0(Nov 27 2015 13:37:21)|SDK version:1.5.0|"
        "compile time:Nov 27 2015 13:57:56",
        ("N", "N1", (0, 51, 0, 0), "ESP8266", True),
    ),
    (
        "AT version:1.2.0.0(JuL  1 2016 20:04:45)|SDK version:1.5.4.1(39cb9a32)|"
        "Ai-Thinker Technology Co Ltd.|Dec  2 2016 14:21:16",
        ("N", "N1", (1, 2, 0, 0), "ESP8266", True),
    ),
    (
        "AT version:1.3.0.0(Jul 14 2016 18:54:01)|SDK version:2.0.0(656edbf)|"
        "compile time:Oct 29 2016 22:56:21",
        ("N", "N1", (1, 3, 0, 0), "ESP8266", True),
    ),
    (WROOM_02_15, ("N", "N1", (1, 5, 0, 0), "ESP8266", True)),
    (
        "AT version:1.6.2.0(Apr 13 2018 11:10:59)|SDK version:2.2.1(6ab97e9)|"
        "compile time:Jun  7 2018 19:34:26",
        ("N", "N1", (1, 6, 2, 0), "ESP8266", True),
    ),
    (
        "AT version:1.7.4.0(May 11 2020 19:13:04)|SDK version:3.0.4(9532ceb)|"
        "compile time:May 27 2020 10:12:17|Bin version(Wroom 02):1.7.4",
        ("N", "N17", (1, 7, 4, 0), "ESP8266", True),
    ),
    (
        "AT version:1.1.3.0(5a40576 - Nov 28 2018 12:50:55)|SDK version:v3.0.7|"
        "compile time:Dec 21 2018 09:04:56|Bin version:1.1.3(WROOM-32)",
        ("E", "E0", (1, 1, 3, 0), "ESP32", False),
    ),
    (
        "AT version:2.0.0.0(88c2cde - Jul  9 2019 11:03:33)|SDK version:v3.2|"
        "compile time:Jul 15 2019 09:23:26|Bin version:2.0.0(WROOM-02)",
        ("E", "E2", (2, 0, 0, 0), "ESP8266", True),
    ),
    (
        "AT version:2.0.0.0(e44648c - Nov  4 2019 02:18:57)|SDK version:v3.3|"
        "compile time(7cac7ad):Nov  4 2019 06:11:40|Bin version:2.0.0(WROOM-32)",
        ("E", "E2", (2, 0, 0, 0), "ESP32", False),
    ),
    (
        "AT version:2.1.0.0(ded5b14 - Jul 24 2020 12:01:05)|SDK version:v3.3-2-gb6e861a|"
        "compile time(36bb200):Jul 27 2020 03:44:32|Bin version:2.1.0(WROOM-02)",
        ("E", "E2", (2, 1, 0, 0), "ESP8266", True),
    ),
    (
        "AT version:2.2.0.0-dev(7963ea8 - ESP8266 - Aug 25 2020 07:31:48)|"
        "SDK version:v3.3-2-gb6e861a7|compile time(cf63f23):Aug 26 2020 08:12:05|"
        "Bin version:2.0.0(Unknown)",
        ("E", "E22", (2, 2, 0, 0), "ESP8266", True),
    ),
    (
        "AT version:2.3.0.0(b72b6c8 - ESP8266 - Aug 13 2025 06:00:00)|SDK version:v3.4|"
        "compile time(b72b6c8):Aug 13 2025 06:30:00|Bin version:v2.3.0.0(WROOM-02)",
        ("E", "E22", (2, 3, 0, 0), "ESP8266", True),
    ),
    (
        "AT version:2.2.0.0(c6fa6bf - ESP32 - Jul  2 2021 06:44:05)|SDK version:v4.2.2-76|"
        "compile time(c4aaabe):Jul  5 2021 03:51:27|Bin version:2.2.0(WROOM-32)",
        ("E", "E22", (2, 2, 0, 0), "ESP32", False),
    ),
    (
        "AT version:2.3.0.0(f99c6c3 - ESP32C3 - Dec 23 2021 09:04:14)|SDK version:v4.3|"
        "compile time(f99c6c3):Dec 24 2021 02:30:21|Bin version:2.3.0(MINI-1)",
        ("E", "E24", (2, 3, 0, 0), "ESP32C3", False),
    ),
    (
        "AT version:2.5.0.0-dev(s-5d850d5 - ESP32C3 - Jul 15 2022 03:28:53)|"
        "SDK version:v4.3.2-553-g588436db47|compile time(d1ac5ae):Jul 18 2022 02:14:21|"
        "Bin version:2.4.0(MINI-1)",
        ("E", "E24", (2, 5, 0, 0), "ESP32C3", False),
    ),
    (
        "AT version:3.2.0.0(s-ec2dec2 - ESP32 - Jul 28 2023 07:05:28)|"
        "SDK version:v5.0.2-376-g24b9d38a24-dirty|compile time(6118fc22):Jul 28 2023 09:47:28",
        ("E", "E24", (3, 2, 0, 0), "ESP32", False),
    ),
    (
        "AT version:3.3.0.0-dev(4c67f78 - ESP32 - Nov 28 2023 08:50:25)|"
        "SDK version:v5.0.4-dirty|compile time(d150e446):Apr 12 2024 08:20:42|"
        "Bin version:v3.2.0.0(WROOM-32)",
        ("E", "E33", (3, 3, 0, 0), "ESP32", False),
    ),
    (
        "AT version:4.1.1.0(ba4dd0e - ESP32C3 - Jul 31 2025 08:38:07)|"
        "SDK version:v5.4.1-643-g8ad0d3d8f2-dirty|compile time(7c092f9a):Aug  1 2025 03:02:28|"
        "Bin version:v4.1.1.0(MINI-1)",
        ("E", "E33", (4, 1, 1, 0), "ESP32C3", False),
    ),
    (
        "AT version:5.0.1.0(s-0a1b2c3 - ESP32C6 - Mar  9 2026 03:00:00)|SDK version:v5.5|"
        "compile time(0a1b2c3d):Mar  9 2026 04:00:00|Bin version:v5.0.1.0(ESP32C6-4MB)",
        ("E", "E5", (5, 0, 1, 0), "ESP32C6", False),
    ),
]
"""AT+GMR of real devices; the AT version decides, whatever the Bin version says."""


@pytest.mark.parametrize(("text", "expected"), GMR, ids=[text[11:26] for text, _ in GMR])
@pytest.mark.parametrize("blank_line", [True, False])
def test_the_version_text_of_every_generation(
    text: str, expected: tuple[object, ...], blank_line: bool
) -> None:
    lines = text.encode().split(b"|")
    bench = Bench(esp.DIALECT, bytewise)
    bench.send(esp_at.VERSION)
    tail = b"\r\nOK\r\n" if blank_line else b"OK\r\n"
    bench.feed(b"AT+GMR\r\r\n" + b"".join(line + b"\r\n" for line in lines) + tail)
    assert bench.take() == (done(esp_at.VERSION, *lines),)
    firmware = identify(lines)
    assert (
        firmware.family,
        firmware.generation,
        firmware.version,
        firmware.chip,
        firmware.is_esp8266,
    ) == expected
    assert firmware.text == text.split("|", maxsplit=1)[0].removeprefix("AT version:")


@pytest.mark.parametrize(
    "lines",
    [
        [b"0018000902"],
        [b"0020000903"],
        [b"AT version:0.21.0.0", b"SDK version:0.9.5"],
        [],
        [b"AT version:1.2.0(x)"],
        [b"AT version:99999.0.0.0(a - b - c)"],
        [b"\xff\xfe", b"AT version:", b"Quectel"],
    ],
)
def test_firmware_that_is_too_old_or_unknown_is_refused_with_its_text(lines: list[bytes]) -> None:
    with pytest.raises(UnsupportedFirmware) as caught:
        identify(lines)
    assert not lines or lines[0].decode("ascii", "backslashreplace") in str(caught.value)


@given(st.lists(st.binary(max_size=60) | st.just(b"AT version:"), max_size=4))
def test_any_version_text_is_either_known_or_refused(lines: list[bytes]) -> None:
    try:
        firmware = identify(lines)
    except UnsupportedFirmware:
        return
    assert firmware.family in ("N", "E")

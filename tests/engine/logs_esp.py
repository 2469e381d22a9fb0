"""Serial logs of Espressif modules, published in issue threads, as cases for framer and engine.

Where a log gives only line breaks, the bytes follow the firmware's own format literals: results
have CR LF on both sides, information lines and links' notices only behind, +IPD only before.
The comment above each case names the trap that the log is known for.
"""

from __future__ import annotations

from atdriver.dialect import Probe
from atdriver.exchange import Command
from modems.commands import BASIC, SLOWEST_LINE, query, simple
from modems.esp8266 import commands as at
from modems.esp8266.dialect import CANARY, RECEIVED_E, RECEIVED_E_SENDER

from .harness import (
    DEAF,
    IN_STEP,
    Feed,
    InSync,
    Probing,
    Send,
    Tick,
    case,
    done,
    expect,
    glued,
    odd,
    out_of_step,
    received,
    refused,
    restart_seen,
    restarted,
    timed_out,
    unknown,
    urc,
    writes,
)

LOGS = frozenset(
    {1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22, 23, 25, 26, 28, 29, 31, 32, 34, 35, 37}
    | {38, 40, 41, 43, 44, 46, 47, 49, 50, 52, 53, 55, 56}
)
"""The logs that are known."""

NO_CASE: dict[int, str] = {}
"""Logs without bytes: number → why there is nothing to feed. All of these have bytes."""

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
PROMPT_N = b"\r\nOK\r\n> "
PROMPT_E = b"\r\nOK\r\n\r\n>"
SEND_OK = b"\r\nSEND OK\r\n"
ESCAPE = b"+++"
PATIENCE = 15.0


def padded(text: bytes, size: int) -> bytes:
    """`text` and then protocol-looking filler, `size` bytes together."""
    return (text + b"OK\r\n0,CLOSED\r\n> \r\nERROR\r\n" * (size // 20 + 1))[:size]


def crlf(*lines: bytes) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)


def send(link: int, payload: bytes) -> Command:
    return at.send(link, payload, None, PATIENCE)


AT = simple("AT")

# L1
_BIG = b"z" * 4268
_SEND_BIG = send(0, _BIG)
_PAGE = padded(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 625)
_LENGTHS = at.waiting()
_READ_654 = at.read(0, 654, RECEIVED_E_SENDER)

# L2, L4
_TEN = b"0123456789"
_SEND_TEN = send(1, _TEN)
_NINETY_EIGHT = padded(b"HTTP/1.1 404 Not Found\r\n\r\n", 98)
_SEND_98 = send(0, _NINETY_EIGHT)
_GET_1 = padded(b"GET /js1.js HTTP/1.1\r\n", 326)
_GET_2 = padded(b"GET /style1.css HTTP/1.1\r\n", 345)
_CLOSE_0 = at.close(0)

# L5
_SEND_FIRST = send(0, _TEN)
_SEND_SECOND = send(0, b"abcdefghij")
_GMR_15 = (
    b"AT version:1.5.0.0(Oct 24 2017 12:03:18)",
    b"SDK version:2.1.0(ace2d95)",
    b"compile time:Oct 24 2017 15:48:02",
    b"Bin version(Wroom 02):1.5.1",
)

# L7
_GMR_13 = (
    b"AT version:1.3.0.0(Jul 14 2016 18:54:01)",
    b"SDK version:2.0.0(656edbf)",
    b"compile time:Oct 29 2016 22:56:21",
)
_ACCESS_POINT = query("AT+CWSAP_CUR?", rb"\+CWSAP_CUR:.*")
_SERVER_OFF = simple("AT+CIPSERVER=0")
_SERVER_ON = simple("AT+CIPSERVER=1,80")
_BROWSER = padded(b"GET / HTTP/1.1\r\n", 439)

# L8
_GMR_12 = (
    b"AT version:1.2.0.0(JuL  1 2016 20:04:45)",
    b"SDK version:1.5.4.1(39cb9a32)",
    b"Ai-Thinker Technology Co Ltd.",
    b"Dec  2 2016 14:21:16",
)
_JOINED_CUR = query("AT+CWJAP_CUR?", rb"\+CWJAP_CUR:.*")
_JOIN_CUR = at.join("_CUR", b'"XXXX"', b'""')
_ADDRESSES = query("AT+CIFSR", rb"\+CIFSR:.*")
_RESOLVE_8 = at.resolve(b'"mbed.org"')
_START_8 = at.start_tcp(0, "52.41.230.253", 80, 0)
_PAYLOAD_8 = padded(b"GET /media/uploads/mbed_official/hello.txt HTTP/1.0\r\n\r\n", 159)
_SEND_8 = send(0, _PAYLOAD_8)

# L10
_START_NAME = query('AT+CIPSTART=4,"TCP","arduino.cc",80', rb"4,CONNECT", at.CONNECT)

# L11
_RESET = Command(b"AT+RST", 10.0)
_ECHO_OFF = simple("ATE0")
_LINKS = at.links()
_DNS_CUR = simple("AT+CIPDNS_CUR=0")
_DHCP_CUR = simple("AT+CWDHCP_CUR=1,1")
_LEAVE = simple("AT+CWQAP")
_SCAN = at.scan()

# L13
_BOOT_TEXT = (
    b" ets Jan  8 2013,rst cause:2, boot mode:(3,6)",
    b"load 0x40100000, len 2592, room 16 ",
    b"tail 0",
    b"chksum 0xf3",
    b"2nd boot version : 1.7(5d6f877)",
    b"SPI 40MHz",
    b"SPI Moash Size & 4KB+1024KB)",
    b"jump to run user1 @ 10correct flash map",
)
_NOISE = (
    b"sn|\xe3s?\x8ernln??l?b|?n\x9c?|?bc??o\xff\xfe?l?r\x80?nb?ob?n??~?ol?",
    b"> \x9e|??n|rl?s\xe1OK\x00\x7fo???ob\x81?~?bl`r?olph??",
)

# L14
_JOINED = query("AT+CWJAP?", rb"\+CWJAP:.*")

# L16, L17
_READ_75 = at.read(0, 75, RECEIVED_E_SENDER)
_GET_75 = padded(b"GET / HTTP/1.1\r\nHost: 192.168.4.1\r\n", 75)
_READ_51 = at.read(0, 51, RECEIVED_E_SENDER)
_CHUNK_1 = b"HTTP/1.1 200 OK\r\nServer: nginx/1.4.2 \r\nDate: "
_CHUNK_2 = b"56:49 GMT\r\n"
_PLAIN_READ = at.read(0, 2048, RECEIVED_E)
_WITH_ADDRESS = b'"100.24.172.113",80,' + _CHUNK_1

# L19, L20
_UDP_START = query('AT+CIPSTART=4,"UDP","0.0.0.0",2390,2390,2', rb"4,CONNECT")
_DIGITS = b"01234567" * 8
_LOREM = padded(b"Lorem ipsum dolor sit amet, consectetur adipiscing elit, ", 1000)
_READ_1000 = at.read(1, 1000, RECEIVED_E_SENDER)

# L22, L23
_READ_581 = at.read(0, 581, RECEIVED_E)
_PAGE_552 = padded(b'HTTP/1.1 200 OK\r\n\r\n{"a":["b"]}', 552)
_READ_31 = at.read(0, 31, RECEIVED_E_SENDER)
_READ_523 = at.read(0, 523, RECEIVED_E_SENDER)
_PAGE_494 = padded(b"HTTP/1.1 200 OK\r\n", 494)

# L26
_RESTORE = Command(b"AT+RESTORE", 10.0, ends_at_banner=True)
_SENDER_ON = simple("AT+CIPDINFO=1")
_GET_405 = padded(b"GET / HTTP/1.1\r\n", 405)

# L29
_JOIN = at.join("", b'"Telecom-62716645"', b'"hunter2hunter2"')
_ROWS = (
    b'+CWLAP:(4,"Telecom-62716645",-45,"30:91:8f:a8:bc:e5",11)',
    b'+CWLAP:(3,"DIRECT-q4M2070 Series",-52,"32:cd:a7:9f:35:c6",11)',
    b'+CWLAP:(3,"",-66,"1c:b7:2c:83:55:20",2)',
)

# L31, L32
_HOSTILE_ROW = rb'+CWLAP:(3,"1\1"1,2\\2""2,,",-40,"e0:28:6d:8b:54:9c",9)'
_MODE = query("at+cwmode?", rb"\+CWMODE:\d")
_LOWER_SCAN = query("at+cwlap", rb"\+CWLAP:.*", at.SCAN)

# L34
_BLOCK_172 = b"q" * 172
_SEND_172 = send(1, _BLOCK_172)
_START_1 = at.start_tcp(1, "94.230.210.85", 80, 0)
_START_1_AGAIN = at.start_tcp(1, "94.230.210.85", 80, 0)

# L35, L37
_BLOCK_274 = b"r" * 274
_SEND_274 = send(0, _BLOCK_274)
_HTTP = simple('AT+HTTPCLIENT=2,0,"http://192.0.2.1/",,,1')
_TIME = query("AT+CIPSNTPTIME?", rb"\+CIPSNTPTIME:.*")
_MUX = query("AT+CIPMUX?", rb"\+CIPMUX:\d")

# L38
_RESOLVE_38 = at.resolve(b'"espressif.com"')
_UPDATE = query("AT+CIUPDATE", rb"\+CIPUPDATE:\d", 60.0)
_GMR_20 = (
    b"AT version:2.0.0.0(88c2cde - Jul  9 2019 11:03:33)",
    b"SDK version:v3.2",
    b"compile time:Jul 15 2019 09:23:26",
    b"Bin version:2.0.0(WROOM-02)",
)

# L43
_OLD_ADDRESS = Command(b"AT+CIFSR", 3.0, bare=True)

# L44
_SEND_48 = send(0, b"n" * 48)

# L46
_GMR_33 = (
    b"AT version:3.3.0.0-dev(4c67f78 - ESP32 - Nov 28 2023 08:50:25)",
    b"SDK version:v5.0.4-dirty",
    b"compile time(d150e446):Apr 12 2024 08:20:42",
    b"Bin version:v3.2.0.0(WROOM-32)",
)

# L47
_ROM = (
    b"ESP-ROM:esp32c3-api1-20210207",
    b"Build:Feb  7 2021",
    b"rst:0x1 (POWERON),boot:0x8 (SPI_FAST_\xeb\xc3SP-ROM:esp32c3-api1-20210207",
    b"Build:Feb  7 2021",
    b"rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)",
    b"SPIWP:0xee",
    b"mode:DIO, clock div:2",
    b"load:0x3fcd6100,len:0x18c8",
    b"I (31) boot: ESP-IDF qa-test-v4.3.3-20220423 2nd stage bootloader",
    b"\x1b[0;32mI (30) boot: ESP-IDF v2.1\x1b[0m",
)

# L52
_READ_256 = at.read(4, 256, RECEIVED_E)
_REST_75 = at.read(4, 75, RECEIVED_E)
_DATAGRAM = padded(b"\r\nOK\r\n", 256)

# L53
_BLOCK_2048 = padded(b"AT+RST\r\n", 2048)
_UPLOAD = send(0, _BLOCK_2048)
_UPLOAD_2 = send(0, _BLOCK_2048)

# L56
_JOIN_56 = at.join("", b'"net"', b'"hunter2hunter2"')
_START_SSL = query('AT+CIPSTART=0,"SSL","192.0.2.1",443', rb"0,CONNECT", at.CONNECT)
_PANIC = b"***ERROR*** A stack overflow in task at_process_task has been detected."
_GURU = b"Guru Meditation Error: Core  0 panic'ed (Unhandled debug exception)"

CASES = (
    # `busy p...` and ERR CODE are no results; the block behind them completes the read. 654 bytes
    # announced, 625 delivered; the payload holds OK, ERROR and CLOSED; CLOSED stands right behind
    # OK.
    case(
        1,
        "busy and an error code before the block that was asked for",
        Send(_SEND_BIG),
        Feed(PROMPT_E),
        writes(b"AT+CIPSEND=0,4268\r\n", _BIG),
        Feed(b"\r\nRecv 4268 bytes\r\n" + SEND_OK),
        expect(done(_SEND_BIG, final=b"SEND OK")),
        Feed(b"\r\n+IPD,0,654\r\n"),
        expect(urc("data", b"+IPD,0,654")),
        Send(_LENGTHS),
        Feed(b"+CIPRECVLEN:654,-1,-1,-1,-1\r\n" + OK),
        expect(done(_LENGTHS, b"+CIPRECVLEN:654,-1,-1,-1,-1")),
        Send(_READ_654),
        Feed(b"ERR CODE:0x010b0000\r\n\r\nbusy p...\r\n"),
        Tick(0.2),
        expect(),
        Feed(b'+CIPRECVDATA:625,"13.69.186.152",443,' + _PAGE + OK + b"0,CLOSED\r\n"),
        expect(
            done(
                _READ_654,
                reasons=(b"ERR CODE:0x010b0000",),
                block=_PAGE,
                fields={"quoted": b"13.69.186.152", "port": b"443"},
            ),
            urc("closed", b"0,CLOSED"),
        ),
        writes(b"AT+CIPRECVLEN?\r\n", b"AT+CIPRECVDATA=0,654\r\n"),
    ),
    # A whole packet between OK and the prompt; the `>` inside it is no prompt.
    case(
        2,
        "a packet with > in it between OK and the prompt",
        Send(_SEND_TEN),
        Feed(OK + b"\r\n+IPD,0,13:>\r\n> OK\r\n\r\n> "),
        expect(received("ipd", b">\r\n> OK\r\n\r\n> ", link=b"0")),
        writes(b"AT+CIPSEND=1,10\r\n"),
        Feed(b"\r\n>"),
        writes(_TEN),
        Feed(b"\r\nRecv 10 bytes\r\n" + SEND_OK),
        expect(done(_SEND_TEN, final=b"SEND OK")),
    ),
    # CONNECT inside the echo is found at the end of the line; a packet between prompt and Recv is
    # data; CLOSED before OK belongs to the close, CLOSED of the other link does not.
    case(
        4,
        "a connection announced inside the echo",
        Feed(b"0,CONNECT\r\n\r\n+IPD,0,326,192.168.1.3,5285:" + _GET_1),
        expect(
            urc("connect", b"0,CONNECT"),
            received("ipd", _GET_1, link=b"0", host=b"192.168.1.3", port=b"5285"),
        ),
        Send(_SEND_98),
        Feed(b"AT+CIPSEND=0,1,CONNECT\r\n98\r\r\n" + PROMPT_N),
        expect(
            glued(b"AT+CIPSEND=0,1,CONNECT"),
            urc("connect", b"1,CONNECT"),
            unknown(b"98"),
        ),
        writes(b"AT+CIPSEND=0,98\r\n", _NINETY_EIGHT),
        Feed(b"\r\n+IPD,1,345,192.168.1.3,5286:" + _GET_2 + b"\r\nRecv 98 bytes\r\n"),
        expect(received("ipd", _GET_2, link=b"1", host=b"192.168.1.3", port=b"5286")),
        Feed(SEND_OK),
        expect(done(_SEND_98, final=b"SEND OK")),
        Send(_CLOSE_0),
        Feed(b"AT+CIPCLOSE=0\r\r\n0,CLOSED\r\n" + OK + b"1,CLOSED\r\n"),
        expect(done(_CLOSE_0, b"0,CLOSED"), urc("closed", b"1,CLOSED")),
    ),
    # SEND FAIL, then SEND OK for the same block: the second is waited for and swallowed.
    case(
        5,
        "SEND OK behind SEND FAIL is swallowed",
        Send(_SEND_FIRST),
        Feed(PROMPT_N),
        Feed(b"\r\nRecv 10 bytes\r\n\r\nSEND FAIL\r\n"),
        expect(refused(_SEND_FIRST, b"SEND FAIL", payload_written=True)),
        Tick(0.1),
        Feed(SEND_OK),
        expect(),
        Send(_SEND_SECOND),
        Feed(PROMPT_N),
        Feed(b"\r\nRecv 10 bytes\r\n\r\nSEND FAIL\r\n"),
        expect(refused(_SEND_SECOND, b"SEND FAIL", payload_written=True)),
    ),
    # The same, but the stray result comes later than anybody waits: it still ends no other send.
    case(
        5,
        "a very late SEND OK does not end the next send, before its prompt or behind its payload",
        Send(_SEND_FIRST),
        Feed(PROMPT_N),
        Feed(b"\r\nRecv 10 bytes\r\n\r\nSEND FAIL\r\n"),
        Tick(0.5),
        expect(refused(_SEND_FIRST, b"SEND FAIL", payload_written=True)),
        Send(_SEND_SECOND),
        Feed(SEND_OK),
        expect(odd("result without a command", b"SEND OK")),
        Feed(PROMPT_N),
        Feed(SEND_OK),
        expect(odd("stray result", b"SEND OK")),
        Feed(b"\r\nRecv 10 bytes\r\n"),
        expect(),
        Feed(SEND_OK),
        expect(done(_SEND_SECOND, final=b"SEND OK")),
    ),
    # The thread's GMR, with the terminators as its poster gave them.
    case(
        5,
        "version text",
        Send(at.VERSION),
        Feed(b"AT+GMR\r\r\n" + crlf(*_GMR_15) + OK),
        expect(done(at.VERSION, *_GMR_15)),
    ),
    # OK right behind the last line of GMR; "no change" explains, OK ends; two CONNECTs at once.
    case(
        7,
        "no change, and a browser that opens two links",
        Send(at.VERSION),
        Feed(b"AT+GMR\r\r\n" + crlf(*_GMR_13) + b"OK\r\n"),
        expect(done(at.VERSION, *_GMR_13)),
        Send(_ACCESS_POINT),
        Feed(b'AT+CWSAP_CUR?\r\r\n+CWSAP_CUR:"ESP_A0591D","",1,0,4,0\r\n' + OK),
        expect(done(_ACCESS_POINT, b'+CWSAP_CUR:"ESP_A0591D","",1,0,4,0')),
        Send(_SERVER_OFF),
        Feed(b"AT+CIPSERVER=0\r\r\nno change\r\n" + OK),
        expect(done(_SERVER_OFF, reasons=(b"no change",))),
        Send(_SERVER_ON),
        Feed(b"AT+CIPSERVER=1,80\r\r\n" + OK + b"0,CONNECT\r\n1,CONNECT\r\n"),
        expect(done(_SERVER_ON), urc("connect", b"0,CONNECT"), urc("connect", b"1,CONNECT")),
        Feed(b"\r\n+IPD,0,439:" + _BROWSER),
        expect(received("ipd", _BROWSER, link=b"0")),
    ),
    # Echo CR CR LF is still recognised as echo; prompt with a blank; unquoted CIPDOMAIN; the
    # vendor's lines in GMR have no prefix; two WIFI notices before the OK of a join.
    case(
        8,
        "explicit bytes of a vendor build",
        Send(AT),
        Feed(b"AT\r\r\n\r\nOK\r\n"),
        expect(done(AT)),
        Send(at.VERSION),
        Feed(crlf(*_GMR_12) + b"OK\r\n"),
        expect(done(at.VERSION, *_GMR_12)),
        Send(_JOINED_CUR),
        Feed(b"No AP\r\n\r\nOK\r\n"),
        expect(done(_JOINED_CUR, reasons=(b"No AP",))),
        Send(_JOIN_CUR),
        Feed(b"WIFI CONNECTED\r\nWIFI GOT IP\r\n\r\nOK\r\n"),
        expect(
            urc("wifi_connected", b"WIFI CONNECTED"),
            urc("wifi_got_ip", b"WIFI GOT IP"),
            done(_JOIN_CUR),
        ),
        Send(_JOINED_CUR),
        Feed(b'+CWJAP_CUR:"XXXX","64:a2:f9:56:d6:c3",5,-49\r\n\r\nOK\r\n'),
        expect(done(_JOINED_CUR, b'+CWJAP_CUR:"XXXX","64:a2:f9:56:d6:c3",5,-49')),
        Send(_ADDRESSES),
        Feed(
            b'AT+CIFSR\r\r\n+CIFSR:STAIP,"192.168.43.37"\r\n'
            b'+CIFSR:STAMAC,"bc:dd:c2:fe:20:df"\r\n\r\nOK\r\n'
        ),
        expect(
            done(
                _ADDRESSES,
                b'+CIFSR:STAIP,"192.168.43.37"',
                b'+CIFSR:STAMAC,"bc:dd:c2:fe:20:df"',
            )
        ),
        Send(_RESOLVE_8),
        Feed(b"+CIPDOMAIN:52.41.230.253\r\n\r\nOK\r\n"),
        expect(done(_RESOLVE_8, b"+CIPDOMAIN:52.41.230.253")),
        Send(_START_8),
        Feed(b"0,CONNECT\r\n\r\nOK\r\n"),
        expect(done(_START_8, b"0,CONNECT")),
        Send(_SEND_8),
        Feed(b"\r\nOK\r\n> "),
        Feed(b"\r\nRecv 159 bytes\r\n\r\nSEND OK\r\n"),
        expect(done(_SEND_8, final=b"SEND OK")),
        Send(_CLOSE_0),
        Feed(b"AT+CIPCLOSE=0\r\r\n0,CLOSED\r\n\r\nOK\r\n"),
        expect(done(_CLOSE_0, b"0,CLOSED")),
    ),
    # Twelve seconds of busy, then the result: it is this command's, and none of the busy lines is.
    case(
        10,
        "busy for twelve seconds before the name does not resolve",
        Send(_START_NAME),
        *[step for _ in range(13) for step in (Tick(0.9), Feed(b"busy p...\r\n"))],
        expect(),
        Feed(b"DNS Fail\r\n" + ERROR),
        expect(refused(_START_NAME, reasons=(b"DNS Fail",))),
        writes(_START_NAME.text + b"\r\n"),
    ),
    # Notices of the reset arrive in the middle of later answers; the busy of a scan is no result.
    case(
        11,
        "late notices after a reset",
        Send(_RESET),
        Feed(OK),
        expect(done(_RESET)),
        Feed(b"WIFI DISCONNECT\r\n\r\nready\r\n"),
        expect(urc("wifi_disconnect", b"WIFI DISCONNECT"), restarted(b"ready")),
        Send(_ECHO_OFF),
        Feed(b"ATE0\r\n" + OK),
        expect(done(_ECHO_OFF)),
        Send(_LINKS),
        Feed(b"WIFI CONNECTED\r\nSTATUS:0\r\n" + OK),
        expect(urc("wifi_connected", b"WIFI CONNECTED"), done(_LINKS, b"STATUS:0")),
        Send(_DNS_CUR),
        Feed(ERROR),
        Send(_DHCP_CUR),
        Feed(ERROR),
        expect(refused(_DNS_CUR), refused(_DHCP_CUR)),
        Send(_LEAVE),
        Feed(b"WIFI DISCONNECT\r\n" + OK),
        expect(urc("wifi_disconnect", b"WIFI DISCONNECT"), done(_LEAVE)),
        Send(_SCAN),
        Feed(b"\r\nbusy p...\r\n"),
        Tick(0.8),
        Feed(b'+CWLAP:(3,"Wifi1",-62,"**",1)\r\n'),
        Tick(1.5),
        Feed(OK),
        expect(done(_SCAN, b'+CWLAP:(3,"Wifi1",-62,"**",1)')),
    ),
    # Boot text, partly at another rate: high bytes, a `>` and an OK in the noise mean nothing; the
    # first readable line of the ROM already tells of the restart, `ready` tells it again.
    case(
        13,
        "boot text at the wrong rate",
        Send(_RESET),
        Feed(b"AT+RST\r\r\n" + OK),
        expect(done(_RESET)),
        Feed(b"\r\n" + crlf(*_BOOT_TEXT) + _NOISE[0] + b"\n" + _NOISE[1] + b"\r\n\r\nready\r\n"),
        expect(
            restarted(_BOOT_TEXT[0]),
            *[unknown(line) for line in _BOOT_TEXT[1:]],
            *[unknown(line) for line in _NOISE],
            restarted(b"ready"),
        ),
        Send(AT),
        Feed(b"AT\r\r\n" + OK),
        expect(done(AT)),
    ),
    # The same noise while a prompt is awaited and a command is in flight: no payload leaves, and
    # the restart ends the command.
    case(
        13,
        "boot text where a prompt is awaited",
        Send(_SEND_TEN),
        Feed(b"\r\n" + crlf(*_BOOT_TEXT) + _NOISE[0] + b"\r\n"),
        expect(
            restart_seen(_SEND_TEN),
            restarted(_BOOT_TEXT[0]),
            *[unknown(line) for line in _BOOT_TEXT[1:]],
            unknown(_NOISE[0]),
        ),
        Feed(_NOISE[1] + b"\r\n\r\nready\r\n"),
        expect(unknown(_NOISE[1]), restarted(b"ready")),
        writes(b"AT+CIPSEND=1,10\r\n"),
    ),
    # Five CWJAP fields, zeros for unused links.
    case(
        14,
        "status polling",
        Send(_JOINED),
        Feed(b'+CWJAP:"HomeWifiSSID","7c:8b:ca:3e:d7:5b",11,-55,0\r\n' + OK),
        expect(done(_JOINED, b'+CWJAP:"HomeWifiSSID","7c:8b:ca:3e:d7:5b",11,-55,0')),
        Send(_LINKS),
        Feed(b'STATUS:3\r\n+CIPSTATUS:4,"TCP","54.85.19.206",1883,12611,0\r\n' + OK),
        expect(done(_LINKS, b"STATUS:3", b'+CIPSTATUS:4,"TCP","54.85.19.206",1883,12611,0')),
        Send(_LENGTHS),
        Feed(b"+CIPRECVLEN:0,0,0,0,0\r\n" + OK),
        expect(done(_LENGTHS, b"+CIPRECVLEN:0,0,0,0,0")),
        Send(send_124 := send(4, b"m" * 124)),
        Feed(PROMPT_N),
        Feed(b"\r\nRecv 124 bytes\r\n" + SEND_OK),
        expect(done(send_124, final=b"SEND OK")),
    ),
    # Data waits without any +IPD: the length query finds it. The damaged echo and the log line in
    # front of the block do no harm; the port differs from the one announced.
    case(
        16,
        "data nobody announced, a damaged echo",
        Feed(b'+LINK_CONN:0,0,"TCP",1,"192.168.4.2",49469,80\r\n'),
        expect(urc("link", b'+LINK_CONN:0,0,"TCP",1,"192.168.4.2",49469,80')),
        Send(_LENGTHS),
        Feed(b"+CIPRECVLEN:75,-1,-1,-1,-1\r\n" + OK),
        expect(done(_LENGTHS, b"+CIPRECVLEN:75,-1,-1,-1,-1")),
        Send(_READ_75),
        Feed(b"AT+CIPRECVDAT,=0,75\r\nto read 75 bytes\r\n"),
        expect(unknown(b"AT+CIPRECVDAT,=0,75"), unknown(b"to read 75 bytes")),
        Feed(b'+CIPRECVDATA:75,"192.168.4.2",49478,' + _GET_75 + OK),
        expect(done(_READ_75, block=_GET_75, fields={"quoted": b"192.168.4.2", "port": b"49478"})),
    ),
    # With CIPDINFO=1 the sender stands before every block, for TCP too: it is no data.
    case(
        17,
        "the sender before every block",
        Send(_READ_51),
        Feed(b'+CIPRECVDATA:%d,"100.24.172.113",80,' % len(_CHUNK_1) + _CHUNK_1 + OK),
        Send(_READ_51),
        Feed(b'+CIPRECVDATA:%d,"100.24.172.113",80,' % len(_CHUNK_2) + _CHUNK_2 + OK),
        expect(
            *[
                done(_READ_51, block=chunk, fields={"quoted": b"100.24.172.113", "port": b"80"})
                for chunk in (_CHUNK_1, _CHUNK_2)
            ]
        ),
    ),
    # Which of the two forms is meant cannot be seen in the bytes: a host that set CIPDINFO=0 takes
    # a payload that looks like a sender as payload.
    case(
        17,
        "the sender's look-alike inside a payload",
        Send(_PLAIN_READ),
        Feed(b"+CIPRECVDATA:%d," % len(_WITH_ADDRESS) + _WITH_ADDRESS + OK),
        expect(done(_PLAIN_READ, block=_WITH_ADDRESS)),
    ),
    # Log text between command and answer; STATUS:4 ("links closed") beside an open UDP link.
    case(
        19,
        "a UDP link and its row",
        Send(_UDP_START),
        Feed(b"local port:2390\r\n\r\nchange type:2\r\n\r\n4,CONNECT\r\n" + OK),
        expect(
            unknown(b"local port:2390"),
            unknown(b"change type:2"),
            done(_UDP_START, b"4,CONNECT"),
        ),
        Feed(b"\r\n+IPD,4,63:" + _DIGITS[:63]),
        expect(received("ipd", _DIGITS[:63], link=b"4")),
        Send(_LINKS),
        Feed(b'STATUS:4\r\n+CIPSTATUS:4,"UDP","0.0.0.0",2390,2390,0\r\n' + OK),
        expect(done(_LINKS, b"STATUS:4", b'+CIPSTATUS:4,"UDP","0.0.0.0",2390,2390,0')),
    ),
    # Datagrams became a stream: 1000 bytes of 2664 cut one in the middle, and the rest of that one
    # is not announced. The engine delivers what came, the notice is a hint only.
    case(
        20,
        "datagrams read as a stream",
        Feed(b"\r\n+IPD,1,444\r\n"),
        Send(_LENGTHS),
        Feed(b"+CIPRECVLEN:0,2664,0,0,0\r\n" + OK),
        Send(_READ_1000),
        Feed(b'+CIPRECVDATA:1000,"192.168.125.255",9797,' + _LOREM + OK + b"\r\n+IPD,1,1332\r\n"),
        expect(
            urc("data", b"+IPD,1,444"),
            done(_LENGTHS, b"+CIPRECVLEN:0,2664,0,0,0"),
            done(_READ_1000, block=_LOREM, fields={"quoted": b"192.168.125.255", "port": b"9797"}),
            urc("data", b"+IPD,1,1332"),
        ),
    ),
    # 581 bytes announced, 552 delivered; no blank line between payload and OK.
    case(
        22,
        "fewer bytes than announced",
        Feed(b"\r\n+IPD,0,581\r\n"),
        Send(_READ_581),
        Feed(b"+CIPRECVDATA:552," + _PAGE_552 + OK),
        expect(urc("data", b"+IPD,0,581"), done(_READ_581, block=_PAGE_552)),
    ),
    # ERROR and then CLOSED on a read: the end of the stream, not a failure of the port. The CLOSED
    # behind ERROR is a notice, not part of the next answer.
    case(
        23,
        "closed before it was read",
        Feed(b"\r\n+IPD,0,31\r\n"),
        Send(_LENGTHS),
        Feed(b"+CIPRECVLEN:31,-1,-1,-1,-1\r\n" + OK),
        Send(_READ_31),
        Feed(ERROR + b"0,CLOSED\r\n"),
        expect(
            urc("data", b"+IPD,0,31"),
            done(_LENGTHS, b"+CIPRECVLEN:31,-1,-1,-1,-1"),
            refused(_READ_31),
            urc("closed", b"0,CLOSED"),
        ),
        Send(_LENGTHS),
        Feed(b"+CIPRECVLEN:-1,-1,-1,-1,-1\r\n" + OK),
        Feed(b"\r\n+IPD,0,523\r\n"),
        Send(_READ_523),
        Feed(b'+CIPRECVDATA:494,"13.107.246.45",443,' + _PAGE_494 + OK),
        expect(
            done(_LENGTHS, b"+CIPRECVLEN:-1,-1,-1,-1,-1"),
            urc("data", b"+IPD,0,523"),
            done(_READ_523, block=_PAGE_494, fields={"quoted": b"13.107.246.45", "port": b"443"}),
        ),
    ),
    # The firmware names a wrong sender; the engine passes on what it says, unquoted as it is.
    case(
        25,
        "an unquoted sender",
        Feed(b"\r\n+IPD,3,9,10.0.0.8,21105:123456789"),
        expect(received("ipd", b"123456789", link=b"3", host=b"10.0.0.8", port=b"21105")),
    ),
    # CLOSED of every link before OK, then `ready`, which is what ends the command. Data of a client
    # that connected before anything was configured.
    case(
        26,
        "restore closes all links",
        Send(_RESTORE),
        Feed(b"1,CLOSED\r\n0,CLOSED\r\n" + OK),
        expect(urc("closed", b"1,CLOSED"), urc("closed", b"0,CLOSED")),
        Tick(1.0),
        Feed(b"\r\nready\r\n"),
        expect(done(_RESTORE, final=b"ready")),
        Send(_SENDER_ON),
        Feed(OK + b"\r\n+IPD,0,405,192.168.4.2,49519:" + _GET_405),
        expect(
            done(_SENDER_ON),
            received("ipd", _GET_405, link=b"0", host=b"192.168.4.2", port=b"49519"),
        ),
    ),
    # Log text on the AT port is skipped; "No AP" although joined is a reason, not a result.
    case(
        28,
        "log text mixed in",
        Feed(
            b"wifi:connected with HUAWEI_316, aid = 49, channel 10, HT20, "
            b"bssid = 5c:78:f8:96:80:53\r\nWIFI CONNECTED\r\n"
            b"tcpip_adapter: sta ip: 192.168.8.112, mask: 255.255.255.0, gw: 192.168.8.1\r\n"
        ),
        expect(
            unknown(
                b"wifi:connected with HUAWEI_316, aid = 49, channel 10, HT20, "
                b"bssid = 5c:78:f8:96:80:53"
            ),
            urc("wifi_connected", b"WIFI CONNECTED"),
            unknown(b"tcpip_adapter: sta ip: 192.168.8.112, mask: 255.255.255.0, gw: 192.168.8.1"),
        ),
        Send(_JOINED),
        Feed(b"No AP\r\n\r\n\r\nOK\r\n"),
        expect(done(_JOINED, reasons=(b"No AP",))),
        Send(_JOINED),
        Feed(b'+CWJAP:"BL_841R","44:33:4c:90:96:9a",11,-55,0,0,0,0\r\n' + OK),
        expect(done(_JOINED, b'+CWJAP:"BL_841R","44:33:4c:90:96:9a",11,-55,0,0,0,0')),
    ),
    # OK behind every packet, with nothing in flight: counted, not given to anybody. Then CLOSED and
    # an ERROR that belongs to nothing.
    case(
        41,
        "OK behind every packet",
        Feed(b"\r\n+IPD,0,17:" + b"HTTP/1.1 200 OK\r\n" + OK + b"\r\n+IPD,0,481:"),
        Feed(padded(b"Date: ", 481) + OK + b"0,CLOSED\r\n\r\n\r\nERROR\r\n"),
        expect(
            received("ipd", b"HTTP/1.1 200 OK\r\n", link=b"0"),
            unknown(b"OK"),
            received("ipd", padded(b"Date: ", 481), link=b"0"),
            unknown(b"OK"),
            urc("closed", b"0,CLOSED"),
            unknown(b"ERROR"),
        ),
    ),
    # The same habit in the middle of a send: that OK is not the send's result.
    case(
        41,
        "OK behind a packet during a send",
        Send(_SEND_TEN),
        Feed(PROMPT_N),
        Feed(b"\r\n+IPD,0,5:hello" + OK + b"\r\nRecv 10 bytes\r\n"),
        expect(received("ipd", b"hello", link=b"0"), unknown(b"OK")),
        Feed(SEND_OK),
        expect(done(_SEND_TEN, final=b"SEND OK")),
    ),
    # Five CWLAP fields, a hidden name, ERROR (not FAIL) behind the undocumented code 0.
    case(
        29,
        "first ESP32 firmware: scan and join",
        Feed(b"\r\nready\r\n"),
        Send(_SCAN),
        Feed(crlf(*_ROWS) + OK),
        expect(restarted(b"ready"), done(_SCAN, *_ROWS)),
        Send(_JOIN),
        Feed(b"+CWJAP:1\r\n" + ERROR),
        Send(_JOIN),
        Feed(b"+CWJAP:0\r\n" + ERROR),
        expect(refused(_JOIN, reasons=(b"+CWJAP:1",)), refused(_JOIN, reasons=(b"+CWJAP:0",))),
    ),
    # Names are not escaped in answers: the line arrives as it is, whole.
    case(
        31,
        "a hostile network name",
        Send(_JOINED),
        Feed(b'+CWJAP:"MySSID","e0:28:6d:8a:d0:1a",11,-48,0,0,0\r\n' + OK),
        expect(done(_JOINED, b'+CWJAP:"MySSID","e0:28:6d:8a:d0:1a",11,-48,0,0,0')),
        Send(_SCAN),
        Feed(_HOSTILE_ROW + b"\r\n" + OK),
        expect(done(_SCAN, _HOSTILE_ROW)),
    ),
    # An error code and no final result at all: the time limit ends it, and what comes later
    # is nobody's answer.
    case(
        32,
        "an error code without a result",
        Send(_MODE),
        Feed(b"at+cwmode?\r\n+CWMODE:0\r\nOK\r\n"),
        expect(done(_MODE, b"+CWMODE:0")),
        Send(_LOWER_SCAN),
        Feed(b"at+cwlap\r\nERR CODE:0x010a0000\r\n"),
        Tick(at.SCAN - 0.1),
        expect(),
        Tick(0.1),
        expect(timed_out(_LOWER_SCAN), out_of_step("an answer did not come in time")),
        InSync(),
        expect(IN_STEP),
    ),
    # WiFi lost: CLOSED behind ERROR is a notice; when it comes after the next connect has begun, it
    # neither ends nor fails that one.
    case(
        34,
        "CLOSED trailing behind a failed connect",
        Send(_SEND_172),
        Feed(PROMPT_E),
        Feed(b"\r\nRecv 172 bytes\r\n" + SEND_OK + b"\r\n+IPD,1,518\r\n"),
        expect(done(_SEND_172, final=b"SEND OK"), urc("data", b"+IPD,1,518")),
        Feed(b"1,CLOSED\r\nWIFI GOT IP\r\n"),
        expect(urc("closed", b"1,CLOSED"), urc("wifi_got_ip", b"WIFI GOT IP")),
        Send(_START_1),
        Feed(ERROR),
        expect(refused(_START_1)),
        Send(_START_1_AGAIN),
        Feed(b"1,CLOSED\r\n"),
        expect(urc("closed", b"1,CLOSED")),
        Feed(ERROR + b"1,CLOSED\r\n"),
        expect(refused(_START_1_AGAIN), urc("closed", b"1,CLOSED")),
    ),
    # Bytes lost on the way in: no Recv. The next command is not written into the module's hunger;
    # the time limit passes, the data phase is left with +++, and Recv and SEND OK that come then
    # complete nothing.
    case(
        35,
        "the module waits for payload that was lost",
        Send(_SEND_274),
        Feed(PROMPT_E),
        writes(b"AT+CIPSEND=0,274\r\n", _BLOCK_274),
        Feed(b"\r\n+IPD,0,17\r\n"),
        Tick(PATIENCE + 274 / SLOWEST_LINE),
        expect(
            urc("data", b"+IPD,0,17"),
            timed_out(_SEND_274, payload_written=True),
            out_of_step("an answer did not come in time"),
        ),
        writes(),
        Tick(0.25),
        writes(ESCAPE),
        Feed(b"\r\nbusy p...\r\n\r\nRecv 274 bytes\r\n" + SEND_OK),
        expect(unknown(b"Recv 274 bytes"), unknown(b"SEND OK")),
        InSync(),
        expect(IN_STEP),
    ),
    # The line that was answered busy is executed afterwards. Here it is the probe, after a command
    # that was given up: the late ERROR and the surplus OK answer nothing.
    case(
        37,
        "a busy line that is executed all the same",
        Send(_HTTP),
        Tick(BASIC),
        expect(timed_out(_HTTP), out_of_step("an answer did not come in time")),
        Tick(0.15),
        writes(_HTTP.text + b"\r\n", b"AT\r\n"),
        Feed(b"\r\nbusy p...\r\n"),
        Tick(0.2),
        Feed(ERROR + OK),
        expect(),
        InSync(),
        expect(IN_STEP),
        Send(_MUX),
        Feed(b"+CIPMUX:1\r\n" + OK),
        expect(done(_MUX, b"+CIPMUX:1")),
    ),
    # The same for the host's own query: the busy line is not its end, the answer that follows is.
    case(
        37,
        "an answer behind busy",
        Send(_TIME),
        Feed(b"\r\nbusy p...\r\n"),
        Tick(0.4),
        Feed(b"+CIPSNTPTIME:Thu Jan 01 00:00:00 1970\r\nOK\r\n"),
        expect(done(_TIME, b"+CIPSNTPTIME:Thu Jan 01 00:00:00 1970")),
        writes(_TIME.text + b"\r\n"),
    ),
    # Unquoted CIPDOMAIN; information whose prefix is not the command's name, then ERROR.
    case(
        38,
        "first ESP-AT for ESP8266",
        Send(at.VERSION),
        Feed(crlf(*_GMR_20) + OK),
        expect(done(at.VERSION, *_GMR_20)),
        Send(_RESOLVE_38),
        Feed(b"+CIPDOMAIN:119.9.92.99\r\n" + OK),
        expect(done(_RESOLVE_38, b"+CIPDOMAIN:119.9.92.99")),
        Send(_UPDATE),
        Feed(crlf(b"+CIPUPDATE:1", b"+CIPUPDATE:2", b"+CIPUPDATE:3") + ERROR),
        expect(refused(_UPDATE)),
    ),
    # CR alone brings only the echo: every line that the engine writes ends in CR LF. Echo and error
    # code glued together line by line; the code is the reason, ERROR the end.
    case(
        40,
        "the terminator",
        Send(at.VERSION),
        writes(b"AT+GMR\r\n"),
        Feed(b"AT+GMR\r\nERR CODE:0x01090000\r\n" + ERROR),
        expect(refused(at.VERSION, reasons=(b"ERR CODE:0x01090000",))),
    ),
    # A second line end starts a storm of busy that never ends: with nothing in flight it is counted
    # and means nothing, and it does not keep the next command from its answer.
    case(
        40,
        "a storm of busy",
        Send(AT),
        Feed(OK),
        expect(done(AT)),
        Feed(b"ERR CODE:0x010b0000\r\n\r\nbusy p...\r\n" * 3),
        expect(
            *[
                unknown(b"ERR CODE:0x010b0000"),
                odd("result without a command", b"busy p..."),
            ]
            * 3
        ),
        Send(AT),
        Feed(b"\r\nbusy p...\r\n" + OK),
        expect(done(AT)),
    ),
    # The oldest form: an address without any prefix.
    case(
        43,
        "a bare address",
        Send(_OLD_ADDRESS),
        Feed(b"192.168.4.1\r\n\r\nOK\r\n"),
        expect(done(_OLD_ADDRESS, b"192.168.4.1")),
    ),
    # No prompt and nothing else: the prompt's own limit ends it, the payload never leaves, and the
    # module is led out of a data phase that it may be in.
    case(
        44,
        "no prompt at all",
        Send(_SEND_48),
        Tick(at.PROMPT - 0.01),
        expect(),
        Tick(0.01),
        expect(timed_out(_SEND_48), out_of_step("an answer did not come in time")),
        InSync(),
        expect(IN_STEP),
        writes(b"AT+CIPSEND=0,48\r\n", ESCAPE, ESCAPE, b"AT\r\n", b"AT\r\n"),
    ),
    # AT version and Bin version disagree: both lines arrive, in order; test_firmware reads the
    # first.
    case(
        46,
        "two versions",
        Send(at.VERSION),
        Feed(crlf(*_GMR_33) + OK),
        expect(done(at.VERSION, *_GMR_33)),
    ),
    # A host wired to the log UART: boot text for ever, no answer. Nothing of it counts as one.
    case(
        47,
        "the log port instead of the AT port",
        Probing(4.0),
        expect(out_of_step("start")),
        Tick(0.2),
        Feed(crlf(*_ROM[:5])),
        Tick(0.5),
        Feed(crlf(*_ROM[5:])),
        expect(*[unknown(line) for line in _ROM]),
        Tick(6.0),
        expect(DEAF),
    ),
    # The connection's line stands behind the echo, without a line break: found at the end.
    case(
        49,
        "a connection announced behind the echo",
        Send(_CLOSE_0),
        Feed(b'AT+CIPCLOSE=0+LINK_CONN:0,2,"TCP",1,"192.168.0.14",57551,80\r\n\r\n'),
        expect(
            glued(b'AT+CIPCLOSE=0+LINK_CONN:0,2,"TCP",1,"192.168.0.14",57551,80'),
            urc("link", b'+LINK_CONN:0,2,"TCP",1,"192.168.0.14",57551,80'),
        ),
        Feed(b"0,CLOSED\r\n" + OK),
        expect(done(_CLOSE_0, b"0,CLOSED")),
    ),
    # The O of OK is lost: K is no result. The command times out, RESYNC repairs it.
    case(
        50,
        "half an OK",
        Send(AT),
        Feed(b"K\r\n"),
        expect(unknown(b"K")),
        Tick(BASIC),
        expect(timed_out(AT), out_of_step("an answer did not come in time")),
        InSync(),
        expect(IN_STEP),
    ),
    # The rest of a short read is gone: the second read is refused, the first was delivered.
    # (The thread abbreviates the answer; the bytes here follow the firmware's literal.)
    case(
        52,
        "one read only",
        Feed(b"\r\n+IPD,4,331\r\n"),
        Send(_READ_256),
        Feed(b"+CIPRECVDATA:256," + _DATAGRAM + OK),
        Send(_REST_75),
        Feed(ERROR),
        expect(urc("data", b"+IPD,4,331"), done(_READ_256, block=_DATAGRAM), refused(_REST_75)),
    ),
    # ERROR instead of the prompt: the payload must not leave, its lines would become commands.
    case(
        53,
        "an upload that is refused",
        Send(_UPLOAD),
        Feed(PROMPT_E),
        Feed(b"\r\nRecv 2048 bytes\r\n" + SEND_OK),
        Send(_UPLOAD_2),
        Feed(ERROR),
        expect(done(_UPLOAD, final=b"SEND OK"), refused(_UPLOAD_2)),
        Feed(b"\r\n>"),
        expect(),
        Feed(b"\r\n"),
        expect(unknown(b">")),
        writes(b"AT+CIPSEND=0,2048\r\n", _BLOCK_2048, b"AT+CIPSEND=0,2048\r\n"),
    ),
    # The close reboots the module: `ready` ends the command at once, long before its limit.
    case(
        55,
        "a close that reboots the module",
        Send(_CLOSE_0),
        Tick(0.5),
        Feed(b"\r\nready\r\n"),
        expect(restart_seen(_CLOSE_0), restarted(b"ready")),
    ),
    # ERROR inside log text is no result; a panic is a restart.
    case(
        56,
        "ERROR inside log text",
        Send(_JOIN_56),
        Feed(b"I (562363) wifi: state: 0 -> 2 (b0)\r\nwlan ERROR: no mem, ERROR\r\n"),
        expect(
            unknown(b"I (562363) wifi: state: 0 -> 2 (b0)"), unknown(b"wlan ERROR: no mem, ERROR")
        ),
        Feed(b"WIFI CONNECTED\r\n" + OK),
        expect(urc("wifi_connected", b"WIFI CONNECTED"), done(_JOIN_56)),
        Send(_START_SSL),
        Feed(_PANIC + b"\r\n" + _GURU + b"\r\n"),
        expect(restart_seen(_START_SSL), restarted(_PANIC), restarted(_GURU)),
    ),
)

# With the canary as probe, the surplus results of L37 are told apart even while probing.
CANARY_CASES = (
    case(
        37,
        "surplus results behind busy, with the canary",
        Probing(60.0, CANARY),
        expect(out_of_step("start")),
        Tick(0.15),
        Feed(b"\r\nbusy p...\r\n"),
        Tick(0.2),
        Feed(ERROR + b"+CIPMUX:1\r\n" + OK),
        expect(),
        Feed(OK),
        expect(odd("late answer discarded", b"OK")),
        InSync(b"+CIPMUX:1\r\n\r\nOK\r\n"),
        expect(IN_STEP),
    ),
    case(
        11,
        "a probe that finds the settings gone",
        Probing(60.0, CANARY),
        expect(out_of_step("start")),
        Tick(0.15),
        Feed(b"+CIPMUX:0\r\n" + OK),
        expect(restarted(b"+CIPMUX:0")),
        InSync(),
        expect(IN_STEP),
    ),
)

PROBE_AT = Probe(b"AT")

"""What differs between the generations of Espressif's AT firmware, one frozen record each.

Sources, as named in the comments:
  SRC    source of AT v0.20 (espressif/ESP8266_AT, at/user)
  LIT    format strings in the AT core libraries (espressif/esp-at components/at/lib,
         espressif/ESP8266_NONOS_SDK lib/libat.a)
  DOC    ESP-AT User Guide, AT Command Set (the release named)
  CHG    change lists in the commits of espressif/esp-at
  DRV    behaviour relied on by other drivers (WiFiEspAT, mbed-os, lwesp)
  INF    inference, not observed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

__all__ = ["E2", "E22", "E22_ESP32", "E24", "E33", "N0", "N17", "PROFILES", "Profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """One firmware generation on one chip.

    Attributes:
        name: key used as `firmware=`.
        chip: as printed by AT+GMR.
        nonos: the NonOS line (N0, N17) rather than ESP-AT.
        level: order of ESP-AT generations (20, 22, 24, 33); 0 for N0, 17 for N17.
        gmr: lines of AT+GMR.
        command_limit: characters of a command line without terminator.
        overlong_silent: an overlong line is dropped without any answer.
        send_limit: largest AT+CIPSEND length, bytes.
        prompt: literals between an accepted AT+CIPSEND and the payload.
        read_limit: largest AT+CIPRECVDATA length, bytes.
        window: TCP receive buffer, bytes.
        push_limit: largest +IPD payload in active mode, bytes.
        block: largest packet of transparent transmission, bytes.
        uart_receive, uart_transmit: UART buffers of the firmware, bytes.
        max_rate: highest UART rate, baud.
        quoted_peer: +IPD carries the address in quotes.
        quoted_domain: +CIPDOMAIN carries the address in quotes.
        idle_length: AT+CIPRECVLEN? of an unused link.
        join_fields: fields of AT+CWJAP? beyond SSID and BSSID, after channel and RSSI.
        scan_fields: most fields of a +CWLAP row.
        linger_closed: seconds from ERROR of a failed AT+CIPSTART to its CLOSED.
        server_again_fails: a second AT+CIPSERVER=1 is ERROR.
        absent: commands this generation does not have.
        only: the commands that it has; None: all but `absent`.
    """

    name: str
    chip: str
    level: int
    gmr: tuple[str, ...]
    nonos: bool = False
    # DOC "AT Command Types", every release from v2.1: "no more than 256 bytes".
    command_limit: int = 256
    overlong_silent: bool = False
    # DOC AT+CIPSEND: 2048; 8192 from v2.3.0.0_esp32c3 / v2.4.0.0, never on ESP8266.
    send_limit: int = 2048
    # LIT: one string from v2.3/2.4 on; before that OK and the prompt are two writes.
    prompt: tuple[bytes, ...] = (b"\r\nOK\r\n", b"\r\n>")
    read_limit: int = 0x7FFFFFFF  # DOC AT+CIPRECVDATA
    window: int = 5760  # DOC AT+CIPRECVMODE / sdkconfig.defaults TCP_WND_DEFAULT
    push_limit: int = 2920  # DOC AT+CIPRECVMODE, active mode
    block: int = 2920  # DOC AT+CIPSEND, transparent; 1460 on the ESP8266, 2048 by NonOS
    uart_receive: int = 2048  # esp-at main/interface/uart/at_uart_task.c
    uart_transmit: int = 8192
    max_rate: int = 5_000_000  # DOC AT+UART_CUR
    quoted_peer: bool = True
    quoted_domain: bool = True
    idle_length: int = -1
    join_fields: int = 5
    scan_fields: int = 11
    linger_closed: float = 0.0
    server_again_fails: bool = False
    absent: frozenset[str] = field(default_factory=frozenset)
    only: frozenset[str] | None = None

    def has(self, command: str) -> bool:
        """Whether a command exists (its name without ``AT+``)."""
        return command not in self.absent and (self.only is None or command in self.only)

    @property
    def esp8266(self) -> bool:
        """Runs on the ESP8266 chip."""
        return self.chip == "ESP8266"

    @property
    def facts(self) -> Mapping[str, int]:
        """The limits by the names shared with other modules."""
        return MappingProxyType(
            {
                # at_linkMax / AT_SOCKET_MAX_CONN_NUM = 5, shared by clients, UDP, accepted.
                "sockets.max": 5,
                "frame.max_send": self.send_limit,
                "frame.max_recv": min(self.read_limit, self.window),
                "frame.max_push": self.push_limit,
                "datagram.max_send": self.send_limit,
                "datagram.max_recv": 1472,
                "window.receive": self.window,
                "command.max_length": self.command_limit,
                "dns.max_name": 64,  # DOC AT+CIPSTART, AT+CIPDOMAIN: host of at most 64 bytes
                "uart.max_rate": self.max_rate,
                "uart.receive_buffer": self.uart_receive,
            }
        )


N0 = Profile(
    name="N0",
    chip="ESP8266",
    level=0,
    nonos=True,
    gmr=("0020000903",),  # SRC: AT version and SDK version without anything between
    command_limit=128,  # SRC: 128 behind "AT", CR and LF among them
    prompt=(b"> ",),  # SRC: no OK
    window=2920,
    push_limit=1460,
    block=2048,
    uart_receive=128,  # SRC: no buffer but the hardware's
    uart_transmit=128,
    # max_rate by SRC too: UART clock / 16
    scan_fields=5,  # SRC
    # SRC at_cmd.h, without CIUPDATE and CIPAPPUP (firmware update from a server long gone)
    only=frozenset(
        {"AT", "E", "RST", "GMR", "GSLP", "IPR", "CWMODE", "CWJAP", "CWLAP", "CWQAP", "CWSAP"}
        | {"CWLIF", "CWDHCP", "CIFSR", "CIPSTAMAC", "CIPAPMAC", "CIPSTA", "CIPAP", "CIPSTATUS"}
        | {"CIPSTART", "CIPCLOSE", "CIPSEND", "CIPMUX", "CIPSERVER", "CIPMODE", "CIPSTO", "CIPING"}
    ),
)

# Hashes and dates that no published log gives are invented; the shape of each line is LIT.
N17 = Profile(
    name="N17",
    chip="ESP8266",
    level=17,
    nonos=True,
    gmr=(
        "AT version:1.7.4.0(May 11 2020 19:13:04)",
        "SDK version:3.0.4(9532ceb)",
        "compile time:May 27 2020 10:12:17",
        "Bin version(Wroom 02):1.7.4",
    ),
    # espressif/ESP8266_AT at_cmdLenMax 128 with terminator, INF for 1.7 (not documented).
    command_limit=126,
    overlong_silent=True,  # espressif/ESP8266_AT user/at_port.c returns to idle
    prompt=(b"\r\nOK\r\n", b"> "),  # LIT: with space
    read_limit=2048,  # DRV mbed-os ESP8266.cpp
    window=2920,  # DRV, vendor text: passive buffer 2920 bytes
    push_limit=1460,  # one segment
    block=2048,
    uart_receive=1024,  # INF: as ESP-AT on this chip
    uart_transmit=2048,
    max_rate=4_500_000,
    quoted_peer=False,  # LIT
    quoted_domain=False,  # LIT
    idle_length=0,  # WiFiEspAT issue 58
    join_fields=1,  # WiFiEspAT issue 58
    linger_closed=0.2,  # observed 30..500 ms after ERROR
    absent=frozenset(
        {
            "CIPSSLCSNI",
            "CMD",
            "SYSSTORE",
            "SYSLOG",
            "SYSMSG",
            "CWSTATE",
            "CWRECONNCFG",
            "CIPV6",
            "CIPTCPOPT",
        }
        | {"CIPRECVTYPE", "CIPSTATE", "CIPSENDL", "CIPSENDLCFG", "CIPSTARTEX"}
        | {"TRANSINTVL"}
    ),
)

_ESP_AT_ABSENT = frozenset(
    {"CWAUTOCONN", "CIPCLOSEMODE", "SYSMSG_CUR", "SYSMSG_DEF", "CIPDNS_CUR", "CIPSSLSIZE"}
)

E2 = Profile(
    name="E2",
    chip="ESP8266",
    level=20,
    gmr=(
        "AT version:2.1.0.0(ded5b14 - Jul 24 2020 12:01:05)",
        "SDK version:v3.3-2-gb6e861a",
        "compile time(36bb200):Jul 27 2020 06:46:11",
        "Bin version:2.1.0(WROOM-02)",
    ),
    block=1460,
    uart_receive=1024,
    uart_transmit=2048,
    max_rate=4_500_000,
    quoted_domain=False,  # LIT: quotes from v2.2.0.0
    join_fields=4,  # v2.1: eight fields in all
    scan_fields=5,  # v2.0; INF for v2.1
    # LIT: CIPV6, CMD, CWSTATE, CWRECONNCFG from v2.2; CIPSTATE from v2.4; CIPRECVTYPE v3.3.
    absent=_ESP_AT_ABSENT
    | frozenset({"CMD", "CWSTATE", "CWRECONNCFG", "CIPV6", "CIPSTATE", "CIPRECVTYPE"})
    | frozenset({"CIPSENDL", "CIPSENDLCFG", "TRANSINTVL"}),
)

E22 = Profile(
    name="E22",
    chip="ESP8266",
    level=22,
    gmr=(
        "AT version:2.2.1.0(6967ee3 - ESP8266 - Jul 23 2021 10:29:36)",
        "SDK version:v3.4-22-g967752e2",
        "compile time(b097cdf):Aug  6 2021 06:39:13",
        "Bin version:2.2.1(WROOM-02)",
    ),
    block=1460,
    uart_receive=1024,
    uart_transmit=2048,
    max_rate=4_500_000,
    absent=_ESP_AT_ABSENT
    | frozenset({"CIPSTATE", "CIPRECVTYPE", "CIPSENDL", "CIPSENDLCFG", "TRANSINTVL"}),
)

E22_ESP32 = replace(
    E22,
    name="E22-ESP32",
    chip="ESP32",
    gmr=(
        "AT version:2.2.0.0(c6fa6bf - ESP32 - Jul  2 2021 06:44:05)",
        "SDK version:v4.2.2-76-gefa6eca",
        "compile time(3a696ba):Jul  5 2021 11:54:43",
        "Bin version:2.2.0(WROOM-32)",
    ),
    window=5744,  # DOC v2.2: 5744..5840
    block=2920,
    uart_receive=2048,
    uart_transmit=8192,
    max_rate=5_000_000,
)

E24 = Profile(
    name="E24",
    chip="ESP32C3",
    level=24,
    gmr=(
        "AT version:3.2.0.0(s-ec2dec2 - ESP32C3 - Jul 28 2023 07:05:28)",
        "SDK version:v5.0.2-376-g24b9d38a24-dirty",
        "compile time(6118fc22):Jul 28 2023 09:47:28",
        "Bin version:v3.2.0.0(MINI-1)",
    ),
    send_limit=8192,
    prompt=(b"\r\nOK\r\n\r\n>",),
    server_again_fails=True,  # CHG 2023-04
    absent=_ESP_AT_ABSENT | frozenset({"CIPRECVTYPE"}),
)

E33 = replace(
    E24,
    name="E33",
    level=33,
    gmr=(
        "AT version:4.1.1.0(ba4dd0e - ESP32C3 - Jul 31 2025 08:38:07)",
        "SDK version:v5.4.1-643-g8ad0d3d8f2-dirty",
        "compile time(7c092f9a):Aug  1 2025 03:21:55",
        "Bin version:v4.1.1.0(MINI-1)",
    ),
    idle_length=0,  # esp-at issue 994
    absent=_ESP_AT_ABSENT,
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {profile.name: profile for profile in (N0, N17, E2, E22, E22_ESP32, E24, E33)}
)

"""Serial logs of Quectel modules, published in issue threads and repositories, as cases.

Where a log gives only line breaks, the bytes follow the line discipline of the manual: every line
is framed CR LF … CR LF, the echo ends in a bare CR, QIRD's payload is followed by CR LF CR LF OK CR LF.
The comment above each case names the trap that the log is known for.
"""

from __future__ import annotations

from dataclasses import replace

from atdriver.exchange import Command
from modems.bg96 import commands as at
from modems.bg96.dialect import CANARY, DIALECT, PUSHED
from modems.commands import BASIC, query, simple

from .harness import (
    IN_STEP,
    Feed,
    InSync,
    Probing,
    Send,
    Tick,
    case,
    done,
    expect,
    out_of_step,
    received,
    refused,
    restarted,
    timed_out,
    unknown,
    urc,
    writes,
)

LOGS = frozenset(
    {1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22, 23, 25, 26, 28, 29, 31, 32, 34, 35}
    | {37, 38, 40, 41, 43, 44, 46, 47, 49, 50, 52, 53, 55, 56, 58, 59, 61, 62, 64, 65, 67, 68}
)
"""The logs that are known."""

NO_CASE: dict[int, str] = {
    23: "an HTTP body in an uncounted data phase; the driver sends no command that opens one, "
    "and OK inside counted data is in test_grammar.py",
}
"""Logs that cannot be played: number → why."""

PUSHING = replace(DIALECT, heads=(*DIALECT.heads, PUSHED))
"""The dialect of a module in direct push mode, which the driver never chooses."""

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
PROMPT = b"\r\n> "
SEND_OK = b"\r\nSEND OK\r\n"


def line(*texts: bytes) -> bytes:
    """Lines, each in its own frame."""
    return b"".join(b"\r\n" + text + b"\r\n" for text in texts)


def block(payload: bytes, sender: bytes = b"") -> bytes:
    """The answer of AT+QIRD up to and with its OK."""
    return b"\r\n+QIRD: %d%b\r\n" % (len(payload), sender) + payload + b"\r\n" + OK


AT = simple("AT")
ECHO_OFF = simple("ATE0")
ERROR_CODES = simple("AT+CMEE=1")
NO_DATA_ECHO = simple("AT+QISDE=0")
SIM_STATE = at.SIM_STATE
ACTIVATE = simple("AT+QIACT=1", at.ACTIVATE)
DEACTIVATE = simple("AT+QIDEACT=1", at.DEACTIVATE)
FUNCTIONALITY = query("AT+CFUN?", rb"\+CFUN: \d")
TLS_STATE = query("AT+QSSLSTATE", rb"\+QSSLSTATE: .*")
RESET = simple("AT+CFUN=1,1", 15.0)
FACTORY = simple("AT&FZE0")
MAKER = Command(b"AT+CGMI", BASIC, bare=True)
MODEL = Command(b"AT+CGMM", BASIC, bare=True)
OPERATORS = query("AT+COPS=?", rb"\+COPS: .*", 180.0)
REPORTS = simple("AT+CREG=2")
REGISTRATION = query("AT+CREG?", rb"\+CREG: \d,\d(?:,.*)?")
QUALITY = query("AT+QCSQ", rb"\+QCSQ: .*")
PROVIDER = query("AT+QSPN", rb"\+QSPN: .*")
CONTEXT = query("AT+CGDCONT?", rb"\+CGDCONT: .*")
ATTACHED = query("AT+CGACT?", rb"\+CGACT: .*")
SET_PROFILE = at.profile(b'"NBIOT.TELIA.EE"', b'""', b'""', 0)
PING = at.ping(b'"www.google.com"')
NTP = simple('AT+QNTP=1,"ntp.aliyun.com"', 125.0)
RESOLVE = at.resolve(b'"172.188.83.251"')
RESOLVE_NAME = at.resolve(b'"harvest.soracom.io"')
PDP_DETAILS = query("AT+CGCONTRDP", rb"\+CGCONTRDP: .*")
OPEN_0 = at.open_tcp(0, "220.180.239.212", 8009, 0)
OPEN_UDP = at.open_udp(2, 3030)
OPEN_LISTENER = simple('AT+QIOPEN=1,0,"TCP LISTENER","127.0.0.1",0,8080,0', 10.0)
OPEN_RAW = simple('AT+QIOPEN=1,0,"TCP","110.165.17.3",9091,0,2', 10.0)
STATE_0 = at.state(0)
STATES = query("AT+QISTATE=0,1", rb"\+QISTATE: .*")
CLOSE_0 = at.close(0, 10)
LAST_ERROR = at.LAST_ERROR
COUNTERS = query("AT+QIRD=0,0", rb"\+QIRD: \d{1,10},\d{1,10},\d{1,10}")
READ_0 = at.read(0, 1500, datagram=False)
READ_1 = at.read(1, 1500, datagram=False)
READ_ALL = at.read(0, 1500, datagram=True)
READ_11 = at.read(11, 1500, datagram=False)
SENT_0 = at.sent(0)
HELLO = at.send(0, b"hello", None)
_147 = b"t" * 147
SEND_147 = at.send(0, _147, None)
SSL_SUITE = simple('AT+QSSLCFG="ciphersuite",2,"0XFFFF"')
SSL_SUITE_BARE = simple('AT+QSSLCFG="ciphersuite",2,0XFFFF')
SSL_TIME = query('AT+QSSLCFG="ignorelocaltime",1', rb"\+QSSLCFG: .*")
MQTT_OPEN = simple('AT+QMTOPEN=0,"192.0.2.1",1883', 75.0)
HTTP_GET = simple("AT+QHTTPGET=80", 80.0)

_LIST = (
    b'+COPS: (1,"Telia","Telia","24801",0),(2,"Telia","Telia","24801",8),'
    b'(1,"Elisa EE","ELISA","24802",0),(1,"Tele2 EE","Tele2 EE","24803",0),,(0,1,2,3,4),(0,1,2)'
)
_ROW_3 = b'+QISTATE: 0,"TCP","104.155.82.190",1883,22742,3,1,0,0,"uart1"'
_ROW_4 = b'+QISTATE: 0,"TCP","172.217.27.228",80,10451,4,1,0,1,"usbmodem"'
_ROW_UDP = b'+QISTATE: 2,"UDP SERVICE","100.84.28.125",0,3030,2,1,2,0,"usbmodem"'
_ROW_53 = b'+QISTATE: 0,"TCP","117.68.10.96",59969,0,2,1,0,1,"uart1"'
_ROW_47 = b'+QISTATE: 0,"TCP LISTENER","37.81.97.187",0,8080,3,1,0,0,"usbat"'
_CONNACK = b"\x20\x02\x00\x00"
_FULL = (b"\r\nOK\r\n" * 250)[:1500]
_FIVE = b"\x03\x04\x05\x00P"
_RECORD = (b"\x16\x03\x03A\x02\x00\x00Q" + bytes(range(256)) * 6)[:1500]
_PONGS = (
    b'+QPING: 0,"172.217.163.196",32,235,255',
    b'+QPING: 0,"172.217.163.196",32,241,255',
    b'+QPING: 0,"172.217.163.196",32,198,255',
    b'+QPING: 0,"172.217.163.196",32,203,255',
    b"+QPING: 0,4,4,0,198,241,218",
)
_NTP_TEXT = b'+QNTP: 0,"2026/07/02,14:27:52+32"'

CASES = (
    # The echo ends in a bare CR, so CR CR LF appears; ATE0 itself is still echoed.
    case(
        1,
        "the echo carries its CR",
        Send(AT),
        Feed(b"AT\r\r\nOK\r\n"),
        Send(ECHO_OFF),
        Feed(b"ATE0\r\r\nOK\r\n"),
        Send(AT),
        Feed(b"\r\nOK\r\n"),
        Send(ERROR_CODES),
        Feed(b"\r\nOK\r\n"),
        Send(NO_DATA_ECHO),
        Feed(b"\r\nOK\r\n"),
        expect(done(AT), done(ECHO_OFF), done(AT), done(ERROR_CODES), done(NO_DATA_ECHO)),
        writes(b"AT\r", b"ATE0\r", b"AT\r", b"AT+CMEE=1\r", b"AT+QISDE=0\r"),
    ),
    # +CPIN and +CFUN look like boot notices, and are the answer here; no context is no line at all.
    case(
        2,
        "queries and an empty list",
        Send(SIM_STATE),
        Feed(b"\r\n+CPIN: READY\r\n\r\nOK\r\n"),
        Send(FUNCTIONALITY),
        Feed(b"\r\n+CFUN: 1\r\n\r\nOK\r\n"),
        Send(at.PROFILE),
        Feed(b'\r\n+QICSGP: 1,"","","",0\r\n\r\nOK\r\n'),
        Send(at.CONTEXTS),
        Feed(b"\r\nOK\r\n"),
        Send(ACTIVATE),
        Feed(b"\r\nOK\r\n"),
        Send(at.CONTEXTS),
        Feed(b'\r\n+QIACT: 1,1,1,"10.XXX.YYY.160"\r\n\r\nOK\r\n'),
        Send(TLS_STATE),
        Feed(b"\r\nOK\r\n"),
        expect(
            done(SIM_STATE, b"+CPIN: READY"),
            done(FUNCTIONALITY, b"+CFUN: 1"),
            done(at.PROFILE, b'+QICSGP: 1,"","","",0'),
            done(at.CONTEXTS),
            done(ACTIVATE),
            done(at.CONTEXTS, b'+QIACT: 1,1,1,"10.XXX.YYY.160"'),
            done(TLS_STATE),
        ),
    ),
    # pdpdeact comes three seconds after POWERED DOWN, while the host probes: it is no answer.
    # Echo is on again; RDY comes in the middle of the probes; one OK follows two probes' echoes.
    case(
        4,
        "a reset while the host is probing",
        Send(RESET),
        Feed(OK + b"\r\nPOWERED DOWN\r\n"),
        expect(done(RESET), restarted(b"POWERED DOWN")),
        Probing(60.0),
        Tick(3.0),
        Feed(b'AT\r\r\n+QIURC: "pdpdeact",1\r\n'),
        expect(out_of_step("start"), urc("pdpdeact", b'+QIURC: "pdpdeact",1')),
        Tick(2.9),
        Feed(b"\r\nRDY\r\n"),
        expect(restarted(b"RDY")),
        Tick(0.15),
        Feed(b"AT\r\r\nAT\r\r\n" + OK),
        expect(),
        InSync(b"AT\r" + OK),
        expect(IN_STEP),
    ),
    # Information lines without any prefix; several basic commands in one line.
    case(
        5,
        "identification without prefixes",
        Send(FACTORY),
        Feed(b"AT&FZE0\r" + OK),
        Send(at.IDENTITY),
        Feed(b"\r\nQuectel\r\nBG96\r\nRevision: BG96MAR02A07M1G\r\n" + OK),
        expect(
            done(FACTORY),
            done(at.IDENTITY, b"Quectel", b"BG96", b"Revision: BG96MAR02A07M1G"),
        ),
    ),
    # Between RDY and APP RDY every command gets ERROR: probing goes on until OK comes.
    case(
        43,
        "ERROR until APP RDY",
        Probing(60.0),
        Feed(b"\r\nRDY\r\n"),
        expect(out_of_step("start"), restarted(b"RDY")),
        Tick(0.15),
        Feed(b"AT\r" + ERROR),
        Tick(0.55),
        Feed(b"AT\r" + ERROR),
        Tick(0.3),
        Feed(line(b"APP RDY")),
        expect(urc("other", b"APP RDY")),
        InSync(b"AT\r" + OK),
        expect(IN_STEP),
        writes(b"AT\r", b"AT\r", b"AT\r", b"AT\r"),
    ),
    # The generic line comes 3 ms before its OK and must not get lost in between.
    case(
        41,
        "maker and model",
        Send(MAKER),
        Feed(b"\r\nQuectel\r\n"),
        Tick(0.003),
        Feed(OK),
        Send(MODEL),
        Feed(b"\r\n\x42\x47\x39\x36\r\n"),
        Tick(0.003),
        Feed(OK),
        expect(done(MAKER, b"Quectel"), done(MODEL, b"BG96")),
    ),
    # 45 seconds until the answer; the list ends in an empty element.
    case(
        25,
        "an answer after 45 seconds",
        Send(OPERATORS),
        Tick(44.713),
        expect(),
        Feed(line(_LIST) + OK),
        expect(done(OPERATORS, _LIST)),
        Send(at.OPERATOR),
        Feed(line(b"+COPS: 0") + OK),
        expect(done(at.OPERATOR, b"+COPS: 0")),
    ),
    # Answer and notice have the same prefix: the notice has no <n>, so one number, or a quoted
    # second field, is a notice even while the query is in flight.
    case(
        26,
        "a registration notice before the registration answer",
        Send(REPORTS),
        Feed(OK),
        Send(REGISTRATION),
        Feed(line(b"+CREG: 2", b'+CREG: 1,"FFFE","3355B16",8')),
        expect(
            done(REPORTS),
            urc("registration", b"+CREG: 2"),
            urc("registration", b'+CREG: 1,"FFFE","3355B16",8'),
        ),
        Feed(line(b'+CREG: 2,1,"FFFE","3355B16",8') + OK),
        expect(done(REGISTRATION, b'+CREG: 2,1,"FFFE","3355B16",8')),
    ),
    # Plain ERROR and +CME ERROR in one session.
    case(
        28,
        "two styles of error",
        Send(QUALITY),
        Feed(line(b'+QCSQ: "CAT-M1",-53,-81,206,-11') + OK),
        Send(PROVIDER),
        Feed(line(b'+QSPN: "Telia","Telia","Telia",0,"24801"') + OK),
        expect(
            done(QUALITY, b'+QCSQ: "CAT-M1",-53,-81,206,-11'),
            done(PROVIDER, b'+QSPN: "Telia","Telia","Telia",0,"24801"'),
        ),
        Send(asked := query("AT+QSPN?", rb"\+QSPN: .*")),
        Feed(ERROR),
        Send(signal := query("AT+CSQ?", rb"\+CSQ: .*")),
        Feed(line(b"+CME ERROR: 3")),
        Send(address := query("AT+CGPADDR?", rb"\+CGPADDR: .*")),
        Feed(ERROR),
        expect(refused(asked), refused(signal, b"+CME ERROR: 3", code=3), refused(address)),
    ),
    # On LTE the GPRS registration says 4 for ever: both answers arrive, which one counts is the
    # network part's business.
    case(
        29,
        "two registrations",
        Send(at.GPRS_REGISTRATION),
        Feed(line(b"+CGREG: 2,4") + OK),
        Send(at.EPS_REGISTRATION),
        Feed(line(b'+CEREG: 2,1,"271B","3355B16",8') + OK),
        expect(
            done(at.GPRS_REGISTRATION, b"+CGREG: 2,4"),
            done(at.EPS_REGISTRATION, b'+CEREG: 2,1,"271B","3355B16",8'),
        ),
    ),
    # Once in the prompt every byte is payload, AT too, and each line is prompted again: one prompt
    # lets one payload out, and a result behind another prompt is not taken for the result.
    case(
        31,
        "prompts without end",
        Send(HELLO),
        Feed(PROMPT),
        writes(b"AT+QISEND=0,5\r", b"hello"),
        Feed(b'AT+CMGS="58757100"\r\r\n> AT+CSCS="GSM"\r\r\n> '),
        expect(unknown(b'AT+CMGS="58757100"'), unknown(b'> AT+CSCS="GSM"')),
        Feed(b"+CMGS: 247\r\n"),
        expect(unknown(b"> +CMGS: 247")),
        Tick(33.0),
        Feed(SEND_OK),
        expect(done(HELLO, final=b"SEND OK")),
        writes(),
    ),
    # ERROR at once and without a code; then the profile is right.
    case(
        32,
        "activation fails until the profile is right",
        Send(ACTIVATE),
        Feed(ERROR),
        expect(refused(ACTIVATE)),
        Send(CONTEXT),
        Feed(line(b'+CGDCONT: 1,"IPV6","","0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",0,0,0,0') + OK),
        Send(SET_PROFILE),
        Feed(OK),
        Send(ACTIVATE),
        Tick(0.629),
        Feed(OK),
        Send(at.CONTEXTS),
        Feed(line(b'+QIACT: 1,1,1,"10.131.50.25"') + OK),
        Send(at.PROFILE),
        Feed(line(b'+QICSGP: 2,"","","",0') + OK),
        expect(
            done(CONTEXT, b'+CGDCONT: 1,"IPV6","","0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",0,0,0,0'),
            done(SET_PROFILE),
            done(ACTIVATE),
            done(at.CONTEXTS, b'+QIACT: 1,1,1,"10.131.50.25"'),
            done(at.PROFILE, b'+QICSGP: 2,"","","",0'),
        ),
    ),
    # OK within 7 ms proves nothing: the ping's result is a notice, four seconds behind its OK.
    case(
        35,
        "activated, and useless",
        Send(at.CONTEXTS),
        Feed(OK),
        Send(ACTIVATE),
        Tick(0.007),
        Feed(OK),
        Send(at.CONTEXTS),
        Feed(line(b'+QIACT: 1,1,1,"10.131.191.197"') + OK),
        Send(PING),
        Feed(OK),
        expect(
            done(at.CONTEXTS),
            done(ACTIVATE),
            done(at.CONTEXTS, b'+QIACT: 1,1,1,"10.131.191.197"'),
            done(PING),
        ),
        Tick(4.565),
        Feed(line(b"+QPING: 569")),
        expect(urc("ping", b"+QPING: 569")),
    ),
    # ERROR for a context that is active already; it stays listed without any operator.
    case(
        61,
        "a second activation",
        Send(SET_PROFILE),
        Feed(OK),
        Send(ACTIVATE),
        Feed(ERROR),
        Send(DEACTIVATE),
        Tick(0.54),
        Feed(OK),
        Send(ACTIVATE),
        Feed(OK),
        expect(done(SET_PROFILE), refused(ACTIVATE), done(DEACTIVATE), done(ACTIVATE)),
        Send(at.OPERATOR),
        Feed(line(b"+COPS: 0") + OK),
        Send(at.CONTEXTS),
        Feed(line(b'+QIACT: 1,1,1,"10.131.84.162"') + OK),
        Send(DEACTIVATE),
        Feed(OK),
        expect(
            done(at.OPERATOR, b"+COPS: 0"),
            done(at.CONTEXTS, b'+QIACT: 1,1,1,"10.131.84.162"'),
            done(DEACTIVATE),
        ),
    ),
    # ERROR because active already; the payload's echo is no answer; the id is in use the second
    # time.
    case(
        53,
        "already active, and an echoed payload",
        Send(ACTIVATE),
        Feed(ERROR),
        Send(at.CONTEXTS),
        Feed(line(b'+QIACT: 1,1,1,"10.89.179.111"') + OK),
        Send(OPEN_0),
        Feed(OK + line(b"+QIOPEN: 0,0")),
        expect(
            refused(ACTIVATE),
            done(at.CONTEXTS, b'+QIACT: 1,1,1,"10.89.179.111"'),
            done(OPEN_0),
            urc("opened", b"+QIOPEN: 0,0"),
        ),
        Send(HELLO),
        Feed(PROMPT),
        Feed(b"hello\r\nSEND OK\r\n"),
        expect(done(HELLO, final=b"SEND OK")),
        Send(STATE_0),
        Feed(line(_ROW_53) + OK + line(b"+QIOPEN: 0,563")),
        expect(done(STATE_0, _ROW_53), urc("opened", b"+QIOPEN: 0,563")),
    ),
    # Addresses of a context that is not there any more; numeric and textual errors.
    case(
        49,
        "a context that is not what it says",
        Send(ACTIVATE),
        Feed(ERROR),
        Send(LAST_ERROR),
        Feed(line(b"+QIGETERROR: 572,operation not allowed") + OK),
        Send(at.CONTEXTS),
        Feed(line(b'+QIACT: 1,1,1,"10.187.7.8"') + OK),
        Send(ATTACHED),
        Feed(b"\r\n+CGACT: 1,0\r\n+CGACT: 9,1\r\n" + OK + line(b"+QPING: 559")),
        Send(activate := simple("AT+CGACT=1,1", 150.0)),
        Feed(line(b"+CME ERROR: 100")),
        Feed(line(b'+QNTP: 0,"2026/08/06,12:40:04+32"')),
        expect(
            refused(ACTIVATE),
            done(LAST_ERROR, b"+QIGETERROR: 572,operation not allowed"),
            done(at.CONTEXTS, b'+QIACT: 1,1,1,"10.187.7.8"'),
            done(ATTACHED, b"+CGACT: 1,0", b"+CGACT: 9,1"),
            urc("ping", b"+QPING: 559"),
            refused(activate, b"+CME ERROR: 100", code=100),
            urc("other", b'+QNTP: 0,"2026/08/06,12:40:04+32"'),
        ),
    ),
    # Results long after OK: four lines of one shape, one of another, all notices.
    case(
        22,
        "a ping's lines",
        Send(PING),
        Feed(OK),
        Tick(0.912),
        *[Feed(line(pong)) for pong in _PONGS],
        expect(done(PING), *[urc("ping", pong) for pong in _PONGS]),
    ),
    # The end of the earlier command follows the OK of the later one.
    case(
        34,
        "deactivation ends a ping",
        Send(PING),
        Feed(OK + line(b"+QPING: 569", b"+QPING: 569")),
        Send(DEACTIVATE),
        Feed(OK + line(b"+QPING: 570")),
        expect(
            done(PING),
            urc("ping", b"+QPING: 569"),
            urc("ping", b"+QPING: 569"),
            done(DEACTIVATE),
            urc("ping", b"+QPING: 570"),
        ),
    ),
    # Two notices of one prefix; a dual-stack line with five fields; the time of day lands between a
    # SEND OK and the next command.
    case(
        62,
        "names, and a time that comes late",
        Send(at.CONTEXTS),
        Feed(line(b'+QIACT: 1,1,3,"10.28.33.36","2409:8D1E:750C:DFA4::1"') + OK),
        Send(NTP),
        Feed(OK),
        Send(RESOLVE),
        Feed(OK + line(b'+QIURC: "dnsgip",0,1,0', b'+QIURC: "dnsgip","172.188.83.251"')),
        expect(
            done(at.CONTEXTS, b'+QIACT: 1,1,3,"10.28.33.36","2409:8D1E:750C:DFA4::1"'),
            done(NTP),
            done(RESOLVE),
            urc("dnsgip", b'+QIURC: "dnsgip",0,1,0'),
            urc("dnsgip", b'+QIURC: "dnsgip","172.188.83.251"'),
        ),
        Tick(6.0),
        Send(SEND_147),
        Feed(PROMPT),
        Feed(SEND_OK + line(_NTP_TEXT)),
        expect(done(SEND_147, final=b"SEND OK"), urc("other", _NTP_TEXT)),
    ),
    # Unquoted and empty fields; the name's answer is one notice.
    case(
        65,
        "unquoted details",
        Send(RESOLVE_NAME),
        Feed(OK + line(b'+QIURC: "dnsgip","100.127.69.42"')),
        Send(PDP_DETAILS),
        Feed(line(b"+CGCONTRDP: 1,6,soracom.io,10.130.59.244,,10.128.0.53,") + OK),
        expect(
            done(RESOLVE_NAME),
            urc("dnsgip", b'+QIURC: "dnsgip","100.127.69.42"'),
            done(PDP_DETAILS, b"+CGCONTRDP: 1,6,soracom.io,10.130.59.244,,10.128.0.53,"),
        ),
    ),
    # OK is not "connected": the notice comes 0.9 s later. Echo on.
    case(
        14,
        "OK first, the result later",
        Send(OPEN_0),
        Feed(OPEN_0.text + b"\r" + OK),
        expect(done(OPEN_0)),
        Tick(0.879),
        Feed(line(b"+QIOPEN: 0,0")),
        expect(urc("opened", b"+QIOPEN: 0,0")),
    ),
    # The exact bytes of both ends of an open.
    case(
        64,
        "exact bytes of an open",
        Send(OPEN_0),
        Feed(b"\r\nOK\r\n\r\n+QIOPEN: 0,0\r\n"),
        Send(OPEN_0),
        Feed(b"\r\nOK\r\n\r\n+QIOPEN: 0,563\r\n"),
        expect(
            done(OPEN_0),
            urc("opened", b"+QIOPEN: 0,0"),
            done(OPEN_0),
            urc("opened", b"+QIOPEN: 0,563"),
        ),
    ),
    # A live client in state 3: the row arrives as it is.
    case(
        8,
        "a client in state 3",
        Send(STATE_0),
        Feed(line(_ROW_3) + OK),
        expect(done(STATE_0, _ROW_3)),
    ),
    # Ten seconds of silence, exactly the module's own limit.
    case(
        17,
        "a close of ten seconds",
        Send(CLOSE_0),
        Feed(CLOSE_0.text + b"\r"),
        Tick(10.001),
        expect(),
        Feed(OK),
        expect(done(CLOSE_0)),
    ),
    # State 4 still holds the id.
    case(
        19,
        "closing, and listed",
        Send(STATES),
        Feed(line(_ROW_4) + OK),
        expect(done(STATES, _ROW_4)),
    ),
    # OK and the notice 2 ms apart; the row names the module's own address.
    case(
        20,
        "a UDP service",
        Send(OPEN_UDP),
        Feed(OK),
        Tick(0.002),
        Feed(line(b"+QIOPEN: 2,0")),
        Send(at.SOCKETS),
        Feed(line(_ROW_UDP) + OK),
        expect(done(OPEN_UDP), urc("opened", b"+QIOPEN: 2,0"), done(at.SOCKETS, _ROW_UDP)),
    ),
    # Transparent mode answers CONNECT and never OK: that is no success here. A syntax error, and
    # its reason without a blank behind the comma.
    case(
        37,
        "transparent mode has no OK",
        Send(OPEN_RAW),
        Feed(line(b"CONNECT")),
        expect(unknown(b"CONNECT")),
        Tick(10.0),
        expect(timed_out(OPEN_RAW), out_of_step("an answer did not come in time")),
        InSync(),
        expect(IN_STEP),
        Send(OPEN_RAW),
        Feed(ERROR),
        Send(LAST_ERROR),
        Feed(line(b"+QIGETERROR: 552,invalid parameters") + OK),
        expect(refused(OPEN_RAW), done(LAST_ERROR, b"+QIGETERROR: 552,invalid parameters")),
    ),
    # The id in the notice is the whole first field, not the first digit that can be found.
    case(
        52,
        "the id of an open",
        Send(OPEN_0),
        Feed(OK + line(b"+QIOPEN: 1,0")),
        expect(done(OPEN_0), urc("opened", b"+QIOPEN: 1,0")),
    ),
    # A source that prints ERROR and +CME ERROR for one command: the first ends it, the second must
    # not end the next one. (Its labels for 563 and 564 contradict the manual; no bytes differ.)
    case(
        58,
        "two errors for one command",
        Send(RESOLVE_NAME),
        Feed(ERROR + line(b"+CME ERROR: 564")),
        expect(refused(RESOLVE_NAME), unknown(b"+CME ERROR: 564")),
        Send(OPEN_0),
        Feed(OK + line(b"+QIOPEN: 0,563")),
        expect(done(OPEN_0), urc("opened", b"+QIOPEN: 0,563")),
    ),
    # Any code of the notice is passed on.
    case(
        59,
        "refused with 552",
        Send(OPEN_0),
        Feed(OK + line(b"+QIOPEN: 0,552")),
        expect(done(OPEN_0), urc("opened", b"+QIOPEN: 0,552")),
    ),
    # After a restart of the host the socket is still there.
    case(
        67,
        "a socket that survived the host",
        Probing(60.0),
        InSync(),
        Send(OPEN_0),
        Feed(OK + line(b"+QIOPEN: 0,563")),
        expect(out_of_step("start"), IN_STEP, done(OPEN_0), urc("opened", b"+QIOPEN: 0,563")),
    ),
    # A vendor page's notice without an id fits no manual: unknown, and harmless.
    case(
        55,
        "a closed notice without an id",
        Send(CLOSE_0),
        Feed(OK + line(b'+QIURC: "closed"')),
        expect(done(CLOSE_0), unknown(b'+QIURC: "closed"')),
    ),
    # Quoted value refused; CONNECT of an upload is not in any table; a negative code arrives whole.
    case(
        38,
        "parameters of TLS, a negative code",
        Send(SSL_SUITE),
        Feed(ERROR),
        Send(SSL_SUITE_BARE),
        Feed(OK),
        Send(SSL_TIME),
        Feed(line(b'+QSSLCFG: "ignorelocaltime",1,1') + OK),
        Feed(line(b"+QFUPL: 1267,f5f") + line(b"+QMTOPEN: 0,-1")),
        expect(
            refused(SSL_SUITE),
            done(SSL_SUITE_BARE),
            done(SSL_TIME, b'+QSSLCFG: "ignorelocaltime",1,1'),
            unknown(b"+QFUPL: 1267,f5f"),
            unknown(b"+QMTOPEN: 0,-1"),
        ),
    ),
    # The result 0.3 s behind the OK, with a negative code and no rule: one unknown line, no more.
    case(
        56,
        "a negative code, late",
        Send(MQTT_OPEN),
        Tick(0.085),
        Feed(OK),
        Tick(0.332),
        Feed(line(b"+QMTOPEN: 0,-1")),
        Send(AT),
        Feed(OK),
        expect(done(MQTT_OPEN), unknown(b"+QMTOPEN: 0,-1"), done(AT)),
    ),
    # The prompt has no line end behind it: the payload leaves with `>`.
    case(
        44,
        "a prompt without a line end",
        Send(HELLO),
        Feed(b"\r\n> "),
        writes(b"AT+QISEND=0,5\r", b"hello"),
        Feed(SEND_OK),
        expect(done(HELLO, final=b"SEND OK")),
    ),
    # The payload leaves at `>`; the prompt's blank comes behind, as a line of its own.
    case(
        68,
        "the blank behind the prompt",
        Send(SEND_147),
        Feed(b"\r\n>"),
        writes(b"AT+QISEND=0,147\r", _147),
        Feed(b" \r\nSEND OK\r\n"),
        expect(done(SEND_147, final=b"SEND OK")),
        Send(SEND_147),
        Feed(b"\r\n>\r\n"),
        writes(b"AT+QISEND=0,147\r", _147),
        Feed(SEND_OK),
        expect(done(SEND_147, final=b"SEND OK")),
    ),
    # Push mode: raw data at any idle moment.
    case(
        16,
        "pushed data between two queries",
        Send(SENT_0),
        Feed(line(b"+QISEND: 2,0,2") + OK + b'\r\n+QIURC: "recv",0,2\r\nhi\r\n'),
        expect(done(SENT_0, b"+QISEND: 2,0,2"), received("push", b"hi", link=b"0")),
        Tick(0.941),
        Send(SENT_0),
        Feed(line(b"+QISEND: 2,2,0") + OK),
        expect(done(SENT_0, b"+QISEND: 2,2,0")),
        dialect=PUSHING,
    ),
    # Push mode: a payload that says OK while a command is in flight.
    case(
        16,
        "pushed data that says OK",
        Send(SENT_0),
        Feed(b'\r\n+QIURC: "recv",0,6\r\n\r\nOK\r\n\r\n'),
        expect(received("push", b"\r\nOK\r\n", link=b"0")),
        Feed(line(b"+QISEND: 2,2,0") + OK),
        expect(done(SENT_0, b"+QISEND: 2,2,0")),
        dialect=PUSHING,
    ),
    # One prefix, three meanings: counters before, data with NULs, counters after.
    case(
        7,
        "three meanings of +QIRD",
        Feed(line(b'+QIURC: "recv",0')),
        Send(COUNTERS),
        Feed(line(b"+QIRD: 4,0,4") + OK),
        Send(READ_0),
        Feed(block(_CONNACK)),
        Send(COUNTERS),
        Feed(line(b"+QIRD: 4,4,0") + OK),
        expect(
            urc("recv", b'+QIURC: "recv",0'),
            done(COUNTERS, b"+QIRD: 4,0,4"),
            done(READ_0, block=_CONNACK),
            done(COUNTERS, b"+QIRD: 4,4,0"),
        ),
    ),
    # 1500 bytes, then five, with the exact tail.
    case(
        10,
        "the exact tail of a read",
        Send(READ_1),
        Feed(b"AT+QIRD=1,1500\r"),
        Tick(0.010),
        Feed(b"\r\n+QIRD: 1500\r\n"),
        Feed(_FULL),
        Tick(0.148),
        Feed(b"\r\n\r\nOK\r\n"),
        Send(READ_1),
        Feed(b"AT+QIRD=1,1500\r\r\n+QIRD: 5\r\n" + _FIVE + b"\r\n\r\nOK\r\n"),
        expect(done(READ_1, block=_FULL), done(READ_1, block=_FIVE)),
    ),
    # Counters over the life of a socket, then a read of what is left.
    case(
        11,
        "counters",
        Send(COUNTERS),
        Feed(line(b"+QIRD: 3524,3005,519") + OK),
        Send(COUNTERS),
        Feed(line(b"+QIRD: 3615,3530,85") + OK),
        Send(READ_0),
        Feed(block(_RECORD[:85])),
        expect(
            done(COUNTERS, b"+QIRD: 3524,3005,519"),
            done(COUNTERS, b"+QIRD: 3615,3530,85"),
            done(READ_0, block=_RECORD[:85]),
        ),
    ),
    # No length asked for: up to 1500 bytes come, and all of them are delivered.
    case(
        13,
        "1500 bytes at once",
        Feed(line(b'+QIURC: "recv",0')),
        Send(READ_ALL),
        Feed(block(_RECORD)),
        expect(urc("recv", b'+QIURC: "recv",0'), done(READ_ALL, block=_RECORD)),
        writes(b"AT+QIRD=0\r"),
    ),
    # The notice without a length, and with one (newer firmware), has no data behind it.
    case(
        40,
        "a notice without a length",
        Send(OPEN_0),
        Feed(OK),
        Tick(0.056),
        Feed(line(b"+QIOPEN: 0,0", b'+QIURC: "recv",0', b'+QIURC: "recv",0,24')),
        Send(READ_0),
        Feed(block(b"x" * 24)),
        expect(
            done(OPEN_0),
            urc("opened", b"+QIOPEN: 0,0"),
            urc("recv", b'+QIURC: "recv",0'),
            urc("recv", b'+QIURC: "recv",0,24'),
            done(READ_0, block=b"x" * 24),
        ),
    ),
    # Push mode on an accepted socket; ids of one and two digits.
    case(
        46,
        "accepted, in push mode",
        Feed(line(b'+QIURC: "incoming",11,0,"10.176.100.3",38090')),
        Feed(line(b'+QIURC: "incoming",9,0,"10.176.100.3",51257')),
        Feed(b'\r\n+QIURC: "recv",9,1\r\n&\r\n'),
        expect(
            urc("incoming", b'+QIURC: "incoming",11,0,"10.176.100.3",38090'),
            urc("incoming", b'+QIURC: "incoming",9,0,"10.176.100.3",51257'),
            received("push", b"&", link=b"9"),
        ),
        Send(AT),
        Feed(OK),
        expect(done(AT)),
        dialect=PUSHING,
    ),
    # 16 bytes: 14 characters and CR LF, which belong to the data; recv follows incoming at once.
    case(
        47,
        "accepted, in buffer mode",
        Send(OPEN_LISTENER),
        Feed(OK + line(b"+QIOPEN: 0,0")),
        Send(STATE_0),
        Feed(line(_ROW_47) + OK),
        Feed(line(b'+QIURC: "incoming",11,0,"78.94.9.92",62060', b'+QIURC: "recv",11')),
        Send(READ_11),
        Feed(block(b"HELLO-FROM-WAN\r\n")),
        expect(
            done(OPEN_LISTENER),
            urc("opened", b"+QIOPEN: 0,0"),
            done(STATE_0, _ROW_47),
            urc("incoming", b'+QIURC: "incoming",11,0,"78.94.9.92",62060'),
            urc("recv", b'+QIURC: "recv",11'),
            done(READ_11, block=b"HELLO-FROM-WAN\r\n"),
        ),
    ),
    # closed next to a read that still delivers; an id that cannot be had; an error with a code
    # above the table, after 30 s.
    case(
        50,
        "closed next to a read",
        Send(READ_0),
        Feed(line(b'+QIURC: "closed",0') + block(b"bye")),
        Send(OPEN_0),
        Feed(OK + line(b"+QIOPEN: 0,552")),
        Send(HTTP_GET),
        Tick(30.0),
        Feed(line(b"+CME ERROR: 716")),
        expect(
            urc("closed", b'+QIURC: "closed",0'),
            done(READ_0, block=b"bye"),
            done(OPEN_0),
            urc("opened", b"+QIOPEN: 0,552"),
            refused(HTTP_GET, b"+CME ERROR: 716", code=716),
        ),
    ),
    # The canary: registration reports on level 2 are ours, level 0 is a module that restarted.
    case(
        4,
        "a probe that finds the settings gone",
        Probing(60.0, CANARY),
        expect(out_of_step("start")),
        Tick(0.15),
        Feed(line(b"+CEREG: 0,1") + OK),
        expect(restarted(b"+CEREG: 0,1")),
        InSync(),
        expect(IN_STEP),
    ),
)

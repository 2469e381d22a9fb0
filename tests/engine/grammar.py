"""Makes legal conversations: what the module prints, cut nowhere yet, and what must come of it.

The expectation is built here, beside the bytes, from the description of the protocol; nothing of the
engine is used for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from atdriver.dialect import Dialect
from atdriver.exchange import Command
from atdriver.tokens import Head
from modems.bg96 import commands as bg96_at
from modems.bg96 import dialect as bg96
from modems.commands import query, simple
from modems.esp8266 import commands as esp_at
from modems.esp8266 import dialect as esp

from .harness import (
    Action,
    Feed,
    Seen,
    Send,
    done,
    doubted,
    expect,
    glued,
    odd,
    received,
    refused,
    restart_seen,
    restarted,
    unknown,
    urc,
    writes,
)

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"

HOSTILE = [
    b"OK\r\n",
    b"\r\nOK\r\n",
    b"\r\nERROR\r\n",
    b"+IPD,0,5:",
    b"\r\n+IPD,1,3:abc",
    b"0,CLOSED\r\n",
    b"1,CONNECT\r\n",
    b'\r\n+QIURC: "closed",0\r\n',
    b'\r\n+QIURC: "recv",0,4\r\n',
    b"\r\n+QIRD: 4\r\n",
    b"\r\n+CIPRECVDATA,5:",
    b"+CIPRECVDATA:5,",
    b"> ",
    b"\r\n> ",
    b"SEND OK",
    b"\r\nSEND OK\r\n",
    b"\r\nSEND FAIL\r\n",
    b"\r\nRecv 4 bytes\r\n",
    b"busy p...\r\n",
    b"\r\nready\r\n",
    b"\r\nRDY\r\n",
    b"\0",
    b"\x1a",
    b"\x1b",
    b"+++",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\x11\x13",
    b"\xff\xfe\x80",
]
"""What a peer would send who knows the protocol."""

PAYLOADS = st.lists(st.sampled_from(HOSTILE) | st.binary(max_size=12), min_size=1, max_size=8).map(
    b"".join
)
ADDRESSES = st.sampled_from([b"192.0.2.1", b"10.0.0.255", b"255.255.255.255"])
PORTS = st.integers(1, 65535).map(lambda port: b"%d" % port)
STRANGE = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .:;=-()>*%", max_size=30
).map(lambda text: b"#" + text.encode())
"""Lines that are in nobody's table."""


@dataclass(frozen=True)
class Flavour:
    """One dialect with what the generator must know about it."""

    name: str
    dialect: Dialect
    echo: bytes
    """What ends the echo of a line."""
    framed: bool
    """Whether every line has CR LF on both sides."""
    notices: tuple[tuple[str, bytes], ...]
    banner: bytes
    busy: tuple[bytes, ...]
    reasons: tuple[bytes, ...]
    prompts: tuple[bytes, ...]


ESP = Flavour(
    "esp",
    esp.DIALECT,
    b"\r\n",
    False,
    (
        ("connect", b"1,CONNECT"),
        ("closed", b"2,CLOSED"),
        ("connect_failed", b"3,CONNECT FAIL"),
        ("data", b"+IPD,1,1460"),
        ("link", b'+LINK_CONN:0,2,"TCP",1,"192.168.0.14",57551,80'),
        ("wifi_connected", b"WIFI CONNECTED"),
        ("wifi_got_ip", b"WIFI GOT IP"),
        ("wifi_disconnect", b"WIFI DISCONNECT"),
        ("server_full", b"Have 5 Connections"),
        ("other", b'+STA_CONNECTED:"1c:b7:2c:83:55:20"'),
    ),
    b"ready",
    (b"busy p...", b"busy s..."),
    (b"ERR CODE:0x010b0000", b"DNS Fail", b"no ip", b"+CWJAP:3", b"link is not valid"),
    (OK + b"> ", OK + b"\r\n>", OK + b">", b"> "),
)
BG96 = Flavour(
    "bg96",
    bg96.DIALECT,
    b"\r",
    True,
    (
        ("recv", b'+QIURC: "recv",3'),
        ("recv", b'+QIURC: "recv",11'),
        ("closed", b'+QIURC: "closed",1'),
        ("incoming", b'+QIURC: "incoming",11,0,"10.176.100.3",38090'),
        ("incoming_full", b'+QIURC: "incoming full"'),
        ("pdpdeact", b'+QIURC: "pdpdeact",2'),
        ("dnsgip", b'+QIURC: "dnsgip","192.0.2.1"'),
        ("opened", b"+QIOPEN: 4,566"),
        ("ping", b'+QPING: 0,"192.0.2.1",32,235,255'),
        ("registration", b"+CEREG: 5"),
        ("registration", b'+CREG: 1,"FFFE","3355B16",8'),
        ("sim", b"+CPIN: NOT READY"),
        ("other", b"+QIND: SMS DONE"),
        ("other", b"APP RDY"),
    ),
    b"RDY",
    (),
    (),
    (b"\r\n> ", b"\r\n>", b"\r\n>\r\n"),
)
PUSH = replace(
    BG96,
    name="bg96-push",
    dialect=replace(bg96.DIALECT, heads=(*bg96.DIALECT.heads, bg96.PUSHED)),
)
FLAVOURS = (ESP, BG96, PUSH)

LEGAL = {
    "esp": [
        b"\r\n+IPD,0,5:hello",
        b'\r\n+IPD,1,5,"192.0.2.1",80:hello',
        b"\r\n+IPD,2,1460\r\n",
        b"\r\n+CIPRECVDATA,5:hello" + OK,
        b"+CIPRECVDATA:5,hello" + OK,
        b"+CIPMUX:1\r\n" + OK,
        b"0,CONNECT\r\n",
        b"0,CLOSED\r\n",
        OK + b"> ",
        b"\r\nRecv 4 bytes\r\n\r\nSEND OK\r\n",
        b"\r\nSEND FAIL\r\n",
        b"\r\nbusy p...\r\n",
        b"\r\nready\r\n",
        b"\r\nERROR\r\n",
        b"+CIPMUX:0\r\n",
        b"+IPD,0,8192:",
        b"+IPD,0,99999999999999999999:",
        b"+IPD,99,-1:",
        b"+CIPRECVDATA,8192:",
        b"+IPD,0,",
        b"+CIPRECVDATA:5",
    ],
    "bg96": [
        b"\r\n+QIRD: 5\r\nhello\r\n" + OK,
        b"\r\n+QIRD: 0\r\n" + OK,
        b"\r\n+QIRD: 10,4,6\r\n" + OK,
        b'\r\n+QIURC: "recv",0\r\n',
        b'\r\n+QIURC: "recv",0,5\r\nhello\r\n',
        b'\r\n+QIURC: "closed",0\r\n',
        b"\r\n+QIOPEN: 0,0\r\n",
        b"\r\n> ",
        b"\r\nSEND OK\r\n",
        b"\r\nSEND FAIL\r\n",
        b"\r\n+CME ERROR: 30\r\n",
        b"\r\nERROR\r\n",
        b"\r\nRDY\r\n",
        OK,
        b"\r\n+QIRD: 1500\r\n",
        b"\r\n+QIRD: 99999999999999999999\r\n",
        b'\r\n+QIURC: "recv",0,1500\r\n',
        b'\r\n+QIURC: "recv",99999,-1\r\n',
        b"\r\n+QIRD: 4",
        b'\r\n+CEREG: 2,1,"271B","3355B16",8\r\n',
        b"\r\n+CEREG: 0,1\r\n",
    ],
}
"""Pieces of conversations, some of them with impossible numbers."""
IN_FLIGHT: dict[str, list[Command | None]] = {
    "esp": [
        None,
        simple("AT"),
        query("AT+CIPMUX?", rb"\+CIPMUX:\d"),
        esp_at.send(0, b"ping", None, 15.0),
        esp_at.read(0, 100, esp.RECEIVED_N),
        esp_at.read(0, 100, esp.RECEIVED_E_SENDER),
        Command(b"AT+GMR", 3.0, bare=True),
    ],
    "bg96": [
        None,
        simple("AT"),
        bg96_at.EPS_REGISTRATION,
        bg96_at.send(0, b"ping", None),
        bg96_at.read(0, 1500, datagram=False),
        bg96_at.IDENTITY,
    ],
}
"""Commands of every kind, to have one in flight; None: none."""

Piece = tuple[bytes, list[Seen], list[bytes]]
"""What is printed, which events come of it, which reasons it adds to the command in flight."""


def notice(flavour: Flavour) -> st.SearchStrategy[Piece]:
    def make(chosen: tuple[tuple[str, bytes], bool]) -> Piece:
        (name, text), before = chosen
        before = before or flavour.framed or text.startswith(b"+IPD")
        return (b"\r\n" if before else b"") + text + b"\r\n", [urc(name, text)], []

    return st.tuples(st.sampled_from(flavour.notices), st.booleans()).map(make)


@st.composite
def pushed(draw: st.DrawFn, flavour: Flavour) -> Piece:
    payload = draw(PAYLOADS)
    host, port = draw(ADDRESSES), draw(PORTS)
    sender = draw(st.booleans())
    if flavour is PUSH:
        tail = b',"%b",%b' % (host, port) if sender else b""
        fields = {"host": host, "port": port} if sender else {}
        head = b'\r\n+QIURC: "recv",7,%d%b\r\n' % (len(payload), tail)
        return head + payload + b"\r\n", [received("push", payload, link=b"7", **fields)], []
    quoted = draw(st.booleans())
    shown = b'"' + host + b'"' if quoted else host
    tail = b",%b,%b" % (shown, port) if sender else b""
    fields = {"quoted" if quoted else "host": host, "port": port} if sender else {}
    said = b"\r\n+IPD,4,%d%b:" % (len(payload), tail) + payload
    return said, [received("ipd", payload, link=b"4", **fields)], []


def strange(flavour: Flavour) -> st.SearchStrategy[Piece]:
    before = b"\r\n" if flavour.framed else b""

    def make(text: bytes) -> Piece:
        return before + text + b"\r\n", [unknown(text)], []

    return STRANGE.map(make)


def glue(flavour: Flavour) -> st.SearchStrategy[Piece]:
    texts = [
        (name, text)
        for name, text in flavour.notices
        if name in ("closed", "connect", "opened", "link") or text.endswith(b'"recv",3')
    ]

    def make(chosen: tuple[tuple[str, bytes], bytes]) -> Piece:
        (name, text), other = chosen
        before = b"\r\n" if flavour.framed else b""
        line = other + text
        return before + line + b"\r\n", [glued(line), urc(name, text)], []

    return st.tuples(st.sampled_from(texts), STRANGE.map(lambda text: text + b"=")).map(make)


BLANKS: st.SearchStrategy[Piece] = st.sampled_from([b"\r\n", b"\0", b"\r\n\r\n", b"\r"]).map(
    lambda said: (said, [], [])
)


def between(
    flavour: Flavour, *, in_flight: bool, plain: bool = False
) -> st.SearchStrategy[list[Piece]]:
    """What may be printed between any two lines; `plain`: nothing that is in nobody's table."""
    choices = [notice(flavour), notice(flavour), BLANKS]
    if not plain:
        choices += [strange(flavour), glue(flavour)]
    if flavour is not BG96:
        choices += [pushed(flavour), pushed(flavour)]
    if flavour.reasons:

        def reason(text: bytes) -> Piece:
            return text + b"\r\n", ([] if in_flight else [unknown(text)]), [text]

        choices.append(st.sampled_from(flavour.reasons).map(reason))
    if not in_flight:

        def final(text: bytes) -> Piece:
            return b"\r\n" + text + b"\r\n", [unknown(text)], []

        choices.append(st.sampled_from([b"OK", b"ERROR", b"SEND OK"]).map(final))

        def busy(text: bytes) -> Piece:
            return b"\r\n" + text + b"\r\n", [odd("result without a command", text)], []

        if flavour.busy:
            choices.append(st.sampled_from(flavour.busy).map(busy))
        text = flavour.banner
        choices.append(st.just((b"\r\n" + text + b"\r\n", [restarted(text)], [])))
    return st.lists(st.one_of(choices), max_size=3)


class Talk:
    """Collects one conversation."""

    def __init__(self, draw: st.DrawFn, flavour: Flavour) -> None:
        self.draw = draw
        self.flavour = flavour
        self.steps: list[Action] = []
        self.said = b""
        self.gaps: list[int] = []
        self.seen: list[Seen] = []
        self.reasons: list[bytes] = []
        self.counted: Command | None = None
        """The last read that ended well: one OK too many puts it in doubt."""

    def say(self, data: bytes) -> None:
        self.gaps.append(len(self.said))
        self.said += data

    def interrupt(self, *, in_flight: bool = True, plain: bool = False) -> None:
        pieces = self.draw(between(self.flavour, in_flight=in_flight, plain=plain))
        for said, seen, reasons in pieces:
            self.say(said)
            self.seen += seen
            self.reasons += reasons
            if restarted(self.flavour.banner) in seen:
                self.counted = None
            elif self.counted is not None and seen == [unknown(b"OK")]:
                self.seen.append(doubted(self.counted))
                self.counted = None

    def flush(self) -> None:
        """The host acts next: what was said is fed, and its events are asserted."""
        gaps = tuple(sorted({*self.gaps, len(self.said)}))
        self.steps += [Feed(self.said, gaps), expect(*self.seen)]
        self.said = b""
        self.gaps = []
        self.seen = []

    def begin(self, command: Command) -> None:
        self.flush()
        self.steps += [Send(command), writes(command.text + self.flavour.dialect.terminator)]
        self.reasons = []
        if self.draw(st.booleans()):
            self.say(command.text + self.flavour.echo)
        if self.flavour.busy and self.draw(st.integers(0, 4)) == 0:
            self.say(b"\r\nbusy p...\r\n")

    def end(self, command: Command, good: bool, final: bytes, **reply: object) -> None:
        reasons = tuple(self.reasons)
        if good:
            lines = reply.pop("lines", ())
            assert isinstance(lines, tuple)
            if "block" in reply:
                self.counted = command
            self.seen.append(done(command, *lines, reasons=reasons, final=final, **reply))  # type: ignore[arg-type]
        else:
            self.seen.append(refused(command, final, reasons=reasons, **reply))  # type: ignore[arg-type]
        self.reasons = []

    # -- exchanges

    def line(self, text: bytes) -> bytes:
        return (b"\r\n" if self.flavour.framed else b"") + text + b"\r\n"

    def restart(self, command: Command, written: bool = False) -> None:
        banner = self.flavour.banner
        self.say(b"\r\n" + banner + b"\r\n")
        self.seen += [restart_seen(command, payload_written=written), restarted(banner)]
        self.counted = None
        self.reasons = []

    def setting(self) -> None:
        command = simple("AT+X=1")
        self.begin(command)
        self.interrupt()
        how = self.draw(st.integers(0, 9))
        if how == 0:
            self.restart(command)
            return
        if how == 1 and self.flavour.framed:
            self.say(b"\r\n+CME ERROR: 30\r\n")
            self.end(command, False, b"+CME ERROR: 30", code=30)
            return
        self.say(OK if how > 3 else ERROR)
        self.end(command, how > 3, b"OK" if how > 3 else b"ERROR")

    def query(self) -> None:
        command = query("AT+Y?", rb"\+Y: ?\d+,.*")
        lines = self.draw(st.lists(st.integers(0, 999).map(lambda n: b"+Y: %d,OK" % n), max_size=3))
        self.begin(command)
        self.interrupt()
        for text in lines:
            self.say(self.line(text))
            self.interrupt()
        good = self.draw(st.booleans())
        self.say(OK if good else ERROR)
        if good:
            self.end(command, True, b"OK", lines=tuple(lines))
        else:
            self.end(command, False, b"ERROR")

    def send(self) -> None:
        flavour = self.flavour
        payload = self.draw(PAYLOADS)
        size = len(payload)
        esp_like = flavour is ESP
        command = (
            esp_at.send(0, payload, None, 15.0) if esp_like else bg96_at.send(0, payload, None)
        )
        self.begin(command)
        self.interrupt()
        if self.draw(st.integers(0, 5)) == 0:
            self.say(ERROR)
            self.end(command, False, b"ERROR")
            return
        prompt = self.draw(st.sampled_from(flavour.prompts))
        if esp_like and prompt.startswith(OK):
            self.say(OK)
            self.interrupt()
            prompt = prompt[len(OK) :]
        self.say(prompt)
        self.flush()
        self.steps.append(writes(payload))
        self.interrupt()
        if self.draw(st.integers(0, 9)) == 0:
            self.restart(command, written=True)
            return
        if flavour.busy and self.draw(st.integers(0, 4)) == 0:
            self.say(b"\r\nbusy s...\r\n")
            self.seen.append(odd("busy behind a payload", b"busy s..."))
        if esp_like:
            if self.draw(st.integers(0, 4)) == 0:
                self.say(b"\r\nSEND OK\r\n")
                self.seen.append(odd("stray result", b"SEND OK"))
            self.say(b"\r\nRecv %d bytes\r\n" % size)
            self.interrupt()
        good = self.draw(st.booleans())
        self.say(b"\r\nSEND OK\r\n" if good else b"\r\nSEND FAIL\r\n")
        if good:
            self.end(command, True, b"SEND OK")
            return
        self.end(command, False, b"SEND FAIL", payload_written=True)
        # One stray SEND OK belongs to it; without one the engine would rest for a moment.
        for said, seen, _ in self.draw(st.lists(notice(flavour), max_size=2)):
            self.say(said)
            self.seen += seen
        self.say(b"\r\nSEND OK\r\n")

    def read(self) -> None:
        flavour = self.flavour
        payload = self.draw(PAYLOADS)
        size = len(payload)
        host, port = self.draw(ADDRESSES), self.draw(PORTS)
        fields: dict[str, bytes] = {}
        if flavour is ESP:
            head: Head = self.draw(
                st.sampled_from([esp.RECEIVED_N, esp.RECEIVED_E, esp.RECEIVED_E_SENDER])
            )
            command = esp_at.read(0, 2048, head)
            if head is esp.RECEIVED_N:
                opening = b"\r\n+CIPRECVDATA,%d:" % size
            elif head is esp.RECEIVED_E:
                opening = b"+CIPRECVDATA:%d," % size
            else:
                opening = b'+CIPRECVDATA:%d,"%b",%b,' % (size, host, port)
                fields = {"quoted": host, "port": port}
            closing = b""
        else:
            command = bg96_at.read(0, 1500, datagram=self.draw(st.booleans()))
            sender = self.draw(st.booleans())
            opening = b"\r\n+QIRD: %d%b\r\n" % (size, b',"%b",%b' % (host, port) if sender else b"")
            fields = {"host": host, "port": port} if sender else {}
            closing = b"\r\n"
        self.begin(command)
        if self.draw(st.integers(0, 5)) == 0:
            self.interrupt(plain=True)  # behind unknown text it could be a damaged block
            self.say(ERROR)
            self.end(command, False, b"ERROR")
            return
        self.interrupt()
        if flavour is not ESP and self.draw(st.integers(0, 5)) == 0:
            self.say(b"\r\n+QIRD: 0\r\n" + OK)
            self.end(command, True, b"OK", block=b"", fields={})
            return
        self.say(opening + payload)
        first = self.draw(st.booleans())
        late = self.draw(st.lists(notice(flavour), max_size=2))
        self.say(closing if first else b"")
        for said, seen, _ in late:
            self.say(said)
            self.seen += seen
        self.say((b"" if first else closing) + OK)
        self.end(command, True, b"OK", block=payload, fields=fields)

    def bare(self) -> None:
        command = Command(b"AT+V", 3.0, bare=True)
        lines = self.draw(st.lists(STRANGE, max_size=4))
        self.begin(command)
        for text in lines:
            self.say(self.line(text))
            for said, seen, _ in self.draw(st.lists(notice(self.flavour), max_size=1)):
                self.say(said)
                self.seen += seen
        self.say(OK)
        self.end(command, True, b"OK", lines=tuple(lines))


EXCHANGES = ("setting", "query", "send", "read", "bare")


@st.composite
def conversations(draw: st.DrawFn, flavour: Flavour) -> tuple[Action, ...]:
    """Steps for the harness: idle chatter and exchanges, one after the other."""
    talk = Talk(draw, flavour)
    for kind in draw(st.lists(st.sampled_from(EXCHANGES), min_size=1, max_size=4)):
        talk.interrupt(in_flight=False)
        getattr(talk, kind)()
    talk.interrupt(in_flight=False)
    talk.flush()
    return tuple(talk.steps)

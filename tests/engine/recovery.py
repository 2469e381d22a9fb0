"""After the noise: a module in sound health, and whether everything works again with it."""

from __future__ import annotations

from atdriver.flight import STALL
from atdriver.stages import Stage
from modems.bg96 import commands as bg96_at
from modems.esp8266 import commands as esp_at
from modems.esp8266 import dialect as esp

from .grammar import ESP, Flavour
from .harness import Bench, answers, done

OK = b"\r\nOK\r\n"


def settle(bench: Bench, flavour: Flavour) -> None:
    """The noise is over. The module answers its probes and nothing else; time passes until the
    engine rests and has nothing more to judge."""
    engine = bench.engine
    canary = b"+CIPMUX:1\r\n" if flavour is ESP else b"\r\n+CEREG: 2,1\r\n"
    for _ in range(40):
        if engine.stage is Stage.RESYNC:
            said = (canary if engine.probe.answer is not None else b"") + OK
            bench.in_sync(answers(engine.probe, said, flavour.dialect.terminator))
        elif engine.ready and not engine.framer.mid_payload:
            bench.tick(STALL + 1.0)
            if engine.ready and not engine.framer.mid_payload:
                return
        else:
            deadline = engine.next_deadline()
            assert deadline is not None, "the engine waits for nothing"
            assert engine.stage is not Stage.DEAF, "given up though the module answers"
            bench.tick(max(deadline - bench.now, 0.0))
    raise AssertionError("the engine does not come to rest")


def works_again(bench: Bench, flavour: Flavour) -> None:
    """The next commands complete, and with exactly what the module answers."""
    before = sum(bench.engine.anomalies.values())
    bench.take()
    if flavour is ESP:
        query = esp_at.waiting()
        text = b"+CIPRECVLEN:7,0,0,0,0"
        said = text + b"\r\n" + OK
        read = esp_at.read(0, 100, esp.RECEIVED_E)
        block = b"+CIPRECVDATA:5,OK\r\n!" + OK
        send = esp_at.send(0, b"ping", None, 15.0)
        end = b"\r\nRecv 4 bytes\r\n\r\nSEND OK\r\n"
    else:
        query = bg96_at.SIGNAL
        text = b"+CSQ: 31,99"
        said = b"\r\n" + text + b"\r\n" + OK
        read = bg96_at.read(0, 1500, datagram=False)
        block = b"\r\n+QIRD: 5\r\nOK\r\n!\r\n" + OK
        send = bg96_at.send(0, b"ping", None)
        end = b"\r\nSEND OK\r\n"
    bench.send(query)
    left = sum(bench.engine.anomalies.values()) - before
    assert left <= 1  # what was left of a broken line
    bench.take()
    bench.feed(said)
    bench.send(read)
    bench.feed(block)
    bench.take_writes()
    bench.send(send)
    bench.feed(OK + b"> " if flavour is ESP else b"\r\n> ")
    assert bench.take_writes()[-1] == b"ping"
    bench.feed(end)
    assert bench.take() == (
        done(query, text),
        done(read, block=b"OK\r\n!"),
        done(send, final=b"SEND OK"),
    )

"""`python monitored.py LOG ARGUMENT…`: the command line `atdriver ARGUMENT…`, whose every connect,
datagram and question to a resolver goes to LOG, one JSON object a line.

The interpreter itself reports them (PEP 578: an audit hook cannot be taken off again), in whichever
thread and library they happen.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

WATCHED = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.bind": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
    "socket.getnameinfo": 0,
    "subprocess.Popen": 0,
    "os.posix_spawn": 0,
    "os.exec": 0,
    "os.fork": 0,
}
"""Event and where in its arguments the address, name or program stands."""


def watch(path: str) -> None:
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in WATCHED:
            place = WATCHED[event]
            what = repr(arguments[place]) if len(arguments) > place else ""
            os.write(log, json.dumps({"event": event, "what": what}).encode() + b"\n")

    sys.addaudithook(hook)


if __name__ == "__main__":
    watch(sys.argv[1])
    from atdriver.cli import main

    sys.exit(main(sys.argv[2:]))

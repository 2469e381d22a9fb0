"""What `ot-ctl` does (OpenThread, src/posix/client.cpp), as a program: `ot_ctl.py DIR [-I NAME] [COMMAND…]`.

With a command: to the daemon's socket, then lines without their prompt, up to Done or Error. Without:
lines from the input, and everything the daemon says, as it is. Of this project it knows nothing.
"""

from __future__ import annotations

import os
import select
import socket
import sys


def main(where: str, words: list[str]) -> int:
    interface = "wpan0"
    if words[:1] == ["-I"]:
        interface, words = words[1], words[2:]
    with open(os.path.join(where, "started"), "a", encoding="utf-8") as file:
        print(*words, file=file)
    session = socket.socket(socket.AF_UNIX)
    try:
        session.connect(os.path.join(where, f"openthread-{interface}.sock"))
    except OSError as error:
        print(f"connect session failed: {error.strerror}", file=sys.stderr)
        return 1
    if words:
        escaped = (
            "".join("\\" + each if each in " \t\r\n\\" else each for each in word) for word in words
        )
        session.sendall(" ".join(escaped).encode())
        return answer(session)
    return interactive(session)


def answer(session: socket.socket) -> int:
    for line in session.makefile("rb"):
        shown = line.removeprefix(b"> ")
        os.write(1, shown)
        if shown.startswith((b"Done\r\n", b"Error ")):
            break
    return 0


def interactive(session: socket.socket) -> int:
    while True:
        ready, _, _ = select.select([0, session], [], [])
        if 0 in ready:
            typed = os.read(0, 640)
            if not typed:
                return 1
            session.sendall(typed)
        if session in ready:
            said = session.recv(640)
            if not said:
                return 1
            os.write(1, said)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

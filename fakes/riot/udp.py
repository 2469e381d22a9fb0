"""``udp send`` and ``udp server`` (fact sheet 5.1; RIOT, sys/shell/cmds/udp.c)."""

from __future__ import annotations

from typing import Final

from fakes.mesh_udp import MeshUdp
from fakes.riot.core import INTERFACE, Usage, command
from fakes.riot.network import NetworkCommands
from fakes.riot.settings import FACTS

__all__ = ["UdpCommands", "dump"]

_ROW: Final = 16  # bytes of a line of the hex dump
_MOST_HEX: Final = FACTS["udp.max_hex"]


def dump(data: bytes) -> list[str]:
    """A hex dump: offset, and bytes with two blanks before each."""
    return [
        f"{at:08X}" + "".join(f"  {each:02X}" for each in data[at : at + _ROW])
        for at in range(0, len(data), _ROW)
    ]


class UdpCommands(NetworkCommands):
    """One server; each `send` has a port of its own."""

    def power_on(self) -> None:
        """No server."""
        super().power_on()
        self._server: MeshUdp | None = None

    @command("udp")
    async def udp(self, words: list[str]) -> None:
        """``udp send [-b] <address> <data> [<num> [<us>]]``, ``udp server start <port>|stop``."""
        if len(words) < 2:
            raise Usage("usage: udp [send|server]")
        if words[1] == "send":
            await self._send(words)
        elif words[1] == "server":
            self._serve(words)
        else:
            raise Usage("error: invalid command")

    async def _send(self, words: list[str]) -> None:
        usage = Usage("usage: udp send [-b] <addr>:<port> <data> [<num> [<delay in us>]]")
        binary = words[2:3] == ["-b"]
        rest = words[3:] if binary else words[2:]
        if len(rest) < 2:
            raise usage
        place = self.endpoint(rest[0])
        if place is None:
            raise Usage("Error: unable to parse destination address")
        if place[1] == 0:
            raise Usage("Error: no port or illegal port value provided")
        data = self._unhex(rest[1]) if binary else rest[1].encode(self.encoding)
        count = self.number(rest[2]) if len(rest) > 2 else 1
        pause = self.number(rest[3]) / 1_000_000 if len(rest) > 3 else 1.0
        if not self.node.addresses:
            raise Usage("Error sending data")
        sock = self.node.open_udp(0, lambda *_: None)
        try:
            for number in range(count):
                sock.send(data, *place)
                self.say(f"Success: sent {len(data)} byte over UDP to {rest[0]}")
                if number + 1 < count:
                    await self.sleep(pause)
        finally:
            # What is under way goes out; nobody hears the answers.
            self.later(1.0, sock.close)

    @staticmethod
    def _unhex(text: str) -> bytes:
        try:
            data = bytes.fromhex(text)
        except ValueError:
            raise Usage("Error: unable to parse hexadecimal data") from None
        if len(data) > _MOST_HEX or len(text) % 2:
            raise Usage("Error: unable to parse hexadecimal data")
        return data

    def _serve(self, words: list[str]) -> None:
        if len(words) < 3:
            raise Usage("usage: udp server [start|stop]")
        if words[2] == "start":
            if len(words) < 4:
                raise Usage("usage udp server start <port>")
            if self._server is not None:
                raise Usage(f"Error: server already running on port {self._server.port}")
            port = self.number(words[3]) & 0xFFFF
            if port == 0:
                raise Usage("Error: invalid port specified")
            self._server = self.node.open_udp(port, self._received)
            self.say(f"Success: started UDP server on port {port}")
        elif words[2] == "stop":
            if self._server is None:
                raise Usage("Error: server was not running")
            self._server.close()
            self._server = None
            self.say("Success: stopped UDP server")
        else:
            raise Usage("error: invalid command")

    def _received(self, data: bytes, sender: tuple[str, int], _own: str) -> None:
        if not data:
            self.say("error receiving")
            return
        lines = [f"Received UDP data from [{sender[0]}%{INTERFACE}]:{sender[1]}", *dump(data)]
        self.raw("".join(f"{each}\n" for each in lines).encode())

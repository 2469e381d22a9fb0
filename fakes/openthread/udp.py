"""The one UDP socket of the CLI (fact sheet 4.1, 4.2; OpenThread, README_UDP.md).

What arrives is printed as a C string behind its true length: it ends at the first NUL, and line
ends are printed as they are (fact sheet 4.2, trap 2).
"""

from __future__ import annotations

from fakes.mesh_udp import MeshUdp
from fakes.openthread.codes import ALREADY, INVALID_ARGS, INVALID_STATE, Rejected
from fakes.openthread.core import command, plain
from fakes.openthread.network import NetworkCommands

__all__ = ["UdpCommands", "printed", "unhex"]

_ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""The payload of `-s`, again and again."""
_ANY = "::"


def printed(data: bytes) -> bytes:
    """What of a payload is printed."""
    return data.partition(b"\0")[0]


def unhex(text: str) -> bytes:
    """Hexadecimal digits as bytes; of an odd number the first is a byte. Raises Rejected."""
    try:
        return bytes.fromhex(text if len(text) % 2 == 0 else "0" + text)
    except ValueError:
        raise Rejected(INVALID_ARGS) from None


class UdpCommands(NetworkCommands):
    """``udp open|bind|connect|send|close|linksecurity``."""

    def power_on(self) -> None:
        """No socket is open."""
        super().power_on()
        self.udp_open = False
        self.udp_socket: MeshUdp | None = None
        self.udp_bound = _ANY
        self.udp_peer: tuple[str, int] | None = None
        self.udp_security = True

    @command("udp open")
    def open_udp(self, arguments: list[str]) -> None:
        """A second one is Error 24."""
        self.no_more(arguments)
        if self.udp_open:
            raise Rejected(ALREADY)
        self.udp_open = True

    @command("udp close")
    def close_udp(self, arguments: list[str]) -> None:
        """Done, open or not."""
        self.no_more(arguments)
        if self.udp_socket is not None:
            self.udp_socket.close()
        self.udp_open = False
        self.udp_socket = self.udp_peer = None
        self.udp_bound = _ANY

    @command("udp bind")
    def bind_udp(self, arguments: list[str]) -> None:
        """``bind [-u|-b] <ip> <port>``; the address is ``::`` or one of its own."""
        if arguments[:1] in (["-u"], ["-b"]):
            arguments = arguments[1:]
        if len(arguments) != 2:
            raise Rejected(INVALID_ARGS)
        address, port = self.own_address(arguments[0]), self.number(arguments[1])
        if not self.udp_open:
            raise Rejected(INVALID_STATE)
        if address != _ANY and address not in self.node.addresses:
            raise Rejected(INVALID_ARGS)
        if self.udp_socket is not None:
            self.udp_socket.close()
        self.udp_bound = address
        self._bind(port)

    @command("udp connect")
    def connect_udp(self, arguments: list[str]) -> None:
        """``connect <ip> <port>``: where `send` without an address goes, and who is heard."""
        if len(arguments) != 2:
            raise Rejected(INVALID_ARGS)
        address = self.peer_address(arguments[0], "Connecting to synthesized IPv6 address")
        port = self.number(arguments[1])
        if not self.udp_open:
            raise Rejected(INVALID_STATE)
        self.udp_peer = (address, port)
        self._bind(0)

    @command("udp linksecurity")
    def link_security(self, arguments: list[str]) -> None:
        """``enable``, ``disable``, or which of them."""
        self.no_more(arguments, 1)
        if not arguments:
            self.say("Enabled" if self.udp_security else "Disabled")
        elif arguments[0] in ("enable", "disable"):
            self.udp_security = arguments[0] == "enable"
        else:
            raise Rejected(INVALID_ARGS)

    @command("udp send")
    def send_udp(self, arguments: list[str]) -> None:
        """``send [<ip> <port>] [-t|-x|-s] <value>``; Done says nothing of its fate."""
        if not self.udp_open:
            raise Rejected(INVALID_STATE)
        target = self.udp_peer
        if len(arguments) > 2:
            address = self.peer_address(arguments[0], "Sending to synthesized IPv6 address")
            target = (address, self.number(arguments[1]))
            arguments = arguments[2:]
        data = self._payload(arguments)
        if target is None:
            raise Rejected(INVALID_ARGS)
        if not self.node.addresses:
            raise Rejected(INVALID_STATE)
        self._bind(0).send(data, *target)

    def _payload(self, arguments: list[str]) -> bytes:
        kind = arguments[0] if arguments and arguments[0] in ("-t", "-x", "-s") else ""
        value = arguments[1:2] if kind else arguments[:1]
        if not value:
            raise Rejected(INVALID_ARGS)
        if kind == "-x":
            return unhex(value[0])
        if kind == "-s":
            length = self.number(value[0])
            return (_ALPHABET * (length // len(_ALPHABET) + 1))[:length]
        return value[0].encode(self.encoding)

    def _bind(self, port: int) -> MeshUdp:
        """The socket with a port; one that has none gets one."""
        if self.udp_socket is None or self.udp_socket.closed:
            self.udp_socket = self.node.open_udp(port, self._datagram)
        return self.udp_socket

    def _datagram(self, data: bytes, sender: tuple[str, int], own: str) -> None:
        if self.udp_bound not in (_ANY, own) or self.udp_peer not in (None, sender):
            return
        head = f"{len(data)} bytes from {plain(sender[0])} {sender[1]} ".encode()
        self.raw(head + printed(data) + b"\r\n")

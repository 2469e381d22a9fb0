"""A control protocol: packets in and out of the automaton, and options one by one.

A protocol says which options it asks for (`wanted`), how it judges the other end's (`judge`), and
what becomes of an advice (`advised`) or a refusal (`refused`).
"""

from __future__ import annotations

from collections.abc import Callable

from atdriver.ppp.automaton import Automaton, State
from atdriver.ppp.errors import ClosedByPeer, NoAgreement, PeerSilent, PppError
from atdriver.ppp.packets import Code, Option, Packet, decode_options, decode_packet, encode_options

MAX_FAILURE = 5
"""Naks sent before what is still wrong is rejected (RFC 1661, 4.6)."""
MAX_ADVICE = 20
"""Naks and Rejects received before it is clear that there will be no agreement."""

REJECTED = object()
"""A verdict: not this option, whatever its value."""

Verdict = bytes | object | None
"""On an option of the other end: None is yes, bytes are the value wanted instead, or REJECTED."""

_CONFIGURING = frozenset((State.REQ_SENT, State.ACK_RCVD, State.ACK_SENT, State.OPENED))


class ControlProtocol(Automaton):
    """One of LCP, IPCP, IPv6CP; sends packets by `send(payload)`."""

    name = "?"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        super().__init__()
        self.wanted: dict[int, bytes] = {}
        """What the next Configure-Request asks for, in order."""
        self.failure: PppError | None = None
        """Why the protocol finished, once it has without being asked to."""
        self._send = send
        self._received = Packet(0, 0, b"")
        self._reply = Packet(0, 0, b"")
        self._theirs: list[Option] = []
        self._sent = Packet(0, 0, b"")
        self._identifier = 0
        self._requests = 0
        self._naks = 0
        self._advice = 0
        self._heard = False
        self._parting: ClosedByPeer | None = None

    @property
    def opened(self) -> bool:
        """Whether both sides have agreed."""
        return self.state is State.OPENED

    # -- packets in ----------------------------------------------------------------------------

    def receive(self, payload: bytes, now: float) -> None:
        """One packet of this protocol. Impossible ones are dropped."""
        self.now = now
        packet = decode_packet(payload)
        if packet is None or self.state <= State.STARTING:
            return
        self._received = packet
        match packet.code:
            case Code.REQUEST:
                self._on_request(packet)
            case Code.ACK:
                if packet.identifier == self._sent.identifier and packet.data == self._sent.data:
                    self._heard = True
                    self.fire("RCA")
            case Code.NAK | Code.REJECT:
                self._on_advice(packet)
            case Code.TERMINATE:
                # While both still negotiate it may be late, from the session before: go on.
                self._parting = ClosedByPeer(self.name, text(packet.data))
                if self.opened:
                    self.failure = self.failure or self._parting
                self.fire("RTR")
            case Code.TERMINATED:
                self.fire("RTA")
            case Code.CODE_REJECT:
                self._on_code_reject(packet)
            case _:
                if not self.extra(packet):
                    self.fire("RUC")

    def _on_request(self, packet: Packet) -> None:
        options = decode_options(packet.data)
        if options is None:
            return
        self._heard = True
        self._parting = None
        if self.state not in _CONFIGURING and self.state is not State.STOPPED:
            self.fire("RCR+")  # a Terminate-Ack, or nothing: what it asks for does not matter
            return
        wrong, refused = self._judge_all(options)
        if refused:
            self._reply = Packet(Code.REJECT, packet.identifier, encode_options(refused))
        elif wrong:
            self._reply = Packet(Code.NAK, packet.identifier, encode_options(wrong))
        else:
            self._reply = Packet(Code.ACK, packet.identifier, packet.data)
            self._theirs = options
        self.fire("RCR-" if refused or wrong else "RCR+")

    def _judge_all(self, options: list[Option]) -> tuple[list[Option], list[Option]]:
        wrong, refused, kinds = [], [], set()
        for option in options:
            verdict = REJECTED if option.kind in kinds else self.judge(option)
            kinds.add(option.kind)
            if verdict is REJECTED or (verdict is not None and self._naks >= MAX_FAILURE):
                refused.append(option)
            elif isinstance(verdict, bytes):
                wrong.append(Option(option.kind, verdict))
        self._naks += bool(wrong and not refused)
        return wrong, refused

    def _on_advice(self, packet: Packet) -> None:
        options = decode_options(packet.data)
        if options is None or not options or packet.identifier != self._sent.identifier:
            return
        if self.state not in _CONFIGURING:
            self.fire("RCN")
            return
        asked = decode_options(self._sent.data) or []
        if packet.code == Code.REJECT and any(option not in asked for option in options):
            return  # RFC 1661, 5.4: only what was asked for can be rejected
        self._heard = True
        self._advice += 1
        for option in options:
            if packet.code == Code.REJECT:
                self.wanted.pop(option.kind, None)
                self.refused(option.kind)
            else:
                self.advised(option)
        if self._advice > MAX_ADVICE:
            self.fail(NoAgreement(f"{self.name}: the two ends cannot agree on options", self.name))
        else:
            self.fire("RCN")

    def _on_code_reject(self, packet: Packet) -> None:
        rejected = packet.data[0] if packet.data else 0
        if Code.REQUEST <= rejected <= Code.CODE_REJECT:
            self.fail(
                NoAgreement(f"{self.name}: the other end knows no code {rejected}", self.name)
            )
            return
        self.code_rejected(rejected)
        self.fire("RXJ+")

    def protocol_rejected(self) -> None:
        """The other end does not know this protocol at all (RFC 1661, 5.7)."""
        self.fail(NoAgreement(f"{self.name}: the other end does not speak it", self.name))

    def fail(self, error: PppError) -> None:
        """Give up, and say why."""
        self.failure = self.failure or error
        self.fire("RXJ-")

    # -- packets out ---------------------------------------------------------------------------

    def send_request(self) -> None:
        """A new one, or the last one once more: a late answer to that one shall count."""
        data = encode_options([Option(kind, value) for kind, value in self.wanted.items()])
        if not (self.repeated and data == self._sent.data):
            self._identifier = (self._identifier + 1) & 0xFF
        self._sent = Packet(Code.REQUEST, self._identifier, data)
        self._requests += 1
        self._send(self._sent.encode())

    def send_ack(self) -> None:
        """The reply made when the request came."""
        if self._reply.code == Code.ACK:
            self.agreed(self._theirs)
        self._send(self._reply.encode())

    send_nak = send_ack

    def send_terminate(self) -> None:
        """A Terminate-Request."""
        self._identifier = (self._identifier + 1) & 0xFF
        self._send(Packet(Code.TERMINATE, self._identifier, b"").encode())

    def send_terminated(self) -> None:
        """A Terminate-Ack, with the identifier of what it answers."""
        self._send(Packet(Code.TERMINATED, self._received.identifier, b"").encode())

    def send_code_reject(self) -> None:
        """With as much of the packet as fits the smallest MRU there is."""
        self._identifier = (self._identifier + 1) & 0xFF
        packet = self._received.encode()[:124]
        self._send(Packet(Code.CODE_REJECT, self._identifier, packet).encode())

    # -- layers --------------------------------------------------------------------------------

    def this_layer_finished(self) -> None:
        """Without a word from the other end, or without agreement, or as asked."""
        if self.failure is None and self.state is State.STOPPED:
            self.failure = self._parting or (
                NoAgreement(f"{self.name}: the two ends do not come to an agreement", self.name)
                if self._heard
                else PeerSilent(self.name, self._requests)
            )
        self.finished()

    def this_layer_up(self) -> None:
        """Agreed: a later negotiation has all its tries again."""
        self._naks = self._advice = self._requests = 0
        self.up()

    def this_layer_down(self) -> None:
        """Not agreed any more."""
        self.lower()

    # -- what the protocols fill in ------------------------------------------------------------

    def judge(self, option: Option) -> Verdict:
        """What is thought of an option that the other end asks for."""
        raise NotImplementedError

    def agreed(self, options: list[Option]) -> None:
        """These are the other end's from now on."""

    def advised(self, option: Option) -> None:
        """The other end would rather have this in our request."""

    def refused(self, kind: int) -> None:
        """The other end will not have this option; it is out of `wanted` already."""

    def code_rejected(self, code: int) -> None:
        """The other end does not know a code that only some know."""

    def extra(self, packet: Packet) -> bool:  # noqa: ARG002
        """A packet with a code of this protocol alone; False if it is unknown."""
        return False

    def up(self) -> None:
        """Both sides have agreed."""

    def lower(self) -> None:
        """They no longer do."""

    def finished(self) -> None:
        """It is over; `failure` says why."""


def text(data: bytes) -> str:
    """A message of the other end, fit to be shown: at most 80 characters, none that could harm."""
    shown = data[:80].decode("ascii", "replace")
    return "".join(c if c.isprintable() and c != "\ufffd" else "." for c in shown).strip(". ")

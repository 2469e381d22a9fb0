"""The modem's end of a PPP link (RFC 1661): phases, and where each packet goes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from .auth import Authenticator
from .automaton import Automaton, Handle, Timer
from .hdlc import ALL_CONTROLS, Deframer, frame
from .manners import Manners
from .packets import CCP, CHAP, IPCP, IPV4, IPV6, IPV6CP, LCP, PAP
from .protocols import Ccp, Ipcp, Ipv6cp, Lcp

__all__ = ["PHASES", "PppServer"]

PHASES: Final = ("establish", "authenticate", "network", "terminate", "dead")
"""RFC 1661 section 3.2; a server begins with establish."""

_KEEPALIVE: Final = 10.0  # seconds between two Echo-Requests
_MOST_ECHOES: Final = 3
_HANG_UP: Final = 0.1  # seconds from the Terminate-Ack to the end of the call
_DAMAGED: Final = 5  # one frame of so many, where they are damaged


class PppServer:
    """One call.

    Args:
        manners: how it behaves; may be changed while it runs.
        write: bytes for the host.
        timer: line time in seconds.
        seed: origin of magic numbers and challenges.
        note: told what happens, in words, for the journal.

    Attributes:
        phase: one of PHASES.
        on_packet: called with each IP packet from the host.
        on_network: called with the protocol (IPV4, IPV6) that can pass now.
        on_dead: called once, with the reason, when the link is over.
    """

    def __init__(
        self,
        manners: Manners,
        write: Callable[[bytes], None],
        timer: Timer,
        *,
        seed: int = 0,
        note: Callable[[str], None] = lambda *_: None,
    ) -> None:
        self.manners = manners
        self.phase = PHASES[0]
        self.on_packet: Callable[[bytes], None] = lambda *_: None
        self.on_network: Callable[[int], None] = lambda *_: None
        self.on_dead: Callable[[str], None] = lambda *_: None
        self._write = write
        self._timer = timer
        self._note = note
        self._deframer = Deframer()
        source = random.Random(seed)
        self._source = source
        self._frames = 0  # sent
        self._lost: set[str] = set()  # directions in which the first frame was lost
        self._echo: Handle | None = None
        self._reason = "the peer gave up"
        self.lcp = Lcp(self._send, timer, manners, source)
        self.lcp.up = self._established
        self.lcp.down = self._lcp_down
        self.lcp.finished = self._finished
        self.lcp.protocol_rejected = self._protocol_rejected
        self._auth = Authenticator(manners, self._send, timer, source, self._authenticated)
        self.ipcp = Ipcp(self._send, timer, manners)
        self.ipcp.up = lambda: self._network(IPV4)
        self.ipv6cp = Ipv6cp(self._send, timer, source)
        self.ipv6cp.up = lambda: self._network(IPV6)
        self._networks: dict[int, Automaton] = {}
        if manners.ipv4:
            self._networks[IPCP] = self.ipcp
        if manners.ipv6:
            self._networks[IPV6CP] = self.ipv6cp
        if "offer-ccp" in manners.faults:
            self._networks[CCP] = Ccp(self._send, timer)

    @property
    def bad_frames(self) -> int:
        """Frames from the host that were thrown away."""
        return self._deframer.bad

    def start(self) -> None:
        """The line is there: the first Configure-Request leaves."""
        self.lcp.start()

    def terminate(self, reason: str = "the server ended it") -> None:
        """Ask the peer to end the link (RFC 1661 section 5.5)."""
        self._reason = reason
        self.lcp.event("close")
        if self.lcp.state in ("closing", "stopping"):
            self._phase("terminate")

    def drop(self) -> None:
        """The line is gone; not another word."""
        if self.phase != "dead":
            self._phase("dead")
            self._auth.stop()
            self._keep_quiet()
            for layer in (*self._networks.values(), self.lcp):
                layer.event("down")
                layer.event("close")

    # ---- bytes and packets ---------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes from the host."""
        if "loop" in self.manners.faults:
            self._write(data)
            return
        if "silent" in self.manners.faults:
            return
        bad = self._deframer.bad
        for protocol, payload in self._deframer.feed(data):
            if self.phase == "dead":
                return
            if "lose-first" in self.manners.faults and "in" not in self._lost:
                self._lost.add("in")
                continue
            self._take(protocol, payload)
        if self._deframer.bad > bad:
            self._note(f"{self._deframer.bad - bad} bad frames")

    def send_ip(self, packet: bytes) -> bool:
        """One IP packet for the host; False when it cannot pass now."""
        protocol = IPV4 if packet[0] >> 4 == 4 else IPV6
        layer = self.ipcp if protocol == IPV4 else self.ipv6cp
        if self.phase != "network" or not layer.opened or len(packet) > self.mtu:
            return False
        self._send(protocol, packet)
        return True

    @property
    def mtu(self) -> int:
        """The longest IP packet for the host, bytes."""
        return min(self.lcp.peer_mru, 1500)

    def _send(self, protocol: int, payload: bytes) -> None:
        faults = self.manners.faults
        if "silent" in faults or "loop" in faults or self.phase == "dead":
            return
        if "lose-first" in faults and "out" not in self._lost:
            self._lost.add("out")
            return
        lcp = self.lcp
        plain = protocol == LCP or not lcp.opened
        data = frame(
            protocol,
            payload,
            controls=ALL_CONTROLS if plain else lcp.peer_controls,
            short_protocol=not plain and lcp.peer_short_protocol,
            short_header=not plain and lcp.peer_short_header,
        )
        self._frames += 1
        if "damage" in faults and self._frames % _DAMAGED == 0:
            spoilt = bytearray(data)
            spoilt[len(data) // 2] ^= 1
            data = bytes(spoilt)
        self._write(data)

    def _take(self, protocol: int, payload: bytes) -> None:
        if protocol == LCP:
            self.lcp.receive(payload)
        elif not self.lcp.opened:
            return  # RFC 1661 section 3.4: anything else is dropped
        elif protocol in (PAP, CHAP) and self.lcp.authentication:
            self._auth.receive(protocol, payload)
        elif self.phase != "network":
            return
        elif protocol in self._networks:
            self._networks[protocol].receive(payload)
        elif protocol in (IPV4, IPV6):
            layer = self.ipcp if protocol == IPV4 else self.ipv6cp
            if layer.opened:
                self.on_packet(payload)
        else:
            self.lcp.reject(protocol, payload)

    # ---- phases --------------------------------------------------------------------------

    def _phase(self, name: str) -> None:
        if name != self.phase:
            self.phase = name
            self._note(name)

    def _established(self) -> None:
        # What was asked of the peer holds for what it sends.
        self._deframer.controls = int.from_bytes(self.lcp.wanted.get(2, b"\xff" * 4), "big")
        if self.lcp.authentication:
            self._phase("authenticate")
            self._auth.begin(self.lcp.authentication)
        else:
            self._begin_networks()

    def _authenticated(self, good: bool) -> None:
        if not good:
            self.terminate("authentication failed")
        elif self.phase == "authenticate":
            self._begin_networks()

    def _begin_networks(self) -> None:
        self._phase("network")
        for layer in self._networks.values():
            layer.start()
        if "keepalive" in self.manners.faults:
            self._keep_quiet()
            self._echo = self._timer(_KEEPALIVE, self._keep_alive)

    def _keep_alive(self) -> None:
        if self.lcp.echoes_owed >= _MOST_ECHOES:
            self.terminate("no answer to echoes")
            return
        self.lcp.ask_echo()
        self._echo = self._timer(_KEEPALIVE, self._keep_alive)

    def _keep_quiet(self) -> None:
        if self._echo is not None:
            self._echo.cancel()
            self._echo = None

    def _network(self, protocol: int) -> None:
        self._note("IPv4 up" if protocol == IPV4 else "IPv6 up")
        self.on_network(protocol)

    def _lcp_down(self) -> None:
        """Negotiated anew, or ending: nothing else is open meanwhile."""
        self._auth.stop()
        self._keep_quiet()
        self._deframer.controls = 0  # both forms may come until it is agreed again
        for layer in self._networks.values():
            layer.event("down")
            layer.event("close")
        ending = self.lcp.state in ("stopping", "closing")
        self._phase("terminate" if ending else "establish")
        if self.lcp.state == "stopping":
            # RFC 1661 lets the one that was asked wait; a modem hangs up at once.
            self._reason = "the peer ended it"
            self._timer(_HANG_UP, self._finished)

    def _protocol_rejected(self, number: int) -> None:
        layer = self._networks.get(number)
        if layer is not None:
            layer.event("rxj-")

    def _finished(self) -> None:
        if self.phase != "dead":
            self._phase("dead")
            self._auth.stop()
            self._keep_quiet()
            self.on_dead(self._reason)

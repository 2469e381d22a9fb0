"""A PPP client: bytes in, bytes and IP packets out. No event loop, no port, no clock of its own.

Feed it what comes (`feed`), tell it the time (`tick`, not later than `next_deadline`), write what
is in `writes`, take what is in `packets` and `events`. Nothing that comes in raises an exception.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from atdriver.ppp.auth import LOGINS, Credentials, Login
from atdriver.ppp.automaton import State
from atdriver.ppp.errors import CarrierLost, NoAgreement, PppError
from atdriver.ppp.hdlc import ALL_CONTROLS, Deframer, Stuffer
from atdriver.ppp.ipcp import Ipcp, Ipv6cp
from atdriver.ppp.lcp import DEFAULT_MRU, Framing, Lcp
from atdriver.ppp.packets import IPCP, IPV4, IPV6, IPV6CP, LCP, unwrap, wrap
from atdriver.ppp.phases import Phase, PhaseLife

FAMILIES = ("ipv4", "ipv6")
GRACE = 4.0
"""Seconds that IPv4, once open, waits for IPv6: one lost frame is forgiven. IPv6 waits for IPv4
until that is decided."""


@dataclass(frozen=True, slots=True)
class PppSettings:
    """What a session is to be. Times in seconds; `echo_failures` 0: no keep-alive."""

    credentials: Credentials = field(default_factory=Credentials)
    logins: tuple[str, ...] = ("chap", "pap")
    """Ways to log in that are accepted, the preferred one first."""
    families: tuple[str, ...] = FAMILIES
    accm: int = 0
    """Control characters that the other end shall escape: 0xA0000 where the line has XON/XOFF."""
    echo_interval: float = 10.0
    echo_failures: int = 3


@dataclass(frozen=True, slots=True)
class NetworkUp:
    """Packets pass: the addresses of this end, of the other one, and name servers."""

    addresses: tuple[IPv4Address | IPv6Address, ...]
    peers: tuple[IPv4Address | IPv6Address, ...]
    dns: tuple[IPv4Address, ...]
    mtu: int


@dataclass(frozen=True, slots=True)
class NetworkDown:
    """Packets pass no more; `error` is why, None when it was asked for or is negotiated anew."""

    error: PppError | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over; `error` is None when it was asked for."""

    error: PppError | None


PppEvent = NetworkUp | NetworkDown | Ended


@dataclass(slots=True)
class Counters:
    """What passed; frames that were damaged, packets that could not be sent or taken."""

    received: int = 0
    sent: int = 0
    dropped: int = 0
    damaged: int = 0
    rejected: dict[int, int] = field(default_factory=dict)
    """Frames by protocol number that this end does not know."""


_MOST_PROTOCOLS = 32


class PppClient:
    """One session after the other over one line: `start`, …, `Ended`, `start` again."""

    def __init__(
        self, settings: PppSettings | None = None, *, draw: random.Random | None = None
    ) -> None:
        self.settings = settings or PppSettings()
        self.writes: list[bytes] = []
        self.packets: list[bytes] = []
        self.events: list[PppEvent] = []
        self.counters = Counters()
        self.life = PhaseLife()
        self._draw = draw or random.SystemRandom()
        self._now = 0.0
        self._is_up = False
        self._grace: float | None = None
        self._failure: PppError | None = None
        self._prepare()

    def __repr__(self) -> str:
        return f"<PppClient {self.phase.value}>"

    def _prepare(self) -> None:
        settings = self.settings
        self.deframer = Deframer()
        self._basic = Stuffer(ALL_CONTROLS)
        self._stuffer = self._basic
        self._framing = Framing()
        self.lcp = Lcp(
            lambda payload: self._send(LCP, payload),
            self._on_lcp,
            lambda: self._draw.getrandbits(32),
            accm=settings.accm,
            allowed=settings.logins,
            echo_interval=settings.echo_interval,
            echo_failures=settings.echo_failures,
        )
        self.lcp.rejected_protocol = self._on_rejected  # type: ignore[method-assign]
        self._login: Login | None = None
        identifier = self._draw.getrandbits(64) & ~(1 << 57) or 1
        self.ipcp = Ipcp(lambda payload: self._send(IPCP, payload), self._on_network)
        self.ipv6cp = Ipv6cp(
            lambda payload: self._send(IPV6CP, payload), self._on_network, identifier.to_bytes(8)
        )

    @property
    def phase(self) -> Phase:
        """How far it is."""
        return self.life.state

    @property
    def dead(self) -> bool:
        """Whether nothing is under way."""
        return self.life.state is Phase.DEAD

    # -- orders --------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """The line carries bytes (CONNECT): negotiate."""
        self._now = now
        self._failure = None
        self._prepare()
        self.life.fire("carrier")
        self.lcp.now = now
        self.lcp.fire("Open")
        self.lcp.fire("Up")

    def close(self, now: float) -> None:
        """Say goodbye; `Ended` follows, after two tries at the latest."""
        if self.dead:
            return
        self._now = self.lcp.now = now
        self.life.fire("closing")
        self.lcp.fire("Close")

    def lost(self, now: float, error: PppError | None = None) -> None:
        """The line carries nothing any more."""
        if self.dead:
            return
        self._now = self.lcp.now = now
        self._end(error or CarrierLost("the connection below PPP is gone"))

    def send(self, packet: bytes) -> bool:
        """Send one IP packet; False (and counted) if it cannot be: family not open, too long."""
        version = packet[0] >> 4 if packet else 0
        protocol = {4: self.ipcp, 6: self.ipv6cp}.get(version)
        if protocol is None or not protocol.opened or len(packet) > self._framing.mru:
            self.counters.dropped += 1
            return False
        self.counters.sent += 1
        self._send(IPV4 if version == 4 else IPV6, packet)
        return True

    # -- bytes and time ------------------------------------------------------------------------

    def feed(self, data: bytes, now: float) -> None:
        """Bytes as read, cut anywhere."""
        self._now = now
        if self.dead:
            return
        for content in self.deframer.feed(data):
            if not self.dead:
                self._on_frame(content)
        self.counters.damaged = self.deframer.damaged

    def next_deadline(self) -> float | None:
        """When `tick` is due; None: nothing is waited for."""
        login = self._login.timer if self._login is not None else None
        times = (self.lcp.timer, self.lcp.echo_at, login, self.ipcp.timer, self.ipv6cp.timer)
        return min((at for at in (*times, self._grace) if at is not None), default=None)

    def tick(self, now: float) -> None:
        """The time is `now`."""
        self._now = now
        self.lcp.tick(now)
        if self._login is not None:
            self._login.tick(now)
        for protocol in (self.ipcp, self.ipv6cp):
            protocol.tick(now)
        if self._grace is not None and now >= self._grace:
            self._grace = None
            self._announce()

    # -- frames --------------------------------------------------------------------------------

    def _send(self, protocol: int, payload: bytes) -> None:
        if protocol == LCP:
            self.writes.append(self._basic.frame(wrap(LCP, payload)))
            return
        framing = self._framing
        content = wrap(protocol, payload, pfc=framing.pfc, acfc=framing.acfc)
        self.writes.append(self._stuffer.frame(content))

    def _on_frame(self, content: bytes) -> None:
        found = unwrap(content)
        if found is None:
            self.deframer.damaged += 1
            return
        protocol, payload = found
        self.counters.received += 1
        self.lcp.alive(self._now)
        if protocol == LCP:
            self.lcp.receive(payload, self._now)
        elif not self.lcp.opened:
            return  # RFC 1661, 3.4: silently, before the link is established
        elif self._login is not None and protocol == self._login.number:
            self._login.receive(payload)
        elif self.phase is not Phase.NETWORK:
            return  # RFC 1661, 3.5: silently, before the login
        else:
            self._on_network_frame(protocol, payload)

    def _on_network_frame(self, protocol: int, payload: bytes) -> None:
        match protocol:
            case 0x0021 if self.ipcp.opened and payload[:1] and payload[0] >> 4 == 4:
                self.packets.append(payload)
            case 0x0057 if self.ipv6cp.opened and payload[:1] and payload[0] >> 4 == 6:
                self.packets.append(payload)
            case 0x0021 | 0x0057:
                self.counters.dropped += 1
            case 0x8021 if "ipv4" in self.settings.families:
                self.ipcp.receive(payload, self._now)
            case 0x8057 if "ipv6" in self.settings.families:
                self.ipv6cp.receive(payload, self._now)
            case _:
                rejected = self.counters.rejected
                if protocol in rejected or len(rejected) < _MOST_PROTOCOLS:
                    rejected[protocol] = rejected.get(protocol, 0) + 1
                self.lcp.reject_protocol(protocol, payload)

    # -- what the protocols tell ---------------------------------------------------------------

    def _on_lcp(self, what: str) -> None:
        if self.dead:
            return
        if what == "up":
            self._framing = self.lcp.framing
            self._stuffer = Stuffer(self._framing.accm)
            self.deframer.accept(self.lcp.receives)
            self._authenticate()
        elif what == "down":
            self.life.fire("closing" if self.lcp.state <= State.STOPPING else "anew")
            self._network_down(self._failure or self.lcp.failure)
            self._framing, self._stuffer = Framing(), self._basic
            self.deframer.accept(ALL_CONTROLS)
            self._login = None
        else:
            self._end(self._failure or self.lcp.failure)

    def _authenticate(self) -> None:
        way = self._framing.authentication
        if not way:
            self.life.fire("open")
            self._open_networks()
            return
        self.life.fire("login")
        number = LOGINS[way].number
        self._login = LOGINS[way](
            lambda payload: self._send(number, payload), self._on_login, self.settings.credentials
        )
        self._login.begin(self._now)

    def _on_login(self, error: PppError | None) -> None:
        if error is not None:
            self._give_up(error)
        elif self.phase is Phase.AUTHENTICATE:
            self.life.fire("open")
            self._open_networks()

    def _open_networks(self) -> None:
        for protocol in self._asked():
            protocol.now = self._now
            protocol.failure = None
            protocol.fire("Open")
            protocol.fire("Up")

    def _on_network(self, what: str) -> None:
        if what == "down" and self._is_up and not self._open_families():
            error = self.ipcp.failure or self.ipv6cp.failure
            self._network_down(error)
            if error is not None:
                self._give_up(error)
            return
        if self.phase is not Phase.NETWORK:
            return
        running = [
            each
            for each in self._asked()
            if each.failure is None and State.CLOSING <= each.state <= State.ACK_SENT
        ]
        if self._open_families():
            if not running:
                self._grace = None
                self._announce()
            elif self._grace is None and not self._is_up and self.ipcp.opened:
                self._grace = self._now + GRACE
        elif not running:
            self._give_up(
                self.ipcp.failure
                or self.ipv6cp.failure
                or NoAgreement("PPP: the other end speaks no IP")
            )

    def _asked(self) -> list[Ipcp | Ipv6cp]:
        both: list[tuple[str, Ipcp | Ipv6cp]] = [("ipv4", self.ipcp), ("ipv6", self.ipv6cp)]
        return [protocol for family, protocol in both if family in self.settings.families]

    def _open_families(self) -> list[Ipcp | Ipv6cp]:
        return [protocol for protocol in self._asked() if protocol.opened]

    def _on_rejected(self, number: int) -> None:
        """The other end knows a protocol of ours not."""
        for own, protocol in ((IPCP, self.ipcp), (IPV6CP, self.ipv6cp)):
            if number == own:
                protocol.protocol_rejected()

    def _announce(self) -> None:
        families = self._open_families()
        if self._is_up or not families or self.phase is not Phase.NETWORK:
            return
        self._is_up = True
        addresses = tuple(each.address for each in families if each.address is not None)
        peers = tuple(each.peer for each in families if each.peer is not None)
        dns = self.ipcp.dns if self.ipcp.opened else ()
        self.events.append(NetworkUp(addresses, peers, dns, min(self._framing.mru, DEFAULT_MRU)))

    def _network_down(self, error: PppError | None) -> None:
        was_up, self._is_up = self._is_up, False
        self._grace = None
        if was_up:
            self.events.append(NetworkDown(error))
        for protocol in (self.ipcp, self.ipv6cp):
            protocol.fire("Down")

    def _give_up(self, error: PppError) -> None:
        """End the session from this side, because of what happened."""
        self._failure = self._failure or error
        if not self.dead:
            self.life.fire("closing")
            self.lcp.fire("Close")

    def _end(self, error: PppError | None) -> None:
        if self.dead:
            return
        self.life.fire("gone")
        self._network_down(error)
        self._login = None
        self.lcp.echo_at = None
        self.lcp.fire("Down")
        self.lcp.timer = None
        self.events.append(Ended(error))

    def forget(self) -> None:
        """This client is done with for good."""
        self.life.end()

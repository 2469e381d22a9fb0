"""IPCP and IPv6CP: the addresses of this end, and name servers.

RFC 1332 (address), RFC 1877 (name servers), RFC 5072 (interface identifier). Van Jacobson
compression is refused: a serial line of today gains nothing by it.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from atdriver.ppp.errors import NoAgreement
from atdriver.ppp.negotiation import REJECTED, ControlProtocol, Verdict
from atdriver.ppp.packets import Option

ADDRESS, DNS1, DNS2 = 3, 129, 131
INTERFACE = 1
_UNSET = bytes(4)


class NetworkProtocol(ControlProtocol):
    """One family of addresses; `done` is told up, down and finished by those words."""

    def __init__(self, send: Callable[[bytes], None], done: Callable[[str], None]) -> None:
        super().__init__(send)
        self._done = done

    def lower(self) -> None:
        """No packets any more."""
        self._done("down")

    def finished(self) -> None:
        """It will not come up."""
        self._done("finished")


class Ipcp(NetworkProtocol):
    """IPv4: asks for `address` (None: what the other end gives) and two name servers."""

    name = "IPCP"

    def __init__(
        self,
        send: Callable[[bytes], None],
        done: Callable[[str], None],
        address: IPv4Address | None = None,
    ) -> None:
        super().__init__(send, done)
        self.wanted = {ADDRESS: address.packed if address else _UNSET, DNS1: _UNSET, DNS2: _UNSET}
        self.peer: IPv4Address | None = None
        """The other end's address, if it has one."""

    @property
    def address(self) -> IPv4Address | None:
        """This end's, once open."""
        return _address(self.wanted.get(ADDRESS))

    @property
    def dns(self) -> tuple[IPv4Address, ...]:
        """The name servers that the other end named; maybe none."""
        found = (_address(self.wanted.get(kind)) for kind in (DNS1, DNS2))
        return tuple(dict.fromkeys(server for server in found if server is not None))

    def judge(self, option: Option) -> Verdict:
        """An address of its own is the other end's affair; it gets none from here."""
        if option.kind == ADDRESS and len(option.value) == 4 and option.value != _UNSET:
            return None
        return REJECTED

    def agreed(self, options: list[Option]) -> None:
        """Its address."""
        self.peer = next((_address(value) for kind, value in options if kind == ADDRESS), None)

    def advised(self, option: Option) -> None:
        """What the network gives this end."""
        if option.kind in self.wanted and len(option.value) == 4:
            self.wanted[option.kind] = option.value

    def up(self) -> None:
        """Without an address it is of no use."""
        if self.address is None:
            self.fail(NoAgreement("IPCP: the other end gave no address", self.name))
        else:
            self._done("up")


class Ipv6cp(NetworkProtocol):
    """IPv6: asks for `identifier`, the low 8 bytes of the link-local address."""

    name = "IPV6CP"

    def __init__(
        self, send: Callable[[bytes], None], done: Callable[[str], None], identifier: bytes
    ) -> None:
        super().__init__(send, done)
        self.wanted = {INTERFACE: identifier}
        self.peer: IPv6Address | None = None
        """The other end's link-local address, if it said one."""

    @property
    def address(self) -> IPv6Address | None:
        """This end's link-local address, once open."""
        identifier = self.wanted.get(INTERFACE, bytes(8))
        return _link_local(identifier) if any(identifier) else None

    def judge(self, option: Option) -> Verdict:
        """Any identifier but none, and but ours (RFC 5072, 4.1)."""
        kind, value = option
        if kind != INTERFACE or len(value) != 8:
            return REJECTED
        if not any(value):
            return REJECTED
        ours = self.wanted.get(INTERFACE, bytes(8))
        return bytes((*value[:7], value[7] ^ 1)) if value == ours else None

    def agreed(self, options: list[Option]) -> None:
        """Its identifier."""
        self.peer = next((_link_local(value) for kind, value in options), None)

    def advised(self, option: Option) -> None:
        """A cellular network gives each end its identifier (3GPP TS 29.061, 11.2.1.3)."""
        if option.kind == INTERFACE and len(option.value) == 8 and any(option.value):
            self.wanted[INTERFACE] = option.value

    def up(self) -> None:
        """Without an identifier it is of no use."""
        if self.address is None:
            self.fail(NoAgreement("IPV6CP: the other end gave no interface identifier", self.name))
        else:
            self._done("up")


def _address(packed: bytes | None) -> IPv4Address | None:
    return IPv4Address(packed) if packed and packed != _UNSET else None


def _link_local(identifier: bytes) -> IPv6Address:
    return IPv6Address(b"\xfe\x80" + bytes(6) + identifier)

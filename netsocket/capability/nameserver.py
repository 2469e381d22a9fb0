"""A small name server for a far end: a handful of names, "no such name" for all others."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence


class NameServer:
    """Answers questions for addresses (A and AAAA); `names` are without a final dot."""

    def __init__(self, names: Mapping[str, Sequence[str]]) -> None:
        self._names = {name.lower(): list(addresses) for name, addresses in names.items()}
        self.asked: list[str] = []
        """Names that were asked for, in order."""

    def answer(self, question: bytes) -> bytes | None:
        """The answer to a message; None for what is no question."""
        import dns.exception
        import dns.flags
        import dns.message
        import dns.rcode
        import dns.rdatatype
        import dns.rrset

        try:
            message = dns.message.from_wire(question)
            reply = dns.message.make_response(message)
        except (dns.exception.DNSException, ValueError):
            return None
        for asked in message.question:
            name = asked.name.to_text(omit_final_dot=True).lower()
            self.asked.append(name)
            if name not in self._names:
                reply.set_rcode(dns.rcode.NXDOMAIN)
                continue
            version = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}.get(asked.rdtype)
            kind = dns.rdatatype.to_text(asked.rdtype)
            fitting = [
                each for each in self._names[name] if ipaddress.ip_address(each).version == version
            ]
            if fitting:
                reply.answer.append(dns.rrset.from_text(asked.name, 60, "IN", kind, *fitting))
        reply.flags |= dns.flags.RA
        return reply.to_wire()

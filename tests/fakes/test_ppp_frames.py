"""The PPP server's frames and negotiation by themselves: vectors, round trips, every answer to an option."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.ppp.automaton import STATES, TABLE
from fakes.ppp.hdlc import Deframer, checksum, frame
from fakes.ppp.manners import Manners
from fakes.ppp.packets import Malformed, Packet, options, pack
from fakes.ppp.protocols import Ipcp, Ipv6cp, Lcp

from .ppp_client import fcs, stuff

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.layers.ppp import PPP, PPP_CHAP, PPP_IPCP, PPP_LCP, PPP_PAP_Request

ACK, NAK, REJECT = 2, 3, 4


def test_the_vectors_of_the_standards() -> None:
    assert checksum(b"123456789") == 0x906E  # CRC-16/X-25, the same polynomial and conventions
    for data in (b"", b"\0", bytes(range(256)), b"\xff\x03\xc0\x21"):
        assert checksum(data) == fcs(data)  # the table of RFC 1662 appendix C
    raw = frame(0xC021, b"\x01\x01\x00\x04")
    assert raw == stuff(b"\xff\x03\xc0\x21\x01\x01\x00\x04")
    assert raw.startswith(b"~\xff\x7d\x23\xc0\x21\x7d\x21\x7d\x21\x7d\x20\x7d\x24")
    # a byte more or less must not pass, nor an aborted frame (RFC 1662 section 4.3)
    for spoilt in (raw[:-2] + b"~", raw[:-1] + b"\x7d~", raw[:5] + b"x" + raw[5:], b"~\xff~"):
        deframer = Deframer()
        assert list(deframer.feed(spoilt)) == []
        assert deframer.bad == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from((0x21, 0x57, 0xC021, 0x8021)), st.binary(min_size=1, max_size=300)
        ),
        max_size=5,
    ),
    st.integers(0, 0xFFFFFFFF),
    st.booleans(),
    st.booleans(),
    st.integers(1, 50),
)
@settings(max_examples=40, deadline=None)
def test_round_trip(
    packets: list[tuple[int, bytes]], controls: int, short: bool, bare: bool, cut: int
) -> None:
    line = b"".join(
        frame(p, d, controls=controls, short_protocol=short, short_header=bare) for p, d in packets
    )
    assert not any(controls >> byte & 1 for byte in line if byte < 32)
    deframer = Deframer()
    deframer.controls = controls
    found = []
    for at in range(0, len(line), cut):
        found += list(deframer.feed(line[at : at + cut]))
    assert found == packets
    assert deframer.bad == 0


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_garbage_in_front_costs_one_frame_at_most(noise: bytes) -> None:
    deframer = Deframer()
    good = frame(0x21, b"payload")
    found = list(deframer.feed(noise + good))
    assert found[-1:] == [(0x21, b"payload")]
    long = Deframer()
    assert list(long.feed(b"~" + b"x" * 20000 + good)) == [(0x21, b"payload")]
    assert long.bad == 1


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_packet_is_understood_or_dropped(raw: bytes) -> None:
    link = _lcp()
    link.lcp.start()
    link.lcp.receive(raw)
    assert link.lcp.state in STATES


def test_the_table_is_whole() -> None:
    """RFC 1661 section 4.1: each event in each state, but where the standard has a dash."""
    events = {event for event, _ in TABLE}
    assert len(events) == 16
    for event in events - {"up", "down", "to+", "to-"}:
        states = {state for name, state in TABLE if name == event}
        assert states >= set(STATES[2:]), event
    assert {s for e, s in TABLE if e == "to+"} == {
        "closing",
        "stopping",
        "req-sent",
        "ack-rcvd",
        "ack-sent",
    }
    assert TABLE["rcr+", "ack-rcvd"] == (("sca", "tlu"), "opened")
    assert TABLE["rtr", "opened"] == (("tld", "zrc", "sta"), "stopping")


class _Link:
    """A protocol with what it said."""

    def __init__(self, make: Callable[..., Any], *more: Any) -> None:
        self.said: list[Packet] = []
        self.lcp = make(lambda number, raw: self.said.append(Packet.parse(raw)), self._timer, *more)

    def _timer(self, seconds: float, action: Callable[[], object]) -> Any:
        self.due = action
        return self

    def cancel(self) -> None:
        pass

    def asked(self, *listed: tuple[int, bytes]) -> tuple[int, list[tuple[int, bytes]]]:
        """The answer to a Configure-Request with these options."""
        before = len(self.said)
        self.lcp.receive(bytes(Packet(1, 7, pack(listed))))
        answer = next(each for each in self.said[before:] if each.code in (ACK, NAK, REJECT))
        assert answer.identifier == 7
        return answer.code, options(answer.data)


def _lcp(**manners: Any) -> _Link:
    return _Link(Lcp, Manners(**manners), random.Random(1))


def test_what_lcp_answers_to_each_option() -> None:
    mru, accm, magic, pfc, acfc = (1, b"\x05\xdc"), (2, bytes(4)), (5, b"abcd"), (7, b""), (8, b"")
    link = _lcp()
    link.lcp.start()
    assert link.asked(mru, accm, magic, pfc, acfc) == (ACK, [mru, accm, magic, pfc, acfc])
    assert link.asked() == (ACK, [])
    assert link.asked(accm, (3, b"\xc0\x23"), pfc) == (
        REJECT,
        [(3, b"\xc0\x23")],
    )  # it has no password
    assert link.asked((4, b"\xc0\x25\0\0\0\1"), (1, b"\0\x10")) == (
        REJECT,
        [(4, b"\xc0\x25\0\0\0\1")],
    )
    assert link.asked((1, b"\0\x10")) == (NAK, [(1, b"\x05\xdc")])
    assert link.asked((7, b"x")) == (REJECT, [(7, b"x")])
    code, listed = link.asked((5, link.lcp.magic))  # one's own: a loop
    assert (code, listed[0][0]) == (NAK, 5)
    assert link.lcp.looped
    assert listed[0][1] not in (link.lcp.magic, bytes(4))
    for _ in range(5):
        code, _ = link.asked((5, bytes(4)))
    assert code == REJECT  # it does not converge (RFC 1661 section 4.6)


def test_what_lcp_makes_of_the_answers_to_its_own() -> None:
    link = _lcp(authentication="chap", mru=1000)
    link.lcp.start()

    def told(code: int, *listed: tuple[int, bytes]) -> dict[int, bytes]:
        link.lcp.receive(bytes(Packet(code, link.said[-1].identifier, pack(listed))))
        return dict(options(link.said[-1].data))

    first = dict(options(link.said[-1].data))
    assert first.keys() == {1, 2, 3, 5, 7, 8}
    assert first[3] == b"\xc2\x23\x05"
    assert told(NAK, (3, b"\xc0\x23"))[3] == b"\xc0\x23"  # PAP instead
    assert told(NAK, (2, b"\0\x0a\0\0"))[2] == b"\0\x0a\0\0"
    assert told(NAK, (5, b"same"))[5] != first[5]
    assert told(NAK, (1, b"\x03\x00"))[1] == b"\x03\x00"
    assert 7 not in told(REJECT, (7, b""))
    assert 3 in told(REJECT, (3, b"\xc0\x23"))  # that is not for the peer to say
    link.lcp.receive(bytes(Packet(ACK, 99, link.said[-1].data)))  # of another request
    link.lcp.receive(bytes(Packet(ACK, link.said[-1].identifier, b"")))  # of another text
    assert link.lcp.state == "req-sent"
    link.lcp.receive(bytes(Packet(ACK, link.said[-1].identifier, link.said[-1].data)))
    assert link.lcp.state == "ack-rcvd"
    for _ in range(12):
        link.due()
    assert link.lcp.state == "stopped"  # given up


@pytest.mark.parametrize("dns", [True, False], ids=["dns", "no-dns"])
def test_what_ipcp_and_ipv6cp_answer(dns: bool) -> None:
    link = _Link(Ipcp, Manners(faults=set() if dns else {"no-dns"}))
    link.lcp.start()
    address, first = b"\x0a\0\2\x0f", b"\x0a\0\2\3"
    assert link.asked((3, bytes(4))) == (NAK, [(3, address)])
    assert link.asked() == (NAK, [(3, address)])  # it must have one (RFC 1332 section 3.3)
    wins = (130, bytes(4))
    assert link.asked((3, address), wins) == (REJECT, [wins])
    assert link.asked((2, b"\0\x2d\x0f\1"), (3, address)) == (REJECT, [(2, b"\0\x2d\x0f\1")])
    assert link.asked((3, address), (129, bytes(4))) == (
        (NAK, [(129, first)]) if dns else (REJECT, [(129, bytes(4))])
    )
    assert link.asked((3, address)) == (ACK, [(3, address)])
    six = _Link(Ipv6cp, random.Random(1))
    six.lcp.start()
    assert six.asked((1, b"\2" + bytes(7))) == (ACK, [(1, b"\2" + bytes(7))])
    assert six.lcp.peer == b"\2" + bytes(7)
    for wrong in (bytes(8), six.lcp.own):
        code, listed = six.asked((1, wrong))
        assert code == NAK
        assert listed[0][1] not in (bytes(8), six.lcp.own)
    assert six.asked((2, b"\0\x4f")) == (REJECT, [(2, b"\0\x4f")])


def test_scapy_reads_what_the_server_says() -> None:
    """Other people's codec as an oracle."""
    link = _lcp(authentication="chap")
    link.lcp.start()
    request = PPP_LCP(bytes(link.said[-1]))
    assert request.code == 1
    assert [each.type for each in request.options] == [2, 3, 5, 7, 8]
    assert request.options[1].auth_protocol == 0xC223
    assert request.options[1].algorithm == 5
    ipcp = _Link(Ipcp, Manners())
    ipcp.lcp.start()
    ipcp.asked((3, bytes(4)), (129, bytes(4)), (131, bytes(4)))
    answer = PPP_IPCP(bytes(ipcp.said[-1]))
    assert [each.data for each in answer.options] == ["10.0.2.15", "10.0.2.3", "10.0.2.4"]
    whole = PPP(b"\xff\x03\xc0\x23" + bytes(Packet(1, 5, b"\3who\6secret")))
    asked = whole[PPP_PAP_Request]
    assert (asked.username, asked.password) == (b"who", b"secret")
    assert PPP_CHAP(bytes(Packet(4, 9, b"Access denied"))).data == b"Access denied"


def test_lengths_that_contradict_each_other() -> None:
    for raw in (b"", b"\1\1\0", b"\1\1\0\3", b"\1\1\0\x20abc"):
        with pytest.raises(Malformed):
            Packet.parse(raw)
    for raw in (b"\1", b"\1\1", b"\1\5ab"):
        with pytest.raises(Malformed):
            options(raw)
    assert Packet.parse(b"\1\2\0\5x padding") == Packet(1, 2, b"x")

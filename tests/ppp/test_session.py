"""A session from CONNECT to the end, with a well-behaved other end and with others."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atdriver.ppp import (
    AuthenticationRefused,
    CarrierLost,
    ClosedByPeer,
    Credentials,
    EchoLost,
    Ended,
    LineLooped,
    NetworkDown,
    NetworkUp,
    NoAgreement,
    PeerSilent,
    Phase,
    PppSettings,
)
from tests.ppp.peer import (
    ACK,
    CCP,
    CHAP,
    CODE_REJ,
    ECHO,
    ECHO_REPLY,
    IPCP,
    IPV6CP,
    LCP,
    NAK,
    PAP,
    PROTO_REJ,
    REJ,
    REQ,
    TERM,
    TERM_ACK,
    Said,
    option,
    options,
    packet,
    stuff,
)
from tests.ppp.rig import V4, V6, WHO, ended, pair, started, take, up

V4_ONLY = PppSettings(WHO, families=("ipv4",))


# -- coming up --------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["", "pap", "chap"])
def test_up_with_addresses_and_name_servers(login: str) -> None:
    client, _far, event = up(login=login)
    assert client.phase is Phase.NETWORK
    assert event.addresses == (IPv4Address("10.1.2.3"), IPv6Address("fe80::9"))
    assert event.peers == (IPv4Address("10.64.64.64"), IPv6Address("fe80::1"))
    assert event.dns == (IPv4Address("9.9.9.9"), IPv4Address("8.8.4.4"))
    assert event.mtu == 1500


def test_packets_of_both_families_pass_in_both_directions() -> None:
    client, far, _ = up()
    assert client.send(V4)
    assert client.send(V6)
    far.run()
    assert far.packets == [V4, V6]
    far.put(0x21, V4, accm=0)
    far.put(0x57, V6, accm=0)
    assert client.packets == [V4, V6]


def test_what_cannot_be_sent_is_counted() -> None:
    client, _, _ = up(V4_ONLY, lcp={1: (600).to_bytes(2), 5: b"abcd"})
    assert not client.send(V6)
    assert not client.send(b"")
    assert not client.send(b"\x45" + bytes(600))
    assert client.send(b"\x45" + bytes(599))
    assert client.counters.dropped == 3


def test_fields_are_compressed_only_when_the_other_end_says_it_can() -> None:
    client, _, _ = up()
    client.send(V4)
    assert b"\xff\x03\x00\x21" in client.writes[-1].replace(b"} ", b"\x00").replace(b"}#", b"\x03")
    client, _, _ = up(lcp={2: bytes(4), 5: b"abcd", 7: b"", 8: b""})
    client.send(V4)
    assert client.writes[-1].startswith(b"~\x21\x45")


def test_compressed_fields_are_read() -> None:
    client, _far, _ = up()
    client.feed(stuff(b"\x21" + V4, 0) + stuff(b"\x00\x21" + V4) + stuff(b"\xff\x03\x21" + V4), 5)
    assert client.packets == [V4] * 3


def test_what_comes_in_the_same_read_as_the_last_ack_counts() -> None:
    """The end of a negotiation, and frames of the new form behind it, in one piece."""
    client, far = pair(V4_ONLY)
    held: list[bytes] = []
    feed = client.feed
    far.client = type(
        "Held",
        (),
        {
            "feed": lambda _, line, now: held.append(line),
            "writes": property(lambda _: client.writes),
        },
    )()
    client.start(0.0)
    for _ in range(12):
        far.run()
        line, held[:] = b"".join(held), []
        feed(line, 0.0)
    assert isinstance(take(client), NetworkUp)


def test_a_first_request_that_was_lost_is_repeated() -> None:
    client, far = pair()
    client.start(0.0)
    client.writes.clear()  # the module had not switched yet
    far.wait(2.9)
    assert far.heard == []
    far.wait(3.2)
    assert isinstance(take(client), NetworkUp)


def test_every_first_frame_of_both_ends_may_be_lost() -> None:
    """Each frame is lost the first time that its protocol and code come."""
    client, far = pair()
    seen: set[tuple[int, int]] = set()

    def lossy(said: Said) -> bytes | None:
        known = (said.protocol, said.code) in seen
        seen.add((said.protocol, said.code))
        return None if known else b""

    far.hook = lossy
    far.login = "pap"
    client.start(0.0)
    far.run()
    far.wait(12)
    far.request(LCP, far.lcp | {3: b"\xc0\x23"})  # the restart timer of the other end
    far.run()
    far.wait(30)
    assert any(isinstance(event, NetworkUp) for event in client.events)


def test_the_line_before_the_first_frame_may_hold_words() -> None:
    client, far = pair()
    client.start(0.0)
    client.feed(b"\r\nCONNECT 150000000\r\n", 0.0)
    far.run()
    far.wait(3)
    assert isinstance(take(client), NetworkUp)


def test_a_peer_without_ipv6_holds_nothing_up() -> None:
    client, _far = started(unknown={IPV6CP})
    event = take(client)
    assert isinstance(event, NetworkUp)
    assert event.addresses == (IPv4Address("10.1.2.3"),)


def test_a_peer_that_never_answers_ipv6cp_is_waited_for_a_moment() -> None:
    client, far = pair()
    far.hook = lambda said: b"" if said.protocol == IPV6CP else None
    client.start(0.0)
    far.run()
    assert client.events == []
    far.wait(4.0)
    event = take(client)
    assert isinstance(event, NetworkUp)
    far.wait(60)  # IPv6CP gives up; the rest stays
    assert client.events == []
    assert client.phase is Phase.NETWORK


def test_ipv6_waits_for_ipv4_until_that_is_decided() -> None:
    client, far = pair()
    late: list[Said] = []

    def slow(said: Said) -> bytes | None:
        if said.protocol == IPCP and len(late) < 5:
            late.append(said)
            return b""
        return None

    far.hook = slow
    client.start(0.0)
    far.run()
    far.wait(9)
    assert client.events == []
    far.wait(9)
    event = take(client)
    assert isinstance(event, NetworkUp)
    assert len(event.addresses) == 2
    client, far = pair()
    far.hook = lambda said: b"" if said.protocol == IPCP else None
    client.start(0.0)
    far.run()
    far.wait(31)
    event = take(client)
    assert isinstance(event, NetworkUp)
    assert event.addresses == (IPv6Address("fe80::9"),)


# -- options ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [2, 5, 7, 8], ids=["accm", "magic", "pfc", "acfc"])
def test_each_lcp_option_may_be_rejected(kind: int) -> None:
    client, far, _ = up(reject={LCP: {kind}})
    requests = [s for s in far.heard if s.protocol == LCP and s.code == REQ]
    assert kind in options(requests[0].data)
    assert kind not in options(requests[-1].data)
    far.put(0x21, V4)
    assert client.packets == [V4]


@pytest.mark.parametrize("kinds", [{129}, {131}, {129, 131}], ids=["dns1", "dns2", "both"])
def test_name_servers_may_be_rejected(kinds: set[int]) -> None:
    _, _, event = up(reject={IPCP: kinds})
    given_ = {129: IPv4Address("9.9.9.9"), 131: IPv4Address("8.8.4.4")}
    assert event.dns == tuple(value for kind, value in given_.items() if kind not in kinds)


def test_all_options_may_be_rejected_but_the_address() -> None:
    _, _, event = up(V4_ONLY, reject={LCP: {2, 5, 7, 8}, IPCP: {129, 131}})
    assert event.addresses == (IPv4Address("10.1.2.3"),)
    client, far = started(V4_ONLY, reject={IPCP: {3}})
    far.wait(20)
    error = ended(client)
    assert isinstance(error, NoAgreement)
    assert "address" in str(error)


def test_advice_to_each_lcp_option() -> None:
    """ACCM: more characters escaped; magic: another one; MRU: taken over; the others are left."""
    client, far = pair()
    advice = option(1, (1000).to_bytes(2)) + option(2, b"\x00\x0a\x00\x00") + option(5, b"xxxx")
    advised: list[Said] = []

    def once(said: Said) -> bytes | None:
        if said.protocol == LCP and said.code == REQ:
            advised.append(said)
            if len(advised) == 1:
                return packet(NAK, said.identifier, advice + option(7) + option(99, b"?"))
        return None

    far.hook = once
    client.start(0.0)
    far.run()
    first, second, *_ = (options(said.data) for said in advised)
    assert second[1] == (1000).to_bytes(2)
    assert second[2] == b"\x00\x0a\x00\x00"
    assert second[5] != first[5]
    assert set(second) == {1, 2, 5, 8}
    assert client.lcp.receives == 0xA0000


@pytest.mark.parametrize(
    ("kind", "value", "code", "answer"),
    [
        (1, (64).to_bytes(2), NAK, (1500).to_bytes(2)),
        (1, b"\x05", REJ, b"\x05"),
        (3, b"\xc2\x23\x80", NAK, b"\xc2\x23\x05"),
        (3, b"\xc2\x27", NAK, b"\xc2\x23\x05"),
        (4, b"\xc0\x25\x00\x00\x00\x00", REJ, b"\xc0\x25\x00\x00\x00\x00"),
        (13, b"\x06", REJ, b"\x06"),
        (17, b"\x05\xdc", REJ, b"\x05\xdc"),
        (7, b"x", REJ, b"x"),
    ],
    ids=["mru", "mru-short", "mschap", "eap", "quality", "callback", "mrru", "pfc-long"],
)
def test_what_is_answered_to_an_lcp_option(
    kind: int, value: bytes, code: int, answer: bytes
) -> None:
    client, far = pair()
    client.start(0.0)
    far.request(LCP, {2: bytes(4), kind: value})
    far.run()
    said = next(s for s in far.heard if s.protocol == LCP and s.code in (ACK, NAK, REJ))
    assert said.code == code
    assert options(said.data) == {kind: answer}


def test_a_magic_number_of_zero_is_advised_another() -> None:
    client, far = pair()
    client.start(0.0)
    far.request(LCP, {5: bytes(4)})
    far.run()
    said = next(s for s in far.heard if s.code == NAK)
    assert options(said.data)[5] != bytes(4)


def test_an_option_that_stays_wrong_is_rejected_in_the_end() -> None:
    client, far = pair()
    client.start(0.0)
    for _ in range(6):
        far.request(LCP, {1: (64).to_bytes(2)})
    far.run()
    answers = [s.code for s in far.heard if s.code in (NAK, REJ)]
    assert answers == [NAK] * 5 + [REJ]


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ({2: b"\x00\x2d\x0f\x01", 3: bytes((10, 0, 0, 1))}, {2}),
        ({3: bytes(4)}, {3}),
        ({129: bytes(4)}, {129}),
        ({1: bytes(8)}, {1}),
    ],
    ids=["vj", "no-address", "dns", "old-addresses"],
)
def test_ipcp_options_of_the_other_end_that_are_refused(
    asked: dict[int, bytes], refused: set[int]
) -> None:
    _client, far, _ = up(V4_ONLY)
    far.heard.clear()
    far.request(IPCP, asked)
    far.run()
    said = next(s for s in far.heard if s.code == REJ)
    assert set(options(said.data)) == refused


def test_ipv6cp_identifiers() -> None:
    _client, far, _ = up()
    for value, code in ((bytes(8), REJ), (far.identifier, NAK), (b"abcdefgh", ACK)):
        far.heard.clear()
        far.request(IPV6CP, {1: value})
        far.run()
        assert any(s.protocol == IPV6CP and s.code == code for s in far.heard), value


@pytest.mark.parametrize("protocol", [CCP, 0x80FB, 0x8053], ids=["ccp", "ccp-link", "ecp"])
def test_other_protocols_are_rejected(protocol: int) -> None:
    client, far, _ = up()
    far.say(protocol, REQ, option(18, bytes(4)))
    far.run()
    said = next(s for s in far.heard if s.code == PROTO_REJ)
    assert said.data[:2] == protocol.to_bytes(2)
    assert client.counters.rejected == {protocol: 1}
    assert client.events == []


def test_advice_without_end_is_no_agreement() -> None:
    client, far = pair()

    def never(said: Said) -> bytes | None:
        if said.protocol == LCP and said.code == REQ:
            return packet(NAK, said.identifier, option(5, b"none"))
        return None

    far.hook = never
    client.start(0.0)
    far.run()
    assert isinstance(ended(client), NoAgreement)


# -- logging in -------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["pap", "chap"])
def test_a_wrong_password_is_refused_by_name(login: str) -> None:
    client, far = started(PppSettings(Credentials("me", "hush-hush")), login=login)
    far.wait(10)
    error = ended(client)
    assert isinstance(error, AuthenticationRefused)
    assert isinstance(error, PermissionError)
    assert error.said in ("no", "so it is")
    assert "hush-hush" not in str(error) + repr(client) + repr(client.settings) + repr(vars(error))
    assert not any(s.protocol in (IPCP, IPV6CP) for s in far.heard)


def test_the_password_is_never_on_the_line_with_chap() -> None:
    client, far = pair(PppSettings(WHO, logins=("chap",)), login="pap")
    client.start(0.0)
    far.run()
    assert not any(s.protocol == PAP for s in far.heard)
    nak = next(s for s in far.heard if s.protocol == LCP and s.code == NAK)
    assert options(nak.data) == {3: b"\xc2\x23\x05"}


def test_no_login_allowed_rejects_the_option() -> None:
    _client, far = started(PppSettings(WHO, logins=()), login="pap")
    assert any(s.code == REJ and 3 in options(s.data) for s in far.heard)


def test_chap_is_answered_again_later() -> None:
    client, far, _ = up(login="chap")
    far.heard.clear()
    far.say(CHAP, 1, bytes((10,)) + b"challenge!" + b"server")
    far.run()
    assert [s.code for s in far.heard if s.protocol == CHAP] == [2]
    assert client.events == []
    far.say(CHAP, 4, b"enough", far.heard[-1].identifier)
    far.run()
    assert isinstance(client.events[0], NetworkDown)
    assert isinstance(ended(client), AuthenticationRefused)


@pytest.mark.parametrize("login", ["pap", "chap"])
def test_nobody_decides_about_the_login(login: str) -> None:
    client, far = pair(login=login)
    far.hook = lambda said: b"" if said.protocol in (PAP, CHAP) else None
    client.start(0.0)
    far.run()
    far.wait(60)
    error = ended(client)
    assert isinstance(error, PeerSilent)
    assert error.protocol == login.upper()


def test_network_packets_before_the_login_are_dropped() -> None:
    client, far = pair(login="pap")
    far.hook = lambda said: b"" if said.protocol == PAP else None
    client.start(0.0)
    far.run()
    far.put(0x21, V4)
    far.request(IPCP, {3: far.own})
    far.run()
    assert client.packets == []
    assert not any(s.protocol == IPCP for s in far.heard)


# -- the end ----------------------------------------------------------------------------------------


def test_a_silent_peer_after_ten_requests() -> None:
    client, far = pair(deaf=True)
    client.start(0.0)
    far.run()
    far.wait(29.9)
    assert client.events == []
    far.wait(0.2)
    error = ended(client)
    assert isinstance(error, PeerSilent)
    assert isinstance(error, TimeoutError)
    assert error.requests == 10
    assert len(far.heard) == 10


def test_goodbye_from_this_side() -> None:
    client, far, _ = up()
    client.close(far.now)
    assert client.phase is Phase.TERMINATE
    far.run()
    assert client.events[:-1] == [NetworkDown(None)]
    assert ended(client) is None
    assert far.heard[-1].code == TERM


def test_goodbye_that_nobody_answers() -> None:
    client, far, _ = up()
    far.deaf = True
    client.close(far.now)
    far.run()
    far.wait(6.1)
    assert ended(client) is None
    assert [s.code for s in far.heard if s.code == TERM] == [TERM] * 2


def test_goodbye_from_the_other_side() -> None:
    client, far, _ = up()
    far.say(LCP, TERM, b"Peer not\x1b[31m responding", 77)
    far.run()
    assert (far.heard[-1].code, far.heard[-1].identifier) == (TERM_ACK, 77)
    down = take(client)
    assert isinstance(down, NetworkDown)
    assert isinstance(down.error, ClosedByPeer)
    assert down.error.said == "Peer not.[31m responding"
    assert not client.send(V4)
    far.wait(3.1)
    assert ended(client) is down.error


def test_a_late_goodbye_of_the_session_before_does_not_end_the_new_one() -> None:
    client, far = pair()
    client.start(0.0)
    far.say(LCP, TERM, b"", 200)
    far.run()
    far.wait(3)
    assert isinstance(take(client), NetworkUp)


def test_goodbye_of_the_only_family() -> None:
    client, far, _ = up(V4_ONLY)
    far.say(IPCP, TERM, b"no more")
    far.run()
    down, end = client.events
    assert isinstance(down, NetworkDown)
    assert isinstance(end, Ended)
    assert isinstance(end.error, ClosedByPeer)
    assert end.error.protocol == "IPCP"


def test_the_carrier_goes() -> None:
    client, far, _ = up()
    client.lost(far.now, CarrierLost("NO CARRIER"))
    assert isinstance(client.events[0], NetworkDown)
    assert isinstance(ended(client), CarrierLost)
    far.put(0x21, V4)
    assert client.packets == []
    assert not client.send(V4)


def test_one_client_many_sessions() -> None:
    client, far, _ = up(V4_ONLY)
    client.lost(far.now)
    client.events.clear()
    again = type(far)(client)
    client.start(far.now)
    again.now = far.now
    again.run()
    assert isinstance(take(client), NetworkUp)


def test_echo_is_answered() -> None:
    client, far, _ = up()
    far.say(LCP, ECHO, far.lcp[5] + b"how are you", 9)
    far.run()
    said = far.heard[-1]
    assert (said.code, said.identifier) == (ECHO_REPLY, 9)
    assert said.data == client.lcp.magic + b"how are you"


def test_echoes_without_an_answer_end_it() -> None:
    client, far, _ = up()
    far.wait(100)
    assert client.events == []
    far.echoes = False
    far.wait(29)
    assert client.events == []
    far.wait(12)
    assert isinstance(client.events[0], NetworkDown)
    far.wait(10)
    error = ended(client)
    assert isinstance(error, EchoLost)
    assert error.missed == 3


def test_traffic_keeps_it_alive_without_echoes() -> None:
    client, far, _ = up(echoes=False)
    for _ in range(20):
        far.put(0x21, V4)
        far.wait(9)
    assert client.events == []
    assert not any(s.code == ECHO for s in far.heard)


@pytest.mark.parametrize("quiet", ["setting", "rejected"])
def test_a_peer_without_echo(quiet: str) -> None:
    client, far = pair(PppSettings(WHO, echo_failures=0 if quiet == "setting" else 3))
    far.hook = lambda said: (
        packet(CODE_REJ, 1, packet(ECHO, said.identifier)) if said.code == ECHO else None
    )
    client.start(0.0)
    far.run()
    far.wait(200)
    assert isinstance(take(client), NetworkUp)
    assert sum(s.code == ECHO for s in far.heard) == (quiet == "rejected")


def test_a_looped_line() -> None:
    client, _ = pair()
    client.start(0.0)
    for _ in range(20):
        line = b"".join(client.writes)
        client.writes.clear()
        client.feed(line, 0.0)
    error = ended(client)
    assert isinstance(error, LineLooped)
    assert "echoes" in str(error)


def test_a_line_that_is_looped_later() -> None:
    client, far, _ = up()
    for _ in range(6):
        client.tick(client.next_deadline() or 0)
        line = b"".join(client.writes)
        client.writes.clear()
        client.feed(line, far.now)
    assert isinstance(client.events[0], NetworkDown)
    assert isinstance(client.events[0].error, LineLooped)


def test_negotiation_anew_takes_the_network_down_and_up() -> None:
    client, far, _ = up()
    far._asked.clear()
    far.request(LCP, far.lcp)
    far.run()
    far.wait(3)
    assert [type(event) for event in client.events] == [NetworkDown, NetworkUp]
    assert client.events[0] == NetworkDown(None)


@pytest.mark.parametrize("code", [1, 5])
def test_a_peer_that_does_not_know_a_needed_code(code: int) -> None:
    client, far = pair()
    client.start(0.0)
    far.say(LCP, CODE_REJ, packet(code, 1))
    far.run()
    assert isinstance(ended(client), NoAgreement)


def test_an_unknown_code_is_rejected() -> None:
    _client, far, _ = up()
    far.say(LCP, 99, b"?" * 300, 5)
    far.run()
    said = far.heard[-1]
    assert said.code == CODE_REJ
    assert said.data.startswith(bytes((99, 5)))
    assert len(said.data) <= 124


def test_answers_to_no_question_are_ignored() -> None:
    client, far = pair()
    client.start(0.0)
    ours = client.lcp._sent
    for code, identifier, data in (
        (ACK, ours.identifier + 1, ours.data),
        (ACK, ours.identifier, ours.data[:-2]),
        (REJ, ours.identifier, option(1, b"\x05\xdc")),
        (NAK, ours.identifier, b"\x05\x01"),
        (NAK, ours.identifier, b""),
    ):
        far.say(LCP, code, data, identifier)
    assert client.lcp.wanted.keys() == {2, 5, 7, 8}
    assert client.lcp.state == 6
    assert len(client.writes) == 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_packet_raises_in_any_phase(data: st.DataObject) -> None:
    """Right frames around anything, at any time; and time goes on."""
    client, far = pair(login=data.draw(st.sampled_from(["", "pap", "chap"])))
    client.start(0.0)
    protocols = st.sampled_from([LCP, IPCP, IPV6CP, PAP, CHAP, CCP, 0x21, 0x57]) | st.integers(
        0, 0xFFFF
    )
    whole = st.builds(packet, st.integers(0, 13), st.integers(0, 5), st.binary(max_size=30))
    for _ in range(data.draw(st.integers(1, 25))):
        match data.draw(st.integers(0, 4)):
            case 0:
                far.run()
            case 1:
                far.wait(data.draw(st.floats(0, 20)))
            case 2:
                client.feed(data.draw(st.binary(max_size=60)), far.now)
            case _:
                far.put(data.draw(protocols), data.draw(whole | st.binary(max_size=12)))
    client.close(far.now)
    far.wait(100)
    assert client.dead
    assert client.next_deadline() is None

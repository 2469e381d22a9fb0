"""Scapy's PPP layers as an oracle, in both directions: what is sent is what they dissect, and what
they build is read as they meant it."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.ppp import (
    HDLC,
    PPP,
    PPP_CHAP,
    PPP_IPCP,
    PPP_LCP,
    PPP_CHAP_ChallengeResponse,
    PPP_IPCP_Option_DNS1,
    PPP_IPCP_Option_DNS2,
    PPP_IPCP_Option_IPAddress,
    PPP_LCP_ACCM_Option,
    PPP_LCP_Auth_Protocol_Option,
    PPP_LCP_Configure,
    PPP_LCP_Echo,
    PPP_LCP_Magic_Number_Option,
    PPP_LCP_MRU_Option,
    PPP_LCP_Option,
    PPP_LCP_Protocol_Reject,
    PPP_LCP_Terminate,
    PPP_PAP_Request,
    PPP_PAP_Response,
)

from atdriver.ppp import AuthenticationRefused, NetworkUp
from atdriver.ppp.packets import decode_options, decode_packet, unwrap
from tests.ppp.peer import Far, Said, stuff, unstuff
from tests.ppp.rig import ended, pair, started, take


def frames(line: bytes) -> list[PPP]:
    return [PPP(content[2:]) for content in unstuff(line)]


def put(far: Far, layer: object, protocol: int) -> None:
    content = bytes(HDLC() / PPP(proto=protocol) / layer)
    far.client.feed(stuff(content), far.now)


def test_our_first_request() -> None:
    client, _ = pair()
    client.start(0.0)
    (frame,) = frames(client.writes[0])
    assert frame.proto == 0xC021
    request = frame[PPP_LCP_Configure]
    assert request.code == 1
    kinds = {each.type: each for each in request.options}
    assert set(kinds) == {2, 5, 7, 8}
    assert kinds[2].accm == 0
    assert kinds[5].magic_number == int.from_bytes(client.lcp.magic)
    assert bytes(request) == bytes(frame.payload)


def test_all_we_say_in_a_session_is_dissected_without_a_rest() -> None:
    for login in ("pap", "chap"):
        client, far = pair(login=login)
        lines: list[bytes] = []
        hear = far.hear
        far.hear = lambda content: (lines.append(content), hear(content))[1]  # type: ignore[method-assign]
        client.start(0.0)
        far.run()
        far.wait(25)
        client.close(far.now)
        far.run()
        seen = set()
        for content in lines:
            protocol, payload = unwrap(content) or (0, b"")
            if protocol == 0x8057:
                continue  # scapy has no layer for it
            layer = PPP(protocol.to_bytes(2) + payload)
            assert "Raw" not in layer, layer.show(dump=True)
            assert "Padding" not in layer, layer.show(dump=True)
            seen.add(type(layer.payload).__name__)
        wanted = {"PPP_LCP_Configure", "PPP_LCP_Echo", "PPP_LCP_Terminate", "PPP_IPCP"}
        assert wanted <= seen, seen
        assert seen & {"PPP_PAP_Request", "PPP_CHAP_ChallengeResponse"}, seen


def test_a_session_with_scapy_as_the_server() -> None:
    client, far = pair()
    seen: list[Said] = []

    def server(said: Said) -> bytes | None:
        seen.append(said)
        if said.protocol == 0xC021 and said.code == 1:
            asked = decode_options(said.data) or []
            put(
                far,
                PPP_LCP_Configure(
                    bytes([2, said.identifier]) + (len(said.data) + 4).to_bytes(2) + said.data
                ),
                0xC021,
            )
            assert asked
            options = [
                PPP_LCP_MRU_Option(max_recv_unit=1400),
                PPP_LCP_ACCM_Option(accm=0),
                PPP_LCP_Auth_Protocol_Option(auth_protocol=0xC223, algorithm=5),
                PPP_LCP_Magic_Number_Option(magic_number=0x01020304),
                PPP_LCP_Option(type=7),
            ]
            put(far, PPP_LCP_Configure(code=1, id=7, options=options), 0xC021)
        elif said.protocol == 0xC021 and said.code == 2:
            challenge = PPP_CHAP_ChallengeResponse(
                code=1, id=3, value=b"0123456789abcdef", optional_name=b"there"
            )
            put(far, challenge, 0xC223)
        elif said.protocol == 0xC223:
            answer = PPP_CHAP_ChallengeResponse(
                bytes((said.code, said.identifier)) + (len(said.data) + 4).to_bytes(2) + said.data
            )
            right = hashlib.md5(b"\x03pass0123456789abcdef").digest()
            assert (answer.value, answer.optional_name) == (right, b"me")
            put(far, PPP_CHAP(code=3, id=3, data=b"welcome"), 0xC223)
        elif said.protocol == 0x8021 and said.code == 1:
            ipcp = PPP_IPCP(
                bytes((1, said.identifier)) + (len(said.data) + 4).to_bytes(2) + said.data
            )
            kinds = [type(each) for each in ipcp.options]
            assert kinds == [PPP_IPCP_Option_IPAddress, PPP_IPCP_Option_DNS1, PPP_IPCP_Option_DNS2]
            if ipcp.options[0].data == "0.0.0.0":
                put(
                    far,
                    PPP_IPCP(code=1, id=1, options=[PPP_IPCP_Option_IPAddress(data="10.9.8.7")]),
                    0x8021,
                )
                advice = [
                    PPP_IPCP_Option_IPAddress(data="10.1.1.1"),
                    PPP_IPCP_Option_DNS1(data="1.1.1.1"),
                    PPP_IPCP_Option_DNS2(data="1.0.0.1"),
                ]
                put(far, PPP_IPCP(code=3, id=said.identifier, options=advice), 0x8021)
            else:
                put(far, PPP_IPCP(code=2, id=said.identifier, options=ipcp.options), 0x8021)
        elif said.protocol == 0x8057 and said.code == 1:
            put(far, PPP_LCP_Protocol_Reject(code=8, id=1, rejected_protocol=0x8057), 0xC021)
        return b""

    far.hook = server
    client.start(0.0)
    far.run()
    event = take(client)
    assert isinstance(event, NetworkUp)
    assert [str(each) for each in (*event.addresses, *event.peers, *event.dns)] == [
        "10.1.1.1",
        "10.9.8.7",
        "1.1.1.1",
        "1.0.0.1",
    ]
    assert event.mtu == 1400
    put(far, PPP_LCP_Echo(code=9, id=5, magic_number=0x01020304, data=b"x"), 0xC021)
    echoed = PPP_LCP_Echo(unstuff(b"".join(client.writes))[0][4:])
    client.writes.clear()
    assert (echoed.code, echoed.id, echoed.data) == (10, 5, b"x")
    assert echoed.magic_number == int.from_bytes(client.lcp.magic)
    put(far, PPP_LCP_Terminate(code=5, id=6, data=b"bye"), 0xC021)
    assert PPP_LCP_Terminate(unstuff(client.writes[0])[0][4:]).code == 6


def test_pap_as_scapy_reads_and_refuses_it() -> None:
    client, far = pair(login="pap")
    requests: list[PPP_PAP_Request] = []

    def server(said: Said) -> bytes | None:
        if said.protocol != 0xC023:
            return None
        raw = bytes((said.code, said.identifier)) + (len(said.data) + 4).to_bytes(2) + said.data
        requests.append(PPP_PAP_Request(raw))
        put(far, PPP_PAP_Response(code=3, id=said.identifier, message=b"go away"), 0xC023)
        return b""

    far.hook = server
    client.start(0.0)
    far.run()
    assert (requests[0].username, requests[0].password) == (b"me", b"pass")
    error = ended(client)
    assert isinstance(error, AuthenticationRefused)
    assert error.said == "go away"


OPTIONS = st.lists(
    st.builds(lambda n: PPP_LCP_MRU_Option(max_recv_unit=n), st.integers(0, 0xFFFF))
    | st.builds(lambda n: PPP_LCP_ACCM_Option(accm=n), st.integers(0, 0xFFFFFFFF))
    | st.builds(lambda n: PPP_LCP_Magic_Number_Option(magic_number=n), st.integers(0, 0xFFFFFFFF))
    | st.builds(lambda t: PPP_LCP_Option(type=t), st.sampled_from([7, 8, 200])),
    max_size=6,
)


@given(st.integers(1, 4), st.integers(0, 255), OPTIONS, st.binary(max_size=5))
def test_what_scapy_builds_is_read_as_meant(
    code: int, identifier: int, options: list[PPP_LCP_Option], padding: bytes
) -> None:
    built = bytes(PPP_LCP_Configure(code=code, id=identifier, options=options))
    packet = decode_packet(built + padding)
    assert packet is not None
    assert (packet.code, packet.identifier, packet.encode()) == (code, identifier, built)
    found = decode_options(packet.data)
    assert found is not None
    assert [each.encode() for each in found] == [bytes(each) for each in options]


@pytest.mark.parametrize("layer", [PPP_LCP, PPP_IPCP], ids=["lcp", "ipcp"])
def test_our_answers_end_where_scapy_ends_them(layer: type) -> None:
    client, far = started()
    del client
    for said in far.heard:
        raw = bytes((said.code, said.identifier)) + (len(said.data) + 4).to_bytes(2) + said.data
        if said.protocol == (0xC021 if layer is PPP_LCP else 0x8021):
            assert bytes(layer(raw)) == raw

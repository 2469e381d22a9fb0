"""Packets that an attacker, or a broken radio, might send to an IP stack; the same for each seed.

From pure noise to packets whose checksums are right and whose contents are not.
"""

from __future__ import annotations

import random
import socket
import struct

from netsocket.ip.pair import HERE, HERE_6, THERE, THERE_6

PORTS = (7, 80, 5000, 0, 65_535)
LENGTHS = (0, 1, 19, 20, 21, 40, 41, 60, 100, 576, 1500, 9000, 65_535)


def hostile(seed: int) -> bytes:
    """One packet."""
    dice = random.Random(seed)
    kind = dice.choice(
        (noise, broken_4, broken_6, tcp, tcp, udp, icmp_6, icmp_6, extended, fragment)
    )
    return kind(dice)


def checksum(data: bytes) -> bytes:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", 0xFFFF - total)


def ip_4(dice: random.Random, protocol: int, payload: bytes, offset: int = 0) -> bytes:
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), dice.randrange(4), offset, 64,
                       protocol, 0, socket.inet_aton(THERE), socket.inet_aton(HERE))  # fmt: skip
    return head[:10] + checksum(head) + head[12:] + payload


def ip_6(protocol: int, payload: bytes, target: str = HERE_6) -> bytes:
    return (struct.pack("!IHBB", 6 << 28, len(payload) & 0xFFFF, protocol, 255) + SIX[THERE_6]
            + socket.inet_pton(socket.AF_INET6, target) + payload)  # fmt: skip


SIX = {each: socket.inet_pton(socket.AF_INET6, each) for each in (HERE_6, THERE_6)}
FOUR = socket.inet_aton(THERE) + socket.inet_aton(HERE)


def summed_4(protocol: int, segment: bytes, at: int) -> bytes:
    """With the checksum of TCP or UDP at `at`."""
    pseudo = FOUR + struct.pack("!BBH", 0, protocol, len(segment))
    return segment[:at] + checksum(pseudo + segment) + segment[at + 2 :]


def summed_6(protocol: int, segment: bytes, at: int, target: str = HERE_6) -> bytes:
    pseudo = SIX[THERE_6] + socket.inet_pton(socket.AF_INET6, target)
    pseudo += struct.pack("!IHBB", len(segment), 0, 0, protocol)
    return segment[:at] + checksum(pseudo + segment) + segment[at + 2 :]


def noise(dice: random.Random) -> bytes:
    data = bytearray(dice.randbytes(dice.choice(LENGTHS)))
    if data and dice.random() < 0.5:
        data[0] = dice.choice((0x45, 0x60, 0x4F, 0x50, 0x00))
    return bytes(data)


def broken_4(dice: random.Random) -> bytes:
    """A header that lies about lengths, options and fragments, with the right checksum."""
    length = max(20, dice.choice(LENGTHS))
    data = bytearray(dice.randbytes(length))
    ihl = dice.choice((5, 5, 5, 6, 15, 0))
    total = dice.choice((length, length, length + 100, 20, 0)) & 0xFFFF
    offset = dice.choice((0, 0, 0x2000, 0x2001, 0x1FFF, 0x3FFF))
    protocol = dice.choice((1, 2, 6, 17, 136, 255))
    data[:20] = struct.pack("!BBHHHBBH4s4s", 0x40 | ihl, 0, total, dice.randrange(8), offset, 64,
                            protocol, 0, socket.inet_aton(THERE), socket.inet_aton(HERE))  # fmt: skip
    data[10:12] = checksum(bytes(data[:20]))
    return bytes(data)


def broken_6(dice: random.Random) -> bytes:
    length = max(0, dice.choice(LENGTHS) - 40)
    following = dice.choice((0, 6, 17, 43, 44, 50, 58, 59, 60, 135, 136))
    packet = bytearray(ip_6(following, dice.randbytes(length)))
    packet[4:6] = struct.pack("!H", dice.choice((length, 0, 1, 65_535)) & 0xFFFF)
    return bytes(packet)


def tcp(dice: random.Random) -> bytes:
    """A segment that is right but for what it says: any flags, options, data offset, window."""
    options = dice.choice((b"", b"\x02\x04\x00\x00", b"\x02\x04\xff\xff", b"\x03\x03\xff\x00",
                           b"\x05\x0a" + dice.randbytes(8) + b"\x00\x00", dice.randbytes(40),
                           b"\x02\x00\x00\x00", b"\xfe\xff\x01\x01"))  # fmt: skip
    offset = dice.choice((5 + len(options) // 4,) * 5 + (0, 4, 15))
    flags = dice.choice((0x02, 0x12, 0x10, 0x18, 0x04, 0x14, 0x01, 0x11, 0x29, 0x3F, 0, 0xFF))
    head = struct.pack("!HHIIBBHHH", dice.choice((1024, 1025, dice.randrange(65_536))),
                       dice.choice(PORTS), dice.getrandbits(32), dice.getrandbits(32),
                       offset << 4, flags, dice.choice((0, 1, 65_535)), 0, dice.choice((0, 9)))  # fmt: skip
    segment = head + options + dice.randbytes(dice.choice((0, 0, 1, 100, 1400)))
    if dice.random() < 0.5:
        return ip_4(dice, 6, summed_4(6, segment, 16))
    return ip_6(6, summed_6(6, segment, 16))


def udp(dice: random.Random) -> bytes:
    body = dice.randbytes(dice.choice((0, 1, 8, 500, 1400)))
    length = dice.choice((8 + len(body),) * 3 + (0, 7, 65_535, 9))
    protocol = dice.choice((17, 17, 136))
    segment = struct.pack("!HHHH", dice.choice((53, 9)), dice.choice(PORTS), length, 0) + body
    if dice.random() < 0.5:
        return ip_4(dice, protocol, summed_4(protocol, segment, 6))
    return ip_6(protocol, summed_6(protocol, segment, 6))


def icmp_6(dice: random.Random) -> bytes:
    """Neighbours, routers, redirects, groups, errors: with options of any length, 0 included."""
    type_ = dice.choice((1, 2, 3, 4, 128, 130, 131, 132, 133, 134, 134, 135, 136, 137))
    fixed = {134: 12, 135: 20, 136: 20, 137: 36}.get(type_, 4)
    body = bytearray(dice.randbytes(fixed))
    if type_ in (135, 136) and dice.random() < 0.7:
        body[4:20] = SIX[dice.choice((HERE_6, THERE_6))]
    for _ in range(dice.randrange(4)):
        size = dice.choice((1, 1, 4, 4, 3, 0, 255))
        option = bytes((dice.choice((1, 2, 3, 4, 5, 25, 31, 200)), size))
        body += option + dice.randbytes(max(0, 8 * min(size, 8) - 2))
    target = dice.choice((HERE_6, HERE_6, "ff02::1", "ff02::1:ff00:2"))
    message = bytes((type_, 0, 0, 0)) + bytes(body[: dice.choice((len(body), len(body) // 2))])
    return ip_6(58, summed_6(58, message, 2, target), target)


def extended(dice: random.Random) -> bytes:
    """A row of IPv6 extension headers, each of which may lie about its length."""
    payload = summed_6(17, struct.pack("!HHHH", 53, 5000, 8, 0), 6)
    following = 17
    for _ in range(dice.randrange(1, 6)):
        kind = dice.choice((0, 43, 44, 60))
        size = dice.choice((0, 0, 1, 2, 255))
        body = dice.choice((bytes(6), dice.randbytes(6), b"\x01\x04\0\0\0\0", b"\xc2\x04\0\0\0\0"))
        payload = bytes((following, size)) + body + bytes(8 * min(size, 2)) + payload
        following = kind
    return ip_6(following, payload)


def fragment(dice: random.Random) -> bytes:
    """Pieces of a few datagrams that overlap, repeat, end twice, or go beyond 64 KiB."""
    body = dice.randbytes(dice.choice((8, 8, 16, 1480, 24, 7)))
    more, offset = dice.choice((0x2000, 0x2000, 0)), dice.choice((0, 0, 1, 2, 3, 185, 8190))
    if dice.random() < 0.5:
        return ip_4(dice, dice.choice((17, 6, 1)), body, more | offset)
    head = struct.pack("!BBHI", dice.choice((17, 6, 58)), 0, offset << 3 | (more != 0),
                       dice.randrange(4))  # fmt: skip
    return ip_6(44, head + body)

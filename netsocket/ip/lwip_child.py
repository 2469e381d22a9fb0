"""The process in which lwIP runs: orders from the parent on one descriptor, packets on another.

lwIP's state is global, so that a process holds one stack; it is started fresh, never forked from a
program with threads. This file is run as a script and imports nothing of this package. The
parent imports it for what both must know:

A frame is `HEAD` (length of all behind the length, serial, op, number) and a payload. An order
carries an `Op` and a socket; its answer repeats the serial, with `number` what the call returned,
or minus an errno. Serial 0 is a notice: something about socket `number` may be different. Every
call is made at once and without blocking; only CONNECT, and CLOSE with a linger time, answer later.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import json
import os
import select
import socket
import struct
import sys
import time
from enum import IntEnum
from typing import Any, Final

HEAD: Final = struct.Struct("<IIBi")
_LENGTH: Final = struct.Struct("<I")
INT: Final = struct.Struct("=i")
_V4: Final = struct.Struct("!4s8x")
_V6: Final = struct.Struct("!I16s")
FEED: Final = 64
"""Packets handed to lwIP before the parent is listened to again."""
LONGEST: Final = 65_536
"""Bytes read from a socket at once."""
LINGER_LOOK: Final = 0.02
"""Seconds between two looks whether a closed stream has been acknowledged."""
LAST_WORDS: Final = 1.0
"""Seconds in which closed streams may still send what they had queued, once the parent has gone."""
AGAIN: Final = frozenset({errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN})

CDEF: Final = """
int lw_start(int packets, int notices, int mtu, unsigned seed);
void lw_address4(const unsigned char *own, const unsigned char *mask,
                 const unsigned char *gateway);
int lw_address6(const unsigned char *own);
void lw_up(int autoconfigure);
int lw_addresses(unsigned char *into, int most);
int lw_feed(int most);
int lw_full(void);
void lw_resume(void);
void lw_watch(int socket);
void lw_watch_listener(int socket);
int lw_changed(int *into, int most);
int lw_connecting(int socket);
void lw_abort(int socket);
int lw_unsettled(int socket);
int lw_busy(void);
int lwip_socket(int family, int type, int protocol);
int lwip_bind(int s, const void *address, uint32_t length);
int lwip_listen(int s, int backlog);
int lwip_accept(int s, void *address, uint32_t *length);
int lwip_connect(int s, const void *address, uint32_t length);
ssize_t lwip_send(int s, const void *data, size_t size, int flags);
ssize_t lwip_sendto(int s, const void *data, size_t size, int flags,
                    const void *address, uint32_t length);
ssize_t lwip_recvfrom(int s, void *data, size_t size, int flags, void *address, uint32_t *length);
int lwip_shutdown(int s, int how);
int lwip_close(int s);
int lwip_getsockname(int s, void *address, uint32_t *length);
int lwip_getpeername(int s, void *address, uint32_t *length);
int lwip_getsockopt(int s, int level, int name, void *value, uint32_t *length);
int lwip_setsockopt(int s, int level, int name, const void *value, uint32_t length);
int lwip_ioctl(int s, long command, void *argument);
"""
"""The glue's functions and those of lwIP's socket calls that are used."""
_FIONBIO: Final = 0x5421


class Op(IntEnum):
    """What the parent can order; the payload, and what comes back, in brackets."""

    SOCKET = 1
    """[family, type, protocol: INT each] → a socket"""
    BIND = 2
    """[address]"""
    LISTEN = 3
    """[INT backlog]"""
    ACCEPT = 4
    """→ a socket [address of the peer]"""
    CONNECT = 5
    """[address]; answered when the outcome is known"""
    SEND = 6
    """[data] → how many bytes were taken"""
    SENDTO = 7
    """[address, data]"""
    RECV = 8
    """[INT size] → [data]; nothing at the end"""
    RECVFROM = 9
    """[INT size] → [address, data]"""
    SHUTDOWN = 10
    """[INT how]"""
    CLOSE = 11
    """[INT seconds to linger, -1: close in the background, -2: reset]"""
    LOCAL = 12
    """→ [address]"""
    PEER = 13
    """→ [address]"""
    SET = 14
    """[INT level, INT name, value]"""
    GET = 15
    """[INT level, INT name] → an int"""
    ADDRESSES = 16
    """→ [17 bytes each: 4 or 6, the address]"""


READY: Final = 0
"""`op` of the first frame from the child: it runs."""
BACKGROUND: Final = -1
RESET: Final = -2


def pack_address(host: str, port: int) -> bytes:
    """A sockaddr as the C library has it (Debian's build uses that), behind its length."""
    name, _, zone = host.partition("%")
    found = ipaddress.ip_address(name or "0.0.0.0")
    if found.version == 4:
        return struct.pack("=BH", 16, socket.AF_INET) + struct.pack("!H4s8x", port, found.packed)
    head = struct.pack("=BH", 28, socket.AF_INET6) + struct.pack("!HI16s", port, 0, found.packed)
    return head + struct.pack("=I", int(zone) if zone.isdigit() else 0)


def unpack_address(data: bytes) -> tuple[str, int, bytes]:
    """Host, port and what follows the address."""
    length = data[0]
    (port,) = struct.unpack_from("!H", data, 3)
    packed = data[5:9] if length == 16 else data[9:25]
    return str(ipaddress.ip_address(packed)), port, data[1 + length :]


class _Child:
    """Orders in, answers out; one thread beside lwIP's own."""

    def __init__(self, control: socket.socket, packets: int, glue: str) -> None:
        from cffi import FFI  # not needed by the parent

        self.control = control
        self.packets = packets
        make: Any = FFI
        self.ffi = make()
        self.ffi.cdef(CDEF)
        self.lib: Any = self.ffi.dlopen(glue)
        self.notices = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.received = bytearray()
        self.to_send = bytearray()
        self.buffer = self.ffi.new("unsigned char[]", LONGEST)
        self.address = self.ffi.new("unsigned char[]", 28)
        self.length = self.ffi.new("uint32_t *")
        self.value = self.ffi.new("int *")
        self.list = self.ffi.new("int[]", 1024)
        self.connecting: dict[int, int] = {}
        """Socket to the serial of its CONNECT."""
        self.lingering: dict[int, tuple[int, float]] = {}
        """Socket to the serial of its CLOSE and the time at which it is reset."""
        self.held: set[int] = set()
        """Sockets whose datagram the carrier had no room for."""
        self.ending: float | None = None
        """When it ends at the latest; None while the parent is there."""

    def start(self, settings: dict[str, Any]) -> None:
        """Bring the interface up as the network said."""
        seed = int.from_bytes(os.urandom(4), "little")
        if self.lib.lw_start(self.packets, self.notices, settings["mtu"], seed):
            raise OSError(errno.ENOMEM, "lwIP cannot start")
        gateways = [ipaddress.ip_address(each) for each in settings["gateways"]]
        gateway = next((each.packed for each in gateways if each.version == 4), bytes(4))
        own = [ipaddress.ip_interface(each) for each in settings["addresses"]]
        for each in own:
            if each.version == 4:  # lwIP has one of them: the first
                self.lib.lw_address4(each.packed, each.netmask.packed, gateway)
                break
        six = [each for each in own if each.version == 6]
        for each in six:
            if self.lib.lw_address6(each.packed):
                raise OSError(errno.ENOSPC, f"more IPv6 addresses than lwIP keeps: {each}")
        self.lib.lw_up(bool(six) and all(each.is_link_local for each in six))
        self.say(0, READY, 0)

    def run(self) -> None:
        """Until the parent or the carrier has gone."""
        poll = select.poll()
        poll.register(self.notices, select.POLLIN)
        poll.register(self.control, select.POLLIN)
        poll.register(self.packets, select.POLLIN)
        while True:
            full = self.lib.lw_full()
            poll.modify(self.packets, select.POLLIN | (select.POLLOUT if full else 0))
            if self.ending is None:
                writes = select.POLLOUT if self.to_send else 0
                poll.modify(self.control, select.POLLIN | writes)
            if self.ending is not None and (
                not self.lib.lw_busy() or time.monotonic() >= self.ending
            ):
                return
            looks = self.lingering or self.ending is not None
            happened = dict(poll.poll(LINGER_LOOK * 1000 if looks else None))
            if happened.get(self.packets, 0) & select.POLLOUT:
                self.resume()
            if happened.get(self.packets, 0) & ~select.POLLOUT and self.lib.lw_feed(FEED) < 0:
                return
            if self.notices in happened:
                os.eventfd_read(self.notices)
                self.tell()
            if self.lingering:
                self.look_at_lingering()
            if happened.get(self.control.fileno(), 0) & ~select.POLLOUT and not self.listen():
                self.ending = time.monotonic() + LAST_WORDS
                self.to_send.clear()
                poll.unregister(self.control)
            if self.to_send:
                with contextlib.suppress(BlockingIOError):
                    del self.to_send[: self.control.send(self.to_send)]

    def resume(self) -> None:
        self.lib.lw_resume()
        held, self.held = self.held, set()
        for number in held:
            self.say(0, READY, number)

    def tell(self) -> None:
        while count := self.lib.lw_changed(self.list, len(self.list)):
            for number in self.ffi.unpack(self.list, count):
                if number in self.connecting:
                    self.judge(number)
                else:
                    self.say(0, READY, number)

    def judge(self, number: int) -> None:
        """Answer a CONNECT whose outcome is known. lwIP's words for "refused" and "no answer" are
        those of a connection that breaks."""
        if self.lib.lw_connecting(number):
            return
        error = self.option(number, socket.SOL_SOCKET, socket.SO_ERROR)
        error = {errno.ECONNRESET: errno.ECONNREFUSED, errno.ECONNABORTED: errno.ETIMEDOUT}.get(
            error, error
        )
        self.say(self.connecting.pop(number), Op.CONNECT, -error)

    def look_at_lingering(self) -> None:
        for number, (serial, until) in list(self.lingering.items()):
            late = time.monotonic() >= until
            if late or not self.lib.lw_unsettled(number):
                del self.lingering[number]
                if late:
                    self.lib.lw_abort(number)
                self.lib.lwip_close(number)
                self.say(serial, Op.CLOSE, 0)

    # -- orders -------------------------------------------------------------------------------

    def listen(self) -> bool:
        """Carry out what the parent has ordered; False when it has gone."""
        try:
            data = self.control.recv(1 << 20)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.received += data
        at = 0
        while len(self.received) - at >= HEAD.size:
            length, serial, op, number = HEAD.unpack_from(self.received, at)
            end = at + _LENGTH.size + length
            if len(self.received) < end:
                break
            payload = bytes(self.received[at + HEAD.size : end])
            at = end
            try:
                answer = self.obey(serial, Op(op), number, payload)
            except OSError as error:
                answer = -(error.errno or errno.EIO), b""
            if answer is not None:
                self.say(serial, op, *answer)
        del self.received[:at]
        return bool(data)

    def say(self, serial: int, op: int, number: int, payload: bytes = b"") -> None:
        if self.ending is not None:
            return
        size = HEAD.size - _LENGTH.size + len(payload)
        self.to_send += HEAD.pack(size, serial, op, number) + payload

    def obey(self, serial: int, op: Op, s: int, payload: bytes) -> tuple[int, bytes] | None:
        """The answer, None when it comes later. Raises OSError."""
        lib, ints = self.lib, memoryview(payload[: len(payload) // 4 * 4]).cast("i")
        match op:
            case Op.SEND:
                return self.check(lib.lwip_send(s, payload, len(payload), 0)), b""
            case Op.RECV:
                size = min(ints[0], LONGEST)
                null = self.ffi.NULL
                count = self.check(lib.lwip_recvfrom(s, self.buffer, size, 0, null, null))
                return count, self.ffi.buffer(self.buffer, count)[:]
            case Op.SENDTO:
                return self.send_datagram(s, payload), b""
            case Op.RECVFROM:
                self.length[0] = 28
                size = min(ints[0], LONGEST)
                count = lib.lwip_recvfrom(s, self.buffer, size, 0, self.address, self.length)
                self.check(count)
                return count, self.found_address() + self.ffi.buffer(self.buffer, count)[:]
            case Op.SOCKET:
                fresh = self.check(lib.lwip_socket(*ints))
                self.prepare(fresh)
                return fresh, b""
            case Op.BIND:
                self.check(lib.lwip_bind(s, payload[1:], payload[0]))
            case Op.LISTEN:
                self.check(lib.lwip_listen(s, ints[0]))
                lib.lw_watch_listener(s)
            case Op.ACCEPT:
                self.length[0] = 28
                fresh = self.check(lib.lwip_accept(s, self.address, self.length))
                peer = self.found_address()
                self.prepare(fresh)
                return fresh, peer
            case Op.CONNECT:
                if lib.lwip_connect(s, payload[1:], payload[0]) < 0:
                    if self.ffi.errno != errno.EINPROGRESS:
                        raise self.error()
                    self.connecting[s] = serial
                    self.judge(s)  # it may be known already
                    return None
            case Op.SHUTDOWN:
                self.check(lib.lwip_shutdown(s, ints[0]))
            case Op.CLOSE:
                return self.close(serial, s, ints[0])
            case Op.LOCAL | Op.PEER:
                self.length[0] = 28
                name = lib.lwip_getsockname if op is Op.LOCAL else lib.lwip_getpeername
                self.check(name(s, self.address, self.length))
                return 0, self.found_address()
            case Op.SET:
                level, name = ints[:2]
                self.check(lib.lwip_setsockopt(s, level, name, payload[8:], len(payload) - 8))
            case Op.GET:
                return 0, INT.pack(self.option(s, ints[0], ints[1]))
            case Op.ADDRESSES:
                count = lib.lw_addresses(self.buffer, 16)
                return count, self.ffi.buffer(self.buffer, 17 * count)[:]
        return 0, b""

    def prepare(self, fresh: int) -> None:
        self.value[0] = 1
        self.lib.lwip_ioctl(fresh, _FIONBIO, self.value)
        self.lib.lw_watch(fresh)

    def send_datagram(self, s: int, payload: bytes) -> int:
        length = payload[0]
        data = payload[1 + length :]
        # A copy: lwIP insists on an aligned address.
        address = payload[1 : 1 + length] if length else self.ffi.NULL
        count: int = self.lib.lwip_sendto(s, data, len(data), 0, address, length)
        if count < 0 and self.ffi.errno in AGAIN and self.lib.lw_full():
            self.held.add(s)
            raise BlockingIOError(errno.EAGAIN, "the carrier takes no packet now")
        return self.check(count)

    def close(self, serial: int, s: int, seconds: int) -> tuple[int, bytes] | None:
        self.held.discard(s)
        if s in self.connecting:
            self.say(self.connecting.pop(s), Op.CONNECT, -errno.EBADF)
        if seconds > 0 and self.lib.lw_unsettled(s):
            self.lib.lwip_shutdown(s, socket.SHUT_WR)
            self.lingering[s] = serial, time.monotonic() + seconds
            return None
        if seconds in (RESET, 0):
            self.lib.lw_abort(s)
        self.lib.lwip_close(s)
        return 0, b""

    def option(self, s: int, level: int, name: int) -> int:
        self.length[0] = 4
        self.check(self.lib.lwip_getsockopt(s, level, name, self.value, self.length))
        return int(self.value[0] if self.length[0] >= 4 else self.ffi.buffer(self.value)[0][0])

    def found_address(self) -> bytes:
        length = int(self.length[0])
        found: bytes = self.ffi.buffer(self.address, length)[:]
        return bytes((length,)) + found

    def check(self, value: int) -> int:
        if value < 0:
            raise self.error()
        return value

    def error(self) -> OSError:
        number = self.ffi.errno
        return OSError(number if number > 0 else errno.EIO, os.strerror(max(number, 0)))


def main(control: str, packets: str, glue: str, settings: str) -> None:
    """Run as `lwip_child.py CONTROL PACKETS GLUE SETTINGS` with two inherited descriptors."""
    channel = socket.socket(fileno=int(control))
    channel.setblocking(False)
    child = _Child(channel, int(packets), glue)
    child.start(json.loads(settings))
    child.run()
    # Threads of lwIP run on: nothing is torn down, the process just ends.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""libslirp behind the simulated modem's PPP: other people's TCP and UDP in place of our own.

An alternative to `fakes.ppp.relay` for comparison (setting ``network=slirp``), by cffi without a
compiler: Debian's libslirp0 is all that it needs. Only what goes to the gateway's IPv4 address is
given to it, which is this computer's loopback there; everything else stays with
`fakes.ppp.gateway`, so that nothing can leave this computer.
"""

from __future__ import annotations

import asyncio
import ctypes.util
import ipaddress
import select
import sys
import time
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .ppp.gateway import Gateway
from .ppp.internet import TCP, UDP

if TYPE_CHECKING:
    from .engine import FakeModem
    from .ppp.call import Call

__all__ = ["SlirpGateway", "missing"]

# libslirp.h of libslirp 4.7: the configuration up to its version 1, the callbacks up to 4.6.
_DECLARED: Final = """
struct in_addr { uint32_t s_addr; };
struct in6_addr { uint8_t bytes[16]; };
typedef struct {
    uint32_t version; int restricted; bool in_enabled;
    struct in_addr vnetwork; struct in_addr vnetmask; struct in_addr vhost;
    bool in6_enabled; struct in6_addr vprefix_addr6; uint8_t vprefix_len; struct in6_addr vhost6;
    const char *vhostname; const char *tftp_server_name; const char *tftp_path;
    const char *bootfile; struct in_addr vdhcp_start; struct in_addr vnameserver;
    struct in6_addr vnameserver6; const char **vdnssearch; const char *vdomainname;
    size_t if_mtu; size_t if_mru; bool disable_host_loopback; bool enable_emu;
    void *outbound_addr; void *outbound_addr6;
} SlirpConfig;
typedef struct {
    ssize_t (*send_packet)(const void *, size_t, void *);
    void (*guest_error)(const char *, void *);
    int64_t (*clock_get_ns)(void *);
    void *(*timer_new)(void (*)(void *), void *, void *);
    void (*timer_free)(void *, void *);
    void (*timer_mod)(void *, int64_t, void *);
    void (*register_poll_fd)(int, void *);
    void (*unregister_poll_fd)(int, void *);
    void (*notify)(void *);
    void *init_completed; void *timer_new_opaque;
} SlirpCb;
typedef struct Slirp Slirp;
Slirp *slirp_new(const SlirpConfig *, const SlirpCb *, void *);
void slirp_cleanup(Slirp *);
void slirp_input(Slirp *, const uint8_t *, int);
void slirp_pollfds_fill(Slirp *, uint32_t *, int (*)(int, int, void *), void *);
void slirp_pollfds_poll(Slirp *, int, int (*)(int, void *), void *);
int slirp_add_hostfwd(Slirp *, int, struct in_addr, int, struct in_addr, int);
"""
_IPV4: Final = b"\x08\x00"
_ARP: Final = b"\x08\x06"
_HOST_MAC: Final = b"\x52\x55\x0a\x00\x02\x0f"
_ROUTER_MAC: Final = b"\x52\x55\x0a\x00\x02\x02"
_OWN_SERVICES: Final = (53, 67, 69)  # UDP ports that libslirp would answer, or pass on, by itself
_POLL: Final = 0.003  # seconds between two looks at its sockets
_BITS: Final = (  # SLIRP_POLL_*, and what poll(2) calls it
    (1, select.POLLIN), (2, select.POLLOUT), (4, select.POLLPRI), (8, select.POLLERR),
    (16, select.POLLHUP),
)  # fmt: skip


@cache
def _library() -> tuple[Any, Any]:
    """cffi's view of the library. Raises ImportError or OSError when one of them is not here."""
    name = ctypes.util.find_library("slirp")
    if name is None:
        raise OSError("libslirp is not installed (Debian: libslirp0)")
    ffi = import_module("cffi").FFI()
    ffi.cdef(_DECLARED)
    return ffi, ffi.dlopen(name)


def missing() -> str:
    """Why `SlirpGateway` cannot be used; empty when it can."""
    try:
        _library()
    except (ImportError, OSError) as error:
        return str(error)
    return ""


class SlirpGateway(Gateway):
    """The network of `Gateway`, with libslirp for TCP and UDP to the gateway's IPv4 address."""

    def __init__(self, modem: FakeModem, call: Call, carries: Callable[[], bool]) -> None:
        super().__init__(modem, call, carries)
        self._ffi, self._lib = _library()
        ffi = self._ffi
        self._timer: asyncio.TimerHandle | None = None
        self._polled: list[tuple[int, int]] = []
        self._ready: dict[int, int] = {}
        own = ipaddress.IPv4Address(self.own4)
        network = ipaddress.IPv4Network((own, 24), strict=False)
        config = ffi.new("SlirpConfig *")
        config.version = 1
        config.in_enabled = True
        for field, address in (
            ("vnetwork", network.network_address), ("vnetmask", network.netmask), ("vhost", own),
            ("vdhcp_start", network.network_address + 200),
            ("vnameserver", network.network_address + 250),  # not used: `Gateway` knows the names
        ):  # fmt: skip
            getattr(config, field).s_addr = _in_addr(address)
        self._keep = (
            ffi.callback("ssize_t(const void *, size_t, void *)", self._out),
            ffi.callback("void(const char *, void *)", self._error),
            ffi.callback("int64_t(void *)", _clock),
            ffi.callback("void *(void (*)(void *), void *, void *)", self._no_timer),
            ffi.callback("void(void *, void *)", _nothing),
            ffi.callback("void(void *, int64_t, void *)", _nothing),
            ffi.callback("void(int, void *)", _nothing),
            ffi.callback("void(int, void *)", _nothing),
            ffi.callback("void(void *)", _nothing),
        )
        self._callbacks = ffi.new("SlirpCb *", [*self._keep, ffi.NULL, ffi.NULL])
        self._add = ffi.callback("int(int, int, void *)", self._add_poll)
        self._events = ffi.callback("int(int, void *)", self._get_events)
        self._slirp = self._lib.slirp_new(config, self._callbacks, ffi.NULL)
        if self._slirp == ffi.NULL:
            raise OSError("libslirp does not start")
        self._watch()

    # ---- packets -------------------------------------------------------------------------

    def receive(self, packet: bytes) -> None:
        """An IP packet from the host: to libslirp only what is for the loopback."""
        if self._is_for_it(packet):
            if self._carries():
                self._input(_ROUTER_MAC + _HOST_MAC + _IPV4 + packet)
                self._look()
        else:
            super().receive(packet)

    def _is_for_it(self, packet: bytes) -> bool:
        if len(packet) < 20 or packet[0] >> 4 != 4 or packet[16:20] != self.own4:
            return False
        if packet[12:16] != self.peer4 or packet[9] not in (TCP, UDP):
            return False
        head = (packet[0] & 15) * 4
        first = not (packet[6] & 0x1F or packet[7])
        port = int.from_bytes(packet[head + 2 : head + 4], "big")
        # A fragment behind the first has no port; alone it comes to nothing.
        return not (packet[9] == UDP and first and port in _OWN_SERVICES)

    def _input(self, whole: bytes) -> None:
        self._lib.slirp_input(self._slirp, whole, len(whole))

    def _out(self, data: Any, size: int, _: Any) -> int:
        whole = bytes(self._ffi.buffer(data, size))
        if whole[12:14] == _IPV4:
            if self._carries():
                self._server.send_ip(whole[14:])
        elif whole[12:14] == _ARP and whole[20:22] == b"\0\1" and whole[38:42] == self.peer4:
            answer = whole[6:12] + _HOST_MAC + _ARP + whole[14:20] + b"\0\2"
            answer += _HOST_MAC + self.peer4 + whole[22:28] + whole[28:32]
            asyncio.get_running_loop().call_soon(self._reply, answer)
        return size

    def _reply(self, answer: bytes) -> None:
        if self._slirp is not None:
            self._input(answer)
            self._look()

    def _error(self, text: Any, _: Any) -> None:
        self.note(self._ffi.string(text).decode("latin-1"))

    def _no_timer(self, *_: Any) -> Any:
        return self._ffi.cast("void *", 1)  # they are for IPv6, which it does not do here

    # ---- its sockets -----------------------------------------------------------------------

    def _watch(self) -> None:
        self._look()
        self._timer = asyncio.get_running_loop().call_later(_POLL, self._watch)

    def _look(self) -> None:
        """What its sockets have now."""
        self._polled = []
        wait = self._ffi.new("uint32_t *", 0)
        self._lib.slirp_pollfds_fill(self._slirp, wait, self._add, self._ffi.NULL)
        poller = select.poll()
        wanted: dict[int, int] = {}
        for number, events in self._polled:
            wanted[number] = wanted.get(number, 0) | events
        for number, events in wanted.items():
            poller.register(number, events)
        self._ready = dict(poller.poll(0))
        self._lib.slirp_pollfds_poll(self._slirp, 0, self._events, self._ffi.NULL)

    def _add_poll(self, number: int, events: int, _: Any) -> int:
        self._polled.append((number, sum(bit for mine, bit in _BITS if events & mine)))
        return len(self._polled) - 1

    def _get_events(self, index: int, _: Any) -> int:
        if not 0 <= index < len(self._polled):
            return 0
        found = self._ready.get(self._polled[index][0], 0)
        return sum(mine for mine, bit in _BITS if found & bit)

    # ---- the rest ----------------------------------------------------------------------------

    def forward(self, kind: str, port: int) -> None:
        """As in `Gateway`, by libslirp's own sockets. Raises OSError: the port is taken."""
        host, guest = (self._ffi.new("struct in_addr *") for _ in range(2))
        host.s_addr = _in_addr(ipaddress.IPv4Address(self._world.guard(self._world.address)))
        guest.s_addr = _in_addr(ipaddress.IPv4Address(self.peer4))
        ends = (host[0], port, guest[0], port)
        if self._lib.slirp_add_hostfwd(self._slirp, int(kind == "udp"), *ends):
            raise OSError(f"{kind} port {port} is taken")

    def close(self) -> None:
        """Its sockets end with the call."""
        super().close()
        if self._timer is not None:
            self._timer.cancel()
        if self._slirp is not None:
            self._lib.slirp_cleanup(self._slirp)
            self._slirp = None


def _in_addr(address: ipaddress.IPv4Address) -> int:
    """In network order as this computer's number."""
    return int.from_bytes(address.packed, sys.byteorder)


def _clock(_: Any) -> int:
    return time.monotonic_ns()


def _nothing(*_: Any) -> None:
    pass

"""ifconfig, nib, ping, reboot: the node's interface and its neighbours (fact sheet 5.1)."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from fakes.mesh import ROUTABLE, BorderRouter, Node, link_local
from fakes.riot.core import INTERFACE, Core, Usage, command, dashed

__all__ = ["NetworkCommands"]

_PING_COUNT, _PING_INTERVAL, _PING_SIZE, _PING_PATIENCE = 3, 1000, 4, 1000  # gnrc_icmpv6_echo.c
_ECHO_HEADER: Final = 8
_HOP_LIMIT: Final = 64
_PING_USAGE: Final = (
    "ping [-c <count>] [-h] [-i <ms interval>] [-s <packetsize>]",
    "     [-t hoplimit] [-W <ms timeout>] <host>[%<interface>]",
)


class NetworkCommands(Core):
    """One 6LoWPAN interface."""

    def prefixes(self) -> list[tuple[str, Node]]:
        """Of the border router, and of nodes that advertise (`ifconfig <if> rtr_adv`)."""
        found: list[tuple[str, Node]] = []
        router = self.mesh.router(self.node)
        if router is not None:
            found.append((ROUTABLE, router))
        told = self.mesh.beacons.get(self.node.network, {}) if self.node.network else {}
        found += [(p, one) for p, one in told.items() if self.mesh.path(self.node, one) is not None]
        return found

    # ---- ifconfig --------------------------------------------------------------------------

    @command("ifconfig")
    def ifconfig(self, words: list[str]) -> None:
        """Show the interface, add an address, set channel and PAN, begin to advertise."""
        if len(words) == 1 or (len(words) == 2 and words[1] == str(INTERFACE)):
            self.say(*self._shown())
        elif words[1] != str(INTERFACE):
            raise Usage("error: invalid interface given")
        elif words[2] == "add" and len(words) == 4:
            self._add(words[3])
        elif words[2] == "del" and len(words) == 4:
            self._delete(words[3])
        elif words[2] in ("rtr_adv", "-rtr_adv") and len(words) == 3:
            self._advertise(words[2] == "rtr_adv")
        elif words[2] == "set" and len(words) == 5:
            self._set(words[3], words[4])
        else:
            raise Usage("usage: ifconfig", f"usage: ifconfig {INTERFACE} [add|del|set|rtr_adv]")

    def _shown(self) -> list[str]:
        node = self.node
        lines = [
            f"Iface  {INTERFACE}  HWaddr: {dashed(node.eui64[-2:])}  Channel: {self.channel}  "
            f"NID: 0x{self.pan:x}  PHY: O-QPSK ",
            f"          Long HWaddr: {dashed(node.eui64)} ",
            "           TX-Power: 0dBm  State: IDLE  max. Retrans.: 3  CSMA Retries: 4 ",
            "          AUTOACK  ACK_REQ  CSMA  L2-PDU:102  MTU:1280  HL:64  "
            + ("RTR  " if node.role == "router" else "")
            + ("RTR_ADV  " if self.advertising else ""),
            "          6LO  IPHC  ",
            "          Source address length: 8",
            "          Link type: wireless",
        ]
        for each in node.addresses:
            scope = "link" if ipaddress.IPv6Address(each).is_link_local else "global"
            lines.append(f"          inet6 addr: {each}  scope: {scope}  VAL")
        if node.role == "router":
            lines.append("          inet6 group: ff02::2")
        return [*lines, "          inet6 group: ff02::1", "          "]

    @staticmethod
    def _prefixed(text: str) -> tuple[str, str]:
        """Address and its prefix of ``<address>[/<length>]``."""
        address, mark, length = text.partition("/")
        try:
            network = ipaddress.IPv6Interface(f"{address}/{length if mark else 64}").network
            return str(ipaddress.IPv6Address(address)), str(network.network_address)
        except ValueError:
            raise Usage("error: unable to parse IPv6 address.") from None

    def _add(self, text: str) -> None:
        address, prefix = self._prefixed(text)
        self.node.register(address)
        if not address.startswith("fe80:"):
            self.own_prefixes.append(prefix)
        self.say(f"success: added {text} to interface {INTERFACE}")

    def _delete(self, text: str) -> None:
        address, _ = self._prefixed(text)
        if address not in self.node.addresses:
            raise Usage(f"error: unable to remove {text}")
        self.node.addresses.remove(address)
        self.say(f"success: removed {text} from interface {INTERFACE}")

    def _advertise(self, on: bool) -> None:
        network = self.node.network
        told = self.mesh.beacons.setdefault(network, {}) if network else {}
        for prefix in self.advertising:
            told.pop(prefix, None)
        self.advertising = list(self.own_prefixes) if on else []
        if on:
            self.node.role = "router"
            told.update(dict.fromkeys(self.advertising, self.node))
        verb = "set" if on else "unset"
        self.say(f"success: {verb} router advertisements on interface {INTERFACE}")

    def _set(self, what: str, text: str) -> None:
        names = {"chan": "channel", "channel": "channel", "nid": "network identifier",
                 "pan": "network identifier", "pan_id": "network identifier"}  # fmt: skip
        if what not in names:
            raise Usage("usage: ifconfig <if_id> set <key> <value>")
        if not re.fullmatch(r"\d+|(0x)?[0-9a-fA-F]+", text) or int(text, 16) > 0xFFFF:
            raise Usage(
                "error: unable to parse value.",
                "Must be a 16-bit unsigned integer (dec or hex)",
            )
        decimal = text.isdigit()
        value = int(text) if decimal else int(text, 16)
        if names[what] == "channel":
            if not 11 <= value <= 26:
                raise Usage("error: unable to set channel")
            self.channel = value
        else:
            self.pan = value
        self.tune()
        shown = str(value) if decimal else f"0x{value:04x}"
        self.say(f"success: set {names[what]} on interface {INTERFACE} to {shown}")

    def power_on(self) -> None:
        """No addresses of one's own choice."""
        super().power_on()
        self.own_prefixes: list[str] = []

    # ---- neighbours ------------------------------------------------------------------------

    @command("nib")
    def nib(self, words: list[str]) -> None:
        """``nib neigh|prefix|route|abr``; a router's neighbours are registered (RFC 8505)."""
        kind = words[1] if len(words) > 1 else ""
        if kind == "neigh":
            self.say(*self._neighbours())
        elif kind == "prefix":
            self.say(*(f"{prefix}/64 dev #{INTERFACE}" for prefix, _ in self.prefixes()))
        elif kind == "route":
            for prefix, _ in self.prefixes():
                self.say(f"{prefix}/64 dev #{INTERFACE}")
            for router in self._routers():
                self.say(f"default* via {link_local(router.eui64)} dev #{INTERFACE}")
        elif kind == "abr" and len(words) == 4 and words[2] == "add":
            if self.literal(words[3]) is None:
                raise Usage("usage: nib abr [add|del] <addr>")
        else:
            raise Usage("usage: nib {neigh|prefix|route|abr|help} ...")

    def _routers(self) -> list[Node]:
        return [one for _, one in self.prefixes() if one is not self.node][:1]

    def _neighbours(self) -> list[str]:
        lines = []
        for other in self.mesh.neighbours(self.node):
            mine = self.advertising and not isinstance(other, BorderRouter)
            state = "DELAY REGISTERED" if mine else "REACHABLE GC"
            for address in other.addresses[: None if mine else 1]:
                lines.append(f"{address} dev #{INTERFACE} lladdr {dashed(other.eui64)}  {state}")
        return lines

    # ---- ping ------------------------------------------------------------------------------

    @command("ping", "ping6")
    async def ping(self, words: list[str]) -> None:
        """``ping [-c n] [-i ms] [-s size] [-t hops] [-W ms] <host>``; the shell waits."""
        values = {"-c": _PING_COUNT, "-i": _PING_INTERVAL, "-s": _PING_SIZE,
                  "-t": _HOP_LIMIT, "-W": _PING_PATIENCE}  # fmt: skip
        host = ""
        rest = words[1:]
        while rest:
            word = rest.pop(0)
            if word in values and rest:
                values[word] = self.number(rest.pop(0))
            elif word.startswith("-"):
                raise Usage(*_PING_USAGE)
            else:
                host = word
        if not host:
            raise Usage(*_PING_USAGE)
        address = self.literal(host)
        if address is None:
            raise Usage(f"can't resolve {host}", *_PING_USAGE)
        trips: list[int] = []
        for number in range(values["-c"]):
            trip = await self.node.ping(address)
            if trip is not None:
                trips.append(round(trip * 1_000_000))
                self.say(
                    f"{values['-s'] + _ECHO_HEADER} bytes from {address}: icmp_seq={number} "
                    f"ttl={values['-t']} time={_milliseconds(trips[-1])} ms"
                )
            last = number + 1 == values["-c"]
            if not last or trip is None:
                await self.sleep(values["-W" if last else "-i"] / 1000)
        lost = 100 * (values["-c"] - len(trips)) // max(1, values["-c"])
        self.say(
            "",
            f"--- {host} PING statistics ---",
            f"{values['-c']} packets transmitted, {len(trips)} packets received, "
            f"{lost}% packet loss",
        )
        if trips:
            mean = sum(trips) // len(trips)
            shown = "/".join(_milliseconds(each) for each in (min(trips), mean, max(trips)))
            self.say(f"round-trip min/avg/max = {shown} ms")

    # ---- the rest --------------------------------------------------------------------------

    @command("help")
    def help(self, _: list[str]) -> None:
        """Command and description, in two columns."""
        self.say("Command              Description", "---------------------------------------")
        for name in sorted(self._commands):
            text = (self._commands[name].__doc__ or "").split(".")[0].split("\n")[0]
            self.say(f"{name:<20} {text}")

    @command("reboot")
    def reboot(self, _: list[str]) -> None:
        """Start anew."""
        self.restart()

    async def boot(self) -> None:
        """What the application says first."""
        await self.sleep(0.5)
        self.boot_done()
        self.say("main(): This is RIOT! (Version: simulated)")


def _milliseconds(microseconds: int) -> str:
    return f"{microseconds // 1000}.{microseconds % 1000:03d}"

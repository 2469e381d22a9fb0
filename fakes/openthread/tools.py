"""ping, dns, version, reset: questions, and what ends a session."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from fakes.openthread.benchmark import Benchmark
from fakes.openthread.codes import (
    INVALID_ARGS,
    INVALID_COMMAND,
    INVALID_STATE,
    NOT_FOUND,
    RESPONSE_TIMEOUT,
    Rejected,
)
from fakes.openthread.core import command, plain

__all__ = ["Tools"]

_ECHO_HEADER: Final = 8  # bytes of ICMPv6 that the printed count includes
_PING_SIZE, _PING_COUNT, _PING_INTERVAL, _PING_TIMEOUT = 8, 1, 1.0, 3.0  # README.md, ping
_HOP_LIMIT: Final = 64
_DNS_TRIES, _DNS_PATIENCE = 3, 6.0  # fact sheet 4.1
_TTL: Final = 7200


@dataclass(frozen=True, slots=True)
class _Echo:
    """What a ping sends: bytes, how often, seconds between, hop limit, seconds for an answer."""

    size: int
    count: int
    interval: float
    hops: int
    patience: float


class Tools(Benchmark):
    """What the CLI has beside network and sockets."""

    # ---- ping ------------------------------------------------------------------------------

    @command("ping")
    async def ping(self, arguments: list[str]) -> None:
        """``ping [async] <addr> [size [count [interval [hops [timeout]]]]]``.

        The lines are those of the fact sheet, 4.1; Done even when everything was lost.
        """
        aside = arguments[:1] == ["async"]
        if aside:
            arguments = arguments[1:]
        if not 1 <= len(arguments) <= 6:
            raise Rejected(INVALID_ARGS)
        address = self.peer_address(arguments[0], "Pinging synthesized IPv6 address")
        size = self.number(arguments[1]) if len(arguments) > 1 else _PING_SIZE
        count = self.number(arguments[2]) if len(arguments) > 2 else _PING_COUNT
        interval = self._seconds(arguments[3]) if len(arguments) > 3 else _PING_INTERVAL
        hops = self.number(arguments[4], 255) if len(arguments) > 4 else _HOP_LIMIT
        patience = self._seconds(arguments[5]) if len(arguments) > 5 else _PING_TIMEOUT
        work = self._ping(address, _Echo(size, count, interval, hops, patience))
        if aside:
            self.spawn(work)
        else:
            with self.pending():
                await work

    @command("ping stop")
    def stop_ping(self, _: list[str]) -> None:
        """Nothing is under way: while it is, lines are thrown away."""

    async def _ping(self, address: str, echo: _Echo) -> None:
        count = echo.count
        trips: list[int] = []
        for number in range(1, count + 1):
            trip = await self.node.ping(address)
            if trip is not None:
                trips.append(round(trip * 1000))
                self.say(
                    f"{echo.size + _ECHO_HEADER} bytes from {plain(address)}: "
                    f"icmp_seq={number} hlim={echo.hops} time={trips[-1]}ms"
                )
            if number < count:
                await self.sleep(echo.interval)
            elif trip is None:
                await self.sleep(echo.patience)
        text = f"{count} packets transmitted, {len(trips)} packets received."
        if count:
            text += f" Packet loss = {100 * (count - len(trips)) / count:.1f}%."
        if trips:
            mean = sum(trips) / len(trips)
            text += f" Round-trip min/avg/max = {min(trips)}/{mean:.3f}/{max(trips)} ms."
        self.say(text)

    @staticmethod
    def _seconds(text: str) -> float:
        if not re.fullmatch(r"\d+(\.\d+)?|\.\d+", text, re.ASCII):
            raise Rejected(INVALID_ARGS)
        return float(text)

    # ---- names -----------------------------------------------------------------------------

    @command("dns resolve")
    async def resolve(self, arguments: list[str]) -> None:
        """``dns resolve <name> [server [port]]``: IPv6 addresses, translated ones where need be."""
        await self._resolve(arguments, 6)

    @command("dns resolve4")
    async def resolve4(self, arguments: list[str]) -> None:
        """IPv4 addresses, translated; Error 13 without a NAT64 prefix (fact sheet 4.1)."""
        if self.nat64_router() is None:
            raise Rejected(INVALID_STATE)
        await self._resolve(arguments, 4)

    async def _resolve(self, arguments: list[str], family: int) -> None:
        if not 1 <= len(arguments) <= 6:
            raise Rejected(INVALID_ARGS)
        if len(arguments) > 1:
            self.own_address(arguments[1]) if ":" in arguments[1] else self._server(arguments[1])
        name = arguments[0].rstrip(".")
        found: list[str] = []
        failure = NOT_FOUND
        with self.pending():
            try:
                found = self.node.resolve(name, family=family)
                if not self.settings.nat64:
                    found = [each for each in found if not each.startswith("fd00:64:64::")]
            except TimeoutError:
                failure = RESPONSE_TIMEOUT
                await self.sleep(_DNS_TRIES * _DNS_PATIENCE)
            else:
                await self.sleep(2 * self.settings.hop)
        shown = "".join(f"{plain(each)} TTL:{_TTL} " for each in found)
        self.say(f"DNS response for {name}. - {shown}")
        if not found:
            raise Rejected(failure)

    def _server(self, text: str) -> None:
        self.peer_address(text, "Synthesized IPv6 DNS server address")

    @command("dns config")
    def dns_config(self, arguments: list[str]) -> None:
        """The defaults (OpenThread, src/cli/cli_dns.cpp)."""
        self.no_more(arguments)
        router = self.mesh.router(self.node)
        server = router.addresses[-1] if router is not None else "fdde:ad00:beef::1"
        self.say(
            f"Server: [{plain(server)}]:53",
            f"ResponseTimeout: {_DNS_PATIENCE * 1000:.0f} ms",
            f"MaxTxAttempts: {_DNS_TRIES}",
            "RecursionDesired: yes",
            "ServiceMode: srv_txt_opt",
            "Nat64Mode: allow",
        )

    # ---- the module ------------------------------------------------------------------------

    @command("version")
    def version(self, arguments: list[str]) -> None:
        """What the firmware calls itself; ``api``: a number."""
        if arguments == ["api"]:
            self.say("500")
        elif arguments:
            raise Rejected(INVALID_COMMAND)
        else:
            self.say(self.settings.firmware_text)

    @command("help")
    def help(self, _: list[str]) -> None:
        """The first words of all commands."""
        self.say(*sorted({name.split()[0] for name in self._commands}))

    @command("reset")
    def reset(self, arguments: list[str]) -> None:
        """No result: the prompt of the new start comes."""
        if arguments:
            raise Rejected(INVALID_COMMAND)
        self.restart()

    @command("factoryreset")
    def factory_reset(self, arguments: list[str]) -> None:
        """As `reset`, and the dataset is gone."""
        self.no_more(arguments)
        self.stored = None
        self.restart()

"""Names, ping and time: CIPDOMAIN, CIPDNS, PING, CIPSNTP... (DOC "TCP/IP AT Commands")."""

from __future__ import annotations

import re
import time

from ..engine import CommandError, rule
from .arguments import Arguments
from .softap import AccessPointCommands

__all__ = ["LookupCommands"]

_LOOKUP_TIME = 0.03  # seconds; one round trip (INF)
_LOOKUP_FAILS = 12.0  # seconds of busy on AT 1.7 (WiFiEspAT #23); not measured on ESP-AT
_PING_FAILS = 1.0  # seconds (INF)
_NAME_LIMIT = 64  # bytes, DOC AT+CIPDOMAIN


class LookupCommands(AccessPointCommands):
    """Name resolution and what depends on it."""

    async def resolve(self, name: str, *families: int) -> str:
        """The address of `name`, of the first of these IP versions (0 any) that it has.

        Raises:
            CommandError: no address yet, or the name does not resolve (after the wait).
        """
        if not self.has_address:
            raise CommandError("no ip")
        if self.world.is_literal(name):
            return name
        found = next(filter(None, (self.world.lookup(name, family=f) for f in families)), None)
        if found is None:
            self.note("dns", f"{name} unknown")
            await self.sleep(_LOOKUP_FAILS)
            raise CommandError("DNS Fail")
        await self.sleep(_LOOKUP_TIME)
        return found

    @rule(r"AT\+CIPDOMAIN=(.*)", tag="CIPDOMAIN")
    async def domain(self, match: re.Match[str]) -> None:
        """``AT+CIPDOMAIN="name"[,net[,timeout]]``: net 1 prefer v4, 2 v4 only, 3 v6 only."""
        level = self.profile.level
        arguments = Arguments(match[1])
        arguments.expect(1, 3 if level >= 33 else 2 if level >= 22 else 1)
        name = arguments.text(0, _NAME_LIMIT)
        network = arguments.number(1, 1, 3, 1)
        arguments.number(2, 0, 60000, 0)
        if network == 3 and not self.session.ipv6:
            raise CommandError()
        families = {2: [4], 3: [6]}.get(network, [4, 6] if self.session.ipv6 else [4])
        address = await self.resolve(name, *families)
        quote = '"' if self.profile.quoted_domain else ""
        self.say(f"+CIPDOMAIN:{quote}{address}{quote}")
        self.ok()

    @rule(r"AT\+CIPDNS(_CUR|_DEF)?=(.*)", tag="CIPDNS_CUR")
    def set_servers_nonos(self, match: re.Match[str]) -> None:
        """``AT+CIPDNS_CUR=enable[,"server"[,"server"]]`` (N17)."""
        self.set_servers(match[2], match[1], 2)

    @rule(r"AT\+CIPDNS=(.*)", tag="CIPDNS")
    def set_servers_esp(self, match: re.Match[str]) -> None:
        """``AT+CIPDNS=enable[,"server"...]`` (ESP-AT)."""
        self.set_servers(match[1], None, 3)

    def set_servers(self, text: str, suffix: str | None, most: int) -> None:
        """Store the name servers; they are reported, resolution stays with the table."""
        arguments = Arguments(text)
        arguments.expect(1, 1 + most)
        on = arguments.number(0, 0, 1)
        servers = tuple(arguments.text(i, 39) for i in range(1, len(arguments)))
        if not all(self.world.is_literal(server) for server in servers):
            raise CommandError("IP ERROR")
        for record in self.keep(suffix):
            record.dns = servers if on else ()
        self.ok()

    @rule(r"AT\+CIPDNS(?:_CUR|_DEF)?\?", tag="CIPDNS_CUR")
    def query_servers_nonos(self, _: re.Match[str]) -> None:
        """``AT+CIPDNS_CUR?`` (N17): one line per server."""
        self.say(*(f"+CIPDNS_CUR:{server}" for server in self.servers()))
        self.ok()

    @rule(r"AT\+CIPDNS\?", tag="CIPDNS")
    def query_servers_esp(self, _: re.Match[str]) -> None:
        """``AT+CIPDNS?`` (ESP-AT): LIT without its own CR LF."""
        listed = ",".join(f'"{server}"' for server in self.servers())
        self.raw(f"+CIPDNS:{int(bool(self.now.dns))},{listed}".encode())
        self.ok()

    def servers(self) -> tuple[str, ...]:
        """The name servers in use."""
        return self.now.dns or (self.world.address,)

    @rule(r"AT\+PING=(.*)", tag="PING")
    async def ping(self, match: re.Match[str]) -> None:
        """``AT+PING="host"``: N17 ``+<ms>``/``+timeout``, ESP-AT ``+PING:<ms>``/``TIMEOUT``."""
        arguments = Arguments(match[1])
        arguments.expect(1, 1)
        name = arguments.text(0, _NAME_LIMIT)
        address = await self.resolve(name, 0)
        if not self.world.reaches(address):
            await self.sleep(_PING_FAILS)
            self.say("+timeout" if self.profile.nonos else "+PING:TIMEOUT")
            self.final("ERROR")
            return
        delay = self.random.randrange(1, 30)
        await self.sleep(delay / 1000)
        self.say(f"+{delay}" if self.profile.nonos else f"+PING:{delay}")
        self.ok()

    @rule(r"AT\+CIPSNTPCFG=(.*)", tag="CIPSNTPCFG")
    def set_clock(self, match: re.Match[str]) -> None:
        """``AT+CIPSNTPCFG=enable[,timezone[,"server"...]]``."""
        arguments = Arguments(match[1])
        arguments.expect(1, 5)
        on = arguments.number(0, 0, 1)
        zone = arguments.number(1, -12, 14, 0)
        servers = tuple(arguments.text(i, _NAME_LIMIT) for i in range(2, len(arguments)))
        self.session.sntp = (on, zone, servers)
        self.session.sntp_set = False
        self.ok()
        if on and self.has_address:
            self.later(1.0, self.clock_arrived)

    def clock_arrived(self) -> None:
        """The first answer of a time server; ESP-AT v3.x says so."""
        if self.session.sntp[0] and self.has_address:
            self.session.sntp_set = True
            if self.profile.level >= 24:
                self.say("+TIME_UPDATED")

    @rule(r"AT\+CIPSNTPCFG\?", tag="CIPSNTPCFG")
    def query_clock(self, _: re.Match[str]) -> None:
        """``AT+CIPSNTPCFG?``."""
        on, zone, servers = self.session.sntp
        listed = "".join(f',"{server}"' for server in servers)
        self.say(f"+CIPSNTPCFG:{on}" + (f",{zone}{listed}" if on else ""))
        self.ok()

    @rule(r"AT\+CIPSNTPTIME\?", tag="CIPSNTPTIME")
    def query_time(self, _: re.Match[str]) -> None:
        """``AT+CIPSNTPTIME?``: the epoch until synchronised; no empty line before OK."""
        now = time.time() + self.session.sntp[1] * 3600 if self.session.sntp_set else 0
        self.say("+CIPSNTPTIME:" + time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(now)))
        self.raw(b"OK\r\n")

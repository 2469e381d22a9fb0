"""The module's one TCP server: CIPSERVER, CIPSERVERMAXCONN, CIPSTO."""

from __future__ import annotations

import asyncio
import re

from ..engine import CommandError, rule
from .arguments import Arguments
from .base import LINKS
from .link import Link
from .links import LinkCommands

__all__ = ["ServerCommands"]


class ServerCommands(LinkCommands):
    """Listening; accepted connections take the lowest free link id."""

    refused_told = False
    server_kind: str  # as AT+CIPSERVER said

    @rule(r"AT\+CIPSERVER=(.*)", tag="CIPSERVER")
    def set_server(self, match: re.Match[str]) -> None:
        """``AT+CIPSERVER=1[,port[,"TCP"]]`` / ``=0[,1]``; needs AT+CIPMUX=1, default port 333."""
        arguments = Arguments(match[1])
        # DOC AT+CIPSERVER: port, type, authentication; the interface from v4.1 on.
        arguments.expect(1, 2 if self.profile.nonos else 5 if self.profile.level >= 33 else 4)
        on = arguments.number(0, 0, 1)
        if not on:
            self.stop_server(arguments)
            return
        port = arguments.number(1, 1, 65535, 333)
        kind = arguments.text(2, 8, "TCP")
        if kind not in ("TCP", "TCPv6") or (kind == "TCPv6" and not self.session.ipv6):
            raise CommandError()  # SSL server is not modelled
        if not self.session.mux:
            raise CommandError("MUX=0")
        if self.listener is not None:
            if self.profile.nonos:
                self.say("no change")
            elif self.profile.server_again_fails:
                raise CommandError()
            self.ok()
            return
        self.listen(port, kind)

    def listen(self, port: int, kind: str) -> None:
        """Start the server and give the final."""
        try:
            self.listener = self.sockets.listen_tcp(
                port, window=self.profile.window, address="::1" if kind == "TCPv6" else "127.0.0.1"
            )
        except OSError as error:
            self.note("listen failed", str(error))
            raise CommandError() from None
        self.note("listen", f"{port}")
        self.session.server_port = port
        self.server_kind = kind
        self.listener.changed = self.incoming
        self.ok()

    def stop_server(self, arguments: Arguments) -> None:
        """Stop listening; open links stay unless ``=0,1`` (ESP-AT from v2.2)."""
        close_links = arguments.number(1, 0, 1, 0) if self.profile.level >= 22 else 0
        if self.listener is None:
            if self.profile.nonos:
                self.say("no change")
            self.ok()
            return
        self.listener.close()
        self.listener = None
        if close_links:
            for link in self.open_links():
                if link.server:
                    self.drop_link(link)
        self.ok()

    @rule(r"AT\+CIPSERVER\?", tag="CIPSERVER")
    def query_server(self, _: re.Match[str]) -> None:
        """``AT+CIPSERVER?`` (from v2.2)."""
        if self.profile.level < 22:
            raise CommandError()
        if self.listener is None:
            self.say("+CIPSERVER:0")
        else:
            extra = ",0" if self.profile.level >= 33 else ""
            port = self.session.server_port
            self.say(f'+CIPSERVER:1,{port},"{self.server_kind}",0{extra}')
        self.ok()

    @rule(r"AT\+CIPSERVERMAXCONN=(.*)", tag="CIPSERVERMAXCONN")
    def set_limit(self, match: re.Match[str]) -> None:
        """``AT+CIPSERVERMAXCONN=1..5``: before the server is started."""
        limit = self.one(match[1], 1, LINKS)
        if self.listener is not None:
            raise CommandError("CIPSERVER must be 0")
        self.session.server_limit = limit
        self.ok()

    @rule(r"AT\+CIPSERVERMAXCONN\?", tag="CIPSERVERMAXCONN")
    def query_limit(self, _: re.Match[str]) -> None:
        """``AT+CIPSERVERMAXCONN?``."""
        self.say(f"+CIPSERVERMAXCONN:{self.session.server_limit}")
        self.ok()

    @rule(r"AT\+CIPSTO=(.*)", tag="CIPSTO")
    def set_idle(self, match: re.Match[str]) -> None:
        """``AT+CIPSTO=0..7200``: seconds a silent server link lives, 0 for ever."""
        self.session.idle_limit = self.one(match[1], 0, 7200)
        for link in self.open_links():
            self.watch_idle(link)
        self.ok()

    @rule(r"AT\+CIPSTO\?", tag="CIPSTO")
    def query_idle(self, _: re.Match[str]) -> None:
        """``AT+CIPSTO?``."""
        self.say(f"+CIPSTO:{self.session.idle_limit}")
        self.ok()

    def incoming(self) -> None:
        """Accept what waits, up to AT+CIPSERVERMAXCONN and the free ids."""
        while self.listener is not None and self.listener.waiting():
            taken = sum(1 for link in self.open_links() if link.server)
            free = next((i for i, link in enumerate(self.links) if link is None), None)
            if free is None or taken >= self.session.server_limit:
                if not self.refused_told and not self.profile.nonos:
                    self.refused_told = True
                    self.say(f"Have {taken} Connections")
                return
            tcp = self.listener.accept()
            if tcp is None:
                return
            link = Link(free, self.server_kind, tcp.remote, tcp=tcp, server=True)
            self.note("accept", f"{free} {tcp.remote[0]}:{tcp.remote[1]}")
            self.add_link(link)
            self.watch_idle(link)
            self.service(link)

    def link_freed(self) -> None:
        """A waiting connection may be accepted now."""
        if self.listener is not None:
            self.refused_told = False
            self.later(0, self.incoming)

    def watch_idle(self, link: Link) -> None:
        """Close a silent server link; not with model time switched off (time_scale 0)."""
        limit = self.session.idle_limit
        if not link.server or not limit or not self.time_scale:
            return

        def check() -> None:
            if self.links[link.number] is not link or not self.session.idle_limit:
                return
            loop = asyncio.get_running_loop()
            silent = (loop.time() - link.active_at) / self.time_scale
            if silent >= self.session.idle_limit:
                self.note("idle", str(link.number))
                self.drop_link(link)
            else:
                self.later(self.session.idle_limit - silent, check)

        self.later(limit, check)

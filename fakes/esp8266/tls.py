"""Settings of the module's own TLS client; the link itself is in `links`.

Programs send these at start whether they want TLS or not, and stop where they are refused.
"""

from __future__ import annotations

import re

from ..engine import rule
from .arguments import Arguments
from .base import LINKS
from .links import _ALL
from .receiving import ReceiveCommands

__all__ = ["TlsCommands"]

_LEAST_BUFFER = 2048  # bytes, ESP8266 AT Instruction Set, AT+CIPSSLSIZE
_MOST_BUFFER = 4096
_LONGEST_NAME = 64
_MOST_INDEX = 255  # of a certificate or CA (INF: the range is not documented)


class TlsCommands(ReceiveCommands):
    """AT+CIPSSLSIZE (NonOS only) and AT+CIPSSLCCONF."""

    @rule(r"AT\+CIPSSLSIZE=(.*)", tag="CIPSSLSIZE")
    def set_tls_buffer(self, match: re.Match[str]) -> None:
        """``AT+CIPSSLSIZE=2048..4096``.

        NonOS only: "AT Command Set Comparison" of the ESP-AT v2.2.0.0 ESP8266 guide.
        """
        self.one(match[1], _LEAST_BUFFER, _MOST_BUFFER)
        self.ok()

    @rule(r"AT\+CIPSSLCSNI=(.*)", tag="CIPSSLCSNI")
    def set_server_name(self, match: re.Match[str]) -> None:
        """``AT+CIPSSLCSNI=[id,]"name"``: for the next AT+CIPSTART (DOC); 64 bytes at most."""
        arguments = Arguments(match[1])
        number, at = self.take_id(arguments, all_allowed=True)
        arguments.expect(at + 1, at + 1)
        name = arguments.text(at, _LONGEST_NAME)
        for link in range(LINKS) if number == _ALL else (number,):
            self.session.server_names[link] = name
        self.ok()

    @rule(r"AT\+CIPSSLCSNI\?", tag="CIPSSLCSNI")
    def query_server_name(self, _: re.Match[str]) -> None:
        """``AT+CIPSSLCSNI?``: a row per link (DOC)."""
        for number in range(LINKS):
            self.say(f'+CIPSSLCSNI:{number},"{self.session.server_names.get(number, "")}"')
        self.ok()

    @rule(r"AT\+CIPSSLCCONF=(.*)", tag="CIPSSLCCONF")
    def set_tls_client(self, match: re.Match[str]) -> None:
        """``AT+CIPSSLCCONF=[id,]mode[,certificate[,CA]]``; N17: one mode for the one SSL link.

        DOC AT+CIPSSLCCONF: stored whatever AT+SYSSTORE says. N17 keeps it likewise (INF).
        """
        if self.profile.nonos:
            clients = [(self.one(match[1], 0, 3), 0, 0)]
        else:
            arguments = Arguments(match[1])
            number, at = self.take_id(arguments, all_allowed=True)
            arguments.expect(at + 1, at + 3)
            mode = arguments.number(at, 0, 3)
            client = (
                mode,
                arguments.number(at + 1, 0, _MOST_INDEX, 0),
                arguments.number(at + 2, 0, _MOST_INDEX, 0),
            )
            clients = [*self.now.tls_clients]
            for link in range(LINKS) if number == _ALL else (number,):
                clients[link] = client
        self.now.tls_clients = self.flash.tls_clients = tuple(clients)
        self.ok()

    @rule(r"AT\+CIPSSLCCONF\?", tag="CIPSSLCCONF")
    def query_tls_client(self, _: re.Match[str]) -> None:
        """``AT+CIPSSLCCONF?``: one row per link; N17 the mode alone."""
        if self.profile.nonos:
            self.say(f"+CIPSSLCCONF:{self.now.tls_clients[0][0]}")
        else:
            for number, client in enumerate(self.now.tls_clients):
                self.say(f"+CIPSSLCCONF:{number},{','.join(map(str, client))}")
        self.ok()

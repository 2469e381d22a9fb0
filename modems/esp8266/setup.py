"""Bringing an Espressif module up: find, identify, probe, set, join; and putting it back."""

from __future__ import annotations

import abc
import asyncio
import contextlib
from dataclasses import replace

from atdriver.channel import Channel
from atdriver.dialect import Probe
from atdriver.errors import CommandFailed
from modems.commands import query, simple
from modems.esp8266 import commands
from modems.esp8266.capabilities import table
from modems.esp8266.dialect import CANARY, DIALECT, ESCAPE, MAX_FRAME, NONOS_MAX_COMMAND
from modems.esp8266.firmware import Firmware, identify
from modems.esp8266.wifi import WiFi
from modems.module import ModuleStack
from modems.rate import LineRate
from modems.sockets import ModuleSocket
from netsocket.errors import NotSupported
from netsocket.wifi import Security, WiFiCredentials


class Esp8266Setup(ModuleStack):
    """The part of the stack that works before there are sockets."""

    # Recognised even while another command runs: "Will force to restart!!!" (AT+RST).
    reset_steps = ((0.2, b"\r\nAT+RST\r\n"), (2.0, b""))

    identity = (  # ESP-AT and newer NonOS; NonOS up to 1.7 (AT Instruction Set, "CIPSTAMAC")
        query("AT+CIPSTAMAC?", rb"\+CIPSTAMAC:.*"),
        query("AT+CIPSTAMAC_CUR?", rb"\+CIPSTAMAC_CUR:.*"),
    )
    keeps = (
        query("AT+UART_DEF?", rb"\+UART_DEF:.*"),
        query("AT+SYSSTORE?", rb"\+SYSSTORE:.*"),
        query("AT+CWMODE_DEF?", rb"\+CWMODE_DEF:.*"),
        query("AT+CWDHCP_DEF?", rb"\+CWDHCP_DEF:.*"),
    )

    def __init__(
        self,
        channel: Channel,
        *,
        name: str,
        line: LineRate,
        wifi: WiFi,
        receive: str,
        send_timeout: float,
        stay: bool,
        server_links: int,
        reconnect: bool,
    ) -> None:
        super().__init__(channel, line=line, reconnect=reconnect)
        self.name = name
        self.firmware = Firmware("E", (0, 0, 0, 0), "", "unknown")
        self.capabilities = table(name, self.firmware, receive=receive, frame=2048)
        self._wifi = wifi
        self._stay = stay
        self._found_in: str | None = None  # the WiFi network that the module was found in
        self._looked = False
        self._checking = False  # whether the links are being asked for
        self._check_due = False  # whether they will be, soon
        self._judging = False  # whether it is being found out who ended pushed connections
        self._air_lost = False  # between WIFI DISCONNECT and WIFI GOT IP
        self._receive_setting = receive
        self._send_timeout = send_timeout
        self._receive_mode = "push"
        self._per_link_type = False
        self._sender_info: bool | None = False  # None: an answer is due, or was lost
        self._form = asyncio.Lock()  # held while a command's answer depends on CIPDINFO
        self._resting: dict[int, float] = {}
        self._poller: asyncio.Task[None] | None = None
        self._returning = False  # whether the address of a WiFi that came back is asked for
        self._ipv6 = False
        self._listener: ModuleSocket | None = None
        self._server_links = server_links
        self._served = False  # whether settings of the server have to be put back
        self._surplus: set[int] = set()  # accepted links that are being closed again
        self._pull_links: dict[int, bool] = {}  # AT+CIPRECVTYPE by link id
        self._details_from: int | None = None  # AT+SYSMSG as it was found
        self._options_known: int | None = None
        self._link_options: dict[int, tuple[int, int, int, int]] = {}

    # -- bring-up -----------------------------------------------------------------------------

    async def _find(self) -> None:
        self.channel.set_probe(Probe(b"AT"))
        await self._line.find(ESCAPE)

    async def _configure(self) -> None:
        run = self.channel.run
        await run(simple("ATE0"))
        self.firmware = identify((await run(commands.VERSION)).lines)
        new = self.firmware.family == "E"
        self.channel.max_command = DIALECT.max_command if new else NONOS_MAX_COMMAND
        if new:
            await self._try("AT+SYSSTORE=0")  # since v2.1: keep our settings out of flash
        await self._try("AT+CIPMODE=0")
        await self._close_leftovers()
        if not await self._try("AT+CIPMUX=1"):
            await self._try("AT+CIPCLOSE=5")
            await run(simple("AT+CIPMUX=1"))
        self.channel.set_probe(CANARY)
        await run(simple("AT+CIPDINFO=0"))
        self._sender_info = False
        self._resting.clear()
        self._surplus.clear()
        self._pull_links.clear()
        self._link_options.clear()
        self._details_from = self._options_known = None
        self._served = False
        await self._choose_receive_mode()
        self._ipv6 = new and await self._try("AT+CIPV6=1")  # since v2.2; before the join
        frame = 2048
        if (
            new
            and not self.firmware.is_esp8266
            and await self._try("AT+CIPSENDLCFG?", rb"\+CIPSENDLCFG:.*")
        ):
            frame = MAX_FRAME  # the command came with the longer frame, v2.4
        self.capabilities = table(
            self.name,
            self.firmware,
            receive=self._receive_mode,
            frame=frame,
            ipv6=self._ipv6,
        )

    async def _close_leftovers(self) -> None:
        """Links that a previous program left open would deliver its data to us."""
        await self._try("AT+CIPSERVER=0")
        try:
            reply = await self.channel.run(commands.links())
        except CommandFailed:
            return
        for row in reply.lines:
            if row.startswith(b"+CIPSTATUS:"):
                link = row[11:12].decode("ascii", "replace")
                if not await self._try(f"AT+CIPCLOSE={link}"):
                    await self._try("AT+CIPCLOSE")

    async def _choose_receive_mode(self) -> None:
        """Pull where the firmware has it (probed), unless push is asked for."""
        pull = self._receive_setting == "pull"
        self._per_link_type = self.firmware.family == "E" and await self._try(
            "AT+CIPRECVTYPE?", rb"\+CIPRECVTYPE:.*"
        )
        if self._per_link_type:
            self._receive_mode = "pull" if pull else "push"
            return
        answered = await self._try(f"AT+CIPRECVMODE={int(pull)}")
        if not pull or not answered:
            self._receive_mode = "push"
        else:
            self._receive_mode = "pull" if self.firmware.family == "N" else "pull_all"

    async def _attach(self) -> None:
        if not self._looked:
            self._found_in = await self._wifi.current(self.channel, self.firmware)
            self._looked = True
        self._address = await self._wifi.join(self.channel, self.firmware)
        self._air_lost = False
        if self._poller is None or self._poller.done():
            self._poller = self._spawn(self._poll())

    @abc.abstractmethod
    async def _poll(self) -> None:
        """Look for data whose notice was lost, for ever."""

    # -- the network, see netsocket.wifi.WiFiControl ---------------------------------------------

    @property
    def credentials(self) -> WiFiCredentials | None:
        """The network that the next `up` joins."""
        return self._wifi.credentials

    def set_credentials(self, credentials: WiFiCredentials | None) -> None:
        """Choose the network. Raises NotSupported for WPA3 on NonOS firmware."""
        wpa3 = credentials is not None and credentials.security is Security.WPA3
        if wpa3 and self.firmware.family == "N":
            raise NotSupported(self.capabilities["wifi.credentials"], "NonOS knows no WPA3")
        self._wifi = replace(self._wifi, credentials=credentials)

    def set_channel(self, channel: int) -> None:
        """Raises NotSupported for a certain channel: AT+CWJAP has no such parameter."""
        if channel:
            self.capabilities["wifi.channel"].require()

    async def _leave(self) -> None:
        """Out of a network that the module was not found in, if anybody joined one."""
        if not self._looked:
            return
        current = await self._wifi.current(self.channel, self.firmware)
        if not self._stay and current not in (None, self._found_in):
            with contextlib.suppress(CommandFailed):
                await self._wifi.leave(self.channel)

    async def _restore(self) -> None:
        await self._leave()
        if self._ipv6:
            await self._try("AT+CIPV6=0")
        for text in ("AT+CIPRECVMODE=0", "AT+CIPDINFO=0", "AT+CIPMUX=0"):
            await self._try(text)
        if self.firmware.family == "E":
            await self._try("AT+SYSSTORE=1")
        await self._try("ATE1")

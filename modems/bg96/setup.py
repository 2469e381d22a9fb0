"""Bringing a BG96 up: find, identify, set, register, learn the notice port; and putting it back."""

from __future__ import annotations

import abc
import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from atdriver.channel import Channel
from atdriver.dialect import Probe
from atdriver.errors import CommandFailed, MalformedReply, UnsupportedFirmware
from atdriver.syntax import fields, number, string
from modems.bg96 import commands
from modems.bg96.capabilities import table
from modems.bg96.dialect import CANARY, MAX_SEND, SOCKETS, SPARE
from modems.bg96.network import Network
from modems.bg96.radio import Radio, write
from modems.bg96.state import cellular_state, functionality
from modems.commands import query, simple
from modems.module import ModuleStack
from modems.rate import LineRate
from modems.sockets import ModuleSocket
from modems.table import PORT_ATTEMPTS, log
from netsocket import errors
from netsocket.cellular import AccessPointName, CellularState

ESCAPE = ((1.1, b"+++"), (1.1, bytes(MAX_SEND) + SPARE), (0.5, b"\r"), (0.3, b""))
"""Out of PPP or transparent mode: one second of silence on both sides (AT manual, `+++`). Then out
of a counted send that a program announced and did not finish: there is no cancel, so the largest
count that there is is filled up. That connection is broken, and closed with the leftovers."""
FULL = 1
"""AT+CFUN: the radio is on (AT manual V2.2, 2.22)."""
MODELS = ("BG96", "BG95", "BG77", "BG600L")


class Bg96Setup(ModuleStack):
    """The part of the stack that works before there are sockets."""

    # RDY came 6 s after this on a real module; the probes go on until it answers.
    reset_steps = ((0.2, b"\rAT+CFUN=1,1\r"), (6.0, b""))

    identity = (commands.SERIAL_NUMBER,)
    keeps = (
        commands.NOTICE_PORT,
        query("AT+IPR?", rb"\+IPR:.*"),
        commands.PROFILE,
        *(
            query(f'AT+QCFG="{name}"', rb'\+QCFG: ?"%b",.*' % name.encode())
            for name in ("nwscanmode", "iotopmode", "nwscanseq", "band")
        ),
    )
    # A driver leaves its APN in place, because the next start finds the context active then.
    rewrites: ClassVar[Mapping[str, tuple[str, str]]] = {
        str(commands.PROFILE): ("+QICSGP: ", "AT+QICSGP=1,")
    }

    def __init__(
        self,
        channel: Channel,
        *,
        name: str,
        line: LineRate,
        network: Network,
        radio: Radio,
        notice_port: str,
        persist: bool,
        reconnect: bool,
    ) -> None:
        super().__init__(channel, line=line, reconnect=reconnect)
        self.name = name
        self.capabilities = table(name, "unknown")
        self._network = network
        self._radio = radio
        self._former_radio: dict[str, str] = {}  # AT+QCFG values as they were found
        self._notice_port = notice_port
        self._persist = persist
        self._former_port = ""
        self._former_function: int | None = None  # AT+CFUN as it was found, when it was changed
        self._identity: dict[str, str] = {}
        self._registration = asyncio.Event()  # the module told of it
        self._surplus: set[int] = set()  # accepted connections that are being closed again
        self._opening: dict[int, asyncio.Future[int]] = {}
        self._looking: set[ModuleSocket] = set()  # asked for data that nobody announced
        self._unsettled: dict[int, float] = {}  # opens given up without a result: until when
        self._resolving = asyncio.Lock()
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()
        self._pinging = asyncio.Lock()
        self._pongs: asyncio.Queue[bytes] = asyncio.Queue()
        self._poller: asyncio.Task[None] | None = None
        self._strays = 0  # results of a send that nobody waited for
        self._stray_at = 0.0
        self._checking = False  # whether the context is being looked at

    # -- bring-up -----------------------------------------------------------------------------

    async def _find(self) -> None:
        self.channel.set_probe(Probe(b"AT"))
        await self._line.find(ESCAPE)

    async def _configure(self) -> None:
        run = self.channel.run
        await run(simple("ATE0"))
        await self._try("AT&D0")  # opening or closing the port must not drop anything
        self._identify((await run(commands.IDENTITY)).lines)
        await run(simple("AT+CMEE=1"))
        await run(simple("AT+CEREG=2"))
        self.channel.set_probe(CANARY)
        await self._try("AT+QISDE=0")  # no echo of payload
        await self._try('AT+QICFG="dataformat",0,0')
        await self._try('AT+QICFG="viewmode",0')
        await self._try('AT+QICFG="recvind",0')
        if self._notice_port:
            await self._set_notice_port(self._notice_port)
        await self._close_leftovers()

    def _identify(self, lines: list[bytes]) -> None:
        texts = [line.decode("ascii", "backslashreplace").strip() for line in lines]
        model = next((text for text in texts if text.startswith(MODELS)), "")
        if not model:
            shown = " / ".join(texts[:4]) or "nothing"
            raise UnsupportedFirmware(f"this is no {', '.join(MODELS)}: ATI answers {shown}")
        revision = next((t.partition(":")[2].strip() for t in texts if t.startswith("Rev")), "")
        self._identity = {"manufacturer": texts[0], "model": model, "firmware": revision}
        self.capabilities = table(self.name, revision or model)

    async def _close_leftovers(self) -> None:
        """A module survives its host's restart with its sockets open."""
        with contextlib.suppress(CommandFailed):
            reply = await self.channel.run(commands.SOCKETS)
            for row in reply.lines:
                with contextlib.suppress(CommandFailed, MalformedReply):
                    link = number(fields(row.partition(b":")[2])[0], 0, SOCKETS - 1)
                    await self.channel.run(commands.close(link, 0))

    # -- SIM and network, see netsocket.cellular.CellularControl -----------------------------------

    @property
    def access_point_name(self) -> AccessPointName:
        """The data connection that the next `up` asks for."""
        return self._network.name

    def set_access_point_name(self, name: AccessPointName) -> None:
        """Choose the data connection."""
        self._network = replace(self._network, name=name)

    def set_sim_pin(self, pin: str) -> None:
        """The PIN for a SIM that asks for it."""
        self._network = replace(self._network, pin=pin)

    async def cellular(self) -> CellularState:
        """Ask SIM and radio; configures the module when nobody has."""
        await self.configure()
        return await cellular_state(self.channel)

    async def _switch_on(self) -> None:
        """A module that was left in flight mode hears nothing; the level comes back at the end."""
        level = await functionality(self.channel)
        if level != FULL:
            log.info("%s: the radio is off (AT+CFUN: %d); it is switched on", self.name, level)
            await self.run(simple(f"AT+CFUN={FULL}", commands.SWITCH))
            self._former_function = level

    async def _attach(self) -> None:
        await self._switch_on()
        for name, value in (await self._radio.apply(self.channel)).items():
            self._former_radio.setdefault(name, value)
        self._address = await self._network.attach(self.channel, self._registration)
        if not self._notice_port:
            await self._learn_notice_port()
        if self._poller is None or self._poller.done():
            self._poller = self._spawn(self._poll())

    async def _learn_notice_port(self) -> None:
        """Notices go to one port only, and a module has several. A socket's row names the port it
        was opened on, which is ours; without this no `recv` would ever come. An open that fails, as
        on a local port in use, has no row: then on another one."""
        for _ in range(PORT_ATTEMPTS):
            if port := await self._port_of_a_socket():
                await self._set_notice_port(port)
                return
        log.warning("%s: it does not tell on which port it sends its notices", self.name)

    async def _port_of_a_socket(self) -> str:
        """The module's name for our port, "" when no socket came about."""
        link = SOCKETS - 1
        if not await self._attempt(commands.open_udp(link, self._free_port())):
            return ""
        port = ""
        for _ in range(4):
            reply = await self.run(commands.state(link))
            if reply.lines:
                port = string(fields(reply.lines[0].partition(b":")[2])[-1])
                break
            await asyncio.sleep(0.1)
        with contextlib.suppress(CommandFailed):
            await self.channel.run(commands.close(link, 0))
        return port if port in ("usbat", "usbmodem", "uart1") else ""

    async def _set_notice_port(self, port: str) -> None:
        """The setting is stored by the module, so it is written only when it differs, and the
        former value comes back at the end unless `persist` is set."""
        try:
            reply = await self.channel.run(commands.NOTICE_PORT)
        except CommandFailed:
            return
        former = string(fields(reply.lines[0])[-1]) if reply.lines else ""
        if former == port:
            return
        if await self._try(f'AT+QURCCFG="urcport","{port}"') and not self._former_port:
            self._former_port = former

    @abc.abstractmethod
    async def _poll(self) -> None:
        """Look for data whose notice was lost, for ever."""

    async def _restore(self) -> None:
        if self._former_port and not self._persist:
            await self._try(f'AT+QURCCFG="urcport","{self._former_port}"')
            self._former_port = ""
        if not self._persist:
            for name, value in self._former_radio.items():
                with contextlib.suppress(errors.DeviceError):
                    await write(self.channel, name, value)
        self._former_radio.clear()
        await self._try("AT+CEREG=0")
        if self._former_function is not None and not self._persist:
            await self._try(f"AT+CFUN={self._former_function}")
            self._former_function = None
        await self._try("ATE1")

"""PppStack: a module dialled, PPP over the same port, sockets of an IP stack on this computer.

The module's own driver (`control`) finds it, enters the PIN, registers and defines the context, as
ever; then this dials. When the call ends by itself, every socket ends with the reason at once, and
it is dialled again, after longer and longer pauses.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from atdriver.ppp import NetworkUp, PppSettings
from modems.lifecycle import ModuleState
from modems.module import ModuleStack
from modems.ppp import Dial
from modems.ppp.backends import Backend
from modems.ppp.carrier import Carrier, carrier_of
from modems.ppp.errors import as_network_error, as_socket_error
from modems.ppp.forwarding import ForwardedSockets, nobody
from modems.ppp.line import PppLine
from modems.table import log
from netsocket import errors
from netsocket.capability.model import Capability, CapabilityTable, Level
from netsocket.cellular import AccessPointName, CellularControl, CellularState
from netsocket.ip.link import IpPacketLink, IpSettings
from netsocket.stack import InterfaceStatus, PingingStack, Stack, StackStatus

PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds before each try to dial again; the last one from then on."""
STAND_BY = 5
"""Tries after which the interface is told to be down; the tries go on."""
_ASKED = ("cellular.sim", "cellular.registration", "cellular.signal")
_BETWEEN = "the call has the module's only port; with mux=yes it can be asked meanwhile"
NO_PEER = "10.64.64.64"
"""For an other end that says no address of its own: the link needs one to route to."""


@dataclass(slots=True)
class _Call:
    """What belongs to one call."""

    carrier: Carrier
    line: PppLine
    inner: Stack
    up: NetworkUp


class PppStack(ForwardedSockets):
    """See netsocket.stack.Stack. `backend()` gives what makes a stack of a packet link,
    `claims` is what is known of that before there is one."""

    def __init__(
        self,
        control: ModuleStack,
        dial: Dial,
        settings: Callable[[], PppSettings],
        backend: Callable[[], Backend],
        *,
        claims: CapabilityTable,
        reconnect: bool = True,
    ) -> None:
        super().__init__()
        self.name = control.name
        self.control = control
        self.channel = control.channel
        self.counts: Counter[str] = Counter()
        self._dial = dial
        self.capabilities = self._claims(claims)
        self._settings = settings
        self._backend = backend
        self._reconnect = reconnect
        self._call: _Call | None = None
        self._failure: OSError | None = None
        self._epoch = 0
        self._details: dict[str, str] = {}
        self._up_lock = asyncio.Lock()
        self._recovering: asyncio.Task[None] | None = None
        self._control_news = asyncio.Event()
        control.attach(nobody, self._control_status)

    # -- interface -----------------------------------------------------------------------------

    async def up(self) -> None:
        """See Stack.up. Raises what the module's own `up` raises; DialFailed, AuthenticationFailed,
        NetworkTimeout, NetworkDown."""
        await self._stop_recovering()
        async with self._up_lock:
            if self._call is not None:
                return
            self._tell(InterfaceStatus.CONNECTING)
            try:
                backend = self._backend()  # without one there is no need to dial
                await self.control.up()
                await self._connect(backend)
            except BaseException as error:
                self._failure = error if isinstance(error, OSError) else None
                self._tell(InterfaceStatus.DISCONNECTED)
                raise
            self._tell(InterfaceStatus.GLOBAL_UP)

    async def down(self) -> None:
        """See Stack.down."""
        await self._stop_recovering()
        self._failure = None
        call, self._call = self._call, None
        self._break_all(errors.NetworkDown("the interface was taken down"))
        if call is not None:
            await self._end(call)
        await self.control.down()
        self._tell(InterfaceStatus.DISCONNECTED)

    async def configure(self) -> None:
        """Only find and configure the module: enough to ask it questions."""
        await self.control.configure()

    async def _connect(self, backend: Backend) -> None:
        """Dial, and put a stack on top. Raises OSError; then nothing of it is left."""
        if not self._details or not self._beside:
            with contextlib.suppress(OSError):
                self._details = (await self.control.status()).details
        carrier = carrier_of(self.channel, self._dial)
        line = PppLine(
            carrier,
            self._dial,
            self._settings(),
            note=self.channel.note,
            ended=lambda error: self._lost(line, error),
        )
        await carrier.take(line)
        inner: Stack | None = None
        try:
            await line.dial()
            up = await line.establish()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            line.pump(ours)
            inner = await backend(IpPacketLink(f"PPP on {carrier.name}", theirs, settings_of(up)))
            inner.attach(self._noticed, nobody)
            await inner.up()
            if line.gone is not None:  # meanwhile, when there was no call yet to be lost
                raise line.gone
        except BaseException as error:
            await asyncio.shield(self._undo(carrier, line, inner))
            if isinstance(error, OSError):
                raise as_network_error(error) from error
            raise
        self._call = _Call(carrier, line, inner, up)
        self.capabilities = self._claims(inner.capabilities)
        self._use(inner)
        self._epoch += 1
        self._failure = None

    def _claims(self, inner: CapabilityTable) -> CapabilityTable:
        """Of sockets what the IP stack claims, of SIM and radio what the module does."""
        module = self.control.capabilities
        radio = [module[id_] for id_ in module if id_.startswith("cellular.")]
        if not carrier_of(self.channel, self._dial).beside:
            radio = [
                replace(each, level=Level.NONE, because=_BETWEEN) if each.id in _ASKED else each
                for each in radio
            ]
        return inner.with_changes(*radio)

    async def _undo(self, carrier: Carrier, line: PppLine, inner: Stack | None) -> None:
        if inner is not None:
            with contextlib.suppress(OSError):
                await inner.down()
        await line.hang_up()
        with contextlib.suppress(OSError):
            await carrier.give_back(answers=line.over)

    async def _end(self, call: _Call) -> None:
        """Take one call down; never raises for what is gone already."""
        with contextlib.suppress(OSError):
            await call.inner.down()
        await call.line.hang_up()
        try:
            await call.carrier.give_back(answers=call.line.over)
        except OSError as error:
            log.debug("%s: after the call: %s", self.name, error)

    # -- what happens by itself ----------------------------------------------------------------

    def _lost(self, line: PppLine, error: OSError) -> None:
        """The link ended by itself."""
        call = self._call
        if call is None or call.line is not line:
            return
        self._call = None
        self.counts["lost"] += 1
        log.info("%s: the PPP link is gone: %s", self.name, error)
        self._failure = as_network_error(error)
        self._break_all(as_socket_error(error))
        again = self._reconnect
        self._tell(InterfaceStatus.CONNECTING if again else InterfaceStatus.DISCONNECTED)
        loop = asyncio.get_running_loop()
        self._recovering = loop.create_task(self._recover(call))

    async def _recover(self, call: _Call) -> None:
        await self._end(call)
        attempt = 0
        while self._reconnect:
            await asyncio.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
            attempt += 1
            if attempt > STAND_BY:
                self._tell(InterfaceStatus.DISCONNECTED)
            await self._control_ready()
            self.counts["redial"] += 1
            self.channel.note(f"recovery: redial ({self.counts['redial']})")
            try:
                await self._connect(self._backend())
            except OSError as error:
                log.info("%s: dialling again did not help: %s", self.name, error)
                self._failure = error
                with contextlib.suppress(OSError):  # if that fails, its own recovery sees to it
                    await self.control.again(attempt)
                continue
            except Exception as error:  # a mistake of ours must not leave it attaching for ever
                log.exception("%s: dialling again failed", self.name)
                self._failure = errors.DeviceError(f"dialling again failed: {error!r}")
                self._tell(InterfaceStatus.DISCONNECTED)
                return
            self._tell(InterfaceStatus.GLOBAL_UP)
            return

    async def _control_ready(self) -> None:
        """Wait until the module is registered again; its own recovery sees to that."""
        while self.control.state is not ModuleState.IP_READY:
            self._control_news.clear()
            self._failure = self.control.failure or self._failure
            if self.control.told is InterfaceStatus.DISCONNECTED:
                self._tell(InterfaceStatus.DISCONNECTED)
            await self._control_news.wait()

    def _control_status(self, status: InterfaceStatus) -> None:
        """From the module's own driver."""
        self._control_news.set()
        call = self._call
        if call is not None and self.control.state is not ModuleState.IP_READY:
            call.line.lose(self.control.failure or errors.NetworkDown(status.name.lower()))

    async def _stop_recovering(self) -> None:
        task, self._recovering = self._recovering, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    # -- questions -----------------------------------------------------------------------------

    @property
    def _beside(self) -> bool:
        """Whether the module can be asked while a call is up."""
        return self._call is None or self._call.carrier.beside

    async def status(self) -> StackStatus:
        """See Stack.status. While a call has the only port, what the module said before it."""
        if self._beside and self.control.state is not ModuleState.OFF:
            with contextlib.suppress(OSError):
                self._details = (await self.control.status()).details
        details = dict(self._details)
        call = self._call
        if call is not None:
            details["ppp"] = ", ".join(map(str, call.up.addresses))
            details["name servers"] = ", ".join(map(str, call.up.dns)) or "none"
        if self.counts:
            details["recovery"] = ", ".join(f"{n} {c}" for n, c in sorted(self.counts.items()))
        return StackStatus(self._status, self.address, self._epoch, details)

    async def ping(self, host: str) -> float:
        """Round trip in seconds, by the stack of this computer."""
        inner = self._inner
        if inner is None:
            raise errors.NetworkDown(f"the {self.name} is not attached")
        if not isinstance(inner, PingingStack):
            raise errors.NotSupported(Capability("ping", Level.NONE, "not by this IP stack"))
        return await inner.ping(host)

    @property
    def failure(self) -> OSError | None:
        """Why it is not up; None while it is, or was never brought up."""
        return self._failure

    @property
    def recovery(self) -> Mapping[str, int]:
        """How often what failed, and what was done about it."""
        return {**self.control.recovery, **self.counts}

    @property
    def address(self) -> str | None:
        """Own address."""
        return str(self._call.up.addresses[0]) if self._call is not None else None

    # -- SIM and access point; see netsocket.cellular.CellularControl ----------------------------

    @property
    def _cellular(self) -> CellularControl:
        if isinstance(self.control, CellularControl):
            return self.control
        raise errors.NotSupported(Capability("cellular.sim", Level.NONE, "this module has no SIM"))

    @property
    def access_point_name(self) -> AccessPointName:
        """See CellularControl."""
        return self._cellular.access_point_name

    def set_access_point_name(self, name: AccessPointName) -> None:
        """See CellularControl."""
        self._cellular.set_access_point_name(name)

    def set_sim_pin(self, pin: str) -> None:
        """See CellularControl."""
        self._cellular.set_sim_pin(pin)

    async def cellular(self) -> CellularState:
        """See CellularControl. Raises NotSupported while a call has the only port."""
        if not self._beside:
            raise errors.NotSupported(self.capabilities["cellular.sim"])
        return await self._cellular.cellular()


def settings_of(up: NetworkUp) -> IpSettings:
    """What PPP agreed upon, for an IP stack."""
    prefixes = {4: 32, 6: 64}
    peers = {4: NO_PEER, **{peer.version: str(peer) for peer in up.peers}}
    versions = [address.version for address in up.addresses]
    return IpSettings(
        tuple(f"{address}/{prefixes[address.version]}" for address in up.addresses),
        tuple(map(str, up.dns)),
        tuple(peers[version] for version in versions if version in peers),
        up.mtu,
    )

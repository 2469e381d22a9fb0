"""What an HTTP client of the proxy asks for: CONNECT, a plain http:// page, the PAC file.

h11 reads and writes both sides, so framing (lengths, chunks, trailers, 1xx) is checked and made
anew. Each request gets a connection of its own, which is closed behind it; the client's stays.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any, Final

import h11

from netsocket.adapters.http_message import (
    Headers,
    Unfit,
    absolute,
    authority,
    end_to_end,
    status_for,
)
from netsocket.adapters.proxy_visit import ClientGone, Visit
from netsocket.address import SocketAddress
from netsocket.errors import ConnectionReset
from netsocket.stream import AsyncTCPSocket
from netsocket.table import log

PAC: Final = b"/proxy.pac"
VIA: Final = b"1.1 atdriver"
RETRY_AFTER: Final = b"5"
"""Seconds after which a client may try again that got no socket of the module."""


async def serve(visit: Visit, first: bytes) -> bool:
    """A client whose first bytes are given. False when the end should look abnormal."""
    talk = _Talk(visit)
    talk.http.receive_data(first)
    while True:
        try:
            try:
                async with visit.asking():
                    request = await talk.event()
            except ClientGone:
                if talk.http.trailing_data[0]:
                    raise  # half a request
                return True
            if not isinstance(request, h11.Request):
                return True
            keep = await talk.serve(request)
        except h11.RemoteProtocolError as error:
            visit.failed(error)
            await talk.answer(error.error_status_hint, str(error))
            return True
        except Unfit as unfit:
            visit.failed(unfit)
            await talk.answer(unfit.status, str(unfit))
            return True
        if not keep:
            return True
        if talk.http.our_state is not h11.DONE or talk.http.their_state is not h11.DONE:
            return True
        talk.http.start_next_cycle()
        visit.served = False


class _Talk:
    """The requests of one client."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=visit.limits.head)
        self._head = False

    async def event(self) -> Any:
        """What the client sends next. Raises h11.RemoteProtocolError, OSError."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self.visit.read())
        return event

    async def send(self, event: Any) -> None:
        """Something to the client."""
        await self.visit.write(self.http.send(event) or b"")

    async def answer(
        self, status: int, text: str, headers: Headers | None = None, kind: str = "text/plain"
    ) -> None:
        """A whole answer of the proxy itself, where one can be given; no other follows."""
        if self.http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        body = text.encode()
        told: Headers = [
            (b"Content-Type", f"{kind}; charset=utf-8".encode()),
            (b"Content-Length", str(len(body)).encode()),
            (b"Connection", b"close"),
            *(headers or []),
        ]
        await self.send(h11.Response(status_code=status, headers=told))
        if not self._head:
            await self.send(h11.Data(data=body))
        await self.send(h11.EndOfMessage())

    async def serve(self, request: h11.Request) -> bool:
        """One request. False when nothing can follow it. Raises Unfit."""
        if not request.http_version.startswith(b"1."):
            raise Unfit(505, "HTTP/1.1 and HTTP/1.0 are spoken here.\n")
        target = request.target
        self._head = request.method == b"HEAD"
        if target.partition(b"?")[0] == PAC and self.visit.proxy.pac is not None:
            return await self._pac(request)
        if not self._allowed(request):
            await self.visit.deny()
            challenge = (b"Proxy-Authenticate", b'Basic realm="atdriver", charset="UTF-8"')
            await self.answer(407, "User and password are needed.\n", [challenge])
            return False
        if request.method == b"CONNECT":
            return await self._connect(authority(target, None))
        address, path, host = absolute(request)
        return await self._fetch(request, address, path, host)

    # -- what it may and can have --------------------------------------------------------------

    def _allowed(self, request: h11.Request) -> bool:
        if self.visit.proxy.secret is None:
            return True
        given = dict(request.headers).get(b"proxy-authorization", b"")
        scheme, _, coded = given.partition(b" ")
        if scheme.lower() != b"basic":
            return False
        try:
            user, _, password = base64.b64decode(coded.strip(), validate=True).partition(b":")
        except binascii.Error:
            return False
        return self.visit.proxy.check(user, password)

    async def _pac(self, request: h11.Request) -> bool:
        if request.method not in (b"GET", b"HEAD"):
            raise Unfit(405, "The PAC file can only be read.\n")
        assert self.visit.proxy.pac is not None
        own = SocketAddress.coerce(self.visit.client.getsockname())
        await self.answer(200, self.visit.proxy.pac(own), kind="application/x-ns-proxy-autoconfig")
        return False

    async def _refuse(self, error: OSError) -> bool:
        self.visit.failed(error)
        status = status_for(error)
        later = [(b"Retry-After", RETRY_AFTER)] if status == 503 else []
        text = getattr(error, "reason", "") or error.strerror or type(error).__name__
        await self.answer(status, f"{text}\n", later)
        return False

    # -- CONNECT ------------------------------------------------------------------------------

    async def _connect(self, address: SocketAddress) -> bool:
        visit = self.visit
        try:
            async with visit.leased(visit.stream()) as lease:
                socket = await visit.connect(lease, address)
                await self.send(
                    h11.Response(status_code=200, headers=[], reason=b"Connection established")
                )
                await visit.pump(socket, self.http.trailing_data[0])
        except OSError as error:
            if visit.served:
                raise
            await self._refuse(error)
        return False

    # -- plain HTTP ---------------------------------------------------------------------------

    async def _fetch(
        self, request: h11.Request, address: SocketAddress, path: bytes, host: bytes
    ) -> bool:
        visit = self.visit
        try:
            async with visit.leased(visit.stream()) as lease:
                socket = await visit.connect(lease, address)
                async with visit.watching():
                    await self._exchange(request, socket, path, host)
                await socket.close()
        except OSError as error:
            if self.http.our_state is not h11.SEND_RESPONSE:
                raise
            return await self._refuse(error)
        return True

    async def _exchange(
        self, request: h11.Request, socket: AsyncTCPSocket, path: bytes, host: bytes
    ) -> None:
        """Pass on a request and its answer, both at the same time."""
        origin = h11.Connection(h11.CLIENT, max_incomplete_event_size=self.visit.limits.head)
        passed = end_to_end(request)
        headers: Headers = [(b"Host", host)]
        headers += [(name, value) for name, value in passed if name.lower() != b"host"]
        headers += [(b"Via", VIA), (b"Connection", b"close")]
        if any(name == b"transfer-encoding" for name, _value in request.headers):
            headers.append((b"Transfer-Encoding", b"chunked"))
        ask = h11.Request(method=request.method, target=path, headers=headers)
        upward = asyncio.create_task(self._upward(ask, origin, socket))
        downward = asyncio.create_task(self._downward(origin, socket))
        try:
            await asyncio.wait({upward, downward}, return_when=asyncio.FIRST_COMPLETED)
            if not downward.done():
                failure = upward.exception()
                if failure is not None and not isinstance(failure, BrokenPipeError):
                    raise failure
            await downward  # a server may answer before it has heard everything
        finally:
            for task in (upward, downward):
                task.cancel()
            await asyncio.gather(upward, downward, return_exceptions=True)

    async def _upward(
        self, ask: h11.Request, origin: h11.Connection, socket: AsyncTCPSocket
    ) -> None:
        event: Any = ask
        while True:
            data = origin.send(event) or b""
            for at in range(0, len(data), socket.frame):
                piece = data[at : at + socket.frame]
                await socket.sendall(piece)
                self.visit.proxy.meter.up += len(piece)
            if isinstance(event, h11.EndOfMessage):
                return
            try:
                event = await self.event()
            except h11.RemoteProtocolError:
                raise ConnectionReset("the client's request broke off") from None
            if isinstance(event, h11.ConnectionClosed):
                raise ConnectionReset("the client's request broke off")

    async def _downward(self, origin: h11.Connection, socket: AsyncTCPSocket) -> None:
        while True:
            try:
                event = origin.next_event()
            except h11.RemoteProtocolError as error:
                log.info("client %d: the answer is not HTTP", self.visit.number)
                raise ConnectionReset(f"the server's answer is not HTTP: {error}") from None
            if event is h11.NEED_DATA:
                data = await socket.recv(64 * 1024)
                origin.receive_data(data)
                self.visit.proxy.meter.down += len(data)
                continue
            if isinstance(event, h11.Response | h11.InformationalResponse):
                event = type(event)(
                    status_code=event.status_code,
                    reason=event.reason,
                    headers=[*end_to_end(event), (b"Via", VIA)],
                )
            elif not isinstance(event, h11.Data | h11.EndOfMessage):
                raise ConnectionReset("the server's answer broke off")
            try:
                await self.send(event)
            except h11.LocalProtocolError:
                raise ConnectionReset("the server's answer cannot be passed on") from None
            if isinstance(event, h11.EndOfMessage):
                return

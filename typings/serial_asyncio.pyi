"""The part of pyserial-asyncio 0.6 that atdriver uses; the package ships no types."""

import asyncio

import serial

class SerialTransport(asyncio.Transport):
    _max_read_size: int
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        serial_instance: serial.Serial,
    ) -> None: ...
    @property
    def serial(self) -> serial.Serial | None: ...
    def _abort(self, exc: Exception | None) -> None: ...
    def _fatal_error(self, exc: Exception, message: str = ...) -> None: ...

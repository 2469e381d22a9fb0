"""Fetch something through an ESP32 with Espressif's AT firmware; needs pyserial only."""

import re
import sys
import time

import serial

TOKEN = re.compile(rb"\+IPD,(\d+):|(>) ?|([^\r\n]*)\r\n")
FAILED = ("ERROR", "FAIL", "SEND FAIL")


class ModuleError(Exception):
    """The module refused, restarted, or said nothing in time."""


class Module:
    """One module on one serial port."""

    def __init__(self, port: str) -> None:
        self.line = serial.Serial(port, 115200, timeout=0.05)
        self.buffer = b""
        self.received = b""
        self.closed = False

    def close(self) -> None:
        self.line.close()

    def token(self, deadline: float) -> str:
        """The next line or prompt; payload is counted and put aside."""
        while True:
            match = TOKEN.match(self.buffer)
            if match and match[1]:
                end = match.end() + int(match[1])
                if len(self.buffer) >= end:
                    self.received += self.buffer[match.end() : end]
                    self.buffer = self.buffer[end:]
                    return "+IPD"
            elif match:
                self.buffer = self.buffer[match.end() :]
                text = (match[2] or match[3]).decode("ascii", "replace")
                self.closed |= text == "CLOSED"  # may come before SEND OK
                return text
            if time.monotonic() > deadline:
                raise ModuleError("the module says nothing")
            self.buffer += self.line.read(self.line.in_waiting or 1)

    def wait(self, wanted: str, seconds: float = 10.0) -> None:
        """Read up to the line `wanted`."""
        deadline = time.monotonic() + seconds
        while (token := self.token(deadline)) != wanted:
            if token in FAILED:
                raise ModuleError(f"{token} instead of {wanted}")
            if token == "ready":
                raise ModuleError("the module has restarted")

    def command(self, text: str) -> None:
        """One command and its OK."""
        self.line.write(text.encode() + b"\r\n")
        self.wait("OK")


def fetch(port: str, host: str, tcp_port: int, request: bytes) -> bytes:
    """Join the access point, send `request`, return everything up to the end."""
    module = Module(port)
    try:
        module.command("ATE0")
        module.command("AT+CWMODE=1")
        module.command('AT+CWJAP="lab","secret99"')
        module.command(f'AT+CIPSTART="TCP","{host}",{tcp_port}')
        module.command(f"AT+CIPSEND={len(request)}")
        module.wait(">")
        module.line.write(request)
        module.wait("SEND OK")
        deadline = time.monotonic() + 10
        while not module.closed:
            module.token(deadline)
        return module.received
    finally:
        module.close()


if __name__ == "__main__":
    page = fetch(sys.argv[1], sys.argv[2], 80, b"GET / HTTP/1.0\r\n\r\n")
    sys.stdout.buffer.write(page)

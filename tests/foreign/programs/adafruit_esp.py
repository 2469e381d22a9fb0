"""Joins, resolves, fetches a page, sends a datagram: adafruit-circuitpython-esp-atcontrol.

What its examples do, on CPython: a pyserial port is the UART. Prints one JSON object.

    adafruit_esp.py PORT SSID PASSWORD HOST TCP_PORT UDP_PORT DATAGRAM_IN_HEX
"""

from __future__ import annotations

import contextlib
import json
import sys
import time

import adafruit_espatcontrol.adafruit_espatcontrol_socket as pool
import serial
from adafruit_espatcontrol.adafruit_espatcontrol import ESP_ATcontrol


def fetch(host: str, port: int) -> tuple[str, bytes]:
    """The address found for `host`, and everything that its server sent."""
    family, kind, protocol, _, address = pool.getaddrinfo(host, port, 0, pool.SOCK_STREAM)[0]
    connection = pool.socket(family, kind, protocol)
    connection.settimeout(1)
    connection.connect(address, conntype=ESP_ATcontrol.TYPE_TCP)
    connection.send(f"GET /page HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    reply = bytearray()
    deadline = time.monotonic() + 8
    while b"</html>" not in reply and time.monotonic() < deadline:
        reply += connection.recv()
    connection.settimeout(0)
    connection.close()
    return address[0], bytes(reply)


def main() -> None:
    port, ssid, password, host, tcp_port, udp_port, datagram = sys.argv[1:]
    with serial.Serial(port, 115200, timeout=1) as uart:
        # A firmware with AT+CWSTATE and without AT+CIPSTATE (v2.2.0, v2.2.1) would need
        # use_cipstatus=True: the driver takes the one for a sign of the other.
        esp = ESP_ATcontrol(uart, 115200)
        pool.set_interface(esp)
        with contextlib.redirect_stdout(sys.stderr):  # the driver prints that it has joined
            esp.connect({"ssid": ssid, "password": password})
        address, reply = fetch(host, int(tcp_port))
        assert esp.socket_connect(esp.TYPE_UDP, address, int(udp_port))
        esp.socket_send(bytes.fromhex(datagram))
        esp.socket_disconnect()
        found = {"version": esp.version, "own": esp.local_ip, "address": address}
    print(json.dumps(found | {"reply": reply.decode("latin-1")}))


if __name__ == "__main__":
    main()

"""Registers, opens a TCP socket, sends, takes the answer: Hologram's SDK, its BG96 driver.

Prints one JSON object.

    hologram_bg96.py PORT HOST TCP_PORT MESSAGE_IN_HEX
"""

from __future__ import annotations

import json
import sys

from Hologram.Network.Modem.BG96 import BG96


def main() -> None:
    port, host, tcp_port, message = sys.argv[1:]
    modem = BG96(device_name=port, baud_rate="115200", apn="internet")
    found = {
        "model": modem.modem_id,
        "imei": modem.imei,
        "imsi": modem.imsi,
        "operator": modem.operator,
        "signal": modem.signal_strength,
        "registered": modem.is_registered(),
    }
    modem.create_socket()  # the PDP context
    modem.connect_socket(host, int(tcp_port))
    found["reply"] = modem.send_message(bytes.fromhex(message))
    # Its close_socket() sends "AT+QICLOSE=" without the id (and AT+QIACT=0), which no BG96
    # takes; so the command goes through its own AT interface.
    closed, _ = modem.set("+QICLOSE", str(modem.socket_identifier), timeout=12)
    found["closed"] = closed
    modem.closeSerialPort()
    print(json.dumps(found))


if __name__ == "__main__":
    main()

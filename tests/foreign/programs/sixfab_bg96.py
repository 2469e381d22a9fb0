"""Attaches, opens a TCP socket, sends, reads the answer: Sixfab's CellularIoT library.

What its example does, on a port that is given. Prints one JSON object.

    sixfab_bg96.py PORT HOST TCP_PORT MESSAGE
"""

from __future__ import annotations

import contextlib
import json
import sys
import time

from cellulariot import cellulariot


def run(port: str, host: str, tcp_port: str, message: str) -> dict[str, str]:
    node = cellulariot.CellularIoT(serial_port=port)
    node.setupGPIO()
    node.enable()
    node.powerUp()
    node.getHardwareInfo()
    found = {"model": node.response}
    node.setMode(node.CATM1_MODE)
    node.connectToOperator()
    node.activateContext()
    node.setIPAddress(host)
    node.setPort(tcp_port)
    node.connectToServerTCP()
    node.sendDataTCP(message)
    time.sleep(0.5)  # it has no function that waits for data
    node.sendATComm("AT+QIRD=1,1500", "OK\r\n")
    found["reply"] = node.response
    node.closeConnection()
    time.sleep(0.3)  # which returns at the echo already
    node.deactivateContext()
    return found


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # the library prints what it does
        result = run(*sys.argv[1:])
    print(json.dumps(result))

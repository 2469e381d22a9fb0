"""What the vendors' protocols allow at best: payload bytes per second, as functions.

A line of B baud carries B/10 bytes a second (8N1). Every transaction costs its own text beside the
payload, and `latency` seconds for each time the module has to think; the host answers at once.
Times are seconds, rates bytes per second; baud 0 is a port without a line (USB): bytes pass at once.
Derivation: docs/performance.md.
"""

from __future__ import annotations

import math

__all__ = [
    "active_receive",
    "bg96_exchange",
    "bg96_receive",
    "bg96_send",
    "esp_exchange",
    "esp_send",
    "passive_receive",
    "seconds",
    "transparent",
    "windowed",
]

WINDOW = 5760
"""Bytes that an ESP-AT holds of one stream (TCP receive window)."""


def line_rate(baud: int) -> float:
    """Bytes per second of a line; infinite without one."""
    return baud / 10 if baud else math.inf


def _rate(payload: int, text: int, baud: int, waiting: float) -> float:
    taken = (payload + text) / line_rate(baud) + waiting
    return payload / taken if taken else math.inf


def transparent(baud: int) -> float:
    """Pass-through, either direction: nothing but payload."""
    return line_rate(baud)


def active_receive(baud: int, size: int = 1460, *, sender: bool = False) -> float:
    """ESP-AT, pushed: `+IPD,0,<n>:`; with `sender` (CIPDINFO) the longest address and port too."""
    head = len(f"\r\n+IPD,0,{size}:") + (len(',"255.255.255.255",65535') if sender else 0)
    return _rate(size, head, baud, 0.0)


def passive_receive(baud: int, size: int = 1460, latency: float = 0.0, *, ask: int = 2920) -> float:
    """ESP-AT, pulled `size` bytes at a time by commands that ask for at most `ask`."""
    text = (
        len(f"\r\n+IPD,0,{size}\r\n")
        + len(f"AT+CIPRECVDATA=0,{ask}\r\n")
        + len(f"+CIPRECVDATA:{size},")
        + len("\r\nOK\r\n")
    )
    return _rate(size, text, baud, latency)


def windowed(baud: int, round_trip: float) -> float:
    """The most that a window of 5760 bytes lets a far peer send while the line empties it."""
    return WINDOW / (round_trip + WINDOW / line_rate(baud))


def esp_send(baud: int, size: int = 2048, latency: float = 0.0) -> float:
    """ESP-AT, AT+CIPSEND of `size` bytes; `latency` for the whole of it."""
    text = (
        len(f"AT+CIPSEND=0,{size}\r\n")
        + len("\r\nOK\r\n\r\n>")
        + len(f"\r\nRecv {size} bytes\r\n")
        + len("\r\nSEND OK\r\n")
    )
    return _rate(size, text, baud, latency)


def bg96_send(baud: int, size: int = 1460, latency: float = 0.0) -> float:
    """BG96, AT+QISEND: two exchanges of `latency` each (command, prompt; data, result)."""
    text = len(f"AT+QISEND=0,{size}\r") + len("\r\n> ") + len("\r\nSEND OK\r\n")
    return _rate(size, text, baud, 2 * latency)


def bg96_receive(
    baud: int, size: int = 1500, latency: float = 0.0, *, query: bool = False
) -> float:
    """BG96, AT+QIRD; with `query` the amount is asked for first (AT+QIRD=0,0)."""
    text = len("AT+QIRD=0,1500\r") + len(f"\r\n+QIRD: {size}\r\n") + len("\r\n\r\nOK\r\n")
    if query:
        text += len("AT+QIRD=0,0\r") + len(f"\r\n+QIRD: {size},0,{size}\r\n\r\nOK\r\n")
    return _rate(size, text, baud, latency * (2 if query else 1))


def esp_exchange(baud: int, size: int = 32, latency: float = 0.0) -> float:
    """Seconds of `size` bytes there and back on an ESP-AT: sent, announced, pulled; three answers
    to wait for (prompt, SEND OK, data)."""
    text = len(
        f"AT+CIPSEND=0,{size}\r\n\r\nOK\r\n\r\n>\r\nRecv {size} bytes\r\n\r\nSEND OK\r\n"
    ) + len(f"\r\n+IPD,0,{size}\r\nAT+CIPRECVDATA=0,5760\r\n+CIPRECVDATA:{size},\r\nOK\r\n")
    return (2 * size + text) / line_rate(baud) + 3 * latency


def bg96_exchange(baud: int, size: int = 32, latency: float = 0.0) -> float:
    """Seconds of `size` bytes there and back on a BG96: AT+QISEND, AT+QIRD; three answers to wait
    for (prompt, SEND OK, data). Who asks behind a send needs no notice, which comes only when a read
    has found nothing (URC "recv")."""
    text = len(f"AT+QISEND=0,{size}\r\r\n> \r\nSEND OK\r\n") + len(
        f"AT+QIRD=0,1500\r\r\n+QIRD: {size}\r\n\r\n\r\nOK\r\n"
    )
    return (2 * size + text) / line_rate(baud) + 3 * latency


def seconds(
    module: str,
    baud: int,
    latency: float,
    down: int,
    up: int,
    *,
    push: bool = False,
    frame: int = 0,
) -> float:
    """The least time for so many bytes down and up through an "esp" or "bg96", one transaction
    behind the other, except that pushed data needs none. `frame`: bytes of a send, 0: the usual."""
    if module == "esp":
        sending = up / esp_send(baud, frame or 2048, latency)
        if push:
            return max(down / active_receive(baud), sending)
        return down / passive_receive(baud, latency=latency, ask=5760) + sending
    return down / bg96_receive(baud, latency=latency) + up / bg96_send(baud, frame or 1460, latency)

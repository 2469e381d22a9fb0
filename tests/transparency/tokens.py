"""Forty pieces of payload that look like something else: lines, prompts, heads and controls of both
dialects, and bytes that terminals treat in their own way."""

from __future__ import annotations

TOKENS = (
    b"\r\nOK\r\n", b"OK", b"\r\nERROR\r\n", b"ERROR", b"\r\nFAIL\r\n", b"> ", b"\r\n> ", b">",
    b"SEND OK\r\n", b"\r\nSEND OK\r\n", b"\r\nSEND FAIL\r\n", b"Recv 10 bytes\r\n",
    b"+IPD,0,5:EVIL!", b"\r\n+IPD,0,2920\r\n", b"+CIPRECVDATA:9,123456789\r\nOK\r\n",
    b"+CIPRECVDATA,9:", b"0,CLOSED\r\n", b"\r\n1,CONNECT\r\n", b"CLOSED\r\n", b"busy p...\r\n",
    b"busy s...\r\n", b"\r\nready\r\n", b"WIFI DISCONNECT\r\n", b"WIFI GOT IP\r\n",
    b'\r\n+QIURC: "closed",0\r\n', b'\r\n+QIURC: "recv",1\r\n', b'\r\n+QIURC: "pdpdeact",1\r\n',
    b"\r\n+QIRD: 12\r\n", b"+QIRD: 1500\r\n", b"\r\n+QIOPEN: 0,0\r\n", b"\r\nRDY\r\n",
    b"\r\nAPP RDY\r\n", b"+CME ERROR: 30\r\n", b"AT+QICLOSE=0\r", b"ATE1\r\n", b"+++", b"\x1a",
    b"\x1b", b"\x11\x13\x03\x04\x7f", b"\x00\x00\x00\xff\xfe\x80\r\r\n\n",
)  # fmt: skip


def straddling(border: int, start: int = 0) -> bytes:
    """Each token, across a multiple of `border` bytes, with its first byte at every place before
    it; filled up with all 256 values. `start`: how much stands before this piece."""
    made = bytearray()
    fill = bytes(range(256)) * (border // 256 + 2)
    at = -start % border
    for token in TOKENS:
        for before in range(len(token) + 1):
            while at - before < len(made):
                at += border
            gap = at - before - len(made)
            made += fill[len(made) % 256 :][:gap]
            made += token
    return bytes(made)

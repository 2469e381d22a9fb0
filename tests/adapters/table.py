"""Every adapter, the errors it promises, and what its library cannot express."""

from __future__ import annotations

import socket
import ssl

import aiohttp
import aiomqtt
import anyio
import asyncssh
import httpcore
import httpx
import requests
import websockets

from tests.adapters import clients
from tests.adapters.clients import Client

KEY = "SSH encrypts by itself; its host key takes the certificate's place and is checked there"
HTTP_HALF = "HTTP needs both directions of its connection; nothing is half-closed"
MQTT_HALF = "MQTT has a DISCONNECT packet instead"
WS_HALF = "WebSocket has a closing handshake instead"
SSH_HALF = "the end of a channel is a message inside SSH; the connection below stays whole"

CLIENTS = [
    Client(
        "streams", "raw", True, clients.streams,
        {
            "refused": ConnectionRefusedError, "unknown": socket.gaierror,
            "connecting": TimeoutError, "reading": TimeoutError, "reset": ConnectionResetError,
            "cut": None,
            "cut tls": (ssl.SSLEOFError, ConnectionResetError), "untrusted": ssl.SSLCertVerificationError,
        },
    ),
    Client(
        "descriptor", "raw", False, clients.descriptor,
        {
            "refused": ConnectionRefusedError, "unknown": socket.gaierror,
            "connecting": TimeoutError, "reading": TimeoutError, "reset": ConnectionResetError,
            "cut": None,
            "cut tls": (ssl.SSLEOFError, ConnectionResetError), "untrusted": ssl.SSLCertVerificationError,
        },
    ),
    Client(
        "anyio", "raw", True, clients.with_anyio,
        {
            "refused": anyio.ConnectionFailed, "unknown": socket.gaierror,
            "connecting": TimeoutError, "reading": TimeoutError,
            "reset": anyio.BrokenResourceError, "cut": None,
            "cut tls": (anyio.BrokenResourceError, ssl.SSLError),  # the latter of its own close
            "untrusted": ssl.SSLCertVerificationError,
        },
    ),
    *(
        Client(
            name, "http", asynchronous, run,
            {
                "refused": httpcore.ConnectError, "unknown": httpcore.ConnectError,
                "connecting": httpcore.ConnectTimeout, "reading": httpcore.ReadTimeout,
                "reset": (httpcore.ReadError, httpcore.RemoteProtocolError),
                "cut": httpcore.RemoteProtocolError, "cut tls": httpcore.ReadError,
                "untrusted": httpcore.ConnectError,
            },
            {"half-close": HTTP_HALF},
        )
        for name, asynchronous, run in (
            ("httpcore", False, clients.with_httpcore),
            ("httpcore-async", True, clients.with_httpcore_async),
        )
    ),
    *(
        Client(
            name, "http", asynchronous, run,
            {
                "refused": httpx.ConnectError, "unknown": httpx.ConnectError,
                "connecting": httpx.ConnectTimeout, "reading": httpx.ReadTimeout,
                "reset": (httpx.ReadError, httpx.RemoteProtocolError),
                "cut": httpx.RemoteProtocolError, "cut tls": httpx.ReadError,
                "untrusted": httpx.ConnectError,
            },
            {"half-close": HTTP_HALF},
        )
        for name, asynchronous, run in (
            ("httpx", False, clients.with_httpx),
            ("httpx-async", True, clients.with_httpx_async),
        )
    ),
    Client(
        "requests", "http", False, clients.with_requests,
        {
            "refused": requests.ConnectionError, "unknown": requests.ConnectionError,
            "connecting": requests.ConnectTimeout,
            "reading": requests.ConnectionError,  # requests' own for a read time-out in a body
            "reset": (requests.exceptions.ChunkedEncodingError, requests.ConnectionError),
            "cut": requests.exceptions.ChunkedEncodingError,
            "cut tls": (requests.exceptions.SSLError, requests.exceptions.ChunkedEncodingError),
            "untrusted": requests.exceptions.SSLError,
        },
        {"half-close": HTTP_HALF},
    ),
    Client(
        "aiohttp", "http", True, clients.with_aiohttp,
        {
            "refused": aiohttp.ClientConnectorError, "unknown": aiohttp.ClientConnectorDNSError,
            "connecting": aiohttp.ConnectionTimeoutError, "reading": aiohttp.SocketTimeoutError,
            "reset": (aiohttp.ClientPayloadError, aiohttp.ClientOSError),
            "cut": aiohttp.ClientPayloadError,
            "cut tls": (aiohttp.ClientPayloadError, aiohttp.ClientOSError),
            "untrusted": aiohttp.ClientConnectorCertificateError,
        },
        {"half-close": HTTP_HALF},
    ),
    Client(
        "paho", "mqtt", False, clients.with_paho,
        {
            "refused": ConnectionRefusedError, "unknown": socket.gaierror,
            "connecting": TimeoutError, "reading": TimeoutError, "reset": ConnectionError,
            "cut": ConnectionError, "cut tls": ConnectionError,
            "untrusted": ssl.SSLCertVerificationError,
        },
        {"half-close": MQTT_HALF},
        litters=True,
    ),
    Client(
        "aiomqtt", "mqtt", True, clients.with_aiomqtt,
        {
            "refused": aiomqtt.MqttError, "unknown": aiomqtt.MqttError,
            "connecting": aiomqtt.MqttError, "reading": TimeoutError,
            "reset": aiomqtt.MqttError, "cut": aiomqtt.MqttError, "cut tls": aiomqtt.MqttError,
            "untrusted": aiomqtt.MqttError,
        },
        {"half-close": MQTT_HALF},
        litters=True,
    ),
    *(
        Client(
            name, "ws", asynchronous, run,
            {
                "refused": ConnectionRefusedError, "unknown": socket.gaierror,
                "connecting": TimeoutError, "reading": TimeoutError,
                "reset": websockets.ConnectionClosedError,
                "cut": websockets.ConnectionClosedError,
                "cut tls": websockets.ConnectionClosedError,
                "untrusted": ssl.SSLCertVerificationError,
            },
            {"half-close": WS_HALF},
            inward=512 * 1024,  # max_queue messages, and one read of asyncio's (256 KiB)
        )
        for name, asynchronous, run in (
            ("websockets", True, clients.with_websockets),
            ("websockets-blocking", False, clients.with_websockets_blocking),
        )
    ),
    Client(
        "asyncssh", "ssh", True, clients.with_asyncssh,
        {
            "refused": ConnectionRefusedError, "unknown": socket.gaierror,
            "connecting": TimeoutError, "reading": TimeoutError,
            "reset": (asyncssh.ConnectionLost, ConnectionResetError),
            "cut": asyncssh.ConnectionLost,
            "untrusted": asyncssh.HostKeyNotVerifiable,
        },
        {"half-close": SSH_HALF, "tls": KEY, "tls-cut": KEY},
        outward=2304 * 1024,  # asyncssh sends what the server's window takes (2 MiB), paused or not
    ),
]  # fmt: skip
BY_NAME = {client.name: client for client in CLIENTS}

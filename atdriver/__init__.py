"""atdriver: open sockets through a USB cellular or WiFi module.

from atdriver import open_modem
with open_modem("esp8266:/dev/ttyUSB0", ssid="lab", password="…") as net:
    with net.create_connection(("example.org", 80), timeout=10) as sock:
        sock.sendall(b"GET / HTTP/1.0\\r\\nHost: example.org\\r\\n\\r\\n")
"""

from __future__ import annotations

from atdriver import guard

guard.check()

from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from atdriver.modem import aopen_interface, aopen_modem, open_interface, open_modem
    from netsocket.tcp import TCPSocket
    from netsocket.udp import UDPSocket

__version__ = "0.1.0"
__all__ = [
    "TCPSocket",
    "UDPSocket",
    "__version__",
    "aopen_interface",
    "aopen_modem",
    "open_interface",
    "open_modem",
]

_LAZY = {
    "open_interface": "atdriver.modem",
    "aopen_interface": "atdriver.modem",
    "open_modem": "atdriver.modem",
    "aopen_modem": "atdriver.modem",
    "TCPSocket": "netsocket.tcp",
    "UDPSocket": "netsocket.udp",
}


def __getattr__(name: str) -> Any:
    """The front door is loaded when it is used: the engine alone needs no serial library."""
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'atdriver' has no attribute {name!r}")

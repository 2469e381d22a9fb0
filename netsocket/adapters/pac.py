"""The PAC file of a proxy: what a browser asks where to send a page's request.

It names the proxy as HTTP, so that no browser resolves a name by itself, and asks for no name's
address (`dnsResolve`, `isInNet`), which would make the browser ask a name server.
"""

from __future__ import annotations

from typing import Final

from netsocket.address import SocketAddress

_TEXT: Final = """\
function FindProxyForURL(url, host) {{
  if (host === "localhost" || host === "[::1]" || host === "::1" || shExpMatch(host, "127.*")) {{
    return "DIRECT";
  }}
  return "PROXY {address}";
}}
"""


def text_for(address: SocketAddress) -> str:
    """Everything through the proxy at `address`, except this computer itself."""
    return _TEXT.format(address=address)

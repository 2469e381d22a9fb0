"""Contexts from the certificates in `certs`.

Made by `netsocket/capability/certificates/make.sh ../../../tests/netsocket/certs ec
"DNS:localhost, DNS:srv, IP:127.0.0.1"`.
"""

from __future__ import annotations

import ssl
from pathlib import Path

HERE = Path(__file__).with_name("certs")
CA = str(HERE / "ca.pem")


def serving(name: str = "good", *, alpn: list[str] | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / f"{name}.pem")
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def trusting(
    *, alpn: list[str] | None = None, most: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=CA)
    if alpn:
        context.set_alpn_protocols(alpn)
    if most is not None:
        context.maximum_version = most
    return context

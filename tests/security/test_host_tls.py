"""TLS on the host verifies by default: certificates that a browser would refuse, through a module."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
import warnings
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.drivers import rig
from tests.netsocket.certificates import serving, trusting


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "srv")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "self-signed.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def old(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = serving()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context


CASES = {
    "another host": (lambda _: serving("wrong-host"), "Hostname mismatch"),
    "expired": (lambda _: serving("expired"), "expired"),
    "unknown authority": (lambda _: serving("unknown-ca"), "local issuer"),
    "self-signed": (self_signed, "self-signed"),
    "TLS 1.0": (lambda _: old(ssl.TLSVersion.TLSv1), "(?i)version|protocol"),
    "TLS 1.1": (lambda _: old(ssl.TLSVersion.TLSv1_1), "(?i)version|protocol"),
}


@pytest.mark.parametrize("module", ["esp8266", "bg96"])
@pytest.mark.parametrize("case", CASES)
async def test_refused(case: str, module: str, tmp_path: Path) -> None:
    make, says = CASES[case]
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            heard.append(await reader.read(100))
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=make(tmp_path))
    port = server.sockets[0].getsockname()[1]
    async with server, rig.opened(module, "E24" if module == "esp8266" else "bg96") as made:
        # The usual context, which trusts the test's authority as well.
        with pytest.raises(ssl.SSLError, match=says):
            await made.net.open_connection("srv", port, ssl=trusting(), server_hostname="localhost")
        with pytest.raises(ssl.SSLError):
            await made.net.open_connection("srv", port, ssl=True, server_hostname="localhost")
    assert not any(heard)

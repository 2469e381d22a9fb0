"""The far end's TLS services, and that the TLS probes fail when a promise is broken."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Callable

import pytest

from netsocket.capability import certificates, farend_tls, run
from netsocket.capability.farend import PORTS, REFUSED, FarEnd
from netsocket.capability.farend_services import DAYTIME
from netsocket.capability.verdict import Outcome
from netsocket.hoststack import HostStack
from netsocket.tls import AsyncTLSSocket


def test_services_fit_between_the_ports_of_a_firewall() -> None:
    assert len(FarEnd().tcp) < REFUSED < PORTS
    assert set(farend_tls.TLS_SERVICES) < set(FarEnd().tcp)


@pytest.mark.parametrize("name", ["good", "client", "wrong-host", "expired", "unknown-ca"])
def test_certificates_are_valid_for_a_century_and_prove_one_name(name: str) -> None:
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-dates", "-ext", "subjectAltName,basicConstraints",
         "-in", str(certificates.HERE / f"{name}.pem")],
        check=True, capture_output=True, text=True, timeout=30,
    ).stdout  # fmt: skip
    assert ("notAfter=Jan  1 00:00:00 2021" if name == "expired" else "2125 GMT") in text
    assert "CA:FALSE" in text
    assert "localhost" not in text


def test_the_authority_can_sign_nothing_more() -> None:
    assert "PRIVATE KEY" not in certificates.AUTHORITY.read_text()
    assert not list(certificates.HERE.glob("*.key"))


async def test_what_the_far_end_saw() -> None:
    async with FarEnd() as far:
        reader, writer = await asyncio.open_connection(
            *far.address("tls_daytime"), ssl=certificates.trusting(),
            server_hostname=certificates.NAME,
        )  # fmt: skip
        assert await reader.read() == DAYTIME
        writer.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(
                *far.address("tls_unknown_ca"), ssl=certificates.trusting(),
                server_hostname=certificates.NAME,
            )  # fmt: skip
        seen = await far.tcp["tls_unknown_ca"].connection(0)
        async with asyncio.timeout(5):
            while not seen.ended:
                await asyncio.sleep(0.01)
        assert seen.ended == "refused"


def _all_good(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(farend_tls, "_CERTIFICATES", {})


def _never_cut(patch: pytest.MonkeyPatch) -> None:
    plain = farend_tls.service
    patch.setattr(
        farend_tls,
        "service",
        lambda name, *rest: plain("tls_daytime" if name == "tls_cut" else name, *rest),
    )


def _no_goodbye(patch: pytest.MonkeyPatch) -> None:
    async def close(self: AsyncTLSSocket, *, abort: bool = False) -> None:
        await self._socket.close(abort=abort)
        self._closed = True

    patch.setattr(AsyncTLSSocket, "close", close)


def _anybody(patch: pytest.MonkeyPatch) -> None:
    real = certificates.serving
    patch.setattr(certificates, "serving", lambda name="good", *, demand=False: real(name))


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (_all_good, "tls.verify"),
        (_never_cut, "tls.truncation"),
        (_no_goodbye, "tls.close_notify"),
        (_anybody, "tls.client_certificate"),
    ],
)
async def test_a_broken_promise_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], promise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was promised does not happen: at the far end, or here."""
    broken(monkeypatch)
    monkeypatch.setattr("netsocket.capability.probes.tls.LIMIT", 1.0)
    async with FarEnd() as far:
        found = await run(HostStack(), far, only=[promise])
    assert found.outcome(promise) is Outcome.FAIL

"""The PKI's public face over HTTP, and a party that keeps its revocation lists fresh by it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from tests.pki_builders import DEVICE_ID, KEYS, NOW, SECRET, SetClock

from smgw.core.errors import SmgwError
from smgw.net import pki_service
from smgw.net.pki_service import PkiService, order_revocation, refresh_revocation_lists, serve
from smgw.pki.chain import CertificateUse
from smgw.pki.crl import read_revocation_list
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.revocation_order import make_revocation_order
from smgw.pki.triple import read_certificates
from smgw.pki.trust import TrustStore
from smgw.security.content import Credential
from smgw.security.software import SoftwareModule

SMGW = frozenset({Role.SMGW})


@pytest.fixture
def pki(tmp_path: Path) -> PkiFolder:
    return PkiFolder.found(tmp_path / "pki", now=NOW)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def address(pki: PkiFolder, clock: SetClock) -> AsyncIterator[str]:
    service = PkiService(pki, clock)
    await service.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{service.port}/pki/v1"
    await service.close()


async def get(url: str, method: str = "GET") -> tuple[int, str, bytes]:
    async with aiohttp.ClientSession() as session, session.request(method, url) as response:
        return response.status, response.content_type, await response.read()


async def code_of(awaitable: object) -> str:
    with pytest.raises(SmgwError) as caught:
        await awaitable  # type: ignore[misc]
    return caught.value.code


@pytest.mark.parametrize("path", ["/", "/ca", "/crl/None.CA.crl", "/crl/Test.CA", "/crl/..%2f..%2fmodule.secret.crl", "/crl/.crl"])
async def test_other_addresses_are_not_found(address: str, path: str) -> None:
    assert (await get(address + path))[0] == 404


async def test_nothing_can_be_sent(address: str) -> None:
    assert (await get(f"{address}/ca/certs", "POST"))[0] == 405
    assert (await get(f"{address}/crl/Test.CA.crl", "PUT"))[0] == 405


@pytest.mark.req("PKI-01")
async def test_certificates_and_lists(address: str, pki: PkiFolder, clock: SetClock) -> None:
    status, kind, body = await get(f"{address}/ca/certs")
    assert (status, kind) == (200, "application/pem-certificate-chain")
    assert read_certificates(body) == [pki.root.certificate, pki.sub().certificate]
    status, kind, body = await get(f"{address}/crl/Test.CA.crl")
    assert (status, kind, body) == (200, "application/pkix-crl", pki.sub().crl(NOW))
    clock.time += timedelta(days=1)
    assert read_revocation_list((await get(f"{address}/crl/Test.CA.crl"))[2]).number == 2
    assert read_revocation_list((await get(f"{address}/crl/SM-Test-Root.CA.crl"))[2]).this_update == clock.time


@pytest.mark.req("PKI-01")
async def test_the_directory_gives_what_has_not_expired_by_name(address: str, pki: PkiFolder, clock: SetClock, tmp_path: Path) -> None:
    module = SoftwareModule.create(tmp_path / "keys", SECRET)
    for key in KEYS:
        module.generate(key, "brainpoolP256r1")
    package = make_request_package(module, KEYS, Role.SMGW, DEVICE_ID)
    short = pki.issue(package, Role.SMGW, now=NOW, validity=timedelta(days=30))
    newer = pki.issue(package, Role.SMGW, now=NOW + timedelta(days=20))
    status, kind, body = await get(f"{address}/certs?cn={DEVICE_ID}.SMGW")
    assert (status, kind) == (200, "application/pem-certificate-chain")
    assert read_certificates(body) == [*newer, *short]
    clock.time += timedelta(days=31)
    assert read_certificates((await get(f"{address}/certs?cn={DEVICE_ID}.SMGW"))[2]) == [*newer]
    assert read_certificates((await get(f"{address}/certs?cn=Test.CA"))[2]) == [pki.sub().certificate]
    for query in ("", "?cn=", "?cn=%25", "?cn=EBSI0099999999.SMGW", f"?cn={'x' * 3000}"):
        assert (await get(f"{address}/certs{query}"))[0] == 404
    clock.time += timedelta(days=4000)
    assert (await get(f"{address}/certs?cn={DEVICE_ID}.SMGW"))[0] == 404


@pytest.mark.req("PKI-02")
async def test_a_party_learns_of_a_revocation(address: str, pki: PkiFolder, clock: SetClock, tmp_path: Path) -> None:
    module = SoftwareModule.create(tmp_path / "keys", SECRET)
    for key in KEYS:
        module.generate(key, "brainpoolP256r1")
    triple = pki.issue(make_request_package(module, KEYS, Role.SMGW, DEVICE_ID), Role.SMGW, now=NOW)
    trust = TrustStore([pki.root.certificate], [pki.sub().certificate])
    assert await refresh_revocation_lists(trust, address, clock) == 2
    assert trust.validate(triple.tls, now=NOW, use=CertificateUse.TLS_CLIENT, roles=SMGW)
    assert await refresh_revocation_lists(trust, address, clock) == 0
    pki.sub().revoke(triple.tls.serial_number, x509.ReasonFlags.superseded, NOW)
    assert await refresh_revocation_lists(trust, address, clock) == 1
    with pytest.raises(SmgwError) as caught:
        trust.validate(triple.tls, now=NOW, use=CertificateUse.TLS_CLIENT, roles=SMGW)
    assert caught.value.code == "pki.revoked"


async def test_lists_that_can_not_be_fetched(pki: PkiFolder, clock: SetClock, address: str, unused_tcp_port: int) -> None:
    trust = TrustStore([pki.root.certificate], [pki.sub().certificate])
    assert await code_of(refresh_revocation_lists(trust, f"http://127.0.0.1:{unused_tcp_port}/pki/v1", clock)) == "net.unreachable"
    assert await code_of(refresh_revocation_lists(trust, f"{address}/other", clock)) == "net.unreachable"


@pytest.mark.parametrize(("body", "code"), [(b"", "pki.malformed"), (b"x" * 5000, "pki.malformed"), (None, "net.timeout")])
async def test_a_service_that_answers_oddly(
    pki: PkiFolder, clock: SetClock, monkeypatch: pytest.MonkeyPatch, body: bytes | None, code: str
) -> None:
    monkeypatch.setattr(pki_service, "MAX_REVOCATION_LIST", 4000)
    monkeypatch.setattr(pki_service, "FETCH_TIMEOUT_S", 0.2)
    done = asyncio.Event()

    async def odd(_: web.Request) -> web.Response:
        if body is None:
            await done.wait()
        return web.Response(body=body)

    app = web.Application()
    app.router.add_get("/{path:.*}", odd)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        trust = TrustStore([pki.root.certificate], [pki.sub().certificate])
        assert await code_of(refresh_revocation_lists(trust, f"http://127.0.0.1:{runner.addresses[0][1]}", clock)) == code
        assert trust.revocation_lists == ()
    finally:
        done.set()
        await runner.cleanup()


async def test_serve_says_when_it_is_ready_and_counts(pki: PkiFolder, clock: SetClock) -> None:
    stop, facts = asyncio.Event(), asyncio.Queue[dict[str, object]]()
    task = asyncio.create_task(serve(pki.folder, "127.0.0.1", 0, clock, facts.put_nowait, stop))
    ready = await asyncio.wait_for(facts.get(), 60)
    assert (await get(f"http://127.0.0.1:{ready['port']}/pki/v1/ca/certs"))[0] == 200
    stop.set()
    assert await asyncio.wait_for(task, 60) == {"role": "pki", "requests": 1}


async def test_serving_what_is_not_there(pki: PkiFolder, clock: SetClock, tmp_path: Path) -> None:
    stop = asyncio.Event()
    assert await code_of(serve(tmp_path / "none", "127.0.0.1", 0, clock, print, stop)) == "pki.authority"
    assert await code_of(serve(pki.folder, "192.0.2.1", 1, clock, print, stop)) == "net.unreachable"


@pytest.mark.req("PKI-01")
async def test_a_holder_has_its_certificates_revoked(address: str, pki: PkiFolder, clock: SetClock, tmp_path: Path) -> None:
    module = SoftwareModule.create(tmp_path / "keys", SECRET)
    for key in KEYS:
        module.generate(key, "brainpoolP256r1")
    triple = pki.issue(make_request_package(module, KEYS, Role.SMGW, DEVICE_ID), Role.SMGW, now=NOW)
    trust = TrustStore([pki.root.certificate], [pki.sub().certificate])
    await refresh_revocation_lists(trust, address, clock)
    order = make_revocation_order(triple, "superseded", module=module, signer=Credential(triple.sig, KEYS.sig))
    assert await code_of(order_revocation(order[:-1] + b"\0", address)) == "pki.refused"
    assert await refresh_revocation_lists(trust, address, clock) == 0
    await order_revocation(order, address)
    await refresh_revocation_lists(trust, address, clock)
    with pytest.raises(SmgwError, match=r"pki\.revoked"):
        trust.validate(triple.tls, now=NOW, use=CertificateUse.TLS_CLIENT, roles=SMGW)
    assert await code_of(order_revocation(order, address)) == "pki.refused"
    assert await code_of(order_revocation(bytes(100_000), address)) == "pki.refused"

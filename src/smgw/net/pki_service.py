"""The test PKI's public face over plain HTTP: certificates of the authorities and revocation lists, which protect themselves by signature.

`GET /pki/v1/ca/certs` gives the authorities' certificates as PEM, `GET /pki/v1/crl/<name>.crl` an authority's present list as DER; a list
is made anew in time when it is asked for. `GET /pki/v1/certs?cn=<name>` is the directory: what was issued to a name and has not expired,
the newest first, as PEM; how it stands is said by the lists. `POST /pki/v1/requests` takes a gateway's request that its administrator
authorised, both signed, and gives the three certificates with their issuer's as PEM. `POST /pki/v1/revocations` takes an order signed by
the holder, or by an administrator for a gateway, and answers 204 once the next list says so.
Source: PKI-01; 20-wan-crypto-pki 5.7, 5.8.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import structlog
from aiohttp import web

from smgw.core.errors import CertificateRejected, DomainFault, LimitFault, PeerFault, Unavailable
from smgw.core.instant import Clock
from smgw.pki.authorised import MAX_OCTETS, read_authorised_request
from smgw.pki.crl import MAX_REVOCATION_LIST
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import Role, common_name_of, role_of
from smgw.pki.revocation_order import obey_revocation_order
from smgw.pki.triple import MAX_BUNDLE, MAX_BUNDLE_CERTIFICATES
from smgw.pki.trust import TrustStore
from smgw.security.tls import pem_bundle

ROOT_PATH = "/pki/v1"
FETCH_TIMEOUT_S = 20

log = structlog.get_logger(__name__)

Ready = Callable[[dict[str, object]], None]
"""Called once with the port."""


class PkiService:
    """Serve one test PKI over HTTP."""

    def __init__(self, pki: PkiFolder, clock: Clock) -> None:
        self._pki = pki
        self._clock = clock
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.requests = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one. Raises: Unavailable net.unreachable."""
        app = web.Application(client_max_size=MAX_OCTETS)
        app.router.add_get(f"{ROOT_PATH}/ca/certs", self._certificates)
        app.router.add_get(f"{ROOT_PATH}/crl/{{name}}.crl", self._revocation_list)
        app.router.add_get(f"{ROOT_PATH}/certs", self._directory)
        app.router.add_post(f"{ROOT_PATH}/requests", self._issue)
        app.router.add_post(f"{ROOT_PATH}/revocations", self._revoke)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as problem:
            await self.close()
            raise Unavailable("net.unreachable", f"{host}:{port}") from problem
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _certificates(self, _: web.Request) -> web.Response:
        self.requests += 1
        return web.Response(body=pem_bundle(self._pki.certificates), content_type="application/pem-certificate-chain")

    async def _revocation_list(self, request: web.Request) -> web.Response:
        self.requests += 1
        authority = self._pki.authority_named(request.match_info["name"])
        if authority is None:
            raise web.HTTPNotFound
        return web.Response(body=authority.crl(self._clock.now()), content_type="application/pkix-crl")

    async def _directory(self, request: web.Request) -> web.Response:
        self.requests += 1
        name, now = request.query.get("cn", ""), self._clock.now()
        issued = [one.certificate for authority in self._pki.authorities for one in authority.certificates(name)]
        found = [one for one in issued if one.not_valid_after_utc >= now]
        if not found:
            raise web.HTTPNotFound
        newest = sorted(found, key=lambda one: one.not_valid_before_utc, reverse=True)[:MAX_BUNDLE_CERTIFICATES]
        return web.Response(body=pem_bundle(newest), content_type="application/pem-certificate-chain")

    async def _issue(self, request: web.Request) -> web.Response:
        self.requests += 1
        now = self._clock.now()
        try:
            asked = read_authorised_request(await request.read(), self._pki.trust(now), now)
            triple = self._pki.issue(asked.package, Role.SMGW, now=now)
        except (PeerFault, DomainFault) as fault:
            log.warning("request_refused", code=fault.code)
            raise web.HTTPForbidden(text="refused") from fault
        log.info("certificates_issued", name=triple.common_name, administrator=asked.administrator)
        issuer = self._pki.issuer_of(triple.tls).certificate
        return web.Response(body=triple.to_pem() + pem_bundle([issuer]), content_type="application/pem-certificate-chain")

    async def _revoke(self, request: web.Request) -> web.Response:
        self.requests += 1
        now = self._clock.now()
        try:
            order, by = obey_revocation_order(await request.read(), self._pki, self._pki.trust(now), now)
        except (PeerFault, DomainFault) as fault:
            log.warning("revocation_refused", code=fault.code)
            raise web.HTTPForbidden(text="refused") from fault
        log.info("certificates_revoked", name=order.common_name, by=by, reason=order.reason, count=len(order.serials))
        return web.Response(status=204)


async def serve(authority_dir: Path, host: str, port: int, clock: Clock, ready: Ready, stop: asyncio.Event) -> dict[str, object]:
    """Serve the test PKI of a folder until `stop` is set; gives the closing counters.

    Raises: ConfigError pki.authority; Unavailable net.unreachable.
    """
    service = PkiService(PkiFolder.open(authority_dir), clock)
    await service.start(host, port)
    try:
        ready({"role": "pki", "port": service.port})
        await stop.wait()
    finally:
        await service.close()
    return {"role": "pki", "requests": service.requests}


async def refresh_revocation_lists(trust: TrustStore, address: str, clock: Clock) -> int:
    """Fetch the list of every authority in a trust store from `address` (`http://…/pki/v1`); returns how many were newer.

    Raises: Unavailable net.unreachable, net.timeout; LimitFault pki.malformed; CertificateRejected, DecodeFault for a list that is not
    acceptable; lists taken before stay.
    """
    newer = 0
    names = [common_name_of(one) for one in (*trust.anchors, *trust.intermediates) if role_of(one) is not Role.CRL_SIGNER]
    timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        for name in names:
            data = await _fetch(session, f"{address}/crl/{name}.crl")
            try:
                trust.update_crl(data, clock.now())
                newer += 1
            except CertificateRejected as reason:
                if reason.code != "pki.crl_older":
                    raise
    return newer


async def request_certificates(document: bytes, address: str) -> bytes:
    """Send an authorised request to `address` (`http://…/pki/v1`); gives the certificates as PEM, unchecked.

    Raises: Unavailable net.unreachable, net.timeout; PeerFault pki.refused; LimitFault pki.malformed.
    """
    return await _post(document, f"{address}/requests", 200)


async def order_revocation(document: bytes, address: str) -> None:
    """Send a signed order to `address` (`http://…/pki/v1`). Raises: Unavailable net.unreachable, net.timeout; PeerFault pki.refused."""
    await _post(document, f"{address}/revocations", 204)


async def _post(document: bytes, url: str, wanted: int) -> bytes:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)) as session,
            session.post(url, data=document, headers={"Content-Type": "application/cms"}, allow_redirects=False) as response,
        ):
            if response.status != wanted:
                raise PeerFault("pki.refused", f"status {response.status}")
            data = await response.content.read(MAX_BUNDLE + 1)
            while len(data) <= MAX_BUNDLE and (more := await response.content.read(MAX_BUNDLE)):
                data += more
    except TimeoutError as problem:
        raise Unavailable("net.timeout", url) from problem
    except aiohttp.ClientError as problem:
        raise Unavailable("net.unreachable", url) from problem
    if len(data) > MAX_BUNDLE:
        raise LimitFault("pki.malformed", f"{url}: too large")
    return data


async def _fetch(session: aiohttp.ClientSession, url: str) -> bytes:
    try:
        async with session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise Unavailable("net.unreachable", f"{url}: status {response.status}")
            data = await response.content.read(MAX_REVOCATION_LIST + 1)
            while len(data) <= MAX_REVOCATION_LIST and (more := await response.content.read(MAX_REVOCATION_LIST)):
                data += more
    except TimeoutError as problem:
        raise Unavailable("net.timeout", url) from problem
    except aiohttp.ClientError as problem:
        raise Unavailable("net.unreachable", url) from problem
    if len(data) > MAX_REVOCATION_LIST:
        raise LimitFault("pki.malformed", f"{url}: too large")
    return data

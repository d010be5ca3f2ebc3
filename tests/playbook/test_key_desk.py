"""The key desk's refusals from the administrator's side: strangers, forged answers, keys of others, the wrong order."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.gateway.gateway_parts import GATEWAY_ID, START, administrator_identity, gateway_identity, participant_identity, pki
from tests.playbook.life_system import P256, Site, site
from tests.playbook.life_world import DEVICE_ID, copy_of

from smgw.administrator.exchanges import PERSONALISATION, Exchanges
from smgw.core.errors import CertificateRejected, DomainFault, PeerFault, SecurityFault
from smgw.core.life_cycle import Phase
from smgw.gateway.key_desk import Desk, KeyDesk
from smgw.gateway.lifecycle import LifeKeeper
from smgw.gateway.own_identity import provisional_identity
from smgw.net.identity import Identity, open_module
from smgw.pki.authorised import authorise, read_authorised_request, read_signed_package, sign_package
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package
from smgw.pki.triple import ADMINISTRATOR_KEYS, AUTHENTICATION_KEY, GATEWAY_KEYS
from smgw.security.key_guard import sign_challenge
from smgw.security.tls import pem_bundle

pytestmark = pytest.mark.req("LIFE-08", "PKI-01")


def with_desk(tmp_path: Path, act: Callable[[Site, KeyDesk], Awaitable[None]]) -> None:
    """Give the key desk of a gateway that waits for its personalisation, and its administrator's folder."""

    async def run() -> None:
        async with site(tmp_path / "administrator", copy_of(tmp_path / "gateway")) as life:
            life.install()
            with LifeKeeper.open(life.world.folder, life.clock) as keeper:
                identity = provisional_identity(life.world.folder)
                desk = KeyDesk(Desk(keeper, identity, life.clock, "test.GWA", lambda: (), lambda: None), lambda: None)
                await act(life, desk)

    asyncio.run(run())


def authenticated(life: Site, desk: KeyDesk) -> None:
    """Authenticate as the administrator does."""
    challenge = desk.challenge()
    desk.authenticate(challenge, sign_challenge(open_module(life.folder.path), AUTHENTICATION_KEY, challenge))


def test_without_the_aut_key_nothing_is_changed(tmp_path: Path) -> None:
    async def act(life: Site, desk: KeyDesk) -> None:
        module = open_module(life.folder.path)
        with pytest.raises(SecurityFault, match=r"module\.authentication_needed"):
            desk.prepare(P256)
        challenge = desk.challenge()
        with pytest.raises(SecurityFault, match=r"module\.authentication"):
            desk.authenticate(challenge, sign_challenge(module, ADMINISTRATOR_KEYS.sig, challenge))
        # A challenge counts once, even for the right key.
        with pytest.raises(SecurityFault, match=r"module\.authentication"):
            desk.authenticate(challenge, sign_challenge(module, AUTHENTICATION_KEY, challenge))
        with pytest.raises(SecurityFault, match=r"module\.authentication_needed"):
            desk.prepare(P256)
        assert not [name for name in open_module(life.world.folder.path).names() if name in GATEWAY_KEYS]

    with_desk(tmp_path, act)


def test_certificates_of_other_keys_or_another_gateway_are_not_installed(tmp_path: Path) -> None:
    async def act(life: Site, desk: KeyDesk) -> None:
        authenticated(life, desk)
        with pytest.raises(DomainFault, match=r"lifecycle\.order"):
            desk.install(b"")
        desk.prepare(P256)
        desk.keys_made()
        issuer = pem_bundle([pki().sub().certificate])
        seal = life.world.folder.seal.read_bytes()
        for certificates in (gateway_identity().triple.to_pem() + issuer, seal):
            with pytest.raises(PeerFault, match=r"lifecycle\.seal"):
                desk.install(certificates)
        assert not (life.world.folder.path / "triple.pem").exists()
        assert life.phase is Phase.PERSONALISATION

    with_desk(tmp_path, act)


def test_renewals_and_the_end_wait_for_normal_operation(tmp_path: Path) -> None:
    async def act(life: Site, desk: KeyDesk) -> None:
        authenticated(life, desk)
        for deed in (lambda: desk.announce(START), desk.decommission):
            with pytest.raises(DomainFault, match=r"lifecycle\.phase.*normal-operation"):
                deed()

    with_desk(tmp_path, act)


def test_new_keys_are_made_once_and_made_anew_for_another_curve(tmp_path: Path) -> None:
    async def act(life: Site, desk: KeyDesk) -> None:
        authenticated(life, desk)
        first, _ = desk.prepare(P256)
        again, tells = desk.prepare(P256)
        signer = provisional_identity(life.world.folder).triple.sig
        assert read_signed_package(first, signer).keys == read_signed_package(again, signer).keys
        assert tells == []
        desk.prepare("brainpoolP384r1")
        switched = open_module(life.world.folder.path)
        newest = sorted(name for name in switched.names() if name.startswith("GW_WAN_SIG") and not name.endswith("_PRE"))
        assert len(newest) == 1 and switched.public_key(newest[0]).key_size == 384

    with_desk(tmp_path, act)


def test_one_exchange_a_gateway_and_only_for_gateways_that_are_known(tmp_path: Path) -> None:
    async def act(life: Site, _desk: KeyDesk) -> None:
        books = life.books()
        exchanges = Exchanges(books.store, books.audit, books.inventory)
        with pytest.raises(DomainFault, match=r"administrator\.unknown_gateway"):
            exchanges.order("ESGW0000000099", PERSONALISATION, P256, START, "operator")
        exchanges.order(DEVICE_ID, "renewal", P256, START, "operator")
        assert [one.reason for one in exchanges.listed()] == [PERSONALISATION]
        books.close()

    with_desk(tmp_path, act)


def test_the_authority_issues_only_what_gateway_and_administrator_both_signed() -> None:
    gateway, administrator, stranger = gateway_identity(), administrator_identity(), participant_identity()
    trust = pki().trust(START)

    def document(name: str = GATEWAY_ID, by: Identity = administrator) -> bytes:
        package = make_request_package(gateway.module, GATEWAY_KEYS, Role.SMGW, name)
        signed = sign_package(package, module=gateway.module, signer=gateway.signer)
        return authorise(signed, module=by.module, signer=by.signer)

    asked = read_authorised_request(document(), trust, START)
    assert (asked.request.common_name, asked.administrator) == (f"{GATEWAY_ID}.SMGW", "test.GWA")
    with pytest.raises(CertificateRejected, match=r"pki\.request"):
        read_authorised_request(document("ESGW0000000002"), trust, START)
    with pytest.raises(CertificateRejected, match=r"pki\.role"):
        read_authorised_request(document(by=stranger), trust, START)
    forged = document()
    with pytest.raises(PeerFault):
        read_authorised_request(forged[:-4] + bytes([forged[-4] ^ 1]) + forged[-3:], trust, START)

"""TLS contexts: what they offer, what they refuse, and that the self-test notices a library that does not follow."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.pki_builders import DEVICE_ID, NOW, Party, SmallPki

from smgw.core.errors import SecurityFault, Unavailable
from smgw.core.identifiers import DeviceId
from smgw.pki.names import Role
from smgw.pki.self_signed import make_han_certificate
from smgw.security import tls
from smgw.security.policy import TLS12_SUITES
from smgw.security.tls import TlsIdentity, han_client_context, han_server_context, handshake_in_memory, require_parameters, wan_context

WAN_SUITES = list(TLS12_SUITES)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> SmallPki:
    return SmallPki.make(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def gateway(pki: SmallPki) -> Party:
    return pki.party(Role.SMGW, DEVICE_ID)


@pytest.fixture(scope="module")
def participant(pki: SmallPki) -> Party:
    return pki.party(Role.EMT, "Netz")


@pytest.fixture
def fresh_self_test() -> Iterator[None]:
    tls._self_test.cache_clear()
    yield
    tls._self_test.cache_clear()


def server_of(pki: SmallPki, party: Party) -> ssl.SSLContext:
    return wan_context(server=True, module=party.module, identity=party.tls, anchors=[pki.root.certificate])


def client_of(pki: SmallPki, party: Party) -> ssl.SSLContext:
    return wan_context(server=False, module=party.module, identity=party.tls, anchors=[pki.root.certificate])


def plain_client(**changes: object) -> ssl.SSLContext:
    """Give a client that trusts anyone and offers what the test says; it stands for a foreign program."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in changes.items():
        setattr(context, name, value)
    return context


@pytest.mark.req("SEC-03", "WAN-03")
def test_wan_handshake_uses_the_first_suite_and_brainpool(pki: SmallPki, gateway: Party, participant: Party) -> None:
    server, client = handshake_in_memory(server_of(pki, participant), client_of(pki, gateway))
    assert client.cipher() == ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2", 128)
    assert server.getpeercert(True) == gateway.triple.tls.public_bytes(Encoding.DER)
    assert client.getpeercert(True) == participant.triple.tls.public_bytes(Encoding.DER)
    assert not client.session.has_ticket
    require_parameters(server)
    require_parameters(client)


@pytest.mark.parametrize("suite", WAN_SUITES)
def test_each_of_the_four_suites_works(pki: SmallPki, gateway: Party, participant: Party, suite: str) -> None:
    client = client_of(pki, gateway)
    client.set_ciphers(suite)
    assert handshake_in_memory(server_of(pki, participant), client)[0].cipher()[0] == suite


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES256-SHA", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-CCM"])
def test_other_suites_are_refused(pki: SmallPki, gateway: Party, participant: Party, suite: str) -> None:
    client = client_of(pki, gateway)
    client.set_ciphers(suite)
    with pytest.raises(ssl.SSLError):
        handshake_in_memory(server_of(pki, participant), client)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3])
def test_other_versions_are_refused(pki: SmallPki, participant: Party, version: ssl.TLSVersion) -> None:
    with pytest.raises(ssl.SSLError):
        handshake_in_memory(server_of(pki, participant), plain_client(minimum_version=version, maximum_version=version))


def test_a_client_without_certificate_is_refused(pki: SmallPki, participant: Party) -> None:
    client = tls._bare_context(False, tls.WAN_GROUPS)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        handshake_in_memory(server_of(pki, participant), client)


def test_a_client_without_brainpool_is_refused(pki: SmallPki, participant: Party) -> None:
    with pytest.raises(ssl.SSLError):
        handshake_in_memory(server_of(pki, participant), plain_client(maximum_version=ssl.TLSVersion.TLSv1_2))


@pytest.mark.req("WAN-09")
def test_no_session_is_resumed(pki: SmallPki, gateway: Party, participant: Party) -> None:
    server, client = server_of(pki, participant), client_of(pki, gateway)
    first = handshake_in_memory(server, client)
    assert not handshake_in_memory(server, client, first[1].session)[1].session_reused
    assert server.session_stats()["hits"] == 0


@pytest.mark.req("WAN-03")
def test_a_pinned_context_takes_the_pinned_certificate_only(pki: SmallPki, gateway: Party, participant: Party) -> None:
    pinned = wan_context(server=False, module=gateway.module, identity=gateway.tls, anchors=[participant.triple.tls], pinned=True)
    handshake_in_memory(server_of(pki, participant), pinned)
    other = pki.party(Role.EMT, "Andere")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake_in_memory(server_of(pki, other), pinned)


def test_the_machines_clock_does_not_count(tmp_path: Path) -> None:
    old = SmallPki.make(tmp_path, now=NOW.replace(year=2016))
    one, two = (old.party(Role.EMT, name, now=NOW.replace(year=2016)) for name in ("Eins", "Zwei"))
    assert handshake_in_memory(server_of(old, one), client_of(old, two))[0].version() == "TLSv1.2"


@pytest.mark.parametrize("curve", ["secp384r1", "secp256r1"])
def test_han_contexts(tmp_path: Path, pki: SmallPki, curve: str) -> None:
    party = pki.module
    certificate = make_han_certificate(party, f"HAN_{curve}", DeviceId.parse(DEVICE_ID), NOW, curve=curve)
    server = han_server_context(module=party, identity=TlsIdentity(f"HAN_{curve}", (certificate,)))
    client = han_client_context(anchor=certificate)
    assert client.check_hostname
    client.check_hostname = False
    sides = handshake_in_memory(server, client)
    assert sides[1].cipher() == ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2", 128)
    assert sides[0].getpeercert(True) is None
    stranger = make_han_certificate(party, f"HAN_other_{curve}", DeviceId.parse(DEVICE_ID), NOW, curve=curve)
    with pytest.raises(ssl.SSLCertVerificationError):
        wrong = han_client_context(anchor=stranger)
        wrong.check_hostname = False
        handshake_in_memory(server, wrong)


def test_parameters_outside_the_policy_are_refused(pki: SmallPki) -> None:
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), plain_client()
    key, certificate = tls._ephemeral_certificate("secp256r1")
    tls._attach(server, key, certificate)
    sides = handshake_in_memory(server, client)
    assert sides[0].version() == "TLSv1.3"
    with pytest.raises(SecurityFault) as caught:
        require_parameters(sides[0])
    assert caught.value.code == "tls.parameters"


def test_self_test_notices_sessions_that_are_kept(fresh_self_test: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_SET_SESSION_CACHE_MODE", 5)
    with pytest.raises(Unavailable) as caught:
        tls._self_test()
    assert (caught.value.code, caught.value.detail) == ("tls.capability", "sessions are resumed")


def test_self_test_notices_groups_that_are_not_set(fresh_self_test: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "WAN_GROUPS", ("secp256r1",))
    with pytest.raises(Unavailable) as caught:
        tls._self_test()
    assert caught.value.code == "tls.capability"


def test_a_group_that_the_library_does_not_know(fresh_self_test: None) -> None:
    with pytest.raises(Unavailable) as caught:
        tls._bare_context(True, ("brainpoolP256r1", "unknown"))
    assert caught.value.detail == "brainpoolP256r1:unknown"


def test_an_unknown_memory_layout_is_noticed_before_anything_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_library", lambda: _OtherOptions())
    with pytest.raises(Unavailable) as caught:
        tls._bare_context(True, tls.WAN_GROUPS)
    assert caught.value.detail == "the context's memory layout is unknown"


class _OtherOptions:
    def SSL_CTX_get_options(self, _: int) -> int:  # the library's own name
        return 0


def test_pem_bundle_keeps_the_order(pki: SmallPki) -> None:
    both = tls.pem_bundle([pki.sub.certificate, pki.root.certificate])
    assert x509.load_pem_x509_certificates(both) == [pki.sub.certificate, pki.root.certificate]

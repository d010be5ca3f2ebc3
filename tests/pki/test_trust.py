"""The trust store: what it takes, what it remembers, and when it forgets."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.pki.limbo.limbo_builder import build
from tests.pki_builders import DEVICE_ID, NOW, Party, SmallPki

from smgw.core.errors import CertificateRejected, SmgwError
from smgw.pki import trust as trust_module
from smgw.pki.chain import CertificateUse, ValidatedCertificate
from smgw.pki.crl import read_revocation_list
from smgw.pki.names import Role
from smgw.pki.trust import TrustStore

SMGW = frozenset({Role.SMGW})


@pytest.fixture
def own_pki(tmp_path: Path) -> SmallPki:
    return SmallPki.make(tmp_path)


def code_of(call: object, *arguments: object, **named: object) -> str:
    assert callable(call)
    with pytest.raises(SmgwError) as caught:
        call(*arguments, **named)
    return caught.value.code


def check(store: TrustStore, certificate: x509.Certificate, **changes: object) -> ValidatedCertificate:
    settings: dict[str, object] = {"now": NOW, "use": CertificateUse.TLS_CLIENT, "roles": SMGW, **changes}
    return store.validate(certificate, **settings)


def test_only_what_belongs_is_taken(pki: SmallPki, gateway: Party, tmp_path: Path) -> None:
    root, sub = pki.root.certificate, pki.sub.certificate
    other = SmallPki.make(tmp_path)
    assert code_of(TrustStore, [sub]) == "pki.role"
    assert code_of(TrustStore, [gateway.triple.tls]) == "pki.role"
    assert code_of(TrustStore, [root], [gateway.triple.tls]) == "pki.role"
    assert code_of(TrustStore, [root], [root]) == "pki.role"
    assert code_of(TrustStore, [root], [other.sub.certificate]) == "pki.unknown_issuer"
    assert code_of(TrustStore, [], [sub]) == "pki.unknown_issuer"
    foreign = read_revocation_list(other.sub.crl(NOW))
    assert code_of(TrustStore, [root], [sub], [foreign]) == "pki.unknown_issuer"
    assert code_of(TrustStore, build({"root.flip_signature": True}).anchors) == "pki.signature"
    assert code_of(TrustStore, build({"root.policy": None}).anchors) == "pki.policy"
    wrong = build({"sub.flip_signature": True})
    assert code_of(TrustStore, wrong.anchors, wrong.intermediates) == "pki.signature"
    wrong = build({"sub_list.flip_signature": True})
    lists = [read_revocation_list(one.public_bytes(Encoding.DER)) for one in wrong.lists]
    assert code_of(TrustStore, wrong.anchors, wrong.intermediates, lists) == "pki.signature"


@pytest.mark.req("PKI-02")
def test_a_store_judges_like_the_path_check(pki: SmallPki, gateway: Party, participant: Party) -> None:
    store = pki.trust()
    valid = check(store, gateway.triple.tls)
    assert (valid.common_name, valid.role, str(valid.device_id)) == (f"{DEVICE_ID}.SMGW", Role.SMGW, DEVICE_ID)
    assert valid.path == (gateway.triple.tls, pki.sub.certificate, pki.root.certificate)
    assert code_of(check, store, participant.triple.tls) == "pki.role"
    assert code_of(check, store, gateway.triple.sig) == "pki.usage"
    assert code_of(check, store, gateway.triple.tls, now=NOW + timedelta(days=8)) == "pki.crl_stale"
    assert code_of(check, pki.gateway_trust(), gateway.triple.tls) == "pki.crl_missing"
    with pytest.raises(CertificateRejected):
        _ = check(store, participant.triple.tls, roles=frozenset({Role.EMT})).device_id


@pytest.mark.req("WAN-03")
def test_a_gateway_pins(pki: SmallPki, gateway: Party, participant: Party) -> None:
    store, emt = pki.gateway_trust(), frozenset({Role.EMT})
    pinned = participant.triple.tls
    assert check(store, pinned, roles=emt, pinned=pinned).common_name == "Netz.EMT"
    assert code_of(check, store, pinned, roles=emt, pinned=gateway.triple.tls) == "pki.not_pinned"
    assert code_of(check, store, pinned, pinned=pinned) == "pki.role"
    assert code_of(check, store, pinned, roles=emt, pinned=pinned, now=NOW + timedelta(days=740)) == "pki.expired"


def test_results_are_remembered_for_the_same_question_only(pki: SmallPki, gateway: Party) -> None:
    store = pki.trust()
    first = check(store, gateway.triple.tls)
    assert check(store, gateway.triple.tls, now=NOW + timedelta(days=1)) is first
    assert check(store, gateway.triple.tls, use=CertificateUse.TLS_SERVER) is not first
    assert check(store, gateway.triple.tls, roles=frozenset({Role.SMGW, Role.EMT})) is not first
    assert check(store, gateway.triple.tls, pinned=gateway.triple.tls) is not first
    assert code_of(check, store, gateway.triple.tls, now=first.valid_until) == "pki.crl_stale"
    assert code_of(check, store, gateway.triple.tls, now=first.valid_from - timedelta(seconds=1)) == "pki.not_yet_valid"


def test_memory_is_bounded(pki: SmallPki, gateway: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust_module, "MAX_CACHED_PATHS", 1)
    store = pki.trust()
    check(store, gateway.triple.tls)
    check(store, gateway.triple.sig, use=CertificateUse.SIG)
    assert list(store._paths) == [key for key in store._paths if key[1] is CertificateUse.SIG]


@pytest.mark.req("PKI-02", "EMT-01")
def test_a_newer_list_counts_at_once(own_pki: SmallPki) -> None:
    triple = own_pki.party(Role.SMGW, DEVICE_ID).triple
    store = own_pki.trust()
    first = own_pki.sub.crl(NOW)
    check(store, triple.tls)
    own_pki.sub.revoke(triple.tls.serial_number, x509.ReasonFlags.superseded, NOW)
    assert store.update_crl(own_pki.sub.crl(NOW), NOW).number == 2
    assert code_of(check, store, triple.tls) == "pki.revoked"
    assert code_of(store.update_crl, first, NOW) == "pki.crl_older"
    assert code_of(store.update_crl, own_pki.sub.crl(NOW), NOW) == "pki.crl_older"
    assert code_of(check, store, triple.tls) == "pki.revoked"


def test_lists_that_are_not_taken(own_pki: SmallPki, pki: SmallPki) -> None:
    store = own_pki.trust()
    good = own_pki.sub.crl(NOW + timedelta(days=2))
    assert code_of(store.update_crl, good, NOW) == "pki.crl_stale"
    assert code_of(store.update_crl, good, NOW + timedelta(days=10)) == "pki.crl_stale"
    assert code_of(store.update_crl, pki.sub.crl(NOW), NOW) == "pki.unknown_issuer"
    assert code_of(store.update_crl, good[:-1] + bytes((good[-1] ^ 1,)), NOW) == "pki.signature"
    assert code_of(store.update_crl, b"", NOW) == "pki.malformed"
    assert {one.number for one in store.revocation_lists} == {1}
    assert store.update_crl(good, NOW + timedelta(days=2)).number == 2


def test_the_newest_of_several_lists_is_taken(own_pki: SmallPki) -> None:
    lists = [read_revocation_list(own_pki.sub.crl(NOW + timedelta(days=day))) for day in range(3)]
    store = TrustStore([own_pki.root.certificate], [own_pki.sub.certificate], [lists[1], lists[2], lists[0]])
    assert [one.number for one in store.revocation_lists] == [3]


def test_a_folder_keeps_the_store(own_pki: SmallPki, tmp_path: Path) -> None:
    triple = own_pki.party(Role.SMGW, DEVICE_ID).triple
    store = own_pki.trust()
    store.save(tmp_path / "trust")
    again = TrustStore.load(tmp_path / "trust")
    assert (again.anchors, again.intermediates) == (store.anchors, store.intermediates)
    assert check(again, triple.tls).common_name == f"{DEVICE_ID}.SMGW"
    store.update_crl(own_pki.sub.crl(NOW + timedelta(days=1)), NOW + timedelta(days=1))
    store.save(tmp_path / "trust")
    assert len(list((tmp_path / "trust" / "crls").iterdir())) == 2
    assert max(one.number for one in TrustStore.load(tmp_path / "trust").revocation_lists) == 2


def test_folders_that_are_no_trust_store(own_pki: SmallPki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert code_of(TrustStore.load, tmp_path / "none") == "pki.trust_folder"
    folder = tmp_path / "trust"
    own_pki.trust().save(folder)
    (folder / "crls" / "readme.txt").write_text("passed over")
    TrustStore.load(folder)
    (folder / "anchors" / "bad.pem").write_text("no certificate")
    assert code_of(TrustStore.load, folder) == "pki.malformed"
    (folder / "anchors" / "bad.pem").write_bytes(bytes(70_000))
    assert code_of(TrustStore.load, folder) == "pki.trust_folder"
    monkeypatch.setattr(trust_module, "MAX_FILES", 1)
    assert code_of(TrustStore.load, folder) == "pki.trust_folder"

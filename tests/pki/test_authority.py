"""Authorities: what they issue, refuse, revoke and publish."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from tests.pki_builders import DEVICE_ID, KEYS, NOW, SECRET, Party, SmallPki

from smgw.core.errors import CertificateRejected, ConfigError, DomainFault, SecurityFault, SmgwError, UsageError
from smgw.pki.assembly import sign_request
from smgw.pki.authority import Authority
from smgw.pki.certificate_profiles import END_ENTITY_PROFILES, KINDS, POLICY, SUBJECT_ALT_NAME, Kind, key_usage
from smgw.pki.chain import CertificateUse
from smgw.pki.crl import Standing, read_revocation_list
from smgw.pki.der import SEQUENCE, der
from smgw.pki.facts import read_facts
from smgw.pki.names import END_ENTITY_ROLES, Role
from smgw.pki.requests import make_request_package
from smgw.pki.triple import kind_of
from smgw.security.software import SoftwareModule

NAMES = {Role.SMGW: DEVICE_ID, Role.GWA: "Nord", Role.GWH: "Werk", Role.EMT: "Netz", Role.TECHNICIAN: "Dienst"}


@pytest.fixture(params=[False, True], ids=["own-list", "crl-signer"])
def own_pki(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SmallPki]:
    yield SmallPki.make(tmp_path, crl_signer=request.param)


def code_of(call: object, *arguments: object, **named: object) -> str:
    assert callable(call)
    with pytest.raises(SmgwError) as caught:
        call(*arguments, **named)
    return caught.value.code


@pytest.mark.req("PKI-01")
def test_root_and_sub_follow_their_profiles(pki: SmallPki) -> None:
    root, sub = read_facts(pki.root.certificate), read_facts(pki.sub.certificate)
    assert (root.curve, sub.curve) == ("brainpoolP512r1", "brainpoolP384r1")
    assert (root.common_name, root.role, sub.common_name, sub.role) == ("SM-Test-Root.CA", Role.ROOT, "Test.CA", Role.SUB_CA)
    for facts, length, years, key_years in ((root, 1, 6, 3), (sub, 0, 5, 2)):
        assert facts.constraint == (True, length, True)
        assert facts.key_usage == {"key_cert_sign", "crl_sign"}
        assert facts.policies == {POLICY}
        assert timedelta(days=365 * years) <= facts.not_after - facts.not_before <= timedelta(days=365 * years + 2)
        period = facts.certificate.extensions.get_extension_for_class(x509.PrivateKeyUsagePeriod).value
        assert period.not_after is not None and period.not_before is not None
        assert period.not_after - period.not_before == timedelta(days=365 * key_years)
    assert pki.sub.chain == (pki.sub.certificate, pki.root.certificate)


@pytest.mark.parametrize("role", sorted(END_ENTITY_ROLES))
@pytest.mark.req("PKI-01")
def test_triples_follow_their_profiles(pki: SmallPki, role: Role) -> None:
    triple = pki.party(role, NAMES[role]).triple
    for kind, certificate in zip(KINDS, triple, strict=True):
        facts = read_facts(certificate)
        assert kind_of(certificate) is kind
        assert (facts.role, facts.curve, facts.constraint) == (role, "brainpoolP256r1", (False, None, True))
        assert facts.key_usage == END_ENTITY_PROFILES[kind].key_usage
        assert facts.extended_usage == ({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} if kind is Kind.TLS else None)
        assert (ExtensionOID.SUBJECT_ALTERNATIVE_NAME in facts.extensions) == (SUBJECT_ALT_NAME[role] == "mandatory")
        assert ExtensionOID.PRIVATE_KEY_USAGE_PERIOD not in facts.extensions
        assert {ExtensionOID.ISSUER_ALTERNATIVE_NAME, ExtensionOID.CRL_DISTRIBUTION_POINTS} <= facts.extensions
        assert facts.not_after - facts.not_before == timedelta(days=730)
        critical = {one.oid for one in certificate.extensions if one.critical}
        expected = {ExtensionOID.KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS}
        assert critical == (expected | {ExtensionOID.EXTENDED_KEY_USAGE} if kind is Kind.TLS else expected)
        certificate.verify_directly_issued_by(pki.sub.certificate)


def test_serial_numbers_are_long_and_different(pki: SmallPki, gateway: Party, participant: Party) -> None:
    serials = {one.serial_number for triple in (gateway.triple, participant.triple) for one in triple}
    assert len(serials) == 6
    assert all(serial.bit_length() > 100 and serial < 1 << 159 for serial in serials)


def test_all_three_or_none(tmp_path: Path) -> None:
    pki = SmallPki.make(tmp_path)
    module = SoftwareModule.create(tmp_path / "mixed.keys", SECRET)
    for key, curve in zip(KEYS, ("brainpoolP256r1", "brainpoolP256r1", "secp256r1"), strict=True):
        module.generate(key, curve)
    package = make_request_package(module, KEYS, Role.SMGW, DEVICE_ID)
    before = len(pki.sub.certificates())
    with pytest.raises(SecurityFault) as caught:
        pki.sub.issue_triple(package, Role.SMGW, now=NOW)
    assert caught.value.code == "pki.curve"
    assert len(pki.sub.certificates()) == before


def test_requests_that_are_refused(pki: SmallPki, gateway: Party) -> None:
    package = make_request_package(gateway.module, KEYS, Role.SMGW, DEVICE_ID)
    issue = pki.sub.issue_triple
    assert code_of(issue, package, Role.EMT, now=NOW) == "pki.role"
    assert code_of(issue, package, Role.SUB_CA, now=NOW) == "pki.role"
    assert code_of(issue, package[:-1], Role.SMGW, now=NOW) == "pki.malformed"
    assert code_of(issue, package, Role.SMGW, now=NOW, validity=timedelta(days=731)) == "pki.validity"
    assert code_of(pki.root.issue_triple, package, Role.SMGW, now=NOW) == "pki.authority"
    live = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SM-PKI-DE"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{DEVICE_ID}.SMGW"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, "1"),
        ]
    )
    requests = [
        sign_request(live, [(key_usage(END_ENTITY_PROFILES[kind].key_usage), True)], gateway.module, key)
        for kind, key in zip(KINDS, KEYS, strict=True)
    ]
    foreign = der(SEQUENCE, *(one.public_bytes(serialization.Encoding.DER) for one in requests))
    assert code_of(issue, foreign, Role.SMGW, now=NOW) == "pki.name"


def test_a_participant_without_contact_is_refused(pki: SmallPki, gateway: Party) -> None:
    subject = pki.party(Role.EMT, "Kontakt").triple.tls.subject
    requests = [
        sign_request(subject, [(key_usage(END_ENTITY_PROFILES[kind].key_usage), True)], gateway.module, key)
        for kind, key in zip(KINDS, KEYS, strict=True)
    ]
    package = der(SEQUENCE, *(one.public_bytes(serialization.Encoding.DER) for one in requests))
    assert code_of(pki.sub.issue_triple, package, Role.EMT, now=NOW) == "pki.request"


def test_validity_may_be_shorter_than_the_profiles(pki: SmallPki) -> None:
    short = pki.party(Role.SMGW, "EBSI0000000101", validity=timedelta(days=3))
    assert short.triple.tls.not_valid_after_utc - short.triple.tls.not_valid_before_utc == timedelta(days=3)


def test_an_authority_issues_only_while_its_key_may(pki: SmallPki, tmp_path: Path) -> None:
    assert pki.sub.key_ends == pki.sub.certificate.not_valid_before_utc + timedelta(days=730)
    for when in (pki.sub.key_ends, pki.sub.certificate.not_valid_after_utc + timedelta(days=1), NOW - timedelta(days=1)):
        assert code_of(pki.party, Role.SMGW, "EBSI0000000102", now=when) == "pki.key_period"
        assert read_revocation_list(pki.sub.crl(when)).this_update == when
    assert code_of(Authority.init_sub, tmp_path / "late", pki.module, pki.root, "Late", now=pki.root.key_ends) == "pki.key_period"


def test_a_sub_ca_ends_no_later_than_its_root(pki: SmallPki, tmp_path: Path) -> None:
    late = pki.root.key_ends - timedelta(days=1)
    sub = Authority.init_sub(tmp_path / "later", pki.module, pki.root, "Later", now=late)
    assert sub.certificate.not_valid_after_utc == pki.root.certificate.not_valid_after_utc


@pytest.mark.req("PKI-01", "ADM-03")
def test_revocation_suspension_and_release(own_pki: SmallPki) -> None:
    triple = own_pki.party(Role.SMGW, DEVICE_ID).triple
    serial, issuer = triple.sig.serial_number, read_facts(own_pki.sub.certificate).subject
    sub = own_pki.sub

    def judged() -> tuple[int, Standing]:
        crl = read_revocation_list(sub.crl(NOW))
        return crl.number, crl.standing(issuer, serial)

    assert judged() == (1, Standing.GOOD)
    sub.revoke(serial, x509.ReasonFlags.certificate_hold, NOW)
    assert judged() == (2, Standing.SUSPENDED)
    sub.release(serial, NOW)
    assert judged() == (3, Standing.GOOD)
    assert code_of(sub.release, serial, NOW) == "pki.not_suspended"
    sub.revoke(serial, x509.ReasonFlags.certificate_hold, NOW)
    sub.revoke(serial, x509.ReasonFlags.key_compromise, NOW)
    assert judged() == (4, Standing.REVOKED)
    assert code_of(sub.release, serial, NOW) == "pki.not_suspended"
    assert code_of(sub.revoke, serial, x509.ReasonFlags.superseded, NOW) == "pki.already_revoked"
    assert code_of(sub.revoke, 1, x509.ReasonFlags.superseded, NOW) == "pki.unknown_serial"
    assert code_of(sub.release, 1, NOW) == "pki.unknown_serial"
    assert code_of(sub.revoke, serial, x509.ReasonFlags.remove_from_crl, NOW) == "pki.not_suspended"
    assert judged() == (4, Standing.REVOKED)


@pytest.mark.req("PKI-01")
def test_a_revoked_sub_ca_takes_its_triples_along(own_pki: SmallPki) -> None:
    triple = own_pki.party(Role.SMGW, DEVICE_ID).triple
    roles = frozenset({Role.SMGW})
    assert own_pki.trust().validate(triple.sig, now=NOW, use=CertificateUse.SIG, roles=roles).device_id
    own_pki.root.revoke(own_pki.sub.certificate.serial_number, x509.ReasonFlags.ca_compromise, NOW)
    assert code_of(own_pki.trust().validate, triple.sig, now=NOW, use=CertificateUse.SIG, roles=roles) == "pki.revoked"


def test_lists_are_made_daily_and_live_as_long_as_the_scheme_says(own_pki: SmallPki) -> None:
    for authority, days in ((own_pki.root, 30), (own_pki.sub, 7)):
        first = authority.crl(NOW)
        assert authority.crl(NOW + timedelta(hours=23)) == first
        second = read_revocation_list(authority.crl(NOW + timedelta(days=1)))
        assert second.number == 2
        assert second.next_update - second.this_update == timedelta(days=days)
        assert read_revocation_list(authority.crl(NOW - timedelta(days=1))).number == 3


def test_a_crl_signer_signs_for_the_root_alone(own_pki: SmallPki) -> None:
    signer = own_pki.root.crl_signer
    root_list, sub_list = (read_revocation_list(one.crl(NOW)) for one in (own_pki.root, own_pki.sub))
    assert root_list.indirect == (signer is not None)
    assert not sub_list.indirect
    expected = own_pki.root.certificate if signer is None else signer
    root_list.require_signed_by(read_facts(expected).public_key)


def test_authorities_survive_a_restart(own_pki: SmallPki) -> None:
    triple = own_pki.party(Role.SMGW, DEVICE_ID).triple
    own_pki.sub.revoke(triple.enc.serial_number, x509.ReasonFlags.superseded, NOW)
    before = own_pki.sub.crl(NOW)
    module = SoftwareModule.open(own_pki.folder / "ca.keys", SECRET)
    root, sub = (Authority.open(own_pki.folder / name, module) for name in ("root", "sub"))
    assert (root.name, root.role, root.crl_signer) == ("SM-Test-Root.CA", Role.ROOT, own_pki.root.crl_signer)
    assert sub.crl(NOW) == before
    assert [issued.kind for issued in sub.certificates(f"{DEVICE_ID}.SMGW")] == ["tls", "sig", "enc"]
    assert repr(sub) == "<Authority Test.CA>"


def test_founding_and_opening_what_is_not_right(pki: SmallPki, tmp_path: Path) -> None:
    module = pki.module
    assert code_of(Authority.init_root, pki.folder / "root", module, now=NOW) == "pki.authority_exists"
    assert code_of(Authority.init_sub, tmp_path / "x", module, pki.root, "a.b", now=NOW) == "pki.name"
    assert code_of(Authority.init_sub, tmp_path / "y", module, pki.sub, "Lower", now=NOW) == "pki.authority"
    assert code_of(Authority.open, tmp_path, module) == "pki.authority"
    other = SoftwareModule.create(tmp_path / "other", SECRET)
    assert code_of(Authority.open, pki.folder / "root", other) == "module.no_key"
    other.generate("CA_SIG_ROOT", "brainpoolP512r1")
    with pytest.raises(ConfigError) as caught:
        Authority.open(pki.folder / "root", other)
    assert caught.value.code == "pki.authority"


def test_the_scheme_of_2024_is_still_in_the_table(tmp_path: Path) -> None:
    then = NOW.replace(year=2024)
    pki = SmallPki.make(tmp_path, now=then)
    assert [read_facts(one.certificate).curve for one in (pki.root, pki.sub)] == ["brainpoolP384r1", "brainpoolP256r1"]
    party = pki.party(Role.SMGW, DEVICE_ID, now=then)
    assert pki.trust(then).validate(party.triple.tls, now=then, use=CertificateUse.TLS_CLIENT, roles=frozenset({Role.SMGW}))


def test_errors_are_of_the_right_side(pki: SmallPki) -> None:
    with pytest.raises(DomainFault):
        pki.sub.revoke(2, x509.ReasonFlags.superseded, NOW)
    with pytest.raises(CertificateRejected):
        pki.sub.issue_triple(der(SEQUENCE), Role.SMGW, now=NOW)
    with pytest.raises(UsageError):
        pki.sub.revoke(2, x509.ReasonFlags.remove_from_crl, NOW)

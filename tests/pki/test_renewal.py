"""Renewal: only under the old SIG key, only for the same name, only with new keys, only while the old triple is good."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509

from smgw.core.errors import CertificateRejected, SmgwError
from smgw.pki.authorised import sign_package
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import Role
from smgw.pki.renewal import held_keys, make_renewal, renew
from smgw.pki.requests import make_request_package
from smgw.pki.triple import GATEWAY_KEYS, PARTICIPANT_KEYS, CertificateTriple, KeyNames
from smgw.security.content import Credential
from smgw.security.software import SoftwareModule

pytestmark = pytest.mark.req("PKI-01")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GATEWAY = "ESGW0000000001"


class Lab(NamedTuple):
    """Hold a test PKI, a module, and a triple whose keys it holds."""

    pki: PkiFolder
    module: SoftwareModule
    triple: CertificateTriple

    def signed(self, keys: KeyNames, role: Role, name: str, key: str = "GW_WAN_SIG") -> bytes:
        package = make_request_package(self.module, keys, role, name)
        return sign_package(package, module=self.module, signer=Credential(self.triple.sig, key))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    pki = PkiFolder.found(tmp_path / "pki", now=NOW)
    module = SoftwareModule.create(tmp_path / "module", b"a secret of the tests")
    for key in (*GATEWAY_KEYS, *PARTICIPANT_KEYS):
        module.generate(key, "brainpoolP256r1")
    return Lab(pki, module, pki.issue(make_request_package(module, GATEWAY_KEYS, Role.SMGW, GATEWAY), Role.SMGW, now=NOW))


def test_the_next_generation_is_certified_and_its_successor_too(lab: Lab) -> None:
    triple = lab.triple
    for generation in (2, 3):
        asked = make_renewal(lab.module, triple, NOW)
        assert asked.keys == KeyNames(*(f"{key}_G{generation}" for key in GATEWAY_KEYS))
        assert make_renewal(lab.module, triple, NOW).keys == asked.keys
        triple = renew(lab.pki, asked.document, triple, now=NOW)
        assert held_keys(lab.module, triple) == asked.keys
        assert triple.common_name == lab.triple.common_name


def test_an_organisation_keeps_its_contact(lab: Lab) -> None:
    package = make_request_package(lab.module, PARTICIPANT_KEYS, Role.EMT, "north", contact="desk@north.example")
    old = lab.pki.issue(package, Role.EMT, now=NOW)
    new = renew(lab.pki, make_renewal(lab.module, old, NOW).document, old, now=NOW)
    names = new.tls.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == ["desk@north.example"]


@pytest.mark.parametrize(
    ("keys", "role", "name", "key", "code"),
    [
        (PARTICIPANT_KEYS, Role.SMGW, "ESGW0000000002", "GW_WAN_SIG", "pki.request"),
        (PARTICIPANT_KEYS, Role.EMT, "north", "GW_WAN_SIG", "pki.request"),
        (GATEWAY_KEYS, Role.SMGW, GATEWAY, "GW_WAN_SIG", "pki.request"),
        (PARTICIPANT_KEYS, Role.SMGW, GATEWAY, "GW_WAN_TLS", "cms.signature"),
    ],
    ids=["another gateway", "another role", "the old keys", "another key's signature"],
)
def test_nothing_else_is_certified(lab: Lab, keys: KeyNames, role: Role, name: str, key: str, code: str) -> None:
    with pytest.raises(SmgwError) as fault:
        renew(lab.pki, lab.signed(keys, role, name, key), lab.triple, now=NOW)
    assert fault.value.code == code


@pytest.mark.parametrize("reason", [x509.ReasonFlags.key_compromise, x509.ReasonFlags.certificate_hold])
def test_who_is_not_in_good_standing_gets_nothing(lab: Lab, reason: x509.ReasonFlags) -> None:
    document = make_renewal(lab.module, lab.triple, NOW).document
    lab.pki.issuer_of(lab.triple.sig).revoke(lab.triple.sig.serial_number, reason, NOW)
    with pytest.raises(CertificateRejected, match=r"^pki\.(revoked|suspended)"):
        renew(lab.pki, document, lab.triple, now=NOW + timedelta(hours=1))


def test_who_comes_too_late_gets_nothing(lab: Lab) -> None:
    document = make_renewal(lab.module, lab.triple, NOW).document
    with pytest.raises(CertificateRejected, match=r"^pki\.expired"):
        renew(lab.pki, document, lab.triple, now=NOW + timedelta(days=800))


def test_keys_that_are_not_held_are_missed(lab: Lab, tmp_path: Path) -> None:
    other = SoftwareModule.create(tmp_path / "other", b"a secret of the tests")
    with pytest.raises(SmgwError, match=r"^module\.no_key"):
        make_renewal(other, lab.triple, NOW)

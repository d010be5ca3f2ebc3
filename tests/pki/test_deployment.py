"""A whole test PKI in one folder."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.pki_builders import DEVICE_ID, KEYS, NOW, Party

from smgw.core.errors import SmgwError
from smgw.pki.chain import CertificateUse
from smgw.pki.deployment import MODULE_FILE, SECRET_FILE, PkiFolder
from smgw.pki.describe import describe_certificate, describe_request, describe_revocation_list
from smgw.pki.names import Role
from smgw.pki.requests import make_request_package, read_request_package


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pki"


def code_of(call: object, *arguments: object, **named: object) -> str:
    assert callable(call)
    with pytest.raises(SmgwError) as caught:
        call(*arguments, **named)
    return caught.value.code


@pytest.mark.req("PKI-01")
def test_found_issue_close_and_open_again(folder: Path, gateway: Party) -> None:
    pki = PkiFolder.found(folder, now=NOW, crl_signer=True)
    package = make_request_package(gateway.module, KEYS, Role.SMGW, DEVICE_ID)
    triple = pki.issue(package, Role.SMGW, now=NOW, validity=timedelta(days=10))
    again = PkiFolder.open(folder)
    assert [one.name for one in again.authorities] == ["SM-Test-Root.CA", "Test.CA"]
    assert len(again.certificates) == 3
    assert again.issuer_of(triple.tls).name == "Test.CA"
    assert again.issuer_of(again.sub().certificate).name == "SM-Test-Root.CA"
    valid = again.trust(NOW).validate(triple.tls, now=NOW, use=CertificateUse.TLS_SERVER, roles=frozenset({Role.SMGW}))
    assert str(valid.device_id) == DEVICE_ID
    for name in (MODULE_FILE, SECRET_FILE):
        assert (folder / name).stat().st_mode & 0o077 == 0


def test_a_founding_that_broke_off_can_be_repeated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pki = PkiFolder.found(folder, now=NOW)
    assert code_of(pki.found_sub, "Spaet", now=pki.root.key_ends) == "pki.key_period"
    assert pki.found_sub("Spaet", now=NOW).name == "Spaet.CA"


def test_several_sub_cas_are_told_by_name(folder: Path, gateway: Party) -> None:
    pki = PkiFolder.found(folder, now=NOW, sub_name="Nord")
    pki.found_sub("Sued", now=NOW)
    assert (pki.sub("Nord").name, pki.sub("Sued").name) == ("Nord.CA", "Sued.CA")
    assert code_of(pki.sub) == "pki.authority"
    assert code_of(pki.sub, "West") == "pki.authority"
    assert code_of(pki.found_sub, "Nord", now=NOW) == "pki.authority_exists"
    assert code_of(pki.found_sub, "a.b", now=NOW) == "pki.name"
    assert pki.authority_named("Sued.CA") is pki.sub("Sued")
    assert pki.authority_named("West.CA") is None
    assert code_of(pki.issuer_of, gateway.triple.tls) == "pki.authority"


def test_folders_are_never_overwritten_and_never_guessed(folder: Path) -> None:
    assert code_of(PkiFolder.open, folder) == "pki.authority"
    PkiFolder.found(folder, now=NOW)
    assert code_of(PkiFolder.found, folder, now=NOW) == "pki.authority_exists"
    (folder / SECRET_FILE).unlink()
    assert code_of(PkiFolder.open, folder) == "secret.missing"


def test_descriptions_name_what_matters(folder: Path, gateway: Party) -> None:
    pki = PkiFolder.found(folder, now=NOW, crl_signer=True)
    package = make_request_package(gateway.module, KEYS, Role.EMT, "Netz", contact="pki@netz.test")
    triple = pki.issue(package, Role.EMT, now=NOW)
    shown = describe_certificate(triple.tls)
    assert shown["subject"] == "SERIALNUMBER=1,CN=Netz.EMT,O=SM-Test-PKI-DE,C=DE"
    assert shown["key"] == "EC brainpoolP256r1"
    extensions = shown["extensions"]
    assert isinstance(extensions, dict)
    assert extensions["keyUsage (critical)"] == "digital_signature"
    assert extensions["extendedKeyUsage (critical)"] == "serverAuth, clientAuth"
    assert extensions["subjectAltName"] == "pki@netz.test"
    assert str(extensions["cRLDistributionPoints"]).endswith("/crl/Test.CA.crl")
    root = describe_certificate(pki.root.certificate)["extensions"]
    assert isinstance(root, dict)
    assert root["basicConstraints (critical)"] == "authority, path length 1"
    assert " to " in root["privateKeyUsagePeriod"]
    store = pki.trust(NOW)
    described = [describe_revocation_list(one) for one in store.revocation_lists]
    assert [one["indirect"] for one in described] == [True, False]
    assert describe_request(read_request_package(package))["contact"] == "pki@netz.test"

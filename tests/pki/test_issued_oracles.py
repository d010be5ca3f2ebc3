"""Two independent validators accept what our authorities issue, and reject it once it is revoked."""

import asyncio
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import RevokedError
from tests.pki_builders import DEVICE_ID, NOW, SmallPki

from smgw.pki.names import END_ENTITY_ROLES, Role

NAMES = {Role.SMGW: DEVICE_ID, Role.GWA: "Nord", Role.GWH: "Werk", Role.EMT: "Netz", Role.TECHNICIAN: "Dienst"}
BEFORE = NOW - timedelta(minutes=1)
PURPOSES = {"tls": ["sslclient", "sslserver"], "sig": ["any"], "enc": ["any"]}


@pytest.fixture(params=[False, True], ids=["own-list", "crl-signer"])
def own_pki(tmp_path: Path, request: pytest.FixtureRequest) -> SmallPki:
    return SmallPki.make(tmp_path / "pki", crl_signer=request.param)


def openssl_verdict(pki: SmallPki, certificate: x509.Certificate, folder: Path, purpose: str) -> str:
    store = pki.trust()
    (folder / "anchors").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in store.anchors))
    (folder / "others").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in store.intermediates))
    (folder / "lists").write_bytes(b"".join(one.crl.public_bytes(Encoding.PEM) for one in store.revocation_lists))
    (folder / "leaf").write_bytes(certificate.public_bytes(Encoding.PEM))
    arguments = ["openssl", "verify", "-x509_strict", "-crl_check_all", "-attime", str(int(NOW.timestamp())), "-purpose", purpose]
    arguments += ["-no-CApath", "-no-CAstore", "-CAfile", "anchors", "-untrusted", "others", "-CRLfile", "lists", "leaf"]
    result = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return "OK" if result.returncode == 0 else result.stderr


def hanko_check(pki: SmallPki, certificate: x509.Certificate) -> None:
    store = pki.trust()

    def load(one: x509.Certificate) -> Any:
        return asn1_x509.Certificate.load(one.public_bytes(Encoding.DER))

    context = ValidationContext(
        trust_roots=[load(one) for one in store.anchors],
        other_certs=[load(one) for one in store.intermediates],
        crls=[asn1_crl.CertificateList.load(one.crl.public_bytes(Encoding.DER)) for one in store.revocation_lists],
        revocation_mode="require",
        allow_fetching=False,
        moment=NOW,
    )
    asyncio.run(CertificateValidator(load(certificate), validation_context=context).async_validate_path())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not installed: apt-get install openssl")
@pytest.mark.req("PKI-01", "PKI-02")
def test_openssl_agrees(tmp_path: Path) -> None:
    """OpenSSL can't follow a CRL signer whose own standing stands in the list it signs, so the root signs its list here."""
    own_pki = SmallPki.make(tmp_path / "pki")
    for role in sorted(END_ENTITY_ROLES):
        triple = own_pki.party(role, NAMES[role]).triple
        for kind, purposes in PURPOSES.items():
            for purpose in purposes:
                assert openssl_verdict(own_pki, getattr(triple, kind), tmp_path, purpose) == "OK", (role, kind)
    own_pki.sub.revoke(triple.sig.serial_number, x509.ReasonFlags.certificate_hold, BEFORE)
    assert "certificate revoked" in openssl_verdict(own_pki, triple.sig, tmp_path, "any")
    own_pki.root.revoke(own_pki.sub.certificate.serial_number, x509.ReasonFlags.ca_compromise, BEFORE)
    assert "certificate revoked" in openssl_verdict(own_pki, triple.enc, tmp_path, "any")


@pytest.mark.req("PKI-01", "PKI-02")
def test_a_second_validator_agrees(own_pki: SmallPki) -> None:
    triple = own_pki.party(Role.EMT, "Netz").triple
    for certificate in triple:
        hanko_check(own_pki, certificate)
    own_pki.sub.revoke(triple.sig.serial_number, x509.ReasonFlags.key_compromise, BEFORE)
    with pytest.raises(RevokedError):
        hanko_check(own_pki, triple.sig)
    hanko_check(own_pki, triple.enc)
    own_pki.root.revoke(own_pki.sub.certificate.serial_number, x509.ReasonFlags.ca_compromise, BEFORE)
    with pytest.raises(RevokedError):
        hanko_check(own_pki, triple.enc)

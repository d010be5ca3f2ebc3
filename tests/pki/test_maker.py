"""Makers of firmware: only what an anchor issued for signing, and while it is valid, signs a package."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.codec.firmware_packages import CREATED, FILES, Maker, maker, manifest_of, package

from smgw.codec.firmware_package import FirmwareManifest, PackagedFile, PackageHead, encode_manifest, write_package
from smgw.core.errors import CertificateRejected, PeerFault, SecurityFault
from smgw.pki.maker import ROOT_VALIDITY, SIGNER_VALIDITY, chunks_of, load_makers, require_maker, verified_package, verify_head
from smgw.security.content import Credential, sign_detached

pytestmark = pytest.mark.req("ADM-05")


def parts(octets: bytes, *anchors: x509.Certificate, at: "timedelta" = timedelta()) -> list[FirmwareManifest | PackagedFile]:
    return list(verified_package([octets], anchors or [maker().root], CREATED + at))


def test_a_good_package_gives_its_manifest_first() -> None:
    manifest, *files = parts(package())
    assert manifest == manifest_of()
    assert len(files) == len(FILES)


def test_one_of_several_anchors_is_enough() -> None:
    assert parts(package(), maker("other").root, maker().root)


def test_another_maker_is_refused_before_any_file_is_given() -> None:
    given = verified_package([package()], [maker("other").root], CREATED)
    with pytest.raises(CertificateRejected, match=r"firmware\.signer"):
        next(given)


def test_a_maker_of_the_same_name_is_another_one() -> None:
    with pytest.raises(CertificateRejected, match="no anchor"):
        parts(package(by=Maker("test")))


@pytest.mark.parametrize("at", [-timedelta(days=1), SIGNER_VALIDITY, ROOT_VALIDITY])
def test_a_signer_signs_only_while_it_is_valid(at: timedelta) -> None:
    with pytest.raises(CertificateRejected, match="not valid"):
        parts(package(), at=at)


def test_a_root_does_not_sign_packages_itself() -> None:
    with pytest.raises(CertificateRejected, match=r"firmware\.signer"):
        require_maker(maker().root, [maker().root], CREATED)


def test_a_signer_is_no_anchor() -> None:
    with pytest.raises(CertificateRejected, match=r"firmware\.signer"):
        require_maker(maker().signer, [maker().signer], CREATED)


def test_a_certificate_of_the_sm_pki_signs_no_firmware() -> None:
    from tests.gateway.gateway_parts import administrator_identity

    octets = encode_manifest(manifest_of())
    identity = administrator_identity()
    signature = sign_detached(octets, module=identity.module, signer=identity.signer)
    with pytest.raises(CertificateRejected, match=r"firmware\.signer"):
        verify_head(PackageHead(octets, signature, manifest_of()), [maker().root, *identity.trust.anchors], CREATED)


def test_a_signature_without_a_certificate_is_refused() -> None:
    octets = encode_manifest(manifest_of())
    signature = sign_detached(octets, module=maker().module, signer=Credential(maker().signer, "MAKER_SIG"), include_certificate=False)
    with pytest.raises(CertificateRejected, match="travels along"):
        verify_head(PackageHead(octets, signature, manifest_of()), [maker().root], CREATED)


def test_a_signature_of_another_manifest_is_refused() -> None:
    other = maker().sign(encode_manifest(manifest_of(version="9.9.9")))
    octets = b"".join(write_package(encode_manifest(manifest_of()), other, sorted(FILES.items())))
    with pytest.raises(SecurityFault, match=r"cms\.signature"):
        parts(octets)


@pytest.mark.parametrize("signature", [b"", b"\x30\x80", b"x" * 100])
def test_a_signature_that_is_none_is_refused(signature: bytes) -> None:
    octets = b"".join(write_package(encode_manifest(manifest_of()), signature, sorted(FILES.items())))
    with pytest.raises(PeerFault, match=r"cms\."):
        parts(octets)


def test_a_package_is_good_only_when_it_is_whole() -> None:
    with pytest.raises(PeerFault, match=r"firmware\.structure"):
        parts(package()[:-512])


def test_anchors_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "makers.pem"
    with pytest.raises(SecurityFault, match=r"firmware\.no_maker"):
        load_makers(path)
    path.write_bytes(maker().root.public_bytes(Encoding.PEM) + maker("other").root.public_bytes(Encoding.PEM))
    assert load_makers(path) == (maker().root, maker("other").root)


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(PeerFault, match=r"firmware\.file"):
        list(chunks_of(tmp_path / "none.fw"))


def test_openssl_verifies_a_package_s_signature(tmp_path: Path) -> None:
    octets = encode_manifest(manifest_of())
    (tmp_path / "manifest.json").write_bytes(octets)
    (tmp_path / "manifest.cms").write_bytes(maker().sign(octets))
    (tmp_path / "makers.pem").write_bytes(maker().root.public_bytes(Encoding.PEM))
    words = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "manifest.cms", "-content", "manifest.json", "-CAfile",
             "makers.pem", "-purpose", "any", "-attime", str(int(CREATED.timestamp())), "-out", "out"]  # fmt: skip
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes() == octets

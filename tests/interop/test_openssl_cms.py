"""Content protection against `openssl cms`, both ways, on all five curves.

OpenSSL knows the RFC 5753 identifiers of the same computation. It verifies SignedData with a foreign content type as it
stands, but decrypts AuthEnvelopedData only inside a ContentInfo of its own, which the tests put around it.
"""

import datetime
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.cms_parties import CURVE_NAMES

from smgw.codec.cms import algorithms as table
from smgw.codec.cms import authenveloped, compressed, der, signed
from smgw.codec.cms.party import party_of
from smgw.codec.cms.structures import AuthEnvelopedContentInfo, decode
from smgw.core.errors import DecodeFault
from smgw.security.content import Credential, SignerClaim, open_content, seal, sign_detached, sign_encapsulated, verify_detached
from smgw.security.module import SecurityModule
from smgw.security.software import SoftwareModule

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="the openssl command is not installed")
CONTENT = b"<reading>1234567 Wh</reading>\n" * 60
AUTH_ENVELOPED = table.ID_AUTH_ENVELOPED_DATA.dotted_string
GCM_BY_CURVE = {"sha256": ("aes128-gcm", "aes-128-gcm", "aes128-wrap"), "sha384": ("aes256-gcm", "aes-256-gcm", "aes256-wrap")}
GCM_BY_CURVE["sha512"] = GCM_BY_CURVE["sha384"]


class ImportedKeys:
    """Use keys that OpenSSL has in files too, as a security module would."""

    def __init__(self, keys: dict[str, ec.EllipticCurvePrivateKey], random: SecurityModule) -> None:
        self._keys = keys
        self.random = random.random

    def sign_digest(self, name: str, digest: bytes) -> bytes:
        rows = {row.octets: row for row in table.DIGESTS.values()}
        return self._keys[name].sign(digest, rows[len(digest)].ecdsa_prehashed)

    def ecdh(self, name: str, peer: ec.EllipticCurvePublicKey) -> bytes:
        return self._keys[name].exchange(ec.ECDH(), peer)


class Lab(NamedTuple):
    """Hold one curve's identities as files for OpenSSL and as credentials for us."""

    folder: Path
    curve: table.CurveSuite
    module: ImportedKeys
    signer: Credential
    recipient: Credential

    def trust(self, claim: SignerClaim) -> x509.Certificate:
        return self.signer.certificate

    def openssl(self, *arguments: str, content: bytes) -> bytes:
        """Run `openssl cms` in the folder."""
        done = subprocess.run(
            [str(OPENSSL), "cms", *arguments, "-binary"], input=content, capture_output=True, cwd=self.folder, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


def make_lab(folder: Path, curve: str) -> Lab:
    """Write keys and certificates of a signer and a recipient on one curve."""
    now = datetime.datetime.now(datetime.UTC)
    authority = ec.generate_private_key(table.CURVES[curve].curve)
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test.CA")])
    keys: dict[str, ec.EllipticCurvePrivateKey] = {}

    def issue(name: str, key: ec.EllipticCurvePrivateKey, *usages: str, ca: bool = False) -> x509.Certificate:
        subject = authority_name if ca else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.EMT")])
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        certificate = (
            x509.CertificateBuilder(authority_name, subject, key.public_key(), 1000 + len(keys))
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**{**usage, **dict.fromkeys(usages, True)}), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
            .sign(authority, table.DIGESTS[table.CURVES[curve].digest].hash)
        )
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        keys[name] = key
        return certificate

    issue("ca", authority, "key_cert_sign", ca=True)
    signer = issue("sig", ec.generate_private_key(table.CURVES[curve].curve), "digital_signature")
    recipient = issue("enc", ec.generate_private_key(table.CURVES[curve].curve), "key_agreement")
    random = SoftwareModule.create(folder / "keys", b"a secret of the tests")
    return Lab(folder, table.CURVES[curve], ImportedKeys(keys, random), Credential(signer, "sig"), Credential(recipient, "enc"))


@pytest.fixture(scope="module", params=CURVE_NAMES)
def here(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return make_lab(tmp_path_factory.mktemp("cms"), request.param)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return make_lab(tmp_path_factory.mktemp("cms"), "secp256r1")


def as_content_info(envelope: bytes) -> bytes:
    return der.tlv(der.SEQUENCE, der.oid(table.ID_AUTH_ENVELOPED_DATA), der.context(0, envelope))


@pytest.mark.req("WAN-03", "SEC-03")
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("include_certificate", [False, True])
def test_openssl_verifies_and_decrypts_what_we_seal(here: Lab, compress: bool, include_certificate: bool) -> None:
    cipher = GCM_BY_CURVE[here.curve.digest][0]
    message = seal(
        CONTENT,
        module=here.module,
        signer=here.signer,
        recipient=here.recipient.certificate,
        cipher=cipher,
        oid_profile="rfc5753",
        compress=compress,
        include_certificate=include_certificate,
    )
    envelope = here.openssl(
        "-verify", "-inform", "DER", "-CAfile", "ca.pem", "-certfile", "sig.pem", "-purpose", "any", content=message
    )  # fmt: skip
    if compress:
        assert authenveloped.read(envelope).content_type == table.ID_COMPRESSED_DATA
        inner = authenveloped.decrypt(
            authenveloped.read(envelope), party_of(here.recipient.certificate), lambda peer: here.module.ecdh("enc", peer)
        )
        assert compressed.decompress(inner) == CONTENT
        return
    arguments = ("-decrypt", "-inform", "DER", "-inkey", "enc.key", "-recip", "enc.pem")
    assert here.openssl(*arguments, content=as_content_info(envelope)) == CONTENT


@pytest.mark.parametrize("name_by", ["issuer", "key identifier"])
def test_we_open_what_openssl_encrypts_and_signs(here: Lab, name_by: str) -> None:
    digest = here.curve.digest
    _, cipher, wrap = GCM_BY_CURVE[digest]
    key_id = ("-keyid",) if name_by == "key identifier" else ()
    encrypted = here.openssl(
        "-encrypt", f"-{cipher}", f"-{wrap}", "-outform", "DER", *key_id, "-recip", "enc.pem", "-keyopt", f"ecdh_kdf_md:{digest}",
        content=CONTENT,
    )  # fmt: skip
    envelope = asn1.encode_der(decode(AuthEnvelopedContentInfo, encrypted).content)
    message = here.openssl(
        "-sign", "-nodetach", "-outform", "DER", "-signer", "sig.pem", "-inkey", "sig.key", "-md", digest,
        "-econtent_type", AUTH_ENVELOPED, *key_id, content=envelope,
    )  # fmt: skip
    opened = open_content(message, module=here.module, recipient=here.recipient, signer=here.trust, accept="rfc5753")
    assert opened.content == CONTENT
    with pytest.raises(DecodeFault):
        open_content(message, module=here.module, recipient=here.recipient, signer=here.trust)


def test_openssl_verifies_what_we_sign_inside_and_beside(here: Lab) -> None:
    arguments = ("-verify", "-inform", "DER", "-CAfile", "ca.pem", "-purpose", "any")
    inside = sign_encapsulated(CONTENT, module=here.module, signer=here.signer)
    beside = sign_detached(CONTENT, module=here.module, signer=here.signer)
    assert here.openssl(*arguments, content=inside) == CONTENT
    (here.folder / "content").write_bytes(CONTENT)
    assert here.openssl(*arguments, "-content", "content", content=beside) == CONTENT


def test_we_verify_what_openssl_signs_beside(here: Lab) -> None:
    digest = here.curve.digest
    arguments = ("-sign", "-outform", "DER", "-signer", "sig.pem", "-inkey", "sig.key", "-md", digest, "-keyid")
    message = here.openssl(*arguments, content=CONTENT)
    assert verify_detached(message, CONTENT, signer=here.trust, accept="rfc5753").content == CONTENT


def test_a_signature_without_attributes_is_refused_although_openssl_makes_it(one: Lab) -> None:
    arguments = ("-sign", "-nodetach", "-noattr", "-outform", "DER", "-signer", "sig.pem", "-inkey", "sig.key", "-keyid")
    message = one.openssl(*arguments, content=CONTENT)
    for accept in table.ACCEPTANCE:
        with pytest.raises(DecodeFault, match=r"^cms\.structure"):
            signed.verify(message, signer=lambda _: party_of(one.signer.certificate), accept=accept)


def test_streamed_indefinite_lengths_are_refused_although_openssl_makes_them(one: Lab) -> None:
    arguments = ("-sign", "-nodetach", "-stream", "-outform", "DER", "-signer", "sig.pem", "-inkey", "sig.key", "-keyid")
    message = one.openssl(*arguments, content=CONTENT)
    with pytest.raises(DecodeFault, match=r"^cms\.structure"):
        signed.verify(message, signer=lambda _: party_of(one.signer.certificate), accept="rfc5753")

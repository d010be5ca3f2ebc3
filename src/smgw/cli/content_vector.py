"""Known keys through the code that protects contents: what comes out is to be compared octet for octet. Source: 20-wan-crypto-pki 1.6."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from smgw.codec.cms import algorithms as table
from smgw.codec.cms.authenveloped import EphemeralAgreement, derive_key_encryption_key, encrypt, read, shared_info
from smgw.codec.cms.party import Party, party_of
from smgw.core.errors import ConfigError

TEXT = "<cosem/>"
RECIPIENT = "0f65faf11e7856356af358802318ce69b83f8a25bbe1096b494cfa2ef349aa3c"
EPHEMERAL = "32fdfd61822d93917781b1ebf0734ed6ed29e54c77796d8151a7fe31657fa146"
CURVE = "brainpoolP256r1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def vector(
    content: bytes, *, recipient: str, ephemeral: str, cipher: str, oid_profile: table.OidProfile, shared_info: table.SharedInfoForm
) -> dict[str, str]:
    """Encrypt with known keys; gives every intermediate value in hex. Raises: ConfigError key.number."""
    ours, theirs = _key(recipient), _key(ephemeral)
    party = _party(ours)
    secret = theirs.exchange(ec.ECDH(), ours.public_key())
    suite = table.CONTENT_CIPHERS[cipher]
    envelope = encrypt(
        content,
        recipient=party,
        ephemeral=lambda _: EphemeralAgreement(_point(theirs.public_key()), secret),
        random=lambda count: bytes(range(count)),
        cipher=cipher,
        oid_profile=oid_profile,
        form=shared_info,
        content_type=table.ID_COMPRESSED_DATA,
    )
    parts = read(envelope)
    kek = derive_key_encryption_key(secret, digest=party.curve.digest, key_octets=suite.key_octets, form=shared_info)
    return {
        "recipient public key": _point(ours.public_key()).hex(),
        "ephemeral public key": _point(theirs.public_key()).hex(),
        "Z": secret.hex(),
        "SharedInfo": _shared_info(shared_info, suite.key_octets),
        "key encryption key": kek.hex(),
        "content key material": bytes(range(suite.material_octets)).hex(),
        "wrapped": parts.wrapped_keys[0].encrypted_key.hex(),
        "nonce or IV": parts.iv.hex(),
        "authenticated attributes": parts.aad.hex(),
        "ciphertext": parts.encrypted_content.hex(),
        "mac": parts.mac.hex(),
        "AuthEnvelopedData": envelope.hex(),
    }


def _shared_info(form: table.SharedInfoForm, key_octets: int) -> str:
    return shared_info(form, key_octets).hex() or "none"


def _key(number: str) -> ec.EllipticCurvePrivateKey:
    try:
        return ec.derive_private_key(int(number, 16), table.CURVES[CURVE].curve)
    except ValueError as problem:
        raise ConfigError("key.number", number[:80]) from problem


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _party(key: ec.EllipticCurvePrivateKey) -> Party:
    """Make a party of a bare key: the message needs no more of its certificate than the key identifier."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vector")])
    unused = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign", "crl_sign",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    return party_of(
        x509.CertificateBuilder(name, name, key.public_key(), 1, _EPOCH, _EPOCH)
        .add_extension(x509.KeyUsage(**unused, key_agreement=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )

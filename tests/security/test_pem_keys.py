"""Keys from files: every curve of the policy, with and without a password, and nothing else."""

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from smgw.core.errors import SmgwError
from smgw.security.pem_keys import PemKeys
from smgw.security.policy import CURVES


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_keys_sign_the_same_every_time_and_agree(curve: str, form: PrivateFormat) -> None:
    key, peer, keys = ec.generate_private_key(CURVES[curve]()), ec.generate_private_key(CURVES[curve]()), PemKeys()
    assert (
        keys.load("key", b"-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n" + pem(key, form)) == key.public_key()
    )
    digest = hashlib.sha256(b"content").digest()
    signature = keys.sign_digest("key", digest)
    assert signature == keys.sign_digest("key", digest)
    key.public_key().verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    assert keys.ecdh("key", peer.public_key()) == peer.exchange(ec.ECDH(), key.public_key())
    assert (keys.names(), keys.public_key("key"), len(keys.random(5))) == (["key"], key.public_key(), 5)


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_keys_come_as_der_too(curve: str, form: PrivateFormat) -> None:
    key = ec.generate_private_key(CURVES[curve]())
    assert PemKeys().load("key", key.private_bytes(Encoding.DER, form, NoEncryption())) == key.public_key()
    locked = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"right"))
    assert PemKeys().load("key", locked, b"right") == key.public_key()
    with pytest.raises(SmgwError, match=r"^key\.file.*[Pp]assword"):
        PemKeys().load("key", locked)


@pytest.mark.parametrize(
    ("data", "password", "code"),
    [
        (b"", None, "key.file"),
        (b"\x30\x03\x02\x01\x01", None, "key.file"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", None, "key.file"),
        (b"-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n", None, "key.file"),
        (pem(ed25519.Ed25519PrivateKey.generate()), None, "key.file"),
        (pem(ec.generate_private_key(ec.SECP521R1())), None, "pki.curve"),
        (pem(ec.generate_private_key(ec.SECP256R1())), b"none was needed", "key.file"),
    ],
)
def test_what_is_no_key_of_the_policy_is_refused(data: bytes, password: bytes | None, code: str) -> None:
    with pytest.raises(SmgwError) as fault:
        PemKeys().load("key", data, password)
    assert fault.value.code == code


def test_a_password_is_needed_and_has_to_be_right() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"right"))
    assert PemKeys().load("key", data, b"right") == key.public_key()
    for password in (None, b"wrong"):
        with pytest.raises(SmgwError, match=r"^key\.file"):
            PemKeys().load("key", data, password)


def test_unknown_names_and_other_curves_are_refused() -> None:
    keys = PemKeys()
    with pytest.raises(SmgwError, match=r"^module\.no_key"):
        keys.public_key("none")
    keys.load("key", pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(SmgwError, match=r"^module\.peer_key"):
        keys.ecdh("key", ec.generate_private_key(ec.SECP384R1()).public_key())

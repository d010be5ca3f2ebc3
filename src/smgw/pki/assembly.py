"""Assemble signed X.509 structures whose key stays in the security module.

`cryptography` signs only with keys it holds. What is signed (the TBS part) depends on the signing key's algorithm alone, not on the key:
subject key, issuer and identifiers all come from the builder. So the TBS part is taken from a copy signed with a throw-away key of the
same curve, and the real signature comes from the module. Requests hold their own public key and are written out here.
Source: SEC-01; RFC 5280; RFC 2986.
"""

import functools
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.core.errors import IntegrityFault
from smgw.pki.der import BIT_STRING, BOOLEAN, CONTEXT_0, INTEGER, OBJECT, OCTET_STRING, SEQUENCE, SET, der, der_object
from smgw.security.module import SecurityModule
from smgw.security.policy import curve_name, curve_named, signature_hash

_SIGNATURE_OIDS = {"sha256": "2a8648ce3d040302", "sha384": "2a8648ce3d040303", "sha512": "2a8648ce3d040304"}
_EXTENSION_REQUEST = bytes.fromhex("2a864886f70d01090e")
_TRUE = b"\xff"


def sign_certificate(builder: x509.CertificateBuilder, module: SecurityModule, key_name: str) -> x509.Certificate:
    """Finish a certificate with a key of the module; the signature is checked before the certificate is given out.

    Raises: UsageError module.no_key; IntegrityFault module.damaged.
    """
    key, algorithm = _signer(module, key_name)
    tbs = builder.sign(_throw_away(curve_name(key)), algorithm).tbs_certificate_bytes
    certificate = x509.load_der_x509_certificate(_wrap(tbs, algorithm, module, key_name))
    _check(key, certificate.signature, tbs, algorithm)
    return certificate


def sign_revocation_list(
    builder: x509.CertificateRevocationListBuilder, module: SecurityModule, key_name: str
) -> x509.CertificateRevocationList:
    """Finish a revocation list with a key of the module. Raises: UsageError module.no_key; IntegrityFault module.damaged."""
    key, algorithm = _signer(module, key_name)
    tbs = builder.sign(_throw_away(curve_name(key)), algorithm).tbs_certlist_bytes
    crl = x509.load_der_x509_crl(_wrap(tbs, algorithm, module, key_name))
    _check(key, crl.signature, tbs, algorithm)
    return crl


def sign_request(
    subject: x509.Name, extensions: Iterable[tuple[x509.ExtensionType, bool]], module: SecurityModule, key_name: str
) -> x509.CertificateSigningRequest:
    """Make a PKCS#10 request for a key of the module; its ECDSA signature proves possession.

    `extensions` are (value, critical) pairs that go into the extensionRequest attribute.
    """
    key, algorithm = _signer(module, key_name)
    wanted = der(SEQUENCE, *(_extension(value, critical) for value, critical in extensions))
    public = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    attributes = der(SEQUENCE, der(OBJECT, _EXTENSION_REQUEST), der(SET, wanted))
    info = der(SEQUENCE, der(INTEGER, b"\x00"), subject.public_bytes(), public, der(CONTEXT_0, attributes))
    return x509.load_der_x509_csr(_wrap(info, algorithm, module, key_name))


def _signer(module: SecurityModule, key_name: str) -> tuple[ec.EllipticCurvePublicKey, hashes.SHA256 | hashes.SHA384 | hashes.SHA512]:
    key = module.public_key(key_name)
    return key, signature_hash(curve_name(key))


@functools.cache
def _throw_away(curve: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve_named(curve))


def _wrap(tbs: bytes, algorithm: hashes.HashAlgorithm, module: SecurityModule, key_name: str) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(tbs)
    signature = module.sign_digest(key_name, digest.finalize())
    identifier = der(SEQUENCE, der(OBJECT, bytes.fromhex(_SIGNATURE_OIDS[algorithm.name])))
    return der(SEQUENCE, tbs, identifier, der(BIT_STRING, b"\x00", signature))


def _check(key: ec.EllipticCurvePublicKey, signature: bytes, tbs: bytes, algorithm: hashes.HashAlgorithm) -> None:
    try:
        key.verify(signature, tbs, ec.ECDSA(algorithm))
    except InvalidSignature as problem:
        raise IntegrityFault("module.damaged", "a signature of the module does not verify") from problem


def _extension(value: x509.ExtensionType, critical: bool) -> bytes:
    oid = der_object(value.oid)
    return der(SEQUENCE, oid, der(BOOLEAN, _TRUE) if critical else b"", der(OCTET_STRING, value.public_bytes()))

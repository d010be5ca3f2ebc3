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

from smgw.core.errors import DecodeFault, IntegrityFault
from smgw.security.module import SecurityModule
from smgw.security.policy import curve_name, curve_named, signature_hash

SEQUENCE, SET, INTEGER, BIT_STRING, OCTET_STRING, BOOLEAN, OBJECT, CONTEXT_0 = 0x30, 0x31, 0x02, 0x03, 0x04, 0x01, 0x06, 0xA0

_SIGNATURE_OIDS = {"sha256": "2a8648ce3d040302", "sha384": "2a8648ce3d040303", "sha512": "2a8648ce3d040304"}
_EXTENSION_REQUEST = bytes.fromhex("2a864886f70d01090e")
_TRUE = b"\xff"


def der(tag: int, *parts: bytes) -> bytes:
    """Write one DER value with a definite length."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def split_der(data: bytes, tag: int, limit: int) -> list[bytes]:
    """Split one DER value of `tag` into the values it holds, at most `limit`, each with its head.

    Raises: DecodeFault pki.malformed for anything but one whole value in strict DER lengths.
    """
    start, end = _head(data, 0, tag)
    if end != len(data):
        raise DecodeFault("pki.malformed", "octets after the end", offset=end)
    parts: list[bytes] = []
    while start < end:
        _, after = _head(data, start, None)
        if after > end or len(parts) == limit:
            raise DecodeFault("pki.malformed", "too long or too many", offset=start)
        parts.append(data[start:after])
        start = after
    return parts


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


def der_object(oid: x509.ObjectIdentifier) -> bytes:
    """Write an object identifier."""
    first, second, *rest = (int(arc) for arc in oid.dotted_string.split("."))
    body = bytearray()
    for arc in (first * 40 + second, *rest):
        octets = [arc & 0x7F]
        while arc := arc >> 7:
            octets.append(0x80 | (arc & 0x7F))
        body += bytes(reversed(octets))
    return der(OBJECT, bytes(body))


def _head(data: bytes, at: int, tag: int | None) -> tuple[int, int]:
    """Read tag and length at an offset; returns the offsets of the content and of its end."""
    if at + 2 > len(data) or (tag is not None and data[at] != tag):
        raise DecodeFault("pki.malformed", "tag", offset=at)
    length, start = data[at + 1], at + 2
    if length >= 0x80:
        count = length & 0x7F
        raw = data[start : start + count]
        length, start = int.from_bytes(raw, "big"), start + count
        if not 1 <= count <= 3 or len(raw) != count or raw[0] == 0 or length < 0x80:
            raise DecodeFault("pki.malformed", "length", offset=at)
    if start + length > len(data):
        raise DecodeFault("pki.malformed", "cut short", offset=at)
    return start, start + length

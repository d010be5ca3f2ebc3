"""AuthEnvelopedData: encrypt for one recipient with ECKA-EG, and open what was encrypted for us.

Private keys and randomness come in as callables; nothing here holds a secret longer than the call.
Source: 20-wan-crypto-pki 1.6; RFC 5083, 5084, 5753, 3394, 4493; TR-03111 ECKA-EG; WAN-03.
"""

import functools
import hmac
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import cmac, keywrap
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from smgw.codec.cms import algorithms as table
from smgw.codec.cms import der
from smgw.codec.cms.oid_names import OID_NAMES
from smgw.codec.cms.party import Party
from smgw.codec.cms.structures import (
    AuthEnvelopedContentInfo,
    AuthEnvelopedData,
    CipherParameters,
    IssuerAndSerialNumber,
    KeyAgreeRecipientInfo,
    RecipientKeyIdentifier,
    decode,
    elements,
)
from smgw.core.errors import DecodeFault, LimitFault, SecurityFault, UsageError

_ZERO_IV = bytes(table.BLOCK_OCTETS)
_FIRST_BLOCK = (1).to_bytes(4, "big")


class EphemeralAgreement(NamedTuple):
    """Hold a fresh public key as an uncompressed point, and the x-coordinate it shares with the recipient."""

    point: bytes
    shared_secret: bytes


class WrappedKey(NamedTuple):
    """Hold one recipient's entry: its name, the sender's ephemeral point with its curve if told, and the wrapped key.

    `recipient` is the key identifier, or the DER of IssuerAndSerialNumber where `by_key_id` is False.
    """

    recipient: bytes
    by_key_id: bool
    point: bytes
    curve: table.Oid | None
    agreement: table.KeyAgreement
    wrap: table.KeyWrap
    encrypted_key: bytes


class Envelope(NamedTuple):
    """Describe an AuthEnvelopedData that was read and checked in form, but not opened.

    `aad` is what the tag covers beside the content. `iv` is the GCM nonce or the CBC initial vector.
    """

    wrapped_keys: Sequence[WrappedKey]
    cipher: table.ContentCipher
    content_type: table.Oid
    iv: bytes
    aad: bytes
    encrypted_content: bytes
    mac: bytes


@functools.lru_cache(maxsize=32)
def shared_info(form: table.SharedInfoForm, key_octets: int) -> bytes:
    """Build the SharedInfo of the key derivation for a key wrap of that key length.

    The guideline does not state it; RFC 5753 governs key agreement in CMS. Source: 20-wan-crypto-pki 1.6.
    """
    if form == "empty":
        return b""
    wrap_oid = table.KEY_WRAP_BY_OCTETS[key_octets].oid
    key_info = der.algorithm(wrap_oid, b"" if form == "rfc5753" else der.NULL)
    key_bits = der.tlv(der.OCTET_STRING, (key_octets * 8).to_bytes(4, "big"))
    return der.tlv(der.SEQUENCE, key_info, der.context(2, key_bits))


def derive_key_encryption_key(shared_secret: bytes, *, digest: str, key_octets: int, form: table.SharedInfoForm) -> bytes:
    """Derive the key that wraps the content key (X9.63, TR-03111).

    One block of the derivation is enough: no key is longer than its hash.
    """
    return table.DIGESTS[digest].new(shared_secret + _FIRST_BLOCK + shared_info(form, key_octets)).digest()[:key_octets]


def encrypt(
    content: bytes,
    *,
    recipient: Party,
    ephemeral: Callable[[ec.EllipticCurvePublicKey], EphemeralAgreement],
    random: Callable[[int], bytes],
    cipher: str = "aes128-gcm",
    oid_profile: table.OidProfile = "tr",
    form: table.SharedInfoForm = "rfc5753",
    content_type: table.Oid = table.ID_DATA,
) -> bytes:
    """Encrypt content for one recipient; returns the DER of AuthEnvelopedData.

    `ephemeral` makes a new key pair on the recipient's curve at every call. `random` gives key and nonce.
    Raises: UsageError cms.choice for a cipher, profile or form that is not in the tables.
    """
    digest = recipient.curve.digest
    suite, row = table.CONTENT_CIPHERS.get(cipher), table.KEY_AGREEMENT_TO_SEND.get((oid_profile, digest))
    if suite is None or row is None or form not in table.SHARED_INFO_ATTEMPTS:
        raise UsageError("cms.choice", f"{cipher}, {oid_profile}, {form}")
    agreement = ephemeral(recipient.public_key)
    kek = derive_key_encryption_key(agreement.shared_secret, digest=digest, key_octets=suite.key_octets, form=form)
    material = random(suite.material_octets)
    wrapped = keywrap.aes_key_wrap(kek, material)
    attributes, aad = (b"", b"") if content_type == table.ID_DATA else _content_type_attributes(content_type)
    cipher_head, cipher_tail = _cipher_template(suite)
    if suite.mode == "gcm":
        nonce = random(table.NONCE_OCTETS)
        sealed = AESGCM(material).encrypt(nonce, content, aad)
        encrypted, mac = sealed[: -table.MAC_OCTETS], sealed[-table.MAC_OCTETS :]
    else:
        nonce = b""
        encrypted, mac = _cbc_cmac_encrypt(material, content, aad)
    before_point, before_key = _recipient_template(
        recipient.key_id, len(agreement.point), row.oid, table.KEY_WRAP_BY_OCTETS[suite.key_octets].oid, len(wrapped)
    )
    return der.tlv(
        der.SEQUENCE,
        before_point,
        agreement.point,
        before_key,
        wrapped,
        der.tlv(der.SEQUENCE, der.oid(content_type), cipher_head, nonce, cipher_tail, der.tlv(0x80, encrypted)),
        attributes,
        der.tlv(der.OCTET_STRING, mac),
    )


def read(data: bytes) -> Envelope:
    """Read AuthEnvelopedData and check every field that needs no key.

    Raises: DecodeFault cms.structure, SecurityFault cms.algorithm, LimitFault cms.size.
    """
    try:
        return _check(decode(AuthEnvelopedData, data))
    except DecodeFault as problem:
        if _is_content_info(data):
            raise DecodeFault("cms.structure", "AuthEnvelopedData in a ContentInfo of its own, within another") from problem
        raise


def _is_content_info(data: bytes) -> bool:
    try:
        decode(AuthEnvelopedContentInfo, data)
    except DecodeFault:
        return False
    return True


def read_content_info(data: bytes) -> Envelope:
    """Read AuthEnvelopedData that stands in a ContentInfo of its own; as `read`."""
    info = decode(AuthEnvelopedContentInfo, data)
    if info.content_type != table.ID_AUTH_ENVELOPED_DATA:
        raise DecodeFault("cms.structure", "ContentInfo of another type")
    return _check(info.content)


def decrypt(envelope: Envelope, recipient: Party, agree: Callable[[ec.EllipticCurvePublicKey], bytes]) -> bytes:
    """Find our wrapped key, unwrap it, authenticate and decrypt the content, which is of `envelope.content_type`.

    `agree` uses our private key: it gives the shared x-coordinate at the curve's length.
    Raises: SecurityFault cms.recipient when none of the wrapped keys is for us; SecurityFault cms.integrity, without a
    detail, for whatever goes wrong with keys, tags and padding.
    """
    ours = _our_key(envelope, recipient)
    material = _unwrap(agree(_ephemeral_key(ours, recipient.curve)), ours)
    if len(material) != envelope.cipher.material_octets:
        raise SecurityFault("cms.integrity")
    if envelope.cipher.mode == "cbc-cmac":
        return _cbc_cmac_decrypt(material, envelope)
    try:
        return AESGCM(material).decrypt(envelope.iv, envelope.encrypted_content + envelope.mac, envelope.aad)
    except InvalidTag as error:
        raise SecurityFault("cms.integrity") from error


# ------------------------------------------------------------------------------------------------- parts of a message
#
# A template is the DER around a value of fixed length, made once and cut where the value goes.


@functools.lru_cache(maxsize=1024)
def _recipient_template(
    key_id: bytes, point_octets: int, agreement: table.Oid, wrap: table.Oid, wrapped_octets: int
) -> tuple[bytes, bytes]:
    """Build version and recipientInfos around the ephemeral point and the wrapped key, which is the last part."""
    rid = der.context(0, der.tlv(der.OCTET_STRING, key_id))
    encrypted_key = der.tlv(der.SEQUENCE, rid, der.tlv(der.OCTET_STRING, bytes(wrapped_octets)))
    after_point = der.algorithm(agreement, der.algorithm(wrap)) + der.tlv(der.SEQUENCE, encrypted_key)
    originator = der.context(1, der.algorithm(table.ID_EC_PUBLIC_KEY), der.tlv(der.BIT_STRING, b"\x00", bytes(point_octets)))
    info = der.context(1, der.small_integer(3), der.context(0, originator), after_point)
    whole = der.small_integer(0) + der.tlv(der.SET, info)
    return whole[: -len(after_point) - point_octets], after_point[:-wrapped_octets]


@functools.lru_cache(maxsize=16)
def _cipher_template(suite: table.ContentCipher) -> tuple[bytes, bytes]:
    """Build the content cipher's AlgorithmIdentifier around the nonce; CBC-CMAC is sent without parameters."""
    if suite.mode == "cbc-cmac":
        return der.algorithm(suite.oid), b""
    mac_octets = der.small_integer(table.MAC_OCTETS)
    parameters = der.tlv(der.SEQUENCE, der.tlv(der.OCTET_STRING, bytes(table.NONCE_OCTETS)), mac_octets)
    return der.algorithm(suite.oid, parameters)[: -table.NONCE_OCTETS - len(mac_octets)], mac_octets


@functools.lru_cache(maxsize=16)
def _content_type_attributes(content_type: table.Oid) -> tuple[bytes, bytes]:
    """Build the authenticated attributes as the message holds them, and as the tag covers them."""
    attribute = der.attribute(table.ID_CONTENT_TYPE, der.oid(content_type))
    return der.context(1, attribute), der.tlv(der.SET, attribute)


# ----------------------------------------------------------------------------------------------------- checks of form


def _check(data: AuthEnvelopedData) -> Envelope:
    if data.version != 0 or len(data.mac) != table.MAC_OCTETS:
        raise DecodeFault("cms.structure", "version or mac length of AuthEnvelopedData")
    body = data.auth_encrypted_content_info
    algorithm = body.content_encryption_algorithm
    suite = table.CONTENT_CIPHER_BY_OID.get(algorithm.algorithm)
    if suite is None:
        raise SecurityFault("cms.algorithm", f"content cipher {_named(algorithm.algorithm)}")
    iv = _checked_iv(suite, algorithm.parameters)
    aad = _checked_attributes(data, suite, algorithm.parameters)
    wrapped_keys: list[WrappedKey] = []
    for info in data.recipient_infos.as_list():
        _add_wrapped_keys(wrapped_keys, info, suite)
    if not wrapped_keys:
        raise DecodeFault("cms.structure", "no recipient")
    if len(wrapped_keys) > table.MAX_RECIPIENTS:
        raise LimitFault("cms.size", "recipients")
    return Envelope(wrapped_keys, suite, body.content_type, iv, aad, body.encrypted_content, data.mac)


def _add_wrapped_keys(found: list[WrappedKey], info: KeyAgreeRecipientInfo, suite: table.ContentCipher) -> None:
    originator = info.originator
    if info.version != 3 or isinstance(originator, bytes) or not info.recipient_encrypted_keys:
        raise DecodeFault("cms.structure", "version, originator or keys of KeyAgreeRecipientInfo")
    named_curve = originator.algorithm.parameters
    agreement = table.KEY_AGREEMENT_BY_OID.get(info.key_encryption_algorithm.algorithm)
    wrap_algorithm = info.key_encryption_algorithm.parameters
    wrap = table.KEY_WRAP_BY_OID.get(wrap_algorithm.algorithm)
    if agreement is None or wrap is None or wrap.key_octets < suite.key_octets:
        pair = (info.key_encryption_algorithm.algorithm, wrap_algorithm.algorithm)
        raise SecurityFault("cms.algorithm", " with ".join(_named(one) for one in pair))
    if originator.algorithm.algorithm != table.ID_EC_PUBLIC_KEY or isinstance(named_curve, asn1.Null):
        raise SecurityFault("cms.algorithm", "originator key")
    if originator.public_key.padding_bits() or isinstance(wrap_algorithm.parameters, table.Oid):
        raise DecodeFault("cms.structure", "originator key or key wrap")
    point = originator.public_key.as_bytes()
    for key in info.recipient_encrypted_keys:
        rid, by_key_id = key.rid, isinstance(key.rid, RecipientKeyIdentifier)
        name = asn1.encode_der(rid) if isinstance(rid, IssuerAndSerialNumber) else rid.subject_key_identifier
        found.append(WrappedKey(name, by_key_id, point, named_curve, agreement, wrap, key.encrypted_key))


def _named(oid: table.Oid) -> str:
    return OID_NAMES.get(oid.dotted_string, oid.dotted_string[:64])


def _checked_iv(suite: table.ContentCipher, parameters: CipherParameters | None) -> bytes:
    """Give nonce or IV: GCM needs its nonce and the full tag written out, CBC-CMAC takes an IV with the default MAC or nothing."""
    if parameters is None and suite.mode == "cbc-cmac":
        return _ZERO_IV
    expected = (table.NONCE_OCTETS, table.MAC_OCTETS) if suite.mode == "gcm" else (table.BLOCK_OCTETS, None)
    if parameters is None or (len(parameters.nonce), parameters.mac_octets) != expected:
        raise SecurityFault("cms.algorithm", "content cipher parameters")
    return parameters.nonce


def _checked_attributes(data: AuthEnvelopedData, suite: table.ContentCipher, parameters: CipherParameters | None) -> bytes:
    """Give the DER that the tag covers. Content type, unless it is id-data, and an IV must be repeated; nothing else may stand there."""
    content_type = data.auth_encrypted_content_info.content_type
    if data.auth_attrs is None and content_type == table.ID_DATA and (parameters is None or suite.mode == "gcm"):
        return b""
    found = elements(data.auth_attrs)
    expected = [der.attribute(table.ID_CONTENT_TYPE, der.oid(content_type))]
    if content_type == table.ID_DATA and expected[0] not in found:
        expected.clear()
    if suite.mode == "cbc-cmac" and parameters is not None:
        expected.append(der.attribute(table.ID_CBC_CMAC_PARAM, asn1.encode_der(parameters)))
    if not found or found != sorted(expected):
        raise DecodeFault("cms.structure", "authenticated attributes")
    return der.tlv(der.SET, *found)


# --------------------------------------------------------------------------------------------------- opening a message


def _our_key(envelope: Envelope, recipient: Party) -> WrappedKey:
    for wrapped in envelope.wrapped_keys:
        if wrapped.recipient == (recipient.key_id if wrapped.by_key_id else recipient.issuer_and_serial):
            return wrapped
    raise SecurityFault("cms.recipient")


def _ephemeral_key(wrapped: WrappedKey, curve: table.CurveSuite) -> ec.EllipticCurvePublicKey:
    if wrapped.curve not in (None, curve.oid):
        raise SecurityFault("cms.algorithm", "originator key is on another curve")
    if len(wrapped.point) != 1 + 2 * curve.field_octets or wrapped.point[0] != 0x04:
        raise DecodeFault("cms.structure", "originator key is not an uncompressed point")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve.curve, wrapped.point)
    except ValueError as error:
        raise SecurityFault("cms.integrity") from error


def _unwrap(shared_secret: bytes, wrapped: WrappedKey) -> bytes:
    digest, key_octets = wrapped.agreement.digest, wrapped.wrap.key_octets
    for form in table.SHARED_INFO_ATTEMPTS:
        kek = derive_key_encryption_key(shared_secret, digest=digest, key_octets=key_octets, form=form)
        try:
            return keywrap.aes_key_unwrap(kek, wrapped.encrypted_key)
        except keywrap.InvalidUnwrap:
            continue
    raise SecurityFault("cms.integrity")


# ------------------------------------------------------------------------------------------------------------ CBC-CMAC


def _cmac(key: bytes, *parts: bytes) -> bytes:
    mac = cmac.CMAC(algorithms.AES(key))
    for part in parts:
        mac.update(part)
    return mac.finalize()


def _cbc_cmac_encrypt(material: bytes, content: bytes, aad: bytes) -> tuple[bytes, bytes]:
    """Encrypt with the first half of the key material, then authenticate with the second.

    The zero IV is safe because the key is fresh for every message.
    """
    half = len(material) // 2
    pad = table.BLOCK_OCTETS - len(content) % table.BLOCK_OCTETS
    encryptor = Cipher(algorithms.AES(material[:half]), modes.CBC(_ZERO_IV)).encryptor()
    encrypted = encryptor.update(content + bytes((pad,)) * pad) + encryptor.finalize()
    return encrypted, _cmac(material[half:], encrypted, aad)


def _cbc_cmac_decrypt(material: bytes, envelope: Envelope) -> bytes:
    half = len(material) // 2
    encrypted = envelope.encrypted_content
    if not hmac.compare_digest(_cmac(material[half:], encrypted, envelope.aad), envelope.mac):
        raise SecurityFault("cms.integrity")
    if not encrypted or len(encrypted) % table.BLOCK_OCTETS:
        raise SecurityFault("cms.integrity")
    decryptor = Cipher(algorithms.AES(material[:half]), modes.CBC(envelope.iv)).decryptor()
    padded = decryptor.update(encrypted) + decryptor.finalize()
    pad = padded[-1]
    if not 1 <= pad <= table.BLOCK_OCTETS or padded[-pad:] != bytes((pad,)) * pad:
        raise SecurityFault("cms.integrity")
    return padded[:-pad]

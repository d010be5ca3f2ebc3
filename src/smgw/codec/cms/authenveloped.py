"""AuthEnvelopedData: encrypt for one recipient with ECKA-EG, and open what was encrypted for us.

Private keys and randomness come in as callables; nothing here holds a secret longer than the call.
Source: 20-wan-crypto-pki 1.6; RFC 5083, 5084, 5753, 3394, 4493; TR-03111 ECKA-EG; WAN-03.
"""

import functools
import hmac
from collections.abc import Callable
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import cmac, keywrap
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from smgw.codec.cms import algorithms as table
from smgw.codec.cms import der
from smgw.codec.cms.structures import (
    Attribute,
    AuthEnvelopedContentInfo,
    AuthEnvelopedData,
    CipherParameters,
    IssuerAndSerialNumber,
    KeyAgreeRecipientInfo,
    RecipientKeyIdentifier,
    decode,
)
from smgw.core.errors import DecodeFault, LimitFault, SecurityFault, UsageError

_ZERO_IV = bytes(table.BLOCK_OCTETS)


class Recipient(NamedTuple):
    """Name the receiver of a message: the key identifier of its ENC certificate and the public key in it."""

    key_id: bytes
    public_key: ec.EllipticCurvePublicKey


class EphemeralAgreement(NamedTuple):
    """Hold a fresh public key as an uncompressed point, and the x-coordinate it shares with the recipient."""

    point: bytes
    shared_secret: bytes


class RecipientKey(NamedTuple):
    """Hold what opening takes: how messages name us, our curve, and the use of our private key.

    `issuer_and_serial` is the DER of IssuerAndSerialNumber; `agree` gives the shared x-coordinate at the curve's length.
    """

    key_id: bytes
    issuer_and_serial: bytes
    curve: str
    agree: Callable[[ec.EllipticCurvePublicKey], bytes]


class Envelope(NamedTuple):
    """Describe an AuthEnvelopedData that was read and checked in form, but not opened.

    `recipients` holds the key identifiers, or the DER of IssuerAndSerialNumber where a sender names it that way.
    """

    data: AuthEnvelopedData
    recipients: tuple[bytes, ...]
    agreements: tuple[table.KeyAgreement, ...]
    cipher: table.ContentCipher
    content_type: table.Oid


class EnvelopedContent(NamedTuple):
    """Hold decrypted, authenticated content and its type."""

    content_type: table.Oid
    content: bytes


@functools.lru_cache(maxsize=32)
def shared_info(form: table.SharedInfoForm, key_octets: int) -> bytes:
    """Build the SharedInfo of the key derivation for a key wrap of that key length.

    The guideline does not state it; RFC 5753 governs key agreement in CMS. Source: 20-wan-crypto-pki 1.6.
    """
    if form == "empty":
        return b""
    wrap_oid = table.KEY_WRAP_BY_OCTETS[key_octets].oid
    key_info = der.algorithm(wrap_oid) if form == "rfc5753" else der.algorithm_with_null(wrap_oid)
    key_bits = der.tlv(der.OCTET_STRING, (key_octets * 8).to_bytes(4, "big"))
    return der.tlv(der.SEQUENCE, key_info, der.context(2, key_bits))


def derive_key_encryption_key(shared_secret: bytes, *, digest: str, key_octets: int, form: table.SharedInfoForm) -> bytes:
    """Derive the key that wraps the content key (X9.63, TR-03111)."""
    return X963KDF(table.DIGESTS[digest].hash, key_octets, shared_info(form, key_octets) or None).derive(shared_secret)


def encrypt(
    content: bytes,
    *,
    recipient: Recipient,
    ephemeral: Callable[[ec.EllipticCurvePublicKey], EphemeralAgreement],
    random: Callable[[int], bytes],
    cipher: str = "aes128-gcm",
    oid_profile: table.OidProfile = "tr",
    form: table.SharedInfoForm = "rfc5753",
    content_type: table.Oid = table.ID_DATA,
) -> bytes:
    """Encrypt content for one recipient; returns the DER of AuthEnvelopedData.

    `ephemeral` makes a new key pair on the recipient's curve at every call. `random` gives key and nonce.
    Raises: UsageError cms.choice for a cipher or curve that is not in the table.
    """
    suite = table.CONTENT_CIPHERS.get(cipher)
    curve = table.CURVES.get(recipient.public_key.curve.name)
    if suite is None or curve is None:
        raise UsageError("cms.choice", f"{cipher} on {recipient.public_key.curve.name}")
    agreement = ephemeral(recipient.public_key)
    kek = derive_key_encryption_key(agreement.shared_secret, digest=curve.digest, key_octets=suite.key_octets, form=form)
    material = random(suite.material_octets)
    wrapped = keywrap.aes_key_wrap(kek, material)
    attributes = b"" if content_type == table.ID_DATA else _content_type_attribute(content_type)
    if suite.mode == "gcm":
        nonce = random(table.NONCE_OCTETS)
        sealed = AESGCM(material).encrypt(nonce, content, _as_set(attributes))
        encrypted, mac = sealed[: -table.MAC_OCTETS], sealed[-table.MAC_OCTETS :]
        parameters = der.tlv(der.SEQUENCE, der.tlv(der.OCTET_STRING, nonce), der.small_integer(table.MAC_OCTETS))
    else:
        encrypted, mac = _cbc_cmac_encrypt(material, content, _as_set(attributes))
        parameters = b""
    row = table.KEY_AGREEMENT_TO_SEND[oid_profile, curve.digest]
    return der.tlv(
        der.SEQUENCE,
        der.small_integer(0),
        der.tlv(der.SET, _recipient_info(recipient.key_id, agreement.point, wrapped, row.oid, suite.key_octets)),
        der.tlv(
            der.SEQUENCE,
            der.oid(content_type),
            der.tlv(der.SEQUENCE, der.oid(suite.oid), parameters),
            der.tlv(0x80, encrypted),
        ),
        attributes,
        der.tlv(der.OCTET_STRING, mac),
    )


def read(data: bytes) -> Envelope:
    """Read AuthEnvelopedData and check every field that needs no key.

    Raises: DecodeFault cms.structure, SecurityFault cms.algorithm, LimitFault cms.size.
    """
    return _check(decode(AuthEnvelopedData, data))


def read_content_info(data: bytes) -> Envelope:
    """Read AuthEnvelopedData that stands in a ContentInfo of its own; as `read`."""
    info = decode(AuthEnvelopedContentInfo, data)
    if info.content_type != table.ID_AUTH_ENVELOPED_DATA:
        raise DecodeFault("cms.structure", "ContentInfo of another type")
    return _check(info.content)


def decrypt(envelope: Envelope, key: RecipientKey) -> EnvelopedContent:
    """Find our wrapped key, unwrap it, authenticate and decrypt the content.

    Raises: SecurityFault cms.recipient when none of the wrapped keys is for us; SecurityFault cms.integrity, without a
    detail, for whatever goes wrong with keys, tags and padding.
    """
    info, wrapped = _our_key(envelope, key)
    z = key.agree(_originator_key(info, table.CURVES[key.curve]))
    suite = envelope.cipher
    wrap_octets = table.KEY_WRAP_BY_OID[info.key_encryption_algorithm.parameters.algorithm].key_octets
    digest = table.KEY_AGREEMENT_BY_OID[info.key_encryption_algorithm.algorithm].digest
    material = _unwrap(z, wrapped, digest, wrap_octets)
    if len(material) != suite.material_octets:
        raise SecurityFault("cms.integrity")
    data = envelope.data
    aad = b"" if data.auth_attrs is None else asn1.encode_der(data.auth_attrs)
    body = data.auth_encrypted_content_info
    parameters = body.content_encryption_algorithm.parameters
    if suite.mode == "cbc-cmac":
        iv = _ZERO_IV if parameters is None else parameters.nonce
        return EnvelopedContent(envelope.content_type, _cbc_cmac_decrypt(material, iv, body.encrypted_content, data.mac, aad))
    assert parameters is not None
    try:
        content = AESGCM(material).decrypt(parameters.nonce, body.encrypted_content + data.mac, aad)
    except InvalidTag as error:
        raise SecurityFault("cms.integrity") from error
    return EnvelopedContent(envelope.content_type, content)


# ------------------------------------------------------------------------------------------------- parts of a message


def _recipient_info(key_id: bytes, point: bytes, wrapped: bytes, agreement: table.Oid, wrap_octets: int) -> bytes:
    originator = der.context(1, der.algorithm(table.ID_EC_PUBLIC_KEY), der.tlv(der.BIT_STRING, b"\x00", point))
    key_wrap = der.algorithm(table.KEY_WRAP_BY_OCTETS[wrap_octets].oid)
    encrypted_key = der.tlv(der.SEQUENCE, der.context(0, der.tlv(der.OCTET_STRING, key_id)), der.tlv(der.OCTET_STRING, wrapped))
    return der.context(
        1,
        der.small_integer(3),
        der.context(0, originator),
        der.tlv(der.SEQUENCE, der.oid(agreement), key_wrap),
        der.tlv(der.SEQUENCE, encrypted_key),
    )


@functools.lru_cache(maxsize=16)
def _content_type_attribute(content_type: table.Oid) -> bytes:
    return der.context(1, der.attribute(table.ID_CONTENT_TYPE, der.oid(content_type)))


def _as_set(attributes: bytes) -> bytes:
    return bytes((der.SET,)) + attributes[1:] if attributes else b""


# ----------------------------------------------------------------------------------------------------- checks of form


def _check(data: AuthEnvelopedData) -> Envelope:
    infos = data.recipient_infos.as_list()
    keys = [key for info in infos for key in info.recipient_encrypted_keys]
    if data.version != 0 or not infos or not all(info.recipient_encrypted_keys for info in infos):
        raise DecodeFault("cms.structure", "version or recipients of AuthEnvelopedData")
    if len(keys) > table.MAX_RECIPIENTS:
        raise LimitFault("cms.size", "recipients")
    body = data.auth_encrypted_content_info
    suite = table.CONTENT_CIPHER_BY_OID.get(body.content_encryption_algorithm.algorithm)
    if suite is None:
        raise SecurityFault("cms.algorithm", "content cipher")
    agreements = tuple(_check_recipient_info(info, suite) for info in infos)
    parameters = body.content_encryption_algorithm.parameters
    _check_parameters(suite, parameters)
    _check_attributes(data, suite, parameters)
    if len(data.mac) != table.MAC_OCTETS:
        raise DecodeFault("cms.structure", "mac length")
    names = tuple(_name_of(key.rid) for key in keys)
    return Envelope(data, names, agreements, suite, body.content_type)


def _name_of(rid: IssuerAndSerialNumber | RecipientKeyIdentifier) -> bytes:
    return rid.subject_key_identifier if isinstance(rid, RecipientKeyIdentifier) else asn1.encode_der(rid)


def _check_recipient_info(info: KeyAgreeRecipientInfo, suite: table.ContentCipher) -> table.KeyAgreement:
    originator = info.originator
    if info.version != 3 or isinstance(originator, bytes):
        raise DecodeFault("cms.structure", "version or originator of KeyAgreeRecipientInfo")
    if originator.algorithm.algorithm != table.ID_EC_PUBLIC_KEY or isinstance(originator.algorithm.parameters, asn1.Null):
        raise SecurityFault("cms.algorithm", "originator key")
    agreement = table.KEY_AGREEMENT_BY_OID.get(info.key_encryption_algorithm.algorithm)
    wrap = info.key_encryption_algorithm.parameters
    wrap_row = table.KEY_WRAP_BY_OID.get(wrap.algorithm)
    if agreement is None or wrap_row is None or wrap_row.key_octets < suite.key_octets:
        raise SecurityFault("cms.algorithm", "key agreement or key wrap")
    if isinstance(wrap.parameters, table.Oid):
        raise DecodeFault("cms.structure", "key wrap parameters")
    return agreement


def _check_parameters(suite: table.ContentCipher, parameters: CipherParameters | None) -> None:
    """GCM needs its nonce and the full tag written out; CBC-CMAC takes none, or an IV with the default MAC length."""
    if suite.mode == "gcm":
        fits = parameters is not None and len(parameters.nonce) == table.NONCE_OCTETS and parameters.mac_octets == table.MAC_OCTETS
    else:
        fits = parameters is None or (len(parameters.nonce) == table.BLOCK_OCTETS and parameters.mac_octets is None)
    if not fits:
        raise SecurityFault("cms.algorithm", "content cipher parameters")


def _check_attributes(data: AuthEnvelopedData, suite: table.ContentCipher, parameters: CipherParameters | None) -> None:
    content_type = data.auth_encrypted_content_info.content_type
    expected: dict[table.Oid, bytes] = {table.ID_CONTENT_TYPE: der.oid(content_type)}
    if suite.mode == "cbc-cmac" and parameters is not None:
        expected[table.ID_CBC_CMAC_PARAM] = asn1.encode_der(parameters)
    elif data.auth_attrs is None and content_type == table.ID_DATA:
        return
    found = single_values([] if data.auth_attrs is None else data.auth_attrs.as_list())
    if content_type == table.ID_DATA and table.ID_CONTENT_TYPE not in found:
        del expected[table.ID_CONTENT_TYPE]
    if found != expected or not found:
        raise DecodeFault("cms.structure", "authenticated attributes")


def single_values(attributes: list[Attribute]) -> dict[table.Oid, bytes]:
    """Give the DER value of each attribute by type. Raises: DecodeFault cms.structure for a repeated type or value."""
    found: dict[table.Oid, bytes] = {}
    for attribute in attributes:
        values = attribute.values.as_list()
        if attribute.type in found or len(values) != 1:
            raise DecodeFault("cms.structure", "an attribute does not have exactly one value")
        found[attribute.type] = asn1.encode_der(values[0])
    return found


# --------------------------------------------------------------------------------------------------- opening a message


def _our_key(envelope: Envelope, key: RecipientKey) -> tuple[KeyAgreeRecipientInfo, bytes]:
    for info in envelope.data.recipient_infos.as_list():
        for encrypted in info.recipient_encrypted_keys:
            by_key_id = isinstance(encrypted.rid, RecipientKeyIdentifier)
            if _name_of(encrypted.rid) == (key.key_id if by_key_id else key.issuer_and_serial):
                return info, encrypted.encrypted_key
    raise SecurityFault("cms.recipient")


def _originator_key(info: KeyAgreeRecipientInfo, curve: table.CurveSuite) -> ec.EllipticCurvePublicKey:
    originator = info.originator
    assert not isinstance(originator, bytes)
    if originator.algorithm.parameters not in (None, curve.oid):
        raise SecurityFault("cms.algorithm", "originator key is on another curve")
    point = originator.public_key.as_bytes()
    if originator.public_key.padding_bits() or len(point) != 1 + 2 * curve.field_octets or point[0] != 0x04:
        raise DecodeFault("cms.structure", "originator key is not an uncompressed point")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve.curve, point)
    except ValueError as error:
        raise SecurityFault("cms.integrity") from error


def _unwrap(z: bytes, wrapped: bytes, digest: str, wrap_octets: int) -> bytes:
    for form in table.SHARED_INFO_ATTEMPTS:
        kek = derive_key_encryption_key(z, digest=digest, key_octets=wrap_octets, form=form)
        try:
            return keywrap.aes_key_unwrap(kek, wrapped)
        except (keywrap.InvalidUnwrap, ValueError):
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


def _cbc_cmac_decrypt(material: bytes, iv: bytes, encrypted: bytes, mac: bytes, aad: bytes) -> bytes:
    half = len(material) // 2
    if not hmac.compare_digest(_cmac(material[half:], encrypted, aad), mac):
        raise SecurityFault("cms.integrity")
    if not encrypted or len(encrypted) % table.BLOCK_OCTETS:
        raise SecurityFault("cms.integrity")
    decryptor = Cipher(algorithms.AES(material[:half]), modes.CBC(iv)).decryptor()
    padded = decryptor.update(encrypted) + decryptor.finalize()
    pad = padded[-1]
    if not 1 <= pad <= table.BLOCK_OCTETS or padded[-pad:] != bytes((pad,)) * pad:
        raise SecurityFault("cms.integrity")
    return padded[:-pad]

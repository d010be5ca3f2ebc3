"""AuthEnvelopedData: the vectors of the specification, what is refused, and what a receiver takes beside our own form.

The vectors stand in 20-wan-crypto-pki 1.6; they were made with another program on the same reading of the guideline.
"""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat import asn1
from cryptography.hazmat.asn1 import BitString, SetOf
from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.cms_parties import CURVE_NAMES, certificate
from tests.codec.cms.forging import as_tlv

from smgw.codec.cms import algorithms as table
from smgw.codec.cms import authenveloped, der
from smgw.codec.cms.authenveloped import EphemeralAgreement, decrypt, derive_key_encryption_key, encrypt, read, read_content_info
from smgw.codec.cms.party import Party, party_of
from smgw.codec.cms.structures import (
    AlgorithmIdentifier,
    AuthEnvelopedContentInfo,
    AuthEnvelopedData,
    CipherParameters,
    IssuerAndSerialNumber,
    KeyEncryptionAlgorithm,
    decode,
)
from smgw.core.errors import DecodeFault, LimitFault, PeerFault, SecurityFault, UsageError

PLAINTEXT = b"<cosem/>"
RECIPIENT_D = 0x0F65FAF11E7856356AF358802318CE69B83F8A25BBE1096B494CFA2EF349AA3C
EPHEMERAL_D = 0x32FDFD61822D93917781B1EBF0734ED6ED29E54C77796D8151A7FE31657FA146
Z = bytes.fromhex("8fed0bb608ae5fc4864f33bd52947f89301905deb107fc47474fc043eee41a6e")
SHARED_INFO = bytes.fromhex("3015300b0609608648016503040105a206040400000080")
KEK = bytes.fromhex("7b0300900264f76bb4c69748d4bd5eb9")
KEK_WITHOUT_SHARED_INFO = bytes.fromhex("bb8c8c0f00a73b06205d30aa5c3942d8")
WRAPPED_GCM = bytes.fromhex("48ba8f4d166f482ca6814df76373de793179b93be9f11920")
WRAPPED_CBC_CMAC = bytes.fromhex("95eb547e57a4516dfc941c181a5215a747c0994cf8d99aaafd429cec63b8c54e7e35b63fd2e638c1")
AUTH_ATTRS = bytes.fromhex("311c301a06092a864886f70d010903310d060b2a864886f70d0109100109")
CBC_CMAC = (bytes.fromhex("ac2d8237bb10d592d988831d74fc9131"), bytes.fromhex("1828349606dd863cd717a0d1052f939a"))
GCM = (bytes.fromhex("af0fc8bd0376d86a"), bytes.fromhex("a8698ca628900a8793e5eb3cc1645d7b"))

VECTOR_KEY = ec.derive_private_key(RECIPIENT_D, ec.BrainpoolP256R1())
VECTOR_EPHEMERAL = ec.derive_private_key(EPHEMERAL_D, ec.BrainpoolP256R1())


@functools.lru_cache
def key_on(curve: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(table.CURVES[curve].curve)


@functools.lru_cache
def party_with(key: ec.EllipticCurvePrivateKey) -> Party:
    return party_of(certificate(key.public_key(), "receiver.EMT", "key_agreement"))


def agreement_with(key: ec.EllipticCurvePrivateKey, peer: ec.EllipticCurvePublicKey) -> EphemeralAgreement:
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return EphemeralAgreement(point, key.exchange(ec.ECDH(), peer))


def fresh(peer: ec.EllipticCurvePublicKey) -> EphemeralAgreement:
    return agreement_with(ec.generate_private_key(peer.curve), peer)


def counting(count: int) -> bytes:
    return bytes(range(count))


def agree_with(key: ec.EllipticCurvePrivateKey) -> Callable[[ec.EllipticCurvePublicKey], bytes]:
    return lambda peer: key.exchange(ec.ECDH(), peer)


def encrypted(curve: str = "secp256r1", content: bytes = PLAINTEXT, **choices: Any) -> bytes:
    return encrypt(content, recipient=party_with(key_on(curve)), ephemeral=fresh, random=counting, **choices)


def decrypted(message: bytes, curve: str = "secp256r1") -> bytes:
    key = key_on(curve)
    return decrypt(read(message), party_with(key), agree_with(key))


class TestVectors:
    @pytest.mark.req("WAN-03", "SEC-03")
    def test_the_shared_secret(self) -> None:
        assert VECTOR_EPHEMERAL.exchange(ec.ECDH(), VECTOR_KEY.public_key()) == Z
        assert VECTOR_KEY.exchange(ec.ECDH(), VECTOR_EPHEMERAL.public_key()) == Z

    def test_the_key_derivation(self) -> None:
        assert authenveloped.shared_info("rfc5753", 16) == SHARED_INFO
        assert derive_key_encryption_key(Z, digest="sha256", key_octets=16, form="rfc5753") == KEK
        assert derive_key_encryption_key(Z, digest="sha256", key_octets=16, form="empty") == KEK_WITHOUT_SHARED_INFO

    @pytest.mark.parametrize("digest", table.DIGESTS)
    @pytest.mark.parametrize("key_octets", [16, 24, 32])
    @pytest.mark.parametrize("form", table.SHARED_INFO_ATTEMPTS)
    def test_one_block_is_the_whole_derivation(self, digest: str, key_octets: int, form: table.SharedInfoForm) -> None:
        hash_algorithm = table.DIGESTS[digest].hash
        expected = X963KDF(hash_algorithm, key_octets, authenveloped.shared_info(form, key_octets) or None).derive(Z)
        assert derive_key_encryption_key(Z, digest=digest, key_octets=key_octets, form=form) == expected

    @pytest.mark.parametrize(
        ("cipher", "wrapped", "result"), [("aes128-gcm", WRAPPED_GCM, GCM), ("aes128-cbc-cmac", WRAPPED_CBC_CMAC, CBC_CMAC)]
    )
    def test_a_whole_message(self, cipher: str, wrapped: bytes, result: tuple[bytes, bytes]) -> None:
        message = encrypt(
            PLAINTEXT,
            recipient=party_with(VECTOR_KEY),
            ephemeral=lambda peer: agreement_with(VECTOR_EPHEMERAL, peer),
            random=counting,
            cipher=cipher,
            content_type=table.ID_COMPRESSED_DATA,
        )
        envelope = read(message)
        assert envelope.wrapped_keys[0].encrypted_key == wrapped
        assert (envelope.encrypted_content, envelope.mac) == result
        assert envelope.aad == AUTH_ATTRS
        assert decrypt(envelope, party_with(VECTOR_KEY), agree_with(VECTOR_KEY)) == PLAINTEXT


@asn1.sequence
class Values:
    """Hold values of any type."""

    values: list[asn1.TLV]


def changed(message: bytes, change: Callable[[Any], Any]) -> bytes:
    data = decode(AuthEnvelopedData, message)
    change(data)
    return asn1.encode_der(data)


def kari(data: Any) -> Any:
    return data.recipient_infos.as_list()[0]


def cipher_of(data: Any) -> Any:
    return data.auth_encrypted_content_info.content_encryption_algorithm


def key_of(data: Any) -> Any:
    return kari(data).recipient_encrypted_keys[0]


def put(path: str, value: Any) -> Callable[[Any], None]:
    """Set a field; the path begins at the message, `kari`, `key` or `cipher`."""
    *owners, field = path.split(".")
    starts: dict[str, Callable[[Any], Any]] = {"kari": kari, "key": key_of, "cipher": cipher_of}

    def apply(data: Any) -> None:
        target = data
        for owner in owners:
            target = starts[owner](target) if owner in starts else getattr(target, owner)
        setattr(target, field, value)

    return apply


def attributes(*encoded: bytes) -> Callable[[Any], None]:
    return put("auth_attrs", SetOf([as_tlv(one) for one in encoded]))


AES256_GCM, AES128_WRAP = table.CONTENT_CIPHERS["aes256-gcm"].oid, table.KEY_WRAP_BY_OCTETS[16].oid
DATA_ATTRIBUTE = der.attribute(table.ID_CONTENT_TYPE, der.oid(table.ID_DATA))
OTHER_ATTRIBUTE = der.attribute(table.ID_CONTENT_TYPE, der.oid(table.ID_COMPRESSED_DATA))
EC_KEY = table.ID_EC_PUBLIC_KEY
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "version 1": (put("version", 1), "cms.structure"),
    "no recipients": (put("recipient_infos", SetOf([])), "cms.structure"),
    "a recipient info without keys": (put("kari.recipient_encrypted_keys", []), "cms.structure"),
    "too many recipients": (lambda data: put("kari.recipient_encrypted_keys", [key_of(data)] * 17)(data), "cms.size"),
    "kari version 2": (put("kari.version", 2), "cms.structure"),
    "a static originator key": (put("kari.originator", b"key id"), "cms.structure"),
    "an originator key that is not on a curve": (
        put("kari.originator.algorithm", AlgorithmIdentifier(algorithm=table.Oid("1.2.840.113549.1.1.1"), parameters=None)),
        "cms.algorithm",
    ),
    "NULL for the originator's curve": (put("kari.originator.algorithm.parameters", asn1.Null()), "cms.algorithm"),
    "another curve named for the originator": (put("kari.originator.algorithm.parameters", table.CURVES["secp384r1"].oid), "cms.algorithm"),
    "an originator point with unused bits": (
        put("kari.originator.public_key", BitString(b"\x04" + bytes(63) + b"\x80", 7)),
        "cms.structure",
    ),
    "a compressed originator point": (put("kari.originator.public_key", BitString(b"\x02" + b"\x6b" * 32, 0)), "cms.structure"),
    "a short originator point": (put("kari.originator.public_key", BitString(b"\x04" + bytes(63), 0)), "cms.structure"),
    "an empty originator point": (put("kari.originator.public_key", BitString(b"", 0)), "cms.structure"),
    "a point off the curve": (put("kari.originator.public_key", BitString(b"\x04" + b"\x11" * 64, 0)), "cms.integrity"),
    "an unknown key agreement": (put("kari.key_encryption_algorithm.algorithm", table.Oid("1.3.133.16.840.63.0.2")), "cms.algorithm"),
    "an unknown key wrap": (put("kari.key_encryption_algorithm.parameters.algorithm", table.Oid("1.2.3")), "cms.algorithm"),
    "a curve for key wrap parameters": (put("kari.key_encryption_algorithm.parameters.parameters", EC_KEY), "cms.structure"),
    "a key wrap weaker than the cipher": (put("cipher.algorithm", AES256_GCM), "cms.algorithm"),
    "another recipient": (put("key.rid.subject_key_identifier", bytes(20)), "cms.recipient"),
    "another wrapped key": (put("key.encrypted_key", bytes(24)), "cms.integrity"),
    "no wrapped key": (put("key.encrypted_key", b""), "cms.integrity"),
    "a wrapped key of odd length": (put("key.encrypted_key", bytes(25)), "cms.integrity"),
    "an unknown cipher": (put("cipher.algorithm", table.Oid("2.16.840.1.101.3.4.1.2")), "cms.algorithm"),
    "no GCM parameters": (put("cipher.parameters", None), "cms.algorithm"),
    "a GCM nonce of 16 octets": (put("cipher.parameters", CipherParameters(nonce=bytes(16), mac_octets=16)), "cms.algorithm"),
    "a GCM tag of 12 octets": (put("cipher.parameters", CipherParameters(nonce=bytes(12), mac_octets=12)), "cms.algorithm"),
    "a GCM tag of default length": (put("cipher.parameters", CipherParameters(nonce=bytes(12), mac_octets=None)), "cms.algorithm"),
    "a short mac": (put("mac", bytes(12)), "cms.structure"),
    "another mac": (put("mac", bytes(16)), "cms.integrity"),
    "another content type without attributes": (
        put("auth_encrypted_content_info.content_type", table.ID_COMPRESSED_DATA),
        "cms.structure",
    ),
    "an empty set of attributes": (attributes(), "cms.structure"),
    "an attribute that names another content type": (attributes(OTHER_ATTRIBUTE), "cms.structure"),
    "an unknown attribute": (attributes(der.attribute(table.ID_SIGNING_TIME, der.NULL)), "cms.structure"),
    "attributes that the tag does not cover": (attributes(DATA_ATTRIBUTE), "cms.integrity"),
    "a CBC-CMAC cipher over a GCM key": (
        lambda data: (put("cipher.algorithm", table.CONTENT_CIPHERS["aes128-cbc-cmac"].oid)(data), put("cipher.parameters", None)(data)),
        "cms.integrity",
    ),
}


class TestRefused:
    @pytest.mark.req("WAN-03", "SEC-03")
    @pytest.mark.parametrize("name", REFUSED)
    def test_a_message_outside_the_profile(self, name: str) -> None:
        change, code = REFUSED[name]
        with pytest.raises((DecodeFault, SecurityFault, LimitFault)) as fault:
            decrypted(changed(encrypted(), change))
        assert fault.value.code == code
        assert code != "cms.integrity" or not fault.value.detail

    @pytest.mark.parametrize("cipher", table.CONTENT_CIPHERS)
    @pytest.mark.parametrize("content_type", [table.ID_DATA, table.ID_COMPRESSED_DATA])
    def test_a_flipped_bit_anywhere_without_a_signature_around_it(self, cipher: str, content_type: table.Oid) -> None:
        message = encrypted(cipher=cipher, content_type=content_type)
        for position in range(len(message)):
            for bit in range(8):
                altered = bytearray(message)
                altered[position] ^= 1 << bit
                with pytest.raises(PeerFault):
                    decrypted(bytes(altered))

    def test_fields_that_the_profile_forbids(self) -> None:
        """Originator information, user keying material, unauthenticated attributes, other kinds of recipients."""
        version, recipients, content, mac = inside(encrypted())
        (recipient,) = inside(recipients)
        kari_version, originator, *rest = inside(recipient)
        keying_material = der.context(1, der.tlv(der.OCTET_STRING, bytes(16)))
        others = (
            [version, der.context(0), recipients, content, mac],
            [version, recipients, content, mac, der.context(2, DATA_ATTRIBUTE)],
            [version, der.tlv(der.SET, der.context(1, kari_version, originator, keying_material, *rest)), content, mac],
            [version, der.tlv(der.SET, der.tlv(der.SEQUENCE, kari_version)), content, mac],
        )
        assert decrypted(der.tlv(der.SEQUENCE, version, recipients, content, mac)) == PLAINTEXT
        for parts in others:
            with pytest.raises(DecodeFault, match=r"^cms\.structure"):
                read(der.tlv(der.SEQUENCE, *parts))

    @pytest.mark.parametrize("padding", [b"\x00", b"\x11", b"\x02", b"\x10" * 15 + b"\x0f"])
    def test_wrong_padding_under_a_right_mac(self, padding: bytes) -> None:
        padded = bytes(16 - len(padding)) + padding
        with pytest.raises(SecurityFault, match=r"^cms\.integrity$"):
            decrypted(cbc_cmac_message(padded))

    @pytest.mark.parametrize("size", [0, 15])
    def test_a_ciphertext_of_no_whole_block_under_a_right_mac(self, size: int) -> None:
        with pytest.raises(SecurityFault, match=r"^cms\.integrity$"):
            decrypted(cbc_cmac_message(None, bytes(size)))

    def test_an_initial_vector_that_no_attribute_repeats(self) -> None:
        iv = CipherParameters(nonce=b"\xa5" * 16, mac_octets=None)
        with pytest.raises(DecodeFault):
            decrypted(cbc_cmac_message(padded_text(), parameters=iv))
        other = der.attribute(table.ID_CBC_CMAC_PARAM, asn1.encode_der(CipherParameters(nonce=bytes(16), mac_octets=None)))
        with pytest.raises(DecodeFault):
            decrypted(cbc_cmac_message(padded_text(), parameters=iv, attributes=[other]))

    @pytest.mark.parametrize(("nonce", "mac_octets"), [(bytes(12), None), (bytes(16), 16), (bytes(16), 8)])
    def test_cbc_cmac_parameters_of_another_length(self, nonce: bytes, mac_octets: int | None) -> None:
        parameters = CipherParameters(nonce=nonce, mac_octets=mac_octets)
        with pytest.raises(SecurityFault, match=r"^cms\.algorithm"):
            decrypted(cbc_cmac_message(padded_text(), parameters=parameters, attributes=[repeated(parameters)]))

    @pytest.mark.parametrize("choice", [{"cipher": "aes128-ccm"}, {"oid_profile": "other"}, {"form": "other"}])
    def test_a_choice_that_is_not_in_the_tables(self, choice: dict[str, str]) -> None:
        with pytest.raises(UsageError, match=r"^cms\.choice"):
            encrypted(**choice)

    def test_another_content_info(self) -> None:
        info = AuthEnvelopedContentInfo(content_type=table.ID_DATA, content=decode(AuthEnvelopedData, encrypted()))
        with pytest.raises(DecodeFault, match="another type"):
            read_content_info(asn1.encode_der(info))

    def test_the_same_outward_text_for_every_failure_of_keys_and_tags(self) -> None:
        texts = set()
        for name, (change, code) in REFUSED.items():
            if code == "cms.integrity":
                with pytest.raises(SecurityFault) as fault:
                    decrypted(changed(encrypted(), change))
                texts.add((str(fault.value), name and type(fault.value)))
        assert len(texts) == 1


class TestAccepted:
    @pytest.mark.parametrize("curve", CURVE_NAMES)
    @pytest.mark.parametrize("cipher", table.CONTENT_CIPHERS)
    @pytest.mark.parametrize("content_type", [table.ID_DATA, table.ID_COMPRESSED_DATA])
    @pytest.mark.parametrize("size", [0, 16, 300, 70_000])
    def test_assembled_by_hand_is_what_the_declared_structures_encode(
        self, curve: str, cipher: str, content_type: table.Oid, size: int
    ) -> None:
        message = encrypted(curve, bytes(size), cipher=cipher, content_type=content_type)
        assert asn1.encode_der(decode(AuthEnvelopedData, message)) == message
        assert decrypted(message, curve) == bytes(size)

    @pytest.mark.req("SEC-04")
    @pytest.mark.parametrize("curve", CURVE_NAMES)
    @pytest.mark.parametrize("oid_profile", ["tr", "rfc5753"])
    def test_the_fields_of_the_profile(self, curve: str, oid_profile: table.OidProfile) -> None:
        data = decode(AuthEnvelopedData, encrypted(curve, oid_profile=oid_profile))
        info = kari(data)
        agreement = table.KEY_AGREEMENT_TO_SEND[oid_profile, table.CURVES[curve].digest]
        assert (data.version, info.version, data.auth_attrs) == (0, 3, None)
        assert info.originator.algorithm.algorithm == EC_KEY
        assert info.originator.algorithm.parameters is None
        assert info.key_encryption_algorithm.algorithm == agreement.oid
        assert info.key_encryption_algorithm.parameters.parameters is None
        assert key_of(data).rid.subject_key_identifier == party_with(key_on(curve)).key_id
        assert cipher_of(data).parameters.mac_octets == 16

    def test_the_named_curve_of_the_recipient(self) -> None:
        named = put("kari.originator.algorithm.parameters", table.CURVES["secp256r1"].oid)
        assert decrypted(changed(encrypted(), named)) == PLAINTEXT

    def test_a_recipient_named_by_issuer_and_number(self) -> None:
        party = party_with(key_on("secp256r1"))
        by_issuer = put("key.rid", decode(IssuerAndSerialNumber, party.issuer_and_serial))
        assert decrypted(changed(encrypted(), by_issuer)) == PLAINTEXT

    def test_our_key_among_several(self) -> None:
        def others_first(data: Any) -> None:
            other = decode(AuthEnvelopedData, encrypted())
            put("key.rid.subject_key_identifier", bytes(20))(other)
            kari(data).recipient_encrypted_keys.insert(0, key_of(other))
            data.recipient_infos = SetOf([kari(data), kari(other)])

        assert decrypted(changed(encrypted(), others_first)) == PLAINTEXT

    @pytest.mark.parametrize("form", table.SHARED_INFO_ATTEMPTS)
    @pytest.mark.parametrize("written", [None, asn1.Null()])
    def test_every_form_of_shared_info_with_and_without_null_in_the_message(
        self, form: table.SharedInfoForm, written: asn1.Null | None
    ) -> None:
        message = changed(encrypted(form=form), put("kari.key_encryption_algorithm.parameters.parameters", written))
        assert decrypted(message) == PLAINTEXT

    @pytest.mark.parametrize("agreement", table.KEY_AGREEMENTS)
    def test_every_key_agreement_whatever_goes_with_the_curve(self, agreement: table.KeyAgreement) -> None:
        def rewrapped(data: Any) -> None:
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), kari(data).originator.public_key.as_bytes())
            z = key_on("secp256r1").exchange(ec.ECDH(), point)
            kek = derive_key_encryption_key(z, digest=agreement.digest, key_octets=32, form="rfc5753")
            wrap = AlgorithmIdentifier(algorithm=table.KEY_WRAP_BY_OCTETS[32].oid, parameters=None)
            kari(data).key_encryption_algorithm = KeyEncryptionAlgorithm(algorithm=agreement.oid, parameters=wrap)
            key_of(data).encrypted_key = keywrap.aes_key_wrap(kek, counting(16))

        assert decrypted(changed(encrypted(), rewrapped)) == PLAINTEXT

    def test_an_initial_vector_that_an_attribute_repeats(self) -> None:
        parameters = CipherParameters(nonce=b"\xa5" * 16, mac_octets=None)
        for extra in ([], [DATA_ATTRIBUTE]):
            message = cbc_cmac_message(padded_text(), parameters=parameters, attributes=[repeated(parameters), *extra])
            assert decrypted(message) == PLAINTEXT

    def test_a_content_info_of_its_own(self) -> None:
        message = encrypted()
        info = der.tlv(der.SEQUENCE, der.oid(table.ID_AUTH_ENVELOPED_DATA), der.context(0, message))
        assert read_content_info(info) == read(message)


def inside(encoded: bytes) -> list[bytes]:
    """Give the encodings of the values in a constructed value."""
    return [asn1.encode_der(value) for value in asn1.decode_der(Values, der.tlv(der.SEQUENCE, b"\x30", encoded[1:])).values]


def repeated(parameters: CipherParameters) -> bytes:
    return der.attribute(table.ID_CBC_CMAC_PARAM, asn1.encode_der(parameters))


def padded_text() -> bytes:
    pad = 16 - len(PLAINTEXT) % 16
    return PLAINTEXT + bytes((pad,)) * pad


def cbc_cmac_message(
    padded: bytes | None, ciphertext: bytes = b"", *, parameters: CipherParameters | None = None, attributes: list[bytes] | None = None
) -> bytes:
    """Build a message with a right MAC over whatever is asked for; the key material is 00…1f."""
    material = counting(32)
    iv = bytes(16) if parameters is None else parameters.nonce.ljust(16, b"\x00")
    if padded is not None:
        encryptor = Cipher(algorithms.AES(material[:16]), modes.CBC(iv)).encryptor()
        ciphertext = encryptor.update(padded) + encryptor.finalize()
    attribute_set = None if attributes is None else SetOf([as_tlv(one) for one in sorted(attributes)])
    mac = CMAC(algorithms.AES(material[16:]))
    mac.update(ciphertext + (b"" if attribute_set is None else asn1.encode_der(attribute_set)))

    def build(data: Any) -> None:
        data.auth_encrypted_content_info.encrypted_content = ciphertext
        cipher_of(data).parameters = parameters
        data.auth_attrs = attribute_set
        data.mac = mac.finalize()

    return changed(encrypted(cipher="aes128-cbc-cmac"), build)

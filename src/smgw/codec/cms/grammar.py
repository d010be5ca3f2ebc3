"""What is called how in CMS messages, certificates and revocation lists: grammars for `smgw.codec.der_explain`.

Source: RFC 5652, 5083, 5753, 3274, 5280; 20-wan-crypto-pki 1.6, 5.3.
"""

from smgw.codec.der_explain import Field, named_bits

_SEQUENCE, _SET, _INTEGER, _BITS, _OCTETS, _OID, _BOOLEAN, _IA5 = 0x30, 0x31, 0x02, 0x03, 0x04, 0x06, 0x01, 0x16

_KEY_USAGE_BITS = (
    "digitalSignature", "contentCommitment", "keyEncipherment", "dataEncipherment", "keyAgreement",
    "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly",
)  # fmt: skip
_REASONS = {0: "unspecified", 1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded",
            5: "cessationOfOperation", 6: "certificateHold", 8: "removeFromCRL"}  # fmt: skip


def _sequence(name: str, *fields: Field, tag: int = _SEQUENCE, clause: str = "") -> Field:
    return Field(name, tag, fields, clause=clause)


def _many(name: str, *fields: Field, tag: int = _SEQUENCE, clause: str = "") -> Field:
    return Field(name, tag, fields, repeated=True, clause=clause)


def _explicit(name: str, number: int, *fields: Field) -> Field:
    return Field(name, 0xA0 | number, fields)


def _algorithm(name: str, *parameters: Field, tag: int = _SEQUENCE) -> Field:
    return _sequence(name, Field("algorithm", _OID), *(parameters or (Field("parameters"),)), tag=tag)


_INT = Field("", _INTEGER)
_SIGNATURE_VALUE = _sequence("ECDSA-Sig-Value", Field("r", _INTEGER), Field("s", _INTEGER))
_NAME_PART = _sequence("AttributeTypeAndValue", Field("type", _OID), Field("value"))
_GENERAL_NAMES = (
    Field("rfc822Name", 0x81, universal=_IA5),
    Field("dNSName", 0x82, universal=_IA5),
    _explicit("directoryName", 4, _many("rdnSequence", _many("rdn", _NAME_PART, tag=_SET))),
    Field("uniformResourceIdentifier", 0x86, universal=_IA5),
    Field("iPAddress", 0x87, universal=_OCTETS),
    Field("registeredID", 0x88, universal=_OID),
)


def _name(name: str) -> Field:
    return _many(name, _many("rdn", _NAME_PART, tag=_SET))


def _time(name: str) -> Field:
    return Field(name, choices=(Field(name, 0x17), Field(name, 0x18)))


def _reason(body: bytes) -> str:
    value = int.from_bytes(body, "big")
    return f"{value} ({_REASONS.get(value, 'unknown')})"


_EXTENSION_VALUES: dict[str, Field] = {
    "2.5.29.14": Field("keyIdentifier", _OCTETS),
    "2.5.29.15": Field("KeyUsage", _BITS, render=named_bits(_KEY_USAGE_BITS)),
    "2.5.29.16": _sequence("PrivateKeyUsagePeriod", Field("notBefore", 0x80, universal=0x18), Field("notAfter", 0x81, universal=0x18)),
    "2.5.29.17": _many("SubjectAltName", *_GENERAL_NAMES),
    "2.5.29.18": _many("IssuerAltName", *_GENERAL_NAMES),
    "2.5.29.19": _sequence("BasicConstraints", Field("cA", _BOOLEAN), Field("pathLenConstraint", _INTEGER)),
    "2.5.29.20": Field("CRLNumber", _INTEGER),
    "2.5.29.21": Field("CRLReason", 0x0A, render=_reason),
    "2.5.29.31": _many(
        "CRLDistributionPoints",
        _sequence(
            "DistributionPoint",
            _explicit("distributionPoint", 0, Field("fullName", 0xA0, _GENERAL_NAMES, repeated=True)),
            Field("reasons", 0x81),
            Field("cRLIssuer", 0xA2, _GENERAL_NAMES, repeated=True),
        ),
    ),
    "2.5.29.32": _many(
        "CertificatePolicies",
        _sequence(
            "PolicyInformation",
            Field("policyIdentifier", _OID),
            _many("policyQualifiers", _sequence("PolicyQualifierInfo", Field("policyQualifierId", _OID), Field("qualifier"))),
        ),
    ),
    "2.5.29.35": _sequence(
        "AuthorityKeyIdentifier",
        Field("keyIdentifier", 0x80, universal=_OCTETS),
        Field("authorityCertIssuer", 0xA1, _GENERAL_NAMES, repeated=True),
        Field("authorityCertSerialNumber", 0x82, universal=_INTEGER),
    ),
    "2.5.29.37": _many("ExtKeyUsage", Field("keyPurposeId", _OID)),
}
_EXTENSION = _sequence(
    "Extension",
    Field("extnID", _OID),
    Field("critical", _BOOLEAN),
    Field(
        "extnValue",
        _OCTETS,
        by_oid={oid: Field("extnValue", _OCTETS, contains=value, clause="RFC 5280 4.2") for oid, value in _EXTENSION_VALUES.items()},
    ),
)
_EXTENSIONS = _many("extensions", _EXTENSION)

CERTIFICATE = _sequence(
    "Certificate",
    _sequence(
        "tbsCertificate",
        _explicit("version", 0, _INT),
        Field("serialNumber", _INTEGER),
        _algorithm("signature"),
        _name("issuer"),
        _sequence("validity", _time("notBefore"), _time("notAfter")),
        _name("subject"),
        _sequence(
            "subjectPublicKeyInfo",
            _algorithm("algorithm", Field("namedCurve", _OID), Field("parameters")),
            Field("subjectPublicKey", _BITS),
        ),
        Field("issuerUniqueID", 0x81, universal=_BITS),
        Field("subjectUniqueID", 0x82, universal=_BITS),
        _explicit("extensions", 3, _EXTENSIONS),
        clause="RFC 5280 4.1.2",
    ),
    _algorithm("signatureAlgorithm"),
    Field("signatureValue", _BITS, contains=_SIGNATURE_VALUE),
    clause="RFC 5280 4.1",
)

REVOCATION_LIST = _sequence(
    "CertificateList",
    _sequence(
        "tbsCertList",
        Field("version", _INTEGER),
        _algorithm("signature"),
        _name("issuer"),
        _time("thisUpdate"),
        _time("nextUpdate"),
        _many(
            "revokedCertificates",
            _sequence(
                "revokedCertificate",
                Field("userCertificate", _INTEGER),
                _time("revocationDate"),
                _many("crlEntryExtensions", _EXTENSION),
            ),
        ),
        _explicit("crlExtensions", 0, _EXTENSIONS),
        clause="RFC 5280 5.1.2",
    ),
    _algorithm("signatureAlgorithm"),
    Field("signatureValue", _BITS, contains=_SIGNATURE_VALUE),
    clause="RFC 5280 5.1",
)

_ISSUER_AND_SERIAL = _sequence("issuerAndSerialNumber", _name("issuer"), Field("serialNumber", _INTEGER))
_ATTRIBUTE = _sequence("Attribute", Field("attrType", _OID), _many("attrValues", Field("value"), tag=_SET))

_AUTH_ENVELOPED_DATA = _sequence(
    "AuthEnvelopedData",
    Field("version", _INTEGER),
    Field("originatorInfo", 0xA0),
    _many(
        "recipientInfos",
        Field(
            "kari",
            0xA1,
            (
                Field("version", _INTEGER),
                _explicit(
                    "originator",
                    0,
                    Field("originatorKey", 0xA1, (_algorithm("algorithm"), Field("publicKey", _BITS))),
                    Field("subjectKeyIdentifier", 0x80, universal=_OCTETS),
                ),
                _explicit("ukm", 1, Field("", _OCTETS)),
                _algorithm("keyEncryptionAlgorithm", _algorithm("keyWrapAlgorithm")),
                _many(
                    "recipientEncryptedKeys",
                    _sequence(
                        "RecipientEncryptedKey",
                        Field("rKeyId", 0xA0, (Field("subjectKeyIdentifier", _OCTETS), Field("date", 0x18), Field("other", _SEQUENCE))),
                        _ISSUER_AND_SERIAL,
                        Field("encryptedKey", _OCTETS),
                    ),
                ),
            ),
            clause="RFC 5753 3.1.1",
        ),
        tag=_SET,
    ),
    _sequence(
        "authEncryptedContentInfo",
        Field("contentType", _OID),
        _algorithm(
            "contentEncryptionAlgorithm",
            _sequence("parameters", Field("nonce", _OCTETS), Field("macLength", _INTEGER), clause="RFC 5084 3.2"),
        ),
        Field("encryptedContent", 0x80, universal=_OCTETS),
    ),
    _many("authAttrs", _ATTRIBUTE, tag=0xA1),
    Field("mac", _OCTETS),
    _many("unauthAttrs", _ATTRIBUTE, tag=0xA2),
    clause="RFC 5083 2.1",
)
_COMPRESSED_DATA = _sequence(
    "CompressedData",
    Field("version", _INTEGER),
    _algorithm("compressionAlgorithm"),
    _sequence("encapContentInfo", Field("eContentType", _OID), _explicit("eContent", 0, Field("", _OCTETS))),
    clause="RFC 3274 1.1",
)
_ENCAPSULATED: dict[str, Field] = {
    oid: _explicit("eContent", 0, Field("", _OCTETS, contains=content))
    for oid, content in (("1.2.840.113549.1.9.16.1.23", _AUTH_ENVELOPED_DATA), ("1.2.840.113549.1.9.16.1.9", _COMPRESSED_DATA))
}
_SIGNED_DATA = _sequence(
    "SignedData",
    Field("version", _INTEGER),
    _many("digestAlgorithms", _algorithm("digestAlgorithm"), tag=_SET),
    _sequence(
        "encapContentInfo",
        Field("eContentType", _OID),
        Field("eContent", 0xA0, (Field("", _OCTETS),), by_oid=_ENCAPSULATED),
    ),
    _many("certificates", CERTIFICATE, tag=0xA0),
    _many("crls", REVOCATION_LIST, tag=0xA1),
    _many(
        "signerInfos",
        _sequence(
            "SignerInfo",
            Field("version", _INTEGER),
            Field("sid", choices=(Field("sid subjectKeyIdentifier", 0x80, universal=_OCTETS), _ISSUER_AND_SERIAL)),
            _algorithm("digestAlgorithm"),
            _many("signedAttrs", _ATTRIBUTE, tag=0xA0, clause="RFC 5652 5.4"),
            _algorithm("signatureAlgorithm"),
            Field("signature", _OCTETS, contains=_SIGNATURE_VALUE),
            _many("unsignedAttrs", _ATTRIBUTE, tag=0xA1),
            clause="RFC 5652 5.3",
        ),
        tag=_SET,
    ),
    clause="RFC 5652 5.1",
)

CONTENT_INFO = _sequence(
    "ContentInfo",
    Field("contentType", _OID),
    Field(
        "content",
        0xA0,
        by_oid={
            oid: _explicit("content", 0, content)
            for oid, content in (
                ("1.2.840.113549.1.7.2", _SIGNED_DATA),
                ("1.2.840.113549.1.9.16.1.23", _AUTH_ENVELOPED_DATA),
                ("1.2.840.113549.1.9.16.1.9", _COMPRESSED_DATA),
            )
        },
    ),
    clause="RFC 5652 3",
)

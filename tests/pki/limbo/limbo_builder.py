"""Build the certificates and revocation lists of a limbo case from plain values, right or wrong, with keys held here."""

import functools
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from smgw.pki.certificate_profiles import KEY_USAGES

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
POLICY = "0.4.0.127.0.7.3.4.1.1.1"
CURVES: dict[str, type[ec.EllipticCurve]] = {
    "brainpoolP256r1": ec.BrainpoolP256R1,
    "brainpoolP384r1": ec.BrainpoolP384R1,
    "brainpoolP512r1": ec.BrainpoolP512R1,
    "secp256r1": ec.SECP256R1,
    "secp521r1": ec.SECP521R1,
}
HASHES: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_DER = Encoding.DER
_AUTHORITY_USAGE = ["key_cert_sign", "crl_sign"]
_WEB = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]

_COMMON: dict[str, Any] = {
    "present": True,
    "organisation": "SM-Test-PKI-DE",
    "country": "DE",
    "serial_rdn": "1",
    "organisational_unit": None,
    "start_days": -30,
    "end_days": 365,
    "policy": POLICY,
    "usage_critical": True,
    "extended_usage": None,
    "constraint_critical": True,
    "subject_alt_name": None,
    "issuer_alt_name": "http://pki.test/",
    "distribution_point": "http://pki.test/a.crl",
    "subject_key": True,
    "authority_key": True,
    "key_period": False,
    "unknown_extension": None,
    "flip_signature": False,
    "hash": None,
    "serial_number": None,
}
_AUTHORITY = {**_COMMON, "usage": _AUTHORITY_USAGE, "ca": True}
DEFAULTS: dict[str, dict[str, Any]] = {
    "root": {**_AUTHORITY, "common_name": "SM-Test-Root.CA", "curve": "brainpoolP512r1", "path_length": 1, "signed_by": "root"},
    "other_root": {
        **_AUTHORITY,
        "common_name": "SM-Test-Root.CA",
        "curve": "brainpoolP512r1",
        "path_length": 1,
        "signed_by": "other_root",
        "present": False,
    },
    "signer": {
        **_COMMON,
        "common_name": "SM-Test-Root.CA.CRL-S",
        "curve": "brainpoolP512r1",
        "usage": ["crl_sign"],
        "ca": False,
        "path_length": None,
        "signed_by": "root",
        "present": False,
    },
    "sub": {**_AUTHORITY, "common_name": "Test.CA", "curve": "brainpoolP384r1", "path_length": 0, "signed_by": "root"},
    "lower": {
        **_AUTHORITY,
        "common_name": "Lower.CA",
        "curve": "brainpoolP384r1",
        "path_length": 0,
        "signed_by": "sub",
        "present": False,
    },
    "leaf": {
        **_COMMON,
        "common_name": "EBSI0012345678.SMGW",
        "curve": "brainpoolP256r1",
        "usage": ["digital_signature"],
        "extended_usage": _WEB,
        "ca": False,
        "path_length": None,
        "signed_by": "sub",
    },
}
LIST_DEFAULTS: dict[str, Any] = {
    "present": True,
    "this_days": -1,
    "next_days": 6,
    "number": 7,
    "authority_key": True,
    "revoked": {},
    "unknown_extension": None,
    "unknown_entry_extension": None,
    "partial": False,
    "indirect": False,
    "names_issuer": False,
    "flip_signature": False,
    "hash": None,
}
LISTS = {"root_list": "root", "sub_list": "sub", "other_list": "sub"}


class Built(NamedTuple):
    """Hold what a case consists of."""

    leaf: x509.Certificate
    anchors: list[x509.Certificate]
    intermediates: list[x509.Certificate]
    lists: list[x509.CertificateRevocationList]


@functools.cache
def key_for(name: str, curve: str) -> Any:
    return rsa.generate_private_key(65537, 2048) if curve == "rsa" else ec.generate_private_key(CURVES[curve]())


def build(changes: dict[str, Any]) -> Built:
    """Build the baseline with changes, whose keys are `certificate.field` or `list.field`."""
    parts = {name: dict(values) for name, values in DEFAULTS.items()}
    lists = {name: {**LIST_DEFAULTS, "signed_by": issuer, "issuer": None} for name, issuer in LISTS.items()}
    lists["other_list"]["present"] = False
    for path, value in changes.items():
        part, field = path.split(".")
        target = parts[part] if part in parts else lists[part]
        assert field in target, path
        target[field] = value
    certificates = {name: _certificate(name, parts) for name, values in parts.items() if values["present"]}
    built_lists = [_list(values, parts) for values in lists.values() if values["present"]]
    intermediates = [certificates[name] for name in ("sub", "lower", "signer") if name in certificates]
    return Built(certificates["leaf"], [certificates["root"]], intermediates, built_lists)


def _name(values: dict[str, Any]) -> x509.Name:
    pairs = [
        (NameOID.COUNTRY_NAME, values["country"]),
        (NameOID.ORGANIZATION_NAME, values["organisation"]),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, values["organisational_unit"]),
        (NameOID.COMMON_NAME, values["common_name"]),
        (NameOID.SERIAL_NUMBER, values["serial_rdn"]),
    ]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs if value is not None])


def _hash_for(values: dict[str, Any], signer: dict[str, Any]) -> Any:
    natural = {"brainpoolP384r1": "sha384", "brainpoolP512r1": "sha512", "secp521r1": "sha512"}
    return HASHES[values["hash"] or natural.get(signer["curve"], "sha256")]()


def _certificate(name: str, parts: dict[str, dict[str, Any]]) -> x509.Certificate:
    values, issuer = parts[name], parts[parts[name]["signed_by"]]
    key, issuer_key = key_for(name, values["curve"]), key_for(values["signed_by"], issuer["curve"])
    start = NOW + timedelta(days=values["start_days"])
    serial = values["serial_number"] or 0x1000 + sum(name.encode())
    builder = x509.CertificateBuilder().subject_name(_name(values)).issuer_name(_name(issuer)).public_key(key.public_key())
    builder = builder.serial_number(serial).not_valid_before(start).not_valid_after(NOW + timedelta(days=values["end_days"]))
    if values["authority_key"]:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
    if values["subject_key"]:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    if values["usage"] is not None:
        usage = x509.KeyUsage(**{one: one in values["usage"] for one in KEY_USAGES})
        builder = builder.add_extension(usage, values["usage_critical"])
    if values["extended_usage"] is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(one) for one in values["extended_usage"]]), True)
    if values["ca"] is not None:
        builder = builder.add_extension(x509.BasicConstraints(values["ca"], values["path_length"]), values["constraint_critical"])
    if values["policy"] is not None:
        policies = [x509.PolicyInformation(x509.ObjectIdentifier(values["policy"]), None)]
        builder = builder.add_extension(x509.CertificatePolicies(policies), False)
    if values["subject_alt_name"] is not None:
        names = [x509.UniformResourceIdentifier(values["subject_alt_name"])]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    if values["issuer_alt_name"] is not None:
        builder = builder.add_extension(x509.IssuerAlternativeName([x509.UniformResourceIdentifier(values["issuer_alt_name"])]), False)
    if values["distribution_point"] is not None:
        place = [x509.UniformResourceIdentifier(values["distribution_point"])]
        builder = builder.add_extension(x509.CRLDistributionPoints([x509.DistributionPoint(place, None, None, None)]), False)
    if values["key_period"]:
        builder = builder.add_extension(x509.PrivateKeyUsagePeriod(start, start + timedelta(days=700)), False)
    builder = _unknown(builder, values["unknown_extension"])
    certificate = builder.sign(issuer_key, _hash_for(values, issuer))
    if values["flip_signature"]:
        return x509.load_der_x509_certificate(_flip(certificate.public_bytes(_DER)))
    return certificate


def _list(values: dict[str, Any], parts: dict[str, dict[str, Any]]) -> x509.CertificateRevocationList:
    signer = parts[values["signed_by"]]
    key = key_for(values["signed_by"], signer["curve"])
    builder = x509.CertificateRevocationListBuilder().issuer_name(_name(parts[values["issuer"] or values["signed_by"]]))
    builder = builder.last_update(NOW + timedelta(days=values["this_days"])).next_update(NOW + timedelta(days=values["next_days"]))
    if values["number"] is not None:
        builder = builder.add_extension(x509.CRLNumber(values["number"]), False)
    if values["authority_key"]:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
    if values["partial"] or values["indirect"]:
        point = x509.IssuingDistributionPoint(None, None, values["partial"], False, None, values["indirect"], False)
        builder = builder.add_extension(point, True)
    builder = _unknown(builder, values["unknown_extension"])
    for name, reason in values["revoked"].items():
        entry = x509.RevokedCertificateBuilder().serial_number(0x1000 + sum(name.encode())).revocation_date(NOW - timedelta(days=2))
        if reason:
            entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags[reason]), False)
        if values["names_issuer"]:
            directory = x509.DirectoryName(_name(parts[parts[name]["signed_by"]]))
            entry = entry.add_extension(x509.CertificateIssuer([directory]), True)
        builder = builder.add_revoked_certificate(_unknown(entry, values["unknown_entry_extension"]).build())
    crl = builder.sign(key, _hash_for(values, signer))
    return x509.load_der_x509_crl(_flip(crl.public_bytes(_DER))) if values["flip_signature"] else crl


def _unknown(builder: Any, kind: str | None) -> Any:
    if kind is None:
        return builder
    return builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"), kind == "critical")


def _flip(encoded: bytes) -> bytes:
    return encoded[:-1] + bytes((encoded[-1] ^ 1,))

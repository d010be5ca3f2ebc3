"""Describe certificates, revocation lists and requests for people and scripts; describing is not validating.

Source: PKI-01.
"""

from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from smgw.core.errors import DecodeFault
from smgw.core.instant import utc_text
from smgw.pki.certificate_profiles import key_usage_names
from smgw.pki.crl import RevocationList
from smgw.pki.parsing import PARSE_FAULTS
from smgw.pki.requests import RequestPackage

Description = Mapping[str, object]


def describe_certificate(certificate: x509.Certificate) -> Description:
    """List what a certificate says. Raises: DecodeFault pki.malformed."""
    try:
        return {
            "subject": _name_text(certificate.subject),
            "issuer": _name_text(certificate.issuer),
            "serial": f"{certificate.serial_number:x}",
            "not_before": utc_text(certificate.not_valid_before_utc),
            "not_after": utc_text(certificate.not_valid_after_utc),
            "key": _key_text(certificate.public_key()),
            "signature": certificate.signature_algorithm_oid._name,
            "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
            "extensions": {_extension_name(one): _extension_text(one.value) for one in certificate.extensions},
        }
    except PARSE_FAULTS as problem:
        raise DecodeFault("pki.malformed", "certificate") from problem


def describe_revocation_list(crl: RevocationList) -> Description:
    """List what a revocation list says."""
    return {
        "issuer": _name_text(crl.crl.issuer),
        "number": crl.number,
        "this_update": utc_text(crl.this_update),
        "next_update": utc_text(crl.next_update),
        "indirect": crl.indirect,
        "sha256": crl.fingerprint.hex(),
        "entries": {f"{serial:x}": standing.value for (_, serial), standing in crl.entries.items()},
    }


def describe_authentication_request(request: x509.CertificateSigningRequest) -> Description:
    """List what a request for an AUT certificate asks for."""
    return {"subject": _name_text(request.subject), "role": "gwa", "contact": _contact(request), "keys": [_key_text(request.public_key())]}


def _contact(request: x509.CertificateSigningRequest) -> str:
    names = [one.value for one in request.extensions if isinstance(one.value, x509.SubjectAlternativeName)]
    return ", ".join(str(name.value) for one in names for name in one)


def describe_request(package: RequestPackage) -> Description:
    """List what a request package asks for."""
    return {
        "subject": _name_text(package.tls.subject),
        "role": package.role.value,
        "contact": package.contact,
        "keys": [_key_text(key) for key in package.keys],
    }


def _name_text(name: x509.Name) -> str:
    return name.rfc4514_string({NameOID.SERIAL_NUMBER: "SERIALNUMBER"})


def _key_text(key: object) -> str:
    return f"EC {key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__


def _extension_name(extension: x509.Extension[x509.ExtensionType]) -> str:
    return f"{extension.oid._name}{' (critical)' if extension.critical else ''}"


def _extension_text(value: x509.ExtensionType) -> str:
    match value:
        case x509.KeyUsage():
            return ", ".join(sorted(key_usage_names(value)))
        case x509.ExtendedKeyUsage():
            return ", ".join(oid._name for oid in value)
        case x509.BasicConstraints():
            return f"authority, path length {value.path_length}" if value.ca else "end entity"
        case x509.SubjectKeyIdentifier():
            return value.digest.hex()
        case x509.AuthorityKeyIdentifier():
            return (value.key_identifier or b"").hex()
        case x509.CertificatePolicies():
            return ", ".join(policy.policy_identifier.dotted_string for policy in value)
        case x509.SubjectAlternativeName() | x509.IssuerAlternativeName():
            return ", ".join(str(name.value) for name in value)
        case x509.CRLDistributionPoints():
            return ", ".join(str(name.value) for point in value for name in point.full_name or ())
        case x509.PrivateKeyUsagePeriod():
            ends = (value.not_before, value.not_after)
            return " to ".join("open" if end is None else f"{end:%Y-%m-%dT%H:%M:%SZ}" for end in ends)
        case _:
            return value.public_bytes().hex()

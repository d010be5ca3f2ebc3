"""What messages need to know of a certificate, read once and used many times."""

from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from smgw.codec.cms import algorithms as table
from smgw.codec.cms import der
from smgw.core.errors import CertificateRejected


class Party(NamedTuple):
    """Hold the parts of a sender's or receiver's certificate that messages name or use.

    `key_id` is the subject key identifier, `issuer_and_serial` the DER of IssuerAndSerialNumber, `encoded` the certificate's
    DER. A certificate without key usage may be used for both (RFC 5280 4.2.1.3); that those of the SM-PKI name theirs is the path check's
    demand.
    """

    key_id: bytes
    issuer_and_serial: bytes
    certificate: x509.Certificate
    encoded: bytes
    public_key: ec.EllipticCurvePublicKey
    curve: table.CurveSuite
    may_sign: bool
    may_agree: bool


def party_of(certificate: x509.Certificate) -> Party:
    """Read a certificate; the subject key identifier must be there.

    Raises: CertificateRejected cms.certificate.
    """
    try:
        key_id = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        usages = [one.value for one in certificate.extensions if isinstance(one.value, x509.KeyUsage)]
        public_key = certificate.public_key()
        issuer = certificate.issuer.public_bytes()
        serial_number = asn1.encode_der(certificate.serial_number)
    except x509.ExtensionNotFound as error:
        raise CertificateRejected("cms.certificate", "no subject key identifier") from error
    except (ValueError, x509.DuplicateExtension, UnsupportedAlgorithm, Warning) as error:
        raise CertificateRejected("cms.certificate") from error
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or public_key.curve.name not in table.CURVES:
        raise CertificateRejected("cms.certificate", "not a key on a curve of the profile")
    return Party(
        key_id,
        der.tlv(der.SEQUENCE, issuer, serial_number),
        certificate,
        certificate.public_bytes(Encoding.DER),
        public_key,
        table.CURVES[public_key.curve.name],
        may_sign=all(usage.digital_signature for usage in usages),
        may_agree=all(usage.key_agreement for usage in usages),
    )

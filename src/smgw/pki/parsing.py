"""Load X.509 structures from outside: whatever is wrong with the octets is one kind of fault.

The library reads lazily: loading may succeed and a property fail later, so whoever reads properties of foreign structures catches
`PARSE_FAULTS`. It lets serial numbers pass that RFC 5280 forbids, with a warning; here such certificates are malformed, and where warnings
are errors the warning counts as a fault of the octets.
"""

import base64
import binascii
import re

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from smgw.core.errors import DecodeFault
from smgw.pki.der import CONTEXT_0, INTEGER, SEQUENCE, split_der

PARSE_FAULTS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    x509.InvalidVersion,
    UserWarning,
)

_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")
_MAX_SERIAL = 20


def load_certificate(data: bytes) -> x509.Certificate:
    """Load one DER certificate. Raises: DecodeFault pki.malformed."""
    parts = split_der(data, SEQUENCE, 3)
    fields = split_der(parts[0], SEQUENCE, 10) if parts else []
    serials = [field for field in fields[:2] if field[0] != CONTEXT_0]
    number = serials[0][2:] if serials and serials[0][0] == INTEGER else b""
    if not number.strip(b"\x00") or number[0] >= 0x80 or len(number) > _MAX_SERIAL:
        raise DecodeFault("pki.malformed", "serial number")
    try:
        certificate = x509.load_der_x509_certificate(data)
    except PARSE_FAULTS as problem:
        raise DecodeFault("pki.malformed", "certificate") from problem
    require_whole_octets(data, certificate.signature)
    return certificate


def require_whole_octets(data: bytes, signature: bytes) -> None:
    """Demand that a signed structure ends with a signature of whole octets.

    The count of unused bits before it is signed by nobody: where the last bits happen to be zero, another count would read the same.
    Raises: DecodeFault pki.malformed.
    """
    if not data.endswith(b"\x00" + signature):
        raise DecodeFault("pki.malformed", "signature bits")


def load_pem_certificates(data: bytes, limit: int) -> list[x509.Certificate]:
    """Load every certificate of a PEM text; nothing in it may be passed over. Raises: DecodeFault pki.malformed."""
    blocks = _PEM_CERTIFICATE.findall(data)
    if not 1 <= len(blocks) <= limit or len(blocks) != data.count(b"-----BEGIN"):
        raise DecodeFault("pki.malformed", f"{len(blocks)} certificates")
    try:
        return [load_certificate(base64.b64decode(b"".join(block.split()), validate=True)) for block in blocks]
    except binascii.Error as problem:
        raise DecodeFault("pki.malformed", "PEM") from problem

"""Requests for a gateway's certificates as they travel: its package under its own SIG key, and both under its administrator's.

The authority issues only what a gateway in good standing asked for and an administrator in good standing authorised.
Source: 20-wan-crypto-pki 5.7; LIFE-08.
"""

from datetime import datetime
from typing import NamedTuple

from cryptography import x509

from smgw.core.errors import CertificateRejected
from smgw.pki.chain import CertificateUse
from smgw.pki.names import Role
from smgw.pki.requests import RequestPackage, read_request_package
from smgw.pki.trust import TrustStore
from smgw.security.content import Credential, SignerClaim, SignerResolver, sign_encapsulated, verify_encapsulated
from smgw.security.module import SecurityModule

SIGNED_REQUEST = x509.ObjectIdentifier("0.4.0.127.0.7.4.1.1.2")
"""CertReqMsgsWithOuterSignature."""
AUTHORISED_REQUEST = x509.ObjectIdentifier("0.4.0.127.0.7.4.1.1.3")
"""AuthorizedCertReqMsgs."""
MAX_OCTETS = 64 * 1024


class AuthorisedRequest(NamedTuple):
    """Hold a request whose two signatures and three proofs of possession are verified."""

    package: bytes
    request: RequestPackage
    administrator: str


def sign_package(package: bytes, *, module: SecurityModule, signer: Credential) -> bytes:
    """Put a request package under the SIG key of its sender."""
    return sign_encapsulated(package, module=module, signer=signer, content_type=SIGNED_REQUEST)


def authorise(signed_package: bytes, *, module: SecurityModule, signer: Credential) -> bytes:
    """Put a gateway's signed package under its administrator's SIG key."""
    return sign_encapsulated(signed_package, module=module, signer=signer, content_type=AUTHORISED_REQUEST)


def read_signed_package(document: bytes, signer: x509.Certificate) -> RequestPackage:
    """Verify a package by the one certificate that may have signed it, and that it asks for that name.

    Raises: SecurityFault, DecodeFault; CertificateRejected pki.request and others of `read_request_package`.
    """
    content = verify_encapsulated(document, signer=lambda _claim: signer, content_type=SIGNED_REQUEST, limit=MAX_OCTETS).content
    return read_request_package(content)


def read_authorised_request(document: bytes, trust: TrustStore, now: datetime) -> AuthorisedRequest:
    """Verify both signatures by certificates in good standing, and that the gateway asks for itself.

    Raises: SecurityFault, DecodeFault; CertificateRejected.
    """
    names: list[str] = []

    def by(role: Role) -> SignerResolver:
        def signer(claim: SignerClaim) -> x509.Certificate:
            if claim.certificate is None:
                raise CertificateRejected("pki.request", "the message carries no certificate")
            valid = trust.validate(claim.certificate, now=now, use=CertificateUse.SIG, roles=frozenset({role}))
            names.append(valid.common_name)
            return valid.certificate

        return signer

    outer = verify_encapsulated(document, signer=by(Role.GWA), content_type=AUTHORISED_REQUEST, limit=MAX_OCTETS)
    inner = verify_encapsulated(outer.content, signer=by(Role.SMGW), content_type=SIGNED_REQUEST, limit=MAX_OCTETS)
    request = read_request_package(inner.content)
    administrator, gateway = names
    if request.common_name != gateway:
        raise CertificateRejected("pki.request", f"{gateway} asked for {request.common_name}")
    return AuthorisedRequest(inner.content, request, administrator)

"""Orders to revoke certificates, as they travel: signed by their holder, or for a gateway's by an administrator.

The form of the content is our choice. Whoever replays an order changes nothing, for revoking is final; suspending does not come this way.
Source: PKI-01; 20-wan-crypto-pki 5.7.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal, get_args

import msgspec
from cryptography import x509

from smgw.core.errors import CertificateRejected, DecodeFault, DomainFault
from smgw.pki.chain import CertificateUse, ValidatedCertificate
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import END_ENTITY_ROLES, Role, common_name_of, role_of
from smgw.pki.trust import TrustStore
from smgw.security.content import ContentKeys, Credential, SignerClaim, sign_encapsulated, verify_encapsulated

SIGNED_REVOCATION = x509.ObjectIdentifier("0.4.0.127.0.7.4.1.2.2")
"""SignedRevReqs."""
MAX_OCTETS = 16 * 1024
MOST_CERTIFICATES = 8

Reason = Literal["unspecified", "key_compromise", "affiliation_changed", "superseded", "cessation_of_operation"]
REASONS: tuple[Reason, ...] = get_args(Reason)


class RevocationOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name certificates of one holder."""

    common_name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    serials: Annotated[tuple[Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{1,40}\Z")], ...], msgspec.Meta(min_length=1, max_length=8)]
    """Lower-case hex."""
    reason: Reason


def make_revocation_order(certificates: Sequence[x509.Certificate], reason: Reason, *, module: ContentKeys, signer: Credential) -> bytes:
    """Make the signed order. Raises: DomainFault pki.holder for certificates of several holders, of none, or too many."""
    names = {common_name_of(one) for one in certificates}
    if len(names) != 1 or len(certificates) > MOST_CERTIFICATES:
        raise DomainFault("pki.holder", f"{len(certificates)} certificates of {len(names)} holders")
    order = RevocationOrder(names.pop(), tuple(f"{one.serial_number:x}" for one in certificates), reason)
    return sign_encapsulated(msgspec.json.encode(order), module=module, signer=signer, content_type=SIGNED_REVOCATION)


def obey_revocation_order(document: bytes, pki: PkiFolder, trust: TrustStore, now: datetime) -> tuple[RevocationOrder, str]:
    """Verify an order and revoke all that it names, or nothing; gives it and who signed. What is revoked already stays as it is.

    Raises: SecurityFault, DecodeFault, CertificateRejected; DomainFault pki.unknown_serial.
    """
    found: list[ValidatedCertificate] = []

    def signer(claim: SignerClaim) -> x509.Certificate:
        if claim.certificate is None:
            raise CertificateRejected("pki.request", "the message carries no certificate")
        found.append(trust.validate(claim.certificate, now=now, use=CertificateUse.SIG, roles=frozenset(END_ENTITY_ROLES)))
        return found[0].certificate

    content = verify_encapsulated(document, signer=signer, content_type=SIGNED_REVOCATION, limit=MAX_OCTETS).content
    try:
        order = msgspec.json.decode(content, type=RevocationOrder)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("pki.malformed", "revocation order") from problem
    by, wanted = found[0], {int(serial, 16) for serial in order.serials}
    issued = {
        one.certificate.serial_number: (authority, one.certificate)
        for authority in pki.subs.values()
        for one in authority.certificates(order.common_name)
        if one.certificate.serial_number in wanted
    }
    for serial in wanted:
        if serial not in issued:
            raise DomainFault("pki.unknown_serial", f"{serial:x}")
        if order.common_name != by.common_name and (by.role, role_of(issued[serial][1])) != (Role.GWA, Role.SMGW):
            raise CertificateRejected("pki.holder", f"{by.common_name} for {order.common_name}")
    for authority, certificate in issued.values():
        # Revoked already is what was wanted.
        with suppress(DomainFault):
            authority.revoke(certificate.serial_number, x509.ReasonFlags[order.reason], now)
    return order, by.common_name

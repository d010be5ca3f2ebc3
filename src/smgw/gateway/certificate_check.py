"""Check a certificate triple that is brought to this gateway for keys that it made: the path to the root, device id, and each key."""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509

from smgw.core.errors import PeerFault
from smgw.net.identity import key_id_of
from smgw.pki.chain import ByPinning, CertificateUse, validate
from smgw.pki.names import Role, role_of
from smgw.pki.triple import CertificateTriple, KeyNames, read_certificates, triple_of
from smgw.security.module import SecurityModule
from smgw.security.octet_signature import key_id

_USES = (CertificateUse.TLS_CLIENT, CertificateUse.SIG, CertificateUse.ENC)


def check_own_triple(
    certificates: bytes, module: SecurityModule, keys: KeyNames, device_id: str, now: datetime, *, anchors: Sequence[x509.Certificate]
) -> tuple[CertificateTriple, list[x509.Certificate]]:
    """Check a PEM bundle of three certificates and their sub-CA's; gives the triple and its issuers.

    Raises: CertificateRejected, DecodeFault; PeerFault lifecycle.seal for another device or other keys.
    """
    found = read_certificates(certificates)
    issuers = [one for one in found if role_of(one) is Role.SUB_CA]
    triple = triple_of([one for one in found if role_of(one) not in (Role.SUB_CA, Role.ROOT)])
    for use, certificate, key in zip(_USES, triple, keys, strict=True):
        valid = validate(
            certificate,
            intermediates=issuers,
            anchors=anchors,
            standings=ByPinning.of(certificate),
            now=now,
            use=use,
            roles=frozenset({Role.SMGW}),
        )
        if str(valid.device_id) != device_id:
            raise PeerFault("lifecycle.seal", str(valid.device_id))
        if key_id_of(certificate) != key_id(module.public_key(key)):
            raise PeerFault("lifecycle.seal", key)
    return triple, [one for one in issuers if one.subject == triple.tls.issuer]

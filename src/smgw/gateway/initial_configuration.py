"""Verify an initial configuration file: the certificates against the root first, then the file's signature by one of them.

Source: LIFE-05; TR-03109-1 Annex VI, 2.3.1.3.
"""

from datetime import datetime
from typing import NamedTuple

from cryptography import x509

from smgw.codec.cms import signed
from smgw.codec.initial_configuration import MAX_OCTETS, InitialConfiguration, decode_initial_configuration
from smgw.core.errors import CertificateRejected, DecodeFault, PeerFault
from smgw.net.identity import key_id_of
from smgw.pki.chain import ByPinning, CertificateUse, validate
from smgw.pki.names import Role
from smgw.pki.parsing import load_certificate
from smgw.security.content import verify_encapsulated

_USES = {
    "TLS": CertificateUse.TLS_SERVER,
    "SIG": CertificateUse.SIG,
    "ENC": CertificateUse.ENC,
    "AUT": CertificateUse.SIG,
}
"""An AUT certificate has the profile of one that signs."""


class VerifiedConfiguration(NamedTuple):
    """Hold a file's content once everything is verified, and the authorities of its chain."""

    content: InitialConfiguration
    chain: list[x509.Certificate]


def verify_initial_configuration(document: bytes, root: x509.Certificate, device_id: str, now: datetime) -> VerifiedConfiguration:
    """Verify a file for one gateway.

    Raises: LimitFault cms.size; DecodeFault cms.structure, initial_configuration.structure; CertificateRejected;
    SecurityFault cms.signature; PeerFault initial_configuration.device, initial_configuration.administrator.
    """
    claimed = signed.read(document, limit=MAX_OCTETS).encapsulated_content_info.content
    if claimed is None:
        raise DecodeFault("initial_configuration.structure", "no content")
    content = decode_initial_configuration(claimed)
    chain = [load_certificate(one) for one in content.chain]
    certificates = {use: load_certificate(one) for use, one in content.certificates.items()}
    for use, certificate in certificates.items():
        valid = validate(
            certificate,
            intermediates=chain,
            anchors=[root],
            standings=ByPinning.of(certificate),
            now=now,
            use=_USES[use],
            roles=frozenset({Role.GWA}),
        )
        if valid.common_name != content.administrator:
            raise PeerFault("initial_configuration.administrator", f"{use}: {valid.common_name}")
    if len({key_id_of(certificate) for certificate in certificates.values()}) != len(certificates):
        raise CertificateRejected("pki.triple", "one key twice")
    verified = verify_encapsulated(document, signer=lambda _claim: certificates["SIG"], limit=MAX_OCTETS).content
    # What was verified is what counts, whatever was read before.
    content = decode_initial_configuration(verified)
    if content.device_id != device_id:
        raise PeerFault("initial_configuration.device", content.device_id[:20])
    return VerifiedConfiguration(content, chain)

"""Join the journal's statements about itself to the gateway's SIG key: who signs seals and cuts, and how they are checked."""

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.core.errors import SecurityFault
from smgw.security.module import SecurityModule
from smgw.security.octet_signature import key_id, sign_octets, verify_octets
from smgw.storage.chain import SignatureCheck, Signer


def journal_signer(module: SecurityModule, key_name: str) -> Signer:
    """Let a key of the security module sign."""
    return Signer(key_id(module.public_key(key_name)), lambda octets: sign_octets(module, key_name, octets))


def journal_check(certificates: Iterable[x509.Certificate]) -> SignatureCheck:
    """Accept signatures by the keys of some SIG certificates and by no other: that in force, and those before it.

    The check raises SecurityFault journal.signature.
    """
    held = [certificate.public_key() for certificate in certificates]
    keys = {key_id(key): key for key in held if isinstance(key, ec.EllipticCurvePublicKey)}

    def check(signer: bytes, octets: bytes, signature: bytes) -> None:
        key = keys.get(signer)
        if key is None:
            raise SecurityFault("journal.signature", f"unknown key {signer.hex()[:16]}")
        verify_octets(octets, signature, key, "journal.signature")

    return check

"""Join the journal's statements about itself to the gateway's SIG key: who signs seals and cuts, and how they are checked."""

from collections.abc import Iterable

from cryptography import x509

from smgw.security.module import SecurityModule
from smgw.security.octet_signature import key_id, sign_octets, statement_check
from smgw.storage.chain import SignatureCheck, Signer


def journal_signer(module: SecurityModule, key_name: str) -> Signer:
    """Let a key of the security module sign."""
    return Signer(key_id(module.public_key(key_name)), lambda octets: sign_octets(module, key_name, octets))


def journal_check(certificates: Iterable[x509.Certificate]) -> SignatureCheck:
    """Accept signatures by the keys of some SIG certificates and by no other: that in force, and those before it.

    The check raises SecurityFault journal.signature.
    """
    return statement_check(certificates, "journal.signature")

"""Join the journal's statements about itself to the gateway's SIG key: who signs seals and cuts, and how they are checked."""

from collections.abc import Iterable

from cryptography import x509

from smgw.security.module import SecurityModule
from smgw.security.octet_signature import key_id, sign_octets, statement_check
from smgw.storage.chain import SignatureCheck, Signer
from smgw.storage.journal import Journal


def journal_signer(module: SecurityModule, key_name: str) -> Signer:
    """Let a key of the security module sign."""
    return Signer(key_id(module.public_key(key_name)), lambda octets: sign_octets(module, key_name, octets))


def journal_check(certificates: Iterable[x509.Certificate]) -> SignatureCheck:
    """Accept signatures by the keys of some SIG certificates and by no other: that in force, and those before it.

    The check raises SecurityFault journal.signature.
    """
    return statement_check(certificates, "journal.signature")


def verify_statements(journal: Journal, certificates: Iterable[x509.Certificate]) -> int:
    """Check the signature of every seal and every cut of a journal; gives how many there are. Raises: SecurityFault journal.signature."""
    check, count = journal_check(certificates), 0
    for one in journal.signed():
        check(one.key_id, one.octets, one.signature)
        count += 1
    return count

"""Fuzz target: whatever octets come, content protection gives a value or a PeerFault, and the dissection stays inside them.

Run for longer with `python tests/fuzz/fuzz_cms.py -max_total_time=60`.
"""

import io
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports():
    from tests.cms_parties import parties

    from smgw.cli.decode_cms import run_certificate, run_cms
    from smgw.codec.cms import algorithms as table
    from smgw.codec.cms import authenveloped, compressed
    from smgw.codec.cms.explain import explain_certificate, explain_cms, explain_revocation_list
    from smgw.codec.cms.party import party_of
    from smgw.core.errors import CertificateRejected, PeerFault
    from smgw.security import content
    from smgw.security.content import SignerClaim

CONTENT_LIMIT = 1 << 16


def one_input(data: bytes) -> None:
    """Take the octets as a message, as an envelope under a right signature, as compressed content, and for the eye."""
    one_message(data)
    one_envelope(data)
    one_signed_envelope(data)
    attempt(lambda: compressed.decompress(data, limit=CONTENT_LIMIT))
    one_dissection(data)


def attempt(call) -> object | None:
    """Give the value; None for a fault of the peer, the only one that may come."""
    try:
        return call()
    except PeerFault:
        return None


def carried(claim: SignerClaim):
    """Trust whatever certificate travels along, so that nothing is spared."""
    if claim.certificate is None:
        raise CertificateRejected("cms.certificate")
    return claim.certificate


def one_message(data: bytes) -> None:
    """Open and verify under a pinned signer and under one that names itself."""
    people = parties()
    for accept in table.ACCEPTANCE:
        for signer in (people.trust, carried):
            choices = {"signer": signer, "accept": accept, "limit": CONTENT_LIMIT}
            attempt(lambda: content.open_content(data, module=people.module, recipient=people.recipient, **choices))  # noqa: B023
            attempt(lambda: content.verify_encapsulated(data, **choices))  # noqa: B023
            attempt(lambda: content.verify_detached(data, b"content", **choices))  # noqa: B023


def one_envelope(data: bytes) -> None:
    """Open the octets as AuthEnvelopedData, which no signature protects."""
    people = parties()
    party = party_of(people.recipient.certificate)
    for read in (authenveloped.read, authenveloped.read_content_info):
        attempt(lambda: authenveloped.decrypt(read(data), party, lambda peer: people.module.ecdh(people.recipient.key_name, peer)))  # noqa: B023


def one_signed_envelope(data: bytes) -> None:
    """Sign the octets rightly, so that their content counts."""
    people = parties()
    message = content.sign_encapsulated(data, module=people.module, signer=people.signer, content_type=table.ID_AUTH_ENVELOPED_DATA)
    attempt(lambda: content.open_content(message, module=people.module, recipient=people.recipient, signer=people.trust))


def one_dissection(data: bytes) -> None:
    """Explain the octets; every line lies inside them, and the commands end with 0 or 4."""
    for explain in (explain_cms, explain_certificate, explain_revocation_list):
        for line in attempt(lambda: list(explain(data))) or []:  # noqa: B023
            if line.offset + line.length > len(data):
                raise AssertionError("a line lies outside the octets")
    for run in (run_cms, run_certificate):
        for as_json in (False, True):
            if run(data, as_json=as_json, out=io.StringIO()) not in (0, 4):
                raise AssertionError("another exit code than 0 and 4")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()

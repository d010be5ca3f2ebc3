"""The dissection of real messages and certificates: every octet, every name."""

import itertools

import pytest
from tests.cms_parties import CURVE_NAMES, parties, revocation_list

from smgw.codec.cms import algorithms as table
from smgw.codec.cms.explain import explain_certificate, explain_cms, explain_revocation_list
from smgw.codec.cms.party import party_of
from smgw.codec.explain import Explained
from smgw.core.errors import DecodeFault
from smgw.security.content import seal


def sealed(curve: str, cipher: str) -> bytes:
    people = parties(curve)
    return seal(b"<a/>", module=people.module, signer=people.signer, recipient=people.recipient.certificate, cipher=cipher, compress=True)


def leaves(lines: list[Explained]) -> list[Explained]:
    """Give the lines that no deeper line follows."""
    following = [*lines[1:], Explained(0, 0, 0, "")]
    return [line for line, after in zip(lines, following, strict=True) if after.depth <= line.depth]


@pytest.mark.parametrize("curve", CURVE_NAMES)
@pytest.mark.parametrize("cipher", table.CONTENT_CIPHERS)
def test_every_value_of_a_message_is_named(curve: str, cipher: str) -> None:
    message = sealed(curve, cipher)
    lines = list(explain_cms(message))
    assert lines[0].length == len(message)
    unnamed = {line.meaning.split(":")[0] for line in lines if line.meaning.split(" ")[0].isupper() or line.meaning.startswith("[")}
    assert unnamed == {"INTEGER", "OCTET STRING"}
    text = "\n".join(line.meaning for line in lines)
    for name in (
        "ecka-eg-X963KDF",
        "id-ct-authEnvelopedData",
        "id-ct-compressedData",
        "rKeyId",
        f"id-{cipher}",
        "messageDigest",
        "ecdsa-with-SHA",
    ):
        assert name in text


def test_lines_lie_inside_their_parents_and_leaves_do_not_overlap() -> None:
    lines = list(explain_cms(sealed("secp256r1", "aes128-gcm")))
    parents: list[Explained] = []
    for line in lines:
        parents = parents[: line.depth]
        assert len(parents) == line.depth
        if parents:
            assert parents[-1].offset < line.offset
            assert line.offset + line.length <= parents[-1].offset + parents[-1].length
        parents.append(line)
    ends = [(line.offset, line.offset + line.length) for line in leaves(lines)]
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ends))


def test_a_certificate() -> None:
    people = parties("brainpoolP384r1")
    text = [line.meaning for line in explain_certificate(party_of(people.recipient.certificate).encoded)]
    for meaning in (
        "namedCurve OBJECT IDENTIFIER: brainpoolP384r1 (1.3.36.3.3.2.8.1.1.11)",
        "KeyUsage BIT STRING: keyAgreement",
        "notBefore UTCTime: 2026-01-01T00:00:00Z",
        "value UTF8String: 'recipient.EMT'",
        "critical BOOLEAN: TRUE",
    ):
        assert meaning in text


def test_a_revocation_list() -> None:
    text = [line.meaning for line in explain_revocation_list(revocation_list())]
    for meaning in ("userCertificate INTEGER: 23063", "CRLReason ENUMERATED: 1 (keyCompromise)", "CRLNumber INTEGER: 7"):
        assert meaning in text


def test_the_code_tells_messages_from_certificates() -> None:
    with pytest.raises(DecodeFault, match=r"^cms\.structure"):
        list(explain_cms(b"\x30\x80"))
    with pytest.raises(DecodeFault, match=r"^pki\.malformed"):
        list(explain_certificate(b"\x30\x80"))

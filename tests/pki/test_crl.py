"""Revocation lists: read strictly, judged by signature and time."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pki.limbo.limbo_builder import NOW, build

from smgw.core.errors import CertificateRejected, DecodeFault, PeerFault
from smgw.pki.crl import MAX_REVOCATION_LIST, RevocationList, Standing, read_revocation_list
from smgw.pki.facts import read_facts

REVOKED = {"sub_list.revoked": {"leaf": "key_compromise", "lower": "certificate_hold"}}


def lists(changes: dict[str, object]) -> list[RevocationList]:
    return [read_revocation_list(one.public_bytes(Encoding.DER)) for one in build(changes).lists]


@pytest.mark.req("PKI-02")
def test_facts_of_a_list() -> None:
    built = build(REVOKED)
    crl = read_revocation_list(built.lists[1].public_bytes(Encoding.PEM))
    sub, leaf = read_facts(built.intermediates[0]), read_facts(built.leaf)
    assert (crl.issuer, crl.authority_key, crl.number, crl.indirect) == (sub.subject, sub.subject_key, 7, False)
    assert crl.standing(sub.subject, leaf.serial) is Standing.REVOKED
    assert crl.standing(sub.subject, 0x1000 + sum(b"lower")) is Standing.SUSPENDED
    assert crl.standing(sub.subject, 3) is Standing.GOOD
    assert crl.standing(b"another issuer", leaf.serial) is Standing.GOOD
    crl.require_signed_by(sub.public_key)


def test_a_list_in_force() -> None:
    crl = lists({})[1]
    for when in (crl.this_update - timedelta(minutes=5), crl.this_update, NOW, crl.next_update - timedelta(seconds=1)):
        crl.require_current(when)
    for when in (crl.this_update - timedelta(minutes=6), crl.next_update):
        with pytest.raises(CertificateRejected) as caught:
            crl.require_current(when)
        assert caught.value.code == "pki.crl_stale"


def test_another_key_did_not_sign_it() -> None:
    crl = lists({})[1]
    for key, code in (
        (ec.generate_private_key(ec.BrainpoolP384R1()), "pki.signature"),
        (ec.generate_private_key(ec.BrainpoolP256R1()), "pki.hash"),
        (ec.generate_private_key(ec.SECP521R1()), "pki.curve"),
    ):
        with pytest.raises(CertificateRejected) as caught:
            crl.require_signed_by(key.public_key())
        assert caught.value.code == code


def test_every_flipped_bit_is_rejected() -> None:
    built = build(REVOKED)
    good, key = built.lists[1].public_bytes(Encoding.DER), read_facts(built.intermediates[0]).public_key
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 1 << (at % 8)
        with pytest.raises(PeerFault):
            read_revocation_list(bytes(bad)).require_signed_by(key)


def test_a_signature_of_other_than_whole_octets_is_malformed() -> None:
    for _ in range(64):
        good = build(REVOKED).lists[1]
        if good.signature[-1] & 1 == 0:
            break
    der = bytearray(good.public_bytes(Encoding.DER))
    der[-len(good.signature) - 1] = 1
    with pytest.raises(DecodeFault) as caught:
        read_revocation_list(bytes(der))
    assert caught.value.code == "pki.malformed"


def test_indirect_lists_name_the_issuer_of_each_entry() -> None:
    changes = {
        "signer.present": True,
        "root_list.signed_by": "signer",
        "root_list.indirect": True,
        "root_list.names_issuer": True,
        "root_list.revoked": {"sub": None},
    }
    built = build(changes)
    crl = lists(changes)[0]
    root, sub = read_facts(built.anchors[0]), read_facts(built.intermediates[0])
    assert crl.indirect
    assert crl.standing(root.subject, sub.serial) is Standing.REVOKED
    assert crl.standing(crl.issuer, sub.serial) is Standing.GOOD


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_octets_from_outside_cause_peer_faults_only(data: bytes) -> None:
    with pytest.raises(PeerFault):
        read_revocation_list(data)
    with pytest.raises(PeerFault):
        read_revocation_list(b"-----BEGIN X509 CRL-----\n" + data)


def test_size_is_bounded() -> None:
    with pytest.raises(DecodeFault):
        read_revocation_list(bytes(MAX_REVOCATION_LIST + 1))

"""Laws of content protection: what is sealed opens to the same, whatever it is and however it was sealed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cms_parties import CURVE_NAMES, parties

from smgw.codec.cms import algorithms as table
from smgw.codec.cms import der
from smgw.codec.cms.compressed import compress, decompress
from smgw.codec.cms.explain import explain_cms
from smgw.core.errors import PeerFault
from smgw.security import content

contents = st.binary(max_size=300) | st.builds(lambda unit, count: unit * count, st.binary(max_size=40), st.integers(0, 2000))
choices = st.fixed_dictionaries(
    {
        "cipher": st.sampled_from(sorted(table.CONTENT_CIPHERS)),
        "oid_profile": st.sampled_from(["tr", "rfc5753"]),
        "shared_info": st.sampled_from(table.SHARED_INFO_ATTEMPTS),
        "compress": st.booleans(),
        "include_certificate": st.booleans(),
    }
)


@pytest.mark.req("WAN-03")
@given(contents, choices, st.sampled_from(CURVE_NAMES))
@settings(max_examples=150, deadline=None)
def test_what_is_sealed_opens_to_the_same(body: bytes, how: dict[str, object], curve: str) -> None:
    people = parties(curve)
    message = content.seal(body, module=people.module, signer=people.signer, recipient=people.recipient.certificate, **how)
    opened = content.open_content(message, module=people.module, recipient=people.recipient, signer=people.trust)
    assert opened == content.OpenedContent(body, people.signer.certificate)
    assert sum(1 for _ in explain_cms(message)) > 50


@given(contents)
@settings(deadline=None)
def test_what_is_signed_verifies_to_the_same(body: bytes) -> None:
    people = parties()
    inside = content.sign_encapsulated(body, module=people.module, signer=people.signer)
    beside = content.sign_detached(body, module=people.module, signer=people.signer)
    assert content.verify_encapsulated(inside, signer=people.trust).content == body
    assert content.verify_detached(beside, body, signer=people.trust).content == body


@given(contents, st.integers(0, 2**20), st.integers(1, 255))
@settings(deadline=None)
def test_one_changed_octet_is_refused(body: bytes, place: int, change: int) -> None:
    people = parties()
    message = bytearray(content.seal(body, module=people.module, signer=people.signer, recipient=people.recipient.certificate))
    message[place % len(message)] ^= change
    with pytest.raises(PeerFault):
        content.open_content(bytes(message), module=people.module, recipient=people.recipient, signer=people.trust)


@given(contents)
def test_what_is_compressed_expands_to_the_same(body: bytes) -> None:
    assert decompress(compress(body), limit=len(body)) == body


@given(st.binary(max_size=70_000), st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_the_shortest_length_is_written(body: bytes, tag: int) -> None:
    encoded = der.tlv(tag, body)
    head = encoded[: len(encoded) - len(body)]
    assert encoded.endswith(body)
    assert len(head) == (2 if len(body) < 128 else 3 if len(body) < 256 else 4 if len(body) < 65536 else 5)
    length = head[1] if len(head) == 2 else int.from_bytes(head[2:], "big")
    assert length == len(body)

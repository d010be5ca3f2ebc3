"""Signatures beside content that is too large to be held: refused first, then the same as for content in memory."""

from collections.abc import Callable, Iterator

import pytest
from tests.cms_parties import CURVE_NAMES, parties

from smgw.core.errors import DecodeFault, PeerFault, SecurityFault
from smgw.security import content

pytestmark = pytest.mark.req("LOG-02", "SEC-03")

PARTS = [b"one", b"", b"two" * 1000, b"\0"]
WHOLE = b"".join(PARTS)


def pieces(*parts: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter(parts)


@pytest.mark.parametrize("altered", [[], [WHOLE, b"\0"], [WHOLE[:-1]], [b"two", b"one"]])
def test_other_content_is_refused(altered: list[bytes]) -> None:
    people = parties()
    message = content.sign_detached_chunks(pieces(*PARTS), module=people.module, signer=people.signer)
    with pytest.raises(SecurityFault, match=r"^cms\.signature$"):
        content.verify_detached_chunks(message, pieces(*altered), signer=people.trust)


def test_a_message_that_carries_its_content_is_refused() -> None:
    people = parties()
    message = content.sign_encapsulated(WHOLE, module=people.module, signer=people.signer)
    with pytest.raises(DecodeFault):
        content.verify_detached_chunks(message, pieces(WHOLE), signer=people.trust)


def test_another_signer_and_broken_messages_are_refused() -> None:
    people = parties()
    stranger = content.sign_detached_chunks(pieces(*PARTS), module=people.module, signer=people.stranger)
    with pytest.raises(SecurityFault):
        content.verify_detached_chunks(stranger, pieces(*PARTS), signer=people.trust)
    good = content.sign_detached_chunks(pieces(*PARTS), module=people.module, signer=people.signer)
    for at in range(0, len(good), 7):
        broken = bytearray(good)
        broken[at] ^= 4
        with pytest.raises(PeerFault):
            content.verify_detached_chunks(bytes(broken), pieces(*PARTS), signer=people.trust)


@pytest.mark.parametrize("curve", CURVE_NAMES)
def test_pieces_and_whole_content_are_signed_alike(curve: str) -> None:
    people = parties(curve)
    in_pieces = content.sign_detached_chunks(pieces(*PARTS), module=people.module, signer=people.signer)
    assert content.verify_detached(in_pieces, WHOLE, signer=people.trust).content == WHOLE
    at_once = content.sign_detached(WHOLE, module=people.module, signer=people.signer, include_certificate=False)
    assert content.verify_detached_chunks(at_once, pieces(*PARTS), signer=people.trust) == people.signer.certificate

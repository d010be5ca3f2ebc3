"""Bodies of sealed COSEM commands: their form, their media types and parts of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.codec.cosem_message import (
    COSEM_SEALED,
    CosemAnswer,
    CosemRequest,
    accepts,
    decode_cosem_answer,
    decode_request,
    is_sealed_cosem,
    section,
)
from smgw.core.errors import DecodeFault, PeerFault

pytestmark = pytest.mark.req("WAN-08")


def test_a_body_is_read_and_null_is_an_empty_one() -> None:
    assert decode_request(b'{"xml":"<a/>","accept":"*/*","range":"bytes=0-1"}') == CosemRequest("<a/>", "*/*", "bytes=0-1")
    assert decode_request(b"null") == decode_request(b"{}") == CosemRequest()
    assert decode_cosem_answer(b'{"xml":"<","range":"bytes 0-0/9"}') == CosemAnswer("<", "bytes 0-0/9")
    assert decode_cosem_answer(b"null") == CosemAnswer()


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b'"<a/>"', b'{"xml":1}', b'{"colour":""}', b"\xff", b"[" * 100_000])
def test_what_is_no_body_is_refused(body: bytes) -> None:
    for decode in (decode_request, decode_cosem_answer):
        with pytest.raises(DecodeFault, match=r"command\.body"):
            decode(body)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (COSEM_SEALED, True),
        ("Application/vnd.de-dke-k461-cosem+xml; encap=CMS-TR03109", True),
        ("application/vnd.de-dke-k461-cosem+xml", False),
        (f"{COSEM_SEALED};charset=utf-8", False),
        ("application/vnd.de-dke-k461-cosem+xml;encap=cms-tr03109-zlib", False),
        ("application/cms", False),
        ("", False),
    ],
)
def test_one_media_type_is_sealed_cosem(header: str, expected: bool) -> None:
    assert is_sealed_cosem(header) is expected


def test_an_empty_list_of_media_types_accepts_everything() -> None:
    assert accepts("") and accepts("  ") and not accepts(",")


@given(st.text(alphabet="abc", min_size=1, max_size=20), st.integers(0, 30), st.integers(0, 30))
def test_a_part_is_what_a_list_would_give(text: str, first: int, last: int) -> None:
    expected = text[first : last + 1]
    if not expected:
        with pytest.raises(PeerFault, match=r"cosem\.range"):
            section(text, f"bytes={first}-{last}")
    else:
        assert section(text, f"bytes={first}-{last}") == (expected, f"bytes {first}-{first + len(expected) - 1}/{len(text)}")


@given(st.text(max_size=20))
def test_any_range_gives_a_part_or_a_fault(wanted: str) -> None:
    try:
        assert section("abcdef", wanted).text in "abcdef"
    except PeerFault as fault:
        assert fault.code == "cosem.range"

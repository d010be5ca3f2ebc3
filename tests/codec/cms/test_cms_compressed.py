"""CompressedData: bounded, and ended where it must."""

import gzip
import zlib

import pytest
from cryptography.hazmat import asn1

from smgw.codec.cms import algorithms as table
from smgw.codec.cms import der
from smgw.codec.cms.compressed import compress, decompress
from smgw.codec.cms.structures import CompressedData, decode
from smgw.core.errors import DecodeFault, LimitFault, SecurityFault


def built(
    octets: bytes | None,
    version: int = 0,
    algorithm: bytes = der.algorithm(table.ID_ZLIB_COMPRESS),
    content_type: table.Oid = table.ID_DATA,
) -> bytes:
    content = b"" if octets is None else der.context(0, der.tlv(der.OCTET_STRING, octets))
    return der.tlv(der.SEQUENCE, der.small_integer(version), algorithm, der.tlv(der.SEQUENCE, der.oid(content_type), content))


GOOD = zlib.compress(b"content")


@pytest.mark.parametrize(
    "message",
    [
        built(GOOD, version=1),
        built(GOOD, content_type=table.ID_SIGNED_DATA),
        built(None),
        built(b""),
        built(GOOD[:-1]),
        built(GOOD + b"\x00"),
        built(GOOD + GOOD),
        built(b"not compressed at all"),
        built(gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0)),
        b"",
        built(GOOD) + b"\x00",
    ],
)
def test_malformed(message: bytes) -> None:
    with pytest.raises(DecodeFault, match=r"^cms\.structure"):
        decompress(message)


@pytest.mark.parametrize("algorithm", [der.algorithm(table.Oid("1.2.3")), der.algorithm(table.ID_ZLIB_COMPRESS, der.NULL)])
def test_another_algorithm(algorithm: bytes) -> None:
    with pytest.raises(SecurityFault, match=r"^cms\.algorithm"):
        decompress(built(GOOD, algorithm=algorithm))


@pytest.mark.req("SEC-03")
def test_a_small_message_that_would_grow_beyond_the_limit() -> None:
    bomb = compress(bytes(50_000_000))
    assert len(bomb) < 60_000
    with pytest.raises(LimitFault, match=r"^cms\.size"):
        decompress(bomb, limit=1_000_000)


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_the_limit_itself_is_allowed(size: int) -> None:
    assert decompress(compress(bytes(size)), limit=size) == bytes(size)


def test_a_gzip_header_is_taken_as_well() -> None:
    assert decompress(built(gzip.compress(b"content", mtime=0))) == b"content"


def test_assembled_by_hand_is_what_the_declared_structure_encodes() -> None:
    message = compress(b"content" * 100)
    assert asn1.encode_der(decode(CompressedData, message)) == message

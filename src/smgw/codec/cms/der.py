"""Write DER by hand where a message is assembled from parts that are known beforehand.

The result is the same as that of the declarative structures, byte for byte; a test holds the two together.
"""

import functools

from cryptography import x509
from cryptography.hazmat import asn1

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
SEQUENCE = 0x30
SET = 0x31
NULL = b"\x05\x00"


def tlv(tag: int, *parts: bytes) -> bytes:
    """Put an identifier octet and the shortest length before the joined parts."""
    body = b"".join(parts)
    length = len(body)
    if length < 0x80:
        return bytes((tag, length)) + body
    if length < 0x10000:
        return (bytes((tag, 0x81, length)) if length < 0x100 else bytes((tag, 0x82, length >> 8, length & 0xFF))) + body
    width = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | width)) + length.to_bytes(width, "big") + body


def context(number: int, *parts: bytes) -> bytes:
    """Put a constructed context-specific tag before the joined parts."""
    return tlv(0xA0 | number, *parts)


def small_integer(value: int) -> bytes:
    """Encode a version number or length, 0 to 127."""
    return bytes((INTEGER, 1, value))


@functools.lru_cache(maxsize=256)
def oid(identifier: x509.ObjectIdentifier) -> bytes:
    """Encode an object identifier."""
    return asn1.encode_der(identifier)


@functools.lru_cache(maxsize=256)
def algorithm(identifier: x509.ObjectIdentifier, parameters: bytes = b"") -> bytes:
    """Encode an AlgorithmIdentifier; its parameters are DER already, or absent."""
    return tlv(SEQUENCE, oid(identifier), parameters)


def attribute(identifier: x509.ObjectIdentifier, value: bytes) -> bytes:
    """Encode an attribute with one value, which is DER already."""
    return tlv(SEQUENCE, oid(identifier), tlv(SET, value))


def set_of(tag: int, *elements: bytes) -> bytes:
    """Encode a SET OF in the order that DER asks for, under the given identifier octet."""
    return tlv(tag, *sorted(elements))

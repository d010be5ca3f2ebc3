"""Write and take apart the few DER values that certificates and requests are put together from.

Source: X.690 8.1, 10.1.
"""

from cryptography import x509

from smgw.core.errors import DecodeFault

SEQUENCE, SET, INTEGER, BIT_STRING, OCTET_STRING, BOOLEAN, OBJECT, CONTEXT_0 = 0x30, 0x31, 0x02, 0x03, 0x04, 0x01, 0x06, 0xA0


def der(tag: int, *parts: bytes) -> bytes:
    """Write one DER value with a definite length."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def der_object(oid: x509.ObjectIdentifier) -> bytes:
    """Write an object identifier."""
    first, second, *rest = (int(arc) for arc in oid.dotted_string.split("."))
    body = bytearray()
    for arc in (first * 40 + second, *rest):
        octets = [arc & 0x7F]
        while arc := arc >> 7:
            octets.append(0x80 | (arc & 0x7F))
        body += bytes(reversed(octets))
    return der(OBJECT, bytes(body))


def split_der(data: bytes, tag: int, limit: int) -> list[bytes]:
    """Split one DER value of `tag` into the values it holds, at most `limit`, each with its head.

    Raises: DecodeFault pki.malformed for anything but one whole value in strict DER lengths.
    """
    start, end = _head(data, 0, tag)
    if end != len(data):
        raise DecodeFault("pki.malformed", "octets after the end", offset=end)
    parts: list[bytes] = []
    while start < end:
        _, after = _head(data, start, None)
        if after > end or len(parts) == limit:
            raise DecodeFault("pki.malformed", "too long or too many", offset=start)
        parts.append(data[start:after])
        start = after
    return parts


def _head(data: bytes, at: int, tag: int | None) -> tuple[int, int]:
    """Read tag and length at an offset; returns the offsets of the content and of its end."""
    if at + 2 > len(data) or (tag is not None and data[at] != tag):
        raise DecodeFault("pki.malformed", "tag", offset=at)
    length, start = data[at + 1], at + 2
    if length >= 0x80:
        count = length & 0x7F
        raw = data[start : start + count]
        length, start = int.from_bytes(raw, "big"), start + count
        if not 1 <= count <= 3 or len(raw) != count or raw[0] == 0 or length < 0x80:
            raise DecodeFault("pki.malformed", "length", offset=at)
    if start + length > len(data):
        raise DecodeFault("pki.malformed", "cut short", offset=at)
    return start, start + length

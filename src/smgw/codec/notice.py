"""Notices as JSON inside the content protection. Our choice: the public sources leave the form open.

Source: WAN-07; 20-wan-crypto-pki 1.11.
"""

import msgspec

from smgw.core.errors import DecodeFault, LimitFault
from smgw.core.notices import Notice

NOTICE_LIMIT = 16 * 1024
"""Largest notice in octets."""

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Notice)


def encode_notice(notice: Notice) -> bytes:
    """Write a notice as JSON, UTF-8."""
    return _ENCODER.encode(notice)


def decode_notice(data: bytes) -> Notice:
    """Read a notice. Raises: DecodeFault notice.structure, LimitFault notice.size."""
    if len(data) > NOTICE_LIMIT:
        raise LimitFault("notice.size", f"{len(data)} octets")
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("notice.structure", "notice") from problem

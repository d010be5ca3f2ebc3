"""CompressedData: zlib around id-data, with a bound on what it may grow to.

Source: 20-wan-crypto-pki 1.6 (CMS_ZLIB), 11 point 10; RFC 3274.
"""

import zlib

from smgw.codec.cms import algorithms as table
from smgw.codec.cms import der
from smgw.codec.cms.structures import CompressedData, decode
from smgw.core.errors import DecodeFault, LimitFault, SecurityFault

_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS


def compress(content: bytes) -> bytes:
    """Compress content; returns the DER of CompressedData."""
    return der.tlv(
        der.SEQUENCE,
        der.small_integer(0),
        der.algorithm(table.ID_ZLIB_COMPRESS),
        der.tlv(der.SEQUENCE, der.oid(table.ID_DATA), der.context(0, der.tlv(der.OCTET_STRING, zlib.compress(content)))),
    )


def decompress(data: bytes, *, limit: int = table.MAX_MESSAGE_OCTETS) -> bytes:
    """Read CompressedData and expand it to at most `limit` octets; a gzip header is taken as well.

    Raises: DecodeFault cms.structure, SecurityFault cms.algorithm, LimitFault cms.size.
    """
    structure = decode(CompressedData, data)
    encapsulated = structure.encapsulated_content_info
    if structure.version != 0 or encapsulated.content_type != table.ID_DATA or encapsulated.content is None:
        raise DecodeFault("cms.structure", "CompressedData")
    algorithm = structure.compression_algorithm
    if algorithm.algorithm != table.ID_ZLIB_COMPRESS or algorithm.parameters is not None:
        raise SecurityFault("cms.algorithm", "compression")
    decompressor = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        content = decompressor.decompress(encapsulated.content, limit + 1)
    except zlib.error as error:
        raise DecodeFault("cms.structure", "compressed content") from error
    if len(content) > limit:
        raise LimitFault("cms.size", f"expands to more than {limit} octets")
    if not decompressor.eof or decompressor.unused_data or decompressor.unconsumed_tail:
        raise DecodeFault("cms.structure", "compressed content does not end where it must")
    return content

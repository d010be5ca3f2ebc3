"""The wake-up packet, version 1: 32 signed octets, the signature's identifier and r‖s; 108 octets on a 256-bit curve.

The norm's sentence puts the least significant octet of the time first, its printed example the most significant one; both can be read.
Source: WAN-04; 20-wan-crypto-pki 1.7; TR-03109-1 Detailspezifikationen 2.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from smgw.codec.explain import Explained
from smgw.core.errors import DecodeFault, PeerFault, UsageError
from smgw.core.identifiers import DeviceId
from smgw.core.instant import utc_text

HEADER: Final = b"WU"
VERSION: Final = 1
"""It implies: open the management channel to the administrator."""
PADDING: Final = bytes((0x0B,)) * 12
PLAIN: Final = 1
"""The only signature format: r‖s, each at the curve's full length."""

SIGNED_OCTETS: Final = 32
LEAST_OCTETS: Final = 34 + 1 + 64
MOST_OCTETS: Final = 34 + 14 + 132
_OID_OCTETS_LIMIT: Final = 14
_RECIPIENT = slice(3, 12)
_TIMESTAMP = slice(12, 20)
_PADDING = slice(20, 32)

Order = Literal["little", "big"]
"""Whether the least or the most significant octet of the time comes first."""


class SignatureAlgorithm(NamedTuple):
    """Name one plain ECDSA signature by the content octets of its object identifier."""

    name: str
    oid: bytes
    dotted: str
    hash: hashes.HashAlgorithm


ALGORITHMS: Final[dict[bytes, SignatureAlgorithm]] = {
    row.oid: row
    for row in (
        SignatureAlgorithm("ecdsa-plain-SHA256", bytes.fromhex("04007f00070101040103"), "0.4.0.127.0.7.1.1.4.1.3", hashes.SHA256()),
        SignatureAlgorithm("ecdsa-plain-SHA384", bytes.fromhex("04007f00070101040104"), "0.4.0.127.0.7.1.1.4.1.4", hashes.SHA384()),
        SignatureAlgorithm("ecdsa-plain-SHA512", bytes.fromhex("04007f00070101040105"), "0.4.0.127.0.7.1.1.4.1.5", hashes.SHA512()),
    )
}
ALGORITHM_OF_KEY_BITS: Final[dict[int, SignatureAlgorithm]] = dict(zip((256, 384, 512), ALGORITHMS.values(), strict=True))
"""Size of the signing key -> what it signs with."""


class WakeUp(msgspec.Struct, frozen=True):
    """Hold the fields as they stand in the packet; whether they are worth anything is for the guard to judge."""

    recipient: bytes
    """Nine octets: medium, manufacturer's letters, block, number."""
    timestamp: bytes
    """Eight octets."""
    oid: bytes
    """Content octets of the signature's object identifier."""
    signature: bytes

    @property
    def signed(self) -> bytes:
        """Give the 32 octets that are signed."""
        return HEADER + bytes((VERSION,)) + self.recipient + self.timestamp + PADDING

    def seconds(self, order: Order) -> int:
        """Give the seconds since 1970 when the time is read in that order."""
        return int.from_bytes(self.timestamp, order, signed=True)


def signed_part(recipient: DeviceId, seconds: int, order: Order = "little") -> bytes:
    """Give the 32 octets to be signed. Raises: UsageError wakeup.structure for a time beyond 64 bits."""
    try:
        timestamp = seconds.to_bytes(8, order, signed=True)
    except OverflowError as problem:
        raise UsageError("wakeup.structure", "time") from problem
    return HEADER + bytes((VERSION,)) + recipient.to_wake_up() + timestamp + PADDING


def encode_packet(signed: bytes, algorithm: SignatureAlgorithm, signature: bytes) -> bytes:
    """Join the signed part, the algorithm and r‖s. Raises: UsageError wakeup.structure."""
    packet = signed + bytes((PLAIN, len(algorithm.oid))) + algorithm.oid + signature
    if len(signed) != SIGNED_OCTETS or not LEAST_OCTETS <= len(packet) <= MOST_OCTETS:
        raise UsageError("wakeup.structure", f"{len(packet)} octets")
    return packet


def decode_packet(data: bytes) -> WakeUp:
    """Read one packet. Raises: DecodeFault wakeup.length, wakeup.structure, wakeup.version."""
    if not LEAST_OCTETS <= len(data) <= MOST_OCTETS:
        raise DecodeFault("wakeup.length", f"{len(data)} octets", offset=min(len(data), MOST_OCTETS))
    if data[:2] != HEADER:
        raise DecodeFault("wakeup.structure", "header", offset=0)
    if data[2] != VERSION:
        raise DecodeFault("wakeup.version", str(data[2]), offset=2)
    if data[_PADDING] != PADDING:
        raise DecodeFault("wakeup.structure", "padding", offset=_PADDING.start)
    if data[32] != PLAIN:
        raise DecodeFault("wakeup.structure", f"signature format {data[32]}", offset=32)
    oid_octets = data[33]
    if not 1 <= oid_octets <= _OID_OCTETS_LIMIT:
        raise DecodeFault("wakeup.structure", f"identifier of {oid_octets} octets", offset=33)
    oid, signature = data[34 : 34 + oid_octets], data[34 + oid_octets :]
    if len(signature) % 2:
        raise DecodeFault("wakeup.structure", f"signature of {len(signature)} octets", offset=34 + oid_octets)
    return WakeUp(data[_RECIPIENT], data[_TIMESTAMP], oid, signature)


def plain_signature(der: bytes, size: int) -> bytes:
    """Turn an ECDSA signature in DER into r‖s of `size` octets each."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def der_signature(plain: bytes) -> bytes:
    """Turn r‖s into DER."""
    half = len(plain) // 2
    return encode_dss_signature(int.from_bytes(plain[:half], "big"), int.from_bytes(plain[half:], "big"))


def recipient_id(octets: bytes) -> DeviceId | None:
    """Give the device id of nine octets, or None when they are none."""
    if len(octets) != 9 or not octets[1:4].isalpha() or not octets[1:4].isupper():
        return None
    medium = "0123456789ABCDEFG"[octets[0] : octets[0] + 1]
    try:
        return DeviceId.parse(f"{medium}{octets[1:4].decode()}{octets[4]:02X}{int.from_bytes(octets[5:], 'big'):08d}")
    except PeerFault:
        return None


def moment_text(seconds: int) -> str:
    """Write seconds since 1970 as a time, or as a number where no calendar reaches."""
    try:
        return utc_text(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
    except OverflowError:
        return f"{seconds} s"


def explain(data: bytes) -> Iterator[Explained]:
    """Say what each octet means. Raises: DecodeFault as `decode_packet`."""
    packet = decode_packet(data)
    device, algorithm = recipient_id(packet.recipient), ALGORITHMS.get(packet.oid)
    half = len(packet.signature) // 2
    start = 34 + len(packet.oid)
    yield Explained(0, len(data), 0, "wake-up packet", "TR-03109-1 Detailspezifikationen 2")
    yield Explained(0, SIGNED_OCTETS, 1, "signed part")
    yield Explained(0, 2, 2, 'header: "WU"')
    yield Explained(2, 1, 2, "version: 1, open the management channel")
    yield Explained(3, 9, 2, f"recipient: {device or f'{packet.recipient.hex()}, not a device id'}")
    little, big = (moment_text(packet.seconds(order)) for order in ("little", "big"))
    yield Explained(12, 8, 2, f"time: {little} (least significant octet first; the other way round {big})")
    yield Explained(20, 12, 2, "padding")
    yield Explained(32, 1, 1, "signature format: plain, r and s")
    yield Explained(33, 1, 1, f"length of the identifier: {len(packet.oid)}")
    yield Explained(34, len(packet.oid), 1, f"signature algorithm: {algorithm.name if algorithm else packet.oid.hex() + ', not known'}")
    yield Explained(start, half, 1, f"r: {packet.signature[:half].hex()}")
    yield Explained(start + half, half, 1, f"s: {packet.signature[half:].hex()}")

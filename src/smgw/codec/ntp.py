"""The NTP packet of 48 octets, as it travels inside TLS: no extension fields, no authenticator.

Source: TIME-01; 20-wan-crypto-pki 1.8; RFC 5905, figure 8.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final

import msgspec

from smgw.codec.explain import Explained
from smgw.core.errors import DecodeFault, UsageError
from smgw.core.instant import microseconds

PACKET_OCTETS: Final = 48

_LAYOUT = struct.Struct(">BBbbII4sQQQQ")
_EPOCH_1900 = datetime(1900, 1, 1, tzinfo=UTC)
_ERA = 1 << 64
_PIVOT = 1 << 63
"""A time stamp below it belongs to the era that begins in 2036, so 1968…2104 can be told."""


class Mode(IntEnum):
    """Name the association modes that occur here."""

    CLIENT = 3
    SERVER = 4


LEAP_UNSYNCHRONISED: Final = 3


class NtpPacket(msgspec.Struct, frozen=True):
    """Hold the fields as they stand in the packet.

    Time stamps are 64-bit fixed point: seconds since 1900 and 2**-32 of a second; 0 is none. `poll` and `precision` are exponents of two
    of a second, root delay and dispersion 16.16 fixed point seconds.
    """

    leap: int = 0
    version: int = 4
    mode: int = Mode.CLIENT
    stratum: int = 0
    poll: int = 0
    precision: int = 0
    root_delay: int = 0
    root_dispersion: int = 0
    reference_id: bytes = bytes(4)
    reference_timestamp: int = 0
    originate_timestamp: int = 0
    receive_timestamp: int = 0
    transmit_timestamp: int = 0


def encode_packet(packet: NtpPacket) -> bytes:
    """Write the 48 octets. Raises: UsageError time.packet for a field out of range."""
    if not (0 <= packet.leap <= 3 and 0 <= packet.version <= 7 and 0 <= packet.mode <= 7 and len(packet.reference_id) == 4):
        raise UsageError("time.packet", "leap, version, mode or reference id")
    try:
        return _LAYOUT.pack(
            packet.leap << 6 | packet.version << 3 | packet.mode,
            packet.stratum,
            packet.poll,
            packet.precision,
            packet.root_delay,
            packet.root_dispersion,
            packet.reference_id,
            packet.reference_timestamp,
            packet.originate_timestamp,
            packet.receive_timestamp,
            packet.transmit_timestamp,
        )
    except struct.error as problem:
        raise UsageError("time.packet", str(problem)) from problem


def decode_packet(data: bytes) -> NtpPacket:
    """Read exactly 48 octets; every pattern of them is a packet, what it is worth is for the protocol to judge.

    Raises: DecodeFault time.packet for another length.
    """
    if len(data) != PACKET_OCTETS:
        raise DecodeFault("time.packet", f"{len(data)} octets", offset=min(len(data), PACKET_OCTETS))
    first, *rest = _LAYOUT.unpack(data)
    return NtpPacket(first >> 6, first >> 3 & 7, first & 7, *rest)


def timestamp_of(moment: datetime) -> int:
    """Give the time stamp of an aware time, rounded to 2**-32 s; the era is lost."""
    since_1900_us = microseconds(moment) - microseconds(_EPOCH_1900)
    return ((since_1900_us << 32) + 500_000) // 1_000_000 % _ERA


def moment_of(timestamp: int) -> datetime:
    """Give the aware UTC time of a time stamp, rounded to microseconds, in 1968…2104."""
    if timestamp < _PIVOT:
        timestamp += _ERA
    return _EPOCH_1900 + timedelta(microseconds=(timestamp * 1_000_000 + (1 << 31)) >> 32)


_FIELDS: Final = (
    (0, 1, "leap, version, mode"),
    (1, 1, "stratum"),
    (2, 1, "poll"),
    (3, 1, "precision"),
    (4, 4, "root delay"),
    (8, 4, "root dispersion"),
    (12, 4, "reference id"),
    (16, 8, "reference time"),
    (24, 8, "originate time"),
    (32, 8, "receive time"),
    (40, 8, "transmit time"),
)


def explain(data: bytes) -> Iterator[Explained]:
    """Say what each octet means. Raises: DecodeFault time.packet."""
    packet = decode_packet(data)
    yield Explained(0, PACKET_OCTETS, 0, "NTP packet", "RFC 5905, figure 8")
    for offset, length, name in _FIELDS:
        octets = data[offset : offset + length]
        if offset == 0:
            shown = f"{packet.leap}, {packet.version}, {packet.mode}"
        elif length == 8:
            number = int.from_bytes(octets, "big")
            shown = moment_of(number).isoformat() if number else "none"
        elif name in ("poll", "precision"):
            shown = str(int.from_bytes(octets, "big", signed=True))
        else:
            shown = str(octets[0]) if length == 1 else octets.hex()
        yield Explained(offset, length, 1, f"{name}: {shown}")

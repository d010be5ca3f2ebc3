"""The NTP packet: each field at its place, 48 octets and not one more."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.codec.ntp import PACKET_OCTETS, NtpPacket, decode_packet, encode_packet, explain, moment_of, timestamp_of
from smgw.core.errors import DecodeFault, UsageError

MOMENTS = st.datetimes(datetime(1968, 1, 21), datetime(2104, 2, 25), timezones=st.just(UTC))  # noqa: DTZ001 (hypothesis adds the zone)


def unsigned(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << bits) - 1)


PACKETS = st.builds(
    NtpPacket,
    unsigned(2), unsigned(3), unsigned(3), unsigned(8), st.integers(-128, 127), st.integers(-128, 127), unsigned(32), unsigned(32),
    st.binary(min_size=4, max_size=4), unsigned(64), unsigned(64), unsigned(64), unsigned(64),
)  # fmt: skip


@pytest.mark.parametrize("octets", [0, 1, 47, 49, 68])
def test_another_length_is_no_packet(octets: int) -> None:
    with pytest.raises(DecodeFault) as fault:
        decode_packet(bytes(octets))
    assert fault.value.code == "time.packet"


@pytest.mark.parametrize(
    "packet",
    [
        NtpPacket(leap=4),
        NtpPacket(version=8),
        NtpPacket(mode=-1),
        NtpPacket(stratum=256),
        NtpPacket(poll=128),
        NtpPacket(reference_id=b"abc"),
        NtpPacket(transmit_timestamp=1 << 64),
    ],
)
def test_a_field_out_of_range_is_our_own_mistake(packet: NtpPacket) -> None:
    with pytest.raises(UsageError) as fault:
        encode_packet(packet)
    assert fault.value.code == "time.packet"


@given(PACKETS)
def test_what_is_written_is_read(packet: NtpPacket) -> None:
    assert decode_packet(encode_packet(packet)) == packet


@given(st.binary(min_size=PACKET_OCTETS, max_size=PACKET_OCTETS))
def test_what_is_read_is_written(data: bytes) -> None:
    assert encode_packet(decode_packet(data)) == data


def test_each_field_stands_at_its_place() -> None:
    packet = NtpPacket(1, 4, 3, 2, 6, -20, 0x10203, 0x40506, b"DCF\0", 1, 2, 3, 4)
    assert encode_packet(packet).hex() == (
        "630206ec" "00010203" "00040506" "44434600" "0000000000000001" "0000000000000002" "0000000000000003" "0000000000000004"
    )  # fmt: skip


@given(MOMENTS)
def test_moments_survive_to_the_microsecond(moment: datetime) -> None:
    assert moment_of(timestamp_of(moment)) == moment


def test_eras_meet_in_2036() -> None:
    assert timestamp_of(datetime(1970, 1, 1, tzinfo=UTC)) >> 32 == 2_208_988_800
    turn = datetime(2036, 2, 7, 6, 28, 16, tzinfo=UTC)
    assert timestamp_of(turn) == 0
    assert moment_of((1 << 64) - 1) == turn
    assert moment_of(1 << 32) == turn + timedelta(seconds=1)


def test_the_dissection_covers_every_octet() -> None:
    data = encode_packet(NtpPacket(transmit_timestamp=timestamp_of(datetime(2026, 11, 21, tzinfo=UTC))))
    whole, *fields = explain(data)
    assert (whole.offset, whole.length) == (0, PACKET_OCTETS)
    assert [field.offset for field in fields] == [0, 1, 2, 3, 4, 8, 12, 16, 24, 32, 40]
    assert sum(field.length for field in fields) == PACKET_OCTETS
    assert fields[-1].meaning == "transmit time: 2026-11-21T00:00:00+00:00"
    assert fields[0].meaning == "leap, version, mode: 0, 4, 3"

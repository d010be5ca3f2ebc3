from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.core.instant import from_microseconds
from smgw.core.obis import ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.quantity import Quantity
from smgw.core.register import RegisterValue, register_canonical_bytes, register_from_canonical

pytestmark = pytest.mark.req("TAF-20", "MEAS-03")

START = datetime(2026, 11, 1, tzinfo=UTC)
_octet = st.integers(0, 255)
_time = st.integers(0, 1 << 52).map(from_microseconds)
_values = st.builds(
    RegisterValue,
    profile_id=st.text(max_size=40),
    taf=st.integers(1, 14),
    obis=st.builds(Obis, _octet, _octet, _octet, _octet, _octet, _octet),
    raw=st.none() | st.integers(-(10**40), 10**40),
    scaler=st.integers(-128, 127),
    unit=_octet,
    period_start=_time,
    period_end=_time,
    gateway_status=st.integers(0, 2**32 - 1),
    inputs=st.lists(st.integers(0, 2**64 - 1), max_size=20).map(tuple),
    created_at=_time,
)


def value(raw: int | None = -300, inputs: tuple[int, ...] = (1, 96)) -> RegisterValue:
    end = START + timedelta(days=30)
    return RegisterValue("taf1-1.sm", 1, ACTIVE_ENERGY_IMPORT, raw, -1, 30, START, end, 5, inputs, end)


@given(_values)
def test_canonical_octets_read_back_to_the_same_value(original: RegisterValue) -> None:
    octets = register_canonical_bytes(original)
    assert register_from_canonical(octets) == original
    assert register_canonical_bytes(register_from_canonical(octets)) == octets


def test_the_layout_is_the_documented_one() -> None:
    start, end = 1_793_491_200_000_000, 1_796_083_200_000_000
    assert register_canonical_bytes(value()) == (
        b"\x01"
        + bytes((1, 0, 1, 8, 0, 255))
        + b"\xff\x1e"
        + b"".join(moment.to_bytes(8, "big") for moment in (start, end, end))
        + bytes.fromhex("00000005")
        + bytes.fromhex("02fed4")
        + bytes.fromhex("00000002 0000000000000001 0000000000000060")
        + b"taf1-1.sm"
    )


def test_no_value_is_not_zero() -> None:
    assert value(None).quantity is None
    assert value(0).quantity == Quantity(0, -1, 30)
    assert register_canonical_bytes(value(None)) != register_canonical_bytes(value(0))

"""Readings as octets: the same reading always gives the same octets, and another reading others."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.core.obis import ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.reading import Reading, canonical_bytes, reading_from_canonical
from smgw.core.status_word import PtbStatus

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
GROUP = st.integers(0, 255)
WORD = st.integers(0, (1 << 32) - 1)
READINGS = st.builds(
    Reading,
    meter_id=st.text(min_size=1, max_size=20),
    obis=st.builds(Obis, GROUP, GROUP, GROUP, GROUP, GROUP, GROUP),
    raw=st.none() | st.integers(-(1 << 63), (1 << 64) - 1),
    scaler=st.integers(-128, 127),
    unit=GROUP,
    capture_time=MOMENTS,
    target_time=MOMENTS,
    gateway_status=WORD,
    meter_status=WORD,
)

START = datetime(2026, 11, 21, 0, 15, tzinfo=UTC)
READING = Reading("1SGW0010000001", ACTIVE_ENERGY_IMPORT, 123_456, -1, 30, START, START, 5, 4)


@pytest.mark.req("MEAS-01")
@given(READINGS)
def test_octets_are_read_back(reading: Reading) -> None:
    assert reading_from_canonical(canonical_bytes(reading)) == reading


@pytest.mark.req("MEAS-01")
@given(READINGS, READINGS)
def test_two_readings_never_give_the_same_octets(first: Reading, second: Reading) -> None:
    assert (canonical_bytes(first) == canonical_bytes(second)) == (first == second)


@pytest.mark.req("MEAS-01")
def test_the_layout_stays_as_it_was_signed() -> None:
    assert canonical_bytes(READING).hex() == (
        "0100010800ffff1e000660be405aa900000660be405aa90000000005000000040100000000000001e240" + b"1SGW0010000001".hex()
    )


def test_a_missing_value_has_no_quantity() -> None:
    missing = msgspec.structs.replace(READING, raw=None, gateway_status=5 | 1 << 13)
    assert missing.quantity is None
    assert missing.ptb > PtbStatus.NONE
    assert READING.quantity is not None
    assert str(READING.quantity.decimal()) == "12345.6"
    assert READING.ptb is PtbStatus.NONE

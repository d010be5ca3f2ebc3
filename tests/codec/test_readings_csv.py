"""Tables of readings: strict rows, named lines, and nothing put in order."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.codec import readings_csv
from smgw.codec.readings_csv import HEADER, MAX_BYTES, read_readings, write_readings
from smgw.core.errors import DecodeFault, LimitFault, PeerFault
from smgw.core.obis import ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.reading import Reading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, GatewayStatus

HEAD = ",".join(HEADER)
ROW = "1SGW0010000001,1-0:1.8.0*255,2026-11-04T00:15:00+01:00,1234,-1,Wh,"
MOMENT = datetime(2026, 11, 3, 23, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "\n", HEAD.replace(",", "|"), HEAD.replace("value", "wert"), HEAD + ",more", "obis," + HEAD, ROW, '"' + HEAD, HEAD + ",status"],
)
def test_a_table_starts_with_its_header(text: str) -> None:
    with pytest.raises(DecodeFault) as caught:
        read_readings(text.encode())
    assert caught.value.code in ("readings.header", "readings.row")


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("1SGW0010000001", "fields"),
        (ROW + ",", "fields"),
        ("1 SGW," + ROW.partition(",")[2], "meter_id"),
        ("," + ROW.partition(",")[2], "meter_id"),
        (ROW.replace("1-0:1.8.0*255", "1.8.0"), "obis"),
        (ROW.replace("+01:00", ""), "target_time"),
        (ROW.replace("2026-11-04T00:15:00+01:00", "2026-11-04"), "target_time"),
        (ROW.replace("2026-11-04", "2026-02-30"), "target_time"),
        (ROW.replace("2026-11-04", "2306-11-04"), "target_time"),
        (ROW.replace("2026-11-04", "0001-01-01"), "target_time"),
        (ROW.replace("1234", "12.5"), "value"),
        (ROW.replace("1234", "1e9"), "value"),
        (ROW.replace("1234", "١٢"), "value"),
        (ROW.replace("1234", "9223372036854775809"), "value"),
        (ROW.replace("1234", "9" * 5000), "value"),
        (ROW.replace(",-1,", ",128,"), "scaler"),
        (ROW.replace(",-1,", ",,"), "scaler"),
        (ROW.replace("Wh", "kWh"), "unit"),
        (ROW.replace("Wh", "0"), "unit"),
        (ROW + "05", "status"),
        (ROW + "000000000000000g", "status"),
        (ROW + "0000000000000000", "status"),
        ('"' + ROW, "unexpected end"),
    ],
)
def test_a_bad_row_is_named_by_line_and_field(row: str, field: str) -> None:
    with pytest.raises(DecodeFault) as caught:
        read_readings(f"{HEAD}\n{ROW}\n\n{row}\n{ROW}\n".encode())
    assert caught.value.code == "readings.row"
    assert caught.value.detail.startswith("line 4: ")
    assert field in caught.value.detail


def test_a_bad_field_says_what_it_takes() -> None:
    row = ";".join("12,5" if field == "1234" else field for field in ROW.split(","))
    with pytest.raises(DecodeFault) as caught:
        read_readings(f"{';'.join(HEADER)}\n{row}\n".encode())
    assert caught.value.detail == (
        "line 2: value '12,5' is not an integer as the meter shows it without the point; the scaler says where it stands"
    )


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_table_as_spreadsheets_write_it(separator: str, turned: bool) -> None:
    names, fields = HEAD.title().split(","), ROW.replace("T00", " 00").split(",")
    if turned:
        names, fields = names[::-1], fields[::-1]
    table = f"{separator.join(names)}\r\n{separator.join(fields)}\r\n"
    assert read_readings(table.encode()) == read_readings(f"{HEAD}\n{ROW}\n".encode())


def test_what_is_not_utf8_is_named_by_its_line() -> None:
    with pytest.raises(DecodeFault) as caught:
        read_readings(f"{HEAD}\n{ROW}\n".encode() + ROW.replace("Wh", "m³").encode("latin-1"))
    assert caught.value.detail == "line 3: not UTF-8"


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LimitFault) as caught:
        read_readings(bytes(MAX_BYTES + 1))
    assert caught.value.code == "readings.size"
    monkeypatch.setattr(readings_csv, "MAX_ROWS", 2)
    table = f"{HEAD}\n" + f"{ROW}\n" * 3
    with pytest.raises(LimitFault) as caught:
        read_readings(table.encode())
    assert caught.value.detail == "line 4"


@pytest.mark.req("MEAS-01")
def test_rows_stay_in_the_order_of_the_file_and_are_numbered_by_line() -> None:
    later, missing = ROW.replace("00:15", "00:30"), ROW.replace("1234", "")
    marked = ROW.replace("Wh,", "30,0000020500000004")
    table = f"\ufeff{HEAD}\r\n{later}\r\n{ROW}\r\n\r\n{ROW}\r\n{missing}\r\n{marked}\r\n"
    readings = read_readings(table.encode())
    assert [signed.sequence for signed in readings] == [2, 3, 5, 6, 7]
    assert readings[1].reading == Reading(
        "1SGW0010000001", ACTIVE_ENERGY_IMPORT, 1234, -1, 30, MOMENT, MOMENT, GATEWAY_OK, METER_IDENTIFICATION
    )  # fmt: skip
    assert readings[3].reading.raw is None
    assert readings[3].reading.gateway_status == GATEWAY_OK | GatewayStatus.NO_VALUE
    assert readings[4].reading.gateway_status == GATEWAY_OK | GatewayStatus.TIME_NOT_VALID


def test_the_status_column_may_be_missing() -> None:
    short_head, short_row = HEAD.removesuffix(",status"), ROW.removesuffix(",")
    assert len(read_readings(f"{short_head}\n{short_row}\n{short_row}".encode())) == 2
    assert len(read_readings(f'{HEAD}\n{short_row}\n{ROW}\n"1SGW0010000001"{ROW[14:]}'.encode())) == 3
    with pytest.raises(DecodeFault):
        read_readings(f"{short_head}\n{ROW}".encode())


_READINGS = st.builds(
    Reading,
    st.sampled_from(("1SGW0010000001", "0A01454D4800005DE461")),
    st.builds(Obis, *(st.integers(0, 255) for _ in range(6))),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.integers(-128, 127),
    st.integers(1, 255),
    st.just(MOMENT),
    st.datetimes(datetime(1970, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (hypothesis adds the zone)
    st.sampled_from((GATEWAY_OK, GATEWAY_OK | GatewayStatus.WARNING, GATEWAY_OK | GatewayStatus.ERROR)).map(int),
    st.sampled_from((METER_IDENTIFICATION, METER_IDENTIFICATION | 1 << 17)),
)


@given(st.lists(_READINGS, max_size=5))
@pytest.mark.req("MEAS-01")
def test_what_is_written_is_read_again(readings: list[Reading]) -> None:
    table = "".join(write_readings(readings)).encode()
    for held, signed in zip(readings, read_readings(table), strict=True):
        assert signed.reading == msgspec.structs.replace(held, capture_time=held.target_time)


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=120).map(lambda tail: f"{HEAD}\n{ROW}\n".encode() + tail)))
def test_any_octets_give_readings_or_a_fault(data: bytes) -> None:
    try:
        read_readings(data)
    except PeerFault as fault:
        assert fault.code.startswith("readings.")


@given(st.integers(0, len(ROW) - 1), st.characters())
def test_any_changed_character_gives_a_reading_or_a_named_line(place: int, character: str) -> None:
    row = ROW[:place] + character + ROW[place + 1 :]
    try:
        read_readings(f"{HEAD}\n{row}\n".encode("utf-8", "surrogatepass"))
    except DecodeFault as fault:
        assert fault.detail.startswith("line ")

"""Records to readings: the profile gate, the tolerance rule, missing values, status and plausibility."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smgw.core.instant import ClockStatus
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.profiles import MeterProfile, RegisterProfile
from smgw.core.status_word import GatewayStatus
from smgw.gateway.acquisition import Acquisition, Outcome, Record, Value

SERVER_ID = bytes.fromhex("0a015347570000989681")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
TOLERANCE, TICK = timedelta(seconds=9), timedelta(microseconds=1)
PROFILE = MeterProfile(
    meter_id="1SGW0010000001",
    server_id=SERVER_ID.hex(),
    registers=(RegisterProfile("1-0:1.8.0*255"), RegisterProfile("1-0:2.8.0*255")),
    link="optical",
)
OK = int(GatewayStatus.IDENTIFICATION)


def record(
    moment: datetime, imported: int = 100, exported: int = 7, *, status: int | None = 0x1C0104, server_id: bytes = SERVER_ID
) -> Record:
    values = {ACTIVE_ENERGY_IMPORT: Value(imported, -1, 30), ACTIVE_ENERGY_EXPORT: Value(exported, -1, 30)}
    return Record(server_id, moment, values, status)


def admitted(last_target: datetime | None = START) -> Acquisition:
    acquisition = Acquisition()
    acquisition.admit(PROFILE, last_target, {})
    return acquisition


def targets(outcome: Outcome) -> list[tuple[datetime, int | None, int]]:
    return [(r.target_time, r.raw, r.gateway_status) for r in outcome.readings if r.obis == ACTIVE_ENERGY_IMPORT]


def names(outcome: Outcome) -> list[str]:
    return [event.name for event in outcome.events]


@pytest.mark.req("LMN-03")
@pytest.mark.step("1.2.2", event="meter_unknown")
def test_a_meter_without_profile_is_counted_and_not_stored() -> None:
    acquisition = admitted()
    stranger = record(START, server_id=b"\x0a\x01XYZ\0\0\0\0\1")
    assert names(acquisition.receive(stranger, "optical", ClockStatus.VALID)) == ["meter_unknown"]
    again = acquisition.receive(stranger, "optical", ClockStatus.VALID)
    assert again == Outcome([], [])
    assert acquisition.unknown == {"1XYZ0000000001": 2}


@pytest.mark.req("LMN-03")
def test_a_known_meter_on_another_link_is_a_stranger() -> None:
    acquisition = admitted()
    outcome = acquisition.receive(record(START + QUARTER), "rs485", ClockStatus.VALID)
    assert outcome.readings == []
    assert names(outcome) == ["meter_unknown"]


@pytest.mark.req("LMN-03")
def test_a_meter_that_was_taken_away_is_a_stranger_and_leaves_no_gap() -> None:
    acquisition = admitted()
    acquisition.dismiss(PROFILE)
    assert acquisition.tick(START + 4 * QUARTER, ClockStatus.VALID)[:2] == ([], [])
    assert names(acquisition.receive(record(START + QUARTER), "optical", ClockStatus.VALID)) == ["meter_unknown"]


@pytest.mark.req("MEAS-03")
def test_the_periods_of_a_meter_that_was_taken_away_go_on_passing() -> None:
    acquisition = admitted()
    acquisition.dismiss(PROFILE)
    assert acquisition.next_deadline() == START + QUARTER + TOLERANCE
    assert acquisition.tick(START + QUARTER + TOLERANCE - TICK, ClockStatus.VALID).decided == {}
    assert acquisition.tick(START + QUARTER + TOLERANCE, ClockStatus.VALID).decided == {PROFILE.meter_id: START + QUARTER}
    assert acquisition.tick(START + QUARTER + 2 * TOLERANCE, ClockStatus.VALID).decided == {}
    assert acquisition.tick(START + 2 * QUARTER + TOLERANCE, ClockStatus.INVALID).decided == {}
    assert acquisition.next_deadline() == START + 3 * QUARTER + TOLERANCE
    assert acquisition.tick(START + 9 * QUARTER + TOLERANCE, ClockStatus.VALID).decided == {PROFILE.meter_id: START + 9 * QUARTER}
    acquisition.admit(PROFILE, START, {})
    assert acquisition.tick(START + QUARTER, ClockStatus.VALID).decided == {}


@pytest.mark.req("MEAS-03")
def test_after_a_start_a_meter_that_is_away_is_decided_at_once() -> None:
    acquisition = Acquisition()
    acquisition.dismiss(PROFILE)
    deadline = acquisition.next_deadline()
    assert deadline is not None
    assert deadline < START
    assert acquisition.tick(START + QUARTER, ClockStatus.VALID).decided == {PROFILE.meter_id: START}


@pytest.mark.req("LMN-03")
def test_the_list_of_unknown_meters_is_bounded() -> None:
    acquisition = admitted()
    for number in range(200):
        acquisition.receive(record(START, server_id=number.to_bytes(9, "big")), "optical", ClockStatus.VALID)
    assert len(acquisition.unknown) == 64


@pytest.mark.req("MEAS-02")
def test_the_first_record_gives_an_opening_reading_at_its_own_time() -> None:
    outcome = admitted(None).receive(record(START + timedelta(seconds=130)), "optical", ClockStatus.VALID)
    assert targets(outcome) == [(START + timedelta(seconds=130), 100, OK)]
    assert names(outcome) == ["meter_found"]


@pytest.mark.req("MEAS-02")
@pytest.mark.parametrize(
    ("before_s", "after_s", "taken"),
    [(2, 3, 100), (3, 2, 101), (5, 5, 100), (8, 30, 100), (30, 9, 101)],
    ids=["earlier is nearer", "later is nearer", "a tie takes the earlier", "only the earlier is near", "only the later is near"],
)
def test_the_record_nearest_to_the_period_end_is_taken(before_s: int, after_s: int, taken: int) -> None:
    acquisition, end = admitted(), START + QUARTER
    first = acquisition.receive(record(end - timedelta(seconds=before_s), 100), "optical", ClockStatus.VALID)
    second = acquisition.receive(record(end + timedelta(seconds=after_s), 101), "optical", ClockStatus.VALID)
    assert targets(first) == []
    assert targets(second) == [(end, taken, OK)]


@pytest.mark.req("MEAS-02")
@pytest.mark.step("1.2.1", event="meter_lost")
@pytest.mark.step("1.3.4", event="value_missing")
def test_no_record_within_the_tolerance_leaves_a_marked_gap() -> None:
    acquisition, end = admitted(), START + QUARTER
    acquisition.receive(record(end - timedelta(seconds=30)), "optical", ClockStatus.VALID)
    assert acquisition.tick(end + timedelta(seconds=8), ClockStatus.VALID).readings == []
    outcome = acquisition.tick(end + timedelta(seconds=9), ClockStatus.VALID)
    assert targets(outcome) == [(end, None, OK | GatewayStatus.NO_VALUE)]
    assert names(outcome) == ["value_missing", "meter_lost"]


@pytest.mark.req("MEAS-02")
def test_a_standstill_is_marked_period_by_period_and_nothing_is_invented() -> None:
    acquisition = admitted()
    outcome = acquisition.receive(record(START + 3 * QUARTER + timedelta(seconds=2), 500), "optical", ClockStatus.VALID)
    missing = OK | GatewayStatus.NO_VALUE
    assert targets(outcome) == [(START + QUARTER, None, missing), (START + 2 * QUARTER, None, missing), (START + 3 * QUARTER, 500, OK)]


@pytest.mark.req("MEAS-02")
def test_a_standstill_of_years_is_bounded() -> None:
    outcome = admitted(START - timedelta(days=900)).receive(record(START), "optical", ClockStatus.VALID)
    assert len(outcome.readings) <= 2 * (31 * 96 + 1)


@pytest.mark.req("TIME-01")
def test_a_value_taken_without_valid_time_is_marked() -> None:
    outcome = admitted().receive(record(START + QUARTER), "optical", ClockStatus.INVALID)
    assert targets(outcome) == [(START + QUARTER, 100, OK | GatewayStatus.TIME_NOT_VALID)]


@pytest.mark.req("LMN-06")
@pytest.mark.step("1.3.2", event="reading_implausible")
def test_a_decreasing_register_is_stored_as_it_is_marked_and_told() -> None:
    acquisition = admitted()
    acquisition.receive(record(START + QUARTER, 100), "optical", ClockStatus.VALID)
    outcome = acquisition.receive(record(START + 2 * QUARTER, 99), "optical", ClockStatus.VALID)
    assert targets(outcome) == [(START + 2 * QUARTER, 99, OK | GatewayStatus.NOT_FOR_BILLING | GatewayStatus.WARNING)]
    assert names(outcome) == ["reading_implausible"]


@pytest.mark.req("LMN-06")
def test_a_meter_that_changes_its_scaler_did_not_decrease() -> None:
    acquisition = admitted()
    acquisition.receive(record(START + QUARTER, 100), "optical", ClockStatus.VALID)
    coarser = Record(SERVER_ID, START + 2 * QUARTER, {ACTIVE_ENERGY_IMPORT: Value(10, 0, 30), ACTIVE_ENERGY_EXPORT: Value(7, -1, 30)}, None)
    assert names(acquisition.receive(coarser, "optical", ClockStatus.VALID)) == []


@pytest.mark.req("LMN-06")
@pytest.mark.parametrize(("status", "event"), [(0x1C0304, "meter_tamper"), (0x1C0504, "meter_tamper"), (0x1E0104, "meter_fatal")])
@pytest.mark.step("1.3.4", event="meter_fatal")
@pytest.mark.step("1.3.4", event="meter_tamper")
def test_what_the_meter_reports_of_itself_is_told_once(status: int, event: str) -> None:
    acquisition = admitted()
    acquisition.receive(record(START + QUARTER), "optical", ClockStatus.VALID)
    outcome = acquisition.receive(record(START + 2 * QUARTER, status=status), "optical", ClockStatus.VALID)
    assert names(outcome) == [event]
    assert names(acquisition.receive(record(START + 3 * QUARTER, status=status), "optical", ClockStatus.VALID)) == []


@pytest.mark.req("LMN-04")
@pytest.mark.parametrize("value", [None, Value(100, -1, 27)], ids=["register missing", "register in another unit"])
def test_a_register_that_is_not_what_the_profile_says_has_no_value(value: Value | None) -> None:
    values: dict[Obis, Value] = {ACTIVE_ENERGY_EXPORT: Value(7, -1, 30)}
    if value is not None:
        values[ACTIVE_ENERGY_IMPORT] = value
    outcome = admitted().receive(Record(SERVER_ID, START + QUARTER, values, None), "optical", ClockStatus.VALID)
    assert targets(outcome) == [(START + QUARTER, None, OK | GatewayStatus.NO_VALUE)]


@pytest.mark.req("MEAS-02")
def test_the_next_deadline_is_where_the_tolerance_of_the_open_period_ends() -> None:
    acquisition = admitted()
    assert acquisition.next_deadline() == START + QUARTER + timedelta(seconds=9)


@pytest.mark.req("MEAS-02")
@settings(deadline=None)
@given(st.lists(st.integers(0, 8 * 3600), min_size=1, max_size=80, unique=True), st.sampled_from([60, 300, 900, 3600]))
def test_every_period_end_is_decided_once_and_in_order(seconds: list[int], period_s: int) -> None:
    acquisition = Acquisition()
    acquisition.admit(MeterProfile("m", SERVER_ID.hex(), PROFILE.registers, "optical", period_s=period_s), START, {})
    seen: list[datetime] = []
    for second in sorted(seconds):
        moment = START + timedelta(seconds=second)
        for outcome in (
            acquisition.receive(record(moment, second), "optical", ClockStatus.VALID),
            acquisition.tick(moment, ClockStatus.VALID),
        ):
            for target, raw, _ in targets(outcome):
                seen.append(target)
                if raw is not None:
                    assert abs((START + timedelta(seconds=raw) - target).total_seconds()) <= period_s / 100
    acquisition.tick(START + timedelta(hours=9), ClockStatus.VALID)
    assert seen == [START + timedelta(seconds=period_s) * (index + 1) for index in range(len(seen))]

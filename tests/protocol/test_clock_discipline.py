"""The gateway's clock over hours and days of simulated base time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.core.instant import ClockStatus
from smgw.core.log_event import EVENTS
from smgw.protocol.clock_discipline import HOLDOVER_LIMIT, ClockDiscipline, ClockEvent
from smgw.protocol.time_sync import TimeMeasurement

BASE = datetime(2026, 11, 21, 12, 0, 10, tzinfo=UTC)


def s(count: float) -> timedelta:
    return timedelta(seconds=count)


def measured(offset_s: float, round_trip_s: float = 0.0) -> TimeMeasurement:
    return TimeMeasurement(s(offset_s), s(round_trip_s))


def names(events: list[ClockEvent]) -> list[str]:
    for event in events:
        EVENTS[event.name].en.format_map(event.parameters)
    return [event.name for event in events]


def running(offset_s: float = 0.0) -> ClockDiscipline:
    """Give a clock that was set at BASE."""
    clock = ClockDiscipline()
    clock.apply(measured(offset_s), BASE)
    return clock


@pytest.mark.req("TIME-01")
def test_a_clock_is_unset_until_the_first_measurement_sets_it() -> None:
    clock = ClockDiscipline()
    assert clock.status_at(BASE + timedelta(days=400)) is ClockStatus.UNSET
    assert clock.next_deadline() is None
    assert clock.time_at(BASE) == BASE
    assert names(clock.apply(measured(-86_400), BASE)) == ["time_synchronised", "clock_stepped", "clock_valid"]
    assert clock.time_at(BASE) == BASE - s(86_400)
    assert clock.status_at(BASE) is ClockStatus.VALID


@pytest.mark.req("TIME-01", "TIME-02")
@pytest.mark.parametrize("offset", [0.4, -0.4])
def test_small_deviations_are_slewed_at_500_ppm(offset: float) -> None:
    clock = running()
    assert names(clock.apply(measured(offset), BASE)) == ["time_synchronised"]
    sign = 1 if offset > 0 else -1
    for elapsed, corrected in ((0, 0), (100, 0.05), (799, 0.3995), (800, 0.4), (10_000, 0.4)):
        assert clock.time_at(BASE + s(elapsed)) == BASE + s(elapsed) + sign * s(corrected)


@pytest.mark.req("TIME-02")
@pytest.mark.parametrize("offset", [1.0, -5.0, 27.0, -27.0])
def test_larger_deviations_are_stepped_at_the_start_of_a_minute(offset: float) -> None:
    clock = running()
    assert names(clock.apply(measured(offset), BASE)) == ["time_synchronised"]
    step_at = BASE + s(50)
    assert clock.next_deadline() == step_at
    assert clock.time_at(step_at - s(0.001)) == step_at - s(0.001)
    assert clock.status_at(step_at - s(0.001)) is ClockStatus.VALID
    assert clock.handle_timeout(step_at - s(0.001)) == []
    assert clock.time_at(step_at) == step_at + s(offset)
    assert clock.handle_timeout(step_at) == [ClockEvent("clock_stepped", {"step_ms": str(round(offset * 1000))})]
    assert clock.time_at(step_at + s(1)) == step_at + s(1 + offset)
    assert clock.handle_timeout(step_at + s(1)) == []


@pytest.mark.req("TIME-01", "STATE-01")
@pytest.mark.parametrize("offset", [27.001, -27.001, 900.0])
def test_more_than_three_percent_off_is_invalid_until_the_step(offset: float) -> None:
    clock = running()
    assert names(clock.apply(measured(offset), BASE)) == ["time_synchronised", "clock_invalid"]
    assert clock.status_at(BASE) is ClockStatus.INVALID
    assert clock.status_at(BASE + s(49.999)) is ClockStatus.INVALID
    assert clock.status_at(BASE + s(50)) is ClockStatus.VALID
    assert names(clock.handle_timeout(BASE + s(70))) == ["clock_stepped", "clock_valid"]
    assert clock.status_at(BASE + s(70)) is ClockStatus.VALID


def test_the_tolerance_follows_the_smallest_period() -> None:
    clock = ClockDiscipline(smallest_period_s=3600)
    clock.apply(measured(0), BASE)
    assert "clock_invalid" not in names(clock.apply(measured(108), BASE))
    assert "clock_invalid" in names(clock.apply(measured(108.1), BASE))


@pytest.mark.req("TIME-01", "STATE-01")
def test_a_clock_that_runs_alone_for_a_week_is_invalid_and_recovers_by_itself() -> None:
    clock = running()
    assert clock.next_deadline() == BASE + HOLDOVER_LIMIT
    late = BASE + HOLDOVER_LIMIT
    assert clock.status_at(late - s(0.001)) is ClockStatus.VALID
    assert clock.status_at(late) is ClockStatus.INVALID
    assert names(clock.handle_timeout(late)) == ["clock_invalid"]
    assert clock.handle_timeout(late + s(1)) == []
    assert names(clock.apply(measured(-12), late + s(5))) == ["time_synchronised", "clock_valid"]
    assert clock.status_at(late + s(5)) is ClockStatus.VALID


@pytest.mark.req("TIME-01")
def test_the_assumed_drift_uses_up_what_deviation_and_network_leave() -> None:
    clock = running()
    clock.apply(measured(0.5, round_trip_s=53.0), BASE)
    assert clock.next_deadline() == BASE
    clock.apply(measured(0.5, round_trip_s=51.0), BASE)
    assert clock.next_deadline() == BASE + s(50_000)  # 1 s of the 27 s is left


def test_a_new_measurement_replaces_the_correction_under_way() -> None:
    clock = running()
    clock.apply(measured(0.5), BASE)
    clock.apply(measured(0.3), BASE + s(400))  # 0.2 s of the 0.5 s are done
    assert clock.time_at(BASE + s(5000)) == BASE + s(5000.5)
    clock.apply(measured(10), BASE + s(5000))
    clock.apply(measured(0), BASE + s(5001))
    assert clock.time_at(BASE + s(9000)) == BASE + s(9000.5)
    assert clock.handle_timeout(BASE + s(9000)) == []


def test_a_base_clock_that_goes_back_does_not_take_the_time_along() -> None:
    clock = running()
    assert clock.time_at(BASE + s(100)) == BASE + s(100)
    assert clock.time_at(BASE + s(40)) == BASE + s(100)
    assert clock.time_at(BASE + s(101)) == BASE + s(101)


@pytest.mark.req("TIME-02")
@given(
    st.lists(
        st.tuples(st.integers(1, 2_000_000), st.sampled_from(["look", "measure", "timeout"]), st.integers(-60_000, 60_000)), max_size=60
    )
)
def test_time_goes_backwards_only_by_a_logged_step(steps: list[tuple[int, str, int]]) -> None:
    clock = running()
    base, latest = BASE, clock.time_at(BASE)
    for wait_ms, act, offset_ms in steps:
        deadline = clock.next_deadline()
        base += timedelta(milliseconds=wait_ms)
        if deadline is not None and deadline < base:
            base = deadline
        if act == "measure":
            events = clock.apply(measured(offset_ms / 1000), base)
        elif act == "timeout" or base == deadline:
            events = clock.handle_timeout(base)
        else:
            events = []
        stepped_ms = sum(int(event.parameters["step_ms"]) for event in events if event.name == "clock_stepped")
        now = clock.time_at(base)
        assert now >= latest + min(timedelta(milliseconds=stepped_ms), timedelta())
        assert clock.status_at(base) is not ClockStatus.UNSET
        latest = now


@given(st.lists(st.integers(-900, 900), min_size=1, max_size=20), st.integers(-100, 100))
def test_regular_measurements_keep_a_drifting_clock_near(noise_ms: list[int], drift_ppm: int) -> None:
    """The base clock drifts; each quarter of an hour the true deviation is measured, give or take the network."""
    clock, base, true = ClockDiscipline(), BASE, BASE
    clock.apply(measured(0), base)
    for noise in noise_ms:
        base += s(900)
        true += s(900) * (1_000_000 + drift_ppm) / 1_000_000
        clock.apply(TimeMeasurement(true - clock.time_at(base) + timedelta(milliseconds=noise) / 4, s(0.2)), base)
        assert clock.status_at(base) is ClockStatus.VALID
        assert abs(true - clock.time_at(base + s(900)) + s(900)) < s(1)

"""TAF 2 over random series with gaps, invalid values, clock faults and changes of the clocks: nothing lost, both evaluations alike."""

from datetime import date, datetime, timedelta
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trudi_files import berlin

from smgw.core.status_word import GATEWAY_OK
from smgw.tariff.calendar import NO_STAGE, SwitchCalendar, moment_of, quarter_of, stage_at
from smgw.tariff.taf02 import Run, Series, State, Taf02Rules, evaluate, intervals, raw_values, step

STAGES = (1, 2, 3)
_DAYS = (date(2026, 3, 28), date(2026, 10, 24), date(2025, 12, 31), date(2028, 2, 28), date(2026, 6, 10))
_PROFILES = st.lists(st.sampled_from(STAGES), min_size=1, max_size=6).map(
    lambda stages: tuple(stages[quarter * len(stages) // 96] for quarter in range(96))
)


@st.composite
def rules(draw: st.DrawFn) -> Taf02Rules:
    """Make a calendar of up to three day profiles over four days, of which some may be uncovered."""
    first = draw(st.sampled_from(_DAYS))
    profiles = {str(number): profile for number, profile in enumerate(draw(st.lists(_PROFILES, min_size=1, max_size=3)))}
    names = draw(st.lists(st.sampled_from([*profiles, None]), min_size=4, max_size=4))
    days = {first + timedelta(days=number): name for number, name in enumerate(names) if name is not None}
    end = first + timedelta(days=4)
    return Taf02Rules(
        SwitchCalendar(profiles, days), STAGES, berlin(first.year, first.month, first.day), berlin(end.year, end.month, end.day)
    )


Row = tuple[datetime, int, bool, int]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Taf02Rules, list[Row]]:
    """Make rules and readings in the order in which a gateway stores them; its clock may jump both ways."""
    chosen = draw(rules())
    rows: list[Row] = []
    target, raw = chosen.start - timedelta(minutes=30), draw(st.integers(0, 10**6))
    steps = st.tuples(
        st.sampled_from([15] * 12 + [30, 45, 60, 180, 600, 1500, -15, -60, 0, 7]),
        st.integers(-3, 40),
        st.sampled_from([True] * 6 + [False]),
        st.sampled_from([GATEWAY_OK] * 5 + [GATEWAY_OK | 1 << 12]),
    )
    for minutes, amount, valid, status in draw(st.lists(steps, max_size=150)):
        target += timedelta(minutes=minutes)
        raw += amount
        rows.append((target, raw, valid, status))
    return chosen, rows


def _series(rows: list[Row]) -> Series:
    epoch = datetime.fromisoformat("1970-01-01T00:00:00Z")
    return Series(
        targets_us=np.array([(target - epoch) // timedelta(microseconds=1) for target, *_ in rows], dtype=np.int64),
        raws=raw_values([raw for _, raw, _, _ in rows]),
        valid=np.array([valid for _, _, valid, _ in rows], dtype=np.bool_),
        sequences=np.arange(len(rows), dtype=np.int64),
        statuses=np.array([status for *_, status in rows], dtype=np.int64),
    )


def _stepped(chosen: Taf02Rules, rows: list[Row], state: State | None = None, offset: int = 0) -> State:
    def take(held: State, numbered: tuple[int, Row]) -> State:
        number, (target, raw, valid, status) = numbered
        return step(chosen, held, target, raw, valid=valid, sequence=number, status=status)

    return reduce(take, enumerate(rows, offset), state or State())


@given(cases())
@settings(max_examples=150, deadline=None)
@pytest.mark.req("TAF-02", "TAF-20")
def test_step_by_step_gives_bit_for_bit_what_a_recomputation_gives(case: tuple[Taf02Rules, list[Row]]) -> None:
    chosen, rows = case
    assert _stepped(chosen, rows) == evaluate(chosen, _series(rows))


@given(cases(), st.data())
@settings(max_examples=50, deadline=None)
def test_a_restart_in_between_changes_nothing(case: tuple[Taf02Rules, list[Row]], data: st.DataObject) -> None:
    chosen, rows = case
    cut = data.draw(st.integers(0, len(rows)))
    assert _stepped(chosen, rows[cut:], _stepped(chosen, rows[:cut]), cut) == evaluate(chosen, _series(rows))


@given(cases())
@settings(max_examples=150, deadline=None)
@pytest.mark.req("TAF-20")
def test_stages_and_error_register_add_up_to_the_total(case: tuple[Taf02Rules, list[Row]]) -> None:
    chosen, rows = case
    state = evaluate(chosen, _series(rows))
    sums = state.sums()
    assert set(sums) <= {*STAGES, 63, NO_STAGE}
    assert sum(sums.values()) == state.total
    runs: tuple[Run, ...] = state.runs
    for before, after in pairwise(runs):
        assert before.last == after.first
        assert before.stage != after.stage
    if runs:
        assert (runs[0].first, runs[-1].last) == (state.opening, state.last)


@given(cases())
@settings(max_examples=100, deadline=None)
@pytest.mark.req("TAF-02", "TAF-21")
def test_an_interval_goes_to_a_stage_only_when_it_holds_in_all_its_quarter_hours(case: tuple[Taf02Rules, list[Row]]) -> None:
    chosen, rows = case
    columns = intervals(chosen, _series(rows))
    for start, end, _, booked in zip(*(column.tolist() for column in columns), strict=True):
        held = {stage_at(chosen.calendar, quarter) for quarter in range(start, end)}
        expected = NO_STAGE if NO_STAGE in held else held.pop() if len(held) == 1 else 63
        assert booked == expected


@given(rules(), st.integers(1, 50))
@settings(max_examples=60, deadline=None)
@pytest.mark.req("TAF-21")
def test_a_full_series_books_each_quarter_hour_of_days_of_any_length(chosen: Taf02Rules, step_size: int) -> None:
    quarters = range(quarter_of(chosen.start), quarter_of(chosen.end) + 1)
    rows = [(moment_of(quarter), number * step_size, True, GATEWAY_OK) for number, quarter in enumerate(quarters)]
    expected: dict[int, int] = {}
    for quarter in quarters[:-1]:
        stage = stage_at(chosen.calendar, quarter)
        expected[stage] = expected.get(stage, 0) + step_size
    assert evaluate(chosen, _series(rows)).sums() == expected

"""Find what a reader of the bill should know: gaps, unusable readings, energy in no tariff, and where TRuDI's numbers differ.

TRuDI departs from its own rule in places that look unintended. The rule is followed here, and each such place becomes a finding.
Source: CON-06, TAF-22; 30-han-consumer-interface 3.6.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import NamedTuple

from smgw.core.instant import from_microseconds, local_day, local_midnight, microseconds
from smgw.core.obis import ERROR_REGISTER_TARIFF
from smgw.core.status_word import PtbStatus
from smgw.tariff.calendar import NO_STAGE, QUARTER_HOUR_US, moment_of, quarter_of, timeline
from smgw.tariff.taf02 import State, Taf02Rules
from smgw.transparency.findings import Finding
from smgw.transparency.readout import ListReading, OriginalList
from smgw.transparency.supplier import Tariff


class IntervalRow(NamedTuple):
    """Hold one interval between valid readings: quarter hours since 1970, energy, and the stage it is booked to."""

    start: int
    end: int
    amount: int
    stage: int


def list_findings(source: OriginalList, tariff: Tariff) -> Iterator[Finding]:
    """Tell what is wrong with the readings of a list inside the billing period."""
    name = str(source.obis)
    start_us, end_us = microseconds(tariff.start), microseconds(tariff.end)
    inside = [reading for reading in source.readings if start_us <= reading.target_us <= end_us]
    yield from _gaps(name, inside, source.period_s)
    for status, run in groupby(inside, key=lambda reading: reading.status):
        if status >= PtbStatus.TEMPORARY_ERROR:
            bad = [from_microseconds(reading.target_us) for reading in run]
            yield Finding("invalid_status", name, bad[0], bad[-1], count=len(bad), other=int(status))
    late = set(source.late)
    stray = [reading.captured for reading in inside if reading.target_us % QUARTER_HOUR_US and reading.captured not in late]
    for code, moments in (
        ("off_raster", stray),
        ("trudi_tolerance", source.late),
        ("duplicate", source.duplicates),
        ("outside_block", source.outside),
    ):
        counted = [moment for moment in moments if tariff.start <= moment <= tariff.end]
        if counted:
            yield Finding(code, name, min(counted), count=len(counted))
    if source.unread_words:
        yield Finding("status_word", name, count=source.unread_words)


def _gaps(name: str, readings: Sequence[ListReading], period_s: int) -> Iterator[Finding]:
    """Tell where readings are missing; a day of 23 or 25 hours is no gap in a daily list.

    A list of unknown period has the one that most of its readings keep.
    """
    spans = [(after.target_us - before.target_us, before, after) for before, after in pairwise(readings)]
    if not spans:
        return
    period_us = period_s * 1_000_000 or Counter(span for span, _, _ in spans).most_common(1)[0][0]
    for span, before, after in spans:
        missing = (span + period_us // 2) // period_us - 1
        if missing > 0:
            yield Finding("gap", name, from_microseconds(before.target_us), from_microseconds(after.target_us), count=missing)


def tariff_findings(name: str, rules: Taf02Rules, state: State, rows: Sequence[IntervalRow]) -> Iterator[Finding]:
    """Tell what a TAF 2 evaluation could not assign, and where TRuDI books otherwise."""
    if state.last is None or state.opening is None:
        return
    first = rows[0].start if rows else state.last.quarter
    lead = state.total - sum(row.amount for row in rows)
    if state.opening.quarter < first:
        ends = moment_of(state.opening.quarter), moment_of(first)
        yield Finding("trudi_opening", name, *ends, value=lead, tariff=ERROR_REGISTER_TARIFF, other=state.opening.raw + lead)
    elif first > rules.first_quarter:
        yield Finding("no_valid_start", name, moment_of(first))
    if state.last.quarter < rules.last_quarter:
        yield Finding("no_valid_end", name, end=moment_of(state.last.quarter))
    for run in state.runs:
        if run.stage in (ERROR_REGISTER_TARIFF, NO_STAGE):
            code = "error_register" if run.stage == ERROR_REGISTER_TARIFF else "not_booked"
            yield Finding(code, name, moment_of(run.first.quarter), moment_of(run.last.quarter), value=run.raw)
    for row in rows:
        if row.amount < 0:
            yield Finding("decreasing", name, moment_of(row.start), moment_of(row.end), value=-row.amount)
    yield from _trudi_differences(name, rules, rows)


def _trudi_differences(name: str, rules: Taf02Rules, rows: Sequence[IntervalRow]) -> Iterator[Finding]:
    origin = rules.first_quarter
    stages = timeline(rules.calendar, origin, rules.last_quarter).tolist()
    midnights = set(_midnights(rules.start, rules.end))
    previous: IntervalRow | None = None
    for row in rows:
        begin, end = row.start - origin, row.end - origin
        if row.stage == NO_STAGE or end >= len(stages) + (row.end in midnights):
            pass
        elif row.end in midnights and end >= 2:
            before = stages[end - 2]
            if stages[end - 1] != before and all(stage == before for stage in stages[begin : end - 1]):
                # TRuDI closes the last slot of a day together with the one before it.
                yield _difference("trudi_last_slot", name, row, before)
            elif row.end - row.start == 1 and _ends_error_gap(previous, row) and row.stage != ERROR_REGISTER_TARIFF:
                # The same when a gap over a switch ends where the last slot starts.
                yield _difference("trudi_last_slot", name, row, ERROR_REGISTER_TARIFF)
        elif _crosses(row, midnights):
            seen = _seen_over_midnight(row, stages, origin, midnights)
            # A gap that starts where TRuDI starts a booking, or that it sees two tariffs in, goes to the error register as a whole.
            fresh = previous is None or previous.stage not in seen or row.start in midnights or _crosses(previous, midnights)
            other = ERROR_REGISTER_TARIFF if fresh or len(seen) > 1 else min(seen)
            if other != row.stage and NO_STAGE not in seen:
                yield _difference("trudi_midnight_gap", name, row, other)
        previous = row


def _seen_over_midnight(row: IntervalRow, stages: Sequence[int], origin: int, midnights: set[int]) -> set[int]:
    """Give the tariffs that TRuDI looks at in a gap over midnight.

    It leaves out the last slot before a midnight and the first one after it, and looks at the slot that starts when the gap ends.
    """
    turns = sorted(midnight - origin for midnight in midnights if row.start < midnight < row.end)
    begin, end = row.start - origin, row.end - origin
    seen = set(stages[min(begin, turns[0] - 2) : turns[0] - 1])
    for turn, following in pairwise((*turns, end + 1)):
        seen.update(stages[turn + 1 : following])
    return seen


def _ends_error_gap(previous: IntervalRow | None, row: IntervalRow) -> bool:
    return (
        previous is not None and previous.end == row.start and previous.end - previous.start > 1 and previous.stage == ERROR_REGISTER_TARIFF
    )


def _crosses(row: IntervalRow, midnights: set[int]) -> bool:
    return row.end - row.start > 1 and any(row.start < midnight < row.end for midnight in midnights)


def _difference(code: str, name: str, row: IntervalRow, other: int) -> Finding:
    return Finding(code, name, moment_of(row.start), moment_of(row.end), value=row.amount, tariff=row.stage, other=other)


def _midnights(start: datetime, end: datetime) -> Iterable[int]:
    """Give the quarter hours since 1970 that start a local day within (start, end]."""
    day = local_day(start) + timedelta(days=1)
    while (midnight := local_midnight(day)) <= end:
        yield quarter_of(midnight)
        day += timedelta(days=1)

"""A few days of the simulated year: around the begin of summer time with a change of month, and around the turn of the year."""

import re
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from tests.scenario.year import Run, run
from tests.scenario.year_contracts import span_of
from tests.scenario.year_faults import KINDS, plan
from tests.scenario.year_report import report_page

pytestmark = pytest.mark.req("MEAS-01", "MEAS-03", "TAF-20", "LOG-01", "WAN-05", "TIME-02")


SPRING = (
    "telegram lost", "meter silent", "power cut", "cut at a receipt", "clock wrong", "clock far off", "disk full", "register fell",
    "event unknown", "telegram late", "bit flipped",
)  # fmt: skip
TURN = ("line noise", "clock off", "meter opened", "meter broken", "event late", "telegram doubled", "stranger heard", "restart")


@pytest.mark.parametrize(
    ("first", "days", "kinds"), [(date(2025, 3, 30), 3, SPRING), (date(2025, 12, 31), 2, TURN)], ids=["summer time", "turn of the year"]
)
def test_some_days_with_many_faults_add_up(tmp_path: Path, first: date, days: int, kinds: tuple[str, ...]) -> None:
    done = run(tmp_path, first=first, days=days, kinds=kinds)
    assert {check.name: check.problems for check in done.checks if not check.passed} == {}
    assert sorted(fault.kind for fault in done.faults if fault.done) == sorted(kinds)
    assert sum(len(values) for values in done.evidence.registers.values()) > 20
    check_page(done)


def check_page(done: Run) -> None:
    """Assert that the page says what was found, and needs nothing from elsewhere."""
    page = report_page(done)
    assert "every check passed" in page
    assert not re.search(r"https?://|<script|src=|url\(", page)
    values = [value for booked in done.evidence.registers.values() for value in booked]
    assert page.count('class="chip good">exact') == sum(value.obis.e == 0 and value.taf in (2, 3, 4, 5) for value in values)
    for fault in done.faults:
        assert fault.kind in page


def test_a_plan_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        plan(span_of(date(2025, 12, 31), 2), 1, list(KINDS))


def test_the_plan_follows_its_seed_and_leaves_nothing_out() -> None:
    span = span_of(date(2027, 10, 1), 366)
    faults = plan(span, 1)
    assert faults == plan(span, 1) != plan(span, 2)
    assert {fault.kind for fault in faults} == set(KINDS)
    assert all(before.end <= after.start for before, after in pairwise(faults))
    assert span.start < faults[0].start
    assert faults[-1].end < span.end

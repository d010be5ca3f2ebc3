"""Versions and terms: at every moment the newest version that has begun holds, and no other."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.gateway_parts import evaluation_profile

from smgw.core.contract import shown_terms, term_at, terms
from smgw.core.profiles import EvaluationProfile

pytestmark = pytest.mark.req("TAF-24")
START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def version(number: int, start: int, end: int | None = None, **changes: object) -> EvaluationProfile:
    held = {"valid_from": START + start * DAY, "valid_to": None if end is None else START + end * DAY, "version": number} | changes
    return msgspec.structs.replace(evaluation_profile(), **held)


def spans(found: list[EvaluationProfile]) -> list[tuple[int, int, int | None]]:
    return [(t.version, (t.valid_from - START).days, None if t.valid_to is None else (t.valid_to - START).days) for t in found]


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([version(1, 0)], [(1, 0, None)]),
        ([version(1, 0), version(2, 5)], [(1, 0, 5), (2, 5, None)]),
        ([version(1, 0, 3), version(2, 5)], [(1, 0, 3), (2, 5, None)]),
        # The same start replaces; so does an earlier one, and whoever takes a plan back installs one more.
        ([version(1, 0), version(2, 0, 9)], [(2, 0, 9)]),
        ([version(1, 0), version(2, 8), version(3, 4)], [(1, 0, 4), (3, 4, None)]),
        ([version(1, 0), version(2, 8), version(3, 0, 6)], [(3, 0, 6)]),
    ],
)
def test_a_version_holds_until_the_next_one_begins(versions: list[EvaluationProfile], expected: list[tuple[int, int, int | None]]) -> None:
    assert spans(terms(versions)) == expected
    assert terms(reversed(versions)) == terms(versions)


@given(st.lists(st.tuples(st.integers(0, 20), st.none() | st.integers(1, 20)), min_size=1, max_size=8))
def test_at_each_moment_the_newest_version_that_has_begun_holds(drawn: list[tuple[int, int | None]]) -> None:
    versions = [version(number, start, None if days is None else start + days) for number, (start, days) in enumerate(drawn, 1)]
    found = terms(versions)
    for day in range(45):
        moment = START + day * DAY
        begun = [one for one in versions if one.valid_from <= moment]
        newest = max(begun, key=lambda one: one.version, default=None)
        holds = [newest.version] if newest is not None and (newest.valid_to is None or moment < newest.valid_to) else []
        assert [t.version for t in found if t.valid_from <= moment and (t.valid_to is None or moment < t.valid_to)] == holds


def test_a_consumer_sees_the_version_that_holds_from_its_first_beginning() -> None:
    found = terms([version(1, 0), version(2, 5, recipients=()), version(3, 9, registers=("1-0:1.8.0*255",))])
    assert spans(term_at(found, START - DAY)) == [(1, 0, 5)]
    assert spans(term_at(found, START + 5 * DAY)) == [(2, 5, 9)]
    assert spans(shown_terms(found, START + 6 * DAY)) == [(2, 0, 9)]
    # Registers that were not measured before are not shown from before.
    assert spans(shown_terms(found, START + 9 * DAY)) == [(3, 9, None)]
    paused = terms([version(1, 0, 3), version(2, 5)])
    assert spans(shown_terms(paused, START + 6 * DAY)) == [(2, 5, None)]
    assert spans(term_at(terms([version(1, 0, 3)]), START + 6 * DAY)) == [(1, 0, 3)]

"""The places in which TRuDI books otherwise than its own rule: followed is the rule, told is the difference."""

from collections.abc import Collection, Sequence
from datetime import timedelta

import pytest
from tests.trudi_files import START, berlin, day_night, device, meter_reading, quarter_hours, stage, supplier

from smgw.codec.trudi_model import IntervalReading
from smgw.transparency.findings import FINDINGS, Finding, local_text
from smgw.transparency.recompute import Verification, verify

END = berlin(2026, 11, 6)
FULL = quarter_hours(START, END)


def _two_days(profile: Sequence[int], gap: Collection[float] = (), invalid: Collection[float] = ()) -> Verification:
    """Price two days of one profile; `gap` and `invalid` are hours since the start, in quarter steps."""
    readings: list[IntervalReading] = []
    for number, held in enumerate(FULL):
        hour = number / 4
        if hour in gap:
            continue
        readings.append(IntervalReading(held.value, held.period, status_ptb=3 if hour in invalid else 0))
    tariff = supplier(end=END, stages=(stage(1), stage(2)), profiles={"1": profile})
    return verify(tariff, device(meter_reading(readings)))


def _trudi(verification: Verification) -> list[tuple[str, int | None, int | None, int | None]]:
    return [(held.code, held.value, held.tariff, held.other) for held in verification.findings if held.code.startswith("trudi_")]


def _hours(start: float, end: float) -> list[float]:
    """Give the quarter hours between two hours, both left out."""
    return [number / 4 for number in range(int(start * 4) + 1, int(end * 4))]


LATE = (1,) * 95 + (2,)
EARLY = (2,) + (1,) * 95


@pytest.mark.parametrize(
    ("profile", "gap", "expected"),
    [
        # Nothing differs: full lists, gaps in one tariff, gaps over a switch, over midnight inside one tariff.
        (day_night(), [], []),
        (day_night(), _hours(8, 12), []),
        (day_night(), _hours(5, 8), []),
        (day_night(), _hours(22, 29), []),
        (day_night(), _hours(22, 32), []),
        # The last slot of a day, on both days.
        (LATE, [], [("trudi_last_slot", 10, 2, 1), ("trudi_last_slot", 10, 2, 1)]),
        (LATE, _hours(23, 24), [("trudi_last_slot", 40, 63, 1), ("trudi_last_slot", 10, 2, 1)]),
        # A gap over a switch that ends where the last slot starts.
        (day_night(), _hours(20, 23.75), [("trudi_last_slot", 10, 1, 63)]),
        # A gap over midnight that ends on a switch, and one that starts on a switch.
        (day_night(), _hours(22, 30), [("trudi_midnight_gap", 320, 1, 63)]),
        (day_night(), _hours(21, 28), [("trudi_midnight_gap", 280, 1, 63)]),
        ((1,) * 96, _hours(0, 30), [("trudi_midnight_gap", 1200, 1, 63)]),
        # A gap over midnight in which only the last or the first slot of a day has another tariff.
        (LATE, _hours(22, 26), [("trudi_midnight_gap", 160, 63, 1), ("trudi_last_slot", 10, 2, 1)]),
        (EARLY, _hours(22, 26), [("trudi_midnight_gap", 160, 63, 1)]),
    ],
)
@pytest.mark.req("TAF-22", "CON-06")
def test_tells_where_trudi_books_otherwise(profile: Sequence[int], gap: list[float], expected: list[tuple[str, int, int, int]]) -> None:
    result = _two_days(profile, gap=gap)
    assert _trudi(result) == expected
    assert sum(register.value for register in result.registers) == 1920


@pytest.mark.req("TAF-22")
def test_tells_that_trudi_counts_from_zero_after_an_invalid_start() -> None:
    result = _two_days(day_night(), invalid=[0, 0.25])
    assert _trudi(result) == [("trudi_opening", 20, 63, 1020)]


def test_every_sentence_can_be_written_in_both_languages() -> None:
    for code in FINDINGS:
        finding = Finding(code, "1-0:1.8.0*255", START, END, 3, 40, 1, 63)
        for language in ("de", "en"):
            text = finding.text(language)
            assert "None" not in text
            assert "{" not in text
        assert finding.as_json()["text"] == finding.text("en")


def test_a_finding_gives_only_what_it_says() -> None:
    assert Finding("list_not_billed", "1-0:2.8.0*255").as_json() == {
        "code": "list_not_billed",
        "register": "1-0:2.8.0*255",
        "text": "The supplier has no tariff stage for this list",
    }


@pytest.mark.req("TAF-21")
def test_times_are_written_in_legal_time() -> None:
    first = berlin(2026, 10, 25, 2, 30)
    assert local_text(START, "de") == "04.11.2026 00:00"
    assert local_text(START, "en") == "2026-11-04 00:00"
    assert local_text(first, "en") == "2026-10-25 02:30 (CEST)"
    assert local_text(first + timedelta(hours=1, seconds=5), "de") == "25.10.2026 02:30:05 (CET)"
    assert local_text(None, "de") == ""

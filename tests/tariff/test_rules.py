"""Rule sets: what does not fit is refused with its own code, and profiles can't change what was evaluated."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tariff.series import local, profile

from smgw.core.errors import SmgwError
from smgw.core.profiles import EvaluationProfile
from smgw.core.quantity import Quantity
from smgw.tariff.rules import (
    Bands,
    CalendarRules,
    Consent,
    Credit,
    CreditRules,
    EventRules,
    ReadOutReason,
    ReadOutRequest,
    SwitchAction,
    Threshold,
    TriggerRules,
    Window,
    check_consent,
    check_installable,
)

NOW = datetime(2026, 11, 4, 12, tzinfo=UTC)
_DAYS = {"work": {"06:00": 2, "21:00": 1}, "rest": {"00:00": 1}}


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: CalendarRules(stages=(), days=_DAYS), "tariff.stage_count"),
        (lambda: CalendarRules(stages=tuple(range(1, 22)), days=_DAYS), "tariff.stage_count"),
        (lambda: CalendarRules(stages=(1, 63), days=_DAYS), "tariff.stage_count"),
        (lambda: CalendarRules(stages=(0, 1), days=_DAYS), "tariff.stage_unknown"),
        (lambda: CalendarRules(stages=(1, 2), days={"work": {"6:00": 1}}), "tariff.day_profile"),
        (lambda: CalendarRules(stages=(1, 2), days=_DAYS, yearly={"13-01": "rest"}), "tariff.day_profile"),
        (lambda: Bands(thresholds=(2, 2), stages=(1, 2, 3)), "tariff.bands"),
        (lambda: Bands(thresholds=(3, 2), stages=(1, 2, 3)), "tariff.bands"),
        (lambda: Bands(thresholds=(0,), stages=(1, 2)), "tariff.bands"),
        (lambda: Bands(thresholds=(5,), stages=(1,)), "tariff.bands"),
        (lambda: Bands(thresholds=(5,), stages=(1, 1)), "tariff.bands"),
        (lambda: Bands(thresholds=(), stages=()), "tariff.stage_count"),
        (lambda: EventRules(stages=(1,), events={"high": 2}), "tariff.stage_unknown"),
        (lambda: EventRules(stages=(1,), events={"high": 1}, default=2), "tariff.stage_unknown"),
        (lambda: EventRules(stages=(1,), events={}), "tariff.rules"),
        (lambda: EventRules(stages=(1,), events={"high": 1}, latency_s=-1), "tariff.rules"),
        (lambda: EventRules(stages=(1,), events={"high": 1}, latency_s=86_401), "tariff.rules"),
        (lambda: _request(requested_by=" "), "tariff.reason"),
        (lambda: _request(last=date(2026, 10, 31)), "tariff.period"),
        (lambda: Window(start="17:05", end="20:00"), "tariff.rules"),
        (lambda: Window(start="17:00", end="24:00"), "tariff.rules"),
        (lambda: Threshold(register="1-0:16.7.0*255"), "tariff.rules"),
        (lambda: Threshold(register="1-0:16.7.0*255", above=1, below=1), "tariff.rules"),
        (lambda: Threshold(register="power", above=1), "value.obis"),
        (lambda: Consent(consumer_id="c.sm", recipient="p.sm", valid_from=NOW, valid_to=NOW), "tariff.period"),
        (lambda: TriggerRules(recipient=""), "tariff.rules"),
        (lambda: TriggerRules(recipient="p.sm", interval_s=-1), "tariff.rules"),
        (lambda: TriggerRules(recipient="p.sm", pseudonym="1SGW0010000001"), "tariff.rules"),
        (lambda: TriggerRules(recipient="p.sm", thresholds=(Threshold(register="1-0:16.7.0", above=1),) * 21), "tariff.rules"),
        (lambda: SwitchAction(at=NOW, device="", action="on", ordered_by="p.sm"), "tariff.rules"),
        (lambda: SwitchAction(at=NOW, device="d", action="limit", ordered_by="p.sm"), "tariff.rules"),
        (lambda: SwitchAction(at=NOW, device="d", action="on", ordered_by="p.sm", limit_w=1), "tariff.rules"),
        (lambda: SwitchAction(at=NOW, device="d", action="limit", ordered_by="p.sm", limit_w=-1), "tariff.rules"),
        (lambda: CreditRules(warning=-1), "tariff.rules"),
        (lambda: Credit(credit_id="1", at=NOW, amount=0), "tariff.credit"),
    ],
)
def test_what_does_not_fit_is_refused(make: Callable[[], object], code: str) -> None:
    with pytest.raises(SmgwError) as caught:
        make()
    assert caught.value.code == code


def _request(**changed: object) -> ReadOutRequest:
    fields = {
        "reason": ReadOutReason.MOVE,
        "requested_by": "supplier1.sm",
        "first": date(2026, 11, 1),
        "last": date(2026, 11, 3),
        "asked_at": NOW,
    }
    return ReadOutRequest(**{**fields, **changed})  # type: ignore[arg-type]


@given(st.integers(-(10**12), 10**12), st.integers(-6, 6), st.integers(-6, 6), st.sets(st.integers(1, 10**6), max_size=6))
def test_bands_compare_exactly_whatever_the_scalers(raw: int, scaler: int, band_scaler: int, limits: set[int]) -> None:
    thresholds = tuple(sorted(limits))
    bands = Bands(thresholds=thresholds, stages=tuple(range(1, len(thresholds) + 2)), scaler=band_scaler)
    amount = Quantity(raw, scaler, 27)
    exact = [Quantity(threshold, band_scaler, 27).decimal() for threshold in thresholds]
    assert bands.stage_from(amount) == 1 + sum(limit <= amount.decimal() for limit in exact)
    assert bands.stage_up_to(amount) == 1 + sum(limit < amount.decimal() for limit in exact)


def test_a_band_knows_its_thresholds() -> None:
    bands = Bands(thresholds=(5, 9), stages=(4, 2, 7))
    assert [bands.band(stage) for stage in (4, 2, 7)] == [(None, 5), (5, 9), (9, None)]


@pytest.mark.parametrize(
    ("window", "start", "end", "inside"),
    [
        (("17:00", "20:00"), "17:00", "17:15", True),
        (("17:00", "20:00"), "19:45", "20:00", True),
        (("17:00", "20:00"), "19:45", "20:15", False),
        (("17:00", "20:00"), "16:45", "17:00", False),
        (("17:00", "20:00"), "16:45", "17:15", False),
        (("22:00", "06:00"), "23:45", "00:00", True),
        (("22:00", "06:00"), "00:00", "00:15", True),
        (("22:00", "06:00"), "05:45", "06:00", True),
        (("22:00", "06:00"), "06:00", "06:15", False),
        (("00:00", "00:00"), "12:00", "12:15", True),
        (("00:00", "00:00"), "23:45", "00:00", True),
    ],
)
def test_a_window_of_local_time_may_reach_over_midnight(window: tuple[str, str], start: str, end: str, inside: bool) -> None:
    first, last = (datetime(2026, 11, 4, int(text[:2]), int(text[3:]), tzinfo=UTC) for text in (start, end))
    assert Window(start=window[0], end=window[1]).holds(first, last) is inside


@pytest.mark.parametrize(
    ("threshold", "raw", "beyond"),
    [
        (Threshold(register="1-0:16.7.0", above=4, scaler=3), 40_000, False),
        (Threshold(register="1-0:16.7.0", above=4, scaler=3), 40_001, True),
        (Threshold(register="1-0:16.7.0", below=-4, scaler=3), -40_000, False),
        (Threshold(register="1-0:16.7.0", below=-4, scaler=3), -40_001, True),
        (Threshold(register="1-0:16.7.0", below=0), -1, True),
    ],
)
def test_on_a_threshold_is_not_beyond_it(threshold: Threshold, raw: int, beyond: bool) -> None:
    assert threshold.is_beyond(Quantity(raw, -1, 27)) is beyond


@pytest.mark.parametrize(
    ("consent", "consumer", "recipient", "moment"),
    [
        (None, "c.sm", "p.sm", NOW),
        (Consent(consumer_id="d.sm", recipient="p.sm", valid_from=NOW), "c.sm", "p.sm", NOW),
        (Consent(consumer_id="c.sm", recipient="q.sm", valid_from=NOW), "c.sm", "p.sm", NOW),
        (Consent(consumer_id="c.sm", recipient="p.sm", valid_from=NOW), "c.sm", "p.sm", NOW - timedelta(seconds=1)),
        (Consent(consumer_id="c.sm", recipient="p.sm", valid_from=NOW, valid_to=NOW + timedelta(1)), "c.sm", "p.sm", NOW + timedelta(1)),
    ],
)
@pytest.mark.req("TAF-13", "TAF-14")
def test_a_consent_is_one_consumers_for_one_recipient_and_time(
    consent: Consent | None, consumer: str, recipient: str, moment: datetime
) -> None:
    with pytest.raises(SmgwError) as caught:
        check_consent(consent, consumer, recipient, moment)
    assert caught.value.code == "tariff.consent"


def _installed(
    profile_id: str, start: datetime, end: datetime | None = None, *, taf: int = 2, version: int = 1, **more: object
) -> EvaluationProfile:
    changed = {"profile_id": profile_id, "valid_from": start, "valid_to": end, "taf": taf, "version": version, **more}
    return msgspec.structs.replace(profile(taf), **changed)


PAST = local(2026, 1, 1)
MARCH, MAY, JULY = (local(2027, month, 1) for month in (3, 5, 7))


@pytest.mark.parametrize(
    ("new", "others", "code"),
    [
        (_installed("a.sm", local(2026, 11, 1)), [], "tariff.profile_past"),
        (_installed("a.sm", MARCH + timedelta(seconds=1)), [], "tariff.period"),
        (_installed("a.sm", MARCH + timedelta(hours=1), period_s=86_400), [], "tariff.period"),
        (_installed("a.sm", MARCH, MARCH), [], "tariff.period"),
        (_installed("a.sm", MARCH, period_s=7), [], "tariff.raster"),
        (_installed("a.sm", MARCH, MARCH + timedelta(seconds=1)), [], "tariff.period"),
        # Another version of the same profile that changes what holds, and another price of the same register.
        (_installed("a.sm", PAST, taf=7, version=2), [_installed("a.sm", PAST)], "tariff.profile_past"),
        (_installed("a.sm", PAST, version=2, rules={"stages": [1]}), [_installed("a.sm", PAST)], "tariff.profile_past"),
        (_installed("a.sm", PAST, MARCH, version=2), [_installed("a.sm", PAST, local(2026, 2, 1))], "tariff.profile_past"),
        (_installed("a.sm", PAST, local(2026, 2, 1), version=2), [_installed("a.sm", PAST)], "tariff.profile_past"),
        (_installed("a.sm", PAST, version=2), [_installed("a.sm", PAST, MARCH), _installed("b.sm", MARCH)], "tariff.profile_overlap"),
        (_installed("b.sm", MARCH), [_installed("a.sm", local(2026, 1, 1))], "tariff.profile_overlap"),
        (_installed("b.sm", MARCH), [_installed("a.sm", MAY, JULY)], "tariff.profile_overlap"),
        (_installed("b.sm", MARCH, JULY), [_installed("a.sm", MAY)], "tariff.profile_overlap"),
    ],
)
@pytest.mark.req("TAF-23", "TAF-24")
def test_profiles_neither_start_in_the_past_nor_overlap(new: EvaluationProfile, others: list[EvaluationProfile], code: str) -> None:
    with pytest.raises(SmgwError) as caught:
        check_installable(new, others, NOW)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("new", "others"),
    [
        (_installed("a.sm", MARCH), []),
        (_installed("a.sm", MARCH), [_installed("a.sm", MARCH)]),
        (_installed("a.sm", MARCH, version=2), [_installed("a.sm", local(2026, 1, 1), MARCH)]),
        (_installed("a.sm", MARCH, version=2), [_installed("a.sm", PAST)]),
        (_installed("a.sm", MARCH, taf=7, version=2), [_installed("a.sm", PAST, MAY, taf=7)]),
        (_installed("a.sm", MARCH, version=3), [_installed("a.sm", PAST, MAY), _installed("a.sm", MAY, version=2)]),
        (_installed("a.sm", PAST, MARCH, version=2, recipients=("emt2.sm",)), [_installed("a.sm", PAST)]),
        (_installed("a.sm", PAST, version=2), [_installed("a.sm", PAST, MARCH)]),
        (_installed("b.sm", MARCH, MAY), [_installed("a.sm", local(2026, 1, 1), MARCH), _installed("c.sm", MAY)]),
        (_installed("b.sm", MARCH, taf=7), [_installed("a.sm", local(2026, 1, 1), taf=7)]),
        (_installed("b.sm", MARCH, taf=1), [_installed("a.sm", local(2026, 1, 1))]),
        (_installed("b.sm", MARCH, consumer_id="consumer2.sm"), [_installed("a.sm", local(2026, 1, 1))]),
        (_installed("b.sm", MARCH, registers=("1-0:2.8.0*255",)), [_installed("a.sm", local(2026, 1, 1))]),
        (_installed("b.sm", MARCH, period_s=86_400), []),
    ],
)
@pytest.mark.req("TAF-23", "TAF-24")
def test_several_profiles_on_one_meter(new: EvaluationProfile, others: list[EvaluationProfile]) -> None:
    check_installable(new, others, NOW)

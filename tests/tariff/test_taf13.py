"""TAF 13: copies for a portal, unchanged, and only as far as the consumer consented."""

from datetime import UTC, datetime

import msgspec
import pytest
from tests.tariff.series import local, profile, reading

from smgw.core.errors import DomainFault
from smgw.core.register import RegisterValue
from smgw.tariff import taf01, taf07
from smgw.tariff.rules import Consent
from smgw.tariff.taf13 import evaluate

NOW = datetime(2026, 11, 4, 12, tzinfo=UTC)
CONSENT = Consent(consumer_id="consumer1.sm", recipient="portal1.sm", valid_from=local(2026, 2, 1), valid_to=local(2027, 1, 1))


def _months(*months: int) -> list[RegisterValue]:
    values = []
    for month in months:
        start, end = local(2026, month, 1), local(2026, month + 1, 1)
        values += taf01.evaluate(profile(1), [reading(start, month), reading(end, month + 5)], start, end, end)
    return values


@pytest.mark.parametrize(
    ("source", "consent", "recipient", "code"),
    [
        (3, CONSENT, "portal1.sm", "tariff.source"),
        (9, CONSENT, "portal1.sm", "tariff.source"),
        (2, CONSENT, "portal1.sm", "tariff.source"),
        (1, None, "portal1.sm", "tariff.consent"),
        (1, CONSENT, "portal2.sm", "tariff.consent"),
        (1, msgspec.structs.replace(CONSENT, consumer_id="consumer2.sm"), "portal1.sm", "tariff.consent"),
        (1, msgspec.structs.replace(CONSENT, valid_to=NOW), "portal1.sm", "tariff.consent"),
    ],
)
@pytest.mark.req("TAF-13")
def test_nothing_is_copied_without_consent_or_from_elsewhere(source: int, consent: Consent | None, recipient: str, code: str) -> None:
    with pytest.raises(DomainFault) as caught:
        evaluate(source, consent, consumer_id="consumer1.sm", recipient=recipient, registers=_months(3), now=NOW)
    assert caught.value.code == code


@pytest.mark.req("TAF-13")
def test_only_what_lies_wholly_in_the_time_of_the_consent_is_copied_and_it_stays_as_it_is() -> None:
    values = _months(1, 2, 3)
    copy = evaluate(1, CONSENT, consumer_id="consumer1.sm", recipient="portal1.sm", registers=values, now=NOW)
    assert copy.registers == tuple(values[1:])
    assert (copy.recipient, copy.source_taf, copy.values) == ("portal1.sm", 1, ())


@pytest.mark.req("TAF-13", "TAF-07")
def test_readings_of_a_series_are_copied_by_their_target_time() -> None:
    start, end = local(2026, 1, 31, 23, 30), local(2026, 2, 1, 0, 30)
    readings = [reading(local(2026, 1, 31, 23, 45), 1), reading(local(2026, 2, 1), 2), reading(local(2026, 2, 1, 0, 15), 3)]
    series = taf07.evaluate(profile(7), readings, start, end)
    copy = evaluate(7, CONSENT, consumer_id="consumer1.sm", recipient="portal1.sm", values=series, now=NOW)
    assert copy.values == tuple(series[1:])
    assert [value.source is None for value in copy.values] == [False, False, True]

"""TAF 6: daily values of the past six weeks, for a reason."""

from datetime import UTC, date, datetime, timedelta

import pytest
from tests.tariff.series import local, profile, reading

from smgw.core.errors import DomainFault
from smgw.core.instant import local_midnight
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.status_word import GatewayStatus
from smgw.tariff.rules import ReadOutReason, ReadOutRequest
from smgw.tariff.taf06 import evaluate, oldest_day

ASKED = datetime(2026, 11, 2, 8, 30, tzinfo=UTC)


def _request(first: date, last: date, asked_at: datetime = ASKED) -> ReadOutRequest:
    return ReadOutRequest(reason=ReadOutReason.MOVE, requested_by="supplier1.sm", first=first, last=last, asked_at=asked_at)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2026, 9, 20), date(2026, 9, 30)),
        (date(2026, 11, 1), date(2026, 11, 3)),
        (date(2026, 11, 3), date(2026, 11, 3)),
    ],
)
@pytest.mark.req("TAF-06")
def test_days_that_are_gone_or_have_not_begun_are_refused(first: date, last: date) -> None:
    with pytest.raises(DomainFault) as caught:
        evaluate(profile(6), _request(first, last), [])
    assert caught.value.code == "tariff.day_not_kept"


@pytest.mark.req("TAF-06", "TAF-21")
def test_six_weeks_of_local_days_are_kept() -> None:
    request = _request(date(2026, 9, 21), date(2026, 11, 2))
    assert oldest_day(request) == date(2026, 9, 21)
    values = evaluate(profile(6), request, []).values
    assert [value.reading.target_time for value in values] == [local_midnight(date(2026, 9, 21) + timedelta(n)) for n in range(43)]
    # An hour before midnight UTC it is the next day in Berlin already.
    assert oldest_day(_request(date(2026, 10, 1), date(2026, 10, 1), datetime(2026, 11, 1, 23, 30, tzinfo=UTC))) == date(2026, 9, 21)


@pytest.mark.req("TAF-06")
def test_each_day_has_its_reading_or_says_that_there_is_none() -> None:
    readings = [
        reading(local(2026, 10, 25), 100, sequence=1),
        reading(local(2026, 10, 25, 0, 15), 101, sequence=2),
        reading(local(2026, 10, 27), 120, sequence=3),
        reading(local(2026, 10, 26), 9, sequence=4, obis=ACTIVE_ENERGY_EXPORT),
    ]
    both = profile(6, str(ACTIVE_ENERGY_IMPORT), str(ACTIVE_ENERGY_EXPORT))
    read_out = evaluate(both, _request(date(2026, 10, 25), date(2026, 10, 27)), readings)
    assert read_out.request.reason == "move"
    assert [value.source.sequence if value.source else None for value in read_out.values] == [1, None, 3, None, 4, None]
    assert [value.reading.obis for value in read_out.values] == [ACTIVE_ENERGY_IMPORT] * 3 + [ACTIVE_ENERGY_EXPORT] * 3
    assert all(value.reading.gateway_status & GatewayStatus.NO_VALUE for value in read_out.values if value.source is None)

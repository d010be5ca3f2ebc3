"""TAF 11: each control action is recorded with the reading at it."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.tariff.series import CREATED, profile, reading

from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.rules import SwitchAction
from smgw.tariff.taf11 import evaluate, record

NOON = datetime(2026, 11, 4, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
OFF = SwitchAction(at=NOON + timedelta(minutes=5), device="wallbox1", action="off", ordered_by="grid1.sm")


@pytest.mark.parametrize(
    "readings",
    [
        [],
        [reading(NOON - timedelta(minutes=11), 5)],
        [reading(NOON, 5, gateway_status=GATEWAY_OK | GatewayStatus.TIME_NOT_VALID)],
        [reading(NOON, None)],
        [reading(NOON + timedelta(minutes=6), 5)],
        [reading(NOON, 5, meter_id="1SGW0010000002")],
        [reading(NOON, 5, obis=ACTIVE_ENERGY_EXPORT)],
    ],
)
@pytest.mark.req("TAF-11")
def test_an_action_without_usable_reading_is_recorded_and_says_so(readings: list[object]) -> None:
    kept = record(profile(11), OFF, readings, CREATED)  # type: ignore[arg-type]
    (value,) = kept.values
    assert kept.action == OFF
    assert (value.raw, value.gateway_status, value.inputs) == (None, GATEWAY_OK | GatewayStatus.NO_VALUE, ())
    assert (value.period_start, value.period_end) == (OFF.at - QUARTER, OFF.at)


@pytest.mark.req("TAF-11")
def test_the_latest_usable_reading_at_the_action_counts() -> None:
    readings = [
        reading(NOON - QUARTER, 1, sequence=1),
        reading(NOON, 2, sequence=2),
        reading(NOON + timedelta(minutes=2), 3, sequence=3, gateway_status=GATEWAY_OK | GatewayStatus.WARNING),
        reading(NOON + timedelta(minutes=4), 4, sequence=4, gateway_status=GATEWAY_OK | GatewayStatus.ERROR),
        reading(NOON + QUARTER, 5, sequence=5),
        reading(NOON, 9, sequence=6, obis=ACTIVE_ENERGY_EXPORT),
    ]
    both = profile(11, str(ACTIVE_ENERGY_IMPORT), str(ACTIVE_ENERGY_EXPORT))
    values = record(both, OFF, readings, CREATED).values
    assert [(value.obis, value.raw, value.inputs, value.period_start) for value in values] == [
        (ACTIVE_ENERGY_IMPORT, 3, (3,), NOON + timedelta(minutes=2)),
        (ACTIVE_ENERGY_EXPORT, 9, (6,), NOON),
    ]
    assert {(value.taf, value.period_end, value.created_at) for value in values} == {(11, OFF.at, CREATED)}
    assert values[0].gateway_status == GATEWAY_OK | GatewayStatus.WARNING


@pytest.mark.req("TAF-11")
def test_actions_are_recorded_in_the_order_of_time() -> None:
    limit = SwitchAction(at=NOON, device="wallbox1", action="limit", limit_w=4200, ordered_by="grid1.sm")
    release = SwitchAction(at=NOON, device="wallbox1", action="release", ordered_by="grid1.sm")
    records = evaluate(profile(11), [OFF, limit, release], [reading(NOON, 2)], CREATED)
    assert [kept.action for kept in records] == [limit, release, OFF]
    assert [kept.values[0].raw for kept in records] == [2, 2, 2]

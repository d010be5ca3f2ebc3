"""Every use case through its adapter: registers, explained bookings, and what the examples of the project promise."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from tests.tariff.series import local, reading

from smgw.core.errors import DomainFault
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, ACTIVE_POWER
from smgw.core.reading import SignedReading
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.tariff.outcome import Outcome
from smgw.tariff.profile_file import read_profile
from smgw.tariff.run import ADAPTERS, run

START = local(2026, 11, 4)
QUARTER = timedelta(minutes=15)
CALENDAR = """[rules]
stages = [1, 2]
week = ["a", "a", "a", "a", "a", "a", "a"]
days = { a = { "06:00" = 2, "21:00" = 1 } }
"""


def _series(count: int = 97, *, without: Iterable[int] = (), amount: int = 10) -> list[SignedReading]:
    return [reading(START + number * QUARTER, number * amount, sequence=number) for number in range(count) if number not in without]


def _run(number: int, more: str, readings: list[SignedReading], *, days: str = "start = 2026-11-04\nend = 2026-11-05\n") -> Outcome:
    head = f'tariff_use_case = {number}\nname = "t.sm"\n{days}'
    registers = "" if "registers" in more else 'registers = ["1-0:1.8.0*255"]\n'
    return run(read_profile((head + registers + more).encode()), readings)


def _amounts(outcome: Outcome) -> dict[int, int | None]:
    return {value.obis.e: value.raw for value in outcome.registers}


def _bookings(outcome: Outcome) -> list[tuple[int, int | None, int | None, str]]:
    return [((booking.start - START) // QUARTER, booking.raw, booking.stage, booking.why) for booking in outcome.bookings]


def test_each_use_case_has_an_adapter() -> None:
    assert list(ADAPTERS) == list(range(1, 15))


@pytest.mark.parametrize(
    ("number", "more", "code"),
    [
        (1, "billing_months = 1\n", "tariff.billing_period"),
        (1, "billing_months = 4\n", "tariff.billing_period"),
        (2, CALENDAR.replace("stages = [1, 2]", "stages = [1]"), "tariff.stage_unknown"),
        (2, CALENDAR.replace('week = ["a", "a", "a", "a", "a", "a", "a"]', 'special = { 2026-11-05 = "a" }'), "tariff.calendar_gap"),
        (2, CALENDAR.replace('"a"]', '"b"]'), "tariff.day_profile"),
        (3, "period_s = 7\n[rules]\nthresholds = []\nstages = [1]\n", "tariff.raster"),
        (3, "period_s = 86400\n[rules]\nthresholds = []\nstages = [1]\n", "tariff.power"),
        (6, '[request]\nreason = "move"\nrequested_by = "s.sm"\nfirst = 2026-01-01\nlast = 2026-01-01\nasked_at = 2026-11-04T00:00:00Z\n',
         "tariff.day_not_kept"),
        (9, '[rules]\nrecipient = "g.sm"\ninterval_s = 5\n', "tariff.rules"),
        (10, '[rules]\nrecipient = "g.sm"\n', "tariff.registers"),
        (13, 'source = 7\nrecipient = "p.sm"\n', "tariff.consent"),
        (14, '[rules]\nrecipient = "g.sm"\ninterval_s = 60\n', "tariff.consent"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(number: int, more: str, code: str) -> None:
    with pytest.raises(DomainFault) as caught:
        _run(number, more, _series())
    assert caught.value.code == code


@pytest.mark.req("TAF-01")
def test_taf01_gives_each_billing_period() -> None:
    ends = [local(2026, month, 1) for month in (9, 10, 11)]
    readings = [reading(moment, 100 * number, sequence=number) for number, moment in enumerate(ends)]
    outcome = _run(1, "", readings, days="start = 2026-09-01\nend = 2026-11-01\n")
    assert [value.raw for value in outcome.registers] == [100, 100]
    assert {booking.why for booking in outcome.bookings} == {"reading at the end less reading at the start"}
    late = [*readings[:2], reading(ends[2] + QUARTER, 210, sequence=9)]
    outcome = _run(1, "", late, days="start = 2026-09-01\nend = 2026-11-01\n")
    assert [value.raw for value in outcome.registers] == [100, None, 110]
    assert [booking.why.split()[0] for booking in outcome.bookings] == ["reading", "a", "repeated"]


@pytest.mark.req("TAF-02", "TAF-20")
def test_taf02_explains_the_stages_and_the_error_register() -> None:
    outcome = _run(2, CALENDAR, _series(without=(24,)))
    assert _amounts(outcome) == {1: 350, 2: 590, 63: 20, 0: 960}
    assert _bookings(outcome) == [
        (0, 230, 1, "stage 1 holds by the calendar"),
        (23, 20, 63, "error register: no usable reading tells the stages apart"),
        (25, 590, 2, "stage 2 holds by the calendar"),
        (84, 120, 1, "stage 1 holds by the calendar"),
    ]
    assert {finding.name for finding in outcome.findings} == {"missing", "error_register"}


@pytest.mark.req("TAF-03")
def test_taf03_explains_the_band() -> None:
    outcome = _run(3, "[rules]\nthresholds = [4, 5]\nstages = [1, 2, 3]\n", _series(without=(5,)))
    assert _amounts(outcome) == {1: 0, 2: 940, 3: 0, 63: 20, 0: 960}
    assert _bookings(outcome)[:2] == [
        (0, 40, 2, "average power from 4 W, below 5 W"),
        (4, 20, 63, "error register: a reading is missing in between"),
    ]
    assert _bookings(_run(3, "[rules]\nthresholds = []\nstages = [1]\n", _series()))[0][3] == "average power of any amount"


@pytest.mark.req("TAF-04")
def test_taf04_explains_the_quantity() -> None:
    outcome = _run(4, "[rules]\nthresholds = [50]\nstages = [1, 2]\n", _series())
    assert _bookings(outcome) == [
        (0, 500, 1, "used since the start: up to 50 Wh"),
        (50, 460, 2, "used since the start: above 50 Wh"),
    ]


@pytest.mark.req("TAF-05")
def test_taf05_takes_events_where_they_were_received() -> None:
    rules = "[rules]\nstages = [1, 2]\ndefault = 1\nevents = { low = 1, normal = 1, high = 2 }\n"
    events = '[[events]]\nname = "high"\nat = 2026-11-04T12:00:00+01:00\n[[events]]\nname = "storm"\nat = 2026-11-04T18:00:00+01:00\n'
    outcome = _run(5, rules + events, _series())
    assert _bookings(outcome) == [
        (0, 480, 1, "event low or normal holds or the default before the first event"),
        (48, 240, 2, "event high holds"),
        (72, 240, 63, "error register: the event that holds is not known to the profile"),
    ]


@pytest.mark.req("TAF-06", "TAF-07")
def test_taf06_and_taf07_list_readings() -> None:
    request = '[request]\nreason = "move"\nrequested_by = "s.sm"\nfirst = 2026-11-04\nlast = 2026-11-05\nasked_at = 2026-11-05T09:00:00Z\n'
    outcome = _run(6, request, [reading(START, 5), reading(START + QUARTER, 6)])
    assert [(booking.raw, booking.why) for booking in outcome.bookings] == [(5, "stored reading"), (None, "nothing is stored")]
    marked = reading(START + 2 * QUARTER, 7, gateway_status=GATEWAY_OK | GatewayStatus.TIME_NOT_VALID)
    outcome = _run(7, "", [reading(START + QUARTER, 6), marked])
    assert len(outcome.bookings) == 96
    assert [booking.why for booking in outcome.bookings[:3]] == ["stored reading", "stored, but not usable", "nothing is stored"]
    assert outcome.registers == ()


@pytest.mark.req("TAF-08")
def test_taf08_names_the_extremes() -> None:
    outcome = _run(8, "", _series())
    assert [(booking.raw, booking.why) for booking in outcome.bookings] == [
        (40, "highest average power of the month"),
        (40, "lowest average power of the month"),
    ]


@pytest.mark.req("TAF-09", "TAF-10", "TAF-14")
def test_pushes_show_their_cause_and_registers_the_current_values() -> None:
    more = 'registers = ["1-0:16.7.0*255", "1-0:2.8.0*255"]\n[rules]\nrecipient = "g.sm"\n'
    threshold = '[[rules.thresholds]]\nregister = "1-0:16.7.0*255"\nbelow = -4\n'
    readings = []
    for number, power in enumerate((1, -5, -6)):
        moment = START + number * QUARTER
        readings += [reading(moment, power, obis=ACTIVE_POWER, scaler=0, unit=27), reading(moment, number, obis=ACTIVE_ENERGY_EXPORT)]
    readings.append(reading(START + 1000 * QUARTER, -99, obis=ACTIVE_POWER, scaler=0, unit=27))
    outcome = _run(9, more + threshold, readings)
    assert [(booking.obis, booking.raw, booking.why) for booking in outcome.bookings] == [
        (ACTIVE_ENERGY_EXPORT, 1, "pushed by threshold to g.sm"),
        (ACTIVE_POWER, -5, "pushed by threshold to g.sm (went beyond it)"),
    ]
    assert [(value.obis, value.raw) for value in outcome.registers] == [(ACTIVE_ENERGY_EXPORT, 2), (ACTIVE_POWER, -6)]
    consent = '[rules.consent]\nconsumer_id = "consumer1.sm"\nrecipient = "g.sm"\nvalid_from = 2026-01-01T00:00:00Z\n'
    by_time = more.replace(', "1-0:2.8.0*255"', "") + "interval_s = 60\n"
    for number, rules in ((14, by_time + consent), (10, by_time)):
        assert [booking.why for booking in _run(number, rules, readings).bookings] == ["pushed by time to g.sm"] * 3


@pytest.mark.req("TAF-11")
def test_taf11_names_device_action_and_order() -> None:
    action = '[[actions]]\nat = 2026-11-04T00:20:00+01:00\ndevice = "wallbox1"\naction = "limit"\nlimit_w = 4200\nordered_by = "g.sm"\n'
    outcome = _run(11, action, _series())
    assert [(booking.raw, booking.why) for booking in outcome.bookings] == [(10, "wallbox1: limit to 4200 W, ordered by g.sm")]


@pytest.mark.req("TAF-12")
def test_taf12_lists_credits_and_signals() -> None:
    credit = '[rules]\nwarning = 10\n[[credits]]\ncredit_id = "c1"\nat = 2026-11-04T00:00:00+01:00\namount = 30\n'
    outcome = _run(12, credit, _series())
    assert [(booking.raw, booking.why) for booking in outcome.bookings] == [
        (30, "credit c1 loaded"),
        (100, "warning: this credit is left"),
        (0, "signal to cut off: this credit is left"),
    ]
    assert [value.raw for value in outcome.registers] == [960, -660]


@pytest.mark.parametrize(
    ("consent", "copied"),
    [
        ("valid_from = 2026-01-01T00:00:00+01:00\n", 96),
        ("valid_from = 2026-11-04T12:00:00+01:00\n", 49),
        ("valid_from = 2026-01-01T00:00:00Z\nvalid_to = 2026-11-04T06:00:00+01:00\n", 23),
    ],
)
@pytest.mark.req("TAF-13")
def test_taf13_copies_a_series_for_the_time_of_the_consent(consent: str, copied: int) -> None:
    head = 'source = 7\nrecipient = "p.sm"\n[consent]\nconsumer_id = "consumer1.sm"\nrecipient = "p.sm"\n'
    assert len(_run(13, head + consent, _series()).bookings) == copied


@pytest.mark.req("TAF-13")
def test_taf13_copies_registers_of_taf02() -> None:
    consent = '[consent]\nconsumer_id = "consumer1.sm"\nrecipient = "p.sm"\nvalid_from = 2026-01-01T00:00:00Z\n'
    outcome = _run(13, 'source = 2\nrecipient = "p.sm"\n' + CALENDAR + consent, _series())
    assert _amounts(outcome) == {1: 360, 2: 600, 63: 0, 0: 960}
    assert {booking.why for booking in outcome.bookings} == {"copy of TAF 2 for p.sm"}
    assert {value.taf for value in outcome.registers} == {2}
    given = "valid_from = 2026-01-01T00:00:00Z\n"
    for gone in ("valid_from = 2026-12-01T00:00:00Z\n", "valid_from = 2026-01-01T00:00:00Z\nvalid_to = 2026-02-01T00:00:00Z\n"):
        with pytest.raises(DomainFault) as caught:
            _run(13, 'source = 2\nrecipient = "p.sm"\n' + CALENDAR + consent.replace(given, gone), _series())
        assert caught.value.code == "tariff.consent"


@pytest.mark.req("TAF-23")
def test_each_register_is_evaluated_for_itself() -> None:
    more = 'registers = ["1-0:1.8.0*255", "1-0:2.8.0*255"]\n' + CALENDAR
    exported = [reading(START + number * QUARTER, number * 3, sequence=number, obis=ACTIVE_ENERGY_EXPORT) for number in range(97)]
    outcome = _run(2, more, [*_series(), *exported])
    assert [(value.obis.c, value.obis.e, value.raw) for value in outcome.registers] == [
        (1, 1, 360), (1, 2, 600), (1, 63, 0), (1, 0, 960), (2, 1, 108), (2, 2, 180), (2, 63, 0), (2, 0, 288),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "more"),
    [
        (2, CALENDAR),
        (3, "[rules]\nthresholds = [4]\nstages = [1, 2]\n"),
        (4, "[rules]\nthresholds = [40]\nstages = [1, 2]\n"),
        (5, "[rules]\nstages = [1]\ndefault = 1\nevents = { a = 1 }\n"),
    ],
)
@pytest.mark.parametrize(("day", "quarters"), [("2026-03-29", 92), ("2026-10-25", 100)])
@pytest.mark.req("TAF-20", "TAF-21")
def test_days_of_23_and_25_hours_are_booked_whole(number: int, more: str, day: str, quarters: int) -> None:
    month, date_ = int(day[5:7]), int(day[8:])
    start = local(2026, month, date_)
    readings = [reading(start + n * QUARTER, n * 10, sequence=n) for n in range(quarters + 1)]
    outcome = _run(number, more, readings, days=f"start = {day}\nend = {day[:8]}{date_ + 1}\n")
    amounts = _amounts(outcome)
    assert amounts[0] == quarters * 10 == sum(raw or 0 for stage, raw in amounts.items() if stage)
    assert amounts[63] == 0
    assert sum(booking.raw or 0 for booking in outcome.bookings) == quarters * 10
    assert [finding.name for finding in outcome.findings] == []


def test_the_meter_of_the_outcome() -> None:
    assert _run(7, "", [reading(START, 1, obis=ACTIVE_ENERGY_IMPORT)]).meter_id == "1SGW0010000001"

"""Evaluate a profile file on readings: one adapter a use case, all with the same result, each booking explained.

Source: TAF-01 to TAF-14.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, Final

from smgw.core.errors import DomainFault
from smgw.core.instant import from_microseconds, local_day, month_bounds
from smgw.core.obis import ERROR_REGISTER_TARIFF, Obis
from smgw.core.reading import Reading, SignedReading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GatewayStatus
from smgw.tariff import stages, taf01, taf02, taf03, taf04, taf05, taf06, taf07, taf08, taf09, taf10, taf11, taf12, taf13, taf14, trigger
from smgw.tariff.calendar import check_calendar, moment_of
from smgw.tariff.common import is_usable
from smgw.tariff.load_profile import POWER_UNITS
from smgw.tariff.outcome import Booking, Outcome, amount_text, choose_meter, error_registers, findings_of
from smgw.tariff.profile_file import (
    Taf01Profile,
    Taf02Profile,
    Taf03Profile,
    Taf04Profile,
    Taf05Profile,
    Taf06Profile,
    Taf07Profile,
    Taf08Profile,
    Taf09Profile,
    Taf10Profile,
    Taf11Profile,
    Taf12Profile,
    Taf13Profile,
    Taf14Profile,
    TariffProfile,
)
from smgw.tariff.rules import Bands, Credit, Event, TriggerRules
from smgw.tariff.stages import REASONS, Reason
from smgw.tariff.taf07 import SeriesValue

Results = Iterator[RegisterValue | Booking]


def _of_register(obis: Obis, readings: Iterable[SignedReading]) -> list[SignedReading]:
    return [signed for signed in readings if signed.reading.obis == obis]


def _difference(value: RegisterValue, why: str) -> Booking:
    return Booking(value.period_start, value.period_end, value.obis, value.raw, value.scaler, value.unit, None, why)


def _taf01(profile: Taf01Profile | Taf13Profile, meter_id: str, readings: Sequence[SignedReading]) -> Results:
    held = profile.evaluation_profile(meter_id, taf=1, billing_months=profile.billing_months)
    if profile.billing_months not in taf01.BILLING_MONTHS:
        raise DomainFault("tariff.billing_period", f"{profile.billing_months} months")
    start = profile.start_time
    while start < profile.end_time:
        end = month_bounds(local_day(start), profile.billing_months)[1]
        if end > profile.end_time:
            raise DomainFault("tariff.billing_period", f"{profile.start} to {profile.end}")
        for value in taf01.evaluate(held, readings, start, end, end):
            why = "reading at the end less reading at the start"
            if value.raw is None:
                why = "a reading at start or end is missing or invalid"
            elif (value.period_start, value.period_end) != (start, end):
                why = "repeated with the first usable readings at or after start and end"
            yield value
            yield _difference(value, why)
        start = end


def _taf02(profile: Taf02Profile | Taf13Profile, meter_id: str, readings: Sequence[SignedReading]) -> Results:
    assert profile.rules is not None
    calendar = profile.rules.calendar()
    check_calendar(calendar, profile.rules.stages, profile.start_time, profile.end_time)
    rules = taf02.Taf02Rules(calendar, profile.rules.stages, profile.start_time, profile.end_time)
    for obis in profile.codes:
        mine = _of_register(obis, readings)
        state = taf02.evaluate(rules, taf02.columns_of(mine, meter_id, obis))
        scaler, unit = mine[0].reading.scaler, mine[0].reading.unit
        yield from taf02.register_values(
            rules, state, profile_id=profile.name, obis=obis, scaler=scaler, unit=unit, created_at=profile.end_time
        )
        for booked in state.runs:
            why = f"stage {booked.stage} holds by the calendar"
            if booked.stage == ERROR_REGISTER_TARIFF:
                why = "error register: no usable reading tells the stages apart"
            start, end = moment_of(booked.first.quarter), moment_of(booked.last.quarter)
            yield Booking(start, end, obis.with_tariff(booked.stage), booked.raw, scaler, unit, booked.stage, why)


def _runs(state: stages.State, obis: Obis, why: Callable[[int], str]) -> Results:
    for held in state.runs:
        text = why(held.stage) if held.reason is Reason.RULE else REASONS[held.reason]
        start, end = (from_microseconds(mark.time_us) for mark in (held.first, held.last))
        yield Booking(start, end, obis.with_tariff(held.stage), held.raw, state.scaler, state.unit, held.stage, text)


def _band_text(words: tuple[str, str, str], rules: Bands, unit: int, stage: int) -> str:
    """Say in which band an amount lies; `words` name the amount and stand before its lower and its upper threshold."""
    what, before_low, before_high = words
    low, high = rules.band(stage)
    bounds = [f"{before_low} {amount_text(low, rules.scaler, unit)}"] if low is not None else []
    bounds += [f"{before_high} {amount_text(high, rules.scaler, unit)}"] if high is not None else []
    return f"{what} {', '.join(bounds) or 'of any amount'}"


def _taf03(profile: Taf03Profile, _: str, readings: Sequence[SignedReading]) -> Results:
    for obis in profile.codes:
        state = taf03.evaluate(profile.frame, profile.rules, _of_register(obis, readings))
        yield from taf03.register_values(
            profile.frame, profile.rules, state, profile_id=profile.name, obis=obis, created_at=profile.end_time
        )
        power = POWER_UNITS.get(state.unit, state.unit)
        yield from _runs(state, obis, partial(_band_text, ("average power", "from", "below"), profile.rules, power))


def _taf04(profile: Taf04Profile, _: str, readings: Sequence[SignedReading]) -> Results:
    for obis in profile.codes:
        state = taf04.evaluate(profile.frame, profile.rules, _of_register(obis, readings))
        yield from taf04.register_values(
            profile.frame, profile.rules, state, profile_id=profile.name, obis=obis, created_at=profile.end_time
        )
        yield from _runs(state, obis, partial(_band_text, ("used since the start:", "above", "up to"), profile.rules, state.unit))


def _merged(
    readings: Sequence[SignedReading], others: Sequence[Event] | Sequence[Credit], time: Callable[[Any], datetime]
) -> Iterator[Any]:
    """Put events or credits before the first reading that was captured at or after them."""
    waiting = sorted(others, key=time)
    for signed in readings:
        while waiting and time(waiting[0]) <= signed.reading.capture_time:
            yield waiting.pop(0)
        yield signed
    yield from waiting


def _taf05(profile: Taf05Profile, _: str, readings: Sequence[SignedReading]) -> Results:
    names: dict[int, str] = {}
    for name, stage in profile.rules.events.items():
        names[stage] = f"{names[stage]} or {name}" if stage in names else name

    def why(stage: int) -> str:
        default = " or the default before the first event" if stage == profile.rules.default else ""
        return f"event {names.get(stage, '–')} holds{default}"

    for obis in profile.codes:
        log = list(_merged(_of_register(obis, readings), profile.events, lambda event: event.received))
        state = taf05.evaluate(profile.frame, profile.rules, log)
        yield from taf05.register_values(
            profile.frame, profile.rules, state, profile_id=profile.name, obis=obis, created_at=profile.end_time
        )
        yield from _runs(taf05.booked_with_pending(profile.frame, profile.rules, state), obis, why)


def _series(values: Iterable[SeriesValue], period_s: int) -> Results:
    for value in values:
        reading = value.reading
        why = "stored reading" if is_usable(reading) else "stored, but not usable" if value.source else "nothing is stored"
        start = reading.target_time - timedelta(seconds=period_s)
        yield Booking(start, reading.target_time, reading.obis, reading.raw, reading.scaler, reading.unit, None, why)  # fmt: skip


def _taf06(profile: Taf06Profile, meter_id: str, readings: Sequence[SignedReading]) -> Results:
    read_out = taf06.evaluate(profile.evaluation_profile(meter_id), profile.request, readings)
    yield from _series(read_out.values, 0)


def _taf07(profile: Taf07Profile | Taf13Profile, meter_id: str, readings: Sequence[SignedReading]) -> Results:
    held = profile.evaluation_profile(meter_id, taf=7)
    yield from _series(taf07.evaluate(held, readings, profile.start_time, profile.end_time), profile.period_s)


def _taf08(profile: Taf08Profile, meter_id: str, readings: Sequence[SignedReading]) -> Results:
    for obis in profile.codes:
        values = taf08.evaluate(
            profile.frame, profile.rules, readings, meter_id=meter_id, obis=obis, profile_id=profile.name, created_at=profile.end_time
        )
        yield from values
        span = "month" if profile.rules.span == "month" else "period"
        for value in values:
            word = "highest" if value.obis.d == taf08.MAXIMUM else "lowest"
            yield _difference(value, f"{word} average power of the {span}")


_CAUSES: Final = {trigger.Cause.INTERVAL: "pushed by time", trigger.Cause.THRESHOLD: "pushed by threshold"}


def _pushed(profile: Taf09Profile | Taf10Profile | Taf14Profile, _: str, readings: Sequence[SignedReading]) -> Results:
    rules: TriggerRules = profile.rules
    if isinstance(profile, Taf09Profile):
        taf09.check(rules, profile.registers)
    elif isinstance(profile, Taf10Profile):
        taf10.check(rules, profile.registers)
    else:
        taf14.check(rules, profile.registers)
    state = trigger.State()
    for now, telegram in _telegrams(profile, readings):
        if isinstance(profile, Taf14Profile):
            state, pushes = taf14.step(rules, profile.consumer_id, state, telegram, now)
        else:
            state, pushes = trigger.step(rules, state, telegram, now)
        for push in pushes:
            for reading in push.values:
                crossed = " (went beyond it)" if reading.gateway_status & GatewayStatus.VALUE_TRIGGERED else ""
                why = f"{_CAUSES[push.cause]} to {push.recipient}{crossed}"
                yield Booking(push.time, push.time, reading.obis, reading.raw, reading.scaler, reading.unit, None, why)
    for reading in state.current:
        yield RegisterValue(
            profile_id=profile.name,
            taf=profile.number,
            obis=reading.obis,
            raw=reading.raw,
            scaler=reading.scaler,
            unit=reading.unit,
            period_start=reading.target_time,
            period_end=reading.target_time,
            gateway_status=reading.gateway_status,
            inputs=(),
            created_at=reading.target_time,
        )


def _telegrams(profile: TariffProfile, readings: Iterable[SignedReading]) -> Iterator[tuple[datetime, list[Reading]]]:
    """Take readings of one time that follow each other as one telegram."""
    codes = set(profile.codes)
    wanted = (
        signed.reading
        for signed in readings
        if signed.reading.obis in codes and profile.start_time <= signed.reading.target_time <= profile.end_time
    )
    for time, group in groupby(wanted, key=lambda reading: reading.target_time):
        yield time, list(group)


def _taf11(profile: Taf11Profile, meter_id: str, readings: Sequence[SignedReading]) -> Results:
    held = profile.evaluation_profile(meter_id)
    for record in taf11.evaluate(held, profile.actions, readings, profile.end_time):
        action = record.action
        limit = f" to {action.limit_w} W" if action.limit_w is not None else ""
        for value in record.values:
            yield value
            yield _difference(value, f"{action.device}: {action.action}{limit}, ordered by {action.ordered_by}")


_SIGNALS: Final = {
    taf12.SignalKind.WARNING: "warning",
    taf12.SignalKind.CUT_OFF: "signal to cut off",
    taf12.SignalKind.RELEASE: "signal to release",
}


def _taf12(profile: Taf12Profile, _: str, readings: Sequence[SignedReading]) -> Results:
    (obis,) = profile.codes
    frame, rules = profile.frame, profile.rules
    state, mine = taf12.State(), _of_register(obis, readings)
    unit = mine[0].reading.unit
    for entry in _merged(mine, profile.credits, lambda credit: credit.at):
        state, signals = taf12.step(frame, rules, state, entry)
        if isinstance(entry, Credit):
            why = f"credit {entry.credit_id} loaded"
            yield Booking(entry.at, entry.at, taf12.CREDIT_REGISTER, entry.amount, rules.scaler, unit, None, why)
        for signal in signals:
            left = signal.remaining
            why = f"{_SIGNALS[signal.kind]}: this credit is left"
            yield Booking(signal.time, signal.time, taf12.CREDIT_REGISTER, left.raw, left.scaler, left.unit, None, why)
    yield from taf12.register_values(frame, rules, state, profile_id=profile.name, obis=obis, created_at=profile.end_time)


def _taf13(profile: Taf13Profile, meter_id: str, readings: Sequence[SignedReading]) -> Results:
    results: Results = iter(())
    values: list[SeriesValue] = []
    if profile.source == 7:
        values = taf07.evaluate(profile.evaluation_profile(meter_id, taf=7), readings, profile.start_time, profile.end_time)
    else:
        results = (_taf01 if profile.source == 1 else _taf02)(profile, meter_id, readings)
    given_at = profile.start_time if profile.consent is None else max(profile.start_time, profile.consent.valid_from)
    copy = taf13.evaluate(
        profile.source,
        profile.consent,
        consumer_id=profile.consumer_id,
        recipient=profile.recipient,
        registers=(result for result in results if isinstance(result, RegisterValue)),
        values=values,
        now=min(given_at, profile.end_time),
    )
    yield from copy.registers
    why = f"copy of TAF {profile.source} for {profile.recipient}"
    yield from (_difference(value, why) for value in copy.registers)
    yield from _series(copy.values, profile.period_s)


Adapter = Callable[[Any, str, Sequence[SignedReading]], Results]
"""Evaluate a profile of one use case on one meter's readings."""

ADAPTERS: Final[dict[int, Adapter]] = {
    1: _taf01,
    2: _taf02,
    3: _taf03,
    4: _taf04,
    5: _taf05,
    6: _taf06,
    7: _taf07,
    8: _taf08,
    9: _pushed,
    10: _pushed,
    11: _taf11,
    12: _taf12,
    13: _taf13,
    14: _pushed,
}


def run(profile: TariffProfile, readings: Sequence[SignedReading]) -> Outcome:
    """Evaluate a profile on readings given in the order in which they were stored.

    Raises: DomainFault tariff.*.
    """
    meter_id = choose_meter(profile, readings)
    mine = [signed for signed in readings if signed.reading.meter_id == meter_id]
    results = list(ADAPTERS[profile.number](profile, meter_id, mine))
    registers = tuple(result for result in results if isinstance(result, RegisterValue))
    findings = [finding for obis in profile.codes for finding in findings_of(profile, obis, mine)]
    return Outcome(
        taf=profile.number,
        start=profile.start_time,
        end=profile.end_time,
        meter_id=meter_id,
        registers=registers,
        bookings=tuple(result for result in results if isinstance(result, Booking)),
        findings=(*findings, *error_registers(registers)),
    )

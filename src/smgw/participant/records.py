"""What the operator asks for, answered from the store: the same facts for API, portal, export and command line."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

from smgw.core.instant import BERLIN, Clock, local_day, utc_text
from smgw.core.obis import Obis
from smgw.core.quantity import unit_symbol
from smgw.core.status_word import to_hex_msb_first
from smgw.participant.registry import DEFAULT_PERIOD_S, AssignedMeter, Registry
from smgw.participant.store import ParticipantStore, Totals
from smgw.storage.series import DayStatus, EffectiveValue, RegisterSpan

COMPLETE_DAYS_LISTED = 100
CSV_COLUMNS = (
    "meter_id",
    "obis",
    "target_time_utc",
    "target_time_local",
    "value",
    "unit",
    "status",
    "valid",
    "revision",
    "capture_time_utc",
    "message",
)


class MeterRegister(NamedTuple):
    """Join a register's span to its newest value."""

    span: RegisterSpan
    last: EffectiveValue | None


class MeterRecord(NamedTuple):
    """Describe one meter: its gateway ("" when it is not assigned any more), and its registers."""

    meter_id: str
    gateway_id: str
    period_s: int
    registers: list[MeterRegister]


class Records:
    """Answer questions about what is stored."""

    def __init__(self, name: str, store: ParticipantStore, registry: Registry, clock: Clock) -> None:
        self.name = name
        self.store = store
        self._registry = registry
        self._clock = clock
        self._complete: tuple[Totals | None, list[DayStatus]] = None, []

    def now(self) -> datetime:
        """Give the present time."""
        return self._clock.now()

    def today(self) -> date:
        """Give the local day."""
        return local_day(self._clock.now())

    def meters(self) -> list[MeterRecord]:
        """List the meters that are assigned or have values."""
        assigned = {meter.meter_id: meter for meter in self._registry.meters()}
        spans: dict[str, list[RegisterSpan]] = {meter_id: [] for meter_id in assigned}
        for span in self.store.series.registers():
            spans.setdefault(span.meter_id, []).append(span)
        return [self._record(meter_id, assigned.get(meter_id), spans[meter_id]) for meter_id in sorted(spans)]

    def meter(self, meter_id: str) -> MeterRecord | None:
        """Give one meter, or None when nothing is known of it."""
        spans, assigned = self.store.series.registers(meter_id), self._registry.meter(meter_id)
        return self._record(meter_id, assigned, spans) if spans or assigned else None

    def _record(self, meter_id: str, assigned: AssignedMeter | None, spans: Iterable[RegisterSpan]) -> MeterRecord:
        registers = [MeterRegister(span, self.store.series.last(span)) for span in spans]
        gateway_id, period_s = (assigned.gateway_id, assigned.period_s) if assigned else ("", DEFAULT_PERIOD_S)
        return MeterRecord(meter_id, gateway_id, period_s, registers)

    def day_status(self, meter_id: str, obis: Obis, day: date) -> DayStatus:
        """Tell how complete a day of a register is, by the register period of its meter."""
        return self.store.series.status(meter_id, obis, day, self._registry.period_of(meter_id))

    def recent_days(self, span: RegisterSpan, count: int) -> list[DayStatus]:
        """Give the status of the newest `count` days of a register, oldest first."""
        first = max(span.first_day, span.last_day - timedelta(days=count - 1))
        days = range((span.last_day - first).days + 1)
        return [self.day_status(span.meter_id, span.obis, first + timedelta(days=number)) for number in days]

    def complete_days(self) -> list[DayStatus]:
        """List the newest complete, verified days of all registers."""
        totals = self.store.totals()
        if self._complete[0] != totals:
            self._complete = totals, self.store.series.complete_days(COMPLETE_DAYS_LISTED, self._registry.period_of)
        return self._complete[1]


def day_csv(store: ParticipantStore, meter_id: str, codes: Iterable[Obis], day: date) -> str:
    """Write the values of a day, both boundaries included, as CSV with a head line; amounts are exact decimals."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for obis in codes:
        writer.writerows(_csv_rows(meter_id, obis, store.series.day(meter_id, obis, day)))
    return out.getvalue()


def _csv_rows(meter_id: str, obis: Obis, values: list[EffectiveValue]) -> Iterator[tuple[str, ...]]:
    for effective in values:
        value = effective.value
        quantity = value.quantity
        yield (
            meter_id,
            str(obis),
            utc_text(value.target_time),
            value.target_time.astimezone(BERLIN).isoformat(),
            "" if quantity is None else f"{quantity.decimal():f}",
            unit_symbol(value.unit),
            to_hex_msb_first(value.gateway_status, value.meter_status),
            "yes" if value.valid else "no",
            str(effective.revision),
            utc_text(value.capture_time),
            str(value.message),
        )

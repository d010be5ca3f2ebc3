"""Meter-reading series of a market participant: one row per meter, register, local day and revision, the values packed into a block.

A day holds the values of its opening boundary (00:00) up to and including its closing boundary (24:00), Europe/Berlin, so a value at
midnight stands in two rows. A stored value is never changed: another value for the same time goes into the next revision, which holds only
such values, and is reported; what is in effect is the highest revision of each time. All calls run inside the caller's transaction.
Source: EMT-01, EMT-02; 50-headend-scale 3.2 (key order), 6.2.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import NamedTuple

from smgw.core.errors import DomainFault, LimitFault
from smgw.core.instant import day_bounds, from_microseconds, local_day, microseconds
from smgw.core.obis import Obis
from smgw.core.quantity import Quantity
from smgw.core.reading import SignedReading
from smgw.storage.day_block import MAX_BLOCK_VALUES, StoredValue, pack_block, stored_value, unpack_block

MEASURED = "measured"
"""Origin of values that a gateway signed; substitutes will have another."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS day_series (
  day TEXT NOT NULL, meter_id TEXT NOT NULL, obis TEXT NOT NULL, origin TEXT NOT NULL, revision INTEGER NOT NULL,
  start INTEGER, total INTEGER, scaler INTEGER, unit INTEGER, valid INTEGER NOT NULL, v BLOB NOT NULL,
  PRIMARY KEY (day, meter_id, obis, origin, revision)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS series_register (
  meter_id TEXT NOT NULL, obis TEXT NOT NULL, first_day TEXT NOT NULL, last_day TEXT NOT NULL, last_target INTEGER NOT NULL,
  PRIMARY KEY (meter_id, obis)) STRICT, WITHOUT ROWID;
"""

_INT64 = range(-(1 << 63), 1 << 63)


class Contradiction(NamedTuple):
    """Name a value that came although another one stood for its time already."""

    meter_id: str
    obis: Obis
    target_time: datetime
    revision: int
    late: bool
    """The earlier one said that there is no value: not a contradiction of amounts."""


class Merged(NamedTuple):
    """Tell what a merge did with each value."""

    stored: int
    known: int
    contradictions: tuple[Contradiction, ...]


class EffectiveValue(NamedTuple):
    """Join a value in effect to its revision; `contradicted` when an earlier revision stated another amount."""

    value: StoredValue
    revision: int
    contradicted: bool


class RegisterSpan(NamedTuple):
    """Say which days of a register are stored and when its last value is for."""

    meter_id: str
    obis: Obis
    first_day: date
    last_day: date
    last_target: datetime


class DayStatus(NamedTuple):
    """Tell how complete a local day is; the counts are of the period ends after 00:00 up to 24:00."""

    meter_id: str
    obis: Obis
    day: date
    expected: int
    """92, 96 or 100 quarter hours."""
    present: int
    valid: int
    contradicted: int
    opening: bool
    """The value of 00:00 is there and valid."""

    @property
    def complete(self) -> bool:
        """Tell whether every value of the day is there, valid and not contradicted."""
        return self.opening and self.valid == self.expected and not self.contradicted


class SeriesStore:
    """Keep series in a SQLite database that the caller owns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def merge(self, readings: Sequence[SignedReading], message: int) -> Merged:
        """Put verified readings in place; what stands there already with the same content has no effect.

        Raises: LimitFault series.too_many.
        """
        groups: dict[tuple[date, str, Obis], list[StoredValue]] = {}
        for signed in readings:
            value, key = stored_value(signed, message), (signed.reading.meter_id, signed.reading.obis)
            for day in days_of(value.target_time):
                groups.setdefault((day, *key), []).append(value)
        outcomes: dict[tuple[str, Obis, datetime, int], int] = {}
        contradictions: dict[tuple[str, Obis, datetime, int], Contradiction] = {}
        changed: list[tuple[date, str, Obis, list[dict[datetime, StoredValue]]]] = []
        for (day, meter_id, obis), values in groups.items():
            revisions = self._revisions(day, meter_id, obis)
            before = [dict(revision) for revision in revisions]
            for value in values:
                number = _place(revisions, value)
                key_of_value = (meter_id, obis, value.target_time, value.sequence)
                outcomes[key_of_value] = max(outcomes.get(key_of_value, -1), -1 if number is None else number)
                if number:
                    late = all(earlier[value.target_time].raw is None for earlier in revisions[:number])
                    contradictions[key_of_value] = Contradiction(meter_id, obis, value.target_time, number, late)
            if any(len(revision) > MAX_BLOCK_VALUES for revision in revisions):
                raise LimitFault("series.too_many", f"{meter_id} {obis} {day}")
            if revisions != before:
                changed.append((day, meter_id, obis, revisions))
        for row in changed:
            self._write(*row)
        stored = sum(1 for number in outcomes.values() if number >= 0)
        return Merged(stored, len(outcomes) - stored, tuple(contradictions.values()))

    def day(self, meter_id: str, obis: Obis, day: date) -> list[EffectiveValue]:
        """Give the values in effect from 00:00 to 24:00, both included, in order."""
        revisions = self._revisions(day, meter_id, obis)
        merged: dict[datetime, EffectiveValue] = {}
        for number, revision in enumerate(revisions):
            for target, value in revision.items():
                earlier = merged.get(target)
                contradicted = earlier is not None and (earlier.contradicted or earlier.value.raw is not None)
                merged[target] = EffectiveValue(value, number, contradicted)
        return [merged[target] for target in sorted(merged)]

    def readings(self, meter_id: str, obis: Obis, start: datetime, end: datetime) -> Iterator[EffectiveValue]:
        """Give the values in effect with target times from `start` (inclusive) to `end` (exclusive), in order."""
        span = next((span for span in self.registers(meter_id) if span.obis == obis), None)
        if span is None:
            return
        day, last = max(local_day(start), span.first_day), min(local_day(end), span.last_day)
        while day <= last:
            closing = day_bounds(day)[1]
            for effective in self.day(meter_id, obis, day):
                target = effective.value.target_time
                if start <= target < end and target < closing:
                    yield effective
            day += timedelta(days=1)

    def status(self, meter_id: str, obis: Obis, day: date, period_s: int = 900) -> DayStatus:
        """Tell how complete a day is for a register period."""
        opening, closing = day_bounds(day)
        wanted = int((closing - opening).total_seconds()) // period_s
        ends = {opening + timedelta(seconds=period_s * number) for number in range(1, wanted + 1)}
        values = {effective.value.target_time: effective for effective in self.day(meter_id, obis, day)}
        in_day = [effective for target, effective in values.items() if target in ends]
        first = values.get(opening)
        return DayStatus(
            meter_id,
            obis,
            day,
            expected=wanted,
            present=sum(effective.value.raw is not None for effective in in_day),
            valid=sum(effective.value.valid for effective in in_day),
            contradicted=sum(effective.contradicted for effective in in_day) + (first is not None and first.contradicted),
            opening=first is not None and first.value.valid,
        )

    def complete_days(self, limit: int, period_of: Callable[[str], int]) -> list[DayStatus]:
        """List the newest complete days, `limit` candidates at most; `period_of` gives a meter's register period in seconds."""
        candidates = self._connection.execute(
            "SELECT day, meter_id, obis FROM day_series WHERE revision = 0 AND start IS NOT NULL AND valid >= 23 ORDER BY day DESC LIMIT ?",
            (limit,),
        ).fetchall()
        statuses = (self.status(meter, Obis.parse(obis), date.fromisoformat(day), period_of(meter)) for day, meter, obis in candidates)
        return [status for status in statuses if status.complete]

    def registers(self, meter_id: str | None = None) -> list[RegisterSpan]:
        """List the registers of one meter, or of all meters, with the days that they span."""
        where, parameters = ("", ()) if meter_id is None else (" WHERE meter_id = ?", (meter_id,))
        query = f"SELECT meter_id, obis, first_day, last_day, last_target FROM series_register{where} ORDER BY meter_id, obis"  # noqa: S608
        return [
            RegisterSpan(meter, Obis.parse(obis), date.fromisoformat(first), date.fromisoformat(last), from_microseconds(target))
            for meter, obis, first, last, target in self._connection.execute(query, parameters)
        ]

    def last(self, span: RegisterSpan) -> EffectiveValue | None:
        """Give the newest value of a register."""
        values = self.day(span.meter_id, span.obis, local_day(span.last_target - timedelta(microseconds=1)))
        return values[-1] if values else None

    def _revisions(self, day: date, meter_id: str, obis: Obis) -> list[dict[datetime, StoredValue]]:
        rows = self._connection.execute(
            "SELECT v FROM day_series WHERE day = ? AND meter_id = ? AND obis = ? AND origin = ? ORDER BY revision",
            (day.isoformat(), meter_id, obis.hex, MEASURED),
        )
        return [{value.target_time: value for value in unpack_block(block)} for (block,) in rows]

    def _write(self, day: date, meter_id: str, obis: Obis, revisions: list[dict[datetime, StoredValue]]) -> None:
        """Write the blocks of a day; the summary columns of a revision describe the day as it stands with that revision."""
        in_effect: dict[datetime, StoredValue] = {}
        for number, revision in enumerate(revisions):
            in_effect |= revision
            row = (day.isoformat(), meter_id, obis.hex, MEASURED, number, *_summary(day, in_effect))
            block = pack_block([revision[target] for target in sorted(revision)])
            self._connection.execute("INSERT OR REPLACE INTO day_series VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, block))
        last_target = microseconds(max(revisions[0]))
        self._connection.execute(
            "INSERT INTO series_register VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET first_day = min(first_day, excluded.first_day),"
            " last_day = max(last_day, excluded.last_day), last_target = max(last_target, excluded.last_target)",
            (meter_id, obis.hex, day.isoformat(), day.isoformat(), last_target),
        )


def days_of(target: datetime) -> tuple[date, ...]:
    """Give the local days that a target time belongs to: two for midnight, closing the one and opening the other."""
    ending, beginning = local_day(target - timedelta(microseconds=1)), local_day(target)
    return (ending,) if ending == beginning else (ending, beginning)


def _place(revisions: list[dict[datetime, StoredValue]], value: StoredValue) -> int | None:
    """Put a value into the first revision that has none for its time; None when one says the same already."""
    for number, revision in enumerate(revisions):
        present = revision.get(value.target_time)
        if present is None:
            revision[value.target_time] = value
            return number
        if present.says_the_same(value):
            return None
    revisions.append({value.target_time: value})
    return len(revisions) - 1


def _summary(day: date, values: dict[datetime, StoredValue]) -> tuple[int | None, int | None, int | None, int | None, int]:
    """Give start (the register at 00:00), total (00:00 to 24:00), their scaler and unit, and the number of valid values after 00:00."""
    opening, closing = day_bounds(day)
    valid = sum(value.valid for target, value in values.items() if target > opening)
    first = values[opening].quantity if opening in values and values[opening].valid else None
    last = values[closing].quantity if closing in values and values[closing].valid else None
    if first is None:
        return None, None, None, None, valid
    total: Quantity | None = None
    if last is not None:
        with suppress(DomainFault):
            total = last.minus(first)
            first = first.rescale(total.scaler)
    return _column(first.raw), None if total is None else _column(total.raw), first.scaler, first.unit, valid


def _column(number: int) -> int | None:
    """Give a number as a column can hold it; the block holds it in any case."""
    return number if number in _INT64 else None

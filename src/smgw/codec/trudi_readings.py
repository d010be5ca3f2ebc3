"""Put what a gateway stores into the elements of an AR 2418-6 device file: original lists of signed readings, and log entries.

The signature of a reading is r‖s over its canonical octets (see `smgw.core.reading`). Everything that they hold stands in the file: meter,
register, value with scaler and unit, both times, and both status words.
Source: CON-04; 30-han-consumer-interface 3.4.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from smgw.codec.trudi_model import EventType, Interval, IntervalBlock, IntervalReading, LogEntry, LogEvent, MeterReading
from smgw.codec.trudi_model import ReadingType as ListType
from smgw.core import log_event
from smgw.core.errors import UsageError
from smgw.core.obis import Obis
from smgw.core.quantity import Unit
from smgw.core.reading import SignedReading
from smgw.core.status_word import to_hex_lsb_first

UOM_BY_UNIT: Final[dict[int, int]] = {
    Unit.DEGREE: 9,
    Unit.CUBIC_METRE: 42,
    Unit.JOULE: 31,
    Unit.WATT: 38,
    Unit.VOLT_AMPERE: 61,
    Unit.VAR: 63,
    Unit.WATT_HOUR: 72,
    Unit.VOLT_AMPERE_HOUR: 71,
    Unit.VAR_HOUR: 73,
    Unit.AMPERE: 5,
    Unit.VOLT: 29,
    Unit.HERTZ: 33,
}
"""DLMS unit code -> ESPI unit code."""


def meter_reading_of(
    obis: Obis, readings: Sequence[SignedReading], start: datetime, end: datetime, *, period_s: int = 900, certificate_id: int | None = None
) -> MeterReading:
    """Make an original list of one meter's register from stored readings; those without value are left out.

    `start` and `end` bound the block; every capture time lies between them.
    Raises: UsageError trudi.encode for readings that one list can't hold together.
    """
    held = [signed for signed in readings if signed.reading.raw is not None]
    kinds = {(signed.reading.meter_id, signed.reading.obis, signed.reading.scaler, signed.reading.unit) for signed in held}
    if len(kinds) != 1 or next(iter(kinds))[1] != obis or next(iter(kinds))[3] not in UOM_BY_UNIT:
        raise UsageError("trudi.encode", f"{obis}: {len(kinds)} kinds of readings")
    if any(not start <= signed.reading.capture_time <= end for signed in held):
        raise UsageError("trudi.encode", f"{obis}: a reading outside {start} to {end}")
    meter_id, _, scaler, unit = next(iter(kinds))
    rows = tuple(
        IntervalReading(
            value=signed.reading.raw,
            period=Interval(0, signed.reading.capture_time),
            target_time=signed.reading.target_time,
            certificate_id=certificate_id if signed.signature else None,
            signature=signed.signature.hex().upper() or None,
            status_fnn=to_hex_lsb_first(signed.reading.gateway_status, signed.reading.meter_status).upper(),
            status_ptb=int(signed.reading.ptb),
        )
        for signed in held
    )
    kind = ListType(0, UOM_BY_UNIT[unit], scaler, obis.hex, f"{obis.hex}.{meter_id}.sm", measurement_period_s=period_s)
    span = Interval(int((end - start).total_seconds()), start)
    return MeterReading(meter_id, f"{obis.hex}.{meter_id}", kind, (IntervalBlock(span, rows),))


def log_entry_of(number: int, entry: log_event.LogEntry, language: str) -> LogEntry:
    """Make a log entry of the file from a stored one; `number` is its place in its log, `language` that of its text."""
    return LogEntry(
        number,
        LogEvent(
            type=EventType(event_id=entry.kind.number, event_sub_id=0),
            level=int(entry.kind.level),
            text=entry.text(language),
            outcome=0 if entry.success else 1,
            subject_identity=entry.subject or None,
            timestamp=entry.time,
        ),
    )

"""Make AR 2418-6 files for tests: a supplier file and the read-out that belongs to it, with every part exchangeable."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from smgw.codec.trudi_model import (
    AnalysisProfile,
    Certificate,
    DayProfile,
    Document,
    Interval,
    IntervalBlock,
    IntervalReading,
    LogEntry,
    LogEvent,
    MeterReading,
    ReadingType,
    Smgw,
    SpecialDay,
    SwitchTime,
    TariffStage,
    TimeTrigger,
    UsagePoint,
)
from smgw.core.instant import BERLIN

METER = "1ABC0000000001"
IMPORT, EXPORT = "0100010800ff", "0100020800ff"
DAY, NIGHT = 2, 1


def berlin(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """Give a local time as aware UTC."""
    return datetime(year, month, day, hour, minute, second, tzinfo=BERLIN).astimezone(UTC)


START = berlin(2026, 11, 4)
"""A Wednesday without change of clocks."""


def certificate() -> bytes:
    """Make a certificate as a gateway's could be."""
    key = ec.derive_private_key(7, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "EABC0000000002.smgw")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2028, 1, 1, tzinfo=UTC))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


CERTIFICATE = certificate()


def day_night(first: int = NIGHT, second: int = DAY, from_hour: int = 6, to_hour: int = 21) -> tuple[int, ...]:
    """Give the 96 stages of a day with two tariffs."""
    return tuple(second if from_hour * 4 <= quarter < to_hour * 4 else first for quarter in range(96))


def switch_times(stages: Sequence[int]) -> tuple[SwitchTime, ...]:
    """Give quarter-hourly switch times."""
    return tuple(SwitchTime(stage, quarter // 4, quarter % 4 * 15) for quarter, stage in enumerate(stages))


def stage(number: int, direction: str = "01", register: int | None = None) -> TariffStage:
    """Give a tariff stage of import (01) or export (02)."""
    return TariffStage(number, f"0100{direction}08{number if register is None else register:02x}ff", f"stage {number}")


def days_of(start: datetime, days: int) -> list[date]:
    """List local days."""
    first = start.astimezone(BERLIN).date()
    return [first + timedelta(days=number) for number in range(days)]


def supplier(
    *,
    start: datetime = START,
    end: datetime | None = None,
    use_case: int = 2,
    stages: Sequence[TariffStage] = (stage(NIGHT), stage(DAY)),
    profiles: Mapping[str, Sequence[int]] | None = None,
    special_days: Iterable[tuple[date, str]] | None = None,
    **changes: object,
) -> Document:
    """Make a supplier file; without `special_days` every day of the period has the first day profile."""
    end = end or berlin(2026, 11, 5)
    profiles = profiles or {"1": day_night()}
    local = start.astimezone(BERLIN).date(), end.astimezone(BERLIN).date()
    if special_days is None:
        special_days = [(day, next(iter(profiles))) for day in days_of(start, (local[1] - local[0]).days)]
    fields: dict[str, object] = {
        "kind": 0,
        "usage_point_id": "DE0001",
        "invoicing_party_id": "9900000000001",
        "smgw": Smgw("EABC0000000002"),
        "tariff_name": "day-night",
        "analysis_profile": AnalysisProfile(
            use_case=use_case,
            tariff_id="day-night",
            billing_period=Interval(int((end - start).total_seconds()), start),
            stages=tuple(stages),
            default_tariff=1,
            time_trigger=TimeTrigger(
                tuple(DayProfile((day_id,), switch_times(profile)) for day_id, profile in profiles.items()),
                tuple(SpecialDay(day_id, day.year, day.month, day.day) for day, day_id in special_days),
            ),
        ),
    }
    return Document((UsagePoint(**(fields | changes)),))  # type: ignore[arg-type]


def reading(captured: datetime, value: int, status: int | None = 0, **changes: object) -> IntervalReading:
    """Make one reading."""
    return IntervalReading(value=value, period=Interval(0, captured), status_ptb=status, **changes)  # type: ignore[arg-type]


def quarter_hours(start: datetime, end: datetime, step: int = 10, first: int = 1000, period_s: int = 900) -> list[IntervalReading]:
    """Make a full list in which each period uses `step`."""
    count = int((end - start).total_seconds()) // period_s + 1
    return [reading(start + timedelta(seconds=period_s * number), first + step * number) for number in range(count)]


def meter_reading(
    readings: Sequence[IntervalReading],
    obis: str = IMPORT,
    *,
    middle: str = METER,
    blocks: Sequence[IntervalBlock] | None = None,
    **kind: object,
) -> MeterReading:
    """Make a list with one block around its readings."""
    if blocks is None:
        captures = sorted(held.period.start for held in readings if held.period is not None and held.period.start is not None)
        span = Interval(int((captures[-1] - captures[0]).total_seconds()) + 1, captures[0])
        blocks = (IntervalBlock(span, tuple(readings)),)
    fields: dict[str, object] = {
        "multiplier": 0,
        "uom": 72,
        "scaler": -1,
        "obis_code": obis,
        "qualified_logical_name": f"{obis}.{middle}.sm",
    }
    return MeterReading(METER, f"{obis}.{METER}", ReadingType(**(fields | kind)), tuple(blocks))  # type: ignore[arg-type]


def device(*lists: MeterReading, **changes: object) -> Document:
    """Make a read-out."""
    fields: dict[str, object] = {
        "kind": 0,
        "usage_point_id": "DE0001",
        "customer_id": "consumer1",
        "invoicing_party_id": "9900000000001",
        "smgw": Smgw("EABC0000000002", (1,)),
        "certificates": (Certificate(1, 3, CERTIFICATE),),
        "tariff_name": "day-night",
        "log_entries": (LogEntry(1, LogEvent(level=1, text="Self-test passed", outcome=0, timestamp=START)),),
        "meter_readings": lists,
    }
    return Document((UsagePoint(**(fields | changes)),))  # type: ignore[arg-type]

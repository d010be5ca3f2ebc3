"""Readings, registers, entries and profiles that the storage tests share."""

from datetime import UTC, datetime, timedelta

from smgw.core.log_event import Log, LogEntry
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.profiles import ConsumerProfile, MeterProfile, RegisterProfile
from smgw.core.reading import Reading
from smgw.core.register import RegisterValue

KEY = bytes(range(32))
METER = "1EMH0010599732"
OTHER_METER = "1ISK0012345678"
IMPORT, EXPORT = ACTIVE_ENERGY_IMPORT, ACTIVE_ENERGY_EXPORT
START = datetime(2026, 11, 21, tzinfo=UTC)


def quarter(number: int) -> datetime:
    """Give the end of the n-th quarter hour."""
    return START + timedelta(minutes=15 * number)


def reading(number: int, *, meter: str = METER, obis: Obis = IMPORT, raw: int | None = None) -> Reading:
    """Give the reading for the n-th quarter hour; its value counts up with it."""
    return Reading(
        meter_id=meter,
        obis=obis,
        raw=1_000_000 + number if raw is None else raw,
        scaler=-1,
        unit=30,
        capture_time=quarter(number) + timedelta(seconds=2),
        target_time=quarter(number),
        gateway_status=5,
        meter_status=4,
    )


def signature(number: int) -> bytes:
    """Give 64 octets in a signature's place; the journal keeps them as they are."""
    return number.to_bytes(64, "big")


def signed(number: int, **changes: object) -> tuple[Reading, bytes]:
    """Give a reading with its signature."""
    return reading(number, **changes), signature(number)  # type: ignore[arg-type]


def register(number: int, *, raw: int | None = 42, profile_id: str = "taf1-1.sm") -> RegisterValue:
    """Give a register value for the n-th quarter hour."""
    return RegisterValue(profile_id, 1, IMPORT, raw, -1, 30, quarter(number - 1), quarter(number), 5, (number, number + 1), quarter(number))


def entry(number: int, log: Log = Log.SYSTEM, consumer_id: str = "") -> LogEntry:
    """Give a log entry at the n-th quarter hour."""
    return LogEntry(
        log, "self_test_failed", quarter(number), success=False, consumer_id=consumer_id, parameters={"reason": f"test {number}"}
    )


def meter_profile(version: int = 1, meter: str = METER) -> MeterProfile:
    """Give a meter profile."""
    return MeterProfile(meter, "0a01454d480000a1b2c3", (RegisterProfile(str(IMPORT)),), "head", version=version)


def consumer_profile(version: int = 1) -> ConsumerProfile:
    """Give a consumer profile."""
    return ConsumerProfile("consumer1.sm", "flat1", "0" * 32, "1" * 64, version=version)

"""The values of an AR 2418-6 file: what a gateway was read out (device file) or how a supplier prices (supplier file).

These structs say what stands in the file and nothing more: a missing element is None or an empty tuple. Which elements a file must have
is checked by `smgw.transparency.readout` and `smgw.transparency.supplier`.
Source: CON-04, CON-06; 30-han-consumer-interface 3.4, 3.5.
"""

from datetime import datetime, timedelta

import msgspec


class Interval(msgspec.Struct, frozen=True, gc=False):
    """Hold a span of time: aware UTC start and length in seconds."""

    duration_s: int | None = None
    start: datetime | None = None

    @property
    def end(self) -> datetime | None:
        """Give the end, or None where start or length is missing."""
        return None if self.start is None or self.duration_s is None else self.start + timedelta(seconds=self.duration_s)


class IntervalReading(msgspec.Struct, frozen=True, gc=False):
    """Hold one value of a list."""

    value: int | None = None
    period: Interval | None = None
    """Its start is the capture time; its length is 0 for a meter reading."""
    target_time: datetime | None = None
    meter_time: datetime | None = None
    """When the meter itself recorded the value (schema 1.4)."""
    certificate_id: int | None = None
    meter_signature: str | None = None
    """As `signature`."""
    signature: str | None = None
    """The gateway's signature: hex in schema 1.4, any text in 1.2."""
    status_fnn: str | None = None
    """Combined status word, hex, bit 0 left-most."""
    status_ptb: int | None = None
    """0 to 4 on the PTB scale."""
    status_vendor: str | None = None


class IntervalBlock(msgspec.Struct, frozen=True):
    """Hold the readings of one span of a list."""

    interval: Interval | None = None
    readings: tuple[IntervalReading, ...] = ()


class ReadingType(msgspec.Struct, frozen=True):
    """Say what the values of a list mean: `value * 10**scaler` in `uom * 10**multiplier`."""

    multiplier: int | None = None
    uom: int | None = None
    """ESPI unit code, for example 72 for Wh."""
    scaler: int = 0
    obis_code: str | None = None
    qualified_logical_name: str | None = None
    """`<obis hex>.<meter id>.sm` for an original list, `<obis hex>.<tariff id>.sm` for a derived register."""
    description: str | None = None
    measurement_period_s: int | None = None


class MeterReading(msgspec.Struct, frozen=True):
    """Hold one list of values of one register."""

    meter_id: str | None = None
    reading_id: str | None = None
    reading_type: ReadingType | None = None
    blocks: tuple[IntervalBlock, ...] = ()

    @property
    def is_original(self) -> bool:
        """Tell an original list (German: originäre Messwertliste) from a derived register by its logical name.

        Source: 30-han-consumer-interface 3.4.
        """
        name = self.reading_type.qualified_logical_name if self.reading_type else None
        parts = (name or "").split(".")
        return len(parts) == 3 and bool(self.meter_id) and parts[1] == self.meter_id


class EventType(msgspec.Struct, frozen=True):
    """Number a log event as its maker does."""

    device_type: int | None = None
    event_id: int | None = None
    event_sub_id: int | None = None
    vendor_id: str | None = None
    version: int | None = None


class LogEvent(msgspec.Struct, frozen=True):
    """Hold one event of the consumer's log."""

    evidence: str | None = None
    type: EventType | None = None
    level: int | None = None
    """1 information, 2 warning, 3 error, 4 fatal, 5 extension."""
    text: str | None = None
    outcome: int | None = None
    """0 success, 1 failure, 2 extension."""
    seconds_index: int | None = None
    subject_identity: str | None = None
    timestamp: datetime | None = None
    user_identity: str | None = None
    event_kind_vendor: str | None = None


class LogEntry(msgspec.Struct, frozen=True):
    """Hold one numbered entry of the consumer's log."""

    record_number: int | None = None
    event: LogEvent | None = None


class Certificate(msgspec.Struct, frozen=True):
    """Hold one certificate of the gateway."""

    certificate_id: int
    kind: int
    """1 content signature, 2 sub-CA, 3 consumer interface."""
    content: bytes
    """DER or PEM octets."""
    parent_id: int | None = None


class FirmwareComponent(msgspec.Struct, frozen=True):
    """Name one part of the gateway's firmware."""

    name: str
    version: str | None = None
    checksum: str | None = None


class Smgw(msgspec.Struct, frozen=True):
    """Identify the gateway."""

    gateway_id: str
    certificate_ids: tuple[int, ...] = ()
    firmware_version: str | None = None
    firmware_components: tuple[FirmwareComponent, ...] = ()


class TariffStage(msgspec.Struct, frozen=True):
    """Name one tariff stage (German: Tarifstufe) and its register."""

    number: int
    obis_code: str
    description: str | None = None


class SwitchTime(msgspec.Struct, frozen=True, gc=False):
    """Say from which local time on a stage holds."""

    tariff: int
    hour: int = 0
    minute: int = 0
    second: int = 0


class DayProfile(msgspec.Struct, frozen=True):
    """List the stages of one kind of day (German: Tagesprofil)."""

    day_ids: tuple[str, ...]
    switch_times: tuple[SwitchTime, ...]


class SpecialDay(msgspec.Struct, frozen=True, gc=False):
    """Give one calendar day its day profile; a missing year or month means every year or month."""

    day_id: str
    year: int | None = None
    month: int | None = None
    day: int | None = None


class TimeTrigger(msgspec.Struct, frozen=True):
    """Hold the switching calendar."""

    day_profiles: tuple[DayProfile, ...] = ()
    special_days: tuple[SpecialDay, ...] = ()


class AnalysisProfile(msgspec.Struct, frozen=True):
    """Hold the evaluation rules (German: Auswerteprofil)."""

    use_case: int
    tariff_id: str
    billing_period: Interval
    default_tariff: int
    stages: tuple[TariffStage, ...] = ()
    time_trigger: TimeTrigger | None = None


class UsagePoint(msgspec.Struct, frozen=True):
    """Hold everything of one usage point (German: Messlokation)."""

    kind: int | None = None
    """0 electricity, 1 gas, 2 water, 4 pressure, 5 heat, 6 cold."""
    usage_point_id: str | None = None
    customer_id: str | None = None
    invoicing_party_id: str | None = None
    smgw: Smgw | None = None
    vendor_profile: str | None = None
    certificates: tuple[Certificate, ...] = ()
    tariff_name: str | None = None
    analysis_profile: AnalysisProfile | None = None
    log_entries: tuple[LogEntry, ...] = ()
    meter_readings: tuple[MeterReading, ...] = ()


class Document(msgspec.Struct, frozen=True):
    """Hold one file."""

    usage_points: tuple[UsagePoint, ...]
    generator_version: str | None = None

"""The grammar of AR 2418-6 files, schema 1.2 and 1.4, as data: which element holds which, in which order, how often, with what values.

It is the schemata's grammar cut down to the elements that TRuDI's own reader takes. `trudi_xml` reads along it.
Source: CON-04, CON-06; 30-han-consumer-interface 3.4, 3.5.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from smgw.codec.trudi_model import (
    AnalysisProfile,
    Certificate,
    DayProfile,
    Document,
    EventType,
    FirmwareComponent,
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

AR = "http://vde.de/AR_2418-6.xsd"
ESPI = "http://naesb.org/espi"

_MANY = 1_000
_MAX_ENTRIES = 200_000
_MAX_READINGS = 500_000

_INTEGER = re.compile(r"[+-]?\d{1,20}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")

# Elements of the schemata that TRuDI's reader does not take; a file that holds one is refused for what it is, not as malformed.
NOT_TAKEN = frozenset(
    (
        "Manufacturer", "SystemTime", "MathOperation", "parentRecordNumber", "repetitionCounter", "messageExtensions", "destination",
        "CO2Indicator", "converterFactor", "publicKey", "DatetimePeriod", "MinMaxCounter", "Prepaid", "ThresholdTrigger",
        "ExternalEventTrigger", "SeasonProfile", "WeekProfile", "RuleSystem", "day_of_week", "function", "length", "module", "extension",
        "description", "GeneratorVersion", "VendorConfig", "FirmwareVersion", "FirmwareComponent", "LogEntry", "MeterReading",
    )
)  # fmt: skip


class Leaf(NamedTuple):
    """Turn the text of an element into its value and back; ValueError refuses a text."""

    convert: Callable[[str], object]
    write: Callable[[Any], str] = str


class Slot(NamedTuple):
    """Let an element occur `least` to `most` times and say which field takes it; a field that may repeat takes a tuple."""

    name: str
    field: str
    content: "Leaf | Node"
    least: int = 0
    most: int = 1
    namespace: str = AR


def _fields(value: object) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        return value
    assert isinstance(value, msgspec.Struct)
    return msgspec.structs.asdict(value)


class Node:
    """Hold the child elements of one element in their order, what is made of them, and how that is taken apart again."""

    def __init__(self, make: Callable[..., object], *slots: Slot, split: Callable[[Any], Mapping[str, object]] = _fields) -> None:
        self.make = make
        self.split = split
        self.slots = slots
        self.index = {f"{{{slot.namespace}}}{slot.name}": number for number, slot in enumerate(slots)}


def _text(limit: int) -> Leaf:
    def convert(text: str) -> str:
        if len(text) > limit:
            raise ValueError(f"longer than {limit} characters")
        return text

    return Leaf(convert)


def _integer(low: int, high: int) -> Leaf:
    def convert(text: str) -> int:
        bare = text.strip()
        if _INTEGER.fullmatch(bare) is None or not bare.isascii():
            raise ValueError("not an integer")
        number = int(bare)
        if not low <= number <= high:
            raise ValueError(f"not within {low}…{high}")
        return number

    return Leaf(convert)


def _octets(text: str) -> bytes:
    bare = text.strip()
    if not bare or len(bare) > 1 << 17 or _HEX.fullmatch(bare) is None:
        raise ValueError("not hex digits")
    return bytes.fromhex(bare)


def _hex_text(text: str) -> str:
    bare = text.strip()
    if len(bare) > 1 << 14 or _HEX.fullmatch(bare) is None:
        raise ValueError("not hex digits")
    return bare


def _time(text: str) -> datetime:
    """Read an xs:dateTime; one without offset is legal time, in the hour that occurs twice the later one."""
    bare = text.strip()
    if len(bare) > 40 or _TIME.fullmatch(bare) is None:
        raise ValueError("not a time")
    moment = datetime.fromisoformat(bare)
    if not 1970 <= moment.year <= 2199:
        raise ValueError("not within 1970…2199")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=BERLIN)
        later = moment.replace(fold=1)
        moment = min(moment, later, key=datetime.utcoffset)  # type: ignore[arg-type]  # aware, so the offset is never None
    return moment.astimezone(UTC)


def _local_time(moment: datetime) -> str:
    """Write legal time with its offset."""
    local = moment.astimezone(BERLIN)
    return local.isoformat(timespec="microseconds" if local.microsecond else "seconds")


def _hex_digits(octets: bytes) -> str:
    return octets.hex().upper()


_UINT8, _UINT16, _UINT32 = _integer(0, 0xFF), _integer(0, 0xFFFF), _integer(0, 0xFFFFFFFF)
_INT16 = _integer(-0x8000, 0x7FFF)
_INT48 = _integer(-(1 << 47), 1 << 47)
_STRING32, _STRING64, _STRING256, _STRING512 = _text(32), _text(64), _text(256), _text(512)
_DATE_TIME, _HEX_TEXT = Leaf(_time, _local_time), Leaf(_hex_text)


def _single(value: object = None) -> object:
    return value


def _wrap(slot: Slot) -> Node:
    """Make an element of which only its one child counts."""
    return Node(_single, slot, split=lambda value: {"value": value})


def _switch_time(start: tuple[int, int, int], tariff: int) -> SwitchTime:
    return SwitchTime(tariff, *start)


def _special_day(date: tuple[int | None, int | None, int | None], day_id: str) -> SpecialDay:
    return SpecialDay(day_id, *date)


def _time_of_day(hour: int = 0, minute: int = 0, second: int = 0, hundreds: int = 0) -> tuple[int, int, int]:
    return hour, minute, second or int(hundreds > 0)


def _split_switch_time(value: SwitchTime) -> Mapping[str, object]:
    return {"start": {"hour": value.hour, "minute": value.minute, "second": value.second}, "tariff": value.tariff}


def _split_special_day(value: SpecialDay) -> Mapping[str, object]:
    return {"date": {"year": value.year, "month": value.month, "day": value.day}, "day_id": value.day_id}


def _date(year: int | None = None, month: int | None = None, day: int | None = None) -> tuple[int | None, int | None, int | None]:
    return year, month, day


_INTERVAL = Node(Interval, Slot("duration", "duration_s", _UINT32), Slot("start", "start", _DATE_TIME))
_SERVICE_CATEGORY = _wrap(Slot("kind", "value", _UINT16, 1, namespace=ESPI))
_CUSTOMER = _wrap(Slot("customerId", "value", _STRING64, 1))
_INVOICING_PARTY = _wrap(Slot("invoicingPartyId", "value", _STRING64, 1))
_CERTIFICATE = Node(
    Certificate,
    Slot("certId", "certificate_id", _UINT8, 1),
    Slot("certType", "kind", _UINT8, 1),
    Slot("parentCertId", "parent_id", _UINT8),
    Slot("certContent", "content", Leaf(_octets, _hex_digits), 1),
)
_FIRMWARE = Node(
    FirmwareComponent,
    Slot("name", "name", _STRING64, 1),
    Slot("version", "version", _STRING256),
    Slot("checksum", "checksum", _STRING256),
)
_SMGW_ID = (Slot("certId", "certificate_ids", _UINT8, 0, 255), Slot("smgwId", "gateway_id", _STRING32, 1))
_SUPPLIER_SMGW = Node(Smgw, *_SMGW_ID)
_DEVICE_SMGW = Node(
    Smgw,
    *_SMGW_ID,
    Slot("FirmwareVersion", "firmware_version", _STRING64),
    Slot("FirmwareComponent", "firmware_components", _FIRMWARE, 0, _MANY),
)
_STAGE = Node(
    TariffStage,
    Slot("tariffNumber", "number", _UINT16, 1),
    Slot("description", "description", _STRING256),
    Slot("obisCode", "obis_code", _STRING32, 1),
)
_START_TIME = Node(
    _time_of_day,
    Slot("hour", "hour", _UINT8),
    Slot("minute", "minute", _UINT8),
    Slot("second", "second", _UINT8),
    Slot("hundreds", "hundreds", _UINT8),
)
_SWITCH_TIME = Node(
    _switch_time, Slot("startTime", "start", _START_TIME, 1), Slot("tariffNumber", "tariff", _UINT16, 1), split=_split_switch_time
)
_DAY_PROFILE = Node(
    DayProfile,
    Slot("dayId", "day_ids", _STRING256, 1, _MANY),
    Slot("DayTimeProfile", "switch_times", _SWITCH_TIME, 1, _MANY),
)
_DAY_DATE = Node(_date, Slot("year", "year", _UINT16), Slot("month", "month", _UINT8), Slot("day_of_month", "day", _UINT8))
_SPECIAL_DAY = Node(
    _special_day, Slot("specialDayDate", "date", _DAY_DATE, 1), Slot("dayId", "day_id", _STRING256, 1), split=_split_special_day
)
# A missing day profile gets a code of its own later, so the grammar does not ask for one.
_TIME_TRIGGER = Node(
    TimeTrigger,
    Slot("DayProfile", "day_profiles", _DAY_PROFILE, 0, _MANY),
    Slot("SpecialDayProfile", "special_days", _SPECIAL_DAY, 0, 10 * _MANY),
)
_TRIGGER = _wrap(Slot("TimeTrigger", "value", _TIME_TRIGGER))
_ANALYSIS = Node(
    AnalysisProfile,
    Slot("tariffUseCase", "use_case", _UINT16, 1),
    Slot("tariffId", "tariff_id", _STRING64, 1),
    Slot("billingPeriod", "billing_period", _INTERVAL, 1),
    Slot("TariffStage", "stages", _STAGE, 0, _MANY),
    Slot("defaultTariffNumber", "default_tariff", _UINT16, 1),
    Slot("TariffChangeTrigger", "time_trigger", _TRIGGER),
)
_EVENT_TYPE = Node(
    EventType,
    Slot("deviceType", "device_type", _UINT8),
    Slot("eventId", "event_id", _UINT32),
    Slot("eventSubId", "event_sub_id", _UINT32),
    Slot("vendorId", "vendor_id", _STRING32),
    Slot("version", "version", _UINT8),
)
_LOG_EVENT = Node(
    LogEvent,
    Slot("evidence", "evidence", _HEX_TEXT),
    Slot("type", "type", _EVENT_TYPE),
    Slot("level", "level", _UINT8),
    Slot("text", "text", _text(16384)),
    Slot("outcome", "outcome", _UINT8),
    Slot("secondsIndex", "seconds_index", _UINT32),
    Slot("subjectIdentity", "subject_identity", _STRING256),
    Slot("timestamp", "timestamp", _DATE_TIME),
    Slot("userIdentity", "user_identity", _STRING256),
    Slot("eventKindVendor", "event_kind_vendor", _STRING256),
)
_LOG_ENTRY = Node(LogEntry, Slot("recordNumber", "record_number", _UINT32), Slot("LogEvent", "event", _LOG_EVENT))
_READING = Node(
    IntervalReading,
    Slot("value", "value", _INT48, namespace=ESPI),
    Slot("timePeriod", "period", _INTERVAL),
    Slot("targetTime", "target_time", _DATE_TIME),
    Slot("measurementTimeMeter", "meter_time", _DATE_TIME),
    Slot("certId", "certificate_id", _UINT8),
    Slot("meterSig", "meter_signature", _text(4096)),
    Slot("signature", "signature", _text(4096)),
    Slot("statusFNN", "status_fnn", _STRING256),
    Slot("statusPTB", "status_ptb", _UINT8),
    Slot("statusVendor", "status_vendor", _STRING256),
)
_BLOCK = Node(
    IntervalBlock,
    Slot("interval", "interval", _INTERVAL),
    Slot("IntervalReading", "readings", _READING, 0, _MAX_READINGS),
)
_READING_TYPE = Node(
    ReadingType,
    Slot("powerOfTenMultiplier", "multiplier", _INT16, namespace=ESPI),
    Slot("uom", "uom", _UINT16, namespace=ESPI),
    Slot("scaler", "scaler", _integer(-128, 127)),
    Slot("obisCode", "obis_code", _STRING32),
    Slot("qualifiedLogicalName", "qualified_logical_name", _STRING256),
    Slot("description", "description", _STRING256),
    Slot("measurementPeriod", "measurement_period_s", _UINT32),
)
_METER_READING = Node(
    MeterReading,
    Slot("Meter", "meter_id", _wrap(Slot("meterId", "value", _STRING64, 1))),
    Slot("meterReadingId", "reading_id", _STRING256),
    Slot("ReadingType", "reading_type", _READING_TYPE),
    Slot("IntervalBlock", "blocks", _BLOCK, 0, 10 * _MANY),
)
_POINT_HEAD = (
    Slot("ServiceCategory", "kind", _SERVICE_CATEGORY, namespace=ESPI),
    Slot("usagePointId", "usage_point_id", _STRING256),
    Slot("Customer", "customer_id", _CUSTOMER),
    Slot("InvoicingParty", "invoicing_party_id", _INVOICING_PARTY),
)
_POINT_TAIL = (
    Slot("Certificate", "certificates", _CERTIFICATE, 0, 255),
    Slot("tariffName", "tariff_name", _STRING256),
    Slot("AnalysisProfile", "analysis_profile", _ANALYSIS),
)
_SUPPLIER_POINT = Node(UsagePoint, *_POINT_HEAD, Slot("SMGW", "smgw", _SUPPLIER_SMGW), *_POINT_TAIL)
_DEVICE_POINT = Node(
    UsagePoint,
    *_POINT_HEAD,
    Slot("SMGW", "smgw", _DEVICE_SMGW),
    Slot("VendorConfig", "vendor_profile", _wrap(Slot("tafProfile", "value", _HEX_TEXT))),
    *_POINT_TAIL,
    Slot("LogEntry", "log_entries", _LOG_ENTRY, 0, _MAX_ENTRIES),
    Slot("MeterReading", "meter_readings", _METER_READING, 0, _MANY),
)
SUPPLIER_FILE = Node(Document, Slot("UsagePoint", "usage_points", _SUPPLIER_POINT, 1, _MANY))
DEVICE_FILE = Node(
    Document,
    Slot("GeneratorVersion", "generator_version", _STRING256),
    Slot("UsagePoint", "usage_points", _DEVICE_POINT, 1, _MANY),
)

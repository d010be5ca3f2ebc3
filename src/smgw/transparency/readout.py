"""Check a device file as TRuDI does and turn its original lists into series that can be priced.

Source: CON-06; 30-han-consumer-interface 3.4, 3.6.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec
from cryptography import x509

from smgw.codec.trudi_model import Document, IntervalReading, LogEvent, MeterReading, ReadingType, UsagePoint
from smgw.core.errors import PeerFault
from smgw.core.instant import BERLIN, from_microseconds, local_day, local_midnight, microseconds
from smgw.core.obis import Obis
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, Layout, PtbStatus, ptb_status

_KINDS: Final = frozenset((0, 1, 2, 4, 5, 6, 7, 8))
_UNITS: Final = frozenset((0, 5, 9, 29, 31, 33, 38, 42, 61, 63, 65, 67, 69, 71, 72, 73, 106, 119, 122, 125, 128, 129))
_MULTIPLIERS: Final = frozenset((-6, -3, 0, 1, 2, 3, 6, 9))
_CERTIFICATE_KINDS: Final = frozenset((1, 2, 3))
_DAY_S: Final = 86_400
# Register periods that a list without measurementPeriod is taken to have, the most usual first.
_PERIODS_S: Final = (900, 60, 120, 180, 240, 300, 600, 1800, 2400, 3600, 5400, 7200, 10800, 14400, 21600, 28800, 43200, _DAY_S, 2_592_000)

CAPTURE_TOLERANCE_PERCENT: Final = 1
"""A capture time this near to the raster stands for it where tariffs are told apart (TAF 2; PTB-A 50.8)."""
READER_TOLERANCE_PERCENT: Final = 3
"""TRuDI's reader goes this far, and so does TAF 1; for TAF 2 the difference is reported."""


class StatusWord(NamedTuple):
    """Tell what a combined status word says on the PTB scale, and whether it carries both identification patterns."""

    ptb: PtbStatus
    identified: bool


@lru_cache(maxsize=1024)
def status_word(text: str) -> StatusWord:
    """Read a statusFNN, older layout: up to 16 hex digits, bit 0 of each word left-most. Raises: PeerFault trudi.status."""
    if not 0 < len(text) <= 16 or len(text) % 2 or any(digit not in "0123456789abcdefABCDEF" for digit in text):
        raise PeerFault("trudi.status", f"statusFNN {text[:20]}")
    bits = f"{int(text, 16):064b}"
    gateway, meter = int(bits[31::-1], 2), int(bits[:31:-1], 2)
    identified = gateway & GATEWAY_OK == GATEWAY_OK and bool(meter & METER_IDENTIFICATION)
    return StatusWord(ptb_status(gateway, meter, Layout.FNN_OLD), identified)


def ptb_status_of(reading: IntervalReading) -> PtbStatus:
    """Rank a reading by the worse of its two statuses.

    A statusFNN beside a statusPTB counts only when it carries both identification patterns, because some gateways write it in another bit
    order; alone it must carry them.
    Raises: PeerFault trudi.status.
    """
    word = None if reading.status_fnn is None else status_word(reading.status_fnn.strip())
    if reading.status_ptb is None:
        if word is None or not word.identified:
            raise PeerFault("trudi.status", reading.status_fnn or "none")
        return word.ptb
    if reading.status_ptb > PtbStatus.FATAL:
        raise PeerFault("trudi.status", f"statusPTB {reading.status_ptb}")
    status = PtbStatus(reading.status_ptb)
    return max(status, word.ptb) if word is not None and word.identified else status


def is_blank(text: str | None) -> bool:
    """Tell whether a name is missing or holds nothing but white space."""
    return text is None or not text.strip()


def usage_point_of(document: Document) -> UsagePoint:
    """Give the one usage point of a file, checked for what both kinds of file must have.

    Raises: PeerFault trudi.usage_points, trudi.usage_point_id, trudi.tariff_name, trudi.invoicing_party, trudi.smgw, trudi.kind.
    """
    if len(document.usage_points) != 1:
        raise PeerFault("trudi.usage_points", f"{len(document.usage_points)}")
    point = document.usage_points[0]
    if is_blank(point.usage_point_id):
        raise PeerFault("trudi.usage_point_id")
    if is_blank(point.tariff_name):
        raise PeerFault("trudi.tariff_name")
    if point.invoicing_party_id is None:
        raise PeerFault("trudi.invoicing_party")
    if point.smgw is None:
        raise PeerFault("trudi.smgw")
    if point.kind not in _KINDS:
        raise PeerFault("trudi.kind", str(point.kind))
    return point


def obis_of(text: str | None, where: str) -> Obis:
    """Read twelve hex digits. Raises: PeerFault trudi.obis."""
    try:
        return Obis.from_bytes(bytes.fromhex(text or ""))
    except (ValueError, PeerFault) as problem:
        raise PeerFault("trudi.obis", f"{where}: {(text or 'none')[:20]}") from problem


def check_certificates(point: UsagePoint) -> None:
    """Check type and content of each certificate. Raises: PeerFault trudi.certificate_type, trudi.certificate_content."""
    for certificate in point.certificates:
        if certificate.kind not in _CERTIFICATE_KINDS:
            raise PeerFault("trudi.certificate_type", f"{certificate.kind}")
        try:
            if certificate.content.lstrip().startswith(b"-----BEGIN"):
                x509.load_pem_x509_certificate(certificate.content)
            else:
                x509.load_der_x509_certificate(certificate.content)
        except (ValueError, x509.InvalidVersion) as problem:
            raise PeerFault("trudi.certificate_content", f"certificate {certificate.certificate_id}") from problem


def _check_reading_type(kind: ReadingType, point: UsagePoint, where: str) -> None:
    obis_of(kind.obis_code, where)
    if not kind.qualified_logical_name or kind.multiplier not in _MULTIPLIERS or kind.uom not in _UNITS:
        raise PeerFault("trudi.reading_type", where)
    # TRuDI's reader fails over a description where no tariff stage stands before it.
    if kind.description is not None and (point.analysis_profile is None or not point.analysis_profile.stages):
        raise PeerFault("trudi.element_refused", f"{where}: ReadingType/description")


def _check_blocks(meter_reading: MeterReading, where: str) -> None:
    spans = []
    for block in meter_reading.blocks:
        if block.interval is None or block.interval.start is None or block.interval.end is None or not block.readings:
            raise PeerFault("trudi.interval_block", where)
        spans.append((block.interval.start, block.interval.end))
        for number, reading in enumerate(block.readings, 1):
            period = reading.period
            if reading.value is None or period is None or period.start is None or period.duration_s is None:
                raise PeerFault("trudi.reading", f"{where}, reading {number}")
            try:
                ptb_status_of(reading)
            except PeerFault as fault:
                raise PeerFault(fault.code, f"{where}, reading {number}: {fault.detail}") from fault
    spans.sort()
    for (_, before), (after, _) in pairwise(spans):
        if before != after:
            raise PeerFault("trudi.block_gap" if before < after else "trudi.block_overlap", f"{where}: {before} and {after}")


def _check_log_event(event: LogEvent, point: UsagePoint) -> None:
    if event.level is None or not 1 <= event.level <= 5 or (event.outcome is not None and event.outcome > 2):
        raise PeerFault("trudi.log_event", f"level {event.level}, outcome {event.outcome}")
    # TRuDI's reader fails over a type's version where no firmware component stands before it.
    if event.type is not None and event.type.version is not None and not (point.smgw and point.smgw.firmware_components):
        raise PeerFault("trudi.element_refused", "LogEvent/type/version")


def check_readout(document: Document) -> UsagePoint:
    """Check a device file for what it must have beyond its schema, and give its usage point.

    Raises: PeerFault with the codes of `usage_point_of` and trudi.smgw, trudi.customer, trudi.certificate_missing, trudi.certificate_ids,
    trudi.certificate_type, trudi.certificate_content, trudi.meter_reading, trudi.reading_type, trudi.obis, trudi.interval_block,
    trudi.reading, trudi.status, trudi.block_gap, trudi.block_overlap, trudi.log_event, trudi.element_refused.
    """
    point = usage_point_of(document)
    assert point.smgw is not None
    if is_blank(point.smgw.gateway_id):
        raise PeerFault("trudi.smgw", "smgwId")
    if point.customer_id is None:
        raise PeerFault("trudi.customer")
    if not point.certificates:
        raise PeerFault("trudi.certificate_missing")
    if sorted(point.smgw.certificate_ids) != sorted(certificate.certificate_id for certificate in point.certificates):
        raise PeerFault("trudi.certificate_ids")
    check_certificates(point)
    for number, meter_reading in enumerate(point.meter_readings, 1):
        where = f"list {number}"
        if is_blank(meter_reading.reading_id) or meter_reading.meter_id is None or meter_reading.reading_type is None:
            raise PeerFault("trudi.meter_reading", where)
        _check_reading_type(meter_reading.reading_type, point, where)
        _check_blocks(meter_reading, where)
    for entry in point.log_entries:
        if entry.event is not None:
            _check_log_event(entry.event, point)
    return point


class ListReading(NamedTuple):
    """Hold one reading of an original list."""

    target_us: int
    """Target time, or the capture time where it stands for no register period; microseconds since 1970."""
    value: int
    status: PtbStatus
    captured: datetime


class OriginalList(msgspec.Struct, frozen=True):
    """Hold the readings of one register in the order of time, one for each time (German: originäre Messwertliste)."""

    meter_id: str
    obis: Obis
    scaler: int
    multiplier: int
    uom: int
    period_s: int
    """Register period in seconds, 0 when it can't be told."""
    readings: tuple[ListReading, ...]
    duplicates: tuple[datetime, ...]
    """Times that stood in the list more than once; the first reading counts."""
    outside: tuple[datetime, ...]
    """Times outside their block, which TRuDI does not find; they don't count here either."""
    late: tuple[datetime, ...]
    """Capture times beyond the tolerance that TRuDI's reader still puts on the raster; they don't count here."""
    unread_words: int
    """How many status words stood in another bit order beside a statusPTB."""


def align(moment_us: int, period_s: int, percent: int) -> int:
    """Move a time onto the raster of the register period (from local midnight) when it is within the tolerance; else leave it."""
    if not 0 < period_s <= _DAY_S:
        return moment_us
    moment = from_microseconds(moment_us)
    window = timedelta(seconds=period_s * percent // 100)
    if period_s == _DAY_S:
        day = local_day(moment)
        midnights = (local_midnight(day), local_midnight(day + timedelta(days=1)))
        return next((microseconds(midnight) for midnight in midnights if abs(moment - midnight) <= window), moment_us)
    local = moment.astimezone(BERLIN)
    since_midnight = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    period = timedelta(seconds=period_s)
    over = since_midnight % period
    if over <= window:
        return moment_us - over // timedelta(microseconds=1)
    if period - over <= window:
        return moment_us + (period - over) // timedelta(microseconds=1)
    return moment_us


def _near_period(span_s: int) -> int | None:
    for period in _PERIODS_S:
        if span_s == period or abs(span_s - period) < period // 100 * 2:
            return period
    return None


def _usual_period(captured: Sequence[tuple[datetime, PtbStatus]], *, any_status: bool) -> int:
    counts: Counter[int] = Counter()
    for (before, status_before), (after, status_after) in pairwise(captured):
        if any_status or max(status_before, status_after) < PtbStatus.TEMPORARY_ERROR:
            period = _near_period(int((after - before).total_seconds()))
            if period:
                counts[period] += 1
    return counts.most_common(1)[0][0] if counts else 0


def register_period(meter_reading: MeterReading, blocks: Iterable[Sequence[tuple[datetime, PtbStatus]]]) -> int:
    """Give the register period in seconds as the file says it, or the span that occurs most often; 0 when there is none."""
    assert meter_reading.reading_type is not None
    if meter_reading.reading_type.measurement_period_s:
        return meter_reading.reading_type.measurement_period_s
    held = [list(block) for block in blocks]
    found = (_usual_period(block, any_status=any_status) for any_status in (False, True) for block in held)
    return next((period for period in found if period), 0)


def original_list(meter_reading: MeterReading, tolerance_percent: int = CAPTURE_TOLERANCE_PERCENT) -> OriginalList:
    """Turn an original list of a checked device file into a series.

    A reading without target time gets the raster time that its capture time is near to, within a percentage of the register period.
    """
    kind = meter_reading.reading_type
    assert kind is not None and kind.uom is not None and kind.multiplier is not None
    blocks = []
    for block in meter_reading.blocks:
        assert block.interval is not None and block.interval.start is not None and block.interval.end is not None
        rows = []
        for reading in block.readings:
            assert reading.period is not None and reading.period.start is not None and reading.value is not None
            rows.append((reading.period.start, ptb_status_of(reading), reading))
        rows.sort(key=lambda row: row[0])
        blocks.append((block.interval.start, block.interval.end, rows))
    blocks.sort(key=lambda block: block[0])
    period_s = register_period(meter_reading, ([(captured, status) for captured, status, _ in rows] for _, _, rows in blocks))
    found: list[ListReading] = []
    outside: list[datetime] = []
    late: list[datetime] = []
    unread = 0
    for start, end, rows in blocks:
        bounds = _bounds(start, end)
        for captured, status, reading in rows:
            assert reading.value is not None
            if reading.target_time is not None:
                target = microseconds(reading.target_time)
            else:
                target = align(microseconds(captured), period_s, tolerance_percent)
                if align(microseconds(captured), period_s, READER_TOLERANCE_PERCENT) != target:
                    late.append(captured)
            unread += reading.status_fnn is not None and not status_word(reading.status_fnn.strip()).identified
            if any(low <= target <= high for low, high in bounds):
                found.append(ListReading(target, reading.value, status, captured))
            else:
                outside.append(captured)
    found.sort(key=lambda reading: reading.target_us)
    kept: list[ListReading] = []
    duplicates: list[datetime] = []
    for reading_found in found:
        if kept and kept[-1].target_us == reading_found.target_us:
            duplicates.append(from_microseconds(reading_found.target_us))
        else:
            kept.append(reading_found)
    return OriginalList(
        meter_id=meter_reading.meter_id or "",
        obis=obis_of(kind.obis_code, ""),
        scaler=kind.scaler,
        multiplier=kind.multiplier,
        uom=kind.uom,
        period_s=period_s,
        readings=tuple(kept),
        duplicates=tuple(duplicates),
        outside=tuple(outside),
        late=tuple(late),
        unread_words=unread,
    )


def _bounds(start: datetime, end: datetime) -> tuple[tuple[int, int], tuple[int, int]]:
    """Give the span of a block as written and as moved onto the quarter hour."""
    low, length = microseconds(start), microseconds(end) - microseconds(start)
    aligned = align(low, 900, CAPTURE_TOLERANCE_PERCENT)
    return (low, low + length), (aligned, aligned + length)

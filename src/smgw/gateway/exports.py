"""Exports of the journal for people and programs outside: JSON lines with proofs, CSV, the form of the consumer interface, AR 2418-6.

An export for a consumer goes through that consumer's contracts and log alone, as the consumer interface does.
Source: LOG-02, CON-03, CON-04.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from smgw.codec.csv_cells import csv_line
from smgw.codec.readings_csv import HEADER
from smgw.codec.trudi_model import Certificate, Document, MeterReading, Smgw, UsagePoint
from smgw.codec.trudi_readings import log_entry_of, meter_reading_of
from smgw.codec.trudi_write import write_device_file
from smgw.core.errors import ConfigError
from smgw.core.instant import utc_text
from smgw.core.log_event import Log, LogEntry
from smgw.core.obis import Obis
from smgw.core.profiles import ConsumerProfile, EvaluationProfile, MeterProfile
from smgw.core.quantity import UNIT_SYMBOLS, unit_symbol
from smgw.core.reading import Reading, SignedReading, canonical_bytes, reading_from_canonical
from smgw.core.register import RegisterValue, register_canonical_bytes, register_from_canonical
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, to_hex_msb_first
from smgw.gateway.han.journal_data import contract_readings
from smgw.gateway.han.m2m import VERSION, log_entry, user_id
from smgw.storage.journal import Journal, StoredLogEntry
from smgw.storage.journal_export import ExportAbout, ExportItem, item_of, rows_of
from smgw.storage.journal_readings import READINGS, REGISTERS

WINDOW = timedelta(days=31)
"""Readings are taken in pieces of this length, so that an export of years needs little memory."""

_MEDIA = {"electricity": 0, "gas": 1, "water": 2, "heat": 5, "cold": 6}
_PERSONAL = frozenset({READINGS, REGISTERS, Log.CONSUMER.value})
"""Chains of which a consumer may have a part."""


class ExportFormat(StrEnum):
    """Name the forms of an export."""

    JSON = "json"
    """Lines with all proofs; see `smgw.storage.journal_export`."""
    CSV = "csv"
    CONEXA = "conexa"
    """A log as the call `log` of the consumer interface answers it."""
    TRUDI = "trudi"
    """AR 2418-6, one contract with its log and readings."""


class ExportRequest(NamedTuple):
    """Say what is to be exported."""

    chains: tuple[str, ...]
    about: ExportAbout
    contract: str = ""
    """Profile id, for AR 2418-6."""
    since: datetime | None = None
    until: datetime | None = None
    """Bounds for AR 2418-6: log entries before `until`, readings up to it; both from `since` on: a bill needs a period's first value."""
    language: str = "en"


class DeviceFacts(NamedTuple):
    """Hold what an AR 2418-6 file says of the gateway."""

    firmware_version: str
    certificates: tuple[Certificate, ...]


def file_certificates(signature: bytes, issuer: bytes, consumer_interface: bytes | None) -> tuple[Certificate, ...]:
    """Number the gateway's certificates for an AR 2418-6 file; all are DER."""
    found = (Certificate(1, 1, signature, 2), Certificate(2, 2, issuer))
    return found if consumer_interface is None else (*found, Certificate(3, 3, consumer_interface))


def check_request(form: ExportFormat, request: ExportRequest) -> None:
    """Refuse what a form can't hold. Raises: ConfigError export.choice."""
    consumer, chains = request.about.consumer, set(request.chains)
    problems = (
        (consumer and not chains <= _PERSONAL, "one consumer's export holds readings, registers and the consumer's log only"),
        (form is ExportFormat.CSV and len(chains) != 1, "a table holds one chain"),
        (form is ExportFormat.CONEXA and (len(chains) != 1 or not chains <= {log.value for log in Log}), "this form holds one log"),
        (form in (ExportFormat.CSV, ExportFormat.CONEXA) and chains == {Log.CONSUMER.value} and not consumer, "name the consumer"),
        (form is ExportFormat.TRUDI and not (consumer and request.contract), "this form needs a consumer and a contract"),
    )
    for holds, detail in problems:
        if holds:
            raise ConfigError("export.choice", detail)


def export_parts(
    journal: Journal, form: ExportFormat, request: ExportRequest, facts: DeviceFacts, *, seal_here: bool = False
) -> Iterator[bytes]:
    """Write an export piece by piece. Raises: ConfigError export.choice, export.contract, export.consumer; UsageError trudi.encode."""
    check_request(form, request)
    if request.about.consumer:
        _consumer(journal, request.about.consumer)
    match form:
        case ExportFormat.JSON:
            items = _items(journal, request) if request.about.consumer else ()
            return journal.export(request.chains, request.about, items=items, seal_here=seal_here)
        case ExportFormat.CSV:
            return (line.encode() for line in _csv(journal, request))
        case ExportFormat.CONEXA:
            return _conexa(journal, request)
        case ExportFormat.TRUDI:
            return iter((_trudi(journal, request, facts),))


# ------------------------------------------------------------------------------------------- what belongs to a consumer


def _consumer(journal: Journal, consumer_id: str) -> ConsumerProfile:
    for profile in journal.profiles("consumer"):
        if isinstance(profile, ConsumerProfile) and profile.consumer_id == consumer_id:
            return profile
    raise ConfigError("export.consumer", consumer_id[:60])


def _contracts(journal: Journal, consumer_id: str) -> list[EvaluationProfile]:
    profiles = (profile for profile in journal.profiles("evaluation") if isinstance(profile, EvaluationProfile))
    return [profile for profile in profiles if profile.consumer_id == consumer_id]


def _own_readings(journal: Journal, consumer_id: str) -> Iterator[SignedReading]:
    """Give every reading of a consumer's contracts once, by contract and target time."""
    seen: set[int] = set()
    for profile in _contracts(journal, consumer_id):
        for signed in _contract_readings(journal, profile, None, None):
            if signed.sequence not in seen:
                seen.add(signed.sequence)
                yield signed


def _contract_readings(
    journal: Journal, profile: EvaluationProfile, since: datetime | None, until: datetime | None
) -> Iterator[SignedReading]:
    codes = [Obis.parse(text) for text in profile.registers]
    ends = [end for code in codes for end in (journal.first_reading(profile.meter_id, code), journal.last_reading(profile.meter_id, code))]
    targets = [end.reading.target_time for end in ends if end is not None]
    if not targets:
        return
    first = max(min(targets), profile.valid_from) if since is None else since
    after = first - timedelta(microseconds=1)
    last = max(targets) if until is None else min(until, max(targets))
    while after < last:
        step = min(after + WINDOW, last)
        yield from contract_readings(journal, profile, codes, after, step)
        after = step


def _items(journal: Journal, request: ExportRequest) -> Iterator[ExportItem]:
    consumer_id = request.about.consumer
    if READINGS in request.chains:
        for signed in _own_readings(journal, consumer_id):
            yield item_of(READINGS, canonical_bytes(signed.reading), signed.signature)
    if REGISTERS in request.chains:
        for profile in _contracts(journal, consumer_id):
            for value in journal.registers(profile.profile_id):
                yield item_of(REGISTERS, register_canonical_bytes(value))


# -------------------------------------------------------------------------------------------------------------- tables


def _csv(journal: Journal, request: ExportRequest) -> Iterator[str]:
    (chain,) = request.chains
    consumer_id = request.about.consumer
    if chain == READINGS:
        own_readings = (signed.reading for signed in _own_readings(journal, consumer_id))
        yield csv_line(HEADER)
        yield from map(_reading_line, own_readings if consumer_id else map(reading_from_canonical, _records(journal, chain)))
    elif chain == REGISTERS:
        own = (value for profile in _contracts(journal, consumer_id) for value in journal.registers(profile.profile_id))
        yield csv_line(("profile_id", "taf", "obis", "value", "scaler", "unit", "period_start", "period_end", "status", "created_at"))
        yield from map(_register_line, own if consumer_id else map(register_from_canonical, _records(journal, chain)))
    else:
        yield csv_line(("number", "time", "level", "event_number", "event", "success", "subject", "text"))
        for stored in journal.log(Log(chain), consumer_id):
            yield _log_line(stored, request.language)


def _records(journal: Journal, chain: str) -> Iterator[bytes]:
    return (bytes.fromhex(row.record) for row in rows_of(journal.export([chain])) if row.chain == chain)


def _unit(unit: int) -> str:
    return unit_symbol(unit) if UNIT_SYMBOLS.get(unit) else str(unit)


def _reading_line(reading: Reading) -> str:
    words = reading.gateway_status, reading.meter_status
    status = "" if words == (GATEWAY_OK, METER_IDENTIFICATION) else to_hex_msb_first(*words)
    target = utc_text(reading.target_time)
    return csv_line((reading.meter_id, reading.obis, target, reading.raw, reading.scaler, _unit(reading.unit), status))


def _register_line(value: RegisterValue) -> str:
    times = (utc_text(moment) for moment in (value.period_start, value.period_end))
    amount = (value.raw, value.scaler, _unit(value.unit))
    return csv_line((value.profile_id, value.taf, value.obis, *amount, *times, f"{value.gateway_status:08x}", utc_text(value.created_at)))


def _log_line(stored: StoredLogEntry, language: str) -> str:
    entry: LogEntry = stored.entry
    kind = entry.kind
    facts = (stored.index, utc_text(entry.time), kind.level.name.lower(), kind.number, entry.event)
    return csv_line((*facts, "yes" if entry.success else "no", entry.subject, entry.text(language)))


# --------------------------------------------------------------------------------------------- forms of other programs


def _conexa(journal: Journal, request: ExportRequest) -> Iterator[bytes]:
    (chain,) = request.chains
    consumer_id = request.about.consumer
    user = user_id(_consumer(journal, consumer_id)) if consumer_id else ""
    vendor = request.about.gateway[1:4]
    stored = journal.log(Log(chain), consumer_id)
    entries = [log_entry(item, request.language, user, vendor) for item in stored]
    content = {"entries": entries, "records": str(len(entries))}
    yield msgspec.json.encode({"elapsed-time": "0 miliseconds", "method": "log", "version": VERSION, "log": content}) + b"\n"


def _trudi(journal: Journal, request: ExportRequest, facts: DeviceFacts) -> bytes:
    contracts = _contracts(journal, request.about.consumer)
    profile = next((one for one in contracts if one.profile_id == request.contract), None)
    if profile is None:
        raise ConfigError("export.contract", request.contract[:60])
    meters = (meter for meter in journal.profiles("meter") if isinstance(meter, MeterProfile))
    medium = next((meter.medium for meter in meters if meter.meter_id == profile.meter_id), "electricity")
    entries = journal.log(Log.CONSUMER, request.about.consumer, since=request.since, until=request.until)
    readings = list(_contract_readings(journal, profile, request.since, request.until))
    signer = next((certificate.certificate_id for certificate in facts.certificates if certificate.kind == 1), None)
    point = UsagePoint(
        kind=_MEDIA[medium],
        usage_point_id=profile.metering_point_id,
        customer_id=profile.consumer_id,
        invoicing_party_id=next(iter(profile.recipients), ""),
        smgw=Smgw(request.about.gateway, tuple(one.certificate_id for one in facts.certificates), facts.firmware_version),
        certificates=facts.certificates,
        tariff_name=profile.usage_point_name,
        log_entries=tuple(log_entry_of(stored.index, stored.entry, request.language) for stored in entries),
        meter_readings=tuple(_lists(profile, readings, signer)),
    )
    return write_device_file(Document((point,)))


def _lists(profile: EvaluationProfile, readings: Iterable[SignedReading], certificate_id: int | None) -> Iterator[MeterReading]:
    """Put readings into one list for each register and scale."""
    groups: dict[tuple[Obis, int, int], list[SignedReading]] = {}
    for signed in readings:
        reading = signed.reading
        if reading.raw is not None:
            groups.setdefault((reading.obis, reading.scaler, reading.unit), []).append(signed)
    for (obis, _, _), held in groups.items():
        moments = [moment for signed in held for moment in (signed.reading.capture_time, signed.reading.target_time)]
        start, end = min(moments).replace(microsecond=0), max(moments).replace(microsecond=0) + timedelta(seconds=1)
        yield meter_reading_of(obis, held, start, end, period_s=profile.period_s, certificate_id=certificate_id)


def export_time(journal: Journal, now: datetime) -> str:
    """Give the time of an export: now, or the newest log entry's where a simulated gateway is ahead of it."""
    count = journal.log_count(Log.SYSTEM, "")
    newest = journal.log(Log.SYSTEM, from_index=count) if count else []
    return utc_text(max([now.astimezone(UTC), *(stored.entry.time for stored in newest)]).replace(microsecond=0))

"""Load profiles of a day from the stored reading series, for customers who are billed by registered power (German: RLM, Lastgang).

The transformer factor is applied here, to energy and power; the stored readings stay what the meter showed.
Source: MEAS-05; 004 4.3.4.
"""

import csv
import io
from datetime import date
from typing import Final

from smgw.core.instant import BERLIN, day_bounds, utc_text
from smgw.core.obis import Obis
from smgw.core.quantity import unit_symbol
from smgw.core.reading import Reading, SignedReading
from smgw.participant.records import MeterRecord
from smgw.participant.store import ParticipantStore
from smgw.tariff.load_profile import LoadValue, load_profile

LOAD_COLUMNS: Final = (
    "meter_id",
    "obis",
    "start_local",
    "end_utc",
    "energy",
    "energy_unit",
    "power",
    "power_unit",
    "factor",
    "gateway_status",
)


def day_load(store: ParticipantStore, meter: MeterRecord, obis: Obis, day: date, factor: int = 1) -> list[LoadValue]:
    """Give the load of each register period of a local day; a period without two usable readings has no value.

    Raises: DomainFault tariff.power for a register without power, tariff.rules for a factor below 1.
    """
    readings = []
    for number, effective in enumerate(store.series.day(meter.meter_id, obis, day)):
        value = effective.value
        reading = Reading(
            meter.meter_id, obis, value.raw, value.scaler, value.unit, value.capture_time, value.target_time,
            value.gateway_status, value.meter_status,
        )  # fmt: skip
        readings.append(SignedReading(reading, b"", number))
    return load_profile(readings, meter.meter_id, obis, *day_bounds(day), period_s=meter.period_s, factor=factor)


def day_load_csv(store: ParticipantStore, meter: MeterRecord, obis: Obis, day: date, factor: int = 1) -> str:
    """Write a day's load profile as CSV with a head line; amounts are exact decimals with the factor applied."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(LOAD_COLUMNS)
    for load in day_load(store, meter, obis, day, factor):
        amounts = [
            text
            for amount in (load.energy, load.power)
            for text in (("", "") if amount is None else (f"{amount.decimal():f}", unit_symbol(amount.unit)))
        ]
        start = load.start.astimezone(BERLIN).isoformat()
        writer.writerow((meter.meter_id, str(obis), start, utc_text(load.end), *amounts, factor, f"{load.gateway_status:08x}"))
    return out.getvalue()

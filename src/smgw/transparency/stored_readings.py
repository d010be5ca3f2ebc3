"""Turn the original lists of a device file into readings as a gateway stores them, so that any use case can be tried on them.

Nothing is left out and nothing put in order: what is doubled or outside its block is for the evaluation to judge.
Source: CON-06; 30-han-consumer-interface 3.4.
"""

from typing import Final

from smgw.codec.trudi_model import Document, MeterReading
from smgw.codec.trudi_readings import UOM_BY_UNIT
from smgw.core.errors import PeerFault
from smgw.core.instant import from_microseconds, microseconds
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, GatewayStatus, PtbStatus
from smgw.transparency.readout import CAPTURE_TOLERANCE_PERCENT, align, check_readout, obis_of, ptb_status_of, register_period

_UNIT_BY_UOM: Final = {uom: int(unit) for unit, uom in UOM_BY_UNIT.items()}

_WORDS: Final[dict[PtbStatus, int]] = {
    PtbStatus.NONE: GATEWAY_OK,
    PtbStatus.WARNING: GATEWAY_OK | GatewayStatus.WARNING,
    PtbStatus.TEMPORARY_ERROR_USABLE: GATEWAY_OK | GatewayStatus.WARNING,
    PtbStatus.TEMPORARY_ERROR: GATEWAY_OK | GatewayStatus.NOT_FOR_BILLING,
    PtbStatus.FATAL: GATEWAY_OK | GatewayStatus.ERROR,
}
"""Rank of a reading -> a gateway word of that rank; the words of a device file have several layouts, their rank is sure."""


def stored_readings(document: Document) -> list[SignedReading]:
    """Give the readings of all original lists in the order of the file, which numbers them.

    Raises: PeerFault as `check_readout`, readings.unit, trudi.no_original_list.
    """
    point = check_readout(document)
    lists = [meter_reading for meter_reading in point.meter_readings if meter_reading.is_original]
    if not lists:
        raise PeerFault("trudi.no_original_list")
    readings = [reading for meter_reading in lists for reading in _readings(meter_reading)]
    return [SignedReading(reading, b"", number) for number, reading in enumerate(readings, 1)]


def _readings(meter_reading: MeterReading) -> list[Reading]:
    kind = meter_reading.reading_type
    assert kind is not None and kind.multiplier is not None and kind.uom is not None
    unit = _UNIT_BY_UOM.get(kind.uom)
    if unit is None:
        raise PeerFault("readings.unit", f"{kind.uom}")
    obis = obis_of(kind.obis_code, "")
    rows = []
    blocks = []
    for block in meter_reading.blocks:
        held = []
        for row in block.readings:
            assert row.period is not None and row.period.start is not None
            status = ptb_status_of(row)
            held.append((row.period.start, status))
            rows.append((row, row.period.start, status))
        blocks.append(sorted(held))
    period_s = register_period(meter_reading, blocks)
    readings = []
    for row, captured, status in rows:
        target = row.target_time or from_microseconds(align(microseconds(captured), period_s, CAPTURE_TOLERANCE_PERCENT))
        readings.append(
            Reading(
                meter_id=meter_reading.meter_id or "",
                obis=obis,
                raw=row.value,
                scaler=kind.scaler + kind.multiplier,
                unit=unit,
                capture_time=captured,
                target_time=target,
                gateway_status=int(_WORDS[status]),
                meter_status=METER_IDENTIFICATION,
            )
        )
    return readings

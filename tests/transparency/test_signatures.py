"""Signatures of readings in a device file: good ones, altered ones, and those of other makers."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from msgspec.structs import replace
from tests.trudi_files import CERTIFICATE, METER, START, berlin, device, supplier

from smgw.codec.trudi_model import Certificate, Document
from smgw.codec.trudi_readings import meter_reading_of
from smgw.codec.trudi_write import write_device_file
from smgw.codec.trudi_xml import read_device_file
from smgw.core.errors import UsageError
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.reading import Reading, SignedReading, canonical_bytes
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, GatewayStatus
from smgw.transparency.readout import check_readout, ptb_status_of
from smgw.transparency.recompute import verify
from smgw.transparency.signatures import SignatureCount, count_signatures

END = berlin(2026, 11, 5)
KEY = ec.derive_private_key(7, ec.SECP256R1())
"""The key of `CERTIFICATE`."""


def _signed(number: int, **changes: object) -> SignedReading:
    moment = START + timedelta(minutes=15 * number)
    fields = {"raw": 1000 + 10 * number, "scaler": -1, "unit": 30, "gateway_status": GATEWAY_OK, "meter_status": METER_IDENTIFICATION}
    reading = Reading(METER, ACTIVE_ENERGY_IMPORT, capture_time=moment, target_time=moment, **(fields | changes))  # type: ignore[arg-type]
    r, s = decode_dss_signature(KEY.sign(canonical_bytes(reading), ec.ECDSA(hashes.SHA256())))
    return SignedReading(reading, r.to_bytes(32, "big") + s.to_bytes(32, "big"), number)


READINGS = [_signed(number, gateway_status=GATEWAY_OK | (GatewayStatus.WARNING if number == 3 else 0)) for number in range(97)]


def _document(kind: int = 1, certificate: bytes = CERTIFICATE) -> Document:
    held = meter_reading_of(ACTIVE_ENERGY_IMPORT, READINGS, START, END, certificate_id=1)
    return device(held, certificates=(Certificate(1, kind, certificate),))


def _changed(number: int, **changes: object) -> Document:
    point = _document().usage_points[0]
    block = point.meter_readings[0].blocks[0]
    rows = list(block.readings)
    rows[number] = replace(rows[number], **changes)
    held = replace(point.meter_readings[0], blocks=(replace(block, readings=tuple(rows)),))
    return Document((replace(point, meter_readings=(held,)),))


def _count(document: Document) -> SignatureCount:
    return count_signatures(check_readout(read_device_file(write_device_file(document))))


@pytest.mark.parametrize(
    "changes",
    [
        {"value": 1051},
        {"target_time": START + timedelta(minutes=90)},
        {"status_fnn": "A008000020000000"},
        {"status_fnn": "0000000500000004"},
        {"status_fnn": None},
        {"target_time": None},
        {"signature": "00" * 64},
        {"signature": "00"},
        {"signature": "not hex"},
    ],
)
@pytest.mark.req("CON-06")
def test_an_altered_reading_among_good_ones_is_refused(changes: dict[str, object]) -> None:
    document = _changed(5, **changes)
    assert _count(document) == SignatureCount(verified=96, refused=1)
    result = verify(supplier(), document)
    assert ("signature_refused", 1) in [(held.code, held.count) for held in result.findings]


def test_a_reading_without_signature_is_counted_as_such() -> None:
    assert _count(_changed(5, signature=None)) == SignatureCount(verified=96, unsigned=1)


@pytest.mark.parametrize("document", [_document(kind=3), _document(kind=2)])
def test_without_a_signature_certificate_nothing_can_be_checked(document: Document) -> None:
    assert _count(document) == SignatureCount(unreadable=97)
    result = verify(supplier(), document)
    assert [(held.code, held.count) for held in result.findings] == [("signature_unreadable", 97)]


@pytest.mark.req("CON-04", "CON-06", "MEAS-01")
def test_stored_readings_can_be_checked_in_the_file_that_they_were_written_to() -> None:
    document = _document()
    assert _count(document) == SignatureCount(verified=97)
    result = verify(supplier(), document)
    assert result.findings == ()
    assert [register.value for register in result.registers] == [360, 600, 0]
    rows = document.usage_points[0].meter_readings[0].blocks[0].readings
    assert [int(ptb_status_of(row)) for row in rows[:5]] == [0, 0, 0, 1, 0]


def test_a_missing_value_is_left_out_of_the_file() -> None:
    held = meter_reading_of(ACTIVE_ENERGY_IMPORT, [READINGS[0], _signed(1, raw=None), READINGS[2]], START, END)
    assert [row.value for row in held.blocks[0].readings] == [1000, 1020]
    assert held.is_original


@pytest.mark.parametrize(
    ("readings", "end"),
    [
        ([], END),
        ([READINGS[0], _signed(1, scaler=0)], END),
        ([_signed(0, unit=1)], END),
        ([READINGS[96]], END - timedelta(minutes=15)),
    ],
)
def test_does_not_write_readings_that_one_list_can_not_hold(readings: list[SignedReading], end: object) -> None:
    with pytest.raises(UsageError) as caught:
        meter_reading_of(ACTIVE_ENERGY_IMPORT, readings, START, end)  # type: ignore[arg-type]
    assert caught.value.code == "trudi.encode"


def test_does_not_write_the_readings_of_another_register() -> None:
    with pytest.raises(UsageError):
        meter_reading_of(ACTIVE_ENERGY_EXPORT, READINGS, START, END)

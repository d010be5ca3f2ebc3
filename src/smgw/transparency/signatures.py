"""Check the gateway's signatures over the original readings of a device file, as `smgw.codec.trudi_readings` writes them.

Other makers sign other octets; their signatures are counted as unreadable, never as good.
Source: CON-04, CON-06; 30-han-consumer-interface 3.4.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.codec.trudi_model import IntervalReading, MeterReading, UsagePoint
from smgw.codec.trudi_readings import UOM_BY_UNIT
from smgw.core.errors import SecurityFault
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import from_hex
from smgw.security.reading_signature import verify_reading
from smgw.transparency.readout import obis_of, status_word

_UNIT_BY_UOM: Final = {uom: int(unit) for unit, uom in UOM_BY_UNIT.items()}
_SIGNATURE_KIND: Final = 1


class SignatureCount(NamedTuple):
    """Count the readings of original lists by what their signature proves."""

    verified: int = 0
    """The gateway's certificate in the file signed exactly this reading."""
    refused: int = 0
    """A signature does not fit its reading, though others of the same file do: the reading was altered or added."""
    unreadable: int = 0
    """No signature of the file fits; they are in another maker's form, or the certificate is missing."""
    unsigned: int = 0


def _signed_reading(meter_reading: MeterReading, row: IntervalReading) -> SignedReading | None:
    """Give the reading that a row stands for, or None where it does not hold all that is signed."""
    kind = meter_reading.reading_type
    assert kind is not None and row.period is not None
    unit = _UNIT_BY_UOM.get(kind.uom or 0)
    if unit is None or kind.multiplier != 0 or row.status_fnn is None or row.target_time is None or row.period.start is None:
        return None
    if not status_word(row.status_fnn.strip()).identified:
        return None
    try:
        signature = bytes.fromhex(row.signature or "")
    except ValueError:
        return None
    gateway_status, meter_status = from_hex(row.status_fnn.strip().zfill(16))
    reading = Reading(
        meter_id=meter_reading.meter_id or "",
        obis=obis_of(kind.obis_code, ""),
        raw=row.value,
        scaler=kind.scaler,
        unit=unit,
        capture_time=row.period.start,
        target_time=row.target_time,
        gateway_status=gateway_status,
        meter_status=meter_status,
    )
    return SignedReading(reading, signature, 0)


def _keys(point: UsagePoint) -> list[ec.EllipticCurvePublicKey]:
    keys = []
    for certificate in point.certificates:
        if certificate.kind == _SIGNATURE_KIND:
            pem = certificate.content.lstrip().startswith(b"-----BEGIN")
            load = x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate
            try:
                key = load(certificate.content).public_key()
            except (ValueError, UnsupportedAlgorithm):
                continue
            if isinstance(key, ec.EllipticCurvePublicKey):
                keys.append(key)
    return keys


def _fits(signed: SignedReading, keys: Iterable[ec.EllipticCurvePublicKey]) -> bool:
    for key in keys:
        try:
            verify_reading(signed, key)
        except SecurityFault:
            continue
        return True
    return False


def count_signatures(point: UsagePoint) -> SignatureCount:
    """Check the signature of every original reading of a checked device file."""
    keys = _keys(point)
    verified = failed = unsigned = 0
    for meter_reading in point.meter_readings:
        if not meter_reading.is_original:
            continue
        for block in meter_reading.blocks:
            for row in block.readings:
                signed = _signed_reading(meter_reading, row) if row.signature and keys else None
                if not row.signature:
                    unsigned += 1
                elif signed is not None and _fits(signed, keys):
                    verified += 1
                else:
                    failed += 1
    return SignatureCount(verified, failed if verified else 0, 0 if verified else failed, unsigned)

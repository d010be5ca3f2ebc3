"""A journal to export from, with a bit of everything, and the facts that go with it."""

from datetime import timedelta

from cryptography.hazmat.primitives.serialization import Encoding
from tests.gateway.gateway_parts import (
    GATEWAY_ID,
    METER_ID,
    START,
    all_profiles,
    consumer_profile,
    evaluation_profile,
    gateway_identity,
)

from smgw.core.log_event import Log, LogEntry
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.reading import Reading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, GatewayStatus
from smgw.gateway.exports import DeviceFacts, file_certificates
from smgw.pki.triple import GATEWAY_KEYS
from smgw.security.module import SecurityModule
from smgw.security.reading_signature import sign_reading
from smgw.storage.journal import Journal
from smgw.storage.journal_export import ExportAbout

QUARTER = timedelta(minutes=15)
CONSUMER = "consumer1.sm"
ABOUT = ExportAbout(GATEWAY_ID, "2026-03-02T12:00:00Z")
OWN = ABOUT._replace(consumer=CONSUMER)


def facts() -> DeviceFacts:
    """Give what a device file says of the gateway."""
    identity = gateway_identity()
    signature, issuer = (one.public_bytes(Encoding.DER) for one in (identity.triple.sig, identity.tls.chain[1]))
    return DeviceFacts("0.1.0", file_certificates(signature, issuer, signature))


def reading(number: int, raw: int | None, obis: object = ACTIVE_ENERGY_IMPORT, **changes: object) -> Reading:
    """Give the reading of a quarter hour; without a value where `raw` is None."""
    target = START + QUARTER * number
    status = GATEWAY_OK if raw is not None else GATEWAY_OK | GatewayStatus.NO_VALUE
    values = {"gateway_status": int(status), "meter_status": METER_IDENTIFICATION} | changes
    return Reading(METER_ID, obis, raw, -1, 30, target + timedelta(seconds=2), target, **values)  # type: ignore[arg-type]


def fill(journal: Journal, module: SecurityModule) -> None:
    """Put in a day of two registers with a gap and a fault of the meter, one tariff register and a few log entries."""
    for profile in [*all_profiles(), consumer_profile("consumer2.sm", "other"), evaluation_profile(1, registers=("1-0:1.8.0*255",))]:
        journal.put_profile(profile, b"", START)
    readings = [reading(number, None if number == 5 else 1000 + number) for number in range(97)]
    readings += [reading(number, 7 + number, ACTIVE_ENERGY_EXPORT) for number in range(97)]
    readings += [reading(97, 2000, meter_status=0x1C0304)]
    journal.append_readings([(one, sign_reading(module, GATEWAY_KEYS.sig, one)) for one in readings])
    journal.append_registers(
        [RegisterValue("taf1-1.sm", 1, ACTIVE_ENERGY_IMPORT, 96, -1, 30, START, START + 96 * QUARTER, GATEWAY_OK, (1, 97), START)]
    )
    journal.append_log(
        [
            LogEntry(Log.SYSTEM, "login_failed", START, False, parameters={"address": "=cmd|' /C calc'!A0"}),
            LogEntry(Log.CONSUMER, "login_succeeded", START, True, "@x", CONSUMER, {"user": "=1+1"}),
            LogEntry(Log.CONSUMER, "value_missing", START + QUARTER, False, METER_ID, CONSUMER, {"meter": METER_ID, "target": "12:15"}),
        ]
    )

"""Rows of the tables: readings side by side, log entries newest first, certificates with their fingerprints."""

import hashlib
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from tests.gateway.han import consumer_gateway as gw

from smgw.core.log_event import Log, LogEntry
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT
from smgw.core.quantity import Quantity
from smgw.core.reading import SignedReading
from smgw.core.status_word import GATEWAY_OK, GatewayStatus
from smgw.gateway.han.i18n import Language
from smgw.gateway.han.ports import Channel, Contract, WanCertificates
from smgw.gateway.han.views import certificate_rows, log_rows, reading_rows
from smgw.storage.journal import StoredLogEntry

CONTRACT = Contract(
    profile=gw.contract(gw.TAF7, gw.CONSUMER, gw.METER),
    medium="electricity",
    state="running",
    channels=(Channel(ACTIVE_ENERGY_IMPORT, -1, 30), Channel(ACTIVE_ENERGY_EXPORT, -1, 30)),
)


def signed(*of: object, signature: bytes = b"s" * 64) -> SignedReading:
    return SignedReading(gw.reading(*of)[0], signature, 1)  # type: ignore[arg-type]


def test_values_of_one_moment_stand_side_by_side_with_their_weightiest_status() -> None:
    late = int(GATEWAY_OK | GatewayStatus.TIME_NOT_VALID)
    later = gw.NOW + timedelta(minutes=15)
    rows = reading_rows(
        CONTRACT,
        [
            signed(gw.METER, ACTIVE_ENERGY_IMPORT, 5, gw.NOW),
            signed(gw.METER, ACTIVE_ENERGY_EXPORT, 7, gw.NOW, late),
            signed(gw.METER, ACTIVE_ENERGY_EXPORT, None, later, signature=b""),
        ],
    )
    assert [row.cells for row in rows] == [(Quantity(5, -1, 30), Quantity(7, -1, 30)), (None, None)]
    assert [(row.status, row.signed) for row in rows] == [("clock", True), ("missing", False)]
    assert rows[0].captured == gw.NOW + timedelta(seconds=2)


def test_log_rows_are_newest_first_and_in_the_readers_language() -> None:
    stored = [StoredLogEntry(n, LogEntry(Log.CONSUMER, "self_test_passed", gw.NOW, consumer_id=gw.CONSUMER)) for n in (1, 2)]
    rows = log_rows(stored, Language("de"))
    assert [row.number for row in rows] == [2, 1]
    assert (rows[0].level, rows[0].event, rows[0].text) == ("info", 1003, "Selbsttest bestanden")


def test_certificates_show_what_a_browser_shows(tmp_path: Path) -> None:
    _, _, own = gw.self_signed("gateway", ec.SECP384R1(), tmp_path)
    _, _, issuer = gw.self_signed("issuer", ec.SECP256R1(), tmp_path)
    rows = certificate_rows(gw.gateway_info(gw.NOW, han_certificate=own, wan_certificates=(WanCertificates(issuer, issuer),)))
    assert [row.use for row in rows] == ["certificate.han", "certificate.signature", "certificate.issuer"]
    assert rows[0].subject == "CN=gateway" and rows[0].fingerprint.replace(" ", "") == hashlib.sha256(own).hexdigest()

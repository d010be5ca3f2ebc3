"""Exports in the forms of other programs: what can't be had, then that each form reads back by its own reader."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from lxml import etree
from tests.gateway.export_world import ABOUT, CONSUMER, OWN, QUARTER, facts, fill, reading
from tests.gateway.gateway_parts import GATEWAY_ID, METER_ID, START, gateway_identity
from tests.shared import shared_path

from smgw.codec.readings_csv import read_readings
from smgw.codec.trudi_xml import read_device_file
from smgw.core.errors import ConfigError, UsageError
from smgw.gateway.exports import WINDOW, ExportFormat, ExportRequest, export_parts, export_time
from smgw.storage.journal import Journal
from smgw.storage.journal_export import ExportAbout, verify_export
from smgw.transparency.readout import check_readout
from smgw.transparency.signatures import SignatureCount, count_signatures

pytestmark = pytest.mark.req("LOG-02", "CON-04")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db", bytes(32)) as journal:
        fill(journal, gateway_identity().module)
        yield journal


def export(journal: Journal, form: ExportFormat, *chains: str, about: ExportAbout = ABOUT, **more: object) -> bytes:
    return b"".join(export_parts(journal, form, ExportRequest(chains, about, **more), facts()))  # type: ignore[arg-type]


def table(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@pytest.mark.parametrize(
    ("form", "chains", "about", "more"),
    [
        (ExportFormat.JSON, ("system",), OWN, {}),
        (ExportFormat.JSON, ("readings", "calibration"), OWN, {}),
        (ExportFormat.CSV, ("readings", "system"), ABOUT, {}),
        (ExportFormat.CSV, (), ABOUT, {}),
        (ExportFormat.CSV, ("consumer",), ABOUT, {}),
        (ExportFormat.CONEXA, ("readings",), ABOUT, {}),
        (ExportFormat.CONEXA, ("consumer",), ABOUT, {}),
        (ExportFormat.CONEXA, ("system", "calibration"), ABOUT, {}),
        (ExportFormat.TRUDI, (), ABOUT, {"contract": "taf7-1.sm"}),
        (ExportFormat.TRUDI, (), OWN, {}),
    ],
)
def test_what_a_form_can_not_hold_is_refused(
    journal: Journal, form: ExportFormat, chains: tuple[str, ...], about: ExportAbout, more: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match=r"export\.choice"):
        export(journal, form, *chains, about=about, **more)


def test_who_or_what_does_not_exist_is_refused(journal: Journal) -> None:
    with pytest.raises(ConfigError, match=r"export\.consumer"):
        export(journal, ExportFormat.CSV, "readings", about=ABOUT._replace(consumer="nobody.sm"))
    with pytest.raises(ConfigError, match=r"export\.contract"):
        export(journal, ExportFormat.TRUDI, about=ABOUT._replace(consumer="consumer2.sm"), contract="taf7-1.sm")


@pytest.mark.parametrize("about", [ABOUT, OWN])
def test_a_table_of_readings_is_one_that_a_tariff_can_be_tried_on(journal: Journal, about: ExportAbout) -> None:
    data = export(journal, ExportFormat.CSV, "readings", about=about)
    found = [signed.reading for signed in read_readings(data)]
    assert len(found) == 195
    assert {(one.obis, one.target_time): (one.raw, one.ptb) for one in found} == {
        (signed.reading.obis, signed.reading.target_time): (signed.reading.raw, signed.reading.ptb) for signed in journal.readings(METER_ID)
    }


def test_a_table_of_registers_and_logs(journal: Journal) -> None:
    for about in (ABOUT, OWN):
        head, row = table(export(journal, ExportFormat.CSV, "registers", about=about))
        assert dict(zip(head, row, strict=True)) == {
            "profile_id": "taf1-1.sm",
            "taf": "1",
            "obis": "1-0:1.8.0*255",
            "value": "96",
            "scaler": "-1",
            "unit": "Wh",
            "period_start": "2026-03-01T12:00:00Z",
            "period_end": "2026-03-02T12:00:00Z",
            "status": "00000005",
            "created_at": "2026-03-01T12:00:00Z",
        }
    rows = table(export(journal, ExportFormat.CSV, "consumer", about=OWN, language="de"))
    assert rows[1] == ["1", "2026-03-01T12:00:00Z", "info", "1601", "login_succeeded", "yes", "'@x", "Benutzer =1+1 angemeldet"]
    assert rows[2][2:6] == ["warning", "1809", "value_missing", "no"]


def test_no_text_of_a_stranger_becomes_a_formula(journal: Journal) -> None:
    (_, row) = table(export(journal, ExportFormat.CSV, "system"))
    assert row[-1] == "Log-in failed from =cmd|' /C calc'!A0"
    assert not any(cell.startswith(("=", "+", "@")) for cell in row)


def test_a_log_in_the_form_of_the_consumer_interface(journal: Journal) -> None:
    answer = json.loads(export(journal, ExportFormat.CONEXA, "consumer", about=OWN, language="de"))
    assert answer["method"] == "log" and answer["log"]["records"] == "2"
    assert answer["log"]["entries"][1] == {
        "event-id": "1809",
        "event-sub-id": "0",
        "index": "2",
        "level": "2",
        "message": f"Zähler {METER_ID}: kein Wert für 12:15",
        "outcome": "1",
        "subject-identity": METER_ID,
        "time": "2026-03-01T12:15:00Z",
        "user-identity": "01005e318011.consumer1.sm",
        "vendor-id": "SGW",
        "version": "1",
    }
    assert json.loads(export(journal, ExportFormat.CONEXA, "system"))["log"]["entries"][0]["user-identity"] == ""


@pytest.mark.shared
@pytest.mark.req("CON-06")
def test_a_device_file_follows_the_schema_and_its_signatures_verify(journal: Journal) -> None:
    data = export(journal, ExportFormat.TRUDI, about=OWN, contract="taf7-1.sm", language="de")
    folder = shared_path("trudi", "schema-1.4")
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Offline(folder))
    schema = etree.XMLSchema(etree.parse(str(folder / "AR_2418-6.xsd"), parser))
    assert schema.validate(etree.fromstring(data)), schema.error_log.last_error
    point = check_readout(read_device_file(data))
    assert count_signatures(point) == SignatureCount(verified=194)
    assert [entry.event.text for entry in point.log_entries if entry.event] == [
        "Benutzer =1+1 angemeldet",
        f"Zähler {METER_ID}: kein Wert für 12:15",
    ]
    assert (point.smgw and point.smgw.gateway_id, point.usage_point_id, point.customer_id) == (GATEWAY_ID, "DE0001", CONSUMER)


class _Offline(etree.Resolver):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resolve(self, system_url: str, public_id: str, context: object) -> object:
        return self.resolve_filename(str(self.folder / "xml.xsd"), context) if system_url.endswith("xml.xsd") else None


def test_a_device_file_of_a_span_holds_that_span(journal: Journal) -> None:
    request = {"contract": "taf7-1.sm", "since": START, "until": START + 4 * QUARTER}
    (point,) = read_device_file(export(journal, ExportFormat.TRUDI, about=OWN, **request)).usage_points
    assert [[row.value for row in block.readings] for one in point.meter_readings for block in one.blocks] == [
        [1000, 1001, 1002, 1003, 1004],
        [7, 8, 9, 10, 11],
    ]
    assert len(point.log_entries) == 2
    empty = {"contract": "taf7-1.sm", "since": START + timedelta(days=9), "until": START + timedelta(days=10)}
    (point,) = read_device_file(export(journal, ExportFormat.TRUDI, about=OWN, **empty)).usage_points
    assert (point.meter_readings, point.log_entries) == ((), ())


def test_a_value_that_the_format_can_not_say_is_refused(journal: Journal) -> None:
    journal.append_readings([(reading(200, 1 << 50), b"")])
    with pytest.raises(UsageError, match=r"trudi\.encode"):
        export(journal, ExportFormat.TRUDI, about=OWN, contract="taf7-1.sm")


@pytest.mark.req("CON-03")
def test_a_consumers_readings_come_once_and_over_many_windows(journal: Journal) -> None:
    far = int(3.5 * WINDOW / QUARTER)
    journal.append_readings([(reading(far, 5000), bytes(64)), (reading(-4, 1), bytes(64))])
    lines = export(journal, ExportFormat.JSON, "readings", "registers", "consumer", about=OWN).splitlines()
    items = [row for line in lines if (row := json.loads(line)).get("type") == "item"]
    values = [item["value"]["raw"] for item in items if item["chain"] == "readings"]
    assert len(values) == 195 + 1
    assert 5000 in values and 1 not in values
    assert [item["value"]["profile_id"] for item in items if item["chain"] == "registers"] == ["taf1-1.sm"]
    assert [chain.chain for chain in verify_export(lines)] == ["consumer"]


def test_a_consumer_without_contracts_has_an_empty_export(journal: Journal) -> None:
    nobody = ABOUT._replace(consumer="consumer2.sm")
    assert len(export(journal, ExportFormat.JSON, "readings", "consumer", about=nobody).splitlines()) == 1
    assert len(table(export(journal, ExportFormat.CSV, "readings", about=nobody))) == 1


def test_the_time_of_an_export_is_not_before_what_it_holds(journal: Journal) -> None:
    assert export_time(journal, START - timedelta(days=1)) == "2026-03-01T12:00:00Z"
    assert export_time(journal, START + timedelta(days=1)) == "2026-03-02T12:00:00Z"


def test_a_changed_scaler_starts_a_list_of_its_own(journal: Journal) -> None:
    coarser = msgspec.structs.replace(reading(98, 210), scaler=0)
    journal.append_readings([(coarser, b"")])
    (point,) = read_device_file(export(journal, ExportFormat.TRUDI, about=OWN, contract="taf1-1.sm")).usage_points
    assert [one.reading_type.scaler for one in point.meter_readings if one.reading_type] == [-1, 0]

"""AR 2418-6 files: what is refused, what is read, and that what is written reads back and follows the schema."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.shared import shared_files, shared_path
from tests.trudi_files import CERTIFICATE, START, berlin, device, meter_reading, quarter_hours, supplier

from smgw.codec.trudi_model import (
    Certificate,
    Document,
    EventType,
    FirmwareComponent,
    Interval,
    IntervalBlock,
    IntervalReading,
    LogEntry,
    LogEvent,
    Smgw,
    UsagePoint,
)
from smgw.codec.trudi_write import write_device_file, write_supplier_file
from smgw.codec.trudi_xml import MAX_BYTES, read_device_file, read_supplier_file
from smgw.core.errors import DecodeFault, LimitFault, UsageError

_ROOT = '<UsagePoints xmlns="http://vde.de/AR_2418-6.xsd" xmlns:espi="http://naesb.org/espi">'


def _file(body: str) -> bytes:
    return f"{_ROOT}<UsagePoint>{body}</UsagePoint></UsagePoints>".encode()


def _reading(body: str) -> bytes:
    return _file(f"<MeterReading><IntervalBlock><IntervalReading>{body}</IntervalReading></IntervalBlock></MeterReading>")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "trudi.syntax"),
        (b"\0\0\0", "trudi.syntax"),
        (b"UsagePoints", "trudi.syntax"),
        (f"{_ROOT}<UsagePoint>".encode(), "trudi.syntax"),
        (f"{_ROOT}<UsagePoint/></UsagePoints><UsagePoints/>".encode(), "trudi.syntax"),
        (f"{_ROOT}<UsagePoint><usagePoi".encode(), "trudi.syntax"),
        (f"{_ROOT}<UsagePoint><espi:ServiceCat".encode(), "trudi.syntax"),
        (_file("<usagePointId>&unknown;</usagePointId>"), "trudi.syntax"),
        (b"<UsagePoints><UsagePoint/></UsagePoints>", "trudi.structure"),
        (f"{_ROOT}</UsagePoints>".encode(), "trudi.structure"),
        (_file("text"), "trudi.structure"),
        (_file("<invented/>"), "trudi.structure"),
        (_file('<usagePointId lang="de">1</usagePointId>'), "trudi.structure"),
        (_file("<usagePointId><b/></usagePointId>"), "trudi.structure"),
        (_file("<usagePointId>1</usagePointId><usagePointId>1</usagePointId>"), "trudi.structure"),
        (_file("<tariffName>a</tariffName><usagePointId>1</usagePointId>"), "trudi.structure"),
        (_file("<Customer/>"), "trudi.structure"),
        (_file("<SMGW><certId>1</certId></SMGW>"), "trudi.structure"),
        (_file("<LogEntry><LogEvent/><LogEvent/></LogEntry>"), "trudi.structure"),
        (_file("<SMGW><certId>256</certId><smgwId>a</smgwId></SMGW>"), "trudi.value"),
        (_file(f"<usagePointId>{'x' * 257}</usagePointId>"), "trudi.value"),
        (_file("<Certificate><certId>1</certId><certType>1</certType><certContent>ABC</certContent></Certificate>"), "trudi.value"),
        (_reading("<espi:value>1.5</espi:value>"), "trudi.value"),
        (_reading("<espi:value>١</espi:value>"), "trudi.value"),
        (_reading(f"<espi:value>{(1 << 47) + 1}</espi:value>"), "trudi.value"),
        (_reading("<targetTime>2026-11-04</targetTime>"), "trudi.value"),
        (_reading("<targetTime>2026-13-04T00:00:00Z</targetTime>"), "trudi.value"),
        (_reading("<targetTime>0001-01-01T00:00:00Z</targetTime>"), "trudi.value"),
        (_reading("<value>1</value>"), "trudi.structure"),
        (_reading("<espi:cost>1</espi:cost>"), "trudi.element_refused"),
        (_file("<espi:status>1</espi:status>"), "trudi.element_refused"),
    ],
)  # fmt: skip
@pytest.mark.req("CON-06")
def test_refuses_what_does_not_follow_the_schema(data: bytes, code: str) -> None:
    with pytest.raises(DecodeFault) as caught:
        read_device_file(data)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "body",
    [
        "<SMGW><smgwId>E</smgwId><Manufacturer>A</Manufacturer></SMGW>",
        "<SMGW><smgwId>E</smgwId><SystemTime>2026-11-04T00:00:00Z</SystemTime></SMGW>",
        "<MathOperation/>",
        "<LogEntry><parentRecordNumber>1</parentRecordNumber></LogEntry>",
        "<LogEntry><repetitionCounter>1</repetitionCounter></LogEntry>",
        "<LogEntry><LogEvent><messageExtensions>1</messageExtensions></LogEvent></LogEntry>",
        "<LogEntry><LogEvent><destination>1</destination></LogEvent></LogEntry>",
        "<MeterReading><CO2Indicator/></MeterReading>",
        "<MeterReading><ReadingType><converterFactor>1</converterFactor></ReadingType></MeterReading>",
    ],
)
@pytest.mark.req("CON-06")
def test_refuses_elements_that_transparency_software_does_not_take(body: str) -> None:
    with pytest.raises(DecodeFault) as caught:
        read_device_file(_file(body))
    assert caught.value.code == "trudi.element_refused"


@pytest.mark.parametrize("body", ["<LogEntry/>", "<MeterReading/>", "<VendorConfig/>"])
def test_a_supplier_file_holds_no_device_data(body: str) -> None:
    read_device_file(_file(body))
    with pytest.raises(DecodeFault) as caught:
        read_supplier_file(_file(body))
    assert caught.value.code == "trudi.element_refused"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "document_type",
    [
        '<!DOCTYPE UsagePoints [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>',
        '<!DOCTYPE UsagePoints [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE UsagePoints SYSTEM "http://127.0.0.1:9/a.dtd">',
        "<!DOCTYPE UsagePoints>",
    ],
)
def test_refuses_a_document_type_before_it_is_used(document_type: str, encoding: str) -> None:
    data = f"{document_type}{_ROOT}<UsagePoint><usagePointId>&c;</usagePointId></UsagePoint></UsagePoints>".encode(encoding)
    with pytest.raises(DecodeFault) as caught:
        read_device_file(data)
    assert caught.value.code == "trudi.document_type"


@pytest.mark.parametrize("text", ["3045A0", "MEQCIA==", "-", ""])
@pytest.mark.parametrize("name", ["meterSig", "signature"])
def test_a_signature_may_be_any_text_as_in_schema_1_2(name: str, text: str) -> None:
    reading = read_device_file(_reading(f"<{name}>{text}</{name}>")).usage_points[0].meter_readings[0].blocks[0].readings[0]
    assert (reading.meter_signature if name == "meterSig" else reading.signature) == text


def test_refuses_a_file_that_is_too_large() -> None:
    with pytest.raises(LimitFault) as caught:
        read_device_file(bytes(MAX_BYTES + 1))
    assert caught.value.code == "trudi.size"


def test_refuses_too_many_elements_before_they_fill_the_memory() -> None:
    body = "<LogEntry/>" * 200_001
    with pytest.raises(DecodeFault) as caught:
        read_device_file(_file(body))
    assert caught.value.code == "trudi.structure"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-04T00:00:00+01:00", berlin(2026, 11, 4)),
        ("2026-11-03T23:00:00Z", berlin(2026, 11, 4)),
        ("2017-10-19T00:00:00.0000000+02:00", berlin(2017, 10, 19)),
        (" 2026-11-04T00:00:00.25Z ", datetime(2026, 11, 4, 0, 0, 0, 250_000, UTC)),
        ("2026-07-01T12:00:00", berlin(2026, 7, 1, 12)),
        ("2026-10-25T02:30:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-03-29T02:30:00", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    ],
)
@pytest.mark.req("TAF-21")
def test_reads_times_with_and_without_offset(text: str, moment: datetime) -> None:
    document = read_device_file(_reading(f"<targetTime>{text}</targetTime>"))
    assert document.usage_points[0].meter_readings[0].blocks[0].readings[0].target_time == moment


def test_leaves_out_comments_and_joins_the_text_around_them() -> None:
    data = _file("<!-- note --><usagePointId>DE<!-- hidden --><![CDATA[&1]]></usagePointId>")
    assert read_device_file(data).usage_points[0].usage_point_id == "DE&1"


@pytest.mark.req("CON-04")
def test_what_is_written_reads_back() -> None:
    event = LogEvent("0A", EventType(1, 2, 3, "ABC", 4), 2, "a < b & c\r\n", 1, 5, "meter", START, "user", "kind")
    document = device(
        meter_reading(quarter_hours(START, berlin(2026, 11, 5)), measurement_period_s=900),
        smgw=Smgw("EABC0000000002", (1, 2), "1.0", (FirmwareComponent("core", "1", "00"),)),
        certificates=(Certificate(1, 1, CERTIFICATE), Certificate(2, 2, CERTIFICATE, parent_id=1)),
        vendor_profile="00FF",
        analysis_profile=supplier().usage_points[0].analysis_profile,
        log_entries=(LogEntry(1, event),),
    )
    assert read_device_file(write_device_file(document)) == document
    assert read_supplier_file(write_supplier_file(supplier())) == supplier()


@pytest.mark.parametrize(
    "document",
    [
        device(tariff_name="a\0"),
        device(tariff_name="x" * 257),
        device(smgw=Smgw("E", (256,))),
        device(meter_reading([IntervalReading(value=1 << 48)], blocks=(IntervalBlock(None, (IntervalReading(value=1 << 48),)),))),
        device(vendor_profile="0"),
        Document(()),
    ],
)
def test_does_not_write_what_the_format_can_not_say(document: Document) -> None:
    with pytest.raises(UsageError) as caught:
        write_device_file(document)
    assert caught.value.code == "trudi.encode"


def test_does_not_drop_device_data_from_a_supplier_file() -> None:
    with pytest.raises(UsageError) as caught:
        write_supplier_file(device())
    assert caught.value.code == "trudi.encode"


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn", "Co")), max_size=20)
_MOMENTS = st.integers(0, 10**15).map(lambda number: datetime(1971, 1, 1, tzinfo=UTC) + timedelta(microseconds=number))
_READINGS = st.builds(
    IntervalReading,
    value=st.none() | st.integers(-(1 << 47), 1 << 47),
    period=st.none() | st.builds(Interval, st.none() | st.integers(0, 0xFFFFFFFF), st.none() | _MOMENTS),
    target_time=st.none() | _MOMENTS,
    meter_time=st.none() | _MOMENTS,
    certificate_id=st.none() | st.integers(0, 255),
    status_fnn=st.none() | _TEXT,
    status_ptb=st.none() | st.integers(0, 255),
)


@given(st.lists(_READINGS, max_size=4), _TEXT)
@settings(max_examples=60, deadline=None)
def test_any_reading_reads_back_as_it_was_written(readings: list[IntervalReading], name: str) -> None:
    block = IntervalBlock(Interval(0, START), tuple(readings))
    document = Document((UsagePoint(tariff_name=name, meter_readings=(meter_reading((), blocks=(block,)),)),))
    assert read_device_file(write_device_file(document)) == document


class _Offline(etree.Resolver):
    """Give the schema of the XML namespace from the folder instead of the address that it names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resolve(self, system_url: str, public_id: str, context: object) -> object:
        return self.resolve_filename(str(self.folder / "xml.xsd"), context) if system_url.endswith("xml.xsd") else None


def _schema(version: str) -> etree.XMLSchema:
    folder = shared_path("trudi", f"schema-{version}")
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Offline(folder))
    return etree.XMLSchema(etree.parse(str(folder / "AR_2418-6.xsd"), parser))


@pytest.mark.shared
@pytest.mark.parametrize("version", ["1.2", "1.4"])
@pytest.mark.req("CON-04")
def test_what_is_written_is_valid_against_the_schema(version: str) -> None:
    schema = _schema(version)
    document = device(meter_reading(quarter_hours(START, berlin(2026, 11, 5)), measurement_period_s=900))
    for data in (write_device_file(document), write_supplier_file(supplier())):
        assert schema.validate(etree.fromstring(data)), schema.error_log.last_error


@pytest.mark.shared
@pytest.mark.parametrize("path", shared_files("trudi", "*/*.xml"), ids=lambda path: path.stem)
@pytest.mark.req("CON-04", "CON-06")
def test_reads_every_example_file_and_writes_it_back(path: Path) -> None:
    is_supplier = path.name.startswith(("supplier", "Lieferanten"))
    read, write = (read_supplier_file, write_supplier_file) if is_supplier else (read_device_file, write_device_file)
    document = read(path.read_bytes())
    again = write(document)
    assert read(again) == document
    if path.stem != "supplier_1_month_without_dayProfile":
        assert _schema("1.4").validate(etree.fromstring(again))

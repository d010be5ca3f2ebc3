"""The delivery body: one form for one content, and nothing else is let in."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smgw.codec.cosem_xml import MAX_XML_MARKS, MAX_XML_OCTETS, is_meter_id, parse_xml
from smgw.codec.delivery_xml import decode_delivery, encode_delivery
from smgw.core.delivery import Delivery, reading_order
from smgw.core.errors import DecodeFault, LimitFault, PeerFault, UsageError
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.reading import Reading, SignedReading
from smgw.core.register import RegisterValue
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, GatewayStatus

START = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
METER = "1EMH0010599732"


def signed(number: int, obis: Obis = ACTIVE_ENERGY_IMPORT, **changes: object) -> SignedReading:
    target = START + number * QUARTER
    reading = Reading(
        METER, obis, 12_345_678 + number, -1, 30, target + timedelta(microseconds=1), target, GATEWAY_OK, METER_IDENTIFICATION
    )
    return SignedReading(msgspec.structs.replace(reading, **changes), bytes(range(64)), 100 + number)


def delivery(**changes: object) -> Delivery:
    whole = Delivery(
        message_id="0b5cb4a1-1f2e-4c3d-8a9b-0123456789ab",
        created_at=START + timedelta(days=1, seconds=7),
        sender="EBSI0012345678",
        recipient="emt1.sm",
        contract="taf7-1.sm",
        taf=7,
        metering_point_id="DE00012345678901234567890123456789",
        period_start=START,
        period_end=START + timedelta(days=1),
        meter_id=METER,
        readings=(signed(0), signed(1), signed(1, ACTIVE_ENERGY_EXPORT)),
        registers=(
            RegisterValue(
                profile_id="taf1-1.sm",
                taf=1,
                obis=ACTIVE_ENERGY_IMPORT,
                raw=12_345_678,
                scaler=-1,
                unit=30,
                period_start=START - timedelta(days=30),
                period_end=START,
                gateway_status=GATEWAY_OK,
                inputs=(1, 99),
                created_at=START,
            ),
        ),
    )
    return msgspec.structs.replace(whole, **changes)


# -- what is refused ---------------------------------------------------------------------------------------------------------------------

GOOD = encode_delivery(delivery())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"<d:message_id>", b"<d:comment/><d:message_id>"),
        (b"<d:message_id>0b5c", b"<d:message_id>0B5C"),
        (b"<d:message_id>0b5c", b"<d:message_id> 0b5c"),
        (b"<d:sender>EBSI", b"<d:sender>ebsi"),
        (b"<d:recipient>emt1.sm", b"<d:recipient>"),
        (b"<d:recipient>emt1.sm", b"<d:recipient>EMT 1"),
        (b"<d:taf>7", b"<d:taf>07"),
        (b"<d:taf>7", b"<d:taf>15"),
        (b"<d:taf>7", b"<d:taf>+7"),
        (b"<d:taf>7</d:taf>", b"<d:taf>7</d:taf><d:taf>7</d:taf>"),
        (b"<d:period_end>2026-11-21T23:00:00Z", b"<d:period_end>2026-11-19T23:00:00Z"),
        (b"<d:period_end>2026-11-21T23:00:00Z", b"<d:period_end>2026-11-21T24:00:00+1:00"),
        (b"<d:period_end>2026-11-21T23:00:00Z", b"<d:period_end>2026-11-21T23:00:00.000000Z"),
        (b"<d:period_end>2026-11-21T23:00:00Z", b"<d:period_end>2026-11-21"),
        (b"<d:meter_id>1EMH0010599732", b"<d:meter_id>1EMH0010599733"),
        (b"<d:meter_id>1EMH0010599732", b"<d:meter_id>"),
        (b'class_id="7"', b'class_id="8"'),
        (b'class_id="7"', b'class_id="7" other="1"'),
        (b'<ns1:column id="1">', b'<ns1:column id="2">'),
        (b'<ns1:column id="1">', b"<ns1:column>"),
        (b'<ns1:column id="1">', b'<ns1:column id="1">text'),
        (b"<ns2:class_id>32822", b"<ns2:class_id>32823"),
        (b"<ns2:logical_name>0100010800ff", b"<ns2:logical_name>0100010800FF"),
        (b"<ns2:logical_name>0100010800ff", b"<ns2:logical_name>1-0:1.8.0"),
        (b"<ns2:logical_name>0100020800ff", b"<ns2:logical_name>0100010800ff"),
        (b"<ns2:logical_name>0100010800ff.1emh0010599732", b"<ns2:logical_name>0100010800ff.1emh0010599733"),
        (b"<ns2:long64>12345678<", b"<ns2:long64>1234567.8<"),
        (b"<ns2:long64>12345678<", b"<ns2:long64>9223372036854775808<"),
        (b"<ns2:long64>12345678<", b"<ns2:long64>" + b"9" * 5000 + b"<"),
        (b"<ns2:long64>12345678<", b"<ns2:long64>-0<"),
        (b"<ns2:value><ns2:long64>12345678</ns2:long64></ns2:value>", b"<ns2:value/>"),
        (b"<ns2:value><ns2:long64>12345678</ns2:long64></ns2:value>", b"<ns2:value><ns2:float64/></ns2:value>"),
        (b"<ns2:value><ns2:long64>12345678</ns2:long64></ns2:value>", b""),
        (b"<ns2:scaler>-1", b"<ns2:scaler>-129"),
        (b"<ns2:unit>30", b"<ns2:unit>256"),
        (b"<ns2:octet-string>0000000500000004", b"<ns2:octet-string>a000000020000000"),
        (b"<ns2:octet-string>0000000500000004", b"<ns2:octet-string>0000200500000004"),
        (b"<ns2:octet-string>0000000500000004", b"<ns2:octet-string>000000050000000"),
        (b"<ns2:smgw_signature>0001", b"<ns2:smgw_signature>"),
        (b"<ns2:smgw_signature>0001", b"<ns2:smgw_signature>000G"),
        (b"<d:sequence>101", b"<d:sequence>-1"),
        (b"<d:target_time>2026-11-20T23:15:00Z", b"<d:target_time>2026-11-20T22:45:00Z"),
        (b"<d:inputs>1 99", b"<d:inputs>1  99"),
        (b"<d:inputs>1 99", b"<d:inputs>1 -9"),
        (b"<d:gateway_status>00000005", b"<d:gateway_status>5"),
        (b"<d:gateway_status>00000005", b"<d:gateway_status>00000000"),
        (b"<d:obis>0100010800ff", b"<d:obis>0100010800f"),
        (b"urn:k461-dke-de:extension-1", b"urn:k461-dke-de:extension-2"),
        (b"</d:delivery>", b""),
        (b"</d:delivery>", b"</d:delivery><d:delivery/>"),
        (b"<d:registers>", b"<d:registers>\xc2\xa0"),
        (b"<d:delivery ", b"<!-- remark --><d:delivery "),
        (b"<d:delivery ", b"<?xml-stylesheet href='x'?><d:delivery "),
        (b"<d:delivery ", b"<!DOCTYPE d:delivery SYSTEM 'file:///etc/hostname'><d:delivery "),
        (b"<d:delivery ", b"<!DOCTYPE x [<!ENTITY a 'b'>]><d:delivery "),
        (b"<d:taf>7", b"<d:taf>&seven;"),
        (b"<d:taf>7", b"<d:taf><![CDATA[7]]>"),
        (b'encoding="UTF-8"', b'encoding="UTF-16"'),
        (b"<d:taf>7", b"<d:taf>\xff"),
        (b"<d:taf>7", b"<d:taf>\x00"),
    ],
)
def test_other_forms_are_refused(before: bytes, after: bytes) -> None:
    assert before in GOOD
    with pytest.raises(DecodeFault, match=r"xml\.structure"):
        decode_delivery(GOOD.replace(before, after, 1))


def test_entities_are_refused_before_they_are_expanded() -> None:
    bomb = b"<!DOCTYPE x [" + b"".join(b"<!ENTITY e%d '%s'>" % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 12)) + b"]><x>&e11;</x>"
    with pytest.raises(DecodeFault) as caught:
        parse_xml(bomb)
    assert (caught.value.code, caught.value.offset) == ("xml.structure", 0)


def test_depth_is_bounded() -> None:
    with pytest.raises(DecodeFault):
        parse_xml(b"<a>" * 20_000 + b"</a>" * 20_000)


@pytest.mark.parametrize("data", [b" " * (MAX_XML_OCTETS + 1), b"<a/>" * (MAX_XML_MARKS + 1)])
def test_size_is_bounded_before_parsing(data: bytes) -> None:
    with pytest.raises(LimitFault, match=r"xml\.size"):
        parse_xml(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"message_id": "0B5CB4A1-1F2E-4C3D-8A9B-0123456789AB"},
        {"sender": "EBSI001234567"},
        {"recipient": "EMT"},
        {"contract": "<x>"},
        {"taf": 0},
        {"metering_point_id": "DE\n1"},
        {"metering_point_id": "D" * 65},
        {"period_end": START - QUARTER},
        {"meter_id": "../x"},
        {"meter_id": "0901454d480000000001"},
        {"readings": (signed(0), signed(0))},
        {"readings": (signed(0, raw=1 << 64),)},
        {"readings": (signed(0, raw=None),)},
        {"readings": (signed(0, gateway_status=GATEWAY_OK | GatewayStatus.NO_VALUE),)},
        {"readings": (signed(0, gateway_status=0),)},
        {"readings": (msgspec.structs.replace(signed(0), signature=b""),)},
        {"registers": (msgspec.structs.replace(delivery().registers[0], profile_id="A B"),)},
    ],
)
def test_what_the_format_cannot_say_is_our_own_mistake(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"xml\.value"):
        encode_delivery(delivery(**changes))


# -- what is kept ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.req("EMT-01", "WAN-03")
def test_a_delivery_comes_back_as_it_was() -> None:
    assert decode_delivery(GOOD) == delivery()


@pytest.mark.req("MEAS-02")
def test_a_missing_value_is_an_entry_without_value() -> None:
    missing = delivery(readings=(signed(0, raw=None, gateway_status=GATEWAY_OK | GatewayStatus.NO_VALUE),))
    data = encode_delivery(missing)
    assert b"<ns2:value>" not in data.split(b"<d:registers>")[0]
    assert b"0000200500000004" in data
    assert decode_delivery(data) == missing


def test_elements_have_the_names_of_the_field() -> None:
    root = parse_xml(GOOD)
    names = {"p": "urn:k461-dke-de:profile_generic-1", "e": "urn:k461-dke-de:extension-1", "d": "urn:smgw:delivery-1"}
    entry = "p:object/p:attributes/p:buffer/p:simple_data/p:column[@id='1']/p:entry_gateway_signed"
    assert root.findtext("p:object/p:attributes/p:logical_name", namespaces=names) == "01005e31803c.1emh0010599732.sm"
    assert root.findtext(f"{entry}/e:value/e:long64", namespaces=names) == "12345678"
    assert root.findtext(f"{entry}/e:status/e:octet-string", namespaces=names) == "0000000500000004"
    assert root.findtext(f"{entry}/e:capture_time", namespaces=names) == "2026-11-20T23:00:00.000001Z"
    assert root.findtext(f"{entry}/d:target_time", namespaces=names) == "2026-11-20T23:00:00Z"
    assert b"<ns1:object " in GOOD and b"</ns1:object>" in GOOD


def test_order_of_readings_does_not_change_the_octets() -> None:
    assert encode_delivery(delivery(readings=tuple(reversed(delivery().readings)))) == GOOD


@pytest.mark.parametrize(
    ("text", "good"), [(METER, True), ("0a01454d4800", True), ("0a", False), ("0A01", False), ("emh", False), ("", False)]
)
def test_meter_ids(text: str, good: bool) -> None:
    assert is_meter_id(text) is good


# -- properties --------------------------------------------------------------------------------------------------------------------------

times = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
meters = st.one_of(st.just(METER), st.binary(min_size=2, max_size=32).map(bytes.hex))
octet = st.integers(0, 255)
obis_codes = st.builds(Obis, octet, octet, octet, octet, octet, octet)
raws = st.one_of(st.none(), st.integers(-(1 << 63), (1 << 64) - 1))
words = st.integers(0, (1 << 32) - 1).map(lambda word: word | GATEWAY_OK)
names = st.from_regex(r"[0-9a-z][0-9a-z.-]{0,20}", fullmatch=True)
numbers = st.integers(0, (1 << 63) - 1)


@st.composite
def register_values(draw: st.DrawFn) -> RegisterValue:
    start, end = sorted((draw(times), draw(times)))
    return RegisterValue(
        profile_id=draw(names),
        taf=draw(st.integers(1, 14)),
        obis=draw(obis_codes),
        raw=draw(raws),
        scaler=draw(st.integers(-128, 127)),
        unit=draw(octet),
        period_start=start,
        period_end=end,
        gateway_status=draw(words),
        inputs=tuple(draw(st.lists(numbers, max_size=4))),
        created_at=draw(times),
    )


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    meter = draw(meters)
    readings = []
    for _ in range(draw(st.integers(0, 6))):
        raw, word = draw(raws), draw(words)
        word = word | GatewayStatus.NO_VALUE if raw is None else word & ~GatewayStatus.NO_VALUE
        meter_status = draw(st.integers(0, (1 << 32) - 1))
        reading = Reading(
            meter, draw(obis_codes), raw, draw(st.integers(-128, 127)), draw(octet), draw(times), draw(times), int(word), meter_status
        )
        signature = draw(st.sampled_from((64, 96, 128)).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
        readings.append(SignedReading(reading, signature, draw(numbers)))
    ordered = sorted({reading_order(one): one for one in readings}.values(), key=reading_order)
    start, end = sorted((draw(times), draw(times)))
    return Delivery(
        message_id=str(draw(st.uuids())),
        created_at=draw(times),
        sender="EBSI0012345678",
        recipient=draw(names),
        contract=draw(names),
        taf=draw(st.integers(1, 14)),
        metering_point_id=draw(st.text(max_size=64).filter(lambda text: text.isprintable() and text == text.strip())),
        period_start=start,
        period_end=end,
        meter_id=meter,
        readings=tuple(ordered),
        registers=tuple(draw(st.lists(register_values(), max_size=3))),
    )


@given(deliveries())
@settings(max_examples=150, deadline=None)
def test_decode_undoes_encode(whole: Delivery) -> None:
    data = encode_delivery(whole)
    assert decode_delivery(data) == whole
    assert encode_delivery(decode_delivery(data)) == data


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_flipped_bit_is_refused_or_gives_another_readable_value(data: st.DataObject) -> None:
    octets = bytearray(GOOD)
    octets[data.draw(st.integers(0, len(GOOD) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        read = decode_delivery(bytes(octets))
    except PeerFault:
        return
    assert decode_delivery(encode_delivery(read)) == read

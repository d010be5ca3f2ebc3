"""COSEM data types: every type goes both ways, one value has one form, and nothing else is let in."""

import math
import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smgw.codec.cosem_values import (
    DATA_TYPES,
    DEPTH_LIMIT,
    OBJECTS,
    CompactArray,
    Description,
    Value,
    read_moment,
    read_simple,
    read_value,
    write_moment,
    write_simple,
    write_value,
)
from smgw.codec.cosem_xml import parse_xml
from smgw.core.errors import DecodeFault, UsageError

NUMBERS = {
    "integer": (-128, 127),
    "long": (-32768, 32767),
    "double-long": (-2147483648, 2147483647),
    "long64": (-9223372036854775808, 9223372036854775807),
    "unsigned": (0, 255),
    "long-unsigned": (0, 65535),
    "double-long-unsigned": (0, 4294967295),
    "long64-unsigned": (0, 18446744073709551615),
    "enum": (0, 255),
    "bcd": (-128, 127),
}
# Written by hand after the table of 20-wan-crypto-pki 1.4; floats after IEEE 754, big-endian.
VECTORS = [
    (Value("null-data"), "<null-data/>"),
    (Value("dont-care"), "<dont-care/>"),
    (Value("boolean", True), "<boolean>true</boolean>"),
    (Value("boolean", False), "<boolean>false</boolean>"),
    (Value("bit-string", "0110"), "<bit-string>0110</bit-string>"),
    (Value("enum", 255), "<enum>255</enum>"),
    (Value("bcd", -128), "<bcd>-128</bcd>"),
    (Value("octet-string", bytes.fromhex("0100010800ff")), "<octet-string>0100010800ff</octet-string>"),
    (Value("octet-string", b""), "<octet-string/>"),
    (Value("visible-string", " a<&> "), "<visible-string> a&lt;&amp;&gt; </visible-string>"),
    (Value("UTF8-string", "Zähler\r\n"), "<UTF8-string>Zähler&#13;\n</UTF8-string>"),
    (Value("floating-point", 1.0), "<floating-point>3f800000</floating-point>"),
    (Value("float32", -0.5), "<float32>bf000000</float32>"),
    (Value("float64", 1.0), "<float64>3ff0000000000000</float64>"),
    (Value("date_time", bytes.fromhex("07ea0b15060a1e00ff8000ff")), "<date_time>07ea0b15060a1e00ff8000ff</date_time>"),
    (Value("date", bytes.fromhex("07ea0b1506")), "<date>07ea0b1506</date>"),
    (Value("time", bytes.fromhex("0a1e00ff")), "<time>0a1e00ff</time>"),
    (Value("array", ()), "<array></array>"),
    (
        Value("structure", (Value("unsigned", 1), Value("array", (Value("long", -2),)))),
        "<structure><unsigned>1</unsigned><array><long>-2</long></array></structure>",
    ),
    (
        Value("compact-array", CompactArray(Description("structure", (Description("unsigned"), Description("long"))), b"\1\0\2")),
        "<compact-array><contents-description><structure><unsigned></unsigned><long></long></structure></contents-description>"
        "<array-contents>010002</array-contents></compact-array>",
    ),
    (
        Value("compact-array", CompactArray(Description("array", (Description("enum"),), 3), b"")),
        "<compact-array><contents-description><array><number-of-elements>3</number-of-elements><type-description><enum></enum>"
        "</type-description></array></contents-description><array-contents></array-contents></compact-array>",
    ),
]


def read(text: str, namespace: str = OBJECTS) -> Value:
    name = text[1:].replace("/", ">").split(">")[0].split(" ")[0]
    return read_value(parse_xml(text.replace(f"<{name}", f'<{name} xmlns="{namespace}"', 1).encode()))


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize(("value", "text"), VECTORS, ids=[f"{number}-{value.type}" for number, (value, _) in enumerate(VECTORS)])
def test_each_type_is_written_and_read(value: Value, text: str) -> None:
    assert write_value(value) == text
    assert read(text) == value
    assert read(text, DATA_TYPES) == value


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_keep_to_the_bounds_of_their_type(kind: str) -> None:
    low, high = NUMBERS[kind]
    for bound, beyond in ((low, low - 1), (high, high + 1)):
        assert read_simple(kind, str(bound)) == Value(kind, bound)
        assert write_simple(Value(kind, bound)) == str(bound)
        with pytest.raises(DecodeFault):
            read_simple(kind, str(beyond))
        with pytest.raises(UsageError):
            write_simple(Value(kind, beyond))


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize(
    "text",
    [
        "<Integer8>1</Integer8>",
        "<integer>01</integer>",
        "<integer>+1</integer>",
        "<integer>-0</integer>",
        "<integer> 1</integer>",
        "<integer/>",
        '<integer id="1">1</integer>',
        "<integer><unsigned>1</unsigned></integer>",
        "<boolean>1</boolean>",
        "<null-data>0</null-data>",
        "<bit-string>2</bit-string>",
        "<octet-string>abc</octet-string>",
        "<date_time>07ea</date_time>",
        "<float32>7fc00000</float32>",
        "<float64>3f800000</float64>",
        "<visible-string>ä</visible-string>",
        "<array>1</array>",
        "<array><long>1</long>2</array>",
        '<array><long xmlns="urn:other">1</long></array>',
        "<compact-array><array-contents>00</array-contents></compact-array>",
        "<compact-array><contents-description><enum>1</enum></contents-description><array-contents/></compact-array>",
        "<compact-array><contents-description><array/></contents-description><array-contents/></compact-array>",
        "<compact-array><contents-description/><array-contents/></compact-array>",
        "<array>" * (DEPTH_LIMIT + 2) + "</array>" * (DEPTH_LIMIT + 2),
    ],
)
def test_what_the_table_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(DecodeFault, match=r"^xml\.structure"):
        read(text)


def _nested(levels: int) -> Value:
    value = Value("array", ())
    for _ in range(levels):
        value = Value("structure", (value,))
    return value


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize(
    "value",
    [
        Value("float32", 1e39),
        Value("float32", 0.1),
        Value("float64", math.nan),
        Value("unsigned", True),
        Value("boolean", 1),
        Value("visible-string", "\t"),
        Value("UTF8-string", "\0"),
        Value("date", b"\0"),
        Value("octet-string", "00"),
        Value("integer"),
        Value("somethin", 1),
        Value("array", 1),
        Value("compact-array", CompactArray(Description("enum", (), 2), b"")),
        Value("compact-array", CompactArray(Description("array"), b"")),
        _nested(DEPTH_LIMIT + 1),
    ],
    ids=repr,
)
def test_what_a_type_cannot_hold_is_not_written(value: Value) -> None:
    with pytest.raises(UsageError, match=r"^xml\.value"):
        write_value(value)


_LEGAL = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="".join(map(chr, range(32))) + "\ufffe\uffff"), max_size=20)
SIMPLE = st.one_of(
    st.sampled_from([Value("null-data"), Value("dont-care"), Value("boolean", True), Value("boolean", False)]),
    *(st.integers(low, high).map(lambda number, kind=kind: Value(kind, number)) for kind, (low, high) in NUMBERS.items()),
    st.binary(max_size=20).map(lambda octets: Value("octet-string", octets)),
    st.binary(min_size=12, max_size=12).map(lambda octets: Value("date_time", octets)),
    st.text("01", max_size=20).map(lambda bits: Value("bit-string", bits)),
    st.text([chr(code) for code in range(32, 127)], max_size=20).map(lambda text: Value("visible-string", text)),
    _LEGAL.map(lambda text: Value("UTF8-string", text)),
    st.floats(width=32, allow_nan=False).map(lambda number: Value("float32", number)),
    st.floats(allow_nan=False).map(lambda number: Value("float64", number)),
)
VALUES = st.recursive(
    SIMPLE,
    lambda inner: st.builds(Value, st.sampled_from(["array", "structure"]), st.lists(inner, max_size=4).map(tuple)),
    max_leaves=10,
)


@pytest.mark.req("WAN-08")
@settings(max_examples=200)
@given(VALUES)
def test_every_value_survives(value: Value) -> None:
    text = write_value(value)
    assert read(text) == value
    assert write_value(read(text)) == text


# Written by hand after the COSEM layout: 21 November 2026 is a Saturday; Germany's winter time has the deviation -60 (ffc4).
MOMENT = "07ea0b1506012d1e320000" + "00"


@pytest.mark.req("WAN-08")
def test_a_date_time_is_a_moment() -> None:
    moment = datetime(2026, 11, 21, 1, 45, 30, 500_000, UTC)
    assert write_moment(moment).hex() == MOMENT
    assert read_moment(bytes.fromhex(MOMENT)) == moment
    assert read_moment(bytes.fromhex("07ea0b1506022d1e32ffc400")) == moment
    assert read_moment(bytes.fromhex("07ea0b15ff022d1effffc4ff")) == moment.replace(microsecond=0)


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize(
    "octets",
    [
        "",
        "ffff0b1506012d1e32000000",
        "07eaff1506012d1e32000000",
        "07ea0b1507012d1e32000000",
        "07ea0b1506ff2d1e32000000",
        "07ea0b1506012d1e64000000",
        "07ea0b1506012d1e32800000",
        "00010101ff000000008000ff",
        "00010101ff00000000fd3000",
    ],
)
def test_a_date_time_with_open_or_wrong_fields_is_no_moment(octets: str) -> None:
    with pytest.raises(DecodeFault, match=r"^xml\.structure"):
        read_moment(bytes.fromhex(octets))


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize("moment", [datetime(2026, 11, 21, tzinfo=UTC).replace(tzinfo=None), datetime(2026, 11, 21, 0, 0, 0, 1, UTC)])
def test_a_time_without_zone_or_finer_than_hundredths_is_not_written(moment: datetime) -> None:
    with pytest.raises(UsageError, match=r"^xml\.value"):
        write_moment(moment)


def test_a_float_keeps_its_octets() -> None:
    for octets in (struct.pack(">f", -0.0), struct.pack(">f", math.inf), bytes.fromhex("00000001")):
        assert write_simple(read_simple("float32", octets.hex())) == octets.hex()

"""URIs of the management interface: what they name, what of it is asked for, and that both have one form."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codec.test_cosem_values import VALUES

from smgw.codec.cosem_resources import (
    LISTS,
    URI_LIMIT,
    VERBS,
    Kind,
    ObjectName,
    Part,
    Resource,
    Selection,
    Target,
    format_target,
    parse_target,
    read_literal,
    write_literal,
)
from smgw.codec.cosem_values import DEPTH_LIMIT, CompactArray, Description, Value
from smgw.core.errors import DecodeFault, LimitFault, PeerFault, UsageError
from smgw.core.obis import ACTIVE_ENERGY_IMPORT, Obis

DEVICE = "ebsi0012345678.sm"
REGISTER = ObjectName(3, ACTIVE_ENERGY_IMPORT)
OBJECT = f"/cosem/ldevs/{DEVICE}/objects/3-0100010800ff"
# Written by hand after the URI tree of 20-wan-crypto-pki 1.4, whose example register is 3-0100010800ff.
TREE = [
    ("/cosem/ldevs", Resource(Kind.DEVICES)),
    (f"/cosem/ldevs/{DEVICE}", Resource(Kind.DEVICE, DEVICE)),
    ("/cosem/ldevs/001122aabbcc.eui.example", Resource(Kind.DEVICE, "001122aabbcc.eui.example")),
    (f"/cosem/ldevs/{DEVICE}/objects", Resource(Kind.OBJECTS, DEVICE)),
    (OBJECT, Resource(Kind.OBJECT, DEVICE, REGISTER)),
    (f"{OBJECT}/attributes", Resource(Kind.ATTRIBUTES, DEVICE, REGISTER)),
    (f"{OBJECT}/attributes/2", Resource(Kind.ATTRIBUTE, DEVICE, REGISTER, 2)),
    (f"{OBJECT}/attributes/-128", Resource(Kind.ATTRIBUTE, DEVICE, REGISTER, -128)),
    (f"{OBJECT}/methods", Resource(Kind.METHODS, DEVICE, REGISTER)),
    (f"{OBJECT}/methods/127", Resource(Kind.METHOD, DEVICE, REGISTER, 127)),
    (f"/cosem/ldevs/{DEVICE}/containers", Resource(Kind.DEVICE_CONTAINERS, DEVICE)),
    (f"/cosem/ldevs/{DEVICE}/containers/3-0100010800ff", Resource(Kind.DEVICE_CONTAINER, DEVICE, REGISTER)),
    ("/cosem/containers", Resource(Kind.CONTAINERS)),
    ("/cosem/containers/nightly-1", Resource(Kind.CONTAINER, container="nightly-1")),
]


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize(("text", "resource"), TREE, ids=[text for text, _ in TREE])
def test_each_place_of_the_tree_is_named(text: str, resource: Resource) -> None:
    assert parse_target(text) == Target(resource)
    assert format_target(Target(resource)) == text
    assert parse_target(f"/poc{text}", "/poc") == Target(resource)
    assert format_target(Target(resource), "/poc") == f"/poc{text}"
    if resource.kind in LISTS:
        assert parse_target(f"{text}/") == Target(resource, part=Part(depth=1))


@pytest.mark.req("WAN-08")
def test_each_kind_of_resource_has_its_verbs() -> None:
    assert set(VERBS) == set(Kind) == {resource.kind for _, resource in TREE}
    assert VERBS[Kind.METHOD] == ("POST",)
    assert VERBS[Kind.ATTRIBUTE] == ("GET", "PUT")
    assert VERBS[Kind.OBJECT] == ("GET", "PUT", "DELETE")
    assert {VERBS[kind] for kind in LISTS} == {("GET",)}


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "/cosem",
        "/cosem/",
        "cosem/ldevs",
        "/smgw/gwa/v1/rts",
        "/cosem/ldevs//",
        "/cosem/ldevs/EBSI0012345678.sm",
        f"/cosem/ldevs/{DEVICE}/",
        "/cosem/ldevs/../objects",
        "/cosem/ldevs/a%62/objects",
        f"/cosem/ldevs/{'a' * 64}/objects",
        f"{OBJECT}/",
        f"{OBJECT}/other",
        f"{OBJECT}/attributes/128",
        f"{OBJECT}/attributes/-129",
        f"{OBJECT}/attributes/02",
        f"{OBJECT}/attributes/2/",
        f"{OBJECT}/methods/0",
        f"{OBJECT}/methods/-1",
        f"/cosem/ldevs/{DEVICE}/objects/03-0100010800ff",
        f"/cosem/ldevs/{DEVICE}/objects/65536-0100010800ff",
        f"/cosem/ldevs/{DEVICE}/objects/3-0100010800FF",
        f"/cosem/ldevs/{DEVICE}/objects/3-0100010800",
        "/cosem/containers/a/b",
    ],
)
def test_what_is_not_in_the_tree_is_no_resource(text: str) -> None:
    with pytest.raises(PeerFault, match=r"^command\.resource"):
        parse_target(text)


@pytest.mark.req("WAN-08")
def test_a_query_selects_a_part_of_an_attribute() -> None:
    query = (
        "sa.fromidx=1&sa.toidx=96&sa.count=0&sa.fromcol=1&sa.tocol=2&sa.retrievecolumns=[{long-unsigned:3,octet-string:0100010800ff}]"
        "&sa.filtercolumn=%7Bunsigned%3A1%7D&sa.fromtype=visible-string:a%252Cb&sa.totype=null-data:"
    )
    target = parse_target(f"{OBJECT}/attributes/2?{query}")
    assert target.selection == Selection(
        from_row=1,
        to_row=96,
        rows=0,
        from_column=1,
        to_column=2,
        columns=Value("array", (Value("structure", (Value("long-unsigned", 3), Value("octet-string", bytes(REGISTER.obis)))),)),
        filter_column=Value("structure", (Value("unsigned", 1),)),
        from_value=Value("visible-string", "a,b"),
        to_value=Value("null-data"),
    )
    assert target.part == Part()
    assert parse_target(format_target(target)) == target


@pytest.mark.req("WAN-08")
def test_a_query_selects_a_part_of_a_resource() -> None:
    target = parse_target("/cosem/ldevs?q.fromidx=3&q.count=10&q.depth=0&q.fromtime=2026-11-20T23:00:00Z&q.totime=2026-11-21T23%3A00%3A00Z")
    start, end = datetime(2026, 11, 20, 23, tzinfo=UTC), datetime(2026, 11, 21, 23, tzinfo=UTC)
    assert target == Target(Resource(Kind.DEVICES), part=Part(3, 10, 0, start, end))
    assert parse_target(format_target(target)) == target


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize(
    "query",
    [
        "/attributes/2?",
        "/attributes/2?sa.fromidx",
        "/attributes/2?sa.fromidx=",
        "/attributes/2?sa.fromidx=01",
        "/attributes/2?sa.fromidx=-1",
        "/attributes/2?sa.fromidx=4294967296",
        "/attributes/2?sa.fromidx=1&sa.fromidx=1",
        "/attributes/2?sa.fromidx=1&",
        "/attributes/2?other=1",
        "/attributes/2?sa.fromidx=1#2",
        "/attributes/2?sa.fromtype=unsigned:256",
        "/attributes/2?sa.fromtype=[unsigned:1",
        "/attributes/2?sa.fromtype=[unsigned:1,]",
        "/attributes/2?sa.fromtype=[,unsigned:1]",
        "/attributes/2?sa.fromtype=[unsigned:1}",
        "/attributes/2?sa.fromtype=unsigned:1]",
        "/attributes/2?sa.fromtype=unsigned",
        "/attributes/2?sa.fromtype=visible-string:%25",
        "/attributes/2?sa.fromtype=UTF8-string:%FF",
        "/attributes/2?sa.fromtype=UTF8-string:%2",
        "/attributes/2?sa.fromtype=UTF8-string:ä",
        "/attributes/2?sa.fromtype=" + "[" * (DEPTH_LIMIT + 2) + "]" * (DEPTH_LIMIT + 2),
        "/attributes/2?q.fromtime=2026-11-20T24:00:00Z",
        "/attributes/2?q.fromtime=2026-11-21",
        "/attributes/?q.depth=0",
        "/attributes?sa.fromidx=1",
        "/methods/1?q.count=1",
    ],
)
def test_what_does_not_follow_the_rules_of_a_query_is_refused(query: str) -> None:
    with pytest.raises(DecodeFault, match=r"^command\.structure"):
        parse_target(f"{OBJECT}{query}")


@pytest.mark.req("WAN-08")
def test_a_target_has_at_most_4000_characters() -> None:
    start = f"{OBJECT}/attributes/2?sa.fromtype=octet-string:"
    assert len(start) % 2 == 0
    whole = start + "0" * (URI_LIMIT - len(start))
    assert parse_target(whole).selection.from_value == Value("octet-string", bytes((URI_LIMIT - len(start)) // 2))
    with pytest.raises(LimitFault, match=r"^http\.target_size"):
        parse_target(f"{whole}00")


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize(
    "target",
    [
        Target(Resource(Kind.DEVICES, DEVICE)),
        Target(Resource(Kind.DEVICE, "a/objects")),
        Target(Resource(Kind.OBJECT, DEVICE)),
        Target(Resource(Kind.METHOD, DEVICE, REGISTER, 0)),
        Target(Resource(Kind.OBJECT, DEVICE, ObjectName(65536, REGISTER.obis))),
        Target(Resource(Kind.DEVICES), Selection(rows=1)),
        Target(Resource(Kind.DEVICES), part=Part(depth=-1)),
        Target(Resource(Kind.ATTRIBUTE, DEVICE, REGISTER, 2), Selection(columns=Value("octet-string", bytes(2000)))),
        Target(Resource(Kind.ATTRIBUTE, DEVICE, REGISTER, 2), Selection(columns=Value("unsigned", 256))),
    ],
    ids=repr,
)
def test_what_nobody_could_read_is_not_written(target: Target) -> None:
    with pytest.raises(UsageError, match=r"^(http\.usage|xml\.value)"):
        format_target(target)


@pytest.mark.req("WAN-08")
def test_a_compact_array_has_no_literal() -> None:
    with pytest.raises(UsageError, match=r"^xml\.value"):
        write_literal(Value("compact-array", CompactArray(Description("enum"), b"")))


NUMBERS = st.none() | st.integers(0, (1 << 32) - 1)
TIMES = st.none() | st.integers(946_684_800, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
OBJECTS = st.builds(ObjectName, st.integers(0, 65535), st.binary(min_size=6, max_size=6).map(Obis.from_bytes))
SHORT = st.none() | VALUES.filter(lambda value: len(write_literal(value)) < 300)


@pytest.mark.req("WAN-08")
@settings(max_examples=100)
@given(OBJECTS, st.integers(-128, 127), NUMBERS, SHORT, SHORT, st.builds(Part, NUMBERS, NUMBERS, NUMBERS, TIMES, TIMES))
def test_every_target_survives(
    instance: ObjectName, number: int, rows: int | None, columns: Value | None, from_value: Value | None, part: Part
) -> None:
    selection = Selection(rows=rows, columns=columns, from_value=from_value)
    target = Target(Resource(Kind.ATTRIBUTE, DEVICE, instance, number), selection, part)
    assert parse_target(format_target(target)) == target


@pytest.mark.req("WAN-08")
@settings(max_examples=100)
@given(VALUES)
def test_every_literal_survives(value: Value) -> None:
    assert read_literal(write_literal(value)) == value

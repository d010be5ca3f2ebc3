"""Bodies of the management interface: the example of the specification, every root, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codec.test_cosem_values import VALUES

from smgw.codec.cosem_elements import (
    Attribute,
    Container,
    Cosem,
    CosemObject,
    Device,
    Document,
    Listing,
    MethodCall,
    MethodResult,
    decode_document,
    encode_document,
)
from smgw.codec.cosem_resources import ObjectName
from smgw.codec.cosem_values import Value
from smgw.core.errors import DecodeFault, LimitFault, UsageError
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, Obis

# The example of 20-wan-crypto-pki 1.4.
EXAMPLE = b"""<cosem xmlns="urn:k461-dke-de:cor-1">
  <ldevs count="1">
    <ldev id="ebsi0012345678.sm">
      <objects count="1">
        <object class-id="3" version="0" id="0100010800ff">
          <attributes count="2">
            <attribute id="1"><octet-string>0100010800ff</octet-string></attribute>
            <attribute id="2"><long64-unsigned>123456</long64-unsigned></attribute>
          </attributes>
        </object>
      </objects>
    </ldev>
  </ldevs>
</cosem>
"""
NAME = ObjectName(3, ACTIVE_ENERGY_IMPORT)
REGISTER = CosemObject(NAME, 0, (Attribute(1, Value("octet-string", bytes(NAME.obis))), Attribute(2, Value("long64-unsigned", 123_456))))
DEVICE = Device("ebsi0012345678.sm", (REGISTER,))
OTHER = CosemObject(ObjectName(3, ACTIVE_ENERGY_EXPORT), 255, methods=(1, 127))
BUNDLE = Container("3-0100010800ff", (REGISTER, OTHER))
DOCUMENTS: list[Document] = [
    Cosem((DEVICE,)),
    Cosem(),
    Cosem((), (Container("night", devices=(DEVICE,)),)),
    DEVICE,
    Device("a.sm", (), (BUNDLE,)),
    REGISTER,
    OTHER,
    Attribute(-128),
    Attribute(127, Value("array", ())),
    BUNDLE,
    Listing("ldevs", (DEVICE, Device("a"))),
    Listing("objects", ()),
    Listing("ldevs", None),
    Listing("attributes", (Attribute(1), Attribute(2))),
    Listing("methods", (1, 2)),
    Listing("containers", (BUNDLE, Container("empty"))),
    MethodCall(),
    MethodCall(Value("integer", 0)),
    MethodResult(),
    MethodResult(0),
    MethodResult(255, Value("structure", (Value("enum", 1),))),
    MethodResult(None, Value("null-data")),
]


@pytest.mark.req("WAN-08")
def test_the_example_of_the_specification_is_read_and_written() -> None:
    assert decode_document(EXAMPLE) == Cosem((DEVICE,))
    written = encode_document(Cosem((DEVICE,))).removeprefix(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    assert written == b"".join(line.strip() for line in EXAMPLE.splitlines()) + b"\n"


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize("document", DOCUMENTS, ids=repr)
def test_every_root_goes_both_ways(document: Document) -> None:
    octets = encode_document(document)
    assert decode_document(octets) == document
    assert encode_document(decode_document(octets)) == octets


@pytest.mark.req("WAN-08")
def test_a_count_may_be_left_out_and_data_stand_in_their_own_namespace() -> None:
    body = EXAMPLE.replace(b' count="1"', b"").replace(b' count="2"', b"")
    body = body.replace(b"<long64-unsigned>", b'<d:long64-unsigned xmlns:d="urn:k461-dke-de:cod-1">')
    assert decode_document(body.replace(b"</long64-unsigned>", b"</d:long64-unsigned>")) == Cosem((DEVICE,))


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"urn:k461-dke-de:cor-1", b"urn:k461-dke-de:cod-1"),
        (b"<cosem", b"<!DOCTYPE cosem><cosem"),
        (b"</ldevs>", b"</ldevs><ldevs/>"),
        (b"</ldevs>", b"</ldevs>text"),
        (b"</objects>", b"</objects><containers><container id='a'><ldevs/></container></containers>"),
        (b'count="2"', b'count="3"'),
        (b'count="2"', b'other="2"'),
        (b'<attribute id="2">', b'<attribute id="1">'),
        (b'<attribute id="2">', b'<attribute id="128">'),
        (b'<attribute id="2">', b"<attribute>"),
        (b'<attribute id="2">', b'<attribute id="2" name="x">'),
        (b"</long64-unsigned>", b"</long64-unsigned><long>1</long>"),
        (b'<attribute id="2">', b'<attribute id="2">1'),
        (b'class-id="3"', b'class-id="65536"'),
        (b'version="0"', b'version="256"'),
        (b'version="0"', b""),
        (b'id="0100010800ff"', b'id="0100010800FF"'),
        (b'"ebsi0012345678.sm"', b'"EBSI0012345678.sm"'),
        (b"</attributes>", b"</attributes><methods><method id='0'/></methods>"),
        (b"</attributes>", b"</attributes><methods><method id='1'>1</method></methods>"),
        (b"<attributes count", b"<methods/><attributes count"),
    ],
)
def test_anything_else_is_refused(old: bytes, new: bytes) -> None:
    changed = EXAMPLE.replace(old, new, 1)
    assert changed != EXAMPLE
    with pytest.raises(DecodeFault, match=r"^xml\.structure"):
        decode_document(changed)


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize(
    "body",
    [
        "<methodResponse xmlns='urn:k461-dke-de:cor-1'><methodResponseStatus>256</methodResponseStatus></methodResponse>",
        "<methodResponse xmlns='urn:k461-dke-de:cor-1'><methodResponseData/></methodResponse>",
        "<methodRequestParameter xmlns='urn:k461-dke-de:cor-1'><long>1</long><long>1</long></methodRequestParameter>",
        "<method xmlns='urn:k461-dke-de:cor-1' id='1'/>",
        "<container xmlns='urn:k461-dke-de:cor-1' id='a'><objects/><ldevs/></container>",
        "<container xmlns='urn:k461-dke-de:cor-1' id='a'><ldevs><ldev id='a'><containers/></ldev></ldevs></container>",
        "<ldevs/>",
        "",
    ],
)
def test_other_roots_are_refused(body: str) -> None:
    with pytest.raises(DecodeFault, match=r"^xml\.structure"):
        decode_document(body.encode())


@pytest.mark.req("WAN-08")
def test_a_body_is_bounded() -> None:
    with pytest.raises(LimitFault, match=r"^xml\.size"):
        decode_document(b" " * (4 * 1024 * 1024 + 1))


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize(
    "document",
    [
        Device('a"/>'),
        Device("\ud800"),
        Attribute(128),
        Attribute(1, Value("unsigned", 256)),
        MethodResult(256),
        Listing("methods", (1, 1)),
        Listing("objects", (DEVICE,)),
        Listing("other", ()),
        Container("a", (), ()),
        CosemObject(ObjectName(65536, NAME.obis)),
    ],
    ids=ascii,
)
def test_what_nobody_could_read_is_not_written(document: Document) -> None:
    with pytest.raises(UsageError, match=r"^xml\.value"):
        encode_document(document)


_OBJECTS = st.builds(
    CosemObject,
    st.builds(ObjectName, st.integers(0, 65535), st.binary(min_size=6, max_size=6).map(Obis.from_bytes)),
    st.integers(0, 255),
    st.none()
    | st.lists(st.builds(Attribute, st.integers(-128, 127), st.none() | VALUES), max_size=3, unique_by=lambda one: one.number).map(tuple),
    st.none() | st.lists(st.integers(1, 127), max_size=3, unique=True).map(tuple),
)


@pytest.mark.req("WAN-08")
@settings(max_examples=100)
@given(st.lists(_OBJECTS, max_size=2, unique_by=lambda one: one.name).map(tuple))
def test_every_object_survives(objects: tuple[CosemObject, ...]) -> None:
    document = Cosem((Device("a.sm", objects),))
    assert decode_document(encode_document(document)) == document

"""Dissecting DER: what is broken names its place, and every value becomes one line."""

import pytest

from smgw.codec.der_explain import Field, explain_der, hex_text, oid_text
from smgw.codec.explain import Explained
from smgw.core.errors import DecodeFault

NAMES = {"1.2.3": "one-two-three"}


def lines(data: str, root: Field = Field("")) -> list[Explained]:  # noqa: B008
    return list(explain_der(bytes.fromhex(data), root, NAMES, code="cms.structure"))


def meanings(data: str, root: Field = Field("")) -> list[str]:  # noqa: B008
    return [line.meaning for line in lines(data, root)]


@pytest.mark.parametrize(
    ("data", "offset", "reason"),
    [
        ("", 0, "cut off"),
        ("30", 0, "cut off"),
        ("3001", 1, "beyond its parent"),
        ("3003020200", 3, "beyond its parent"),
        ("300302010000", 5, "after the end"),
        ("3080020101 0000", 1, "indefinite"),
        ("30810302 0101", 1, "not the shortest"),
        ("3082000302 0101", 1, "not the shortest"),
        ("3084", 1, "cut off"),
        ("1f8101 00", 0, "several octets"),
        ("30 04 020101 30", 5, "cut off"),
    ],
)
def test_a_broken_structure_names_its_place(data: str, offset: int, reason: str) -> None:
    with pytest.raises(DecodeFault, match=reason) as fault:
        lines(data)
    assert fault.value.code == "cms.structure"
    assert fault.value.offset == offset


def test_deep_nesting_ends_in_a_fault() -> None:
    data = b""
    for _ in range(60):
        data = bytes((0x30, len(data))) + data if len(data) < 128 else data
    with pytest.raises(DecodeFault, match="too deeply"):
        lines(data.hex())


@pytest.mark.parametrize(
    ("data", "meaning"),
    [
        ("020105", "INTEGER: 5"),
        ("0201ff", "INTEGER: -1"),
        ("0209008000000000000000", "INTEGER: 0x008000000000000000"),
        ("0101ff", "BOOLEAN: TRUE"),
        ("010100", "BOOLEAN: FALSE"),
        ("010101", "BOOLEAN: 01"),
        ("0500", "NULL: "),
        ("050100", "NULL: 00"),
        ("06022a03", "OBJECT IDENTIFIER: one-two-three (1.2.3)"),
        ("06022a04", "OBJECT IDENTIFIER: 1.2.4"),
        ("0600", "OBJECT IDENTIFIER: "),
        ("06028881", "OBJECT IDENTIFIER: 8881"),
        ("0c024142", "UTF8String: 'AB'"),
        ("0c01ff", "UTF8String: '\ufffd'"),
        ("170d3236313132313030313530305a", "UTCTime: 2026-11-21T00:15:00Z"),
        ("170d3939313132313030313530305a", "UTCTime: 1999-11-21T00:15:00Z"),
        ("180f32303531303130313030303030305a", "GeneralizedTime: 2051-01-01T00:00:00Z"),
        ("170d3236313333313030313530305a", "UTCTime: '261331001500Z'"),
        ("1701 41", "UTCTime: 'A'"),
        ("0400", "OCTET STRING: 0 octets"),
        ("04021234", "OCTET STRING: 2 octets 1234"),
        ("0302 0480", "BIT STRING: 4 bits 80"),
        ("0300", "BIT STRING: 0 bits"),
        ("0a0101", "ENUMERATED: 1"),
        ("1e020041", "BMPString: 2 octets 0041"),
        ("130141", "PrintableString: 'A'"),
        ("8001aa", "[0]: 1 octets aa"),
        ("090100", "tag 09: 1 octets 00"),
    ],
)
def test_leaves(data: str, meaning: str) -> None:
    assert meanings(data) == [meaning]


def test_long_octets_are_shortened() -> None:
    assert hex_text(bytes(24)) == "00" * 24
    assert hex_text(bytes(25)) == "00" * 24 + "…"


@pytest.mark.parametrize(("body", "text"), [("2a8648", "1.2.840"), ("00", "0.0"), ("7f", "2.47"), ("883703", "2.999.3"), ("80", "80")])
def test_object_identifiers(body: str, text: str) -> None:
    assert oid_text(bytes.fromhex(body)) == text


class TestGrammar:
    RECORD = Field(
        "record",
        0x30,
        (Field("number", 0x02), Field("when", choices=(Field("utc", 0x17), Field("counter", 0x02))), Field("note", 0x80, universal=0x0C)),
        clause="clause 1",
    )

    def test_fields_are_named_in_order_and_may_be_missing(self) -> None:
        assert meanings("300c 020101 020102 800141 800142", self.RECORD)[1:] == [
            "number INTEGER: 1",
            "counter INTEGER: 2",
            "note [0]: 'A'",
            "[0]: 1 octets 42",
        ]
        assert meanings("3003 800141", self.RECORD) == ["record SEQUENCE", "note [0]: 'A'"]

    def test_lines_carry_place_depth_and_clause(self) -> None:
        assert lines("3003 020101", self.RECORD) == [
            Explained(0, 5, 0, "record SEQUENCE", "clause 1"),
            Explained(2, 3, 1, "number INTEGER: 1"),
        ]

    def test_another_structure_than_the_grammars_is_shown_unnamed(self) -> None:
        assert meanings("3103 020101", self.RECORD) == ["SET", "INTEGER: 1"]

    def test_strings_that_hold_der_are_opened_and_others_are_not(self) -> None:
        holder = Field("holder", contains=Field("inner", 0x02))
        assert meanings("0403 020105", holder) == ["holder OCTET STRING", "inner INTEGER: 5"]
        assert meanings("0304 00 020105", holder) == ["holder BIT STRING", "inner INTEGER: 5"]
        assert meanings("0403 020205", holder) == ["holder OCTET STRING: 3 octets 020205"]

    def test_open_values_follow_the_identifier_before_them(self) -> None:
        pair = Field("pair", 0x30, (Field("type", 0x06), Field("value", by_oid={"1.2.3": Field("length", 0x02)})))
        assert meanings("3007 06022a03 020101", pair)[2] == "length INTEGER: 1"
        assert meanings("3007 06022a04 020101", pair)[2] == "value INTEGER: 1"

import pytest
from msgspec.structs import fields

from smgw.codec.sml.schema import BODIES, BODY_TAGS, PARAMETER_CONTENTS, SCHEMAS, STRUCT_NAMES, Field, Kind

ELEMENTS = {
    "SML_PublicOpen.Req": 7,
    "SML_PublicOpen.Res": 6,
    "SML_PublicClose.Req": 1,
    "SML_PublicClose.Res": 1,
    "SML_GetProfilePack.Req": 9,
    "SML_GetProfilePack.Res": 8,
    "SML_GetProfileList.Req": 9,
    "SML_GetProfileList.Res": 9,
    "SML_GetProcParameter.Req": 5,
    "SML_GetProcParameter.Res": 3,
    "SML_SetProcParameter.Req": 5,
    "SML_GetList.Req": 5,
    "SML_GetList.Res": 7,
    "SML_Attention.Res": 4,
    "SML_ListEntry": 7,
    "SML_PeriodEntry": 5,
    "SML_ProfObjHeaderEntry": 3,
    "SML_ProfObjPeriodEntry": 4,
    "SML_ValueEntry": 2,
    "SML_Tree": 3,
    "SML_TupelEntry": 23,
}


@pytest.mark.parametrize("of", SCHEMAS, ids=lambda of: of.__name__)
def test_each_structure_has_the_elements_of_the_norm(of: type) -> None:
    rows = SCHEMAS[of]
    assert len(rows) == ELEMENTS[STRUCT_NAMES[of]]
    attributes = {field.name for field in fields(of)} - {"value_format"}
    assert {row.attribute for row in rows} == attributes


@pytest.mark.parametrize("of", SCHEMAS, ids=lambda of: of.__name__)
def test_optional_elements_may_be_none(of: type) -> None:
    hints = {field.name: str(field.type) for field in fields(of)}
    for row in SCHEMAS[of]:
        if row.kind is not Kind.VALUE:
            assert row.optional == ("None" in hints[row.attribute]), row


def test_kinds_have_what_they_need() -> None:
    rows = [row for table in SCHEMAS.values() for row in table] + list(PARAMETER_CONTENTS.values())
    for row in rows:
        assert isinstance(row, Field)
        assert bool(row.width) == (row.kind in (Kind.UNSIGNED, Kind.UNIT, Kind.SIGNED))
        assert (row.of is not None) == (row.kind in (Kind.STRUCT, Kind.STRUCTS))


def test_tags_go_both_ways() -> None:
    assert {BODY_TAGS[body]: body for _, body in BODIES.values()} == {tag: body for tag, (_, body) in BODIES.items()}

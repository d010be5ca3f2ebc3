"""The table of use cases is whole, and what it says of profile files is true."""

import msgspec
import pytest

from smgw.core.errors import DomainFault
from smgw.tariff.catalogue import CATALOGUE, profile_fields, use_case
from smgw.tariff.run import ADAPTERS


def test_all_fourteen_are_there() -> None:
    assert list(CATALOGUE) == list(range(1, 15))
    for number, case in CATALOGUE.items():
        assert case.number == number
        assert case.evaluate is ADAPTERS[number]
        assert case.profile.__struct_config__.tag == number
        assert all(text and text == text.strip() for text in case[1:9])


@pytest.mark.parametrize("number", [0, 15, -1])
def test_there_is_no_other(number: int) -> None:
    for refused in (use_case, profile_fields):
        with pytest.raises(DomainFault) as caught:
            refused(number)
        assert caught.value.code == "tariff.use_case"


@pytest.mark.req("TAF-09", "TAF-10", "TAF-14")
def test_what_is_not_stored() -> None:
    assert [number for number, case in CATALOGUE.items() if not case.stored] == [9, 10, 14]


@pytest.mark.parametrize("number", range(1, 15))
def test_fields_are_those_of_the_struct(number: int) -> None:
    fields = {field.name: field for field in profile_fields(number)}
    struct = msgspec.structs.fields(use_case(number).profile)
    assert [name for name in fields if "." not in name] == [field.name for field in struct]
    assert [fields[field.name].default is None for field in struct] == [field.required for field in struct]


def test_kinds_are_in_words() -> None:
    fields = {(number, field.name): (field.kind, field.default) for number in CATALOGUE for field in profile_fields(number)}
    assert fields[2, "rules.special"] == ("table: day to text", "none")
    assert fields[2, "rules.days"] == ("table: text to table: text to integer", None)
    assert fields[3, "rules.thresholds"] == ("list of integer", None)
    assert fields[5, "events"] == ("list of table", "none")
    assert fields[5, "events.received_at"] == ("time with offset", "none")
    assert fields[5, "rules.latency_s"] == ("integer", "900")
    assert fields[6, "request.reason"][0] == "move or supplier_change or tariff_change or meter_exchange or contract_dispute"
    assert fields[8, "rules"] == ("table", "the defaults of its fields")
    assert fields[8, "rules.span"] == ("month or period", "month")
    assert fields[13, "source"] == ("1 or 2 or 7", None)
    assert fields[14, "rules.interval_s"] == ("integer", "0")

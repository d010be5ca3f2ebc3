"""One bill written in many ways: what does not change the meaning of a file does not change a number, and what does is refused by name."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree
from tests.shared import shared_path

from smgw.codec.trudi_grammar import AR
from smgw.codec.trudi_xml import read_device_file, read_supplier_file
from smgw.core.errors import PeerFault
from smgw.transparency.recompute import verify

pytestmark = [pytest.mark.shared, pytest.mark.req("TAF-22", "CON-06")]

PAIRS = {
    "a day": ("supplier_single_day", "result_single_day", {1: 360, 2: 600, 63: 0}),
    "a reading missing": ("supplier_single_day", "result_single_day_1_missing_period_at_tariff_switch", {1: 350, 2: 590, 63: 20}),
    "25 hours": ("supplier_single_day_dst_oct", "result_single_day_dst_oct", {1: 360, 2: 600, 63: 0}),
    "an hour as period": ("supplier_1_month", "result_1_month_period_1hour", {1: 2700, 2: 4500, 63: 0}),
}
Write = Callable[[Any], bytes]


def every(tree: Any, *names: str) -> list[Any]:
    return [element for name in names for element in tree.iter(f"{{{AR}}}{name}")]


def without_signatures(tree: Any) -> bytes:
    for element in every(tree, "signature", "meterSig"):
        element.getparent().remove(element)
    return etree.tostring(tree)


def shuffled(tree: Any) -> bytes:
    for block in every(tree, "IntervalBlock"):
        readings = every(block, "IntervalReading")
        random.Random(7).shuffle(readings)
        block.extend(readings)
    return etree.tostring(tree)


def under_other_prefixes(tree: Any) -> bytes:
    text = etree.tostring(tree).decode().replace("xmlns:espi=", "xmlns:e=").replace("<espi:", "<e:").replace("</espi:", "</e:")
    return text.encode()


def commented(tree: Any) -> bytes:
    for reading in every(tree, "IntervalReading"):
        reading.addprevious(etree.Comment(etree.tostring(reading).decode().replace("--", "")))
    return etree.tostring(tree)


def in_utc(tree: Any) -> bytes:
    for element in every(tree, "start", "targetTime"):
        moment = datetime.fromisoformat(element.text.strip())
        if moment.tzinfo is not None:
            element.text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return etree.tostring(tree)


def in_utf16(tree: Any) -> bytes:
    return etree.tostring(tree, encoding="utf-16", xml_declaration=True)


def priced(pair: str, write_supplier: Write, write_readout: Write) -> dict[tuple[int, int], int]:
    supplier, readout = (etree.fromstring(shared_path("trudi", "taf2", f"{name}.xml").read_bytes()) for name in PAIRS[pair][:2])
    verification = verify(read_supplier_file(write_supplier(supplier)), read_device_file(write_readout(readout)))
    return {(register.obis.c, register.tariff): register.value for register in verification.registers}


WAYS = [without_signatures, shuffled, under_other_prefixes, commented, in_utc, in_utf16]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pair", PAIRS)
def test_the_numbers_do_not_depend_on_how_a_file_is_written(pair: str, way: Write) -> None:
    expected = {(1, tariff): value for tariff, value in PAIRS[pair][2].items()}
    assert priced(pair, etree.tostring, way) == expected
    if way in (under_other_prefixes, in_utf16):
        assert priced(pair, way, way) == expected


def exported(tree: Any) -> bytes:
    """Turn every register and stage of import (1.8) into one of export (2.8)."""
    for element in every(tree, "obisCode", "qualifiedLogicalName"):
        element.text = element.text.strip().replace("01000108", "01000208", 1)
    return etree.tostring(tree)


@pytest.mark.parametrize("pair", PAIRS)
def test_feed_in_is_priced_like_consumption(pair: str) -> None:
    assert priced(pair, exported, exported) == {(2, tariff): value for tariff, value in PAIRS[pair][2].items()}


def doubled(name: str) -> Write:
    def write(tree: Any) -> bytes:
        element = every(tree, name)[0]
        element.addnext(etree.fromstring(etree.tostring(element)))
        return etree.tostring(tree)

    return write


def without(name: str) -> Write:
    def write(tree: Any) -> bytes:
        element = every(tree, name)[0]
        element.getparent().remove(element)
        return etree.tostring(tree)

    return write


def told(name: str, text: str) -> Write:
    def write(tree: Any) -> bytes:
        every(tree, name)[0].text = text
        return etree.tostring(tree)

    return write


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (without("usagePointId"), "trudi.usage_point_id"),
        (without("Customer"), "trudi.customer"),
        (without("InvoicingParty"), "trudi.invoicing_party"),
        (without("Certificate"), "trudi.certificate_missing"),
        (without("meterReadingId"), "trudi.meter_reading"),
        (without("timePeriod"), "trudi.reading"),
        (without("obisCode"), "trudi.obis"),
        (doubled("UsagePoint"), "trudi.usage_points"),
        (told("tariffName", "another tariff"), "trudi.other_tariff_name"),
        (told("smgwId", "EOTH0000000001"), "trudi.other_smgw"),
        (told("obisCode", "0100"), "trudi.obis"),
        (told("start", "yesterday"), "trudi.value"),
        (told("qualifiedLogicalName", "0100010800ff.another.sm"), "trudi.no_original_list"),
    ],
)
def test_a_spoilt_read_out_is_refused_with_its_reason(spoil: Write, code: str) -> None:
    with pytest.raises(PeerFault) as caught:
        priced("a day", etree.tostring, spoil)
    assert (caught.value.code, caught.value.exit_code) == (code, 4)

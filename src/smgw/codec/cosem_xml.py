"""COSEM XML as gateways send it: the hardened reader and the profile-generic object that carries signed readings.

The object has class 7, prefix `ns1` for `urn:k461-dke-de:profile_generic-1` and `ns2` for `urn:k461-dke-de:extension-1`. Two elements of
an entry are this project's own and stand in `urn:smgw:delivery-1` (prefix `d`): the target time and the journal sequence.
Source: MEAS-01; 20-wan-crypto-pki 1.4, 3.7; 30-han-consumer-interface 2.1.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby, pairwise
from operator import attrgetter

from lxml import etree

from smgw.core.delivery import reading_order
from smgw.core.errors import DecodeFault, LimitFault, PeerFault, UsageError
from smgw.core.identifiers import DeviceId
from smgw.core.instant import parse_time, utc_text
from smgw.core.obis import Obis
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import GATEWAY_OK, GatewayStatus, to_hex_msb_first

PROFILE_GENERIC = "urn:k461-dke-de:profile_generic-1"
EXTENSION = "urn:k461-dke-de:extension-1"
DELIVERY = "urn:smgw:delivery-1"

MAX_XML_OCTETS = 4 * 1024 * 1024
"""Largest XML body that is parsed; a day of two quarter-hour registers takes about 110 kB."""
MAX_XML_MARKS = 300_000
"""Most `<` in one body; bounds the memory that the tree can take."""

_NS1, _NS2, _D = f"{{{PROFILE_GENERIC}}}", f"{{{EXTENSION}}}", f"{{{DELIVERY}}}"
_SERIES_NAME = "01005e31803c"
_REGISTER_CLASS = "32822"
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,19}")
_HEX_METER = re.compile(r"(?:[0-9a-f]{2}){2,32}")
_STATUS = re.compile(r"[0-9a-f]{16}")
_SIGNATURE = re.compile(r"[0-9a-f]+")
_SIGNATURE_OCTETS = (64, 96, 128)
_VALUE_BOUNDS = {"long64": (-(1 << 63), (1 << 63) - 1), "long64-unsigned": (1 << 63, (1 << 64) - 1)}
_WORD = (1 << 32) - 1
_SEQUENCE_BOUND = (1 << 63) - 1


def parse_xml(data: bytes) -> etree._Element:
    """Parse UTF-8 XML without DTD, entities, comments, processing instructions or network access.

    Raises: LimitFault xml.size; DecodeFault xml.structure.
    """
    if len(data) > MAX_XML_OCTETS or data.count(b"<") > MAX_XML_MARKS:
        raise LimitFault("xml.size", f"{len(data)} octets")
    body = data[len(_DECLARATION) :] if data.startswith(_DECLARATION) else data
    for forbidden in (b"<!", b"<?", b"\0"):
        at = body.find(forbidden)
        if at >= 0:
            raise DecodeFault("xml.structure", "declaration not allowed", offset=len(data) - len(body) + at)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, collect_ids=False, encoding="UTF-8"
    )
    try:
        return etree.fromstring(body, parser)
    except etree.XMLSyntaxError as problem:
        raise DecodeFault("xml.structure", "not well formed") from problem


class Children:
    """Walk the children of an element in the one order that the format allows.

    Raises: DecodeFault xml.structure for another element, attribute or text than the one asked for.
    """

    def __init__(self, parent: etree._Element, tag: str, **attributes: str) -> None:
        if parent.tag != tag or {str(name): str(value) for name, value in parent.attrib.items()} != attributes:
            raise _fault(parent)
        if not _is_blank(parent.text):
            raise _fault(parent)
        self._parent = parent
        self._children = list(parent)
        self._next = 0

    def take(self, tag: str) -> etree._Element:
        """Give the next child, which must have that tag."""
        child = self.maybe(tag)
        if child is None:
            raise _fault(self._parent)
        return child

    def maybe(self, tag: str) -> etree._Element | None:
        """Give the next child if it has that tag."""
        if self._next == len(self._children) or self._children[self._next].tag != tag:
            return None
        child = self._children[self._next]
        if not _is_blank(child.tail):
            raise _fault(child)
        self._next += 1
        return child

    def many(self, tag: str) -> Iterator[etree._Element]:
        """Give all following children with that tag."""
        while (child := self.maybe(tag)) is not None:
            yield child

    def text(self, tag: str) -> str:
        """Give the text of the next child, which must be a leaf with that tag."""
        return leaf_text(self.take(tag))

    def integer(self, tag: str, low: int, high: int) -> int:
        """Give the canonical decimal integer of the next child."""
        return leaf_integer(self.take(tag), low, high)

    def time(self, tag: str) -> datetime:
        """Give the UTC time of the next child, written with `Z` and with six decimals or none."""
        child = self.take(tag)
        text = leaf_text(child)
        try:
            moment = parse_time(text)
        except PeerFault as problem:
            raise _fault(child) from problem
        if utc_text(moment) != text:
            raise _fault(child)
        return moment

    def end(self) -> None:
        """Check that no child is left."""
        if self._next != len(self._children):
            raise _fault(self._children[self._next])


def _is_blank(text: str | None) -> bool:
    return not text or not text.strip(" \t\r\n")


def leaf_text(element: etree._Element) -> str:
    """Give the text of an element without children and attributes."""
    if len(element) or element.attrib:
        raise _fault(element)
    return element.text or ""


def leaf_integer(element: etree._Element, low: int, high: int) -> int:
    """Give the canonical decimal integer of a leaf, `low` to `high` inclusive."""
    text = leaf_text(element)
    value = int(text) if _INTEGER.fullmatch(text) else high + 1
    if not low <= value <= high:
        raise _fault(element)
    return value


def _fault(element: etree._Element) -> DecodeFault:
    """Name the element by its local name, which the peer chose: shortened and made printable."""
    return DecodeFault("xml.structure", f"at {ascii(etree.QName(element).localname)[:40]}, line {element.sourceline}")


def is_meter_id(text: str) -> bool:
    """Tell whether a text is a meter id as `identifiers.meter_id_of` gives it: a DIN id, or 2 to 32 octets in lower-case hex."""
    if _HEX_METER.fullmatch(text):
        return True
    try:
        return str(DeviceId.parse(text)) == text
    except PeerFault:
        return False


def encode_series(meter_id: str, readings: tuple[SignedReading, ...]) -> str:
    """Write the profile-generic object of one meter, one column per register, without XML declaration.

    Readings are put into canonical order. Raises: UsageError xml.value for what the format can't say.
    """
    if not is_meter_id(meter_id) or any(signed.reading.meter_id != meter_id for signed in readings):
        raise UsageError("xml.value", "meter id")
    name = f"{meter_id.lower()}.sm"
    objects, columns = [], []
    ordered = sorted(readings, key=reading_order)
    if not _is_ascending(ordered):
        raise UsageError("xml.value", "the same reading twice")
    for number, (obis, column) in enumerate(groupby(ordered, key=attrgetter("reading.obis")), 1):
        objects.append(
            f'<ns1:capture_object id="{number}"><ns2:logical_name>{obis.hex}.{name}</ns2:logical_name>'
            f"<ns2:class_id>{_REGISTER_CLASS}</ns2:class_id></ns1:capture_object>"
        )
        entries = "\n".join(map(_encode_entry, column))
        columns.append(f'<ns1:column id="{number}">\n{entries}\n</ns1:column>')
    return "\n".join(
        (
            f'<ns1:object class_id="7" xmlns:ns1="{PROFILE_GENERIC}" xmlns:ns2="{EXTENSION}" xmlns:d="{DELIVERY}">',
            f"<ns1:attributes><ns1:logical_name>{_SERIES_NAME}.{name}</ns1:logical_name>",
            f"<ns1:capture_objects>{''.join(objects)}</ns1:capture_objects>",
            f"<ns1:buffer><ns1:simple_data>{''.join(columns)}</ns1:simple_data></ns1:buffer>",
            "</ns1:attributes></ns1:object>",
        )
    )


def _is_ascending(readings: list[SignedReading]) -> bool:
    return all(reading_order(earlier) < reading_order(later) for earlier, later in pairwise(readings))


def _encode_entry(signed: SignedReading) -> str:
    reading = signed.reading
    fits = (
        value_fits(reading.raw, reading.scaler, reading.unit, reading.gateway_status)
        and _is_marked(reading.raw, reading.gateway_status)
        and 0 <= reading.meter_status <= _WORD
        and 0 <= signed.sequence <= _SEQUENCE_BOUND
        and len(signed.signature) in (0, *_SIGNATURE_OCTETS)
    )
    if not fits:
        raise UsageError("xml.value", f"reading {signed.sequence}")
    signature = f"<ns2:smgw_signature>{signed.signature.hex()}</ns2:smgw_signature>" if signed.signature else ""
    return (
        f"<ns1:entry_gateway_signed>{encode_value(reading.raw, reading.scaler, reading.unit)}"
        f"<ns2:status><ns2:octet-string>{to_hex_msb_first(reading.gateway_status, reading.meter_status)}</ns2:octet-string></ns2:status>"
        f"<ns2:capture_time>{utc_text(reading.capture_time)}</ns2:capture_time>"
        f"<d:target_time>{utc_text(reading.target_time)}</d:target_time>"
        f"{signature}<d:sequence>{signed.sequence}</d:sequence></ns1:entry_gateway_signed>"
    )


def value_fits(raw: int | None, scaler: int, unit: int, gateway_status: int) -> bool:
    """Tell whether the format can carry a value: 64 bits of either sign, octets, and a status word with its identification."""
    return (
        (raw is None or -(1 << 63) <= raw < 1 << 64)
        and -128 <= scaler <= 127
        and 0 <= unit <= 255
        and 0 <= gateway_status <= _WORD
        and gateway_status & GATEWAY_OK == GATEWAY_OK
    )


def _is_marked(raw: int | None, gateway_status: int) -> bool:
    """A reading has no value exactly when its status says so."""
    return (raw is None) == bool(gateway_status & GatewayStatus.NO_VALUE)


def encode_value(raw: int | None, scaler: int, unit: int) -> str:
    """Write `value` (left out when there is none), `scaler` and `unit`."""
    kind = "long64-unsigned" if raw is not None and raw >= 1 << 63 else "long64"
    value = "" if raw is None else f"<ns2:value><ns2:{kind}>{raw}</ns2:{kind}></ns2:value>"
    return f"{value}<ns2:scaler>{scaler}</ns2:scaler><ns2:unit>{unit}</ns2:unit>"


def decode_value(fields: Children) -> tuple[int | None, int, int]:
    """Read back what `encode_value` wrote; gives raw value, scaler, unit."""
    raw = None
    value = fields.maybe(_NS2 + "value")
    if value is not None:
        choice = Children(value, _NS2 + "value")
        for kind, (low, high) in _VALUE_BOUNDS.items():
            element = choice.maybe(_NS2 + kind)
            if element is not None:
                raw = leaf_integer(element, low, high)
                break
        choice.end()
        if raw is None:
            raise _fault(value)
    return raw, fields.integer(_NS2 + "scaler", -128, 127), fields.integer(_NS2 + "unit", 0, 255)


def decode_series(root: etree._Element, meter_id: str) -> tuple[SignedReading, ...]:
    """Read the profile-generic object of one meter; gives its readings in canonical order.

    Raises: DecodeFault xml.structure.
    """
    if not is_meter_id(meter_id):
        raise _fault(root)
    outer = Children(root, _NS1 + "object", class_id="7")
    attributes = Children(outer.take(_NS1 + "attributes"), _NS1 + "attributes")
    outer.end()
    if attributes.text(_NS1 + "logical_name") != f"{_SERIES_NAME}.{meter_id.lower()}.sm":
        raise _fault(root)
    registers = _decode_registers(attributes.take(_NS1 + "capture_objects"), meter_id)
    buffer = Children(attributes.take(_NS1 + "buffer"), _NS1 + "buffer")
    attributes.end()
    data = Children(buffer.take(_NS1 + "simple_data"), _NS1 + "simple_data")
    buffer.end()
    readings: list[SignedReading] = []
    for number, obis in enumerate(registers, 1):
        element = data.take(_NS1 + "column")
        column = Children(element, _NS1 + "column", id=str(number))
        entries = [_decode_entry(entry, meter_id, obis) for entry in column.many(_NS1 + "entry_gateway_signed")]
        column.end()
        if not entries or not _is_ascending(entries):
            raise _fault(element)
        readings += entries
    data.end()
    return tuple(readings)


def _decode_registers(element: etree._Element, meter_id: str) -> list[Obis]:
    objects = Children(element, _NS1 + "capture_objects")
    registers: list[Obis] = []
    for number, item in enumerate(objects.many(_NS1 + "capture_object"), 1):
        fields = Children(item, _NS1 + "capture_object", id=str(number))
        name, _, meter = fields.text(_NS2 + "logical_name").partition(".")
        try:
            obis = Obis.parse(name)
        except PeerFault as problem:
            raise _fault(item) from problem
        wrong_class = fields.text(_NS2 + "class_id") != _REGISTER_CLASS
        fields.end()
        if wrong_class or obis.hex != name or meter != f"{meter_id.lower()}.sm" or (registers and bytes(registers[-1]) >= bytes(obis)):
            raise _fault(item)
        registers.append(obis)
    objects.end()
    return registers


def _decode_entry(element: etree._Element, meter_id: str, obis: Obis) -> SignedReading:
    fields = Children(element, _NS1 + "entry_gateway_signed")
    raw, scaler, unit = decode_value(fields)
    status = Children(fields.take(_NS2 + "status"), _NS2 + "status")
    words = status.text(_NS2 + "octet-string")
    status.end()
    capture_time = fields.time(_NS2 + "capture_time")
    target_time = fields.time(_D + "target_time")
    sealed = fields.maybe(_NS2 + "smgw_signature")
    signature = "" if sealed is None else leaf_text(sealed)
    sequence = fields.integer(_D + "sequence", 0, _SEQUENCE_BOUND)
    fields.end()
    signed = sealed is None or (_SIGNATURE.fullmatch(signature) is not None and len(signature) / 2 in _SIGNATURE_OCTETS)
    if not signed or not _STATUS.fullmatch(words):
        raise _fault(element)
    gateway_status, meter_status = int(words[:8], 16), int(words[8:], 16)
    if not value_fits(raw, scaler, unit, gateway_status) or not _is_marked(raw, gateway_status):
        raise _fault(element)
    reading = Reading(meter_id, obis, raw, scaler, unit, capture_time, target_time, gateway_status, meter_status)
    return SignedReading(reading, bytes.fromhex(signature), sequence)

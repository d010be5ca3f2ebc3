"""The body of a delivery: the envelope that tells for whom, and inside it the signed readings and the register values.

The envelope is this project's own (`urn:smgw:delivery-1`, prefix `d`), because the public format names neither message nor recipient;
the readings stand in the profile-generic object of `cosem_xml`. One delivery has one form, so equal octets mean equal content.
Source: WAN-03, EMT-01; 20-wan-crypto-pki 1.6, 3.7.
"""

import re
from datetime import timedelta
from xml.sax.saxutils import escape

from lxml import etree

from smgw.codec.cosem_xml import (
    DELIVERY,
    EXTENSION,
    Children,
    decode_series,
    decode_value,
    encode_series,
    encode_value,
    is_meter_id,
    leaf_text,
    parse_xml,
    value_fits,
)
from smgw.core.delivery import Delivery, is_pseudonym
from smgw.core.errors import DecodeFault, PeerFault, UsageError
from smgw.core.identifiers import DeviceId, is_logical_name
from smgw.core.instant import utc_text
from smgw.core.obis import Obis
from smgw.core.register import RegisterValue

_D = f"{{{DELIVERY}}}"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MAX_METERING_POINT = 64
_SEQUENCE_BOUND = (1 << 63) - 1


def encode_delivery(delivery: Delivery) -> bytes:
    """Write the XML body; the same delivery always gives the same octets.

    Raises: UsageError xml.value for what the format can't say.
    """
    problem = _problem(delivery)
    if problem:
        raise UsageError("xml.value", problem)
    fields = (
        ("message_id", delivery.message_id),
        ("created_at", utc_text(delivery.created_at)),
        ("sender", delivery.sender),
        ("recipient", delivery.recipient),
        ("contract", delivery.contract),
        ("taf", str(delivery.taf)),
        ("metering_point_id", escape(delivery.metering_point_id)),
        ("period_start", utc_text(delivery.period_start)),
        ("period_end", utc_text(delivery.period_end)),
        ("meter_id", delivery.meter_id),
    )
    envelope = "\n".join(f"<d:{name}>{text}</d:{name}>" for name, text in fields)
    registers = "\n".join(map(_encode_register, delivery.registers))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<d:delivery xmlns:d="{DELIVERY}" xmlns:ns2="{EXTENSION}">\n{envelope}\n'
        f"{encode_series(delivery.meter_id, delivery.readings)}\n<d:registers>{registers}</d:registers>\n</d:delivery>\n"
    ).encode()


def _encode_register(value: RegisterValue) -> str:
    if problem := _register_problem(value):
        raise UsageError("xml.value", problem)
    return (
        f"<d:register><d:contract>{value.profile_id}</d:contract><d:taf>{value.taf}</d:taf><d:obis>{value.obis.hex}</d:obis>"
        f"{encode_value(value.raw, value.scaler, value.unit)}"
        f"<d:period_start>{utc_text(value.period_start)}</d:period_start><d:period_end>{utc_text(value.period_end)}</d:period_end>"
        f"<d:gateway_status>{value.gateway_status:08x}</d:gateway_status>"
        f"<d:inputs>{' '.join(map(str, value.inputs))}</d:inputs>"
        f"<d:created_at>{utc_text(value.created_at)}</d:created_at></d:register>"
    )


def decode_delivery(data: bytes) -> Delivery:
    """Read the XML body strictly: every element is in the list, in its place and in its one form.

    Raises: DecodeFault xml.structure; LimitFault xml.size.
    """
    fields = Children(parse_xml(data), _D + "delivery")
    message_id = fields.text(_D + "message_id")
    created_at = fields.time(_D + "created_at")
    sender, recipient, contract = (fields.text(_D + name) for name in ("sender", "recipient", "contract"))
    taf = fields.integer(_D + "taf", 1, 14)
    metering_point_id = fields.text(_D + "metering_point_id")
    period_start, period_end = fields.time(_D + "period_start"), fields.time(_D + "period_end")
    meter_id = fields.text(_D + "meter_id")
    readings = decode_series(fields.take("{urn:k461-dke-de:profile_generic-1}object"), meter_id)
    registers = Children(fields.take(_D + "registers"), _D + "registers")
    values = tuple(_decode_register(element) for element in registers.many(_D + "register"))
    registers.end()
    fields.end()
    delivery = Delivery(
        message_id=message_id,
        created_at=created_at,
        sender=sender,
        recipient=recipient,
        contract=contract,
        taf=taf,
        metering_point_id=metering_point_id,
        period_start=period_start,
        period_end=period_end,
        meter_id=meter_id,
        readings=readings,
        registers=values,
    )
    if problem := _problem(delivery):
        raise DecodeFault("xml.structure", problem)
    return delivery


def _decode_register(element: etree._Element) -> RegisterValue:
    fields = Children(element, _D + "register")
    contract, taf, obis_text = fields.text(_D + "contract"), fields.integer(_D + "taf", 1, 14), fields.text(_D + "obis")
    raw, scaler, unit = decode_value(fields)
    period_start, period_end = fields.time(_D + "period_start"), fields.time(_D + "period_end")
    status_text = fields.text(_D + "gateway_status")
    inputs = _decode_inputs(fields.take(_D + "inputs"))
    created_at = fields.time(_D + "created_at")
    fields.end()
    try:
        obis = Obis.parse(obis_text)
    except PeerFault as fault:
        raise DecodeFault("xml.structure", "at obis") from fault
    if obis.hex != obis_text or not re.fullmatch(r"[0-9a-f]{8}", status_text):
        raise DecodeFault("xml.structure", "at register")
    value = RegisterValue(
        profile_id=contract,
        taf=taf,
        obis=obis,
        raw=raw,
        scaler=scaler,
        unit=unit,
        period_start=period_start,
        period_end=period_end,
        gateway_status=int(status_text, 16),
        inputs=inputs,
        created_at=created_at,
    )
    if problem := _register_problem(value):
        raise DecodeFault("xml.structure", problem)
    return value


def _decode_inputs(element: etree._Element) -> tuple[int, ...]:
    text = leaf_text(element)
    if not re.fullmatch(r"(?:(?:0|[1-9][0-9]{0,18})(?: (?:0|[1-9][0-9]{0,18}))*)?", text):
        raise DecodeFault("xml.structure", "at inputs")
    return tuple(map(int, text.split()))


def _problem(delivery: Delivery) -> str:
    """Name the first field of the envelope that has not its form, or nothing."""
    checks = (
        (_UUID.fullmatch(delivery.message_id) is not None, "message id"),
        (is_pseudonym(delivery.sender) or _is_gateway(delivery.sender), "sender"),
        (not delivery.pseudonymous or delivery.meter_id == delivery.sender, "pseudonym"),
        (all(bool(signed.signature) is not delivery.pseudonymous for signed in delivery.readings), "reading signature"),
        (is_logical_name(delivery.recipient), "recipient"),
        (is_logical_name(delivery.contract), "contract"),
        (1 <= delivery.taf <= 14, "taf"),
        (_is_printable(delivery.metering_point_id), "metering point"),
        (timedelta() <= delivery.period_end - delivery.period_start, "period"),
        (is_meter_id(delivery.meter_id), "meter id"),
    )
    return next((name for holds, name in checks if not holds), "")


def _register_problem(value: RegisterValue) -> str:
    checks = (
        (is_logical_name(value.profile_id), "register contract"),
        (1 <= value.taf <= 14, "register taf"),
        (value_fits(value.raw, value.scaler, value.unit, value.gateway_status), "register value"),
        (timedelta() <= value.period_end - value.period_start, "register period"),
        (all(0 <= number <= _SEQUENCE_BOUND for number in value.inputs), "register inputs"),
    )
    return next((name for holds, name in checks if not holds), "")


def _is_gateway(text: str) -> bool:
    try:
        return str(DeviceId.parse(text)) == text
    except PeerFault:
        return False


def _is_printable(text: str) -> bool:
    return len(text) <= _MAX_METERING_POINT and text.isprintable() and text == text.strip()

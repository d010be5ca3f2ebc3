"""The gateway itself as objects: clock, names, logs, state, tasks, firmware, keys, and the other desks of the administrator.

Where a class is our own, an attribute that holds more than one thing is a UTF8-string with the JSON of the route of the same content,
and a method takes and gives such JSON: one form for one content. Source: WAN-08, ADM-06, ADM-11; 20-wan-crypto-pki 1.4, 1.12 (our choice).
"""

from collections.abc import Callable
from importlib.metadata import version
from typing import Final

import msgspec

from smgw.codec.cosem_profiles import MAPPING_VERSION, CosemClass, device_name, json_value, named, text_value
from smgw.codec.cosem_resources import ObjectName
from smgw.codec.cosem_values import Value
from smgw.core.errors import DomainFault, PeerFault
from smgw.core.instant import ClockStatus
from smgw.core.log_event import Log
from smgw.gateway.wan.context import Call, Context
from smgw.gateway.wan.cosem.logs import CLOCK, LOG, moment_value
from smgw.gateway.wan.cosem.rows import AttributeRow, ClassRow, Instance, MethodRow, Read
from smgw.gateway.wan.permission import routed
from smgw.gateway.wan.wakeup import SETTINGS

DEVICE_NAME: Final = named(CosemClass.DATA, "0-0:42.0.0*255")
DEVICE_ID: Final = named(CosemClass.DATA, "0-0:96.1.0*255")
_FIRMWARE_ID: Final = named(CosemClass.DATA, "1-0:0.2.0*255")
_OPEN_TIME: Final = Value("octet-string", b"\xff" * 12)
_CLOCK_BITS: Final = {ClockStatus.VALID: 0, ClockStatus.UNSET: 1, ClockStatus.INVALID: 2}
"""Bits of the clock's status: 1 invalid, 2 doubtful."""


def _data(about: str, kind: str, read: Read) -> ClassRow:
    return ClassRow(CosemClass.DATA, 0, about, (AttributeRow(2, "value", kind, about, read),))


NAME_ROW: Final = _data("logical device name", "octet-string", lambda _, one: Value("octet-string", one.subject.encode()))
ID_ROW: Final = _data("device id", "octet-string", lambda _, one: Value("octet-string", one.subject.encode()))
_FIRMWARE_ROW = _data("version of the firmware in use", "UTF8-string", lambda _, one: text_value(version("smgw")))


def _clock_status(context: Context, _: Instance) -> Value:
    status = context.facts().get("clock", ClockStatus.VALID)
    return Value("unsigned", next((bits for known, bits in _CLOCK_BITS.items() if known == status), 1))


_CLOCK_ROW = ClassRow(
    CosemClass.CLOCK,
    0,
    "the gateway's time; only the time service sets it",
    (
        AttributeRow(2, "time", "date_time", "UTC", lambda context, _: moment_value(context.clock.now())),
        AttributeRow(3, "time_zone", "long", "minutes to UTC: 0", lambda *_: Value("long", 0)),
        AttributeRow(4, "status", "unsigned", "0 valid, 1 never set, 2 doubtful", _clock_status),
        AttributeRow(5, "daylight_savings_begin", "octet-string", "none", lambda *_: _OPEN_TIME),
        AttributeRow(6, "daylight_savings_end", "octet-string", "none", lambda *_: _OPEN_TIME),
        AttributeRow(7, "daylight_savings_deviation", "integer", "0", lambda *_: Value("integer", 0)),
        AttributeRow(8, "daylight_savings_enabled", "boolean", "false", lambda *_: Value("boolean", content=False)),
        AttributeRow(9, "clock_base", "enum", "0: not told", lambda *_: Value("enum", 0)),
    ),
)


def _wake_up(context: Context, _: Instance) -> Value:
    return json_value(msgspec.json.decode(context.journal.get_state(SETTINGS) or b"null"))


def _set_wake_up(context: Context, call: Call, value: Value) -> Callable[[], None] | None:
    return routed(context, call, "PUT", ("rts", "wake-up"), text_of(value)).after


def text_of(value: Value | None) -> bytes:
    """Give the text that a value holds, UTF-8. Raises: PeerFault command.body."""
    if value is None or value.type != "UTF8-string" or not isinstance(value.content, str):
        raise PeerFault("command.body", "a UTF8-string is needed")
    return value.content.encode()


def _firmware(context: Context, _: Instance) -> Value:
    if context.firmware is None:
        raise DomainFault("firmware.no_restart")
    return json_value(context.firmware.facts())


def _standing(context: Context, _: Instance) -> Value:
    if context.keys is None:
        raise DomainFault("lifecycle.unguarded")
    return json_value(context.keys.standing())


def _own(cosem_class: CosemClass, about: str, *rows: AttributeRow | MethodRow) -> ClassRow:
    attributes = tuple(row for row in rows if isinstance(row, AttributeRow))
    return ClassRow(cosem_class, MAPPING_VERSION, about, attributes, tuple(row for row in rows if isinstance(row, MethodRow)))


_STATE = _own(
    CosemClass.STATE,
    "state and facts, as monitoring shows them",
    AttributeRow(2, "state", "UTF8-string", "operating state", lambda context, _: text_value(str(context.state()))),
    AttributeRow(3, "facts", "UTF8-string", "JSON of `GET state`; never a reading", lambda context, _: json_value(context.facts())),
)
_TASKS = _own(
    CosemClass.TASKS,
    "what the gateway is to do or tell",
    MethodRow(1, "self_test", "POST", ("fas", "self-test")),
    MethodRow(2, "connect", "POST", ("fas", "connect"), "json"),
    MethodRow(3, "break_up", "POST", ("fas", "break-up")),
    MethodRow(4, "tell_of_maintenance", "POST", ("fas", "maintenance"), "json"),
    MethodRow(5, "tell_of_incident", "POST", ("fas", "notice"), "json"),
    MethodRow(6, "admit_technician", "POST", ("fas", "technician"), "json"),
    MethodRow(7, "dismiss_technician", "DELETE", ("fas", "technician"), "name"),
)
_ORDERS = _own(
    CosemClass.TARIFF_ORDERS,
    "orders for contracts",
    MethodRow(1, "event", "POST", ("fas", "event"), "json"),
    MethodRow(2, "credit", "POST", ("fas", "credit"), "json"),
    MethodRow(3, "switch", "POST", ("fas", "switch"), "json"),
    MethodRow(4, "read_out", "POST", ("fas", "read-out"), "json"),
)
_WAKE_UP = _own(
    CosemClass.WAKE_UP,
    "settings of the wake-up receiver",
    AttributeRow(2, "settings", "UTF8-string", "JSON of `PUT rts/wake-up`; `null` while none was set", _wake_up, _set_wake_up),
)
_FIRMWARE = _own(
    CosemClass.FIRMWARE,
    "update of the gateway's program",
    AttributeRow(2, "status", "UTF8-string", "JSON of `GET firmware/status`", _firmware),
    MethodRow(1, "order", "POST", ("firmware", "order"), "json"),
    MethodRow(2, "activate", "POST", ("firmware", "activate"), "json"),
    MethodRow(3, "cancel", "POST", ("firmware", "cancel")),
)
_KEYS = _own(
    CosemClass.KEYS,
    "the gateway's keys and certificates",
    AttributeRow(2, "standing", "UTF8-string", "JSON of `GET keys`; no secret is among it", _standing),
    MethodRow(1, "challenge", "POST", ("keys", "challenge")),
    MethodRow(2, "authenticate", "POST", ("keys", "authentication"), "json"),
    MethodRow(3, "generate", "POST", ("keys", "generation"), "json"),
    MethodRow(4, "install_certificates", "PUT", ("keys", "certificates"), "json"),
)
_SUCCESSION = _own(
    CosemClass.SUCCESSION,
    "change of the administrator",
    MethodRow(1, "announce", "POST", ("fas", "successor"), "json"),
    MethodRow(2, "withdraw", "DELETE", ("fas", "successor")),
    MethodRow(3, "remove_former", "DELETE", ("rts", "administrator"), "name"),
)
_LIFE = _own(
    CosemClass.LIFE,
    "the end of the gateway's life",
    MethodRow(1, "announce_end", "POST", ("life", "announce-end"), "json"),
    MethodRow(2, "decommission", "POST", ("life", "decommission")),
)

SYSTEM: Final[tuple[tuple[ObjectName, ClassRow, object], ...]] = (
    (_FIRMWARE_ID, _FIRMWARE_ROW, None),
    (CLOCK, _CLOCK_ROW, None),
    (named(CosemClass.PROFILE_GENERIC, "0-0:99.98.0*255"), LOG, Log.SYSTEM),
    (named(CosemClass.PROFILE_GENERIC, "0-0:99.98.1*255"), LOG, Log.CALIBRATION),
    (named(CosemClass.STATE, "0-128:1.0.0*255"), _STATE, None),
    (named(CosemClass.TASKS, "0-128:2.0.0*255"), _TASKS, None),
    (named(CosemClass.TARIFF_ORDERS, "0-128:3.0.0*255"), _ORDERS, None),
    (named(CosemClass.WAKE_UP, "0-128:4.0.0*255"), _WAKE_UP, None),
    (named(CosemClass.FIRMWARE, "0-128:5.0.0*255"), _FIRMWARE, None),
    (named(CosemClass.KEYS, "0-128:6.0.0*255"), _KEYS, None),
    (named(CosemClass.SUCCESSION, "0-128:7.0.0*255"), _SUCCESSION, None),
    (named(CosemClass.LIFE, "0-128:8.0.0*255"), _LIFE, None),
)
"""Every object that the management logical device always has, beside its names: what it is, and of which log."""


def system(gateway_id: str) -> list[Instance]:
    """Give the objects that the management logical device always has."""
    return [*names(gateway_id), *(Instance(*row) for row in SYSTEM)]


def names(device_id: str) -> list[Instance]:
    """Give the two objects with a device's names."""
    return [Instance(DEVICE_NAME, NAME_ROW, device_name(device_id)), Instance(DEVICE_ID, ID_ROW, device_id)]

"""Names of this project's own COSEM classes and objects, and profiles as objects: what both ends of the management channel must agree on.

The data model that COSEM objects have at the WAN is not public. Ours is private: classes from 32800, and logical names in the range of
the manufacturer (0-128). A profile is one object. Its class says the kind; its logical name is `00 80` and the first four octets of
SHA-256 over its id, so that both sides can compute it. Version 1 of this mapping.
Source: WAN-08; 20-wan-crypto-pki 1.4, 11 no. 3 (our choice).
"""

import hashlib
import re
from enum import IntEnum
from typing import Any, Final

import msgspec

from smgw.codec.cosem_elements import Attribute, CosemObject
from smgw.codec.cosem_resources import ObjectName
from smgw.codec.cosem_values import Value
from smgw.core.errors import PeerFault
from smgw.core.obis import Obis
from smgw.core.profiles import PROFILE_KINDS, EvaluationProfile, MeterProfile, Profile, profile_digest, profile_key

MAPPING_VERSION: Final = 1
"""Version of the private classes; an object's `version` names it."""


class CosemClass(IntEnum):
    """Name the classes of objects: the standard ones, then our own."""

    DATA = 1
    PROFILE_GENERIC = 7
    CLOCK = 8
    METER_PROFILE = 32800
    COMMUNICATION_PROFILE = 32801
    EVALUATION_PROFILE = 32802
    CONSUMER_PROFILE = 32803
    GRID_PROFILE = 32804
    LOG_ENTRY = 32805
    WAKE_UP = 32806
    STATE = 32807
    TASKS = 32808
    TARIFF_ORDERS = 32809
    FIRMWARE = 32810
    KEYS = 32811
    SUCCESSION = 32812
    LIFE = 32813


KIND_OF_CLASS: Final[dict[int, str]] = {
    CosemClass.METER_PROFILE: "meter",
    CosemClass.COMMUNICATION_PROFILE: "communication",
    CosemClass.EVALUATION_PROFILE: "evaluation",
    CosemClass.GRID_PROFILE: "evaluation",
    CosemClass.CONSUMER_PROFILE: "consumer",
}
"""Class of a profile's object -> kind of the profile."""
_CLASS_OF_KIND: Final = {
    "meter": CosemClass.METER_PROFILE,
    "communication": CosemClass.COMMUNICATION_PROFILE,
    "evaluation": CosemClass.EVALUATION_PROFILE,
    "consumer": CosemClass.CONSUMER_PROFILE,
}
INSTALL_ORDER: Final = ("communication", "meter", "consumer", "evaluation")
"""In which order the profiles of a bundle are installed: each kind after those that it names."""
GRID_TAFS: Final = frozenset({9, 10, 14})
"""Use cases whose profile is one of grid state (German: Netzzustandsprofil)."""

ID, VERSION, DIGEST, CONTENT = 2, 3, 4, 5
"""Attributes of a profile's object; 1 is the logical name."""


_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text_value(text: str) -> Value:
    """Give a text as a value; what XML can't hold becomes a replacement character."""
    return Value("UTF8-string", _NOT_IN_XML.sub("\ufffd", text))


def json_value(content: object) -> Value:
    """Give plain data as a text of JSON; what XML can't hold is escaped as JSON does."""
    text = msgspec.json.encode(content).decode()
    return Value("UTF8-string", _NOT_IN_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def named(cosem_class: CosemClass, obis: str) -> ObjectName:
    """Name an object by class and OBIS code."""
    return ObjectName(int(cosem_class), Obis.parse(obis))


def device_name(device_id: str) -> str:
    """Name the logical device of a gateway or meter."""
    return f"{device_id.lower()}.sm"


def profile_class(profile: Profile) -> CosemClass:
    """Give the class of a profile's object."""
    if isinstance(profile, EvaluationProfile):
        return CosemClass.GRID_PROFILE if profile.taf in GRID_TAFS else CosemClass.EVALUATION_PROFILE
    return _CLASS_OF_KIND[kind_of(profile)]


def kind_of(profile: Profile) -> str:
    """Give the kind of a profile."""
    return next(kind for kind, form in PROFILE_KINDS.items() if isinstance(profile, form))


def profile_object_name(profile: Profile) -> ObjectName:
    """Name a profile's object."""
    digest = hashlib.sha256(profile_key(profile).encode()).digest()
    return ObjectName(int(profile_class(profile)), Obis.from_bytes(b"\x00\x80" + digest[:4]))


def profile_device(profile: Profile, gateway_id: str) -> str:
    """Name the logical device that a profile's object stands on: the meter that it is about, else the gateway."""
    return device_name(profile.meter_id if isinstance(profile, MeterProfile | EvaluationProfile) else gateway_id)


def profile_object(profile: Profile) -> CosemObject:
    """Give a profile as an object, whole."""
    values = {
        1: Value("octet-string", bytes(profile_object_name(profile).obis)),
        ID: text_value(profile_key(profile)),
        VERSION: Value("long64", profile.version),
        DIGEST: Value("octet-string", bytes.fromhex(profile_digest(profile))),
        CONTENT: json_value(profile),
    }
    attributes = tuple(Attribute(number, value) for number, value in values.items())
    return CosemObject(profile_object_name(profile), MAPPING_VERSION, attributes)


def read_profile(name: ObjectName, content: Value | None) -> Profile:
    """Read a profile from the attribute that holds it; its own words must give the object's name.

    Raises: PeerFault command.profile.
    """
    kind = KIND_OF_CLASS.get(name.class_id)
    if kind is None or content is None or content.type != "UTF8-string" or not isinstance(content.content, str):
        raise PeerFault("command.profile", f"attribute {CONTENT} is a UTF8-string with the profile as JSON")
    try:
        profile: Profile = msgspec.json.decode(content.content, type=PROFILE_KINDS[kind])
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise PeerFault("command.profile", str(problem)[:200]) from problem
    if profile_object_name(profile) != name:
        raise PeerFault("command.profile", f"its object is {profile_object_name(profile)}")
    return profile


def profile_of(told: CosemObject) -> Profile:
    """Read a profile from its object; what else is told of it must be so. Raises: PeerFault command.profile."""
    given: dict[int, Any] = {attribute.number: attribute.value for attribute in told.attributes or ()}
    profile = read_profile(told.name, given.get(CONTENT))
    expected = {attribute.number: attribute.value for attribute in profile_object(profile).attributes or ()}
    wrong = [number for number, value in given.items() if number != CONTENT and (number not in expected or expected[number] != value)]
    if wrong or told.version != MAPPING_VERSION or told.methods:
        raise PeerFault("command.profile", f"attribute {wrong[0]}" if wrong else "version or methods")
    return profile

"""Profiles as objects: reading them back, and putting and deleting them by the very routes that the JSON form takes.

Source: WAN-08, ADM-02, ADM-11; 20-wan-crypto-pki 1.12.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from smgw.codec.cosem_profiles import (
    CONTENT,
    DIGEST,
    ID,
    INSTALL_ORDER,
    KIND_OF_CLASS,
    MAPPING_VERSION,
    VERSION,
    CosemClass,
    kind_of,
    profile_device,
    profile_object,
    profile_object_name,
)
from smgw.codec.cosem_resources import ObjectName
from smgw.codec.cosem_values import Value
from smgw.core.errors import PeerFault
from smgw.core.profiles import Profile, profile_key
from smgw.gateway.wan.context import Call, Context, Method, Outcome
from smgw.gateway.wan.cosem.rows import AttributeRow, ClassRow, Instance, Read
from smgw.gateway.wan.permission import routed


def _read(number: int) -> Read:
    def read(context: Context, instance: Instance) -> Value:
        told = {attribute.number: attribute.value for attribute in profile_object(instance.subject).attributes or ()}
        value = told[number]
        assert value is not None
        return value

    return read


def _row(cosem_class: CosemClass, about: str, *, is_secret: bool = False) -> ClassRow:
    content = "the profile as JSON" + (", to be written only" if is_secret else "")
    return ClassRow(
        cosem_class,
        MAPPING_VERSION,
        about,
        (
            AttributeRow(ID, "id", "UTF8-string", "id of the profile", _read(ID)),
            AttributeRow(VERSION, "version", "long64", "grows with each change", _read(VERSION)),
            AttributeRow(DIGEST, "digest", "octet-string", "SHA-256 over its canonical JSON", _read(DIGEST)),
            AttributeRow(CONTENT, "content", "UTF8-string", content, None if is_secret else _read(CONTENT)),
        ),
        is_profile=True,
    )


PROFILES: Final = {
    row.cosem_class: row
    for row in (
        _row(CosemClass.METER_PROFILE, "meter profile"),
        _row(CosemClass.COMMUNICATION_PROFILE, "communication profile"),
        _row(CosemClass.EVALUATION_PROFILE, "evaluation profile, but of TAF 9, 10, 14"),
        # Its log-in digests are worth a password.
        _row(CosemClass.CONSUMER_PROFILE, "consumer profile", is_secret=True),
        _row(CosemClass.GRID_PROFILE, "grid state profile: evaluation profile of TAF 9, 10, 14"),
    )
}
"""Class -> its row."""


def all_held(context: Context) -> list[tuple[str, Instance]]:
    """Give every installed profile as device and object."""
    installed = [profile for kind in INSTALL_ORDER for profile in context.journal.profiles(kind)]
    return [(profile_device(profile, context.gateway_id), instance_of(profile)) for profile in installed]


def instance_of(profile: Profile) -> Instance:
    """Give a profile as an object."""
    name = profile_object_name(profile)
    return Instance(name, PROFILES[CosemClass(name.class_id)], profile)


def put(context: Context, call: Call, device: str, profile: Profile) -> Outcome:
    """Install a profile as `PUT rts/KIND/ID` does. Raises: as that does; PeerFault command.profile on another device than its own."""
    if profile_device(profile, context.gateway_id) != device:
        raise PeerFault("command.profile", f"it belongs to {profile_device(profile, context.gateway_id)[:40]}")
    return _by_route(context, call, "PUT", profile, msgspec.json.encode(profile))


def delete(context: Context, call: Call, profile: Profile) -> Outcome:
    """Delete a profile as `DELETE rts/KIND/ID` does. Raises: as that does."""
    return _by_route(context, call, "DELETE", profile, b"null")


def _by_route(context: Context, call: Call, method: Method, profile: Profile, body: bytes) -> Outcome:
    return routed(context, call, method, ("rts", kind_of(profile)), body, (profile_key(profile),))


def rank(name: ObjectName) -> int:
    """Give the place of an object in the order of installation; what is no profile comes last."""
    kind = KIND_OF_CLASS.get(name.class_id)
    return len(INSTALL_ORDER) if kind is None else INSTALL_ORDER.index(kind)


def after_all(outcomes: list[Outcome]) -> Callable[[], None] | None:
    """Join what takes effect once everything has committed."""
    effects = [outcome.after for outcome in outcomes if outcome.after is not None]

    def run() -> None:
        for effect in effects:
            effect()

    return run if effects else None

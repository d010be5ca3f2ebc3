"""The profiles that a gateway shall hold. A consumer's profile is taken, but never given out: its digests are password-equivalent.

Source: ADM-02, ADM-11.
"""

from typing import Any

import msgspec

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint, ProposalRow
from smgw.administrator.api.gateways import ProfileName, status_of
from smgw.administrator.api.submit import submit
from smgw.administrator.orders import ProfileOrder, RemovalOrder
from smgw.administrator.profile_check import check_profile, held_profiles, read_profile
from smgw.core.errors import DomainFault
from smgw.core.profiles import Profile, profile_key


class ProfileView(msgspec.Struct, frozen=True):
    """Show one profile."""

    kind: str
    id: str
    version: int
    profile: dict[str, Any]


def _held(call: Call) -> dict[tuple[str, str], Profile]:
    return held_profiles(call.books.inventory.profiles(status_of(call).device_id))


def profiles(call: Call) -> list[ProfileView]:
    """List what may be shown."""
    return [_view(kind, profile) for (kind, _), profile in _held(call).items() if kind != "consumer"]


def profile(call: Call) -> ProfileView:
    """Show one profile. Raises: DomainFault administrator.unknown_profile."""
    kind, profile_id = call.path["kind"], call.path["profile_id"]
    held = _held(call).get((kind, profile_id))
    if held is None or kind == "consumer":
        raise DomainFault("administrator.unknown_profile", f"{kind[:40]} {profile_id[:64]}")
    return _view(kind, held)


def _view(kind: str, held: Profile) -> ProfileView:
    return ProfileView(kind, profile_key(held), held.version, msgspec.to_builtins(held))


def put_profile(call: Call) -> ProfileName | ProposalRow:
    """Take a profile. Raises: DomainFault command.profile with what does not fit, tariff.*, profile.version."""
    device_id, kind = status_of(call).device_id, call.path["kind"]
    wanted = read_profile(kind, call.body)
    if profile_key(wanted) != call.path["profile_id"]:
        raise DomainFault("command.profile", f"the address names another profile than {profile_key(wanted)[:64]}")
    held = _held(call)
    check_profile(wanted, held, call.now)
    before = held.get((kind, profile_key(wanted)))
    if before is not None and before.version >= wanted.version:
        raise DomainFault("profile.version", f"{profile_key(wanted)} has version {before.version}")
    order = ProfileOrder(device_id, kind, msgspec.to_builtins(wanted))
    done = submit(call, "profile", f"put {kind} profile {profile_key(wanted)} version {wanted.version}", order)
    return done if isinstance(done, ProposalRow) else ProfileName(kind, profile_key(wanted), wanted.version)


def remove_profile(call: Call) -> Any:
    """Have a profile deleted. Raises: DomainFault administrator.unknown_profile."""
    device_id, kind, profile_id = status_of(call).device_id, call.path["kind"], call.path["profile_id"]
    if (kind, profile_id) not in _held(call):
        raise DomainFault("administrator.unknown_profile", f"{kind[:40]} {profile_id[:64]}")
    order = RemovalOrder(device_id, kind, profile_id)
    done = submit(call, "removal", f"delete {kind} profile {profile_id}", order)
    return done if isinstance(done, ProposalRow) else ProfileName(kind, profile_id, 0)


_ONE = "/gateways/{device_id}/profiles/{kind}/{profile_id}"
_BODY = dict[str, Any]

ENDPOINTS = (
    Endpoint("GET", "/gateways/{device_id}/profiles", SEEING, profiles, "List the profiles of a gateway", list[ProfileView]),
    Endpoint("GET", _ONE, SEEING, profile, "Show a profile", ProfileView),
    Endpoint("PUT", _ONE, OPERATING, put_profile, "Have a gateway hold a profile", ProfileName, _BODY, status=201, may_propose=True),
    Endpoint("DELETE", _ONE, OPERATING, remove_profile, "Have a gateway delete a profile", ProfileName, status=202, may_propose=True),
)

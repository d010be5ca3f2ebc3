"""The profiles that a gateway shall hold. A consumer's profile is taken, but never given out: its digests are password-equivalent.

Source: ADM-02, ADM-11.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint, ProposalRow
from smgw.administrator.api.gateways import ProfileName, status_of
from smgw.administrator.api.jobs import JobRow, job_row
from smgw.administrator.api.submit import submit
from smgw.administrator.orders import JobOrder, ProfileOrder, RemovalOrder
from smgw.administrator.profile_check import check_profile, held_profiles, read_profile
from smgw.administrator.read_back import RESOURCE, Compared, Refusal, compare, read_held
from smgw.core.errors import DomainFault
from smgw.core.profiles import Profile, profile_key


class ProfileView(msgspec.Struct, frozen=True):
    """Show one profile."""

    kind: str
    id: str
    version: int
    profile: dict[str, Any]
    refused: str = ""
    """Code with which the gateway refused this version."""


class Comparison(msgspec.Struct, frozen=True):
    """Show what a gateway holds beside what it shall hold."""

    job: int
    """Number of the command by which the gateway was asked."""
    read_at: str
    differences: int
    profiles: list[Compared]


def _held(call: Call) -> dict[tuple[str, str], Profile]:
    return held_profiles(call.books.inventory.profiles(status_of(call).device_id))


def profiles(call: Call) -> list[ProfileView]:
    """List what may be shown."""
    refusals = call.books.refusals.of(status_of(call).device_id)
    return [_view(kind, profile, refusals) for (kind, _), profile in _held(call).items() if kind != "consumer"]


def profile(call: Call) -> ProfileView:
    """Show one profile. Raises: DomainFault administrator.unknown_profile."""
    kind, profile_id = call.path["kind"], call.path["profile_id"]
    held = _held(call).get((kind, profile_id))
    if held is None or kind == "consumer":
        raise DomainFault("administrator.unknown_profile", f"{kind[:40]} {profile_id[:64]}")
    return _view(kind, held, call.books.refusals.of(status_of(call).device_id))


def _view(kind: str, held: Profile, refusals: Mapping[tuple[str, str], Refusal]) -> ProfileView:
    refusal = refusals.get((kind, profile_key(held)))
    code = refusal.code if refusal is not None and refusal.version == held.version else ""
    return ProfileView(kind, profile_key(held), held.version, msgspec.to_builtins(held), code)


def read_back(call: Call) -> JobRow | ProposalRow:
    """Order the gateway to tell what it holds."""
    done = submit(call, "job", f"order GET {RESOURCE}", JobOrder(status_of(call).device_id, "GET", RESOURCE, None))
    return done if isinstance(done, ProposalRow) else job_row(done)


def comparison(call: Call) -> Comparison:
    """Compare by the gateway's newest answer. Raises: DomainFault administrator.not_read_back."""
    device_id = status_of(call).device_id
    jobs = call.books.jobs.done(device_id, "GET", RESOURCE)
    if not jobs:
        raise DomainFault("administrator.not_read_back", device_id)
    rows = compare(call.books.inventory, device_id, read_held(bytes(jobs[-1].result)), call.books.refusals.of(device_id))
    return Comparison(jobs[-1].id, jobs[-1].ended_at, sum(row.finding != "same" for row in rows), rows)


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


_ALL = "/gateways/{device_id}/profiles"
_ONE = _ALL + "/{kind}/{profile_id}"
_BODY = dict[str, Any]

ENDPOINTS = (
    Endpoint("GET", _ALL, SEEING, profiles, "List the profiles of a gateway", list[ProfileView]),
    Endpoint("POST", f"{_ALL}/read-back", OPERATING, read_back, "Read profiles back", JobRow, status=201, may_propose=True),
    Endpoint("GET", f"{_ALL}/comparison", SEEING, comparison, "Compare what was read back with what shall be held", Comparison),
    Endpoint("GET", _ONE, SEEING, profile, "Show a profile", ProfileView),
    Endpoint("PUT", _ONE, OPERATING, put_profile, "Have a gateway hold a profile", ProfileName, _BODY, status=201, may_propose=True),
    Endpoint("DELETE", _ONE, OPERATING, remove_profile, "Have a gateway delete a profile", ProfileName, status=202, may_propose=True),
)

"""Install, read back, list and delete profiles. Source: ADM-02, LIFE-09; TR-03109-1 Annex VI, table 3 step 2.2."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from smgw.core.errors import DomainFault, PeerFault
from smgw.core.profiles import (
    PROFILE_KINDS,
    CommunicationProfile,
    ConsumerProfile,
    EvaluationProfile,
    MeterProfile,
    Profile,
    profile_digest,
    profile_key,
)
from smgw.gateway.contracts import contract_terms
from smgw.gateway.evaluation import PORTAL
from smgw.gateway.wan.context import Call, Context, Outcome, Routes
from smgw.gateway.wireless import keep_key
from smgw.pki.profile_rules import check_profile


def _put_profile(context: Context, call: Call) -> Outcome:
    kind = call.words[1]
    try:
        profile: Profile = msgspec.json.decode(call.command.body, type=PROFILE_KINDS[kind])
    except msgspec.MsgspecError as problem:
        raise PeerFault("command.profile", str(problem)[:200]) from problem
    if call.rest != (profile_key(profile),):
        raise PeerFault("command.profile", "the resource names another profile")
    installed = {name: context.journal.profiles(name) for name in PROFILE_KINDS}
    installed["evaluation"] = list(contract_terms(context.journal))
    check_profile(profile, installed, call.now)
    if isinstance(profile, MeterProfile):
        before = next((held for held in installed[kind] if profile_key(held) == profile.meter_id), None)
        keep_key(context.journal, profile, before if isinstance(before, MeterProfile) else None, context.module, context.recipient)
    context.journal.put_profile(profile, call.document, call.now)
    context.recorder.record(
        "profile_installed", subject=context.administrator_name, kind=kind, id=profile_key(profile), version=profile.version
    )
    if isinstance(profile, MeterProfile) and all(profile_key(held) != profile.meter_id for held in installed[kind]):
        context.recorder.record("device_registered", subject=profile.meter_id, device=profile.meter_id)
    elif isinstance(profile, EvaluationProfile):
        if not _is_assigned(installed[kind], profile.meter_id, profile.consumer_id):
            _tell_of_device(context, "device_assigned", profile)
        context.recorder.record(
            "contract_changed",
            consumers=[profile.consumer_id],
            subject=profile.profile_id,
            contract=profile.profile_id,
            version=profile.version,
        )
    elif isinstance(profile, ConsumerProfile):
        before = next((held for held in installed[kind] if profile_key(held) == profile.consumer_id), None)
        _tell_of_consumer(context, profile, before)
    return Outcome(201, after=lambda: context.profile_installed(profile))


def _tell_of_consumer(context: Context, profile: ConsumerProfile, before: Profile | None) -> None:
    """Tell of a new consumer, or tell a consumer whose way to log in was changed."""
    if not isinstance(before, ConsumerProfile):
        context.recorder.record("consumer_registered", subject=profile.consumer_id, consumer=profile.consumer_id)
    elif _credentials(before) != _credentials(profile):
        context.recorder.record("credentials_changed", consumers=[profile.consumer_id], subject=profile.consumer_id, user=profile.user_name)


def _credentials(profile: ConsumerProfile) -> tuple[object, ...]:
    return profile.user_name, profile.digest_md5, profile.digest_sha256, profile.certificate_fingerprints


def _is_assigned(contracts: Iterable[Profile], meter_id: str, consumer_id: str) -> bool:
    return any(isinstance(c, EvaluationProfile) and (c.meter_id, c.consumer_id) == (meter_id, consumer_id) for c in contracts)


def _tell_of_device(context: Context, event: str, contract: EvaluationProfile) -> None:
    facts = {"device": contract.meter_id, "consumer": contract.consumer_id}
    context.recorder.record_with(event, facts, consumers=[contract.consumer_id], subject=contract.meter_id)


def _delete_profile(context: Context, call: Call) -> Outcome:
    """Delete a profile that nothing needs any more. Raises: DomainFault profile.in_use with what does, profile.unknown."""
    kind, profile_id = call.words[1], "/".join(call.rest)
    profile = next((held for held in context.journal.profiles(kind) if profile_key(held) == profile_id), None)
    if profile is None:
        raise DomainFault("profile.unknown", f"{kind} {profile_id[:64]}")
    if user := _user_of(context, profile, call.now):
        raise DomainFault("profile.in_use", user)
    context.journal.delete_profile(kind, profile_id)
    context.recorder.record("profile_deleted", subject=context.administrator_name, kind=kind, id=profile_id)
    if isinstance(profile, MeterProfile):
        context.recorder.record("device_removed", subject=profile_id, device=profile_id)
    elif isinstance(profile, ConsumerProfile):
        context.recorder.record("consumer_removed", consumers=[profile_id], subject=profile_id, consumer=profile_id)
    elif isinstance(profile, EvaluationProfile) and not _is_assigned(context.journal.profiles(kind), profile.meter_id, profile.consumer_id):
        _tell_of_device(context, "device_unassigned", profile)
    return Outcome(200, after=lambda: context.profile_deleted(profile))


def _user_of(context: Context, profile: Profile, now: datetime) -> str:
    """Name what still needs a profile, or nothing."""
    newest = [held for held in context.journal.profiles("evaluation") if isinstance(held, EvaluationProfile)]
    # A version that a planned one will follow needs its partners until then.
    contracts = newest + [term for term in contract_terms(context.journal) if term.valid_to is None or term.valid_to > now]
    match profile:
        case MeterProfile():
            named = [contract.profile_id for contract in contracts if contract.meter_id == profile.meter_id]
            return "it is active" if profile.active else next(iter(named), "")
        case ConsumerProfile():
            return next((contract.profile_id for contract in contracts if contract.consumer_id == profile.consumer_id), "")
        case CommunicationProfile():
            named = [contract.profile_id for contract in contracts if profile.partner_id in contract.recipients]
            relayed = [
                held.partner_id
                for held in context.journal.profiles("communication")
                if isinstance(held, CommunicationProfile) and held.through == profile.partner_id
            ]
            waits = "messages that wait" if context.journal.pending_count(profile.partner_id) else ""
            return next(iter([*named, *relayed]), waits)
        case EvaluationProfile():
            if profile.valid_to is None or profile.valid_to > now:
                return "it has not ended"
            if context.journal.oldest_pending(profile.profile_id) is not None:
                return "messages that wait"
            copies = [c.profile_id for c in contracts if c.taf == PORTAL and c.rules.get("contract") == profile.profile_id]
            return next(iter(copies), "")


def _read_profile(context: Context, call: Call) -> Outcome:
    """Give one profile as it is held, for comparison; a consumer's log-in digests as their hash."""
    kind, profile_id = call.words[1], "/".join(call.rest)
    profile = next((held for held in context.journal.profiles(kind) if profile_key(held) == profile_id), None)
    if profile is None:
        raise DomainFault("profile.unknown", f"{kind} {profile_id[:64]}")
    return Outcome(200, {"version": profile.version, "sha256": profile_digest(profile)})


def _read_back(context: Context, _: Call) -> Outcome:
    """Give version and digest of every profile, for comparison; of a consumer's, too."""
    held = {kind: context.journal.profiles(kind) for kind in PROFILE_KINDS}
    body = {
        kind: {profile_key(one): {"version": one.version, "sha256": profile_digest(one)} for one in profiles}
        for kind, profiles in held.items()
    }
    return Outcome(200, body)


def _get_profiles(context: Context, call: Call) -> Outcome:
    return _read_profile(context, call) if call.rest else _list_profiles(context, call)


def _list_profiles(context: Context, call: Call) -> Outcome:
    return Outcome(200, {profile_key(profile): profile.version for profile in context.journal.profiles(call.words[1])})


ROUTES: Routes = {
    ("GET", "rts", "profiles"): _read_back,
    **{("PUT", "rts", kind): _put_profile for kind in PROFILE_KINDS},
    **{("GET", "rts", kind): _get_profiles for kind in PROFILE_KINDS},
    **{("DELETE", "rts", kind): _delete_profile for kind in PROFILE_KINDS},
}
